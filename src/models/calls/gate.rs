//! A limit on what runs at once, and a queue before it that is fair: those who wait take turns by
//! principal, so that one who calls a thousand times does not keep another waiting for more than
//! one call of each.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The limit and the queue.
#[derive(Debug)]
pub(super) struct Gate {
    most: usize,
    most_waiting: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    tickets: u64,
    /// Principals who wait, each once, the next first.
    turns: VecDeque<String>,
    queues: HashMap<String, VecDeque<(u64, oneshot::Sender<()>)>>,
}

/// Leave to run, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Gate>);

/// Too many wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// Somebody who waits. Dropped early, they have gone away.
struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    principal: &'a str,
    ticket: u64,
    granted: oneshot::Receiver<()>,
    is_in: bool,
}

impl Gate {
    pub(super) fn new(most: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_waiting,
            state: Mutex::default(),
        })
    }

    /// Waits for a place on behalf of `principal`. Dropping the future gives up the turn.
    pub(super) async fn enter(self: &Arc<Self>, principal: &str) -> Result<Place, QueueFull> {
        let mut waiting = {
            let mut state = self.state();
            if state.running < self.most {
                state.running += 1;
                return Ok(Place(Arc::clone(self)));
            }
            if !state.has_room(principal, self.most_waiting) {
                return Err(QueueFull);
            }
            let (grant, granted) = oneshot::channel();
            let ticket = state.queue(principal, grant);
            Waiting {
                gate: self,
                principal,
                ticket,
                granted,
                is_in: false,
            }
        };
        // The sender is dropped only with its entry, which lives as long as this waits.
        let _granted = (&mut waiting.granted).await;
        waiting.is_in = true;
        Ok(Place(Arc::clone(self)))
    }

    /// A place, if one is free and nobody waits for it.
    pub(super) fn enter_now(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state();
        let is_free = state.running < self.most && state.waiting == 0;
        is_free.then(|| {
            state.running += 1;
            Place(Arc::clone(self))
        })
    }

    fn leave(&self) {
        let mut state = self.state();
        // Whoever is granted the place runs in it: the number stays.
        if !state.grant_next() {
            state.running -= 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more may wait. Where all room is taken, those who have less than their share of
    /// it still may: one who calls a thousand times does not keep others out.
    fn has_room(&self, principal: &str, most: usize) -> bool {
        if self.waiting < most {
            return true;
        }
        let own = self.queues.get(principal).map_or(0, VecDeque::len);
        let share = most / (self.queues.len() + 1);
        own < share && self.waiting < most.saturating_mul(2)
    }

    fn queue(&mut self, principal: &str, grant: oneshot::Sender<()>) -> u64 {
        self.tickets += 1;
        self.waiting += 1;
        let queue = self.queues.entry(principal.to_owned()).or_default();
        if queue.is_empty() {
            self.turns.push_back(principal.to_owned());
        }
        queue.push_back((self.tickets, grant));
        self.tickets
    }

    /// Grants a place to whoever is next; `false`: nobody waits.
    fn grant_next(&mut self) -> bool {
        while let Some(principal) = self.turns.pop_front() {
            let Some(queue) = self.queues.get_mut(&principal) else {
                continue;
            };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&principal);
            } else {
                self.turns.push_back(principal);
            }
            if let Some((_, grant)) = next {
                self.waiting -= 1;
                // One who has gone away without having taken the entry out gives the place back.
                let _gone = grant.send(());
                return true;
            }
        }
        false
    }

    /// Takes the entry of one who gave up out; `false`: the place was granted meanwhile.
    fn give_up(&mut self, principal: &str, ticket: u64) -> bool {
        let Some(queue) = self.queues.get_mut(principal) else {
            return false;
        };
        let before = queue.len();
        queue.retain(|(other, _)| *other != ticket);
        let is_out = queue.len() < before;
        if is_out {
            self.waiting -= 1;
        }
        if queue.is_empty() {
            self.queues.remove(principal);
            self.turns.retain(|other| other != principal);
        }
        is_out
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_in {
            return;
        }
        let gave_up = self.gate.state().give_up(self.principal, self.ticket);
        if !gave_up {
            self.gate.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use super::*;

    fn counts(gate: &Gate) -> (usize, usize, usize) {
        let state = gate.state();
        (state.running, state.waiting, state.queues.len())
    }

    #[tokio::test]
    async fn no_more_run_than_may_and_no_more_wait() {
        let gate = Gate::new(2, 1);
        let first = gate.enter("a").await.unwrap();
        let _second = gate.enter("a").await.unwrap();
        let mut third = Box::pin(gate.enter("a"));
        assert!(poll!(&mut third).is_pending());
        assert_eq!(gate.enter("b").await.unwrap_err(), QueueFull);
        drop(first);
        let third = third.now_or_never().unwrap().unwrap();
        assert_eq!(counts(&gate), (2, 0, 0));
        drop(third);
        assert_eq!(counts(&gate), (1, 0, 0));
    }

    #[tokio::test]
    async fn those_who_wait_take_turns_by_principal() {
        let gate = Gate::new(1, 1000);
        let mut running = Some(gate.enter("greedy").await.unwrap());
        let mut waiting: Vec<_> = ["greedy"; 100]
            .into_iter()
            .chain(["b", "c", "b"])
            .map(|principal| (principal, Box::pin(gate.enter(principal))))
            .collect();
        for (_, turn) in &mut waiting {
            assert!(poll!(turn).is_pending());
        }
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(running.take());
            let mut next = None;
            for (number, (_, turn)) in waiting.iter_mut().enumerate() {
                if let std::task::Poll::Ready(place) = poll!(turn) {
                    running = Some(place.unwrap());
                    next = Some(number);
                }
            }
            order.push(waiting.remove(next.unwrap()).0);
        }
        assert_eq!(order[..5], ["greedy", "b", "c", "greedy", "b"]);
        assert_eq!(order.len(), 103);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_turn_to_others_whenever_that_is() {
        let gate = Gate::new(1, 10);
        let place = gate.enter("a").await.unwrap();
        let mut gone = Box::pin(gate.enter("b"));
        let mut granted_and_gone = Box::pin(gate.enter("c"));
        let mut last = Box::pin(gate.enter("d"));
        for turn in [&mut gone, &mut granted_and_gone, &mut last] {
            assert!(poll!(turn).is_pending());
        }
        drop(gone);
        assert_eq!(counts(&gate), (1, 2, 2));
        drop(place);
        // Its place was granted, and it never looked.
        drop(granted_and_gone);
        drop(last.now_or_never().unwrap().unwrap());
        assert_eq!(counts(&gate), (0, 0, 0));
    }

    #[tokio::test]
    async fn one_who_fills_the_queue_keeps_nobody_else_out() {
        let gate = Gate::new(1, 4);
        let _running = gate.enter("greedy").await.unwrap();
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(gate.enter("greedy"))).collect();
        for turn in &mut waiting {
            assert!(poll!(turn).is_pending());
        }
        assert_eq!(gate.enter("greedy").await.unwrap_err(), QueueFull);
        let mut other = Box::pin(gate.enter("other"));
        assert!(poll!(&mut other).is_pending());
        // It has its share, too.
        let mut more = Box::pin(gate.enter("other"));
        let full = poll!(&mut more);
        assert!(
            matches!(full, std::task::Poll::Ready(Err(QueueFull))),
            "{full:?}"
        );
    }
}
