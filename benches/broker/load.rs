//! Calls that run through a server while something happens to its keys or its stores, and when each
//! was started and answered.

use std::{
    collections::HashMap,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::keyward::Keyward;

/// How one call ended.
#[derive(Debug)]
pub struct Ended {
    /// When it was written to the server.
    pub started: Instant,
    /// When its end was read.
    pub ended: Instant,
    /// The model's answer, or what the client was told instead.
    pub answer: Result<String, String>,
}

impl Ended {
    /// From the one to the other.
    pub fn took(&self) -> Duration {
        self.ended - self.started
    }
}

/// Calls that run.
pub struct Load<'a> {
    keyward: &'a mut Keyward,
    running: HashMap<u64, Instant>,
}

impl<'a> Load<'a> {
    /// None yet.
    pub fn new(keyward: &'a mut Keyward) -> Self {
        Self {
            keyward,
            running: HashMap::new(),
        }
    }

    /// Starts `number` calls.
    pub fn start(&mut self, number: usize) {
        for _ in 0..number {
            let call = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
            let started = Instant::now();
            let id = self.keyward.start_request("tools/call", call);
            self.running.insert(id, started);
        }
    }

    /// The next call that ends before `deadline`, if one does.
    pub fn next(&mut self, deadline: Instant) -> Option<Ended> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.keyward.process.stdout().recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("keyward ended:\n{}", self.keyward.process.stderr())
                }
            };
            let ended = Instant::now();
            let message: Value = serde_json::from_str(&line).unwrap();
            let id = message["id"].as_u64();
            let started = id.and_then(|id| self.running.remove(&id));
            if let Some(started) = started {
                let result = &message["result"];
                let answer = match result["structuredContent"]["answer"].as_str() {
                    Some(answer) => Ok(answer.to_owned()),
                    None => Err(result["content"][0]["text"].to_string()),
                };
                return Some(Ended {
                    started,
                    ended,
                    answer,
                });
            }
        }
    }

    /// Whether a call runs that was started before `moment`.
    pub fn has_one_from_before(&self, moment: Instant) -> bool {
        self.running.values().any(|started| *started < moment)
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}
