//! Queries: SELECT, VALUES, set operations, WITH, ORDER BY, LIMIT.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlparser::ast;

use super::call::{check_comparable, sort_direction};
use super::coerce::common_type;
use super::expression::{Clause, Place, without_parentheses};
use super::grouping::Grouping;
use super::scope::Use;
use super::{Binder, CteScope, PendingSet, Purpose, QUERY_DEPTH_MAX, Scope, not_postgresql};
use crate::bail;
use crate::error::{Error, Result};
use crate::functions::Function;
use crate::sql::lexical;
use crate::sql::tree::{
    Body, Cte, Expr, ExprKind, From, OrderBy, OrderKey, Output, Query, Select, SetOperation,
};
use crate::types::{Datum, NO_TYPMOD, Type, integer, text};

/// SQLite's bound on the terms of a compound SELECT.
const SET_OPERATIONS_MAX: usize = 500;
/// PostgreSQL's MaxTupleAttributeNumber.
const TARGETS_MAX: usize = 1664;

impl Binder<'_> {
    /// Binds a query whose columns all get a type.
    pub(in crate::sql) fn query(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>) -> Result<Query> {
        let mut bound = self.open_query(query, parent)?;
        for column in 0..bound.columns.len() {
            if is_unknown(bound.columns[column].ty) {
                self.coerce_output(&mut bound, column, &text::TEXT, NO_TYPMOD)?;
            }
        }
        Ok(bound)
    }

    /// Binds a query whose literals may stay without a type, for INSERT and set operations.
    pub(super) fn open_query(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>) -> Result<Query> {
        self.query_depth += 1;
        if self.query_depth > QUERY_DEPTH_MAX {
            return Err(lexical::too_deep());
        }
        let (cte_mark, window_mark) = (self.ctes.len(), self.windows.len());
        let bound = self.query_inner(query, parent);
        self.ctes.truncate(cte_mark);
        self.windows.truncate(window_mark);
        self.query_depth -= 1;
        bound
    }

    fn query_inner(&mut self, query: &ast::Query, parent: Option<&Scope<'_>>) -> Result<Query> {
        if query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(not_postgresql("this clause of a query"));
        }
        self.locks(&query.locks)?;
        let (ctes, recursive) = match &query.with {
            Some(with) => (self.with(with, parent)?, with.recursive),
            None => (Vec::new(), false),
        };
        let keys = order_keys(query.order_by.as_ref())?;
        let mut bound = self.body(&query.body, keys, parent)?;
        self.limit(query, &mut bound, parent)?;
        if !ctes.is_empty() {
            bound = with_ctes(bound, ctes, recursive);
        }
        Ok(bound)
    }

    fn locks(&mut self, locks: &[ast::LockClause]) -> Result<()> {
        for lock in locks {
            match lock.nonblock {
                None => self.locks_rows = true,
                Some(ast::NonBlock::Nowait) => return Err(Error::unsupported("FOR UPDATE … NOWAIT")),
                Some(ast::NonBlock::SkipLocked) => {
                    return Err(Error::unsupported("FOR UPDATE … SKIP LOCKED"));
                }
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        body: &ast::SetExpr,
        keys: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
    ) -> Result<Query> {
        match body {
            ast::SetExpr::Select(select) => self.select(select, keys, parent),
            ast::SetExpr::Values(values) => {
                let query = self.values(values, parent)?;
                self.order_result(query, keys)
            }
            ast::SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let query = self.set_operation(left, *op, *set_quantifier, right, parent)?;
                self.order_result(query, keys)
            }
            ast::SetExpr::Query(inner) => {
                let query = self.open_query(inner, parent)?;
                let is_plain = query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
                let query = if is_plain || keys.is_empty() { query } else { self.wrapped(query) };
                self.order_result(query, keys)
            }
            ast::SetExpr::Table(table) => self.table_command(table, keys, parent),
            ast::SetExpr::Insert(_)
            | ast::SetExpr::Update(_)
            | ast::SetExpr::Delete(_)
            | ast::SetExpr::Merge(_) => Err(Error::unsupported("INSERT, UPDATE or DELETE in WITH")),
        }
    }

    /// TABLE t
    fn table_command(
        &mut self,
        table: &ast::Table,
        keys: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
    ) -> Result<Query> {
        let parts = table.schema_name.iter().chain(&table.table_name);
        let name = ast::ObjectName(
            parts.map(|part| ast::ObjectNamePart::Identifier(ast::Ident::new(part.as_str()))).collect(),
        );
        let relation = ast::TableFactor::Table {
            name,
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        let (from, scope) = self.from(&[ast::TableWithJoins { relation, joins: Vec::new() }], parent)?;
        for table in &scope.tables {
            table.check_star()?;
        }
        let targets = scope.columns.iter().map(|column| (column.name.clone(), column.expr.clone())).collect();
        self.finish_select(Select { from, ..empty_select() }, targets, keys, &scope)
    }

    /// `SELECT * FROM (query)`
    fn wrapped(&mut self, query: Query) -> Query {
        let used = Use { alias: self.unique_alias("q"), source: self.new_source(None) };
        let columns = query.columns.clone();
        let targets = columns
            .iter()
            .enumerate()
            .map(|(place, output)| used.column(&format!("column{}", place + 1), &output.name, output).expr);
        let select = Select {
            targets: targets.collect(),
            from: vec![From::Query { alias: used.alias.clone(), query: Box::new(query) }],
            ..empty_select()
        };
        plain_query(Body::Select(Box::new(select)), columns)
    }

    fn with(&mut self, with: &ast::With, parent: Option<&Scope<'_>>) -> Result<Vec<Cte>> {
        let mark = self.ctes.len();
        let mut ctes = Vec::new();
        for cte in &with.cte_tables {
            if cte.from.is_some() {
                return Err(not_postgresql("FROM in WITH"));
            }
            let name = self.identifier(&cte.alias.name)?;
            if self.ctes[mark..].iter().any(|other| other.name == name) {
                bail!(DUPLICATE_ALIAS, "WITH query name \"{name}\" specified more than once");
            }
            // A name that no table of SQLite's has: FROM would find the WITH query first.
            let alias = self.unique_alias(&format!("with {name}"));
            let mut query = match (with.recursive, &*cte.query.body) {
                (
                    true,
                    ast::SetExpr::SetOperation { left, op: ast::SetOperator::Union, set_quantifier, right },
                ) if names_relation(right, &name) => {
                    self.recursive(cte, &name, &alias, left, *set_quantifier, right, parent)?
                }
                _ => self.query(&cte.query, parent)?,
            };
            self.rename_outputs(&name, &mut query.columns, &cte.alias)?;
            let materialized =
                cte.materialized.as_ref().map(|m| matches!(m, ast::CteAsMaterialized::Materialized));
            self.ctes.push(CteScope { name, alias: alias.clone(), columns: query.columns.clone() });
            ctes.push(Cte { alias, query, materialized });
        }
        Ok(ctes)
    }

    fn rename_outputs(&self, table: &str, columns: &mut [Output], alias: &ast::TableAlias) -> Result<()> {
        if alias.columns.len() > columns.len() {
            bail!(
                INVALID_COLUMN_REFERENCE,
                "WITH query \"{table}\" has {} columns available but {} columns specified",
                columns.len(),
                alias.columns.len()
            );
        }
        for (column, renamed) in columns.iter_mut().zip(&alias.columns) {
            column.name = self.identifier(&renamed.name)?;
        }
        Ok(())
    }

    /// A recursive WITH query: its first part decides the types, its second may name it.
    #[allow(clippy::too_many_arguments)]
    fn recursive(
        &mut self,
        cte: &ast::Cte,
        name: &str,
        alias: &Arc<str>,
        left: &ast::SetExpr,
        quantifier: ast::SetQuantifier,
        right: &ast::SetExpr,
        parent: Option<&Scope<'_>>,
    ) -> Result<Query> {
        let outer = &cte.query;
        if outer.order_by.is_some()
            || outer.limit_clause.is_some()
            || outer.fetch.is_some()
            || outer.with.is_some()
        {
            return Err(Error::unsupported("ORDER BY, LIMIT or WITH in a recursive query"));
        }
        let all = is_all(quantifier)?;
        let mut first = self.body(left, &[], parent)?;
        for column in 0..first.columns.len() {
            if is_unknown(first.columns[column].ty) {
                self.coerce_output(&mut first, column, &text::TEXT, NO_TYPMOD)?;
            }
            first.columns[column].nullable = true;
        }
        let mut columns = first.columns.clone();
        self.rename_outputs(name, &mut columns, &cte.alias)?;
        self.ctes.push(CteScope { name: name.to_owned(), alias: alias.clone(), columns });
        let second = self.body(right, &[], parent);
        self.ctes.pop();
        let mut second = second?;
        check_same_width("UNION", &first, &second)?;
        for (place, column) in first.columns.iter().enumerate() {
            let overall = common_type([column.ty, second.columns[place].ty].into_iter(), "UNION")?;
            if overall != column.ty {
                return Err(Error::new(
                    crate::error::state::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        place + 1,
                        column.ty.format(column.typmod),
                        overall.sql_name
                    ),
                )
                .with_hint("Cast the output of the non-recursive term to the correct type."));
            }
            self.coerce_output(&mut second, place, column.ty, NO_TYPMOD)?;
        }
        let columns = first.columns.clone();
        let body =
            Body::Set { operation: SetOperation::Union, all, left: Box::new(first), right: Box::new(second) };
        Ok(plain_query(body, columns))
    }

    fn values(&mut self, values: &ast::Values, parent: Option<&Scope<'_>>) -> Result<Query> {
        let scope = Scope::inside(parent);
        let place = Place { scope: &scope, clause: Clause::Values };
        let mut rows = Vec::new();
        for row in &values.rows {
            rows.push(row.content.iter().map(|expr| self.expr(expr, place)).collect::<Result<Vec<_>>>()?);
        }
        self.values_of(rows)
    }

    /// VALUES of bound rows: each column gets its common type.
    pub(super) fn values_of(&mut self, mut rows: Vec<Vec<Expr>>) -> Result<Query> {
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            bail!(SYNTAX_ERROR, "VALUES lists must all be the same length");
        }
        let mut columns = Vec::new();
        for column in 0..width {
            let exprs =
                rows.iter_mut().map(|row| std::mem::replace(&mut row[column], null())).collect::<Vec<_>>();
            let all_unknown = exprs.iter().all(Expr::is_unknown);
            let (unified, ty, typmod) =
                if all_unknown { (exprs, &text::UNKNOWN, NO_TYPMOD) } else { self.unify(exprs, "VALUES")? };
            for (row, expr) in rows.iter_mut().zip(unified) {
                row[column] = expr;
            }
            columns.push(Output {
                name: format!("column{}", column + 1),
                ty,
                typmod,
                origin: None,
                nullable: true,
            });
        }
        Ok(plain_query(Body::Values(rows), columns))
    }

    fn set_operation(
        &mut self,
        left: &ast::SetExpr,
        op: ast::SetOperator,
        quantifier: ast::SetQuantifier,
        right: &ast::SetExpr,
        parent: Option<&Scope<'_>>,
    ) -> Result<Query> {
        self.set_operations += 1;
        if self.set_operations > SET_OPERATIONS_MAX {
            bail!(
                STATEMENT_TOO_COMPLEX,
                "a statement cannot have more than {SET_OPERATIONS_MAX} set operations"
            );
        }
        let operation = match op {
            ast::SetOperator::Union => SetOperation::Union,
            ast::SetOperator::Intersect => SetOperation::Intersect,
            ast::SetOperator::Except => SetOperation::Except,
            ast::SetOperator::Minus => return Err(not_postgresql("MINUS")),
        };
        let all = is_all(quantifier)?;
        let mut left = self.body(left, &[], parent)?;
        let mut right = self.body(right, &[], parent)?;
        let keyword = operation.keyword();
        check_same_width(keyword, &left, &right)?;
        let mut columns = Vec::new();
        for place in 0..left.columns.len() {
            let (a, b) = (left.columns[place].clone(), right.columns[place].clone());
            let both_unknown = is_unknown(a.ty) && is_unknown(b.ty);
            let ty = if both_unknown { &text::TEXT } else { common_type([a.ty, b.ty].into_iter(), keyword)? };
            self.coerce_output(&mut left, place, ty, NO_TYPMOD)?;
            self.coerce_output(&mut right, place, ty, NO_TYPMOD)?;
            if !all {
                check_comparable(ty, "an equality operator")?;
            }
            let typmod = if a.typmod == b.typmod && a.ty == b.ty { a.typmod } else { NO_TYPMOD };
            columns.push(Output {
                name: a.name,
                ty,
                typmod,
                origin: None,
                nullable: a.nullable || b.nullable,
            });
        }
        let body = Body::Set { operation, all, left: Box::new(left), right: Box::new(right) };
        Ok(plain_query(body, columns))
    }

    /// Converts one column of a bound query.
    pub(super) fn coerce_output(
        &mut self,
        query: &mut Query,
        column: usize,
        ty: &'static Type,
        typmod: i32,
    ) -> Result<()> {
        self.coerce_output_for(query, column, ty, typmod, Purpose::Implicit)
    }

    /// Converts one column of a bound query, for a purpose.
    pub(super) fn coerce_output_for(
        &mut self,
        query: &mut Query,
        column: usize,
        ty: &'static Type,
        typmod: i32,
        purpose: Purpose,
    ) -> Result<()> {
        let current = &query.columns[column];
        if current.ty == ty && (typmod == NO_TYPMOD || current.typmod == typmod) {
            return Ok(());
        }
        if !can_change_targets(query) {
            let inner = std::mem::replace(query, plain_query(Body::Values(Vec::new()), Vec::new()));
            *query = self.wrapped(inner);
        }
        match &mut query.body {
            Body::Select(select) => {
                let target = std::mem::replace(&mut select.targets[column], null());
                select.targets[column] = self.coerce(target, ty, typmod, purpose)?;
            }
            Body::Values(rows) => {
                for row in rows {
                    let value = std::mem::replace(&mut row[column], null());
                    row[column] = self.coerce(value, ty, typmod, purpose)?;
                }
            }
            Body::Set { left, right, .. } => {
                self.coerce_output_for(left, column, ty, typmod, purpose)?;
                self.coerce_output_for(right, column, ty, typmod, purpose)?;
            }
        }
        let output = &mut query.columns[column];
        output.nullable |= output.ty != ty;
        output.ty = ty;
        output.typmod = typmod;
        Ok(())
    }

    /// ORDER BY over a result whose insides it cannot see.
    fn order_result(&mut self, mut query: Query, keys: &[ast::OrderByExpr]) -> Result<Query> {
        for key in keys {
            let place = self.output_place(&key.expr, &query.columns)?;
            let Some(place) = place else {
                return Err(Error::new(
                    crate::error::state::FEATURE_NOT_SUPPORTED,
                    "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                )
                .with_detail("Only result column names can be used, not expressions or functions.")
                .with_hint(
                    "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                ));
            };
            check_comparable(query.columns[place].ty, "an ordering operator")?;
            let (descending, nulls_first) = sort_direction(key)?;
            query.order_by.push(OrderKey { what: OrderBy::Output(place), descending, nulls_first });
        }
        Ok(query)
    }

    /// The result column that a key names or counts to.
    fn output_place(&mut self, expr: &ast::Expr, columns: &[Output]) -> Result<Option<usize>> {
        match without_parentheses(expr) {
            ast::Expr::Identifier(ident) => {
                let name = self.identifier(ident)?;
                let mut places = (0..columns.len()).filter(|place| columns[*place].name == name);
                match (places.next(), places.next()) {
                    (Some(_), Some(_)) => bail!(AMBIGUOUS_COLUMN, "ORDER BY \"{name}\" is ambiguous"),
                    (place, _) => Ok(place),
                }
            }
            ast::Expr::Value(value) => position(&value.value, columns.len(), "ORDER BY"),
            _ => Ok(None),
        }
    }

    fn limit(&mut self, query: &ast::Query, bound: &mut Query, parent: Option<&Scope<'_>>) -> Result<()> {
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(_) => return Err(not_postgresql("this LIMIT")),
        };
        let fetch = match &query.fetch {
            Some(fetch) if fetch.with_ties || fetch.percent => {
                return Err(Error::unsupported("FETCH … WITH TIES"));
            }
            Some(ast::Fetch { quantity: Some(count), .. }) => Some(Some(count)),
            Some(_) => Some(None),
            None => None,
        };
        if (limit.is_some() || offset.is_some()) && !bound.is_open() {
            let inner = std::mem::replace(bound, plain_query(Body::Values(Vec::new()), Vec::new()));
            *bound = self.wrapped(inner);
        }
        bound.limit = match (limit, fetch) {
            (Some(count), None) | (None, Some(Some(count))) => Some(self.count(count, "LIMIT", parent)?),
            (None, Some(None)) => Some(Expr::constant(Datum::Integer(1), &integer::INT8)),
            (None, None) => bound.limit.take(),
            (Some(_), Some(_)) => bail!(SYNTAX_ERROR, "multiple LIMIT clauses not allowed"),
        };
        if let Some(offset) = offset {
            bound.offset = Some(self.count(offset, "OFFSET", parent)?);
        }
        Ok(())
    }

    fn count(&mut self, expr: &ast::Expr, clause: &str, parent: Option<&Scope<'_>>) -> Result<Expr> {
        let scope = Scope::inside(parent);
        let expr = self.expr(expr, Place { scope: &scope, clause: Clause::Limit })?;
        let source = expr.ty;
        let purpose = if source.category == crate::types::Category::Numeric {
            Purpose::Assignment
        } else {
            Purpose::Implicit
        };
        match self.try_coerce(expr, &integer::INT8, NO_TYPMOD, purpose)? {
            Some(count) => Ok(count),
            None => bail!(
                DATATYPE_MISMATCH,
                "argument of {clause} must be type bigint, not type {}",
                source.sql_name
            ),
        }
    }

    fn select(
        &mut self,
        select: &ast::Select,
        keys: &[ast::OrderByExpr],
        parent: Option<&Scope<'_>>,
    ) -> Result<Query> {
        check_select(select)?;
        let (from, scope) = self.from(&select.from, parent)?;
        let place = Place { scope: &scope, clause: Clause::Select };
        let filter = match &select.selection {
            Some(filter) => {
                let filter = self.expr(filter, place.within(Clause::Where))?;
                Some(self.coerce_boolean(filter, "WHERE")?)
            }
            None => None,
        };
        for ast::NamedWindowDefinition(name, definition) in &select.named_window {
            let name = self.identifier(name)?;
            let window = match definition {
                ast::NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec, place)?,
                ast::NamedWindowExpr::NamedWindow(_) => return Err(not_postgresql("this window definition")),
            };
            self.windows.push((name, window));
        }
        self.set_calls.push(Vec::new());
        let mut targets = Vec::new();
        for item in &select.projection {
            self.target(item, place, &mut targets)?;
        }
        if targets.len() > TARGETS_MAX {
            bail!(TOO_MANY_COLUMNS, "target lists can have at most {TARGETS_MAX} entries");
        }
        let group_by = self.group_by(&select.group_by, &targets, place)?;
        let having = match &select.having {
            Some(having) => {
                let having = self.expr(having, place.within(Clause::Having))?;
                Some(self.coerce_boolean(having, "HAVING")?)
            }
            None => None,
        };
        let mut bound = Select { from, filter, group_by, having, ..empty_select() };
        match &select.distinct {
            None | Some(ast::Distinct::All) => {}
            Some(ast::Distinct::Distinct) => bound.distinct = true,
            Some(ast::Distinct::On(exprs)) => bound.distinct_on = self.distinct_on(exprs, &targets, place)?,
        }
        let query = self.finish_select(bound, targets, keys, &scope)?;
        let calls = self.set_calls.pop().unwrap_or_default();
        self.with_sets(query, calls)
    }

    /// Adds the set-returning functions of the select list to FROM. They give their rows after grouping and windows.
    fn with_sets(&mut self, mut query: Query, calls: Vec<PendingSet>) -> Result<Query> {
        if calls.is_empty() {
            return Ok(query);
        }
        let Body::Select(select) = &mut query.body else {
            return Err(Error::internal("set-returning functions without a select list"));
        };
        let sources: HashSet<usize> = calls.iter().map(|call| call.used.source).collect();
        let is_window = |part: &Expr| matches!(part.kind, ExprKind::Window(_));
        let has_windows = select.targets.iter().any(|target| target.contains(is_window));
        let mut calls = calls;
        if select.is_grouped || has_windows {
            self.split_sets(&mut query, &mut calls, &sources);
        }
        let Body::Select(select) = &mut query.body else {
            return Err(Error::internal("set-returning functions without a select list"));
        };
        let (items, moved) = set_items(calls);
        select.from.extend(items);
        let mut rename = |expr: &mut Expr| rename_moved(expr, &moved);
        select.targets.iter_mut().chain(&mut select.distinct_on).for_each(&mut rename);
        select.from.iter_mut().for_each(|item| match item {
            From::Function { call, .. } => call.args.iter_mut().for_each(&mut rename),
            From::Zip { calls, .. } => calls.iter_mut().flat_map(|call| &mut call.args).for_each(&mut rename),
            _ => {}
        });
        for key in &mut query.order_by {
            if let OrderBy::Expr(expr) = &mut key.what {
                rename(expr);
            }
        }
        Ok(query)
    }

    /// Puts what a select list with sets is made of into a query of its own: `SELECT f(q.column1) FROM (SELECT …) AS q`.
    fn split_sets(&mut self, query: &mut Query, calls: &mut [PendingSet], sources: &HashSet<usize>) {
        let Body::Select(select) = &mut query.body else { return };
        let used = Use { alias: self.unique_alias("q"), source: self.new_source(None) };
        let mut inner: Vec<Expr> = Vec::new();
        let mut split = |expr: &mut Expr| split_expr(expr, sources, &used, &mut inner);
        select.targets.iter_mut().for_each(&mut split);
        select.distinct_on.iter_mut().for_each(&mut split);
        for call in calls {
            call.call.args.iter_mut().for_each(&mut split);
        }
        for key in &mut query.order_by {
            if let OrderBy::Expr(expr) = &mut key.what {
                split(expr);
            }
        }
        let Body::Select(select) = &mut query.body else { return };
        let outer = Select {
            distinct: select.distinct,
            distinct_on: std::mem::take(&mut select.distinct_on),
            targets: std::mem::take(&mut select.targets),
            ..empty_select()
        };
        let mut select = std::mem::replace(&mut **select, outer);
        select.distinct = false;
        let columns =
            inner.iter().enumerate().map(|(place, expr)| output_of(format!("column{}", place + 1), expr));
        let columns = columns.collect();
        select.targets = inner;
        let body = plain_query(Body::Select(Box::new(select)), columns);
        if let Body::Select(outer) = &mut query.body {
            outer.from = vec![From::Query { alias: used.alias, query: Box::new(body) }];
        }
    }

    /// A set-returning function called in an expression.
    pub(super) fn set_in_expression(
        &mut self,
        function: &'static Function,
        args: Vec<Expr>,
        result: &'static Type,
        place: Place<'_>,
    ) -> Result<Expr> {
        let allowed =
            matches!(place.clause, Clause::Select | Clause::OrderBy | Clause::GroupBy | Clause::FromFunction);
        if !allowed || self.set_calls.is_empty() {
            bail!(
                FEATURE_NOT_SUPPORTED,
                "set-returning functions are not allowed in {}",
                place.clause.name()
            );
        }
        if self.conditional_depth > 0 {
            return Err(Error::new(
                crate::error::state::FEATURE_NOT_SUPPORTED,
                format!("set-returning functions are not allowed in {}", self.conditional_name),
            )
            .with_hint("You might be able to move the set-returning function into a LATERAL FROM item."));
        }
        let defined = std::mem::take(&mut self.defined_columns);
        let call = super::from::set_call(function, args, result, &defined)?;
        let used = Use { alias: self.unique_alias(function.name), source: self.new_source(None) };
        let column = |place: usize, column: &crate::functions::ResultColumn| {
            let output = Output {
                name: column.name.clone(),
                ty: column.ty,
                typmod: column.typmod,
                origin: None,
                nullable: true,
            };
            used.column(&format!("column{}", place + 1), &column.name, &output).expr
        };
        let expr = match call.columns.as_slice() {
            [only] => column(0, only),
            several if place.clause == Clause::FromFunction => column(0, &several[0]),
            several => {
                let fields = several.iter().enumerate().map(|(place, each)| column(place, each)).collect();
                let names = several.iter().map(|column| column.name.clone()).collect();
                Expr::new(ExprKind::Row { names, fields }, &crate::types::record::RECORD)
            }
        };
        if let Some(calls) = self.set_calls.last_mut() {
            calls.push(PendingSet { used, call });
        }
        Ok(expr)
    }

    /// Adds ORDER BY and checks that everything fits together.
    fn finish_select(
        &mut self,
        mut select: Select,
        targets: Vec<(String, Expr)>,
        keys: &[ast::OrderByExpr],
        scope: &Scope<'_>,
    ) -> Result<Query> {
        let place = Place { scope, clause: Clause::OrderBy };
        let (names, exprs): (Vec<String>, Vec<Expr>) = targets.into_iter().unzip();
        let columns: Vec<Output> =
            names.into_iter().zip(&exprs).map(|(name, expr)| output_of(name, expr)).collect();
        let order_by = self.select_order(keys, &columns, &exprs, place)?;
        select.targets = exprs;
        if select.distinct {
            for column in &columns {
                check_comparable(column.ty, "an equality operator")?;
            }
        }
        check_distinct(&select, &order_by)?;
        let has_aggregate = |expr: &Expr| expr.contains(|part| matches!(part.kind, ExprKind::Aggregate(_)));
        let order_exprs = || {
            order_by.iter().filter_map(|key| match &key.what {
                OrderBy::Expr(expr) => Some(expr),
                OrderBy::Output(_) => None,
            })
        };
        select.is_grouped = !select.group_by.is_empty()
            || select.having.is_some()
            || select.targets.iter().chain(order_exprs()).any(has_aggregate);
        if select.is_grouped {
            let grouping = Grouping::new(self, scope, &select.group_by);
            for expr in
                select.targets.iter().chain(&select.having).chain(order_exprs()).chain(&select.distinct_on)
            {
                grouping.check(expr)?;
            }
        }
        let mut query = plain_query(Body::Select(Box::new(select)), columns);
        query.order_by = order_by;
        Ok(query)
    }

    /// ORDER BY of a SELECT: a result column's name or number, else an expression over FROM.
    fn select_order(
        &mut self,
        keys: &[ast::OrderByExpr],
        columns: &[Output],
        targets: &[Expr],
        place: Place<'_>,
    ) -> Result<Vec<OrderKey>> {
        let mut bound = Vec::new();
        for key in keys {
            let (descending, nulls_first) = sort_direction(key)?;
            let what = match self.named_target(&key.expr, columns, targets, "ORDER BY")? {
                Some(column) => OrderBy::Output(column),
                None => {
                    let expr = self.expr(&key.expr, place)?;
                    match targets.iter().position(|target| *target == expr) {
                        Some(column) => OrderBy::Output(column),
                        None => OrderBy::Expr(self.settle(expr)?),
                    }
                }
            };
            let ty = match &what {
                OrderBy::Output(column) => columns[*column].ty,
                OrderBy::Expr(expr) => expr.ty,
            };
            check_comparable(ty, "an ordering operator")?;
            bound.push(OrderKey { what, descending, nulls_first });
        }
        Ok(bound)
    }

    /// A target by its name or number. Two targets of one name are fine if they are the same.
    fn named_target(
        &mut self,
        expr: &ast::Expr,
        columns: &[Output],
        targets: &[Expr],
        clause: &str,
    ) -> Result<Option<usize>> {
        match expr {
            ast::Expr::Identifier(ident) => {
                let name = self.identifier(ident)?;
                let mut places = (0..columns.len()).filter(|place| columns[*place].name == name);
                let Some(first) = places.next() else { return Ok(None) };
                if places.any(|other| targets[other] != targets[first]) {
                    bail!(AMBIGUOUS_COLUMN, "{clause} \"{name}\" is ambiguous");
                }
                Ok(Some(first))
            }
            ast::Expr::Value(value) => position(&value.value, columns.len(), clause),
            _ => Ok(None),
        }
    }

    fn group_by(
        &mut self,
        clause: &ast::GroupByExpr,
        targets: &[(String, Expr)],
        place: Place<'_>,
    ) -> Result<Vec<Expr>> {
        let exprs = match clause {
            ast::GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
            _ => return Err(not_postgresql("this GROUP BY")),
        };
        let mut keys = Vec::new();
        for expr in exprs {
            let key = self.group_key(expr, targets, place)?;
            if key.contains(|part| matches!(part.kind, ExprKind::Aggregate(_))) {
                bail!(GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY");
            }
            if key.contains(|part| matches!(part.kind, ExprKind::Window(_))) {
                bail!(WINDOWING_ERROR, "window functions are not allowed in GROUP BY");
            }
            let key = self.settle(key)?;
            check_comparable(key.ty, "an equality operator")?;
            keys.push(key);
        }
        Ok(keys)
    }

    /// A key of GROUP BY: a column of FROM, a target's name or number, or an expression.
    fn group_key(&mut self, expr: &ast::Expr, targets: &[(String, Expr)], place: Place<'_>) -> Result<Expr> {
        match expr {
            ast::Expr::Identifier(ident) => {
                let name = self.identifier(ident)?;
                let own = place.scope.columns.iter().any(|column| column.name == name);
                let mut named = targets.iter().filter(|(other, _)| *other == name);
                match (own, named.next()) {
                    (false, Some((_, first))) => {
                        if named.any(|(_, other)| other != first) {
                            bail!(AMBIGUOUS_COLUMN, "GROUP BY \"{name}\" is ambiguous");
                        }
                        Ok(first.clone())
                    }
                    _ => self.expr(expr, place.within(Clause::GroupBy)),
                }
            }
            ast::Expr::Value(value) => match position(&value.value, targets.len(), "GROUP BY")? {
                Some(target) => Ok(targets[target].1.clone()),
                None => self.expr(expr, place.within(Clause::GroupBy)),
            },
            _ => self.expr(expr, place.within(Clause::GroupBy)),
        }
    }

    fn distinct_on(
        &mut self,
        exprs: &[ast::Expr],
        targets: &[(String, Expr)],
        place: Place<'_>,
    ) -> Result<Vec<Expr>> {
        let mut keys = Vec::new();
        for expr in exprs {
            let named = match expr {
                ast::Expr::Identifier(ident) => {
                    let name = self.identifier(ident)?;
                    targets.iter().find(|(other, _)| *other == name).map(|(_, target)| target.clone())
                }
                ast::Expr::Value(value) => position(&value.value, targets.len(), "SELECT DISTINCT ON")?
                    .map(|place| targets[place].1.clone()),
                _ => None,
            };
            let key = match named {
                Some(target) => target,
                None => self.expr(expr, place)?,
            };
            let key = self.settle(key)?;
            check_comparable(key.ty, "an equality operator")?;
            keys.push(key);
        }
        Ok(keys)
    }

    fn target(
        &mut self,
        item: &ast::SelectItem,
        place: Place<'_>,
        targets: &mut Vec<(String, Expr)>,
    ) -> Result<()> {
        match item {
            ast::SelectItem::UnnamedExpr(expr) => {
                let bound = self.expr(expr, place)?;
                targets.push((column_name(expr), bound));
            }
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                let bound = self.expr(expr, place)?;
                let name = crate::catalog::naming::fold(&alias.value, alias.quote_style.is_some()).0;
                targets.push((name, bound));
            }
            ast::SelectItem::Wildcard(options) => {
                check_wildcard(options)?;
                if place.scope.tables.is_empty() {
                    bail!(SYNTAX_ERROR, "SELECT * with no tables specified is not valid");
                }
                for table in &place.scope.tables {
                    table.check_star()?;
                }
                targets.extend(
                    place.scope.columns.iter().map(|column| (column.name.clone(), column.expr.clone())),
                );
            }
            ast::SelectItem::QualifiedWildcard(
                ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                check_wildcard(options)?;
                let parsed = self.object_name(name)?;
                let Some(table) = place.scope.table(parsed.schema.as_deref(), &parsed.name)? else {
                    return Err(self.at(super::scope::missing_table(&parsed.name), super::span_of(name)));
                };
                table.check_star()?;
                targets.extend(table.columns.iter().map(|column| (column.name.clone(), column.expr.clone())));
            }
            _ => return Err(not_postgresql("this item in the select list")),
        }
        Ok(())
    }

    /// The expressions of RETURNING.
    pub(super) fn returning(
        &mut self,
        items: &[ast::SelectItem],
        scope: &Scope<'_>,
    ) -> Result<(Vec<Expr>, Vec<Output>)> {
        let place = Place { scope, clause: Clause::Returning };
        let mut targets = Vec::new();
        for item in items {
            self.target(item, place, &mut targets)?;
        }
        let mut exprs = Vec::new();
        let mut outputs = Vec::new();
        for (name, expr) in targets {
            let expr = self.settle(expr)?;
            outputs.push(output_of(name, &expr));
            exprs.push(expr);
        }
        Ok((exprs, outputs))
    }
}

