//! Arrays of any element type: stored as text under the collation `array`.
//!
//! The stored form tells everything that comparing needs: `<order><bound>:<length>,…|<element>…`.
//! `order` is the letter of the elements' collation ([`super::collation::letter`]); there is one
//! `bound:length` for each dimension, none for the empty array. An element is `~` for NULL, `i<decimal>;`, `r<16 hex digits of
//! the double's bits>`, `t<bytes>:<text>` or `b<hex digits>:<hex>`.
//! The order is array_cmp's: element by element, then the number of elements, dimensions, lengths and bounds.

use std::cmp::Ordering;
use std::fmt::Write;

use super::collation;
use super::{Category, Datum, DatumRef, Format, Oid, Shape, Storage, Type};
use crate::bail;
use crate::error::{Error, Result, state};

/// The most dimensions (MAXDIM).
pub const DIMENSIONS_MAX: usize = 6;
/// The most elements of an array (MaxArraySize, for pointers).
pub const ELEMENTS_MAX: usize = (1 << 27) - 1;

/// One dimension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dimension {
    /// The first subscript.
    pub lower: i32,
    /// How many elements.
    pub length: i32,
}

impl Dimension {
    /// The last subscript.
    pub fn upper(self) -> i32 {
        self.lower + self.length - 1
    }
}

/// An array's value. The elements are in row-major order.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    /// The dimensions, outermost first; none for the empty array.
    pub dimensions: Vec<Dimension>,
    /// The elements.
    pub elements: Vec<Datum>,
}

/// The array type of an element type.
pub const fn of(element: &'static Type, name: &'static str, sql_name: &'static str) -> Type {
    Type {
        oid: element.array_oid,
        name,
        sql_name,
        array_oid: 0,
        length: -1,
        category: Category::Array,
        preferred: false,
        storage: Storage::Text,
        collation: Some("array"),
        comparable: element.comparable,
        input: |_, _| Err(Error::internal("an array's input needs its element type")),
        output: |_, _, _| {},
        receive: |_| Err(Error::internal("an array's input needs its element type")),
        send: |_, _| {},
        typmod: None,
        shape: Shape::Array(element),
    }
}

