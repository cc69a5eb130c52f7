//! to_char, to_timestamp and to_date: PostgreSQL's date and time templates (its formatting.c).

use super::format_number::ordinal;
use super::{Env, Function, scalar};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::calendar::{
    Civil, DAY_US, EPOCH_JULIAN_DAY, HOUR_US, MINUTE_US, SECOND_US, civil_from_days, day_of_week,
    day_of_year, days_from_civil, days_of_month, is_leap_year, iso_week, split,
};
use crate::types::date::DATE;
use crate::types::interval::{INTERVAL, Interval};
use crate::types::text::TEXT;
use crate::types::timestamp::{self, TIMESTAMP, TIMESTAMPTZ};
use crate::types::{Datum, DatumRef, date};

/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 8 << 10;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// The letter case of a word that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Case {
    Upper,
    Capital,
    Lower,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    Meridiem { dots: bool, case: Case },
    Era { dots: bool, case: Case },
    Century,
    DayName(Case),
    DayShort(Case),
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    Fraction(usize),
    Hour24,
    Hour12,
    IsoDayOfYear,
    IsoDayOfWeek,
    IsoWeek,
    IsoYear(usize),
    Julian,
    Minute,
    Month,
    MonthName(Case),
    MonthShort(Case),
    Millisecond,
    Microsecond,
    Offset,
    Quarter,
    RomanMonth(Case),
    SecondOfDay,
    Second,
    ZoneHour,
    ZoneMinute,
    Zone(Case),
    Week,
    WeekOfMonth,
    YearComma,
    Year(usize),
}

/// Longest first where one is the start of another. Words without case variants match in any case.
const KEYS: &[(&str, Key)] = &[
    ("A.D.", Key::Era { dots: true, case: Case::Upper }),
    ("a.d.", Key::Era { dots: true, case: Case::Lower }),
    ("B.C.", Key::Era { dots: true, case: Case::Upper }),
    ("b.c.", Key::Era { dots: true, case: Case::Lower }),
    ("A.M.", Key::Meridiem { dots: true, case: Case::Upper }),
    ("a.m.", Key::Meridiem { dots: true, case: Case::Lower }),
    ("P.M.", Key::Meridiem { dots: true, case: Case::Upper }),
    ("p.m.", Key::Meridiem { dots: true, case: Case::Lower }),
    ("AD", Key::Era { dots: false, case: Case::Upper }),
    ("ad", Key::Era { dots: false, case: Case::Lower }),
    ("BC", Key::Era { dots: false, case: Case::Upper }),
    ("bc", Key::Era { dots: false, case: Case::Lower }),
    ("AM", Key::Meridiem { dots: false, case: Case::Upper }),
    ("am", Key::Meridiem { dots: false, case: Case::Lower }),
    ("PM", Key::Meridiem { dots: false, case: Case::Upper }),
    ("pm", Key::Meridiem { dots: false, case: Case::Lower }),
    ("DAY", Key::DayName(Case::Upper)),
    ("Day", Key::DayName(Case::Capital)),
    ("day", Key::DayName(Case::Lower)),
    ("DY", Key::DayShort(Case::Upper)),
    ("Dy", Key::DayShort(Case::Capital)),
    ("dy", Key::DayShort(Case::Lower)),
    ("MONTH", Key::MonthName(Case::Upper)),
    ("Month", Key::MonthName(Case::Capital)),
    ("month", Key::MonthName(Case::Lower)),
    ("MON", Key::MonthShort(Case::Upper)),
    ("Mon", Key::MonthShort(Case::Capital)),
    ("mon", Key::MonthShort(Case::Lower)),
    ("RM", Key::RomanMonth(Case::Upper)),
    ("rm", Key::RomanMonth(Case::Lower)),
    ("TZH", Key::ZoneHour),
    ("TZM", Key::ZoneMinute),
    ("TZ", Key::Zone(Case::Upper)),
    ("tzh", Key::ZoneHour),
    ("tzm", Key::ZoneMinute),
    ("tz", Key::Zone(Case::Lower)),
];

/// The same in lower case, for what means the same in any.
const PLAIN_KEYS: &[(&str, Key)] = &[
    ("cc", Key::Century),
    ("ddd", Key::DayOfYear),
    ("dd", Key::DayOfMonth),
    ("d", Key::DayOfWeek),
    ("ff1", Key::Fraction(1)),
    ("ff2", Key::Fraction(2)),
    ("ff3", Key::Fraction(3)),
    ("ff4", Key::Fraction(4)),
    ("ff5", Key::Fraction(5)),
    ("ff6", Key::Fraction(6)),
    ("hh24", Key::Hour24),
    ("hh12", Key::Hour12),
    ("hh", Key::Hour12),
    ("iddd", Key::IsoDayOfYear),
    ("id", Key::IsoDayOfWeek),
    ("iw", Key::IsoWeek),
    ("iyyy", Key::IsoYear(4)),
    ("iyy", Key::IsoYear(3)),
    ("iy", Key::IsoYear(2)),
    ("i", Key::IsoYear(1)),
    ("j", Key::Julian),
    ("mi", Key::Minute),
    ("mm", Key::Month),
    ("ms", Key::Millisecond),
    ("of", Key::Offset),
    ("q", Key::Quarter),
    ("sssss", Key::SecondOfDay),
    ("ssss", Key::SecondOfDay),
    ("ss", Key::Second),
    ("us", Key::Microsecond),
    ("ww", Key::Week),
    ("w", Key::WeekOfMonth),
    ("y,yyy", Key::YearComma),
    ("yyyy", Key::Year(4)),
    ("yyy", Key::Year(3)),
    ("yy", Key::Year(2)),
    ("y", Key::Year(1)),
];

