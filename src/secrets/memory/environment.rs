//! Taking keys out of the environment: each named variable moves into the locked pool and its
//! value is overwritten where the kernel put it.
//!
//! Removing a variable only drops a pointer; the text stays in the block at the top of the stack,
//! where the environment file of the process shows it and every core dump holds it. This file
//! must never copy a value anywhere but into the pool.
#![expect(unsafe_code, reason = "overwrites the environment block in place")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt,
    slice,
    sync::Arc,
};

use zeroize::Zeroize;

use super::{LockedBuffer, Pool, platform};
use crate::secrets::{document::has_stray_control, providers::MAX_VALUE_BYTES};

/// What became of a variable that was asked for at start.
#[derive(Debug, Clone)]
pub enum Taken {
    /// Its value is in locked memory, without its line end.
    Value(Arc<LockedBuffer>),
    /// It was not set.
    Unset,
    /// It was set to nothing, or to a lone line end: a miss that deserves a warning.
    Empty,
    /// It holds a control byte other than one trailing line end, and is no document.
    Malformed,
    /// It is longer than [`MAX_VALUE_BYTES`].
    TooLong,
    /// The pool had no room for it.
    NoRoom,
    /// It was not among the names asked for at start; only a restart can take it.
    NotAsked,
}

/// Secret variables, moved out of the environment block.
#[derive(Debug, Default)]
pub struct TakenEnvironment(BTreeMap<String, Taken>);

/// The environment was not taken, because another thread might be reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment can be taken only before the first thread starts")]
pub struct ThreadsRunning;

/// Moves the variables called `names` into `pool`, overwrites their values in the original
/// environment block, and removes them from the environment, so that no child inherits them.
///
/// Each is overwritten, whatever its value: one that is malformed or too long is still a key.
///
/// # Errors
/// [`ThreadsRunning`], where the system tells how many threads there are: another thread could
/// be reading the environment while it changes.
pub fn take_environment<I>(pool: &Pool, names: I) -> Result<TakenEnvironment, ThreadsRunning>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    if platform::thread_count().is_some_and(|threads| threads > 1) {
        return Err(ThreadsRunning);
    }
    let mut taken: BTreeMap<String, Taken> = names
        .into_iter()
        .map(|name| (name.into(), Taken::Unset))
        .collect();
    let mut entry = platform::environment_block();
    // SAFETY: the block is a null-terminated array of pointers to C strings in writable memory
    // (on the initial stack, or on the heap if a library has set the variable). No other thread
    // exists that could read or change it meanwhile, and this loop calls nothing that does.
    unsafe {
        while !entry.is_null() && !(*entry).is_null() {
            let length = CStr::from_ptr(*entry).count_bytes();
            let text = slice::from_raw_parts_mut((*entry).cast::<u8>(), length);
            take_entry(pool, &mut taken, text);
            entry = entry.add(1);
        }
        for name in taken.keys().filter(|name| may_be_a_name(name)) {
            std::env::remove_var(OsStr::from_bytes(name.as_bytes()));
        }
    }
    Ok(TakenEnvironment(taken))
}

/// Takes and wipes one `NAME=value`, if the name was asked for.
fn take_entry(pool: &Pool, taken: &mut BTreeMap<String, Taken>, text: &mut [u8]) {
    let Some(equals) = text.iter().position(|byte| *byte == b'=') else {
        return;
    };
    let (name, value) = text.split_at_mut(equals);
    let Some(state) = str::from_utf8(name)
        .ok()
        .and_then(|name| taken.get_mut(name))
    else {
        return;
    };
    let value = &mut value[1..];
    // Of two entries with one name, the first counts, as in the C library; both are wiped.
    if matches!(state, Taken::Unset) {
        *state = Taken::of(pool, value);
    }
    value.zeroize();
}

/// `remove_var` panics on a name that no variable can have.
fn may_be_a_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

impl Taken {
    /// Judges `value`, and moves it into the pool if it can be a key.
    fn of(pool: &Pool, value: &[u8]) -> Self {
        let value = value
            .strip_suffix(b"\n")
            .map_or(value, |v| v.strip_suffix(b"\r").unwrap_or(v));
        if value.is_empty() {
            Self::Empty
        } else if value.len() > MAX_VALUE_BYTES {
            Self::TooLong
        } else if has_stray_control(value) {
            Self::Malformed
        } else {
            pool.try_store(value)
                .map_or(Self::NoRoom, |buffer| Self::Value(Arc::new(buffer)))
        }
    }
}

