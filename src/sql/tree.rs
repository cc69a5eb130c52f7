//! Bound trees: every name is an object, every expression has a PostgreSQL type. What the lowering
//! prints and the plans are made of.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::Relation;
use crate::functions::{Function, ResultColumn, Signature};
use crate::types::{Datum, NO_TYPMOD, Oid, Type};

/// A typed expression.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) ty: &'static Type,
    pub(super) typmod: i32,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum ExprKind {
    /// A value known when the statement is bound. Of type unknown: a literal that has no type yet.
    Constant(Datum),
    /// `$n`, counted from 0.
    Parameter(usize),
    Column(ColumnRef),
    /// A function or operator.
    Call {
        function: &'static Function,
        args: Vec<Expr>,
    },
    /// Text to the expression's type.
    Input(Box<Expr>),
    /// A value to text.
    Output(Box<Expr>),
    /// Another type with the same stored form.
    Relabel(Box<Expr>),
    /// Applies the expression's modifier; `explicit` for a cast that the user wrote.
    Typmod {
        arg: Box<Expr>,
        explicit: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        arg: Box<Expr>,
        negated: bool,
    },
    /// IS [NOT] TRUE, FALSE, UNKNOWN (`None`).
    IsTruth {
        arg: Box<Expr>,
        truth: Option<bool>,
        negated: bool,
    },
    /// IS [NOT] DISTINCT FROM; both sides have one type.
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    /// Conditions and results; `otherwise` if none holds.
    Case {
        whens: Vec<(Expr, Expr)>,
        otherwise: Box<Expr>,
    },
    Coalesce(Vec<Expr>),
    /// The first argument unless it equals the second, under the type in which they are compared.
    NullIf {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Greatest(Vec<Expr>),
    Least(Vec<Expr>),
    InList {
        left: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// A subquery's only value.
    Scalar(Box<Query>),
    Exists(Box<Query>),
    /// (a, b) IN (subquery)
    InQuery {
        left: Vec<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `left op ANY|ALL (subquery)`, where the comparison's right side is the subquery's only column.
    Quantified {
        left: Box<Expr>,
        function: &'static Function,
        all: bool,
        query: Box<Query>,
    },
    /// A comparison of rows, pair by pair: `=`, `<>`, `<` …
    RowCompare {
        operator: &'static str,
        left: Vec<Expr>,
        right: Vec<Expr>,
    },
    Aggregate(Box<Aggregate>),
    Window(Box<WindowCall>),
    /// ROW(…), or a whole row of something in FROM: names and values.
    Row {
        names: Vec<String>,
        fields: Vec<Expr>,
    },
    /// VARIADIC before the last argument: an array of what the function takes.
    Spread(Box<Expr>),
    /// A value that must satisfy a domain: conditions about [`ExprKind::DomainValue`].
    Domain {
        arg: Box<Expr>,
        conditions: Vec<DomainCondition>,
    },
    /// VALUE in a domain's condition.
    DomainValue,
}

/// What a domain asks of a value.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct DomainCondition {
    /// The domain, for the message.
    pub(super) domain: &'static Type,
    /// The constraint's name; none for NOT NULL.
    pub(super) name: Option<String>,
    /// About [`ExprKind::DomainValue`].
    pub(super) condition: Expr,
}

impl PartialEq for ExprKind {
    /// Equality as GROUP BY needs it. Volatile calls are never equal.
    fn eq(&self, other: &ExprKind) -> bool {
        use ExprKind as K;
        match (self, other) {
            (K::Constant(a), K::Constant(b)) => a == b,
            (K::Parameter(a), K::Parameter(b)) => a == b,
            (K::Column(a), K::Column(b)) => a.source == b.source && a.name == b.name,
            (K::Call { function: f, args: a }, K::Call { function: g, args: b }) => {
                std::ptr::eq(*f, *g) && a == b
            }
            (K::Input(a), K::Input(b))
            | (K::Output(a), K::Output(b))
            | (K::Relabel(a), K::Relabel(b))
            | (K::Not(a), K::Not(b)) => a == b,
            (K::Typmod { arg: a, explicit: e }, K::Typmod { arg: b, explicit: f }) => a == b && e == f,
            (K::And(a), K::And(b))
            | (K::Or(a), K::Or(b))
            | (K::Coalesce(a), K::Coalesce(b))
            | (K::Greatest(a), K::Greatest(b))
            | (K::Least(a), K::Least(b)) => a == b,
            (K::IsNull { arg: a, negated: n }, K::IsNull { arg: b, negated: m }) => a == b && n == m,
            (K::IsTruth { arg: a, truth: t, negated: n }, K::IsTruth { arg: b, truth: u, negated: m }) => {
                a == b && t == u && n == m
            }
            (
                K::Distinct { left: a, right: b, negated: n },
                K::Distinct { left: c, right: d, negated: m },
            ) => a == c && b == d && n == m,
            (K::Case { whens: a, otherwise: b }, K::Case { whens: c, otherwise: d }) => a == c && b == d,
            (K::Scalar(a), K::Scalar(b)) | (K::Exists(a), K::Exists(b)) => a == b,
            (K::InQuery { left: a, query: b, negated: n }, K::InQuery { left: c, query: d, negated: m }) => {
                a == c && b == d && n == m
            }
            (
                K::Quantified { left: a, function: f, all: n, query: b },
                K::Quantified { left: c, function: g, all: m, query: d },
            ) => a == c && std::ptr::eq(*f, *g) && n == m && b == d,
            (K::NullIf { left: a, right: b }, K::NullIf { left: c, right: d }) => a == c && b == d,
            (K::InList { left: a, list: b, negated: n }, K::InList { left: c, list: d, negated: m }) => {
                a == c && b == d && n == m
            }
            (
                K::RowCompare { operator: o, left: a, right: b },
                K::RowCompare { operator: p, left: c, right: d },
            ) => o == p && a == c && b == d,
            (K::Row { fields: a, .. }, K::Row { fields: b, .. }) => a == b,
            (K::Spread(a), K::Spread(b)) => a == b,
            (K::Domain { arg: a, conditions: c }, K::Domain { arg: b, conditions: d }) => a == b && c == d,
            (K::DomainValue, K::DomainValue) => true,
            (K::Aggregate(a), K::Aggregate(b)) => {
                a.function == b.function
                    && a.args == b.args
                    && a.distinct == b.distinct
                    && a.filter == b.filter
                    && a.order_by == b.order_by
            }
            _ => false,
        }
    }
}

/// A column of something in FROM.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ColumnRef {
    /// Which use of which relation, unique in the statement.
    pub(super) source: usize,
    /// The name of that use in SQLite's SQL.
    pub(super) alias: Arc<str>,
    /// The column's name in SQLite's SQL.
    pub(super) name: Arc<str>,
    /// The column's name for messages.
    pub(super) label: Arc<str>,
    /// The table and column number that RowDescription names.
    pub(super) origin: Option<(Oid, i16)>,
    /// Whether it may be NULL, by its definition or an outer join.
    pub(super) nullable: bool,
    /// Whether SQLite knows the column's collation by itself.
    pub(super) carries_collation: bool,
}

/// A call of an aggregate.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Aggregate {
    pub(super) function: FunctionRef,
    pub(super) args: Vec<Expr>,
    pub(super) distinct: bool,
    pub(super) order_by: Vec<SortKey>,
    pub(super) filter: Option<Expr>,
}