impl Key {
    /// Whether its text is digits.
    fn is_digits(self) -> bool {
        !matches!(
            self,
            Key::Meridiem { .. }
                | Key::Era { .. }
                | Key::DayName(_)
                | Key::DayShort(_)
                | Key::MonthName(_)
                | Key::MonthShort(_)
                | Key::RomanMonth(_)
                | Key::Zone(_)
                | Key::Offset
                | Key::ZoneHour
        )
    }
}

#[derive(Clone, PartialEq, Debug)]
struct Field {
    key: Key,
    /// As it was written, for messages.
    name: String,
    fills: bool,
    /// `Some(true)` for TH.
    ordinal: Option<bool>,
    localized: bool,
}

#[derive(Clone, PartialEq, Debug)]
enum Node {
    Field(Field),
    Separator(char),
    Literal(char),
}

struct Template {
    nodes: Vec<Node>,
    is_fixed: bool,
}

fn starts_with_any_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn find_key(text: &str) -> Option<(&'static str, Key)> {
    KEYS.iter()
        .find(|(name, _)| text.starts_with(name))
        .or_else(|| PLAIN_KEYS.iter().find(|(name, _)| starts_with_any_case(text, name)))
        .copied()
        .or_else(|| {
            // Mixed case of a word that has case variants counts as upper case.
            KEYS.iter().find(|(name, _)| starts_with_any_case(text, name)).copied()
        })
}

impl Template {
    fn parse(text: &str) -> Result<Template> {
        if text.len() > TEMPLATE_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "format is longer than {TEMPLATE_MAX} bytes");
        }
        let mut template = Template { nodes: Vec::new(), is_fixed: false };
        let mut rest = text;
        while !rest.is_empty() {
            if starts_with_any_case(rest, "fx") {
                template.is_fixed = true;
                rest = &rest[2..];
                continue;
            }
            rest = template.node(rest)?;
        }
        Ok(template)
    }

    fn node<'t>(&mut self, text: &'t str) -> Result<&'t str> {
        let mut rest = text;
        let (mut fills, mut localized) = (false, false);
        loop {
            if starts_with_any_case(rest, "fm") {
                fills = true;
                rest = &rest[2..];
            } else if starts_with_any_case(rest, "tm") {
                localized = true;
                rest = &rest[2..];
            } else {
                break;
            }
        }
        if let Some((name, key)) = find_key(rest) {
            let written = rest[..name.len()].to_owned();
            rest = &rest[name.len()..];
            let ordinal = match rest.get(..2) {
                Some("TH") => Some(true),
                Some("th") => Some(false),
                _ => None,
            };
            if ordinal.is_some() || starts_with_any_case(rest, "sp") {
                rest = &rest[2..];
            }
            self.nodes.push(Node::Field(Field { key, name: written, fills, ordinal, localized }));
            return Ok(rest);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => Ok(""),
            Some('"') => {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => self.nodes.extend(chars.next().map(Node::Literal)),
                        c => self.nodes.push(Node::Literal(c)),
                    }
                }
                Ok(chars.as_str())
            }
            Some('\\') if chars.as_str().starts_with('"') => {
                chars.next();
                self.nodes.push(Node::Literal('"'));
                Ok(chars.as_str())
            }
            Some(c) if is_separator(c) || c.is_ascii_whitespace() => {
                self.nodes.push(Node::Separator(c));
                Ok(chars.as_str())
            }
            Some(c) => {
                self.nodes.push(Node::Literal(c));
                Ok(chars.as_str())
            }
        }
    }
}

fn is_separator(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_alphanumeric()
}

/// What is written: a moment's fields, or an interval's.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    fraction_us: i64,
    /// Of a date: days since 2000-01-01.
    days: Option<i64>,
    /// Seconds east and abbreviation.
    zone: Option<(i32, String)>,
}

fn cased(word: &str, case: Case) -> String {
    match case {
        Case::Upper => word.to_uppercase(),
        Case::Lower => word.to_lowercase(),
        Case::Capital => word.to_owned(),
    }
}

