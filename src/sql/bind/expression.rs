//! Expressions.

use sqlparser::ast::{self, BinaryOperator, Spanned, UnaryOperator};

use super::scope::{ScopeTable, Use, missing_table};
use super::{Binder, EXPRESSION_DEPTH_MAX, Purpose, Scope, not_postgresql, resolve, resolve_type};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::functions;
use crate::sql::tree::{Aggregate, Body, Expr, ExprKind, From, FunctionRef, Output, Query, Select, SetCall};
use crate::sql::{lexical, rewrite};
use crate::types::array::Array;
use crate::types::{Category, Datum, NO_TYPMOD, Type, boolean, interval, text};

/// Where an expression stands, which decides what it may contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sql) enum Clause {
    Select,
    Where,
    JoinOn,
    Having,
    GroupBy,
    OrderBy,
    Window,
    Filter,
    AggregateArgument,
    Values,
    Limit,
    FromFunction,
    Returning,
    UpdateSet,
    Default,
    Check,
    DomainCheck,
    Index,
    Execute,
}

impl Clause {
    /// The words in messages.
    pub(in crate::sql) fn name(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::Where => "WHERE",
            Clause::JoinOn => "JOIN conditions",
            Clause::Having => "HAVING",
            Clause::GroupBy => "GROUP BY",
            Clause::OrderBy => "ORDER BY",
            Clause::Window => "window definitions",
            Clause::Filter => "FILTER",
            Clause::AggregateArgument => "aggregate arguments",
            Clause::Values => "VALUES",
            Clause::Limit => "LIMIT",
            Clause::FromFunction => "functions in FROM",
            Clause::Returning => "RETURNING",
            Clause::UpdateSet => "UPDATE",
            Clause::Default => "DEFAULT expressions",
            Clause::Check | Clause::DomainCheck => "check constraints",
            Clause::Index => "index expressions",
            Clause::Execute => "EXECUTE parameters",
        }
    }

    fn allows_aggregates(self) -> bool {
        matches!(self, Clause::Select | Clause::Having | Clause::OrderBy | Clause::Window)
    }

    fn allows_windows(self) -> bool {
        matches!(self, Clause::Select | Clause::OrderBy)
    }

    /// 42803 where aggregates are out of place.
    pub(super) fn check_aggregate(self) -> Result<()> {
        if self.allows_aggregates() {
            return Ok(());
        }
        match self {
            Clause::AggregateArgument => bail!(GROUPING_ERROR, "aggregate function calls cannot be nested"),
            _ => bail!(GROUPING_ERROR, "aggregate functions are not allowed in {}", self.name()),
        }
    }

    /// 42P20 where window functions are out of place.
    pub(super) fn check_window(self) -> Result<()> {
        if self.allows_windows() {
            return Ok(());
        }
        match self {
            Clause::AggregateArgument => {
                bail!(GROUPING_ERROR, "aggregate function calls cannot contain window function calls")
            }
            _ => bail!(WINDOWING_ERROR, "window functions are not allowed in {}", self.name()),
        }
    }

    fn check_subquery(self) -> Result<()> {
        match self {
            Clause::Default | Clause::Check | Clause::DomainCheck | Clause::Index | Clause::Execute => {
                bail!(FEATURE_NOT_SUPPORTED, "cannot use subquery in {}", self.name().trim_end_matches('s'))
            }
            _ => Ok(()),
        }
    }
}

/// What an expression's names can mean, and where it stands.
#[derive(Clone, Copy)]
pub(in crate::sql) struct Place<'s> {
    pub(in crate::sql) scope: &'s Scope<'s>,
    pub(in crate::sql) clause: Clause,
}

impl<'s> Place<'s> {
    pub(super) fn within(self, clause: Clause) -> Place<'s> {
        Place { clause, ..self }
    }
}

