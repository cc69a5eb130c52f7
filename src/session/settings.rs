//! A session's values for the settings: of the session, of the transaction (SET LOCAL), and what is
//! derived from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bail;
use crate::error::{Error, Result, state};
use crate::settings::{self, Context, Setting};
use crate::sql::statement::Isolation;
use crate::types::interval::Interval;
use crate::types::{ByteaOutput, DateOrder, DateStyle, Format, IntervalStyle, Objects, TimeZone};

/// Custom settings a session may have, and bytes of one value: it holds them in memory.
const CUSTOM_MAX: usize = 1000;
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Values by name, for those that are not the default.
type Values = Arc<BTreeMap<String, String>>;

/// What to go back to when a transaction or a savepoint is rolled back.
#[derive(Clone)]
pub(super) struct Saved {
    pub(super) session: Values,
    pub(super) local: Values,
}

/// The values.
pub(super) struct Settings {
    /// What RESET goes back to: the defaults and what the client asked for when it connected.
    initial: Values,
    session: Values,
    local: Values,
    /// Grows with every change.
    version: u64,
    /// Grows with every change that plans depend on.
    plan_version: u64,
    derived: Arc<Derived>,
}

/// Values in the form in which they are used.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    /// How values are read and printed; without the transaction's time.
    pub(super) format: Format,
    /// search_path
    pub(super) search_path: String,
    /// statement_timeout
    pub(super) statement_timeout: Option<Duration>,
    /// lock_timeout
    pub(super) lock_timeout: Option<Duration>,
    /// idle_in_transaction_session_timeout
    pub(super) idle_in_transaction_timeout: Option<Duration>,
    /// idle_session_timeout
    pub(super) idle_timeout: Option<Duration>,
    /// Whether NOTICE is below client_min_messages.
    pub(super) hides_notices: bool,
    /// Whether WARNING is, too.
    pub(super) hides_warnings: bool,
    /// quorate.read_consistency
    pub(super) consistency: Consistency,
    /// quorate.max_staleness
    pub(super) max_staleness: Option<Duration>,
    /// quorate.wait_for: the entry that reads must have applied.
    pub(super) wait_for: u64,
}

/// How fresh reads must be: quorate.read_consistency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Consistency {
    Linearizable,
    Session,
    Weak,
    None,
    Strong,
    Auto,
}

impl Settings {
    /// A new session's. `given` are the client's, from its startup message.
    pub(super) fn new(user: &str, given: &[(String, String)]) -> Result<Settings> {
        let mut settings = Settings {
            initial: Values::default(),
            session: Values::default(),
            local: Values::default(),
            version: 1,
            plan_version: 1,
            derived: Arc::new(Derived::of(&|setting| setting.default.to_owned())?),
        };
        Arc::make_mut(&mut settings.session).insert("session_authorization".into(), user.to_owned());
        for (name, value) in given {
            settings.set(name, Some(value), false)?;
        }
        settings.initial = settings.session.clone();
        Ok(settings)
    }

    /// Grows with every change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Grows with every change that plans depend on.
    pub(super) fn plan_version(&self) -> u64 {
        self.plan_version
    }

    /// The values in use.
    pub(super) fn derived(&self) -> &Arc<Derived> {
        &self.derived
    }