/// Replaces the largest parts of an expression that call no set by columns of a query that computes them.
fn split_expr(expr: &mut Expr, sources: &HashSet<usize>, used: &Use, inner: &mut Vec<Expr>) {
    if matches!(expr.kind, ExprKind::Constant(_) | ExprKind::Parameter(_)) {
        return;
    }
    if expr.mentions(sources) {
        expr.for_each_child_mut(&mut |child| split_expr(child, sources, used, inner));
        return;
    }
    let place = match inner.iter().position(|other| other == expr) {
        Some(place) => place,
        None => {
            inner.push(expr.clone());
            inner.len() - 1
        }
    };
    let name = format!("column{}", place + 1);
    *expr = used.column(&name, &name, &output_of(name.clone(), expr)).expr;
}

/// Where the columns of a call are after it was put beside others: the item's name, and how many columns stand before.
type Moved = HashMap<usize, (Arc<str>, usize)>;

/// The items of FROM for calls of set-returning functions: calls that do not depend on each other give
/// their rows side by side, as the columns of one item.
fn set_items(calls: Vec<PendingSet>) -> (Vec<From>, Moved) {
    let mut levels: Vec<Vec<PendingSet>> = Vec::new();
    for call in calls {
        let depends_on = |level: &Vec<PendingSet>| {
            let sources: HashSet<usize> = level.iter().map(|other| other.used.source).collect();
            call.call.args.iter().any(|arg| arg.mentions(&sources))
        };
        let level = levels.iter().rposition(depends_on).map_or(0, |place| place + 1);
        if levels.len() == level {
            levels.push(Vec::new());
        }
        levels[level].push(call);
    }
    let mut items = Vec::new();
    let mut moved = Moved::new();
    for mut level in levels {
        if level.len() == 1 {
            let PendingSet { used, call } = level.remove(0);
            items.push(From::Function { alias: used.alias, call });
            continue;
        }
        let alias = level[0].used.alias.clone();
        let mut before = 0;
        for pending in &level {
            moved.insert(pending.used.source, (alias.clone(), before));
            before += pending.call.columns.len();
        }
        items.push(From::Zip { alias, calls: level.into_iter().map(|pending| pending.call).collect() });
    }
    (items, moved)
}

