//! Parts of json and jsonb: paths, changes, and the functions that give a row for each member or element.

use super::array::spread;
use super::{Env, Function, Operator, Rows, Signature, operator, scalar, set, typed};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, TEXT_ARRAY};
use crate::types::boolean::BOOL;
use crate::types::json::{
    JSON, JSONB, Json, raw_element, raw_elements, raw_kind, raw_member, raw_members, raw_text,
};
use crate::types::record::RECORD;
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Format, Type};

fn parsed(value: DatumRef<'_>) -> Json {
    Json::from_stored(value.text())
}

/// A path's steps; `None` if one is NULL.
fn steps(value: DatumRef<'_>) -> Option<Vec<String>> {
    let text = |element: Datum| match element {
        Datum::Text(text) => Some(text),
        _ => None,
    };
    Array::from_stored(value.text()).elements.into_iter().map(text).collect()
}

/// A step as a place in an array: an integer as strtoint reads it.
fn place(step: &str) -> Option<i64> {
    step.trim_start().parse::<i32>().ok().map(i64::from)
}

fn walk<'j>(value: &'j Json, steps: &[String]) -> Option<&'j Json> {
    steps.iter().try_fold(value, |value, step| match value {
        Json::Object(_) => value.member(step),
        Json::Array(_) => value.element(place(step)?),
        _ => None,
    })
}

fn walk_raw<'t>(text: &'t str, steps: &[String]) -> Option<&'t str> {
    steps.iter().try_fold(text.trim(), |text, step| match raw_kind(text) {
        "object" => raw_member(text, step),
        "array" => raw_element(text, place(step)?),
        _ => None,
    })
}

fn extract(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let Some(steps) = steps(args[1]) else { return Ok(Datum::Null) };
    Ok(walk(&parsed(args[0]), &steps).map_or(Datum::Null, Json::to_datum))
}

fn extract_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let Some(steps) = steps(args[1]) else { return Ok(Datum::Null) };
    Ok(walk(&parsed(args[0]), &steps).map_or(Datum::Null, Json::as_text))
}

fn extract_raw(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let Some(steps) = steps(args[1]) else { return Ok(Datum::Null) };
    Ok(walk_raw(args[0].text(), &steps).map_or(Datum::Null, Datum::text))
}

fn extract_raw_text(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let Some(steps) = steps(args[1]) else { return Ok(Datum::Null) };
    walk_raw(args[0].text(), &steps).map_or(Ok(Datum::Null), raw_text)
}

