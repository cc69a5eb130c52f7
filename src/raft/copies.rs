//! Copies of this node's files for others, and fetching another node's.
//!
//! Fetching is the receiver's work: it knows what it has, so that a broken connection costs no more than
//! the piece that was under way. The log after a copy is held until the receiver has caught up.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::message::{self, OpenedCopy, Request};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::storage::{Databases, copied_file_name};
use crate::telemetry::{self, Random};
use crate::transport::{Destination, Lane, Transport};

/// Bytes of one piece.
const PIECE_BYTES: u64 = 1 << 20;
/// A copy that nobody has asked for since then is deleted.
const COPY_KEPT: Duration = Duration::from_secs(60);
/// The log is held for this long after a node has begun to take over files.
const HOLD_AFTER: Duration = Duration::from_secs(60);
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// How long a piece may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// A copy on this node's disk.
#[derive(Debug)]
struct Copy {
    opened: OpenedCopy,
    path: PathBuf,
    used: Instant,
}

/// Copies of this node's files.
pub(super) struct Copies {
    databases: Arc<Databases>,
    random: Arc<dyn Random>,
    /// Held while one is made: two nodes that ask at once share it.
    current: AsyncMutex<Option<Copy>>,
    /// Entries after these are needed by nodes that take over files, and until when.
    held: Mutex<BTreeMap<u64, (u64, Option<Instant>)>>,
    next: AtomicU64,
}

/// Holds the log from an entry on.
pub(super) struct Hold {
    copies: Arc<Copies>,
    number: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.copies.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, until)) = held.get_mut(&self.number) {
            *until = Some(Instant::now() + HOLD_AFTER);
        }
    }
}

impl Copies {
    pub(super) fn new(databases: Arc<Databases>, random: Arc<dyn Random>) -> Arc<Copies> {
        Arc::new(Copies {
            databases,
            random,
            current: AsyncMutex::new(None),
            held: Mutex::new(BTreeMap::new()),
            next: AtomicU64::new(0),
        })
    }

    /// Keeps the log after an entry, while this lives and for a while after.
    pub(super) fn hold_log(self: &Arc<Self>, index: u64) -> Hold {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (index, None));
        Hold { copies: self.clone(), number }
    }

    /// The entry after which the log must stay.
    pub(super) fn held_after(&self) -> Option<u64> {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        held.values().map(|(index, _)| *index).min()
    }

    /// A copy that has at least the entries up to an index: the current one, or a new one.
    pub(super) async fn open(self: &Arc<Self>, at_least: u64) -> Result<OpenedCopy> {
        let mut current = self.current.lock().await;
        if let Some(copy) = current.as_mut().filter(|copy| copy.opened.files.floor.index >= at_least) {
            copy.used = Instant::now();
            return Ok(copy.opened.clone());
        }
        if let Some(old) = current.take() {
            remove(&old.path);
        }
        let number = self.random.next_u64().max(1);
        let path = self.databases.directory().temporary().join(format!("copy-{number:016x}"));
        let started = Instant::now();
        let hold = self.hold_log(self.databases.floor().map_or(0, |floor| floor.index));
        let files = match self.databases.copy_files(&path).await {
            Ok(files) => files,
            Err(error) => {
                remove(&path);
                return Err(error);
            }
        };
        drop(hold);
        let bytes: u64 = files.files.iter().map(|file| file.bytes).sum();
        telemetry::info!(
            "copied {} files for another node, {} MB, up to entry {}, in {} ms",
            files.files.len(),
            bytes >> 20,
            files.floor.index,
            started.elapsed().as_millis()
        );
        if files.floor.index < at_least {
            remove(&path);
            bail!(CANNOT_CONNECT_NOW, "this node has entries up to {} only", files.floor.index);
        }
        let opened = OpenedCopy { copy: number, files };
        *current = Some(Copy { opened: opened.clone(), path, used: Instant::now() });
        Ok(opened)
    }

    /// A piece of a copy's file.
    pub(super) async fn read(&self, copy: u64, oid: u32, offset: u64, length: u64) -> Result<Vec<u8>> {
        let path = {
            let mut current = self.current.lock().await;
            let Some(found) = current.as_mut().filter(|current| current.opened.copy == copy) else {
                bail!(UNDEFINED_OBJECT, "there is no copy {copy:016x} any more");
            };
            found.used = Instant::now();
            found.path.join(copied_file_name(oid))
        };
        let length = length.min(PIECE_BYTES);
        let read = telemetry::run_blocking(move || {
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        });
        read.await?.map_err(|error| failed("read a copy", &error))
    }

    /// Deletes the copy that nobody asks for any more.
    pub(super) async fn clean_up(&self) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|copy| copy.used.elapsed() > COPY_KEPT)
            && let Some(old) = current.take()
        {
            remove(&old.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        telemetry::warn!("could not delete {}: {error}", path.display());
    }
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    let sqlstate = match error.kind() {
        std::io::ErrorKind::StorageFull => state::DISK_FULL,
        _ => state::IO_ERROR,
    };
    Error::new(sqlstate, format!("could not {what}: {error}"))
}