fn rename_moved(expr: &mut Expr, moved: &Moved) {
    if let ExprKind::Column(column) = &mut expr.kind {
        if let Some((alias, before)) = moved.get(&column.source) {
            let place: usize = column.name.strip_prefix("column").and_then(|n| n.parse().ok()).unwrap_or(1);
            column.alias = alias.clone();
            column.name = Arc::from(format!("column{}", before + place));
        }
        return;
    }
    expr.for_each_child_mut(&mut |child| rename_moved(child, moved));
}

impl Query {
    /// Whether ORDER BY and LIMIT can still be added.
    fn is_open(&self) -> bool {
        self.limit.is_none() && self.offset.is_none()
    }
}

fn is_unknown(ty: &Type) -> bool {
    ty.oid == text::UNKNOWN.oid
}

fn null() -> Expr {
    Expr::constant(Datum::Null, &text::UNKNOWN)
}

pub(super) fn empty_select() -> Select {
    Select {
        distinct: false,
        distinct_on: Vec::new(),
        targets: Vec::new(),
        from: Vec::new(),
        filter: None,
        group_by: Vec::new(),
        having: None,
        is_grouped: false,
    }
}

pub(super) fn plain_query(body: Body, columns: Vec<Output>) -> Query {
    Query {
        ctes: Vec::new(),
        recursive: false,
        body,
        order_by: Vec::new(),
        limit: None,
        offset: None,
        columns,
    }
}

