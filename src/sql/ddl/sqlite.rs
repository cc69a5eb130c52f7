//! The SQLite side of tables and indexes.

use crate::catalog::{Column, Index, KeyOf, Relation};
use crate::error::{Error, Result};
use crate::sql::bind::{Binder, Clause, Place, Scope};
use crate::sql::lower::{quoted, schema_expression};
use crate::sql::parse_expression;
use crate::sql::tree::Expr;
use crate::types::boolean::BOOL;
use crate::types::{Category, Datum};
use crate::{bail, functions};

use super::Definer;

/// The column SQLite is given where PostgreSQL allows none.
const EMPTY_TABLE_COLUMN: &str = "\"~empty\" ANY";

impl Definer<'_> {
    /// CREATE TABLE for SQLite, under another name while a table is rebuilt.
    pub(super) fn sqlite_table(&self, relation: &Relation, storage_name: &str) -> Result<String> {
        let rowid = relation.rowid_column().map(|column| column.number);
        let mut parts: Vec<String> = Vec::new();
        for column in &relation.columns {
            parts.push(sqlite_column(column, rowid == Some(column.number))?);
        }
        if parts.is_empty() {
            parts.push(EMPTY_TABLE_COLUMN.to_owned());
        }
        for check in &relation.checks {
            let condition = self.schema_expression(relation, &check.condition, Clause::Check)?;
            parts.push(format!("CONSTRAINT {} CHECK ({condition})", quoted(&check.name)));
        }
        Ok(format!("CREATE TABLE {} ({}) STRICT", quoted(storage_name), parts.join(", ")))
    }

    /// CREATE INDEX for SQLite.
    pub(super) fn sqlite_index(&self, relation: &Relation, index: &Index) -> Result<String> {
        let mut keys = Vec::new();
        for key in &index.keys {
            let what = match &key.what {
                KeyOf::Column(number) => {
                    let column = relation.column_numbered(*number);
                    quoted(&column.ok_or_else(|| Error::internal("an index names no column"))?.storage_name)
                }
                KeyOf::Expression(text) => self.schema_expression(relation, text, Clause::Index)?,
            };
            keys.push(format!("{what}{}", if key.descending { " DESC" } else { "" }));
        }
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        let predicate = match &index.predicate {
            Some(text) => format!(" WHERE {}", self.schema_expression(relation, text, Clause::Index)?),
            None => String::new(),
        };
        let (name, table) = (quoted(&index.storage_name), quoted(&relation.storage_name));
        Ok(format!("CREATE {unique}INDEX {name} ON {table} ({}){predicate}", keys.join(", ")))
    }

    /// A CHECK condition or index expression in SQLite's SQL.
    pub(super) fn schema_expression(
        &self,
        relation: &Relation,
        text: &str,
        clause: Clause,
    ) -> Result<String> {
        let (expr, alias) = self.bound_expression(relation, text, clause)?;
        let mut printed = schema_expression(&expr, &alias);
        // An expression's collation must be part of an index to be found by comparisons.
        if let (Clause::Index, Some(collation)) = (clause, expr.ty.collation) {
            printed.push_str(&format!(" COLLATE {}", quoted(collation)));
        }
        Ok(printed)
    }

    /// Binds an expression over one table's columns.
    pub(super) fn bound_expression(
        &self,
        relation: &Relation,
        text: &str,
        clause: Clause,
    ) -> Result<(Expr, std::sync::Arc<str>)> {
        let parsed = parse_expression(text)?;
        let mut binder = self.binder();
        let (used, table) = binder.use_relation(&std::sync::Arc::new(relation.clone()), None)?;
        let mut scope = Scope::default();
        scope.add(table)?;
        let expr = binder.expr(&parsed, Place { scope: &scope, clause })?;
        let expr = if clause == Clause::Check {
            binder.coerce_boolean(expr, "CHECK")?
        } else {
            binder.settle(expr)?
        };
        check_immutable(&expr, clause, &binder)?;
        Ok((expr, used.alias))
    }

    /// Rebuilds a table from its new definition: all rows are copied, with their row numbers.
    pub(super) fn rebuild(
        &mut self,
        old: &Relation,
        new: &Relation,
        copied: &[(String, String)],
    ) -> Result<()> {
        let temporary = format!("{}~new", new.storage_name);
        let create = self.sqlite_table(new, &temporary)?;
        self.schema_step(create);
        let has_rowid = new.rowid_column().is_some();
        let mut targets: Vec<String> = copied.iter().map(|(target, _)| quoted(target)).collect();
        let mut sources: Vec<String> = copied.iter().map(|(_, source)| quoted(source)).collect();
        if !has_rowid {
            targets.insert(0, quoted(new.rowid));
            sources.insert(0, quoted(old.rowid));
        }
        let (from, to) = (quoted(&old.storage_name), quoted(&temporary));
        let order = quoted(old.rowid);
        self.schema_step(format!(
            "INSERT INTO {to} ({}) SELECT {} FROM {from} ORDER BY {order}",
            targets.join(", "),
            sources.join(", ")
        ));
        self.schema_step(format!("DROP TABLE {from}"));
        self.schema_step(format!("ALTER TABLE {to} RENAME TO {}", quoted(&new.storage_name)));
        for index in new.indexes.iter().filter(|index| !index.is_rowid) {
            let create = self.sqlite_index(new, index)?;
            self.schema_step(create);
        }
        Ok(())
    }
}