/// A function, compared by identity.
#[derive(Clone, Copy)]
pub(super) struct FunctionRef(pub(super) &'static Function);

impl PartialEq for FunctionRef {
    fn eq(&self, other: &FunctionRef) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl std::ops::Deref for FunctionRef {
    type Target = Function;

    fn deref(&self) -> &Function {
        self.0
    }
}

impl std::fmt::Debug for FunctionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A call with OVER.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct WindowCall {
    pub(super) function: FunctionRef,
    pub(super) args: Vec<Expr>,
    pub(super) filter: Option<Expr>,
    pub(super) window: Window,
}

/// A window.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Window {
    pub(super) partition_by: Vec<Expr>,
    pub(super) order_by: Vec<SortKey>,
    /// The frame clause, in the SQL that PostgreSQL and SQLite share; empty for the default.
    pub(super) frame: Option<Frame>,
}

/// A window's frame.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Frame {
    pub(super) units: FrameUnits,
    pub(super) start: FrameBound,
    pub(super) end: FrameBound,
    pub(super) exclusion: Exclusion,
}

impl Frame {
    /// Whether rows between its ends are left out.
    pub(super) fn excludes(&self) -> bool {
        self.exclusion != Exclusion::NoOthers
    }
}

/// EXCLUDE
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exclusion {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// What a frame counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrameUnits {
    Rows,
    Range,
    Groups,
}