impl Moment {
    fn of_timestamp(value: i64) -> Moment {
        let (days, time) = split(value);
        let civil = civil_from_days(days);
        Moment {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            hour: time / HOUR_US,
            minute: time / MINUTE_US % 60,
            second: time / SECOND_US % 60,
            fraction_us: time % SECOND_US,
            days: Some(days),
            zone: None,
        }
    }

    fn of_interval(interval: Interval) -> Moment {
        let (months, time) = (i64::from(interval.months), interval.time_us);
        Moment {
            year: months / 12,
            month: months % 12,
            day: interval.days.into(),
            hour: time / HOUR_US,
            minute: time / MINUTE_US % 60,
            second: time / SECOND_US % 60,
            fraction_us: time % SECOND_US,
            days: None,
            zone: None,
        }
    }

    fn is_interval(&self) -> bool {
        self.days.is_none()
    }

    fn shown_year(&self, year: i64) -> i64 {
        if self.is_interval() || year > 0 { year } else { 1 - year }
    }

    fn day_of_year(&self) -> i64 {
        self.days.map_or(self.day, day_of_year)
    }

    fn iso(&self) -> (i64, i64) {
        self.days.map_or((self.year, 0), iso_week)
    }

    /// The Gregorian day number of an interval counts as PostgreSQL does: from its fields.
    fn julian(&self) -> i64 {
        match self.days {
            Some(days) => days + EPOCH_JULIAN_DAY,
            None => {
                let month = if self.month == 0 { 1 } else { self.month };
                days_from_civil(Civil { year: self.year, month: month.abs().max(1), day: self.day })
                    + EPOCH_JULIAN_DAY
            }
        }
    }

    fn number(value: i64, width: usize, field: &Field) -> String {
        let width = if field.fills {
            0
        } else if value < 0 {
            width + 1
        } else {
            width
        };
        format!("{value:0width$}")
    }

    fn padded(word: String, width: usize, field: &Field) -> String {
        if field.fills || field.localized { word } else { format!("{word:<width$}") }
    }

