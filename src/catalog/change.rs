//! Changes to the system relations, as DDL plans them.

use crate::types::{Datum, Oid};

/// A column of a system relation and a value.
pub type Field = (&'static str, Datum);

/// One change to the rows of a stored system relation.
#[derive(Clone, PartialEq, Debug)]
pub enum CatalogChange {
    /// A new row. Columns not given are NULL.
    Insert {
        /// The relation's name in pg_catalog.
        relation: &'static str,
        /// The row.
        row: Vec<Field>,
    },
    /// New values in all rows with these keys.
    Update {
        /// The relation's name in pg_catalog.
        relation: &'static str,
        /// Which rows.
        keys: Vec<Field>,
        /// What changes.
        values: Vec<Field>,
    },
    /// No rows with these keys any more.
    Delete {
        /// The relation's name in pg_catalog.
        relation: &'static str,
        /// Which rows.
        keys: Vec<Field>,
    },
    /// The next oid that DDL may give.
    NextOid(Oid),
}

/// An oid as a field's value.
pub fn oid(value: Oid) -> Datum {
    Datum::Integer(value.into())
}
