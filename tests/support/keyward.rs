//! The real `keyward` binary: one command run to its end, or a server spoken to in raw JSON-RPC.
//!
//! It sees a clean environment, an empty home and an empty working directory, and the configuration
//! that the test wrote; so what a test shows does not hang on the machine it ran on.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::mpsc::RecvTimeoutError,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    environment::{PATIENCE, free_port, wait_for},
    http,
    process::Process,
};

/// The protocol version of the era with `initialize` that tested clients still speak.
pub const LEGACY: &str = "2025-11-25";
/// The first version of the era without it.
pub const MODERN: &str = "2026-07-28";

/// Writes a file that only its owner may read or write.
pub fn write_private(path: &Path, content: &str) {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.unwrap().write_all(content.as_bytes()).unwrap();
}

/// How the binary is to be started.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    environment: BTreeMap<OsString, OsString>,
    config: Option<PathBuf>,
    working_directory: PathBuf,
    launcher: Vec<OsString>,
}

/// What a command that ran to its end left.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Setup {
    /// Without a configuration file.
    pub fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let working_directory = folder.path().join("cwd");
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&working_directory).unwrap();
        let environment = BTreeMap::from([("HOME".into(), home.into_os_string())]);
        Self {
            folder,
            environment,
            config: None,
            working_directory,
            launcher: Vec::new(),
        }
    }

    /// With this configuration, given by `KEYWARD_CONFIG`.
    pub fn with_config(yaml: &str) -> Self {
        let mut setup = Self::bare();
        let path = setup.folder().join("keyward.yaml");
        write_private(&path, yaml);
        setup = setup.env("KEYWARD_CONFIG", &path);
        setup.config = Some(path);
        setup
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets several variables.
    pub fn envs<'a>(self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        variables
            .into_iter()
            .fold(self, |setup, (name, value)| setup.env(name, value))
    }

    /// Starts it through another program, such as `prlimit --memlock=0`.
    pub fn through<S: Into<OsString>>(mut self, launcher: impl IntoIterator<Item = S>) -> Self {
        self.launcher = launcher.into_iter().map(Into::into).collect();
        self
    }

    /// A folder of this test's own, which holds the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder it will run in.
    pub fn working_directory(&self) -> &Path {
        &self.working_directory
    }

    /// The configuration file.
    pub fn config_file(&self) -> &Path {
        self.config
            .as_deref()
            .expect("this setup has a configuration")
    }

    /// The variables that the binary will see, for a client that starts it itself.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let text = |value: &OsString| value.to_str().expect("test variables are UTF-8").to_owned();
        self.environment
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// The command with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = OsString::from(env!("CARGO_BIN_EXE_keyward"));
        let mut words = self.launcher.iter().cloned().chain([binary]);
        let mut command = Command::new(words.next().expect("at least the binary"));
        command.args(words).args(arguments);
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.working_directory);
        if !self.launcher.is_empty() {
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        }
        command
    }

    /// Runs one command to its end, with nothing on standard input.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut process = Process::start("keyward", self.command(arguments));
        process.close_stdin();
        let mut lines = Vec::new();
        loop {
            match process.stdout().recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("keyward {arguments:?} does not end"),
            }
        }
        let status = process.wait();
        Ended {
            status,
            stdout: lines.join("\n"),
            stderr: process.stderr_to_end(),
        }
    }

    /// Starts `keyward serve` on stdio.
    pub fn serve(self) -> Keyward {
        self.serve_with(&[])
    }

    /// Starts `keyward serve` on stdio with further arguments.
    pub fn serve_with(self, arguments: &[&str]) -> Keyward {
        let arguments: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
        let process = Process::start("keyward", self.command(&arguments));
        Keyward {
            process,
            others: Vec::new(),
            next_id: 1,
            setup: self,
        }
    }

    /// Starts `keyward serve --http` on loopback and waits until `/healthz` answers.
    pub fn serve_http(self) -> HttpKeyward {
        for _ in 0..5 {
            let address = format!("127.0.0.1:{}", free_port());
            let command = self.command(&["serve", "--http", &address]);
            let mut process = Process::start("keyward", command);
            let url = format!("http://{address}");
            let up = wait_for(|| match process.ended() {
                Some(_) => Some(false),
                None => {
                    let healthy = http::Request::new("GET", format!("{url}/healthz")).send();
                    healthy
                        .is_ok_and(|answer| answer.status == 200)
                        .then_some(true)
                }
            });
            if up == Some(true) {
                return HttpKeyward {
                    process,
                    url,
                    setup: self,
                };
            }
            // Only a port that was taken meanwhile is worth another start.
            let said = process.stderr_to_end();
            assert!(
                said.to_lowercase().contains("in use"),
                "keyward does not serve:\n{said}"
            );
        }
        panic!("keyward found no port to listen on");
    }
}

