//! numeric: stored as its canonical text, under the collation `numeric`.
//!
//! The text is what PostgreSQL prints, so output is a copy and the display scale is kept; the
//! collation orders it as numbers. Arithmetic is exact on big integers, with PostgreSQL's rules for
//! the scale of a result (src/backend/utils/adt/numeric.c).

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

use super::typmod::HEADER;
use super::{Category, Datum, DatumRef, Format, Shape, Storage, Type, Typmod};
use crate::bail;
use crate::error::{Error, Result, state};

/// The most digits after the decimal point (NUMERIC_DSCALE_MAX).
const SCALE_MAX: i64 = 16383;
/// The most digits before the decimal point.
const WHOLE_DIGITS_MAX: i64 = 131_072;
/// The most digits of a declared precision.
const PRECISION_MAX: i64 = 1000;
/// A division gives at least this many significant digits.
const MIN_SIGNIFICANT_DIGITS: i64 = 16;
/// The largest scale that a division or a function chooses by itself.
const DISPLAY_SCALE_MAX: i64 = 1000;

/// numeric(p,s)
pub const NUMERIC: Type = Type {
    oid: 1700,
    name: "numeric",
    sql_name: "numeric",
    array_oid: 1231,
    length: -1,
    category: Category::Numeric,
    preferred: false,
    storage: Storage::Text,
    collation: Some("numeric"),
    comparable: true,
    input,
    output: |value, _, out| out.extend_from_slice(value.text().as_bytes()),
    receive,
    send,
    typmod: Some(&Typmod { input: typmod_input, output: typmod_output, apply }),
    shape: Shape::Base,
};

fn input(text: &str, _: &Format) -> Result<Datum> {
    if shape(text).is_some() {
        return Ok(Datum::text(text));
    }
    Ok(Datum::Text(Numeric::parse(text)?.to_string()))
}

/// The digits before and after the point of a text that is already in the stored form, if it is a plain
/// short number: such, which are most, need no arithmetic to be read.
fn shape(text: &str) -> Option<(i64, i64)> {
    const BYTES_MAX: usize = 100;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = text.len() <= BYTES_MAX
        && is_number(whole)
        && fraction.is_none_or(is_number)
        && (whole == "0" || !whole.starts_with('0'))
        && (digits.len() == text.len() || digits.bytes().any(|byte| matches!(byte, b'1'..=b'9')));
    let whole_digits = if whole == "0" { 0 } else { whole.len() as i64 };
    is_plain.then_some((whole_digits, fraction.map_or(0, str::len) as i64))
}

/// A numeric value.
#[derive(Clone, PartialEq, Debug)]
pub enum Numeric {
    /// -Infinity, less than every number.
    NegativeInfinity,
    /// A number.
    Finite(Decimal),
    /// Infinity, greater than every number.
    Infinity,
    /// NaN, equal to itself and greater than everything.
    NaN,
}

/// `mantissa / 10^scale`.
#[derive(Clone, PartialEq, Debug)]
pub struct Decimal {
    /// All digits.
    pub mantissa: BigInt,
    /// How many of them stand after the decimal point; also the number of decimals shown.
    pub scale: u32,
}

fn power_of_ten(exponent: u32) -> BigInt {
    BigInt::from(10u8).pow(exponent)
}

/// Divides and rounds half away from zero.
fn divide_rounding(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let (quotient, remainder) = dividend.div_rem(divisor);
    if remainder.abs() * 2 >= divisor.abs() {
        let away = if dividend.is_negative() == divisor.is_negative() { 1 } else { -1 };
        quotient + away
    } else {
        quotient
    }
}

fn overflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

impl Decimal {
    /// An integer.
    pub fn from_i64(value: i64) -> Decimal {
        Decimal { mantissa: value.into(), scale: 0 }
    }

    /// The same value with another scale, rounded half away from zero.
    pub fn rescale(&self, scale: u32) -> Decimal {
        let mantissa = match scale.cmp(&self.scale) {
            Ordering::Equal => return self.clone(),
            Ordering::Greater => &self.mantissa * power_of_ten(scale - self.scale),
            Ordering::Less => divide_rounding(&self.mantissa, &power_of_ten(self.scale - scale)),
        };
        Decimal { mantissa, scale }
    }

