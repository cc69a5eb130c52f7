//! COPY FROM: rows in batches, each a statement of the transaction, checked together at the end.

use super::{foreign_keys, values, violation};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::functions::Env;
use crate::sql::plan::CopyPlan;
use crate::storage::{Failure, Mark, Statement};
use crate::types::Datum;

/// A COPY FROM in progress.
pub struct CopyIn<'a> {
    plan: &'a CopyPlan,
    /// Rows that are not stored yet: line number and values.
    rows: Vec<(u64, Vec<Datum>)>,
    bytes: usize,
    start: Option<Mark>,
    count: u64,
}

/// Bytes of values after which rows are stored.
const BATCH_BYTES: usize = 256 << 10;
/// Rows after which rows are stored.
const BATCH_ROWS: usize = 2000;

impl<'a> CopyIn<'a> {
    /// Starts.
    pub fn new(plan: &'a CopyPlan) -> CopyIn<'a> {
        CopyIn { plan, rows: Vec::new(), bytes: 0, start: None, count: 0 }
    }

    /// Takes a row, of about `bytes`. True if the rows should be stored now.
    pub fn push(&mut self, line: u64, row: Vec<Datum>, bytes: usize) -> bool {
        self.rows.push((line, row));
        self.bytes += bytes;
        self.bytes >= BATCH_BYTES || self.rows.len() >= BATCH_ROWS
    }

    /// The rows taken so far.
    pub fn count(&self) -> u64 {
        self.count + self.rows.len() as u64
    }

    pub(super) fn store(
        &mut self,
        statement: &mut Statement<'_>,
        catalog: &Catalog,
        env: &dyn Env,
    ) -> Result<(), Failure> {
        self.start.get_or_insert(statement.start());
        for (line, row) in &self.rows {
            let sql = &self.plan.statement;
            match statement.change(&sql.sql, &values(sql, row, &[])) {
                Ok(_) => {}
                Err(Failure::Violation(refused)) => {
                    let known = violation::copied_row(self.plan, row);
                    let error =
                        violation::describe(&refused, &self.plan.relation, catalog, Some(&known), env);
                    return Err(self.at_line(error, *line).into());
                }
                Err(Failure::Error(error)) => return Err(self.at_line(error, *line).into()),
                Err(Failure::SteppedAside) => return Err(Failure::SteppedAside),
            }
        }
        Ok(())
    }

    fn at_line(&self, error: Error, line: u64) -> Error {
        error.with_context(format!("COPY {}, line {line}", self.plan.relation.name))
    }

    pub(super) fn clear(&mut self) {
        self.count += self.rows.len() as u64;
        self.rows.clear();
        self.bytes = 0;
    }

    pub(super) fn finish(&self, statement: &mut Statement<'_>, env: &dyn Env) -> Result<(), Failure> {
        let catalog = statement.catalog();
        match self.start {
            Some(start) => foreign_keys::enforce(statement, &self.plan.relation, &catalog, start, env),
            None => Ok(()),
        }
    }
}
