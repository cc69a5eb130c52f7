//! The client as a session sees it: where answers go, and where COPY's data comes from. The wire is one
//! implementation, tests are another.

use async_trait::async_trait;

use crate::error::{Error, Notice, Result};
pub use crate::sql::plan::ResultColumn;
use crate::types::{DatumRef, Format, Type};

/// In which of PostgreSQL's two forms each column of a result is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Formats {
    /// All in one form.
    All {
        /// Whether that is the binary one.
        binary: bool,
    },
    /// Whether binary, for each column.
    Each(Vec<bool>),
}

impl Formats {
    /// Everything as text.
    pub const TEXT: Formats = Formats::All { binary: false };

    /// From the codes of a Bind message: none, one for all, or one a column.
    pub fn of_codes(codes: &[i16]) -> Result<Formats> {
        let is_binary = |code: &i16| match code {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::new(
                crate::error::state::INVALID_PARAMETER_VALUE,
                format!("unsupported format code: {code}"),
            )),
        };
        Ok(match codes {
            [] => Formats::TEXT,
            [code] => Formats::All { binary: is_binary(code)? },
            codes => Formats::Each(codes.iter().map(is_binary).collect::<Result<_>>()?),
        })
    }

    /// Whether a column is sent in binary form.
    pub fn is_binary(&self, column: usize) -> bool {
        match self {
            Formats::All { binary } => *binary,
            Formats::Each(each) => each.get(column).copied().unwrap_or(false),
        }
    }

    /// Whether they fit a number of columns.
    pub(super) fn check(&self, columns: usize) -> Result<()> {
        match self {
            Formats::Each(each) if each.len() != columns => Err(Error::new(
                crate::error::state::PROTOCOL_VIOLATION,
                format!("bind message has {} result formats but query has {columns} columns", each.len()),
            )),
            _ => Ok(()),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub enum Reply<'a> {
    /// What the rows will look like.
    RowDescription(&'a [ResultColumn], &'a Formats),
    /// There will be none.
    NoData,
    /// A prepared statement's parameters.
    ParameterDescription(&'a [&'static Type]),
    /// A statement has ended; the command tag.
    CommandComplete(&'a str),
    /// The text held no statement.
    EmptyQuery,
    /// The row limit was reached.
    PortalSuspended,
    /// Parse has succeeded.
    ParseComplete,
    /// Bind has succeeded.
    BindComplete,
    /// Close has succeeded.
    CloseComplete,
    /// A notice.
    Notice(&'a Notice),
    /// A reported setting's value.
    ParameterStatus(&'a str, &'a str),
    /// COPY FROM STDIN starts, with this many columns.
    CopyIn(usize),
    /// COPY TO STDOUT starts, with this many columns.
    CopyOut(usize),
    /// A line of COPY TO STDOUT.
    CopyData(&'a [u8]),
    /// COPY TO STDOUT ends.
    CopyDone,
}

/// What a client sends during COPY FROM STDIN.
#[derive(Debug)]
pub enum CopyInput {
    /// Some bytes.
    Data(Vec<u8>),
    /// The end.
    Done,
    /// The client gives up, and why.
    Fail(String),
}

/// A client.
#[async_trait]
pub trait Client: Send {
    /// Takes an answer.
    fn send(&mut self, reply: Reply<'_>);

    /// Takes a row.
    fn row(&mut self, values: &[DatumRef<'_>], columns: &[ResultColumn], formats: &Formats, format: &Format);

    /// Whether so much waits to be taken that [`Client::flush`] should come first.
    fn is_full(&self) -> bool;

    /// Waits until what was sent is on its way. An error means that the client is gone.
    async fn flush(&mut self) -> Result<()>;

    /// Waits for the next of COPY FROM STDIN. An error means that the client is gone.
    async fn copy_input(&mut self) -> Result<CopyInput>;
}
