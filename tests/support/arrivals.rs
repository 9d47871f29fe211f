//! What a stand-in has seen, in order, for tests to wait on: events instead of pauses.

use std::sync::{Condvar, Mutex};

use super::environment::PATIENCE;

/// A list that only grows.
#[derive(Debug)]
pub struct Arrivals<T> {
    items: Mutex<Vec<T>>,
    grown: Condvar,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Self {
            items: Mutex::default(),
            grown: Condvar::new(),
        }
    }
}

impl<T: Clone + std::fmt::Debug> Arrivals<T> {
    /// Adds one and wakes who waits.
    pub fn push(&self, item: T) {
        self.items.lock().unwrap().push(item);
        self.grown.notify_all();
    }

    /// All so far.
    pub fn all(&self) -> Vec<T> {
        self.items.lock().unwrap().clone()
    }

    /// How many of them are `wanted`.
    pub fn count(&self, wanted: impl Fn(&T) -> bool) -> usize {
        self.items
            .lock()
            .unwrap()
            .iter()
            .filter(|item| wanted(item))
            .count()
    }

    /// Waits until `number` of them are `wanted`; if they do not come, the test fails.
    #[track_caller]
    pub fn wait_for(&self, number: usize, wanted: impl Fn(&T) -> bool) {
        let items = self.items.lock().unwrap();
        let lacking =
            |items: &mut Vec<T>| items.iter().filter(|item| wanted(item)).count() < number;
        let (items, waited) = self
            .grown
            .wait_timeout_while(items, PATIENCE, lacking)
            .unwrap();
        let seen = items.clone();
        drop(items);
        assert!(
            !waited.timed_out(),
            "{number} awaited; what came: {seen:#?}"
        );
    }
}
