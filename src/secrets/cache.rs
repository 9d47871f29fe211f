//! The cache: what is kept of secrets that were fetched, for how long, and what a refusal by an
//! upstream makes of it.
//!
//! A pure state machine: it is told the time, waits for nothing and asks nobody, so that every
//! order of events can be tried on it. By default nothing is kept (`ttl: 0s`); the one exception
//! is a value that replaced a refused one, kept only while calls with the refused one are still
//! out, so that a storm of refusals costs one fetch. It must never hand out a value that was
//! refused, unless its store has said since that it is still the one; that is past its lease; or
//! that a store has since said is gone.
//!
//! That last exception is for keys that are refused now and then and yet are right: a vendor
//! answers 403 for one model of many, or for as long as a bill is open. With a `ttl` such a key is
//! kept again, at first for the few seconds for which its store's word is believed, so that it
//! does not cost a fetch a call.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// The most values that are kept, and the most bytes: half of the locked pool, so that what is
/// kept never leaves calls without room.
const MAX_KEPT: usize = 128;
const MAX_KEPT_BYTES: usize = 32 * 1024;

/// How many slots there may be before idle ones are dropped.
const MANY_SLOTS: usize = 1024;

/// For how long "the store still has the value that was refused" is believed.
const BELIEVED: Duration = Duration::from_secs(5);

/// How many refusals of a secret are looked into at the most within [`LOOKED_INTO`]: a client that
/// can make an upstream refuse (a model that a key may not use) must not drive its store.
const REFUSALS: usize = 3;
const LOOKED_INTO: Duration = Duration::from_secs(15);

/// The longest that a value is kept for calls whose own was refused.
const RECOVERY: Duration = Duration::from_secs(30);

/// How long a secret's values may be kept. All zero: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long a value is used without another fetch.
    pub ttl: Duration,
    /// How long before the end of `ttl` a use starts a fetch in the background.
    pub refresh_ahead: Duration,
    /// How long "nobody has it" is believed.
    pub negative_ttl: Duration,
    /// How long beyond `ttl` a value may be used while its store fails.
    pub stale_if_error: Duration,
}

/// A keyed fingerprint of a value: tells values apart, and tells nothing of them.
pub type Mark = [u8; 16];

/// Counts up whenever what was asked before must not be believed any more.
pub type Generation = u64;

/// A value as it came from a store.
pub struct Fresh<V> {
    pub value: V,
    pub mark: Mark,
    pub bytes: usize,
    /// The end of its lease.
    pub expires_at: Option<Instant>,
    /// A place before its own failed, and `on_error: next` let that pass.
    pub is_fallback: bool,
}

/// What an upstream's refusal says of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Of the value itself (HTTP 401).
    OfTheKey,
    /// Of this request with this value (HTTP 403), which may be the request's fault.
    OfTheRequest,
}

/// How a fetch ended.
pub enum Settled<V> {
    Found(Fresh<V>),
    Missed,
    /// The stores could not answer.
    Failed {
        /// Whether an older value may be used meanwhile; else the answer is final.
        is_transient: bool,
    },
}

/// What is known of a secret before a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Known<V> {
    Value {
        value: V,
        /// It ends soon: fetch anew in the background, under this generation.
        refresh: Option<Generation>,
    },
    /// Nobody had it a moment ago.
    Miss,
    /// It must be fetched.
    Nothing(Generation),
}

/// What is known after an upstream refused a value.
#[derive(Debug, PartialEq, Eq)]
pub enum AfterRefusal<V> {
    /// Another value has been fetched since.
    Newer(V),
    /// The store was asked a moment ago and still has the refused one, or was asked for refused ones
    /// too often.
    Same,
    /// It must be fetched.
    Nothing(Generation),
}

struct Kept<V> {
    fresh: Fresh<V>,
    fresh_until: Instant,
    refresh_from: Instant,
    usable_until: Instant,
    is_refreshing: bool,
    /// Only for calls whose own value was refused.
    is_for_recovery: bool,
    last_use: u64,
}

