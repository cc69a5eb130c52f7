//! INSERT, UPDATE and DELETE.

use std::fmt::Write;

use super::{Lowerer, statement};
use crate::catalog::{Index, Relation};
use crate::sql::bind::{Conflict, ConflictAction, Delete, Insert, Source, Target, Update, names_others};
use crate::sql::plan::{Binding, Modify, ModifyKind, SqliteStatement};
use crate::sql::tree::{Expr, ExprKind, From};

/// One INSERT statement.
pub(in crate::sql) fn insert(insert: &Insert) -> Modify {
    let printed = statement(|lowerer| {
        lowerer.insert_head(&insert.target, &insert.columns);
        lowerer.insert_source(insert);
        lowerer.conflict(insert.conflict.as_ref(), &insert.target);
        lowerer.returning(&insert.returning, &insert.target);
    });
    modify_of_insert(insert, None, printed)
}

fn modify_of_insert(insert: &Insert, source: Option<SqliteStatement>, statement: SqliteStatement) -> Modify {
    let upserts = insert
        .conflict
        .as_ref()
        .is_some_and(|conflict| matches!(conflict.action, ConflictAction::Update { .. }));
    Modify {
        kind: ModifyKind::Insert,
        relation: insert.target.relation.clone(),
        source,
        statement,
        returns: !insert.returning.is_empty(),
        upserts,
        columns: insert.columns.clone(),
    }
}

/// The same row by row, to find out which row a constraint refuses.
pub(in crate::sql) fn row_wise_insert(insert: &Insert) -> Modify {
    let source = statement(|lowerer| match &insert.source {
        Source::Rows(rows) => {
            lowerer.put("VALUES ");
            lowerer.list(rows, |lowerer, row| lowerer.row(row));
        }
        Source::Query(query, values) => lowerer.query_and_values(query, values),
    });
    let each = statement(|lowerer| {
        lowerer.insert_head(&insert.target, &insert.columns);
        lowerer.put(" VALUES (");
        let rowid = rowid_place(&insert.target.relation);
        for (column, place) in insert.columns.iter().enumerate() {
            lowerer.put(if column > 0 { ", " } else { "" });
            lowerer.required(Some(*place) == rowid, |lowerer| lowerer.binding(Binding::Source(column)));
        }
        lowerer.put(")");
        lowerer.conflict(insert.conflict.as_ref(), &insert.target);
    });
    modify_of_insert(insert, Some(source), each)
}

/// One UPDATE statement; row by row where RETURNING names other tables.
pub(in crate::sql) fn update(update: &Update) -> Modify {
    if update.returning.iter().any(|expr| !update.from.is_empty() && names_others(expr, &update.target)) {
        return row_wise_update(update);
    }
    let printed = statement(|lowerer| {
        lowerer.put("UPDATE ");
        lowerer.target(&update.target);
        lowerer.put(" SET ");
        let rowid = rowid_place(&update.target.relation);
        lowerer.list(&update.sets, |lowerer, (place, expr)| {
            lowerer.name(&update.target.relation.columns[*place].storage_name);
            lowerer.put(" = ");
            lowerer.required(Some(*place) == rowid && expr.is_nullable(), |lowerer| lowerer.expr(expr));
        });
        lowerer.from(&update.from);
        lowerer.filter_clause(update.filter.as_ref());
        lowerer.returning(&update.returning, &update.target);
    });
    modify_of_update(update, None, printed)
}

fn modify_of_update(update: &Update, source: Option<SqliteStatement>, statement: SqliteStatement) -> Modify {
    Modify {
        kind: ModifyKind::Update,
        relation: update.target.relation.clone(),
        source,
        statement,
        returns: !update.returning.is_empty(),
        upserts: false,
        columns: update.sets.iter().map(|(place, _)| *place).collect(),
    }
}

/// An UPDATE that first finds rows and values, and then changes row by row.
pub(in crate::sql) fn row_wise_update(update: &Update) -> Modify {
    let others = foreign_columns(&update.returning, &update.target);
    let source = statement(|lowerer| {
        lowerer.rowids(&update.target);
        for (_, expr) in &update.sets {
            lowerer.put(", ");
            lowerer.expr(expr);
        }
        lowerer.foreign(&others);
        lowerer.target_and(&update.target, &update.from);
        lowerer.filter_clause(update.filter.as_ref());
    });
    let each = statement(|lowerer| {
        lowerer.put("UPDATE ");
        lowerer.target(&update.target);
        lowerer.put(" SET ");
        let rowid = rowid_place(&update.target.relation);
        for (number, (place, _)) in update.sets.iter().enumerate() {
            lowerer.put(if number > 0 { ", " } else { "" });
            lowerer.name(&update.target.relation.columns[*place].storage_name);
            lowerer.put(" = ");
            lowerer.required(Some(*place) == rowid, |lowerer| lowerer.binding(Binding::Source(number + 1)));
        }
        lowerer.where_rowid(&update.target);
        lowerer.substitutes = numbered(&others, update.sets.len() + 1);
        lowerer.returning(&update.returning, &update.target);
    });
    modify_of_update(update, Some(source), each)
}

