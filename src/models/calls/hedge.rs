//! A second request beside one that is slow to begin, where that is wanted.
//!
//! Whichever begins to answer first is listened to, and the other connection is closed at once. The
//! vendor may have begun to work on both, and charge for both: so it is off unless it is written, is
//! sent only where a place is free, and is told with the answer, whatever that is.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use super::{
    careful::Careful,
    fallback::Fallback,
    judgement::{is_cause_to_ask_another, is_safe_to_repeat},
};
use crate::{
    call::{CallContext, Progress},
    models::{Completion, CompletionRequest, ModelError},
};

/// What is said of the one of two that was not listened to.
const HEDGED: &str = "hedged";

type Answer = Result<Completion, ModelError>;

/// How many second requests one call has sent.
#[derive(Debug, Default)]
pub(super) struct Hedges(AtomicUsize);

/// Which of the two is listened to.
enum Heard {
    First,
    Second,
    /// One has ended before either began.
    FirstEnded(Answer),
    SecondEnded(Answer),
}

impl Hedges {
    /// Tells of them with the answer of the call, whatever that is.
    pub(super) fn told(&self, answer: &mut Answer, model: &str, provider: &str) {
        for _ in 0..self.0.load(Ordering::Relaxed) {
            let other = Fallback {
                model: model.to_owned(),
                provider: provider.to_owned(),
                because: HEDGED,
            };
            match answer {
                Ok(completion) => completion.instead_of.push(other),
                Err(error) => error.about.also_asked.push(other),
            }
        }
    }
}

impl Careful {
    /// Asks and, if no answer has begun `after` this long since the request was sent, asks once more
    /// beside it.
    pub(super) async fn hedged(
        &self,
        request: &CompletionRequest,
        cx: &CallContext,
        first: impl Future<Output = Answer> + Send,
        after: Duration,
        hedges: &Hedges,
    ) -> Answer {
        // Of this try, not of one before it.
        cx.progress.send_replace(Progress::default());
        let mut first = Box::pin(first);
        tokio::select! {
            answer = &mut first => return answer,
            () = sent_for(&cx.progress, after) => {}
        }
        if cx.progress.borrow().has_begun {
            return first.await;
        }
        let Some((admitted, places)) = self.enter_now(&request.model) else {
            return first.await;
        };
        hedges.0.fetch_add(1, Ordering::Relaxed);
        self.count_hedge(&request.model);
        // Of two, one at a time is reported.
        let beside = CallContext::new(cx.identity.clone());
        let mut second = Box::pin(async {
            let _places = places;
            self.once(request, &beside, admitted).await
        });
        let heard = tokio::select! {
            answer = &mut first => Heard::FirstEnded(answer),
            answer = &mut second => Heard::SecondEnded(answer),
            () = begun(&cx.progress) => Heard::First,
            () = begun(&beside.progress) => Heard::Second,
        };
        match heard {
            Heard::First => {
                drop(second);
                first.await
            }
            Heard::Second => {
                drop(first);
                reported(second, &beside.progress, &cx.progress).await
            }
            Heard::FirstEnded(Ok(completion)) | Heard::SecondEnded(Ok(completion)) => {
                Ok(completion)
            }
            Heard::FirstEnded(Err(error)) => {
                drop(first);
                let other = reported(second, &beside.progress, &cx.progress).await;
                other.map_err(|other| graver(error, other))
            }
            Heard::SecondEnded(Err(error)) => {
                drop(second);
                first.await.map_err(|other| graver(other, error))
            }
        }
    }
}

/// Of two failures of one question the one that forbids more: what either may have begun must not be
/// asked for again.
fn graver(one: ModelError, other: ModelError) -> ModelError {
    let allows = |error: &ModelError| (is_safe_to_repeat(error), is_cause_to_ask_another(error));
    if allows(&other) < allows(&one) {
        other
    } else {
        one
    }
}

async fn sent_for(progress: &watch::Sender<Progress>, long: Duration) {
    until(progress, |progress| progress.is_sent).await;
    sleep(long).await;
}

async fn begun(progress: &watch::Sender<Progress>) {
    until(progress, |progress| progress.has_begun).await;
}

async fn until(progress: &watch::Sender<Progress>, is_so: impl FnMut(&Progress) -> bool) {
    let mut watched = progress.subscribe();
    // The sender lives as long as its context.
    let _closed = watched.wait_for(is_so).await;
}

/// Waits for the answer whose progress is in `from`, and passes that on.
async fn reported(
    answer: impl Future<Output = Answer>,
    from: &watch::Sender<Progress>,
    to: &watch::Sender<Progress>,
) -> Answer {
    let mut watched = from.subscribe();
    watched.mark_changed();
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            Ok(()) = watched.changed() => {
                let progress = *watched.borrow_and_update();
                to.send_replace(progress);
            }
        }
    }
}

#[cfg(test)]
mod tests;
