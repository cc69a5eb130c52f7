//! Function calls: scalar, aggregate and window functions, and the constructs that look like calls.

use sqlparser::ast;

use super::expression::{Clause, Place};
use super::{Binder, Purpose, not_postgresql, resolve, span_of};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::functions::{Function, Kind, is_polymorphic};
use crate::sql::rewrite;
use crate::sql::tree::{
    Aggregate, Exclusion, Expr, ExprKind, Frame, FrameBound, FrameUnits, FunctionRef, SortKey, Window,
    WindowCall,
};
use crate::types::{Category, Datum, NO_TYPMOD, Type, date, oid, record, time, timestamp, timetz};

/// PostgreSQL's FUNC_MAX_ARGS.
const ARGUMENTS_MAX: usize = 100;

impl Binder<'_> {
    pub(super) fn call(&mut self, call: &ast::Function, place: Place<'_>) -> Result<Expr> {
        if let (true, ast::FunctionArguments::Subquery(query)) =
            (super::select::is_array_query(call), &call.args)
        {
            return self.array_query(query, place);
        }
        let name = self.function_name(&call.name)?;
        if call.uses_odbc_syntax || !matches!(call.parameters, ast::FunctionArguments::None) {
            return Err(not_postgresql("this function call"));
        }
        if call.null_treatment.is_some() {
            return Err(Error::unsupported("IGNORE NULLS and RESPECT NULLS"));
        }
        let list = match &call.args {
            ast::FunctionArguments::None => return self.value_function(&name, call, &[], place),
            ast::FunctionArguments::Subquery(_) => {
                return Err(not_postgresql("a query as a function's arguments"));
            }
            ast::FunctionArguments::List(list) => list,
        };
        let bound = self.call_with_list(&name, call, list, place);
        bound.map_err(|error| self.at(error, span_of(&call.name)))
    }

    fn function_name(&self, name: &ast::ObjectName) -> Result<String> {
        let idents: Vec<&ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let fold =
            |ident: &ast::Ident| crate::catalog::naming::fold(&ident.value, ident.quote_style.is_some()).0;
        match idents.as_slice() {
            [bare] => Ok(fold(bare)),
            [schema, bare] if fold(schema) == "pg_catalog" => Ok(fold(bare)),
            // Functions of this server's own, which PostgreSQL does not have.
            [schema, bare] if fold(schema) == "quorate" => Ok(format!("quorate_{}", fold(bare))),
            [schema, bare] => {
                let schema = fold(schema);
                if self.context.catalog.schema(&schema).is_none() {
                    bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist");
                }
                // No schema but pg_catalog has functions.
                bail!(UNDEFINED_FUNCTION, "function {schema}.{}() does not exist", fold(bare))
            }
            _ => Err(Error::unsupported("a function's name with more than schema and name")),
        }
    }

    fn call_with_list(
        &mut self,
        name: &str,
        call: &ast::Function,
        list: &ast::FunctionArgumentList,
        place: Place<'_>,
    ) -> Result<Expr> {
        let mut order_by: &[ast::OrderByExpr] = &[];
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(keys) => order_by = keys,
                _ => return Err(not_postgresql("this clause in a function call")),
            }
        }
        if list.args.len() > ARGUMENTS_MAX {
            bail!(TOO_MANY_ARGUMENTS, "cannot pass more than {ARGUMENTS_MAX} arguments to a function");
        }
        let (args, is_star) = self.plain_arguments(name, list)?;
        let args: Vec<&ast::Expr> = args.iter().map(|arg| arg.as_ref()).collect();
        if let Some(special) = self.special_call(name, &args, call, place) {
            return special;
        }
        let is_aggregate =
            crate::functions::named(name).iter().any(|function| function.kind == Kind::Aggregate);
        let argument_clause =
            if is_aggregate && call.over.is_none() { Clause::AggregateArgument } else { place.clause };
        if is_aggregate && call.over.is_none() {
            place.clause.check_aggregate()?;
        }
        let mut args = args
            .iter()
            .map(|arg| self.expr(arg, place.within(argument_clause)))
            .collect::<Result<Vec<_>>>()?;
        let direct = args.len();
        let within_group = self.sort_keys(&call.within_group, place.within(argument_clause))?;
        args.extend(within_group.iter().map(|key| key.expr.clone()));
        let mut types: Vec<&'static Type> = args.iter().map(|arg| arg.ty).collect();
        if let Some(last) = args.last()
            && matches!(last.kind, ExprKind::Spread(_))
            && let (Some(element), Some(slot)) = (last.ty.element(), types.last_mut())
        {
            *slot = element;
        }
        let function = resolve::function(name, &types)?;
        match (function.direct, call.within_group.is_empty()) {
            (Some(_), true) => {
                bail!(WRONG_OBJECT_TYPE, "WITHIN GROUP is required for ordered-set aggregate {name}")
            }
            (None, false) if function.kind == Kind::Aggregate => {
                bail!(
                    WRONG_OBJECT_TYPE,
                    "{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"
                )
            }
            (None, false) => {
                bail!(WRONG_OBJECT_TYPE, "WITHIN GROUP specified, but {name} is not an aggregate function")
            }
            (Some(wanted), false) if wanted != direct => {
                return Err(resolve::missing_function(name, &types));
            }
            _ => {}
        }
        if is_star && function.kind != Kind::Aggregate {
            bail!(WRONG_OBJECT_TYPE, "{name}(*) specified, but {name} is not an aggregate function");
        }
        if !is_star && function.kind == Kind::Aggregate && args.is_empty() && function.args.is_empty() {
            bail!(WRONG_OBJECT_TYPE, "{name}(*) must be used to call a parameterless aggregate function");
        }
        let distinct = matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
        if !within_group.is_empty() && distinct {
            bail!(FEATURE_NOT_SUPPORTED, "cannot use DISTINCT with WITHIN GROUP");
        }
        if !within_group.is_empty() && call.over.is_some() {
            bail!(FEATURE_NOT_SUPPORTED, "OVER is not supported for ordered-set aggregate {name}");
        }
        let call = Call {
            function,
            distinct,
            order_by,
            within_group,
            filter: call.filter.as_deref(),
            over: call.over.as_ref(),
        };
        self.finish_call(call, args, place)
    }

    fn finish_call(&mut self, call: Call<'_>, args: Vec<Expr>, place: Place<'_>) -> Result<Expr> {
        let function = call.function;
        self.note_volatility(function);
        let (args, result) = self.coerce_arguments(function, args)?;
        match (function.kind, call.over) {
            (Kind::Set, Some(_)) => bail!(
                WRONG_OBJECT_TYPE,
                "OVER specified, but {} is not a window function nor an aggregate function",
                function.name
            ),
            (Kind::Set, None) => self.set_in_expression(function, args, result, place),
            (Kind::Aggregate | Kind::Window, Some(over)) => {
                self.window_call(&call, args, result, over, place)
            }
            (Kind::Window, None) => {
                bail!(WRONG_OBJECT_TYPE, "window function {} requires an OVER clause", function.name)
            }
            (Kind::Aggregate, None) => self.aggregate(&call, args, result, place),
            (Kind::Scalar, Some(_)) => bail!(
                WRONG_OBJECT_TYPE,
                "OVER specified, but {} is not a window function nor an aggregate function",
                function.name
            ),
            (Kind::Scalar, None) => {
                for (given, what) in [
                    (call.distinct, "DISTINCT"),
                    (!call.order_by.is_empty(), "ORDER BY"),
                    (call.filter.is_some(), "FILTER"),
                ] {
                    if given {
                        bail!(
                            WRONG_OBJECT_TYPE,
                            "{what} specified, but {} is not an aggregate function",
                            function.name
                        );
                    }
                }
                Ok(Expr::call(function, args, result))
            }
        }
    }

    /// Converts the arguments to what the signature asks for.
    pub(super) fn coerce_arguments(
        &mut self,
        function: &'static Function,
        args: Vec<Expr>,
    ) -> Result<(Vec<Expr>, &'static Type)> {
        let types: Vec<&'static Type> = args.iter().map(argument_type).collect();
        let Some(polymorphic) = resolve::polymorphic(function, &types) else {
            return Err(resolve::missing_function(function.name, &types));
        };
        let mut converted = Vec::with_capacity(args.len());
        for (place, arg) in args.into_iter().enumerate() {
            if matches!(arg.kind, ExprKind::Spread(_)) {
                converted.push(arg);
                continue;
            }
            let wanted = function.arg(place);
            if wanted.oid == record::ANY.oid {
                converted.push(self.settle(arg)?);
                continue;
            }
            let wanted = match polymorphic.actual(wanted) {
                Some(actual) => actual,
                None if arg.is_unknown() => bail!(
                    DATATYPE_MISMATCH,
                    "could not determine polymorphic type because input has type unknown"
                ),
                None => arg.ty,
            };
            converted.push(self.coerce(arg, wanted, NO_TYPMOD, Purpose::Implicit)?);
        }
        match polymorphic.actual(function.result) {
            Some(result) => Ok((converted, result)),
            None => bail!(
                DATATYPE_MISMATCH,
                "could not determine polymorphic type because input has type unknown"
            ),
        }
    }

    /// Calls a function by name with bound arguments.
    pub(super) fn call_bound(&mut self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let types: Vec<&'static Type> = args.iter().map(|arg| arg.ty).collect();
        let function = resolve::function(name, &types)?;
        self.note_volatility(function);
        let (args, result) = self.coerce_arguments(function, args)?;
        Ok(Expr::call(function, args, result))
    }

    pub(super) fn call_named(&mut self, name: &str, args: &[&ast::Expr], place: Place<'_>) -> Result<Expr> {
        let args = args.iter().map(|arg| self.expr(arg, place)).collect::<Result<Vec<_>>>()?;
        self.call_bound(name, args)
    }

    fn aggregate(
        &mut self,
        call: &Call<'_>,
        args: Vec<Expr>,
        result: &'static Type,
        place: Place<'_>,
    ) -> Result<Expr> {
        place.clause.check_aggregate()?;
        let function = call.function;
        if call.distinct {
            if args.is_empty() {
                bail!(SYNTAX_ERROR, "DISTINCT specified, but {}() has no arguments", function.name);
            }
            for arg in &args {
                check_comparable(arg.ty, "an equality operator")?;
            }
        }
        if function.name == "min" || function.name == "max" {
            check_comparable(args[0].ty, "an ordering operator")?;
        }
        let inner = place.within(Clause::AggregateArgument);
        let mut order_by = self.sort_keys(call.order_by, inner)?;
        if let Some(direct) = function.direct {
            // The keys of WITHIN GROUP are the aggregated arguments, as they were converted.
            order_by = call.within_group.clone();
            for (key, arg) in order_by.iter_mut().zip(&args[direct..]) {
                key.expr = arg.clone();
            }
        }
        if call.distinct && order_by.iter().any(|key| !args.contains(&key.expr)) {
            bail!(
                INVALID_COLUMN_REFERENCE,
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
            );
        }
        let filter = self.filter(call.filter, place)?;
        let aggregate =
            Aggregate { function: FunctionRef(function), args, distinct: call.distinct, order_by, filter };
        Ok(Expr::new(ExprKind::Aggregate(Box::new(aggregate)), result))
    }

    fn filter(&mut self, filter: Option<&ast::Expr>, place: Place<'_>) -> Result<Option<Expr>> {
        let Some(filter) = filter else { return Ok(None) };
        let filter = self.expr(filter, place.within(Clause::Filter))?;
        self.coerce_boolean(filter, "FILTER").map(Some)
    }

    fn window_call(
        &mut self,
        call: &Call<'_>,
        args: Vec<Expr>,
        result: &'static Type,
        over: &ast::WindowType,
        place: Place<'_>,
    ) -> Result<Expr> {
        place.clause.check_window()?;
        let function = call.function;
        if call.distinct {
            bail!(FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions");
        }
        if !call.order_by.is_empty() {
            bail!(FEATURE_NOT_SUPPORTED, "aggregate ORDER BY is not implemented for window functions");
        }
        if call.filter.is_some() && function.kind != Kind::Aggregate {
            bail!(FEATURE_NOT_SUPPORTED, "FILTER is not implemented for non-aggregate window functions");
        }
        let filter = self.filter(call.filter, place)?;
        let window = self.window(over, place)?;
        let call = WindowCall { function: FunctionRef(function), args, filter, window };
        Ok(Expr::new(ExprKind::Window(Box::new(call)), result))
    }

    fn window(&mut self, over: &ast::WindowType, place: Place<'_>) -> Result<Window> {
        match over {
            ast::WindowType::NamedWindow(name) => {
                let name = self.identifier(name)?;
                self.named_window(&name)
            }
            ast::WindowType::WindowSpec(spec) => self.window_spec(spec, place),
        }
    }

    fn named_window(&self, name: &str) -> Result<Window> {
        let found = self.windows.iter().rev().find(|(other, _)| other == name);
        match found {
            Some((_, window)) => Ok(window.clone()),
            None => bail!(UNDEFINED_OBJECT, "window \"{name}\" does not exist"),
        }
    }

    /// A window, possibly built on a named one.
    pub(super) fn window_spec(&mut self, spec: &ast::WindowSpec, place: Place<'_>) -> Result<Window> {
        let base = match &spec.window_name {
            Some(name) => {
                let name = self.identifier(name)?;
                let base = self.named_window(&name)?;
                if spec.partition_by.iter().any(|expr| exclusion_of(expr).is_none()) {
                    bail!(WINDOWING_ERROR, "cannot override PARTITION BY clause of window \"{name}\"");
                }
                if !spec.order_by.is_empty() && !base.order_by.is_empty() {
                    bail!(WINDOWING_ERROR, "cannot override ORDER BY clause of window \"{name}\"");
                }
                base
            }
            None => Window::default(),
        };
        let inner = place.within(Clause::Window);
        let exclusion = spec.partition_by.iter().find_map(exclusion_of).unwrap_or(Exclusion::NoOthers);
        let keys = spec.partition_by.iter().filter(|expr| exclusion_of(expr).is_none());
        let partition_by = keys.map(|expr| {
            let expr = self.expr(expr, inner)?;
            let expr = self.settle(expr)?;
            check_comparable(expr.ty, "an equality operator").map(|()| expr)
        });
        let partition_by = partition_by.collect::<Result<Vec<_>>>()?;
        let order_by = self.sort_keys(&spec.order_by, inner)?;
        let window = Window {
            partition_by: if partition_by.is_empty() { base.partition_by } else { partition_by },
            order_by: if order_by.is_empty() { base.order_by } else { order_by },
            frame: None,
        };
        let frame = spec.window_frame.as_ref().map(|frame| self.frame(frame, &window, inner)).transpose()?;
        let frame = frame.map(|frame| Frame { exclusion, ..frame });
        Ok(Window { frame, ..window })
    }

    fn frame(&mut self, frame: &ast::WindowFrame, window: &Window, place: Place<'_>) -> Result<Frame> {
        let units = match frame.units {
            ast::WindowFrameUnits::Rows => FrameUnits::Rows,
            ast::WindowFrameUnits::Range => FrameUnits::Range,
            ast::WindowFrameUnits::Groups => FrameUnits::Groups,
        };
        if units == FrameUnits::Groups && window.order_by.is_empty() {
            bail!(WINDOWING_ERROR, "GROUPS mode requires an ORDER BY clause");
        }
        let start = self.frame_bound(&frame.start_bound, units, window, place)?;
        let end = match &frame.end_bound {
            Some(bound) => self.frame_bound(bound, units, window, place)?,
            None => FrameBound::CurrentRow,
        };
        match (&start, &end) {
            (FrameBound::UnboundedFollowing, _) => {
                bail!(WINDOWING_ERROR, "frame start cannot be UNBOUNDED FOLLOWING")
            }
            (_, FrameBound::UnboundedPreceding) => {
                bail!(WINDOWING_ERROR, "frame end cannot be UNBOUNDED PRECEDING")
            }
            (FrameBound::CurrentRow, FrameBound::Preceding(_)) => {
                bail!(WINDOWING_ERROR, "frame starting from current row cannot have preceding rows")
            }
            (FrameBound::Following(_), FrameBound::Preceding(_) | FrameBound::CurrentRow) => {
                bail!(WINDOWING_ERROR, "frame starting from following row cannot have preceding rows")
            }
            _ => Ok(Frame { units, start, end, exclusion: Exclusion::NoOthers }),
        }
    }

    fn frame_bound(
        &mut self,
        bound: &ast::WindowFrameBound,
        units: FrameUnits,
        window: &Window,
        place: Place<'_>,
    ) -> Result<FrameBound> {
        let (offset, preceding) = match bound {
            ast::WindowFrameBound::CurrentRow => return Ok(FrameBound::CurrentRow),
            ast::WindowFrameBound::Preceding(None) => return Ok(FrameBound::UnboundedPreceding),
            ast::WindowFrameBound::Following(None) => return Ok(FrameBound::UnboundedFollowing),
            ast::WindowFrameBound::Preceding(Some(offset)) => (offset, true),
            ast::WindowFrameBound::Following(Some(offset)) => (offset, false),
        };
        let offset = self.expr(offset, place)?;
        let offset = if units == FrameUnits::Range {
            self.range_offset(offset, window)?
        } else {
            self.coerce(offset, &crate::types::integer::INT8, NO_TYPMOD, Purpose::Implicit)?
        };
        if offset.contains(|expr| matches!(expr.kind, ExprKind::Column(_))) {
            bail!(
                INVALID_COLUMN_REFERENCE,
                "argument of {} must not contain variables",
                if units == FrameUnits::Rows { "ROWS" } else { "GROUPS" }
            );
        }
        Ok(if preceding { FrameBound::Preceding(offset) } else { FrameBound::Following(offset) })
    }

    /// RANGE with an offset adds it to the ordering value, which SQLite can do for its own numbers.
    fn range_offset(&mut self, offset: Expr, window: &Window) -> Result<Expr> {
        let [key] = window.order_by.as_slice() else {
            bail!(
                WINDOWING_ERROR,
                "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"
            )
        };
        let ty = key.expr.ty;
        let is_number = matches!(ty.name, "int2" | "int4" | "int8" | "float4" | "float8");
        if !is_number || ty.category != Category::Numeric {
            return Err(Error::unsupported(format!("RANGE with offset over type {}", ty.sql_name)));
        }
        let ty = if ty.name.starts_with("int") { &crate::types::integer::INT8 } else { ty };
        let offset = self.coerce(offset, ty, NO_TYPMOD, Purpose::Implicit)?;
        // What SQLite takes for a frame: it refuses calls.
        match offset.kind {
            ExprKind::Constant(_) | ExprKind::Parameter(_) => Ok(offset),
            _ => Err(Error::unsupported("RANGE with an offset that is computed")
                .with_hint("Write the offset as a constant or a parameter.")),
        }
    }

    /// Calls a function that no name calls, whose result is of a type that its arguments do not tell.
    pub(super) fn call_internal_as(&mut self, name: &str, args: Vec<Expr>, result: &'static Type) -> Expr {
        let function = crate::functions::internal(name);
        self.note_volatility(function);
        Expr::call(function, args, result)
    }

    /// The keys of an ORDER BY whose expressions are taken as they are.
    pub(super) fn sort_keys(&mut self, keys: &[ast::OrderByExpr], place: Place<'_>) -> Result<Vec<SortKey>> {
        keys.iter()
            .map(|key| {
                let expr = self.expr(&key.expr, place)?;
                let expr = self.settle(expr)?;
                check_comparable(expr.ty, "an ordering operator")?;
                let (descending, nulls_first) = sort_direction(key)?;
                Ok(SortKey { expr, descending, nulls_first })
            })
            .collect()
    }

    /// Constructs that look like functions but have rules of their own.
    fn special_call(
        &mut self,
        name: &str,
        args: &[&ast::Expr],
        call: &ast::Function,
        place: Place<'_>,
    ) -> Option<Result<Expr>> {
        Some(match name {
            "coalesce" => self.branches(args, "COALESCE", place, ExprKind::Coalesce),
            "greatest" => self.branches(args, "GREATEST", place, ExprKind::Greatest),
            "least" => self.branches(args, "LEAST", place, ExprKind::Least),
            "nullif" => self.null_if(args, place),
            "grouping" => Err(Error::unsupported("GROUPING")),
            "pg_typeof" => self.type_of(args, place),
            "current_timestamp" | "current_time" | "localtimestamp" | "localtime" | "current_date" => {
                self.value_function(name, call, args, place)
            }
            "row" => self.row_of(args, place),
            rewrite::VARIADIC => self.spread(args, place),
            _ => return None,
        })
    }

    fn branches(
        &mut self,
        args: &[&ast::Expr],
        name: &str,
        place: Place<'_>,
        kind: fn(Vec<Expr>) -> ExprKind,
    ) -> Result<Expr> {
        if args.is_empty() {
            bail!(SYNTAX_ERROR, "syntax error at or near \")\"");
        }
        let args = args.iter().map(|arg| self.expr(arg, place)).collect::<Result<Vec<_>>>()?;
        let (args, ty, typmod) = self.unify(args, name)?;
        if name != "COALESCE" {
            check_comparable(ty, "a comparison function")?;
        }
        Ok(Expr::new(kind(args), ty).with_typmod(typmod))
    }

    fn null_if(&mut self, args: &[&ast::Expr], place: Place<'_>) -> Result<Expr> {
        let [first, second] = args else { bail!(SYNTAX_ERROR, "syntax error at or near \")\"") };
        let (first, second) = (self.expr(first, place)?, self.expr(second, place)?);
        let function = &resolve::operator("=", Some(first.ty), second.ty)?.function;
        let left = self.coerce(first, function.args[0], NO_TYPMOD, Purpose::Implicit)?;
        let right = self.coerce(second, function.args[1], NO_TYPMOD, Purpose::Implicit)?;
        // The result is the first argument of the comparison, promoted as that needs it.
        let ty = left.ty;
        Ok(Expr::new(ExprKind::NullIf { left: Box::new(left), right: Box::new(right) }, ty))
    }

    fn type_of(&mut self, args: &[&ast::Expr], place: Place<'_>) -> Result<Expr> {
        let [arg] = args else { bail!(UNDEFINED_FUNCTION, "function pg_typeof() does not exist") };
        let arg = self.expr(arg, place)?;
        Ok(Expr::constant(Datum::Integer(arg.ty.oid.into()), &oid::REGTYPE))
    }

    /// CURRENT_DATE and its kin, which need no parentheses.
    fn value_function(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &[&ast::Expr],
        place: Place<'_>,
    ) -> Result<Expr> {
        if call.over.is_some() || call.filter.is_some() {
            bail!(SYNTAX_ERROR, "syntax error at or near \"OVER\"");
        }
        let typmod = match args {
            [] => NO_TYPMOD,
            [arg] => match self.expr(arg, place)?.kind {
                ExprKind::Constant(Datum::Integer(digits)) => digits.clamp(0, 6) as i32,
                _ => bail!(SYNTAX_ERROR, "syntax error in the precision of {name}"),
            },
            _ => bail!(SYNTAX_ERROR, "syntax error in {name}"),
        };
        let ty: &'static Type = match name {
            "current_timestamp" => &timestamp::TIMESTAMPTZ,
            "localtimestamp" => &timestamp::TIMESTAMP,
            "current_date" => &date::DATE,
            "localtime" => &time::TIME,
            "current_time" => &timetz::TIMETZ,
            "current_user" | "user" | "current_role" => return self.call_bound("current_user", Vec::new()),
            "session_user" => return self.call_bound("session_user", Vec::new()),
            "current_catalog" => return self.call_bound("current_database", Vec::new()),
            "current_schema" => return self.call_bound("current_schema", Vec::new()),
            _ => {
                let message = format!("column \"{name}\" does not exist");
                return Err(Error::new(state::UNDEFINED_COLUMN, message));
            }
        };
        let now = self.call_bound("now", Vec::new())?;
        self.coerce(now, ty, typmod, Purpose::Explicit)
    }
}

