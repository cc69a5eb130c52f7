//! What every file knows of itself, in one row: its format, and the last log entry whose changes are
//! in it. The row is updated in the transaction of those changes (invariant 1).

use super::FORMAT_VERSION;
use super::databases::FIRST_DATABASE;
use super::failure::Failure;
use super::identity::Identity;
use super::log::LogId;
use super::sqlite::Connection;
use crate::bail;
use crate::catalog::{PG_CATALOG, PUBLIC, SUPERUSER, system};
use crate::error::Result;
use crate::types::oid::FIRST_USER_OID;
use crate::types::{Datum, DatumRef};

/// What a file's row says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Meta {
    /// The last log entry that is in the file.
    pub(super) applied: LogId,
    /// The last transaction that is in the file.
    pub(super) identity: Identity,
}

/// Tables of ours in every file.
const OWN_TABLES: &[&str] = &[
    "CREATE TABLE \"quorate.meta\" (\"format\" INTEGER NOT NULL, \"term\" INTEGER NOT NULL, \
     \"index\" INTEGER NOT NULL, \"identity\" BLOB NOT NULL) STRICT",
    "CREATE TABLE \"quorate.counter\" (\"next_oid\" INTEGER NOT NULL) STRICT",
    "CREATE TABLE \"quorate.sequence\" (\"oid\" INTEGER PRIMARY KEY, \"last_value\" INTEGER NOT NULL, \
     \"is_called\" INTEGER NOT NULL) STRICT",
    "CREATE TABLE \"quorate.outcome\" (\"id\" BLOB PRIMARY KEY) STRICT, WITHOUT ROWID",
];

/// Tables of ours in the system file.
const SYSTEM_TABLES: &[&str] = &[
    "CREATE TABLE \"quorate.database\" (\"oid\" INTEGER PRIMARY KEY, \"name\" TEXT NOT NULL UNIQUE) STRICT",
];

/// Fills an empty file in one transaction, the same on every node.
pub(super) fn initialise(connection: &mut Connection, is_system: bool, meta: Meta) -> Result<(), Failure> {
    connection.execute("BEGIN IMMEDIATE")?;
    for sql in OWN_TABLES {
        connection.execute_schema(sql)?;
    }
    let format = i64::from(FORMAT_VERSION);
    connection.execute(&format!("INSERT INTO \"quorate.meta\" VALUES ({format}, 0, 0, X'')"))?;
    connection.execute(&format!("INSERT INTO \"quorate.counter\" VALUES ({FIRST_USER_OID})"))?;
    if is_system {
        for sql in SYSTEM_TABLES {
            connection.execute_schema(sql)?;
        }
        let (oid, name) = FIRST_DATABASE;
        let insert = "INSERT INTO \"quorate.database\" VALUES (?1, ?2)";
        connection.run(&insert.into(), &[DatumRef::Integer(oid.into()), DatumRef::Text(name)])?;
    } else {
        initialise_catalog(connection)?;
    }
    write(connection, meta)?;
    connection.execute("COMMIT")
}

fn initialise_catalog(connection: &mut Connection) -> Result<(), Failure> {
    for sql in system::schema() {
        connection.execute_schema(&sql)?;
    }
    let insert =
        "INSERT INTO \"pg_catalog.pg_namespace\" (\"oid\", \"nspname\", \"nspowner\") VALUES (?1, ?2, ?3)";
    let namespaces = [
        (PG_CATALOG, "pg_catalog"),
        (crate::catalog::INFORMATION_SCHEMA, "information_schema"),
        (PUBLIC, "public"),
    ];
    for (oid, name) in namespaces {
        let row = [DatumRef::Integer(oid.into()), DatumRef::Text(name), DatumRef::Integer(SUPERUSER.into())];
        connection.run(&insert.into(), &row)?;
    }
    Ok(())
}

/// Whether the file has been initialised.
pub(super) fn is_initialised(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE name = 'quorate.meta'";
    let rows = connection.query(sql, &[]).map_err(Failure::into_error)?;
    Ok(!rows.is_empty())
}

/// Reads the row. 0A000 for the file of a newer program.
pub(super) fn read(connection: &mut Connection) -> Result<Meta> {
    let sql = "SELECT \"format\", \"term\", \"index\", \"identity\" FROM \"quorate.meta\"";
    let rows = connection.query(sql, &[]).map_err(Failure::into_error)?;
    let Some([Datum::Integer(format), Datum::Integer(term), Datum::Integer(index), Datum::Blob(identity)]) =
        rows.first().map(Vec::as_slice)
    else {
        bail!(DATA_CORRUPTED, "a database file has no valid row about itself");
    };
    if *format > i64::from(FORMAT_VERSION) {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "a database file has format {format}; this program knows formats up to {FORMAT_VERSION}"
        );
    }
    let Ok(identity) = identity.as_slice().try_into() else {
        bail!(DATA_CORRUPTED, "a database file has no valid identity");
    };
    Ok(Meta {
        applied: LogId { term: *term as u64, index: *index as u64 },
        identity: Identity::from_bytes(identity),
    })
}

/// Updates the row in the open transaction.
pub(super) fn write(connection: &mut Connection, meta: Meta) -> Result<(), Failure> {
    thread_local! {
        static SQL: std::sync::Arc<str> = "UPDATE \"quorate.meta\" SET \"term\" = ?1, \"index\" = ?2, \"identity\" = ?3".into();
    }
    let identity = meta.identity.to_bytes();
    let values = [
        DatumRef::Integer(meta.applied.term as i64),
        DatumRef::Integer(meta.applied.index as i64),
        DatumRef::Blob(&identity),
    ];
    connection.run(&SQL.with(std::sync::Arc::clone), &values).map(|_| ())
}
