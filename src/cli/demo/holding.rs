//! The first phase: a key that was fetched and is not yet sent.
//!
//! `keyward secrets check` fetches a key, prints a line about it and wipes it. Here its stdout is
//! a pipe that is full, so that it stops in the middle of that line, with the key in hand, for as
//! long as the scanner needs. Nothing in the program knows of this.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{DemoError, child::not_measured};
use crate::secrets::memory::scanner::{Needle, NotMeasured, Report, ScannedProcess};

/// How long the command may take to fetch its key, in looks that are `BETWEEN` apart.
const LOOKS: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(100);

/// Runs `command` up to the point where it holds the key, and counts the copies there.
pub(super) async fn fetched(
    mut command: Command,
    needles: &Arc<[Needle]>,
) -> Result<Result<Report, NotMeasured>, DemoError> {
    let (mut reader, writer) = full_pipe()
        .map_err(|error| DemoError::Setup(format!("a pipe could not be filled: {error}")))?;
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null());
    let needles = Arc::clone(needles);
    let look = tokio::task::spawn_blocking(move || -> Result<Report, NotMeasured> {
        let mut process = ScannedProcess::start(command)?;
        let report = held(&mut process, &needles);
        // Dropping the command's own end of the pipe, as `start` has, lets this reach its end.
        let mut rest = Vec::new();
        let drained = reader.read_to_end(&mut rest);
        let ended = process.child().wait();
        match (drained, ended) {
            (Ok(_), Ok(status)) if status.success() => report,
            _ => Err(not_measured("`keyward secrets check` failed")),
        }
    });
    look.await
        .map_err(|_| DemoError::Setup("the scanner broke".to_owned()))
}

/// Looks until the key is there and two looks agree: the connection to the store is then closed.
fn held(process: &mut ScannedProcess, needles: &[Needle]) -> Result<Report, NotMeasured> {
    let mut last: Option<Report> = None;
    for _ in 0..LOOKS {
        std::thread::sleep(BETWEEN);
        let found = process.scan(needles)?;
        let report = found
            .first()
            .copied()
            .ok_or_else(|| not_measured("nothing was scanned"))?;
        let settled =
            last.is_some_and(|last| last.inside == report.inside && last.outside == report.outside);
        if settled && report.inside.full_copies > 0 {
            return Ok(report);
        }
        last = Some(report);
    }
    Err(not_measured("the key was not fetched in time"))
}

/// A pipe without room for another byte.
fn full_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = io::pipe()?;
    let flags = OFlag::from_bits_truncate(fcntl(&writer, FcntlArg::F_GETFL)?);
    fcntl(&writer, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    loop {
        match writer.write(&[b'\n'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    // The command must wait, not fail.
    fcntl(&writer, FcntlArg::F_SETFL(flags))?;
    Ok((reader, writer))
}
