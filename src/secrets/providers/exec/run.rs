//! One run of a command, from its start to its end, whichever way it ends.
//!
//! The output goes into one buffer that is wiped; standard error is read, so that the command does
//! not block, and only counted. The command is a process group of its own, and a run that is
//! dropped (at the deadline, when the caller goes away, when the output is too long) kills the whole
//! group. What a command leaves behind when it ends by itself, such as an agent, is not waited for
//! and not killed.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use nix::errno::Errno;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    net::unix::pipe::Receiver,
    process::{Child, Command},
    runtime::Handle,
    sync::OwnedSemaphorePermit,
};
use zeroize::Zeroizing;

use super::{program, variables::Variables};
use crate::secrets::providers::{ErrorKind, ProviderError};

/// How much of standard error is read at once.
const SCRATCH_BYTES: usize = 4096;

/// What a command that ended by itself left.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) output: Zeroizing<Vec<u8>>,
    /// Bytes of standard error, as many as were seen.
    pub(super) complaints: usize,
}

/// Runs `argv` with nothing but `variables` in its environment, and reads at most `max_bytes` of
/// output. `turn` is kept until the command is reaped; `about` names it, for messages.
pub(super) async fn run(
    argv: Vec<String>,
    variables: Arc<Variables>,
    turn: OwnedSemaphorePermit,
    max_bytes: usize,
    about: &str,
) -> Result<Ended, ProviderError> {
    // Looking at the program and starting it may wait for a disk. If the caller goes away
    // meanwhile, what was started is dropped with the task's outcome, and so killed.
    let starting = {
        let about = about.to_owned();
        tokio::task::spawn_blocking(move || start(&argv, &variables, turn, &about))
    };
    let running = match starting.await {
        Ok(started) => started?,
        Err(_) => return Err(failed(about, "was abandoned before it started")),
    };
    running.read_to_end(max_bytes, about).await
}

/// A command that was started. Dropped before its end, it is killed.
struct Running {
    group: Group,
    output: Receiver,
    errors: Receiver,
}

/// The command's process group, by its leader, and its turn among the commands that may run.
struct Group(Option<(Child, OwnedSemaphorePermit)>);

impl Group {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some((leader, _)) => leader.wait().await,
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some((mut leader, turn)) = self.0.take() else {
            return;
        };
        // The id is there for as long as the leader is not reaped, so it cannot be another's.
        let Some(id) = leader.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        // tokio reaps what is dropped only when something else wakes it, and a dead process may
        // stay until then. This task ends with the leader, which cannot refuse to; the turn, which
        // it keeps until then, bounds how many there are. Without a runtime the process is ending.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = leader.wait().await;
                drop(turn);
            });
        }
    }
}

fn start(
    argv: &[String],
    variables: &Variables,
    turn: OwnedSemaphorePermit,
    about: &str,
) -> Result<Running, ProviderError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(failed(about, "has no program"));
    };
    program::check(Path::new(program))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    variables.give_to(&mut command, about)?;
    let spawned = command.spawn();
    // The copies of secret variables that it holds end here, wiped as they are freed.
    drop(command);
    let mut child = spawned.map_err(|error| not_started(&error, about))?;
    let pipes = pipes(&mut child);
    // From here on it is killed if anything fails.
    let group = Group(Some((child, turn)));
    let (output, errors) = pipes.map_err(|_| failed(about, "could not be listened to"))?;
    Ok(Running {
        group,
        output,
        errors,
    })
}

fn pipes(child: &mut Child) -> io::Result<(Receiver, Receiver)> {
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let output = child.stdout.take().ok_or_else(gone)?.into_owned_fd()?;
    let errors = child.stderr.take().ok_or_else(gone)?.into_owned_fd()?;
    Ok((
        Receiver::from_owned_fd(output)?,
        Receiver::from_owned_fd(errors)?,
    ))
}

impl Running {
    async fn read_to_end(mut self, max_bytes: usize, about: &str) -> Result<Ended, ProviderError> {
        let broken = |_| failed(about, "could not be listened to");
        // Of its full length at once: a vector that grows leaves its old self behind. One byte more
        // than allowed, to tell too much from just enough.
        let mut output = Zeroizing::new(vec![0; max_bytes + 1]);
        let mut scratch = Zeroizing::new([0_u8; SCRATCH_BYTES]);
        let (mut filled, mut complaints) = (0, 0_usize);
        let (mut output_is_open, mut errors_are_open) = (true, true);
        // Until the command ends, not until its pipes do: what it leaves running may hold them.
        let status = loop {
            tokio::select! {
                status = self.group.wait() => break status.map_err(broken)?,
                ready = self.output.readable(), if output_is_open => {
                    ready.map_err(broken)?;
                    match read(&self.output, &mut output[filled..]).map_err(broken)? {
                        Some(0) => output_is_open = false,
                        count => filled += count.unwrap_or(0),
                    }
                }
                ready = self.errors.readable(), if errors_are_open => {
                    ready.map_err(broken)?;
                    match read(&self.errors, &mut scratch[..]).map_err(broken)? {
                        Some(0) => errors_are_open = false,
                        count => complaints = complaints.saturating_add(count.unwrap_or(0)),
                    }
                }
            }
            if filled > max_bytes {
                return Err(too_long(max_bytes, about));
            }
        };
        // What it wrote before its end is still in the pipe, whether or not the runtime has heard of
        // it yet.
        while output_is_open && filled <= max_bytes {
            match read_now(&self.output, &mut output[filled..]).map_err(broken)? {
                None | Some(0) => break,
                Some(count) => filled += count,
            }
        }
        if filled > max_bytes {
            return Err(too_long(max_bytes, about));
        }
        if errors_are_open {
            let count = read_now(&self.errors, &mut scratch[..]).map_err(broken)?;
            complaints = complaints.saturating_add(count.unwrap_or(0));
        }
        output.truncate(filled);
        Ok(Ended {
            status,
            output,
            complaints,
        })
    }
}

/// Reads what is there: `Some(0)` is the end of the pipe, `None` nothing for now.
fn read(pipe: &Receiver, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match pipe.try_read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// As [`read`], asking the system rather than the runtime, which may not have heard of what has just
/// arrived.
fn read_now(pipe: &Receiver, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match nix::unistd::read(pipe, buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn too_long(max_bytes: usize, about: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Malformed,
        format!("{about} printed more than {max_bytes} bytes and was killed"),
    )
}

fn failed(about: &str, what: &str) -> ProviderError {
    ProviderError::new(ErrorKind::ServerFailed, format!("{about} {what}"))
}

/// A start that the system refused, in our words.
fn not_started(error: &io::Error, about: &str) -> ProviderError {
    let (kind, what) = match error.raw_os_error() {
        Some(libc::ENOEXEC) => (
            ErrorKind::Misconfigured,
            "is no program: a script begins with `#!` and its interpreter",
        ),
        Some(libc::ENOENT) => (
            ErrorKind::Misconfigured,
            "could not be started: the interpreter that its first line names does not exist",
        ),
        Some(libc::EACCES | libc::EPERM) => (
            ErrorKind::UnsafePermissions,
            "may not be started by this user",
        ),
        Some(libc::E2BIG) => (ErrorKind::Misconfigured, "has too long an environment"),
        _ => (
            ErrorKind::ServerFailed,
            "could not be started: has the system reached its limit of processes or files?",
        ),
    };
    ProviderError::new(kind, format!("{about} {what}"))
}