    /// A value as it is kept.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let kept = self.local.get(name).or_else(|| self.session.get(name));
        kept.map(String::as_str).or_else(|| settings::find(name).map(|setting| setting.default))
    }

    /// A value as SHOW prints it. 42704 for an unknown name.
    pub(super) fn show(&self, name: &str) -> Result<String> {
        match settings::find(name) {
            Some(setting) => Ok(setting.show(self.value(setting.name).unwrap_or(setting.default))),
            None => match self.value(&name.to_lowercase()) {
                Some(value) => Ok(value.to_owned()),
                None => Err(settings::unknown(name)),
            },
        }
    }

    /// SET and SET LOCAL; `None` for DEFAULT.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let Some(setting) = settings::find(name) else { return self.set_custom(name, value, local) };
        if setting.context == Context::Internal {
            // What a client may name to confirm it, as pg_dump and drivers do.
            let same = value.is_some_and(|value| Some(value) == self.value(setting.name));
            let is_default = value.is_none() && setting.name == "session_authorization";
            if same || is_default {
                return Ok(());
            }
            bail!(CANT_CHANGE_RUNTIME_PARAM, "parameter \"{}\" cannot be changed", setting.name);
        }
        let value = match value {
            Some(value) => Some(canonical(setting, value, &self.derived.format)?),
            None => self.initial.get(setting.name).cloned(),
        };
        self.keep(setting.name, value, local)
    }

    fn set_custom(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let name = name.to_lowercase();
        if !settings::is_custom(&name) {
            return Err(settings::unknown(&name));
        }
        if name.starts_with("quorate.") {
            return Err(settings::unknown(&name));
        }
        if !self.session.contains_key(&name) && self.session.len() + self.local.len() >= CUSTOM_MAX {
            bail!(
                CONFIGURATION_LIMIT_EXCEEDED,
                "a session can have at most {CUSTOM_MAX} settings of its own"
            );
        }
        // A custom setting that was set once stays known, as an empty string.
        self.keep(&name, Some(value.unwrap_or_default().to_owned()), local)
    }

    fn keep(&mut self, name: &str, value: Option<String>, local: bool) -> Result<()> {
        if value.as_ref().is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            bail!(PROGRAM_LIMIT_EXCEEDED, "the value of parameter \"{name}\" is too long");
        }
        let before = self.save();
        let put = |values: &mut Values| match value.clone() {
            Some(value) => Arc::make_mut(values).insert(name.to_owned(), value),
            None => Arc::make_mut(values).remove(name),
        };
        if local {
            let value =
                value.clone().or_else(|| settings::find(name).map(|setting| setting.default.to_owned()));
            Arc::make_mut(&mut self.local).insert(name.to_owned(), value.unwrap_or_default());
        } else {
            put(&mut self.session);
            Arc::make_mut(&mut self.local).remove(name);
        }
        let changed = self.derive();
        if changed.is_err() {
            self.restore(before);
        }
        changed
    }

    /// RESET ALL
    pub(super) fn reset_all(&mut self) -> Result<()> {
        let custom = |name: &String| settings::find(name).is_none();
        let mut values = (*self.initial).clone();
        values.extend(
            self.session.keys().filter(|name| custom(name)).map(|name| (name.clone(), String::new())),
        );
        values.extend(self.initial.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.session = Arc::new(values);
        self.local = Values::default();
        self.derive()
    }

    /// What to go back to later.
    pub(super) fn save(&self) -> Saved {
        Saved { session: self.session.clone(), local: self.local.clone() }
    }

    /// Goes back.
    pub(super) fn restore(&mut self, saved: Saved) {
        if Arc::ptr_eq(&self.session, &saved.session) && Arc::ptr_eq(&self.local, &saved.local) {
            return;
        }
        (self.session, self.local) = (saved.session, saved.local);
        self.derive_again();
    }

    /// Takes values over from this session's other half.
    pub(super) fn adopt(&mut self, saved: Saved) -> Result<()> {
        (self.session, self.local) = (saved.session, saved.local);
        self.derive()
    }

    /// The end of a transaction: SET LOCAL's values are gone.
    pub(super) fn forget_local(&mut self) {
        if !self.local.is_empty() {
            self.local = Values::default();
            self.derive_again();
        }
    }

    /// Derives from values that were in use before, which cannot fail.
    fn derive_again(&mut self) {
        if let Err(error) = self.derive() {
            crate::telemetry::error!("settings that were in use are refused: {error}");
        }
    }

    fn derive(&mut self) -> Result<()> {
        let derived = Derived::of(&|setting| self.value(setting.name).unwrap_or(setting.default).to_owned())?;
        self.version += 1;
        let same_format = derived.format == self.derived.format;
        if !same_format || derived.search_path != self.derived.search_path {
            self.plan_version += 1;
        }
        self.derived = Arc::new(derived);
        Ok(())
    }

    /// The names and values that the client is told of.
    pub(super) fn reported(&self) -> impl Iterator<Item = (&'static str, String)> {
        settings::ALL
            .iter()
            .filter(|setting| setting.reported)
            .map(|setting| (setting.name, self.value(setting.name).unwrap_or(setting.default).to_owned()))
    }
}