/// A server on HTTP.
#[derive(Debug)]
pub struct HttpKeyward {
    /// The process.
    pub process: Process,
    /// `http://127.0.0.1:PORT`; MCP is at `/mcp` below it.
    pub url: String,
    /// How it was started.
    pub setup: Setup,
}

/// A server on stdio.
#[derive(Debug)]
pub struct Keyward {
    /// The process.
    pub process: Process,
    /// How it was started.
    pub setup: Setup,
    others: Vec<Value>,
    next_id: u64,
}

impl Keyward {
    /// Waits until the log has told something so often.
    pub fn wait_until_log_tells(&self, number: usize, what: &str) {
        let told = || self.process.stderr().matches(what).count();
        let is_told = wait_for(|| (told() >= number).then_some(()));
        assert!(is_told.is_some(), "{what:?} is told {} times", told());
    }

    /// Writes one line, whatever it holds.
    pub fn send_line(&mut self, line: &[u8]) {
        let stdin = self.process.stdin().expect("stdin is open");
        stdin
            .write_all(line)
            .and_then(|()| stdin.write_all(b"\n"))
            .expect("keyward reads stdin");
        stdin.flush().unwrap();
    }

    /// Writes one message.
    pub fn send(&mut self, message: &Value) {
        self.send_line(message.to_string().as_bytes());
    }

    /// The next message that it writes; a line that is none fails the test, and so does silence.
    pub fn read(&mut self) -> Value {
        let line = self
            .process
            .stdout()
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| {
                panic!(
                    "no answer from keyward ({error}); it said:\n{}",
                    self.process.stderr()
                )
            });
        let message: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("stdout holds more than protocol: {error}: {line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    /// Sends a request and gives its id, without waiting.
    pub fn start_request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Waits for the answer to a request. Answers to others and notifications that come before it
    /// are kept for [`Keyward::take_others`].
    pub fn answer_to(&mut self, id: u64) -> Value {
        let is_answer = |message: &Value| message["id"] == id && message.get("method").is_none();
        if let Some(position) = self.others.iter().position(is_answer) {
            return self.others.remove(position);
        }
        loop {
            let message = self.read();
            if is_answer(&message) {
                return message;
            }
            self.others.push(message);
        }
    }

    /// Sends a request and waits for its answer, with `result` or `error`.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.start_request(method, params);
        self.answer_to(id)
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Messages that came while something else was awaited, in order.
    pub fn take_others(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.others)
    }

    /// The handshake of the legacy era; gives the result of `initialize`.
    pub fn initialize(&mut self, version: &str) -> Value {
        let params = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "promises", "version": "1" },
        });
        let answer = self.request("initialize", params);
        assert!(answer.get("result").is_some(), "initialize: {answer}");
        self.notify("notifications/initialized", json!({}));
        answer["result"].clone()
    }

    /// `server/discover` of the modern era; gives its result.
    pub fn discover(&mut self) -> Value {
        let answer = self.request("server/discover", modern(json!({})));
        assert!(answer.get("result").is_some(), "server/discover: {answer}");
        answer["result"].clone()
    }

    /// Calls a tool in the legacy era; gives the answer with `result` or `error`.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// Ends its standard input and waits for its end.
    pub fn close(&mut self) -> ExitStatus {
        self.process.close_stdin();
        self.process.wait()
    }

    /// Sends `SIGTERM` and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.signal(Signal::SIGTERM);
        self.process.wait()
    }
}

/// `params` with the `_meta` that every request of the modern era carries; capabilities that stand
/// there already stay.
pub fn modern(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if capabilities.is_null() {
        *capabilities = json!({});
    }
    params["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({ "name": "promises", "version": "1" });
    params
}