macro_rules! arrays {
    ($($(#[$doc:meta])* $constant:ident = $element:expr, $name:literal, $sql_name:literal;)*) => {
        $(
            #[doc = $sql_name]
            pub const $constant: Type = of(&$element, $name, $sql_name);
        )*
        /// Every array type of a built-in type.
        pub static ARRAYS: &[&Type] = &[$(&$constant),*];
    };
}

arrays! {
    BOOL_ARRAY = super::boolean::BOOL, "_bool", "boolean[]";
    BYTEA_ARRAY = super::bytea::BYTEA, "_bytea", "bytea[]";
    CHAR_ARRAY = super::text::CHAR, "_char", "\"char\"[]";
    NAME_ARRAY = super::text::NAME, "_name", "name[]";
    INT8_ARRAY = super::integer::INT8, "_int8", "bigint[]";
    INT2_ARRAY = super::integer::INT2, "_int2", "smallint[]";
    INT4_ARRAY = super::integer::INT4, "_int4", "integer[]";
    REGPROC_ARRAY = super::oid::REGPROC, "_regproc", "regproc[]";
    TEXT_ARRAY = super::text::TEXT, "_text", "text[]";
    OID_ARRAY = super::oid::OID, "_oid", "oid[]";
    JSON_ARRAY = super::json::JSON, "_json", "json[]";
    FLOAT4_ARRAY = super::float::FLOAT4, "_float4", "real[]";
    FLOAT8_ARRAY = super::float::FLOAT8, "_float8", "double precision[]";
    BPCHAR_ARRAY = super::text::BPCHAR, "_bpchar", "character[]";
    VARCHAR_ARRAY = super::text::VARCHAR, "_varchar", "character varying[]";
    DATE_ARRAY = super::date::DATE, "_date", "date[]";
    TIME_ARRAY = super::time::TIME, "_time", "time without time zone[]";
    TIMETZ_ARRAY = super::timetz::TIMETZ, "_timetz", "time with time zone[]";
    TIMESTAMP_ARRAY = super::timestamp::TIMESTAMP, "_timestamp", "timestamp without time zone[]";
    TIMESTAMPTZ_ARRAY = super::timestamp::TIMESTAMPTZ, "_timestamptz", "timestamp with time zone[]";
    INTERVAL_ARRAY = super::interval::INTERVAL, "_interval", "interval[]";
    NUMERIC_ARRAY = super::numeric::NUMERIC, "_numeric", "numeric[]";
    REGPROCEDURE_ARRAY = super::oid::REGPROCEDURE, "_regprocedure", "regprocedure[]";
    REGOPER_ARRAY = super::oid::REGOPER, "_regoper", "regoper[]";
    REGOPERATOR_ARRAY = super::oid::REGOPERATOR, "_regoperator", "regoperator[]";
    REGCLASS_ARRAY = super::oid::REGCLASS, "_regclass", "regclass[]";
    REGTYPE_ARRAY = super::oid::REGTYPE, "_regtype", "regtype[]";
    REGROLE_ARRAY = super::oid::REGROLE, "_regrole", "regrole[]";
    REGNAMESPACE_ARRAY = super::oid::REGNAMESPACE, "_regnamespace", "regnamespace[]";
    REGCOLLATION_ARRAY = super::oid::REGCOLLATION, "_regcollation", "regcollation[]";
    RECORD_ARRAY = super::record::RECORD, "_record", "record[]";
    UUID_ARRAY = super::uuid::UUID, "_uuid", "uuid[]";
    JSONB_ARRAY = super::json::JSONB, "_jsonb", "jsonb[]";
    INET_ARRAY = super::network::INET, "_inet", "inet[]";
    CIDR_ARRAY = super::network::CIDR, "_cidr", "cidr[]";
    MACADDR_ARRAY = super::network::MACADDR, "_macaddr", "macaddr[]";
    MACADDR8_ARRAY = super::network::MACADDR8, "_macaddr8", "macaddr8[]";
    XID_ARRAY = super::oid::XID, "_xid", "xid[]";
    CID_ARRAY = super::oid::CID, "_cid", "cid[]";
}

impl Array {
    /// The empty array.
    pub fn empty() -> Array {
        Array { dimensions: Vec::new(), elements: Vec::new() }
    }

    /// An array of one dimension that starts at 1.
    pub fn vector(elements: Vec<Datum>) -> Array {
        if elements.is_empty() {
            return Array::empty();
        }
        Array { dimensions: vec![Dimension { lower: 1, length: elements.len() as i32 }], elements }
    }

    /// An array of arrays, which must have the same dimensions. 2202E if they do not.
    pub fn of_arrays(parts: Vec<Array>) -> Result<Array> {
        let Some(first) = parts.first() else { return Ok(Array::empty()) };
        let dimensions = first.dimensions.clone();
        if parts.iter().any(|part| part.dimensions != dimensions) {
            bail!(
                ARRAY_SUBSCRIPT_ERROR,
                "multidimensional arrays must have array expressions with matching dimensions"
            );
        }
        if dimensions.is_empty() {
            return Ok(Array::empty());
        }
        check_dimensions(dimensions.len() + 1)?;
        let outer = Dimension { lower: 1, length: parts.len() as i32 };
        let elements = parts.into_iter().flat_map(|part| part.elements).collect();
        Ok(Array { dimensions: [outer].into_iter().chain(dimensions).collect(), elements })
    }

    /// Reads the stored form.
    pub fn from_stored(text: &str) -> Array {
        let mut elements = Vec::new();
        let (dimensions, rest) = header(text);
        let mut cursor = Cursor { rest };
        while let Some(element) = cursor.next() {
            elements.push(element.to_owned());
        }
        Array { dimensions, elements }
    }

    /// The stored form, for elements of a type.
    pub fn to_datum(&self, element: &Type) -> Datum {
        let mut out = String::with_capacity(8 + self.elements.len() * 4);
        out.push(collation::letter(element.collation));
        for (place, dimension) in self.dimensions.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let _ = write!(out, "{comma}{}:{}", dimension.lower, dimension.length);
        }
        out.push('|');
        for value in &self.elements {
            push_element(&mut out, value.as_ref());
        }
        Datum::Text(out)
    }

    /// The place of the element at these subscripts, if there is one.
    pub fn offset(&self, subscripts: &[i64]) -> Option<usize> {
        if subscripts.len() != self.dimensions.len() || subscripts.is_empty() {
            return None;
        }
        let mut offset = 0usize;
        for (dimension, subscript) in self.dimensions.iter().zip(subscripts) {
            let within = subscript - i64::from(dimension.lower);
            if !(0..i64::from(dimension.length)).contains(&within) {
                return None;
            }
            offset = offset * dimension.length as usize + within as usize;
        }
        Some(offset)
    }

    /// The part between lower and upper subscripts; its bounds start at 1. Empty if there is none.
    pub fn slice(&self, bounds: &[(Option<i64>, Option<i64>)]) -> Array {
        let count = self.dimensions.len();
        if count < bounds.len() || count == 0 {
            return Array::empty();
        }
        let mut ranges = Vec::with_capacity(count);
        for (place, dimension) in self.dimensions.iter().enumerate() {
            let (lower, upper) = bounds.get(place).copied().unwrap_or((None, None));
            let lower = lower.unwrap_or(dimension.lower.into()).max(dimension.lower.into());
            let upper = upper.unwrap_or(dimension.upper().into()).min(dimension.upper().into());
            if lower > upper {
                return Array::empty();
            }
            ranges.push((lower - i64::from(dimension.lower), upper - lower + 1));
        }
        let mut elements = Vec::new();
        self.collect_slice(&ranges, 0, 0, &mut elements);
        let dimensions =
            ranges.iter().map(|(_, length)| Dimension { lower: 1, length: *length as i32 }).collect();
        Array { dimensions, elements }
    }

    fn collect_slice(&self, ranges: &[(i64, i64)], depth: usize, offset: usize, out: &mut Vec<Datum>) {
        let (start, length) = ranges[depth];
        for step in 0..length {
            let at = offset * self.dimensions[depth].length as usize + (start + step) as usize;
            if depth + 1 == ranges.len() {
                out.push(self.elements[at].clone());
            } else {
                self.collect_slice(ranges, depth + 1, at, out);
            }
        }
    }

    /// Sets the element at subscripts. An array of one dimension grows, with NULLs in the gap.
    pub fn set(&mut self, subscripts: &[i64], value: Datum) -> Result<()> {
        if self.dimensions.is_empty() {
            check_dimensions(subscripts.len())?;
            self.dimensions = subscripts
                .iter()
                .map(|subscript| Ok(Dimension { lower: bound(*subscript)?, length: 1 }))
                .collect::<Result<_>>()?;
            self.elements = vec![value];
            return Ok(());
        }
        if subscripts.len() != self.dimensions.len() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
        }
        if let [subscript] = subscripts {
            self.extend_to(*subscript, *subscript)?;
        }
        match self.offset(subscripts) {
            Some(offset) => {
                self.elements[offset] = value;
                Ok(())
            }
            None => bail!(ARRAY_SUBSCRIPT_ERROR, "array subscript out of range"),
        }
    }

    /// Makes an array of one dimension reach from one subscript to another.
    fn extend_to(&mut self, first: i64, last: i64) -> Result<()> {
        let dimension = self.dimensions[0];
        let lower = first.min(dimension.lower.into());
        let upper = last.max(dimension.upper().into());
        let length = upper - lower + 1;
        check_size(length)?;
        let before = (i64::from(dimension.lower) - lower) as usize;
        self.elements.splice(0..0, std::iter::repeat_n(Datum::Null, before));
        self.elements.resize(length as usize, Datum::Null);
        self.dimensions[0] = Dimension { lower: bound(lower)?, length: length as i32 };
        Ok(())
    }

    /// Sets the part between lower and upper subscripts to the elements of another array.
    pub fn set_slice(&mut self, bounds: &[(Option<i64>, Option<i64>)], source: &Array) -> Result<()> {
        if self.dimensions.is_empty() {
            return self.set_slice_of_empty(bounds, source);
        }
        let count = self.dimensions.len();
        if bounds.len() > count {
            bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
        }
        let mut ranges = Vec::with_capacity(count);
        for place in 0..count {
            let dimension = self.dimensions[place];
            let (lower, upper) = bounds.get(place).copied().unwrap_or((None, None));
            let lower = lower.unwrap_or(dimension.lower.into());
            let upper = upper.unwrap_or(dimension.upper().into());
            if lower > upper + i64::from(count == 1) {
                bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
            }
            ranges.push((lower, upper));
        }
        if count == 1 {
            let (lower, upper) = ranges[0];
            if upper >= lower {
                self.extend_to(lower, upper)?;
            }
        }
        let mut size = 1;
        for (dimension, (lower, upper)) in self.dimensions.iter().zip(&ranges) {
            if *lower < i64::from(dimension.lower) || *upper > i64::from(dimension.upper()) {
                bail!(ARRAY_SUBSCRIPT_ERROR, "array subscript out of range");
            }
            size *= upper - lower + 1;
        }
        if (source.elements.len() as i64) < size {
            bail!(ARRAY_SUBSCRIPT_ERROR, "source array too small");
        }
        let mut values = source.elements.iter();
        let ranges: Vec<(i64, i64)> = ranges
            .iter()
            .zip(&self.dimensions)
            .map(|((lower, upper), dimension)| (lower - i64::from(dimension.lower), upper - lower + 1))
            .collect();
        self.fill_slice(&ranges, 0, 0, &mut values);
        Ok(())
    }

    fn set_slice_of_empty(&mut self, bounds: &[(Option<i64>, Option<i64>)], source: &Array) -> Result<()> {
        let mut dimensions = Vec::new();
        let mut size = 1;
        for bound_pair in bounds {
            let (Some(lower), Some(upper)) = *bound_pair else {
                return Err(Error::new(
                    state::ARRAY_SUBSCRIPT_ERROR,
                    "array slice subscript must provide both boundaries",
                )
                .with_detail(
                    "When assigning to a slice of an empty array value, slice boundaries must be fully specified.",
                ));
            };
            if lower > upper {
                bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
            }
            check_size(upper - lower + 1)?;
            dimensions.push(Dimension { lower: bound(lower)?, length: (upper - lower + 1) as i32 });
            size *= upper - lower + 1;
        }
        if (source.elements.len() as i64) < size {
            bail!(ARRAY_SUBSCRIPT_ERROR, "source array too small");
        }
        self.dimensions = dimensions;
        self.elements = source.elements[..size as usize].to_vec();
        Ok(())
    }

    fn fill_slice<'v>(
        &mut self,
        ranges: &[(i64, i64)],
        depth: usize,
        offset: usize,
        values: &mut impl Iterator<Item = &'v Datum>,
    ) {
        let (start, length) = ranges[depth];
        for step in 0..length {
            let at = offset * self.dimensions[depth].length as usize + (start + step) as usize;
            if depth + 1 == ranges.len() {
                if let Some(value) = values.next() {
                    self.elements[at] = value.clone();
                }
            } else {
                self.fill_slice(ranges, depth + 1, at, values);
            }
        }
    }
}

