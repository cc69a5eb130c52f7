//! Reads intervals as PostgreSQL does (DecodeInterval and DecodeISO8601Interval in its datetime.c): whole numbers
//! exactly, fractions spilled into smaller fields.

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use super::interval::{Interval, field};
use super::{Format, IntervalStyle};
use crate::error::{Error, Result, state};

/// Why a text was refused.
enum Refusal {
    Format,
    Overflow,
}

type Read<T> = std::result::Result<T, Refusal>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

/// Words are told apart by their first ten letters.
const WORD_MAX: usize = 10;

fn unit_named(word: &str) -> Option<Unit> {
    Some(match word.get(..WORD_MAX).unwrap_or(word) {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        _ => return None,
    })
}

/// An interval while it is read.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    time_us: i64,
}

impl Sum {
    fn add_time(&mut self, value: i64, fraction: f64, scale: i64) -> Read<()> {
        let whole = value.checked_mul(scale).and_then(|whole| self.time_us.checked_add(whole));
        self.time_us = whole.ok_or(Refusal::Overflow)?;
        self.add_fraction_of_time(fraction, scale)
    }

    fn add_fraction_of_time(&mut self, fraction: f64, scale: i64) -> Read<()> {
        let exact = fraction * scale as f64;
        let whole = exact as i64;
        let rest = exact - whole as f64;
        let rounded = whole
            + if rest > 0.5 {
                1
            } else if rest < -0.5 {
                -1
            } else {
                0
            };
        self.time_us = self.time_us.checked_add(rounded).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    fn add_days(&mut self, value: i64, scale: i64) -> Read<()> {
        let sum = value.checked_mul(scale).and_then(|days| self.days.checked_add(days));
        self.days = sum.filter(|days| i32::try_from(*days).is_ok()).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    fn add_fraction_of_days(&mut self, fraction: f64, scale: f64) -> Read<()> {
        let exact = fraction * scale;
        let whole = exact.trunc();
        self.add_days(whole as i64, 1)?;
        self.add_fraction_of_time(exact - whole, DAY_US)
    }

    fn add_months(&mut self, value: i64, scale: i64) -> Read<()> {
        let sum = value.checked_mul(scale).and_then(|months| self.months.checked_add(months));
        self.months = sum.filter(|months| i32::try_from(*months).is_ok()).ok_or(Refusal::Overflow)?;
        Ok(())
    }

    fn add(&mut self, unit: Unit, value: i64, fraction: f64) -> Read<()> {
        match unit {
            Unit::Microsecond => self.add_time(value, fraction, 1),
            Unit::Millisecond => self.add_time(value, fraction, 1000),
            Unit::Second => self.add_time(value, fraction, SECOND_US),
            Unit::Minute => self.add_time(value, fraction, MINUTE_US),
            Unit::Hour => self.add_time(value, fraction, HOUR_US),
            Unit::Day => {
                self.add_days(value, 1)?;
                self.add_fraction_of_time(fraction, DAY_US)
            }
            Unit::Week => {
                self.add_days(value, 7)?;
                self.add_fraction_of_days(fraction, 7.0)
            }
            Unit::Month => {
                self.add_months(value, 1)?;
                self.add_fraction_of_days(fraction, 30.0)
            }
            Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => {
                let years = match unit {
                    Unit::Year => 1,
                    Unit::Decade => 10,
                    Unit::Century => 100,
                    _ => 1000,
                };
                self.add_months(value, years * 12)?;
                self.add_months((fraction * (years * 12) as f64).round_ties_even() as i64, 1)
            }
        }
    }

    fn negate(&mut self) -> Read<()> {
        self.time_us = self.time_us.checked_neg().ok_or(Refusal::Overflow)?;
        self.days = -self.days;
        self.months = -self.months;
        Ok(())
    }

    fn finish(self) -> Read<Interval> {
        let months = i32::try_from(self.months).map_err(|_| Refusal::Overflow)?;
        let days = i32::try_from(self.days).map_err(|_| Refusal::Overflow)?;
        Ok(Interval { months, days, time_us: self.time_us })
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Field {
    /// With `:`, maybe with a sign.
    Time(String),
    /// Digits, a fraction, a sign, or `years-months`.
    Number(String),
    Word(String),
}

fn split(text: &str) -> Read<Vec<Field>> {
    const FIELDS_MAX: usize = 50;
    let chars: Vec<char> = text.chars().collect();
    let mut fields = Vec::new();
    let mut at = 0;
    let take = |at: &mut usize, accept: &dyn Fn(char) -> bool| -> String {
        let start = *at;
        while chars.get(*at).is_some_and(|c| accept(*c)) {
            *at += 1;
        }
        chars[start..*at].iter().collect()
    };
    while let Some(c) = chars.get(at).copied() {
        if fields.len() >= FIELDS_MAX {
            return Err(Refusal::Format);
        }
        match c {
            c if c.is_whitespace() => at += 1,
            c if c.is_ascii_digit() || c == '.' => {
                let mut number = take(&mut at, &|c| c.is_ascii_digit());
                match chars.get(at) {
                    Some(':') => {
                        number += &take(&mut at, &|c| c.is_ascii_digit() || c == ':' || c == '.');
                        fields.push(Field::Time(number));
                        continue;
                    }
                    Some('.') => {
                        number.push('.');
                        at += 1;
                        number += &take(&mut at, &|c| c.is_ascii_digit());
                    }
                    Some('-') if chars.get(at + 1).is_some_and(char::is_ascii_digit) => {
                        number.push('-');
                        at += 1;
                        number += &take(&mut at, &|c| c.is_ascii_digit());
                    }
                    _ => {}
                }
                fields.push(Field::Number(number));
            }
            '+' | '-' => {
                at += 1;
                take(&mut at, &char::is_whitespace);
                let next = chars.get(at).copied().ok_or(Refusal::Format)?;
                if next.is_ascii_digit() || next == '.' {
                    let mut number = c.to_string();
                    number += &take(&mut at, &|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '-'));
                    fields.push(if number.contains(':') {
                        Field::Time(number)
                    } else {
                        Field::Number(number)
                    });
                } else {
                    return Err(Refusal::Format);
                }
            }
            c if c.is_alphabetic() => {
                let word = take(&mut at, &|c| c.is_alphabetic());
                fields.push(Field::Word(word.to_lowercase()));
            }
            c if c.is_ascii_punctuation() => at += 1,
            _ => return Err(Refusal::Format),
        }
    }
    Ok(fields)
}

/// A whole number, exactly.
fn whole(digits: &str) -> Read<i64> {
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Format);
    }
    digits.parse().map_err(|_| Refusal::Overflow)
}

fn fraction(digits: &str) -> Read<f64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Format);
    }
    if digits.is_empty() { Ok(0.0) } else { format!("0.{digits}").parse().map_err(|_| Refusal::Format) }
}

