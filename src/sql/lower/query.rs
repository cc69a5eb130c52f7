//! Queries. The columns of a query inside another are named column1, column2 …, as SQLite names those
//! of VALUES.

use std::fmt::Write;

use super::{Lowerer, needed_collation};
use crate::catalog::RelationKind;
use crate::sql::tree::{
    Body, Cte, Expr, ExprKind, From, JoinKind, OrderBy, OrderKey, Query, Select, SetCall, SetOperation,
    SortKey, Window,
};

impl Lowerer {
    /// Prints a query; `named` where its columns are referred to.
    pub(super) fn query(&mut self, query: &Query, named: bool) {
        self.with(query);
        match &query.body {
            Body::Select(select) if !select.distinct_on.is_empty() => {
                self.distinct_on(query, select);
                return;
            }
            Body::Select(select) => self.select(select, named),
            // SQLite's VALUES takes neither an order nor a limit.
            Body::Values(rows) if query.is_ordered_or_limited() => {
                self.put("SELECT * FROM (");
                self.values(rows);
                self.put(")");
            }
            Body::Values(rows) => self.values(rows),
            Body::Set { operation, all, left, right } => self.set(*operation, *all, left, right, named),
        }
        self.query_order(query);
        self.limit(query);
    }

    fn with(&mut self, query: &Query) {
        if query.ctes.is_empty() {
            return;
        }
        self.put(if query.recursive { "WITH RECURSIVE " } else { "WITH " });
        self.list(&query.ctes, Lowerer::cte);
        self.put(" ");
    }

    fn cte(&mut self, cte: &Cte) {
        self.name(&cte.alias);
        self.put("(");
        self.column_names(cte.query.columns.len());
        self.put(match cte.materialized {
            None => ") AS (",
            Some(true) => ") AS MATERIALIZED (",
            Some(false) => ") AS NOT MATERIALIZED (",
        });
        self.query(&cte.query, true);
        self.put(")");
    }

    /// `column1, column2 …`
    fn column_names(&mut self, count: usize) {
        for place in 1..=count.max(1) {
            if place > 1 {
                self.put(", ");
            }
            let _ = write!(self.sql, "column{place}");
        }
    }

    fn values(&mut self, rows: &[Vec<Expr>]) {
        self.put("VALUES ");
        self.list(rows, |lowerer, row| lowerer.row(row));
    }

    /// `(a, b)`
    pub(super) fn row(&mut self, row: &[Expr]) {
        self.put("(");
        self.list(row, Lowerer::expr);
        self.put(")");
    }

    fn select(&mut self, select: &Select, named: bool) {
        self.put(if select.distinct { "SELECT DISTINCT " } else { "SELECT " });
        self.targets(&select.targets, named, select.distinct);
        self.select_tail(select);
    }

    /// The select list; with collations where its values are compared.
    fn targets(&mut self, targets: &[Expr], named: bool, compared: bool) {
        if targets.is_empty() {
            // SQLite wants a column; nobody reads it.
            self.put("NULL");
        }
        for (place, target) in targets.iter().enumerate() {
            if place > 0 {
                self.put(", ");
            }
            if compared {
                self.collated(target)
            } else {
                self.expr(target)
            }
            if named {
                let _ = write!(self.sql, " AS column{}", place + 1);
            }
        }
    }

    /// FROM, WHERE, GROUP BY, HAVING.
    fn select_tail(&mut self, select: &Select) {
        self.from(&select.from);
        if let Some(filter) = &select.filter {
            self.put(" WHERE ");
            self.expr(filter);
        }
        if !select.group_by.is_empty() {
            self.put(" GROUP BY ");
            self.list(&select.group_by, Lowerer::collated);
        }
        if let Some(having) = &select.having {
            if select.group_by.is_empty() && !contains_aggregate(select) {
                // One group of all rows, which SQLite makes only where it sees an aggregate.
                self.put(" GROUP BY NULL");
            }
            self.put(" HAVING ");
            self.expr(having);
        }
    }

    /// ` FROM …`, or nothing.
    pub(super) fn from(&mut self, items: &[From]) {
        if items.is_empty() {
            return;
        }
        self.put(" FROM ");
        let alone = items.len() == 1;
        self.list(items, |lowerer, item| {
            // SQLite binds commas as tightly as JOIN.
            let nested = !alone && matches!(item, From::Join { .. });
            lowerer.put(if nested { "(" } else { "" });
            lowerer.table_item(item);
            lowerer.put(if nested { ")" } else { "" });
        });
    }

