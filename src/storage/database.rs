//! One file: its readers, its writer, and its transactions on the way to the log and back.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{
    Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, Notify, OwnedSemaphorePermit, Semaphore, oneshot,
};

use super::change::{Change, ChangeList, Mark};
use super::checkpoint::Checkpointer;
use super::entry::{Body, Chunk, Part};
use super::execution::hand_over;
use super::failure::Failure;
use super::identity::{Identity, TransactionId};
use super::log::LogId;
use super::meta::{self, Meta};
use super::pipeline::{Batch, CommitOutcome, Pipeline, overtaken};
use super::reader::{Reader, ReaderPool};
use super::sequences::Sequences;
use super::spool::{SpillDirectory, Spool};
use super::sqlite::{Access, Connection};
use super::writer::Writer;
use crate::error::{Error, Result, state};
use crate::telemetry::{self, Random, metrics};
use crate::types::Oid;

/// Transactions that may wait in SQLite's open transaction to be committed to the file. More would make
/// each rebuild long.
const SEALED_MAX: usize = 64;

/// Bytes of changes that may wait so.
const SEALED_BYTES_MAX: u64 = 4 << 20;

/// Where a new file comes from.
pub(super) struct Origin<'a> {
    pub(super) path: &'a Path,
    pub(super) oid: Oid,
    pub(super) is_system: bool,
    /// The entry that created it.
    pub(super) created: LogId,
}

/// Changes of a large transaction of others, until its last entry comes.
struct Chunks {
    identity: Identity,
    next: u64,
    changes: ChangeList,
}

/// What became of an entry's part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It was in the file already.
    Before,
    /// This process had executed it.
    Own,
    /// It was applied.
    Replayed,
    /// The base check refused it.
    Refused,
}

/// One database's file.
pub struct Database {
    oid: Oid,
    path: PathBuf,
    spill: SpillDirectory,
    readers: Arc<ReaderPool>,
    /// The connection that writes, locked for a statement at a time.
    writer: AsyncMutex<Writer>,
    /// The right to have a transaction open on the writer, in the order of asking.
    queue: Arc<Semaphore>,
    pipeline: Mutex<Pipeline>,
    sequences: Arc<Mutex<Sequences>>,
    checkpointer: Checkpointer,
    chunks: Mutex<Option<Chunks>>,
    /// Whether something is applied that readers do not see yet.
    is_behind: AtomicBool,
    /// Whether a reader waits for that: a long statement on the writer steps aside.
    settle_wanted: AtomicBool,
    /// Why sessions can use it no more.
    gone: OnceLock<Error>,
    /// Told when a transaction is ready to be proposed.
    ready: Arc<Notify>,
}

/// The right to have a transaction open on a file's writer.
pub struct WritePermit {
    _permit: OwnedSemaphorePermit,
}

impl Database {
    /// Opens a file, creating it if it is missing.
    pub(super) fn open(
        origin: &Origin<'_>,
        spill: &SpillDirectory,
        random: &dyn Random,
        ready: Arc<Notify>,
    ) -> Result<Database> {
        let mut connection = Connection::open(origin.path, Access::Writer)?;
        if !meta::is_initialised(&mut connection)? {
            let created = Meta { applied: origin.created, identity: Identity::default() };
            meta::initialise(&mut connection, origin.is_system, created).map_err(Failure::into_error)?;
        }
        drop(connection);
        let mut writer = Writer::open(origin.path, spill.clone())?;
        let checkpointer = Checkpointer::new(origin.path);
        checkpointer.watch(writer.connection());
        Ok(Database {
            oid: origin.oid,
            path: origin.path.to_owned(),
            spill: spill.clone(),
            readers: ReaderPool::new(origin.path.to_owned(), writer.visible_catalog()),
            pipeline: Mutex::new(Pipeline::new(writer.settled(), Identity::first(random))),
            sequences: writer.shared_sequences(),
            writer: AsyncMutex::new(writer),
            queue: Arc::new(Semaphore::new(1)),
            checkpointer,
            chunks: Mutex::new(None),
            is_behind: AtomicBool::new(false),
            settle_wanted: AtomicBool::new(false),
            gone: OnceLock::new(),
            ready,
        })
    }

    /// pg_database.oid; 0 for the system file.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An empty spool for results that must wait.
    pub fn spool(&self) -> Spool {
        Spool::new(self.spill.clone())
    }

    fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequences' values. Only who holds the permit may take one.
    pub fn sequences(&self) -> MutexGuard<'_, Sequences> {
        self.sequences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_exists(&self) -> Result<()> {
        self.gone.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// A reader that sees everything applied so far.
    pub async fn reader(&self) -> Result<Reader> {
        self.check_exists()?;
        if self.is_behind.load(Ordering::Acquire) {
            self.settle_wanted.store(true, Ordering::Release);
            let mut writer = self.writer.lock().await;
            self.settle(&mut writer)?;
        }
        self.readers.open()
    }

    /// The version of the catalog that readers see now. What is applied but not in the file yet does not
    /// count: whoever needs to be sure opens a reader.
    pub fn catalog_version(&self) -> u64 {
        self.readers.catalog_version()
    }

    /// A reader of what the file has now.
    pub(super) fn open_reader(&self) -> Result<Reader> {
        self.readers.open()
    }

    /// The flag that asks a long statement on the writer to step aside.
    pub fn settle_wanted(&self) -> &AtomicBool {
        &self.settle_wanted
    }

    /// Commits to the file what is applied.
    pub fn settle(&self, writer: &mut Writer) -> Result<()> {
        let applied = self.pipeline().applied();
        writer.settle(applied)?;
        let mut pipeline = self.pipeline();
        pipeline.settled(applied.identity);
        if pipeline.applied() == applied {
            // Not before SQLite's COMMIT: a reader that finds nothing to wait for opens the file as it is.
            self.is_behind.store(false, Ordering::Release);
            self.settle_wanted.store(false, Ordering::Release);
        }
        drop(pipeline);
        self.checkpointer.run_if_overdue(writer.connection());
        Ok(())
    }

    /// Waits for the right to have a transaction open on the writer: first come, first served.
    pub async fn acquire(&self) -> Result<WritePermit> {
        self.check_exists()?;
        match self.queue.clone().acquire_owned().await {
            Ok(permit) => Ok(WritePermit { _permit: permit }),
            Err(_) => Err(Error::fatal(
                state::ADMIN_SHUTDOWN,
                "terminating connection due to administrator command",
            )),
        }
    }

    /// The writer's connection, for one statement.
    pub async fn writer(&self) -> AsyncMutexGuard<'_, Writer> {
        self.writer.lock().await
    }

    /// Starts a transaction on the writer. The caller holds the permit.
    pub async fn begin(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        // Now it costs nothing; under an open transaction that one would have to be made again.
        if writer.sealed_count() >= SEALED_MAX || writer.sealed_bytes() >= SEALED_BYTES_MAX {
            self.settle(&mut writer)?;
        }
        writer.begin()
    }

    /// The last transaction on the writer, sealed or applied: on its state the open one is computed.
    pub fn base(&self) -> Identity {
        self.pipeline().next().0
    }

    /// Completes the open transaction. Gives whether it changed anything, and what to wait for before its
    /// end may be told: its entry, or, if it changed nothing, the entries of those whose changes it saw.
    pub async fn seal(
        &self,
        id: Option<TransactionId>,
    ) -> Result<(bool, Option<oneshot::Receiver<CommitOutcome>>)> {
        let mut writer = self.writer.lock().await;
        let (base, identity) = self.pipeline().next();
        self.check_exists()?;
        let Some(sealed) = writer.seal(base, identity, id)? else {
            return Ok((false, self.pipeline().wait()));
        };
        let receiver = self.pipeline().push(sealed);
        self.ready.notify_one();
        Ok((true, Some(receiver)))
    }

    /// Takes what is ready for the next entry.
    pub(super) fn take_ready(&self, term: u64) -> Option<Batch> {
        self.pipeline().take_ready(self.oid, term)
    }

    /// Whether a transaction with an id is in the file.
    pub fn committed(&self, id: TransactionId) -> Result<bool> {
        self.readers.open()?.has_committed(id)
    }

    /// Whether a transaction is on its way to the log, or applied and not in the file yet.
    pub fn is_pending(&self, id: TransactionId) -> bool {
        self.pipeline().has(id)
    }

    /// The log takes no more: what was not proposed fails with one error, what was has an unknown end.
    pub(super) fn fail_pending(&self, not_proposed: &Error, unknown: &Error) {
        let mut pipeline = self.pipeline();
        pipeline.fail_ready(not_proposed);
        pipeline.fail_in_flight(unknown);
    }

