//! Functions, operators and casts: one entry each, with name, oid, signature, volatility and body in
//! one place. The binder chooses among them; the lowering prints [`Body::Native`] templates or calls
//! the others by [`Function::symbol`], under which `storage` has registered them in SQLite.
//!
//! Bodies may not read a clock, draw a random number or look at a session but through [`Env`].

mod aggregate;
mod array;
mod binary;
pub mod cast;
mod compare;
mod datetime;
mod datetime_more;
mod enums;
mod env;
mod float;
mod format_datetime;
mod format_number;
mod integer;
mod json;
mod json_build;
mod json_parts;
mod network;
mod numeric;
mod numeric_powers;
pub mod pattern;
mod regex;
mod row;
mod sequence;
mod series;
pub mod session;
mod signature;
mod statistics;
mod string;
mod string_more;
mod window;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use env::Env;
pub use signature::{ResultColumn, Signature};

use crate::error::Result;
use crate::types::{Datum, DatumRef, Oid, Type, record};

/// What a name stands for in a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One value from one row's values.
    Scalar,
    /// One value from many rows.
    Aggregate,
    /// One value from a row and its window.
    Window,
    /// Many rows.
    Set,
}

/// PostgreSQL's provolatile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Volatility {
    /// The same value for the same arguments, always.
    Immutable,
    /// The same value for the same arguments within a statement.
    Stable,
    /// Anything, each time; may change the database or the session.
    Volatile,
}

