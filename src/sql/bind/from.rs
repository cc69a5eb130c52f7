//! FROM: tables, subqueries, WITH queries, functions and joins, and the columns they bring into scope.

use std::sync::Arc;

use sqlparser::ast;

use super::expression::{Clause, Place};
use super::scope::{ScopeTable, Use, make_nullable};
use super::{Binder, Purpose, Scope, ScopeColumn, not_postgresql, resolve, span_of};
use crate::bail;
use crate::catalog::Relation;
use crate::error::{Error, Result, state};
use crate::functions::{self, Kind};
use crate::sql::tree::{Body, Expr, ExprKind, From, JoinKind, Output, Query, Select};
use crate::types::{NO_TYPMOD, Type, boolean};

/// An item of FROM and what it brings into scope.
type Bound<'p> = (From, Scope<'p>);

impl Binder<'_> {
    /// The comma-separated items of FROM.
    pub(super) fn from<'p>(
        &mut self,
        items: &[ast::TableWithJoins],
        parent: Option<&'p Scope<'p>>,
    ) -> Result<(Vec<From>, Scope<'p>)> {
        let mut scope = Scope::inside(parent);
        let mut from = Vec::new();
        for item in items {
            let (bound, names) = self.joined(item, &scope, parent)?;
            scope.merge(names)?;
            from.push(bound);
        }
        Ok((from, scope))
    }

    /// An item with its joins. `left` is what stands before it, for functions' arguments.
    fn joined<'p>(
        &mut self,
        item: &ast::TableWithJoins,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let mut bound = self.factor(&item.relation, left, parent)?;
        for join in &item.joins {
            if join.global {
                return Err(not_postgresql("GLOBAL JOIN"));
            }
            let mut before = Scope { parent, ..left.clone_names() };
            before.merge(bound.1.clone())?;
            let right = self.factor(&join.relation, &before, parent)?;
            bound = self.join(bound, right, &join.join_operator)?;
        }
        Ok(bound)
    }

    fn factor<'p>(
        &mut self,
        factor: &ast::TableFactor,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        use ast::TableFactor as T;
        match factor {
            T::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref(), parent)
            }
            T::Table { name, alias, args: Some(args), with_ordinality: false, .. }
                if args.settings.is_none() =>
            {
                self.table_function(name, &args.args, alias.as_ref(), left, parent)
            }
            T::Function { name, args, with_ordinality: false, alias, .. } => {
                self.table_function(name, args, alias.as_ref(), left, parent)
            }
            T::Derived { lateral: false, subquery, alias, sample: None } => {
                self.derived(subquery, alias.as_ref(), parent)
            }
            T::Derived { lateral: true, .. } => Err(Error::unsupported("LATERAL")),
            T::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, left, parent),
            T::NestedJoin { alias: Some(_), .. } => Err(Error::unsupported("an alias of a join")),
            T::Table { with_ordinality: true, .. } | T::Function { with_ordinality: true, .. } => {
                Err(Error::unsupported("WITH ORDINALITY"))
            }
            T::Table { sample: Some(_), .. } => Err(Error::unsupported("TABLESAMPLE")),
            T::UNNEST { .. } => Err(Error::unsupported("function unnest")),
            T::XmlTable { .. } => Err(Error::unsupported("XMLTABLE")),
            _ => Err(not_postgresql("this item in FROM")),
        }
    }

    fn table<'p>(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let parsed = self.object_name(name)?;
        if parsed.schema.is_none()
            && let Some(place) = self.ctes.iter().rposition(|cte| cte.name == parsed.name)
        {
            return self.cte(place, alias, parent);
        }
        let relation = self.relation(name)?;
        if !relation.kind.has_rows() {
            let message = format!("cannot open relation \"{}\"", relation.name);
            let detail = format!("This operation is not supported for {}es.", relation.kind.noun());
            let error = if relation.kind == crate::catalog::RelationKind::Index {
                Error::new(state::WRONG_OBJECT_TYPE, message).with_detail(detail)
            } else {
                Error::unsupported("reading a sequence as a table")
            };
            return Err(self.at(error, span_of(name)));
        }
        let (used, mut table) = self.use_relation(&relation, alias)?;
        table.schema = match alias {
            Some(_) => None,
            None => self.context.catalog.schema_name(relation.schema).map(str::to_owned),
        };
        let mut scope = Scope::inside(parent);
        scope.add(table)?;
        Ok((From::Table { alias: used.alias, relation }, scope))
    }

    /// One more use of a relation, and its columns by name.
    pub(in crate::sql) fn use_relation(
        &mut self,
        relation: &Arc<Relation>,
        alias: Option<&ast::TableAlias>,
    ) -> Result<(Use, ScopeTable)> {
        let name = self.alias_name(alias)?.unwrap_or_else(|| relation.name.clone());
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(Some(relation.clone())) };
        let mut columns = Vec::new();
        let mut lacking = Vec::new();
        for column in &relation.columns {
            match column.ty {
                Some(ty) => {
                    let output = Output {
                        name: column.name.clone(),
                        ty,
                        typmod: column.typmod,
                        origin: Some((relation.oid, column.number)),
                        nullable: !column.not_null,
                    };
                    columns.push(used.column(&column.storage_name, &column.name, &output));
                }
                None => lacking.push(column.name.clone()),
            }
        }
        self.rename(&name, &mut columns, alias)?;
        Ok((used, ScopeTable { name, schema: None, columns, lacking }))
    }

    fn alias_name(&self, alias: Option<&ast::TableAlias>) -> Result<Option<String>> {
        match alias {
            Some(alias) if alias.at.is_some() => Err(not_postgresql("AT")),
            Some(alias) => self.identifier(&alias.name).map(Some),
            None => Ok(None),
        }
    }

    /// Applies the column names of an alias.
    fn rename(
        &self,
        table: &str,
        columns: &mut [ScopeColumn],
        alias: Option<&ast::TableAlias>,
    ) -> Result<()> {
        let Some(alias) = alias else { return Ok(()) };
        if alias.columns.len() > columns.len() {
            bail!(
                INVALID_COLUMN_REFERENCE,
                "table \"{table}\" has {} columns available but {} columns specified",
                columns.len(),
                alias.columns.len()
            );
        }
        for (column, renamed) in columns.iter_mut().zip(&alias.columns) {
            if renamed.data_type.is_some() {
                return Err(Error::unsupported("a column definition list"));
            }
            column.name = self.identifier(&renamed.name)?;
            if let ExprKind::Column(reference) = &mut column.expr.kind {
                reference.label = Arc::from(column.name.as_str());
            }
        }
        Ok(())
    }

    /// The columns of a query in FROM: SQLite calls them column1, column2 …, as it does for VALUES.
    fn query_columns(used: &Use, outputs: &[Output]) -> Vec<ScopeColumn> {
        outputs
            .iter()
            .enumerate()
            .map(|(place, output)| used.column(&format!("column{}", place + 1), &output.name, output))
            .collect()
    }

    fn cte<'p>(
        &mut self,
        place: usize,
        alias: Option<&ast::TableAlias>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let (name, target, outputs) = {
            let cte = &self.ctes[place];
            (cte.name.clone(), cte.alias.clone(), cte.columns.clone())
        };
        let name = self.alias_name(alias)?.unwrap_or(name);
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(None) };
        let mut columns = Self::query_columns(&used, &outputs);
        self.rename(&name, &mut columns, alias)?;
        let mut scope = Scope::inside(parent);
        scope.add(ScopeTable { name, schema: None, columns, lacking: Vec::new() })?;
        Ok((From::Cte { alias: used.alias, cte: target }, scope))
    }

    fn derived<'p>(
        &mut self,
        subquery: &ast::Query,
        alias: Option<&ast::TableAlias>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let Some(name) = self.alias_name(alias)? else {
            let what = if matches!(*subquery.body, ast::SetExpr::Values(_)) { "VALUES" } else { "subquery" };
            return Err(Error::new(state::SYNTAX_ERROR, format!("{what} in FROM must have an alias"))
                .with_hint("For example, FROM (SELECT ...) [AS] foo."));
        };
        let query = self.query(subquery, parent)?;
        self.query_item(name, query, alias, parent)
    }

    fn query_item<'p>(
        &mut self,
        name: String,
        query: Query,
        alias: Option<&ast::TableAlias>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(None) };
        let mut columns = Self::query_columns(&used, &query.columns);
        self.rename(&name, &mut columns, alias)?;
        let mut scope = Scope::inside(parent);
        scope.add(ScopeTable { name, schema: None, columns, lacking: Vec::new() })?;
        Ok((From::Query { alias: used.alias, query: Box::new(query) }, scope))
    }

    /// A function in FROM. Its arguments may name what stands to its left.
    fn table_function<'p>(
        &mut self,
        name: &ast::ObjectName,
        args: &[ast::FunctionArg],
        alias: Option<&ast::TableAlias>,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let parsed = self.object_name(name)?;
        let place = Place { scope: left, clause: Clause::FromFunction };
        let mut bound = Vec::new();
        for arg in args {
            match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                    bound.push(self.expr(expr, place)?)
                }
                _ => return Err(Error::unsupported("named arguments")),
            }
        }
        let types: Vec<&'static Type> = bound.iter().map(|arg| arg.ty).collect();
        let found = resolve::function(&parsed.name, &types);
        let function = found.map_err(|error| self.at(error, span_of(name)))?;
        let (bound, result) = self.coerce_arguments(function, bound)?;
        let column = self.alias_name(alias)?.unwrap_or_else(|| parsed.name.clone());
        match function.kind {
            Kind::Set => self.set_function(function, bound, column, result, alias, parent),
            Kind::Scalar => {
                self.note_volatility(function);
                let call = Expr::call(function, bound, result);
                self.query_item(column.clone(), one_row(call, column), alias, parent)
            }
            _ => bail!(GROUPING_ERROR, "aggregate functions are not allowed in functions in FROM"),
        }
    }

    fn set_function<'p>(
        &mut self,
        function: &'static functions::Function,
        args: Vec<Expr>,
        name: String,
        result: &'static Type,
        alias: Option<&ast::TableAlias>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(None) };
        let output =
            Output { name: name.clone(), ty: result, typmod: NO_TYPMOD, origin: None, nullable: true };
        let mut columns = vec![used.column("value", &name, &output)];
        self.rename(&name, &mut columns, alias)?;
        let mut scope = Scope::inside(parent);
        scope.add(ScopeTable { name, schema: None, columns, lacking: Vec::new() })?;
        Ok((From::Function { alias: used.alias, function, args }, scope))
    }

    fn join<'p>(
        &mut self,
        left: Bound<'p>,
        right: Bound<'p>,
        operator: &ast::JoinOperator,
    ) -> Result<Bound<'p>> {
        use ast::JoinOperator as J;
        let (kind, constraint) = match operator {
            J::Join(constraint) | J::Inner(constraint) => (JoinKind::Inner, constraint),
            J::Left(constraint) | J::LeftOuter(constraint) => (JoinKind::Left, constraint),
            J::Right(constraint) | J::RightOuter(constraint) => (JoinKind::Right, constraint),
            J::FullOuter(constraint) => (JoinKind::Full, constraint),
            J::CrossJoin(ast::JoinConstraint::None) => (JoinKind::Inner, &ast::JoinConstraint::None),
            _ => return Err(not_postgresql("this join")),
        };
        let (left_from, mut left_scope) = left;
        let (right_from, mut right_scope) = right;
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            make_nullable(&mut left_scope);
        }
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            make_nullable(&mut right_scope);
        }
        let names = match constraint {
            ast::JoinConstraint::Using(columns) => columns
                .iter()
                .map(|column| self.object_name(column).map(|name| name.name))
                .collect::<Result<Vec<_>>>()?,
            ast::JoinConstraint::Natural => common_names(&left_scope, &right_scope),
            ast::JoinConstraint::On(condition) => {
                let mut scope = left_scope;
                scope.merge(right_scope)?;
                let place = Place { scope: &scope, clause: Clause::JoinOn };
                let condition = self.expr(condition, place)?;
                let condition = Some(self.coerce_boolean(condition, "JOIN/ON")?);
                return Ok((join_item(kind, left_from, right_from, condition), scope));
            }
            ast::JoinConstraint::None => {
                let is_cross = matches!(operator, J::CrossJoin(_));
                if !is_cross {
                    bail!(SYNTAX_ERROR, "syntax error: a join needs ON or USING");
                }
                Vec::new()
            }
        };
        let (condition, scope) = self.using(kind, left_scope, right_scope, &names)?;
        Ok((join_item(kind, left_from, right_from, condition), scope))
    }

    /// USING and NATURAL: the named columns of both sides are one.
    fn using<'p>(
        &mut self,
        kind: JoinKind,
        mut left: Scope<'p>,
        mut right: Scope<'p>,
        names: &[String],
    ) -> Result<(Option<Expr>, Scope<'p>)> {
        let mut merged = Vec::new();
        let mut conditions = Vec::new();
        for name in names {
            let a = take_column(&mut left, name, "left")?;
            let b = take_column(&mut right, name, "right")?;
            let (mut sides, ty, typmod) = self.unify(vec![a, b], "JOIN/USING")?;
            let (b, a) = (sides.remove(1), sides.remove(0));
            conditions.push(self.infix("=", a.clone(), b.clone())?);
            let expr = match kind {
                JoinKind::Inner | JoinKind::Left => a,
                JoinKind::Right => b,
                JoinKind::Full => Expr::new(ExprKind::Coalesce(vec![a, b]), ty).with_typmod(typmod),
            };
            merged.push(ScopeColumn { name: name.clone(), expr });
        }
        left.merge(right)?;
        merged.append(&mut left.columns);
        left.columns = merged;
        let condition = match conditions.len() {
            0 => None,
            1 => conditions.pop(),
            _ => Some(Expr::new(ExprKind::And(conditions), &boolean::BOOL)),
        };
        Ok((condition, left))
    }
}

