//! Operators and functions on json and jsonb.

use super::{Env, Function, Operator, operator, scalar};
use crate::bail;
use crate::error::Result;
use crate::types::boolean::BOOL;
use crate::types::integer::INT4;
use crate::types::json::{JSON, JSONB, Json, compare, raw_element, raw_kind, raw_member, raw_text};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Type};

fn parsed(value: DatumRef<'_>) -> Json {
    Json::from_stored(value.text())
}

fn optional(value: Option<&Json>) -> Result<Datum> {
    Ok(value.map_or(Datum::Null, Json::to_datum))
}

fn optional_text(value: Option<&Json>) -> Result<Datum> {
    Ok(value.map_or(Datum::Null, Json::as_text))
}

fn jsonb_member(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    optional(parsed(args[0]).member(args[1].text()))
}

fn jsonb_member_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    optional_text(parsed(args[0]).member(args[1].text()))
}

fn jsonb_element(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    optional(parsed(args[0]).element(args[1].integer()))
}

fn jsonb_element_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    optional_text(parsed(args[0]).element(args[1].integer()))
}

fn json_member(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(raw_member(args[0].text(), args[1].text()).map_or(Datum::Null, Datum::text))
}

fn json_member_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    raw_member(args[0].text(), args[1].text()).map_or(Ok(Datum::Null), raw_text)
}

fn json_element(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(raw_element(args[0].text(), args[1].integer()).map_or(Datum::Null, Datum::text))
}

fn json_element_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    raw_element(args[0].text(), args[1].integer()).map_or(Ok(Datum::Null), raw_text)
}

fn kind(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::text(raw_kind(args[0].text())))
}

fn array_length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match parsed(args[0]) {
        Json::Array(items) => Ok(Datum::Integer(items.len() as i64)),
        Json::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a scalar"),
    }
}

fn equal(a: &Json, b: &Json) -> bool {
    compare(a, b).is_eq()
}

/// `@>`: every member and element of `part` is in `whole`; a scalar is in an array that has it.
fn contains(whole: &Json, part: &Json, is_top: bool) -> bool {
    match (whole, part) {
        (Json::Object(_), Json::Object(pairs)) => pairs
            .iter()
            .all(|(key, value)| whole.member(key).is_some_and(|inner| contains(inner, value, false))),
        (Json::Array(items), Json::Array(parts)) => {
            parts.iter().all(|part| items.iter().any(|item| contains(item, part, false)))
        }
        (Json::Array(items), scalar) if is_top && !matches!(scalar, Json::Object(_)) => {
            items.iter().any(|item| equal(item, scalar))
        }
        (a, b) => equal(a, b),
    }
}

fn jsonb_contains(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(contains(&parsed(args[0]), &parsed(args[1]), true)))
}

fn jsonb_contained(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::bool(contains(&parsed(args[1]), &parsed(args[0]), true)))
}

fn jsonb_exists(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let key = args[1].text();
    let is_key = |item: &Json| matches!(item, Json::String(text) if text == key);
    Ok(Datum::bool(match parsed(args[0]) {
        Json::Object(pairs) => pairs.iter().any(|(name, _)| name == key),
        Json::Array(items) => items.iter().any(is_key),
        scalar => is_key(&scalar),
    }))
}

/// `||`: objects are merged, everything else becomes an array and is appended.
fn jsonb_concat(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let items = |value: Json| match value {
        Json::Array(items) => items,
        other => vec![other],
    };
    Ok(match (parsed(args[0]), parsed(args[1])) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::object(left)
        }
        (left, right) => Json::Array(items(left).into_iter().chain(items(right)).collect()),
    }
    .to_datum())
}

fn jsonb_delete_key(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let key = args[1].text();
    Ok(match parsed(args[0]) {
        Json::Object(pairs) => Json::Object(pairs.into_iter().filter(|(name, _)| name != key).collect()),
        Json::Array(items) => Json::Array(
            items.into_iter().filter(|item| !matches!(item, Json::String(text) if text == key)).collect(),
        ),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
    .to_datum())
}

fn jsonb_delete_place(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let place = args[1].integer();
    match parsed(args[0]) {
        Json::Array(mut items) => {
            let place = if place < 0 { place + items.len() as i64 } else { place };
            if (0..items.len() as i64).contains(&place) {
                items.remove(place as usize);
            }
            Ok(Json::Array(items).to_datum())
        }
        Json::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot delete from object using integer index"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
}

const BOTH: &[&Type] = &[&JSONB, &JSONB];
const KEY: &[&Type] = &[&JSONB, &TEXT];
const PLACE: &[&Type] = &[&JSONB, &INT4];

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(3968, "json_typeof", &[&JSON], &TEXT, kind),
    scalar(3210, "jsonb_typeof", &[&JSONB], &TEXT, kind),
    scalar(3956, "json_array_length", &[&JSON], &INT4, array_length),
    scalar(3207, "jsonb_array_length", &[&JSONB], &INT4, array_length),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(3962, "->", scalar(3947, "json_object_field", &[&JSON, &TEXT], &JSON, json_member)),
    operator(3963, "->>", scalar(3948, "json_object_field_text", &[&JSON, &TEXT], &TEXT, json_member_text)),
    operator(3964, "->", scalar(3949, "json_array_element", &[&JSON, &INT4], &JSON, json_element)),
    operator(3965, "->>", scalar(3950, "json_array_element_text", &[&JSON, &INT4], &TEXT, json_element_text)),
    operator(3211, "->", scalar(3478, "jsonb_object_field", KEY, &JSONB, jsonb_member)),
    operator(3477, "->>", scalar(3214, "jsonb_object_field_text", KEY, &TEXT, jsonb_member_text)),
    operator(3212, "->", scalar(3215, "jsonb_array_element", PLACE, &JSONB, jsonb_element)),
    operator(3481, "->>", scalar(3216, "jsonb_array_element_text", PLACE, &TEXT, jsonb_element_text)),
    operator(3246, "@>", scalar(4046, "jsonb_contains", BOTH, &BOOL, jsonb_contains)),
    operator(3250, "<@", scalar(4050, "jsonb_contained", BOTH, &BOOL, jsonb_contained)),
    operator(3247, "?", scalar(4047, "jsonb_exists", KEY, &BOOL, jsonb_exists)),
    operator(3284, "||", scalar(3301, "jsonb_concat", BOTH, &JSONB, jsonb_concat)),
    operator(3285, "-", scalar(3302, "jsonb_delete", KEY, &JSONB, jsonb_delete_key)),
    operator(3286, "-", scalar(3303, "jsonb_delete", PLACE, &JSONB, jsonb_delete_place)),
];
