//! How long to wait before a service is asked again.
//!
//! Waits have full jitter (uniform between nothing and a ceiling that doubles), so that callers
//! whose requests failed together do not come back together.

use std::time::Duration;

const FIRST_CEILING: Duration = Duration::from_millis(100);
const HIGHEST_CEILING: Duration = Duration::from_secs(2);

/// The longest wish of a store that is waited for where no deadline says so.
const LONGEST_WISH: Duration = Duration::from_secs(10);

/// How long to wait before the next try, after `tries` that failed; `None`: it would come too late.
///
/// `wish` is the store's own (`Retry-After`), and the least that is waited: jitter comes on top of
/// it. `left` is what remains of the deadline. `random` is in `0.0..1.0`.
pub(crate) fn wait(
    tries: u32,
    wish: Option<Duration>,
    left: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    let wait = wish
        .unwrap_or_default()
        .saturating_add(ceiling(tries).mul_f64(random));
    (wait < left.unwrap_or(LONGEST_WISH)).then_some(wait)
}

fn ceiling(tries: u32) -> Duration {
    let doublings = 2_u32.saturating_pow(tries.saturating_sub(1));
    FIRST_CEILING.saturating_mul(doublings).min(HIGHEST_CEILING)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_ceiling_doubles_up_to_its_cap() {
        let ceilings: Vec<_> = (1..8).map(ceiling).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 2000, 2000].map(ms));
        assert_eq!(ceiling(u32::MAX), ms(2000));
    }

    #[test]
    fn a_wait_that_does_not_fit_is_none() {
        assert_eq!(wait(1, None, Some(ms(60)), 0.5), Some(ms(50)));
        assert_eq!(wait(1, None, Some(ms(50)), 0.5), None);
        assert_eq!(wait(1, Some(ms(3000)), Some(ms(5000)), 0.0), Some(ms(3000)));
        assert_eq!(wait(1, Some(ms(7000)), Some(ms(5000)), 0.0), None);
        assert_eq!(wait(1, Some(Duration::MAX), None, 0.5), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_the_wish_or_longer_than_what_is_left(
            tries in 1_u32..40, wish in 0_u64..20_000, left in 0_u64..20_000, random in 0.0..1.0,
        ) {
            if let Some(waited) = wait(tries, Some(ms(wish)), Some(ms(left)), random) {
                prop_assert!(waited >= ms(wish) && waited < ms(left));
                prop_assert!(waited <= ms(wish) + ceiling(tries));
            }
        }
    }
}
