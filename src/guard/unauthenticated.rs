//! Requests that proved no right to be heard, in the audit: each of the first few in a second, and
//! a count of the others, so that a stranger can neither hide in the audit nor fill it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::audit::{Audit, Event, Record};

/// So many are recorded one by one within [`WINDOW`].
const MAX_IN_WINDOW: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts them.
#[derive(Default)]
pub(super) struct Unauthenticated(Mutex<Window>);

#[derive(Default)]
struct Window {
    began: Option<Instant>,
    recorded: u32,
    /// Not recorded one by one, and not told of yet.
    untold: u64,
}

impl Unauthenticated {
    /// Records one, or counts it. Does not wait: the request is refused in any case.
    pub(super) fn record(&self, audit: &Audit, code: &'static str) {
        if let Some(untold) = self.admit(Instant::now()) {
            let mut record = Record::new(Event::Unauthenticated);
            record.code = Some(code.to_owned());
            record.outcome = Some("refused");
            if untold > 0 {
                record.detail = Some(format!("{untold} more since the last such record"));
            }
            drop(audit.enqueue(record));
        }
    }

    /// How many were passed over before this one, if this one is to be recorded.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW)
        {
            window.began = Some(now);
            window.recorded = 0;
        }
        if window.recorded >= MAX_IN_WINDOW {
            window.untold += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_next_second_tells_how_large_it_was() {
        let strangers = Unauthenticated::default();
        let began = Instant::now();
        let first: Vec<_> = (0..10).map(|_| strangers.admit(began)).collect();
        assert_eq!(first, vec![Some(0); 10]);
        for _ in 0..1000 {
            assert_eq!(strangers.admit(began + Duration::from_millis(999)), None);
        }
        assert_eq!(strangers.admit(began + WINDOW), Some(1000));
        assert_eq!(strangers.admit(began + WINDOW), Some(0));
    }
}
