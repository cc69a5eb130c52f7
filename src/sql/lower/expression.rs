//! Expressions.

use std::fmt::Write;

use super::{Lowerer, needed_collation};
use crate::functions::{self, Body, Function, Kind, ResultColumn, Signature, cast};
use crate::sql::plan::Binding;
use crate::sql::tree::{
    Aggregate, ColumnRef, DomainCondition, Exclusion, Expr, ExprKind, Frame, FrameBound, FrameUnits, Query,
    SortKey, Window, WindowCall,
};
use crate::types::{Type, boolean, record};

/// Chains of AND and OR longer than this are printed as a balanced tree: SQLite bounds the depth.
const FLAT_CHAIN_MAX: usize = 50;

impl Lowerer {
    /// Prints an expression; anything composed is in parentheses.
    pub(in crate::sql) fn expr(&mut self, expr: &Expr) {
        if let Some((_, column)) = self.substitutes.iter().find(|(other, _)| other == expr) {
            self.binding(Binding::Source(*column));
            return;
        }
        use ExprKind as K;
        match &expr.kind {
            K::Constant(value) => self.constant(value),
            K::Parameter(place) => self.binding(Binding::Parameter(*place)),
            K::Column(column) => self.column(column),
            K::Call { function, args } => self.call(function, args, expr.ty),
            K::Input(arg) => self.converted(arg, expr.ty, cast::input_symbol, "user_in"),
            K::Output(arg) => self.converted(arg, arg.ty, cast::output_symbol, "user_out"),
            K::Relabel(arg) => self.expr(arg),
            K::Typmod { arg, explicit } => self.typmod(arg, expr.ty, expr.typmod, *explicit),
            K::And(parts) => self.chain(parts, " AND "),
            K::Or(parts) => self.chain(parts, " OR "),
            K::Not(arg) => self.wrapped("(NOT ", arg, ")"),
            K::IsNull { arg, negated } => {
                self.wrapped("(", arg, if *negated { " IS NOT NULL)" } else { " IS NULL)" })
            }
            K::IsTruth { arg, truth, negated } => self.is_truth(arg, *truth, *negated),
            K::Distinct { left, right, negated } => {
                let operator = if *negated { " IS " } else { " IS NOT " };
                self.comparison(left, operator, right);
            }
            K::Case { whens, otherwise } => self.case(whens, otherwise),
            K::Coalesce(args) => self.coalesce(args),
            K::NullIf { left, right } => {
                self.put("(CASE WHEN ");
                self.comparison(left, " = ", right);
                self.wrapped(" THEN NULL ELSE ", left, " END)");
            }
            K::Greatest(args) => self.extreme("max", args),
            K::Least(args) => self.extreme("min", args),
            K::InList { left, list, negated } => self.in_list(left, list, *negated),
            K::Scalar(query) => self.scalar(query),
            K::Exists(query) => {
                self.put("EXISTS (");
                self.query(query, false);
                self.put(")");
            }
            K::InQuery { left, query, negated } => self.in_query(left, query, *negated),
            K::Quantified { left, function, all, query } => self.quantified(left, function, *all, query),
            K::RowCompare { operator, left, right } => self.row_comparison(operator, left, right),
            K::Aggregate(call) => self.aggregate(call, expr.ty),
            K::Window(call) => self.window_call(call, expr.ty),
            K::Row { names, fields } => self.row_value(names, fields),
            K::Spread(arg) => self.expr(arg),
            K::Domain { arg, conditions } => self.domain(arg, conditions),
            K::DomainValue => self.put("column1"),
        }
    }

    /// A conversion to or from text, which a user's type has by its oid.
    fn converted(&mut self, arg: &Expr, ty: &'static Type, symbol: fn(&Type) -> String, of_users: &str) {
        if !ty.is_of_users() {
            self.function(&symbol(ty), std::slice::from_ref(arg));
            return;
        }
        self.name(of_users);
        self.put("(");
        self.expr(arg);
        let _ = write!(self.sql, ", {})", ty.oid);
    }

