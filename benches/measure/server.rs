//! The server as a child, spoken to over its pipes in raw JSON-RPC, as a fast client would.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"measure","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

/// `keyward serve` on stdio.
pub struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: String,
}

impl Server {
    /// Starts it with nothing in its environment but `home` and `variables`.
    pub fn start(binary: &Path, home: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary)
            .arg("serve")
            .env_clear()
            .env("HOME", home)
            .envs(variables.iter().copied())
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            line: String::new(),
        }
    }

    /// The handshake, and the tools, as a client asks for them before it does anything else.
    pub fn list_tools(&mut self) {
        self.send(INITIALIZE);
        assert!(self.read().contains("\"result\""), "{}", self.line);
        self.send(INITIALIZED);
        self.send(LIST);
        assert!(self.read().contains("\"tools\""), "{}", self.line);
    }

    /// Writes one message.
    pub fn send(&mut self, message: &str) {
        self.stdin.write_all(message.as_bytes()).unwrap();
        self.stdin.write_all(b"\n").unwrap();
    }

    /// The next message.
    pub fn read(&mut self) -> &str {
        self.line.clear();
        self.stdout.read_line(&mut self.line).unwrap();
        &self.line
    }

    /// A line of the process's own account of its memory, such as `VmRSS`, in MB.
    pub fn memory(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024.0 / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