fn bound(subscript: i64) -> Result<i32> {
    match i32::try_from(subscript) {
        Ok(value) if value < i32::MAX => Ok(value),
        _ => bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({ELEMENTS_MAX})"),
    }
}

/// 54000 for more dimensions than there may be.
pub fn check_dimensions(count: usize) -> Result<()> {
    if count > DIMENSIONS_MAX {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
        );
    }
    Ok(())
}

/// 54000 for more elements than there may be.
pub fn check_size(count: i64) -> Result<()> {
    if count > ELEMENTS_MAX as i64 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({ELEMENTS_MAX})");
    }
    Ok(())
}

pub(super) fn push_element(out: &mut String, value: DatumRef<'_>) {
    match value {
        DatumRef::Null => out.push('~'),
        DatumRef::Integer(value) => {
            let _ = write!(out, "i{value};");
        }
        DatumRef::Real(value) => {
            let _ = write!(out, "r{:016x}", value.to_bits());
        }
        DatumRef::Text(text) => {
            let _ = write!(out, "t{}:{text}", text.len());
        }
        DatumRef::Blob(bytes) => {
            let _ = write!(out, "b{}:", bytes.len() * 2);
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
}

/// An element in the stored form.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stored<'a> {
    Value(DatumRef<'a>),
    Hex(&'a str),
}

impl Stored<'_> {
    fn to_owned(self) -> Datum {
        match self {
            Stored::Value(value) => value.to_owned(),
            Stored::Hex(hex) => {
                let digit = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap_or(0);
                Datum::Blob((0..hex.len()).step_by(2).map(digit).collect())
            }
        }
    }
}

/// Reads elements one after the other. What is stored was written by this module, so it is whole.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<Stored<'a>> {
        let kind = *self.rest.as_bytes().first()?;
        let body = &self.rest[1..];
        let (element, used) = match kind {
            b'~' => (Stored::Value(DatumRef::Null), 0),
            b'i' => {
                let end = body.find(';').unwrap_or(body.len());
                (Stored::Value(DatumRef::Integer(body[..end].parse().unwrap_or(0))), end + 1)
            }
            b'r' => {
                let bits = u64::from_str_radix(body.get(..16).unwrap_or("0"), 16).unwrap_or(0);
                (Stored::Value(DatumRef::Real(f64::from_bits(bits))), 16)
            }
            _ => {
                let colon = body.find(':').unwrap_or(0);
                let length: usize = body[..colon].parse().unwrap_or(0);
                let text = body.get(colon + 1..colon + 1 + length).unwrap_or("");
                let element =
                    if kind == b'b' { Stored::Hex(text) } else { Stored::Value(DatumRef::Text(text)) };
                (element, colon + 1 + length)
            }
        };
        self.rest = body.get(used..).unwrap_or("");
        Some(element)
    }
}