impl TakenEnvironment {
    /// As if the process had been started with these variables; `None` is one that was asked for
    /// and not set. For tests, which cannot change their own environment.
    pub fn from_values<'a>(
        pool: &Pool,
        variables: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Self {
        let judge = |value: Option<&str>| {
            value.map_or(Taken::Unset, |value| Taken::of(pool, value.as_bytes()))
        };
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), judge(value)))
                .collect(),
        )
    }

    /// What became of a variable.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Taken {
        self.0.get(name).cloned().unwrap_or(Taken::NotAsked)
    }

    /// The value of a variable that was taken; `None` in every other case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<LockedBuffer>> {
        match self.0.get(name) {
            Some(Taken::Value(value)) => Some(Arc::clone(value)),
            _ => None,
        }
    }

    /// Whether the variable was among the names asked for at start (a reload may name others).
    #[must_use]
    pub fn was_asked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: &str) -> Taken {
        TakenEnvironment::from_values(&Pool::reserve(), [("KEY", Some(value))]).lookup("KEY")
    }

    #[test]
    fn exactly_one_line_end_is_stripped() {
        for (value, kept) in [("k\n", "k"), ("k\r\n", "k"), ("k", "k"), (" k ", " k ")] {
            assert!(
                matches!(state(value), Taken::Value(v) if v.as_slice() == kept.as_bytes()),
                "{value:?}"
            );
        }
        for value in ["k\n\n", "k\r", "a\nb", "a\tb", "a\u{7f}b", "\u{1b}[0m"] {
            assert!(matches!(state(value), Taken::Malformed), "{value:?}");
        }
    }

    #[test]
    fn each_state_of_a_variable_is_told_apart() {
        let (longest, too_long) = ("x".repeat(MAX_VALUE_BYTES), "x".repeat(MAX_VALUE_BYTES + 1));
        assert!(matches!(state(""), Taken::Empty));
        assert!(matches!(state("\n"), Taken::Empty));
        assert!(matches!(state(&longest), Taken::Value(_)));
        assert!(matches!(state(&too_long), Taken::TooLong));
        let pool = Pool::reserve();
        let taken = TakenEnvironment::from_values(&pool, [("SET", Some("v")), ("UNSET", None)]);
        assert!(taken.was_asked("UNSET") && matches!(taken.lookup("UNSET"), Taken::Unset));
        assert!(!taken.was_asked("OTHER") && matches!(taken.lookup("OTHER"), Taken::NotAsked));
        assert!(taken.get("SET").is_some() && taken.get("UNSET").is_none());
    }

    #[test]
    fn an_entry_is_wiped_whatever_it_holds_and_others_are_left_alone() {
        let pool = Pool::reserve();
        for (entry, after) in [
            ("KEY=value", "KEY=\0\0\0\0\0"),
            ("KEY=a\tb", "KEY=\0\0\0"),
            ("KEYS=value", "KEYS=value"),
            ("KEY", "KEY"),
            ("=KEY=x", "=KEY=x"),
        ] {
            let mut taken = BTreeMap::from([("KEY".to_owned(), Taken::Unset)]);
            let mut text = entry.as_bytes().to_vec();
            take_entry(&pool, &mut taken, &mut text);
            assert_eq!(text, after.as_bytes(), "{entry:?}");
        }
    }

    #[test]
    fn of_two_entries_with_one_name_the_first_counts() {
        let pool = Pool::reserve();
        let mut taken = BTreeMap::from([("KEY".to_owned(), Taken::Unset)]);
        for entry in ["KEY=first", "KEY=second"] {
            take_entry(&pool, &mut taken, &mut entry.as_bytes().to_vec());
        }
        assert!(matches!(&taken["KEY"], Taken::Value(v) if v.as_slice() == b"first"));
    }

    #[test]
    fn the_environment_is_not_taken_while_threads_run() {
        let pool = Pool::reserve();
        std::thread::scope(|scope| {
            let (done, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || wait.recv());
            assert_eq!(
                take_environment(&pool, ["KEY"]).unwrap_err(),
                ThreadsRunning
            );
            drop(done);
        });
    }
}
