//! Definitions: what they change in the catalog, and what SQLite is told.
//!
//! A definition is planned against the catalog of its transaction as a list of [`Step`]s, which run in
//! order and all or none. Steps for SQLite's schema are text without any value that could differ
//! between nodes; rows that must be computed are changed by ordinary statements, whose effects are
//! logged.

mod alter;
mod drop;
mod index;
mod rows;
mod schema;
mod sequence;
mod sqlite;
mod table;
mod types;

use sqlparser::ast;

use super::bind::{Binder, Context};
use super::plan::{Modify, SqliteStatement};
use super::statement::Name;
use crate::bail;
use crate::catalog::{Catalog, CatalogChange, Field, Relation, RelationKind, naming, oid};
use crate::error::{Error, Notice, Result, state};
use crate::types::{Datum, Oid, Type};

pub(super) use sequence::{create as create_sequence, drop as drop_sequences};
pub(super) use types::define as define_type;

/// One step of a definition.
#[derive(Debug)]
pub enum Step {
    /// Rows of the catalog.
    Catalog(CatalogChange),
    /// A statement for SQLite's schema.
    Schema(String),
    /// Rows that have to be computed.
    Modify(Modify),
    /// A query that must give no row, and the error if it does.
    Expect {
        /// The query.
        query: SqliteStatement,
        /// The error if it gives a row; `{}` in its DETAIL stands for the row's values.
        otherwise: Error,
        /// The types of the row's values.
        types: Vec<&'static Type>,
    },
    /// A sequence's value: its next value is `value`.
    SetSequence {
        /// The sequence.
        sequence: Oid,
        /// The value.
        value: i64,
    },
    /// A sequence is gone.
    DropSequence(Oid),
    /// A foreign key's existing rows must satisfy it: 23503 otherwise.
    CheckForeignKey {
        /// The referencing table.
        table: Oid,
        /// The constraint's name.
        name: String,
    },
}

/// A planned definition.
#[derive(Debug)]
pub struct Definition {
    /// What to do.
    pub steps: Vec<Step>,
    /// The command tag.
    pub tag: &'static str,
    /// What the client is told.
    pub notices: Vec<Notice>,
}

/// The state of planning one definition.
pub(super) struct Definer<'a> {
    pub(super) context: &'a Context<'a>,
    next_oid: Oid,
    steps: Vec<Step>,
    notices: Vec<Notice>,
    /// SQLite names this definition has given already, in lower case.
    given: Vec<String>,
    /// Relation names this definition has given already, by schema.
    named: Vec<(Oid, String)>,
    /// Names given to inline foreign keys, by their place among them.
    foreign_names: Vec<(usize, String)>,
}

/// Plans a definition of sqlparser's.
pub(super) fn define(statement: &ast::Statement, context: &Context<'_>) -> Result<Definition> {
    use ast::Statement as S;
    let mut definer = Definer::new(context);
    let tag = match statement {
        S::CreateTable(create) => definer.create_table(create)?,
        S::CreateIndex(create) => definer.create_index(create)?,
        S::CreateSchema { schema_name, if_not_exists, .. } => {
            definer.create_schema(schema_name, *if_not_exists)?
        }
        S::AlterTable(alter) => definer.alter_table(alter)?,
        S::Drop { object_type, if_exists, names, cascade, temporary: false, table: None, .. } => {
            definer.drop(*object_type, *if_exists, names, *cascade)?
        }
        S::Truncate(truncate) => definer.truncate(truncate)?,
        other => return Err(Error::unsupported(first_words(&other.to_string()))),
    };
    Ok(definer.finish(tag))
}

/// The first words of a statement's text, for a refusal.
fn first_words(text: &str) -> String {
    text.split_whitespace()
        .take_while(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()))
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