/// The first element of a text in the stored form, and how many bytes it takes.
pub(super) fn read_element(text: &str) -> (Datum, usize) {
    let mut cursor = Cursor { rest: text };
    let element = cursor.next().map_or(Datum::Null, Stored::to_owned);
    (element, text.len() - cursor.rest.len())
}

/// The dimensions, and the elements' text.
fn header(text: &str) -> (Vec<Dimension>, &str) {
    let (head, rest) = text.split_once('|').unwrap_or((text, ""));
    let dimensions = head.get(1..).unwrap_or("").split(',').filter_map(|dimension| {
        let (lower, length) = dimension.split_once(':')?;
        Some(Dimension { lower: lower.parse().ok()?, length: length.parse().ok()? })
    });
    (dimensions.collect(), rest)
}

/// The order of the collation `array`.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    let ((a_dimensions, a_rest), (b_dimensions, b_rest)) = (header(a), header(b));
    let order = collation::by_letter(a.chars().next().unwrap_or('p'));
    let (mut left, mut right) = (Cursor { rest: a_rest }, Cursor { rest: b_rest });
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) => match compare_elements(a, b, order) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
            (Some(_), None) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (None, None) => break,
        }
    }
    let lengths = |dimensions: &[Dimension]| dimensions.iter().map(|d| d.length).collect::<Vec<_>>();
    let bounds = |dimensions: &[Dimension]| dimensions.iter().map(|d| d.lower).collect::<Vec<_>>();
    a_dimensions
        .len()
        .cmp(&b_dimensions.len())
        .then_with(|| lengths(&a_dimensions).cmp(&lengths(&b_dimensions)))
        .then_with(|| bounds(&a_dimensions).cmp(&bounds(&b_dimensions)))
}