    fn write(&self, field: &Field, out: &mut String) -> Result<()> {
        let number = |value: i64, width: usize| Self::number(value, width, field);
        let text = match field.key {
            Key::Meridiem { dots, case } => {
                let is_pm = self.hour.rem_euclid(24) >= 12;
                let word = match (is_pm, dots) {
                    (true, true) => "P.M.",
                    (true, false) => "PM",
                    (false, true) => "A.M.",
                    (false, false) => "AM",
                };
                out.push_str(&cased(word, case));
                return Ok(());
            }
            Key::Era { dots, case } => {
                if self.is_interval() {
                    return Err(invalid_for_interval());
                }
                let word = match (self.year <= 0, dots) {
                    (true, true) => "B.C.",
                    (true, false) => "BC",
                    (false, true) => "A.D.",
                    (false, false) => "AD",
                };
                out.push_str(&cased(word, case));
                return Ok(());
            }
            Key::MonthName(case) => {
                if self.is_interval() {
                    return Err(invalid_for_interval());
                }
                let word = cased(MONTHS[self.month as usize - 1], case);
                out.push_str(&Self::padded(word, 9, field));
                return Ok(());
            }
            Key::MonthShort(case) => {
                if self.is_interval() {
                    return Err(invalid_for_interval());
                }
                out.push_str(&cased(&MONTHS[self.month as usize - 1][..3], case));
                return Ok(());
            }
            Key::DayName(case) | Key::DayShort(case) => {
                let Some(days) = self.days else { return Err(invalid_for_interval()) };
                let name = DAYS[day_of_week(days) as usize];
                match field.key {
                    Key::DayName(_) => out.push_str(&Self::padded(cased(name, case), 9, field)),
                    _ => out.push_str(&cased(&name[..3], case)),
                }
                return Ok(());
            }
            Key::RomanMonth(case) => {
                if self.is_interval() && self.month == 0 && self.year == 0 {
                    return Ok(());
                }
                let place =
                    if self.month > 0 { self.month - 1 } else { (12 + self.month - 1).rem_euclid(12) };
                let word = cased(ROMAN_MONTHS[place as usize], case);
                out.push_str(&if field.fills { word } else { format!("{word:<4}") });
                return Ok(());
            }
            Key::Zone(case) => {
                let Some((_, name)) = &self.zone else {
                    if self.is_interval() {
                        return Err(invalid_for_interval());
                    }
                    return Ok(());
                };
                let name = if case == Case::Lower { name.to_lowercase() } else { name.clone() };
                out.push_str(&name);
                return Ok(());
            }
            Key::ZoneHour | Key::ZoneMinute | Key::Offset => {
                if self.is_interval() {
                    return Err(invalid_for_interval());
                }
                let offset = self.zone.as_ref().map_or(0, |(offset, _)| *offset);
                let (sign, hours, minutes) =
                    (if offset < 0 { '-' } else { '+' }, offset.abs() / 3600, offset.abs() / 60 % 60);
                match field.key {
                    Key::ZoneHour => out.push_str(&format!("{sign}{hours:02}")),
                    Key::ZoneMinute => out.push_str(&format!("{minutes:02}")),
                    _ => {
                        let width = if field.fills { 0 } else { 2 };
                        out.push_str(&format!("{sign}{hours:0width$}"));
                        if minutes != 0 {
                            out.push_str(&format!(":{minutes:02}"));
                        }
                    }
                }
                return Ok(());
            }
            Key::Century => {
                let century = match self.is_interval() {
                    true => self.year / 100,
                    false if self.year > 0 => (self.year - 1) / 100 + 1,
                    false => self.year / 100 - 1,
                };
                if (-99..=99).contains(&century) { number(century, 2) } else { century.to_string() }
            }
            Key::DayOfYear => number(self.day_of_year(), 3),
            Key::DayOfMonth => number(self.day, 2),
            Key::DayOfWeek | Key::IsoDayOfWeek => {
                let Some(days) = self.days else { return Err(invalid_for_interval()) };
                let day = day_of_week(days);
                match field.key {
                    Key::DayOfWeek => (day + 1).to_string(),
                    _ => (if day == 0 { 7 } else { day }).to_string(),
                }
            }
            Key::Fraction(digits) => {
                let divisor = 10i64.pow(6 - digits as u32);
                format!("{:0digits$}", self.fraction_us / divisor)
            }
            Key::Hour24 => number(self.hour, 2),
            Key::Hour12 => {
                let hour = self.hour % 12;
                number(if hour == 0 { 12 } else { hour }, 2)
            }
            Key::IsoDayOfYear => {
                let (year, _) = self.iso();
                let start = iso_year_start(year);
                number(self.days.unwrap_or(0) - start + 1, 3)
            }
            Key::IsoWeek => number(self.iso().1, 2),
            Key::Julian => self.julian().to_string(),
            Key::Minute => number(self.minute, 2),
            Key::Second => number(self.second, 2),
            Key::Month => number(self.month, 2),
            Key::Millisecond => format!("{:03}", self.fraction_us / 1000),
            Key::Microsecond => format!("{:06}", self.fraction_us),
            Key::Quarter => {
                if self.month == 0 {
                    return Ok(());
                }
                ((self.month - 1) / 3 + 1).to_string()
            }
            Key::SecondOfDay => (self.hour * 3600 + self.minute * 60 + self.second).to_string(),
            Key::Week => number((self.day_of_year() - 1) / 7 + 1, 2),
            Key::WeekOfMonth => ((self.day - 1) / 7 + 1).to_string(),
            Key::YearComma => {
                let year = self.shown_year(self.year);
                format!("{},{:03}", year / 1000, year % 1000)
            }
            Key::Year(digits) | Key::IsoYear(digits) => {
                let year = if matches!(field.key, Key::Year(_)) { self.year } else { self.iso().0 };
                let year = self.shown_year(year);
                let shown = if digits == 4 { year } else { year % 10i64.pow(digits as u32) };
                if digits == 1 { shown.to_string() } else { number(shown, digits) }
            }
        };
        out.push_str(&text);
        if let Some(upper) = field.ordinal {
            out.push_str(ordinal(&text, upper));
        }
        Ok(())
    }
}

fn invalid_for_interval() -> Error {
    Error::new(state::INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
        .with_hint("Intervals are not tied to specific calendar dates.")
}

/// The first day of an ISO year.
fn iso_year_start(year: i64) -> i64 {
    let fourth = days_from_civil(Civil { year, month: 1, day: 4 });
    fourth - (day_of_week(fourth) + 6) % 7
}

fn write(moment: &Moment, template: &Template) -> Result<String> {
    let mut out = String::new();
    for node in &template.nodes {
        match node {
            Node::Field(field) => moment.write(field, &mut out)?,
            Node::Separator(c) | Node::Literal(c) => out.push(*c),
        }
    }
    Ok(out)
}

fn timestamp_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (value, format) = (args[0].integer(), args[1].text());
    if timestamp::is_infinite(value) || format.is_empty() {
        return Ok(Datum::Null);
    }
    write(&Moment::of_timestamp(value), &Template::parse(format)?).map(Datum::Text)
}

fn timestamptz_to_char(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let (value, format) = (args[0].integer(), args[1].text());
    if timestamp::is_infinite(value) || format.is_empty() {
        return Ok(Datum::Null);
    }
    let zone = &env.format().time_zone;
    let offset = zone.offset_at(value);
    let mut moment = Moment::of_timestamp(value + i64::from(offset) * SECOND_US);
    moment.zone = Some((offset, zone.abbreviation_at(value)));
    write(&moment, &Template::parse(format)?).map(Datum::Text)
}