/// EXCLUDE of a frame, which stands among the keys of PARTITION BY: sqlparser lacks it.
fn exclusion_of(expr: &ast::Expr) -> Option<Exclusion> {
    let ast::Expr::Identifier(ident) = expr else { return None };
    match ident.value.strip_prefix(rewrite::EXCLUDE)? {
        "current_row" => Some(Exclusion::CurrentRow),
        "group" => Some(Exclusion::Group),
        "ties" => Some(Exclusion::Ties),
        _ => Some(Exclusion::NoOthers),
    }
}

/// A call once its function is known.
struct Call<'c> {
    function: &'static Function,
    distinct: bool,
    order_by: &'c [ast::OrderByExpr],
    within_group: Vec<SortKey>,
    filter: Option<&'c ast::Expr>,
    over: Option<&'c ast::WindowType>,
}

/// The type by which an argument chooses the function: of what VARIADIC spreads, the elements'.
fn argument_type(arg: &Expr) -> &'static Type {
    match arg.kind {
        ExprKind::Spread(_) => arg.ty.element().unwrap_or(arg.ty),
        _ => arg.ty,
    }
}

/// An argument as written, or a default.
enum Argument<'a> {
    Given(&'a ast::Expr),
    Default(Box<ast::Expr>),
}

impl Argument<'_> {
    fn as_ref(&self) -> &ast::Expr {
        match self {
            Argument::Given(expr) => expr,
            Argument::Default(expr) => expr,
        }
    }
}

