//! Time zones: the bundled database, and fixed offsets.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone as Zone};

use super::calendar::{SECOND_US, UNIX_EPOCH_DAYS};

/// A time zone as the TimeZone setting names it.
#[derive(Clone, Debug)]
pub struct TimeZone {
    name: std::sync::Arc<str>,
    zone: Zone,
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &TimeZone) -> bool {
        self.name == other.name
    }
}

/// Abbreviations that PostgreSQL's default list knows and that stand for one offset, in seconds east.
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("acst", 34_200),
    ("adt", -10_800),
    ("aedt", 39_600),
    ("aest", 36_000),
    ("akst", -32_400),
    ("ast", -14_400),
    ("awst", 28_800),
    ("bst", 3600),
    ("cdt", -18_000),
    ("cest", 7200),
    ("cet", 3600),
    ("cst", -21_600),
    ("eat", 10_800),
    ("edt", -14_400),
    ("eest", 10_800),
    ("eet", 7200),
    ("est", -18_000),
    ("gmt", 0),
    ("hkt", 28_800),
    ("hst", -36_000),
    ("ist", 7200),
    ("jst", 32_400),
    ("kst", 32_400),
    ("mdt", -21_600),
    ("met", 3600),
    ("msk", 10_800),
    ("mst", -25_200),
    ("ndt", -9000),
    ("nst", -12_600),
    ("nzdt", 46_800),
    ("nzst", 43_200),
    ("pdt", -25_200),
    ("pst", -28_800),
    ("sast", 7200),
    ("sgt", 28_800),
    ("ut", 0),
    ("utc", 0),
    ("wet", 0),
    ("west", 3600),
    ("z", 0),
    ("zulu", 0),
];

/// The offset of an abbreviation, in seconds east of UTC.
pub fn abbreviation(word: &str) -> Option<i32> {
    let word = word.to_ascii_lowercase();
    ABBREVIATIONS.iter().find(|(name, _)| *name == word).map(|(_, offset)| *offset)
}

impl TimeZone {
    /// UTC
    pub fn utc() -> TimeZone {
        TimeZone { name: "UTC".into(), zone: Zone::UTC }
    }

    /// A zone of the database, by its name in any case, or by PostgreSQL's other spellings: an
    /// abbreviation, or a POSIX offset such as `UTC+3` (west of Greenwich) or `-3`.
    pub fn find(name: &str) -> Option<TimeZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(TimeZone::utc());
        }
        if let Ok(zone) = jiff::tz::TimeZoneDatabase::bundled().get(name) {
            let canonical = zone.iana_name().unwrap_or(name).into();
            return Some(TimeZone { name: canonical, zone });
        }
        if let Some(offset) = abbreviation(name) {
            return TimeZone::fixed_named(name, offset);
        }
        // POSIX: letters, or anything between < and >, before the offset.
        let quoted = name.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(_, offset)| offset);
        let letters = quoted.unwrap_or_else(|| name.trim_start_matches(|c: char| c.is_ascii_alphabetic()));
        let west = parse_offset(letters)?;
        TimeZone::fixed_named(name, -west)
    }

    /// A fixed offset in seconds east of UTC, with the name PostgreSQL shows for it.
    pub fn fixed(offset_seconds: i32) -> Option<TimeZone> {
        let shown = offset_text(offset_seconds);
        let posix = offset_text(-offset_seconds);
        TimeZone::fixed_named(&format!("<{shown}>{posix}"), offset_seconds)
    }

    fn fixed_named(name: &str, offset_seconds: i32) -> Option<TimeZone> {
        let offset = Offset::from_seconds(offset_seconds).ok()?;
        Some(TimeZone { name: name.into(), zone: Zone::fixed(offset) })
    }

    /// The name, as SHOW TimeZone prints it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds east of UTC at a moment (microseconds since 2000-01-01 UTC). Beyond the years that
    /// the database knows, that of 400 years earlier; before them, the first one.
    pub fn offset_at(&self, timestamp_us: i64) -> i32 {
        self.zone.to_offset(instant(timestamp_us)).seconds()
    }

    /// The abbreviation in force at a moment.
    pub fn abbreviation_at(&self, timestamp_us: i64) -> String {
        self.zone.to_offset_info(instant(timestamp_us)).abbreviation().to_owned()
    }

    /// The moment at which this zone's clocks show a local time. In a gap the offset before it
    /// applies, in a fold the standard-time one, as PostgreSQL's DetermineTimeZoneOffset decides.
    pub fn to_utc(&self, local_us: i64) -> i64 {
        const DAY_US: i64 = super::calendar::DAY_US;
        let before =
            self.offset_at(local_us - i64::from(self.offset_at(local_us - DAY_US)) * SECOND_US - DAY_US);
        let after =
            self.offset_at(local_us - i64::from(self.offset_at(local_us + DAY_US)) * SECOND_US + DAY_US);
        let with = |offset: i32| local_us - i64::from(offset) * SECOND_US;
        let before_holds = self.offset_at(with(before)) == before;
        let after_holds = self.offset_at(with(after)) == after;
        match (before_holds, after_holds) {
            (true, true) => with(before.min(after)),
            (false, true) => with(after),
            (true, false) => with(before),
            (false, false) => with(before.min(after)),
        }
    }
}