    /// `"row"(values, signature)`, where the signature has the fields' names.
    fn row_value(&mut self, names: &[String], fields: &[Expr]) {
        let columns = names.iter().zip(fields);
        let signature = Signature {
            args: Vec::new(),
            result: &record::RECORD,
            spreads: false,
            columns: columns
                .map(|(name, field)| ResultColumn { name: name.clone(), ty: field.ty, typmod: field.typmod })
                .collect(),
        };
        self.name(&functions::internal("row").symbol());
        self.put("(");
        for field in fields {
            self.expr(field);
            self.put(", ");
        }
        self.signature(&signature);
        self.put(")");
    }

    /// The value if no condition is false: each is asked in a query whose only column is the value.
    fn domain(&mut self, arg: &Expr, conditions: &[DomainCondition]) {
        self.put("(SELECT CASE");
        for condition in conditions {
            self.wrapped(" WHEN ", &condition.condition, " IS FALSE THEN ");
            self.name(&functions::internal("domain_violation").symbol());
            let _ = write!(self.sql, "({}, ", condition.domain.oid);
            let name = condition.name.as_deref().unwrap_or_default();
            super::push_literal(&mut self.sql, &crate::types::Datum::text(name));
            self.put(")");
        }
        self.wrapped(" ELSE column1 END FROM (SELECT ", arg, " AS column1))");
    }

    fn wrapped(&mut self, before: &str, arg: &Expr, after: &str) {
        self.put(before);
        self.expr(arg);
        self.put(after);
    }

    fn column(&mut self, column: &ColumnRef) {
        if self.bare.as_ref() != Some(&column.alias) {
            let renamed = self.renamed.as_ref().filter(|(alias, _)| *alias == column.alias);
            let alias = renamed.map_or(column.alias.to_string(), |(_, name)| name.clone());
            self.name(&alias);
            self.put(".");
        }
        self.name(&column.name);
    }

    /// An expression with the collation that comparing it needs.
    pub(super) fn collated(&mut self, expr: &Expr) {
        self.expr(expr);
        if let Some(collation) = needed_collation(expr) {
            self.put(" COLLATE ");
            self.name(collation);
        }
    }

    /// Two sides of a comparison. SQLite takes the collation of a column on either side by itself.
    fn comparison(&mut self, left: &Expr, operator: &str, right: &Expr) {
        self.put("(");
        if needed_collation(right).is_some() {
            self.collated(left);
        } else {
            self.expr(left);
        }
        self.put(operator);
        self.expr(right);
        self.put(")");
    }

    fn call(&mut self, function: &'static Function, args: &[Expr], result: &'static Type) {
        match function.body {
            Body::Native(template) => self.native(function, template, args),
            Body::Typed(_) => {
                self.name(&function.symbol());
                self.put("(");
                for arg in args {
                    self.expr(arg);
                    self.put(", ");
                }
                self.signature(&call_signature(args, result));
                self.put(")");
            }
            _ => self.function(&function.symbol(), args),
        }
    }

    /// `symbol(args)`
    fn function<E: std::borrow::Borrow<Expr>>(&mut self, symbol: &str, args: &[E]) {
        self.name(symbol);
        self.put("(");
        self.list(args, |lowerer, arg| lowerer.expr(arg.borrow()));
        self.put(")");
    }

    /// A template. Comparisons get the collation of what they compare.
    fn native(&mut self, function: &Function, template: &str, args: &[Expr]) {
        if let ([left, right], Some(operator)) = (args, comparison_operator(function, template)) {
            self.comparison(left, operator, right);
            return;
        }
        self.put("(");
        self.template(template, |lowerer, place| lowerer.expr(&args[place]));
        self.put(")");
    }

