//! Which columns a name can mean.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result, state};
use crate::sql::tree::{ColumnRef, Expr, ExprKind, Output};

/// A column that a name can mean.
#[derive(Clone, Debug)]
pub(in crate::sql) struct ScopeColumn {
    pub(in crate::sql) name: String,
    /// What it stands for; for a merged column of USING more than a column.
    pub(in crate::sql) expr: Expr,
}

/// A table, alias or subquery whose columns can be named with it.
#[derive(Clone, Debug)]
pub(in crate::sql) struct ScopeTable {
    /// The alias, or the relation's name.
    pub(in crate::sql) name: String,
    /// The schema by which a table without an alias may be qualified.
    pub(in crate::sql) schema: Option<String>,
    pub(in crate::sql) columns: Vec<ScopeColumn>,
    /// Columns of types that are not there yet: naming them, or all columns, is refused.
    pub(in crate::sql) lacking: Vec<String>,
}

/// Everything that names in a query can mean, and the queries around it.
#[derive(Clone, Default, Debug)]
pub(in crate::sql) struct Scope<'p> {
    pub(in crate::sql) tables: Vec<ScopeTable>,
    /// The columns that bare names and `*` mean, in order.
    pub(in crate::sql) columns: Vec<ScopeColumn>,
    /// The query around this one.
    pub(in crate::sql) parent: Option<&'p Scope<'p>>,
}

/// A column, or why there is none.
enum Found<'s> {
    One(&'s ScopeColumn),
    Ambiguous,
    None,
}

fn search<'s>(columns: impl Iterator<Item = &'s ScopeColumn>, name: &str) -> Found<'s> {
    let mut found = Found::None;
    for column in columns.filter(|column| column.name == name) {
        found = match found {
            Found::None => Found::One(column),
            _ => return Found::Ambiguous,
        };
    }
    found
}

impl<'p> Scope<'p> {
    /// An empty scope inside another.
    pub(in crate::sql) fn inside(parent: Option<&'p Scope<'p>>) -> Scope<'p> {
        Scope { parent, ..Scope::default() }
    }

    /// Adds a table with all its columns. 42712 if its name is taken.
    pub(in crate::sql) fn add(&mut self, table: ScopeTable) -> Result<()> {
        self.check_name(&table)?;
        self.columns.extend(table.columns.iter().cloned());
        self.tables.push(table);
        Ok(())
    }

    fn check_name(&self, table: &ScopeTable) -> Result<()> {
        let same = |other: &ScopeTable| other.name == table.name && other.schema == table.schema;
        if self.tables.iter().any(same) {
            bail!(DUPLICATE_ALIAS, "table name \"{}\" specified more than once", table.name);
        }
        Ok(())
    }

    /// Brings in everything of another scope's own, as a join does.
    pub(in crate::sql) fn merge(&mut self, other: Scope<'_>) -> Result<()> {
        for table in &other.tables {
            self.check_name(table)?;
        }
        self.tables.extend(other.tables);
        self.columns.extend(other.columns);
        Ok(())
    }

    /// What a bare name means, here or in the queries around.
    pub(in crate::sql) fn column(&self, name: &str) -> Result<Option<Expr>> {
        match search(self.columns.iter(), name) {
            Found::One(column) => return Ok(Some(column.expr.clone())),
            Found::Ambiguous => bail!(AMBIGUOUS_COLUMN, "column reference \"{name}\" is ambiguous"),
            Found::None => {}
        }
        if self.tables.iter().any(|table| table.lacking.iter().any(|column| column == name)) {
            return Err(lacking_column(name));
        }
        match self.parent {
            Some(parent) => parent.column(name),
            None => Ok(None),
        }
    }

    /// The table a qualifier means, here or in the queries around.
    pub(in crate::sql) fn table(&self, schema: Option<&str>, name: &str) -> Result<Option<&ScopeTable>> {
        let matches = |table: &&ScopeTable| {
            table.name == name && (schema.is_none() || table.schema.as_deref() == schema)
        };
        let mut found = self.tables.iter().filter(matches);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => bail!(DUPLICATE_ALIAS, "table reference \"{name}\" is ambiguous"),
            (Some(table), None) => Ok(Some(table)),
            (None, _) => match self.parent {
                Some(parent) => parent.table(schema, name),
                None => Ok(None),
            },
        }
    }

    /// What `table.column` means.
    pub(in crate::sql) fn qualified(&self, schema: Option<&str>, table: &str, column: &str) -> Result<Expr> {
        let Some(found) = self.table(schema, table)? else { return Err(missing_table(table)) };
        match search(found.columns.iter(), column) {
            Found::One(column) => Ok(column.expr.clone()),
            Found::Ambiguous => bail!(AMBIGUOUS_COLUMN, "column reference \"{column}\" is ambiguous"),
            Found::None if found.lacking.iter().any(|lacking| lacking == column) => {
                Err(lacking_column(column))
            }
            Found::None => bail!(UNDEFINED_COLUMN, "column {table}.{column} does not exist"),
        }
    }
}

impl ScopeTable {
    /// Refuses `*` where it would leave out columns.
    pub(in crate::sql) fn check_star(&self) -> Result<()> {
        match self.lacking.first() {
            Some(column) => Err(lacking_column(column)),
            None => Ok(()),
        }
    }
}

fn lacking_column(name: &str) -> Error {
    Error::unsupported(format!("the type of system column \"{name}\""))
}

/// 42P01 for a qualifier that is nothing in FROM.
pub(in crate::sql) fn missing_table(name: &str) -> Error {
    Error::new(state::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\""))
}

/// One use of a relation in a statement.
#[derive(Clone, Debug)]
pub(in crate::sql) struct Use {
    pub(in crate::sql) source: usize,
    pub(in crate::sql) alias: Arc<str>,
}

impl Use {
    /// A column of it: SQLite's name, the user's, and what is known of it.
    pub(in crate::sql) fn column(&self, name: &str, label: &str, column: &Output) -> ScopeColumn {
        let kind = ExprKind::Column(ColumnRef {
            source: self.source,
            alias: self.alias.clone(),
            name: Arc::from(name),
            label: Arc::from(label),
            origin: column.origin,
            nullable: column.nullable,
            carries_collation: column.origin.is_some(),
        });
        ScopeColumn { name: label.to_owned(), expr: Expr { kind, ty: column.ty, typmod: column.typmod } }
    }
}

/// Makes every column of a scope nullable: it is on the outer side of a join.
pub(in crate::sql) fn make_nullable(scope: &mut Scope<'_>) {
    let tables = scope.tables.iter_mut().flat_map(|table| table.columns.iter_mut());
    for column in tables.chain(scope.columns.iter_mut()) {
        make_expr_nullable(&mut column.expr);
    }
}

fn make_expr_nullable(expr: &mut Expr) {
    match &mut expr.kind {
        ExprKind::Column(column) => column.nullable = true,
        ExprKind::Coalesce(args) => args.iter_mut().for_each(make_expr_nullable),
        ExprKind::Relabel(arg) => make_expr_nullable(arg),
        ExprKind::Call { args, .. } | ExprKind::Row { fields: args, .. } => {
            args.iter_mut().for_each(make_expr_nullable)
        }
        _ => {}
    }
}
