//! A thin safe layer over SQLite's C interface: connections with cached statements, values without
//! copies. rusqlite opens and configures; the hot path goes to the C functions directly.

use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use rusqlite::ffi;
use rusqlite::{Connection as RusqliteConnection, OpenFlags};

use super::failure::Failure;
use super::{execution, functions, guard, tables};
use crate::error::{Error, Result, state};
use crate::types::{Datum, DatumRef};

/// How many prepared statements a connection keeps.
const STATEMENTS_MAX: usize = 200;
/// The progress handler is called after this many of SQLite's instructions.
const PROGRESS_INSTRUCTIONS: c_int = 2000;
/// How long to wait for a lock on the file, which only checkpoints hold, and briefly.
const BUSY_TIMEOUT_MS: u32 = 10_000;

/// How a connection is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// The one that writes.
    Writer,
    /// One that reads.
    Reader,
}

impl Access {
    /// Page cache in KiB: the writer's holds a large transaction, a reader's the upper index pages.
    fn cache_kib(self) -> i64 {
        match self {
            Access::Writer => 64 * 1024,
            Access::Reader => 8 * 1024,
        }
    }
}

/// A connection to one file.
pub(super) struct Connection {
    /// Before `inner`, so that statements are finalized before the connection closes.
    statements: StatementCache,
    inner: RusqliteConnection,
}