impl Binder<'_> {
    /// Binds an expression. What has no type yet stays without one.
    pub(in crate::sql) fn expr(&mut self, expr: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        self.expression_depth += 1;
        if self.expression_depth > EXPRESSION_DEPTH_MAX {
            return Err(lexical::too_deep());
        }
        let bound = self.expr_inner(expr, place);
        self.expression_depth -= 1;
        bound
    }

    fn expr_inner(&mut self, expr: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => self.column(ident, place),
            E::CompoundIdentifier(parts) => self.qualified_column(parts, place),
            E::Value(value) => self.value(value),
            E::Nested(inner) => self.expr(inner, place),
            E::BinaryOp { .. } => self.binary_chain(expr, place),
            E::UnaryOp { op, expr } => self.unary(*op, expr, place),
            E::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type, place),
            E::TypedString(typed) => self.typed_string(typed),
            E::Function(function) => self.call(function, place),
            E::IsNull(arg) => self.is_null(arg, false, place),
            E::IsNotNull(arg) => self.is_null(arg, true, place),
            E::IsTrue(arg) => self.is_truth(arg, Some(true), false, place),
            E::IsNotTrue(arg) => self.is_truth(arg, Some(true), true, place),
            E::IsFalse(arg) => self.is_truth(arg, Some(false), false, place),
            E::IsNotFalse(arg) => self.is_truth(arg, Some(false), true, place),
            E::IsUnknown(arg) => self.is_truth(arg, None, false, place),
            E::IsNotUnknown(arg) => self.is_truth(arg, None, true, place),
            E::IsDistinctFrom(left, right) => self.distinct(left, right, false, place),
            E::IsNotDistinctFrom(left, right) => self.distinct(left, right, true, place),
            E::InList { expr, list, negated } => self.in_list(expr, list, *negated, place),
            E::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated, place),
            E::Between { expr, negated, low, high } => self.between(expr, *negated, low, high, place),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                let operator = if *negated { "!~~" } else { "~~" };
                self.like(operator, expr, pattern, escape_char.as_deref(), place)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                let operator = if *negated { "!~~*" } else { "~~*" };
                self.like(operator, expr, pattern, escape_char.as_deref(), place)
            }
            E::Like { negated, any: true, expr, pattern, escape_char: None } => {
                let operator = if *negated { "!~~" } else { "~~" };
                self.quantified(expr, operator, pattern, false, place)
            }
            E::ILike { negated, any: true, expr, pattern, escape_char: None } => {
                let operator = if *negated { "!~~*" } else { "~~*" };
                self.quantified(expr, operator, pattern, false, place)
            }
            E::AnyOp { left, compare_op, right, .. } => {
                self.quantified(left, &operator_name(compare_op)?, right, false, place)
            }
            E::AllOp { left, compare_op, right } => {
                self.quantified(left, &operator_name(compare_op)?, right, true, place)
            }
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place)
            }
            E::Exists { subquery, negated } => self.exists(subquery, *negated, place),
            E::Subquery(query) => self.scalar_subquery(query, place),
            E::Collate { expr, collation } => self.collate(expr, collation, place),
            E::Interval(literal) => self.interval(literal, place),
            other => self.special_syntax(other, place),
        }
    }

    /// Functions that SQL writes with words between their arguments.
    fn special_syntax(&mut self, expr: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        use ast::Expr as E;
        match expr {
            E::AtTimeZone { timestamp, time_zone } => {
                self.call_named("timezone", &[time_zone, timestamp], place)
            }
            E::Extract { field, expr, .. } => self.extract(field, expr, place),
            E::Position { expr, r#in } => self.call_named("position", &[r#in, expr], place),
            E::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expr, substring_from.as_deref(), substring_for.as_deref(), place)
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(ast::TrimWhereField::Both) => "btrim",
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                };
                let characters = trim_characters.iter().flatten();
                let args: Vec<&ast::Expr> =
                    [&**expr].into_iter().chain(trim_what.as_deref()).chain(characters).collect();
                self.call_named(name, &args, place)
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let args: Vec<&ast::Expr> =
                    [&**expr, overlay_what, overlay_from].into_iter().chain(overlay_for.as_deref()).collect();
                self.call_named("overlay", &args, place)
            }
            E::Ceil { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call_named("ceil", &[expr], place)
            }
            E::Floor { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.call_named("floor", &[expr], place)
            }
            E::Tuple(fields) => {
                let fields: Vec<&ast::Expr> = fields.iter().collect();
                self.row_of(&fields, place)
            }
            E::Array(array) => self.array(&array.elem, None, place),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, place),
            E::SimilarTo { negated, expr, pattern, escape_char } => {
                let value = self.expr(expr, place)?;
                let mut args = vec![self.expr(pattern, place)?];
                if let Some(escape) = escape_char {
                    args.push(self.expr(escape, place)?);
                }
                let pattern = self.call_bound("similar_to_escape", args)?;
                self.infix(if *negated { "!~" } else { "~" }, value, pattern)
            }
            E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => {
                Err(Error::unsupported("GROUPING SETS, CUBE and ROLLUP"))
            }
            E::IsNormalized { .. } => Err(Error::unsupported("IS NORMALIZED")),
            E::Wildcard(_) | E::QualifiedWildcard(..) => {
                bail!(SYNTAX_ERROR, "syntax error at or near \"*\"")
            }
            _ => Err(not_postgresql("this expression")),
        }
    }

    fn column(&mut self, ident: &ast::Ident, place: Place<'_>) -> Result<Expr> {
        let name = self.identifier(ident)?;
        if let (Clause::DomainCheck, "value", Some(ty)) = (place.clause, name.as_str(), self.domain_value) {
            return Ok(Expr::new(ExprKind::DomainValue, ty));
        }
        let found = place.scope.column(&name).map_err(|error| self.at(error, ident.span))?;
        if let Some(column) = found {
            return Ok(column);
        }
        if name == "current_schema" && ident.quote_style.is_none() {
            return self.call_bound("current_schema", Vec::new());
        }
        if let Some(table) = place.scope.table(None, &name)? {
            table.check_star()?;
            return Ok(whole_row(table));
        }
        let error = if matches!(name.as_str(), "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid") {
            Error::unsupported(format!("system column {name}"))
        } else {
            Error::new(state::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
        };
        Err(self.at(error, ident.span))
    }

    /// What a bare name means, if it is a column.
    fn column_of(&self, name: &str, place: Place<'_>) -> Result<Option<Expr>> {
        place.scope.column(name)
    }

    /// ARRAY[…]; `wanted` is the element type that a cast around it asks for.
    pub(super) fn array(
        &mut self,
        elements: &[ast::Expr],
        wanted: Option<&'static Type>,
        place: Place<'_>,
    ) -> Result<Expr> {
        let mut bound = Vec::new();
        for element in elements {
            bound.push(match (without_parentheses(element), wanted) {
                (ast::Expr::Array(inner), wanted) => self.array(&inner.elem, wanted, place)?,
                (element, _) => self.expr(element, place)?,
            });
        }
        if bound.is_empty() && wanted.is_none() {
            return Err(Error::new(state::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let is_nested = bound.iter().any(|element| element.ty.element().is_some());
        let (bound, ty) = match wanted {
            Some(element) => {
                let ty = if is_nested { element.array().unwrap_or(element) } else { element };
                let converted = bound
                    .into_iter()
                    .map(|value| self.coerce(value, ty, NO_TYPMOD, Purpose::Explicit))
                    .collect::<Result<Vec<_>>>()?;
                (converted, ty)
            }
            None => {
                let (unified, ty, _) = self.unify(bound, "ARRAY")?;
                (unified, ty)
            }
        };
        let array = match ty.element() {
            Some(_) => Some(ty.base()),
            None => ty.array(),
        };
        let Some(array) = array else {
            bail!(UNDEFINED_OBJECT, "could not find array type for data type {}", ty.sql_name)
        };
        let constants: Option<Vec<Datum>> = bound
            .iter()
            .map(|element| match &element.kind {
                ExprKind::Constant(value) if ty.element().is_none() => Some(value.clone()),
                _ => None,
            })
            .collect();
        if let Some(constants) = constants {
            let element = array.element().unwrap_or(ty);
            return Ok(Expr::constant(Array::vector(constants).to_datum(element), array));
        }
        Ok(self.array_of(bound, array))
    }

    /// An array of elements or of arrays; SQLite's functions take so many arguments and no more.
    fn array_of(&mut self, mut elements: Vec<Expr>, array: &'static Type) -> Expr {
        let is_nested = elements.first().is_some_and(|element| element.ty.element().is_some());
        if elements.len() <= ARRAY_ARGUMENTS_MAX || is_nested {
            return self.call_internal_as("array", elements, array);
        }
        let rest = elements.split_off(ARRAY_ARGUMENTS_MAX);
        let first = self.call_internal_as("array", elements, array);
        let rest = self.array_of(rest, array);
        let function = functions::named("array_cat")[0];
        Expr::call(function, vec![first, rest], array)
    }

    /// ARRAY(query)
    pub(super) fn array_query(&mut self, query: &ast::Query, place: Place<'_>) -> Result<Expr> {
        let query = self.subquery(query, place)?;
        let [column] = query.columns.as_slice() else {
            bail!(SYNTAX_ERROR, "subquery must return only one column")
        };
        let (ty, typmod) = (column.ty, column.typmod);
        let array = match ty.element() {
            Some(_) => Some(ty.base()),
            None => ty.array(),
        };
        let Some(array) = array else {
            bail!(UNDEFINED_OBJECT, "could not find array type for data type {}", ty.sql_name)
        };
        let used = Use { alias: self.unique_alias("q"), source: self.new_source(None) };
        let argument = used.column("column1", "column1", &query.columns[0]).expr;
        let function = resolve::function("array_agg", &[ty])?;
        let aggregate = Aggregate {
            function: FunctionRef(function),
            args: vec![argument],
            distinct: false,
            order_by: Vec::new(),
            filter: None,
        };
        let collected = Expr::new(ExprKind::Aggregate(Box::new(aggregate)), array);
        let select = Select {
            targets: vec![collected],
            from: vec![From::Query { alias: used.alias, query: Box::new(query) }],
            is_grouped: true,
            ..super::select::empty_select()
        };
        let output = Output { name: "array".into(), ty: array, typmod, origin: None, nullable: true };
        let query = super::select::plain_query(Body::Select(Box::new(select)), vec![output]);
        let scalar = Expr::new(ExprKind::Scalar(Box::new(query)), array);
        // No rows are the empty array.
        let empty = Expr::constant(Array::empty().to_datum(array.element().unwrap_or(ty)), array);
        Ok(Expr::new(ExprKind::Coalesce(vec![scalar, empty]), array).with_typmod(typmod))
    }

    /// `a[1]`, `a[1:2]`, `(row).field`, `jsonb['key']`
    fn access(&mut self, root: &ast::Expr, chain: &[ast::AccessExpr], place: Place<'_>) -> Result<Expr> {
        // A qualified column with subscripts comes as a chain of names.
        let mut names = vec![root];
        let mut rest = chain;
        while let [ast::AccessExpr::Dot(name @ ast::Expr::Identifier(_)), tail @ ..] = rest {
            names.push(name);
            rest = tail;
        }
        let idents: Option<Vec<ast::Ident>> = names
            .iter()
            .map(|name| match name {
                ast::Expr::Identifier(ident) => Some(ident.clone()),
                _ => None,
            })
            .collect();
        let (mut value, mut rest) = match idents {
            Some(idents) if idents.len() > 1 => (self.qualified_column(&idents, place)?, rest),
            _ => (self.expr(root, place)?, chain),
        };
        while let Some(first) = rest.first() {
            match first {
                ast::AccessExpr::Dot(ast::Expr::Identifier(name)) => {
                    let field = self.identifier(name)?;
                    value = row_field(value, &field)?;
                    rest = &rest[1..];
                }
                ast::AccessExpr::Dot(_) => return Err(Error::unsupported("this access to a field")),
                ast::AccessExpr::Subscript(_) => {
                    let count = rest
                        .iter()
                        .take_while(|access| matches!(access, ast::AccessExpr::Subscript(_)))
                        .count();
                    value = self.subscripted(value, &rest[..count], place)?;
                    rest = &rest[count..];
                }
            }
        }
        Ok(value)
    }

    fn subscripted(&mut self, value: Expr, subscripts: &[ast::AccessExpr], place: Place<'_>) -> Result<Expr> {
        let ty = value.ty.base();
        if ty.oid == crate::types::json::JSONB.oid {
            let mut result = value;
            for subscript in subscripts {
                let ast::AccessExpr::Subscript(ast::Subscript::Index { index }) = subscript else {
                    bail!(DATATYPE_MISMATCH, "jsonb subscript does not support slices")
                };
                let index = self.expr(index, place)?;
                let wanted: &'static Type = if index.ty.category == Category::Numeric {
                    &crate::types::integer::INT4
                } else {
                    &text::TEXT
                };
                let index = self.coerce(index, wanted, NO_TYPMOD, Purpose::Assignment)?;
                result = self.infix("->", result, index)?;
            }
            return Ok(result);
        }
        let Some(element) = ty.element() else {
            bail!(
                DATATYPE_MISMATCH,
                "cannot subscript type {} because it does not support subscripting",
                ty.sql_name
            )
        };
        let value = self.coerce(value, ty, NO_TYPMOD, Purpose::Implicit)?;
        let is_slice = subscripts
            .iter()
            .any(|access| matches!(access, ast::AccessExpr::Subscript(ast::Subscript::Slice { .. })));
        let typmod = value.typmod;
        let mut args = vec![value];
        args.extend(self.subscript_arguments(subscripts, is_slice, place)?);
        if args.len() > crate::types::array::DIMENSIONS_MAX * 2 + 1 {
            crate::types::array::check_dimensions(subscripts.len())?;
        }
        Ok(if is_slice {
            self.call_internal_as("array_part", args, ty).with_typmod(typmod)
        } else {
            self.call_internal_as("array_element", args, element).with_typmod(typmod)
        })
    }

    /// The subscripts as arguments: two for each where any is a slice, `-` for a bound that is not written.
    pub(super) fn subscript_arguments(
        &mut self,
        subscripts: &[ast::AccessExpr],
        is_slice: bool,
        place: Place<'_>,
    ) -> Result<Vec<Expr>> {
        let mut args = Vec::new();
        let open = || Expr::constant(Datum::text("-"), &text::TEXT);
        for subscript in subscripts {
            let ast::AccessExpr::Subscript(subscript) = subscript else { continue };
            match subscript {
                ast::Subscript::Index { index } => {
                    let index = self.subscript(index, place)?;
                    if is_slice {
                        args.push(super::constant::number("1")?);
                    }
                    args.push(index);
                }
                ast::Subscript::Slice { lower_bound, upper_bound, stride: None } => {
                    for bound in [lower_bound, upper_bound] {
                        args.push(match bound {
                            Some(bound) => self.subscript(bound, place)?,
                            None => open(),
                        });
                    }
                }
                ast::Subscript::Slice { .. } => return Err(not_postgresql("this slice")),
            }
        }
        Ok(args)
    }

    fn subscript(&mut self, index: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        let index = self.expr(index, place)?;
        match self.try_coerce(index, &crate::types::integer::INT4, NO_TYPMOD, Purpose::Assignment)? {
            Some(index) => Ok(index),
            None => bail!(DATATYPE_MISMATCH, "array subscript must have type integer"),
        }
    }

    /// A comparison with the elements of an array: `x = ANY(array)`.
    fn quantified_array(
        &mut self,
        left: &ast::Expr,
        name: &str,
        right: &ast::Expr,
        all: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let left = self.expr(left, place)?;
        let mut right = self.expr(right, place)?;
        if right.is_unknown() {
            let element = left.ty.base();
            let element = if left.is_unknown() { &text::TEXT } else { element };
            let Some(array) = element.array() else {
                bail!(UNDEFINED_OBJECT, "could not find array type for data type {}", element.sql_name)
            };
            right = self.coerce(right, array, NO_TYPMOD, Purpose::Implicit)?;
        }
        let Some(element) = right.ty.element() else {
            bail!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side")
        };
        let function = &resolve::operator(name, Some(left.ty), element)?.function;
        if function.result.oid != boolean::BOOL.oid {
            bail!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires operator to yield boolean");
        }
        let [left_type, right_type] = operand_types(function, [left.ty, element])?;
        let left = self.coerce(left, left_type, NO_TYPMOD, Purpose::Implicit)?;
        if let Some(array) = right_type.array().filter(|_| right_type != element) {
            right = self.coerce(right, array, NO_TYPMOD, Purpose::Implicit)?;
        }
        let query = self.elements_query(right, right_type);
        Ok(quantified_query(name, function, left, query, all))
    }

    /// `SELECT element FROM array_elements(array)`
    fn elements_query(&mut self, array: Expr, element: &'static Type) -> Query {
        let used = Use { alias: self.unique_alias("element"), source: self.new_source(None) };
        let output =
            Output { name: "element".into(), ty: element, typmod: NO_TYPMOD, origin: None, nullable: true };
        let target = used.column("column1", "element", &output).expr;
        let function = functions::internal("array_elements");
        let column = functions::ResultColumn { name: "element".into(), ty: element, typmod: NO_TYPMOD };
        let call = SetCall {
            function,
            args: vec![array],
            result: element,
            columns: vec![column],
            is_defined_by_call: false,
        };
        let select = Select {
            targets: vec![target],
            from: vec![From::Function { alias: used.alias, call }],
            ..super::select::empty_select()
        };
        super::select::plain_query(Body::Select(Box::new(select)), vec![output])
    }

    fn qualified_column(&mut self, parts: &[ast::Ident], place: Place<'_>) -> Result<Expr> {
        let names = parts.iter().map(|part| self.identifier(part)).collect::<Result<Vec<String>>>()?;
        let found = match names.as_slice() {
            [column, field]
                if place.scope.table(None, column)?.is_none()
                    && self
                        .column_of(column, place)?
                        .is_some_and(|expr| matches!(expr.kind, ExprKind::Row { .. })) =>
            {
                let row = self.column(&parts[0], place)?;
                row_field(row, field)
            }
            [table, column] => place.scope.qualified(None, table, column),
            [schema, table, column] => match place.scope.table(Some(schema), table)? {
                Some(_) => place.scope.qualified(Some(schema), table, column),
                None => Err(missing_table(table)),
            },
            _ => Err(Error::unsupported("a name with more than schema, table and column")),
        };
        found.map_err(|error| self.at(error, parts[0].span))
    }

    /// Binds a chain of infix operators from its left end, without recursion: `a AND b AND c …`.
    fn binary_chain(&mut self, expr: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        let mut spine = Vec::new();
        let mut node = expr;
        while let ast::Expr::BinaryOp { left, op, right } = node {
            spine.push((&**left, op, &**right));
            node = left;
        }
        let computing =
            spine.iter().filter(|(_, op, _)| !matches!(op, BinaryOperator::And | BinaryOperator::Or)).count();
        if computing > EXPRESSION_DEPTH_MAX {
            return Err(lexical::too_deep());
        }
        let mut sum: Option<Expr> = None;
        for (left_ast, op, right_ast) in spine.into_iter().rev() {
            sum = Some(self.binary_step(sum, left_ast, op, right_ast, place)?);
        }
        sum.ok_or_else(|| Error::internal("a chain of operators has no operator"))
    }

    fn binary_step(
        &mut self,
        left: Option<Expr>,
        left_ast: &ast::Expr,
        op: &BinaryOperator,
        right_ast: &ast::Expr,
        place: Place<'_>,
    ) -> Result<Expr> {
        if let Some(left) = row_fields(left_ast) {
            if let Some(right) = row_fields(right_ast) {
                return self.row_comparison(op, &left, &right, place);
            }
            if matches!(without_parentheses(right_ast), ast::Expr::Subquery(_)) {
                return Err(Error::unsupported("comparison of a row with a subquery")
                    .with_hint("Write the row as IN (subquery), or join with the subquery."));
            }
        }
        let left = match left {
            Some(bound) => bound,
            None => self.expr(left_ast, place)?,
        };
        let right = self.expr(right_ast, place)?;
        match op {
            BinaryOperator::And => self.logical(left, right, "AND"),
            BinaryOperator::Or => self.logical(left, right, "OR"),
            op => {
                let name = operator_name(op)?;
                let combined = self.infix(&name, left, right);
                combined.map_err(|error| error.at(self.operator_position(&name, left_ast)))
            }
        }
    }

    /// The place of an operator: the first after its left side that reads like it.
    fn operator_position(&self, name: &str, left: &ast::Expr) -> Option<u32> {
        let end = left.span().end;
        if end.line == 0 {
            return None;
        }
        let source = self.context.source;
        let start = lexical::byte_offset(source, end);
        let place = source[start..].find(name)?;
        Some(source[..start + place].chars().count() as u32 + 1)
    }

    fn logical(&mut self, left: Expr, right: Expr, name: &str) -> Result<Expr> {
        let left = self.coerce_boolean(left, name)?;
        let right = self.coerce_boolean(right, name)?;
        let is_and = name == "AND";
        let mut parts = match left.kind {
            ExprKind::And(parts) if is_and => parts,
            ExprKind::Or(parts) if !is_and => parts,
            kind => vec![Expr { kind, ..left }],
        };
        parts.push(right);
        let kind = if is_and { ExprKind::And(parts) } else { ExprKind::Or(parts) };
        Ok(Expr::new(kind, &boolean::BOOL))
    }

    /// Applies an infix operator to bound sides.
    pub(in crate::sql) fn infix(&mut self, name: &str, left: Expr, right: Expr) -> Result<Expr> {
        let function = &resolve::operator(name, Some(left.ty), right.ty)?.function;
        self.note_volatility(function);
        let (args, result) = self.coerce_operands(function, vec![left, right])?;
        Ok(Expr::call(function, args, result))
    }

    /// Converts operands to what an operator's function wants.
    fn coerce_operands(
        &mut self,
        function: &'static functions::Function,
        args: Vec<Expr>,
    ) -> Result<(Vec<Expr>, &'static Type)> {
        // Unknown literals beside a polymorphic operator are of the other side's type.
        let types: Vec<&'static Type> = args.iter().map(|arg| arg.ty).collect();
        if let ([a, b], [x, y]) = (types.as_slice(), function.args)
            && x == y
            && functions::is_polymorphic(x)
            && x.oid != crate::types::record::ANY.oid
        {
            let known = if args[0].is_unknown() { *b } else { *a };
            let mut converted = Vec::new();
            for arg in args {
                converted.push(if arg.is_unknown() {
                    self.coerce(arg, known.base(), NO_TYPMOD, Purpose::Implicit)?
                } else {
                    arg
                });
            }
            return self.coerce_arguments(function, converted);
        }
        self.coerce_arguments(function, args)
    }

    pub(super) fn note_volatility(&mut self, function: &functions::Function) {
        self.is_volatile |= function.volatility == functions::Volatility::Volatile;
        self.writes |= function.writes;
    }

    fn unary(&mut self, op: UnaryOperator, arg: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        let name = match op {
            UnaryOperator::Not => {
                let arg = self.expr(arg, place)?;
                let arg = self.coerce_boolean(arg, "NOT")?;
                return Ok(Expr::new(ExprKind::Not(Box::new(arg)), &boolean::BOOL));
            }
            UnaryOperator::Minus => {
                if let Some(literal) = negative_literal(arg) {
                    return literal;
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            _ => return Err(not_postgresql("this prefix operator")),
        };
        let arg = self.expr(arg, place)?;
        let function = &resolve::operator(name, None, arg.ty)?.function;
        let (args, result) = self.coerce_operands(function, vec![arg])?;
        Ok(Expr::call(function, args, result))
    }

    fn cast(
        &mut self,
        kind: &ast::CastKind,
        arg: &ast::Expr,
        data_type: &ast::DataType,
        place: Place<'_>,
    ) -> Result<Expr> {
        if !matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon) {
            return Err(not_postgresql("this cast"));
        }
        let (ty, typmod) = resolve_type(data_type, self.context)?;
        let position = self.position(arg.span().start);
        let arg = match (without_parentheses(arg), ty.element()) {
            // The elements of ARRAY[…] are converted one by one.
            (ast::Expr::Array(array), Some(element)) => self.array(&array.elem, Some(element), place)?,
            (arg, _) => self.expr(arg, place)?,
        };
        self.coerce(arg, ty, typmod, Purpose::Explicit).map_err(|error| error.at(position))
    }

    /// `DATE '2024-01-01'`
    fn typed_string(&mut self, typed: &ast::TypedString) -> Result<Expr> {
        let (ty, typmod) = resolve_type(&typed.data_type, self.context)?;
        let literal = self.value(&typed.value)?;
        let converted = self.coerce(literal, ty, typmod, Purpose::Explicit);
        converted.map_err(|error| self.at(error, typed.value.span))
    }

    fn is_null(&mut self, arg: &ast::Expr, negated: bool, place: Place<'_>) -> Result<Expr> {
        let arg = self.expr(arg, place)?;
        // A parameter gets its type elsewhere, or from nowhere: 42P18.
        let is_open = arg.is_unknown() && matches!(arg.kind, ExprKind::Parameter(_));
        let arg = if is_open { arg } else { self.settle(arg)? };
        if arg.ty.oid == crate::types::record::RECORD.oid {
            return Ok(self.row_is_null(arg, negated));
        }
        Ok(Expr::new(ExprKind::IsNull { arg: Box::new(arg), negated }, &boolean::BOOL))
    }

    /// A row is NULL if all its fields are, and not NULL if none is.
    fn row_is_null(&mut self, row: Expr, negated: bool) -> Expr {
        if let ExprKind::Row { fields, .. } = row.kind {
            let test = |field| Expr::new(ExprKind::IsNull { arg: Box::new(field), negated }, &boolean::BOOL);
            return Expr::new(ExprKind::And(fields.into_iter().map(test).collect()), &boolean::BOOL);
        }
        let name = if negated { "row_is_not_null" } else { "row_is_null" };
        self.call_internal_as(name, vec![row], &boolean::BOOL)
    }

    fn is_truth(
        &mut self,
        arg: &ast::Expr,
        truth: Option<bool>,
        negated: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let clause = match (truth, negated) {
            (Some(true), false) => "IS TRUE",
            (Some(true), true) => "IS NOT TRUE",
            (Some(false), false) => "IS FALSE",
            (Some(false), true) => "IS NOT FALSE",
            (None, false) => "IS UNKNOWN",
            (None, true) => "IS NOT UNKNOWN",
        };
        let arg = self.expr(arg, place)?;
        let arg = Box::new(self.coerce_boolean(arg, clause)?);
        Ok(Expr::new(ExprKind::IsTruth { arg, truth, negated }, &boolean::BOOL))
    }

    /// Converts both sides to the types of the operator `=` that fits them.
    fn equal_sides(&mut self, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        let found = resolve::operator("=", Some(left.ty), right.ty)?;
        let (mut args, _) = self.coerce_operands(&found.function, vec![left, right])?;
        match (args.pop(), args.pop()) {
            (Some(right), Some(left)) => Ok((left, right)),
            _ => Err(Error::internal("an operator has lost its operands")),
        }
    }

    fn distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let (left, right) = (self.expr(left, place)?, self.expr(right, place)?);
        let (left, right) = self.equal_sides(left, right)?;
        let kind = ExprKind::Distinct { left: Box::new(left), right: Box::new(right), negated };
        Ok(Expr::new(kind, &boolean::BOOL))
    }

    fn in_list(
        &mut self,
        left: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        if let Some(rows) = row_fields(left) {
            return self.row_in_list(&rows, list, negated, place);
        }
        let mut exprs = vec![self.expr(left, place)?];
        for item in list {
            exprs.push(self.expr(item, place)?);
        }
        let (mut unified, ty, _) = self.unify(exprs, "IN")?;
        resolve::operator("=", Some(ty), ty)?;
        let left = Box::new(unified.remove(0));
        Ok(Expr::new(ExprKind::InList { left, list: unified, negated }, &boolean::BOOL))
    }

    /// `(a, b) IN ((1, 2), (3, 4))`
    fn row_in_list(
        &mut self,
        left: &[&ast::Expr],
        list: &[ast::Expr],
        negated: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let mut matches = Vec::new();
        for item in list {
            let Some(right) = row_fields(item) else {
                return Err(Error::unsupported("a row compared with what is not a row"));
            };
            matches.push(self.row_comparison(&BinaryOperator::Eq, left, &right, place)?);
        }
        let any = Expr::new(ExprKind::Or(matches), &boolean::BOOL);
        Ok(if negated { Expr::new(ExprKind::Not(Box::new(any)), &boolean::BOOL) } else { any })
    }

    fn row_comparison(
        &mut self,
        op: &BinaryOperator,
        left: &[&ast::Expr],
        right: &[&ast::Expr],
        place: Place<'_>,
    ) -> Result<Expr> {
        if let BinaryOperator::Overlaps = op {
            let args: Vec<&ast::Expr> = left.iter().chain(right).copied().collect();
            if left.len() != 2 || right.len() != 2 {
                bail!(
                    SYNTAX_ERROR,
                    "wrong number of parameters on {} side of OVERLAPS expression",
                    if left.len() != 2 { "left" } else { "right" }
                );
            }
            return self.call_named("overlaps", &args, place);
        }
        let operator = match op {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            _ => return Err(Error::unsupported("this operator on rows")),
        };
        if left.len() != right.len() {
            bail!(SYNTAX_ERROR, "unequal number of entries in row expressions");
        }
        let mut sides = (Vec::new(), Vec::new());
        for (left, right) in left.iter().zip(right) {
            let (left, right) = (self.expr(left, place)?, self.expr(right, place)?);
            let found = resolve::operator(operator, Some(left.ty), right.ty)?;
            let (mut args, _) = self.coerce_operands(&found.function, vec![left, right])?;
            sides.1.extend(args.pop());
            sides.0.extend(args.pop());
        }
        let kind = ExprKind::RowCompare { operator, left: sides.0, right: sides.1 };
        Ok(Expr::new(kind, &boolean::BOOL))
    }

    /// A query inside an expression.
    fn subquery(&mut self, query: &ast::Query, place: Place<'_>) -> Result<Query> {
        place.clause.check_subquery()?;
        self.query(query, Some(place.scope))
    }

    fn in_subquery(
        &mut self,
        left: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let left_parts = match row_fields(left) {
            None => vec![self.expr(left, place)?],
            Some(fields) => {
                fields.into_iter().map(|part| self.expr(part, place)).collect::<Result<Vec<_>>>()?
            }
        };
        let mut query = self.subquery(query, place)?;
        check_column_count(left_parts.len(), query.columns.len())?;
        let mut left = Vec::new();
        for (column, part) in left_parts.into_iter().enumerate() {
            let found = resolve::operator("=", Some(part.ty), query.columns[column].ty)?;
            let [left_type, right_type] =
                operand_types(&found.function, [part.ty, query.columns[column].ty])?;
            left.push(self.coerce(part, left_type, NO_TYPMOD, Purpose::Implicit)?);
            self.coerce_output(&mut query, column, right_type, NO_TYPMOD)?;
        }
        let kind = ExprKind::InQuery { left, query: Box::new(query), negated };
        Ok(Expr::new(kind, &boolean::BOOL))
    }

    /// `left op ANY (subquery)`
    fn quantified(
        &mut self,
        left: &ast::Expr,
        name: &str,
        right: &ast::Expr,
        all: bool,
        place: Place<'_>,
    ) -> Result<Expr> {
        let ast::Expr::Subquery(query) = without_parentheses(right) else {
            return self.quantified_array(left, name, right, all, place);
        };
        let left = self.expr(left, place)?;
        let mut query = self.subquery(query, place)?;
        check_column_count(1, query.columns.len())?;
        let function = &resolve::operator(name, Some(left.ty), query.columns[0].ty)?.function;
        if function.result.oid != boolean::BOOL.oid {
            bail!(DATATYPE_MISMATCH, "op ANY/ALL (array) requires operator to yield boolean");
        }
        let [left_type, right_type] = operand_types(function, [left.ty, query.columns[0].ty])?;
        let left = self.coerce(left, left_type, NO_TYPMOD, Purpose::Implicit)?;
        self.coerce_output(&mut query, 0, right_type, NO_TYPMOD)?;
        Ok(quantified_query(name, function, left, query, all))
    }

    fn exists(&mut self, query: &ast::Query, negated: bool, place: Place<'_>) -> Result<Expr> {
        let query = self.subquery(query, place)?;
        let exists = Expr::new(ExprKind::Exists(Box::new(query)), &boolean::BOOL);
        Ok(if negated { Expr::new(ExprKind::Not(Box::new(exists)), &boolean::BOOL) } else { exists })
    }

    fn scalar_subquery(&mut self, query: &ast::Query, place: Place<'_>) -> Result<Expr> {
        let query = self.subquery(query, place)?;
        if query.columns.len() != 1 {
            bail!(SYNTAX_ERROR, "subquery must return only one column");
        }
        let (ty, typmod) = (query.columns[0].ty, query.columns[0].typmod);
        Ok(Expr::new(ExprKind::Scalar(Box::new(query)), ty).with_typmod(typmod))
    }

    fn between(
        &mut self,
        arg: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        place: Place<'_>,
    ) -> Result<Expr> {
        let arg = self.expr(arg, place)?;
        if let ast::Expr::Function(call) = low
            && let ast::FunctionArguments::List(list) = &call.args
            && call.name.to_string() == rewrite::SYMMETRIC
            && let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(low))] = list.args.as_slice()
        {
            // Both orders of the bounds count.
            let (low, high) = (self.expr(low, place)?, self.expr(high, place)?);
            let (one, other) = (
                self.between_bound(arg.clone(), negated, low.clone(), high.clone())?,
                self.between_bound(arg, negated, high, low)?,
            );
            let parts = vec![one, other];
            let kind = if negated { ExprKind::And(parts) } else { ExprKind::Or(parts) };
            return Ok(Expr::new(kind, &boolean::BOOL));
        }
        let (low, high) = (self.expr(low, place)?, self.expr(high, place)?);
        self.between_bound(arg, negated, low, high)
    }

    fn between_bound(&mut self, arg: Expr, negated: bool, low: Expr, high: Expr) -> Result<Expr> {
        let (above, below) = if negated { ("<", ">") } else { (">=", "<=") };
        let parts = vec![self.infix(above, arg.clone(), low)?, self.infix(below, arg, high)?];
        let kind = if negated { ExprKind::Or(parts) } else { ExprKind::And(parts) };
        Ok(Expr::new(kind, &boolean::BOOL))
    }

    fn like(
        &mut self,
        operator: &str,
        arg: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        place: Place<'_>,
    ) -> Result<Expr> {
        let arg = self.expr(arg, place)?;
        let mut pattern = self.expr(pattern, place)?;
        if let Some(escape) = escape {
            let escape = self.expr(escape, place)?;
            pattern = self.call_bound("like_escape", vec![pattern, escape])?;
        }
        self.infix(operator, arg, pattern)
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        place: Place<'_>,
    ) -> Result<Expr> {
        self.conditional_depth += 1;
        self.conditional_name = "CASE";
        let bound = self.case_inner(operand, conditions, otherwise, place);
        self.conditional_depth -= 1;
        bound
    }

    fn case_inner(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        place: Place<'_>,
    ) -> Result<Expr> {
        let operand = operand.map(|operand| self.expr(operand, place)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let condition = self.expr(&when.condition, place)?;
            tests.push(match &operand {
                Some(operand) => self.infix("=", operand.clone(), condition)?,
                None => self.coerce_boolean(condition, "CASE/WHEN")?,
            });
            results.push(self.expr(&when.result, place)?);
        }
        // PostgreSQL lets the ELSE result speak first when it looks for the common type.
        results.insert(
            0,
            match otherwise {
                Some(otherwise) => self.expr(otherwise, place)?,
                None => Expr::constant(Datum::Null, &text::UNKNOWN),
            },
        );
        let (mut results, ty, typmod) = self.unify(results, "CASE")?;
        let otherwise = Box::new(results.remove(0));
        let whens = tests.into_iter().zip(results).collect();
        Ok(Expr::new(ExprKind::Case { whens, otherwise }, ty).with_typmod(typmod))
    }

    /// Only the collations that are the one there is.
    fn collate(&mut self, arg: &ast::Expr, collation: &ast::ObjectName, place: Place<'_>) -> Result<Expr> {
        let name = self.object_name(collation)?;
        let arg = self.expr(arg, place)?;
        match name.name.as_str() {
            "default" | "C" | "POSIX" | "ucs_basic" | "C.UTF-8" | "C.utf8" => Ok(arg),
            other => Err(Error::unsupported(format!("collation \"{other}\""))),
        }
    }

    fn extract(&mut self, field: &ast::DateTimeField, arg: &ast::Expr, place: Place<'_>) -> Result<Expr> {
        let name = match field {
            ast::DateTimeField::Custom(ident) => ident.value.clone(),
            field => field.to_string(),
        };
        let field = Expr::constant(Datum::Text(name.to_lowercase()), &text::TEXT);
        let arg = self.expr(arg, place)?;
        self.call_bound("extract", vec![field, arg])
    }

    fn substring(
        &mut self,
        arg: &ast::Expr,
        from: Option<&ast::Expr>,
        count: Option<&ast::Expr>,
        place: Place<'_>,
    ) -> Result<Expr> {
        let mut args = vec![self.expr(arg, place)?];
        args.push(match from {
            Some(from) => self.expr(from, place)?,
            None => super::constant::number("1")?,
        });
        if let Some(count) = count {
            args.push(self.expr(count, place)?);
        }
        self.call_bound("substring", args)
    }

    /// `INTERVAL '1 day'`, `INTERVAL '5' MINUTE`, `INTERVAL(2) '1.234 seconds'`
    fn interval(&mut self, literal: &ast::Interval, place: Place<'_>) -> Result<Expr> {
        let value = self.expr(&literal.value, place)?;
        let ExprKind::Constant(Datum::Text(value)) = value.kind else {
            return Err(not_postgresql("INTERVAL with what is not a string"));
        };
        let fields = match (&literal.leading_field, &literal.last_field) {
            (None, _) => None,
            (Some(field), None) => Some(field.to_string()),
            (Some(first), Some(last)) => Some(format!("{first} to {last}")),
        };
        let precision = literal.fractional_seconds_precision.or(literal.leading_precision);
        let typmod = match (&fields, precision) {
            (None, None) => NO_TYPMOD,
            (fields, precision) => interval::typmod(fields.as_deref(), precision)?,
        };
        let parsed = interval::Interval::parse_in(&value, interval::range_of(typmod), self.context.format)?;
        let constant = Expr::constant(parsed.to_datum(), &interval::INTERVAL);
        self.coerce(constant, &interval::INTERVAL, typmod, Purpose::Explicit)
    }
}

