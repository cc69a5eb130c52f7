//! Counters and gauges. Each is a static in the const registry [`ALL`], so that the metrics page
//! and its documentation are generated from the same lines.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
pub struct Counter {
    /// Prometheus name.
    pub name: &'static str,
    /// One sentence for HELP.
    pub help: &'static str,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Counter {
        Counter { name, help, value: AtomicU64::new(0) }
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
pub struct Gauge {
    /// Prometheus name.
    pub name: &'static str,
    /// One sentence for HELP.
    pub help: &'static str,
    value: AtomicI64,
}

impl Gauge {
    const fn new(name: &'static str, help: &'static str) -> Gauge {
        Gauge { name, help, value: AtomicI64::new(0) }
    }

    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Adds `difference`, which may be negative.
    pub fn add(&self, difference: i64) {
        self.value.fetch_add(difference, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// One line of the registry.
pub enum Metric {
    /// A counter.
    Counter(&'static Counter),
    /// A gauge.
    Gauge(&'static Gauge),
}

macro_rules! metrics {
    ($($kind:ident $ident:ident = $name:literal, $help:literal;)*) => {
        $(#[doc = $help] pub static $ident: $kind = $kind::new($name, $help);)*

        /// Every metric, in the order of the metrics page.
        pub static ALL: &[Metric] = &[$(Metric::$kind(&$ident)),*];
    };
}

metrics! {
    Gauge CONNECTIONS = "quorate_connections", "Client connections that are open now.";
    Counter CONNECTIONS_TOTAL = "quorate_connections_total", "Client connections accepted since the start.";
    Counter STATEMENTS = "quorate_statements_total", "Statements executed.";
    Counter ERRORS = "quorate_errors_total", "Errors sent to clients.";
    Counter COMMITS = "quorate_commits_total", "Write transactions acknowledged.";
    Counter ROLLBACKS = "quorate_rollbacks_total", "Write transactions rolled back.";
    Counter LOG_ENTRIES = "quorate_log_entries_total", "Data entries proposed to the log by this node.";
    Counter LOG_BYTES = "quorate_log_bytes_total", "Bytes of data entries proposed to the log by this node.";
    Counter ENTRIES_APPLIED = "quorate_entries_applied_total", "Entries applied from the log that this node had not executed itself.";
    Counter ENTRIES_REFUSED = "quorate_entries_refused_total", "Entries refused by the base check.";
    Counter SETTLES = "quorate_settles_total", "SQLite commits, each of one or more transactions.";
    Counter REDOS = "quorate_redos_total", "Open transactions taken off and redone so that others could be committed.";
    Counter CHECKPOINTS = "quorate_checkpoints_total", "Checkpoints of data files.";
    Gauge APPLIED_INDEX = "quorate_applied_index", "The last log index applied.";
}

/// The registry in Prometheus' text format.
pub fn render() -> String {
    let mut page = String::new();
    for metric in ALL {
        let (name, help, kind, value) = match metric {
            Metric::Counter(counter) => (counter.name, counter.help, "counter", counter.get() as i64),
            Metric::Gauge(gauge) => (gauge.name, gauge.help, "gauge", gauge.get()),
        };
        page.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
    }
    page
}
