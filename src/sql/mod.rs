//! SQL as pure functions: text → statements → bound plans → SQLite's SQL.
//!
//! - [`parse`] makes statements of a text, bounded in memory and stack ([`lexical`]).
//! - `bind` gives every name its catalog object and every expression its PostgreSQL type.
//! - `lower` prints a bound plan as SQLite's SQL, with its parameters in order.
//! - `ddl` turns definitions into catalog rows and SQLite's own DDL.
//!
//! Nothing here does input or output, waits, or reads a clock.

mod bind;
pub mod ddl;
pub mod lexical;
mod lower;
mod parse;
pub mod plan;
mod rewrite;
#[cfg(test)]
mod script_tests;
pub mod statement;
mod tree;
mod utility;

use sqlparser::ast;

pub use bind::Context;
pub use lower::quoted;
pub use parse::{parse, parse_expression, with_stack};
pub use statement::{Parsed, Statement};

use bind::{Binder, Clause, Place, Purpose, Scope};
use ddl::Definition;
use plan::{Action, CopyPlan, Plan, ResultColumn};
use statement::{Name, Overriding};
use tree::Output;

use crate::bail;
use crate::catalog::Relation;
use crate::error::{Error, Result};
use crate::types::{Datum, NO_TYPMOD, Type};

/// Plans a statement of [`Statement::Plannable`]. `parameters` are the types the client
/// declared of its parameters, whose others are inferred; `None` where there can be none (42P02).
pub fn plan(
    statement: &ast::Statement,
    overriding: Option<Overriding>,
    parameters: Option<&[Option<&'static Type>]>,
    context: &Context<'_>,
) -> Result<Plan> {
    make_plan(statement, overriding, parameters, context, false)
}

/// Plans an INSERT or UPDATE row by row, to find the row that a constraint refuses.
pub fn plan_row_wise(
    statement: &ast::Statement,
    overriding: Option<Overriding>,
    parameters: Option<&[Option<&'static Type>]>,
    context: &Context<'_>,
) -> Result<Plan> {
    make_plan(statement, overriding, parameters, context, true)
}

fn make_plan(
    statement: &ast::Statement,
    overriding: Option<Overriding>,
    parameters: Option<&[Option<&'static Type>]>,
    context: &Context<'_>,
    row_wise: bool,
) -> Result<Plan> {
    let mut binder = Binder::new(context, parameters.unwrap_or_default());
    binder.infers_parameters = parameters.is_some();
    let (action, outputs, verb) = match statement {
        ast::Statement::Query(query) => {
            let query = binder.query(query, None)?;
            let lowered = lower::query(&query);
            let on_writer = binder.writes || binder.locks_rows;
            let action = if on_writer { Action::ReadOnWriter(lowered) } else { Action::Read(lowered) };
            (action, Some(query.columns), "SELECT")
        }
        ast::Statement::Insert(insert) => {
            let insert = binder.insert(insert, overriding)?;
            let modify = if row_wise { lower::row_wise_insert(&insert) } else { lower::insert(&insert) };
            (Action::Modify(modify), returned(insert.outputs), "INSERT")
        }
        ast::Statement::Update(update) => {
            let update = binder.update(update)?;
            let modify = if row_wise { lower::row_wise_update(&update) } else { lower::update(&update) };
            (Action::Modify(modify), returned(update.outputs), "UPDATE")
        }
        ast::Statement::Delete(delete) => {
            let delete = binder.delete(delete)?;
            (Action::Modify(lower::delete(&delete)), returned(delete.outputs), "DELETE")
        }
        _ => return Err(Error::internal("this statement is not plannable")),
    };
    Ok(Plan {
        action,
        parameters: binder.finished_parameters()?,
        columns: outputs.map(|outputs| outputs.into_iter().map(result_column).collect()),
        catalog_version: context.catalog.version,
        verb,
    })
}

fn returned(outputs: Vec<Output>) -> Option<Vec<Output>> {
    (!outputs.is_empty()).then_some(outputs)
}

fn result_column(output: Output) -> ResultColumn {
    ResultColumn { name: output.name, ty: output.ty, typmod: output.typmod, origin: output.origin }
}

/// Plans a definition.
pub fn define(statement: &Statement, context: &Context<'_>) -> Result<Definition> {
    match statement {
        Statement::Definition(statement) => ddl::define(statement, context),
        Statement::CreateSequence(create) => ddl::create_sequence(create, context),
        Statement::Type(statement) => ddl::define_type(statement, context),
        Statement::DropSequence { if_exists, names, cascade } => {
            ddl::drop_sequences(names, *if_exists, *cascade, context)
        }
        _ => Err(Error::internal("this statement is not a definition")),
    }
}

/// Where a statement must run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// It concerns the session alone.
    Nothing,
    /// It reads; what it calls may write.
    Data,
    /// It writes.
    Writer,
}

/// Where a statement must run, as far as its text tells.
pub fn needs(statement: &Statement) -> Needs {
    use statement::CopyDirection;

    match statement {
        Statement::Plannable(statement, _) => match &**statement {
            ast::Statement::Query(_) => Needs::Data,
            _ => Needs::Writer,
        },
        Statement::Definition(_)
        | Statement::CreateSequence(_)
        | Statement::DropSequence { .. }
        | Statement::Type(_)
        | Statement::CreateDatabase { .. }
        | Statement::DropDatabase { .. }
        | Statement::Lock { .. } => Needs::Writer,
        Statement::Copy(copy) if copy.direction == CopyDirection::FromStdin => Needs::Writer,
        Statement::Copy(_) | Statement::Explain(_) | Statement::Vacuum { .. } | Statement::Analyze { .. } => {
            Needs::Data
        }
        _ => Needs::Nothing,
    }
}

/// Whether a statement creates or drops a database.
pub fn is_about_databases(statement: &Statement) -> bool {
    matches!(statement, Statement::CreateDatabase { .. } | Statement::DropDatabase { .. })
}

/// Whether a definition may not stand in a transaction block.
pub fn refuses_transaction_block(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::Definition(statement) => match &**statement {
            ast::Statement::CreateIndex(create) if create.concurrently => Some("CREATE INDEX CONCURRENTLY"),
            _ => None,
        },
        Statement::CreateDatabase { .. } => Some("CREATE DATABASE"),
        Statement::DropDatabase { .. } => Some("DROP DATABASE"),
        Statement::Vacuum { .. } => Some("VACUUM"),
        _ => None,
    }
}

/// Plans COPY FROM into a table's columns.
pub fn plan_copy_from(name: &Name, columns: &[String], context: &Context<'_>) -> Result<CopyPlan> {
    let relation = context.catalog.expect(name.schema.as_deref(), &name.name, context.path)?;
    if relation.kind != crate::catalog::RelationKind::Table {
        bail!(WRONG_OBJECT_TYPE, "cannot copy to {} \"{}\"", relation.kind.noun(), relation.name);
    }
    let listed = copied_columns(&relation, columns)?;
    let mut binder = Binder::new(context, &[]);
    let (places, values) = binder.copy_row(&relation, &listed)?;
    let statement = lower::copy(&relation, &places, &values);
    Ok(CopyPlan { relation, listed, statement, columns: places })
}

/// The places of the columns that COPY names, or of all.
fn copied_columns(relation: &Relation, columns: &[String]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..relation.columns.len()).collect());
    }
    let mut places = Vec::new();
    for name in columns {
        match relation.columns.iter().position(|column| column.name == *name) {
            Some(place) if places.contains(&place) => {
                bail!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once")
            }
            Some(place) => places.push(place),
            None => {
                bail!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", relation.name)
            }
        }
    }
    Ok(places)
}