/// Arguments of one call of SQLite's that an array is made by.
const ARRAY_ARGUMENTS_MAX: usize = 100;

/// All columns of something in FROM as one value.
fn whole_row(table: &ScopeTable) -> Expr {
    let names = table.columns.iter().map(|column| column.name.clone()).collect();
    let fields = table.columns.iter().map(|column| column.expr.clone()).collect();
    Expr::new(ExprKind::Row { names, fields }, &crate::types::record::RECORD)
}

/// A field of a row whose fields are known.
fn row_field(row: Expr, name: &str) -> Result<Expr> {
    let ExprKind::Row { names, fields } = row.kind else {
        if row.ty.oid == crate::types::record::RECORD.oid {
            bail!(UNDEFINED_COLUMN, "could not identify column \"{name}\" in record data type");
        }
        bail!(
            WRONG_OBJECT_TYPE,
            "column notation .{name} applied to type {}, which is not a composite type",
            row.ty.sql_name
        );
    };
    match names.iter().position(|other| other == name) {
        Some(place) => {
            Ok(fields.into_iter().nth(place).unwrap_or_else(|| Expr::constant(Datum::Null, &text::TEXT)))
        }
        None => bail!(UNDEFINED_COLUMN, "could not identify column \"{name}\" in record data type"),
    }
}

