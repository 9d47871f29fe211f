//! A server that breaks HTTP's manners below what a framework lets one do: byte by byte, half, far
//! too much.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::runtime;

/// What it does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The head comes byte by byte and never ends.
    DribblesHead,
    /// The head comes at once, the body byte by byte and without end.
    DribblesBody,
    /// The connection closes in the middle of the body.
    BreaksOff,
    /// A body of ten megabytes, as its head says.
    Long,
    /// The same in chunks, of which the head says nothing.
    LongUnannounced,
    /// A web page.
    Page,
}

/// The server, ended when dropped.
#[derive(Debug)]
pub struct Misbehaving {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Misbehaving {
    /// Treats every request in this manner; `text` stands in all of its bodies.
    pub fn start(manner: Manner, text: &'static str) -> Self {
        let listener = runtime::run(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let address = listener.local_addr().unwrap();
        let task = runtime::handle().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A client that goes away has what it wants.
                    let _ = treat(stream, manner, text).await;
                });
            }
        });
        Self { address, task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn treat(mut stream: TcpStream, manner: Manner, text: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let start = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let body = format!("{{\"data\":{{\"data\":{{\"api_key\":\"{text}\"}}}}}}");
    let long = 10 << 20;
    let mut put = async |text: &str| stream.write_all(text.as_bytes()).await;
    match manner {
        Manner::DribblesHead => {
            put(start).await?;
            dribble(&mut stream, b"X-Slow: ").await?;
        }
        Manner::DribblesBody => {
            put(&format!("{start}Content-Length: 100000\r\n\r\n")).await?;
            dribble(&mut stream, body.as_bytes()).await?;
        }
        Manner::BreaksOff => {
            let length = body.len();
            let half = &body[..length - 2];
            put(&format!("{start}Content-Length: {length}\r\n\r\n{half}")).await?;
        }
        Manner::Long => {
            put(&format!("{start}Content-Length: {long}\r\n\r\n{body}")).await?;
            put(&" ".repeat(long - body.len())).await?;
        }
        Manner::LongUnannounced => {
            put(&format!("{start}Transfer-Encoding: chunked\r\n\r\n")).await?;
            let size = body.len();
            put(&format!("{size:x}\r\n{body}\r\n")).await?;
            put(&format!("{long:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(long))).await?;
        }
        Manner::Page => {
            let page = format!("<html><body>Sign in. {text}</body></html>");
            let length = page.len();
            let start = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
            put(&format!("{start}Content-Length: {length}\r\n\r\n{page}")).await?;
        }
    }
    Ok(())
}

/// Sends `bytes`, and then more of the last one until the client goes away.
async fn dribble(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut rest = bytes.iter();
    let mut last = b' ';
    loop {
        last = rest.next().copied().unwrap_or(last);
        stream.write_all(&[last]).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
