//! A second request beside one that is slow to begin, where that is wanted.
//!
//! Whichever begins to answer first is listened to, and the other connection is closed at once. The
//! vendor may have begun to work on both, and charge for both: so it is off unless it is written, is
//! sent only where a place is free, and is told with the answer.

use std::time::Duration;

use tokio::{sync::watch, time::sleep};

use super::{careful::Careful, fallback::Fallback};
use crate::{
    call::{CallContext, Progress},
    models::{Completion, CompletionRequest, ModelError, ModelProvider as _},
};

/// What is said of the one of two that was not listened to.
const HEDGED: &str = "hedged";

type Answer = Result<Completion, ModelError>;

/// Which of the two is listened to.
enum Heard {
    First,
    Second,
    /// One has ended before either began.
    FirstEnded(Answer),
    SecondEnded(Answer),
}

impl Careful {
    /// Asks and, if no answer has begun `after` this long, asks once more beside it.
    pub(super) async fn hedged(
        &self,
        request: &CompletionRequest,
        cx: &CallContext,
        first: impl Future<Output = Answer> + Send,
        after: Duration,
    ) -> Answer {
        let mut first = Box::pin(first);
        tokio::select! {
            answer = &mut first => return answer,
            () = sleep(after) => {}
        }
        if cx.progress.borrow().has_begun {
            return first.await;
        }
        let Some((admitted, places)) = self.enter_now(&request.model) else {
            return first.await;
        };
        self.count_hedge(&request.model);
        // Of two, one at a time is reported.
        let beside = CallContext::new(cx.identity.clone());
        let mut second = Box::pin(self.once(request, &beside, admitted));
        let heard = tokio::select! {
            answer = &mut first => Heard::FirstEnded(answer),
            answer = &mut second => Heard::SecondEnded(answer),
            () = begun(&cx.progress) => Heard::First,
            () = begun(&beside.progress) => Heard::Second,
        };
        let answer = match heard {
            Heard::First => {
                drop((second, places));
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
                let other = reported(second, &beside.progress, &cx.progress).await;
                other.map_err(|_| error)
            }
            Heard::SecondEnded(Err(_)) => first.await,
        };
        let passed_over = Fallback {
            model: request.model.clone(),
            provider: self.name().to_owned(),
            because: HEDGED,
        };
        match answer {
            Ok(mut completion) => {
                completion.instead_of.push(passed_over);
                Ok(completion)
            }
            Err(mut error) => {
                error.about.also_asked.push(passed_over);
                Err(error)
            }
        }
    }
}

async fn begun(progress: &watch::Sender<Progress>) {
    let mut watched = progress.subscribe();
    // The sender lives as long as its context.
    let _closed = watched.wait_for(|progress| progress.has_begun).await;
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
