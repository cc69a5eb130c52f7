//! A constraint's refusal in PostgreSQL's words: its name, and the row.
//!
//! SQLite tells only which columns or which CHECK. Which row it was is found by running the statement
//! again row by row, in a statement that is undone.

use std::sync::Arc;

use super::modify::for_each_source_row;
use super::values;
use crate::catalog::{Catalog, Index, Relation};
use crate::error::{Error, state};
use crate::functions::Env;
use crate::sql::plan::{Binding, CopyPlan, Modify, ModifyKind};
use crate::sql::quoted;
use crate::storage::{Failure, Spool, Statement, Violation, ViolationKind};
use crate::types::{Datum, DatumRef, Format};

/// The values of a refused row, by place; `None` where unknown.
pub(super) type KnownRow = Vec<Option<Datum>>;

/// A value in "Failing row contains" is cut after this many bytes (PostgreSQL's maxfieldlen).
const SHOWN_BYTES_MAX: usize = 64;

/// Runs a row-wise plan to the row that is refused. Always fails, so that the statement is undone.
pub(super) fn find(
    statement: &mut Statement<'_>,
    modify: &Modify,
    parameters: &[Datum],
    env: &dyn Env,
    spool: Spool,
) -> Result<(), Failure> {
    let catalog = statement.catalog();
    let Some(source) = &modify.source else { return Err(nothing_found()) };
    for_each_source_row(statement, modify, source, parameters, spool, |statement, row| {
        let known = known_row(statement, modify, row)?;
        match statement.change(&modify.statement.sql, &values(&modify.statement, parameters, row)) {
            Ok(_) => Ok(()),
            Err(Failure::Violation(refused)) => {
                Err(describe(&refused, &modify.relation, &catalog, Some(&known), env).into())
            }
            Err(failure) => Err(failure),
        }
    })?;
    Err(nothing_found())
}

fn nothing_found() -> Failure {
    Failure::Violation(Violation { kind: ViolationKind::Check, what: String::new() })
}

/// The whole new row that a source row stands for.
fn known_row(statement: &mut Statement<'_>, modify: &Modify, source: &[Datum]) -> Result<KnownRow, Failure> {
    let relation = &modify.relation;
    let mut known: KnownRow = vec![Some(Datum::Null); relation.columns.len()];
    let mut values = source;
    if modify.kind == ModifyKind::Update {
        let names: Vec<String> = relation.columns.iter().map(|column| quoted(&column.storage_name)).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = ?1",
            names.join(", "),
            quoted(&relation.storage_name),
            relation.rowid
        );
        let rows = statement.query(&sql, &[source[0].as_ref()])?;
        known = rows.into_iter().next().unwrap_or_default().into_iter().map(Some).collect();
        known.resize(relation.columns.len(), None);
        values = &source[1..];
    }
    for (place, value) in modify.columns.iter().zip(values) {
        known[*place] = Some(value.clone());
    }
    Ok(known)
}

/// What is known of a row of COPY: what the client gave, and constants.
pub(super) fn copied_row(plan: &CopyPlan, row: &[Datum]) -> KnownRow {
    let mut known = vec![None; plan.relation.columns.len()];
    for (place, value) in plan.listed.iter().zip(row) {
        known[*place] = Some(value.clone());
    }
    for (place, binding) in plan.columns.iter().zip(&plan.statement.bindings) {
        if let (None, Binding::Constant(value)) = (&known[*place], binding) {
            known[*place] = Some(value.clone());
        }
    }
    known
}

/// PostgreSQL's error for a violation.
pub(super) fn describe(
    refused: &Violation,
    relation: &Arc<Relation>,
    catalog: &Catalog,
    row: Option<&KnownRow>,
    env: &dyn Env,
) -> Error {
    let actual = table_of(refused, relation, catalog);
    // The row belongs to the statement's own table, the refusal may come from one that a cascade reached.
    let row = row.filter(|_| actual.oid == relation.oid);
    let schema = catalog.schema_name(actual.schema).unwrap_or_default();
    let error = match refused.kind {
        ViolationKind::Unique => unique(refused, &actual, row, env.format()),
        ViolationKind::NotNull => not_null(refused, &actual, row, env.format()),
        ViolationKind::Check => check(refused, &actual, row, env.format()),
    };
    error.about_table(schema, &actual.name)
}

/// The table whose constraint it is: the statement's, or one that a foreign key's action has changed.
fn table_of(refused: &Violation, relation: &Arc<Relation>, catalog: &Catalog) -> Arc<Relation> {
    let belongs = |candidate: &Relation| match refused.kind {
        ViolationKind::Check => candidate.checks.iter().any(|check| check.name == refused.what),
        ViolationKind::NotNull => column_of(&refused.what, candidate).is_some(),
        ViolationKind::Unique => index_of(&refused.what, candidate).is_some(),
    };
    if belongs(relation) {
        return relation.clone();
    }
    catalog.relations().find(|candidate| belongs(candidate)).unwrap_or(relation).clone()
}

fn column_of<'r>(what: &str, relation: &'r Relation) -> Option<&'r crate::catalog::Column> {
    let name = what.strip_prefix(&relation.storage_name)?.strip_prefix('.')?;
    relation.columns.iter().find(|column| column.storage_name == name)
}