/// One end of a frame.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// One key of an order.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SortKey {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// A query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) ctes: Vec<Cte>,
    pub(super) recursive: bool,
    pub(super) body: Body,
    pub(super) order_by: Vec<OrderKey>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// What it gives, by name and type.
    pub(super) columns: Vec<Output>,
}

impl Query {
    /// Whether anything follows its body.
    pub(super) fn is_ordered_or_limited(&self) -> bool {
        !self.order_by.is_empty() || self.limit.is_some() || self.offset.is_some()
    }
}

/// Equality as GROUP BY needs it: the same query, down to the names it was given for SQLite. So one that
/// is written twice is not found to be equal, but `GROUP BY 1` is.
impl PartialEq for Query {
    fn eq(&self, other: &Query) -> bool {
        super::lower::query(self) == super::lower::query(other)
    }
}

/// A key of ORDER BY: a column of the result, or any expression.
#[derive(Clone, Debug)]
pub(super) struct OrderKey {
    pub(super) what: OrderBy,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// What a key orders by.
#[derive(Clone, Debug)]
pub(super) enum OrderBy {
    /// The place in the result.
    Output(usize),
    Expr(Expr),
}

/// A column of a query's result.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) ty: &'static Type,
    pub(super) typmod: i32,
    pub(super) origin: Option<(Oid, i16)>,
    pub(super) nullable: bool,
}

/// A common table expression.
#[derive(Clone, Debug)]
pub(super) struct Cte {
    /// Its name in SQLite's SQL.
    pub(super) alias: Arc<str>,
    pub(super) query: Query,
    /// AS [NOT] MATERIALIZED
    pub(super) materialized: Option<bool>,
}

/// What a query computes.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Select(Box<Select>),
    Set { operation: SetOperation, all: bool, left: Box<Query>, right: Box<Query> },
    Values(Vec<Vec<Expr>>),
}

/// UNION and its kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SetOperation {
    Union,
    Intersect,
    Except,
}

impl SetOperation {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            SetOperation::Union => "UNION",
            SetOperation::Intersect => "INTERSECT",
            SetOperation::Except => "EXCEPT",
        }
    }
}

/// SELECT.
#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) distinct: bool,
    pub(super) distinct_on: Vec<Expr>,
    pub(super) targets: Vec<Expr>,
    pub(super) from: Vec<From>,
    pub(super) filter: Option<Expr>,
    pub(super) group_by: Vec<Expr>,
    pub(super) having: Option<Expr>,
    /// Whether it has GROUP BY, HAVING or aggregates.
    pub(super) is_grouped: bool,
}

/// Something in FROM.
#[derive(Clone, Debug)]
pub(super) enum From {
    Table {
        alias: Arc<str>,
        relation: Arc<Relation>,
    },
    Query {
        alias: Arc<str>,
        query: Box<Query>,
    },
    Cte {
        alias: Arc<str>,
        cte: Arc<str>,
    },
    Function {
        alias: Arc<str>,
        call: SetCall,
    },
    /// A query that names what stands to its left.
    Lateral {
        alias: Arc<str>,
        query: Box<Query>,
    },
    /// Several set-returning functions side by side, the shorter ones filled up with NULLs.
    Zip {
        alias: Arc<str>,
        calls: Vec<SetCall>,
    },
    Join {
        kind: JoinKind,
        left: Box<From>,
        right: Box<From>,
        condition: Option<Expr>,
    },
}

/// A call of a set-returning function.
#[derive(Clone, Debug)]
pub(super) struct SetCall {
    pub(super) function: &'static Function,
    pub(super) args: Vec<Expr>,
    pub(super) result: &'static Type,
    /// What its rows hold.
    pub(super) columns: Vec<ResultColumn>,
    /// Whether the columns were defined by the call: its function must be told.
    pub(super) is_defined_by_call: bool,
}

impl SetCall {
    /// The types of the call, as the function's body is told them.
    pub(super) fn signature(&self) -> Signature {
        Signature {
            args: self.args.iter().map(|arg| arg.ty).collect(),
            result: self.result,
            spreads: self.args.last().is_some_and(|arg| matches!(arg.kind, ExprKind::Spread(_))),
            columns: if self.is_defined_by_call { self.columns.clone() } else { Vec::new() },
        }
    }
}

/// How two sides are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

impl Expr {
    pub(super) fn new(kind: ExprKind, ty: &'static Type) -> Expr {
        Expr { kind, ty, typmod: NO_TYPMOD }
    }

    pub(super) fn constant(value: Datum, ty: &'static Type) -> Expr {
        Expr::new(ExprKind::Constant(value), ty)
    }

