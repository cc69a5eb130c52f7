//! interval: stored as the text `months days microseconds` under the collation `interval`, for which
//! a month is 30 days and a day 24 hours, as in PostgreSQL's comparisons.

use std::cmp::Ordering;

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use super::time::write_fraction;
use super::{Category, Datum, DatumRef, Format, IntervalStyle, Shape, Storage, Type, Typmod, integer};
use crate::error::{Error, Result, state};

/// interval
pub const INTERVAL: Type = Type {
    oid: 1186,
    name: "interval",
    sql_name: "interval",
    array_oid: 1187,
    length: 16,
    category: Category::Timespan,
    preferred: true,
    storage: Storage::Text,
    collation: Some("interval"),
    comparable: true,
    input: |text, format| Ok(Interval::parse(text, format)?.to_datum()),
    output: |value, format, out| Interval::from_stored(value.text()).write(format.interval_style, out),
    receive,
    send,
    typmod: Some(&Typmod { input: typmod_input, output: typmod_output, apply }),
    shape: Shape::Base,
};

/// PostgreSQL's TSROUND: to microseconds.
fn round_us(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// Masks of an interval's fields, as in PostgreSQL's typmods.
pub mod field {
    /// MONTH
    pub const MONTH: i32 = 1 << 1;
    /// YEAR
    pub const YEAR: i32 = 1 << 2;
    /// DAY
    pub const DAY: i32 = 1 << 3;
    /// HOUR
    pub const HOUR: i32 = 1 << 10;
    /// MINUTE
    pub const MINUTE: i32 = 1 << 11;
    /// SECOND
    pub const SECOND: i32 = 1 << 12;
}

/// All fields.
const FULL_RANGE: i32 = 0x7fff;
/// All digits of a second.
const FULL_PRECISION: i32 = 0xffff;

/// The fields that go by a name, with what PostgreSQL prints for them.
const RANGES: &[(i32, &str)] = &[
    (field::YEAR, "year"),
    (field::MONTH, "month"),
    (field::DAY, "day"),
    (field::HOUR, "hour"),
    (field::MINUTE, "minute"),
    (field::SECOND, "second"),
    (field::YEAR | field::MONTH, "year to month"),
    (field::DAY | field::HOUR, "day to hour"),
    (field::DAY | field::HOUR | field::MINUTE, "day to minute"),
    (field::DAY | field::HOUR | field::MINUTE | field::SECOND, "day to second"),
    (field::HOUR | field::MINUTE, "hour to minute"),
    (field::HOUR | field::MINUTE | field::SECOND, "hour to second"),
    (field::MINUTE | field::SECOND, "minute to second"),
];

/// The modifier for fields (`DAY TO HOUR`) and digits of a second, as far as given.
pub fn typmod(fields: Option<&str>, precision: Option<u64>) -> Result<i32> {
    let range = match fields {
        None => FULL_RANGE,
        Some(fields) => {
            let fields = fields.to_ascii_lowercase();
            let found = RANGES.iter().find(|(_, name)| *name == fields);
            found
                .ok_or_else(|| {
                    let last = fields.rsplit(' ').next().unwrap_or_default();
                    Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{last}\""))
                })?
                .0
        }
    };
    let precision = precision.map_or(FULL_PRECISION, |digits| digits.min(6) as i32);
    Ok((range << 16) | precision)
}

/// The fields of a modifier; `None` for all.
pub fn range_of(typmod: i32) -> Option<i32> {
    let range = (typmod >> 16) & FULL_RANGE;
    (typmod != super::NO_TYPMOD && range != FULL_RANGE).then_some(range)
}

fn typmod_input(modifiers: &[i64]) -> Result<i32> {
    typmod(None, Some(super::time::precision(modifiers, "INTERVAL")? as u64))
}

fn typmod_output(typmod: i32) -> String {
    let range = (typmod >> 16) & FULL_RANGE;
    let precision = typmod & FULL_PRECISION;
    let fields = RANGES.iter().find(|(mask, _)| *mask == range).map_or("", |(_, name)| name);
    let space = if fields.is_empty() { "" } else { " " };
    let digits = if precision == FULL_PRECISION { String::new() } else { format!("({precision})") };
    format!("{space}{fields}{digits}")
}