/// Puts WITH queries before those of the query itself.
fn with_ctes(mut query: Query, mut ctes: Vec<Cte>, recursive: bool) -> Query {
    ctes.append(&mut query.ctes);
    Query { ctes, recursive: recursive || query.recursive, ..query }
}

fn output_of(name: String, expr: &Expr) -> Output {
    let origin = match &expr.kind {
        ExprKind::Column(column) => column.origin,
        _ => None,
    };
    Output { name, ty: expr.ty, typmod: expr.typmod, origin, nullable: expr.is_nullable() }
}

/// Whether a target's type can change without changing what the query means.
fn can_change_targets(query: &Query) -> bool {
    let orders_by_output = query.order_by.iter().any(|key| matches!(key.what, OrderBy::Output(_)));
    match &query.body {
        Body::Select(select) => !select.distinct && select.distinct_on.is_empty() && !orders_by_output,
        Body::Values(_) => !orders_by_output,
        Body::Set { all, .. } => *all && !orders_by_output,
    }
}

fn order_keys(order_by: Option<&ast::OrderBy>) -> Result<&[ast::OrderByExpr]> {
    match order_by {
        None => Ok(&[]),
        Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(keys), interpolate: None }) => Ok(keys),
        Some(_) => Err(not_postgresql("this ORDER BY")),
    }
}

