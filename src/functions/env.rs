//! What a function may know of the world: the statement's time, the session, the sequences.

use std::time::Duration;

use crate::error::Result;
use crate::types::{Format, Oid};

/// The surroundings of one running statement.
pub trait Env: Sync {
    /// The session's settings for reading and printing values; `now_us` is the transaction's start.
    fn format(&self) -> &Format;

    /// The statement's start, in microseconds since 2000-01-01 UTC.
    fn statement_us(&self) -> i64;

    /// The time now, in microseconds since 2000-01-01 UTC.
    fn clock_us(&self) -> i64;

    /// Fills `bytes` with random ones.
    fn random(&self, bytes: &mut [u8]);

    /// The session's pseudo-random number in 0 .. 1, which `setseed` fixes.
    fn random_double(&self) -> f64;

    /// Fixes the session's pseudo-random numbers.
    fn set_seed(&self, seed: f64);

    /// Waits, unless the statement is cancelled first (57014).
    fn sleep(&self, duration: Duration) -> Result<()>;

    /// Who the session is.
    fn user(&self) -> &str;

    /// The database the session is connected to.
    fn database(&self) -> &str;

    /// The first schema of the search path that exists.
    fn schema(&self) -> Option<&str>;

    /// The session's number, as in BackendKeyData.
    fn backend_pid(&self) -> i32;

    /// A setting's value as SHOW prints it. 42704 for an unknown name.
    fn setting(&self, name: &str) -> Result<String>;

    /// What became of a transaction, by its id: `committed`, `aborted`, or `None` if it is too long ago.
    /// 22P02 for what is no id.
    fn commit_status(&self, id: &str) -> Result<Option<&'static str>>;

    /// Sets a setting as SET or SET LOCAL does and returns its new value.
    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String>;

    /// The oid of the relation that a name stands for on the search path. 42P01 if there is none.
    fn relation(&self, name: &str) -> Result<Oid>;

    /// The sequence that a column owns, as a qualified name. 42P01 and 42703 for what does not exist.
    fn serial_sequence(&self, table: &str, column: &str) -> Result<Option<String>>;

    /// Whether a relation can be named without its schema.
    fn is_visible(&self, oid: Oid) -> Option<bool>;

    /// Takes a sequence's next value.
    fn next_value(&self, sequence: Oid) -> Result<i64>;

    /// The value this session last took from a sequence. 55000 if none.
    fn current_value(&self, sequence: Oid) -> Result<i64>;

    /// The value this session last took from any sequence. 55000 if none.
    fn last_value(&self) -> Result<i64>;

    /// Sets a sequence; `is_called` tells whether the next value comes after `value` or is it.
    fn set_value(&self, sequence: Oid, value: i64, is_called: bool) -> Result<()>;
}