/// The path of a variadic call as an array.
fn variadic(
    args: &[DatumRef<'_>],
    signature: &Signature,
    env: &dyn Env,
    body: fn(&[DatumRef<'_>], &dyn Env) -> Result<Datum>,
) -> Result<Datum> {
    let Some(values) = spread(args, signature, 1) else { return Ok(Datum::Null) };
    let path = Array::vector(values.into_iter().map(|(value, _)| value).collect()).to_datum(&TEXT);
    body(&[args[0], path.as_ref()], env)
}

fn extract_variadic(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    variadic(args, signature, env, extract)
}

fn extract_text_variadic(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    variadic(args, signature, env, extract_text)
}

fn extract_raw_variadic(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    variadic(args, signature, env, extract_raw)
}

fn extract_raw_text_variadic(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    variadic(args, signature, env, extract_raw_text)
}

fn exists(value: &Json, key: &str) -> bool {
    let is_key = |item: &Json| matches!(item, Json::String(text) if text == key);
    match value {
        Json::Object(pairs) => pairs.iter().any(|(name, _)| name == key),
        Json::Array(items) => items.iter().any(is_key),
        scalar => is_key(scalar),
    }
}

fn keys(value: DatumRef<'_>) -> Vec<String> {
    let text = |element: Datum| match element {
        Datum::Text(text) => Some(text),
        _ => None,
    };
    Array::from_stored(value.text()).elements.into_iter().filter_map(text).collect()
}

fn exists_any(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = parsed(args[0]);
    Ok(Datum::bool(keys(args[1]).iter().any(|key| exists(&value, key))))
}

fn exists_all(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let value = parsed(args[0]);
    Ok(Datum::bool(keys(args[1]).iter().all(|key| exists(&value, key))))
}

fn delete_keys(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let wanted = keys(args[1]);
    let is_named = |item: &Json| matches!(item, Json::String(text) if wanted.contains(text));
    Ok(match parsed(args[0]) {
        Json::Object(pairs) => {
            Json::Object(pairs.into_iter().filter(|(name, _)| !wanted.contains(name)).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().filter(|item| !is_named(item)).collect()),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
    .to_datum())
}

/// What is done at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Set { create: bool },
    Insert { after: bool },
    Delete,
}

fn step_place(step: &str, number: usize) -> Result<i64> {
    match place(step) {
        Some(place) => Ok(place),
        None => bail!(
            INVALID_TEXT_REPRESENTATION,
            "path element at position {number} is not an integer: \"{step}\""
        ),
    }
}

/// Changes the value at a path (setPath).
fn change(value: Json, steps: &[String], number: usize, new: &Json, what: Change) -> Result<Json> {
    let Some((step, rest)) = steps.split_first() else { return Ok(value) };
    match value {
        Json::Object(mut pairs) => {
            let found = pairs.iter().position(|(name, _)| name == step);
            match (found, rest.is_empty(), what) {
                (Some(place), true, Change::Delete) => {
                    pairs.remove(place);
                }
                (Some(place), true, Change::Set { .. }) => pairs[place].1 = new.clone(),
                (Some(_), true, Change::Insert { .. }) => {
                    return Err(Error::new(state::INVALID_PARAMETER_VALUE, "cannot replace existing key")
                        .with_hint("Try using the function jsonb_set to replace key value."));
                }
                (Some(place), false, _) => {
                    let inner = std::mem::replace(&mut pairs[place].1, Json::Null);
                    pairs[place].1 = change(inner, rest, number + 1, new, what)?;
                }
                (None, true, Change::Set { create: true } | Change::Insert { .. }) => {
                    pairs.push((step.clone(), new.clone()));
                    return Ok(Json::object(pairs));
                }
                _ => {}
            }
            Ok(Json::Object(pairs))
        }
        Json::Array(mut items) => {
            let count = items.len() as i64;
            let given = step_place(step, number)?;
            let place = if given < 0 { given + count } else { given };
            let within = (0..count).contains(&place);
            match (within, rest.is_empty(), what) {
                (true, true, Change::Delete) => {
                    items.remove(place as usize);
                }
                (true, true, Change::Set { .. }) => items[place as usize] = new.clone(),
                (true, true, Change::Insert { after }) => {
                    items.insert(place as usize + usize::from(after), new.clone());
                }
                (true, false, _) => {
                    let inner = std::mem::replace(&mut items[place as usize], Json::Null);
                    items[place as usize] = change(inner, rest, number + 1, new, what)?;
                }
                (false, true, Change::Set { create: true } | Change::Insert { .. }) => {
                    if place < 0 {
                        items.insert(0, new.clone());
                    } else {
                        items.push(new.clone());
                    }
                }
                _ => {}
            }
            Ok(Json::Array(items))
        }
        scalar => Ok(scalar),
    }
}

fn changed(args: &[DatumRef<'_>], new: &Json, what: Change) -> Result<Datum> {
    let value = parsed(args[0]);
    let array = Array::from_stored(args[1].text());
    if array.dimensions.len() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    if !matches!(value, Json::Array(_) | Json::Object(_)) {
        match what {
            Change::Delete => bail!(INVALID_PARAMETER_VALUE, "cannot delete path in scalar"),
            _ => bail!(INVALID_PARAMETER_VALUE, "cannot set path in scalar"),
        }
    }
    let mut steps = Vec::new();
    for (place, element) in array.elements.into_iter().enumerate() {
        match element {
            Datum::Text(step) => steps.push(step),
            _ => bail!(NULL_VALUE_NOT_ALLOWED, "path element at position {} is null", place + 1),
        }
    }
    Ok(change(value, &steps, 1, new, what)?.to_datum())
}

fn jsonb_set(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let create = args.get(3).is_none_or(|flag| flag.integer() != 0);
    changed(args, &parsed(args[2]), Change::Set { create })
}

fn jsonb_insert(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let after = args.get(3).is_some_and(|flag| flag.integer() != 0);
    changed(args, &parsed(args[2]), Change::Insert { after })
}

fn jsonb_delete_path(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    changed(args, &Json::Null, Change::Delete)
}

fn jsonb_set_lax(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let is_null = |place: usize| args.get(place).is_none_or(|arg| arg.is_null());
    if is_null(0) || is_null(1) || args.get(3).is_some_and(|arg| arg.is_null()) {
        return Ok(Datum::Null);
    }
    let treatment = match args.get(4) {
        None => "use_json_null",
        Some(DatumRef::Text(treatment)) => treatment,
        Some(_) => bail!(
            NULL_VALUE_NOT_ALLOWED,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\""
        ),
    };
    if !is_null(2) {
        return jsonb_set(&args[..args.len().min(4)], env);
    }
    match treatment {
        "raise_exception" => Err(Error::new(state::NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
            .with_detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .with_hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")),
        "use_json_null" => {
            let create = args.get(3).is_none_or(|flag| flag.integer() != 0);
            changed(args, &Json::Null, Change::Set { create })
        }
        "delete_key" => jsonb_delete_path(args, env),
        "return_target" => Ok(args[0].to_owned()),
        _ => bail!(
            INVALID_PARAMETER_VALUE,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\""
        ),
    }
}

fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(pairs) => Json::Object(
            pairs
                .into_iter()
                .filter(|(_, value)| *value != Json::Null)
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn strip_nulls(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(without_nulls(parsed(args[0])).to_datum())
}

/// json keeps its members' order and its numbers' text.
fn strip_raw_nulls(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fn strip(text: &str, out: &mut String) -> Result<()> {
        let text = text.trim();
        match raw_kind(text) {
            "object" => {
                out.push('{');
                let mut is_first = true;
                for (name, value) in raw_members(text)? {
                    if raw_kind(value) == "null" {
                        continue;
                    }
                    out.push_str(if is_first { "" } else { "," });
                    is_first = false;
                    crate::types::json::write_string(&name, out);
                    out.push(':');
                    strip(value, out)?;
                }
                out.push('}');
            }
            "array" => {
                out.push('[');
                for (place, value) in raw_elements(text)?.into_iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    strip(value, out)?;
                }
                out.push(']');
            }
            "string" => match raw_text(text)? {
                Datum::Text(value) => crate::types::json::write_string(&value, out),
                _ => out.push_str(text),
            },
            _ => out.push_str(text),
        }
        Ok(())
    }
    let mut out = String::new();
    strip(args[0].text(), &mut out)?;
    Ok(Datum::Text(out))
}

fn pretty(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    fn indent(out: &mut String, depth: usize) {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * 4));
    }
    fn write(value: &Json, depth: usize, out: &mut String) {
        match value {
            Json::Object(pairs) => {
                out.push('{');
                for (place, (name, value)) in pairs.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    indent(out, depth + 1);
                    crate::types::json::write_string(name, out);
                    out.push_str(": ");
                    write(value, depth + 1, out);
                }
                indent(out, depth);
                out.push('}');
            }
            Json::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    indent(out, depth + 1);
                    write(item, depth + 1, out);
                }
                indent(out, depth);
                out.push(']');
            }
            scalar => scalar.write(out),
        }
    }
    let mut out = String::new();
    write(&parsed(args[0]), 0, &mut out);
    Ok(Datum::Text(out))
}

fn rows(rows: Vec<Vec<Datum>>) -> Result<Rows> {
    Ok(Box::new(rows.into_iter().map(Ok)))
}

/// The members of an object, or an error in the words of the function.
fn members(value: Json, name: &str) -> Result<Vec<(String, Json)>> {
    match value {
        Json::Object(pairs) => Ok(pairs),
        Json::Array(_) => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a scalar"),
    }
}

fn jsonb_each(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = each_of(parsed(args[0]), "jsonb_each")?;
    rows(pairs.into_iter().map(|(name, value)| vec![Datum::Text(name), value.to_datum()]).collect())
}

fn jsonb_each_text(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = each_of(parsed(args[0]), "jsonb_each_text")?;
    rows(pairs.into_iter().map(|(name, value)| vec![Datum::Text(name), value.as_text()]).collect())
}

fn each_of(value: Json, name: &str) -> Result<Vec<(String, Json)>> {
    match value {
        Json::Object(pairs) => Ok(pairs),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a non-object"),
    }
}

fn raw_each_of<'t>(text: &'t str, what: &str) -> Result<Vec<(String, &'t str)>> {
    match raw_kind(text) {
        "object" => raw_members(text),
        "array" => bail!(INVALID_PARAMETER_VALUE, "{what} an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "{what} a scalar"),
    }
}

fn json_each(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = raw_pairs(args[0].text())?;
    rows(pairs.into_iter().map(|(name, value)| vec![Datum::Text(name), Datum::text(value)]).collect())
}

fn raw_pairs(text: &str) -> Result<Vec<(String, &str)>> {
    match raw_kind(text) {
        "object" => raw_members(text),
        "array" => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct an array as an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct a scalar"),
    }
}

fn json_each_text(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = raw_pairs(args[0].text())?;
    let row = |(name, value): (String, &str)| Ok(vec![Datum::Text(name), raw_text(value)?]);
    rows(pairs.into_iter().map(row).collect::<Result<_>>()?)
}

fn jsonb_keys(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = members(parsed(args[0]), "jsonb_object_keys")?;
    rows(pairs.into_iter().map(|(name, _)| vec![Datum::Text(name)]).collect())
}

fn json_keys(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let pairs = raw_each_of(args[0].text(), "cannot call json_object_keys on")?;
    rows(pairs.into_iter().map(|(name, _)| vec![Datum::Text(name)]).collect())
}

fn jsonb_items(value: Json) -> Result<Vec<Json>> {
    match value {
        Json::Array(items) => Ok(items),
        Json::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from a scalar"),
    }
}

fn jsonb_elements(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    rows(jsonb_items(parsed(args[0]))?.iter().map(|item| vec![item.to_datum()]).collect())
}

fn jsonb_elements_text(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    rows(jsonb_items(parsed(args[0]))?.iter().map(|item| vec![item.as_text()]).collect())
}

fn raw_items<'t>(text: &'t str, name: &str) -> Result<Vec<&'t str>> {
    match raw_kind(text) {
        "array" => raw_elements(text),
        "object" => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a scalar"),
    }
}

