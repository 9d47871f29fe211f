//! The scanner where there is no `/proc` and no exec stop to open it at: it says so.
//!
//! The types exist so that their callers compile everywhere; none of them can be made.

use std::{
    convert::Infallible,
    process::{Child, Command},
    sync::Arc,
};

use super::{Needle, NotMeasured, Report};

/// Cannot be made on this system.
#[derive(Debug)]
pub struct ScannedProcess(Infallible);

/// Cannot be made on this system.
#[derive(Debug)]
pub struct ProcessMemory(Infallible);

impl ScannedProcess {
    /// Fails.
    ///
    /// # Errors
    /// Always [`NotMeasured`].
    pub fn start(_command: Command) -> Result<Self, NotMeasured> {
        Err(NotMeasured::new(
            "the scanner is unsupported on this system: it needs Linux",
        ))
    }

    /// Unreachable.
    pub fn child(&mut self) -> &mut Child {
        match self.0 {}
    }

    /// Unreachable.
    #[must_use]
    pub fn memory(&self) -> Arc<ProcessMemory> {
        match self.0 {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// Never returns.
    pub fn scan(&self, _needles: &[Needle]) -> Result<Vec<Report>, NotMeasured> {
        match self.0 {}
    }
}

impl ProcessMemory {
    /// Unreachable.
    ///
    /// # Errors
    /// Never returns.
    pub fn scan(&self, _needles: &[Needle]) -> Result<Vec<Report>, NotMeasured> {
        match self.0 {}
    }
}
