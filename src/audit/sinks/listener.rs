//! A server for the tests of sinks: plain HTTP/1.1 on loopback, which keeps what it is sent and
//! answers as it is told.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
};

use tokio::runtime::{Builder, Runtime};

/// One request, as it came.
#[derive(Debug)]
pub(super) struct Request {
    /// Which connection it came on, from 0.
    pub(super) connection: usize,
    /// The line and the headers, in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends nothing, and keeps the connection.
    Silence,
    /// Closes the connection.
    Close,
}

/// A running server. It ends with the test's process.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    requests: Receiver<Request>,
}

impl Listener {
    /// Answers each request with the next of `answers`, and closes what comes after the last.
    pub(super) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (answers, sender) = (Arc::clone(&answers), sender.clone());
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = read(connection, &mut reader) {
                        let answer = answers.lock().unwrap().pop_front();
                        sender.send(request).unwrap();
                        if !reply(&stream, answer.unwrap_or(Answer::Close)) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was sent so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn reply(mut stream: &TcpStream, answer: Answer) -> bool {
    match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes).is_ok(),
        Answer::Silence => true,
        Answer::Close => false,
    }
}

fn read(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length:")
            .map(|value| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Request {
        connection,
        head,
        body,
    })
}

/// An answer with a status, headers of the form `name: value\r\n`, and a body.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    Answer::Bytes(text.into_bytes())
}

/// What drives a sink's requests.
pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