    /// Rounds at a place, which may lie before the decimal point (`places` negative).
    pub fn round(&self, places: i64) -> Decimal {
        let places = places.clamp(-WHOLE_DIGITS_MAX, SCALE_MAX);
        if places >= 0 {
            return self.rescale(places as u32);
        }
        let unit = power_of_ten((-places) as u32);
        let rounded = divide_rounding(&self.mantissa, &(&unit * power_of_ten(self.scale)));
        Decimal { mantissa: rounded * unit, scale: 0 }
    }

    /// Cuts at a place, towards zero.
    pub fn truncate(&self, places: i64) -> Decimal {
        let places = places.clamp(-WHOLE_DIGITS_MAX, SCALE_MAX);
        if places >= i64::from(self.scale) {
            return self.rescale(places as u32);
        }
        let cut = power_of_ten((i64::from(self.scale) - places) as u32);
        let kept = &self.mantissa / cut;
        match places {
            0.. => Decimal { mantissa: kept, scale: places as u32 },
            _ => Decimal { mantissa: kept * power_of_ten((-places) as u32), scale: 0 },
        }
    }

    /// The greatest integer not above.
    pub fn floor(&self) -> Decimal {
        Decimal { mantissa: self.mantissa.div_floor(&power_of_ten(self.scale)), scale: 0 }
    }

    /// The least integer not below.
    pub fn ceil(&self) -> Decimal {
        Decimal { mantissa: -(-&self.mantissa).div_floor(&power_of_ten(self.scale)), scale: 0 }
    }

    fn aligned(&self, other: &Decimal) -> (Decimal, Decimal) {
        let scale = self.scale.max(other.scale);
        (self.rescale(scale), other.rescale(scale))
    }

    /// How many decimal digits stand before the point; zero or negative for a fraction.
    fn magnitude(&self) -> i64 {
        if self.mantissa.is_zero() {
            return 0;
        }
        self.mantissa.magnitude().to_string().len() as i64 - i64::from(self.scale)
    }

    /// PostgreSQL's weight in base 10000, and the first digit of that base.
    fn leading_digit(&self) -> (i64, i64) {
        if self.mantissa.is_zero() {
            return (0, 0);
        }
        let digits = self.mantissa.magnitude().to_string();
        let exponent = digits.len() as i64 - i64::from(self.scale) - 1;
        let weight = exponent.div_euclid(4);
        let wanted = (exponent - weight * 4 + 1) as usize;
        let mut head: String = digits.chars().take(wanted).collect();
        head.extend(std::iter::repeat_n('0', wanted - head.len()));
        (weight, head.parse().expect("at most four digits"))
    }

    /// The scale PostgreSQL gives a quotient (select_div_scale).
    fn division_scale(&self, divisor: &Decimal) -> u32 {
        let (weight, first) = self.leading_digit();
        let (divisor_weight, divisor_first) = divisor.leading_digit();
        let mut quotient_weight = weight - divisor_weight;
        if first <= divisor_first {
            quotient_weight -= 1;
        }
        let wanted = MIN_SIGNIFICANT_DIGITS - quotient_weight * 4;
        let least = i64::from(self.scale.max(divisor.scale));
        wanted.max(least).clamp(0, DISPLAY_SCALE_MAX) as u32
    }

    /// The quotient at a given scale, rounded half away from zero. The divisor is not zero.
    fn divide_at(&self, divisor: &Decimal, scale: u32) -> Decimal {
        let shift = i64::from(scale) + i64::from(divisor.scale) - i64::from(self.scale);
        let mantissa = if shift >= 0 {
            divide_rounding(&(&self.mantissa * power_of_ten(shift as u32)), &divisor.mantissa)
        } else {
            divide_rounding(&self.mantissa, &(&divisor.mantissa * power_of_ten((-shift) as u32)))
        };
        Decimal { mantissa, scale }
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().expect("a decimal is a number")
    }

