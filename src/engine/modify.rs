//! Runs plans that change rows.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::{foreign_keys, values};
use crate::error::{Error, Result};
use crate::functions::Env;
use crate::sql::plan::{Modify, ModifyKind, SqliteStatement};
use crate::storage::{Failure, Spool, Statement};
use crate::types::{Datum, DatumRef, RowSink};

/// What a plan that changes rows has done.
pub struct Rows {
    /// Rows inserted, changed or deleted.
    pub count: u64,
    /// The rows that RETURNING gives.
    pub returned: Spool,
}

/// Keeps rows in a spool.
pub struct Spooler {
    spool: Spool,
    error: Option<Error>,
}

impl Spooler {
    /// Appends to a spool.
    pub fn new(spool: Spool) -> Spooler {
        Spooler { spool, error: None }
    }

    /// The spool, or why a row could not be kept.
    pub fn finish(self) -> Result<Spool> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.spool),
        }
    }
}

impl RowSink for Spooler {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        match self.spool.push(values) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Appends rows to a spool that is borrowed.
struct Returned<'a> {
    spool: &'a mut Spool,
    error: Option<Error>,
}

impl RowSink for Returned<'_> {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        if let Err(error) = self.spool.push(values) {
            self.error.get_or_insert(error);
        }
        // The statement must run to its end, or rows would stay unchanged.
        ControlFlow::Continue(())
    }
}

/// Runs a plan on the writer.
pub(super) fn run(
    statement: &mut Statement<'_>,
    modify: &Modify,
    parameters: &[Datum],
    env: &dyn Env,
    rows: &mut Rows,
) -> Result<(), Failure> {
    let catalog = statement.catalog();
    match &modify.source {
        None => rows.count += change(statement, &modify.statement, parameters, &[], &mut rows.returned)?,
        Some(source) => {
            for_each_source_row(
                statement,
                modify,
                source,
                parameters,
                rows.returned.another(),
                |statement, row| {
                    rows.count += change(statement, &modify.statement, parameters, row, &mut rows.returned)?;
                    Ok(())
                },
            )?;
        }
    }
    foreign_keys::enforce(statement, &modify.relation, &catalog, statement.start(), env)
}

/// Reads a plan's source completely, then calls `visit` with each of its rows.
pub(super) fn for_each_source_row(
    statement: &mut Statement<'_>,
    modify: &Modify,
    source: &SqliteStatement,
    parameters: &[Datum],
    spool: Spool,
    mut visit: impl FnMut(&mut Statement<'_>, &[Datum]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut sink = Spooler::new(spool);
    statement.run(&source.sql, &values(source, parameters, &[]), &mut sink)?;
    let mut sources = sink.finish()?;
    let mut seen = HashSet::new();
    while let Some(row) =
        sources.next(|row| row.iter().map(|value| DatumRef::to_owned(*value)).collect::<Vec<Datum>>())?
    {
        // UPDATE … FROM and DELETE … USING may find a row several times.
        let is_new = match (modify.kind, row.first()) {
            (ModifyKind::Update | ModifyKind::Delete, Some(Datum::Integer(rowid))) => seen.insert(*rowid),
            _ => true,
        };
        if is_new {
            visit(statement, &row)?;
        }
    }
    Ok(())
}

fn change(
    statement: &mut Statement<'_>,
    sql: &SqliteStatement,
    parameters: &[Datum],
    source: &[Datum],
    returned: &mut Spool,
) -> Result<u64, Failure> {
    let mut sink = Returned { spool: returned, error: None };
    let changed = statement.run(&sql.sql, &values(sql, parameters, source), &mut sink)?;
    match sink.error {
        Some(error) => Err(error.into()),
        None => Ok(changed.rows),
    }
}
