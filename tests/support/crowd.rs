//! Many calls through one server at a time, so that what happens in between happens to calls that
//! run.
//!
//! Whoever is answered is replaced at once, while the crowd is turned over: at any moment as many
//! calls run as it was gathered with.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::keyward::Keyward;

/// How a call of a crowd ended.
#[derive(Debug, Clone)]
pub struct Ended(pub Value);

impl Ended {
    /// Whether the model's answer came.
    pub fn is_answered(&self) -> bool {
        self.0["result"]["structuredContent"]["answer"].is_string()
    }

    /// What the client reads, if the call failed.
    pub fn failure(&self) -> Option<&str> {
        let result = &self.0["result"];
        let is_error = result["isError"] == true;
        is_error.then(|| result["content"][0]["text"].as_str().unwrap_or_default())
    }
}

/// Calls that run.
pub struct Crowd<'a> {
    keyward: &'a mut Keyward,
    call: Value,
    running: BTreeSet<u64>,
    started: usize,
    ended: Vec<Ended>,
}

impl<'a> Crowd<'a> {
    /// Starts `number` chats.
    pub fn gather(keyward: &'a mut Keyward, number: usize) -> Self {
        let call = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        let mut crowd = Self {
            keyward,
            call,
            running: BTreeSet::new(),
            started: 0,
            ended: Vec::new(),
        };
        crowd.start(number);
        crowd
    }

    fn start(&mut self, number: usize) {
        for _ in 0..number {
            let id = self.keyward.start_request("tools/call", self.call.clone());
            self.running.insert(id);
        }
        self.started += number;
    }

    /// Waits until each call that was started so far has got as far as it can: what was read
    /// before a ping has been started before its answer.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            self.keyward.request("ping", json!({}));
        }
        for message in self.keyward.take_others() {
            self.take(message);
        }
    }

    /// As [`Keyward::wait_until_log_tells`].
    pub fn wait_until_log_tells(&self, number: usize, what: &str) {
        self.keyward.wait_until_log_tells(number, what);
    }

    /// Waits for `number` answers, and starts another call for each.
    pub fn turn_over(&mut self, number: usize) {
        let until = self.ended.len() + number;
        while self.ended.len() < until {
            let before = self.ended.len();
            let message = self.keyward.read();
            self.take(message);
            self.start(self.ended.len() - before);
        }
    }

    /// The calls that have ended since the last time that this was asked.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// What the server has written to standard error.
    pub fn said(&self) -> String {
        self.keyward.process.stderr()
    }

    /// How many calls were started.
    pub fn started(&self) -> usize {
        self.started
    }

    /// Waits for the calls that run; gives all that have ended and were not taken.
    pub fn disperse(mut self) -> Vec<Ended> {
        while !self.running.is_empty() {
            let message = self.keyward.read();
            self.take(message);
        }
        self.ended
    }

    fn take(&mut self, message: Value) {
        let id = message["id"].as_u64();
        if message.get("method").is_none() && id.is_some_and(|id| self.running.remove(&id)) {
            self.ended.push(Ended(message));
        }
    }
}

/// All of them must have been answered.
#[track_caller]
pub fn assert_answered(ended: &[Ended]) {
    let failed: Vec<&Ended> = ended.iter().filter(|ended| !ended.is_answered()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed, the first: {:?}",
        failed.len(),
        ended.len(),
        failed.first()
    );
}
