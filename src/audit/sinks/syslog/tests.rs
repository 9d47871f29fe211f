//! What a daemon gets over each way, and what happens when it is away, slow or new.

use std::{
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixListener},
    path::{Path, PathBuf},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::audit::{
    Sink,
    sinks::{
        listener::runtime,
        seal::tests::{Count, batch, told},
    },
};

/// How long a message that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

struct Tried {
    sink: SyslogSink<Count>,
    _runtime: Runtime,
}

fn sink(settings: SyslogSettings) -> Tried {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let sink = SyslogSink::new(&settings, Count::default(), handle).unwrap();
    assert_eq!(sink.name(), "syslog");
    Tried {
        sink,
        _runtime: runtime,
    }
}

impl Tried {
    fn write(&mut self, details: &[&str]) -> Result<(), String> {
        let written = self.sink.write(&batch(details));
        written.map_err(|error| error.0)
    }
}

fn unix(path: &Path) -> SyslogSettings {
    SyslogSettings {
        unix: Some(path.to_owned()),
        ..SyslogSettings::default()
    }
}

fn socket() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log");
    (folder, path)
}

/// The record of a message whose header is in order.
fn record(message: &str) -> (u64, String) {
    let (header, line) = message.split_once(" - ").unwrap();
    let fields: Vec<_> = header.split(' ').collect();
    assert_eq!(fields.len(), 6, "{header}");
    assert_eq!(fields[0], "<86>1");
    assert_eq!(fields[3], "keyward");
    assert_eq!(fields[4], std::process::id().to_string());
    assert_eq!(fields[5], "call_ended");
    told(line)
}

fn datagram(socket: &UnixDatagram) -> (u64, String) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = vec![0; 1 << 16];
    let length = socket.recv(&mut bytes).unwrap();
    record(std::str::from_utf8(&bytes[..length]).unwrap())
}

/// The next message of a stream that counts octets.
fn counted(reader: &mut BufReader<TcpStream>) -> (u64, String) {
    let mut length = Vec::new();
    reader.read_until(b' ', &mut length).unwrap();
    let length = std::str::from_utf8(&length).unwrap().trim_end();
    let mut message = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut message).unwrap();
    record(std::str::from_utf8(&message).unwrap())
}

/// The next connection.
fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (listener, (sender, accepted)) = (listener.try_clone().unwrap(), channel());
    thread::spawn(move || sender.send(listener.accept()));
    let (stream, _) = accepted.recv_timeout(PATIENCE).unwrap().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn tcp(listener: &TcpListener) -> SyslogSettings {
    SyslogSettings {
        tcp: Some(listener.local_addr().unwrap().to_string()),
        ..SyslogSettings::default()
    }
}

#[test]
fn the_daemon_of_this_machine_gets_a_datagram_a_record() {
    let (_folder, path) = socket();
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut tried = sink(unix(&path));
    tried.write(&["a\nb", "ü"]).unwrap();
    tried.write(&["c"]).unwrap();
    assert_eq!(datagram(&daemon), (1, "a\nb".into()));
    assert_eq!(datagram(&daemon), (2, "ü".into()));
    assert_eq!(datagram(&daemon), (3, "c".into()));
}

#[test]
fn a_daemon_that_was_away_or_started_anew_gets_what_comes_next() {
    let (_folder, path) = socket();
    let mut tried = sink(unix(&path));
    assert!(tried.write(&["lost"]).unwrap_err().contains("syslog at "));
    let daemon = UnixDatagram::bind(&path).unwrap();
    tried.write(&["a"]).unwrap();
    assert_eq!(datagram(&daemon), (1, "a".into()));
    drop(daemon);
    std::fs::remove_file(&path).unwrap();
    let daemon = UnixDatagram::bind(&path).unwrap();
    tried.write(&["b"]).unwrap();
    assert_eq!(datagram(&daemon), (2, "b".into()));
}

#[test]
fn a_record_that_is_too_long_for_a_datagram_is_told_and_stops_no_other() {
    let (_folder, path) = socket();
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut tried = sink(unix(&path));
    let long = "x".repeat(8 << 20);
    let error = tried.write(&["a", &long, "b"]).unwrap_err();
    assert!(error.ends_with("a record is too long for it"), "{error}");
    tried.write(&["c"]).unwrap();
    for expected in [(1, "a".into()), (2, "b".into()), (3, "c".into())] {
        assert_eq!(datagram(&daemon), expected);
    }
}