fn is_all(quantifier: ast::SetQuantifier) -> Result<bool> {
    match quantifier {
        ast::SetQuantifier::All => Ok(true),
        ast::SetQuantifier::Distinct | ast::SetQuantifier::None => Ok(false),
        _ => Err(not_postgresql("BY NAME")),
    }
}

fn check_same_width(keyword: &str, left: &Query, right: &Query) -> Result<()> {
    if left.columns.len() != right.columns.len() {
        bail!(SYNTAX_ERROR, "each {keyword} query must have the same number of columns");
    }
    Ok(())
}

/// A key that is a number counts result columns; any other constant is refused.
fn position(value: &ast::Value, count: usize, clause: &str) -> Result<Option<usize>> {
    match value {
        ast::Value::Number(digits, _) => match digits.parse::<usize>() {
            Ok(number) if (1..=count).contains(&number) => Ok(Some(number - 1)),
            Ok(number) => bail!(INVALID_COLUMN_REFERENCE, "{clause} position {number} is not in select list"),
            Err(_) => bail!(SYNTAX_ERROR, "non-integer constant in {clause}"),
        },
        ast::Value::Placeholder(_) => Ok(None),
        _ => bail!(SYNTAX_ERROR, "non-integer constant in {clause}"),
    }
}

/// Refuses what sqlparser reads in a SELECT and PostgreSQL does not have.
fn check_select(select: &ast::Select) -> Result<()> {
    if select.into.is_some() {
        return Err(Error::unsupported("SELECT INTO"));
    }
    let foreign = select.top.is_some()
        || select.exclude.is_some()
        || select.select_modifiers.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.flavor != ast::SelectFlavor::Standard;
    if foreign { Err(not_postgresql("this clause of SELECT")) } else { Ok(()) }
}