impl Binder<'_> {
    /// The arguments as expressions, named ones in their places, and whether the only one is `*`.
    fn plain_arguments<'l>(
        &mut self,
        name: &str,
        list: &'l ast::FunctionArgumentList,
    ) -> Result<(Vec<Argument<'l>>, bool)> {
        use ast::{FunctionArg as A, FunctionArgExpr as X};
        let mut args = Vec::new();
        let mut named: Vec<(String, &ast::Expr)> = Vec::new();
        for arg in &list.args {
            match arg {
                A::Unnamed(X::Expr(expr)) if named.is_empty() => args.push(Argument::Given(expr)),
                A::Unnamed(X::Expr(_)) => {
                    bail!(SYNTAX_ERROR, "positional argument cannot follow named argument")
                }
                A::Unnamed(X::Wildcard) if list.args.len() == 1 => return Ok((args, true)),
                A::Named { name, arg: X::Expr(expr), .. } => {
                    let name = self.identifier(name)?;
                    if named.iter().any(|(other, _)| *other == name) {
                        bail!(SYNTAX_ERROR, "argument name \"{name}\" used more than once");
                    }
                    named.push((name, expr));
                }
                A::ExprNamed { name: ast::Expr::Identifier(ident), arg: X::Expr(expr), .. } => {
                    named.push((self.identifier(ident)?, expr));
                }
                _ => bail!(SYNTAX_ERROR, "syntax error at or near \"*\""),
            }
        }
        let wanted = |function: &&&'static Function| {
            let parameters = function.parameters;
            if parameters.is_empty() || args.len() + named.len() > parameters.len() {
                return false;
            }
            let rest = &parameters[args.len()..];
            named.iter().all(|(name, _)| rest.iter().any(|(other, _)| other == name))
                && rest
                    .iter()
                    .all(|(name, default)| default.is_some() || named.iter().any(|(other, _)| other == name))
        };
        let overloads = crate::functions::named(name);
        let is_complete = named.is_empty() && overloads.iter().any(|function| function.accepts(args.len()));
        if is_complete {
            return Ok((args, false));
        }
        let Some(function) = overloads.iter().find(wanted) else {
            if named.is_empty() {
                return Ok((args, false));
            }
            return Err(Error::new(
                state::UNDEFINED_FUNCTION,
                format!("function {name}({}) does not exist", named.iter().map(|(name, _)| format!("{name} => unknown")).collect::<Vec<_>>().join(", ")),
            )
            .with_hint("No function matches the given name and argument types. You might need to add explicit type casts."));
        };
        for (name, default) in &function.parameters[args.len()..] {
            match (named.iter().find(|(other, _)| other == name), default) {
                (Some((_, expr)), _) => args.push(Argument::Given(expr)),
                (None, Some(text)) => {
                    args.push(Argument::Default(Box::new(crate::sql::parse_expression(text)?)));
                }
                (None, None) => return Err(Error::internal("an argument has neither value nor default")),
            }
        }
        Ok((args, false))
    }

    /// ROW(…)
    pub(super) fn row_of(&mut self, args: &[&ast::Expr], place: Place<'_>) -> Result<Expr> {
        let mut fields = Vec::new();
        for arg in args {
            let field = self.expr(arg, place)?;
            fields.push(self.settle(field)?);
        }
        let names = (1..=fields.len()).map(|place| format!("f{place}")).collect();
        Ok(Expr::new(ExprKind::Row { names, fields }, &record::RECORD))
    }

    /// VARIADIC before an argument.
    fn spread(&mut self, args: &[&ast::Expr], place: Place<'_>) -> Result<Expr> {
        let [arg] = args else { bail!(SYNTAX_ERROR, "syntax error at or near \"VARIADIC\"") };
        let arg = self.expr(arg, place)?;
        let arg = if arg.is_unknown() {
            self.coerce(arg, &crate::types::array::TEXT_ARRAY, NO_TYPMOD, Purpose::Implicit)?
        } else {
            arg
        };
        if arg.ty.element().is_none() {
            bail!(DATATYPE_MISMATCH, "VARIADIC argument must be an array");
        }
        let ty = arg.ty;
        Ok(Expr::new(ExprKind::Spread(Box::new(arg)), ty))
    }
}