impl Derived {
    fn of(value: &dyn Fn(&'static Setting) -> String) -> Result<Derived> {
        let get = |name: &str| value(settings::find(name).expect("a setting of the registry"));
        let timeout = |name: &str| match get(name).parse::<u64>() {
            Ok(0) | Err(_) => None,
            Ok(ms) => Some(Duration::from_millis(ms)),
        };
        let (date_style, date_order) = date_style(&get("DateStyle"), &Format::default())?;
        let messages = get("client_min_messages");
        Ok(Derived {
            format: Format {
                date_style,
                date_order,
                interval_style: interval_style(&get("IntervalStyle")),
                time_zone: time_zone(&get("TimeZone"))?,
                bytea_output: if get("bytea_output") == "escape" {
                    ByteaOutput::Escape
                } else {
                    ByteaOutput::Hex
                },
                extra_float_digits: get("extra_float_digits").parse().unwrap_or(1),
                now_us: 0,
                objects: Objects::default(),
            },
            search_path: get("search_path"),
            statement_timeout: timeout("statement_timeout"),
            lock_timeout: timeout("lock_timeout"),
            idle_in_transaction_timeout: timeout("idle_in_transaction_session_timeout"),
            idle_timeout: timeout("idle_session_timeout"),
            hides_notices: matches!(messages.as_str(), "warning" | "error"),
            hides_warnings: messages == "error",
            consistency: match get("quorate.read_consistency").as_str() {
                "session" => Consistency::Session,
                "weak" => Consistency::Weak,
                "none" => Consistency::None,
                "strong" => Consistency::Strong,
                "auto" => Consistency::Auto,
                _ => Consistency::Linearizable,
            },
            max_staleness: timeout("quorate.max_staleness"),
            wait_for: get("quorate.wait_for").parse().unwrap_or(0),
        })
    }
}

/// A value in the form in which SHOW prints it, or why it is none.
fn canonical(setting: &Setting, value: &str, format: &Format) -> Result<String> {
    let checked = setting.check(value)?;
    match setting.name {
        "DateStyle" => {
            let (style, order) = date_style(&checked, format)?;
            Ok(format!("{}, {}", style_name(style), order_name(order)))
        }
        "TimeZone" => Ok(time_zone(&checked)?.name().to_owned()),
        "client_encoding" => encoding(&checked),
        "quorate.wait_for" if checked.parse::<u64>().is_err() => {
            bail!(
                INVALID_PARAMETER_VALUE,
                "invalid value for parameter \"quorate.wait_for\": \"{checked}\" is not a value of quorate.last_commit"
            )
        }
        "default_tablespace" if !checked.is_empty() && checked != "pg_default" => {
            bail!(UNDEFINED_OBJECT, "tablespace \"{checked}\" does not exist")
        }
        "application_name" => Ok(checked
            .chars()
            .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
            .take(63)
            .collect()),
        _ => Ok(checked),
    }
}

fn style_name(style: DateStyle) -> &'static str {
    match style {
        DateStyle::Iso => "ISO",
        DateStyle::Sql => "SQL",
        DateStyle::Postgres => "Postgres",
        DateStyle::German => "German",
    }
}

fn order_name(order: DateOrder) -> &'static str {
    match order {
        DateOrder::Mdy => "MDY",
        DateOrder::Dmy => "DMY",
        DateOrder::Ymd => "YMD",
    }
}

/// Reads DateStyle: an output style, an order, or both (check_datestyle).
fn date_style(value: &str, now: &Format) -> Result<(DateStyle, DateOrder)> {
    let (mut style, mut order) = (None, None);
    for word in value.split(',').map(|word| word.trim().trim_matches('"').to_ascii_lowercase()) {
        match word.as_str() {
            "iso" => style = Some(DateStyle::Iso),
            "sql" => style = Some(DateStyle::Sql),
            "german" => {
                style = Some(DateStyle::German);
                order = order.or(Some(DateOrder::Dmy));
            }
            "ymd" => order = Some(DateOrder::Ymd),
            "default" => {}
            word if word.starts_with("postgres") => style = Some(DateStyle::Postgres),
            word if word.starts_with("euro") || word == "dmy" => order = Some(DateOrder::Dmy),
            word if word.starts_with("us") || word.starts_with("noneuro") || word == "mdy" => {
                order = Some(DateOrder::Mdy)
            }
            word => {
                let error = Error::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("invalid value for parameter \"DateStyle\": \"{value}\""),
                );
                return Err(error.with_detail(format!("Unrecognized key word: \"{word}\".")));
            }
        }
    }
    Ok((style.unwrap_or(now.date_style), order.unwrap_or(now.date_order)))
}

