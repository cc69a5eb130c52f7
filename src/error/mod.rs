//! What a client is told when something goes wrong, and the notices it is sent when nothing does.
//!
//! Every error that can reach a client is an [`Error`]: a SQLSTATE, a message in PostgreSQL's
//! words, and the optional fields of an ErrorResponse. Internals (a SQLite result code, an errno)
//! go to the log where they happen, once, and become an [`Error`] without them.

mod sqlstate;

pub use sqlstate::SqlState;

/// The codes, by PostgreSQL's condition names.
pub mod state {
    pub use super::sqlstate::*;
}

/// The result of anything a client can cause.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How serious a report is, as PostgreSQL names it on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The statement failed; the session lives on.
    Error,
    /// The session ends.
    Fatal,
    /// A notice about something suspicious.
    Warning,
    /// A notice about something worth knowing.
    Notice,
    /// An answer to the user's explicit request for information.
    Info,
}

impl Severity {
    /// The word sent in the fields S and V.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Warning => "WARNING",
            Severity::Notice => "NOTICE",
            Severity::Info => "INFO",
        }
    }
}

/// An error or a notice, with the fields of PostgreSQL's ErrorResponse and NoticeResponse.
///
/// Boxed, so that `Result<T, Error>` stays one word larger than `T`.
#[derive(Clone, PartialEq, Debug)]
pub struct Error(Box<Fields>);

/// A notice is the same thing with a lower severity.
pub type Notice = Error;

/// The fields of an [`Error`].
#[derive(Clone, PartialEq, Debug)]
pub struct Fields {
    /// Error, fatal, or one of the notices.
    pub severity: Severity,
    /// The SQLSTATE.
    pub sqlstate: SqlState,
    /// The primary message: lower case, no full stop.
    pub message: String,
    /// DETAIL: sentences.
    pub detail: Option<String>,
    /// HINT: what to do.
    pub hint: Option<String>,
    /// The cursor position in the client's text, in characters from 1.
    pub position: Option<u32>,
    /// CONTEXT: where it happened (`COPY t, line 3`).
    pub context: Option<String>,
    /// The schema of the object concerned.
    pub schema: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The data type concerned.
    pub data_type: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
}

impl Error {
    /// An error with all its fields, as another node has told them.
    pub fn from_fields(fields: Fields) -> Error {
        Error(Box::new(fields))
    }

    /// An error with a SQLSTATE and a primary message.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Error {
        Error::with_severity(Severity::Error, sqlstate, message)
    }

    /// An error after which the session ends.
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Error {
        Error::with_severity(Severity::Fatal, sqlstate, message)
    }

    /// A NOTICE.
    pub fn notice(message: impl Into<String>) -> Notice {
        Error::with_severity(Severity::Notice, state::SUCCESSFUL_COMPLETION, message)
    }

    /// A WARNING with its code.
    pub fn warning(sqlstate: SqlState, message: impl Into<String>) -> Notice {
        Error::with_severity(Severity::Warning, sqlstate, message)
    }

    /// 0A000 for what PostgreSQL has and this server lacks. `what` starts the message.
    pub fn unsupported(what: impl std::fmt::Display) -> Error {
        Error::new(state::FEATURE_NOT_SUPPORTED, format!("{what} is not supported yet"))
            .with_hint("Quorate refuses what it cannot do as PostgreSQL does, rather than do something else.")
    }

    /// 0A000 for what PostgreSQL itself refuses so.
    pub fn unsupported_message(message: impl Into<String>) -> Error {
        Error::new(state::FEATURE_NOT_SUPPORTED, message)
    }

    /// XX000 for a broken promise inside the server. The message says which.
    pub fn internal(message: impl std::fmt::Display) -> Error {
        Error::new(state::INTERNAL_ERROR, message.to_string())
    }

    fn with_severity(severity: Severity, sqlstate: SqlState, message: impl Into<String>) -> Error {
        Error(Box::new(Fields {
            severity,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
        }))
    }

    /// Sets DETAIL.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets HINT.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets CONTEXT.
    pub fn with_context(mut self, context: impl Into<String>) -> Error {
        self.0.context = Some(context.into());
        self
    }

    /// Sets the position, in characters from 1, unless a deeper layer has set one already.
    pub fn at(mut self, position: Option<u32>) -> Error {
        if self.0.position.is_none() {
            self.0.position = position;
        }
        self
    }

    /// Names the schema and the table concerned.
    pub fn about_table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Error {
        self.0.schema = Some(schema.into());
        self.0.table = Some(table.into());
        self
    }

    /// Names the column concerned.
    pub fn about_column(mut self, column: impl Into<String>) -> Error {
        self.0.column = Some(column.into());
        self
    }

    /// Names the constraint concerned.
    pub fn about_constraint(mut self, constraint: impl Into<String>) -> Error {
        self.0.constraint = Some(constraint.into());
        self
    }

    /// Names the data type concerned.
    pub fn about_data_type(mut self, data_type: impl Into<String>) -> Error {
        self.0.data_type = Some(data_type.into());
        self
    }

    /// Gives a notice the code by which programs recognise it.
    pub fn with_sqlstate(mut self, sqlstate: SqlState) -> Error {
        self.0.sqlstate = sqlstate;
        self
    }

    /// Turns an error into one that ends the session.
    pub fn into_fatal(mut self) -> Error {
        self.0.severity = Severity::Fatal;
        self
    }

    /// The SQLSTATE.
    pub fn sqlstate(&self) -> SqlState {
        self.0.sqlstate
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// All fields.
    pub fn fields(&self) -> &Fields {
        &self.0
    }

    /// Whether the session ends with this error.
    pub fn is_fatal(&self) -> bool {
        self.0.severity == Severity::Fatal
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.0.severity.name(), self.0.sqlstate, self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " DETAIL: {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// `return Err(...)` with a SQLSTATE and a formatted message.
#[macro_export]
macro_rules! bail {
    ($state:ident, $($message:tt)+) => {
        return Err($crate::error::Error::new($crate::error::state::$state, format!($($message)+)))
    };
}
