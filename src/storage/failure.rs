//! What SQLite can answer instead of a result.

use rusqlite::ffi;

use super::execution;
use crate::error::{Error, state};
use crate::telemetry;

/// A statement's failure: an error that is ready for the client, or a violated constraint whose
/// PostgreSQL name and values the catalog must add.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Ready.
    Error(Error),
    /// A constraint.
    Violation(Violation),
    /// None: the statement stepped aside for readers that wait. Once they are served it can run again.
    SteppedAside,
}

/// A violated constraint as SQLite names it.
#[derive(Clone, PartialEq, Debug)]
pub struct Violation {
    /// Which kind.
    pub kind: ViolationKind,
    /// `table.column, table.column`, or `index 'name'`, or the name of a CHECK constraint.
    pub what: String,
}

/// The kinds of constraints SQLite enforces for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViolationKind {
    /// A unique index, or the rowid.
    Unique,
    /// NOT NULL.
    NotNull,
    /// CHECK.
    Check,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl Failure {
    /// The error to show where nobody can add the constraint's details.
    pub fn into_error(self) -> Error {
        match self {
            Failure::Error(error) => error,
            Failure::SteppedAside => Error::internal("a statement stepped aside and was not run again"),
            Failure::Violation(violation) => {
                let sqlstate = match violation.kind {
                    ViolationKind::Unique => state::UNIQUE_VIOLATION,
                    ViolationKind::NotNull => state::NOT_NULL_VIOLATION,
                    ViolationKind::Check => state::CHECK_VIOLATION,
                };
                Error::new(sqlstate, format!("constraint violated: {}", violation.what))
            }
        }
    }

    /// From SQLite's extended result code and message. An error that one of our functions raised, or
    /// the reason of an interruption, was left with the execution.
    pub(super) fn from_sqlite(code: i32, message: &str, sql: &str) -> Failure {
        if let Some(error) = execution::take_error() {
            return Failure::Error(error);
        }
        if code & 0xff == ffi::SQLITE_INTERRUPT && execution::stepped_aside() {
            return Failure::SteppedAside;
        }
        if let Some(violation) = violation(code, message) {
            return Failure::Violation(violation);
        }
        Failure::Error(plain_error(code, message, sql))
    }
}

fn violation(code: i32, message: &str) -> Option<Violation> {
    let kind = match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            ViolationKind::Unique
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => ViolationKind::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => ViolationKind::Check,
        _ => return None,
    };
    let what = message.split_once("failed: ").map_or(message, |(_, what)| what);
    Some(Violation { kind, what: what.to_owned() })
}

fn plain_error(code: i32, message: &str, sql: &str) -> Error {
    match code & 0xff {
        ffi::SQLITE_FULL => {
            Error::new(state::DISK_FULL, "could not write to the database: No space left on device")
                .with_hint("Check free disk space.")
        }
        ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => io_error(message),
        ffi::SQLITE_NOMEM => Error::new(state::OUT_OF_MEMORY, "out of memory"),
        ffi::SQLITE_TOOBIG => Error::new(state::PROGRAM_LIMIT_EXCEEDED, "value is too large"),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => {
            telemetry::error!("SQLite reports a damaged file: {message}");
            Error::new(state::DATA_CORRUPTED, "the database file is damaged")
        }
        ffi::SQLITE_INTERRUPT => Error::new(state::QUERY_CANCELED, "canceling statement due to user request"),
        _ if message == "integer overflow" => {
            Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
        }
        _ if message.starts_with("frame ") && message.ends_with(" must be a non-negative integer") => {
            let what = message.trim_end_matches(" must be a non-negative integer");
            Error::new(state::INVALID_PRECEDING_OR_FOLLOWING_SIZE, format!("{what} must not be negative"))
        }
        _ if message.starts_with("frame ") && message.ends_with(" must be a non-negative number") => {
            Error::new(
                state::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                "invalid preceding or following size in window function",
            )
        }
        _ if is_too_complex(message) => Error::new(state::STATEMENT_TOO_COMPLEX, "statement is too complex")
            .with_hint("Write it with fewer operators, tables or set operations."),
        _ => {
            telemetry::error!("SQLite refused a statement: {message} (code {code}) in: {}", shortened(sql));
            Error::internal(format!("the storage refused a statement: {message}"))
        }
    }
}

fn io_error(message: &str) -> Error {
    telemetry::error!("SQLite reports an input/output error: {message}");
    Error::new(state::IO_ERROR, "could not read or write the database file")
}

fn is_too_complex(message: &str) -> bool {
    [
        "Expression tree is too large",
        "parser stack overflow",
        "too many terms in compound",
        "at most 64 tables",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// The start of a text, for the log.
fn shortened(sql: &str) -> &str {
    const LOGGED_BYTES: usize = 500;
    &sql[..sql.floor_char_boundary(LOGGED_BYTES)]
}
