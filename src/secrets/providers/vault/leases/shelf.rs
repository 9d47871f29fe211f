//! Which leases are held: one for each place, their values, and who was promised what.
//!
//! It speaks to nobody. Each lease's keeper holds the other end of its `hold`: a lease that is
//! dropped from the shelf is thereby given back to Vault. What was handed out is not taken back
//! before the end that came with it, unless the value was refused where it was used.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use tokio::sync::oneshot;

use super::term::{Condition, Term};
use crate::secrets::memory::LockedBuffer;

/// How many leases are held at the same time.
pub(super) const MOST: usize = 32;

/// How many bytes of answers are held at the same time: a quarter of the locked pool, so that leases
/// and kept values together leave room for the calls.
pub(super) const MOST_BYTES: usize = 16 * 1024;

/// What an answer is taken to need before it is known.
const USUAL_BYTES: usize = 1024;

/// A place whose answer is leased: all of its fields share one lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Key {
    pub(in super::super) namespace: Option<String>,
    pub(in super::super) mount: String,
    pub(in super::super) path: String,
}

/// A lease, handed out.
#[derive(Clone)]
pub(in super::super) struct Leased {
    /// Tells leases apart within this process.
    pub(super) number: u64,
    /// Vault's whole answer.
    pub(in super::super) answer: Arc<LockedBuffer>,
    /// Tells leases apart to people, and does not give the lease's id away.
    pub(in super::super) version: Arc<str>,
    pub(in super::super) ends: Instant,
}

/// A lease, held.
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) answer: Arc<LockedBuffer>,
    pub(super) version: Arc<str>,
    pub(super) term: Term,
    /// Tells the token that it was made with; it ends with that.
    pub(super) made_with: u64,
    /// Dropped: the lease is to be given back.
    pub(super) hold: oneshot::Sender<()>,
    was_used: bool,
    promised: Option<Instant>,
}

impl Entry {
    pub(super) fn new(
        leased: &Leased,
        term: Term,
        made_with: u64,
        hold: oneshot::Sender<()>,
    ) -> Self {
        Self {
            number: leased.number,
            answer: Arc::clone(&leased.answer),
            version: Arc::clone(&leased.version),
            term,
            made_with,
            hold,
            was_used: false,
            promised: None,
        }
    }

    /// Whether nobody asked for it since its last renewal, and nobody still counts on it.
    fn is_idle(&self, now: Instant) -> bool {
        !self.was_used && self.promised.is_none_or(|until| until <= now)
    }

    /// Whether it may make way for another. One that was never claimed may be about to be.
    fn makes_way(&self, now: Instant) -> bool {
        self.is_idle(now) && self.promised.is_some()
    }

    fn leased(&self) -> Leased {
        Leased {
            number: self.number,
            answer: Arc::clone(&self.answer),
            version: Arc::clone(&self.version),
            ends: self.term.ends(),
        }
    }
}

/// Why a lease was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotHeld {
    Full,
    Closed,
}

/// What to do with a lease whose renewal is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Renew,
    /// It was taken off the shelf: nobody uses it.
    Unused,
    /// Ask again then: somebody may still use what they were given.
    Again(Instant),
    /// It cannot be renewed, and is left until its end.
    Leave,
}

/// All leases of one provider.
#[derive(Default)]
pub(super) struct Shelf {
    held: HashMap<Key, Entry>,
    /// Replaced by newer ones, but still used by whoever got them; values already wiped.
    retired: VecDeque<(u64, oneshot::Sender<()>)>,
    is_closed: bool,
}

impl Shelf {
    /// The lease for a place, how it stands, and which token it was made with.
    pub(super) fn look(&self, key: &Key, now: Instant) -> Option<(Leased, Condition, u64)> {
        let entry = self.held.get(key)?;
        match entry.term.condition(now) {
            Condition::Over => None,
            condition => Some((entry.leased(), condition, entry.made_with)),
        }
    }

