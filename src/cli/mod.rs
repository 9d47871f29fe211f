//! The command line: one file a command, and the order in which a process comes to life.
//!
//! The order matters and stands in [`main`] alone: harden, read arguments and configuration, take
//! keys out of the environment, and only then start threads.

mod args;
mod audit;
mod check;
pub mod demo;
mod exit;
mod keeping;
mod log_filter;
mod models;
mod policy;
mod recorder;
mod rules;
mod secrets;
mod serve;
mod token;
mod version;
mod world;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Parser as _;

pub use self::exit::Exit;
use self::{
    args::{Cli, Command, Global, Models, Secrets},
    world::World,
};
use crate::{
    secrets::memory,
    telemetry::{self, LogLevel},
};

/// Threads for calls; more only cost memory, since a call waits rather than computes.
const WORKER_THREADS: usize = 2;
/// For blocking work that is left when a command has ended (a read of stdin, most likely).
const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(100);

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    let protections = memory::harden();
    telemetry::set_panic_hook();
    let Cli { command, global } = Cli::try_parse().unwrap_or_else(|error| {
        args::without_environment_values(error, std::env::vars_os()).exit()
    });
    let exit = match command {
        Command::Serve(options) => match World::load(&global, options.http, &protections) {
            Ok(world) => run(serve::serve(world)),
            Err(error) => error.report(false),
        },
        Command::Check(options) => match World::load(&quiet(global), None, &protections) {
            Ok(world) => check::check(&world, &protections, options.json),
            Err(error) => error.report(options.json),
        },
        Command::Secrets(command) => {
            let as_json = match &command {
                Secrets::Check(options) => options.json,
                Secrets::List(options) => options.json,
                Secrets::Explain(options) => options.json,
            };
            match World::load(&quiet(global), None, &protections) {
                Ok(world) => secrets::run(world, command),
                Err(error) => error.report(as_json),
            }
        }
        Command::Models(command) => {
            let as_json = match &command {
                Models::List(options) => options.json,
                Models::Show(options) | Models::Check(options) => options.json,
            };
            match World::load(&quiet(global), None, &protections) {
                Ok(world) => models::run(world, &command),
                Err(error) => error.report(as_json),
            }
        }
        Command::Audit(command) => audit::run(&command, global, &protections),
        Command::Policy(command) => match World::load(&quiet(global), None, &protections) {
            Ok(world) => policy::run(&world, &command),
            Err(error) => error.report(false),
        },
        Command::Demo(options) => run(demo::demo(options)),
        Command::Version(options) => version::version(options.json),
    };
    exit.into()
}

/// What a command reports, it need not log as well, unless it is asked to.
fn quiet(mut global: Global) -> Global {
    global.log_level.get_or_insert(LogLevel::Error);
    global
}

/// Starts the runtime, runs `command` on it, ends the runtime.
fn run(command: impl Future<Output = Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(command);
            runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
            exit
        }
        Err(error) => {
            complain(format_args!("cannot start threads: {error}"));
            Exit::Failed
        }
    }
}

/// Prints a command's result. A reader that has gone (`keyward check | head`) is no failure.
fn print(text: impl std::fmt::Display) {
    let _closed = writeln!(io::stdout(), "{text}");
}

/// Tells the user what went wrong, where no log is set up for it.
fn complain(text: impl std::fmt::Display) {
    let _closed = writeln!(io::stderr(), "keyward: {text}");
}
