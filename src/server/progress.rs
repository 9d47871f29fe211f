//! Progress notes, for a client that asked for them.
//!
//! Clients give up on a silent call after about 60 s, so a note goes out every few seconds even
//! when nothing new has arrived; its number counts notes, because MCP wants it to increase.

use std::{future::Future, time::Duration};

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::{Peer, RequestContext},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::call::Progress;

/// Between two notes at the least, so that a fast stream does not flood the client.
const SHORTEST: Duration = Duration::from_millis(250);
/// From one note to the wait for the next at the most, so that never more than 5 s are silent.
const LONGEST: Duration = Duration::from_millis(4_500);

/// Runs `call`, and beside it the notes on what it puts into the sender it is given.
pub(super) async fn reported<F: Future>(
    context: &RequestContext<RoleServer>,
    call: impl FnOnce(watch::Sender<Progress>) -> F,
) -> F::Output {
    let (sender, receiver) = watch::channel(Progress::default());
    let call = call(sender);
    let Some(token) = context.meta.get_progress_token() else {
        return call.await;
    };
    tokio::select! {
        output = call => output,
        never = notes(&context.peer, token, receiver) => match never {},
    }
}

async fn notes(
    peer: &Peer<RoleServer>,
    token: ProgressToken,
    mut progress: watch::Receiver<Progress>,
) -> std::convert::Infallible {
    let mut ticks = interval(SHORTEST);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for note in 1_u32.. {
        ticks.tick().await;
        // The sender lives in the call, which ends this task with itself.
        let _elapsed = tokio::time::timeout(LONGEST, progress.changed()).await;
        let characters = progress.borrow_and_update().characters;
        let mut params = ProgressNotificationParam::new(token.clone(), f64::from(note));
        params.message = Some(match characters {
            0 => "waiting for the model".to_owned(),
            // What the vendor counts comes with the end; four characters a token is the usual guess.
            characters => format!(
                "{characters} characters so far, about {} tokens",
                characters.div_ceil(4)
            ),
        });
        if peer.notify_progress(params).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}