fn interval_to_char(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let format = args[1].text();
    if format.is_empty() {
        return Ok(Datum::Null);
    }
    let moment = Moment::of_interval(Interval::from_stored(args[0].text()));
    write(&moment, &Template::parse(format)?).map(Datum::Text)
}

/// The text of timeofday().
pub(super) fn time_of_day(value: i64, zone: &crate::types::TimeZone) -> Result<String> {
    let offset = zone.offset_at(value);
    let mut moment = Moment::of_timestamp(value + i64::from(offset) * SECOND_US);
    moment.zone = Some((offset, zone.abbreviation_at(value)));
    write(&moment, &Template::parse("Dy Mon DD HH24:MI:SS.US YYYY TZ")?)
}

/// Which calendar's fields a template has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Convention {
    Gregorian,
    IsoWeek,
}

/// What was read.
#[derive(Default)]
struct Found {
    convention: Option<Convention>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    second_of_day: Option<i64>,
    fraction_us: Option<i64>,
    millisecond: Option<i64>,
    is_twelve: bool,
    is_pm: Option<bool>,
    before_christ: Option<bool>,
    year: Option<i64>,
    year_digits: usize,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    day_of_week: Option<i64>,
    julian: Option<i64>,
    zone_sign: Option<i64>,
    zone_hour: Option<i64>,
    zone_minute: Option<i64>,
}

fn conflict(name: &str) -> Error {
    Error::new(
        state::INVALID_DATETIME_FORMAT,
        format!("conflicting values for \"{name}\" field in formatting string"),
    )
    .with_detail("This value contradicts a previous setting for the same field type.")
}

fn set(slot: &mut Option<i64>, value: i64, name: &str) -> Result<()> {
    match slot.replace(value) {
        Some(other) if other != value => Err(conflict(name)),
        _ => Ok(()),
    }
}