// SAFETY: a connection and its statements move between threads together and are used by one at a time:
// every method takes `&mut self` or is behind one.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens a file, shuts everything that statements must not do, and registers our functions.
    pub(super) fn open(path: &Path, access: Access) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut inner =
            RusqliteConnection::open_with_flags(path, flags).map_err(|error| setup_error(path, &error))?;
        let configured = configure(&mut inner, access);
        configured.map_err(|error| setup_error(path, &error))?;
        let connection = Connection { statements: StatementCache::default(), inner };
        connection.set_progress_handler();
        Ok(connection)
    }

    pub(super) fn handle(&self) -> *mut ffi::sqlite3 {
        // SAFETY: the handle is used only while this connection lives.
        unsafe { self.inner.handle() }
    }

    /// rusqlite's own connection, for its backup interface.
    pub(super) fn rusqlite(&self) -> &RusqliteConnection {
        &self.inner
    }

    fn set_progress_handler(&self) {
        extern "C" fn handler(_: *mut std::ffi::c_void) -> c_int {
            c_int::from(std::panic::catch_unwind(execution::should_interrupt).unwrap_or(true))
        }
        // SAFETY: the handler takes no argument and never unwinds.
        unsafe {
            ffi::sqlite3_progress_handler(
                self.handle(),
                PROGRESS_INSTRUCTIONS,
                Some(handler),
                std::ptr::null_mut(),
            );
        }
    }

    /// Takes a statement from the cache or prepares it. It goes back with [`Connection::put_back`].
    pub(super) fn take(&mut self, sql: &Arc<str>) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.take(sql) {
            return Ok(statement);
        }
        self.prepare(sql)
    }

    /// Prepares a statement.
    pub(super) fn prepare(&mut self, sql: &Arc<str>) -> Result<Statement, Failure> {
        let length = c_int::try_from(sql.len())
            .map_err(|_| Error::new(state::PROGRAM_LIMIT_EXCEEDED, "statement is too long"))?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the text is valid for `length` bytes and copied by SQLite.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                self.handle(),
                sql.as_ptr().cast(),
                length,
                ffi::SQLITE_PREPARE_PERSISTENT,
                &mut raw,
                std::ptr::null_mut(),
            )
        };
        match NonNull::new(raw) {
            Some(raw) if code == ffi::SQLITE_OK => Ok(Statement { raw, sql: sql.clone() }),
            _ => Err(self.failure(code, sql)),
        }
    }

    /// Gives a statement back for the next use of its text.
    pub(super) fn put_back(&mut self, mut statement: Statement) {
        statement.reset();
        self.statements.put(statement);
    }

    /// The failure that SQLite reports for its last call on this connection.
    fn failure(&self, code: c_int, sql: &str) -> Failure {
        // SAFETY: the handle is valid, and the message is copied before the next call.
        let (extended, message) = unsafe {
            let message = std::ffi::CStr::from_ptr(ffi::sqlite3_errmsg(self.handle()));
            (ffi::sqlite3_extended_errcode(self.handle()), message.to_string_lossy().into_owned())
        };
        let code = if code == ffi::SQLITE_OK { extended } else { extended.max(code) };
        Failure::from_sqlite(code, &message, sql)
    }

    /// Runs a statement that gives no rows, from the cache.
    pub(super) fn run(&mut self, sql: &Arc<str>, parameters: &[DatumRef<'_>]) -> Result<u64, Failure> {
        let mut statement = self.take(sql)?;
        let outcome = self.run_prepared(&mut statement, parameters);
        self.put_back(statement);
        outcome
    }

    /// Runs a prepared statement to its end and tells how many rows it changed.
    pub(super) fn run_prepared(
        &mut self,
        statement: &mut Statement,
        parameters: &[DatumRef<'_>],
    ) -> Result<u64, Failure> {
        statement.bind_all(parameters)?;
        while self.step(statement)? {}
        Ok(self.changes())
    }

    /// Steps a statement: whether there is a row.
    pub(super) fn step(&self, statement: &mut Statement) -> Result<bool, Failure> {
        // SAFETY: the statement belongs to this connection and is not used by anyone else.
        match unsafe { ffi::sqlite3_step(statement.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => {
                let failure = self.failure(code, &statement.sql);
                statement.reset();
                Err(failure)
            }
        }
    }

    /// Rows changed by the last INSERT, UPDATE or DELETE.
    pub(super) fn changes(&self) -> u64 {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_changes64(self.handle()).max(0) as u64 }
    }

    /// The row number of the last INSERT.
    pub(super) fn last_insert_rowid(&self) -> i64 {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_last_insert_rowid(self.handle()) }
    }

    /// Whether no transaction is open.
    pub(super) fn is_autocommit(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { ffi::sqlite3_get_autocommit(self.handle()) != 0 }
    }

    /// Runs text that gives no rows, without the cache.
    pub(super) fn execute(&mut self, sql: &str) -> Result<(), Failure> {
        let mut statement = self.prepare(&Arc::from(sql))?;
        self.run_prepared(&mut statement, &[]).map(|_| ())
    }

    /// Runs a change of the schema, which the guard lets through.
    pub(super) fn execute_schema(&mut self, sql: &str) -> Result<(), Failure> {
        guard::with_schema_access(|| self.execute(sql))
    }

    /// All rows of a query of ours.
    pub(super) fn query(
        &mut self,
        sql: &str,
        parameters: &[DatumRef<'_>],
    ) -> Result<Vec<Vec<Datum>>, Failure> {
        let mut statement = self.take(&Arc::from(sql))?;
        let rows = self.collect(&mut statement, parameters);
        self.put_back(statement);
        rows
    }

    fn collect(
        &mut self,
        statement: &mut Statement,
        parameters: &[DatumRef<'_>],
    ) -> Result<Vec<Vec<Datum>>, Failure> {
        statement.bind_all(parameters)?;
        let mut rows = Vec::new();
        while self.step(statement)? {
            rows.push(
                (0..statement.column_count()).map(|column| statement.column(column).to_owned()).collect(),
            );
        }
        Ok(rows)
    }
}

fn setup_error(path: &Path, error: &rusqlite::Error) -> Error {
    let sqlstate = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => state::DISK_FULL,
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            state::DATA_CORRUPTED
        }
        _ => state::IO_ERROR,
    };
    Error::new(sqlstate, format!("could not open {}: {error}", path.display()))
}

fn configure(connection: &mut RusqliteConnection, access: Access) -> rusqlite::Result<()> {
    use rusqlite::config::DbConfig;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS.into()))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The raft log is what makes a commit durable; the file itself only has to stay consistent.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    connection.pragma_update(None, "cache_size", -access.cache_kib())?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if access == Access::Reader {
        connection.pragma_update(None, "query_only", "ON")?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    guard::set_limits(connection)?;
    functions::register(connection)?;
    tables::register(connection)?;
    guard::install(connection)
}

