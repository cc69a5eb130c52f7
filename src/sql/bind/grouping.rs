//! GROUP BY's rule: outside aggregates, only what is grouped by, or depends on it, has a value.

use std::collections::HashSet;

use super::scope::ScopeTable;
use super::{Binder, Scope};
use crate::bail;
use crate::error::Result;
use crate::sql::tree::{ColumnRef, Expr, ExprKind, Query};

/// What a grouped query's expressions are checked against.
pub(super) struct Grouping<'g> {
    pub(super) keys: &'g [Expr],
    /// The uses of relations in the query's own FROM.
    own: HashSet<usize>,
    /// Those whose whole primary key is grouped by: their other columns depend on it.
    determined: HashSet<usize>,
}

/// The uses of relations that a scope's columns come from.
pub(super) fn own_sources(scope: &Scope<'_>) -> HashSet<usize> {
    scope.tables.iter().flat_map(ScopeTable::sources).collect()
}

impl ScopeTable {
    /// What its columns are computed from.
    pub(super) fn sources(&self) -> HashSet<usize> {
        let mut own = HashSet::new();
        for column in &self.columns {
            column.expr.visit(&mut |expr| {
                if let ExprKind::Column(reference) = &expr.kind {
                    own.insert(reference.source);
                }
            });
        }
        own
    }
}

impl<'g> Grouping<'g> {
    pub(super) fn new(binder: &Binder<'_>, scope: &Scope<'_>, keys: &'g [Expr]) -> Grouping<'g> {
        let own = own_sources(scope);
        let determined = own.iter().copied().filter(|source| binder.is_determined(*source, keys)).collect();
        Grouping { keys, own, determined }
    }

    /// 42803 for a column that is neither grouped nor aggregated.
    pub(super) fn check(&self, expr: &Expr) -> Result<()> {
        match self.ungrouped(expr) {
            None => Ok(()),
            Some((column, false)) => bail!(
                GROUPING_ERROR,
                "column \"{}.{}\" must appear in the GROUP BY clause or be used in an aggregate function",
                column.alias,
                column.label
            ),
            Some((column, true)) => bail!(
                GROUPING_ERROR,
                "subquery uses ungrouped column \"{}.{}\" from outer query",
                column.alias,
                column.label
            ),
        }
    }

    /// The first column that has no value for a group, and whether it is in a subquery.
    fn ungrouped(&self, expr: &Expr) -> Option<(ColumnRef, bool)> {
        if self.keys.contains(expr) {
            return None;
        }
        match &expr.kind {
            ExprKind::Aggregate(_) => return None,
            ExprKind::Column(column) if self.own.contains(&column.source) => {
                return (!self.determined.contains(&column.source)).then(|| (column.clone(), false));
            }
            _ => {}
        }
        if let Some(query) = expr.subquery()
            && let Some(column) = self.ungrouped_in(query)
        {
            return Some((column, true));
        }
        let mut found = None;
        expr.for_each_child(&mut |child| {
            if found.is_none() {
                found = self.ungrouped(child);
            }
        });
        found
    }

    fn ungrouped_in(&self, query: &Query) -> Option<ColumnRef> {
        let mut found = None;
        query.for_each_expr(&mut |expr| {
            if found.is_none() {
                found = self.ungrouped(expr).map(|(column, _)| column);
            }
        });
        found
    }
}

impl Binder<'_> {
    /// Whether all columns of a table's primary key are among the keys.
    fn is_determined(&self, source: usize, keys: &[Expr]) -> bool {
        let Some(relation) = self.relations.get(source).and_then(Option::as_ref) else { return false };
        let Some(primary) = relation.primary_key() else { return false };
        let is_key = |number: i16| {
            keys.iter().any(|key| match &key.kind {
                ExprKind::Column(column) => {
                    column.source == source && column.origin == Some((relation.oid, number))
                }
                _ => false,
            })
        };
        primary.columns().into_iter().all(is_key)
    }
}