    /// The nearest 64-bit integer, half away from zero, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.rescale(0).mantissa.to_i64()
    }

    fn checked(self) -> Result<Numeric> {
        if self.magnitude() > WHOLE_DIGITS_MAX || i64::from(self.scale) > SCALE_MAX {
            return Err(overflow());
        }
        Ok(Numeric::Finite(self))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.mantissa.magnitude().to_string();
        let sign = if self.mantissa.is_negative() { "-" } else { "" };
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Numeric::NegativeInfinity => f.write_str("-Infinity"),
            Numeric::Finite(decimal) => decimal.fmt(f),
            Numeric::Infinity => f.write_str("Infinity"),
            Numeric::NaN => f.write_str("NaN"),
        }
    }
}

impl Numeric {
    /// Reads PostgreSQL's syntax: digits, a point, an exponent, or one of the words.
    pub fn parse(text: &str) -> Result<Numeric> {
        let word = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        match word.to_ascii_lowercase().as_str() {
            "nan" => return Ok(Numeric::NaN),
            "infinity" | "+infinity" | "inf" | "+inf" => return Ok(Numeric::Infinity),
            "-infinity" | "-inf" => return Ok(Numeric::NegativeInfinity),
            _ => {}
        }
        match parse_parts(word) {
            Some((digits, point, exponent)) => from_parts(&digits, point, exponent),
            None => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type numeric: \"{text}\""),
        }
    }

    /// Reads the stored form, which is canonical.
    pub fn from_stored(text: &str) -> Numeric {
        Numeric::parse(text).expect("stored numerics are canonical")
    }

    /// An integer.
    pub fn from_i64(value: i64) -> Numeric {
        Numeric::Finite(Decimal::from_i64(value))
    }

    /// A double by its first 15 significant digits (float8_numeric).
    pub fn from_f64(value: f64) -> Numeric {
        Numeric::from_float(value, 15)
    }

    /// A real by its first 6 significant digits (float4_numeric).
    pub fn from_f32(value: f32) -> Numeric {
        Numeric::from_float(value.into(), 6)
    }

    fn from_float(value: f64, digits: i32) -> Numeric {
        match value {
            _ if value.is_nan() => Numeric::NaN,
            f64::INFINITY => Numeric::Infinity,
            f64::NEG_INFINITY => Numeric::NegativeInfinity,
            _ => {
                let mut text = Vec::new();
                super::float::write8(value, digits - 15, &mut text);
                let text = std::str::from_utf8(&text).expect("digits are ASCII");
                Numeric::parse(text).expect("a printed double is a number")
            }
        }
    }

    /// Whether not a number, not infinite.
    pub fn finite(&self) -> Option<&Decimal> {
        match self {
            Numeric::Finite(decimal) => Some(decimal),
            _ => None,
        }
    }

    /// -1, 0 or 1; `None` for NaN.
    pub fn sign(&self) -> Option<i32> {
        match self {
            Numeric::NaN => None,
            Numeric::Infinity => Some(1),
            Numeric::NegativeInfinity => Some(-1),
            Numeric::Finite(decimal) => Some(match decimal.mantissa.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            }),
        }
    }

    fn infinity_of_sign(sign: i32) -> Numeric {
        match sign {
            0 => Numeric::NaN,
            1.. => Numeric::Infinity,
            _ => Numeric::NegativeInfinity,
        }
    }

    /// The negative.
    pub fn negate(self) -> Numeric {
        match self {
            Numeric::NaN => Numeric::NaN,
            Numeric::Infinity => Numeric::NegativeInfinity,
            Numeric::NegativeInfinity => Numeric::Infinity,
            Numeric::Finite(Decimal { mantissa, scale }) => {
                Numeric::Finite(Decimal { mantissa: -mantissa, scale })
            }
        }
    }

    /// The sum; its scale is the larger of the two.
    pub fn add(&self, other: &Numeric) -> Result<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b) = a.aligned(b);
                Decimal { mantissa: a.mantissa + b.mantissa, scale: a.scale }.checked()
            }
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Finite(_), infinity) | (infinity, Numeric::Finite(_)) => Ok(infinity.clone()),
            (a, b) if a == b => Ok(a.clone()),
            _ => Ok(Numeric::NaN),
        }
    }

    /// The difference.
    pub fn subtract(&self, other: &Numeric) -> Result<Numeric> {
        self.add(&other.clone().negate())
    }

    /// The product; its scale is the sum of the two.
    pub fn multiply(&self, other: &Numeric) -> Result<Numeric> {
        match (self.finite(), other.finite()) {
            (Some(a), Some(b)) => {
                let product = Decimal { mantissa: &a.mantissa * &b.mantissa, scale: a.scale + b.scale };
                match i64::from(product.scale) > SCALE_MAX {
                    true => product.rescale(SCALE_MAX as u32).checked(),
                    false => product.checked(),
                }
            }
            _ => Ok(match (self.sign(), other.sign()) {
                (Some(a), Some(b)) => Numeric::infinity_of_sign(a * b),
                _ => Numeric::NaN,
            }),
        }
    }

    /// The quotient, with the scale PostgreSQL chooses. 22012 for a zero divisor.
    pub fn divide(&self, divisor: &Numeric) -> Result<Numeric> {
        self.divide_with(divisor, |a, b| a.divide_at(b, a.division_scale(b)))
    }

    /// The quotient cut to an integer (`div`).
    pub fn divide_whole(&self, divisor: &Numeric) -> Result<Numeric> {
        self.divide_with(divisor, |a, b| {
            let (a, b) = a.aligned(b);
            Decimal { mantissa: a.mantissa / b.mantissa, scale: 0 }
        })
    }

    fn divide_with(&self, divisor: &Numeric, divide: fn(&Decimal, &Decimal) -> Decimal) -> Result<Numeric> {
        match (self, divisor) {
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (_, Numeric::Finite(b)) if b.mantissa.is_zero() => Err(division_by_zero()),
            (Numeric::Finite(a), Numeric::Finite(b)) => divide(a, b).checked(),
            (Numeric::Finite(_), _) => Ok(Numeric::from_i64(0)),
            (_, Numeric::Finite(b)) => {
                let sign = if b.mantissa.is_negative() { -1 } else { 1 };
                Ok(Numeric::infinity_of_sign(self.sign().unwrap_or(0) * sign))
            }
            _ => Ok(Numeric::NaN),
        }
    }

    /// The remainder of a division cut to an integer; it has the dividend's sign.
    pub fn remainder(&self, divisor: &Numeric) -> Result<Numeric> {
        match (self, divisor) {
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (_, Numeric::Finite(b)) if b.mantissa.is_zero() => Err(division_by_zero()),
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let (a, b) = a.aligned(b);
                Decimal { mantissa: a.mantissa % b.mantissa, scale: a.scale }.checked()
            }
            (Numeric::Finite(_), _) => Ok(self.clone()),
            _ => Ok(Numeric::NaN),
        }
    }

    /// Applies a function to a number and leaves the special values as they are.
    pub fn map(self, function: impl FnOnce(&Decimal) -> Decimal) -> Result<Numeric> {
        match self {
            Numeric::Finite(decimal) => function(&decimal).checked(),
            special => Ok(special),
        }
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        match self {
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
            Numeric::Finite(decimal) => decimal.to_f64(),
            Numeric::Infinity => f64::INFINITY,
            Numeric::NaN => f64::NAN,
        }
    }

    /// The nearest integer between two limits, or 22003 in the words for its type.
    pub fn to_integer(&self, low: i64, high: i64, sql_name: &str) -> Result<i64> {
        let word = match self {
            Numeric::NaN => "NaN",
            Numeric::Infinity | Numeric::NegativeInfinity => "infinity",
            Numeric::Finite(decimal) => {
                return match decimal.to_i64() {
                    Some(value) if (low..=high).contains(&value) => Ok(value),
                    _ => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{sql_name} out of range"),
                };
            }
        };
        bail!(FEATURE_NOT_SUPPORTED, "cannot convert {word} to {sql_name}")
    }

    /// The stored form.
    pub fn to_datum(&self) -> Datum {
        Datum::Text(self.to_string())
    }
}