struct Reader<'t> {
    input: Vec<char>,
    at: usize,
    template: &'t Template,
    found: Found,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.input.get(self.at).copied()
    }

    fn skip_blanks(&mut self) -> i64 {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
        (self.at - start) as i64
    }

    fn run(&mut self) -> Result<()> {
        let mut extra = 0i64;
        let nodes = &self.template.nodes;
        let is_fixed = self.template.is_fixed;
        for (place, node) in nodes.iter().enumerate() {
            if self.at >= self.input.len() {
                break;
            }
            if !is_fixed && (matches!(node, Node::Field(_)) || place == 0) {
                extra += self.skip_blanks();
            }
            match node {
                Node::Separator(_) => {
                    if is_fixed {
                        self.at += 1;
                        continue;
                    }
                    extra -= 1;
                    if self.peek().is_some_and(|c| c.is_ascii_whitespace() || is_separator(c)) {
                        self.at += 1;
                        extra += 1;
                    }
                }
                Node::Literal(_) => {
                    if !is_fixed && extra > 0 {
                        extra -= 1;
                    } else {
                        self.at += 1;
                    }
                }
                Node::Field(field) => {
                    self.field(field, place)?;
                    if !is_fixed {
                        extra = self.skip_blanks();
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the digits of the field at a place may go on as long as they are digits.
    fn is_open(&self, place: usize, field: &Field) -> bool {
        if field.fills || field.ordinal.is_some() {
            return true;
        }
        match self.template.nodes.get(place + 1) {
            None => true,
            Some(Node::Field(next)) => !next.key.is_digits(),
            Some(Node::Separator(c) | Node::Literal(c)) => !c.is_ascii_digit(),
        }
    }

    /// An integer of so many digits, and how many characters it took.
    fn integer(&mut self, digits: usize, field: &Field, place: usize) -> Result<(i64, usize)> {
        self.skip_blanks();
        let rest: Vec<char> = self.input[self.at..].to_vec();
        let open = self.is_open(place, field);
        let limit = if open { rest.len() } else { digits.min(rest.len()) };
        if !open && rest.len() < digits {
            return Err(Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("source string too short for \"{}\" formatting field", field.name),
            )
            .with_detail(format!("Field requires {digits} characters, but only {} remain.", rest.len()))
            .with_hint("If your source string is not fixed-width, try using the \"FM\" modifier."));
        }
        let sign = usize::from(rest.first().is_some_and(|c| matches!(c, '-' | '+')));
        let count = rest[sign..limit.max(sign)].iter().take_while(|c| c.is_ascii_digit()).count();
        let used = if count == 0 { 0 } else { sign + count };
        let shown: String = rest.iter().take(if open { rest.len() } else { digits }).collect();
        let shown: String = shown
            .chars()
            .take_while(|c| !c.is_whitespace())
            .take(if open { digits.max(1) } else { digits })
            .collect();
        if used == 0 {
            return Err(Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid value \"{shown}\" for \"{}\"", field.name),
            )
            .with_detail("Value must be an integer."));
        }
        if !open && used < digits {
            return Err(Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid value \"{shown}\" for \"{}\"", field.name),
            )
            .with_detail(format!("Field requires {digits} characters, but only {used} could be parsed."))
            .with_hint("If your source string is not fixed-width, try using the \"FM\" modifier."));
        }
        let text: String = rest[..used].iter().collect();
        let value: i64 = text.parse().unwrap_or(i64::MAX);
        if i32::try_from(value).is_err() {
            return Err(Error::new(
                state::DATETIME_FIELD_OVERFLOW,
                format!("value for \"{}\" in source string is out of range", field.name),
            )
            .with_detail(format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX)));
        }
        self.at += used;
        if field.ordinal.is_some() {
            self.at = (self.at + 2).min(self.input.len());
        }
        Ok((value, used))
    }

    /// The place of a word among several.
    fn word(&mut self, words: &[&str], field: &Field) -> Result<usize> {
        let rest: String = self.input[self.at..].iter().collect();
        let found = words
            .iter()
            .position(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
        match found {
            Some(place) => {
                self.at += words[place].chars().count();
                Ok(place)
            }
            None => {
                let shown = rest.split_whitespace().next().unwrap_or("");
                Err(Error::new(
                    state::INVALID_DATETIME_FORMAT,
                    format!("invalid value \"{shown}\" for \"{}\"", field.name),
                )
                .with_detail("The given value did not match any of the allowed values for this field."))
            }
        }
    }

    fn convention(&mut self, wanted: Convention) -> Result<()> {
        match self.found.convention.replace(wanted) {
            Some(other) if other != wanted => {
                Err(Error::new(state::INVALID_DATETIME_FORMAT, "invalid combination of date conventions")
                    .with_hint(
                        "Do not mix Gregorian and ISO week date conventions in a formatting template.",
                    ))
            }
            _ => Ok(()),
        }
    }

    fn field(&mut self, field: &Field, place: usize) -> Result<()> {
        let name = field.name.as_str();
        match field.key {
            Key::IsoDayOfYear | Key::IsoDayOfWeek | Key::IsoWeek | Key::IsoYear(_) => {
                self.convention(Convention::IsoWeek)?;
            }
            Key::DayName(_)
            | Key::DayShort(_)
            | Key::DayOfYear
            | Key::DayOfMonth
            | Key::DayOfWeek
            | Key::Month
            | Key::MonthName(_)
            | Key::MonthShort(_)
            | Key::RomanMonth(_)
            | Key::Week
            | Key::WeekOfMonth
            | Key::YearComma
            | Key::Year(_)
            | Key::Century => self.convention(Convention::Gregorian)?,
            _ => {}
        }
        match field.key {
            Key::Meridiem { dots, .. } => {
                let words: &[&str] = if dots { &["a.m.", "p.m."] } else { &["am", "pm"] };
                let is_pm = self.word(words, field)? == 1;
                self.found.is_twelve = true;
                match self.found.is_pm.replace(is_pm) {
                    Some(other) if other != is_pm => return Err(conflict(name)),
                    _ => {}
                }
            }
            Key::Era { dots, .. } => {
                let words: &[&str] = if dots { &["a.d.", "b.c."] } else { &["ad", "bc"] };
                let before = self.word(words, field)? == 1;
                match self.found.before_christ.replace(before) {
                    Some(other) if other != before => return Err(conflict(name)),
                    _ => {}
                }
            }
            Key::Hour12 => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.hour, value, name)?;
                self.found.is_twelve = true;
            }
            Key::Hour24 => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.hour, value, name)?;
            }
            Key::Minute => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.minute, value, name)?;
            }
            Key::Second => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.second, value, name)?;
            }
            Key::Millisecond => {
                let (value, used) = self.integer(3, field, place)?;
                let scaled = value * 10i64.pow(3u32.saturating_sub(used as u32));
                set(&mut self.found.millisecond, scaled, name)?;
            }
            Key::Microsecond | Key::Fraction(_) => {
                let digits = if let Key::Fraction(digits) = field.key { digits } else { 6 };
                let (value, used) = self.integer(digits, field, place)?;
                let scaled = value * 10i64.pow(6u32.saturating_sub(used as u32));
                set(&mut self.found.fraction_us, scaled, name)?;
            }
            Key::SecondOfDay => {
                let (value, _) = self.integer(5, field, place)?;
                set(&mut self.found.second_of_day, value, name)?;
            }
            Key::Zone(_) | Key::Offset => {
                return Err(Error::unsupported_message(format!(
                    "formatting field \"{name}\" is only supported in to_char"
                )));
            }
            Key::ZoneHour => {
                let sign = match self.peek() {
                    Some(sign @ ('+' | '-' | ' ')) => {
                        self.at += 1;
                        if sign == '-' { -1 } else { 1 }
                    }
                    _ if self.at > 0 && self.input[self.at - 1] == '-' => -1,
                    _ => 1,
                };
                self.found.zone_sign = Some(sign);
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.zone_hour, value, name)?;
            }
            Key::ZoneMinute => {
                if self.found.zone_sign.is_none() {
                    self.found.zone_sign = Some(1);
                }
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.zone_minute, value, name)?;
            }
            Key::MonthName(_) => {
                let month = self.word(&MONTHS, field)?;
                set(&mut self.found.month, month as i64 + 1, name)?;
            }
            Key::MonthShort(_) => {
                let short: Vec<&str> = MONTHS.iter().map(|month| &month[..3]).collect();
                let month = self.word(&short, field)?;
                set(&mut self.found.month, month as i64 + 1, name)?;
            }
            Key::Month => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.month, value, name)?;
            }
            Key::RomanMonth(_) => {
                // VIII before VII: the longest that fits.
                let mut words: Vec<&str> = ROMAN_MONTHS.to_vec();
                words.sort_by_key(|word| std::cmp::Reverse(word.len()));
                let word = words[self.word(&words.clone(), field)?];
                let month = ROMAN_MONTHS.iter().position(|other| *other == word).unwrap_or(0);
                set(&mut self.found.month, month as i64 + 1, name)?;
            }
            Key::DayName(_) => {
                let day = self.word(&DAYS, field)?;
                set(&mut self.found.day_of_week, day as i64 + 1, name)?;
            }
            Key::DayShort(_) => {
                let short: Vec<&str> = DAYS.iter().map(|day| &day[..3]).collect();
                let day = self.word(&short, field)?;
                set(&mut self.found.day_of_week, day as i64 + 1, name)?;
            }
            Key::DayOfYear | Key::IsoDayOfYear => {
                let (value, _) = self.integer(3, field, place)?;
                set(&mut self.found.day_of_year, value, name)?;
            }
            Key::DayOfMonth => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.day, value, name)?;
            }
            Key::DayOfWeek => {
                let (value, _) = self.integer(1, field, place)?;
                set(&mut self.found.day_of_week, value, name)?;
            }
            Key::IsoDayOfWeek => {
                let (value, _) = self.integer(1, field, place)?;
                // Counted as D counts: Sunday is 1.
                set(&mut self.found.day_of_week, if value >= 7 { 1 } else { value + 1 }, name)?;
            }
            Key::Week | Key::IsoWeek => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.week, value, name)?;
            }
            Key::Quarter => {
                // Which month it would be is not known.
                self.integer(1, field, place)?;
            }
            Key::Century => {
                let (value, _) = self.integer(2, field, place)?;
                set(&mut self.found.century, value, name)?;
            }
            Key::WeekOfMonth => {
                let (value, _) = self.integer(1, field, place)?;
                set(&mut self.found.week_of_month, value, name)?;
            }
            Key::Julian => {
                let (value, _) = self.integer(7, field, place)?;
                set(&mut self.found.julian, value, name)?;
            }
            Key::YearComma => {
                let rest: String = self.input[self.at..].iter().collect();
                let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
                let thousands = digits(&rest);
                let tail = rest.get(thousands + 1..).unwrap_or("");
                let last = digits(tail).min(3);
                if thousands == 0 || last == 0 || rest.as_bytes()[thousands] != b',' {
                    bail!(INVALID_DATETIME_FORMAT, "invalid input string for \"Y,YYY\"");
                }
                let year = rest[..thousands].parse::<i64>().unwrap_or(0) * 1000
                    + tail[..last].parse::<i64>().unwrap_or(0);
                self.at += thousands + 1 + last;
                set(&mut self.found.year, year, name)?;
                self.found.year_digits = 4;
            }
            Key::Year(digits) | Key::IsoYear(digits) => {
                let (value, used) = self.integer(digits, field, place)?;
                let year = if digits < 4 && used < 4 { adjusted_year(value) } else { value };
                set(&mut self.found.year, year, name)?;
                self.found.year_digits = digits;
            }
        }
        Ok(())
    }
}