fn compare_elements(a: Stored<'_>, b: Stored<'_>, order: collation::Order) -> Ordering {
    match (a, b) {
        (Stored::Value(a), Stored::Value(b)) => super::compare_values(a, b, order),
        (Stored::Hex(a), Stored::Hex(b)) => a.cmp(b),
        // NULL is greater than everything.
        (Stored::Hex(_), _) => Ordering::Less,
        (_, Stored::Hex(_)) => Ordering::Greater,
    }
}

fn malformed(text: &str, detail: impl Into<String>) -> Error {
    Error::new(state::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""))
        .with_detail(detail)
}

/// Reads `{1,2,{…}}` or `[1:2]={…}` (array_in).
pub(super) fn input(element: &'static Type, text: &str, format: &Format) -> Result<Datum> {
    let mut reader = Reader { text, place: 0 };
    reader.skip_blanks();
    let declared = reader.dimensions()?;
    if !declared.is_empty() {
        if !reader.take("=") {
            return Err(malformed(text, "Missing \"=\" after array dimensions."));
        }
        reader.skip_blanks();
    }
    if reader.peek() != Some('{') {
        return Err(malformed(
            text,
            match declared.is_empty() {
                true => "Array value must start with \"{\" or dimension information.",
                false => "Array contents must start with \"{\".",
            },
        ));
    }
    let mut lengths = Vec::new();
    let mut elements = Vec::new();
    reader.braces(0, &mut lengths, &mut |item| {
        if elements.len() >= ELEMENTS_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({ELEMENTS_MAX})");
        }
        elements.push(match item {
            Some(item) => element.parse(&item, format)?,
            None => Datum::Null,
        });
        Ok(())
    })?;
    reader.skip_blanks();
    if reader.peek().is_some() {
        return Err(malformed(text, "Junk after closing right brace."));
    }
    if elements.is_empty() {
        return Ok(Array::empty().to_datum(element));
    }
    let dimensions = if declared.is_empty() {
        lengths.iter().map(|length| Dimension { lower: 1, length: *length }).collect()
    } else {
        let same = declared.len() == lengths.len()
            && declared.iter().zip(&lengths).all(|(dimension, length)| dimension.length == *length);
        if !same {
            return Err(malformed(text, "Specified array dimensions do not match array contents."));
        }
        declared
    };
    Ok(Array { dimensions, elements }.to_datum(element))
}

