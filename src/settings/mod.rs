//! Every name that SET, SHOW and current_setting know: its kind, default, limits and meaning. Values
//! belong to sessions; this module only knows what a value may be.

mod registry;

pub use registry::ALL;

use crate::bail;
use crate::error::{Error, Result, state};

/// Who may change a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// Nobody: it tells about the server.
    Internal,
    /// Every session, for itself.
    User,
}

/// The unit of an integer setting, in which its values are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A plain number.
    None,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// 1024 bytes.
    Kilobytes,
    /// 8192 bytes.
    Blocks,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// on, off, and every other spelling of a Boolean.
    Bool,
    /// A whole number between two limits, which may be given with a unit.
    Integer {
        /// The least value.
        low: i64,
        /// The greatest value.
        high: i64,
        /// What one means.
        unit: Unit,
    },
    /// A number between two limits.
    Real {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// Any text; the session checks it further where it has a meaning.
    Text,
    /// One of PostgreSQL's words, of which only the first few have their meaning here.
    Choice {
        /// The words that work.
        supported: &'static [&'static str],
        /// PostgreSQL's other words, refused with 0A000.
        lacking: &'static [&'static str],
    },
    /// A Boolean of which only the default works; the other is refused with 0A000.
    Fixed,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The name, in the case in which SHOW ALL prints it.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The value of a new session.
    pub default: &'static str,
    /// Who may change it.
    pub context: Context,
    /// Whether the client is told of changes (ParameterStatus).
    pub reported: bool,
    /// What it does.
    pub doc: &'static str,
}