/// The year near 2020 that a short one means.
fn adjusted_year(year: i64) -> i64 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

/// What a text says under a template: days, microseconds of the day, and seconds east if a zone is named.
fn read(text: &str, format: &str) -> Result<(i64, i64, Option<i64>)> {
    let template = Template::parse(format)?;
    let mut reader =
        Reader { input: text.chars().collect(), at: 0, template: &template, found: Found::default() };
    reader.run()?;
    let found = reader.found;
    let overflow = || {
        Error::new(state::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
    };
    let (mut hour, mut minute, mut second) =
        (found.hour.unwrap_or(0), found.minute.unwrap_or(0), found.second.unwrap_or(0));
    if let Some(whole) = found.second_of_day {
        (hour, minute, second) = (whole / 3600, whole / 60 % 60, whole % 60);
    }
    if found.is_twelve {
        if !(1..=12).contains(&hour) {
            return Err(Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("hour \"{hour}\" is invalid for the 12-hour clock"),
            )
            .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        match found.is_pm {
            Some(true) if hour < 12 => hour += 12,
            Some(true) => {}
            _ if hour == 12 => hour = 0,
            _ => {}
        }
    }
    let days = read_days(&found, &overflow)?;
    let fraction = found.fraction_us.unwrap_or(0) + found.millisecond.unwrap_or(0) * 1000;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return Err(overflow());
    }
    if !(0..SECOND_US).contains(&fraction) {
        return Err(overflow());
    }
    let time = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    let zone = match found.zone_sign {
        Some(sign) => {
            let (hours, minutes) = (found.zone_hour.unwrap_or(0), found.zone_minute.unwrap_or(0));
            if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) {
                return Err(overflow());
            }
            Some(sign * (hours * 3600 + minutes * 60))
        }
        None => None,
    };
    Ok((days, time, zone))
}

