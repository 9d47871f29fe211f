//! The sink that writes to standard output, for a supervisor that collects it.
//!
//! Only a server whose clients come over HTTP may have it: over stdio the same descriptor is the
//! transport, and a record would be read as an answer. That is for configuration to refuse;
//! here nothing knows of transports.
//!
//! The descriptor is shared with whoever started the process, so its mode is left as it is:
//! before each write it is asked whether it takes one, which is what gives the sink its deadline
//! where a pipe's reader has stopped reading.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use serde::Deserialize;

use super::{
    Seal,
    deadline::{self, Deadline},
};
use crate::{
    audit::{Record, Sink, SinkError},
    settings::{self, Problem},
};

/// What a descriptor that polls as writable takes without blocking (POSIX.1-2024, `write`).
const PIECE: usize = nix::libc::PIPE_BUF;

/// The sink `stdout`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdoutSettings {
    /// How long a batch may take. Default: `5s`.
    #[serde(deserialize_with = "settings::duration")]
    pub deadline: Duration,
}

impl Default for StdoutSettings {
    fn default() -> Self {
        Self {
            deadline: deadline::DEFAULT,
        }
    }
}

impl StdoutSettings {
    /// What is wrong beyond the form of each value; `path` leads to these settings.
    #[must_use]
    pub fn validate(&self, path: &[&str]) -> Vec<Problem> {
        deadline::validate(self.deadline, path)
            .into_iter()
            .collect()
    }
}

/// Writes one line a record. A line is kept when the descriptor has taken it whole.
pub struct StdoutSink<S> {
    file: File,
    chain: S,
    deadline: Duration,
    /// The last line is unfinished: what comes next must not become its end.
    is_torn: bool,
}

impl<S: Seal> StdoutSink<S> {
    /// The sink on standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn new(settings: &StdoutSettings, chain: S) -> io::Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::on(descriptor, settings, chain))
    }

    fn on(descriptor: OwnedFd, settings: &StdoutSettings, chain: S) -> Self {
        Self {
            file: File::from(descriptor),
            chain,
            deadline: settings.deadline,
            is_torn: false,
        }
    }

    fn write_lines(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let deadline = Deadline::new(self.deadline);
        if self.is_torn {
            self.write_all(b"\n", &deadline)?;
            self.is_torn = false;
        }
        for record in batch {
            let mut chain = self.chain.clone();
            let mut line = chain.seal(record)?;
            line.push('\n');
            self.write_all(line.as_bytes(), &deadline)?;
            self.is_torn = false;
            self.chain = chain;
        }
        Ok(())
    }

    fn write_all(&mut self, mut rest: &[u8], deadline: &Deadline) -> Result<(), SinkError> {
        while let Some(piece) = rest.chunks(PIECE).next() {
            let written = self.write_piece(piece, deadline).map_err(|error| {
                SinkError(match error.kind() {
                    io::ErrorKind::TimedOut => "nobody reads standard output".to_owned(),
                    _ => format!("standard output cannot be written: {error}"),
                })
            })?;
            self.is_torn |= written > 0;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_piece(&mut self, piece: &[u8], deadline: &Deadline) -> io::Result<usize> {
        loop {
            await_room(&self.file, deadline)?;
            match self.file.write(piece) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // Somebody else with the same descriptor may have made it non-blocking.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) => {}
                result => return result,
            }
        }
    }
}

/// Waits until `file` takes a write, be it with an error.
fn await_room(file: &File, deadline: &Deadline) -> io::Result<()> {
    loop {
        // Rounded up: a rest below a millisecond would make this a busy wait.
        let left = deadline.left()? + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut asked = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut asked, timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl<S: Seal> Sink for StdoutSink<S> {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        self.write_lines(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};

    use super::*;
    use crate::audit::sinks::seal::tests::{Count, batch, told};

    fn sink(deadline: Duration) -> (StdoutSink<Count>, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let settings = StdoutSettings { deadline };
        let sink = StdoutSink::on(writer.into(), &settings, Count::default());
        assert_eq!(sink.name(), "stdout");
        (sink, reader)
    }

    fn rest(sink: StdoutSink<Count>, mut reader: PipeReader) -> String {
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn each_record_is_one_line_in_order() {
        let (mut sink, reader) = sink(deadline::DEFAULT);
        sink.write(&batch(&["a\nb", "c"])).unwrap();
        sink.write(&batch(&["d"])).unwrap();
        let text = rest(sink, reader);
        assert!(text.ends_with('\n'));
        let lines: Vec<_> = text.lines().map(told).collect();
        assert_eq!(
            lines,
            [(1, "a\nb".into()), (2, "c".into()), (3, "d".into())]
        );
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (mut sink, reader) = sink(deadline::DEFAULT);
        drop(reader);
        let error = sink.write(&batch(&["a"])).unwrap_err();
        let told = "standard output cannot be written: ";
        assert!(error.0.starts_with(told), "{error}");
        assert_eq!(sink.chain.0, 0);
    }

    #[test]
    fn a_reader_that_stopped_reading_is_an_error_and_a_torn_line_spoils_no_other() {
        // Long enough for a slow machine to begin the line.
        let (mut sink, mut reader) = sink(Duration::from_secs(1));
        let long = "x".repeat(1 << 20);
        sink.write(&batch(&["kept"])).unwrap();
        let error = sink.write(&batch(&[&long])).unwrap_err();
        assert_eq!(error.0, "nobody reads standard output");

        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        sink.deadline = deadline::DEFAULT;
        sink.write(&batch(&["next"])).unwrap();
        drop(sink);
        let text = reading.join().unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(told(lines[0]), (1, "kept".into()));
        assert!(serde_json::from_str::<serde_json::Value>(lines[1]).is_err());
        assert_eq!(told(lines[2]), (2, "next".into()));
    }

    #[test]
    fn settings_are_few_and_a_deadline_has_bounds() {
        let read = serde_json::from_str::<StdoutSettings>;
        assert_eq!(read("{}").unwrap(), StdoutSettings::default());
        assert!(read(r#"{ "path": "x" }"#).is_err());
        let none = read(r#"{ "deadline": "0s" }"#).unwrap();
        assert_eq!(none.validate(&["audit"]).len(), 1);
    }
}