/// The setting with a name, in any case.
pub fn find(name: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// 42704
pub fn unknown(name: &str) -> Error {
    Error::new(state::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

/// Whether a name that is not in the registry may be used for a value of the user's own.
pub fn is_custom(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && !word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    name.contains('.') && name.split('.').all(is_word)
}

/// Reads a Boolean as PostgreSQL's parse_bool does.
pub fn parse_bool(text: &str) -> Option<bool> {
    let word = text.to_ascii_lowercase();
    let prefix_of = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefix_of("true", 1) || prefix_of("yes", 1) || word == "on" || word == "1" {
        Some(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == "0" {
        Some(false)
    } else {
        None
    }
}

impl Setting {
    /// Checks a value and brings it into the form that SHOW prints without its unit.
    pub fn check(&self, value: &str) -> Result<String> {
        match self.kind {
            Kind::Bool => self.check_bool(value).map(on_off),
            Kind::Fixed => match on_off(self.check_bool(value)?) {
                same if same == self.default => Ok(same),
                other => Err(Error::unsupported(format!("{} = {other}", self.name))),
            },
            Kind::Integer { low, high, unit } => self.check_integer(value, low, high, unit),
            Kind::Real { low, high } => self.check_real(value, low, high),
            Kind::Text => Ok(value.to_owned()),
            Kind::Choice { supported, lacking } => self.check_choice(value, supported, lacking),
        }
    }

    /// A checked value as SHOW prints it: with the largest unit in which it is whole.
    pub fn show(&self, value: &str) -> String {
        match self.kind {
            Kind::Integer { unit, .. } => with_unit(value, unit),
            _ => value.to_owned(),
        }
    }

    fn invalid(&self, value: &str) -> Error {
        let message = format!("invalid value for parameter \"{}\": \"{value}\"", self.name);
        Error::new(state::INVALID_PARAMETER_VALUE, message)
    }

    fn check_bool(&self, value: &str) -> Result<bool> {
        match parse_bool(value) {
            Some(value) => Ok(value),
            None => bail!(INVALID_PARAMETER_VALUE, "parameter \"{}\" requires a Boolean value", self.name),
        }
    }

    fn check_choice(&self, value: &str, supported: &[&str], lacking: &[&str]) -> Result<String> {
        let is_value = |word: &&&str| word.eq_ignore_ascii_case(value);
        if let Some(word) = supported.iter().find(is_value) {
            return Ok((*word).to_owned());
        }
        if let Some(word) = lacking.iter().find(is_value) {
            return Err(Error::unsupported(format!("{} = {word}", self.name)));
        }
        let words: Vec<&str> = supported.iter().chain(lacking).copied().collect();
        Err(self.invalid(value).with_hint(format!("Available values: {}.", words.join(", "))))
    }

    fn check_real(&self, value: &str, low: f64, high: f64) -> Result<String> {
        let number: f64 = value.trim().parse().map_err(|_| self.invalid(value))?;
        if !(low..=high).contains(&number) {
            let message = format!(
                "{number} is outside the valid range for parameter \"{}\" ({low} .. {high})",
                self.name
            );
            return Err(Error::new(state::INVALID_PARAMETER_VALUE, message));
        }
        Ok(number.to_string())
    }

    fn check_integer(&self, value: &str, low: i64, high: i64, unit: Unit) -> Result<String> {
        let text = value.trim();
        let digits = text.len()
            - text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')).len();
        let number: f64 = text[..digits].parse().map_err(|_| self.invalid(value))?;
        let factor = match text[digits..].trim() {
            "" => 1.0,
            name => match factors(unit).iter().find(|(other, _)| *other == name) {
                Some((_, factor)) => *factor,
                None => return Err(self.invalid(value).with_hint(unit_hint(unit))),
            },
        };
        let amount = (number * factor).round_ties_even();
        if !(low as f64..=high as f64).contains(&amount) {
            let name = self.name;
            let suffix = unit_suffix(unit);
            bail!(
                INVALID_PARAMETER_VALUE,
                "{amount}{suffix} is outside the valid range for parameter \"{name}\" ({low} .. {high})"
            );
        }
        Ok((amount as i64).to_string())
    }
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

/// Units that may be written, largest first, and how many of the setting's own they are.
fn factors(unit: Unit) -> &'static [(&'static str, f64)] {
    match unit {
        Unit::None => &[],
        Unit::Milliseconds => &[
            ("d", 86_400_000.0),
            ("h", 3_600_000.0),
            ("min", 60_000.0),
            ("s", 1000.0),
            ("ms", 1.0),
            ("us", 0.001),
        ],
        Unit::Seconds => {
            &[("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001), ("us", 0.000_001)]
        }
        Unit::Kilobytes => {
            &[("TB", 1_073_741_824.0), ("GB", 1_048_576.0), ("MB", 1024.0), ("kB", 1.0), ("B", 1.0 / 1024.0)]
        }
        Unit::Blocks => {
            &[("TB", 134_217_728.0), ("GB", 131_072.0), ("MB", 128.0), ("kB", 0.125), ("B", 1.0 / 8192.0)]
        }
    }
}

fn unit_suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Milliseconds => " ms",
        Unit::Seconds => " s",
        Unit::Kilobytes => " kB",
        Unit::Blocks => " 8kB",
    }
}

fn unit_hint(unit: Unit) -> String {
    match unit {
        Unit::None => "This parameter takes no unit.".to_owned(),
        Unit::Milliseconds | Unit::Seconds => {
            "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".".to_owned()
        }
        Unit::Kilobytes | Unit::Blocks => {
            "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".".to_owned()
        }
    }
}

fn with_unit(value: &str, unit: Unit) -> String {
    let Ok(amount) = value.parse::<i64>() else { return value.to_owned() };
    if amount <= 0 {
        return value.to_owned();
    }
    let whole = |factor: f64| (amount as f64 / factor).fract() == 0.0;
    match factors(unit).iter().find(|(_, factor)| whole(*factor)) {
        Some((name, factor)) => format!("{}{name}", (amount as f64 / factor) as i64),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_valid_value() {
        for setting in ALL {
            assert_eq!(setting.check(setting.default).unwrap(), setting.default, "{}", setting.name);
        }
    }

    #[test]
    fn names_are_listed_once_in_order() {
        let names: Vec<String> = ALL.iter().map(|setting| setting.name.to_ascii_lowercase()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    }

    #[test]
    fn values_are_checked_in_postgresqls_words() {
        let timeout = find("statement_TIMEOUT").unwrap();
        assert_eq!(timeout.check("5s").unwrap(), "5000");
        assert_eq!(timeout.show("5000"), "5s");
        assert_eq!(timeout.show("1500"), "1500ms");
        assert_eq!(timeout.show("0"), "0");
        assert_eq!(
            timeout.check("-1").unwrap_err().message(),
            "-1 ms is outside the valid range for parameter \"statement_timeout\" (0 .. 2147483647)"
        );
        assert_eq!(
            timeout.check("1 fortnight").unwrap_err().message(),
            "invalid value for parameter \"statement_timeout\": \"1 fortnight\""
        );
        let jit = find("jit").unwrap();
        assert_eq!(jit.check("maybe").unwrap_err().message(), "parameter \"jit\" requires a Boolean value");
        let strings = find("standard_conforming_strings").unwrap();
        assert_eq!(strings.check("off").unwrap_err().sqlstate(), state::FEATURE_NOT_SUPPORTED);
        let style = find("intervalstyle").unwrap();
        let hint = style.check("nope").unwrap_err().fields().hint.clone().unwrap();
        assert_eq!(hint, "Available values: postgres, postgres_verbose, sql_standard, iso_8601.");
    }

    #[test]
    fn custom_names_have_a_dot() {
        assert!(is_custom("my.value"));
        assert!(!is_custom("nodot"));
        assert!(!is_custom(".x"));
        assert!(!is_custom("1a.b"));
    }
}
