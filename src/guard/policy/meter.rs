//! The measure of one evaluation: how many items it may still go through, how many bytes it may
//! still make, and until when.
//!
//! The interpreter has no budget and cannot be interrupted. But a condition is rewritten before it
//! is kept (see `rewrite`): each turn of a comprehension asks here whether to go on, and each `+`
//! asks here for room. What is used up is a failure of the evaluation even where the condition
//! would not care, since `x || true` swallows failures.

use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use cel::common::{
    types::Type,
    value::{StaticVal, Val},
};

use super::failure::Failure;

/// How many items the comprehensions of one evaluation may go through, all together.
const STEPS: u32 = 10_000;

/// How many bytes and items one evaluation may make with `+`.
const BYTES: usize = 8 * 1024 * 1024;

static TYPE: Type = Type::new_unspecified_type("meter");

/// One evaluation's measure. It is a value of the interpreter, so that operations can be given it.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    steps: u32,
    bytes: usize,
    deadline: Instant,
    failure: Option<Failure>,
}

impl Meter {
    pub(super) fn new(deadline: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            steps: STEPS,
            bytes: BYTES,
            deadline,
            failure: None,
        })))
    }

    /// Fills the measure for the next evaluation; the deadline stays.
    pub(super) fn reset(&self) {
        self.with(|state| {
            state.steps = STEPS;
            state.bytes = BYTES;
            state.failure = None;
        });
    }

    /// Whether there is time left.
    pub(super) fn is_in_time(&self) -> bool {
        self.with(|state| Instant::now() < state.deadline)
    }

    /// Asks for one more item.
    pub(super) fn step(&self) -> bool {
        self.with(|state| {
            let Some(steps) = state.steps.checked_sub(1) else {
                state.failure.get_or_insert(Failure::TooManyItems);
                return false;
            };
            state.steps = steps;
            if Instant::now() >= state.deadline {
                state.failure.get_or_insert(Failure::TimedOut);
            }
            state.failure.is_none()
        })
    }

    /// Asks for `bytes` more.
    pub(super) fn room(&self, bytes: usize) -> bool {
        self.with(|state| {
            match state.bytes.checked_sub(bytes) {
                Some(left) => state.bytes = left,
                None => {
                    state.failure.get_or_insert(Failure::TooLarge);
                }
            }
            state.failure.is_none()
        })
    }

    /// Notes a failure that the interpreter must not swallow.
    pub(super) fn fail(&self, failure: Failure) {
        self.with(|state| {
            state.failure.get_or_insert(failure);
        });
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.with(|state| state.failure)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Val for Meter {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Meter {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn meter() -> Meter {
        Meter::new(Instant::now() + Duration::from_secs(3600))
    }

    #[test]
    fn an_evaluation_ends_at_its_deadline_and_says_so() {
        let late = Meter::new(Instant::now());
        assert!(!late.is_in_time());
        assert!(!late.step());
        assert_eq!(late.failure(), Some(Failure::TimedOut));
    }

    #[test]
    fn what_is_used_up_is_a_failure_until_the_next_evaluation() {
        let meter = meter();
        assert!((0..STEPS).all(|_| meter.step()));
        assert!(!meter.step());
        assert_eq!(meter.failure(), Some(Failure::TooManyItems));
        assert!(!meter.room(0));
        meter.reset();
        assert!(meter.step() && meter.room(BYTES));
        assert!(!meter.room(1));
        assert_eq!(meter.failure(), Some(Failure::TooLarge));
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let meter = meter();
        meter.fail(Failure::TooDeep);
        meter.room(usize::MAX);
        assert_eq!(meter.failure(), Some(Failure::TooDeep));
    }
}