fn json_elements(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let items = raw_items(args[0].text(), "json_array_elements")?;
    rows(items.into_iter().map(|item| vec![Datum::text(item)]).collect())
}

fn json_elements_text(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let items = raw_items(args[0].text(), "json_array_elements_text")?;
    rows(items.into_iter().map(|item| Ok(vec![raw_text(item)?])).collect::<Result<_>>()?)
}

/// A member's text as a value of a column's type (populate_record_field).
fn field_value(raw: Option<&str>, ty: &'static Type, typmod: i32, format: &Format) -> Result<Datum> {
    let Some(raw) = raw.map(str::trim).filter(|raw| raw_kind(raw) != "null") else { return Ok(Datum::Null) };
    let base = ty.base();
    if let Some(element) = base.element() {
        if raw_kind(raw) == "array" {
            return array_value(raw, element, typmod, format).map(|array| array.to_datum(element));
        }
        if raw_kind(raw) != "string" {
            bail!(INVALID_TEXT_REPRESENTATION, "expected JSON array");
        }
    }
    match (base.name, raw_kind(raw)) {
        ("json", _) => Ok(Datum::text(raw)),
        ("jsonb", _) => Ok(Json::parse(raw)?.to_datum()),
        (_, "string") => match raw_text(raw)? {
            Datum::Text(text) => ty.from_text(&text, typmod, format),
            other => Ok(other),
        },
        _ => ty.from_text(raw, typmod, format),
    }
}