fn read_days(found: &Found, overflow: &dyn Fn() -> Error) -> Result<i64> {
    let before_christ = found.before_christ == Some(true);
    let year = match (found.year, found.century) {
        (Some(year), Some(century)) if found.year_digits <= 2 => {
            let century = if before_christ { -century } else { century };
            let low = year % 100;
            match (low, century >= 0) {
                (0, true) => century * 100,
                (0, false) => century * 100 + 1,
                (low, true) => low + (century - 1) * 100,
                (low, false) => (century + 1) * 100 - low + 1,
            }
        }
        (Some(year), _) => {
            let year = if before_christ { -year } else { year };
            if year < 0 { year + 1 } else { year }
        }
        (None, Some(century)) => {
            let century = if before_christ { -century } else { century };
            if century >= 0 { (century - 1) * 100 + 1 } else { century * 100 + 1 }
        }
        (None, None) => 0,
    };
    if let Some(julian) = found.julian {
        let days = julian - EPOCH_JULIAN_DAY;
        return if date::in_range(days) { Ok(days) } else { Err(overflow()) };
    }
    let is_iso = found.convention == Some(Convention::IsoWeek);
    let mut day_of_year = found.day_of_year;
    if let Some(week) = found.week {
        if is_iso {
            if !(1..=53).contains(&week) {
                return Err(overflow());
            }
            let weekday = found.day_of_week.map_or(0, |day| (day + 5) % 7);
            return Ok(iso_year_start(year) + (week - 1) * 7 + weekday);
        }
        day_of_year = Some((week - 1) * 7 + 1);
    }
    let mut day = found.day;
    if let Some(week) = found.week_of_month {
        day = Some((week - 1) * 7 + 1);
    }
    let (mut month, mut day) = (found.month.unwrap_or(1), day.unwrap_or(1));
    if let Some(number) = day_of_year
        && (month <= 1 || day <= 1)
    {
        if found.year.is_none() && !before_christ {
            bail!(INVALID_DATETIME_FORMAT, "cannot calculate day of year without year information");
        }
        if is_iso {
            return Ok(iso_year_start(year) + number - 1);
        }
        if !(1..=365 + i64::from(is_leap_year(year))).contains(&number) {
            return Err(overflow());
        }
        let civil = civil_from_days(days_from_civil(Civil { year, month: 1, day: 1 }) + number - 1);
        (month, day) = (civil.month, civil.day);
    }
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month.clamp(1, 12))).contains(&day) {
        return Err(overflow());
    }
    let days = days_from_civil(Civil { year, month, day });
    if date::in_range(days) { Ok(days) } else { Err(overflow()) }
}

fn to_timestamp(args: &[DatumRef<'_>], env: &dyn Env) -> Result<Datum> {
    let (days, time, zone) = read(args[0].text(), args[1].text())?;
    let local = days.checked_mul(DAY_US).and_then(|start| start.checked_add(time));
    let Some(local) = local else { return Err(timestamp::out_of_range()) };
    let value = match zone {
        Some(offset) => local - offset * SECOND_US,
        None => env.format().time_zone.to_utc(local),
    };
    if timestamp::in_range(value) { Ok(Datum::Integer(value)) } else { Err(timestamp::out_of_range()) }
}

fn to_date(args: &[DatumRef<'_>], _: &dyn Env) -> Result<Datum> {
    let (days, ..) = read(args[0].text(), args[1].text())?;
    Ok(Datum::Integer(days))
}

pub(super) const FUNCTIONS: &[Function] = &[
    scalar(1770, "to_char", &[&TIMESTAMPTZ, &TEXT], &TEXT, timestamptz_to_char).stable(),
    scalar(2049, "to_char", &[&TIMESTAMP, &TEXT], &TEXT, timestamp_to_char).stable(),
    scalar(1768, "to_char", &[&INTERVAL, &TEXT], &TEXT, interval_to_char).stable(),
    scalar(1778, "to_timestamp", &[&TEXT, &TEXT], &TIMESTAMPTZ, to_timestamp).stable(),
    scalar(1780, "to_date", &[&TEXT, &TEXT], &DATE, to_date).stable(),
];