#[test]
fn a_daemon_that_reads_nothing_is_given_up_at_the_deadline_and_no_number_is_lost() {
    let (_folder, path) = socket();
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut tried = sink(SyslogSettings {
        deadline: Duration::from_millis(100),
        ..unix(&path)
    });
    let detail = "x".repeat(1 << 14);
    let many = vec![detail.as_str(); 4096];
    let error = tried.write(&many).unwrap_err();
    assert!(error.ends_with("it takes no message in time"), "{error}");
    daemon.set_nonblocking(true).unwrap();
    let mut bytes = vec![0; 1 << 16];
    let mut taken = 0;
    while daemon.recv(&mut bytes).is_ok() {
        taken += 1;
    }
    assert!(taken > 0);
    daemon.set_nonblocking(false).unwrap();
    tried.write(&["next"]).unwrap();
    assert_eq!(datagram(&daemon), (taken + 1, "next".into()));
}

#[test]
fn a_local_daemon_that_takes_a_stream_gets_a_line_a_record() {
    let (_folder, path) = socket();
    let daemon = UnixListener::bind(&path).unwrap();
    let mut tried = sink(unix(&path));
    tried.write(&["a\nb", "c"]).unwrap();
    let stream = daemon.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(record(&lines.next().unwrap().unwrap()), (1, "a\nb".into()));
    assert_eq!(record(&lines.next().unwrap().unwrap()), (2, "c".into()));
}

#[test]
fn over_tcp_the_octets_of_each_message_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tried = sink(tcp(&listener));
    tried.write(&["a", "ü"]).unwrap();
    tried.write(&["c"]).unwrap();
    let mut daemon = accept(&listener);
    assert_eq!(counted(&mut daemon), (1, "a".into()));
    assert_eq!(counted(&mut daemon), (2, "ü".into()));
    assert_eq!(counted(&mut daemon), (3, "c".into()));
}

#[test]
fn a_connection_that_the_daemon_closed_is_not_written_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tried = sink(tcp(&listener));
    tried.write(&["a"]).unwrap();
    let mut daemon = accept(&listener);
    assert_eq!(counted(&mut daemon), (1, "a".into()));
    drop(daemon);
    tried.write(&["b"]).unwrap();
    assert_eq!(counted(&mut accept(&listener)), (2, "b".into()));
}

#[test]
fn a_daemon_that_is_away_costs_a_batch_and_the_next_one_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = tcp(&listener);
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut tried = sink(settings);
    assert!(tried.write(&["lost"]).is_err());
    let listener = TcpListener::bind(address).unwrap();
    tried.write(&["a"]).unwrap();
    assert_eq!(counted(&mut accept(&listener)), (1, "a".into()));
}

#[test]
fn a_daemon_that_stops_reading_a_stream_is_given_up_and_connected_to_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tried = sink(SyslogSettings {
        deadline: Duration::from_millis(300),
        ..tcp(&listener)
    });
    let detail = "x".repeat(1 << 20);
    let many = vec![detail.as_str(); 64];
    let error = tried.write(&many).unwrap_err();
    assert!(error.ends_with("it takes no message in time"), "{error}");
    let _stuck = accept(&listener);
    tried.write(&["next"]).unwrap();
    assert_eq!(counted(&mut accept(&listener)).1, "next");
}

#[test]
fn over_udp_each_record_is_a_datagram_and_its_length_has_an_end() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut tried = sink(SyslogSettings {
        udp: Some(daemon.local_addr().unwrap().to_string()),
        ..SyslogSettings::default()
    });
    let long = "x".repeat(1 << 16);
    assert!(tried.write(&["a", &long, "b"]).is_err());
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = vec![0; 1 << 16];
    for expected in [(1, "a".into()), (2, "b".into())] {
        let length = daemon.recv(&mut bytes).unwrap();
        let message = std::str::from_utf8(&bytes[..length]).unwrap();
        assert_eq!(record(message), expected);
    }
}

#[test]
fn over_udp_a_daemon_that_is_away_shows_only_afterwards() {
    let port = {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.local_addr().unwrap().port()
    };
    let mut tried = sink(SyslogSettings {
        udp: Some(format!("127.0.0.1:{port}")),
        ..SyslogSettings::default()
    });
    assert_eq!(tried.write(&["lost in silence"]), Ok(()));
    let tries = (0..100).filter(|_| tried.write(&["told"]).is_err());
    assert!(tries.count() > 0);
}

#[test]
fn localhost_is_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tried = sink(SyslogSettings {
        tcp: Some(format!("localhost:{port}")),
        ..SyslogSettings::default()
    });
    tried.write(&["a"]).unwrap();
    assert_eq!(counted(&mut accept(&listener)), (1, "a".into()));
}

#[test]
fn settings_that_were_refused_make_no_sink() {
    let settings = SyslogSettings {
        tcp: Some("logs.example:601".to_owned()),
        ..SyslogSettings::default()
    };
    let runtime = runtime();
    let refused = SyslogSink::new(&settings, Count::default(), runtime.handle().clone());
    assert!(refused.is_err());
}