fn check_wildcard(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let has_options = options.opt_ilike.is_some()
        || options.opt_exclude.is_some()
        || options.opt_except.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if has_options { Err(not_postgresql("an option of *")) } else { Ok(()) }
}

/// DISTINCT and ORDER BY must agree.
fn check_distinct(select: &Select, order_by: &[OrderKey]) -> Result<()> {
    if select.distinct && order_by.iter().any(|key| matches!(key.what, OrderBy::Expr(_))) {
        bail!(
            INVALID_COLUMN_REFERENCE,
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
        );
    }
    if select.distinct_on.is_empty() {
        return Ok(());
    }
    let key_expr = |key: &OrderKey| match &key.what {
        OrderBy::Output(place) => select.targets[*place].clone(),
        OrderBy::Expr(expr) => expr.clone(),
    };
    let leading: Vec<Expr> = order_by.iter().take(select.distinct_on.len()).map(key_expr).collect();
    if leading.iter().any(|expr| !select.distinct_on.contains(expr)) {
        bail!(
            INVALID_COLUMN_REFERENCE,
            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"
        );
    }
    Ok(())
}

/// Whether a recursive query's second part names it in its FROM.
fn names_relation(body: &ast::SetExpr, name: &str) -> bool {
    let is_it = |object: &ast::ObjectName| match object.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => {
            crate::catalog::naming::fold(&ident.value, ident.quote_style.is_some()).0 == name
        }
        _ => false,
    };
    fn in_factor(factor: &ast::TableFactor, is_it: &dyn Fn(&ast::ObjectName) -> bool) -> bool {
        match factor {
            ast::TableFactor::Table { name, .. } => is_it(name),
            ast::TableFactor::Derived { subquery, .. } => in_body(&subquery.body, is_it),
            ast::TableFactor::NestedJoin { table_with_joins, .. } => in_item(table_with_joins, is_it),
            _ => false,
        }
    }
    fn in_item(item: &ast::TableWithJoins, is_it: &dyn Fn(&ast::ObjectName) -> bool) -> bool {
        in_factor(&item.relation, is_it) || item.joins.iter().any(|join| in_factor(&join.relation, is_it))
    }
    fn in_body(body: &ast::SetExpr, is_it: &dyn Fn(&ast::ObjectName) -> bool) -> bool {
        match body {
            ast::SetExpr::Select(select) => select.from.iter().any(|item| in_item(item, is_it)),
            ast::SetExpr::Query(query) => in_body(&query.body, is_it),
            ast::SetExpr::SetOperation { left, right, .. } => in_body(left, is_it) || in_body(right, is_it),
            _ => false,
        }
    }
    in_body(body, &is_it)
}

