//! What a failure of a model means for those who come after it.

use std::time::Duration;

use crate::{
    models::{Completion, ModelError, ModelErrorKind, Stage},
    protection::Evidence,
};

/// Whether asking again cannot be answered, and paid, twice: nothing was sent, or the vendor said
/// that it did nothing (409, 429, 502, 503, 529), and no answer had begun. Not after 408, 500 and
/// 504, which come as well of a request that took its time.
pub(super) fn is_safe_to_repeat(error: &ModelError) -> bool {
    if error.about.has_begun {
        return false;
    }
    match &error.kind {
        ModelErrorKind::RateLimited { .. } => true,
        ModelErrorKind::UpstreamDown { .. } => {
            error.about.is_unsent || matches!(error.about.status, Some(409 | 429 | 502 | 503 | 529))
        }
        ModelErrorKind::TimedOut {
            stage: Stage::Connect,
            ..
        } => true,
        _ => false,
    }
}

/// Whether another model may be asked in this one's place: it has too much to do, or no credit.
pub(super) fn is_cause_to_ask_another(error: &ModelError) -> bool {
    if error.about.has_begun {
        return false;
    }
    match &error.kind {
        ModelErrorKind::RateLimited { .. }
        | ModelErrorKind::QuotaExceeded
        | ModelErrorKind::LeftAlone { .. }
        | ModelErrorKind::QueueFull => true,
        // It said so, or nothing was sent: what broke on its way may be at work, and be paid.
        ModelErrorKind::UpstreamDown { .. } => {
            error.about.is_unsent || error.about.status.is_some()
        }
        ModelErrorKind::TimedOut { stage, .. } => *stage == Stage::Connect,
        ModelErrorKind::TlsFailed { .. } => error.about.is_unsent,
        _ => false,
    }
}

/// What the end of a call says of the provider.
pub(super) fn evidence(ended: &Result<Completion, ModelError>) -> Evidence {
    let Err(error) = ended else {
        return Evidence::Works;
    };
    match &error.kind {
        // One model's trouble, or one prompt's, is not the provider's: only that it cannot be
        // reached counts against it for all.
        ModelErrorKind::UpstreamDown { .. } if error.about.is_unsent => {
            Evidence::Fails(error.code().to_owned())
        }
        ModelErrorKind::TimedOut {
            stage: Stage::Connect,
            ..
        } => Evidence::Fails(error.code().to_owned()),
        // An answer of whatever kind: the provider is there.
        _ if error.about.status.is_some() => Evidence::Works,
        _ => Evidence::Nothing,
    }
}

/// When the vendor wants to be asked again.
pub(super) fn wish(error: &ModelError) -> Option<Duration> {
    error.retry_after()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Circumstances;

    fn error(kind: ModelErrorKind, change: impl FnOnce(&mut Circumstances)) -> ModelError {
        let mut error = ModelError::new(kind);
        change(&mut error.about);
        error
    }

    fn down() -> ModelErrorKind {
        ModelErrorKind::UpstreamDown {
            retry_after: None,
            cause: None,
        }
    }

    #[test]
    fn only_what_cannot_be_answered_twice_is_repeated() {
        let limited = ModelErrorKind::RateLimited { retry_after: None };
        let timed_out = |stage| ModelErrorKind::TimedOut {
            stage,
            after: Duration::ZERO,
        };
        for (error, expected) in [
            (error(limited.clone(), |_| {}), true),
            (error(limited, |about| about.has_begun = true), false),
            (error(down(), |about| about.status = Some(503)), true),
            (error(down(), |about| about.status = Some(529)), true),
            (error(down(), |about| about.status = Some(408)), false),
            (error(down(), |about| about.status = Some(500)), false),
            (error(down(), |about| about.status = Some(504)), false),
            (error(down(), |about| about.is_unsent = true), true),
            // It broke after it was sent: it may be at work.
            (error(down(), |_| {}), false),
            (error(timed_out(Stage::Connect), |_| {}), true),
            (error(timed_out(Stage::FirstByte), |_| {}), false),
            (
                error(ModelErrorKind::BadKey, |about| about.status = Some(401)),
                false,
            ),
            (
                error(ModelErrorKind::QuotaExceeded, |about| {
                    about.status = Some(429)
                }),
                false,
            ),
            (
                error(ModelErrorKind::Incomplete, |about| about.has_begun = true),
                false,
            ),
        ] {
            assert_eq!(is_safe_to_repeat(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn another_model_is_asked_for_overload_and_quota_alone() {
        for (kind, expected) in [
            (ModelErrorKind::QuotaExceeded, true),
            (ModelErrorKind::QueueFull, true),
            (down(), false),
            (ModelErrorKind::BadKey, false),
            (ModelErrorKind::ContentFiltered, false),
            (ModelErrorKind::NoSuchModel, false),
        ] {
            assert_eq!(
                is_cause_to_ask_another(&error(kind.clone(), |_| {})),
                expected,
                "{kind:?}"
            );
        }
        assert!(!is_cause_to_ask_another(&error(down(), |about| about
            .has_begun =
            true)));
    }

    #[test]
    fn an_answer_of_any_kind_shows_that_the_provider_is_there() {
        let refused = Err(error(ModelErrorKind::BadKey, |about| {
            about.status = Some(401)
        }));
        assert_eq!(evidence(&refused), Evidence::Works);
        let unsent = Err(error(down(), |about| about.is_unsent = true));
        assert!(matches!(evidence(&unsent), Evidence::Fails(_)));
        let failing = Err(error(down(), |about| about.status = Some(502)));
        assert_eq!(evidence(&failing), Evidence::Works);
        let ours = Err(error(ModelErrorKind::KeyMalformed, |_| {}));
        assert_eq!(evidence(&ours), Evidence::Nothing);
    }
}