/// A place in an array's text.
struct Reader<'a> {
    text: &'a str,
    place: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.place..].chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.place += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.text[self.place..].starts_with(wanted);
        self.place += if found { wanted.len() } else { 0 };
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_whitespace() || c == '\u{b}') {
            self.place += 1;
        }
    }

    fn number(&mut self) -> Option<i64> {
        let rest = &self.text[self.place..];
        let sign = usize::from(rest.starts_with(['-', '+']));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        self.place += sign + digits;
        rest[..sign + digits].trim_start_matches('+').parse().ok()
    }

    /// `[1:3][0:2]`, or nothing.
    fn dimensions(&mut self) -> Result<Vec<Dimension>> {
        let mut dimensions = Vec::new();
        while self.take("[") {
            check_dimensions(dimensions.len() + 1)?;
            let Some(first) = self.number() else {
                return Err(malformed(
                    self.text,
                    "\"[\" must introduce explicitly-specified array dimensions.",
                ));
            };
            let (lower, upper) = match self.take(":") {
                true => match self.number() {
                    Some(upper) => (first, upper),
                    None => return Err(malformed(self.text, "Missing array dimension value.")),
                },
                false => (1, first),
            };
            if !self.take("]") {
                return Err(malformed(self.text, "Missing \"]\" after array dimensions."));
            }
            if upper < lower {
                bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
            }
            check_size(upper - lower + 1)?;
            dimensions.push(Dimension { lower: bound(lower)?, length: (upper - lower + 1) as i32 });
            self.skip_blanks();
        }
        Ok(dimensions)
    }

    /// A pair of braces at a depth, and everything in it.
    fn braces(
        &mut self,
        depth: usize,
        lengths: &mut Vec<i32>,
        push: &mut impl FnMut(Option<String>) -> Result<()>,
    ) -> Result<()> {
        let uneven = |text: &str| {
            malformed(text, "Multidimensional arrays must have sub-arrays with matching dimensions.")
        };
        check_dimensions(depth + 1)?;
        self.advance();
        let is_first_here = lengths.len() <= depth;
        if is_first_here {
            lengths.push(-1);
        }
        let mut count = 0;
        let mut holds_braces = None;
        self.skip_blanks();
        if self.take("}") {
            if depth > 0 && !(is_first_here && depth + 1 == lengths.len()) {
                return Err(uneven(self.text));
            }
            lengths[depth] = if depth == 0 { 0 } else { 0.max(lengths[depth]) };
            return Ok(());
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Err(malformed(self.text, "Unexpected end of input.")),
                Some('{') => {
                    if holds_braces == Some(false)
                        || (lengths.len() > depth + 1) != (count > 0 || !is_first_here)
                    {
                        return Err(uneven(self.text));
                    }
                    holds_braces = Some(true);
                    self.braces(depth + 1, lengths, push)?;
                }
                Some('}') => return Err(malformed(self.text, "Unexpected \"}\" character.")),
                Some(',') => return Err(malformed(self.text, "Unexpected \",\" character.")),
                Some(_) => {
                    if holds_braces == Some(true) || lengths.len() > depth + 1 {
                        return Err(uneven(self.text));
                    }
                    holds_braces = Some(false);
                    let item = self.item()?;
                    push(item)?;
                }
            }
            count += 1;
            self.skip_blanks();
            match self.advance() {
                Some(',') => {}
                Some('}') => break,
                None => return Err(malformed(self.text, "Unexpected end of input.")),
                Some('{') => return Err(malformed(self.text, "Unexpected \"{\" character.")),
                Some(_) => return Err(malformed(self.text, "Unexpected array element.")),
            }
        }
        if is_first_here || lengths[depth] < 0 {
            lengths[depth] = count;
        } else if lengths[depth] != count {
            return Err(uneven(self.text));
        }
        Ok(())
    }

    /// One element's text; `None` for NULL.
    fn item(&mut self) -> Result<Option<String>> {
        let mut item = String::new();
        if self.peek() == Some('"') {
            self.advance();
            loop {
                match self.advance() {
                    None => return Err(malformed(self.text, "Unexpected end of input.")),
                    Some('"') => return Ok(Some(item)),
                    Some('\\') => match self.advance() {
                        Some(next) => item.push(next),
                        None => return Err(malformed(self.text, "Unexpected end of input.")),
                    },
                    Some(next) => item.push(next),
                }
            }
        }
        let mut has_escapes = false;
        let mut kept = 0;
        loop {
            match self.peek() {
                None => return Err(malformed(self.text, "Unexpected end of input.")),
                Some(',' | '}') => break,
                Some('{') => return Err(malformed(self.text, "Unexpected \"{\" character.")),
                Some('"') => return Err(malformed(self.text, "Unexpected array element.")),
                Some('\\') => {
                    self.advance();
                    has_escapes = true;
                    match self.advance() {
                        Some(next) => item.push(next),
                        None => return Err(malformed(self.text, "Unexpected end of input.")),
                    }
                    kept = item.len();
                }
                Some(next) => {
                    self.advance();
                    item.push(next);
                    if !next.is_ascii_whitespace() {
                        kept = item.len();
                    }
                }
            }
        }
        item.truncate(kept);
        Ok(if !has_escapes && item.eq_ignore_ascii_case("null") { None } else { Some(item) })
    }
}