fn array_value(raw: &str, element: &'static Type, typmod: i32, format: &Format) -> Result<Array> {
    let items = raw_elements(raw)?;
    if items.iter().all(|item| raw_kind(item) == "array") && !items.is_empty() {
        let parts = items
            .iter()
            .map(|item| array_value(item, element, typmod, format))
            .collect::<Result<Vec<_>>>()?;
        return Array::of_arrays(parts);
    }
    let values = items.iter().map(|item| field_value(Some(item), element, typmod, format));
    Ok(Array::vector(values.collect::<Result<_>>()?))
}

fn record_of(raw: &str, signature: &Signature, format: &Format) -> Result<Vec<Datum>> {
    if raw_kind(raw) != "object" {
        bail!(INVALID_PARAMETER_VALUE, "cannot call populate_composite on a non-object");
    }
    let value = |column: &super::ResultColumn| {
        field_value(raw_member(raw, &column.name), column.ty, column.typmod, format)
    };
    signature.columns.iter().map(value).collect()
}

fn to_record(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Rows> {
    let text = args[0].text();
    match raw_kind(text) {
        "object" => rows(vec![record_of(text, signature, env.format())?]),
        "array" => bail!(INVALID_PARAMETER_VALUE, "cannot call json_to_record on an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call json_to_record on a scalar"),
    }
}

fn to_recordset(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Rows> {
    let DatumRef::Text(text) = args[0] else { return rows(Vec::new()) };
    match raw_kind(text) {
        "array" => {}
        "object" => bail!(INVALID_PARAMETER_VALUE, "cannot call json_to_recordset on an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call json_to_recordset on a scalar"),
    }
    let mut found = Vec::new();
    for item in raw_elements(text)? {
        if raw_kind(item) != "object" {
            bail!(INVALID_PARAMETER_VALUE, "argument of json_to_recordset must be an array of objects");
        }
        found.push(record_of(item, signature, env.format())?);
    }
    rows(found)
}

/// jsonb with another value at a path: (value, new, steps…). What is missing on the way is made.
fn with_part(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut steps = Vec::new();
    for step in &args[2..] {
        match step {
            DatumRef::Text(step) => steps.push((*step).to_owned()),
            _ => bail!(NULL_VALUE_NOT_ALLOWED, "jsonb subscript in assignment must not be null"),
        }
    }
    let new = if args[1].is_null() { Json::Null } else { parsed(args[1]) };
    let value = match (args[0].is_null(), steps.first().and_then(|step| place(step))) {
        (true, Some(_)) => Json::Array(Vec::new()),
        (true, None) => Json::Object(Vec::new()),
        (false, _) => parsed(args[0]),
    };
    if !matches!(value, Json::Array(_) | Json::Object(_)) {
        return Err(scalar_in_path());
    }
    Ok(fill_path(value, &steps, 1, new)?.to_datum())
}

fn scalar_in_path() -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, "cannot replace existing key")
        .with_detail("The path assumes key is a composite object, but it is a scalar value.")
}

