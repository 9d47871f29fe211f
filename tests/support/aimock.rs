//! aimock, somebody else's stand-in for AI vendors, with its switches for chaos.
//!
//! What both of us understood alike of a vendor's documentation is more likely right than what one
//! of us did.

use std::process::Command;

use serde_json::json;

use super::{
    environment::{free_port, test_environment, wait_for},
    http::Request,
    process::Process,
};

/// What it answers to `ping`.
pub const ANSWER: &str = "The independent stand-in answers: pong.";

/// A running server.
pub struct Aimock {
    address: String,
    _process: Process,
    _home: tempfile::TempDir,
}

impl Aimock {
    /// Starts one with `options`, such as `--chaos-drop 1`. It answers to `ping` with [`ANSWER`],
    /// and breaks off its answer to `cut`.
    pub fn start(options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let fixtures = home.path().join("fixtures.json");
        let usage = json!({ "prompt_tokens": 7, "completion_tokens": 5, "input_tokens": 7, "output_tokens": 5 });
        let cut = "This answer is going to be cut off somewhere in the middle of it all.";
        let text = json!({ "fixtures": [
            { "match": { "userMessage": "cut" }, "response": { "content": cut }, "truncateAfterChunks": 2 },
            { "match": { "userMessage": "ping" }, "response": { "content": ANSWER, "usage": usage } },
        ] });
        std::fs::write(&fixtures, text.to_string()).unwrap();
        let program = test_environment().join("node/node_modules/@copilotkit/aimock/dist/cli.js");
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new("node");
            command.env("HOME", home.path()).current_dir(home.path());
            command
                .arg(&program)
                .args(["-p", &port.to_string(), "-f"])
                .arg(&fixtures);
            // Between chunks, so that a client sees one before the connection breaks.
            command
                .args(["--strict", "--log-level", "warn", "-l", "20"])
                .args(options);
            let mut process = Process::start("aimock", command);
            let address = format!("http://127.0.0.1:{port}");
            let up = wait_for(|| match process.ended() {
                Some(_) => Some(false),
                None => Request::new("GET", format!("{address}/health"))
                    .send()
                    .is_ok()
                    .then_some(true),
            });
            if up == Some(true) && process.ended().is_none() {
                return Self {
                    address,
                    _process: process,
                    _home: home,
                };
            }
            let said = process.last_words();
            assert!(
                said.contains("EADDRINUSE"),
                "aimock does not start; it said:\n{said}"
            );
        }
        panic!("aimock found no port to listen on");
    }

    /// Its base URL.
    pub fn address(&self) -> &str {
        &self.address
    }
}