    /// Promises a lease's value until the end that goes out with it; `false` if it is no longer
    /// here to be promised.
    pub(super) fn claim(&mut self, leased: &Leased) -> bool {
        let Some(entry) = self.numbered(leased.number) else {
            return false;
        };
        entry.was_used = true;
        entry.promised = entry.promised.max(Some(leased.ends));
        true
    }

    /// Whether a lease for `key` could be taken in.
    pub(super) fn has_room(&self, key: &Key, now: Instant) -> bool {
        self.held.len() < MOST && self.bytes() + USUAL_BYTES <= MOST_BYTES
            || self.held.contains_key(key)
            || self.held.values().any(|entry| entry.makes_way(now))
    }

    fn bytes(&self) -> usize {
        let answers = self.held.values();
        answers.map(|entry| entry.answer.as_slice().len()).sum()
    }

    /// Takes a lease in. An older one for the same place is left until its end. When all room is
    /// taken, one that nobody uses makes way.
    pub(super) fn put(&mut self, key: Key, entry: Entry, now: Instant) -> Result<(), NotHeld> {
        if self.is_closed {
            return Err(NotHeld::Closed);
        }
        if !self.has_room(&key, now) {
            return Err(NotHeld::Full);
        }
        let bytes = entry.answer.as_slice().len();
        let replaced = |shelf: &Self| match shelf.held.get(&key) {
            Some(older) => older.answer.as_slice().len(),
            None => 0,
        };
        while (self.held.len() >= MOST && !self.held.contains_key(&key))
            || (self.bytes() - replaced(self) + bytes > MOST_BYTES && !self.held.is_empty())
        {
            let idle = self.held.iter().filter(|(_, entry)| entry.makes_way(now));
            let longest = idle.min_by_key(|(_, entry)| entry.promised);
            let Some(key) = longest.map(|(key, _)| key.clone()) else {
                return Err(NotHeld::Full);
            };
            self.held.remove(&key);
        }
        if let Some(older) = self.held.insert(key, entry) {
            self.retired.push_back((older.number, older.hold));
            if self.retired.len() > MOST {
                self.retired.pop_front();
            }
        }
        Ok(())
    }

    /// Decides on a lease whose renewal is due.
    pub(super) fn due(&mut self, number: u64, now: Instant) -> Due {
        let Some((key, entry)) = self.held.iter().find(|(_, entry)| entry.number == number) else {
            return Due::Leave;
        };
        if entry.is_idle(now) {
            let key = key.clone();
            self.held.remove(&key);
            return Due::Unused;
        }
        match (entry.was_used, entry.promised) {
            (true, _) if entry.term.can_renew() => Due::Renew,
            (false, Some(until)) => Due::Again(until),
            _ => Due::Leave,
        }
    }

    /// A lease has a new term; whether it is used is counted anew.
    pub(super) fn renewed(&mut self, number: u64, term: Term) {
        if let Some(entry) = self.numbered(number) {
            entry.term = term;
            entry.was_used = false;
        }
    }

    /// A lease will not be renewed again.
    pub(super) fn make_last(&mut self, number: u64) {
        if let Some(entry) = self.numbered(number) {
            entry.term = entry.term.made_last();
        }
    }

    /// Lets go of the lease for a place, whoever uses it; whether there was one.
    pub(super) fn let_go(&mut self, key: &Key) -> bool {
        self.held.remove(key).is_some()
    }

    /// Strikes out a lease that has ended.
    pub(super) fn strike_out(&mut self, number: u64) {
        self.held.retain(|_, entry| entry.number != number);
        self.retired.retain(|(other, _)| *other != number);
    }

    /// Lets go of all, and takes in no more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.held.clear();
        self.retired.clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn numbered(&mut self, number: u64) -> Option<&mut Entry> {
        self.held.values_mut().find(|entry| entry.number == number)
    }
}

#[cfg(test)]
mod tests;
