//! Makes what is committed to a file durable, and its write-ahead log short.
//!
//! Commits are not flushed (the raft log is). A flush makes everything committed before it durable: it
//! is what allows the raft log to be purged. A checkpoint copies SQLite's write-ahead log into the
//! file, so that the log can start again; it runs beside readers and the writer.

use std::ffi::{c_char, c_int, c_void};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ffi;

use super::sqlite::{self, Access, Connection};
use crate::error::{Error, Result, state};
use crate::telemetry;

/// Pages in the write-ahead log that are worth a checkpoint beside the writer: 16 MiB.
const BACKGROUND_PAGES: u64 = 4096;
/// Pages at which the writer itself stops to finish the checkpoint, because it outruns the other: 256 MiB.
const FORCED_PAGES: u64 = 65_536;

/// Watches one file's write-ahead log.
pub(super) struct Checkpointer {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
    pages: Arc<AtomicU64>,
    /// The pages at which the writer tries again; grows while a long reader makes it futile.
    forced_at: AtomicU64,
}

/// The path of a file's write-ahead log.
fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

impl Checkpointer {
    pub(super) fn new(path: &Path) -> Checkpointer {
        Checkpointer {
            path: path.to_owned(),
            connection: Mutex::new(None),
            pages: Arc::new(AtomicU64::new(0)),
            forced_at: AtomicU64::new(FORCED_PAGES),
        }
    }

    /// Learns the length of the write-ahead log from each commit of the writer's connection, which must
    /// not outlive this watcher.
    pub(super) fn watch(&self, writer: &Connection) {
        unsafe extern "C" fn on_commit(
            pages: *mut c_void,
            _: *mut ffi::sqlite3,
            _: *const c_char,
            count: c_int,
        ) -> c_int {
            // SAFETY: `watch` gave this pointer, which the watcher's Arc keeps alive.
            let pages = unsafe { &*pages.cast::<AtomicU64>() };
            pages.store(count.max(0) as u64, Ordering::Relaxed);
            ffi::SQLITE_OK
        }
        let pages = Arc::as_ptr(&self.pages).cast_mut().cast();
        // SAFETY: the connection is open; the pointer stays valid while this watcher lives.
        unsafe { ffi::sqlite3_wal_hook(writer.handle(), Some(on_commit), pages) };
    }

    /// Whether a checkpoint is due.
    pub(super) fn is_due(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= BACKGROUND_PAGES
    }

    /// Flushes what is committed to stable storage. Blocks for the disk.
    pub(super) fn flush(&self) -> Result<()> {
        let wal = wal_path(&self.path);
        let flushed = match wal.exists() {
            true => sqlite::sync(&wal, ffi::SQLITE_OPEN_WAL),
            false => sqlite::sync(&self.path, ffi::SQLITE_OPEN_MAIN_DB),
        };
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let named = File::open(directory).and_then(|directory| directory.sync_all());
        flushed.and(named).map_err(|error| {
            telemetry::error!("could not flush {}: {error}", self.path.display());
            Error::new(state::IO_ERROR, "could not flush a database file")
        })
    }

    /// Copies the write-ahead log into the file, as far as no reader needs the file as it is. Blocks for
    /// the disk.
    pub(super) fn run(&self) -> Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_none() {
            *connection = Some(Connection::open(&self.path, Access::Writer)?);
        }
        if let Some(connection) = &mut *connection {
            checkpoint(connection)?;
        }
        Ok(())
    }

    /// Called by the writer after a commit: finishes the checkpoint when its log has become very long.
    pub(super) fn run_if_overdue(&self, writer: &mut Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.forced_at.load(Ordering::Relaxed) {
            return;
        }
        let outcome = checkpoint(writer);
        let is_complete = matches!(outcome, Ok(true));
        self.forced_at
            .store(if is_complete { FORCED_PAGES } else { pages + FORCED_PAGES }, Ordering::Relaxed);
        if let Err(error) = outcome {
            telemetry::warn!("a checkpoint of {} failed: {error}", self.path.display());
        }
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Runs a checkpoint and tells whether it copied everything.
fn checkpoint(connection: &mut Connection) -> Result<bool> {
    let (mut in_log, mut copied) = (0, 0);
    // SAFETY: the connection is open, and the two numbers outlive the call.
    let code = unsafe {
        ffi::sqlite3_wal_checkpoint_v2(
            connection.handle(),
            std::ptr::null(),
            ffi::SQLITE_CHECKPOINT_PASSIVE,
            &mut in_log,
            &mut copied,
        )
    };
    telemetry::metrics::CHECKPOINTS.increment();
    match code {
        ffi::SQLITE_OK => Ok(in_log == copied),
        ffi::SQLITE_BUSY => Ok(false),
        ffi::SQLITE_FULL => Err(Error::new(state::DISK_FULL, "no space left on the device for a data file")),
        code => Err(Error::new(state::IO_ERROR, format!("checkpoint failed with SQLite's code {code}"))),
    }
}