fn index_of<'r>(what: &str, relation: &'r Relation) -> Option<&'r Index> {
    if let Some(name) = what.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        return relation.indexes.iter().find(|index| index.storage_name == name);
    }
    let mut numbers = Vec::new();
    for part in what.split(", ") {
        let is_rowid = part.strip_prefix(&relation.storage_name) == Some(".rowid");
        match column_of(part, relation).or(relation.rowid_column().filter(|_| is_rowid)) {
            Some(column) => numbers.push(column.number),
            None => return None,
        }
    }
    relation
        .indexes
        .iter()
        .filter(|index| index.is_unique)
        .find(|index| index.is_plain() && index.columns() == numbers)
}

fn unique(refused: &Violation, relation: &Relation, row: Option<&KnownRow>, format: &Format) -> Error {
    let Some(index) = index_of(&refused.what, relation) else {
        return Error::new(state::UNIQUE_VIOLATION, "duplicate key value violates unique constraint");
    };
    let message = format!("duplicate key value violates unique constraint \"{}\"", index.name);
    let error = Error::new(state::UNIQUE_VIOLATION, message).about_constraint(&index.name);
    match row.and_then(|row| key_text(&index.columns(), relation, row, format)) {
        Some(key) if index.keys.iter().all(|key| key.column().is_some()) => {
            error.with_detail(format!("Key {key} already exists."))
        }
        _ => error,
    }
}

/// `(a, b)=(1, 2)`
fn key_text(columns: &[i16], relation: &Relation, row: &KnownRow, format: &Format) -> Option<String> {
    let places: Vec<usize> = columns.iter().filter_map(|number| relation.place_of(*number)).collect();
    let values: Option<Vec<&Datum>> = places.iter().map(|place| row[*place].as_ref()).collect();
    Some(key_of(&places, relation, values?.into_iter(), format))
}

/// `(a, b)=(1, 2)` for columns by place.
pub(super) fn key_of<'v>(
    places: &[usize],
    relation: &Relation,
    values: impl Iterator<Item = &'v Datum>,
    format: &Format,
) -> String {
    let names: Vec<&str> = places.iter().map(|place| relation.columns[*place].name.as_str()).collect();
    let texts: Vec<String> = places
        .iter()
        .zip(values)
        .map(|(place, value)| text_of(value.as_ref(), relation, *place, format))
        .collect();
    format!("({})=({})", names.join(", "), texts.join(", "))
}

fn text_of(value: DatumRef<'_>, relation: &Relation, place: usize, format: &Format) -> String {
    match (value, relation.columns[place].ty) {
        (DatumRef::Null, _) => "null".to_owned(),
        (value, Some(ty)) => ty.to_text(value, format),
        (value, None) => format!("{value:?}"),
    }
}

fn not_null(refused: &Violation, relation: &Relation, row: Option<&KnownRow>, format: &Format) -> Error {
    let column =
        column_of(&refused.what, relation).map_or(refused.what.as_str(), |column| column.name.as_str());
    let message = format!(
        "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
        relation.name
    );
    with_row(Error::new(state::NOT_NULL_VIOLATION, message).about_column(column), relation, row, format)
}

fn check(refused: &Violation, relation: &Relation, row: Option<&KnownRow>, format: &Format) -> Error {
    let name = &refused.what;
    let message = format!("new row for relation \"{}\" violates check constraint \"{name}\"", relation.name);
    with_row(Error::new(state::CHECK_VIOLATION, message).about_constraint(name), relation, row, format)
}

/// Adds "Failing row contains", if the whole row is known.
fn with_row(error: Error, relation: &Relation, row: Option<&KnownRow>, format: &Format) -> Error {
    let Some(values) = row.and_then(|row| row.iter().map(Option::as_ref).collect::<Option<Vec<&Datum>>>())
    else {
        return error;
    };
    let texts: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(place, value)| {
            let mut text = text_of(value.as_ref(), relation, place, format);
            if text.len() > SHOWN_BYTES_MAX {
                text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
                text.push_str("...");
            }
            text
        })
        .collect();
    error.with_detail(format!("Failing row contains ({}).", texts.join(", ")))
}

/// The error of a definition whose existing rows violate it.
pub(super) fn of_definition(refused: &Violation, catalog: &Catalog) -> Error {
    let by_index = refused.what.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\''));
    match refused.kind {
        ViolationKind::Unique => {
            let name = catalog
                .relations()
                .flat_map(|relation| &relation.indexes)
                .find(|index| Some(index.storage_name.as_str()) == by_index)
                .map_or(refused.what.as_str(), |index| index.name.as_str());
            Error::new(state::UNIQUE_VIOLATION, format!("could not create unique index \"{name}\""))
        }
        ViolationKind::NotNull => {
            let owner = catalog
                .relations()
                .find_map(|relation| Some((relation, column_of(&refused.what, relation)?)));
            let (table, column) = match owner {
                Some((relation, column)) => (relation.name.as_str(), column.name.as_str()),
                None => refused.what.rsplit_once('.').unwrap_or(("", &refused.what)),
            };
            Error::new(
                state::NOT_NULL_VIOLATION,
                format!("column \"{column}\" of relation \"{table}\" contains null values"),
            )
        }
        ViolationKind::Check => Error::new(
            state::CHECK_VIOLATION,
            format!("check constraint \"{}\" is violated by some row", refused.what),
        ),
    }
}
