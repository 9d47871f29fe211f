//! What runs beside the calls: refreshes, and the sweeper that wipes a kept value at its end
//! whether or not anybody asks again. Everything here ends with the broker.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{sync::Notify, task::JoinSet};

use super::Broker;

/// The broker's own tasks.
#[derive(Default)]
pub(super) struct Housekeeping {
    tasks: Mutex<Tasks>,
    /// Something was kept that may end sooner than what the sweeper waits for.
    kept: Arc<Notify>,
}

#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    sweeps: bool,
    is_ended: bool,
}

impl Housekeeping {
    /// Runs a task that ends with the broker.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.running.try_join_next().is_some() {}
        if !tasks.is_ended {
            tasks.running.spawn(task);
        }
    }

    /// Ends all tasks; none is started after this.
    pub(super) fn end(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.is_ended = true;
        tasks.running.abort_all();
    }

    /// Whether the sweeper must be started: once.
    fn begins_to_sweep(&self) -> bool {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut tasks.sweeps, true)
    }
}

impl Broker {
    /// Sees to it that what is kept now is wiped in time.
    pub(super) fn keep_house(self: &Arc<Self>) {
        if !self.cache().keeps_any() {
            return;
        }
        self.housekeeping.kept.notify_one();
        if self.housekeeping.begins_to_sweep() {
            let (broker, kept) = (Arc::downgrade(self), Arc::clone(&self.housekeeping.kept));
            self.housekeeping.spawn(sweep(broker, kept));
        }
    }
}

async fn sweep(broker: Weak<Broker>, kept: Arc<Notify>) {
    loop {
        let next = {
            let Some(broker) = broker.upgrade() else {
                return;
            };
            let now = tokio::time::Instant::now().into_std();
            broker.cache().sweep(now)
        };
        match next {
            Some(end) => {
                let end = tokio::time::Instant::from_std(end);
                tokio::select! {
                    () = tokio::time::sleep_until(end) => {}
                    () = kept.notified() => {}
                }
            }
            None => kept.notified().await,
        }
    }
}
