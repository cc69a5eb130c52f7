//! Every option of the server: its default, its unit, its limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result, state};

/// Where data is kept unless told otherwise.
pub const DATA_DIRECTORY: &str = "./quorate-data";
/// Where clients connect unless told otherwise.
pub const LISTEN: &str = "127.0.0.1:5432";
/// Where the status page is unless told otherwise.
pub const ADMIN_LISTEN: &str = "127.0.0.1:8432";
/// Client connections at once, unless told otherwise.
pub const CONNECTIONS_MAX: usize = 1000;
/// Megabytes of the log after which it is purged, unless told otherwise.
pub const LOG_MB: u64 = 64;
/// Seconds that running statements have when the server stops, unless told otherwise.
pub const STOP_SECONDS: u64 = 10;

/// Everything that can be chosen.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the status page is; `None` for none.
    pub admin: Option<SocketAddr>,
    /// Client connections at once.
    pub connections_max: usize,
    /// Bytes of the log after which it is purged.
    pub log_bytes_max: u64,
    /// How long running statements have when the server stops.
    pub stop_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: DATA_DIRECTORY.into(),
            listen: LISTEN.parse().expect("a constant address"),
            admin: Some(ADMIN_LISTEN.parse().expect("a constant address")),
            connections_max: CONNECTIONS_MAX,
            log_bytes_max: LOG_MB << 20,
            stop_timeout: Duration::from_secs(STOP_SECONDS),
        }
    }
}

impl Config {
    /// Refuses what cannot work, in one line.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(state::INVALID_PARAMETER_VALUE, message));
        if self.data.as_os_str().is_empty() {
            return refuse("the data directory's name is empty");
        }
        if !(1..=100_000).contains(&self.connections_max) {
            return refuse("--max-connections must be between 1 and 100000");
        }
        if !(16 << 20..=1 << 40).contains(&self.log_bytes_max) {
            return refuse("--log-mb must be between 16 and 1048576");
        }
        if self.stop_timeout > Duration::from_secs(86_400) {
            return refuse("--stop-timeout must be at most 86400 seconds");
        }
        if self.admin.is_some_and(|admin| admin == self.listen && admin.port() != 0) {
            return refuse("--listen and --admin are the same address");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good_and_limits_are_enforced() {
        Config::default().check().unwrap();
        assert!(Config { connections_max: 0, ..Config::default() }.check().is_err());
        assert!(Config { log_bytes_max: 1, ..Config::default() }.check().is_err());
        assert!(Config { admin: Some(LISTEN.parse().unwrap()), ..Config::default() }.check().is_err());
    }
}
