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

/// A reader that ends when a shutdown begins, and says that it has ended.
struct UntilShutdown<R> {
    reader: R,
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
        if read.is_ready() && buffer.filled().len() == before {
            self.ended.cancel();
        }
        read
    }
}
