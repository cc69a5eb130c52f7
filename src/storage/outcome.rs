//! Which transactions with an id have been committed, kept in each file for a while. This node's own
//! record of the log, not a part of the data: nodes may forget at different times.

use super::failure::Failure;
use super::identity::TransactionId;
use super::sqlite::Connection;
use crate::error::Result;
use crate::types::DatumRef;

/// How long an outcome is kept at least after its transaction started, in microseconds: two hours.
pub const OUTCOME_KEPT_US: i64 = 2 * 3600 * 1_000_000;

/// Outcomes older than this relative to one that is noted are forgotten, a few at a time.
const FORGOTTEN_AT_ONCE: i64 = 3;

/// Notes that a transaction is in the state that the open SQLite transaction commits.
pub(super) fn note(connection: &mut Connection, id: Option<TransactionId>) -> Result<(), Failure> {
    thread_local! {
        static INSERT: std::sync::Arc<str> =
            "INSERT OR IGNORE INTO \"quorate.outcome\" (\"id\") VALUES (?1)".into();
        static FORGET: std::sync::Arc<str> =
            "DELETE FROM \"quorate.outcome\" WHERE \"id\" IN (SELECT \"id\" FROM \"quorate.outcome\" WHERE \"id\" < ?1 \
             ORDER BY \"id\" LIMIT ?2)"
                .into();
    }
    let Some(id) = id else { return Ok(()) };
    connection.run(&INSERT.with(std::sync::Arc::clone), &[DatumRef::Blob(&id.to_bytes())])?;
    let oldest = TransactionId { time_us: id.time_us - OUTCOME_KEPT_US, random: 0 };
    let values = [DatumRef::Blob(&oldest.to_bytes()), DatumRef::Integer(FORGOTTEN_AT_ONCE)];
    connection.run(&FORGET.with(std::sync::Arc::clone), &values).map(|_| ())
}

/// Whether a transaction is in the state that a connection sees.
pub(super) fn is_noted(connection: &mut Connection, id: TransactionId) -> Result<bool> {
    let sql = "SELECT 1 FROM \"quorate.outcome\" WHERE \"id\" = ?1";
    let rows = connection.query(sql, &[DatumRef::Blob(&id.to_bytes())]).map_err(Failure::into_error)?;
    Ok(!rows.is_empty())
}