/// Prints `{1,2}` (array_out).
pub(super) fn output(element: &'static Type, value: DatumRef<'_>, format: &Format, out: &mut Vec<u8>) {
    let array = Array::from_stored(value.text());
    if array.dimensions.is_empty() {
        out.extend_from_slice(b"{}");
        return;
    }
    if array.dimensions.iter().any(|dimension| dimension.lower != 1) {
        for dimension in &array.dimensions {
            out.extend_from_slice(format!("[{}:{}]", dimension.lower, dimension.upper()).as_bytes());
        }
        out.push(b'=');
    }
    let mut elements = array.elements.iter();
    write_level(&array.dimensions, &mut elements, out, &mut |value, out| {
        if value.is_null() {
            out.extend_from_slice(b"NULL");
            return;
        }
        let start = out.len();
        element.print(value.as_ref(), format, out);
        if needs_quotes(&out[start..]) {
            let text = out.split_off(start);
            out.push(b'"');
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        }
    });
}

/// Writes the elements of one dimension in braces.
pub fn write_level<'v>(
    dimensions: &[Dimension],
    elements: &mut impl Iterator<Item = &'v Datum>,
    out: &mut Vec<u8>,
    write: &mut impl FnMut(&Datum, &mut Vec<u8>),
) {
    out.push(b'{');
    for place in 0..dimensions[0].length {
        if place > 0 {
            out.push(b',');
        }
        match dimensions.len() {
            1 => {
                if let Some(value) = elements.next() {
                    write(value, out);
                }
            }
            _ => write_level(&dimensions[1..], elements, out, write),
        }
    }
    out.push(b'}');
}

fn needs_quotes(text: &[u8]) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case(b"null")
        || text.iter().any(|byte| {
            matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',') || byte.is_ascii_whitespace() || *byte == 0x0b
        })
}

/// PostgreSQL's binary form (array_recv).
pub(super) fn receive(element: &'static Type, bytes: &[u8]) -> Result<Datum> {
    let truncated = || Error::new(state::PROTOCOL_VIOLATION, "insufficient data left in message");
    let mut rest = bytes;
    let mut take = |count: usize| -> Result<&[u8]> {
        let (taken, left) = rest.split_at_checked(count).ok_or_else(truncated)?;
        rest = left;
        Ok(taken)
    };
    fn int(bytes: &[u8]) -> i32 {
        i32::from_be_bytes(bytes.try_into().unwrap_or([0; 4]))
    }
    let count = int(take(4)?);
    if count < 0 {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid number of dimensions: {count}");
    }
    check_dimensions(count as usize)?;
    let flags = int(take(4)?);
    if flags != 0 && flags != 1 {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid array flags");
    }
    let element_oid = int(take(4)?) as Oid;
    if element_oid != element.oid {
        let given = super::by_oid(element_oid).map_or("unknown", |ty| ty.sql_name);
        bail!(
            DATATYPE_MISMATCH,
            "binary data has array element type {element_oid} ({given}) instead of expected {} ({})",
            element.oid,
            element.sql_name
        );
    }
    let mut dimensions = Vec::new();
    let mut size: i64 = i64::from(count > 0);
    for _ in 0..count {
        let (length, lower) = (int(take(4)?), int(take(4)?));
        if length < 0 {
            bail!(INVALID_BINARY_REPRESENTATION, "invalid array dimensions");
        }
        size = size.saturating_mul(length.into());
        check_size(size)?;
        dimensions.push(Dimension { lower: bound(lower.into())?, length });
    }
    let mut elements = Vec::new();
    for _ in 0..size {
        let length = int(take(4)?);
        elements.push(match length {
            -1 => Datum::Null,
            0.. => element.decode(take(length as usize)?)?,
            _ => return Err(truncated()),
        });
    }
    if elements.is_empty() {
        dimensions.clear();
    }
    Ok(Array { dimensions, elements }.to_datum(element))
}

