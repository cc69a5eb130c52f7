//! Logging: one line an event, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// Only what needs attention now.
    Error,
    /// And what may need it later.
    Warn,
    /// And what an operator likes to know: starts, stops, elections, checkpoints of note.
    Info,
    /// And what an engineer needs to see.
    Debug,
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        }
    }
}

impl std::str::FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(LogLevel::Error),
            "warn" => Ok(LogLevel::Warn),
            "info" => Ok(LogLevel::Info),
            "debug" => Ok(LogLevel::Debug),
            _ => Err(format!("\"{text}\" is not one of error, warn, info, debug")),
        }
    }
}

/// Starts logging for the whole process. A second call changes nothing.
///
/// Below debug, only this program's own events are shown: its libraries log details that nobody
/// who runs a database can act on. What stops the node is told by the node.
pub fn start_log(level: LogLevel) {
    use tracing_subscriber::prelude::*;

    let own_events = tracing_subscriber::filter::filter_fn(move |event| {
        level == LogLevel::Debug || event.target().starts_with("quorate")
    });
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(level == LogLevel::Debug)
        .with_filter(own_events);
    let _ = tracing_subscriber::registry().with(layer.with_filter(level.filter())).try_init();
}