/// 22012
pub fn division_by_zero() -> Error {
    Error::new(state::DIVISION_BY_ZERO, "division by zero")
}

/// Splits a number into all its digits (with sign), how many stand after the point, and the exponent.
fn parse_parts(word: &str) -> Option<(String, i64, i64)> {
    let (number, exponent) = match word.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, parse_exponent(exponent)?),
        None => (word, 0),
    };
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    Some((format!("{sign}{whole}{fraction}"), fraction.len() as i64, exponent))
}

fn parse_exponent(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Too long for an i64 is out of every limit anyway.
    Some(text.parse().unwrap_or(if text.starts_with('-') { -SCALE_MAX * 2 } else { WHOLE_DIGITS_MAX * 2 }))
}

fn from_parts(digits: &str, point: i64, exponent: i64) -> Result<Numeric> {
    let scale = point - exponent;
    if exponent.abs() > WHOLE_DIGITS_MAX || scale > SCALE_MAX + digits.len() as i64 {
        return Err(overflow());
    }
    let mantissa: BigInt = digits.parse().map_err(|_| overflow())?;
    let decimal = match scale {
        0.. => Decimal { mantissa, scale: scale as u32 },
        _ => Decimal { mantissa: mantissa * power_of_ten((-scale) as u32), scale: 0 },
    };
    if i64::from(decimal.scale) > SCALE_MAX {
        decimal.rescale(SCALE_MAX as u32).checked()
    } else {
        decimal.checked()
    }
}

