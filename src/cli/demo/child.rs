//! The server as the demo's child: watched by the scanner, spoken to by a real MCP client.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult},
    service::{RunningService, ServiceExt},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    process::{ChildStderr, ChildStdin, ChildStdout},
    task::JoinHandle,
};

use super::DemoError;
use crate::secrets::memory::scanner::{Needle, NotMeasured, Report, ScannedProcess};

/// More of the log than this is not read.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A running server whose memory is open to the scanner, if the system allows that.
pub(super) struct Watched {
    process: Process,
    log: JoinHandle<Vec<u8>>,
}

enum Process {
    Scanned(ScannedProcess),
    Unscanned(std::process::Child, NotMeasured),
}

impl Watched {
    /// Starts `command`; where ptrace is forbidden, without the scanner.
    pub(super) async fn start(mut command: Command) -> Result<Self, DemoError> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut again = clone(&command);
        let started = tokio::task::spawn_blocking(move || ScannedProcess::start(command)).await;
        let mut process = match started.map_err(|_| DemoError::Setup("the scanner broke".into()))? {
            Ok(scanned) => Process::Scanned(scanned),
            Err(reason) => {
                again
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                let child = again
                    .spawn()
                    .map_err(|error| DemoError::Setup(format!("cannot start keyward: {error}")))?;
                Process::Unscanned(child, reason)
            }
        };
        let stderr = process.child().stderr.take().map(ChildStderr::from_std);
        let stderr = pipe(stderr)?;
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            // A log that breaks off is searched as far as it goes.
            let _broken = stderr.take(MAX_LOG_BYTES).read_to_end(&mut log).await;
            log
        });
        Ok(Self { process, log })
    }

    /// What is in the server's memory now.
    pub(super) async fn scan(&self, needles: &Arc<[Needle]>) -> Result<Report, NotMeasured> {
        match &self.process {
            Process::Scanned(process) => {
                let memory = process.memory();
                let needles = Arc::clone(needles);
                let scan = tokio::task::spawn_blocking(move || memory.scan(&needles)).await;
                let reports = scan.unwrap_or_else(|_| Err(not_measured("the scanner broke")))?;
                reports
                    .into_iter()
                    .next()
                    .ok_or_else(|| not_measured("the scanner said nothing"))
            }
            Process::Unscanned(_, reason) => Err(reason.clone()),
        }
    }

    /// Lets the client leave, waits for the server to end, and gives its log.
    pub(super) async fn end(mut self, client: Client) -> Result<Vec<u8>, DemoError> {
        client.leave().await;
        let log = self.log.await.unwrap_or_default();
        match self.process.child().wait() {
            Ok(status) if status.success() => Ok(log),
            _ => Err(DemoError::Promise(
                "the server did not end in good order".to_owned(),
            )),
        }
    }
}

impl Process {
    fn child(&mut self) -> &mut std::process::Child {
        match self {
            Self::Scanned(process) => process.child(),
            Self::Unscanned(child, _) => child,
        }
    }
}

/// A real MCP client at the server's stdin and stdout.
pub(super) struct Client(RunningService<RoleClient, ()>);

impl Client {
    pub(super) async fn connect(watched: &mut Watched) -> Result<Self, DemoError> {
        let child = watched.process.child();
        let stdout = pipe(child.stdout.take().map(ChildStdout::from_std))?;
        let stdin = pipe(child.stdin.take().map(ChildStdin::from_std))?;
        let client = ().serve((stdout, stdin)).await;
        client
            .map(Self)
            .map_err(|error| DemoError::Setup(format!("no MCP session came about: {error}")))
    }

    pub(super) async fn tools(&self) -> Result<Vec<String>, DemoError> {
        let tools = self.0.list_all_tools().await;
        let tools = tools.map_err(|error| DemoError::Promise(format!("tools/list: {error}")))?;
        Ok(tools
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect())
    }

    /// Calls `chat` and gives its answer.
    pub(super) async fn chat(&self, prompt: &str, model: &str) -> Result<String, DemoError> {
        let mut request = CallToolRequestParams::new("chat");
        request.arguments = json!({ "prompt": prompt, "model": model })
            .as_object()
            .cloned();
        let result = self.0.call_tool(request).await;
        let result = result.map_err(|error| DemoError::Promise(format!("tools/call: {error}")))?;
        let CallToolResult {
            content,
            structured_content,
            is_error,
            ..
        } = result;
        let text = content
            .iter()
            .find_map(|block| block.as_text())
            .map(|text| text.text.clone());
        match (is_error, structured_content) {
            (Some(true), _) => Err(DemoError::Promise(format!(
                "chat failed: {}",
                text.unwrap_or_default()
            ))),
            (_, Some(structured)) => {
                Ok(structured["answer"].as_str().unwrap_or_default().to_owned())
            }
            _ => Err(DemoError::Promise(
                "chat answered without structure".to_owned(),
            )),
        }
    }

    async fn leave(self) {
        // The server notices the end of its stdin; how the client's task ended says nothing more.
        let _ended = self.0.cancel().await;
    }
}

fn pipe<T, E: std::fmt::Display>(pipe: Option<Result<T, E>>) -> Result<T, DemoError> {
    match pipe {
        Some(Ok(pipe)) => Ok(pipe),
        Some(Err(error)) => Err(DemoError::Setup(format!("a pipe is unusable: {error}"))),
        None => Err(DemoError::Setup("a pipe is missing".to_owned())),
    }
}

/// The same program with the same arguments and variables. Pipes are set by the caller.
pub(super) fn clone(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}

pub(super) fn not_measured(because: &str) -> NotMeasured {
    NotMeasured {
        because: because.to_owned(),
    }
}
