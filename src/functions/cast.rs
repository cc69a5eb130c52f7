//! Casts between types (pg_cast), and the conversions through text that exist for every type.

use super::datetime::date_to_timestamp;
use super::{Body, Env, Function, Signature, native, scalar};
use crate::bail;
use crate::error::Result;
use crate::types::array::Array;
use crate::types::boolean::BOOL;
use crate::types::calendar::{DAY_US, SECOND_US};
use crate::types::date::{self, DATE};
use crate::types::float::{FLOAT4, FLOAT8, datum};
use crate::types::integer::{INT2, INT4, INT8};
use crate::types::interval::{INTERVAL, Interval};
use crate::types::json::{JSON, JSONB, Json};
use crate::types::network::{CIDR, INET, MACADDR, MACADDR8};
use crate::types::numeric::{NUMERIC, Numeric};
use crate::types::oid::{
    OID, REGCLASS, REGCOLLATION, REGNAMESPACE, REGOPER, REGOPERATOR, REGPROC, REGPROCEDURE, REGROLE, REGTYPE,
};
use crate::types::record::ANYARRAY;
use crate::types::text::{BPCHAR, CHAR, NAME, TEXT, VARCHAR, cut_name};
use crate::types::time::TIME;
use crate::types::timestamp::{self, TIMESTAMP, TIMESTAMPTZ};
use crate::types::timetz::{TIMETZ, ZonedTime};
use crate::types::{Category, Datum, DatumRef, Type};

/// Where a cast may happen without being written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Context {
    /// Anywhere.
    Implicit,
    /// When a value is stored in a column.
    Assignment,
    /// Only where written.
    Explicit,
}

/// How a cast is computed.
pub enum Method {
    /// The stored form is the same.
    Binary,
    /// A function of one argument.
    Function(Function),
    /// Through the text of the value.
    InOut,
}

/// One cast.
pub struct Cast {
    /// From this type
    pub source: &'static Type,
    /// to that one.
    pub target: &'static Type,
    /// Where it may happen unwritten.
    pub context: Context,
    /// How.
    pub method: Method,
}

const fn cast(context: Context, function: Function) -> Cast {
    Cast { source: function.args[0], target: function.result, context, method: Method::Function(function) }
}

const fn binary(source: &'static Type, target: &'static Type, context: Context) -> Cast {
    Cast { source, target, context, method: Method::Binary }
}

const fn in_out(source: &'static Type, target: &'static Type, context: Context) -> Cast {
    Cast { source, target, context, method: Method::InOut }
}

/// The cast from one type to another, if pg_cast has one.
pub fn find(source: &Type, target: &Type) -> Option<&'static Cast> {
    CASTS.iter().find(|cast| cast.source == source && cast.target == target)
}

/// Every cast's source and target.
#[cfg(test)]
pub fn pairs() -> impl Iterator<Item = (&'static Type, &'static Type)> {
    CASTS.iter().map(|cast| (cast.source, cast.target))
}

/// The functions behind the casts and the conversions to and from text.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    CASTS.iter().filter_map(|cast| match &cast.method {
        Method::Function(function) => Some(function),
        Method::Binary | Method::InOut => None,
    })
}

/// A relation's name as its oid; the only name that is looked up where text is given without a cast.
fn regclass_in(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    REGCLASS.parse(args[0].text(), env.format())
}

/// Converts a value as a cast does, or through its text where no cast is.
pub fn convert(
    source: &'static Type,
    target: &'static Type,
    value: DatumRef<'_>,
    env: &dyn Env,
) -> Result<Datum> {
    let (source, target) = (source.base(), target.base());
    if value.is_null() || source == target {
        return Ok(value.to_owned());
    }
    if let (Some(from), Some(to)) = (source.element(), target.element()) {
        let mut array = Array::from_stored(value.text());
        for element in &mut array.elements {
            *element = convert(from, to, element.as_ref(), env)?;
        }
        return Ok(array.to_datum(to));
    }
    let through_text = || {
        let text = source.to_text(value, env.format());
        if is_string(target) && target.collation.is_none() {
            return Ok(Datum::Text(text));
        }
        target.parse(&text, env.format())
    };
    let Some(cast) = find(source, target) else { return through_text() };
    match &cast.method {
        Method::Binary => Ok(value.to_owned()),
        Method::InOut => through_text(),
        Method::Function(function) => match function.body {
            Body::Scalar(body) => body(&[value], env),
            Body::Native("CAST({0} AS REAL)") => Ok(Datum::Real(value.integer() as f64)),
            Body::Native("{0} <> 0") => Ok(Datum::bool(value.integer() != 0)),
            _ => Ok(value.to_owned()),
        },
    }
}