/// `h:mm`, `h:mm:ss.f`, or `mm:ss` where that is asked for, in microseconds.
fn clock(text: &str, range: Option<i32>) -> Read<i64> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (body, tail) = body.split_once('.').unwrap_or((body, ""));
    let parts: Vec<&str> = body.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [a, b] if !tail.is_empty() || range == Some(field::MINUTE | field::SECOND) => {
            (0, whole(a)?, whole(b)?)
        }
        [a, b] => (whole(a)?, whole(b)?, 0),
        [a, b, c] => (whole(a)?, whole(b)?, whole(c)?),
        _ => return Err(Refusal::Format),
    };
    if minute > 59 || second > 60 {
        return Err(Refusal::Overflow);
    }
    let part = (fraction(tail)? * SECOND_US as f64).round_ties_even() as i64;
    let time = hour
        .checked_mul(HOUR_US)
        .and_then(|time| time.checked_add(minute * MINUTE_US + second * SECOND_US + part))
        .ok_or(Refusal::Overflow)?;
    Ok(if negative { -time } else { time })
}

/// The unit of a number that names none, by the fields of the type.
fn default_unit(range: Option<i32>) -> Unit {
    match range {
        None => Unit::Second,
        Some(range) if range & field::SECOND != 0 => Unit::Second,
        Some(range) if range & field::MINUTE != 0 => Unit::Minute,
        Some(range) if range & field::HOUR != 0 => Unit::Hour,
        Some(range) if range & field::DAY != 0 => Unit::Day,
        Some(range) if range & field::MONTH != 0 => Unit::Month,
        Some(_) => Unit::Year,
    }
}

