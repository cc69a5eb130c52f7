//! Reads dates and times in the many forms PostgreSQL reads them (its ParseDateTime and
//! DecodeDateTime, src/backend/utils/adt/datetime.c).

use super::calendar::{
    Civil, DAY_US, HOUR_US, MINUTE_US, MONTHS, SECOND_US, WEEKDAYS, days_from_civil, days_of_month,
};
use super::timetz::ZonedTime;
use super::timezone::{abbreviation, parse_offset};
use super::{DateOrder, Format, TimeZone};
use crate::error::{Error, SqlState, state};

/// A word that stands for a whole value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    Infinity,
    NegativeInfinity,
    Epoch,
    Now,
    /// Midnight, this many days from today.
    Day(i64),
}

/// How a text names its time zone.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ZoneInput {
    /// Seconds east of UTC.
    Offset(i32),
    Named(TimeZone),
}

/// What a text says.
#[derive(Default, Debug)]
pub(crate) struct Parsed {
    pub(crate) special: Option<Special>,
    pub(crate) date: Option<Civil>,
    /// Microseconds since midnight; 24:00 is allowed.
    pub(crate) time_us: Option<i64>,
    pub(crate) zone: Option<ZoneInput>,
}

/// Why a text was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    BadFormat,
    FieldOverflow,
    /// A month or day out of range, which another DateStyle might explain.
    MonthDayOverflow,
    ZoneOverflow,
}

impl Refusal {
    /// The error for a value of this type.
    pub(crate) fn into_error(self, text: &str, sql_name: &str) -> Error {
        let overflow =
            |state: SqlState| Error::new(state, format!("date/time field value out of range: \"{text}\""));
        match self {
            Refusal::BadFormat => Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {sql_name}: \"{text}\""),
            ),
            Refusal::FieldOverflow => overflow(state::DATETIME_FIELD_OVERFLOW),
            Refusal::MonthDayOverflow => overflow(state::DATETIME_FIELD_OVERFLOW)
                .with_hint("Perhaps you need a different \"datestyle\" setting."),
            Refusal::ZoneOverflow => Error::new(
                state::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
        }
    }
}

