//! Type names with their modifiers.

use sqlparser::ast::{self, ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::{
    self, NO_TYPMOD, Shape, Type, date, float, integer, interval, json, numeric, oid, text, time, timestamp,
    timetz,
};

use super::Context;

/// Arrays of domains that can refuse or cut a value are refused: elements would have to be asked one by one, wherever an
/// array changes.
fn checked((ty, typmod): (&'static Type, i32)) -> Result<(&'static Type, i32)> {
    let mut element = ty.element();
    while let Some(Shape::Domain(domain)) = element.map(|ty| ty.shape) {
        if domain.has_conditions() || domain.typmod != NO_TYPMOD {
            return Err(Error::unsupported("an array of a domain with conditions or a length")
                .with_hint("Declare an array of the type under the domain, with a CHECK on the column."));
        }
        element = Some(domain.base);
    }
    Ok((ty, typmod))
}

/// The type a name stands for, and its modifier.
pub(in crate::sql) fn resolve(data_type: &DataType, context: &Context<'_>) -> Result<(&'static Type, i32)> {
    use DataType as D;
    match data_type {
        D::SmallInt(None) | D::Int2(None) => plain(&integer::INT2),
        D::Int(None) | D::Integer(None) | D::Int4(None) => plain(&integer::INT4),
        D::BigInt(None) | D::Int8(None) => plain(&integer::INT8),
        D::Real | D::Float4 => plain(&float::FLOAT4),
        D::DoublePrecision | D::Float8 | D::Double(ExactNumberInfo::None) => plain(&float::FLOAT8),
        D::Float(info) => float_of(info),
        D::Numeric(info) | D::Decimal(info) | D::Dec(info) => numeric_of(info),
        D::Bool | D::Boolean => plain(&types::boolean::BOOL),
        D::Text => plain(&text::TEXT),
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) | D::Nvarchar(length) => {
            with_length(&text::VARCHAR, length.as_ref(), NO_TYPMOD)
        }
        D::Char(length) | D::Character(length) => with_length(&text::BPCHAR, length.as_ref(), 1 + 4),
        D::Bytea => plain(&types::bytea::BYTEA),
        D::Uuid => plain(&types::uuid::UUID),
        D::Date => plain(&date::DATE),
        D::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            with_precision(&time::TIME, *precision)
        }
        D::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            with_precision(&timestamp::TIMESTAMP, *precision)
        }
        D::Timestamp(precision, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            with_precision(&timestamp::TIMESTAMPTZ, *precision)
        }
        D::Time(precision, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            with_precision(&timetz::TIMETZ, *precision)
        }
        D::TimestampNtz(precision) => with_precision(&timestamp::TIMESTAMP, *precision),
        D::Interval { fields: None, precision: None } => plain(&interval::INTERVAL),
        D::Interval { fields, precision } => Ok((
            &interval::INTERVAL,
            interval::typmod(fields.as_ref().map(|fields| fields.to_string()).as_deref(), *precision)?,
        )),
        D::JSON => plain(&json::JSON),
        D::JSONB => plain(&json::JSONB),
        D::Regclass => plain(&oid::REGCLASS),
        D::Custom(name, modifiers) => checked(custom(name, modifiers, context)?),
        D::Array(element) => checked(array(element, context)?),
        other => Err(lacking(&other.to_string())),
    }
}

fn plain(ty: &'static Type) -> Result<(&'static Type, i32)> {
    Ok((ty, NO_TYPMOD))
}

fn lacking(name: &str) -> Error {
    Error::unsupported(format!("type {}", name.to_lowercase()))
}

/// An array of anything: its dimensions and bounds in a declaration mean nothing, as in PostgreSQL.
fn array(element: &ArrayElemTypeDef, context: &Context<'_>) -> Result<(&'static Type, i32)> {
    let (ArrayElemTypeDef::SquareBracket(inner, _) | ArrayElemTypeDef::AngleBracket(inner)) = element else {
        return Err(Error::unsupported("this type of arrays"));
    };
    let (ty, typmod) = resolve(inner, context)?;
    if ty.element().is_some() {
        return Ok((ty, typmod));
    }
    match ty.array() {
        Some(array) => Ok((array, typmod)),
        None => bail!(UNDEFINED_OBJECT, "could not find array type for data type {}", ty.sql_name),
    }
}

fn modified(ty: &'static Type, modifiers: &[i64]) -> Result<(&'static Type, i32)> {
    match ty.typmod {
        Some(typmod) => Ok((ty, (typmod.input)(modifiers)?)),
        None => bail!(SYNTAX_ERROR, "type modifier is not allowed for type \"{}\"", ty.name),
    }
}

