//! What the end of a fetch says of the store: which failures count against it, and which are tried
//! again.
//!
//! Tried again is what may pass by itself within one fetch: no connection, the store's own failure,
//! throttling. Not a sealed store, which waits for a human; not a failed login, since stores lock
//! accounts; not a timeout: the store may still be at work on the first question, a second one adds
//! to its load, and the caller has already paid most of its deadline. The rest would fail alike.

use crate::{
    protection::Evidence,
    secrets::providers::{ErrorKind, Lookup, ProviderError},
};

/// Whether `error` is worth another try.
pub(super) fn is_worth_another_try(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Unreachable | ErrorKind::ServerFailed | ErrorKind::Throttled
    )
}

/// What `answers` to one question, or to several asked together, say. One that works is enough.
pub(super) fn evidence(answers: &[Result<Lookup, ProviderError>]) -> Evidence {
    let mut whole = Evidence::Nothing;
    for answer in answers {
        match answer.as_ref().map_or_else(of_failure, |_| Evidence::Works) {
            Evidence::Works => return Evidence::Works,
            found if whole == Evidence::Nothing => whole = found,
            _ => {}
        }
    }
    whole
}

fn of_failure(error: &ProviderError) -> Evidence {
    match error.kind {
        ErrorKind::Sealed
        | ErrorKind::Unreachable
        | ErrorKind::TimedOut
        | ErrorKind::Throttled
        | ErrorKind::ServerFailed
        // Not transient, but stores lock an account whose login keeps failing.
        | ErrorKind::LoginFailed => Evidence::Fails(error.to_string()),
        ErrorKind::Forbidden
        | ErrorKind::EngineFailed
        | ErrorKind::Malformed
        | ErrorKind::FieldAbsent
        | ErrorKind::Deleted => Evidence::Works,
        // Found out before the store was reached, or by somebody who stands before it.
        ErrorKind::Tls
        | ErrorKind::Misconfigured
        | ErrorKind::UnsafePermissions
        | ErrorKind::PoolFull
        | ErrorKind::CircuitOpen => Evidence::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_counts_as_what_it_shows_of_the_store() {
        let of = |kind| evidence(&[Err(ProviderError::new(kind, ""))]);
        for kind in [
            ErrorKind::Sealed,
            ErrorKind::TimedOut,
            ErrorKind::LoginFailed,
        ] {
            assert!(matches!(of(kind), Evidence::Fails(_)), "{kind}");
        }
        for kind in [
            ErrorKind::Forbidden,
            ErrorKind::Deleted,
            ErrorKind::FieldAbsent,
        ] {
            assert_eq!(of(kind), Evidence::Works, "{kind}");
        }
        for kind in [
            ErrorKind::Misconfigured,
            ErrorKind::PoolFull,
            ErrorKind::CircuitOpen,
        ] {
            assert_eq!(of(kind), Evidence::Nothing, "{kind}");
        }
        let failed = || Err(ProviderError::new(ErrorKind::Unreachable, "x"));
        assert_eq!(evidence(&[failed(), Ok(Lookup::Miss)]), Evidence::Works);
        assert_eq!(evidence(&[Ok(Lookup::Miss)]), Evidence::Works);
        assert_eq!(evidence(&[]), Evidence::Nothing);
    }
}