/// One piece of the text.
#[derive(Clone, PartialEq, Debug)]
enum Field<'a> {
    /// Digits only.
    Number(&'a str),
    /// Digits with a fraction: `20040101.5` is none of ours, `12.5` neither; kept to be refused.
    Fraction(&'a str),
    /// Parts joined by `-`, `/` or `.`.
    Date(&'a str),
    /// Parts joined by `:`.
    Time(&'a str),
    /// A sign and digits.
    Offset(&'a str),
    Word(&'a str),
}

/// Splits the text into fields. More of them than any valid text has are refused.
fn split_fields(text: &str) -> Result<Vec<Field<'_>>, Refusal> {
    const FIELDS_MAX: usize = 25;
    let mut fields = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if fields.len() == FIELDS_MAX {
            return Err(Refusal::BadFormat);
        }
        let (field, length) = next_field(rest)?;
        fields.push(field);
        rest = rest[length..].trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
    }
    Ok(fields)
}

fn run(text: &str, accept: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !accept(byte)).unwrap_or(text.len())
}

fn next_field(text: &str) -> Result<(Field<'_>, usize), Refusal> {
    match text.as_bytes()[0] {
        b'0'..=b'9' => Ok(numeric_field(text)),
        b'+' | b'-' => {
            let digits = 1 + run(&text[1..], |byte| byte.is_ascii_digit() || byte == b':');
            if digits > 1 {
                return Ok((Field::Offset(&text[..digits]), digits));
            }
            let letters = 1 + run(&text[1..], |byte| byte.is_ascii_alphabetic());
            match letters {
                1 => Err(Refusal::BadFormat),
                _ => Ok((Field::Word(&text[..letters]), letters)),
            }
        }
        byte if byte.is_ascii_alphabetic() => Ok(word_field(text)),
        _ => Err(Refusal::BadFormat),
    }
}

fn numeric_field(text: &str) -> (Field<'_>, usize) {
    let digits = run(text, |byte| byte.is_ascii_digit());
    match text.as_bytes().get(digits) {
        Some(b':') => {
            let length = run(text, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
            (Field::Time(&text[..length]), length)
        }
        Some(separator @ (b'-' | b'/' | b'.')) => separated_field(text, digits, *separator),
        _ => (Field::Number(&text[..digits]), digits),
    }
}

/// A date with separators: up to two more parts, the second of which may be a month's name.
fn separated_field(text: &str, digits: usize, separator: u8) -> (Field<'_>, usize) {
    let mut length = digits;
    for _ in 0..2 {
        if text.as_bytes().get(length) != Some(&separator) {
            break;
        }
        let part = &text[length + 1..];
        let size = match run(part, |byte| byte.is_ascii_digit()) {
            0 => run(part, |byte| byte.is_ascii_alphabetic()),
            size => size,
        };
        if size == 0 {
            break;
        }
        length += 1 + size;
    }
    let field = &text[..length];
    let parts = field.bytes().filter(|byte| *byte == separator).count();
    match (separator, parts) {
        (b'.', 1) => (Field::Fraction(field), length),
        (_, 0) => (Field::Number(field), length),
        _ => (Field::Date(field), length),
    }
}

/// A word, or a date that starts with a month's name, or a zone's name.
fn word_field(text: &str) -> (Field<'_>, usize) {
    let letters = run(text, |byte| byte.is_ascii_alphabetic());
    if month_number(&text[..letters]).is_some() && text.as_bytes().get(letters) == Some(&b'-') {
        let length = run(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return (Field::Date(&text[..length]), length);
    }
    let is_zone = matches!(text.as_bytes().get(letters), Some(b'/' | b'_'));
    if is_zone {
        let length =
            run(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+'));
        return (Field::Word(&text[..length]), length);
    }
    (Field::Word(&text[..letters]), letters)
}

fn month_number(word: &str) -> Option<i64> {
    const FULL: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_ascii_lowercase();
    let place = FULL.iter().zip(MONTHS).position(|(full, short)| {
        word == *full || word.eq_ignore_ascii_case(short) || (*full == "september" && word == "sept")
    });
    place.map(|place| place as i64 + 1)
}

fn is_weekday(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    WEEKDAYS.iter().any(|day| lower.starts_with(&day.to_ascii_lowercase())) && lower.len() <= 9
}

/// State while the fields are read.
struct Reader<'a> {
    format: &'a Format,
    parsed: Parsed,
    /// Parts of a date that came as single fields: (digits, text length).
    loose: Vec<(i64, usize)>,
    month: Option<i64>,
    before_christ: bool,
    /// `Some(true)` for PM.
    afternoon: Option<bool>,
    /// After `T` a number is a time.
    expects_time: bool,
}

/// Reads a text completely.
pub(crate) fn parse(text: &str, format: &Format) -> Result<Parsed, Refusal> {
    let fields = split_fields(text)?;
    if fields.is_empty() {
        return Err(Refusal::BadFormat);
    }
    let mut reader = Reader {
        format,
        parsed: Parsed::default(),
        loose: Vec::new(),
        month: None,
        before_christ: false,
        afternoon: None,
        expects_time: false,
    };
    for field in &fields {
        reader.read(field)?;
    }
    reader.finish()
}

impl Reader<'_> {
    fn read(&mut self, field: &Field<'_>) -> Result<(), Refusal> {
        match *field {
            Field::Number(digits) => self.number(digits),
            Field::Fraction(text) if self.expects_time => self.packed_time(text),
            Field::Fraction(_) => Err(Refusal::BadFormat),
            Field::Date(text) => self.date(text),
            Field::Time(text) => {
                let time = clock_time(text)?;
                self.set_time(time)
            }
            Field::Offset(text) => self.offset(text),
            Field::Word(word) => self.word(word),
        }
    }

    fn set_time(&mut self, time_us: i64) -> Result<(), Refusal> {
        self.expects_time = false;
        match self.parsed.time_us.replace(time_us) {
            None => Ok(()),
            Some(_) => Err(Refusal::BadFormat),
        }
    }

    fn set_date(&mut self, date: Civil) -> Result<(), Refusal> {
        match self.parsed.date.replace(date) {
            None => Ok(()),
            Some(_) => Err(Refusal::BadFormat),
        }
    }

    fn set_zone(&mut self, zone: ZoneInput) -> Result<(), Refusal> {
        match self.parsed.zone.replace(zone) {
            None => Ok(()),
            Some(_) => Err(Refusal::BadFormat),
        }
    }

    fn offset(&mut self, text: &str) -> Result<(), Refusal> {
        let offset = parse_offset(text).ok_or(Refusal::ZoneOverflow)?;
        self.set_zone(ZoneInput::Offset(offset))
    }

    /// `YYYYMMDD`, `YYMMDD`, `HHMMSS` after a date, or one part of a date.
    fn number(&mut self, digits: &str) -> Result<(), Refusal> {
        if self.expects_time {
            return self.packed_time(digits);
        }
        let value: i64 = digits.parse().map_err(|_| Refusal::FieldOverflow)?;
        let has_date = self.parsed.date.is_some() || !self.loose.is_empty() || self.month.is_some();
        match digits.len() {
            8 if !has_date => {
                self.set_date(Civil { year: value / 10_000, month: value / 100 % 100, day: value % 100 })
            }
            6 if !has_date => {
                let year = century(value / 10_000, 2);
                self.set_date(Civil { year, month: value / 100 % 100, day: value % 100 })
            }
            4 | 6 if self.parsed.date.is_some() => self.packed_time(digits),
            _ => {
                self.loose.push((value, digits.len()));
                Ok(())
            }
        }
    }

    /// `HH`, `HHMM`, `HHMMSS`, with a fraction of a second.
    fn packed_time(&mut self, text: &str) -> Result<(), Refusal> {
        let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
        let value: i64 = digits.parse().map_err(|_| Refusal::BadFormat)?;
        let (hour, minute, second) = match digits.len() {
            2 => (value, 0, 0),
            4 => (value / 100, value % 100, 0),
            6 => (value / 10_000, value / 100 % 100, value % 100),
            _ => return Err(Refusal::BadFormat),
        };
        let time = time_of_parts(hour, minute, second, fraction_us(fraction)?)?;
        self.set_time(time)
    }

    fn date(&mut self, text: &str) -> Result<(), Refusal> {
        let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
        let [first, second, third] = parts.as_slice() else {
            return Err(Refusal::BadFormat);
        };
        let date = self.civil_of_parts(first, second, third)?;
        self.set_date(date)
    }

    fn civil_of_parts(&self, first: &str, second: &str, third: &str) -> Result<Civil, Refusal> {
        let number = |text: &str| -> Result<i64, Refusal> {
            if text.is_empty() || text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Refusal::BadFormat);
            }
            text.parse().map_err(|_| Refusal::FieldOverflow)
        };
        let year = |text: &str| number(text).map(|value| century(value, text.len()));
        if let Some(month) = month_number(first) {
            return Ok(Civil { month, day: number(second)?, year: year(third)? });
        }
        if let Some(month) = month_number(second) {
            let (year_text, day_text) = if first.len() > 2 || self.format.date_order == DateOrder::Ymd {
                (first, third)
            } else {
                (third, first)
            };
            return Ok(Civil { month, day: number(day_text)?, year: year(year_text)? });
        }
        if first.len() > 2 || self.format.date_order == DateOrder::Ymd {
            return Ok(Civil { year: year(first)?, month: number(second)?, day: number(third)? });
        }
        match self.format.date_order {
            DateOrder::Dmy => Ok(Civil { day: number(first)?, month: number(second)?, year: year(third)? }),
            _ => Ok(Civil { month: number(first)?, day: number(second)?, year: year(third)? }),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Refusal> {
        let lower = word.to_ascii_lowercase();
        if let Some(special) = special_word(&lower) {
            return match self.parsed.special.replace(special) {
                None => Ok(()),
                Some(_) => Err(Refusal::BadFormat),
            };
        }
        match lower.as_str() {
            "t" => self.expects_time = true,
            "bc" => self.before_christ = true,
            "ad" | "at" | "on" => {}
            "am" => self.afternoon = Some(false),
            "pm" => self.afternoon = Some(true),
            "allballs" => {
                self.set_time(0)?;
                return self.set_zone(ZoneInput::Offset(0));
            }
            _ => return self.name(word),
        }
        Ok(())
    }

    /// A month, a weekday, or a time zone.
    fn name(&mut self, word: &str) -> Result<(), Refusal> {
        if let Some(month) = month_number(word) {
            return match self.month.replace(month) {
                None => Ok(()),
                Some(_) => Err(Refusal::BadFormat),
            };
        }
        if is_weekday(word) {
            return Ok(());
        }
        if let Some(offset) = abbreviation(word) {
            return self.set_zone(ZoneInput::Offset(offset));
        }
        match TimeZone::find(word) {
            Some(zone) => self.set_zone(ZoneInput::Named(zone)),
            None => Err(Refusal::BadFormat),
        }
    }

    /// Puts loose parts together: `Jan 8 1999`, `8 January 1999`, `1999 Jan 8`.
    fn collect_loose(&mut self) -> Result<(), Refusal> {
        let date = match (self.month, self.loose.as_slice()) {
            (None, []) => return Ok(()),
            (Some(month), [(year, digits @ 3..), (day, _)]) => {
                Civil { year: century(*year, *digits), month, day: *day }
            }
            (Some(month), [(day, _), (year, digits)]) => {
                Civil { year: century(*year, *digits), month, day: *day }
            }
            (None, [(first, digits), (second, _), (third, last_digits)]) => {
                match (*digits, self.format.date_order) {
                    (3.., _) | (_, DateOrder::Ymd) => {
                        Civil { year: century(*first, *digits), month: *second, day: *third }
                    }
                    (_, DateOrder::Dmy) => {
                        Civil { day: *first, month: *second, year: century(*third, *last_digits) }
                    }
                    _ => Civil { month: *first, day: *second, year: century(*third, *last_digits) },
                }
            }
            _ => return Err(Refusal::BadFormat),
        };
        self.set_date(date)
    }

    fn finish(mut self) -> Result<Parsed, Refusal> {
        self.collect_loose()?;
        if let Some(afternoon) = self.afternoon {
            self.parsed.time_us = Some(twelve_hour_time(self.parsed.time_us, afternoon)?);
        }
        if let Some(date) = &mut self.parsed.date {
            if self.before_christ {
                if date.year <= 0 {
                    return Err(Refusal::FieldOverflow);
                }
                date.year = 1 - date.year;
            } else if date.year == 0 {
                return Err(Refusal::FieldOverflow);
            }
            check_date(date)?;
        } else if self.before_christ {
            return Err(Refusal::BadFormat);
        }
        Ok(self.parsed)
    }
}

fn special_word(lower: &str) -> Option<Special> {
    Some(match lower {
        "infinity" | "+infinity" => Special::Infinity,
        "-infinity" => Special::NegativeInfinity,
        "epoch" => Special::Epoch,
        "now" => Special::Now,
        "today" => Special::Day(0),
        "tomorrow" => Special::Day(1),
        "yesterday" => Special::Day(-1),
        _ => return None,
    })
}

/// Two-digit years lie between 1970 and 2069.
fn century(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (..=2, ..=69) => year + 2000,
        (..=2, _) => year + 1900,
        _ => year,
    }
}

fn check_date(date: &Civil) -> Result<(), Refusal> {
    if !(1..=12).contains(&date.month) || !(1..=31).contains(&date.day) {
        return Err(Refusal::MonthDayOverflow);
    }
    if date.day > days_of_month(date.year, date.month) {
        return Err(Refusal::FieldOverflow);
    }
    Ok(())
}

/// `HH:MM`, `HH:MM:SS`, `MM:SS.fff` is not one of them: a fraction needs seconds.
fn clock_time(text: &str) -> Result<i64, Refusal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<&str> = whole.split(':').collect();
    let number = |part: &str| -> Result<i64, Refusal> {
        if part.is_empty() {
            return Err(Refusal::BadFormat);
        }
        part.parse().map_err(|_| Refusal::FieldOverflow)
    };
    match parts.as_slice() {
        [hour, minute] if fraction.is_empty() => time_of_parts(number(hour)?, number(minute)?, 0, 0),
        [minute, second] => time_of_parts(0, number(minute)?, number(second)?, fraction_us(fraction)?),
        [hour, minute, second] => {
            time_of_parts(number(hour)?, number(minute)?, number(second)?, fraction_us(fraction)?)
        }
        _ => Err(Refusal::BadFormat),
    }
}

/// Reads `YYYY-MM-DD` and `YYYY-MM-DD HH:MM:SS[.ffffff]`, which mean the same under every DateStyle:
/// days, and microseconds of the day if a time is given. `None` for everything else, valid or not.
pub(crate) fn iso(text: &str) -> Option<(i64, Option<i64>)> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        digits
            .iter()
            .try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
    };
    let has = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    if !has(4, b'-') || !has(7, b'-') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if year == 0 || !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let days = days_from_civil(Civil { year, month, day });
    if bytes.len() == 10 {
        return Some((days, None));
    }
    if !has(10, b' ') || !has(13, b':') || !has(16, b':') {
        return None;
    }
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match bytes.len() {
        19 => 0,
        length @ 21..=26 if has(19, b'.') => number(20..length)? * 10i64.pow(26 - length as u32),
        _ => return None,
    };
    Some((days, Some(((hour * 60 + minute) * 60 + second) * SECOND_US + fraction)))
}