/// Cuts an interval to its fields (AdjustIntervalForTypmod).
fn apply(value: DatumRef<'_>, typmod: i32, _: bool) -> Result<Datum> {
    let DatumRef::Text(stored) = value else { return Ok(Datum::Null) };
    let mut interval = Interval::from_stored(stored);
    let least = match (typmod >> 16) & FULL_RANGE {
        FULL_RANGE => field::SECOND,
        range => {
            1 << (31
                - (if range & field::SECOND != 0 {
                    field::SECOND
                } else if range & field::MINUTE != 0 {
                    field::MINUTE
                } else if range & field::HOUR != 0 {
                    field::HOUR
                } else if range & field::DAY != 0 {
                    field::DAY
                } else if range & field::MONTH != 0 {
                    field::MONTH
                } else {
                    field::YEAR
                })
                .leading_zeros())
        }
    };
    match least {
        field::YEAR => interval = Interval { months: interval.months / 12 * 12, days: 0, time_us: 0 },
        field::MONTH => interval = Interval { days: 0, time_us: 0, ..interval },
        field::DAY => interval.time_us = 0,
        field::HOUR => interval.time_us -= interval.time_us % HOUR_US,
        field::MINUTE => interval.time_us -= interval.time_us % MINUTE_US,
        _ => {}
    }
    let precision = typmod & FULL_PRECISION;
    if precision != FULL_PRECISION {
        interval.time_us = super::time::round_to_precision(interval.time_us, precision);
    }
    Ok(interval.to_datum())
}

/// A span: the three fields do not convert into each other, except to compare.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interval {
    /// Months, 12 to a year.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub time_us: i64,
}

/// 22008
pub fn out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

impl Interval {
    /// From the stored form.
    pub fn from_stored(text: &str) -> Interval {
        let mut fields =
            text.split(' ').map(|field| field.parse::<i64>().expect("stored intervals are three numbers"));
        let mut next = || fields.next().expect("stored intervals are three numbers");
        Interval { months: next() as i32, days: next() as i32, time_us: next() }
    }

    /// The stored form.
    pub fn to_datum(self) -> Datum {
        Datum::Text(format!("{} {} {}", self.months, self.days, self.time_us))
    }

