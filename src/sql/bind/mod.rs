//! Gives every name of a statement its catalog object and every expression its PostgreSQL type.
//!
//! - `scope`: which columns a name can mean, `from`: what FROM brings into scope.
//! - `expression`, `constant`, `call`: expressions; `resolve`: overloaded functions and operators;
//!   `coerce`: conversions between types.
//! - `select`: queries; `modify`: INSERT, UPDATE and DELETE.

mod call;
mod coerce;
mod constant;
mod expression;
mod from;
mod grouping;
mod modify;
mod resolve;
mod scope;
mod select;
mod type_name;

use std::collections::HashSet;
use std::sync::Arc;

use sqlparser::ast;
use sqlparser::tokenizer::{Location, Span};

pub(super) use call::sort_direction;
pub(super) use coerce::Purpose;
pub(super) use expression::{Clause, Place, without_parentheses};
pub(super) use modify::{Conflict, ConflictAction, Delete, Insert, Source, Target, Update, names_others};
pub(super) use scope::{Scope, ScopeColumn};
pub(super) use select::column_name;
pub(super) use type_name::{resolve as resolve_type, serial as serial_type};

use super::lexical;
use super::statement::Name;
use super::tree::Output;
use crate::bail;
use crate::catalog::{Catalog, Relation, SearchPath, naming::fold};
use crate::error::{Error, Result, state};
use crate::types::{Format, Oid, Type};

/// What binding depends on besides the statement itself.
pub struct Context<'a> {
    /// What exists.
    pub catalog: &'a Catalog,
    /// Where unqualified names are looked up.
    pub path: &'a SearchPath,
    /// How constants are read.
    pub format: &'a Format,
    /// The text that error positions count in.
    pub source: &'a str,
}

/// How deep queries may nest in each other.
const QUERY_DEPTH_MAX: usize = 100;
/// How deep expressions may nest; SQLite's own bound is 1000.
const EXPRESSION_DEPTH_MAX: usize = 900;

/// The state of binding one statement.
pub(super) struct Binder<'a> {
    pub(super) context: &'a Context<'a>,
    /// The parameters' types as far as they are known.
    pub(super) parameters: Vec<Option<&'static Type>>,
    /// Names that are taken in SQLite's SQL, in lower case.
    aliases: HashSet<String>,
    /// How many uses of relations there are.
    sources: usize,
    /// The relation behind each use, for GROUP BY on a primary key.
    relations: Vec<Option<Arc<Relation>>>,
    /// The named windows in scope, innermost last.
    windows: Vec<(String, super::tree::Window)>,
    /// The WITH queries in scope, innermost last.
    ctes: Vec<CteScope>,
    query_depth: usize,
    set_operations: usize,
    expression_depth: usize,
    /// Whether a volatile function was called.
    pub(super) is_volatile: bool,
    /// Whether there may be parameters whose type nobody declared.
    pub(super) infers_parameters: bool,
    /// Whether a function is called that changes the database.
    pub(super) writes: bool,
    /// The tables that are read or written.
    pub(super) tables: Vec<Oid>,
    /// Whether FOR UPDATE or FOR SHARE was asked for.
    pub(super) locks_rows: bool,
    /// The set-returning functions called in each query around, innermost last.
    set_calls: Vec<Vec<PendingSet>>,
    /// The columns that the function in FROM that is being bound must give.
    defined_columns: Vec<crate::functions::ResultColumn>,
    /// What VALUE is in the condition of a domain.
    domain_value: Option<&'static Type>,
    /// How many CASEs and COALESCEs are around, and the innermost one's name.
    conditional_depth: usize,
    conditional_name: &'static str,
}

/// A set-returning function called in an expression; it becomes an item of FROM.
struct PendingSet {
    used: scope::Use,
    call: super::tree::SetCall,
}

/// A WITH query that can be named in FROM.
struct CteScope {
    name: String,
    alias: Arc<str>,
    columns: Vec<Output>,
}