struct Slot<V> {
    generation: Generation,
    kept: Option<Kept<V>>,
    missed_until: Option<Instant>,
    refused: Option<Mark>,
    /// The refused value that the store had again, and until when that is believed.
    still: Option<(Mark, Instant)>,
    is_rechecking: bool,
    /// Whether the fetch after a refusal has yet to begin.
    is_recheck_due: bool,
    /// When refusals were last looked into, the oldest first.
    looked_into: Vec<Instant>,
    /// What was kept of a value whose refusal may have been the request's fault, until the store
    /// has answered.
    parked: Option<Kept<V>>,
    /// Values that calls are out with, by mark.
    lent: Vec<(Mark, usize)>,
}

impl<V> Slot<V> {
    /// Goes on with what is there, because there is no better answer now.
    fn hold_out(&mut self, parked: Option<Kept<V>>, terms: &Terms, now: Instant) {
        if let Some(mut parked) = parked.filter(|_| self.kept.is_none()) {
            // Only where its store fails: nobody has cleared it of the refusal.
            parked.fresh_until = parked.fresh_until.min(now);
            self.kept = Some(parked);
        }
        if let Some(kept) = &mut self.kept {
            let left = kept.fresh_until.saturating_duration_since(now);
            kept.refresh_from = now + (left / 2).max(Duration::from_secs(1));
            kept.is_refreshing = terms.refresh_ahead.is_zero();
        }
    }

    /// Whether one more refusal is looked into, which counts as one.
    fn may_look_into(&mut self, now: Instant) -> bool {
        self.looked_into
            .retain(|then| now.saturating_duration_since(*then) < LOOKED_INTO);
        let may = self.looked_into.len() < REFUSALS;
        if may {
            self.looked_into.push(now);
        }
        may
    }

    fn is_lent(&self, mark: Option<Mark>) -> bool {
        self.lent.iter().any(|(lent, _)| Some(*lent) == mark)
    }
}

/// What is kept, by key.
pub struct Cache<K, V> {
    slots: HashMap<K, Slot<V>>,
    generations: Generation,
    uses: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    pub fn new() -> Self {
        Self {
            slots: HashMap::new(),
            generations: 0,
            uses: 0,
        }
    }

    /// What is known of `key` now.
    pub fn look(&mut self, key: &K, now: Instant) -> Known<V> {
        self.uses += 1;
        let uses = self.uses;
        let slot = self.slot(key);
        if let Some(kept) = &mut slot.kept
            && !kept.is_for_recovery
            && now < kept.fresh_until
        {
            kept.last_use = uses;
            let refreshes = now >= kept.refresh_from && !kept.is_refreshing;
            kept.is_refreshing |= refreshes;
            return Known::Value {
                value: kept.fresh.value.clone(),
                refresh: refreshes.then_some(slot.generation),
            };
        }
        match slot.missed_until {
            Some(until) if now < until => Known::Miss,
            _ => Known::Nothing(slot.generation),
        }
    }

    /// What has become known since a caller was told to fetch, for a fetch that is about to begin:
    /// another may have ended in between. `refused` is the value that the caller cannot use.
    pub fn arrived(&self, key: &K, refused: Option<Mark>, now: Instant) -> Option<V> {
        let kept = self.slots.get(key)?.kept.as_ref()?;
        let is_of_use = match refused {
            Some(refused) => kept.fresh.mark != refused,
            None => !kept.is_for_recovery,
        };
        (is_of_use && now < kept.fresh_until).then(|| kept.fresh.value.clone())
    }

