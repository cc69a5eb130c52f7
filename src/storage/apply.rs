//! Makes captured changes again: on another node, at a restart, or on the writer after it had to take
//! them back. No expression of a user's is evaluated but the indexes' and checks' own.

use std::collections::HashMap;
use std::sync::Arc;

use super::change::{Change, ChangeList, Mark};
use super::failure::Failure;
use super::sqlite::Connection;
use crate::catalog::naming;
use crate::error::{Error, state};
use crate::telemetry;
use crate::types::DatumRef;

/// Statements kept for one table's updates, each for a set of changed columns.
const UPDATE_SHAPES_MAX: usize = 64;

/// A table as SQLite has it, and the statements that change its rows.
struct Shape {
    table: String,
    columns: Vec<String>,
    rowid: &'static str,
    insert: Arc<str>,
    delete: Arc<str>,
    /// By the places of the columns that change, and whether the row's number does.
    updates: HashMap<(Vec<usize>, bool), Arc<str>>,
}

/// Applies change lists to one connection.
#[derive(Default)]
pub(super) struct Applier {
    shapes: HashMap<String, Shape>,
}

/// Quotes a name for SQLite.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// 58030: this copy of the data is not what the log was written from.
fn diverged(what: &str) -> Failure {
    telemetry::error!("this node's data is not what the log says it was: {what}");
    Failure::Error(Error::fatal(
        state::DATA_CORRUPTED,
        format!("this node's copy of the data differs from the log: {what}"),
    ))
}

impl Applier {
    /// Applies the changes between two marks.
    pub(super) fn apply(
        &mut self,
        connection: &mut Connection,
        list: &ChangeList,
        from: Mark,
        to: Mark,
    ) -> Result<(), Failure> {
        list.visit_range(from, to, |change| self.apply_one(connection, &change))
    }

    /// Forgets what it knows of the tables: the schema was changed by others.
    pub(super) fn forget(&mut self) {
        self.shapes.clear();
    }

    fn apply_one(&mut self, connection: &mut Connection, change: &Change<'_>) -> Result<(), Failure> {
        match change {
            Change::Insert { table, rowid, values } => self.insert(connection, table, *rowid, values),
            Change::Delete { table, rowid, values } => self.delete(connection, table, *rowid, values),
            Change::Update { table, old_rowid, new_rowid, columns } => {
                self.update(connection, table, (*old_rowid, *new_rowid), columns)
            }
            Change::Schema { sql } => {
                self.forget();
                connection.execute_schema(sql)
            }
        }
    }

    fn shape(&mut self, connection: &mut Connection, table: &str) -> Result<&mut Shape, Failure> {
        if !self.shapes.contains_key(table) {
            let shape = Shape::read(connection, table)?;
            self.shapes.insert(table.to_owned(), shape);
        }
        Ok(self.shapes.get_mut(table).expect("it was just put there"))
    }