/// Digits after the point as microseconds, rounded.
pub(crate) fn fraction_us(digits: &str) -> Result<i64, Refusal> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::BadFormat);
    }
    let padded = format!("{digits:0<7}");
    let value: i64 = padded[..7].parse().map_err(|_| Refusal::BadFormat)?;
    Ok((value + 5) / 10)
}

fn time_of_parts(hour: i64, minute: i64, second: i64, fraction: i64) -> Result<i64, Refusal> {
    let time = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    if hour > 24 || minute > 59 || second > 60 || time > DAY_US {
        return Err(Refusal::FieldOverflow);
    }
    Ok(time)
}

fn twelve_hour_time(time_us: Option<i64>, afternoon: bool) -> Result<i64, Refusal> {
    let time = time_us.ok_or(Refusal::BadFormat)?;
    if time >= 13 * HOUR_US {
        return Err(Refusal::FieldOverflow);
    }
    let is_twelve = time >= 12 * HOUR_US;
    Ok(match (afternoon, is_twelve) {
        (true, false) => time + 12 * HOUR_US,
        (false, true) => time - 12 * HOUR_US,
        _ => time,
    })
}
/// Reads a time of day with its zone, which a date may accompany; without one the session's zone is meant.
pub(crate) fn parse_time_with_zone(text: &str, format: &Format) -> Result<ZonedTime, Refusal> {
    let parsed = parse(text, format)?;
    let today = super::date::today(format);
    let (time_us, special_offset) = match (parsed.special, parsed.time_us) {
        (None, Some(time_us)) => (time_us, None),
        (Some(Special::Now), None) => {
            let offset = format.time_zone.offset_at(format.now_us);
            ((format.now_us + i64::from(offset) * SECOND_US).rem_euclid(DAY_US), Some(offset))
        }
        _ => return Err(Refusal::BadFormat),
    };
    let local = parsed.date.map_or(today, days_from_civil) * DAY_US + time_us;
    let offset = match (special_offset, &parsed.zone) {
        (Some(offset), _) => offset,
        (None, Some(ZoneInput::Offset(offset))) => *offset,
        (None, Some(ZoneInput::Named(zone))) => {
            if parsed.date.is_none() && zone.offset_at(0) != zone.offset_at(182 * DAY_US) {
                return Err(Refusal::BadFormat);
            }
            zone.offset_at(zone.to_utc(local))
        }
        (None, None) => format.time_zone.offset_at(format.time_zone.to_utc(local)),
    };
    Ok(ZonedTime { time_us, offset })
}