/// An array with its elements converted.
fn array_cast(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    convert(signature.args[0], signature.result, args[0], env)
}

/// What casts need beside pg_cast; no name calls these.
pub(super) const INTERNAL: &[Function] =
    &[super::typed(9030, "array_cast", &[&ANYARRAY], &ANYARRAY, array_cast).stable()];

/// Whether a type's values print as strings, so that text conversions to it are assignments.
pub fn is_string(ty: &Type) -> bool {
    ty.category == Category::String
}

fn narrow(args: &[DatumRef<'_>], low: i64, high: i64, sql_name: &str) -> Result<Datum> {
    let value = args[0].integer();
    if !(low..=high).contains(&value) {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{sql_name} out of range");
    }
    Ok(Datum::Integer(value))
}

fn to_int2(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    narrow(args, i16::MIN.into(), i16::MAX.into(), "smallint")
}

fn to_int4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    narrow(args, i32::MIN.into(), i32::MAX.into(), "integer")
}

fn to_oid(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    narrow(args, 0, u32::MAX.into(), "OID")
}

fn wrapped_oid(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer((args[0].integer() as u32).into()))
}

/// Rounds a double half to even and checks that it fits.
fn round_to(args: &[DatumRef<'_>], low: i64, high: i64, sql_name: &str) -> Result<Datum> {
    let rounded = args[0].real().round_ties_even();
    // The upper limit of int8 is not a double; the next one is excluded.
    let fits =
        rounded >= low as f64 && (rounded < high as f64 || (rounded <= high as f64 && high < i64::MAX));
    if !fits {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{sql_name} out of range");
    }
    Ok(Datum::Integer(rounded as i64))
}

fn double_to_int2(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    round_to(args, i16::MIN.into(), i16::MAX.into(), "smallint")
}

fn double_to_int4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    round_to(args, i32::MIN.into(), i32::MAX.into(), "integer")
}

fn double_to_int8(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    round_to(args, i64::MIN, i64::MAX, "bigint")
}

fn to_single(value: f64) -> Result<Datum> {
    let single = value as f32;
    if single.is_infinite() && !value.is_infinite() {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
    }
    if single == 0.0 && value != 0.0 {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
    }
    Ok(datum(single.into()))
}

fn double_to_float4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    to_single(args[0].real())
}

fn integer_to_float4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Real(f64::from(args[0].integer() as f32)))
}

fn integer_to_numeric(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(args[0].integer().to_string()))
}

fn double_to_numeric(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Numeric::from_f64(args[0].real()).to_datum())
}

fn float_to_numeric(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Numeric::from_f32(args[0].real() as f32).to_datum())
}

fn number(args: &[DatumRef<'_>]) -> Numeric {
    Numeric::from_stored(args[0].text())
}

fn numeric_to_int2(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    number(args).to_integer(i16::MIN.into(), i16::MAX.into(), "smallint").map(Datum::Integer)
}

fn numeric_to_int4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    number(args).to_integer(i32::MIN.into(), i32::MAX.into(), "integer").map(Datum::Integer)
}

fn numeric_to_int8(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    number(args).to_integer(i64::MIN, i64::MAX, "bigint").map(Datum::Integer)
}

fn numeric_to_float8(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = number(args);
    let double = value.to_f64();
    if double.is_infinite() && value.finite().is_some() {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{value}\" is out of range for type double precision");
    }
    Ok(datum(double))
}

