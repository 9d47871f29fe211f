//! What the pool got from the system, in words for the start log and for `check`.
//!
//! It stands apart because the advice is longer than the fact. It holds sizes, never a value.

use super::{super::platform, mapping::Mapping};

/// What was reserved, and how well it is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReport {
    /// How many pages.
    pub pages: usize,
    /// How many bytes; 0 if the system gave no memory.
    pub bytes: usize,
    /// Whether they are locked into memory.
    pub locking: Locking,
    /// Why the pages could not be kept out of core dumps and forked children, if so.
    pub not_private: Option<String>,
}

/// Whether the pool can be swapped out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locking {
    /// It cannot.
    Locked,
    /// It can: `memory.lock: off`.
    Off,
    /// It can: the system refused to lock it.
    Refused {
        /// How many bytes this process may lock, if limited.
        limit: Option<u64>,
        /// The system's reason.
        because: String,
    },
    /// There is no pool: the system gave no memory.
    NoMemory {
        /// The system's reason.
        because: String,
    },
}

impl PoolReport {
    pub(super) fn of(mapping: &Mapping) -> Self {
        let locking = match mapping.locked {
            None => Locking::Off,
            Some(Ok(())) => Locking::Locked,
            Some(Err(errno)) => Locking::Refused {
                limit: platform::lock_limit(),
                because: errno.desc().to_owned(),
            },
        };
        Self {
            pages: mapping.bytes() / mapping.page_bytes,
            bytes: mapping.bytes(),
            locking,
            not_private: mapping.private.clone().err(),
        }
    }

    pub(super) fn without_memory(because: String) -> Self {
        Self {
            pages: 0,
            bytes: 0,
            locking: Locking::NoMemory { because },
            not_private: None,
        }
    }

    /// Whether the pages are locked into memory.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locking == Locking::Locked
    }

    /// What to warn of at start, with the limit and the cure; `None` if all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let needed = self.bytes.div_ceil(1024);
        match &self.locking {
            Locking::Locked | Locking::Off => None,
            Locking::Refused { limit, because } => {
                let limit = limit.map_or_else(
                    || "no limit is set".to_owned(),
                    |bytes| format!("the limit is {} KiB", bytes / 1024),
                );
                Some(format!(
                    "keys may be written to swap: {needed} KiB could not be locked into memory \
                     ({because}; {limit}). Allow at least {needed} KiB: `ulimit -l {needed}`, \
                     LimitMEMLOCK={needed}K in a systemd unit, or `--ulimit memlock={}` for a \
                     container; or encrypt the swap",
                    self.bytes
                ))
            }
            Locking::NoMemory { because } => Some(format!(
                "no memory could be reserved for keys ({because}): every call that needs one will \
                 fail. Raise the process's memory limit and restart"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_lock_names_the_limit_and_the_cure() {
        let report = PoolReport {
            pages: 16,
            bytes: 65_536,
            locking: Locking::Refused {
                limit: Some(8 * 1024),
                because: "no".into(),
            },
            not_private: None,
        };
        insta::assert_snapshot!(report.warning().unwrap(), @"keys may be written to swap: 64 KiB could not be locked into memory (no; the limit is 8 KiB). Allow at least 64 KiB: `ulimit -l 64`, LimitMEMLOCK=64K in a systemd unit, or `--ulimit memlock=65536` for a container; or encrypt the swap");
    }

    #[test]
    fn a_pool_without_memory_says_that_calls_will_fail() {
        let report = PoolReport::without_memory("mmap: no".into());
        assert!(
            report
                .warning()
                .unwrap()
                .contains("every call that needs one will fail")
        );
        assert!(!report.is_locked());
    }
}
