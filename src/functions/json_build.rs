//! Values as json and jsonb: to_json and its kin, builders and aggregates.

use super::array::spread;
use super::{Aggregate, Body, Env, Function, Kind, Signature, scalar, typed};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, Dimension, TEXT_ARRAY};
use crate::types::boolean::BOOL;
use crate::types::json::{JSON, JSONB, Json, write_string};
use crate::types::record::{ANY, ANYARRAY, ANYELEMENT, RECORD, Row};
use crate::types::{DateStyle, Datum, DatumRef, Format, Oid, Type, date, timestamp};

/// Appends a value as json (datum_to_json). `pretty` puts the members of rows and arrays on lines of their own.
fn write_json(value: DatumRef<'_>, ty: &'static Type, pretty: bool, format: &Format, out: &mut String) {
    if value.is_null() {
        out.push_str("null");
        return;
    }
    let ty = ty.base();
    if let Some(element) = ty.element() {
        let array = Array::from_stored(value.text());
        match array.dimensions.as_slice() {
            [] => out.push_str("[]"),
            dimensions => write_array(dimensions, &mut array.elements.iter(), element, pretty, format, out),
        }
        return;
    }
    match ty.name {
        "bool" => out.push_str(if value.integer() != 0 { "true" } else { "false" }),
        "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" => {
            let text = ty.to_text(value, format);
            match text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.ends_with('y') {
                true => out.push_str(&text),
                false => write_string(&text, out),
            }
        }
        "json" | "jsonb" => out.push_str(value.text()),
        "record" => write_row(&Row::from_stored(value.text()), pretty, format, out),
        "date" | "timestamp" | "timestamptz" => write_string(&iso(value, ty, format), out),
        _ => write_string(&ty.to_text(value, format), out),
    }
}

/// A date or timestamp as XML Schema writes it, which JSON's users expect.
fn iso(value: DatumRef<'_>, ty: &Type, format: &Format) -> String {
    let iso = Format { date_style: DateStyle::Iso, ..format.clone() };
    let shown = ty.to_text(value, &iso);
    let is_infinite = match ty.name {
        "date" => date::is_infinite(value.integer()),
        _ => timestamp::is_infinite(value.integer()),
    };
    if is_infinite || ty.name == "date" {
        return shown;
    }
    let (shown, era) = match shown.strip_suffix(" BC") {
        Some(shown) => (shown.to_owned(), " BC"),
        None => (shown, ""),
    };
    let mut joined = shown.replacen(' ', "T", 1);
    if ty.name == "timestamptz" {
        let zone = joined.rfind(['+', '-']).map_or("", |place| &joined[place..]);
        if zone.len() == 3 {
            joined.push_str(":00");
        }
    }
    joined + era
}

fn write_array<'v>(
    dimensions: &[Dimension],
    elements: &mut impl Iterator<Item = &'v Datum>,
    element: &'static Type,
    pretty: bool,
    format: &Format,
    out: &mut String,
) {
    out.push('[');
    for place in 0..dimensions[0].length {
        if place > 0 {
            out.push_str(if pretty { ",\n " } else { "," });
        }
        match dimensions {
            [_] => {
                if let Some(value) = elements.next() {
                    write_json(value.as_ref(), element, false, format, out);
                }
            }
            _ => write_array(&dimensions[1..], elements, element, false, format, out),
        }
    }
    out.push(']');
}