impl Scope<'_> {
    /// The names without the queries around.
    fn clone_names<'p>(&self) -> Scope<'p> {
        Scope { tables: self.tables.clone(), columns: self.columns.clone(), parent: None }
    }
}

fn join_item(kind: JoinKind, left: From, right: From, condition: Option<Expr>) -> From {
    From::Join { kind, left: Box::new(left), right: Box::new(right), condition }
}

fn common_names(left: &Scope<'_>, right: &Scope<'_>) -> Vec<String> {
    let in_right = |name: &String| right.columns.iter().any(|column| column.name == *name);
    left.columns.iter().map(|column| column.name.clone()).filter(in_right).collect()
}

/// Takes a column that USING names out of the columns that `*` and bare names mean.
fn take_column(scope: &mut Scope<'_>, name: &str, side: &str) -> Result<Expr> {
    let mut places = (0..scope.columns.len()).filter(|place| scope.columns[*place].name == name);
    match (places.next(), places.next()) {
        (Some(_), Some(_)) => {
            bail!(AMBIGUOUS_COLUMN, "common column name \"{name}\" appears more than once in {side} table")
        }
        (Some(place), None) => Ok(scope.columns.remove(place).expr),
        (None, _) => bail!(
            UNDEFINED_COLUMN,
            "column \"{name}\" specified in USING clause does not exist in {side} table"
        ),
    }
}