fn fill_path(value: Json, steps: &[String], number: usize, new: Json) -> Result<Json> {
    let Some((step, rest)) = steps.split_first() else { return Ok(new) };
    // What a missing value on the way becomes.
    let missing = || match rest.first() {
        None => Json::Null,
        Some(step) if place(step).is_some() => Json::Array(Vec::new()),
        Some(_) => Json::Object(Vec::new()),
    };
    match value {
        Json::Object(mut pairs) => {
            let at = pairs.iter().position(|(name, _)| name == step);
            let inner = match at {
                Some(at) => pairs.remove(at).1,
                None => missing(),
            };
            let inner = if inner == Json::Null && !rest.is_empty() { missing() } else { inner };
            pairs.push((step.clone(), fill_path(inner, rest, number + 1, new)?));
            Ok(Json::object(pairs))
        }
        Json::Array(mut items) => {
            let given = step_place(step, number)?;
            let at = if given < 0 { given + items.len() as i64 } else { given };
            if at < 0 {
                bail!(INVALID_PARAMETER_VALUE, "path element at position {number} is out of range: {given}");
            }
            const ITEMS_MAX: i64 = 1 << 24;
            if at > ITEMS_MAX {
                bail!(
                    PROGRAM_LIMIT_EXCEEDED,
                    "number of jsonb array elements exceeds the maximum allowed ({ITEMS_MAX})"
                );
            }
            while (items.len() as i64) <= at {
                items.push(Json::Null);
            }
            let inner = std::mem::replace(&mut items[at as usize], Json::Null);
            let inner = if inner == Json::Null && !rest.is_empty() { missing() } else { inner };
            items[at as usize] = fill_path(inner, rest, number + 1, new)?;
            Ok(Json::Array(items))
        }
        _ => Err(scalar_in_path()),
    }
}

/// What the grammar has for jsonb; no name calls these.
pub(super) const INTERNAL: &[Function] =
    &[typed(9050, "jsonb_with_part", &[&JSONB, &JSONB, &TEXT], &JSONB, with_part).variadic()];

const PATH: &[&Type] = &[&JSONB, &TEXT_ARRAY];
const RAW_PATH: &[&Type] = &[&JSON, &TEXT_ARRAY];
const VARIADIC: &[&Type] = &[&JSONB, &TEXT];
const RAW_VARIADIC: &[&Type] = &[&JSON, &TEXT];
const PAIR: &[(&str, &Type)] = &[("key", &TEXT), ("value", &JSON)];
const PAIR_B: &[(&str, &Type)] = &[("key", &TEXT), ("value", &JSONB)];
const PAIR_TEXT: &[(&str, &Type)] = &[("key", &TEXT), ("value", &TEXT)];

