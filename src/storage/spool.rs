//! Rows that must wait: in memory while they are few, then in a file that has no name, so that it is
//! gone with the process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::values::{Reader, put_row};
use crate::error::{Error, Result, state};
use crate::telemetry;
use crate::types::{Datum, DatumRef};

/// Bytes of rows that stay in memory.
const MEMORY_MAX: usize = 1 << 20;
/// How many bytes are read from the file at once.
const READ_BYTES: u64 = 256 << 10;

/// Where files for large results and large transactions are made.
#[derive(Clone, Debug)]
pub struct SpillDirectory(Arc<PathBuf>);

impl SpillDirectory {
    /// Makes the directory if it is missing.
    pub(super) fn new(path: &Path) -> io::Result<SpillDirectory> {
        std::fs::create_dir_all(path)?;
        Ok(SpillDirectory(Arc::new(path.to_owned())))
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> SpillDirectory {
        SpillDirectory(Arc::new(std::env::temp_dir()))
    }

    /// A new file, whose name is gone again at once.
    pub(super) fn file(&self) -> Result<File> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.0.join(format!("{}-{number}", std::process::id()));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(|error| self.error(&error))?;
        std::fs::remove_file(&path).map_err(|error| self.error(&error))?;
        Ok(file)
    }

    /// The error for a file that could not be made or written.
    pub(super) fn error(&self, error: &io::Error) -> Error {
        telemetry::error!("could not write a temporary file in {}: {error}", self.0.display());
        if error.kind() == io::ErrorKind::StorageFull {
            return Error::new(state::DISK_FULL, "could not write a temporary file: No space left on device")
                .with_hint("Check free disk space.");
        }
        Error::new(state::IO_ERROR, "could not write a temporary file")
    }
}

/// The error for a file that could not be read.
pub(super) fn read_error(error: &io::Error) -> Error {
    telemetry::error!("could not read a temporary file: {error}");
    Error::new(state::IO_ERROR, "could not read a temporary file")
}

/// A list of rows, written to its end and then read from its start.
pub struct Spool {
    directory: SpillDirectory,
    file: Option<File>,
    file_bytes: u64,
    memory: Vec<u8>,
    rows: u64,
    /// The bytes being read, and where in them the next row starts.
    window: Vec<u8>,
    window_place: usize,
    read_bytes: u64,
}

impl Spool {
    /// An empty one.
    pub fn new(directory: SpillDirectory) -> Spool {
        Spool {
            directory,
            file: None,
            file_bytes: 0,
            memory: Vec::new(),
            rows: 0,
            window: Vec::new(),
            window_place: 0,
            read_bytes: 0,
        }
    }

    /// Another empty one in the same place.
    pub fn another(&self) -> Spool {
        Spool::new(self.directory.clone())
    }

    /// How many rows were written.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends a row.
    pub fn push(&mut self, row: &[DatumRef<'_>]) -> Result<()> {
        let start = self.memory.len();
        self.memory.extend_from_slice(&[0; 4]);
        put_row(&mut self.memory, row.iter().copied());
        let length = (self.memory.len() - start - 4) as u32;
        self.memory[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.rows += 1;
        if self.memory.len() >= MEMORY_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(self.directory.file()?);
        }
        if let Some(file) = &self.file {
            file.write_all_at(&self.memory, self.file_bytes).map_err(|error| self.directory.error(&error))?;
            self.file_bytes += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }

    /// Calls `visit` with the next row: `None` at the end.
    pub fn next<T>(&mut self, visit: impl FnOnce(&[DatumRef<'_>]) -> T) -> Result<Option<T>> {
        let Some(length) = self.ahead(4)? else { return Ok(None) };
        let header = self.window[self.window_place..self.window_place + 4].try_into().expect("four bytes");
        debug_assert!(length >= 4);
        let row = u32::from_le_bytes(header) as usize;
        self.ahead(4 + row)?;
        let bytes = &self.window[self.window_place + 4..self.window_place + 4 + row];
        let values = Reader::new(bytes).values()?;
        let answer = visit(&values);
        self.window_place += 4 + row;
        Ok(Some(answer))
    }

    /// Makes at least `length` bytes readable in the window; `None` at the end.
    fn ahead(&mut self, length: usize) -> Result<Option<usize>> {
        while self.window.len() - self.window_place < length {
            let missing = length - (self.window.len() - self.window_place);
            self.window.drain(..self.window_place);
            self.window_place = 0;
            if !self.load(missing as u64)? {
                return Ok(None);
            }
        }
        Ok(Some(length))
    }

    /// Appends the next bytes to the window; false at the end.
    fn load(&mut self, missing: u64) -> Result<bool> {
        if self.read_bytes < self.file_bytes {
            let count = READ_BYTES.max(missing).min(self.file_bytes - self.read_bytes) as usize;
            let start = self.window.len();
            self.window.resize(start + count, 0);
            if let Some(file) = &self.file {
                file.read_exact_at(&mut self.window[start..], self.read_bytes)
                    .map_err(|error| read_error(&error))?;
            }
            self.read_bytes += count as u64;
            return Ok(true);
        }
        let rest = std::mem::take(&mut self.memory);
        self.window.extend_from_slice(&rest);
        Ok(!rest.is_empty())
    }

    /// All rows, for results that are known to be small.
    pub fn into_rows(mut self) -> Result<Vec<Vec<Datum>>> {
        let mut rows = Vec::new();
        while let Some(row) =
            self.next(|values| values.iter().map(|value| DatumRef::to_owned(*value)).collect())?
        {
            rows.push(row);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_from_memory_and_from_a_file() {
        for (rows, width) in [(3u64, 10usize), (5000, 1000), (3, 2 << 20)] {
            let mut spool = Spool::new(SpillDirectory::for_tests());
            let text = "x".repeat(width);
            for number in 0..rows {
                spool
                    .push(&[DatumRef::Integer(number as i64), DatumRef::Text(&text), DatumRef::Null])
                    .unwrap();
            }
            assert_eq!(spool.len(), rows);
            assert_eq!(spool.file.is_some(), rows as usize * width > MEMORY_MAX);
            for number in 0..rows {
                let same = spool.next(|row| {
                    row[0] == DatumRef::Integer(number as i64) && row[1] == DatumRef::Text(&text)
                });
                assert_eq!(same.unwrap(), Some(true));
            }
            assert_eq!(spool.next(|_| ()).unwrap(), None);
            assert_eq!(spool.next(|_| ()).unwrap(), None);
        }
    }
}