/// Looks through parentheses.
pub(in crate::sql) fn without_parentheses(expr: &ast::Expr) -> &ast::Expr {
    let mut expr = expr;
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// What an operator's operands are converted to: its arguments, or what they stand for where it takes any type.
fn operand_types(
    function: &'static functions::Function,
    types: [&'static Type; 2],
) -> Result<[&'static Type; 2]> {
    let Some(polymorphic) = resolve::polymorphic(function, &types) else {
        return Err(Error::internal("an operator does not take its own arguments"));
    };
    Ok([0, 1].map(|place| polymorphic.actual(function.args[place]).unwrap_or(types[place])))
}

/// `left op ANY (query)` or ALL; IN where that is the same.
fn quantified_query(
    name: &str,
    function: &'static functions::Function,
    left: Expr,
    query: Query,
    all: bool,
) -> Expr {
    let query = Box::new(query);
    let kind = match (name, all) {
        ("=", false) => ExprKind::InQuery { left: vec![left], query, negated: false },
        ("<>", true) => ExprKind::InQuery { left: vec![left], query, negated: true },
        _ => ExprKind::Quantified { left: Box::new(left), function, all, query },
    };
    Expr::new(kind, &boolean::BOOL)
}

/// The fields of `(a, b)` or `ROW(a, b)`.
fn row_fields(expr: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    use ast::{FunctionArg as A, FunctionArgExpr as X, FunctionArguments};
    match without_parentheses(expr) {
        ast::Expr::Tuple(fields) => Some(fields.iter().collect()),
        ast::Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &call.args else { return None };
            let field = |arg| match arg {
                &A::Unnamed(X::Expr(ref field)) => Some(field),
                _ => None,
            };
            list.args.iter().map(field).collect()
        }
        _ => None,
    }
}

/// `-5` as one constant, so that the least integer can be written.
fn negative_literal(arg: &ast::Expr) -> Option<Result<Expr>> {
    match arg {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(digits, _), .. }) => {
            let negative = super::constant::number(&format!("-{digits}"));
            Some(negative)
        }
        _ => None,
    }
}

fn check_column_count(wanted: usize, found: usize) -> Result<()> {
    match found.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => bail!(SYNTAX_ERROR, "subquery has too few columns"),
        std::cmp::Ordering::Greater => bail!(SYNTAX_ERROR, "subquery has too many columns"),
    }
}

/// PostgreSQL's characters for an operator.
fn operator_name(op: &BinaryOperator) -> Result<String> {
    use BinaryOperator as B;
    Ok(match op {
        B::NotEq => "<>".to_owned(),
        B::BitwiseXor
        | B::Xor
        | B::Spaceship
        | B::DuckIntegerDivide
        | B::MyIntegerDivide
        | B::Match
        | B::Regexp
        | B::Glob
        | B::Assignment
        | B::DoubleHash => return Err(not_postgresql("this operator")),
        B::PGBitwiseXor => "#".to_owned(),
        B::Overlaps => return Err(Error::unsupported("OVERLAPS")),
        B::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [name] => name.clone(),
            [schema, name] if schema == "pg_catalog" => name.clone(),
            _ => return Err(Error::unsupported("an operator of a schema")),
        },
        other => other.to_string(),
    })
}