/// A scalar function's code.
pub type ScalarBody = fn(&[DatumRef<'_>], &dyn Env) -> Result<Datum>;

/// A scalar function's code that depends on its arguments' types.
pub type TypedBody = fn(&[DatumRef<'_>], &Signature, &dyn Env) -> Result<Datum>;

/// A set-returning function's code: an iterator, so that its rows are never all in memory.
pub type SetBody = fn(&[DatumRef<'_>], &Signature, &dyn Env) -> Result<Rows>;

/// The rows of a set-returning function.
pub type Rows = Box<dyn Iterator<Item = Result<Vec<Datum>>> + Send>;

/// An aggregate's running state.
pub trait Aggregate: Send {
    /// Takes one row's arguments.
    fn step(&mut self, args: &[DatumRef<'_>], env: &dyn Env) -> Result<()>;

    /// The value over the rows taken so far.
    fn value(&self, env: &dyn Env) -> Result<Datum>;
}

/// How a function is computed.
#[derive(Clone, Copy)]
pub enum Body {
    /// SQLite text, in which {0}, {1} … stand for the arguments.
    Native(&'static str),
    /// Rust code.
    Scalar(ScalarBody),
    /// Rust code that is told the types of its arguments and of its result.
    Typed(TypedBody),
    /// Rust code over many rows.
    Aggregate(fn() -> Box<dyn Aggregate>),
    /// The same, told its types.
    TypedAggregate(fn(&Signature) -> Box<dyn Aggregate>),
    /// Rust code that gives many rows.
    Set(SetBody),
    /// PostgreSQL has it; binding it is refused with 0A000.
    Lacking,
}

/// One function.
pub struct Function {
    /// pg_proc.oid, PostgreSQL's.
    pub oid: Oid,
    /// pg_proc.proname.
    pub name: &'static str,
    /// The arguments' types; [`record::ANY`] takes any, [`record::ANYELEMENT`] any but the same in
    /// every place.
    pub args: &'static [&'static Type],
    /// Whether the last argument may be given any number of times.
    pub variadic: bool,
    /// The result's type; [`record::ANYELEMENT`] is the argument's.
    pub result: &'static Type,
    /// What the name stands for.
    pub kind: Kind,
    /// How often it must be evaluated.
    pub volatility: Volatility,
    /// Whether NULL for any argument gives NULL without a call.
    pub strict: bool,
    /// Whether it changes the database: only the writer may call it.
    pub writes: bool,
    /// A set-returning function's columns, if it gives more than one value a row.
    pub columns: &'static [(&'static str, &'static Type)],
    /// Arguments of an ordered-set aggregate that stand before WITHIN GROUP.
    pub direct: Option<usize>,
    /// The arguments' names, and the defaults of the last of them as SQL text.
    pub parameters: &'static [(&'static str, Option<&'static str>)],
    /// How it is computed.
    pub body: Body,
}

impl Function {
    /// The name under which SQLite knows it.
    pub fn symbol(&self) -> String {
        format!("{}_{}", self.name, self.oid)
    }

    const fn new(
        oid: Oid,
        name: &'static str,
        args: &'static [&'static Type],
        result: &'static Type,
        body: Body,
    ) -> Function {
        Function {
            oid,
            name,
            args,
            variadic: false,
            result,
            kind: Kind::Scalar,
            volatility: Volatility::Immutable,
            strict: true,
            writes: false,
            columns: &[],
            direct: None,
            parameters: &[],
            body,
        }
    }

    const fn kind(mut self, kind: Kind) -> Function {
        self.kind = kind;
        self
    }

    const fn stable(mut self) -> Function {
        self.volatility = Volatility::Stable;
        self
    }

    const fn volatile(mut self) -> Function {
        self.volatility = Volatility::Volatile;
        self
    }

    const fn writing(mut self) -> Function {
        self.volatility = Volatility::Volatile;
        self.writes = true;
        self
    }

    const fn called_on_null(mut self) -> Function {
        self.strict = false;
        self
    }

    const fn variadic(mut self) -> Function {
        self.variadic = true;
        self.strict = false;
        self
    }

    const fn variadic_strict(mut self) -> Function {
        self.variadic = true;
        self
    }

    const fn columns(mut self, columns: &'static [(&'static str, &'static Type)]) -> Function {
        self.columns = columns;
        self
    }

    const fn direct(mut self, count: usize) -> Function {
        self.direct = Some(count);
        self
    }

    const fn parameters(mut self, parameters: &'static [(&'static str, Option<&'static str>)]) -> Function {
        self.parameters = parameters;
        self
    }

    /// Whether SQLite gives its body a [`Signature`] after the arguments.
    pub fn is_typed(&self) -> bool {
        matches!(self.body, Body::Typed(_) | Body::TypedAggregate(_) | Body::Set(_))
    }

    /// Whether the number of arguments fits.
    pub fn accepts(&self, count: usize) -> bool {
        count == self.args.len() || (self.variadic && count >= self.args.len())
    }

    /// The type of the argument at a place, repeating the last one of a variadic function.
    pub fn arg(&self, place: usize) -> &'static Type {
        self.args[place.min(self.args.len() - 1)]
    }
}

/// Rust code for a function that is immutable and strict.
const fn scalar(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: ScalarBody,
) -> Function {
    Function::new(oid, name, args, result, Body::Scalar(body))
}

/// A SQLite template for a function that is immutable and strict.
const fn native(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    template: &'static str,
) -> Function {
    Function::new(oid, name, args, result, Body::Native(template))
}

/// Rust code for a function that is immutable and strict, told its types.
const fn typed(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: TypedBody,
) -> Function {
    Function::new(oid, name, args, result, Body::Typed(body))
}

/// A set-returning function that is immutable and strict.
const fn set(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: SetBody,
) -> Function {
    Function::new(oid, name, args, result, Body::Set(body)).kind(Kind::Set)
}

/// A function of PostgreSQL that is not there yet.
const fn lacking(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
) -> Function {
    Function::new(oid, name, args, result, Body::Lacking)
}

/// One operator and the function behind it.
pub struct Operator {
    /// pg_operator.oid, PostgreSQL's.
    pub oid: Oid,
    /// The operator's characters.
    pub name: &'static str,
    /// Its function: two arguments for an infix operator, one for a prefix operator.
    pub function: Function,
}

const fn operator(oid: Oid, name: &'static str, function: Function) -> Operator {
    Operator { oid, name, function }
}

static FUNCTION_GROUPS: &[&[Function]] = &[
    aggregate::FUNCTIONS,
    array::FUNCTIONS,
    binary::FUNCTIONS,
    datetime::FUNCTIONS,
    datetime_more::FUNCTIONS,
    enums::FUNCTIONS,
    float::FUNCTIONS,
    format_datetime::FUNCTIONS,
    format_number::FUNCTIONS,
    integer::FUNCTIONS,
    json::FUNCTIONS,
    json_build::FUNCTIONS,
    json_parts::FUNCTIONS,
    network::FUNCTIONS,
    numeric::FUNCTIONS,
    numeric_powers::FUNCTIONS,
    regex::FUNCTIONS,
    sequence::FUNCTIONS,
    series::FUNCTIONS,
    session::FUNCTIONS,
    statistics::FUNCTIONS,
    string::FUNCTIONS,
    string_more::FUNCTIONS,
    window::FUNCTIONS,
];

static OPERATOR_GROUPS: &[&[Operator]] = &[
    array::OPERATORS,
    datetime::OPERATORS,
    datetime_more::OPERATORS,
    enums::OPERATORS,
    float::OPERATORS,
    integer::OPERATORS,
    json::OPERATORS,
    json_parts::OPERATORS,
    network::OPERATORS,
    numeric::OPERATORS,
    numeric_powers::OPERATORS,
    regex::OPERATORS,
    row::OPERATORS,
    string::OPERATORS,
];

/// Every function that can be called by name.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FUNCTION_GROUPS.iter().flat_map(|group| group.iter())
}

/// Every operator.
pub fn operators() -> impl Iterator<Item = &'static Operator> {
    let listed = OPERATOR_GROUPS.iter().flat_map(|group| group.iter());
    listed.chain(compare::COMPARISONS.iter().flat_map(|group| group.iter()))
}

static INTERNAL_GROUPS: &[&[Function]] =
    &[array::INTERNAL, cast::INTERNAL, json_parts::INTERNAL, row::INTERNAL];

/// A function that the grammar calls, and no name.
pub fn internal(name: &str) -> &'static Function {
    let mut all = INTERNAL_GROUPS.iter().flat_map(|group| group.iter());
    all.find(|function| function.name == name).expect("an internal function of the registry")
}

/// Everything with a Rust body that SQLite must know under its symbol.
pub fn callable() -> impl Iterator<Item = &'static Function> {
    functions()
        .chain(INTERNAL_GROUPS.iter().flat_map(|group| group.iter()))
        .chain(operators().map(|operator| &operator.function))
        .chain(cast::functions())
        .filter(|function| !matches!(function.body, Body::Native(_) | Body::Lacking))
}

static FUNCTIONS_BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Function>>> = LazyLock::new(|| {
    let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
    for function in functions() {
        by_name.entry(function.name).or_default().push(function);
    }
    by_name
});

static OPERATORS_BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Operator>>> = LazyLock::new(|| {
    let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
    for operator in operators() {
        by_name.entry(operator.name).or_default().push(operator);
    }
    by_name
});

/// The functions with a name.
pub fn named(name: &str) -> &'static [&'static Function] {
    FUNCTIONS_BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// The operators with a name.
pub fn operators_named(name: &str) -> &'static [&'static Operator] {
    OPERATORS_BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// Whether PostgreSQL 15 has a function of that name, which this server may lack.
pub fn is_postgresql_function(name: &str) -> bool {
    include_str!("data/postgresql_functions.txt").lines().any(|line| line == name)
}

/// Whether PostgreSQL 15 has an operator for these pg_type names (`-` for no left argument).
pub fn is_postgresql_operator(name: &str, left: &str, right: &str) -> bool {
    let wanted = format!("{name}\t{left}\t{right}");
    include_str!("data/postgresql_operators.tsv").lines().any(|line| line == wanted)
}

/// The comparison operator of one type with itself: `=` for USING, IN and friends.
pub fn comparison(name: &str, ty: &Type) -> Option<&'static Operator> {
    let same = |operator: &&&Operator| operator.function.args == [ty, ty];
    operators_named(name).iter().find(same).copied()
}

/// Whether a type stands for others in signatures.
pub fn is_polymorphic(ty: &Type) -> bool {
    const POLYMORPHIC: [Oid; 7] = [
        record::ANY.oid,
        record::ANYARRAY.oid,
        record::ANYELEMENT.oid,
        record::ANYNONARRAY.oid,
        record::ANYENUM.oid,
        record::ANYCOMPATIBLE.oid,
        record::ANYCOMPATIBLEARRAY.oid,
    ];
    POLYMORPHIC.contains(&ty.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_are_used_once_and_templates_fit_their_signatures() {
        let mut oids: Vec<_> = functions().map(|function| function.oid).collect();
        oids.sort_unstable();
        let twice: Vec<_> = oids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
        for function in functions().chain(operators().map(|operator| &operator.function)) {
            if let Body::Native(template) = function.body {
                let beyond = format!("{{{}}}", function.args.len());
                assert!(!template.contains(&beyond), "{}", function.symbol());
            }
        }
    }

    /// compat/postgres/objects.py compares this list with PostgreSQL's. `UPDATE_GOLDENFILES=1` writes it.
    #[test]
    fn the_list_of_objects_is_current() {
        let signature = |name: &str, args: &[&Type]| {
            let args: Vec<_> = args.iter().map(|ty| ty.sql_name).collect();
            format!("{name}({})", args.join(", "))
        };
        let mut lines: Vec<String> = Vec::new();
        for function in functions() {
            let kind = if function.kind == Kind::Aggregate { "aggregate" } else { "function" };
            lines.push(format!("{kind}\t{}\t{}", function.oid, signature(function.name, function.args)));
        }
        for operator in operators() {
            let listed = signature(operator.name, operator.function.args);
            lines.push(format!("operator\t{}\t{listed}", operator.oid));
        }
        for (source, target) in cast::pairs() {
            lines.push(format!(
                "cast\t{} {}\t{} to {}",
                source.oid, target.oid, source.sql_name, target.sql_name
            ));
        }
        lines.sort();
        let list = lines.join("\n") + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/compat/postgres/objects.tsv");
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            std::fs::write(path, &list).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == list, "objects.tsv is not current: UPDATE_GOLDENFILES=1 cargo test --lib objects");
    }

    #[test]
    fn symbols_are_distinct_for_distinct_bodies() {
        let mut symbols: Vec<_> = callable().map(|function| (function.symbol(), function.oid)).collect();
        symbols.sort();
        symbols.dedup();
        assert!(symbols.windows(2).all(|pair| pair[0].0 != pair[1].0));
    }
}
