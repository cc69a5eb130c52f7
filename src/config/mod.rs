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

/// Milliseconds without news from the leader, at least and at most, until a node stands for election. A
/// follower grants no vote for the longest of them after the leader's last sign (its lease), and stands
/// itself a random time between the two later: a leader that dies is followed by another after 0.7 to 0.9
/// seconds. Five signs in a row must be lost before anyone doubts it, and with pre-vote a node that alone
/// hears nothing deposes nobody.
pub const ELECTION_TIMEOUT_MS: (u64, u64) = (250, 450);
/// Milliseconds between two signs of life of the leader.
pub const HEARTBEAT_MS: u64 = 75;

/// Files of mutual TLS between nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterTls {
    /// The authority's certificates.
    pub authority: PathBuf,
    /// This node's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// How a node is part of a cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterConfig {
    /// This node's number; `None` for one that is drawn at the first start.
    pub node_id: Option<u64>,
    /// Where other nodes connect; `None` for a node alone.
    pub listen: Option<SocketAddr>,
    /// Where other nodes reach this one, if not at `listen`.
    pub advertise: Option<String>,
    /// Where other nodes may be found.
    pub join: Vec<String>,
    /// How many nodes found the cluster.
    pub expect: usize,
    /// Whether this node never votes.
    pub learner: bool,
    /// Encryption between nodes.
    pub tls: Option<ClusterTls>,
    /// Whether the leader answers reads by its lease.
    pub lease_reads: bool,
    /// See [`ELECTION_TIMEOUT_MS`].
    pub election_timeout_ms: (u64, u64),
    /// See [`HEARTBEAT_MS`].
    pub heartbeat_ms: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        ClusterConfig {
            node_id: None,
            listen: None,
            advertise: None,
            join: Vec::new(),
            expect: 1,
            learner: false,
            tls: None,
            lease_reads: false,
            election_timeout_ms: ELECTION_TIMEOUT_MS,
            heartbeat_ms: HEARTBEAT_MS,
        }
    }
}

impl ClusterConfig {
    /// Where other nodes reach this one.
    pub fn address(&self) -> Option<String> {
        self.advertise.clone().or_else(|| self.listen.map(|listen| listen.to_string()))
    }

    /// A node that is silent for longer is gone, with the transactions of its clients: five times as long as
    /// a leader may be silent, and at least a second.
    pub fn silence_max(&self) -> Duration {
        Duration::from_millis((self.election_timeout_ms.0 * 5).max(1000))
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(state::INVALID_PARAMETER_VALUE, message));
        let has_peers = !self.join.is_empty() || self.expect > 1;
        if has_peers && self.listen.is_none() {
            return refuse("--join and --expect need --cluster-listen, where other nodes connect");
        }
        if self.listen.is_some_and(|listen| listen.ip().is_unspecified()) && self.advertise.is_none() {
            return refuse(
                "with --cluster-listen on all addresses, --advertise must say where others reach this node",
            );
        }
        if self.expect > 1 && self.join.is_empty() {
            return refuse("--expect needs --join: where the other nodes are");
        }
        if !(1..=9).contains(&self.expect) {
            return refuse("--expect must be between 1 and 9");
        }
        if self.node_id == Some(0) {
            return refuse("--node-id must not be 0");
        }
        let addresses = self.join.iter().chain(&self.advertise);
        for address in addresses {
            let port = address.rsplit_once(':').and_then(|(host, port)| {
                (!host.is_empty() && !address.contains(' ')).then(|| port.parse::<u16>().ok())?
            });
            if port.is_none() {
                return refuse(&format!("\"{address}\" is not an address such as host:7432"));
            }
        }
        let (low, high) = self.election_timeout_ms;
        if !(self.heartbeat_ms >= 10 && low >= self.heartbeat_ms * 2 && high > low && high <= 60_000) {
            return refuse(
                "--election-timeout-ms must be two numbers, the first at least twice --heartbeat-ms (which is at least 10), the second larger and at most 60000",
            );
        }
        Ok(())
    }
}

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
    /// The node's part in a cluster.
    pub cluster: ClusterConfig,
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
            cluster: ClusterConfig::default(),
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
        self.cluster.check()?;
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
        let cluster = |cluster| Config { cluster, ..Config::default() }.check();
        let listen = Some("127.0.0.1:7432".parse().unwrap());
        let join = vec!["b:7432".to_owned()];
        let good = ClusterConfig { listen, join: join.clone(), expect: 3, ..ClusterConfig::default() };
        cluster(good.clone()).unwrap();
        assert!(cluster(ClusterConfig { listen: None, ..good.clone() }).is_err());
        assert!(cluster(ClusterConfig { join: vec!["b".into()], ..good.clone() }).is_err());
        assert!(cluster(ClusterConfig { join: Vec::new(), ..good.clone() }).is_err());
        assert!(cluster(ClusterConfig { election_timeout_ms: (10, 5), ..good.clone() }).is_err());
        let everywhere = Some("0.0.0.0:7432".parse().unwrap());
        assert!(cluster(ClusterConfig { listen: everywhere, ..good }).is_err());
        assert!(Config { admin: Some(LISTEN.parse().unwrap()), ..Config::default() }.check().is_err());
    }
}
