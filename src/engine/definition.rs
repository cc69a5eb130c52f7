//! Runs the steps of a definition as one statement of its transaction.

use std::sync::Arc;

use super::modify::{self, Rows};
use super::{foreign_keys, values};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::functions::Env;
use crate::sql::ddl::{Definition, Step};
use crate::storage::{Database, Failure, Statement};
use crate::types::{Datum, Type};

/// Runs all steps, or fails.
pub(super) fn run(
    statement: &mut Statement<'_>,
    definition: &Definition,
    env: &dyn Env,
    database: &Database,
    see: &dyn Fn(Arc<Catalog>),
) -> Result<(), Failure> {
    let mut is_stale = false;
    for step in &definition.steps {
        match step {
            Step::Catalog(change) => {
                statement.change_catalog(change)?;
                is_stale = true;
            }
            Step::Schema(sql) => statement.change_schema(sql)?,
            Step::Modify(modify) => {
                if std::mem::take(&mut is_stale) {
                    statement.reload_catalog()?;
                    see(statement.catalog());
                }
                let mut rows = Rows { count: 0, returned: database.spool() };
                modify::run(statement, modify, &[], env, &mut rows)?;
            }
            Step::Expect { query, otherwise, types } => {
                let rows = statement.query(&query.sql, &values(query, &[], &[]))?;
                if let Some(row) = rows.first() {
                    return Err(with_values(otherwise, row, types, env).into());
                }
            }
            Step::SetSequence { sequence, value } => statement.set_sequence(*sequence, *value)?,
            Step::DropSequence(sequence) => statement.drop_sequence(*sequence)?,
            Step::CheckForeignKey { table, name } => {
                if std::mem::take(&mut is_stale) {
                    statement.reload_catalog()?;
                }
                foreign_keys::check_existing(statement, *table, name, env)?;
            }
        }
    }
    if is_stale { statement.reload_catalog() } else { Ok(()) }
}

/// The error with a row's values in its DETAIL.
fn with_values(error: &Error, row: &[Datum], types: &[&'static Type], env: &dyn Env) -> Error {
    let texts: Vec<String> =
        row.iter().zip(types).map(|(value, ty)| ty.to_text(value.as_ref(), env.format())).collect();
    match &error.fields().detail {
        Some(detail) => error.clone().with_detail(detail.replace("{}", &texts.join(", "))),
        None => error.clone(),
    }
}
