//! Single flight: callers that wait for the same secret at the same time share one fetch.
//!
//! It is not a cache. A caller that arrives after the answer starts a fetch of its own, and the
//! map holds only weak handles: when the last waiter goes, its fetch is dropped, which closes the
//! connection to the store.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

type Flight<V> = Shared<BoxFuture<'static, V>>;

/// Fetches under way, by key. `V` is cloned to each waiter, so it is an `Arc` or small.
pub(super) struct SingleFlight<K, V: Clone> {
    flights: Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> SingleFlight<K, V> {
    pub(super) fn new() -> Self {
        Self {
            flights: Mutex::new(HashMap::new()),
        }
    }

    /// Joins the fetch of `key` that is under way, or starts `fetch`.
    pub(super) async fn join(&self, key: &K, fetch: impl FnOnce() -> BoxFuture<'static, V>) -> V {
        self.flight(key, fetch).await
    }

    fn flight(&self, key: &K, fetch: impl FnOnce() -> BoxFuture<'static, V>) -> Flight<V> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = flights.get(key).and_then(WeakShared::upgrade);
        if let Some(flight) = under_way.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        // Names are few, but a dead entry should not outlive the next fetch.
        flights.retain(|_, flight| flight.upgrade().is_some());
        let flight = fetch().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key.clone(), weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::{Notify, Semaphore};

    use super::*;

    struct Store {
        fetches: AtomicUsize,
        dropped: Arc<Notify>,
        answer: Semaphore,
    }

    struct OnDrop(Arc<Notify>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    impl Store {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                fetches: AtomicUsize::new(0),
                dropped: Arc::new(Notify::new()),
                answer: Semaphore::new(0),
            })
        }

        fn fetch(self: &Arc<Self>) -> BoxFuture<'static, usize> {
            let store = Arc::clone(self);
            Box::pin(async move {
                let _ended = OnDrop(Arc::clone(&store.dropped));
                let fetch = store.fetches.fetch_add(1, Ordering::SeqCst);
                store.answer.acquire().await.unwrap().forget();
                fetch
            })
        }
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_fetch_and_a_later_one_makes_its_own() {
        let (store, single) = (Store::new(), SingleFlight::new());
        let mut waiters: Vec<_> = (0..100)
            .map(|_| Box::pin(single.join(&"k", || store.fetch())))
            .collect();
        for waiter in &mut waiters {
            assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        }
        store.answer.add_permits(1);
        for waiter in waiters {
            assert_eq!(waiter.await, 0);
        }
        store.answer.add_permits(1);
        assert_eq!(single.join(&"k", || store.fetch()).await, 1);
    }

    #[tokio::test]
    async fn a_cancelled_leader_leaves_the_fetch_to_the_followers() {
        let (store, single) = (Store::new(), SingleFlight::new());
        let mut leader = Box::pin(single.join(&"k", || store.fetch()));
        let mut follower = Box::pin(single.join(&"k", || store.fetch()));
        assert!(futures_util::poll!(leader.as_mut()).is_pending());
        assert!(futures_util::poll!(follower.as_mut()).is_pending());
        drop(leader);
        store.answer.add_permits(1);
        assert_eq!(follower.await, 0);
        assert_eq!(store.fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_last_waiter_that_goes_ends_the_fetch() {
        let (store, single) = (Store::new(), SingleFlight::new());
        let mut only = Box::pin(single.join(&"k", || store.fetch()));
        assert!(futures_util::poll!(only.as_mut()).is_pending());
        drop(only);
        store.dropped.notified().await;
        store.answer.add_permits(1);
        assert_eq!(single.join(&"k", || store.fetch()).await, 1);
    }
}
