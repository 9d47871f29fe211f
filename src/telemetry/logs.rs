//! The log's subscriber, and what a panic may say.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::{
    LogFormat, LogLevel, LogSettings,
    lines::{LineFilter, Lines},
};

/// Starts logging to stderr, each line through `filter`, if there is one. A second call in one
/// process changes nothing.
pub fn init(settings: LogSettings, filter: Option<Arc<dyn LineFilter>>) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // An over-long line from the client is rmcp's to report, as an error without its content.
    let targets = Targets::new()
        .with_target("keyward", level)
        .with_target("rmcp::transport", Level::ERROR);
    let layer = tracing_subscriber::fmt::layer().with_writer(Lines {
        filter,
        out: io::stderr,
    });
    let layer = match settings.format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // Fails only if a subscriber is set already, which keeps its settings.
    let _already_set = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
}

/// Lets a panic say where it happened and nothing else: its message may hold anything.
pub fn set_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!(" at {}:{}", l.file(), l.line()));
        // stderr may be closed; there is nowhere else to say so.
        let _closed = writeln!(
            io::stderr(),
            "keyward: internal error{}; please report it",
            place.unwrap_or_default()
        );
    }));
}