fn numeric_to_float4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = number(args);
    let single = match &value {
        Numeric::Finite(decimal) => decimal.to_string().parse::<f32>().unwrap_or(f32::INFINITY),
        special => special.to_f64() as f32,
    };
    if single.is_infinite() && value.finite().is_some() {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{value}\" is out of range for type real");
    }
    Ok(datum(single.into()))
}

fn bool_to_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(if args[0].integer() != 0 { "true" } else { "false" }))
}

fn without_blanks(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(args[0].text().trim_end_matches(' ')))
}

fn to_name(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(cut_name(args[0].text())))
}

fn char_to_name(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(cut_name(args[0].text()).trim_end_matches(' ')))
}

fn first_character(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(args[0].text().chars().take(1).collect()))
}

fn character_code(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let byte = args[0].text().bytes().next().unwrap_or(0);
    Ok(Datum::Integer(i64::from(byte as i8)))
}

fn code_character(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match args[0].integer() {
        0 => Ok(Datum::text("")),
        code @ 1..=127 => Ok(Datum::Text(char::from(code as u8).to_string())),
        _ => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"),
    }
}

fn date_as_timestamp(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    date_to_timestamp(args[0].integer()).map(Datum::Integer)
}

fn date_as_timestamptz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let local = date_to_timestamp(args[0].integer())?;
    Ok(Datum::Integer(if timestamp::is_infinite(local) {
        local
    } else {
        env.format().time_zone.to_utc(local)
    }))
}

fn date_of(local: i64) -> Datum {
    Datum::Integer(match local {
        timestamp::INFINITY => date::INFINITY,
        timestamp::NEGATIVE_INFINITY => date::NEGATIVE_INFINITY,
        _ => local.div_euclid(DAY_US),
    })
}

fn time_of(local: i64) -> Datum {
    if timestamp::is_infinite(local) { Datum::Null } else { Datum::Integer(local.rem_euclid(DAY_US)) }
}

fn local(args: &[DatumRef<'_>], env: &dyn Env) -> i64 {
    let value = args[0].integer();
    if timestamp::is_infinite(value) {
        return value;
    }
    value + i64::from(env.format().time_zone.offset_at(value)) * SECOND_US
}

fn timestamp_to_date(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(date_of(args[0].integer()))
}

fn timestamptz_to_date(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(date_of(local(args, env)))
}

fn timestamp_to_time(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(time_of(args[0].integer()))
}

fn timestamptz_to_time(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(time_of(local(args, env)))
}

fn timestamp_to_timestamptz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let value = args[0].integer();
    Ok(Datum::Integer(if timestamp::is_infinite(value) {
        value
    } else {
        env.format().time_zone.to_utc(value)
    }))
}

fn timestamptz_to_timestamp(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(local(args, env)))
}

fn time_to_timetz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let format = env.format();
    let time_us = args[0].integer();
    let local = date::today(format) * DAY_US + time_us;
    let offset = format.time_zone.offset_at(format.time_zone.to_utc(local));
    Ok(ZonedTime { time_us, offset }.to_datum())
}

fn timetz_to_time(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(ZonedTime::from_stored(args[0].integer()).time_us))
}

fn timestamptz_to_timetz(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let value = args[0].integer();
    if timestamp::is_infinite(value) {
        return Ok(Datum::Null);
    }
    let offset = env.format().time_zone.offset_at(value);
    let time_us = (value + i64::from(offset) * SECOND_US).rem_euclid(DAY_US);
    Ok(ZonedTime { time_us, offset }.to_datum())
}

fn time_to_interval(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Interval { time_us: args[0].integer(), ..Interval::default() }.to_datum())
}

fn interval_to_time(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(Interval::from_stored(args[0].text()).time_us.rem_euclid(DAY_US)))
}

