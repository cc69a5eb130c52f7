//! Prints bound trees as SQLite's SQL.
//!
//! Native operators are used where they mean the same on the storage forms; a type's collation is
//! written where values are compared, ordered or grouped. Literals become parameters, so that texts
//! that differ in literals only share one prepared statement.

mod expression;
mod modify;
mod query;

use std::fmt::Write;
use std::sync::Arc;

pub(super) use modify::{copy, delete, insert, row_wise_insert, row_wise_update, update};

use crate::functions::Signature;

use super::plan::{Binding, SqliteStatement};
use super::tree::{Expr, ExprKind, Query};
use crate::types::{Datum, bytea};

/// Statements with more literals than this have them in their text: they are not repeated anyway, and
/// SQLite's parameters are limited.
const CONSTANTS_AS_PARAMETERS_MAX: usize = 100;

/// Where the printing stands.
pub(super) struct Lowerer {
    sql: String,
    bindings: Vec<Binding>,
    /// Whether literals are written into the text.
    inlines: bool,
    constants: usize,
    /// A use of a relation whose columns are named without it: in CHECK and indexes.
    bare: Option<Arc<str>>,
    /// A use of a relation that goes by another name: RETURNING knows only the table's own.
    renamed: Option<(Arc<str>, String)>,
    /// Columns that are taken from the source's row instead.
    substitutes: Vec<(Expr, usize)>,
}

impl Lowerer {
    fn new(inlines: bool) -> Lowerer {
        Lowerer {
            sql: String::new(),
            bindings: Vec::new(),
            inlines,
            constants: 0,
            bare: None,
            renamed: None,
            substitutes: Vec::new(),
        }
    }

    fn put(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// A signature as the text that functions are given.
    fn signature(&mut self, signature: &Signature) {
        push_literal(&mut self.sql, &Datum::Text(signature.encode()));
    }

    fn name(&mut self, name: &str) {
        push_name(&mut self.sql, name);
    }

    fn constant(&mut self, value: &Datum) {
        if value.is_null() {
            self.put("NULL");
            return;
        }
        self.constants += 1;
        if self.inlines {
            push_literal(&mut self.sql, value);
        } else {
            self.binding(Binding::Constant(value.clone()));
        }
    }

    fn binding(&mut self, binding: Binding) {
        let place = match (&binding, self.bindings.iter().position(|other| *other == binding)) {
            (Binding::Constant(_), _) | (_, None) => {
                self.bindings.push(binding);
                self.bindings.len()
            }
            (_, Some(place)) => place + 1,
        };
        let _ = write!(self.sql, "?{place}");
    }

    /// Prints things with commas between.
    fn list<T>(&mut self, items: &[T], mut print: impl FnMut(&mut Lowerer, &T)) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.put(", ");
            }
            print(self, item);
        }
    }

    fn finish(self) -> SqliteStatement {
        SqliteStatement { sql: self.sql.into(), bindings: self.bindings }
    }
}

/// Prints a statement, with its literals as parameters unless there are too many.
fn statement(print: impl Fn(&mut Lowerer)) -> SqliteStatement {
    let mut lowerer = Lowerer::new(false);
    print(&mut lowerer);
    if lowerer.constants > CONSTANTS_AS_PARAMETERS_MAX {
        lowerer = Lowerer::new(true);
        print(&mut lowerer);
    }
    lowerer.finish()
}

/// A whole query.
pub(super) fn query(query: &Query) -> SqliteStatement {
    statement(|lowerer| lowerer.query(query, false))
}

/// A query of one row.
pub(super) fn row(exprs: Vec<Expr>) -> SqliteStatement {
    statement(|lowerer| {
        lowerer.put("VALUES ");
        lowerer.row(&exprs);
    })
}

/// An expression for a CHECK constraint or an index: literals in the text, columns without qualifier.
pub(super) fn schema_expression(expr: &Expr, alias: &Arc<str>) -> String {
    let mut lowerer = Lowerer::new(true);
    lowerer.bare = Some(alias.clone());
    lowerer.expr(expr);
    lowerer.sql
}

/// Appends a name in quotes.
pub(super) fn push_name(out: &mut String, name: &str) {
    out.push('"');
    out.push_str(&name.replace('"', "\"\""));
    out.push('"');
}

/// A name in quotes.
pub fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    push_name(&mut out, name);
    out
}

/// Appends a value as SQLite reads it.
fn push_literal(out: &mut String, value: &Datum) {
    match value {
        Datum::Null => out.push_str("NULL"),
        Datum::Integer(i64::MIN) => out.push_str("(-9223372036854775807 - 1)"),
        Datum::Integer(value) => {
            let _ = write!(out, "{value}");
        }
        Datum::Real(value) if value.is_infinite() => {
            out.push_str(if *value > 0.0 { "9e999" } else { "-9e999" })
        }
        Datum::Real(value) => {
            // With an exponent it is a real in SQLite's eyes, too.
            let _ = write!(out, "{value:e}");
        }
        Datum::Text(value) => {
            out.push('\'');
            out.push_str(&value.replace('\'', "''"));
            out.push('\'');
        }
        Datum::Blob(bytes) => {
            let mut hex = Vec::with_capacity(bytes.len() * 2);
            bytea::write_hex(bytes, &mut hex);
            let _ = write!(out, "x'{}'", String::from_utf8_lossy(&hex));
        }
    }
}

/// The collation a comparison of such values needs, unless SQLite takes it from the column already.
fn needed_collation(expr: &Expr) -> Option<&'static str> {
    let is_stored_column = matches!(&expr.kind, ExprKind::Column(column) if column.carries_collation);
    if is_stored_column { None } else { expr.ty.collation }
}