pub(super) const FUNCTIONS: &[Function] = &[
    typed(3951, "json_extract_path", RAW_VARIADIC, &JSON, extract_raw_variadic).variadic_strict(),
    typed(3953, "json_extract_path_text", RAW_VARIADIC, &TEXT, extract_raw_text_variadic).variadic_strict(),
    typed(3217, "jsonb_extract_path", VARIADIC, &JSONB, extract_variadic).variadic_strict(),
    typed(3940, "jsonb_extract_path_text", VARIADIC, &TEXT, extract_text_variadic).variadic_strict(),
    set(3958, "json_each", &[&JSON], &RECORD, json_each).columns(PAIR),
    set(3959, "json_each_text", &[&JSON], &RECORD, json_each_text).columns(PAIR_TEXT),
    set(3208, "jsonb_each", &[&JSONB], &RECORD, jsonb_each).columns(PAIR_B),
    set(3932, "jsonb_each_text", &[&JSONB], &RECORD, jsonb_each_text).columns(PAIR_TEXT),
    set(3957, "json_object_keys", &[&JSON], &TEXT, json_keys),
    set(3931, "jsonb_object_keys", &[&JSONB], &TEXT, jsonb_keys),
    set(3955, "json_array_elements", &[&JSON], &JSON, json_elements).columns(&[("value", &JSON)]),
    set(3969, "json_array_elements_text", &[&JSON], &TEXT, json_elements_text).columns(&[("value", &TEXT)]),
    set(3219, "jsonb_array_elements", &[&JSONB], &JSONB, jsonb_elements).columns(&[("value", &JSONB)]),
    set(3465, "jsonb_array_elements_text", &[&JSONB], &TEXT, jsonb_elements_text)
        .columns(&[("value", &TEXT)]),
    set(3204, "json_to_record", &[&JSON], &RECORD, to_record).stable(),
    set(3205, "json_to_recordset", &[&JSON], &RECORD, to_recordset).stable().called_on_null(),
    set(3490, "jsonb_to_record", &[&JSONB], &RECORD, to_record).stable(),
    set(3491, "jsonb_to_recordset", &[&JSONB], &RECORD, to_recordset).stable().called_on_null(),
    scalar(3261, "json_strip_nulls", &[&JSON], &JSON, strip_raw_nulls),
    scalar(3262, "jsonb_strip_nulls", &[&JSONB], &JSONB, strip_nulls),
    scalar(3306, "jsonb_pretty", &[&JSONB], &TEXT, pretty),
    scalar(3305, "jsonb_set", &[&JSONB, &TEXT_ARRAY, &JSONB, &BOOL], &JSONB, jsonb_set).parameters(&[
        ("jsonb_in", None),
        ("path", None),
        ("replacement", None),
        ("create_if_missing", Some("true")),
    ]),
    scalar(5054, "jsonb_set_lax", &[&JSONB, &TEXT_ARRAY, &JSONB, &BOOL, &TEXT], &JSONB, jsonb_set_lax)
        .called_on_null()
        .parameters(&[
            ("jsonb_in", None),
            ("path", None),
            ("replacement", None),
            ("create_if_missing", Some("true")),
            ("null_value_treatment", Some("'use_json_null'")),
        ]),
    scalar(3579, "jsonb_insert", &[&JSONB, &TEXT_ARRAY, &JSONB, &BOOL], &JSONB, jsonb_insert).parameters(&[
        ("jsonb_in", None),
        ("path", None),
        ("replacement", None),
        ("insert_after", Some("false")),
    ]),
    scalar(3304, "jsonb_delete_path", PATH, &JSONB, jsonb_delete_path),
    scalar(4048, "jsonb_exists_any", PATH, &BOOL, exists_any),
    scalar(4049, "jsonb_exists_all", PATH, &BOOL, exists_all),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(3966, "#>", scalar(3951, "json_extract_path", RAW_PATH, &JSON, extract_raw)),
    operator(3967, "#>>", scalar(3953, "json_extract_path_text", RAW_PATH, &TEXT, extract_raw_text)),
    operator(3213, "#>", scalar(3217, "jsonb_extract_path", PATH, &JSONB, extract)),
    operator(3206, "#>>", scalar(3940, "jsonb_extract_path_text", PATH, &TEXT, extract_text)),
    operator(3248, "?|", scalar(4048, "jsonb_exists_any", PATH, &BOOL, exists_any)),
    operator(3249, "?&", scalar(4049, "jsonb_exists_all", PATH, &BOOL, exists_all)),
    operator(3287, "#-", scalar(3304, "jsonb_delete_path", PATH, &JSONB, jsonb_delete_path)),
    operator(3398, "-", scalar(3343, "jsonb_delete", PATH, &JSONB, delete_keys)),
];