/// The query behind COPY table TO.
pub fn copy_to_query(name: &Name, columns: &[String], context: &Context<'_>) -> Result<ast::Statement> {
    let relation = context.catalog.expect(name.schema.as_deref(), &name.name, context.path)?;
    if !relation.kind.has_rows() {
        bail!(WRONG_OBJECT_TYPE, "cannot copy from {} \"{}\"", relation.kind.noun(), relation.name);
    }
    let places = copied_columns(&relation, columns)?;
    let list: Vec<String> = places.iter().map(|place| quoted(&relation.columns[*place].name)).collect();
    let schema = context.catalog.schema_name(relation.schema).unwrap_or_default();
    let text = format!("SELECT {} FROM {}.{}", list.join(", "), quoted(schema), quoted(&relation.name));
    match parse(&text)?.first().map(|parsed| &parsed.statement) {
        Some(Statement::Plannable(statement, _)) => Ok((**statement).clone()),
        _ => Err(Error::internal("COPY's query is not a query")),
    }
}

/// The types that PREPARE declares.
pub fn declared_types(types: &[ast::DataType], context: &Context<'_>) -> Result<Vec<Option<&'static Type>>> {
    types.iter().map(|data_type| bind::resolve_type(data_type, context).map(|(ty, _)| Some(ty))).collect()
}

/// The type that a text names, and its modifier (parseTypeString).
pub fn type_named(
    text: &str,
    catalog: &crate::catalog::Catalog,
    path: &crate::catalog::SearchPath,
) -> Result<(&'static Type, i32)> {
    let format = crate::types::Format::default();
    let context = Context { catalog, path, format: &format, source: text };
    let data_type = parse::parse_data_type(text)?;
    bind::resolve_type(&data_type, &context)
}

/// The arguments of EXECUTE as a query of one row, converted to the parameters' types.
pub fn plan_arguments(
    arguments: &[ast::Expr],
    types: &[&'static Type],
    context: &Context<'_>,
) -> Result<plan::SqliteStatement> {
    let mut binder = Binder::new(context, &[]);
    let scope = Scope::default();
    let mut row = Vec::new();
    for (place, (argument, ty)) in arguments.iter().zip(types).enumerate() {
        let bound = binder.expr(argument, Place { scope: &scope, clause: Clause::Execute })?;
        let source = bound.ty;
        match binder.try_coerce(bound, ty, NO_TYPMOD, Purpose::Assignment)? {
            Some(converted) => row.push(converted),
            None => {
                return Err(Error::new(
                    crate::error::state::DATATYPE_MISMATCH,
                    format!(
                        "parameter ${} of type {} cannot be coerced to the expected type {}",
                        place + 1,
                        source.sql_name,
                        ty.sql_name
                    ),
                )
                .with_hint("You will need to rewrite or cast the expression."));
            }
        }
    }
    let constant = tree::Expr::constant(Datum::Integer(0), &crate::types::integer::INT4);
    Ok(lower::row(if row.is_empty() { vec![constant] } else { row }))
}
