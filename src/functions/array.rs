//! Arrays.

use super::{
    Aggregate, Body, Env, Function, Kind, Operator, Rows, Signature, native, operator, scalar, set, typed,
};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::array::{Array, Dimension, INT4_ARRAY, TEXT_ARRAY, check_dimensions, check_size};
use crate::types::boolean::BOOL;
use crate::types::integer::INT4;
use crate::types::record::{ANY, ANYARRAY, ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, ANYELEMENT, ANYNONARRAY};
use crate::types::text::TEXT;
use crate::types::{Datum, DatumRef, Oid, Type};

fn array(value: DatumRef<'_>) -> Array {
    Array::from_stored(value.text())
}

/// An array argument that may be NULL, which is taken for empty.
fn array_or_empty(value: DatumRef<'_>) -> Array {
    if value.is_null() { Array::empty() } else { array(value) }
}

/// The element type of an array type. The binder guarantees that it is one.
fn element_of(ty: &'static Type) -> &'static Type {
    ty.element().unwrap_or(ty)
}

/// The type by which the elements of an array compare.
fn equal(element: &Type, a: DatumRef<'_>, b: DatumRef<'_>) -> bool {
    element.compare(a, b).is_eq()
}

fn check_equality(element: &Type) -> Result<()> {
    if !element.comparable {
        bail!(UNDEFINED_FUNCTION, "could not identify an equality operator for type {}", element.sql_name);
    }
    Ok(())
}

/// ARRAY[…]: of arrays, NULLs among them are passed over.
fn construct(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let element = element_of(signature.result);
    let nested = signature.args.first().is_some_and(|ty| ty.element().is_some());
    if !nested {
        return Ok(Array::vector(args.iter().map(|arg| DatumRef::to_owned(*arg)).collect()).to_datum(element));
    }
    let parts: Vec<Array> = args.iter().filter(|arg| !arg.is_null()).map(|arg| array(*arg)).collect();
    if parts.len() < args.len() && parts.iter().any(|part| !part.dimensions.is_empty()) {
        bail!(
            ARRAY_SUBSCRIPT_ERROR,
            "multidimensional arrays must have array expressions with matching dimensions"
        );
    }
    Ok(Array::of_arrays(parts)?.to_datum(element))
}

/// a[i][j]: NULL for what is not there.
fn element(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Datum> {
    let array = array(args[0]);
    let subscripts: Vec<i64> = args[1..].iter().map(|arg| arg.integer()).collect();
    Ok(array.offset(&subscripts).map_or(Datum::Null, |offset| array.elements[offset].clone()))
}

/// Pairs of bounds; the text `-` for one that is not written.
fn bounds(args: &[DatumRef<'_>]) -> Option<Vec<(Option<i64>, Option<i64>)>> {
    let bound = |arg: DatumRef<'_>| match arg {
        DatumRef::Integer(value) => Some(Some(value)),
        DatumRef::Text(_) => Some(None),
        _ => None,
    };
    args.chunks(2).map(|pair| Some((bound(pair[0])?, bound(*pair.get(1)?)?))).collect()
}

/// a[1:2][2:3]
fn part(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let Some(bounds) = bounds(&args[1..]) else { return Ok(Datum::Null) };
    Ok(array(args[0]).slice(&bounds).to_datum(element_of(signature.result)))
}

/// An array with another element: (array, value, subscripts…).
fn with_element(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut changed = array_or_empty(args[0]);
    if args[2..].iter().any(|arg| arg.is_null()) {
        bail!(NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null");
    }
    let subscripts: Vec<i64> = args[2..].iter().map(|arg| arg.integer()).collect();
    changed.set(&subscripts, args[1].to_owned())?;
    Ok(changed.to_datum(element_of(signature.result)))
}

/// An array with another part: (array, values, bounds…).
fn with_part(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut changed = array_or_empty(args[0]);
    let Some(bounds) = bounds(&args[2..]) else {
        bail!(NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null");
    };
    if args[1].is_null() {
        return Ok(args[0].to_owned());
    }
    changed.set_slice(&bounds, &array(args[1]))?;
    Ok(changed.to_datum(element_of(signature.result)))
}

/// The elements of an array for ANY and ALL; one NULL for NULL, so that the answer is unknown.
fn compared_elements(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    if args[0].is_null() {
        return Ok(Box::new(std::iter::once(Ok(vec![Datum::Null]))));
    }
    Ok(Box::new(array(args[0]).elements.into_iter().map(|element| Ok(vec![element]))))
}

fn append(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut array = array_or_empty(args[0]);
    push(&mut array, args[1].to_owned(), true)?;
    Ok(array.to_datum(element_of(signature.result)))
}

fn prepend(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let mut array = array_or_empty(args[1]);
    push(&mut array, args[0].to_owned(), false)?;
    Ok(array.to_datum(element_of(signature.result)))
}

fn push(array: &mut Array, value: Datum, at_end: bool) -> Result<()> {
    match array.dimensions.as_mut_slice() {
        [] => *array = Array::vector(vec![value]),
        [dimension] => {
            check_size(i64::from(dimension.length) + 1)?;
            dimension.length += 1;
            if at_end {
                if dimension.lower.checked_add(dimension.length).is_none() {
                    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
                }
                array.elements.push(value);
            } else {
                array.elements.insert(0, value);
            }
        }
        _ => bail!(DATA_EXCEPTION, "argument must be empty or one-dimensional array"),
    }
    Ok(())
}

fn concatenate(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() || args[1].is_null() {
        return Ok(if args[0].is_null() { args[1] } else { args[0] }.to_owned());
    }
    let element = element_of(signature.result);
    let (a, b) = (array(args[0]), array(args[1]));
    if a.dimensions.is_empty() || b.dimensions.is_empty() {
        return Ok(if a.dimensions.is_empty() { b } else { a }.to_datum(element));
    }
    let incompatible = |detail: &str| {
        Error::new(state::ARRAY_SUBSCRIPT_ERROR, "cannot concatenate incompatible arrays").with_detail(detail)
    };
    let mut dimensions = a.dimensions.clone();
    match a.dimensions.len() as i64 - b.dimensions.len() as i64 {
        0 => {
            let same = |a: &Dimension, b: &Dimension| a.length == b.length;
            if !a.dimensions[1..].iter().zip(&b.dimensions[1..]).all(|(a, b)| same(a, b)) {
                return Err(incompatible(
                    "Arrays with differing element dimensions are not compatible for concatenation.",
                ));
            }
            dimensions[0].length += b.dimensions[0].length;
        }
        1 => {
            if a.dimensions[1..].iter().zip(&b.dimensions).any(|(a, b)| a.length != b.length) {
                return Err(incompatible(
                    "Arrays with differing dimensions are not compatible for concatenation.",
                ));
            }
            dimensions[0].length += 1;
        }
        -1 => {
            if b.dimensions[1..].iter().zip(&a.dimensions).any(|(b, a)| a.length != b.length) {
                return Err(incompatible(
                    "Arrays with differing dimensions are not compatible for concatenation.",
                ));
            }
            dimensions = b.dimensions.clone();
            dimensions[0].length += 1;
        }
        _ => {
            return Err(incompatible(&format!(
                "Arrays of {} and {} dimensions are not compatible for concatenation.",
                a.dimensions.len(),
                b.dimensions.len()
            )));
        }
    }
    let elements: Vec<Datum> = a.elements.into_iter().chain(b.elements).collect();
    check_size(elements.len() as i64)?;
    Ok(Array { dimensions, elements }.to_datum(element))
}

fn dimension(args: &[DatumRef<'_>]) -> Option<Dimension> {
    let place = usize::try_from(args[1].integer()).ok()?.checked_sub(1)?;
    array(args[0]).dimensions.get(place).copied()
}

fn length(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(dimension(args).map_or(Datum::Null, |dimension| Datum::Integer(dimension.length.into())))
}

fn lower(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(dimension(args).map_or(Datum::Null, |dimension| Datum::Integer(dimension.lower.into())))
}

fn upper(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(dimension(args).map_or(Datum::Null, |dimension| Datum::Integer(dimension.upper().into())))
}

fn dimension_count(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    match array(args[0]).dimensions.len() {
        0 => Ok(Datum::Null),
        count => Ok(Datum::Integer(count as i64)),
    }
}

fn dimensions(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let array = array(args[0]);
    if array.dimensions.is_empty() {
        return Ok(Datum::Null);
    }
    let shown = array.dimensions.iter().map(|d| format!("[{}:{}]", d.lower, d.upper()));
    Ok(Datum::Text(shown.collect()))
}

fn cardinality(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(Datum::Integer(array(args[0]).elements.len() as i64))
}

fn fill(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let result = element_of(signature.result);
    if args[1].is_null() || args.get(2).is_some_and(|arg| arg.is_null()) {
        bail!(NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    }
    let numbers = |value: DatumRef<'_>| -> Result<Vec<i64>> {
        let given = array(value);
        if given.dimensions.len() > 1 {
            return Err(Error::new(state::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
                .with_detail("Dimension array must be one dimensional."));
        }
        given
            .elements
            .iter()
            .map(|element| match element {
                Datum::Integer(value) => Ok(*value),
                _ => bail!(NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null"),
            })
            .collect()
    };
    let lengths = numbers(args[1])?;
    let lowers = args.get(2).map(|value| numbers(*value)).transpose()?;
    check_dimensions(lengths.len())?;
    if lowers.as_ref().is_some_and(|lowers| lowers.len() != lengths.len()) {
        return Err(Error::new(state::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
            .with_detail("Low bound array has different size than dimensions array."));
    }
    let mut size = 1i64;
    for length in &lengths {
        if *length < 0 {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)");
        }
        size = size.saturating_mul(*length);
        check_size(size)?;
    }
    if size == 0 || lengths.is_empty() {
        return Ok(Array::empty().to_datum(result));
    }
    let dimensions = lengths.iter().enumerate().map(|(place, length)| Dimension {
        lower: lowers.as_ref().map_or(1, |lowers| lowers[place] as i32),
        length: *length as i32,
    });
    let elements = vec![args[0].to_owned(); size as usize];
    Ok(Array { dimensions: dimensions.collect(), elements }.to_datum(result))
}

fn position(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let (haystack, element) = (array(args[0]), element_of(signature.args[0]));
    if haystack.dimensions.len() > 1 {
        return Err(searched_deep());
    }
    check_equality(element)?;
    let start = match args.get(2) {
        None => i64::MIN,
        Some(DatumRef::Integer(start)) => *start,
        Some(_) => bail!(NULL_VALUE_NOT_ALLOWED, "initial position must not be null"),
    };
    let first = haystack.dimensions.first().map_or(1, |dimension| i64::from(dimension.lower));
    let found = haystack
        .elements
        .iter()
        .zip(first..)
        .find(|(item, place)| *place >= start && equal(element, item.as_ref(), args[1]));
    Ok(found.map_or(Datum::Null, |(_, place)| Datum::Integer(place)))
}

fn searched_deep() -> Error {
    Error::unsupported_message("searching for elements in multidimensional arrays is not supported")
}

fn positions(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let (haystack, element) = (array(args[0]), element_of(signature.args[0]));
    if haystack.dimensions.len() > 1 {
        return Err(searched_deep());
    }
    check_equality(element)?;
    let first = haystack.dimensions.first().map_or(1, |dimension| i64::from(dimension.lower));
    let places = haystack
        .elements
        .iter()
        .zip(first..)
        .filter(|(item, _)| equal(element, item.as_ref(), args[1]))
        .map(|(_, place)| Datum::Integer(place));
    Ok(Array::vector(places.collect()).to_datum(&INT4))
}

fn remove(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let (mut array, element) = (array(args[0]), element_of(signature.args[0]));
    if array.dimensions.len() > 1 {
        return Err(Error::unsupported_message(
            "removing elements from multidimensional arrays is not supported",
        ));
    }
    check_equality(element)?;
    array.elements.retain(|item| !equal(element, item.as_ref(), args[1]));
    match array.dimensions.first_mut() {
        Some(dimension) if !array.elements.is_empty() => dimension.length = array.elements.len() as i32,
        _ => array = Array::empty(),
    }
    Ok(array.to_datum(element))
}

fn replace(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let (mut array, element) = (array(args[0]), element_of(signature.args[0]));
    check_equality(element)?;
    for item in &mut array.elements {
        if equal(element, item.as_ref(), args[1]) {
            *item = args[2].to_owned();
        }
    }
    Ok(array.to_datum(element))
}

fn trim(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let (array, count) = (array(args[0]), args[1].integer());
    let length = array.dimensions.first().map_or(0, |dimension| i64::from(dimension.length));
    if !(0..=length).contains(&count) {
        bail!(ARRAY_SUBSCRIPT_ERROR, "number of elements to trim must be between 0 and {length}");
    }
    let Some(first) = array.dimensions.first() else { return Ok(args[0].to_owned()) };
    let upper = i64::from(first.upper()) - count;
    let trimmed = array.slice(&[(None, Some(upper))]);
    Ok(trimmed.to_datum(element_of(signature.result)))
}

/// The elements' texts with a delimiter between; NULLs are left out unless they have a text of their own.
fn to_string(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    let (DatumRef::Text(stored), DatumRef::Text(delimiter)) = (args[0], args[1]) else {
        return Ok(Datum::Null);
    };
    let null_text = match args.get(2) {
        Some(DatumRef::Text(text)) => Some(*text),
        _ => None,
    };
    let element = element_of(signature.args[0]);
    let mut parts = Vec::new();
    for item in &Array::from_stored(stored).elements {
        match (item, null_text) {
            (Datum::Null, Some(text)) => parts.push(text.to_owned()),
            (Datum::Null, None) => {}
            (item, _) => parts.push(element.to_text(item.as_ref(), env.format())),
        }
    }
    Ok(Datum::Text(parts.join(delimiter)))
}

/// The parts of a text: every character without a delimiter, the whole for an empty one.
fn split(args: &[DatumRef<'_>]) -> Option<Vec<Datum>> {
    let DatumRef::Text(text) = args[0] else { return None };
    let null_text = match args.get(2) {
        Some(DatumRef::Text(text)) => Some(*text),
        _ => None,
    };
    let part = |part: &str| if null_text == Some(part) { Datum::Null } else { Datum::text(part) };
    if text.is_empty() {
        return Some(Vec::new());
    }
    Some(match args[1] {
        DatumRef::Text("") => vec![part(text)],
        DatumRef::Text(delimiter) => text.split(delimiter).map(part).collect(),
        _ => text.chars().map(|c| part(c.encode_utf8(&mut [0; 4]))).collect(),
    })
}

fn string_to_array(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    Ok(split(args).map_or(Datum::Null, |parts| Array::vector(parts).to_datum(&TEXT)))
}

fn string_to_table(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    Ok(Box::new(split(args).unwrap_or_default().into_iter().map(|part| Ok(vec![part]))))
}

fn unnest(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    Ok(Box::new(array(args[0]).elements.into_iter().map(|element| Ok(vec![element]))))
}

fn subscripts(args: &[DatumRef<'_>], _: &Signature, _: &dyn Env) -> Result<Rows> {
    let Some(dimension) = dimension(args) else { return Ok(Box::new(std::iter::empty())) };
    let all = dimension.lower..=dimension.upper();
    let row = |place: i32| Ok(vec![Datum::Integer(place.into())]);
    Ok(match args.get(2) {
        Some(DatumRef::Integer(1)) => Box::new(all.rev().map(row)),
        _ => Box::new(all.map(row)),
    })
}

fn contains_all(element: &Type, all: &Array, some: &Array) -> bool {
    some.elements.iter().all(|wanted| {
        !wanted.is_null() && all.elements.iter().any(|item| equal(element, item.as_ref(), wanted.as_ref()))
    })
}

fn contains(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let element = element_of(signature.args[0]);
    check_equality(element)?;
    Ok(Datum::bool(contains_all(element, &array(args[0]), &array(args[1]))))
}

fn contained(args: &[DatumRef<'_>], signature: &Signature, env: &dyn Env) -> Result<Datum> {
    contains(&[args[1], args[0]], signature, env)
}

fn overlaps(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let element = element_of(signature.args[0]);
    check_equality(element)?;
    let (a, b) = (array(args[0]), array(args[1]));
    let found = a.elements.iter().any(|item| {
        !item.is_null() && b.elements.iter().any(|other| equal(element, item.as_ref(), other.as_ref()))
    });
    Ok(Datum::bool(found))
}

/// The bucket of a value among sorted thresholds.
fn bucket(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let thresholds = array(args[1]);
    let element = element_of(signature.args[1]);
    if thresholds.dimensions.len() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array");
    }
    if thresholds.elements.iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs");
    }
    let below = thresholds.elements.partition_point(|item| element.compare(item.as_ref(), args[0]).is_le());
    Ok(Datum::Integer(below as i64))
}

/// The values of a variadic call, one by one or from the array after VARIADIC.
pub(super) fn spread(
    args: &[DatumRef<'_>],
    signature: &Signature,
    from: usize,
) -> Option<Vec<(Datum, &'static Type)>> {
    if signature.spreads {
        let DatumRef::Text(stored) = *args.last()? else { return None };
        let element = element_of(signature.args.last().copied()?);
        return Some(Array::from_stored(stored).elements.into_iter().map(|item| (item, element)).collect());
    }
    let typed = args.iter().zip(&signature.args).skip(from);
    Some(typed.map(|(arg, ty)| (DatumRef::to_owned(*arg), *ty)).collect())
}

fn count_nulls(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let Some(values) = spread(args, signature, 0) else { return Ok(Datum::Null) };
    Ok(Datum::Integer(values.iter().filter(|(value, _)| value.is_null()).count() as i64))
}

fn count_values(args: &[DatumRef<'_>], signature: &Signature, _: &dyn Env) -> Result<Datum> {
    let Some(values) = spread(args, signature, 0) else { return Ok(Datum::Null) };
    Ok(Datum::Integer(values.iter().filter(|(value, _)| !value.is_null()).count() as i64))
}

/// array_agg of values that are no arrays.
struct Collected {
    element: &'static Type,
    values: Vec<Datum>,
}

/// The most bytes of an aggregate's collected values, counted roughly.
const COLLECTED_MAX: usize = 1 << 30;

impl Aggregate for Collected {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if self.values.len() * size_of::<Datum>() > COLLECTED_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({COLLECTED_MAX} bytes)");
        }
        self.values.push(args[0].to_owned());
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        Ok(match self.values.is_empty() {
            true => Datum::Null,
            false => Array::vector(self.values.clone()).to_datum(self.element),
        })
    }
}

fn collect(signature: &Signature) -> Box<dyn Aggregate> {
    Box::new(Collected { element: element_of(signature.result), values: Vec::new() })
}

/// array_agg of arrays: one more dimension.
struct CollectedArrays {
    element: &'static Type,
    parts: Vec<Array>,
}

impl Aggregate for CollectedArrays {
    fn step(&mut self, args: &[DatumRef<'_>], _: &dyn Env) -> Result<()> {
        if args[0].is_null() {
            bail!(NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
        }
        let part = array(args[0]);
        if part.dimensions.is_empty() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
        }
        if self.parts.first().is_some_and(|first| first.dimensions != part.dimensions) {
            bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality");
        }
        self.parts.push(part);
        Ok(())
    }

    fn value(&self, _: &dyn Env) -> Result<Datum> {
        match self.parts.is_empty() {
            true => Ok(Datum::Null),
            false => Ok(Array::of_arrays(self.parts.clone())?.to_datum(self.element)),
        }
    }
}

fn collect_arrays(signature: &Signature) -> Box<dyn Aggregate> {
    Box::new(CollectedArrays { element: element_of(signature.result), parts: Vec::new() })
}

const ONE: &[&Type] = &[&ANYARRAY];
const TWO: &[&Type] = &[&ANYARRAY, &ANYARRAY];
const AT: &[&Type] = &[&ANYARRAY, &INT4];
const WITH: &[&Type] = &[&ANYCOMPATIBLEARRAY, &ANYCOMPATIBLE];

const fn aggregate(
    oid: Oid,
    args: &'static [&'static Type],
    body: fn(&Signature) -> Box<dyn Aggregate>,
) -> Function {
    Function::new(oid, "array_agg", args, &ANYARRAY, Body::TypedAggregate(body))
        .kind(Kind::Aggregate)
        .called_on_null()
}

pub(super) const FUNCTIONS: &[Function] = &[
    aggregate(2335, &[&ANYNONARRAY], collect),
    aggregate(4053, &[&ANYARRAY], collect_arrays),
    typed(378, "array_append", WITH, &ANYCOMPATIBLEARRAY, append).called_on_null(),
    typed(379, "array_prepend", &[&ANYCOMPATIBLE, &ANYCOMPATIBLEARRAY], &ANYCOMPATIBLEARRAY, prepend)
        .called_on_null(),
    typed(383, "array_cat", &[&ANYCOMPATIBLEARRAY, &ANYCOMPATIBLEARRAY], &ANYCOMPATIBLEARRAY, concatenate)
        .called_on_null(),
    scalar(747, "array_dims", ONE, &TEXT, dimensions),
    scalar(748, "array_ndims", ONE, &INT4, dimension_count),
    scalar(2176, "array_length", AT, &INT4, length),
    scalar(2091, "array_lower", AT, &INT4, lower),
    scalar(2092, "array_upper", AT, &INT4, upper),
    scalar(3179, "cardinality", ONE, &INT4, cardinality),
    typed(1193, "array_fill", &[&ANYELEMENT, &INT4_ARRAY], &ANYARRAY, fill).called_on_null(),
    typed(1286, "array_fill", &[&ANYELEMENT, &INT4_ARRAY, &INT4_ARRAY], &ANYARRAY, fill).called_on_null(),
    typed(3277, "array_position", WITH, &INT4, position).called_on_null(),
    typed(3278, "array_position", &[&ANYCOMPATIBLEARRAY, &ANYCOMPATIBLE, &INT4], &INT4, position)
        .called_on_null(),
    typed(3279, "array_positions", WITH, &INT4_ARRAY, positions).called_on_null(),
    typed(3167, "array_remove", WITH, &ANYCOMPATIBLEARRAY, remove).called_on_null(),
    typed(
        3168,
        "array_replace",
        &[&ANYCOMPATIBLEARRAY, &ANYCOMPATIBLE, &ANYCOMPATIBLE],
        &ANYCOMPATIBLEARRAY,
        replace,
    )
    .called_on_null(),
    typed(6172, "trim_array", AT, &ANYARRAY, trim),
    typed(395, "array_to_string", &[&ANYARRAY, &TEXT], &TEXT, to_string).stable(),
    typed(384, "array_to_string", &[&ANYARRAY, &TEXT, &TEXT], &TEXT, to_string).stable().called_on_null(),
    scalar(394, "string_to_array", &[&TEXT, &TEXT], &TEXT_ARRAY, string_to_array).called_on_null(),
    scalar(376, "string_to_array", &[&TEXT, &TEXT, &TEXT], &TEXT_ARRAY, string_to_array).called_on_null(),
    set(6160, "string_to_table", &[&TEXT, &TEXT], &TEXT, string_to_table).called_on_null(),
    set(6161, "string_to_table", &[&TEXT, &TEXT, &TEXT], &TEXT, string_to_table).called_on_null(),
    set(2331, "unnest", ONE, &ANYELEMENT, unnest),
    set(1192, "generate_subscripts", AT, &INT4, subscripts),
    set(1191, "generate_subscripts", &[&ANYARRAY, &INT4, &BOOL], &INT4, subscripts),
    typed(3218, "width_bucket", &[&ANYCOMPATIBLE, &ANYCOMPATIBLEARRAY], &INT4, bucket),
    typed(438, "num_nulls", &[&ANY], &INT4, count_nulls).variadic(),
    typed(440, "num_nonnulls", &[&ANY], &INT4, count_values).variadic(),
];

/// What the grammar has for arrays; no name calls these.
pub(super) const INTERNAL: &[Function] = &[
    typed(9010, "array", &[&ANY], &ANYARRAY, construct).variadic(),
    typed(9011, "array_element", &[&ANY], &ANYELEMENT, element).variadic_strict(),
    typed(9012, "array_part", &[&ANY], &ANYARRAY, part).variadic(),
    typed(9013, "array_with_element", &[&ANY], &ANYARRAY, with_element).variadic(),
    typed(9014, "array_with_part", &[&ANY], &ANYARRAY, with_part).variadic(),
    set(9015, "array_elements", ONE, &ANYELEMENT, compared_elements).called_on_null(),
];

pub(super) const OPERATORS: &[Operator] = &[
    operator(1070, "=", native(744, "array_eq", TWO, &BOOL, "{0} = {1}")),
    operator(1071, "<>", native(390, "array_ne", TWO, &BOOL, "{0} <> {1}")),
    operator(1072, "<", native(391, "array_lt", TWO, &BOOL, "{0} < {1}")),
    operator(1074, "<=", native(393, "array_le", TWO, &BOOL, "{0} <= {1}")),
    operator(1073, ">", native(392, "array_gt", TWO, &BOOL, "{0} > {1}")),
    operator(1075, ">=", native(396, "array_ge", TWO, &BOOL, "{0} >= {1}")),
    operator(2750, "&&", typed(2747, "arrayoverlap", TWO, &BOOL, overlaps)),
    operator(2751, "@>", typed(2748, "arraycontains", TWO, &BOOL, contains)),
    operator(2752, "<@", typed(2749, "arraycontained", TWO, &BOOL, contained)),
    operator(349, "||", typed(378, "array_append", WITH, &ANYCOMPATIBLEARRAY, append).called_on_null()),
    operator(
        374,
        "||",
        typed(379, "array_prepend", &[&ANYCOMPATIBLE, &ANYCOMPATIBLEARRAY], &ANYCOMPATIBLEARRAY, prepend)
            .called_on_null(),
    ),
    operator(
        375,
        "||",
        typed(
            383,
            "array_cat",
            &[&ANYCOMPATIBLEARRAY, &ANYCOMPATIBLEARRAY],
            &ANYCOMPATIBLEARRAY,
            concatenate,
        )
        .called_on_null(),
    ),
];
