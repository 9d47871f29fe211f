//! What a hostile or broken client cannot do: keep others out, keep the process alive, or knock
//! without leaving a trace.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::Stdio,
};

use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use serde_json::json;

use super::arrangement::{self, KEY, TOKEN, key_in_env};
use crate::support::{
    environment::wait_for,
    full_pipe::full_pipe,
    http::Request,
    keyward::modern,
    upstream::{Dialect, Upstream},
};

/// More connections than the server holds at a time.
const CROWD: usize = 600;

#[test]
fn a_crowd_that_says_nothing_does_not_keep_others_out() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let server = arrangement::over_http(&upstream).serve_http();
    let address = server.url.strip_prefix("http://").unwrap();
    // Half say nothing; half begin as HTTP/2 does and then say nothing.
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map(|index| {
            let mut stream = TcpStream::connect(address).unwrap();
            if index % 2 == 0 {
                // A server that has closed already is as good.
                drop(stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
            }
            stream
        })
        .collect();
    let healthy = wait_for(|| {
        let answer = Request::new("GET", format!("{}/healthz", server.url)).send();
        answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(())
    });
    assert!(
        healthy.is_some(),
        "{CROWD} silent connections closed the door"
    );
    drop(crowd);
}

#[test]
fn a_client_that_reads_nothing_cannot_keep_the_process() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let setup = key_in_env(&upstream);
    let (reader, writer) = full_pipe();
    let mut command = setup.command(&["serve"]);
    command
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut stdin = child.stdin.take().unwrap();
    // The newer era needs no handshake, so the first answer is the one that nobody reads.
    let mut request = modern(json!({ "name": "version", "arguments": {} }));
    request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": request });
    writeln!(stdin, "{request}").unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("call answered")));
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = wait_for(|| child.try_wait().unwrap());
    assert_eq!(status.expect("the process ends").code(), Some(0));
    drop((reader, stdin));
}

#[test]
fn whoever_is_refused_leaves_a_line_in_the_log_without_the_token() {
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut server = arrangement::over_http(&upstream).serve_http();
    let wrong = "wrong-token-5Tg6Yh7Uj8Ik9Ol0Pa1Sd2Fg3Hj4";
    let ask = |authorization: Option<String>| {
        let request = Request::new("POST", format!("{}/mcp", server.url))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        let request = match &authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        request.send().unwrap().status
    };
    assert_eq!(ask(None), 401);
    assert_eq!(ask(Some(format!("Bearer {wrong}"))), 401);
    assert_eq!(ask(Some(format!("Bearer {TOKEN}"))), 200);
    server.process.signal(Signal::SIGTERM);
    let log = server.process.stderr_to_end();
    assert!(log.contains("without a bearer token"), "{log}");
    assert!(log.contains("with a wrong bearer token"), "{log}");
    assert!(!log.contains(wrong) && !log.contains(TOKEN), "{log}");
}
