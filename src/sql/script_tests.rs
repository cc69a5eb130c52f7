//! Golden scripts: what a statement becomes. `src/sql/scripts`.
//!
//! A `define` runs a definition's catalog changes against the script's catalog; `plan` prints parameters, columns and SQLite's SQL.
//!
//! `UPDATE_GOLDENFILES=1 cargo test sql::script_tests` writes what happens into the scripts; read it
//! before committing it.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt::Write;
use std::path::Path;

use goldenscript::{Command as Line, Context as Place, Runner};
use proptest::prelude::*;

use super::ddl::Step;
use super::plan::{Action, Binding, Plan, SqliteStatement};
use super::{Context, Statement, define, parse, plan, plan_row_wise, with_stack};
use crate::catalog::{self, Catalog, CatalogChange, Field, PG_CATALOG, PUBLIC};
use crate::error::{Error, Result};
use crate::types::oid::FIRST_USER_OID;
use crate::types::{Datum, Format, Oid};

/// The rows of the system relations, as a file would have them.
#[derive(Default)]
struct World {
    rows: BTreeMap<String, Vec<BTreeMap<String, Datum>>>,
    next_oid: Oid,
    version: u64,
}

fn matches(row: &BTreeMap<String, Datum>, keys: &[Field]) -> bool {
    keys.iter().all(|(column, value)| row.get(*column) == Some(value))
}

fn row_of(fields: &[Field]) -> BTreeMap<String, Datum> {
    fields.iter().map(|(column, value)| ((*column).to_owned(), value.clone())).collect()
}

impl World {
    fn new() -> World {
        let mut world = World { next_oid: FIRST_USER_OID, version: 1, ..World::default() };
        for (oid, name) in [(PG_CATALOG, "pg_catalog"), (PUBLIC, "public")] {
            let row = row_of(&[
                ("oid", catalog::oid(oid)),
                ("nspname", Datum::text(name)),
                ("nspowner", Datum::Integer(10)),
            ]);
            world.rows.entry("pg_namespace".to_owned()).or_default().push(row);
        }
        world
    }

    fn catalog(&self) -> Catalog {
        let rows = |relation: &str| {
            let rows = self.rows.get(relation).cloned().unwrap_or_default();
            Ok(rows.into_iter().map(|row| row.into_iter().collect()).collect())
        };
        catalog::load(self.version, self.next_oid, rows).unwrap()
    }

    fn apply(&mut self, change: &CatalogChange) {
        self.version += 1;
        match change {
            CatalogChange::Insert { relation, row } => {
                self.rows.entry((*relation).to_owned()).or_default().push(row_of(row))
            }
            CatalogChange::Update { relation, keys, values } => {
                let rows = self.rows.entry((*relation).to_owned()).or_default();
                rows.iter_mut().filter(|row| matches(row, keys)).for_each(|row| row.extend(row_of(values)));
            }
            CatalogChange::Delete { relation, keys } => {
                self.rows.entry((*relation).to_owned()).or_default().retain(|row| !matches(row, keys));
            }
            CatalogChange::NextOid(oid) => self.next_oid = *oid,
        }
    }

    /// Calls `work` with each statement of a text and its context.
    fn each<T>(
        &self,
        text: &str,
        mut work: impl FnMut(&Statement, &Context<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let catalog = self.catalog();
        let path = catalog.search_path("public", "postgres");
        let format = Format::default();
        let parsed = parse(text)?;
        let run = |parsed: &super::Parsed| {
            let context = Context { catalog: &catalog, path: &path, format: &format, source: &parsed.source };
            with_stack(parsed.extent, || work(&parsed.statement, &context))
        };
        parsed.iter().map(run).collect()
    }

    fn define(&mut self, text: &str) -> Result<String> {
        let definitions = self.each(text, define)?;
        let mut out = String::new();
        for definition in definitions {
            writeln!(out, "{}", definition.tag).unwrap();
            for step in definition.steps {
                match step {
                    Step::Catalog(change) => self.apply(&change),
                    Step::Schema(sql) => writeln!(out, "  {sql}").unwrap(),
                    Step::Modify(modify) => print_statement(&mut out, "rows", &modify.statement),
                    Step::Expect { query, .. } => print_statement(&mut out, "no row", &query),
                    other => writeln!(out, "  {other:?}").unwrap(),
                }
            }
        }
        Ok(out)
    }
}

fn print_statement(out: &mut String, label: &str, statement: &SqliteStatement) {
    writeln!(out, "  {label}: {}", statement.sql).unwrap();
    for (place, binding) in statement.bindings.iter().enumerate() {
        let value = match binding {
            Binding::Parameter(number) => format!("${}", number + 1),
            Binding::Constant(value) => format!("{value:?}"),
            Binding::Source(column) => format!("column {column} of the source"),
        };
        writeln!(out, "    ?{} = {value}", place + 1).unwrap();
    }
}

fn print_plan(plan: &Plan) -> String {
    let mut out = String::new();
    if !plan.parameters.is_empty() {
        writeln!(out, "  parameters: {:?}", plan.parameters).unwrap();
    }
    for column in plan.columns.iter().flatten() {
        writeln!(out, "  column {}: {}", column.name, column.ty.format(column.typmod)).unwrap();
    }
    match &plan.action {
        Action::Read(query) => print_statement(&mut out, "read", query),
        Action::ReadOnWriter(query) => print_statement(&mut out, "read on the writer", query),
        Action::Modify(modify) => {
            if let Some(source) = &modify.source {
                print_statement(&mut out, "source", source);
            }
            print_statement(&mut out, "change", &modify.statement);
        }
    }
    out
}

impl Runner for World {
    type Command = Line;

