//! Functions about the session and the server.

use std::time::Duration;

use super::{Env, Function, Signature, native, scalar, typed};
use crate::error::{Error, Result, SqlState, state};
use crate::types::boolean::BOOL;
use crate::types::float::FLOAT8;
use crate::types::integer::INT4;
use crate::types::oid::{
    OID, REGCLASS, REGCOLLATION, REGNAMESPACE, REGOPER, REGPROC, REGPROCEDURE, REGROLE, REGTYPE,
};
use crate::types::record::VOID;
use crate::types::text::{NAME, TEXT};
use crate::types::timestamp::TIMESTAMPTZ;
use crate::types::{Datum, DatumRef, NO_TYPMOD, Oid, Type, by_oid};

/// The PostgreSQL version this server answers as.
pub const SERVER_VERSION: &str = concat!("15.18 (Quorate ", env!("CARGO_PKG_VERSION"), ")");

/// PostgreSQL 15's reserved words (RESERVED and TYPE_FUNC_NAME in kwlist.h), which need quotes.
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
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// A name as SQL text: in quotes unless it is a plain lower-case word (quote_identifier).
pub fn quoted_name(name: &str) -> String {
    let starts_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts_plain && is_plain && RESERVED.binary_search(&name).is_err() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn version(_: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    Ok(Datum::Text(format!("PostgreSQL {SERVER_VERSION} on {machine}-{system}, 64-bit")))
}

fn current_database(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(env.database()))
}

fn current_schema(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(env.schema().map_or(Datum::Null, Datum::text))
}

fn current_user(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(env.user()))
}

fn backend_pid(_: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(env.backend_pid().into()))
}

fn current_setting(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let missing_ok = args.get(1).is_some_and(|flag| flag.integer() != 0);
    match env.setting(args[0].text()) {
        Ok(value) => Ok(Datum::Text(value)),
        Err(error) if missing_ok && error.sqlstate() == state::UNDEFINED_OBJECT => Ok(Datum::Null),
        Err(error) => Err(error),
    }
}

fn set_config(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let DatumRef::Text(name) = args[0] else {
        return Err(Error::new(state::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"));
    };
    let value = match args[1] {
        DatumRef::Text(value) => Some(value),
        _ => None,
    };
    let local = matches!(args[2], DatumRef::Integer(1));
    env.set_setting(name, value, local).map(Datum::Text)
}

fn format_type(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let DatumRef::Integer(oid) = args[0] else { return Ok(Datum::Null) };
    let typmod = match args[1] {
        DatumRef::Integer(typmod) => typmod as i32,
        _ => NO_TYPMOD,
    };
    Ok(match by_oid(oid as u32) {
        Some(ty) => Datum::Text(ty.format(typmod)),
        None if oid == 0 => Datum::text("-"),
        None => Datum::text("???"),
    })
}

fn sleep(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let seconds = args[0].real();
    if seconds > 0.0 {
        env.sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))?;
    }
    Ok(Datum::text(""))
}

fn is_visible(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(env.is_visible(args[0].integer() as u32).map_or(Datum::Null, Datum::bool))
}

fn commit_status(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(env.commit_status(args[0].text())?.map_or(Datum::Null, |status| Datum::Text(status.to_owned())))
}

/// to_regclass and the like: the object of a name, NULL where there is none.
fn to_object(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let name = args[0].text();
    // Only as input of the type does a number stand for itself, and a hyphen for nothing.
    if name == "-" || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(Datum::Null);
    }
    const LACKING: &[SqlState] = &[
        state::UNDEFINED_TABLE,
        state::UNDEFINED_OBJECT,
        state::UNDEFINED_FUNCTION,
        state::INVALID_SCHEMA_NAME,
        state::AMBIGUOUS_FUNCTION,
    ];
    match signature.result.parse(name, env.format()) {
        Err(error) if LACKING.contains(&error.fields().sqlstate) => Ok(Datum::Null),
        found => found,
    }
}

const fn to_reg(oid: Oid, name: &'static str, result: &'static Type) -> Function {
    typed(oid, name, &[&TEXT], result, to_object).stable()
}

pub(super) const FUNCTIONS: &[Function] = &[
    to_reg(3495, "to_regclass", &REGCLASS),
    to_reg(4195, "to_regcollation", &REGCOLLATION),
    to_reg(4086, "to_regnamespace", &REGNAMESPACE),
    to_reg(3492, "to_regoper", &REGOPER),
    to_reg(3494, "to_regproc", &REGPROC),
    to_reg(3479, "to_regprocedure", &REGPROCEDURE),
    to_reg(4093, "to_regrole", &REGROLE),
    to_reg(3493, "to_regtype", &REGTYPE),
    scalar(89, "version", &[], &TEXT, version).stable(),
    scalar(861, "current_database", &[], &NAME, current_database).stable(),
    scalar(1402, "current_schema", &[], &NAME, current_schema).stable(),
    scalar(745, "current_user", &[], &NAME, current_user).stable(),
    scalar(746, "session_user", &[], &NAME, current_user).stable(),
    scalar(2026, "pg_backend_pid", &[], &INT4, backend_pid).stable(),
    scalar(2077, "current_setting", &[&TEXT], &TEXT, current_setting).stable(),
    scalar(3294, "current_setting", &[&TEXT, &BOOL], &TEXT, current_setting).stable(),
    scalar(2078, "set_config", &[&TEXT, &TEXT, &BOOL], &TEXT, set_config).volatile().called_on_null(),
    scalar(1081, "format_type", &[&OID, &INT4], &TEXT, format_type).stable().called_on_null(),
    scalar(2626, "pg_sleep", &[&FLOAT8], &VOID, sleep).volatile(),
    scalar(2079, "pg_table_is_visible", &[&OID], &BOOL, is_visible).stable(),
    native(3810, "pg_is_in_recovery", &[], &BOOL, "0").volatile(),
    native(810, "pg_client_encoding", &[], &NAME, "'UTF8'").stable(),
    native(1039, "getdatabaseencoding", &[], &NAME, "'UTF8'").stable(),
    scalar(9001, "quorate_commit_status", &[&TEXT], &TEXT, commit_status).writing(),
    super::lacking(2560, "pg_postmaster_start_time", &[], &TIMESTAMPTZ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_postgresql_quotes_them() {
        assert!(RESERVED.is_sorted());
        assert_eq!(quoted_name("plain_1"), "plain_1");
        assert_eq!(quoted_name("Mixed"), "\"Mixed\"");
        assert_eq!(quoted_name("select"), "\"select\"");
        assert_eq!(quoted_name("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_name("1st"), "\"1st\"");
    }
}