/// A column's definition for SQLite. Defaults are filled in by the binder, not by SQLite.
pub(super) fn sqlite_column(column: &Column, is_rowid: bool) -> Result<String> {
    let ty = column.ty.ok_or_else(|| Error::internal("a table's column has no type"))?;
    let mut text = format!("{} {}", quoted(&column.storage_name), ty.storage.column_type());
    if is_rowid {
        text.push_str(" PRIMARY KEY");
        return Ok(text);
    }
    if let Some(collation) = ty.collation {
        text.push_str(&format!(" COLLATE {}", quoted(collation)));
    }
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    Ok(text)
}

/// What a schema holds must give the same value on every node and at every time.
fn check_immutable(expr: &Expr, clause: Clause, binder: &Binder<'_>) -> Result<()> {
    use crate::sql::tree::ExprKind;
    let is_stable = |part: &Expr| match &part.kind {
        ExprKind::Call { function, .. } => function.volatility != functions::Volatility::Immutable,
        // Printing and reading dates and floats depends on settings.
        ExprKind::Output(arg) => depends_on_settings(arg),
        ExprKind::Input(_) => matches!(part.ty.category, Category::DateTime | Category::Timespan),
        _ => false,
    };
    if binder.is_volatile || expr.contains(is_stable) {
        match clause {
            Clause::Index => {
                bail!(INVALID_OBJECT_DEFINITION, "functions in index expression must be marked IMMUTABLE")
            }
            _ => return Err(Error::unsupported("a check constraint with functions that are not immutable")),
        }
    }
    Ok(())
}

fn depends_on_settings(arg: &Expr) -> bool {
    let is_literal = matches!(arg.kind, crate::sql::tree::ExprKind::Constant(Datum::Null));
    let ty = arg.ty;
    !is_literal
        && (matches!(ty.category, Category::DateTime | Category::Timespan)
            || ty.name.starts_with("float")
            || ty.name == "bytea")
}

/// Whether a type can be SQLite's rowid.
pub(super) fn can_be_rowid(column: &Column) -> bool {
    column.ty.is_some_and(|ty| matches!(ty.name, "int2" | "int4" | "int8"))
}

/// Whether a condition's type is boolean already.
pub(super) fn is_condition(expr: &Expr) -> bool {
    expr.ty.oid == BOOL.oid
}
