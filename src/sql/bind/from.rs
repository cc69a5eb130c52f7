//! FROM: tables, subqueries, WITH queries, functions and joins, and the columns they bring into scope.

use std::sync::Arc;

use sqlparser::ast;

use super::expression::{Clause, Place};
use super::grouping::own_sources;
use super::scope::{ScopeTable, Use, make_nullable, missing_table};
use super::{Binder, Purpose, Scope, ScopeColumn, not_postgresql, resolve, resolve_type, span_of};
use crate::bail;
use crate::catalog::Relation;
use crate::error::{Error, Result, state};
use crate::functions::{self, ResultColumn};
use crate::sql::tree::{Body, Expr, ExprKind, From, JoinKind, Output, Query, Select, SetCall};
use crate::types::{Datum, NO_TYPMOD, Type, boolean, integer, record};

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
            T::Table { name, alias, args: Some(args), with_ordinality, .. } if args.settings.is_none() => {
                self.table_function(name, &args.args, alias.as_ref(), *with_ordinality, left, parent)
            }
            T::Function { name, args, with_ordinality, alias, .. } => {
                self.table_function(name, args, alias.as_ref(), *with_ordinality, left, parent)
            }
            T::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                self.unnest(array_exprs, alias.as_ref(), *with_ordinality, left, parent)
            }
            T::Derived { lateral, subquery, alias, sample: None } => {
                self.derived(subquery, alias.as_ref(), *lateral, left, parent)
            }
            T::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, left, parent),
            T::NestedJoin { table_with_joins, alias: Some(alias) } => {
                let (from, mut scope) = self.joined(table_with_joins, left, parent)?;
                let name = self.identifier(&alias.name)?;
                let mut columns = scope.columns.clone();
                self.rename(&name, &mut columns, Some(alias))?;
                scope.tables =
                    vec![ScopeTable { name, schema: None, columns: columns.clone(), lacking: Vec::new() }];
                scope.columns = columns;
                Ok((from, scope))
            }
            T::Table { sample: Some(_), .. } => Err(Error::unsupported("TABLESAMPLE")),
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
                bail!(
                    SYNTAX_ERROR,
                    "a column definition list is only allowed for functions returning \"record\""
                );
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
        is_lateral: bool,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let Some(name) = self.alias_name(alias)? else {
            let what = if matches!(*subquery.body, ast::SetExpr::Values(_)) { "VALUES" } else { "subquery" };
            return Err(Error::new(state::SYNTAX_ERROR, format!("{what} in FROM must have an alias"))
                .with_hint("For example, FROM (SELECT ...) [AS] foo."));
        };
        if !is_lateral {
            let query = self.query(subquery, parent);
            let query = query.map_err(|error| unreachable_entry(error, left))?;
            return self.query_item(name, query, alias, parent);
        }
        let query = self.query(subquery, Some(left))?;
        self.lateral_item(name, query, alias, left, parent)
    }

    /// A query in FROM that may name what stands to its left. Only if it does must it be run row by row.
    fn lateral_item<'p>(
        &mut self,
        name: String,
        query: Query,
        alias: Option<&ast::TableAlias>,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        if !query.mentions(&own_sources(left)) {
            return self.query_item(name, query, alias, parent);
        }
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(None) };
        let mut columns = Self::query_columns(&used, &query.columns);
        columns.iter_mut().for_each(forget_collation);
        self.rename(&name, &mut columns, alias)?;
        let mut scope = Scope::inside(parent);
        scope.add(ScopeTable { name, schema: None, columns, lacking: Vec::new() })?;
        Ok((From::Lateral { alias: used.alias, query: Box::new(query) }, scope))
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
        with_ordinality: bool,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let parsed = self.object_name(name)?;
        let call = ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                duplicate_treatment: None,
                args: args.to_vec(),
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        let place = Place { scope: left, clause: Clause::FromFunction };
        let item = self.call_in_from(&call, alias, place)?;
        let column =
            self.alias_name(alias)?.filter(|name| !name.is_empty()).unwrap_or_else(|| parsed.name.clone());
        match item {
            FromCall::Set(call) => {
                self.set_item(vec![call], column, &parsed.name, alias, with_ordinality, parent)
            }
            FromCall::Scalar(call) => {
                let names = match &call.kind {
                    ExprKind::Row { names, .. } => names.clone(),
                    _ => vec![column.clone()],
                };
                let query = match call.kind {
                    ExprKind::Row { fields, .. } => row_query(fields, names, with_ordinality),
                    _ => row_query(vec![call], names, with_ordinality),
                };
                self.lateral_item(column, query, alias, left, parent)
            }
        }
    }

    /// Several calls side by side: ROWS FROM, and unnest of several arrays.
    fn unnest<'p>(
        &mut self,
        arrays: &[ast::Expr],
        alias: Option<&ast::TableAlias>,
        with_ordinality: bool,
        left: &Scope<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let place = Place { scope: left, clause: Clause::FromFunction };
        let mut calls = Vec::new();
        for array in arrays {
            let arg = self.expr(array, place)?;
            calls.push(self.bound_set_call("unnest", vec![arg], &[])?);
        }
        let name = self.alias_name(alias)?.unwrap_or_else(|| "unnest".to_owned());
        self.set_item(calls, name, "unnest", alias, with_ordinality, parent)
    }

    /// The call behind a function in FROM.
    fn call_in_from(
        &mut self,
        call: &ast::Function,
        alias: Option<&ast::TableAlias>,
        place: Place<'_>,
    ) -> Result<FromCall> {
        let defined = self.defined_columns(alias)?;
        self.set_calls.push(Vec::new());
        self.defined_columns = defined;
        let bound = self.call(call, place);
        self.defined_columns = Vec::new();
        let mut calls = self.set_calls.pop().unwrap_or_default();
        let bound = bound?;
        let is_call_itself = matches!(&bound.kind, ExprKind::Column(column)
            if calls.last().is_some_and(|last| last.used.source == column.source) && calls.len() == 1);
        match (is_call_itself, calls.len()) {
            (true, _) => Ok(FromCall::Set(calls.remove(0).call)),
            (false, 0) => Ok(FromCall::Scalar(bound)),
            _ => bail!(FEATURE_NOT_SUPPORTED, "set-returning functions must appear at top level of FROM"),
        }
    }

    /// The columns of a column definition list: `AS t(a int, b text)`.
    fn defined_columns(&mut self, alias: Option<&ast::TableAlias>) -> Result<Vec<ResultColumn>> {
        let Some(alias) = alias else { return Ok(Vec::new()) };
        let mut columns = Vec::new();
        for column in &alias.columns {
            let Some(data_type) = &column.data_type else { return Ok(Vec::new()) };
            let (ty, typmod) = resolve_type(data_type, self.context)?;
            columns.push(ResultColumn { name: self.identifier(&column.name)?, ty, typmod });
        }
        Ok(columns)
    }

    /// A call of a set-returning function by name with bound arguments.
    pub(super) fn bound_set_call(
        &mut self,
        name: &str,
        args: Vec<Expr>,
        defined: &[ResultColumn],
    ) -> Result<SetCall> {
        let types: Vec<&'static Type> = args.iter().map(|arg| arg.ty).collect();
        let function = resolve::function(name, &types)?;
        self.note_volatility(function);
        let (args, result) = self.coerce_arguments(function, args)?;
        set_call(function, args, result, defined)
    }

    /// Set-returning functions as an item of FROM.
    fn set_item<'p>(
        &mut self,
        mut calls: Vec<SetCall>,
        name: String,
        function_name: &str,
        alias: Option<&ast::TableAlias>,
        with_ordinality: bool,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Bound<'p>> {
        let used = Use { alias: self.unique_alias(&name), source: self.new_source(None) };
        let mut columns = Vec::new();
        let is_single =
            calls.len() == 1 && calls[0].columns.len() == 1 && calls[0].function.columns.is_empty();
        for column in calls.iter().flat_map(|call| &call.columns) {
            let shown =
                if is_single && !calls[0].is_defined_by_call { name.clone() } else { column.name.clone() };
            let shown =
                if calls.len() > 1 && column.name.is_empty() { function_name.to_owned() } else { shown };
            let place = columns.len() + 1;
            columns.push(used.column(
                &format!("column{place}"),
                &shown,
                &set_output(&shown, column.ty, column.typmod),
            ));
        }
        if with_ordinality {
            let output = set_output("ordinality", &integer::INT8, NO_TYPMOD);
            columns.push(used.column("rowid", "ordinality", &output));
        }
        let defined_by_call = calls.iter().any(|call| call.is_defined_by_call);
        if !defined_by_call {
            self.rename(&name, &mut columns, alias)?;
        }
        let mut scope = Scope::inside(parent);
        scope.add(ScopeTable { name, schema: None, columns, lacking: Vec::new() })?;
        let from = match calls.len() {
            1 => From::Function { alias: used.alias, call: calls.remove(0) },
            _ => From::Zip { alias: used.alias, calls },
        };
        Ok((from, scope))
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
        if matches!(kind, JoinKind::Right | JoinKind::Full)
            && let From::Lateral { query, .. } = &right_from
            && let Some(table) = left_scope.tables.iter().find(|table| query.mentions(&table.sources()))
        {
            let message = format!("invalid reference to FROM-clause entry for table \"{}\"", table.name);
            let error = Error::new(state::INVALID_COLUMN_REFERENCE, message);
            let detail = "The combining JOIN type must be INNER or LEFT for a LATERAL reference.";
            return Err(error.with_detail(detail));
        }
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