    fn table_item(&mut self, item: &From) {
        match item {
            From::Table { alias, relation } => {
                debug_assert!(relation.kind != RelationKind::Index);
                self.name(&relation.storage_name);
                self.aliased(alias);
            }
            From::Cte { alias, cte } => {
                self.name(cte);
                self.aliased(alias);
            }
            From::Query { alias, query } => {
                self.put("(");
                self.query(query, true);
                self.put(")");
                self.aliased(alias);
            }
            From::Function { alias, call } => {
                self.set_call(call);
                self.aliased(alias);
            }
            From::Lateral { alias, query } => {
                self.put("\"rows\"(");
                self.packed(query);
                self.put(")");
                self.aliased(alias);
            }
            From::Zip { alias, calls } => {
                self.zip(calls);
                self.aliased(alias);
            }
            From::Join { kind, left, right, condition } => self.join(*kind, left, right, condition.as_ref()),
        }
    }

    /// `symbol(arguments, signature)`
    fn set_call(&mut self, call: &SetCall) {
        self.name(&call.function.symbol());
        self.put("(");
        for arg in &call.args {
            self.expr(arg);
            self.put(", ");
        }
        self.signature(&call.signature());
        self.put(")");
    }

    /// A query's rows as one value.
    fn packed(&mut self, query: &Query) {
        self.put("(SELECT \"pack_rows\"(");
        self.column_names(query.columns.len());
        self.put(") FROM (");
        self.query(query, true);
        self.put("))");
    }

    /// Functions side by side: each one's rows packed, then zipped.
    fn zip(&mut self, calls: &[SetCall]) {
        self.put("\"rows\"(\"zip_rows\"(");
        for (place, call) in calls.iter().enumerate() {
            let _ = write!(
                self.sql,
                "{}{}, (SELECT \"pack_rows\"(",
                if place > 0 { ", " } else { "" },
                call.columns.len()
            );
            self.column_names(call.columns.len());
            self.put(") FROM ");
            self.set_call(call);
            self.put(")");
        }
        self.put("))");
    }

    fn aliased(&mut self, alias: &str) {
        self.put(" AS ");
        self.name(alias);
    }