    pub(super) fn call(function: &'static Function, args: Vec<Expr>, ty: &'static Type) -> Expr {
        Expr::new(ExprKind::Call { function, args }, ty)
    }

    pub(super) fn with_typmod(mut self, typmod: i32) -> Expr {
        self.typmod = typmod;
        self
    }

    /// Whether a string literal or NULL without a type.
    pub(super) fn is_unknown(&self) -> bool {
        self.ty.oid == crate::types::text::UNKNOWN.oid
    }

    /// Whether it can be NULL, as far as that is known without running it.
    pub(super) fn is_nullable(&self) -> bool {
        match &self.kind {
            ExprKind::Constant(value) => value.is_null(),
            ExprKind::Column(column) => column.nullable,
            ExprKind::Relabel(arg) => arg.is_nullable(),
            ExprKind::IsNull { .. }
            | ExprKind::IsTruth { .. }
            | ExprKind::Distinct { .. }
            | ExprKind::Exists(_) => false,
            _ => true,
        }
    }

    /// Visits this expression and everything in it, except the insides of subqueries.
    pub(super) fn visit(&self, visitor: &mut dyn FnMut(&Expr)) {
        visitor(self);
        self.for_each_child(&mut |child| child.visit(visitor));
    }

    /// Calls `each` with every direct part that is an expression of the same query.
    pub(super) fn for_each_child(&self, each: &mut dyn FnMut(&Expr)) {
        use ExprKind as K;
        match &self.kind {
            K::Constant(_)
            | K::Parameter(_)
            | K::Column(_)
            | K::Scalar(_)
            | K::Exists(_)
            | K::DomainValue => {}
            K::Call { args, .. }
            | K::Row { fields: args, .. }
            | K::And(args)
            | K::Or(args)
            | K::Coalesce(args)
            | K::Greatest(args)
            | K::Least(args) => {
                args.iter().for_each(each);
            }
            K::Input(arg) | K::Output(arg) | K::Relabel(arg) | K::Not(arg) | K::Spread(arg) => each(arg),
            K::Domain { arg, .. } => each(arg),
            K::Typmod { arg, .. } | K::IsNull { arg, .. } | K::IsTruth { arg, .. } => each(arg),
            K::Distinct { left, right, .. } => [left, right].into_iter().for_each(|arg| each(arg)),
            K::NullIf { left, right } => [left, right].into_iter().for_each(|arg| each(arg)),
            K::Case { whens, otherwise } => {
                for (condition, result) in whens {
                    each(condition);
                    each(result);
                }
                each(otherwise);
            }
            K::InList { left, list, .. } => {
                each(left);
                list.iter().for_each(each);
            }
            K::InQuery { left, .. } => left.iter().for_each(each),
            K::Quantified { left, .. } => each(left),
            K::RowCompare { left, right, .. } => left.iter().chain(right).for_each(each),
            K::Aggregate(call) => {
                call.args.iter().for_each(&mut *each);
                call.order_by.iter().for_each(|key| each(&key.expr));
                call.filter.iter().for_each(each);
            }
            K::Window(call) => {
                call.args.iter().for_each(&mut *each);
                call.filter.iter().for_each(&mut *each);
                call.window.partition_by.iter().for_each(&mut *each);
                call.window.order_by.iter().for_each(|key| each(&key.expr));
            }
        }
    }

    /// Calls `each` with every direct part that is an expression of the same query.
    pub(super) fn for_each_child_mut(&mut self, each: &mut dyn FnMut(&mut Expr)) {
        use ExprKind as K;
        match &mut self.kind {
            K::Constant(_)
            | K::Parameter(_)
            | K::Column(_)
            | K::Scalar(_)
            | K::Exists(_)
            | K::DomainValue => {}
            K::Call { args, .. }
            | K::Row { fields: args, .. }
            | K::And(args)
            | K::Or(args)
            | K::Coalesce(args)
            | K::Greatest(args)
            | K::Least(args) => args.iter_mut().for_each(each),
            K::Input(arg) | K::Output(arg) | K::Relabel(arg) | K::Not(arg) | K::Spread(arg) => each(arg),
            K::Domain { arg, .. } => each(arg),
            K::Typmod { arg, .. } | K::IsNull { arg, .. } | K::IsTruth { arg, .. } => each(arg),
            K::Distinct { left, right, .. } | K::NullIf { left, right } => {
                each(left);
                each(right);
            }
            K::Case { whens, otherwise } => {
                for (condition, result) in whens {
                    each(condition);
                    each(result);
                }
                each(otherwise);
            }
            K::InList { left, list, .. } => {
                each(left);
                list.iter_mut().for_each(each);
            }
            K::InQuery { left, .. } => left.iter_mut().for_each(each),
            K::Quantified { left, .. } => each(left),
            K::RowCompare { left, right, .. } => left.iter_mut().chain(right).for_each(each),
            K::Aggregate(call) => {
                call.args.iter_mut().for_each(&mut *each);
                call.order_by.iter_mut().for_each(|key| each(&mut key.expr));
                call.filter.iter_mut().for_each(each);
            }
            K::Window(call) => {
                call.args.iter_mut().for_each(&mut *each);
                call.filter.iter_mut().for_each(&mut *each);
                call.window.partition_by.iter_mut().for_each(&mut *each);
                call.window.order_by.iter_mut().for_each(|key| each(&mut key.expr));
            }
        }
    }

