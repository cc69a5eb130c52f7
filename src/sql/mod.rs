//! SQL as pure functions: text → statements → bound plans → SQLite's SQL.
//!
//! - [`parse`] makes statements of a text, bounded in memory and stack ([`lexical`]).
//! - `bind` gives every name its catalog object and every expression its PostgreSQL type.
//! - `lower` prints a bound plan as SQLite's SQL, with its parameters in order.
//! - `ddl` turns definitions into catalog rows and SQLite's own DDL.
//!
//! Nothing here does input or output, waits, or reads a clock.

pub mod lexical;
mod parse;
pub mod statement;
mod utility;

pub use parse::{parse, parse_expression, with_stack};
pub use statement::{Parsed, Statement};