/// How far fetching files is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Bytes that are here.
    pub done: u64,
    /// Bytes there are.
    pub total: u64,
}

/// Fetches another node's files.
pub(super) struct Fetcher {
    databases: Arc<Databases>,
    transport: Arc<dyn Transport>,
    progress: Mutex<Option<Progress>>,
    /// One at a time.
    fetching: AsyncMutex<()>,
}

impl Fetcher {
    pub(super) fn new(databases: Arc<Databases>, transport: Arc<dyn Transport>) -> Arc<Fetcher> {
        Arc::new(Fetcher { databases, transport, progress: Mutex::new(None), fetching: AsyncMutex::new(()) })
    }

    /// How far it is; `None` if nothing is fetched.
    pub(super) fn progress(&self) -> Option<Progress> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_progress(&self, progress: Option<Progress>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Fetches files that have at least the entries up to an index, into the directory for incoming
    /// files. What an earlier try has fetched of the same copy is not fetched again.
    pub(super) async fn fetch(&self, from: &Destination, at_least: u64) -> Result<OpenedCopy> {
        let _fetching = self.fetching.lock().await;
        let asked = self.transport.call(from, Lane::Bulk, Request::OpenCopy { at_least }.encode()).await?;
        let opened = message::decode_opened(&asked)?;
        let outcome = self.fetch_files(from, &opened).await;
        self.set_progress(None);
        outcome.map(|()| opened)
    }

    async fn fetch_files(&self, from: &Destination, opened: &OpenedCopy) -> Result<()> {
        let incoming = self.databases.directory().incoming();
        let number = format!("{:016x}", opened.copy);
        let directory = incoming.join(&number);
        prepare(&incoming, &number)?;
        let total = opened.files.files.iter().map(|file| file.bytes).sum();
        let mut progress = Progress { done: 0, total };
        self.set_progress(Some(progress));
        telemetry::info!("fetching {} MB of files from {}", total >> 20, from.address);
        let mut told = Instant::now();
        for file in &opened.files.files {
            let path = directory.join(copied_file_name(file.oid));
            let mut target = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .map_err(|error| failed("write incoming files", &error))?;
            let mut offset = target.metadata().map_or(0, |metadata| metadata.len());
            progress.done += offset.min(file.bytes);
            while offset < file.bytes {
                let request =
                    Request::ReadCopy { copy: opened.copy, oid: file.oid, offset, length: PIECE_BYTES };
                let call = self.transport.call(from, Lane::Bulk, request.encode());
                let piece = tokio::time::timeout(PIECE_TIMEOUT, call).await.map_err(|_| {
                    Error::new(state::CONNECTION_FAILURE, "fetching a piece of a file took too long")
                })??;
                if piece.is_empty() || offset + piece.len() as u64 > file.bytes {
                    bail!(PROTOCOL_VIOLATION, "a piece of a file has an impossible length");
                }
                offset += piece.len() as u64;
                progress.done += piece.len() as u64;
                target = write_piece(target, piece).await?;
                self.set_progress(Some(progress));
                if told.elapsed() > PROGRESS_INTERVAL {
                    told = Instant::now();
                    telemetry::info!("fetched {} of {} MB", progress.done >> 20, total >> 20);
                }
            }
        }
        telemetry::info!("fetched all {} MB", total >> 20);
        Ok(())
    }

    /// Puts fetched files in the place of this node's.
    pub(super) async fn take_over(&self, opened: &OpenedCopy) -> Result<()> {
        let directory = self.databases.directory().incoming().join(format!("{:016x}", opened.copy));
        self.databases.take_over(&directory, opened.files.floor).await?;
        telemetry::info!(
            "this node has taken over files that have the entries up to {}",
            opened.files.floor.index
        );
        Ok(())
    }
}

/// Writes beside the runtime's threads: a disk that is slow must not delay heartbeats.
async fn write_piece(mut target: std::fs::File, piece: Vec<u8>) -> Result<std::fs::File> {
    let written = telemetry::run_blocking(move || target.write_all(&piece).map(|()| target)).await?;
    written.map_err(|error| failed("write incoming files", &error))
}

/// Makes the directory for one copy, and deletes what is there of others.
fn prepare(incoming: &Path, number: &str) -> Result<()> {
    std::fs::create_dir_all(incoming.join(number)).map_err(|error| failed("write incoming files", &error))?;
    let entries = std::fs::read_dir(incoming).map_err(|error| failed("read incoming files", &error))?;
    for entry in entries.flatten() {
        if entry.file_name() != number {
            remove(&entry.path());
        }
    }
    Ok(())
}
