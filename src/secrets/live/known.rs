//! Which keys are remembered, and the search for any of them.
//!
//! Apart from the tables because it decides who is in them: the last 1,024 keys that were handed
//! out, 128 KiB of keys in all. Readers take a snapshot and wait for nobody; whoever brings a new
//! key builds the next snapshot beside it and returns when it is in use, so that a key is never in
//! a caller's hands before it is recognised.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt, mem,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    MARK,
    filter::Filter,
    fingerprint::Fingerprints,
    group::Group,
    member::{Member, PIECE_BYTES, Shape},
    pieces::Owner,
    scan::{hits, holds},
};

/// The shortest key that is remembered, in bytes. Shorter ones are words of ordinary text.
const SHORTEST_KEY: usize = 8;
/// So much of a key is remembered at the most: the longest value that a secret may have.
const MOST_KEY_BYTES: usize = 16 * 1024;
/// How many keys are remembered.
const MOST_KEYS: usize = 1024;
/// And how many bytes of keys in all: each costs up to two hundred bytes of tables.
const MOST_BYTES: usize = 128 * 1024;

/// Every key that was handed out in this process, to be recognised in text.
///
/// Beyond 1,024 keys, or 128 KiB of keys in all, those that were handed out least recently are
/// forgotten. Keys of less than eight bytes are not remembered.
pub struct LiveSecrets {
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held by who builds the next snapshot.
    building: Mutex<()>,
    /// Counts what was handed out.
    clock: AtomicU64,
}

/// What is remembered at one time.
pub(super) struct Snapshot {
    members: HashMap<[u8; 16], Arc<Member>>,
    /// The short keys and the long ones.
    groups: [Arc<Group>; 2],
}

impl Snapshot {
    fn new() -> Self {
        let fingerprints = Fingerprints::new();
        let group = |shape| Arc::new(Group::new(shape, fingerprints.clone()));
        Self {
            members: HashMap::new(),
            groups: [Shape::SHORT, Shape::LONG].map(group),
        }
    }

    pub(super) fn groups(&self) -> [&Group; 2] {
        self.groups.each_ref().map(Arc::as_ref)
    }

    /// This snapshot with `value` as well, without those that must leave for it.
    fn with(&self, mark: [u8; 16], value: &[u8], now: u64) -> Self {
        let mut members = self.members.clone();
        let gone = forget_for(value.len(), &mut members);
        // Not the number of one that leaves, whose pieces still have it.
        let owner = free_owner(&self.members);
        let [short, long] = self.groups.each_ref();
        let is_short = value.len() < PIECE_BYTES;
        let (home, other) = if is_short {
            (short, long)
        } else {
            (long, short)
        };
        let (home, member) = home.with(value, owner, now, &gone);
        let home = Arc::new(home);
        let other = other
            .less(&gone)
            .map_or_else(|| Arc::clone(other), Arc::new);
        members.insert(mark, member);
        Self {
            members,
            groups: if is_short {
                [home, other]
            } else {
                [other, home]
            },
        }
    }
}

/// Makes room for a key of so many bytes, and tells who left.
fn forget_for(bytes: usize, members: &mut HashMap<[u8; 16], Arc<Member>>) -> Vec<Owner> {
    let mut held: usize = members.values().map(|member| member.bytes).sum();
    let mut gone = Vec::new();
    while members.len() >= MOST_KEYS || held + bytes > MOST_BYTES {
        let uses = members.iter().map(|(mark, member)| (member.used(), *mark));
        let Some((used, mark)) = uses.min() else {
            break;
        };
        // One that was handed out again just now stays.
        if let Some(member) = members.get(&mark)
            && member.retire(used)
        {
            held -= member.bytes;
            gone.push(member.owner);
            members.remove(&mark);
        }
    }
    gone
}

/// A number that none of `members` has.
fn free_owner(members: &HashMap<[u8; 16], Arc<Member>>) -> Owner {
    let mut taken: Vec<_> = members.values().map(|member| member.owner).collect();
    taken.sort_unstable();
    let free = (0..).zip(taken).find(|(number, taken)| number != taken);
    free.map_or(members.len() as Owner, |(number, _)| number)
}

impl Default for LiveSecrets {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveSecrets {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            snapshot: RwLock::new(Arc::new(Snapshot::new())),
            building: Mutex::new(()),
            clock: AtomicU64::new(0),
        }
    }

    /// Remembers a value that is about to be handed out. When this returns, it is recognised.
    ///
    /// `mark` is a keyed hash of the value, by which it is told from others. A value that is known
    /// costs one look-up; a new one costs the time to build the tables anew, from some tens of
    /// microseconds to ten milliseconds where a thousand keys are known.
    pub fn remember(&self, mark: [u8; 16], value: &[u8]) {
        let value = value.get(..MOST_KEY_BYTES).unwrap_or(value);
        if value.len() < SHORTEST_KEY || self.is_known(mark) {
            return;
        }
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have brought it meanwhile.
        if self.is_known(mark) {
            return;
        }
        let next = Arc::new(self.snapshot().with(mark, value, self.now()));
        let last = mem::replace(
            &mut *self
                .snapshot
                .write()
                .unwrap_or_else(PoisonError::into_inner),
            next,
        );
        // Tables are freed when nobody waits for the lock.
        drop(last);
    }

    /// Appends to `found` where keys or pieces of them are in `text`: merged, in order, and each
    /// from the beginning to the end of a character.
    pub fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>) {
        hits(&self.snapshot().groups(), text, false, found);
    }

    /// `text` with a mark in the place of each key and piece of a key.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found = Vec::new();
        self.ranges(text, &mut found);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = String::with_capacity(text.len());
        let mut passed = 0;
        for hit in found {
            redacted.push_str(text.get(passed..hit.start).unwrap_or_default());
            redacted.push_str(MARK);
            passed = hit.end;
        }
        redacted.push_str(text.get(passed..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    /// Whether a key or a piece of one is in `text`.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        holds(&self.snapshot().groups(), text)
    }

    /// A filter for one stream of text. It recognises also what is remembered after it began.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Filter {
        Filter::of_live(Arc::clone(self))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        let current = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// All that is kept.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<u64> {
        let snapshot = self.snapshot();
        snapshot
            .groups()
            .into_iter()
            .flat_map(Group::words)
            .collect()
    }

    /// Characters read and fingerprints compared so far, with the keys that are known now.
    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        let snapshot = self.snapshot();
        let work = |group: &Group| group.work.load(Ordering::Relaxed);
        snapshot.groups().into_iter().map(work).sum()
    }

    fn is_known(&self, mark: [u8; 16]) -> bool {
        let snapshot = self.snapshot();
        let member = snapshot.members.get(&mark);
        member.is_some_and(|member| member.touch(self.now()))
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

// By hand: what is known of keys is nobody's to print.
impl fmt::Debug for LiveSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSecrets").finish_non_exhaustive()
    }
}