/// A jsonb scalar as another type; 22023 for another kind of value.
fn jsonb_number(args: &[DatumRef<'_>], sql_name: &str) -> Result<Numeric> {
    let kind = match Json::from_stored(args[0].text()) {
        Json::Number(text) => return Ok(Numeric::from_stored(&text)),
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    bail!(INVALID_PARAMETER_VALUE, "cannot cast jsonb {kind} to type {sql_name}")
}

fn jsonb_to_bool(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    if let Json::Bool(value) = Json::from_stored(args[0].text()) {
        return Ok(Datum::bool(value));
    }
    match jsonb_number(args, "boolean") {
        Ok(_) => bail!(INVALID_PARAMETER_VALUE, "cannot cast jsonb numeric to type boolean"),
        Err(error) => Err(error),
    }
}

fn jsonb_to_numeric(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(jsonb_number(args, "numeric")?.to_datum())
}

fn jsonb_to_int2(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    jsonb_number(args, "smallint")?
        .to_integer(i16::MIN.into(), i16::MAX.into(), "smallint")
        .map(Datum::Integer)
}

fn jsonb_to_int4(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    jsonb_number(args, "integer")?.to_integer(i32::MIN.into(), i32::MAX.into(), "integer").map(Datum::Integer)
}

fn jsonb_to_int8(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    jsonb_number(args, "bigint")?.to_integer(i64::MIN, i64::MAX, "bigint").map(Datum::Integer)
}

fn jsonb_to_float8(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let text = jsonb_number(args, "double precision")?.to_string();
    numeric_to_float8(&[DatumRef::Text(&text)], env)
}

fn jsonb_to_float4(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let text = jsonb_number(args, "real")?.to_string();
    numeric_to_float4(&[DatumRef::Text(&text)], env)
}

use Context::{Assignment, Explicit, Implicit};

/// pg_cast. Casts of a type to itself, which apply a modifier, are not here: [`Body::Typmod`] does that.
pub static CASTS: &[Cast] = &[
    cast(Assignment, scalar(2971, "booltext", &[&BOOL], &TEXT, bool_to_text)),
    cast(Assignment, scalar(2971, "boolvarchar", &[&BOOL], &VARCHAR, bool_to_text)),
    cast(Assignment, scalar(2971, "boolbpchar", &[&BOOL], &BPCHAR, bool_to_text)),
    cast(Explicit, native(2558, "bool_int4", &[&BOOL], &INT4, "{0}")),
    cast(Implicit, scalar(401, "bpchartext", &[&BPCHAR], &TEXT, without_blanks)),
    cast(Implicit, scalar(401, "bpcharvarchar", &[&BPCHAR], &VARCHAR, without_blanks)),
    cast(Implicit, scalar(409, "bpchar_name", &[&BPCHAR], &NAME, char_to_name)),
    cast(Assignment, scalar(944, "bpchar_char", &[&BPCHAR], &CHAR, first_character)),
    cast(Implicit, native(946, "char_text", &[&CHAR], &TEXT, "{0}")),
    cast(Assignment, native(946, "char_varchar", &[&CHAR], &VARCHAR, "{0}")),
    cast(Assignment, native(860, "char_bpchar", &[&CHAR], &BPCHAR, "{0}")),
    cast(Explicit, scalar(77, "chartoi4", &[&CHAR], &INT4, character_code)),
    cast(Implicit, scalar(2024, "date_timestamp", &[&DATE], &TIMESTAMP, date_as_timestamp)),
    cast(Implicit, scalar(1174, "date_timestamptz", &[&DATE], &TIMESTAMPTZ, date_as_timestamptz).stable()),
    cast(Implicit, native(311, "ftod", &[&FLOAT4], &FLOAT8, "{0}")),
    cast(Assignment, scalar(238, "ftoi2", &[&FLOAT4], &INT2, double_to_int2)),
    cast(Assignment, scalar(319, "ftoi4", &[&FLOAT4], &INT4, double_to_int4)),
    cast(Assignment, scalar(653, "ftoi8", &[&FLOAT4], &INT8, double_to_int8)),
    cast(Assignment, scalar(1742, "float4_numeric", &[&FLOAT4], &NUMERIC, float_to_numeric)),
    cast(Assignment, scalar(312, "dtof", &[&FLOAT8], &FLOAT4, double_to_float4)),
    cast(Assignment, scalar(237, "dtoi2", &[&FLOAT8], &INT2, double_to_int2)),
    cast(Assignment, scalar(317, "dtoi4", &[&FLOAT8], &INT4, double_to_int4)),
    cast(Assignment, scalar(483, "dtoi8", &[&FLOAT8], &INT8, double_to_int8)),
    cast(Assignment, scalar(1743, "float8_numeric", &[&FLOAT8], &NUMERIC, double_to_numeric)),
    cast(Implicit, native(313, "i2toi4", &[&INT2], &INT4, "{0}")),
    cast(Implicit, native(754, "int28", &[&INT2], &INT8, "{0}")),
    cast(Implicit, scalar(236, "i2tof", &[&INT2], &FLOAT4, integer_to_float4)),
    cast(Implicit, native(235, "i2tod", &[&INT2], &FLOAT8, "CAST({0} AS REAL)")),
    cast(Implicit, scalar(1782, "int2_numeric", &[&INT2], &NUMERIC, integer_to_numeric)),
    cast(Implicit, scalar(313, "int2_oid", &[&INT2], &OID, wrapped_oid)),
    cast(Assignment, scalar(314, "i4toi2", &[&INT4], &INT2, to_int2)),
    cast(Implicit, native(481, "int48", &[&INT4], &INT8, "{0}")),
    cast(Implicit, scalar(318, "i4tof", &[&INT4], &FLOAT4, integer_to_float4)),
    cast(Implicit, native(316, "i4tod", &[&INT4], &FLOAT8, "CAST({0} AS REAL)")),
    cast(Implicit, scalar(1740, "int4_numeric", &[&INT4], &NUMERIC, integer_to_numeric)),
    cast(Explicit, native(2557, "int4_bool", &[&INT4], &BOOL, "{0} <> 0")),
    cast(Explicit, scalar(78, "i4tochar", &[&INT4], &CHAR, code_character)),
    cast(Implicit, scalar(313, "int4_oid", &[&INT4], &OID, wrapped_oid)),
    cast(Implicit, scalar(313, "int4_regclass", &[&INT4], &REGCLASS, wrapped_oid)),
    cast(Implicit, scalar(313, "int4_regtype", &[&INT4], &REGTYPE, wrapped_oid)),
    cast(Assignment, scalar(714, "int82", &[&INT8], &INT2, to_int2)),
    cast(Assignment, scalar(480, "int84", &[&INT8], &INT4, to_int4)),
    cast(Implicit, scalar(652, "i8tof", &[&INT8], &FLOAT4, integer_to_float4)),
    cast(Implicit, native(482, "i8tod", &[&INT8], &FLOAT8, "CAST({0} AS REAL)")),
    cast(Implicit, scalar(1781, "int8_numeric", &[&INT8], &NUMERIC, integer_to_numeric)),
    cast(Implicit, scalar(1287, "i8tooid", &[&INT8], &OID, to_oid)),
    cast(Implicit, scalar(1287, "int8_regclass", &[&INT8], &REGCLASS, to_oid)),
    cast(Implicit, scalar(1287, "int8_regtype", &[&INT8], &REGTYPE, to_oid)),
    cast(Assignment, scalar(1419, "interval_time", &[&INTERVAL], &TIME, interval_to_time)),
    in_out(&JSON, &JSONB, Assignment),
    binary(&JSONB, &JSON, Assignment),
    cast(Explicit, scalar(3556, "jsonb_bool", &[&JSONB], &BOOL, jsonb_to_bool)),
    cast(Explicit, scalar(3449, "jsonb_numeric", &[&JSONB], &NUMERIC, jsonb_to_numeric)),
    cast(Explicit, scalar(3450, "jsonb_int2", &[&JSONB], &INT2, jsonb_to_int2)),
    cast(Explicit, scalar(3451, "jsonb_int4", &[&JSONB], &INT4, jsonb_to_int4)),
    cast(Explicit, scalar(3452, "jsonb_int8", &[&JSONB], &INT8, jsonb_to_int8)),
    cast(Explicit, scalar(3453, "jsonb_float4", &[&JSONB], &FLOAT4, jsonb_to_float4)),
    cast(Explicit, scalar(2580, "jsonb_float8", &[&JSONB], &FLOAT8, jsonb_to_float8)),
    cast(Implicit, native(406, "name_text", &[&NAME], &TEXT, "{0}")),
    cast(Assignment, native(1401, "name_varchar", &[&NAME], &VARCHAR, "{0}")),
    cast(Assignment, native(408, "name_bpchar", &[&NAME], &BPCHAR, "{0}")),
    cast(Implicit, scalar(1745, "numeric_float4", &[&NUMERIC], &FLOAT4, numeric_to_float4)),
    cast(Implicit, scalar(1746, "numeric_float8", &[&NUMERIC], &FLOAT8, numeric_to_float8)),
    cast(Assignment, scalar(1783, "numeric_int2", &[&NUMERIC], &INT2, numeric_to_int2)),
    cast(Assignment, scalar(1744, "numeric_int4", &[&NUMERIC], &INT4, numeric_to_int4)),
    cast(Assignment, scalar(1779, "numeric_int8", &[&NUMERIC], &INT8, numeric_to_int8)),
    cast(Assignment, native(1288, "oidtoi8", &[&OID], &INT8, "{0}")),
    cast(Assignment, native(1288, "oidtoi4", &[&OID], &INT4, "{0}")),
    binary(&OID, &REGCLASS, Implicit),
    binary(&OID, &REGTYPE, Implicit),
    binary(&OID, &REGPROC, Implicit),
    binary(&OID, &REGPROCEDURE, Implicit),
    binary(&REGPROCEDURE, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regprocedure", &[&INT4], &REGPROCEDURE, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regprocedure", &[&INT8], &REGPROCEDURE, to_oid)),
    binary(&REGPROCEDURE, &INT4, Assignment),
    binary(&OID, &REGOPER, Implicit),
    binary(&REGOPER, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regoper", &[&INT4], &REGOPER, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regoper", &[&INT8], &REGOPER, to_oid)),
    binary(&REGOPER, &INT4, Assignment),
    binary(&OID, &REGOPERATOR, Implicit),
    binary(&REGOPERATOR, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regoperator", &[&INT4], &REGOPERATOR, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regoperator", &[&INT8], &REGOPERATOR, to_oid)),
    binary(&REGOPERATOR, &INT4, Assignment),
    binary(&OID, &REGROLE, Implicit),
    binary(&REGROLE, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regrole", &[&INT4], &REGROLE, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regrole", &[&INT8], &REGROLE, to_oid)),
    binary(&REGROLE, &INT4, Assignment),
    binary(&OID, &REGNAMESPACE, Implicit),
    binary(&REGNAMESPACE, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regnamespace", &[&INT4], &REGNAMESPACE, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regnamespace", &[&INT8], &REGNAMESPACE, to_oid)),
    binary(&REGNAMESPACE, &INT4, Assignment),
    binary(&OID, &REGCOLLATION, Implicit),
    binary(&REGCOLLATION, &OID, Implicit),
    cast(Implicit, scalar(313, "int4_regcollation", &[&INT4], &REGCOLLATION, wrapped_oid)),
    cast(Implicit, scalar(1287, "int8_regcollation", &[&INT8], &REGCOLLATION, to_oid)),
    binary(&REGCOLLATION, &INT4, Assignment),
    binary(&REGCLASS, &OID, Implicit),
    binary(&REGPROC, &REGPROCEDURE, Implicit),
    binary(&REGPROCEDURE, &REGPROC, Implicit),
    binary(&REGTYPE, &INT4, Assignment),
    binary(&REGPROC, &INT4, Assignment),
    binary(&REGTYPE, &OID, Implicit),
    binary(&REGPROC, &OID, Implicit),
    cast(Assignment, native(1288, "regclasstoi8", &[&REGCLASS], &INT8, "{0}")),
    binary(&REGCLASS, &INT4, Assignment),
    binary(&TEXT, &BPCHAR, Implicit),
    binary(&TEXT, &VARCHAR, Implicit),
    cast(Assignment, scalar(944, "text_char", &[&TEXT], &CHAR, first_character)),
    cast(Implicit, scalar(407, "text_name", &[&TEXT], &NAME, to_name)),
    cast(Implicit, scalar(2218, "text_regclass", &[&TEXT], &REGCLASS, regclass_in).stable()),
    cast(Implicit, scalar(1370, "time_interval", &[&TIME], &INTERVAL, time_to_interval)),
    cast(Assignment, scalar(2029, "timestamp_date", &[&TIMESTAMP], &DATE, timestamp_to_date)),
    cast(Assignment, scalar(1316, "timestamp_time", &[&TIMESTAMP], &TIME, timestamp_to_time)),
    cast(
        Implicit,
        scalar(2028, "timestamp_timestamptz", &[&TIMESTAMP], &TIMESTAMPTZ, timestamp_to_timestamptz).stable(),
    ),
    cast(Assignment, scalar(1178, "timestamptz_date", &[&TIMESTAMPTZ], &DATE, timestamptz_to_date).stable()),
    cast(Assignment, scalar(2019, "timestamptz_time", &[&TIMESTAMPTZ], &TIME, timestamptz_to_time).stable()),
    cast(
        Assignment,
        scalar(2027, "timestamptz_timestamp", &[&TIMESTAMPTZ], &TIMESTAMP, timestamptz_to_timestamp).stable(),
    ),
    binary(&CIDR, &INET, Implicit),
    cast(Assignment, scalar(1715, "inet_cidr", &[&INET], &CIDR, super::network::to_cidr)),
    cast(Implicit, scalar(4123, "macaddr_macaddr8", &[&MACADDR], &MACADDR8, super::network::widen)),
    cast(Implicit, scalar(4124, "macaddr8_macaddr", &[&MACADDR8], &MACADDR, super::network::narrow)),
    cast(Implicit, scalar(2047, "time_timetz", &[&TIME], &TIMETZ, time_to_timetz).stable()),
    cast(Assignment, scalar(2046, "timetz_time", &[&TIMETZ], &TIME, timetz_to_time)),
    cast(
        Assignment,
        scalar(1388, "timestamptz_timetz", &[&TIMESTAMPTZ], &TIMETZ, timestamptz_to_timetz).stable(),
    ),
    binary(&VARCHAR, &TEXT, Implicit),
    binary(&VARCHAR, &BPCHAR, Implicit),
    cast(Assignment, scalar(944, "varchar_char", &[&VARCHAR], &CHAR, first_character)),
    cast(Implicit, scalar(1400, "varchar_name", &[&VARCHAR], &NAME, to_name)),
    cast(Implicit, scalar(2218, "varchar_regclass", &[&VARCHAR], &REGCLASS, regclass_in).stable()),
];

/// The name under which SQLite knows a built-in type's conversion to text.
pub fn output_symbol(ty: &Type) -> String {
    format!("{}out", ty.name)
}

/// Text to a value.
pub fn input_symbol(ty: &Type) -> String {
    format!("{}in", ty.name)
}

/// Applies a modifier: (value, typmod, explicit).
pub fn typmod_symbol(ty: &Type) -> String {
    format!("{}_typmod", ty.name)
}

/// A cast's body must be one of these kinds; the registry's test relies on it.
pub fn is_computed(body: &Body) -> bool {
    matches!(body, Body::Native(_) | Body::Scalar(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cast_is_listed_once_and_computed() {
        for (place, cast) in CASTS.iter().enumerate() {
            let same = |other: &Cast| other.source == cast.source && other.target == cast.target;
            assert_eq!(CASTS.iter().position(same), Some(place), "{:?} to {:?}", cast.source, cast.target);
            if let Method::Function(function) = &cast.method {
                assert!(is_computed(&function.body));
            }
        }
    }
}