/// One DELETE statement; row by row where RETURNING names other tables.
pub(in crate::sql) fn delete(delete: &Delete) -> Modify {
    let target = &delete.target;
    let others = foreign_columns(&delete.returning, target);
    let (source, printed) = if !delete.using.is_empty() && !others.is_empty() {
        (Some(delete_source(delete, &others)), delete_each(delete, &others))
    } else {
        let printed = statement(|lowerer| {
            lowerer.put("DELETE FROM ");
            lowerer.target(target);
            if delete.using.is_empty() {
                lowerer.filter_clause(delete.filter.as_ref());
            } else {
                // SQLite has no USING; inside the query the alias means the query's own use.
                lowerer.put(" WHERE ");
                lowerer.name(&target.alias);
                lowerer.put(".");
                lowerer.name(target.relation.rowid);
                lowerer.put(" IN (");
                lowerer.rowids(target);
                lowerer.target_and(target, &delete.using);
                lowerer.filter_clause(delete.filter.as_ref());
                lowerer.put(")");
            }
            lowerer.returning(&delete.returning, target);
        });
        (None, printed)
    };
    Modify {
        kind: ModifyKind::Delete,
        relation: target.relation.clone(),
        source,
        statement: printed,
        returns: !delete.returning.is_empty(),
        upserts: false,
        columns: Vec::new(),
    }
}

fn delete_source(delete: &Delete, others: &[Expr]) -> SqliteStatement {
    statement(|lowerer| {
        lowerer.rowids(&delete.target);
        lowerer.foreign(others);
        lowerer.target_and(&delete.target, &delete.using);
        lowerer.filter_clause(delete.filter.as_ref());
    })
}

fn delete_each(delete: &Delete, others: &[Expr]) -> SqliteStatement {
    statement(|lowerer| {
        lowerer.put("DELETE FROM ");
        lowerer.target(&delete.target);
        lowerer.where_rowid(&delete.target);
        lowerer.substitutes = numbered(others, 1);
        lowerer.returning(&delete.returning, &delete.target);
    })
}

/// The statement that stores one row of COPY.
pub(in crate::sql) fn copy(relation: &Relation, columns: &[usize], values: &[Expr]) -> SqliteStatement {
    statement(|lowerer| {
        lowerer.put("INSERT INTO ");
        lowerer.name(&relation.storage_name);
        lowerer.put(" (");
        lowerer.column_list(relation, columns);
        lowerer.put(") VALUES (");
        let rowid = rowid_place(relation);
        for (number, (place, value)) in columns.iter().zip(values).enumerate() {
            lowerer.put(if number > 0 { ", " } else { "" });
            lowerer.required(Some(*place) == rowid && value.is_nullable(), |lowerer| lowerer.expr(value));
        }
        lowerer.put(")");
    })
}

/// The place of the column that is SQLite's rowid.
fn rowid_place(relation: &Relation) -> Option<usize> {
    relation.rowid_column().and_then(|column| relation.place_of(column.number))
}

/// The columns of other tables that RETURNING names.
fn foreign_columns(returning: &[Expr], target: &Target) -> Vec<Expr> {
    let mut columns: Vec<Expr> = Vec::new();
    for expr in returning {
        expr.visit(&mut |part| {
            let is_foreign = matches!(&part.kind, ExprKind::Column(column) if column.alias != target.alias);
            if is_foreign && !columns.contains(part) {
                columns.push(part.clone());
            }
        });
    }
    columns
}

fn numbered(columns: &[Expr], first: usize) -> Vec<(Expr, usize)> {
    columns.iter().cloned().zip(first..).collect()
}

impl Lowerer {
    fn target(&mut self, target: &Target) {
        self.name(&target.relation.storage_name);
        self.put(" AS ");
        self.name(&target.alias);
    }

    fn column_list(&mut self, relation: &Relation, places: &[usize]) {
        self.list(places, |lowerer, place| lowerer.name(&relation.columns[*place].storage_name));
    }

    fn insert_head(&mut self, target: &Target, columns: &[usize]) {
        self.put("INSERT INTO ");
        self.target(target);
        if !columns.is_empty() {
            self.put(" (");
            self.column_list(&target.relation, columns);
            self.put(")");
        }
    }