impl<'a> Binder<'a> {
    pub(super) fn new(context: &'a Context<'a>, parameters: &[Option<&'static Type>]) -> Binder<'a> {
        Binder {
            context,
            parameters: parameters.to_vec(),
            aliases: HashSet::new(),
            sources: 0,
            relations: Vec::new(),
            windows: Vec::new(),
            ctes: Vec::new(),
            query_depth: 0,
            set_operations: 0,
            expression_depth: 0,
            is_volatile: false,
            infers_parameters: false,
            writes: false,
            tables: Vec::new(),
            locks_rows: false,
            set_calls: Vec::new(),
            defined_columns: Vec::new(),
            domain_value: None,
            conditional_depth: 0,
            conditional_name: "CASE",
        }
    }

    /// The types of all parameters, or 42P18 for one that has none.
    pub(super) fn finished_parameters(&self) -> Result<Vec<&'static Type>> {
        let types = self.parameters.iter().enumerate().map(|(place, ty)| {
            ty.ok_or_else(|| {
                let message = format!("could not determine data type of parameter ${}", place + 1);
                Error::new(state::INDETERMINATE_DATATYPE, message)
            })
        });
        types.collect()
    }

    /// The position of a token, for an error.
    fn position(&self, at: Location) -> Option<u32> {
        (at.line > 0).then(|| lexical::position(self.context.source, at))
    }

    fn at(&self, error: Error, span: Span) -> Error {
        error.at(self.position(span.start))
    }

    /// A name for SQLite that is not taken: the user's own where possible, so that plans can be read.
    fn unique_alias(&mut self, wanted: &str) -> Arc<str> {
        let mut alias = wanted.to_owned();
        let mut number = 1;
        while !self.aliases.insert(alias.to_ascii_lowercase()) {
            number += 1;
            alias = format!("{wanted}_{number}");
        }
        Arc::from(alias)
    }

    fn new_source(&mut self, relation: Option<Arc<Relation>>) -> usize {
        self.sources += 1;
        self.relations.push(relation);
        self.sources - 1
    }

    /// An identifier in PostgreSQL's form. Reserved words must be quoted.
    pub(super) fn identifier(&self, ident: &ast::Ident) -> Result<String> {
        if ident.quote_style.is_none() && is_reserved(&ident.value) {
            let message = format!("syntax error at or near \"{}\"", ident.value);
            return Err(self.at(Error::new(state::SYNTAX_ERROR, message), ident.span));
        }
        Ok(fold(&ident.value, ident.quote_style.is_some()).0)
    }

    /// A possibly qualified name. The database may stand before the schema if it is this one.
    pub(super) fn object_name(&self, name: &ast::ObjectName) -> Result<Name> {
        let mut parts = Vec::new();
        for part in &name.0 {
            match part {
                ast::ObjectNamePart::Identifier(ident) => parts.push(self.identifier(ident)?),
                ast::ObjectNamePart::Function(_) => bail!(SYNTAX_ERROR, "syntax error in name \"{name}\""),
            }
        }
        match parts.as_mut_slice() {
            [name] => Ok(Name { schema: None, name: std::mem::take(name) }),
            [schema, name] => Ok(Name { schema: Some(std::mem::take(schema)), name: std::mem::take(name) }),
            _ => Err(Error::unsupported("a name with more than schema and object")),
        }
    }

    /// The relation with a name, or 42P01 at its place.
    pub(super) fn relation(&mut self, name: &ast::ObjectName) -> Result<Arc<Relation>> {
        let Name { schema, name: bare } = self.object_name(name)?;
        let found = self.context.catalog.expect(schema.as_deref(), &bare, self.context.path);
        let relation = found.map_err(|error| self.at(error, span_of(name)))?;
        self.tables.push(relation.oid);
        Ok(relation)
    }
}

/// Where a name stands.
pub(super) fn span_of(name: &ast::ObjectName) -> Span {
    match name.0.first() {
        Some(ast::ObjectNamePart::Identifier(ident)) => ident.span,
        _ => Span::empty(),
    }
}

/// PostgreSQL 15's reserved words (RESERVED_KEYWORD in kwlist.h): never a name without quotes.
fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "current_catalog",
        "current_date",
        "current_role",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lateral",
        "leading",
        "limit",
        "localtime",
        "localtimestamp",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "placing",
        "primary",
        "references",
        "returning",
        "select",
        "session_user",
        "some",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    ];
    debug_assert!(RESERVED.is_sorted());
    word.len() <= 17 && RESERVED.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// 42601 for a construct that sqlparser accepts and PostgreSQL does not.
pub(super) fn not_postgresql(what: &str) -> Error {
    Error::new(state::SYNTAX_ERROR, format!("syntax error: {what} is not PostgreSQL"))
}
