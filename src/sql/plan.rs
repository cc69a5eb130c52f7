//! What this layer gives to the session: SQLite statements with their parameters in order, and what
//! they return.

use std::sync::Arc;

use crate::catalog::Relation;
use crate::types::{Datum, Oid, Type};

/// A bound and lowered statement.
#[derive(Debug)]
pub struct Plan {
    /// What runs.
    pub action: Action,
    /// The types of the client's parameters.
    pub parameters: Vec<&'static Type>,
    /// What the rows look like; `None` if there are none.
    pub columns: Option<Vec<ResultColumn>>,
    /// The catalog's version it was made for.
    pub catalog_version: u64,
    /// The command tag's first word.
    pub verb: &'static str,
}

/// What a plan does.
#[derive(Debug)]
pub enum Action {
    /// Reads.
    Read(SqliteStatement),
    /// Reads where the writer is: it calls a function that changes the database, or locks rows.
    ReadOnWriter(SqliteStatement),
    /// Changes rows.
    Modify(Modify),
}

/// A column of a result, as RowDescription tells it.
#[derive(Clone, PartialEq, Debug)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: &'static Type,
    /// Its type's modifier.
    pub typmod: i32,
    /// The table and column it comes from.
    pub origin: Option<(Oid, i16)>,
}

/// SQL for SQLite, and what its parameters are.
#[derive(Clone, PartialEq, Debug)]
pub struct SqliteStatement {
    /// The text.
    pub sql: Arc<str>,
    /// The value of ?1, ?2 …
    pub bindings: Vec<Binding>,
}

/// The value of one of SQLite's parameters.
#[derive(Clone, PartialEq, Debug)]
pub enum Binding {
    /// The client's parameter, counted from 0.
    Parameter(usize),
    /// A literal of the statement.
    Constant(Datum),
    /// A column of the source's current row.
    Source(usize),
}

/// How rows are changed.
#[derive(Debug)]
pub struct Modify {
    /// INSERT, UPDATE or DELETE.
    pub kind: ModifyKind,
    /// The table.
    pub relation: Arc<Relation>,
    /// With a source, `statement` runs once for each of its rows, which are read completely before.
    /// The first column is the row's rowid, of which each counts once (UPDATE and DELETE only).
    pub source: Option<SqliteStatement>,
    /// What changes the rows.
    pub statement: SqliteStatement,
    /// Whether `statement` returns rows.
    pub returns: bool,
    /// Whether ON CONFLICT DO UPDATE, which may change no row twice.
    pub upserts: bool,
    /// The places of the columns whose new values are the source's columns after the rowid, if any.
    pub columns: Vec<usize>,
}

/// What a [`Modify`] does to rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModifyKind {
    /// New rows.
    Insert,
    /// New values.
    Update,
    /// Fewer rows.
    Delete,
}

/// How COPY FROM stores a row: the client's columns are the first parameters.
#[derive(Debug)]
pub struct CopyPlan {
    /// The table.
    pub relation: Arc<Relation>,
    /// The places of the columns that the client gives, in its order.
    pub listed: Vec<usize>,
    /// The statement for one row.
    pub statement: SqliteStatement,
    /// The places of the columns that the statement stores, in order.
    pub columns: Vec<usize>,
}