    fn insert_source(&mut self, insert: &Insert) {
        let rowid = rowid_place(&insert.target.relation);
        match &insert.source {
            Source::Rows(_) if insert.columns.is_empty() => self.put(" DEFAULT VALUES"),
            Source::Rows(rows) => {
                self.put(" VALUES ");
                self.list(rows, |lowerer, row| {
                    lowerer.put("(");
                    for (number, (place, value)) in insert.columns.iter().zip(row).enumerate() {
                        lowerer.put(if number > 0 { ", " } else { "" });
                        lowerer.required(Some(*place) == rowid && value.is_nullable(), |lowerer| {
                            lowerer.expr(value)
                        });
                    }
                    lowerer.put(")");
                });
            }
            Source::Query(query, values) => {
                self.put(" SELECT ");
                for (number, place) in insert.columns.iter().enumerate() {
                    self.put(if number > 0 { ", " } else { "" });
                    self.required(Some(*place) == rowid, |lowerer| {
                        match values.get(number.wrapping_sub(query.columns.len())) {
                            Some(value) => lowerer.expr(value),
                            None => {
                                let _ = write!(lowerer.sql, "column{}", number + 1);
                            }
                        }
                    });
                }
                self.put(" FROM (");
                self.query(query, true);
                // Without a WHERE, SQLite would take ON CONFLICT for a join's ON.
                self.put(") WHERE TRUE");
            }
        }
    }

    /// `SELECT column1, column2, values FROM (query)`
    fn query_and_values(&mut self, query: &crate::sql::tree::Query, values: &[Expr]) {
        self.put("SELECT ");
        for place in 1..=query.columns.len() {
            let _ = write!(self.sql, "{}column{place}", if place > 1 { ", " } else { "" });
        }
        for value in values {
            self.put(", ");
            self.expr(value);
        }
        self.put(" FROM (");
        self.query(query, true);
        self.put(")");
    }

    /// SQLite fills a rowid by itself where it should refuse NULL.
    fn required(&mut self, is_required: bool, print: impl FnOnce(&mut Lowerer)) {
        self.put(if is_required { "\"required\"(" } else { "" });
        print(self);
        self.put(if is_required { ")" } else { "" });
    }

    fn conflict(&mut self, conflict: Option<&Conflict>, target: &Target) {
        let Some(conflict) = conflict else { return };
        self.put(" ON CONFLICT");
        if let Some(index) = &conflict.index {
            self.put(" (");
            self.arbiter(index, &target.relation);
            self.put(")");
        }
        match &conflict.action {
            ConflictAction::Nothing => self.put(" DO NOTHING"),
            ConflictAction::Update { sets, filter } => {
                self.put(" DO UPDATE SET ");
                let rowid = rowid_place(&target.relation);
                self.list(sets, |lowerer, (place, expr)| {
                    lowerer.name(&target.relation.columns[*place].storage_name);
                    lowerer.put(" = ");
                    lowerer
                        .required(Some(*place) == rowid && expr.is_nullable(), |lowerer| lowerer.expr(expr));
                });
                self.filter_clause(filter.as_ref());
            }
        }
    }

    /// The columns of a unique index, with the collations by which SQLite recognises it.
    fn arbiter(&mut self, index: &Index, relation: &Relation) {
        let columns: Vec<_> =
            index.columns().into_iter().filter_map(|number| relation.column_numbered(number)).collect();
        self.list(&columns, |lowerer, column| lowerer.name(&column.storage_name));
    }

    pub(super) fn filter_clause(&mut self, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            self.put(" WHERE ");
            self.expr(filter);
        }
    }

    /// RETURNING names the changed row by the table's own name.
    fn returning(&mut self, exprs: &[Expr], target: &Target) {
        if exprs.is_empty() {
            return;
        }
        self.put(" RETURNING ");
        self.renamed = Some((target.alias.clone(), target.relation.storage_name.clone()));
        self.list(exprs, Lowerer::expr);
        self.renamed = None;
    }

    /// `SELECT alias.rowid`
    fn rowids(&mut self, target: &Target) {
        self.put("SELECT ");
        self.name(&target.alias);
        self.put(".");
        self.name(target.relation.rowid);
    }

    fn foreign(&mut self, columns: &[Expr]) {
        for column in columns {
            self.put(", ");
            self.expr(column);
        }
    }

    /// ` FROM target, others`
    fn target_and(&mut self, target: &Target, others: &[From]) {
        let table = From::Table { alias: target.alias.clone(), relation: target.relation.clone() };
        let items: Vec<From> = [table].into_iter().chain(others.iter().cloned()).collect();
        self.from(&items);
    }

    fn where_rowid(&mut self, target: &Target) {
        self.put(" WHERE ");
        self.name(&target.alias);
        self.put(".");
        self.name(target.relation.rowid);
        self.put(" = ");
        self.binding(Binding::Source(0));
    }
}