impl<'a> Definer<'a> {
    fn new(context: &'a Context<'a>) -> Definer<'a> {
        Definer {
            context,
            next_oid: context.catalog.next_oid,
            steps: Vec::new(),
            notices: Vec::new(),
            given: Vec::new(),
            named: Vec::new(),
            foreign_names: Vec::new(),
        }
    }

    fn finish(mut self, tag: &'static str) -> Definition {
        if self.next_oid != self.context.catalog.next_oid {
            self.steps.push(Step::Catalog(CatalogChange::NextOid(self.next_oid)));
        }
        Definition { steps: self.steps, tag, notices: self.notices }
    }

    fn catalog(&self) -> &'a Catalog {
        self.context.catalog
    }

    fn binder(&self) -> Binder<'a> {
        Binder::new(self.context, &[])
    }

    fn new_oid(&mut self) -> Oid {
        self.next_oid += 1;
        self.next_oid - 1
    }

    fn notice(&mut self, message: String) {
        self.notices.push(Error::notice(message));
    }

    fn notice_with_code(&mut self, sqlstate: crate::error::SqlState, message: String) {
        let notice = Error::notice(message);
        self.notices.push(notice.with_sqlstate(sqlstate));
    }

    fn insert(&mut self, relation: &'static str, row: Vec<Field>) {
        self.steps.push(Step::Catalog(CatalogChange::Insert { relation, row }));
    }

    fn update(&mut self, relation: &'static str, keys: Vec<Field>, values: Vec<Field>) {
        self.steps.push(Step::Catalog(CatalogChange::Update { relation, keys, values }));
    }

    fn delete(&mut self, relation: &'static str, keys: Vec<Field>) {
        self.steps.push(Step::Catalog(CatalogChange::Delete { relation, keys }));
    }

    fn schema_step(&mut self, sql: String) {
        self.steps.push(Step::Schema(sql));
    }

    /// The schema in which a new object goes, and its bare name.
    fn creation_schema(&self, name: &Name) -> Result<Oid> {
        let schema = match &name.schema {
            Some(schema) => self.catalog().expect_schema(schema)?,
            None => self.context.path.creation()?,
        };
        if schema == crate::catalog::PG_CATALOG || schema == crate::catalog::INFORMATION_SCHEMA {
            let named = self.catalog().schema_name(schema).unwrap_or_default();
            return Err(Error::new(
                crate::error::SqlState("42501"),
                format!("permission denied to create \"{named}.{}\"", name.name),
            )
            .with_detail("System catalog modifications are currently disallowed."));
        }
        Ok(schema)
    }

    fn is_taken(&self, schema: Oid, name: &str) -> bool {
        self.catalog().relation_in(schema, name).is_some()
            || self.named.iter().any(|(of, given)| *of == schema && given == name)
    }

    /// A relation name PostgreSQL would choose, now taken.
    fn choose_name(&mut self, schema: Oid, first: &str, second: Option<&str>, label: &str) -> String {
        let name = naming::free_name(first, second, label, |name| self.is_taken(schema, name));
        self.named.push((schema, name.clone()));
        name
    }

    /// A name for SQLite, now taken.
    fn storage_name(&mut self, schema: Oid, name: &str, oid: Oid) -> String {
        let schema = self.catalog().schema_name(schema).unwrap_or("public");
        let taken: std::collections::HashSet<String> = self.catalog().storage_names().collect();
        let chosen = naming::storage_name(schema, name, oid, |lower| {
            taken.contains(lower) || self.given.iter().any(|given| given == lower)
        });
        self.given.push(chosen.to_ascii_lowercase());
        chosen
    }

    /// A table of a user's, or an error in the words of the command.
    fn user_table(&self, name: &ast::ObjectName) -> Result<std::sync::Arc<Relation>> {
        let mut binder = self.binder();
        let relation = binder.relation(name)?;
        match relation.kind {
            RelationKind::Table => Ok(relation),
            kind if kind.is_system() => Err(Error::new(
                crate::error::SqlState("42501"),
                format!("permission denied: \"{}\" is a system catalog", relation.name),
            )),
            _ => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", relation.name),
        }
    }
}

/// A field of an oid.
fn oid_field(column: &'static str, value: Oid) -> Field {
    (column, oid(value))
}

fn text_field(column: &'static str, value: impl Into<String>) -> Field {
    (column, Datum::Text(value.into()))
}

fn int_field(column: &'static str, value: impl Into<i64>) -> Field {
    (column, Datum::Integer(value.into()))
}

fn bool_field(column: &'static str, value: bool) -> Field {
    (column, Datum::bool(value))
}

/// 2BP01 with the list of what stands in the way.
fn depended_on(what: &str, dependents: &[String]) -> Error {
    Error::new(
        state::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .with_detail(dependents.join("\n"))
    .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}