fn write_row(row: &Row, pretty: bool, format: &Format, out: &mut String) {
    out.push('{');
    for (place, field) in row.fields.iter().enumerate() {
        if place > 0 {
            out.push_str(if pretty { ",\n " } else { "," });
        }
        write_string(&field.name, out);
        out.push(':');
        match format.type_by_oid(field.type_oid) {
            Some(ty) => write_json(field.value.as_ref(), ty, false, format, out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
}

/// A value's json text.
pub(super) fn json_text(value: DatumRef<'_>, ty: &'static Type, format: &Format) -> String {
    let mut out = String::new();
    write_json(value, ty, false, format, &mut out);
    out
}

fn pretty_text(value: DatumRef<'_>, ty: &'static Type, format: &Format) -> String {
    let mut out = String::new();
    write_json(value, ty, true, format, &mut out);
    out
}

/// A value as jsonb.
pub(super) fn to_json_value(value: DatumRef<'_>, ty: &'static Type, format: &Format) -> Result<Json> {
    Json::parse(&json_text(value, ty, format))
}

fn to_json(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    Ok(Datum::Text(json_text(args[0], signature.args[0], env.format())))
}

fn to_jsonb(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    Ok(to_json_value(args[0], signature.args[0], env.format())?.to_datum())
}

fn to_json_pretty(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let pretty = args[1].integer() != 0;
    let print = if pretty { pretty_text } else { json_text };
    Ok(Datum::Text(print(args[0], signature.args[0], env.format())))
}

fn result(text: String, is_binary: bool) -> Result<Datum> {
    if is_binary { Ok(Json::parse(&text)?.to_datum()) } else { Ok(Datum::Text(text)) }
}

fn build_array<const BINARY: bool>(
    args: &[DatumRef<'_>],
    signature: &Signature,
    env: &dyn Env,
) -> Result<Datum> {
    let Some(values) = spread(args, signature, 0) else { return Ok(Datum::Null) };
    let parts: Vec<String> =
        values.iter().map(|(value, ty)| json_text(value.as_ref(), ty, env.format())).collect();
    result(format!("[{}]", parts.join(", ")), BINARY)
}

/// A key's text: no NULL, no row, array or json.
fn key_text(value: DatumRef<'_>, ty: &'static Type, format: &Format) -> Result<String> {
    let ty = ty.base();
    if value.is_null() {
        bail!(NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key");
    }
    if ty.element().is_some() || matches!(ty.name, "record" | "json" | "jsonb") {
        bail!(INVALID_PARAMETER_VALUE, "key value must be scalar, not array, composite, or json");
    }
    Ok(match ty.name {
        "bool" => (if value.integer() != 0 { "true" } else { "false" }).to_owned(),
        "date" | "timestamp" | "timestamptz" => iso(value, ty, format),
        _ => ty.to_text(value, format),
    })
}

fn build_object<const BINARY: bool>(
    args: &[DatumRef<'_>],
    signature: &Signature,
    env: &dyn Env,
) -> Result<Datum> {
    let Some(values) = spread(args, signature, 0) else { return Ok(Datum::Null) };
    if values.len() % 2 != 0 {
        let name = if BINARY { "jsonb_build_object" } else { "json_build_object" };
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            "argument list must have even number of elements",
        )
        .with_hint(format!("The arguments of {name}() must consist of alternating keys and values.")));
    }
    let mut out = String::from("{");
    for (place, pair) in values.chunks_exact(2).enumerate() {
        let (key, key_type) = &pair[0];
        if key.is_null() {
            match BINARY {
                true => bail!(INVALID_PARAMETER_VALUE, "argument {}: key must not be null", place * 2 + 1),
                false => {
                    return Err(Error::new(
                        state::INVALID_PARAMETER_VALUE,
                        format!("argument {} cannot be null", place * 2 + 1),
                    )
                    .with_hint("Object keys should be text."));
                }
            }
        }
        out.push_str(if place > 0 { ", " } else { "" });
        write_string(&key_text(key.as_ref(), key_type, env.format())?, &mut out);
        out.push_str(" : ");
        out.push_str(&json_text(pair[1].0.as_ref(), pair[1].1, env.format()));
    }
    out.push('}');
    result(out, BINARY)
}

fn nothing<const BINARY: bool>(_: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let _ = signature;
    Ok(Datum::text(if BINARY { "[]" } else { "{}" }))
}

/// json_object(text[]): pairs in one dimension or two.
fn object_of_array<const BINARY: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let array = Array::from_stored(args[0].text());
    match array.dimensions.as_slice() {
        [] => {}
        [_] if array.elements.len().is_multiple_of(2) => {}
        [_] => bail!(ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements"),
        [_, inner] if inner.length == 2 => {}
        [_, _] => bail!(ARRAY_SUBSCRIPT_ERROR, "array must have two columns"),
        _ => bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"),
    }
    let pairs = array.elements.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    result(object_of_texts(pairs)?, BINARY)
}

fn object_of_arrays<const BINARY: bool>(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (keys, values) = (Array::from_stored(args[0].text()), Array::from_stored(args[1].text()));
    if keys.dimensions.len() > 1 || keys.dimensions.len() != values.dimensions.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    if keys.elements.len() != values.elements.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions");
    }
    result(object_of_texts(keys.elements.iter().zip(&values.elements))?, BINARY)
}

fn object_of_texts<'v>(pairs: impl Iterator<Item = (&'v Datum, &'v Datum)>) -> Result<String> {
    let mut out = String::from("{");
    for (place, (key, value)) in pairs.enumerate() {
        let Datum::Text(key) = key else {
            bail!(NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key")
        };
        out.push_str(if place > 0 { ", " } else { "" });
        write_string(key, &mut out);
        out.push_str(" : ");
        match value {
            Datum::Text(value) => write_string(value, &mut out),
            _ => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(out)
}

/// The most bytes of an aggregate's json.
const AGGREGATE_MAX: usize = 1 << 29;

/// json_agg, json_object_agg and jsonb's: text that is closed at the end.
struct Joined {
    types: Vec<&'static Type>,
    text: String,
    is_object: bool,
    is_binary: bool,
}

impl Aggregate for Joined {
    fn step(&mut self, args: &[DatumRef<'_>], env: &dyn Env) -> Result<()> {
        if self.text.len() > AGGREGATE_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "json is longer than {AGGREGATE_MAX} bytes");
        }
        let separator = match (self.text.is_empty(), self.is_object) {
            (true, _) => "",
            (false, false) => ", ",
            (false, true) => ", ",
        };
        self.text.push_str(separator);
        if !self.is_object {
            // A row or an array goes to a line of its own, but for the first.
            let is_composite = self.types[0].oid == RECORD.oid || self.types[0].element().is_some();
            if !separator.is_empty() && is_composite {
                self.text.push_str("\n ");
            }
            self.text.push_str(&json_text(args[0], self.types[0], env.format()));
            return Ok(());
        }
        if args[0].is_null() {
            bail!(INVALID_PARAMETER_VALUE, "field name must not be null");
        }
        if self.text.is_empty() {
            self.text.push(' ');
        }
        write_string(&key_text(args[0], self.types[0], env.format())?, &mut self.text);
        self.text.push_str(" : ");
        self.text.push_str(&json_text(args[1], self.types[1], env.format()));
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        if self.text.is_empty() {
            return Ok(Datum::Null);
        }
        let closed = match self.is_object {
            true => format!("{{{} }}", self.text),
            false => format!("[{}]", self.text),
        };
        result(closed, self.is_binary)
    }
}

fn collect<const OBJECT: bool, const BINARY: bool>(signature: &Signature) -> Box<dyn Aggregate> {
    Box::new(Joined {
        types: signature.args.clone(),
        text: String::new(),
        is_object: OBJECT,
        is_binary: BINARY,
    })
}

const fn aggregate(
    oid: Oid,
    name: &'static str,
    args: &'static [&'static Type],
    result: &'static Type,
    body: fn(&Signature) -> Box<dyn Aggregate>,
) -> Function {
    Function::new(oid, name, args, result, Body::TypedAggregate(body))
        .kind(Kind::Aggregate)
        .called_on_null()
        .stable()
}

const TEXTS: &[&Type] = &[&TEXT_ARRAY];
const TWO_TEXTS: &[&Type] = &[&TEXT_ARRAY, &TEXT_ARRAY];

pub(super) const FUNCTIONS: &[Function] = &[
    typed(3176, "to_json", &[&ANYELEMENT], &JSON, to_json).stable(),
    typed(3787, "to_jsonb", &[&ANYELEMENT], &JSONB, to_jsonb).stable(),
    typed(3155, "row_to_json", &[&RECORD], &JSON, to_json).stable(),
    typed(3156, "row_to_json", &[&RECORD, &BOOL], &JSON, to_json_pretty).stable(),
    typed(3153, "array_to_json", &[&ANYARRAY], &JSON, to_json).stable(),
    typed(3154, "array_to_json", &[&ANYARRAY, &BOOL], &JSON, to_json_pretty).stable(),
    typed(3198, "json_build_array", &[&ANY], &JSON, build_array::<false>).variadic().stable(),
    typed(3199, "json_build_array", &[], &JSON, nothing::<true>).stable(),
    typed(3200, "json_build_object", &[&ANY], &JSON, build_object::<false>).variadic().stable(),
    typed(3201, "json_build_object", &[], &JSON, nothing::<false>).stable(),
    typed(3271, "jsonb_build_array", &[&ANY], &JSONB, build_array::<true>).variadic().stable(),
    typed(3272, "jsonb_build_array", &[], &JSONB, nothing::<true>).stable(),
    typed(3273, "jsonb_build_object", &[&ANY], &JSONB, build_object::<true>).variadic().stable(),
    typed(3274, "jsonb_build_object", &[], &JSONB, nothing::<false>).stable(),
    scalar(3202, "json_object", TEXTS, &JSON, object_of_array::<false>),
    scalar(3203, "json_object", TWO_TEXTS, &JSON, object_of_arrays::<false>),
    scalar(3263, "jsonb_object", TEXTS, &JSONB, object_of_array::<true>),
    scalar(3264, "jsonb_object", TWO_TEXTS, &JSONB, object_of_arrays::<true>),
    aggregate(3175, "json_agg", &[&ANYELEMENT], &JSON, collect::<false, false>),
    aggregate(3267, "jsonb_agg", &[&ANYELEMENT], &JSONB, collect::<false, true>),
    aggregate(3197, "json_object_agg", &[&ANY, &ANY], &JSON, collect::<true, false>),
    aggregate(3270, "jsonb_object_agg", &[&ANY, &ANY], &JSONB, collect::<true, true>),
];
