//! Starting a process so that its memory stays readable to us and to nobody who comes later.
//!
//! It stands apart from the reading because here is the only moment that ptrace is used. The
//! process is never traced while it runs.
#![expect(unsafe_code, reason = "a closure that runs between fork and exec")]

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{Needle, NotMeasured, Report, memory::ProcessMemory};

/// A child whose memory can be scanned for as long as it lives. Dropping it kills the child.
#[derive(Debug)]
pub struct ScannedProcess {
    child: Child,
    memory: Arc<ProcessMemory>,
}

impl ScannedProcess {
    /// Starts `command`. The child runs freely when this returns.
    ///
    /// Blocks until the child has reached its exec: milliseconds. To use its pipes from tokio,
    /// take them from [`ScannedProcess::child`] and convert them, as with
    /// `tokio::process::ChildStdin::from_std`.
    ///
    /// # Errors
    /// [`NotMeasured`] if the program cannot be started or ptrace is forbidden; no child is left.
    pub fn start(mut command: Command) -> Result<Self, NotMeasured> {
        // SAFETY: the closure makes one system call and allocates nothing.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
        let mut child = command.spawn().map_err(|error| {
            NotMeasured::new(format!(
                "the process could not be started under ptrace: {error}"
            ))
        })?;
        match open_at_exec_stop(&child) {
            Ok(memory) => Ok(Self {
                child,
                memory: Arc::new(memory),
            }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// The child: its id, its pipes, its end.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The child's memory, to be scanned on a thread of its own.
    #[must_use]
    pub fn memory(&self) -> Arc<ProcessMemory> {
        Arc::clone(&self.memory)
    }

    /// Looks for each needle now; one report a needle. See [`ProcessMemory::scan`].
    ///
    /// # Errors
    /// [`NotMeasured`] if any private part of the memory could not be seen.
    pub fn scan(&self, needles: &[Needle]) -> Result<Vec<Report>, NotMeasured> {
        self.memory.scan(needles)
    }
}

impl Drop for ScannedProcess {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            end(&mut self.child);
        }
    }
}

fn end(child: &mut Child) {
    // Either call fails only if the child is gone, which is what is wanted.
    drop(child.kill());
    drop(child.wait());
}

/// Waits for the child's exec, opens its memory, and lets it run.
fn open_at_exec_stop(child: &Child) -> Result<ProcessMemory, NotMeasured> {
    let failed = |what: &str, errno: Errno| NotMeasured::new(format!("{what}: {}", errno.desc()));
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let pid = pid.map_err(|_| NotMeasured::new("the process id is out of range"))?;
    loop {
        match waitpid(pid, None).map_err(|errno| failed("the process was lost", errno))? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => break,
            // A signal that came before the exec is handed on.
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)
                .map_err(|errno| failed("ptrace failed before the exec", errno))?,
            _ => return Err(NotMeasured::new("the process ended before its exec stop")),
        }
    }
    let memory = ProcessMemory::open(child.id())?;
    ptrace::detach(pid, None).map_err(|errno| failed("ptrace would not detach", errno))?;
    Ok(memory)
}
