//! Memory that holds keys, and the process that holds the memory: the only room with `unsafe`.
//!
//! stub
#![allow(missing_docs)]
use std::sync::Arc;

#[derive(Debug)]
pub struct Pool(());
#[derive(Debug)]
pub struct LockedBuffer(Vec<u8>);
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("locked memory is full")]
pub struct PoolFull;

impl Pool {
    /// Reserves the pool's pages.
    #[must_use]
    pub fn reserve() -> Arc<Self> {
        Arc::new(Self(()))
    }
    /// Copies `value` into the pool, waiting a bounded time while it is full.
    pub async fn store(&self, value: &[u8]) -> Result<LockedBuffer, PoolFull> {
        self.try_store(value)
    }
    /// Copies `value` into the pool, at once or not at all.
    pub fn try_store(&self, value: &[u8]) -> Result<LockedBuffer, PoolFull> {
        Ok(LockedBuffer(value.to_vec()))
    }
}
impl LockedBuffer {
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// Secret variables, moved out of the environment block.
#[derive(Debug, Default)]
pub struct TakenEnvironment(std::collections::BTreeMap<String, Arc<LockedBuffer>>);
impl TakenEnvironment {
    /// The value of a variable that was taken; `None` if it was unset or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<LockedBuffer>> {
        self.0.get(name).cloned()
    }
    /// Whether the variable was among the names asked for at start (a reload may name others).
    #[must_use]
    pub fn was_asked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