/// The order of two stored numerics.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (2, 2) => compare_finite(a, b),
        (a, b) => a.cmp(&b),
    }
}

/// -Infinity 1, numbers 2, Infinity 3, NaN 4: by the first letters of the canonical text.
fn rank(text: &str) -> u8 {
    match text.as_bytes() {
        [b'N', ..] => 4,
        [b'I', ..] => 3,
        [b'-', b'I', ..] => 1,
        _ => 2,
    }
}

fn compare_finite(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => compare_magnitude(a, b),
        (Some(a), Some(b)) => compare_magnitude(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// Canonical text has no leading zeros, so more digits before the point mean a larger number.
fn compare_magnitude(a: &str, b: &str) -> Ordering {
    let (whole_a, fraction_a) = a.split_once('.').unwrap_or((a, ""));
    let (whole_b, fraction_b) = b.split_once('.').unwrap_or((b, ""));
    whole_a
        .len()
        .cmp(&whole_b.len())
        .then_with(|| whole_a.cmp(whole_b))
        .then_with(|| fraction_a.trim_end_matches('0').cmp(fraction_b.trim_end_matches('0')))
}

fn typmod_input(modifiers: &[i64]) -> Result<i32> {
    let (precision, scale) = match *modifiers {
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid NUMERIC type modifier"),
    };
    if !(1..=PRECISION_MAX).contains(&precision) {
        bail!(INVALID_PARAMETER_VALUE, "NUMERIC precision {precision} must be between 1 and {PRECISION_MAX}");
    }
    if !(-PRECISION_MAX..=PRECISION_MAX).contains(&scale) {
        bail!(
            INVALID_PARAMETER_VALUE,
            "NUMERIC scale {scale} must be between -{PRECISION_MAX} and {PRECISION_MAX}"
        );
    }
    Ok(((precision as i32) << 16 | (scale as i32 & 0x7ff)) + HEADER)
}

/// Precision and scale of a modifier.
fn split_typmod(typmod: i32) -> (i64, i64) {
    let packed = typmod - HEADER;
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    (i64::from((packed >> 16) & 0xffff), i64::from(scale))
}

fn typmod_output(typmod: i32) -> String {
    let (precision, scale) = split_typmod(typmod);
    format!("({precision},{scale})")
}

fn apply(value: DatumRef<'_>, typmod: i32, _: bool) -> Result<Datum> {
    let DatumRef::Text(text) = value else { return Ok(Datum::Null) };
    let (precision, scale) = split_typmod(typmod);
    if shape(text).is_some_and(|(whole, fraction)| fraction == scale && whole <= precision - scale) {
        return Ok(value.to_owned());
    }
    let rounded = match Numeric::from_stored(text) {
        Numeric::NaN => return Ok(value.to_owned()),
        Numeric::Finite(decimal) => decimal.round(scale),
        _ => {
            return Err(field_overflow(
                precision,
                scale,
                "A field with precision {p}, scale {s} cannot hold an infinite value.",
            ));
        }
    };
    if !rounded.mantissa.is_zero() && rounded.magnitude() > precision - scale {
        return Err(field_overflow(precision, scale, ""));
    }
    Ok(Datum::Text(rounded.to_string()))
}

fn field_overflow(precision: i64, scale: i64, infinite: &str) -> Error {
    let detail = if infinite.is_empty() {
        let whole = precision - scale;
        let limit = if whole == 0 { "1".to_owned() } else { format!("10^{whole}") };
        format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
        )
    } else {
        infinite.replace("{p}", &precision.to_string()).replace("{s}", &scale.to_string())
    };
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").with_detail(detail)
}

const WIRE_NEGATIVE: u16 = 0x4000;
const WIRE_NAN: u16 = 0xc000;
const WIRE_INFINITY: u16 = 0xd000;
const WIRE_NEGATIVE_INFINITY: u16 = 0xf000;

fn invalid_wire(what: &str) -> Error {
    Error::new(state::INVALID_BINARY_REPRESENTATION, format!("invalid {what} in external \"numeric\" value"))
}

/// numeric_recv: number of digits, weight, sign, scale, and digits in base 10000.
fn receive(bytes: &[u8]) -> Result<Datum> {
    let words: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return super::integer::wrong_length("numeric", bytes);
    };
    if !bytes.len().is_multiple_of(2) || digits.len() != usize::from(*count) {
        return super::integer::wrong_length("numeric", bytes);
    }
    let special = match *sign {
        0 | WIRE_NEGATIVE => None,
        WIRE_NAN => Some(Numeric::NaN),
        WIRE_INFINITY => Some(Numeric::Infinity),
        WIRE_NEGATIVE_INFINITY => Some(Numeric::NegativeInfinity),
        _ => return Err(invalid_wire("sign")),
    };
    if let Some(special) = special {
        return Ok(special.to_datum());
    }
    if i64::from(*scale) > SCALE_MAX {
        return Err(invalid_wire("scale"));
    }
    if digits.iter().any(|digit| *digit >= 10_000) {
        return Err(invalid_wire("digit"));
    }
    let decimal = from_wire(digits, i64::from(*weight as i16), u32::from(*scale));
    let signed = if *sign == WIRE_NEGATIVE { -decimal.mantissa } else { decimal.mantissa };
    Ok(Decimal { mantissa: signed, scale: decimal.scale }.checked()?.to_datum())
}