    /// Takes in how the fetch of `key` under `generation` ended. `early` moves the refresh ahead:
    /// 0 to 1, drawn anew each time, so that many keys or replicas do not refresh at once.
    pub fn settle(
        &mut self,
        key: &K,
        generation: Generation,
        settled: Settled<V>,
        terms: &Terms,
        early: f64,
        now: Instant,
    ) {
        self.uses += 1;
        let uses = self.uses;
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        // What was asked before a refusal may be what was refused.
        if slot.generation != generation {
            return;
        }
        let was_rechecking = std::mem::take(&mut slot.is_rechecking);
        let parked = slot.parked.take();
        match settled {
            // What stands in for a place that failed is used for this call, and replaces nothing.
            Settled::Found(Fresh {
                is_fallback: true, ..
            }) => slot.hold_out(parked, terms, now),
            Settled::Found(fresh) => {
                slot.missed_until = None;
                slot.kept = None;
                let is_refused = slot.refused == Some(fresh.mark);
                slot.still = is_refused.then(|| (fresh.mark, now + BELIEVED));
                let is_for_recovery = terms.ttl.is_zero();
                if is_for_recovery && (is_refused || !slot.is_lent(slot.refused)) {
                    return;
                }
                // Nobody has refused it since the recheck, and the store says it again.
                if is_refused && !was_rechecking {
                    slot.refused = None;
                }
                let lease_end = fresh.expires_at;
                let until = |span: Duration| {
                    let end = now.checked_add(span).unwrap_or(now);
                    lease_end.map_or(end, |lease_end| lease_end.min(end))
                };
                let is_believed = slot.refused == Some(fresh.mark);
                let (ttl, stale) = if is_for_recovery {
                    (RECOVERY, Duration::ZERO)
                } else if is_believed {
                    (terms.ttl.min(BELIEVED), Duration::ZERO)
                } else {
                    (terms.ttl, terms.stale_if_error)
                };
                let ahead = terms
                    .refresh_ahead
                    .mul_f64(1.0 + early.clamp(0.0, 1.0) / 4.0);
                let fresh_until = until(ttl);
                slot.kept = Some(Kept {
                    refresh_from: fresh_until.checked_sub(ahead).unwrap_or(now).max(now),
                    usable_until: until(ttl.saturating_add(stale)),
                    fresh_until,
                    is_refreshing: is_believed || terms.refresh_ahead.is_zero(),
                    is_for_recovery,
                    last_use: uses,
                    fresh,
                });
                self.make_room(key);
            }
            Settled::Missed => {
                slot.kept = None;
                if !terms.negative_ttl.is_zero() {
                    slot.missed_until = now.checked_add(terms.negative_ttl);
                }
            }
            Settled::Failed { is_transient: true } => slot.hold_out(parked, terms, now),
            // The store has spoken: what it said before holds no more.
            Settled::Failed {
                is_transient: false,
            } => slot.kept = None,
        }
    }

    /// The value that may stand in for one that could not be fetched.
    pub fn stale(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.slots.get(key)?.kept.as_ref()?;
        (!kept.is_for_recovery && now < kept.usable_until).then(|| kept.fresh.value.clone())
    }

    /// Notes that a call is out with the value of `mark`.
    pub fn lend(&mut self, key: &K, mark: Mark) {
        let lent = &mut self.slot(key).lent;
        match lent.iter_mut().find(|(lent, _)| *lent == mark) {
            Some((_, count)) => *count += 1,
            None => lent.push((mark, 1)),
        }
    }