    /// The span in microseconds, for comparisons.
    pub fn span_us(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY_US) + i128::from(self.time_us)
    }

    /// The sum of each field.
    pub fn plus(self, other: Interval) -> Result<Interval> {
        let sum = || {
            Some(Interval {
                months: self.months.checked_add(other.months)?,
                days: self.days.checked_add(other.days)?,
                time_us: self.time_us.checked_add(other.time_us)?,
            })
        };
        sum().ok_or_else(out_of_range)
    }

    /// Each field negated.
    pub fn negate(self) -> Result<Interval> {
        let negated = || {
            Some(Interval {
                months: self.months.checked_neg()?,
                days: self.days.checked_neg()?,
                time_us: self.time_us.checked_neg()?,
            })
        };
        negated().ok_or_else(out_of_range)
    }

    /// Each field multiplied; fractions of months become days, fractions of days time (interval_mul).
    pub fn multiply(self, factor: f64) -> Result<Interval> {
        let months = f64::from(self.months) * factor;
        let days = f64::from(self.days) * factor;
        let month_days = round_us((months - months.trunc()) * 30.0);
        let mut seconds = round_us((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
        let mut whole_days = days.trunc() + month_days.trunc();
        if seconds.abs() >= 86_400.0 {
            whole_days += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        let time_us = (self.time_us as f64 * factor + seconds * 1e6).round_ties_even();
        let fits = |value: f64| value.is_finite() && value.abs() <= f64::from(i32::MAX);
        if !fits(months) || !fits(whole_days) || !time_us.is_finite() || time_us.abs() >= i64::MAX as f64 {
            return Err(out_of_range());
        }
        Ok(Interval { months: months as i32, days: whole_days as i32, time_us: time_us as i64 })
    }

    /// Reads the input of type interval. 22007 or 22015 for what is none.
    pub fn parse(text: &str, format: &Format) -> Result<Interval> {
        Interval::parse_in(text, None, format)
    }

    /// The same for a type of some fields, which tell what a bare number is.
    pub fn parse_in(text: &str, range: Option<i32>, format: &Format) -> Result<Interval> {
        super::interval_input::read(text, range, format)
    }

    /// Appends the interval in a style.
    pub fn write(self, style: IntervalStyle, out: &mut Vec<u8>) {
        let fields = Fields::of(self);
        match style {
            IntervalStyle::Postgres => fields.write_postgres(out),
            IntervalStyle::PostgresVerbose => fields.write_verbose(out),
            IntervalStyle::SqlStandard => fields.write_sql_standard(out),
            IntervalStyle::Iso8601 => fields.write_iso(out),
        }
    }
}

/// An interval taken apart for printing (PostgreSQL's interval2itm).
struct Fields {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    /// Seconds and fraction, in microseconds.
    seconds_us: i64,
}

impl Fields {
    fn of(interval: Interval) -> Fields {
        Fields {
            years: i64::from(interval.months / 12),
            months: i64::from(interval.months % 12),
            days: interval.days.into(),
            hours: interval.time_us / HOUR_US,
            minutes: interval.time_us / MINUTE_US % 60,
            seconds_us: interval.time_us % MINUTE_US,
        }
    }

    fn has_time(&self) -> bool {
        self.hours != 0 || self.minutes != 0 || self.seconds_us != 0
    }

    fn is_time_negative(&self) -> bool {
        self.hours < 0 || self.minutes < 0 || self.seconds_us < 0
    }

    fn write_postgres(&self, out: &mut Vec<u8>) {
        let mut is_zero = true;
        let mut is_before = false;
        for (value, unit) in [(self.years, "year"), (self.months, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            let space = if is_zero { "" } else { " " };
            let plus = if is_before && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            out.extend_from_slice(format!("{space}{plus}{value} {unit}{plural}").as_bytes());
            is_before = value < 0;
            is_zero = false;
        }
        if is_zero || self.has_time() {
            let space = if is_zero { "" } else { " " };
            let sign = match (self.is_time_negative(), is_before) {
                (true, _) => "-",
                (false, true) => "+",
                (false, false) => "",
            };
            let head = format!("{space}{sign}{:02}:{:02}:", self.hours.abs(), self.minutes.abs());
            out.extend_from_slice(head.as_bytes());
            write_seconds(self.seconds_us.abs(), true, out);
        }
    }

    fn write_verbose(&self, out: &mut Vec<u8>) {
        out.push(b'@');
        let mut is_zero = true;
        let mut is_before = false;
        let units = [
            (self.years, "year"),
            (self.months, "mon"),
            (self.days, "day"),
            (self.hours, "hour"),
            (self.minutes, "min"),
        ];
        for (value, unit) in units {
            if value == 0 {
                continue;
            }
            if is_zero {
                is_before = value < 0;
            }
            let shown = if is_before { -value } else { value };
            let plural = if shown == 1 { "" } else { "s" };
            out.extend_from_slice(format!(" {shown} {unit}{plural}").as_bytes());
            is_zero = false;
        }
        if self.seconds_us != 0 {
            if is_zero {
                is_before = self.seconds_us < 0;
            }
            let minus = if (self.seconds_us < 0) != is_before { "-" } else { "" };
            out.extend_from_slice(format!(" {minus}").as_bytes());
            write_seconds(self.seconds_us.abs(), false, out);
            let plural = if self.seconds_us.abs() == SECOND_US { "" } else { "s" };
            out.extend_from_slice(format!(" sec{plural}").as_bytes());
            is_zero = false;
        }
        if is_zero {
            out.extend_from_slice(b" 0");
        }
        if is_before {
            out.extend_from_slice(b" ago");
        }
    }

    fn write_sql_standard(&self, out: &mut Vec<u8>) {
        let all = [self.years, self.months, self.days, self.hours, self.minutes, self.seconds_us];
        let has_negative = all.iter().any(|value| *value < 0);
        let has_positive = all.iter().any(|value| *value > 0);
        let has_year_month = self.years != 0 || self.months != 0;
        let has_day_time = self.days != 0 || self.has_time();
        if !has_negative && !has_positive {
            out.push(b'0');
            return;
        }
        if (has_negative && has_positive) || (has_year_month && has_day_time) {
            self.write_signed(out);
            return;
        }
        let [years, months, days, hours, minutes, seconds_us] = all.map(i64::abs);
        if has_negative {
            out.push(b'-');
        }
        if has_year_month {
            out.extend_from_slice(format!("{years}-{months}").as_bytes());
            return;
        }
        let day = if days != 0 { format!("{days} ") } else { String::new() };
        out.extend_from_slice(format!("{day}{hours}:{minutes:02}:").as_bytes());
        write_seconds(seconds_us, true, out);
    }

    /// Every part with its sign, where one sign cannot stand for all.
    fn write_signed(&self, out: &mut Vec<u8>) {
        let sign = |negative: bool| if negative { '-' } else { '+' };
        let text = format!(
            "{}{}-{} {}{} {}{}:{:02}:",
            sign(self.years < 0 || self.months < 0),
            self.years.abs(),
            self.months.abs(),
            sign(self.days < 0),
            self.days.abs(),
            sign(self.is_time_negative()),
            self.hours.abs(),
            self.minutes.abs(),
        );
        out.extend_from_slice(text.as_bytes());
        write_seconds(self.seconds_us.abs(), true, out);
    }

    fn write_iso(&self, out: &mut Vec<u8>) {
        out.push(b'P');
        let start = out.len();
        let part = |out: &mut Vec<u8>, value: i64, letter: char| {
            if value != 0 {
                out.extend_from_slice(format!("{value}{letter}").as_bytes());
            }
        };
        part(out, self.years, 'Y');
        part(out, self.months, 'M');
        part(out, self.days, 'D');
        if self.has_time() {
            out.push(b'T');
            part(out, self.hours, 'H');
            part(out, self.minutes, 'M');
            if self.seconds_us != 0 {
                if self.seconds_us < 0 {
                    out.push(b'-');
                }
                write_seconds(self.seconds_us.abs(), false, out);
                out.push(b'S');
            }
        }
        if out.len() == start {
            out.extend_from_slice(b"T0S");
        }
    }
}

/// Appends seconds with their fraction; `fill` for two digits of whole seconds.
fn write_seconds(seconds_us: i64, fill: bool, out: &mut Vec<u8>) {
    let whole = seconds_us / SECOND_US;
    let text = if fill { format!("{whole:02}") } else { whole.to_string() };
    out.extend_from_slice(text.as_bytes());
    write_fraction(seconds_us % SECOND_US, out);
}

/// The order of two stored intervals.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    Interval::from_stored(a).span_us().cmp(&Interval::from_stored(b).span_us())
}

fn receive(bytes: &[u8]) -> Result<Datum> {
    let all: [u8; 16] = integer::exactly(bytes, "interval")?;
    let (time, rest) = all.split_at(8);
    let (days, months) = rest.split_at(4);
    let interval = Interval {
        months: i32::from_be_bytes(integer::exactly(months, "interval")?),
        days: i32::from_be_bytes(integer::exactly(days, "interval")?),
        time_us: i64::from_be_bytes(integer::exactly(time, "interval")?),
    };
    Ok(interval.to_datum())
}

fn send(value: DatumRef<'_>, out: &mut Vec<u8>) {
    let interval = Interval::from_stored(value.text());
    out.extend_from_slice(&interval.time_us.to_be_bytes());
    out.extend_from_slice(&interval.days.to_be_bytes());
    out.extend_from_slice(&interval.months.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str, style: IntervalStyle) -> String {
        let mut out = Vec::new();
        Interval::parse(text, &Format::default()).unwrap().write(style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_style_prints_as_postgresql_15() {
        use IntervalStyle::{Iso8601, Postgres, PostgresVerbose, SqlStandard};
        for (text, style, expected) in [
            ("1 year 2 mons 3 days 4:05:06.789", Postgres, "1 year 2 mons 3 days 04:05:06.789"),
            ("-1 year +2 days -3 hours", Postgres, "-1 years +2 days -03:00:00"),
            ("0", Postgres, "00:00:00"),
            ("1.5 months", Postgres, "1 mon 15 days"),
            ("1 day ago", Postgres, "-1 days"),
            ("P1Y2M3DT4H5M6.5S", Postgres, "1 year 2 mons 3 days 04:05:06.5"),
            ("1-2", Postgres, "1 year 2 mons"),
            ("3 4:05:06", Postgres, "3 days 04:05:06"),
            ("90 minutes", PostgresVerbose, "@ 1 hour 30 mins"),
            ("-90.5 secs", PostgresVerbose, "@ 1 min 30.5 secs ago"),
            ("1 year -2 days", SqlStandard, "+1-0 -2 +0:00:00"),
            ("-1 day -2:03:04", SqlStandard, "-1 2:03:04"),
            ("1 year 2 months 3 days 4 hours", Iso8601, "P1Y2M3DT4H"),
            ("-1.5 s", Iso8601, "PT-1.5S"),
            ("0 s", Iso8601, "PT0S"),
        ] {
            assert_eq!(print(text, style), expected, "{text}");
        }
        assert_eq!(Interval::parse("1 parsec", &Format::default()).unwrap_err().sqlstate().0, "22007");
        assert_eq!(Interval::parse("", &Format::default()).unwrap_err().sqlstate().0, "22007");
    }

    #[test]
    fn a_month_equals_thirty_days() {
        let stored = |text: &str| match Interval::parse(text, &Format::default()).unwrap().to_datum() {
            Datum::Text(text) => text,
            _ => unreachable!(),
        };
        assert_eq!(compare_text(&stored("1 mon"), &stored("30 days")), Ordering::Equal);
        assert_eq!(compare_text(&stored("24 hours"), &stored("1 day")), Ordering::Equal);
        assert_eq!(compare_text(&stored("-1 mon"), &stored("1 s")), Ordering::Less);
    }
}