/// Digits in base 10000, the first with this weight, cut to a scale as numeric_recv does.
fn from_wire(digits: &[u16], weight: i64, scale: u32) -> Decimal {
    let text: String = digits.iter().map(|digit| format!("{digit:04}")).collect();
    let mantissa: BigInt =
        if text.is_empty() { BigInt::zero() } else { text.parse().expect("decimal digits") };
    let decimals = (digits.len() as i64 - 1 - weight) * 4;
    let exact = match decimals {
        0.. => Decimal { mantissa, scale: decimals as u32 },
        _ => Decimal { mantissa: mantissa * power_of_ten((-decimals) as u32), scale: 0 },
    };
    exact.truncate(scale.into())
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    let mut put = |word: u16| out.extend_from_slice(&word.to_be_bytes());
    let decimal = match Numeric::from_stored(value.text()) {
        Numeric::Finite(decimal) => decimal,
        special => {
            let sign = match special {
                Numeric::NaN => WIRE_NAN,
                Numeric::Infinity => WIRE_INFINITY,
                _ => WIRE_NEGATIVE_INFINITY,
            };
            [0, 0, sign, 0].into_iter().for_each(put);
            return;
        }
    };
    let (digits, weight) = to_wire(&decimal);
    put(digits.len() as u16);
    put(weight as u16);
    put(if decimal.mantissa.is_negative() { WIRE_NEGATIVE } else { 0 });
    put(decimal.scale as u16);
    digits.into_iter().for_each(put);
}