/// SELECT expr
fn one_row(expr: Expr, name: String) -> Query {
    let output = Output { name, ty: expr.ty, typmod: expr.typmod, origin: None, nullable: true };
    Query {
        ctes: Vec::new(),
        recursive: false,
        body: Body::Select(Box::new(Select {
            distinct: false,
            distinct_on: Vec::new(),
            targets: vec![expr],
            from: Vec::new(),
            filter: None,
            group_by: Vec::new(),
            having: None,
            is_grouped: false,
        })),
        order_by: Vec::new(),
        limit: None,
        offset: None,
        columns: vec![output],
    }
}

/// Converts a value to a column's type as an assignment does.
pub(super) fn assignment_error(column: &str, target: &Type, source: &Type) -> Error {
    let message = format!(
        "column \"{column}\" is of type {} but expression is of type {}",
        target.sql_name, source.sql_name
    );
    Error::new(state::DATATYPE_MISMATCH, message)
        .with_hint("You will need to rewrite or cast the expression.")
}

impl Binder<'_> {
    /// Converts a value to a column's type, or fails in the words of an assignment.
    pub(in crate::sql) fn assign(&mut self, column: &crate::catalog::Column, expr: Expr) -> Result<Expr> {
        let target = column.ty.ok_or_else(|| Error::internal("a table's column has no type"))?;
        let source = expr.ty;
        match self.try_coerce(expr, target, column.typmod, Purpose::Assignment)? {
            Some(converted) => Ok(converted),
            None => Err(assignment_error(&column.name, target, source)),
        }
    }
}