/// DESC and NULLS FIRST of a key; PostgreSQL puts NULLs last on ASC and first on DESC.
pub(in crate::sql) fn sort_direction(key: &ast::OrderByExpr) -> Result<(bool, bool)> {
    if key.with_fill.is_some() {
        return Err(not_postgresql("WITH FILL"));
    }
    let descending = match &key.options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(operator)) => {
            match operator.0.last().map(ToString::to_string).as_deref() {
                Some("<") => false,
                Some(">") => true,
                other => {
                    let message =
                        format!("operator {} is not a valid ordering operator", other.unwrap_or_default());
                    let hint =
                        "Ordering operators must be \"<\" or \">\" members of btree operator families.";
                    return Err(Error::new(state::WRONG_OBJECT_TYPE, message).with_hint(hint));
                }
            }
        }
    };
    Ok((descending, key.options.nulls_first.unwrap_or(descending)))
}

/// 42883 for a type that cannot be compared.
pub(super) fn check_comparable(ty: &Type, what: &str) -> Result<()> {
    if ty.comparable || is_polymorphic(ty) {
        return Ok(());
    }
    let error =
        Error::new(state::UNDEFINED_FUNCTION, format!("could not identify {what} for type {}", ty.sql_name));
    Err(match what {
        "an ordering operator" => error.with_hint("Use an explicit ordering operator or modify the query."),
        _ => error,
    })
}