fn with_length(
    ty: &'static Type,
    length: Option<&CharacterLength>,
    default: i32,
) -> Result<(&'static Type, i32)> {
    match length {
        None => Ok((ty, default)),
        Some(CharacterLength::IntegerLength { length, unit: None }) => modified(ty, &[clamp(*length)]),
        Some(_) => bail!(SYNTAX_ERROR, "syntax error in the length of type {}", ty.sql_name),
    }
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn with_precision(ty: &'static Type, precision: Option<u64>) -> Result<(&'static Type, i32)> {
    match precision {
        None => plain(ty),
        Some(digits) => modified(ty, &[clamp(digits)]),
    }
}

fn numeric_of(info: &ExactNumberInfo) -> Result<(&'static Type, i32)> {
    match info {
        ExactNumberInfo::None => plain(&numeric::NUMERIC),
        ExactNumberInfo::Precision(precision) => modified(&numeric::NUMERIC, &[clamp(*precision)]),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => {
            modified(&numeric::NUMERIC, &[clamp(*precision), *scale])
        }
    }
}

/// float(n): n binary digits choose the type.
fn float_of(info: &ExactNumberInfo) -> Result<(&'static Type, i32)> {
    match info {
        ExactNumberInfo::None => plain(&float::FLOAT8),
        ExactNumberInfo::Precision(0) => {
            bail!(INVALID_PARAMETER_VALUE, "precision for type float must be at least 1 bit")
        }
        ExactNumberInfo::Precision(1..=24) => plain(&float::FLOAT4),
        ExactNumberInfo::Precision(25..=53) => plain(&float::FLOAT8),
        _ => bail!(INVALID_PARAMETER_VALUE, "precision for type float must be less than 54 bits"),
    }
}

/// A name that is no keyword of sqlparser's: a pg_type name, possibly in pg_catalog.
fn custom(
    name: &ast::ObjectName,
    modifiers: &[String],
    context: &Context<'_>,
) -> Result<(&'static Type, i32)> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(|ident| crate::catalog::naming::fold(&ident.value, ident.quote_style.is_some()).0)
        .collect();
    let (schema, bare) = match parts.as_slice() {
        [bare] => (None, bare),
        [schema, bare] => (Some(schema.as_str()), bare),
        _ => return Err(Error::unsupported("a type's name with more than schema and name")),
    };
    if schema != Some("pg_catalog")
        && let Some(ty) = context.catalog.find_type(schema, bare, context.path)?
    {
        return if modifiers.is_empty() { plain(ty) } else { modified(ty, &[]) };
    }
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        return Err(undefined(&parts.join(".")));
    }
    let is_quoted =
        name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.quote_style.is_some());
    let ty = match bare.as_str() {
        // Unquoted char is bpchar and comes as a keyword; "char" is the one-byte type.
        "char" if !is_quoted => &text::BPCHAR,
        "decimal" => &numeric::NUMERIC,
        other => match types::by_name(other) {
            Some(ty) => ty,
            None if types::LACKING.contains(&other.strip_prefix('_').unwrap_or(other)) => {
                return Err(lacking(other));
            }
            None => return Err(undefined(other)),
        },
    };
    if modifiers.is_empty() {
        return plain(ty);
    }
    let modifiers: Option<Vec<i64>> = modifiers.iter().map(|text| text.parse().ok()).collect();
    modified(ty, &modifiers.ok_or_else(|| undefined(bare))?)
}

/// The serial types, which are integers with a sequence; by the name in a column definition.
pub(in crate::sql) fn serial(data_type: &DataType) -> Option<&'static Type> {
    let DataType::Custom(name, modifiers) = data_type else { return None };
    let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    if !modifiers.is_empty() || ident.quote_style.is_some() {
        return None;
    }
    match ident.value.to_ascii_lowercase().as_str() {
        "serial" | "serial4" => Some(&integer::INT4),
        "bigserial" | "serial8" => Some(&integer::INT8),
        "smallserial" | "serial2" => Some(&integer::INT2),
        _ => None,
    }
}

fn undefined(name: &str) -> Error {
    Error::new(state::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

/// The built-in type that a keyword of the grammar stands for.
pub(super) fn built_in(data_type: &DataType) -> Option<&'static Type> {
    let catalog = crate::catalog::Catalog::empty();
    let path = catalog.search_path("", "");
    let format = types::Format::default();
    resolve(data_type, &Context { catalog: &catalog, path: &path, format: &format, source: "" })
        .ok()
        .map(|(ty, _)| ty)
}