    /// Notes that a call with the value of `mark` has been answered.
    pub fn give_back(&mut self, key: &K, mark: Mark) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if let Some(index) = slot.lent.iter().position(|(lent, _)| *lent == mark) {
            slot.lent[index].1 -= 1;
            if slot.lent[index].1 == 0 {
                slot.lent.swap_remove(index);
            }
        }
        let is_over = !slot.is_lent(slot.refused);
        if is_over && slot.kept.as_ref().is_some_and(|kept| kept.is_for_recovery) {
            slot.kept = None;
        }
    }

    /// Takes in that an upstream refused the value of `mark`.
    pub fn refuse(
        &mut self,
        key: &K,
        mark: Mark,
        refusal: Refusal,
        now: Instant,
    ) -> AfterRefusal<V> {
        let next = self.generations + 1;
        let slot = self.slot(key);
        if let Some(kept) = &slot.kept
            && kept.fresh.mark != mark
            && now < kept.fresh_until
        {
            return AfterRefusal::Newer(kept.fresh.value.clone());
        }
        if slot
            .still
            .is_some_and(|(still, until)| still == mark && now < until)
        {
            slot.refused = Some(mark);
            if let Some(kept) = &mut slot.kept {
                // Refused again: it bridges no outage.
                kept.usable_until = kept.usable_until.min(kept.fresh_until);
            }
            return AfterRefusal::Same;
        }
        if !slot.is_rechecking && !slot.may_look_into(now) {
            if refusal == Refusal::OfTheKey {
                slot.kept = None;
            }
            return AfterRefusal::Same;
        }
        slot.refused = Some(mark);
        match refusal {
            Refusal::OfTheKey => (slot.kept, slot.parked) = (None, None),
            Refusal::OfTheRequest => slot.parked = slot.kept.take().or(slot.parked.take()),
        }
        if !slot.is_rechecking {
            (slot.is_rechecking, slot.is_recheck_due) = (true, true);
            slot.generation = next;
            self.generations = next;
        }
        AfterRefusal::Nothing(self.slot(key).generation)
    }

    /// Drops what may not be used any more; says when that will next be so.
    pub fn sweep(&mut self, now: Instant) -> Option<Instant> {
        for slot in self.slots.values_mut() {
            if slot
                .kept
                .as_ref()
                .is_some_and(|kept| kept.usable_until <= now)
            {
                slot.kept = None;
            }
        }
        self.kept().map(|(_, kept)| kept.usable_until).min()
    }

    /// Whether the fetch that now begins is the first after a refusal: once for each.
    pub fn begins_recheck(&mut self, key: &K) -> bool {
        let slot = self.slots.get_mut(key);
        slot.is_some_and(|slot| std::mem::take(&mut slot.is_recheck_due))
    }

    /// Whether anything is kept.
    pub fn keeps_any(&self) -> bool {
        self.kept().next().is_some()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    fn slot(&mut self, key: &K) -> &mut Slot<V> {
        if self.slots.len() >= MANY_SLOTS && !self.slots.contains_key(key) {
            self.slots
                .retain(|_, slot| slot.kept.is_some() || !slot.lent.is_empty());
        }
        let generations = &mut self.generations;
        self.slots.entry(key.clone()).or_insert_with(|| {
            // Never one that a fetch of an earlier slot may still settle.
            *generations += 1;
            Slot {
                generation: *generations,
                kept: None,
                missed_until: None,
                refused: None,
                still: None,
                is_rechecking: false,
                is_recheck_due: false,
                looked_into: Vec::new(),
                parked: None,
                lent: Vec::new(),
            }
        })
    }

    fn kept(&self) -> impl Iterator<Item = (&K, &Kept<V>)> {
        let slots = self.slots.iter();
        slots.filter_map(|(key, slot)| Some((key, slot.kept.as_ref()?)))
    }

    /// Lets go of the values that were not used for longest, until the rest fits.
    fn make_room(&mut self, newest: &K) {
        loop {
            let count = self.kept().count();
            let bytes: usize = self.kept().map(|(_, kept)| kept.fresh.bytes).sum();
            if count <= MAX_KEPT && bytes <= MAX_KEPT_BYTES {
                return;
            }
            let oldest = self.kept().filter(|(key, _)| *key != newest);
            let oldest = oldest.min_by_key(|(_, kept)| kept.last_use);
            let key = oldest.map_or_else(|| newest.clone(), |(key, _)| key.clone());
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.kept = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