/// The name of a result column without an alias (FigureColname).
pub(in crate::sql) fn column_name(expr: &ast::Expr) -> String {
    named(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn fold(ident: &ast::Ident) -> String {
    crate::catalog::naming::fold(&ident.value, ident.quote_style.is_some()).0
}

fn named(expr: &ast::Expr) -> Option<String> {
    use ast::Expr as E;
    let word = |word: &str| Some(word.to_owned());
    match expr {
        E::Identifier(ident) => Some(fold(ident)),
        E::CompoundIdentifier(parts) => parts.last().map(fold),
        E::Nested(inner) | E::Collate { expr: inner, .. } => named(inner),
        E::Function(function) if is_array_query(function) => word("array"),
        E::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(E::Identifier(ident)) => Some(fold(ident)),
                _ => None,
            });
            field.or_else(|| named(root))
        }
        E::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(fold),
        E::Cast { expr, data_type, .. } => named_strongly(expr).or_else(|| type_column_name(data_type)),
        E::TypedString(typed) => type_column_name(&typed.data_type),
        E::Interval(_) => word("interval"),
        E::Case { else_result, .. } => {
            else_result.as_deref().and_then(named_strongly).or_else(|| word("case"))
        }
        E::Exists { .. } => word("exists"),
        E::Extract { .. } => word("extract"),
        E::Position { .. } => word("position"),
        E::Substring { shorthand: true, .. } => word("substr"),
        E::Substring { .. } => word("substring"),
        E::Overlay { .. } => word("overlay"),
        E::Ceil { .. } => word("ceil"),
        E::Floor { .. } => word("floor"),
        E::AtTimeZone { .. } => word("timezone"),
        E::Trim { trim_where, .. } => word(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        E::Array(_) => word("array"),
        E::Tuple(_) => word("row"),
        E::Value(ast::ValueWithSpan { value: ast::Value::Boolean(_), .. }) => word("bool"),
        E::Subquery(query) => match &*query.body {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                ast::SelectItem::UnnamedExpr(expr) => named(expr),
                ast::SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                _ => None,
            },
            ast::SetExpr::Values(_) => word("column1"),
            _ => None,
        },
        _ => None,
    }
}

/// Whether ARRAY(query), which sqlparser takes for a call.
pub(super) fn is_array_query(function: &ast::Function) -> bool {
    matches!(function.args, ast::FunctionArguments::Subquery(_))
        && matches!(function.name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| {
            ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("array")
        }))
}

/// A name that is more than a type's: what CASE takes from its ELSE.
fn named_strongly(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Cast { expr, .. } | ast::Expr::Nested(expr) | ast::Expr::Collate { expr, .. } => {
            named_strongly(expr)
        }
        ast::Expr::Case { else_result, .. } => else_result.as_deref().and_then(named_strongly),
        ast::Expr::TypedString(_) | ast::Expr::Interval(_) => None,
        ast::Expr::Value(_) => None,
        other => named(other),
    }
}

/// The name that a cast gives its column: the type's in pg_type, as far as its text tells.
fn type_column_name(data_type: &ast::DataType) -> Option<String> {
    let element = match data_type {
        ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(inner, _)) => inner,
        other => other,
    };
    if let ast::DataType::Custom(name, _) = element {
        return name.0.last().and_then(|part| part.as_ident()).map(fold);
    }
    super::type_name::built_in(element).map(|ty| ty.name.to_owned())
}
