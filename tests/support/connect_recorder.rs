//! A proxy that leads nowhere: it remembers which hosts it was asked for and refuses them all.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use super::arrivals::Arrivals;

/// The proxy.
pub struct ConnectRecorder {
    address: SocketAddr,
    asked: Arc<Arrivals<String>>,
}

impl ConnectRecorder {
    /// On a port of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Arrivals::default());
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                refuse(client, &seen);
            }
        });
        Self { address, asked }
    }

    /// Its address, for `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hosts that it was asked for, in order, each once in a row.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts = self.asked.all();
        hosts.dedup();
        hosts
    }
}

fn refuse(mut client: TcpStream, seen: &Arrivals<String>) {
    let mut head = BufReader::new(client.try_clone().unwrap());
    let mut line = String::new();
    let _ = head.read_line(&mut line);
    if let Some(host) = line.strip_prefix("CONNECT ") {
        let host = host.split_whitespace().next().unwrap_or_default();
        seen.push(host.trim_end_matches(":443").to_owned());
    }
    while head.read_line(&mut line).is_ok_and(|read| read > 2) {}
    let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
}
