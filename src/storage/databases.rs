//! All files of a node: the system file, which lists the databases, and one file for each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use super::database::{Applied, Database, Origin};
use super::digest::Digests;
use super::directory::DataDirectory;
use super::entry::{self, Entry};
use super::identity::TransactionId;
use super::log::LogId;
use super::pipeline::Batch;
use super::reader::Reader;
use super::spool::SpillDirectory;
use crate::error::{Error, Result, state};
use crate::telemetry::{self, Random, metrics};
use crate::types::{Datum, Oid};

/// The database that is there from the start, with PostgreSQL's oid for it.
pub const FIRST_DATABASE: (Oid, &str) = (5, "postgres");
/// The system file's number in the log.
pub(super) const SYSTEM: Oid = 0;
/// How long applied changes may wait for a reader before they are committed to the file anyway.
const SETTLE_DELAY: Duration = Duration::from_millis(5);

/// The fact of this node that says up to where everything is durable in the files.
const FLOOR: &str = "floor";

/// The databases by name.
pub type Names = BTreeMap<String, Arc<Database>>;

/// Every file of this node.
pub struct Databases {
    directory: DataDirectory,
    spill: SpillDirectory,
    random: Arc<dyn Random>,
    system: RwLock<Arc<Database>>,
    names: watch::Sender<Arc<Names>>,
    /// The last entry applied, whatever it held.
    applied: watch::Sender<LogId>,
    /// Told when a transaction is ready to be proposed.
    ready: Arc<Notify>,
    /// Told when changes wait to be committed to a file.
    unsettled: Notify,
    /// One flush at a time.
    flushing: AsyncMutex<()>,
    floor: Mutex<Option<LogId>>,
    digests: Arc<Digests>,
}

impl Databases {
    /// Opens all files of a data directory.
    pub fn open(directory: DataDirectory, random: Arc<dyn Random>) -> Result<Databases> {
        let spill = SpillDirectory::new(&directory.temporary()).map_err(|error| {
            Error::new(
                state::IO_ERROR,
                format!("could not create \"{}\": {error}", directory.temporary().display()),
            )
        })?;
        let ready = Arc::new(Notify::new());
        let path = directory.database_file(SYSTEM);
        let origin = Origin { path: &path, oid: SYSTEM, is_system: true, created: LogId::default() };
        let system = Arc::new(Database::open(&origin, &spill, &*random, ready.clone())?);
        let floor = kept_floor(&directory)?;
        let databases = Databases {
            directory,
            spill,
            random,
            system: RwLock::new(system.clone()),
            names: watch::Sender::new(Arc::new(Names::new())),
            applied: watch::Sender::new(floor.unwrap_or_default()),
            ready,
            unsettled: Notify::new(),
            flushing: AsyncMutex::new(()),
            floor: Mutex::new(floor),
            digests: Arc::default(),
        };
        databases.reconcile(&read_list(system.open_reader()?)?, floor.unwrap_or_default())?;
        Ok(databases)
    }