/// What a function in FROM is.
enum FromCall {
    Set(SetCall),
    Scalar(Expr),
}

fn forget_collation(column: &mut ScopeColumn) {
    if let ExprKind::Column(reference) = &mut column.expr.kind {
        reference.carries_collation = false;
    }
}

fn set_output(name: &str, ty: &'static Type, typmod: i32) -> Output {
    Output { name: name.to_owned(), ty, typmod, origin: None, nullable: true }
}

/// A call of a set-returning function, with the columns of its rows. 42601 where a list must define them and
/// none does.
pub(super) fn set_call(
    function: &'static functions::Function,
    args: Vec<Expr>,
    result: &'static Type,
    defined: &[ResultColumn],
) -> Result<SetCall> {
    let column =
        |name: &str, ty: &'static Type| ResultColumn { name: name.to_owned(), ty, typmod: NO_TYPMOD };
    let returns_record = result.oid == record::RECORD.oid && function.columns.is_empty();
    if !defined.is_empty() && !returns_record {
        return Err(Error::new(
            state::SYNTAX_ERROR,
            if function.columns.is_empty() {
                "a column definition list is only allowed for functions returning \"record\""
            } else {
                "a column definition list is redundant for a function with OUT parameters"
            },
        ));
    }
    let columns = if returns_record {
        if defined.is_empty() {
            bail!(SYNTAX_ERROR, "a column definition list is required for functions returning \"record\"");
        }
        defined.to_vec()
    } else if function.columns.is_empty() {
        vec![column(function.name, result)]
    } else {
        function.columns.iter().map(|(name, ty)| column(name, ty)).collect()
    };
    Ok(SetCall { function, args, result, columns, is_defined_by_call: returns_record })
}

/// SELECT exprs
fn row_query(mut exprs: Vec<Expr>, mut names: Vec<String>, with_ordinality: bool) -> Query {
    if with_ordinality {
        exprs.push(Expr::constant(Datum::Integer(1), &integer::INT8));
        names.push("ordinality".to_owned());
    }
    let output = |(name, expr): (String, &Expr)| Output {
        name,
        ty: expr.ty,
        typmod: expr.typmod,
        origin: None,
        nullable: true,
    };
    let columns = names.into_iter().zip(&exprs).map(output).collect();
    let select = Select { targets: exprs, ..super::select::empty_select() };
    super::select::plain_query(Body::Select(Box::new(select)), columns)
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

/// An error inside a query in FROM, which may say that it names what only LATERAL could.
fn unreachable_entry(error: Error, left: &Scope<'_>) -> Error {
    let is_meant =
        |table: &&ScopeTable| missing_table(&table.name).fields().message == error.fields().message;
    let Some(table) = left.tables.iter().find(is_meant) else { return error };
    let name = &table.name;
    let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
    let hint = format!(
        "There is an entry for table \"{name}\", but it cannot be referenced from this part of the query."
    );
    Error::new(state::UNDEFINED_TABLE, message).with_hint(hint).at(error.fields().position)
}
