//! The data directory: which process has it, and where things are in it.
//!
//! ```text
//! FORMAT               the directory's format
//! LOCK                 locked by the process that uses it, whose number it holds
//! databases/system.db  the list of databases
//! databases/N.db       a database, by its oid
//! databases-G/         the same, after the files were replaced by another node's for the G-th time
//! node/                facts of this node alone, a file each
//! log/                 the raft log
//! incoming/            another node's files on their way
//! temporary/           large results and transactions in progress, copies for others; emptied at every start
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::FORMAT_VERSION;
use super::databases::SYSTEM;
use crate::bail;
use crate::error::{Error, Result, state};
use crate::types::Oid;

/// An open data directory; other processes cannot open it meanwhile.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
    /// How often the files were replaced.
    generation: AtomicU64,
}

/// The fact that says how often the files were replaced.
const GENERATION: &str = "generation";

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
        for name in ["node", "log"] {
            let path = path.join(name);
            std::fs::create_dir_all(&path).map_err(|error| failed("create the directory", &path, &error))?;
        }
        let directory =
            DataDirectory { path: path.to_owned(), _lock: lock, generation: AtomicU64::default() };
        if let Some(generation) = directory.fact(GENERATION)? {
            let Ok(generation) = generation.parse() else {
                bail!(DATA_CORRUPTED, "the data directory's file node/{GENERATION} is damaged");
            };
            directory.generation.store(generation, Ordering::Release);
        }
        let databases = directory.databases();
        std::fs::create_dir_all(&databases)
            .map_err(|error| failed("create the directory", &databases, &error))?;
        directory.remove_others()?;
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

    fn generation_path(&self, generation: u64) -> PathBuf {
        match generation {
            0 => self.path.join("databases"),
            generation => self.path.join(format!("databases-{generation}")),
        }
    }

    /// Where all files are.
    pub fn databases(&self) -> PathBuf {
        self.generation_path(self.generation.load(Ordering::Acquire))
    }

    /// The file of a database, or the system file.
    pub fn database_file(&self, oid: Oid) -> PathBuf {
        self.databases().join(file_name(oid))
    }

    /// For another node's files on their way.
    pub fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Puts other files in the place of all databases' at once, durably. Who has the old ones open keeps
    /// them; they are deleted at the next start. Blocks for the disk.
    pub(super) fn replace_databases(&self, files: &Path) -> Result<()> {
        let synced = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        let entries = std::fs::read_dir(files).map_err(|error| failed("read", files, &error))?;
        for entry in entries.flatten() {
            synced(&entry.path()).map_err(|error| failed("flush", &entry.path(), &error))?;
        }
        let generation = self.generation.load(Ordering::Acquire) + 1;
        let target = self.generation_path(generation);
        let renamed = synced(files)
            .and_then(|()| match std::fs::remove_dir_all(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
            .and_then(|()| std::fs::rename(files, &target))
            .and_then(|()| synced(&self.path));
        renamed.map_err(|error| failed("rename", files, &error))?;
        self.keep_fact(GENERATION, &generation.to_string())?;
        self.generation.store(generation, Ordering::Release);
        Ok(())
    }

    /// Deletes the files of other generations: of before a replacement, or of one that did not happen.
    fn remove_others(&self) -> Result<()> {
        let own = self.databases();
        let entries = std::fs::read_dir(&self.path).map_err(|error| failed("read", &self.path, &error))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_generation = name == "databases" || name.starts_with("databases-");
            if is_generation && path != own {
                std::fs::remove_dir_all(&path).map_err(|error| failed("delete", &path, &error))?;
            }
        }
        Ok(())
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

/// A file's name in its directory.
pub(super) fn file_name(oid: Oid) -> String {
    if oid == SYSTEM { "system.db".into() } else { format!("{oid}.db") }
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
    fn files_are_replaced_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::open(&path).unwrap();
        std::fs::write(directory.database_file(SYSTEM), "old").unwrap();
        std::fs::create_dir(directory.incoming()).unwrap();
        std::fs::write(directory.incoming().join(file_name(SYSTEM)), "new").unwrap();
        let old = directory.database_file(SYSTEM);
        directory.replace_databases(&directory.incoming()).unwrap();
        let new =
            |directory: &DataDirectory| std::fs::read_to_string(directory.database_file(SYSTEM)).unwrap();
        assert_eq!((new(&directory).as_str(), old.exists()), ("new", true));
        drop(directory);
        let directory = DataDirectory::open(&path).unwrap();
        assert_eq!((new(&directory).as_str(), old.exists()), ("new", false));
    }

    #[test]
    fn a_directory_of_something_else_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("letter.txt"), "dear").unwrap();
        assert!(DataDirectory::open(parent.path()).unwrap_err().message().contains("is not empty"));
    }
}