    fn join(&mut self, kind: JoinKind, left: &From, right: &From, condition: Option<&Expr>) {
        self.table_item(left);
        self.put(match kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
        });
        let nested = matches!(right, From::Join { .. });
        self.put(if nested { "(" } else { "" });
        self.table_item(right);
        self.put(if nested { ")" } else { "" });
        if let Some(condition) = condition {
            self.put(" ON ");
            self.expr(condition);
        }
    }

    fn set(&mut self, operation: SetOperation, all: bool, left: &Query, right: &Query, named: bool) {
        if all && operation != SetOperation::Union {
            self.numbered_set(operation, left, right);
            return;
        }
        self.operand(left, named, true, !all);
        self.put(" ");
        self.put(operation.keyword());
        self.put(if all { " ALL " } else { " " });
        self.operand(right, named, false, !all);
    }

    /// A side of a set operation. SQLite takes no parentheses there and knows no precedence, so only a
    /// chain on the left side stands as it is.
    fn operand(&mut self, query: &Query, named: bool, is_left: bool, compared: bool) {
        let is_plain = query.order_by.is_empty()
            && query.limit.is_none()
            && query.offset.is_none()
            && query.ctes.is_empty();
        match &query.body {
            Body::Select(select) if is_plain && select.distinct_on.is_empty() => {
                self.put(if select.distinct { "SELECT DISTINCT " } else { "SELECT " });
                self.targets(&select.targets, named, compared || select.distinct);
                self.select_tail(select);
            }
            Body::Set { operation, all, left, right }
                if is_plain && is_left && (!*all || *operation == SetOperation::Union) =>
            {
                self.set(*operation, *all, left, right, named);
            }
            _ => self.wrapped_operand(query, compared),
        }
    }

    /// `SELECT column1, column2 FROM (query)`
    fn wrapped_operand(&mut self, query: &Query, compared: bool) {
        self.put("SELECT ");
        for (place, column) in query.columns.iter().enumerate() {
            let _ = write!(self.sql, "{}column{}", if place > 0 { ", " } else { "" }, place + 1);
            if let Some(collation) = column.ty.collation.filter(|_| compared) {
                self.put(" COLLATE ");
                self.name(collation);
            }
            let _ = write!(self.sql, " AS column{}", place + 1);
        }
        self.put(if query.columns.is_empty() { "NULL FROM (" } else { " FROM (" });
        self.query(query, true);
        self.put(")");
    }

    /// INTERSECT ALL and EXCEPT ALL: equal rows are told apart by counting them.
    fn numbered_set(&mut self, operation: SetOperation, left: &Query, right: &Query) {
        self.put("SELECT ");
        self.column_names(left.columns.len());
        self.put(" FROM (");
        self.numbered(left);
        let _ = write!(self.sql, " {} ", operation.keyword());
        self.numbered(right);
        self.put(")");
    }

    fn numbered(&mut self, query: &Query) {
        let collated = |lowerer: &mut Lowerer| {
            for (place, column) in query.columns.iter().enumerate() {
                let _ = write!(lowerer.sql, "{}column{}", if place > 0 { ", " } else { "" }, place + 1);
                if let Some(collation) = column.ty.collation {
                    lowerer.put(" COLLATE ");
                    lowerer.name(collation);
                }
            }
        };
        self.put("SELECT ");
        for (place, column) in query.columns.iter().enumerate() {
            let _ = write!(self.sql, "column{}", place + 1);
            if let Some(collation) = column.ty.collation {
                self.put(" COLLATE ");
                self.name(collation);
            }
            let _ = write!(self.sql, " AS column{}, ", place + 1);
        }
        self.put("row_number() OVER (PARTITION BY ");
        collated(self);
        self.put(") FROM (");
        self.query(query, true);
        self.put(")");
    }

    fn query_order(&mut self, query: &Query) {
        if query.order_by.is_empty() {
            return;
        }
        self.put(" ORDER BY ");
        self.list(&query.order_by, |lowerer, key| lowerer.order_key(query, key));
    }

    fn order_key(&mut self, query: &Query, key: &OrderKey) {
        let nullable = match &key.what {
            OrderBy::Output(place) => {
                let _ = write!(self.sql, "{}", place + 1);
                if let Some(collation) = output_collation(query, *place) {
                    self.put(" COLLATE ");
                    self.name(collation);
                }
                query.columns[*place].nullable
            }
            OrderBy::Expr(expr) => {
                self.collated(expr);
                expr.is_nullable()
            }
        };
        self.direction(key.descending, key.nulls_first, nullable);
    }

    /// LIMIT and OFFSET: NULL means no limit, a negative number is an error.
    fn limit(&mut self, query: &Query) {
        if query.limit.is_none() && query.offset.is_none() {
            return;
        }
        self.put(" LIMIT ");
        match &query.limit {
            Some(limit) => self.count("limit_count", limit),
            None => self.put("-1"),
        }
        if let Some(offset) = &query.offset {
            self.put(" OFFSET ");
            self.count("offset_count", offset);
        }
    }

    fn count(&mut self, check: &str, count: &Expr) {
        if let ExprKind::Constant(crate::types::Datum::Integer(0..)) = count.kind {
            self.expr(count);
            return;
        }
        self.name(check);
        self.put("(");
        self.expr(count);
        self.put(")");
    }

    /// DISTINCT ON: the first row of each group in the query's order.
    fn distinct_on(&mut self, query: &Query, select: &Select) {
        self.put("SELECT ");
        self.column_names(select.targets.len());
        self.put(" FROM (SELECT ");
        self.targets(&select.targets, true, false);
        let order = sort_keys(query, select);
        for (place, key) in order.iter().enumerate() {
            self.put(", ");
            self.expr(&key.expr);
            let _ = write!(self.sql, " AS key{}", place + 1);
        }
        self.put(", ");
        let window =
            Window { partition_by: select.distinct_on.clone(), order_by: order.clone(), frame: None };
        self.row_number(&window);
        self.put(" AS place");
        self.select_tail(select);
        self.put(") WHERE place = 1");
        if !order.is_empty() {
            self.put(" ORDER BY ");
            for (place, key) in order.iter().enumerate() {
                let _ = write!(self.sql, "{}key{}", if place > 0 { ", " } else { "" }, place + 1);
                if let Some(collation) = key.expr.ty.collation {
                    self.put(" COLLATE ");
                    self.name(collation);
                }
                self.direction(key.descending, key.nulls_first, true);
            }
        }
        self.limit(query);
    }

    fn row_number(&mut self, window: &Window) {
        self.put("row_number() OVER (");
        self.window(window);
        self.put(")");
    }
}

/// The collation that ordering by a result column needs.
fn output_collation(query: &Query, place: usize) -> Option<&'static str> {
    match &query.body {
        Body::Select(select) => needed_collation(&select.targets[place]),
        _ => query.columns[place].ty.collation,
    }
}

/// The query's order as expressions.
fn sort_keys(query: &Query, select: &Select) -> Vec<SortKey> {
    let key = |key: &OrderKey| SortKey {
        expr: match &key.what {
            OrderBy::Output(place) => select.targets[*place].clone(),
            OrderBy::Expr(expr) => expr.clone(),
        },
        descending: key.descending,
        nulls_first: key.nulls_first,
    };
    query.order_by.iter().map(key).collect()
}

fn contains_aggregate(select: &Select) -> bool {
    let is_aggregate = |expr: &Expr| matches!(expr.kind, ExprKind::Aggregate(_));
    select.targets.iter().chain(&select.having).any(|expr| expr.contains(is_aggregate))
}