/// Base-10000 digits without leading and trailing zeros, and the weight of the first.
fn to_wire(decimal: &Decimal) -> (Vec<u16>, i16) {
    if decimal.mantissa.is_zero() {
        return (Vec::new(), 0);
    }
    let padding = (4 - decimal.scale % 4) % 4;
    let text = (decimal.mantissa.magnitude() * power_of_ten(padding).magnitude()).to_string();
    let groups_after_point = (decimal.scale + padding) / 4;
    let padded = format!("{text:0>width$}", width = text.len().next_multiple_of(4));
    let mut digits: Vec<u16> = padded
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, c| sum * 10 + u16::from(c - b'0')))
        .collect();
    let weight = digits.len() as i64 - 1 - i64::from(groups_after_point);
    while digits.last() == Some(&0) {
        digits.pop();
    }
    (digits, weight as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Numeric {
        Numeric::parse(text).unwrap()
    }

    #[test]
    fn input_keeps_the_scale() {
        for (text, stored) in [
            ("1.500", "1.500"),
            ("-0.0", "0.0"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            (".5", "0.5"),
            ("5.", "5"),
            ("  +7 ", "7"),
            ("-inf", "-Infinity"),
            ("000123", "123"),
            ("-0", "0"),
            ("0.10", "0.10"),
            ("-12.30", "-12.30"),
            ("00.5", "0.5"),
        ] {
            assert_eq!(number(text).to_string(), stored, "{text}");
            assert_eq!(
                NUMERIC.from_text(text, -1, &Format::default()).unwrap(),
                Datum::text(stored),
                "{text}"
            );
        }
        assert_eq!(Numeric::parse("1..2").unwrap_err().sqlstate().0, "22P02");
        assert_eq!(Numeric::parse("1e200000").unwrap_err().message(), "value overflows numeric format");
    }

    #[test]
    fn division_chooses_postgresqls_scale() {
        // SELECT a / b on PostgreSQL 15.
        for (a, b, quotient) in [
            ("1", "3", "0.33333333333333333333"),
            ("10", "3", "3.3333333333333333"),
            ("2", "3", "0.66666666666666666667"),
            ("100000", "7", "14285.714285714286"),
            ("1.00", "4", "0.25000000000000000000"),
            ("12345678901234567890", "9", "1371742100137174210"),
            ("1", "30000", "0.000033333333333333333333"),
        ] {
            assert_eq!(number(a).divide(&number(b)).unwrap().to_string(), quotient, "{a} / {b}");
        }
        assert_eq!(number("1").divide(&number("0")).unwrap_err().sqlstate().0, "22012");
    }

    #[test]
    fn the_collation_orders_as_numbers() {
        let mut values = ["NaN", "10", "9.99", "-Infinity", "-10", "-9.5", "0", "Infinity", "0.001"];
        values.sort_by(|a, b| compare_text(a, b));
        assert_eq!(values, ["-Infinity", "-10", "-9.5", "0", "0.001", "9.99", "10", "Infinity", "NaN"]);
        assert_eq!(compare_text("1.0", "1.000"), Ordering::Equal);
    }

    #[test]
    fn binary_form_goes_both_ways() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1.5",
            "12345.6789",
            "10000",
            "0.00001",
            "NaN",
            "-Infinity",
            "123456789012345678.90",
        ] {
            let mut wire = Vec::new();
            send(DatumRef::Text(text), &mut wire);
            assert_eq!(receive(&wire).unwrap(), Datum::text(text), "{text}");
        }
        // PostgreSQL's numeric_send(12345.6789)
        let mut wire = Vec::new();
        send(DatumRef::Text("12345.6789"), &mut wire);
        assert_eq!(wire, [0, 3, 0, 1, 0, 0, 0, 4, 0, 1, 9, 0x29, 0x1a, 0x85]);
    }

    #[test]
    fn modifiers_round_and_refuse() {
        let typmod = typmod_input(&[4, 2]).unwrap();
        assert_eq!(apply(DatumRef::Text("1.005"), typmod, false).unwrap(), Datum::text("1.01"));
        let error = apply(DatumRef::Text("99.995"), typmod, false).unwrap_err();
        assert_eq!(
            error.fields().detail.as_deref(),
            Some("A field with precision 4, scale 2 must round to an absolute value less than 10^2.")
        );
        assert_eq!(typmod_output(typmod_input(&[3, -2]).unwrap()), "(3,-2)");
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let round = |text: &str, places| match number(text) {
            Numeric::Finite(decimal) => decimal.round(places).to_string(),
            _ => unreachable!(),
        };
        assert_eq!(round("2.5", 0), "3");
        assert_eq!(round("-2.5", 0), "-3");
        assert_eq!(round("1250", -2), "1300");
        assert_eq!(round("49", -2), "0");
    }
}