    fn insert(
        &mut self,
        connection: &mut Connection,
        table: &str,
        rowid: i64,
        values: &[DatumRef<'_>],
    ) -> Result<(), Failure> {
        let shape = self.shape(connection, table)?;
        shape.expect_columns(table, values.len())?;
        let sql = shape.insert.clone();
        let mut row = Vec::with_capacity(values.len() + 1);
        row.push(DatumRef::Integer(rowid));
        row.extend_from_slice(values);
        exactly_one(connection, &sql, &row, || format!("row {rowid} of {table} exists already"))
    }

    fn delete(
        &mut self,
        connection: &mut Connection,
        table: &str,
        rowid: i64,
        values: &[DatumRef<'_>],
    ) -> Result<(), Failure> {
        let shape = self.shape(connection, table)?;
        shape.expect_columns(table, values.len())?;
        let sql = shape.delete.clone();
        let mut row = Vec::with_capacity(values.len() + 1);
        row.push(DatumRef::Integer(rowid));
        row.extend_from_slice(values);
        exactly_one(connection, &sql, &row, || format!("row {rowid} of {table} is not as it was deleted"))
    }

    fn update(
        &mut self,
        connection: &mut Connection,
        table: &str,
        rowids: (i64, i64),
        columns: &[(usize, DatumRef<'_>, DatumRef<'_>)],
    ) -> Result<(), Failure> {
        let shape = self.shape(connection, table)?;
        let places: Vec<usize> = columns.iter().map(|(place, ..)| *place).collect();
        if places.iter().any(|place| *place >= shape.columns.len()) {
            return Err(diverged(&format!("table {table} has too few columns")));
        }
        let sql = shape.update(places, rowids.0 != rowids.1);
        let mut row = vec![DatumRef::Integer(rowids.0), DatumRef::Integer(rowids.1)];
        for (_, before, after) in columns {
            row.push(*before);
            row.push(*after);
        }
        exactly_one(connection, &sql, &row, || {
            format!("row {} of {table} is not as it was changed", rowids.0)
        })
    }
}

fn exactly_one(
    connection: &mut Connection,
    sql: &Arc<str>,
    values: &[DatumRef<'_>],
    otherwise: impl Fn() -> String,
) -> Result<(), Failure> {
    match connection.run(sql, values) {
        Ok(1) => Ok(()),
        Ok(_) => Err(diverged(&otherwise())),
        Err(Failure::Violation(violation)) => Err(diverged(&format!("{} ({})", otherwise(), violation.what))),
        Err(failure) => Err(failure),
    }
}

impl Shape {
    fn read(connection: &mut Connection, table: &str) -> Result<Shape, Failure> {
        let statement = connection.prepare(&format!("SELECT * FROM {}", quoted(table)).into())?;
        let columns: Vec<String> =
            (0..statement.column_count()).map(|column| statement.column_name(column)).collect();
        let rowid = naming::rowid_name(columns.iter().map(String::as_str))
            .ok_or_else(|| diverged(&format!("table {table} hides its row numbers")))?;
        let names: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let places: Vec<String> = (0..columns.len()).map(|place| format!("?{}", place + 2)).collect();
        let same: String =
            names.iter().zip(&places).map(|(name, place)| format!(" AND {}", is(name, place))).collect();
        let table = quoted(table);
        Ok(Shape {
            rowid,
            insert: format!(
                "INSERT INTO {table} ({rowid}, {}) VALUES (?1, {})",
                names.join(", "),
                places.join(", ")
            )
            .into(),
            delete: format!("DELETE FROM {table} WHERE {rowid} = ?1{same}").into(),
            updates: HashMap::new(),
            columns,
            table,
        })
    }

    fn expect_columns(&self, table: &str, count: usize) -> Result<(), Failure> {
        match count == self.columns.len() {
            true => Ok(()),
            false => Err(diverged(&format!("table {table} has {} columns, not {count}", self.columns.len()))),
        }
    }

    /// The statement that changes these columns: ?1 and ?2 are the row's number before and after, then
    /// each column's value before and after.
    fn update(&mut self, places: Vec<usize>, moves: bool) -> Arc<str> {
        let key = (places, moves);
        if let Some(sql) = self.updates.get(&key) {
            return sql.clone();
        }
        let mut set = Vec::new();
        let mut same = String::new();
        if moves {
            set.push(format!("{} = ?2", self.rowid));
        }
        for (number, place) in key.0.iter().enumerate() {
            let name = quoted(&self.columns[*place]);
            set.push(format!("{name} = ?{}", number * 2 + 4));
            same.push_str(&format!(" AND {}", is(&name, &format!("?{}", number * 2 + 3))));
        }
        let sql = format!("UPDATE {} SET {} WHERE {} = ?1{same}", self.table, set.join(", "), self.rowid);
        let sql: Arc<str> = sql.into();
        if self.updates.len() >= UPDATE_SHAPES_MAX {
            self.updates.clear();
        }
        self.updates.insert(key, sql.clone());
        sql
    }
}

/// Whether a column has exactly this value: bytes, whatever the column's collation finds equal.
fn is(column: &str, parameter: &str) -> String {
    format!("{column} COLLATE BINARY IS {parameter}")
}