    /// Keeps a piece of a large transaction of others.
    pub(super) fn apply_chunk(&self, log_id: LogId, chunk: &Chunk<'_>) -> Result<()> {
        {
            let pipeline = self.pipeline();
            if log_id.index <= pipeline.applied().applied.index || pipeline.is_in_flight(chunk.identity) {
                return Ok(());
            }
        }
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        if chunk.place == 0 {
            *chunks = Some(Chunks { identity: chunk.identity, next: 0, changes: ChangeList::default() });
        }
        match &mut *chunks {
            Some(chunks) if chunks.identity == chunk.identity && chunks.next == chunk.place => {
                chunks.next += 1;
                chunks.changes.extend(chunk.bytes, &self.spill)
            }
            _ => Err(super::values::damaged("a chunk of a transaction is missing in the log")),
        }
    }

    /// Applies a part of an entry that the quorum has.
    pub(super) async fn apply(&self, log_id: LogId, part: &Part<'_>) -> Result<Applied> {
        match self.recognise(log_id, part) {
            Some(Applied::Refused) => {
                if self.pipeline().is_in_flight(part.identity) {
                    self.withdraw(part.base, &overtaken()).await?;
                }
                Ok(Applied::Refused)
            }
            Some(applied) => Ok(applied),
            None => {
                self.replay(log_id, part).await?;
                Ok(Applied::Replayed)
            }
        }
    }

    /// Decides what a part is to this file; `None` for one that must be applied.
    fn recognise(&self, log_id: LogId, part: &Part<'_>) -> Option<Applied> {
        let mut pipeline = self.pipeline();
        let applied = pipeline.applied();
        if log_id.index <= applied.applied.index {
            return Some(Applied::Before);
        }
        if part.base != applied.identity {
            metrics::ENTRIES_REFUSED.increment();
            telemetry::warn!("entry {} was refused: it was computed on another state", log_id.index);
            pipeline.advance(Meta { applied: log_id, ..applied });
            return Some(Applied::Refused);
        }
        if pipeline.is_in_flight(part.identity) {
            self.is_behind.store(true, Ordering::Release);
            pipeline.acknowledge(part.identity, log_id);
            return Some(Applied::Own);
        }
        None
    }