    /// The data directory.
    pub fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// The system file.
    pub fn system(&self) -> Arc<Database> {
        self.system.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every file: the system file, and the databases.
    fn all(&self) -> Vec<Arc<Database>> {
        let names = self.names.borrow().clone();
        std::iter::once(self.system()).chain(names.values().cloned()).collect()
    }

    pub(super) fn digests(&self) -> Arc<Digests> {
        self.digests.clone()
    }

    pub(super) fn flushing(&self) -> &AsyncMutex<()> {
        &self.flushing
    }

    pub(super) fn replace_system(&self, system: Arc<Database>) {
        *self.system.write().unwrap_or_else(PoisonError::into_inner) = system;
    }

    /// All databases will be opened anew.
    pub(super) fn forget_names(&self) {
        self.names.send_replace(Arc::new(Names::new()));
    }

    /// The files have an entry, whatever was applied before.
    pub(super) fn applied_at_least(&self, log_id: LogId) {
        self.applied.send_modify(|applied| *applied = (*applied).max(log_id));
    }

    /// The database with a name. 3D000 if there is none.
    pub fn get(&self, name: &str) -> Result<Arc<Database>> {
        self.names.borrow().get(name).cloned().ok_or_else(|| {
            Error::fatal(state::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
        })
    }

    /// All databases, and when they change.
    pub fn names(&self) -> watch::Receiver<Arc<Names>> {
        self.names.subscribe()
    }

    /// The last entry applied, and when it changes.
    pub fn applied(&self) -> watch::Receiver<LogId> {
        self.applied.subscribe()
    }

    /// Told when a transaction is ready to be proposed.
    pub fn ready(&self) -> &Notify {
        &self.ready
    }

    /// Takes what is ready in every file, for one entry of a term.
    pub fn take_ready(&self, term: u64) -> Vec<Batch> {
        self.all().iter().filter_map(|database| database.take_ready(term)).collect()
    }

    /// Whether a transaction is on its way to the log.
    pub fn is_pending(&self, id: TransactionId) -> bool {
        self.all().iter().any(|database| database.is_pending(id))
    }

    /// What was taken could not be proposed: its transactions fail, and those computed on them.
    pub async fn withdraw(&self, batches: &[Batch], error: &Error) -> Result<()> {
        for batch in batches {
            if let Some(database) = self.by_oid(batch.database) {
                database.withdraw(batch.base, error).await?;
            }
        }
        Ok(())
    }

    /// The log takes no more: all transactions on their way end with one of two errors.
    pub fn fail_pending(&self, not_proposed: &Error, unknown: &Error) {
        for database in self.all() {
            database.fail_pending(not_proposed, unknown);
        }
    }

    fn by_oid(&self, oid: Oid) -> Option<Arc<Database>> {
        if oid == SYSTEM {
            return Some(self.system());
        }
        self.names.borrow().values().find(|database| database.oid() == oid).cloned()
    }

    /// Applies an entry that the quorum has. Entries come in order; those that are in a file already are
    /// recognised. An error means that this node must stop.
    pub async fn apply(&self, log_id: LogId, bytes: &[u8]) -> Result<()> {
        self.pass_term(log_id).await?;
        match entry::decode(bytes)? {
            Entry::Digest(number) => self.start_digest(number, log_id).await?,
            Entry::Chunk(chunk) => {
                if let Some(database) = self.by_oid(chunk.database) {
                    database.apply_chunk(log_id, &chunk)?;
                }
            }
            Entry::Data(parts) => {
                for part in &parts {
                    // A database that was dropped meanwhile needs no changes.
                    let Some(database) = self.by_oid(part.database) else { continue };
                    let applied = database.apply(log_id, part).await?;
                    if part.database == SYSTEM && matches!(applied, Applied::Own | Applied::Replayed) {
                        self.reload_list(log_id).await?;
                    }
                }
                self.unsettled.notify_one();
            }
        }
        self.advance(log_id);
        Ok(())
    }

    /// An entry without changes was applied.
    pub async fn apply_blank(&self, log_id: LogId) -> Result<()> {
        self.pass_term(log_id).await?;
        self.advance(log_id);
        Ok(())
    }

    /// With the first entry of a term, what was proposed in earlier terms and is not applied is dead.
    async fn pass_term(&self, log_id: LogId) -> Result<()> {
        if self.applied.borrow().term < log_id.term {
            for database in self.all() {
                database.pass_term(log_id.term).await?;
            }
        }
        Ok(())
    }

    fn advance(&self, log_id: LogId) {
        metrics::APPLIED_INDEX.set(log_id.index as i64);
        self.applied_at_least(log_id);
    }

    /// After a change of the list of databases: creates and drops files.
    async fn reload_list(&self, log_id: LogId) -> Result<()> {
        let listed = read_list(self.system().reader().await?)?;
        self.reconcile(&listed, log_id)
    }

    pub(super) fn reconcile(&self, listed: &BTreeMap<String, Oid>, created: LogId) -> Result<()> {
        let before = self.names.borrow().clone();
        let mut names = Names::new();
        for (name, oid) in listed {
            let open = before.values().find(|database| database.oid() == *oid).cloned();
            let database = match open {
                Some(database) => database,
                None => Arc::new(self.open_database(*oid, created)?),
            };
            names.insert(name.clone(), database);
        }
        for database in before.values().filter(|database| !listed.values().any(|oid| *oid == database.oid()))
        {
            self.remove(database);
        }
        self.names.send_replace(Arc::new(names));
        Ok(())
    }

    pub(super) fn open_database(&self, oid: Oid, created: LogId) -> Result<Database> {
        let path = self.directory.database_file(oid);
        let origin = Origin { path: &path, oid, is_system: oid == SYSTEM, created };
        Database::open(&origin, &self.spill, &*self.random, self.ready.clone())
    }

    /// Deletes a dropped database's files; those who have them open keep them until they close them.
    fn remove(&self, database: &Database) {
        database.mark_dropped();
        for suffix in ["", "-wal", "-shm"] {
            let mut path = database.path().as_os_str().to_owned();
            path.push(suffix);
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                telemetry::warn!("could not delete {}: {error}", Path::new(&path).display());
            }
        }
    }

    /// Makes everything applied so far durable in the files, notes how far that is, and gives it: the log
    /// may be purged up to there.
    pub async fn flush(self: &Arc<Self>) -> Result<LogId> {
        let _flushing = self.flushing.lock().await;
        let global = *self.applied.borrow();
        let mut floor = global;
        for database in self.all() {
            floor = floor.min(database.flush(global).await?);
        }
        // What was durable stays so: a file that is not idle tells only of what was last applied to it.
        floor = floor.max(self.floor().unwrap_or_default());
        self.keep_floor(floor).await?;
        Ok(floor)
    }

    pub(super) async fn keep_floor(self: &Arc<Self>, floor: LogId) -> Result<()> {
        let databases = self.clone();
        let text = format!("{} {}", floor.term, floor.index);
        telemetry::run_blocking(move || databases.directory.keep_fact(FLOOR, &text)).await??;
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = Some(floor);
        Ok(())
    }

    /// The entry up to which everything is durable in the files; `None` if there is none yet.
    pub fn floor(&self) -> Option<LogId> {
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs checkpoints that are due in all files.
    pub async fn checkpoint_if_due(&self) -> Result<()> {
        for database in self.all() {
            database.checkpoint_if_due().await?;
        }
        Ok(())
    }

    /// Runs for the server's life: commits to the files what was applied and no reader has asked for.
    pub async fn settle_in_background(&self) {
        loop {
            self.unsettled.notified().await;
            tokio::time::sleep(SETTLE_DELAY).await;
            for database in self.all() {
                database.settle_if_idle();
            }
        }
    }

    /// No session is served until other files have taken the place of these.
    pub fn leave_service(&self) {
        for database in self.all() {
            database.mark_replaced();
        }
    }

    /// Before the process ends.
    pub async fn close(&self) -> Result<()> {
        for database in self.all() {
            database.close().await?;
        }
        Ok(())
    }
}

/// The entry up to which everything is durable in the files.
fn kept_floor(directory: &DataDirectory) -> Result<Option<LogId>> {
    let Some(text) = directory.fact(FLOOR)? else { return Ok(None) };
    let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [term, index] => Ok(Some(LogId { term, index })),
        _ => Err(Error::new(state::DATA_CORRUPTED, "the data directory's file node/floor is damaged")),
    }
}

/// The list of databases as the system file has it.
pub(super) fn read_list(mut reader: Reader) -> Result<BTreeMap<String, Oid>> {
    let rows = reader.query("SELECT \"name\", \"oid\" FROM \"quorate.database\"")?;
    let pairs = rows.into_iter().filter_map(|row| match &row[..] {
        [Datum::Text(name), Datum::Integer(oid)] => Some((name.clone(), *oid as Oid)),
        _ => None,
    });
    Ok(pairs.collect())
}
