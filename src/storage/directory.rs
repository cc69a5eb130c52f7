//! The data directory: which process has it, and where things are in it.
//!
//! ```text
//! FORMAT          the directory's format
//! LOCK            locked by the process that uses it, whose number it holds
//! system.db       the list of databases
//! databases/N.db  a database, by its oid
//! node/           facts of this node alone, a file each
//! log/            the raft log
//! temporary/      large results and transactions in progress; emptied at every start
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::FORMAT_VERSION;
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::Oid;

/// An open data directory; other processes cannot open it meanwhile.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    let sqlstate = match error.kind() {
        io::ErrorKind::StorageFull => state::DISK_FULL,
        _ => state::IO_ERROR,
    };
    Error::new(sqlstate, format!("could not {what} \"{}\": {error}", path.display()))
}

impl DataDirectory {
    /// Opens a directory, creating it if it is missing. The error says in one line why it cannot be used.
    pub fn open(path: &Path) -> Result<DataDirectory> {
        std::fs::create_dir_all(path).map_err(|error| failed("create the data directory", path, &error))?;
        let lock = lock(path)?;
        check_format(path)?;
        for name in ["databases", "node", "log"] {
            let path = path.join(name);
            std::fs::create_dir_all(&path).map_err(|error| failed("create the directory", &path, &error))?;
        }
        let directory = DataDirectory { path: path.to_owned(), _lock: lock };
        let temporary = directory.temporary();
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)
                .map_err(|error| failed("empty the directory", &temporary, &error))?;
        }
        Ok(directory)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The system file.
    pub fn system_file(&self) -> PathBuf {
        self.path.join("system.db")
    }

    /// A database's file.
    pub fn database_file(&self, oid: Oid) -> PathBuf {
        self.path.join("databases").join(format!("{oid}.db"))
    }

    /// The raft log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// A fact of this node that was kept, by its name.
    pub fn fact(&self, name: &str) -> Result<Option<String>> {
        let path = self.path.join("node").join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    /// Keeps a fact of this node, durably. Blocks for the disk.
    pub fn keep_fact(&self, name: &str, value: &str) -> Result<()> {
        write_durably(&self.path.join("node").join(name), &format!("{value}\n"))
    }

    /// For files that need not survive the process.
    pub fn temporary(&self) -> PathBuf {
        self.path.join("temporary")
    }
}

fn lock(path: &Path) -> Result<File> {
    let path = path.join("LOCK");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|error| failed("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            let directory = path.parent().unwrap_or(&path).display();
            bail!(OBJECT_IN_USE, "data directory \"{directory}\" is in use by another process ({holder})");
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", &path, &error)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
    written.map_err(|error| failed("write", &path, &error))?;
    Ok(file)
}

/// Refuses the directory of a newer program, and one that holds something else.
fn check_format(path: &Path) -> Result<()> {
    let format_path = path.join("FORMAT");
    match std::fs::read_to_string(&format_path) {
        Ok(text) => {
            match text.trim().strip_prefix("quorate ").and_then(|number| number.parse::<u32>().ok()) {
                Some(FORMAT_VERSION) => Ok(()),
                Some(format) => bail!(
                    FEATURE_NOT_SUPPORTED,
                    "data directory \"{}\" has format {format}; this program knows format {FORMAT_VERSION}: use the program that wrote it, or a newer one",
                    path.display()
                ),
                None => bail!(DATA_CORRUPTED, "\"{}\" does not hold a format", format_path.display()),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_empty(path)?;
            write_durably(&format_path, &format!("quorate {FORMAT_VERSION}\n"))
        }
        Err(error) => Err(failed("read", &format_path, &error)),
    }
}

/// A directory without a format must be empty but for the lock: it may be anyone's.
fn check_empty(path: &Path) -> Result<()> {
    let entries = std::fs::read_dir(path).map_err(|error| failed("read", path, &error))?;
    let ours = ["LOCK", "lost+found"];
    for entry in entries.flatten() {
        if !ours.iter().any(|name| entry.file_name() == *name) {
            bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "\"{}\" is not empty and not a data directory of Quorate",
                path.display()
            );
        }
    }
    Ok(())
}

/// Writes a small file so that it is there whole or not at all.
fn write_durably(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    let directory = path.parent().unwrap_or(Path::new("."));
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&partial, path))
        .and_then(|()| File::open(directory)?.sync_all());
    written.map_err(|error| failed("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_and_one_format() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::open(&path).unwrap();
        let again = DataDirectory::open(&path).unwrap_err();
        assert!(again.message().contains("in use by another process (process "), "{again}");
        drop(directory);
        DataDirectory::open(&path).unwrap();
        std::fs::write(path.join("FORMAT"), "quorate 99\n").unwrap();
        assert!(DataDirectory::open(&path).unwrap_err().message().contains("has format 99"));
    }

    #[test]
    fn a_directory_of_something_else_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("letter.txt"), "dear").unwrap();
        assert!(DataDirectory::open(parent.path()).unwrap_err().message().contains("is not empty"));
    }
}