/// Flushes a file, which exists and is of a kind that SQLite names (`SQLITE_OPEN_WAL` and the like), to stable
/// storage. By SQLite's own way to files: whatever takes its place in a test sees this, too.
pub(super) fn sync(path: &Path, kind: c_int) -> std::io::Result<()> {
    let failed = |what: &str, code: c_int| {
        Err(std::io::Error::other(format!("{} could not be {what} (SQLite's code {code})", path.display())))
    };
    // The name ends with an empty parameter list, as SQLite wants it.
    let name = [path.as_os_str().as_encoded_bytes(), b"\0\0\0\0"].concat();
    // SAFETY: the default VFS lives as long as the process. The file's memory is as large as the VFS asks for, of
    // the alignment of pointers, and zero before it is opened. Name and memory outlive the file.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        let Some(open) = vfs.as_ref().and_then(|vfs| vfs.xOpen) else {
            return failed("opened", ffi::SQLITE_ERROR);
        };
        let mut memory = vec![0_u64; ((*vfs).szOsFile as usize).div_ceil(size_of::<u64>())];
        let file: *mut ffi::sqlite3_file = memory.as_mut_ptr().cast();
        let code =
            open(vfs, name.as_ptr().cast(), file, kind | ffi::SQLITE_OPEN_READWRITE, std::ptr::null_mut());
        let methods = (*file).pMethods.as_ref();
        let synced = match (code, methods.and_then(|methods| methods.xSync)) {
            (ffi::SQLITE_OK, Some(sync)) => sync(file, ffi::SQLITE_SYNC_NORMAL | ffi::SQLITE_SYNC_DATAONLY),
            _ => return failed("opened", code),
        };
        if let Some(close) = methods.and_then(|methods| methods.xClose) {
            close(file);
        }
        if synced == ffi::SQLITE_OK { Ok(()) } else { failed("flushed", synced) }
    }
}

/// A prepared statement. It must be used with the connection that prepared it.
pub(super) struct Statement {
    raw: NonNull<ffi::sqlite3_stmt>,
    sql: Arc<str>,
}

// SAFETY: as for the connection, with which it moves.
unsafe impl Send for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the statement is finalized once, before its connection closes.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

impl Statement {
    /// Binds all parameters, which stay valid until the statement is reset: text and blobs are copied.
    pub(super) fn bind_all(&mut self, parameters: &[DatumRef<'_>]) -> Result<(), Failure> {
        for (place, value) in parameters.iter().enumerate() {
            self.bind(place + 1, *value)?;
        }
        Ok(())
    }

    fn bind(&mut self, place: usize, value: DatumRef<'_>) -> Result<(), Failure> {
        let (raw, place) = (self.raw.as_ptr(), place as c_int);
        // SAFETY: pointers are valid for the given lengths, and SQLite copies what they point to.
        let code = unsafe {
            match value {
                DatumRef::Null => ffi::sqlite3_bind_null(raw, place),
                DatumRef::Integer(value) => ffi::sqlite3_bind_int64(raw, place, value),
                DatumRef::Real(value) => ffi::sqlite3_bind_double(raw, place, value),
                DatumRef::Text(value) => ffi::sqlite3_bind_text64(
                    raw,
                    place,
                    value.as_ptr().cast(),
                    value.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    ffi::SQLITE_UTF8 as u8,
                ),
                DatumRef::Blob([]) => ffi::sqlite3_bind_zeroblob(raw, place, 0),
                DatumRef::Blob(value) => ffi::sqlite3_bind_blob64(
                    raw,
                    place,
                    value.as_ptr().cast(),
                    value.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                ),
            }
        };
        match code {
            ffi::SQLITE_OK => Ok(()),
            code => Err(Failure::from_sqlite(code, "a parameter could not be bound", &self.sql)),
        }
    }

    pub(super) fn column_count(&self) -> usize {
        // SAFETY: the statement is valid.
        unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) as usize }
    }

    /// The name of a result column.
    pub(super) fn column_name(&self, column: usize) -> String {
        // SAFETY: the column exists, and the name is copied at once.
        unsafe {
            let name = ffi::sqlite3_column_name(self.raw.as_ptr(), column as c_int);
            std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// A value of the current row, in SQLite's memory until the next step.
    pub(super) fn column(&self, column: usize) -> DatumRef<'_> {
        let (raw, column) = (self.raw.as_ptr(), column as c_int);
        // SAFETY: there is a current row, and the borrow of `self` ends before the next step.
        unsafe {
            match ffi::sqlite3_column_type(raw, column) {
                ffi::SQLITE_INTEGER => DatumRef::Integer(ffi::sqlite3_column_int64(raw, column)),
                ffi::SQLITE_FLOAT => DatumRef::Real(ffi::sqlite3_column_double(raw, column)),
                ffi::SQLITE_TEXT => {
                    let start = ffi::sqlite3_column_text(raw, column);
                    let length = ffi::sqlite3_column_bytes(raw, column);
                    text_datum(bytes_at(start, length))
                }
                ffi::SQLITE_BLOB => {
                    let start = ffi::sqlite3_column_blob(raw, column).cast();
                    let length = ffi::sqlite3_column_bytes(raw, column);
                    DatumRef::Blob(bytes_at(start, length))
                }
                _ => DatumRef::Null,
            }
        }
    }

    /// Back to the start; parameters are forgotten.
    pub(super) fn reset(&mut self) {
        // SAFETY: the statement is valid. The code repeats the failure of the last step.
        unsafe {
            ffi::sqlite3_reset(self.raw.as_ptr());
            ffi::sqlite3_clear_bindings(self.raw.as_ptr());
        }
    }
}