    fn run(&mut self, command: &Line, _: &Place) -> std::result::Result<String, Box<dyn StdError>> {
        let mut arguments = command.consume_args();
        let text = arguments.next_pos().map(str::to_owned).ok_or("no statement")?;
        arguments.reject_next()?;
        let outcome = match command.name.as_str() {
            "define" => self.define(&text),
            "plan" | "row_wise" => self
                .each(&text, |statement, context| match statement {
                    Statement::Plannable(statement, overriding) if command.name == "plan" => {
                        plan(statement, *overriding, Some(&[]), context)
                    }
                    Statement::Plannable(statement, overriding) => {
                        plan_row_wise(statement, *overriding, Some(&[]), context)
                    }
                    _ => Err(Error::internal("not plannable")),
                })
                .map(|plans| plans.iter().map(print_plan).collect()),
            name => return Err(format!("unknown command {name}").into()),
        };
        Ok(outcome.unwrap_or_else(|error| {
            let position =
                error.fields().position.map_or(String::new(), |position| format!(" at {position}"));
            format!("{error}{position}\n")
        }))
    }
}

#[test]
fn scripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql/scripts");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        goldenscript::run(&mut World::new(), entry.unwrap().path()).unwrap();
        count += 1;
    }
    assert!(count > 0);
}

/// Pieces of statements, which random ones are made of.
const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "a",
    "b",
    "c",
    "t.a",
    "*",
    ",",
    "(",
    ")",
    "1",
    "'x'",
    "NULL",
    "$1",
    "=",
    "<",
    "+",
    "||",
    "AND",
    "NOT",
    "IN",
    "EXISTS",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "DISTINCT",
    "ON",
    "JOIN",
    "LEFT JOIN",
    "UNION",
    "EXCEPT",
    "WITH",
    "RECURSIVE",
    "AS",
    "VALUES",
    "INSERT INTO",
    "UPDATE",
    "SET",
    "DELETE FROM",
    "RETURNING",
    "USING",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "count(*)",
    "sum(a)",
    "max(b)",
    "OVER ()",
    "FILTER (WHERE",
    "::text",
    "::int",
    "::numeric(5,2)",
    "CAST(",
    "IS NULL",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "coalesce(",
    "now()",
    "date '2024-01-01'",
    "interval '1 day'",
    "-",
    "/",
    ".",
    ";",
    "CREATE TABLE",
    "ALTER TABLE",
    "DROP",
    "int",
    "PRIMARY KEY",
    "REFERENCES",
    "CHECK (",
    "ON CONFLICT",
    "DO NOTHING",
    "DO UPDATE",
    "excluded.a",
    "nextval('s')",
    "generate_series(1, 3)",
    "\"Q\"",
    "'",
    "\"",
    "$$",
    "--",
    "/*",
    "\u{e9}",
    "\\",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever the text: an error with a SQLSTATE of the client's making, or a plan. Never a panic,
    /// never an error of our own.
    #[test]
    fn any_text_is_planned_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES), 1..25)) {
        let mut world = World::new();
        world.define("CREATE TABLE t (a int PRIMARY KEY, b text, c numeric(8,2))").unwrap();
        let text = pieces.join(" ");
        let outcome = world.each(&text, |statement, context| match statement {
            Statement::Plannable(statement, overriding) => plan(statement, *overriding, Some(&[]), context).map(|_| ()),
            Statement::Definition(_) => define(statement, context).map(|_| ()),
            _ => Ok(()),
        });
        if let Err(error) = outcome {
            prop_assert_ne!(error.sqlstate().class(), "XX", "{}: {}", text, error);
        }
    }

    #[test]
    fn any_characters_are_refused(text in "\\PC{0,200}") {
        let _ = World::new().each(&text, |_, _| Ok(()));
    }
}