fn read_words(text: &str, range: Option<i32>, format: &Format) -> Read<Interval> {
    let fields = split(text)?;
    let is_negative = |field: &Field| match field {
        Field::Time(text) | Field::Number(text) => text.starts_with('-'),
        Field::Word(_) => false,
    };
    let is_signed = |field: &Field| match field {
        Field::Time(text) | Field::Number(text) => text.starts_with(['-', '+']),
        Field::Word(_) => false,
    };
    // SQL's standard has one sign for all fields.
    let all_negative = format.interval_style == IntervalStyle::SqlStandard
        && fields.first().is_some_and(is_negative)
        && !fields[1..].iter().any(is_signed);
    let mut sum = Sum::default();
    let mut seen: Vec<Unit> = Vec::new();
    let mut unit: Option<Unit> = None;
    let (mut ago, mut has_value) = (false, false);
    let mut see = |unit: Unit| {
        let repeated = seen.contains(&unit);
        seen.push(unit);
        if repeated { Err(Refusal::Format) } else { Ok(()) }
    };
    for field in fields.iter().rev() {
        match field {
            Field::Word(word) if word == "ago" => {
                ago = true;
                unit = None;
            }
            Field::Word(word) => unit = Some(unit_named(word).ok_or(Refusal::Format)?),
            Field::Time(text) => {
                for part in [Unit::Hour, Unit::Minute, Unit::Second] {
                    see(part)?;
                }
                let time = clock(text, range)?;
                let time = if all_negative && time > 0 { -time } else { time };
                sum.add_time(time, 0.0, 1)?;
                has_value = true;
                unit = Some(Unit::Day);
            }
            Field::Number(text) => {
                let negative = text.starts_with('-');
                let body = text.trim_start_matches(['-', '+']);
                let mut this = unit.unwrap_or_else(|| default_unit(range));
                let (mut value, mut part) = if let Some((years, months)) = body.split_once('-') {
                    let months = whole(months)?;
                    if months > 11 {
                        return Err(Refusal::Overflow);
                    }
                    this = Unit::Month;
                    let years = whole(years)?.checked_mul(12).ok_or(Refusal::Overflow)?;
                    (years.checked_add(months).ok_or(Refusal::Overflow)?, 0.0)
                } else if let Some((digits, tail)) = body.split_once('.') {
                    (whole(digits)?, fraction(tail)?)
                } else {
                    (minimal(body, negative)?, 0.0)
                };
                if (negative || all_negative) && value > 0 {
                    value = -value;
                }
                if negative || all_negative {
                    part = -part;
                }
                see(this)?;
                sum.add(this, value, part)?;
                has_value = true;
                unit = if this == Unit::Hour { Some(Unit::Day) } else { None };
            }
        }
    }
    if !has_value {
        return Err(Refusal::Format);
    }
    if ago {
        sum.negate()?;
    }
    sum.finish()
}

/// A whole number; the least integer is only one with its sign.
fn minimal(digits: &str, negative: bool) -> Read<i64> {
    if negative && digits == "9223372036854775808" { Ok(i64::MIN) } else { whole(digits) }
}

/// A number of ISO 8601: its whole part, its fraction, how many digits it has, and the rest.
fn iso_number(text: &str) -> Read<(i64, f64, usize, &str)> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E');
    let sign = usize::from(text.starts_with(['-', '+']));
    let mut end = sign;
    let bytes = text.as_bytes();
    while end < text.len() {
        let c = bytes[end] as char;
        let exponent_sign = matches!(c, '-' | '+') && end > sign && matches!(bytes[end - 1], b'e' | b'E');
        if !is_part(c) && !exponent_sign {
            break;
        }
        end += 1;
    }
    let digits = text[sign..end].bytes().take_while(u8::is_ascii_digit).count();
    if end == sign {
        return Err(Refusal::Format);
    }
    let shown = &text[..end];
    if let Ok(value) = shown.parse::<i64>() {
        return Ok((value, 0.0, digits, &text[end..]));
    }
    let value: f64 = shown.parse().map_err(|_| Refusal::Format)?;
    if !(-1.0e15..=1.0e15).contains(&value) {
        return Err(Refusal::Overflow);
    }
    // Digits that a double would round are taken apart.
    let body = shown.trim_start_matches(['-', '+']);
    let negative = shown.starts_with('-');
    let (ipart, fpart) = match body.split_once('.') {
        Some((head, tail)) if !body.contains(['e', 'E']) => {
            let (head, tail) = (whole(head)?, fraction(tail)?);
            if negative { (-head, -tail) } else { (head, tail) }
        }
        _ => (value.trunc() as i64, value.fract()),
    };
    Ok((ipart, fpart, digits, &text[end..]))
}

