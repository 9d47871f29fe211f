//! MCP over stdin and stdout, for one client that started us.
//!
//! Both the end of stdin and a shutdown end the service the same way: nothing new is read, calls
//! in flight may finish for a few seconds (`rmcp`'s limit is 5 s), what is left is cancelled. A
//! client that does not read its answers cannot keep the process.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rmcp::{
    service::{ServerInitializeError, ServiceExt},
    transport::{async_rw::AsyncRwTransport, stdio_pipes},
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Handler, MAX_MESSAGE_BYTES};

/// For everything that is left when nothing more is read; a little over `rmcp`'s own limit.
const DRAIN: Duration = Duration::from_secs(6);

/// The service could not be started or broke.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The client's first message was not the start of an MCP session.
    #[error("the client did not begin an MCP session")]
    Handshake,
    /// The service's task broke: a bug.
    #[error("the service ended unexpectedly")]
    Broken,
}

/// Serves until stdin ends or `shutdown` is cancelled.
///
/// # Errors
/// See [`StdioError`]; a client that leaves before its first message is not an error.
pub async fn serve_stdio(handler: Handler, shutdown: CancellationToken) -> Result<(), StdioError> {
    let (stdin, stdout) = stdio_pipes();
    let ended = CancellationToken::new();
    let stdin = UntilShutdown {
        reader: stdin,
        lines: Lines::default(),
        handler: handler.clone(),
        shutdown: Box::pin(shutdown.cancelled_owned()),
        ended: ended.clone(),
    };
    let transport =
        AsyncRwTransport::new_server(stdin, stdout).with_max_line_length(MAX_MESSAGE_BYTES);
    let service = match handler.serve(transport).await {
        Ok(service) => service,
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            return Ok(());
        }
        Err(_) => return Err(StdioError::Handshake),
    };
    tokio::select! {
        finished = service.waiting() => finished.map(drop).map_err(|_| StdioError::Broken),
        () = async { ended.cancelled().await; tokio::time::sleep(DRAIN).await } => {
            tracing::warn!("the client does not read its answers; they are dropped");
            Ok(())
        }
    }
}

/// A reader that ends when a shutdown begins, and says that it has ended. `rmcp` passes over a line
/// that is too long, so it is seen here.
struct UntilShutdown<R> {
    reader: R,
    lines: Lines,
    handler: Handler,
    ended: CancellationToken,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilShutdown<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.shutdown.as_mut().poll(cx).is_ready() {
            self.ended.cancel();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.reader).poll_read(cx, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if read.is_ready() && new.is_empty() {
            self.ended.cancel();
        }
        for _ in 0..self.lines.too_long(new) {
            self.handler.unreadable("too_long");
        }
        read
    }
}

/// How long the line is that is being read.
#[derive(Default)]
struct Lines {
    bytes: usize,
}

impl Lines {
    /// How many lines passed the limit of a message within `new` bytes, each told once.
    fn too_long(&mut self, new: &[u8]) -> usize {
        let mut passed = 0;
        for part in new.split_inclusive(|byte| *byte == b'\n') {
            let before = self.bytes;
            let ends = part.ends_with(b"\n");
            self.bytes += part.len() - usize::from(ends);
            passed += usize::from(before <= MAX_MESSAGE_BYTES && self.bytes > MAX_MESSAGE_BYTES);
            if ends {
                self.bytes = 0;
            }
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_over_the_limit_is_told_once_however_it_arrives() {
        let longest = vec![b'x'; MAX_MESSAGE_BYTES];
        let mut lines = Lines::default();
        assert_eq!(lines.too_long(&longest), 0);
        assert_eq!(lines.too_long(b"\n"), 0);
        assert_eq!(lines.too_long(&longest), 0);
        assert_eq!(lines.too_long(b"y"), 1);
        assert_eq!(lines.too_long(b"yy\n{}\n"), 0);
        let two = [&longest[..], b"y\n"].concat().repeat(2);
        assert_eq!(lines.too_long(&two), 2);
    }
}