    /// Whether it, or a subquery in it at any depth, names one of these uses of relations.
    pub(super) fn mentions(&self, sources: &HashSet<usize>) -> bool {
        self.contains(|part| match &part.kind {
            ExprKind::Column(column) => sources.contains(&column.source),
            _ => part.subquery().is_some_and(|query| query.mentions(sources)),
        })
    }

    /// The subqueries directly in this expression node.
    pub(super) fn subquery(&self) -> Option<&Query> {
        match &self.kind {
            ExprKind::Scalar(query)
            | ExprKind::Exists(query)
            | ExprKind::InQuery { query, .. }
            | ExprKind::Quantified { query, .. } => Some(query),
            _ => None,
        }
    }

    /// Whether an expression in it satisfies a condition.
    pub(super) fn contains(&self, condition: impl Fn(&Expr) -> bool) -> bool {
        let mut found = false;
        self.visit(&mut |expr| found |= condition(expr));
        found
    }
}

impl Query {
    /// Visits every expression of the query, also of the queries in its FROM and WITH, but not the
    /// insides of subqueries in expressions.
    pub(super) fn for_each_expr(&self, each: &mut dyn FnMut(&Expr)) {
        self.ctes.iter().for_each(|cte| cte.query.for_each_expr(each));
        match &self.body {
            Body::Select(select) => select.for_each_expr(each),
            Body::Set { left, right, .. } => {
                left.for_each_expr(each);
                right.for_each_expr(each);
            }
            Body::Values(rows) => rows.iter().flatten().for_each(&mut *each),
        }
        for key in &self.order_by {
            if let OrderBy::Expr(expr) = &key.what {
                each(expr);
            }
        }
        self.limit.iter().chain(&self.offset).for_each(each);
    }

    /// Whether it names one of these uses of relations, at any depth.
    pub(super) fn mentions(&self, sources: &HashSet<usize>) -> bool {
        let mut found = false;
        self.for_each_expr(&mut |expr| found = found || expr.mentions(sources));
        found
    }

    /// Whether it gives at most one row, as far as its form tells.
    pub(super) fn is_single_row(&self) -> bool {
        let limits_to_one = |limit: &Expr| matches!(limit.kind, ExprKind::Constant(Datum::Integer(0..=1)));
        if self.limit.as_ref().is_some_and(limits_to_one) {
            return true;
        }
        match &self.body {
            Body::Select(select) => {
                let is_aggregate = select.is_grouped && select.group_by.is_empty();
                is_aggregate || select.from.is_empty()
            }
            Body::Values(rows) => rows.len() <= 1,
            Body::Set { .. } => false,
        }
    }
}

impl Select {
    fn for_each_expr(&self, each: &mut dyn FnMut(&Expr)) {
        self.from.iter().for_each(|from| from.for_each_expr(each));
        let lists = [&self.targets, &self.distinct_on, &self.group_by];
        lists.into_iter().flatten().for_each(&mut *each);
        self.filter.iter().chain(&self.having).for_each(each);
    }
}

impl From {
    fn for_each_expr(&self, each: &mut dyn FnMut(&Expr)) {
        match self {
            From::Table { .. } | From::Cte { .. } => {}
            From::Query { query, .. } | From::Lateral { query, .. } => query.for_each_expr(each),
            From::Function { call, .. } => call.args.iter().for_each(each),
            From::Zip { calls, .. } => calls.iter().flat_map(|call| &call.args).for_each(each),
            From::Join { left, right, condition, .. } => {
                left.for_each_expr(each);
                right.for_each_expr(each);
                condition.iter().for_each(each);
            }
        }
    }
}