    fn template(&mut self, template: &str, mut print: impl FnMut(&mut Lowerer, usize)) {
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            self.put(&rest[..open]);
            let place = usize::from(rest.as_bytes()[open + 1] - b'0');
            print(self, place);
            rest = &rest[open + 3..];
        }
        self.put(rest);
    }

    fn typmod(&mut self, arg: &Expr, ty: &'static Type, typmod: i32, explicit: bool) {
        let of_users = ty.is_of_users();
        let symbol = if of_users { "user_typmod".to_owned() } else { cast::typmod_symbol(ty) };
        self.name(&symbol);
        self.put("(");
        self.expr(arg);
        let _ = write!(self.sql, ", {typmod}, {}", i32::from(explicit));
        if of_users {
            let _ = write!(self.sql, ", {}", ty.oid);
        }
        self.put(")");
    }

    /// `(a AND b AND c)`, as a balanced tree if it is long.
    fn chain(&mut self, parts: &[Expr], operator: &str) {
        self.put("(");
        if parts.len() > FLAT_CHAIN_MAX {
            let (left, right) = parts.split_at(parts.len() / 2);
            self.chain(left, operator);
            self.put(operator);
            self.chain(right, operator);
        } else {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    self.put(operator);
                }
                self.expr(part);
            }
        }
        self.put(")");
    }

    fn is_truth(&mut self, arg: &Expr, truth: Option<bool>, negated: bool) {
        let test = match (truth, negated) {
            (Some(true), false) => " IS TRUE)",
            (Some(true), true) => " IS NOT TRUE)",
            (Some(false), false) => " IS FALSE)",
            (Some(false), true) => " IS NOT FALSE)",
            (None, false) => " IS NULL)",
            (None, true) => " IS NOT NULL)",
        };
        self.wrapped("(", arg, test);
    }

    fn case(&mut self, whens: &[(Expr, Expr)], otherwise: &Expr) {
        self.put("(CASE");
        for (condition, result) in whens {
            self.wrapped(" WHEN ", condition, "");
            self.wrapped(" THEN ", result, "");
        }
        self.wrapped(" ELSE ", otherwise, " END)");
    }

    fn coalesce(&mut self, args: &[Expr]) {
        match args {
            [only] => self.expr(only),
            several => {
                self.put("coalesce(");
                self.list(several, Lowerer::expr);
                self.put(")");
            }
        }
    }

    /// GREATEST and LEAST pass over NULLs, as the aggregates do.
    fn extreme(&mut self, aggregate: &str, args: &[Expr]) {
        let _ = write!(self.sql, "(SELECT {aggregate}(column1");
        if let Some(collation) = args.first().and_then(|arg| arg.ty.collation) {
            self.put(" COLLATE ");
            self.name(collation);
        }
        // Not VALUES: below an outer join SQLite forgets the names of its columns.
        self.put(") FROM (");
        for (place, arg) in args.iter().enumerate() {
            self.put(if place > 0 { " UNION ALL " } else { "" });
            self.wrapped("SELECT ", arg, " AS column1");
        }
        self.put("))");
    }

    fn in_list(&mut self, left: &Expr, list: &[Expr], negated: bool) {
        self.put("(");
        self.collated(left);
        self.put(if negated { " NOT IN (" } else { " IN (" });
        self.list(list, Lowerer::expr);
        self.put("))");
    }

    /// A subquery for one value. More than one row must be an error, where SQLite takes the first.
    fn scalar(&mut self, query: &Query) {
        self.put("(");
        if query.is_single_row() {
            self.query(query, false);
        } else {
            self.put("SELECT \"only_row\"(column1) FROM (");
            self.query(query, true);
            self.put(")");
        }
        self.put(")");
    }

    fn in_query(&mut self, left: &[Expr], query: &Query, negated: bool) {
        self.put("(");
        match left {
            [only] => self.collated(only),
            several => {
                self.put("(");
                self.list(several, Lowerer::collated);
                self.put(")");
            }
        }
        self.put(if negated { " NOT IN (" } else { " IN (" });
        self.query(query, false);
        self.put("))");
    }

    /// ANY is true if one comparison is, else NULL if one is, else false; ALL the other way round.
    fn quantified(&mut self, left: &Expr, function: &'static Function, all: bool, query: &Query) {
        let (aggregate, decided, otherwise) = if all { ("min", 0, 1) } else { ("max", 1, 0) };
        let _ = write!(
            self.sql,
            "(SELECT CASE WHEN {aggregate}(r) = {decided} THEN {decided} WHEN count(*) > count(r) THEN NULL ELSE {otherwise} END FROM (SELECT "
        );
        let Body::Native(template) = function.body else {
            self.name(&function.symbol());
            self.put("(");
            self.expr(left);
            self.put(", column1");
            if function.is_typed() {
                self.put(", ");
                let args = [left.ty, query.columns[0].ty].to_vec();
                let signature =
                    Signature { args, result: function.result, spreads: false, columns: Vec::new() };
                self.signature(&signature);
            }
            self.put(") AS r FROM (");
            self.query(query, true);
            self.put(")))");
            return;
        };
        self.template(template, |lowerer, place| match place {
            0 => {
                lowerer.expr(left);
                if let Some(collation) = left.ty.collation {
                    lowerer.put(" COLLATE ");
                    lowerer.name(collation);
                }
            }
            _ => lowerer.put("column1"),
        });
        self.put(" AS r FROM (");
        self.query(query, true);
        self.put(")))");
    }

    fn row_comparison(&mut self, operator: &str, left: &[Expr], right: &[Expr]) {
        self.put("((");
        self.list(left, Lowerer::collated);
        let _ = write!(self.sql, ") {operator} (");
        self.list(right, Lowerer::expr);
        self.put("))");
    }

    /// SQLite's name of an aggregate or window function, and its arguments.
    fn named_call(&mut self, call: &NamedCall<'_>) {
        let NamedCall { function, args, .. } = *call;
        match function.body {
            Body::Native(template) => {
                let (name, inner) = template.split_once('(').unwrap_or((template, ")"));
                self.put(name);
                self.put(if call.distinct { "(DISTINCT " } else { "(" });
                let compares = call.distinct || matches!(name, "min" | "max");
                let inner = inner.strip_suffix(')').unwrap_or(inner);
                self.template(inner, |lowerer, place| {
                    if compares { lowerer.collated(&args[place]) } else { lowerer.expr(&args[place]) }
                });
                self.order_by(call.order_by);
            }
            _ => {
                let suffix = match (call.distinct, call.sliding) {
                    (true, _) => "_distinct",
                    (false, true) => "_sliding",
                    (false, false) => "",
                };
                self.name(&format!("{}{suffix}", function.symbol()));
                self.put("(");
                if call.distinct {
                    let letters: String = args.iter().map(|arg| crate::types::order_letter(arg.ty)).collect();
                    super::push_literal(&mut self.sql, &crate::types::Datum::Text(letters));
                    self.put(", ");
                }
                self.list(args, Lowerer::expr);
                if function.is_typed() {
                    self.put(if args.is_empty() { "" } else { ", " });
                    self.signature(&call_signature(args, call.result));
                }
                // Equal rows stand together when they are sorted by all arguments.
                let sorts_itself = call.distinct && call.order_by.len() < args.len();
                let rest: Vec<SortKey> = args
                    .iter()
                    .filter(|arg| sorts_itself && !call.order_by.iter().any(|key| key.expr == **arg))
                    .map(|arg| SortKey { expr: arg.clone(), descending: false, nulls_first: false })
                    .collect();
                self.order_by(&call.order_by.iter().cloned().chain(rest).collect::<Vec<_>>());
            }
        }
        self.put(")");
    }

    fn filter(&mut self, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            self.wrapped(" FILTER (WHERE ", filter, ")");
        }
    }

    fn aggregate(&mut self, call: &Aggregate, result: &'static Type) {
        self.named_call(&NamedCall {
            function: call.function.0,
            args: &call.args,
            result,
            distinct: call.distinct,
            order_by: &call.order_by,
            sliding: false,
        });
        self.filter(call.filter.as_ref());
    }

    fn window_call(&mut self, call: &WindowCall, result: &'static Type) {
        let keeps_start = |frame: &Frame| frame.start == FrameBound::UnboundedPreceding && !frame.excludes();
        let sliding = call.window.frame.as_ref().is_some_and(|frame| !keeps_start(frame));
        self.named_call(&NamedCall {
            function: call.function.0,
            args: &call.args,
            result,
            distinct: false,
            order_by: &[],
            sliding: sliding && call.function.kind == Kind::Aggregate,
        });
        self.filter(call.filter.as_ref());
        self.put(" OVER (");
        self.window(&call.window);
        self.put(")");
    }

    pub(super) fn window(&mut self, window: &Window) {
        if !window.partition_by.is_empty() {
            self.put("PARTITION BY ");
            self.list(&window.partition_by, Lowerer::collated);
        }
        self.order_by(&window.order_by);
        let Some(frame) = &window.frame else { return };
        self.put(match frame.units {
            FrameUnits::Rows => " ROWS BETWEEN ",
            FrameUnits::Range => " RANGE BETWEEN ",
            FrameUnits::Groups => " GROUPS BETWEEN ",
        });
        self.frame_bound(&frame.start);
        self.put(" AND ");
        self.frame_bound(&frame.end);
        self.put(match frame.exclusion {
            Exclusion::NoOthers => "",
            Exclusion::CurrentRow => " EXCLUDE CURRENT ROW",
            Exclusion::Group => " EXCLUDE GROUP",
            Exclusion::Ties => " EXCLUDE TIES",
        });
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.put("UNBOUNDED PRECEDING"),
            FrameBound::CurrentRow => self.put("CURRENT ROW"),
            FrameBound::UnboundedFollowing => self.put("UNBOUNDED FOLLOWING"),
            FrameBound::Preceding(offset) => self.wrapped("", offset, " PRECEDING"),
            FrameBound::Following(offset) => self.wrapped("", offset, " FOLLOWING"),
        }
    }

    /// ` ORDER BY …`, or nothing.
    fn order_by(&mut self, keys: &[SortKey]) {
        if keys.is_empty() {
            return;
        }
        self.put(" ORDER BY ");
        self.list(keys, |lowerer, key| {
            lowerer.collated(&key.expr);
            lowerer.direction(key.descending, key.nulls_first, key.expr.is_nullable());
        });
    }

    /// DESC and NULLS, where they are not what SQLite does by itself: NULLs are least to it.
    pub(super) fn direction(&mut self, descending: bool, nulls_first: bool, nullable: bool) {
        if descending {
            self.put(" DESC");
        }
        if nullable && nulls_first == descending {
            self.put(if nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    }
}

/// A call of an aggregate or window function.
struct NamedCall<'c> {
    function: &'static Function,
    args: &'c [Expr],
    result: &'static Type,
    distinct: bool,
    order_by: &'c [SortKey],
    sliding: bool,
}

/// The types of a call as its function's body is told them.
fn call_signature(args: &[Expr], result: &'static Type) -> Signature {
    Signature {
        args: args.iter().map(|arg| arg.ty).collect(),
        result,
        spreads: args.last().is_some_and(|arg| matches!(arg.kind, ExprKind::Spread(_))),
        columns: Vec::new(),
    }
}

/// The operator of a comparison's template.
fn comparison_operator(function: &Function, template: &str) -> Option<&'static str> {
    if function.result.oid != boolean::BOOL.oid {
        return None;
    }
    Some(match template {
        "{0} = {1}" => " = ",
        "{0} <> {1}" => " <> ",
        "{0} < {1}" => " < ",
        "{0} <= {1}" => " <= ",
        "{0} > {1}" => " > ",
        "{0} >= {1}" => " >= ",
        _ => return None,
    })
}