/// A slice from SQLite's pointer and length; an empty one may have a null pointer.
///
/// # Safety
/// The pointer is null or valid for `length` bytes for the lifetime `'a`.
pub(super) unsafe fn bytes_at<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    if start.is_null() || length <= 0 {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(start, length as usize) }
}

/// Text from SQLite. Only valid UTF-8 is ever stored; a damaged file shows as an empty text.
pub(super) fn text_datum(bytes: &[u8]) -> DatumRef<'_> {
    DatumRef::Text(std::str::from_utf8(bytes).unwrap_or_default())
}

/// A borrowed value from one of SQLite's value objects.
///
/// # Safety
/// The value is valid for the lifetime `'a`, during which it is not converted.
pub(super) unsafe fn value_ref<'a>(value: *mut ffi::sqlite3_value) -> DatumRef<'a> {
    // SAFETY: by this function's contract.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => DatumRef::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => DatumRef::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let start = ffi::sqlite3_value_text(value);
                text_datum(bytes_at(start, ffi::sqlite3_value_bytes(value)))
            }
            ffi::SQLITE_BLOB => {
                let start = ffi::sqlite3_value_blob(value).cast();
                DatumRef::Blob(bytes_at(start, ffi::sqlite3_value_bytes(value)))
            }
            _ => DatumRef::Null,
        }
    }
}

/// Prepared statements that are not in use, by their text.
#[derive(Default)]
struct StatementCache {
    by_text: HashMap<Arc<str>, (u64, Statement)>,
    clock: u64,
}

impl StatementCache {
    fn take(&mut self, sql: &Arc<str>) -> Option<Statement> {
        self.by_text.remove(sql).map(|(_, statement)| statement)
    }

    /// Keeps a statement; the one unused for longest makes room.
    fn put(&mut self, statement: Statement) {
        self.clock += 1;
        if self.by_text.len() >= STATEMENTS_MAX {
            let oldest = self.by_text.iter().min_by_key(|(_, (used, _))| *used).map(|(sql, _)| sql.clone());
            if let Some(oldest) = oldest {
                self.by_text.remove(&oldest);
            }
        }
        self.by_text.insert(statement.sql.clone(), (self.clock, statement));
    }
}

/// A name for the C interface.
pub(super) fn c_name(name: &str) -> CString {
    CString::new(name).expect("names of functions and tables have no NUL")
}