fn interval_style(value: &str) -> IntervalStyle {
    match value {
        "postgres_verbose" => IntervalStyle::PostgresVerbose,
        "sql_standard" => IntervalStyle::SqlStandard,
        "iso_8601" => IntervalStyle::Iso8601,
        _ => IntervalStyle::Postgres,
    }
}

/// Reads TimeZone: a name, hours east of Greenwich, or `INTERVAL` and an offset (check_timezone).
fn time_zone(value: &str) -> Result<TimeZone> {
    let invalid = || {
        Error::new(
            state::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"TimeZone\": \"{value}\""),
        )
    };
    if let Some(text) = value.strip_prefix("INTERVAL ") {
        let offset_us = Interval::parse(text, &Format::default())?.span_us();
        let seconds = i32::try_from(offset_us / 1_000_000).map_err(|_| invalid())?;
        return TimeZone::fixed(seconds).ok_or_else(invalid);
    }
    if let Ok(hours) = value.parse::<f64>()
        && hours.is_finite()
    {
        return TimeZone::fixed((hours * 3600.0) as i32).ok_or_else(invalid);
    }
    TimeZone::find(value).ok_or_else(invalid)
}

/// client_encoding: UTF8 under its names.
fn encoding(value: &str) -> Result<String> {
    let bare: String =
        value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match bare.as_str() {
        "utf8" | "unicode" => Ok("UTF8".to_owned()),
        "sqlascii" | "latin1" | "iso88591" | "win1252" | "latin9" | "eucjp" | "gbk" | "big5" | "win1251"
        | "koi8r" => Err(Error::unsupported(format!("the client encoding {value}")).with_hint("Use UTF8.")),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"client_encoding\": \"{value}\""),
    }
}

/// A value of default_transaction_isolation.
pub(super) fn isolation(value: Option<&str>) -> Isolation {
    value.and_then(Isolation::named).unwrap_or(Isolation::ReadCommitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("me", &[("DateStyle".into(), "sql".into())]).unwrap()
    }

    #[test]
    fn values_are_shown_in_their_canonical_form() {
        let mut settings = settings();
        for (name, value, shown) in [
            ("datestyle", "german", "German, DMY"),
            ("timezone", "-8", "<-08>+08"),
            ("timezone", "europe/berlin", "Europe/Berlin"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("statement_timeout", "1min", "1min"),
            ("my.Own", "x", "x"),
        ] {
            settings.set(name, Some(value), false).unwrap();
            assert_eq!(settings.show(name).unwrap(), shown);
        }
        assert_eq!(
            settings.set("timezone", Some("Nowhere"), false).unwrap_err().sqlstate(),
            state::INVALID_PARAMETER_VALUE
        );
        assert_eq!(settings.show("timezone").unwrap(), "Europe/Berlin");
        assert_eq!(
            settings.set("nothing", Some("1"), false).unwrap_err().sqlstate(),
            state::UNDEFINED_OBJECT
        );
        assert_eq!(
            settings.set("server_version", Some("1"), false).unwrap_err().sqlstate(),
            state::CANT_CHANGE_RUNTIME_PARAM
        );
    }

    #[test]
    fn values_end_with_what_they_were_set_in() {
        let mut settings = settings();
        let before = settings.save();
        settings.set("search_path", Some("a"), false).unwrap();
        settings.set("search_path", Some("b"), true).unwrap();
        assert_eq!(settings.show("search_path").unwrap(), "b");
        settings.forget_local();
        assert_eq!(settings.show("search_path").unwrap(), "a");
        settings.restore(before);
        assert_eq!(settings.show("search_path").unwrap(), "\"$user\", public");
        settings.set("datestyle", Some("iso"), false).unwrap();
        settings.reset_all().unwrap();
        assert_eq!(settings.show("datestyle").unwrap(), "SQL, MDY");
    }
}