/// The Gregorian calendar and the rules of daylight saving repeat after so many days.
const CYCLE_DAYS: i64 = 146_097;

/// A moment that jiff knows: one of the same day in another cycle of 400 years, if it lies too far away.
fn instant(timestamp_us: i64) -> Timestamp {
    let cycle_us = CYCLE_DAYS * super::calendar::DAY_US;
    let unix = timestamp_us.saturating_add(UNIX_EPOCH_DAYS * super::calendar::DAY_US);
    // A day is left on both sides for the zone's offset.
    let (low, high) = (
        Timestamp::MIN.as_microsecond() + super::calendar::DAY_US,
        Timestamp::MAX.as_microsecond() - super::calendar::DAY_US,
    );
    let within = if unix > high {
        unix - (unix - high).div_euclid(cycle_us) * cycle_us - cycle_us
    } else {
        unix.max(low)
    };
    Timestamp::from_microsecond(within).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads `+hh`, `-hh:mm`, `+hhmm`, `hh:mm:ss` as seconds.
pub fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let number = |part: &str| -> Option<i32> {
        let plain = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    };
    let (hours, minutes, seconds) = match parts.as_slice() {
        [packed] if packed.is_ascii() && packed.len() == 4 => {
            (number(&packed[..2])?, number(&packed[2..])?, 0)
        }
        [packed] if packed.is_ascii() && packed.len() == 3 => {
            (number(&packed[..1])?, number(&packed[1..])?, 0)
        }
        [hours] => (number(hours)?, 0, 0),
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        _ => return None,
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(sign * (hours * 3600 + minutes * 60 + seconds))
}

/// `+05:30`, with minutes and seconds only where they are not zero.
pub fn offset_text(offset_seconds: i32) -> String {
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    let (hours, rest) = (offset_seconds.abs() / 3600, offset_seconds.abs() % 3600);
    match (rest / 60, rest % 60) {
        (0, 0) => format!("{sign}{hours:02}"),
        (minutes, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        (minutes, seconds) => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::calendar::{Civil, DAY_US, HOUR_US, days_from_civil};

    fn local(year: i64, month: i64, day: i64, hour: i64) -> i64 {
        days_from_civil(Civil { year, month, day }) * DAY_US + hour * HOUR_US
    }

    #[test]
    fn zones_change_their_offset() {
        let paris = TimeZone::find("europe/paris").unwrap();
        assert_eq!(paris.name(), "Europe/Paris");
        assert_eq!(paris.offset_at(local(2024, 1, 1, 0)), 3600);
        assert_eq!(paris.offset_at(local(2024, 7, 1, 0)), 7200);
        assert_eq!(paris.to_utc(local(2024, 7, 1, 12)), local(2024, 7, 1, 10));
        // The gap of 2024-03-31: 02:00 does not exist; PostgreSQL gives 01:00 UTC.
        assert_eq!(paris.to_utc(local(2024, 3, 31, 2)), local(2024, 3, 31, 1));
        // The fold of 2024-10-27: 02:00 comes twice; PostgreSQL takes standard time.
        assert_eq!(paris.to_utc(local(2024, 10, 27, 2)), local(2024, 10, 27, 1));
    }

    #[test]
    fn offsets_are_read_in_every_spelling() {
        assert_eq!(parse_offset("+0530"), Some(19_800));
        assert_eq!(parse_offset("-8"), Some(-28_800));
        assert_eq!(parse_offset("+16"), None);
        assert_eq!(offset_text(19_800), "+05:30");
        assert_eq!(TimeZone::find("UTC+3").unwrap().offset_at(0), -10_800);
        assert_eq!(TimeZone::fixed(-10_800).unwrap().name(), "<-03>+03");
        assert!(TimeZone::find("Nowhere/Land").is_none());
    }
}