/// PostgreSQL's binary form (array_send).
pub(super) fn send(element: &'static Type, value: DatumRef<'_>, out: &mut Vec<u8>) {
    let array = Array::from_stored(value.text());
    let mut put = |value: i32| out.extend_from_slice(&value.to_be_bytes());
    put(array.dimensions.len() as i32);
    put(i32::from(array.elements.iter().any(Datum::is_null)));
    put(element.oid as i32);
    for dimension in &array.dimensions {
        put(dimension.length);
        put(dimension.lower);
    }
    for value in &array.elements {
        if value.is_null() {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        element.encode(value.as_ref(), out);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::integer::INT4;
    use super::super::text::TEXT;
    use super::*;

    fn read(text: &str) -> Datum {
        input(&INT4, text, &Format::default()).unwrap()
    }

    fn shown(value: &Datum, element: &'static Type) -> String {
        let mut out = Vec::new();
        output(element, value.as_ref(), &Format::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn literals_come_back_as_postgresql_prints_them() {
        for (given, printed) in [
            ("{1,2,3}", "{1,2,3}"),
            (" { 1 , NULL , 3 } ", "{1,NULL,3}"),
            ("{{1,2},{3,4}}", "{{1,2},{3,4}}"),
            ("[0:1]={5,6}", "[0:1]={5,6}"),
            ("[1:2]={5,6}", "{5,6}"),
            ("{}", "{}"),
        ] {
            assert_eq!(shown(&read(given), &INT4), printed);
        }
        let text = input(&TEXT, r#"{a,"b,c","NULL",nULL,"q\"","",x y}"#, &Format::default()).unwrap();
        assert_eq!(shown(&text, &TEXT), r#"{a,"b,c","NULL",NULL,"q\"","","x y"}"#);
    }

    #[test]
    fn malformed_literals_are_refused_with_details() {
        for text in ["{1,2", "{{1},{2,3}}", "{1}x", "1,2", "[2:1]={1}", "{1,{2}}", "{,1}", "{{1,2},3}"] {
            assert!(input(&INT4, text, &Format::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_by_elements_then_by_shape() {
        let order = |a: &str, b: &str| compare_text(read(a).as_ref().text(), read(b).as_ref().text());
        assert_eq!(order("{1,2}", "{1,3}"), Ordering::Less);
        assert_eq!(order("{1,2}", "{1}"), Ordering::Greater);
        assert_eq!(order("{NULL}", "{100}"), Ordering::Greater);
        assert_eq!(order("{10}", "{9}"), Ordering::Greater);
        assert_eq!(order("{1}", "[0:0]={1}"), Ordering::Greater);
        assert_eq!(order("{1,2}", "{1,2}"), Ordering::Equal);
    }

    #[test]
    fn slices_and_assignments_follow_postgresql() {
        let mut array = Array::from_stored(read("{1,2,3,4}").as_ref().text());
        assert_eq!(shown(&array.slice(&[(Some(2), Some(3))]).to_datum(&INT4), &INT4), "{2,3}");
        array.set(&[6], Datum::Integer(9)).unwrap();
        assert_eq!(shown(&array.to_datum(&INT4), &INT4), "{1,2,3,4,NULL,9}");
        let square = Array::from_stored(read("{{1,2,3},{4,5,6}}").as_ref().text());
        assert_eq!(
            shown(&square.slice(&[(Some(1), Some(2)), (Some(2), Some(2))]).to_datum(&INT4), &INT4),
            "{{2},{5}}"
        );
    }

    #[test]
    fn binary_arrays_come_back() {
        let value = read("[2:3]={7,NULL}");
        let mut bytes = Vec::new();
        send(&INT4, value.as_ref(), &mut bytes);
        assert_eq!(receive(&INT4, &bytes).unwrap(), value);
        for length in 0..bytes.len() {
            assert!(receive(&INT4, &bytes[..length]).is_err());
        }
    }
}
