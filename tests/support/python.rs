//! The official Python client, which starts or reaches the server as a user's client would.

use std::{io::Write, path::Path, process::Command, sync::mpsc::RecvTimeoutError};

use serde_json::{Value, json};

use super::{
    environment::{PATIENCE, python},
    keyward::Setup,
    process::Process,
};

/// How the client negotiates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `initialize`, as most clients do.
    Legacy,
    /// `server/discover`, and `initialize` if that is not known.
    Auto,
    /// 2026-07-28 and nothing else.
    Modern,
}

/// Lets the client start the server over stdio, list the tools and make these calls: the report of
/// `tests/python/drive.py`.
pub fn over_stdio(setup: &Setup, mode: Mode, calls: &[(&str, Value)]) -> Value {
    let server = json!({
        "command": env!("CARGO_BIN_EXE_keyward"),
        "args": ["serve"],
        "env": setup.environment(),
        "cwd": setup.working_directory(),
    });
    drive(setup.folder(), &json!({ "stdio": server }), mode, calls)
}

/// The same over streamable HTTP, with the bearer token in a file. `url` includes `/mcp`.
pub fn over_http(url: &str, token_file: &Path, mode: Mode, calls: &[(&str, Value)]) -> Value {
    let folder = token_file.parent().expect("a file lies in a folder");
    drive(
        folder,
        &json!({ "http": { "url": url, "token_file": token_file } }),
        mode,
        calls,
    )
}

fn drive(folder: &Path, server: &Value, mode: Mode, calls: &[(&str, Value)]) -> Value {
    let mut job = server.clone();
    job["mode"] = json!(match mode {
        Mode::Legacy => "legacy",
        Mode::Auto => "auto",
        Mode::Modern => super::keyward::MODERN,
    });
    let call = |(tool, arguments): &(&str, Value)| json!({ "tool": tool, "arguments": arguments });
    job["calls"] = calls.iter().map(call).collect();
    let mut command = Command::new(python());
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/python/drive.py"
    ));
    command
        .env_clear()
        .env("HOME", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = Process::start("the Python client", command);
    let stdin = process.stdin().expect("stdin is open");
    stdin
        .write_all(job.to_string().as_bytes())
        .expect("the client reads its job");
    process.close_stdin();
    let report = match process.stdout().recv_timeout(PATIENCE) {
        Ok(line) => line,
        Err(RecvTimeoutError::Timeout) => panic!("the Python client does not end"),
        Err(RecvTimeoutError::Disconnected) => {
            panic!("the Python client failed:\n{}", process.stderr_to_end())
        }
    };
    serde_json::from_str(&report).expect("the report is JSON")
}