fn read_iso(text: &str) -> Read<Interval> {
    let mut sum = Sum::default();
    let mut rest = text;
    let (mut in_date, mut has_field) = (true, false);
    if rest.is_empty() {
        return Err(Refusal::Format);
    }
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            in_date = false;
            has_field = false;
            rest = tail;
            continue;
        }
        let (value, part, digits, tail) = iso_number(rest)?;
        let unit = tail.chars().next();
        let mut after = tail.get(1..).unwrap_or("");
        match (in_date, unit) {
            (true, Some('Y')) => sum.add(Unit::Year, value, part)?,
            (true, Some('M')) => sum.add(Unit::Month, value, part)?,
            (true, Some('W')) => sum.add(Unit::Week, value, part)?,
            (true, Some('D')) => sum.add(Unit::Day, value, part)?,
            (true, None | Some('T')) if digits == 8 && !has_field => {
                sum.add(Unit::Year, value / 10_000, 0.0)?;
                sum.add(Unit::Month, value / 100 % 100, 0.0)?;
                sum.add(Unit::Day, value % 100, part)?;
                after = tail;
            }
            (true, None | Some('T' | '-')) => {
                if has_field {
                    return Err(Refusal::Format);
                }
                sum.add(Unit::Year, value, part)?;
                after = tail;
                for next in [Unit::Month, Unit::Day] {
                    let Some(tail) = after.strip_prefix('-') else { break };
                    let (value, part, _, tail) = iso_number(tail)?;
                    sum.add(next, value, part)?;
                    after = tail;
                }
                if !after.is_empty() && !after.starts_with('T') {
                    return Err(Refusal::Format);
                }
            }
            (false, Some('H')) => sum.add(Unit::Hour, value, part)?,
            (false, Some('M')) => sum.add(Unit::Minute, value, part)?,
            (false, Some('S')) => sum.add(Unit::Second, value, part)?,
            (false, None) if digits == 6 && !has_field => {
                sum.add(Unit::Hour, value / 10_000, 0.0)?;
                sum.add(Unit::Minute, value / 100 % 100, 0.0)?;
                sum.add(Unit::Second, value % 100, part)?;
                after = "";
            }
            (false, None | Some(':')) => {
                if has_field {
                    return Err(Refusal::Format);
                }
                sum.add(Unit::Hour, value, part)?;
                after = tail;
                for next in [Unit::Minute, Unit::Second] {
                    let Some(tail) = after.strip_prefix(':') else { break };
                    let (value, part, _, tail) = iso_number(tail)?;
                    sum.add(next, value, part)?;
                    after = tail;
                }
                if !after.is_empty() {
                    return Err(Refusal::Format);
                }
            }
            _ => return Err(Refusal::Format),
        }
        has_field = true;
        rest = after;
    }
    sum.finish()
}

/// Reads an interval; `range` are the fields of its type, which tell what a bare number is.
pub(super) fn read(text: &str, range: Option<i32>, format: &Format) -> Result<Interval> {
    let trimmed = text.trim();
    let outcome = match read_words(trimmed, range, format) {
        Err(Refusal::Format) if trimmed.starts_with('P') => read_iso(&trimmed[1..]),
        outcome => outcome,
    };
    outcome.map_err(|refusal| match refusal {
        Refusal::Format => Error::new(
            state::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        ),
        Refusal::Overflow => Error::new(
            state::INTERVAL_FIELD_OVERFLOW,
            format!("interval field value out of range: \"{text}\""),
        ),
    })
}
