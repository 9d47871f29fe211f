//! The sink itself: one message a record, over a way that is opened when it is needed.
//!
//! After an error the way is closed and the batch is given up; the next batch opens it anew, since
//! nobody can tell how much of a stream the other side has read.

use std::{io, sync::Arc, time::Duration};

use nix::unistd::gethostname;
use tokio::{runtime::Handle, time::timeout};

use super::{
    SyslogSettings,
    config::Destination,
    message::Header,
    transport::{Transport, is_too_long},
};
use crate::audit::{
    Record, Sink, SinkError,
    sinks::{Seal, deadline::Deadline},
};

/// Sends each record as a message. It is kept when the operating system has taken the message.
pub struct SyslogSink<S> {
    destination: Destination,
    header: Header,
    deadline: Duration,
    chain: S,
    runtime: Handle,
    transport: Option<Transport>,
}

impl<S: Seal> SyslogSink<S> {
    /// The sink of `settings`. Hosts are looked up and connected to on `runtime`; nothing is done
    /// before the first batch.
    ///
    /// # Errors
    /// [`SyslogSettings::validate`] refuses the settings.
    pub fn new(settings: &SyslogSettings, chain: S, runtime: Handle) -> Result<Self, SinkError> {
        let destination = settings
            .destination()
            .map_err(|refusal| SinkError(format!("syslog: {}", refusal.message)))?;
        let hostname = gethostname().unwrap_or_default();
        let hostname = hostname.to_str().unwrap_or_default();
        Ok(Self {
            destination,
            header: Header::new(settings.facility.code(), hostname, std::process::id()),
            deadline: settings.deadline,
            chain,
            runtime,
            transport: None,
        })
    }

    /// The way that is open, or a new one.
    fn transport(&mut self, deadline: &Deadline) -> io::Result<Transport> {
        let open = self.transport.take();
        if let Some(open) = open.and_then(|mut open| open.is_open().then_some(open)) {
            return Ok(open);
        }
        let left = deadline.left()?;
        let opening = async { timeout(left, Transport::open(&self.destination)).await };
        self.runtime.block_on(opening)?
    }

    fn failed(&self, error: &io::Error) -> SinkError {
        let cause = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                "it takes no message in time".to_owned()
            }
            _ if is_too_long(error) => "a record is too long for it".to_owned(),
            _ => error.to_string(),
        };
        SinkError(format!("syslog at {}: {cause}", self.destination))
    }
}

impl<S: Seal> Sink for SyslogSink<S> {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), SinkError> {
        let deadline = Deadline::new(self.deadline);
        let mut transport = self
            .transport(&deadline)
            .map_err(|error| self.failed(&error))?;
        let mut too_long = None;
        for record in batch {
            let mut chain = self.chain.clone();
            let message = self.header.message(record, &chain.seal(record)?);
            match transport.send(&message, &deadline) {
                Ok(()) => self.chain = chain,
                // Nobody is to suppress the records that follow with a long one of their own.
                Err(error) if is_too_long(&error) => too_long = Some(self.failed(&error)),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        self.transport = Some(transport);
        too_long.map_or(Ok(()), Err)
    }
}
