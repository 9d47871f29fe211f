//! A server whose memory is open to the scanner, spoken to in raw JSON-RPC.
//!
//! It stands beside `support::keyward` and not in it, because the scanner must start the process
//! itself. The control (`tests/control`) compiles this file too: both are watched the same way.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use keyward::secrets::memory::scanner::{Findings, Needle, Report, ScannedProcess};
use serde_json::{Value, json};

use crate::support::{
    environment::PATIENCE,
    keyward::{LEGACY, Setup},
};

/// A running process under the scanner.
pub struct Watched {
    process: ScannedProcess,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    log: Arc<Mutex<String>>,
    next_id: u64,
    /// Its folder lives as long as it does.
    _setup: Setup,
}

impl Watched {
    /// The real `keyward serve` over stdio, through its handshake.
    pub fn serve(setup: Setup) -> Self {
        let command = setup.command(&["serve"]);
        let mut watched = Self::start(command, setup);
        watched.initialize();
        watched
    }

    /// Any command.
    pub fn start(mut command: Command, setup: Setup) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = ScannedProcess::start(command).unwrap();
        let stdin = process.child().stdin.take();
        let (line, stdout) = mpsc::channel();
        each_line(process.child().stdout.take().unwrap(), move |text| {
            // A test that has ended reads no more.
            let _ = line.send(text);
        });
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        each_line(process.child().stderr.take().unwrap(), move |text| {
            *kept.lock().unwrap() += &(text + "\n");
        });
        Self {
            process,
            stdin,
            stdout,
            log,
            next_id: 1,
            _setup: setup,
        }
    }

    pub fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": { "name": "promises", "version": "1" },
        });
        let id = self.request("initialize", params);
        let answer = self.answer_to(id);
        assert!(answer.get("result").is_some(), "initialize: {answer}");
        self.notify("notifications/initialized", json!({}));
    }

    /// Calls `chat` without waiting; gives the call's id.
    pub fn start_chat(&mut self) -> u64 {
        let chat = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        self.request("tools/call", chat)
    }

    /// Calls `chat` and gives its result.
    pub fn chat(&mut self) -> Value {
        let id = self.start_chat();
        self.answer_to(id)["result"].clone()
    }

    /// Sends a request without waiting; gives its id.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn send(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{message}").expect("keyward reads stdin");
    }

    /// Waits for the answer to a request; answers to others that come before it are dropped.
    pub fn answer_to(&mut self, id: u64) -> Value {
        self.answers_to(&[id]).remove(0)
    }

    /// Waits for the answers to all of these requests, in any order.
    pub fn answers_to(&mut self, ids: &[u64]) -> Vec<Value> {
        let mut answers = Vec::new();
        while answers.len() < ids.len() {
            let line = self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("no answer ({error}); it said:\n{}", self.log());
            });
            let message: Value = serde_json::from_str(&line).expect("stdout holds protocol only");
            let id = message["id"].as_u64();
            if message.get("method").is_none() && id.is_some_and(|id| ids.contains(&id)) {
                answers.push(message);
            }
        }
        answers
    }

    /// All it has written to standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&mut self) -> u32 {
        self.process.child().id()
    }

    /// Ends its standard input and waits for its end.
    pub fn close(&mut self) -> ExitStatus {
        self.stdin = None;
        self.process.child().wait().unwrap()
    }

    /// What is in its memory now of each needle.
    pub fn look_for(&self, needles: &[Needle]) -> Vec<Report> {
        look_for(&self.process, needles)
    }

    /// The same, one report a key.
    pub fn scan<const N: usize>(&self, keys: [&str; N]) -> [Report; N] {
        scan(&self.process, keys)
    }

    /// The same at the moment that the promise names, 100 ms after the end of a call.
    pub fn scan_after_the_end<const N: usize>(&self, keys: [&str; N]) -> [Report; N] {
        after_the_end();
        self.scan(keys)
    }
}

/// Waits for the moment that the promise names, 100 ms after the end of a call.
///
/// The caller has read the answer, or has seen the call end otherwise. This pause is the promise's
/// own number, not a guess at how long something takes.
pub fn after_the_end() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Looks for each needle in `process`, which must have a locked pool: without one, "inside" would
/// be an empty word.
fn look_for(process: &ScannedProcess, needles: &[Needle]) -> Vec<Report> {
    let reports = process.scan(needles).unwrap();
    assert!(reports.iter().all(|report| report.pool_found));
    reports
}

/// Looks for each key in `process`.
pub fn scan<const N: usize>(process: &ScannedProcess, keys: [&str; N]) -> [Report; N] {
    let needles = keys.map(|key| Needle::new(key.as_bytes()).unwrap());
    look_for(process, &needles).try_into().unwrap()
}

/// The worst that any detector says. A whole copy is a fragment too, so nothing is added up.
pub fn most(found: Findings) -> usize {
    found
        .full_copies
        .max(found.largest_fragment_count)
        .max(found.base64)
        .max(found.huffman)
}

fn each_line(stream: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            take(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