    /// Takes transactions back that are in no entry and never will be: those computed on a state, one upon
    /// the other, and the open one.
    pub(super) async fn withdraw(&self, base: Identity, error: &Error) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let applied = self.pipeline().applied();
        let abandoned = writer.abandon_from(base, applied, error);
        // Even if the disk does not let the writer go back, which it will try again: nobody waits in vain.
        self.pipeline().refuse_from(base, error);
        abandoned
    }

    /// An entry of a term is about to be applied: what was proposed in earlier ones and is not applied yet
    /// never will be.
    pub(super) async fn pass_term(&self, term: u64) -> Result<()> {
        let base = self.pipeline().first_before(term);
        match base {
            Some(base) => self.withdraw(base, &overtaken()).await,
            None => Ok(()),
        }
    }

    async fn replay(&self, log_id: LogId, part: &Part<'_>) -> Result<()> {
        let mut writer = self.writer.lock().await;
        if writer.sealed_count() > 0 || writer.is_open() {
            let applied = self.pipeline().applied();
            writer.abandon(applied, &overtaken())?;
            self.pipeline().refuse_from(applied.identity, &overtaken());
        }
        hand_over();
        let mut changed_catalog = false;
        for transaction in &part.transactions {
            let changes = self.changes_of(&transaction.body, part)?;
            changed_catalog |= changes_catalog(&changes)?;
            writer.replay(transaction.id, &changes).map_err(Failure::into_error)?;
        }
        let applied = Meta { applied: log_id, identity: part.identity };
        writer.finish_replay(applied, changed_catalog).map_err(Failure::into_error)?;
        self.pipeline().advance(applied);
        metrics::ENTRIES_APPLIED.increment();
        self.checkpointer.run_if_overdue(writer.connection());
        Ok(())
    }

    fn changes_of(&self, body: &Body<'_>, part: &Part<'_>) -> Result<ChangeList> {
        match body {
            Body::Whole(bytes) => Ok(ChangeList::from_bytes(bytes.to_vec())),
            Body::Chunked(count) => {
                let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
                match chunks {
                    Some(chunks) if chunks.identity == part.identity && chunks.next == *count => {
                        Ok(chunks.changes)
                    }
                    _ => Err(super::values::damaged("chunks of a transaction are missing in the log")),
                }
            }
        }
    }

    /// Makes everything up to an entry durable: `global` if nothing of this file is under way, else the
    /// last one applied to it. Gives that entry. `global` must have been applied before the call.
    pub(super) async fn flush(self: &Arc<Self>, global: LogId) -> Result<LogId> {
        let settled = {
            let mut writer = self.writer.lock().await;
            if self.has_everything(&writer) {
                writer.settled().applied.max(global)
            } else {
                self.settle(&mut writer)?;
                writer.settled().applied
            }
        };
        let database = self.clone();
        telemetry::run_blocking(move || database.checkpointer.flush()).await??;
        Ok(settled)
    }

    /// Whether the file has everything applied so far, and nothing of it is on its way.
    fn has_everything(&self, writer: &Writer) -> bool {
        let has_chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let pipeline = self.pipeline();
        pipeline.is_idle() && !has_chunks && pipeline.applied() == writer.settled()
    }

    /// Copies what is committed into a new file, with SQLite's backup interface.
    pub async fn copy_to(self: &Arc<Self>, target: &Path) -> Result<()> {
        // What is applied is in the file before the copy starts.
        drop(self.reader().await?);
        let (source, target) = (self.path.clone(), target.to_owned());
        telemetry::run_blocking(move || copy_file(&source, &target)).await?
    }

    /// Runs a checkpoint if one is due.
    pub(super) async fn checkpoint_if_due(self: &Arc<Self>) -> Result<()> {
        if !self.checkpointer.is_due() {
            return Ok(());
        }
        let database = self.clone();
        telemetry::run_blocking(move || database.checkpointer.run()).await?
    }

    /// Commits to the file what waits for it, unless a statement is running: called when time has passed.
    pub(super) fn settle_if_idle(&self) {
        if !self.is_behind.load(Ordering::Acquire) {
            return;
        }
        if let Ok(mut writer) = self.writer.try_lock()
            && !writer.is_open()
            && let Err(error) = self.settle(&mut writer)
        {
            telemetry::warn!("committed changes could not be written to the file yet: {error}");
        }
    }

    /// The last transaction applied and the index of its entry.
    #[cfg(test)]
    pub(super) fn state(&self) -> (Identity, u64) {
        let applied = self.pipeline().applied();
        (applied.identity, applied.applied.index)
    }

    /// The file is dropped: sessions that still use it get an error.
    pub(super) fn mark_dropped(&self) {
        self.end(Error::fatal(
            state::DATABASE_DROPPED,
            "terminating connection because its database was dropped",
        ));
    }

    /// Another file takes this one's place: sessions must connect again.
    pub(super) fn mark_replaced(&self) {
        let error = Error::fatal(
            state::ADMIN_SHUTDOWN,
            "terminating connection because this node has taken over another node's files",
        );
        self.end(error.with_hint("Connect again."));
    }

    fn end(&self, error: Error) {
        self.pipeline().fail_ready(&error);
        let _ = self.gone.set(error);
    }

    /// Before the process ends: settles and closes what is idle.
    pub(super) async fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        writer.roll_back();
        let settled = self.settle(&mut writer);
        self.readers.close();
        self.checkpointer.close();
        settled
    }
}

/// Copies a file as one committed state.
fn copy_file(source: &Path, target: &Path) -> Result<()> {
    const PAGES_AT_ONCE: i32 = 1024;

    let failed =
        |error: rusqlite::Error| Error::new(state::IO_ERROR, format!("could not copy a database: {error}"));
    let mut source = Connection::open(source, Access::Reader)?;
    // With a snapshot, commits meanwhile do not make the copy start again.
    source.run(&"BEGIN".into(), &[]).map_err(Failure::into_error)?;
    meta::read(&mut source)?;
    let mut target = rusqlite::Connection::open(target).map_err(failed)?;
    let backup = rusqlite::backup::Backup::new(source.rusqlite(), &mut target).map_err(failed)?;
    backup.run_to_completion(PAGES_AT_ONCE, std::time::Duration::ZERO, None).map_err(failed)
}

/// Whether a list touches the catalog.
fn changes_catalog(changes: &ChangeList) -> Result<bool> {
    let mut found = false;
    changes.visit(Mark::default(), |change| {
        found |= match change {
            Change::Schema { .. } => true,
            Change::Insert { table, .. } | Change::Delete { table, .. } | Change::Update { table, .. } => {
                table.starts_with("pg_catalog.") || table == "quorate.counter"
            }
        };
        Ok::<(), Error>(())
    })?;
    Ok(found)
}
