//! A session's transaction: blocks, savepoints, isolation, and when the writer is taken.

use super::Session;
use super::relay::Begin;
use super::remote::Remote;
use super::settings::{Saved, isolation};
use crate::bail;
use crate::engine::{self, Patience, Reader};
use crate::error::{Error, Result, state};
use crate::settings;
use crate::sql::statement::{Isolation, TransactionModes};

/// What ReadyForQuery tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Not in a transaction block.
    Idle,
    /// In one.
    InBlock,
    /// In one that can only be rolled back.
    Failed,
}

/// A savepoint of the client's.
struct Savepoint {
    name: String,
    settings: Saved,
}

/// A write transaction, where it runs.
pub(super) enum Write {
    /// On this node, which leads.
    Local(engine::Transaction),
    /// On the leader.
    Remote(Remote),
}

/// The transaction in progress, whether the client asked for it or a statement needs it.
pub(super) struct Transaction {
    /// Whether BEGIN was said.
    pub(super) is_block: bool,
    pub(super) failed: bool,
    isolation: Isolation,
    pub(super) read_only: bool,
    deferrable: bool,
    pub(super) start_us: i64,
    /// Whether a statement has run, after which the isolation level stays.
    has_run: bool,
    /// Since the first write.
    pub(super) write: Option<Write>,
    /// The one snapshot of REPEATABLE READ and SERIALIZABLE.
    pub(super) snapshot: Option<Reader>,
    savepoints: Vec<Savepoint>,
    settings: Saved,
}

impl Transaction {
    /// One that a client of another node has started.
    pub(super) fn of_other_node(begin: &Begin, write: engine::Transaction, settings: Saved) -> Transaction {
        Transaction {
            is_block: true,
            failed: false,
            isolation: begin.isolation,
            read_only: begin.read_only,
            deferrable: false,
            start_us: begin.start_us,
            has_run: true,
            write: Some(Write::Local(write)),
            snapshot: None,
            savepoints: Vec::new(),
            settings,
        }
    }

    pub(super) fn isolation(&self) -> Isolation {
        self.isolation
    }

    pub(super) fn savepoint_count(&self) -> usize {
        self.savepoints.len()
    }

    /// Whether all statements see one snapshot.
    pub(super) fn has_one_snapshot(&self) -> bool {
        matches!(self.isolation, Isolation::RepeatableRead | Isolation::Serializable)
    }
}

impl Session {
    /// What ReadyForQuery tells.
    pub fn status(&self) -> Status {
        match &self.transaction {
            Some(transaction) if transaction.is_block && transaction.failed => Status::Failed,
            Some(transaction) if transaction.is_block => Status::InBlock,
            _ => Status::Idle,
        }
    }

    /// The transaction, started if there is none.
    pub(super) fn transaction(&mut self) -> &mut Transaction {
        let shared = &self.shared;
        self.transaction.get_or_insert_with(|| {
            let settings = shared.settings();
            Transaction {
                is_block: false,
                failed: false,
                isolation: isolation(settings.value("default_transaction_isolation")),
                read_only: settings.value("default_transaction_read_only") == Some("on"),
                deferrable: settings.value("default_transaction_deferrable") == Some("on"),
                start_us: shared.clock.timestamp_us(),
                has_run: false,
                write: None,
                snapshot: None,
                savepoints: Vec::new(),
                settings: settings.save(),
            }
        })
    }

    /// Notes that a statement runs.
    pub(super) fn note_run(&mut self) -> &mut Transaction {
        let transaction = self.transaction();
        transaction.has_run = true;
        transaction
    }

    /// BEGIN
    pub(super) fn begin(&mut self, modes: TransactionModes) -> Result<Option<Error>> {
        let was_block = self.transaction.as_ref().is_some_and(|transaction| transaction.is_block);
        self.transaction().is_block = true;
        self.set_modes(modes)?;
        let warning =
            Error::warning(state::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
        Ok(was_block.then_some(warning))
    }

    /// SET TRANSACTION, within one.
    pub(super) fn set_modes(&mut self, modes: TransactionModes) -> Result<()> {
        let transaction = self.transaction();
        if let Some(isolation) = modes.isolation
            && isolation != transaction.isolation
        {
            if !transaction.savepoints.is_empty() {
                bail!(
                    ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
                );
            }
            if transaction.has_run {
                bail!(
                    ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query"
                );
            }
            transaction.isolation = isolation;
        }
        if let Some(read_only) = modes.read_only {
            if !read_only && transaction.read_only && transaction.has_run {
                bail!(ACTIVE_SQL_TRANSACTION, "transaction read-write mode must be set before any query");
            }
            transaction.read_only = read_only;
        }
        if let Some(deferrable) = modes.deferrable {
            transaction.deferrable = deferrable;
        }
        Ok(())
    }

    /// The modes' values for SHOW transaction_isolation and its kin; `None` for other settings.
    pub(super) fn mode(&self, name: &str) -> Option<String> {
        let transaction = self.transaction.as_ref();
        let default = |name: &str| self.shared.settings().value(name).unwrap_or_default().to_owned();
        let on_off = |value: bool| if value { "on".to_owned() } else { "off".to_owned() };
        Some(match name {
            "transaction_isolation" => transaction.map_or_else(
                || default("default_transaction_isolation"),
                |it| it.isolation.name().to_owned(),
            ),
            "transaction_read_only" => transaction
                .map_or_else(|| default("default_transaction_read_only"), |it| on_off(it.read_only)),
            "transaction_deferrable" => transaction
                .map_or_else(|| default("default_transaction_deferrable"), |it| on_off(it.deferrable)),
            _ => return None,
        })
    }

    /// SET of transaction_isolation and its kin; `None` for other settings.
    pub(super) fn set_mode(&mut self, name: &str, value: Option<&str>) -> Option<Result<()>> {
        let setting = settings::find(name)?;
        let value = value.unwrap_or(setting.default);
        let mut modes = TransactionModes::default();
        let checked = match setting.check(value) {
            Ok(checked) => checked,
            Err(error) => return setting.name.starts_with("transaction_").then_some(Err(error)),
        };
        match setting.name {
            "transaction_isolation" => modes.isolation = Some(isolation(Some(&checked))),
            "transaction_read_only" => modes.read_only = Some(checked == "on"),
            "transaction_deferrable" => modes.deferrable = Some(checked == "on"),
            _ => return None,
        }
        Some(self.set_modes(modes))
    }

    /// 25006 in a read-only transaction.
    pub(super) fn require_writable(&mut self, command: &str) -> Result<()> {
        if self.transaction().read_only {
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {command} in a read-only transaction");
        }
        Ok(())
    }

    /// The write transaction, started if there is none: waits for the writer.
    pub(super) async fn write(&mut self) -> Result<&mut engine::Transaction> {
        self.transaction();
        let lock_timeout = self.shared.settings().derived().lock_timeout;
        let transaction = self.transaction.as_mut().expect("it was just started");
        if transaction.write.is_none() {
            let patience = Patience { cancel: &self.shared.cancel, deadline: self.deadline, lock_timeout };
            let snapshot = transaction.snapshot.as_ref().map(Reader::identity);
            let mut write = self.connection.begin(&patience, snapshot).await?;
            for _ in &transaction.savepoints {
                write.push_savepoint().await?;
            }
            transaction.write = Some(Write::Local(write));
        }
        match transaction.write.as_mut() {
            Some(Write::Local(write)) => Ok(write),
            _ => Err(Error::internal("a write transaction is on another node")),
        }
    }

    /// Commits what no COMMIT will.
    pub(super) async fn end_implicit(&mut self) -> Result<()> {
        let is_implicit = self.transaction.as_ref().is_some_and(|transaction| !transaction.is_block);
        if is_implicit { self.commit().await } else { Ok(()) }
    }

    /// Ends the transaction with its changes. It has ended whatever the result.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.portals.clear();
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        transaction.snapshot = None;
        let committed = match transaction.write.take() {
            Some(Write::Local(write)) => {
                let id = self.shared.take_transaction_id();
                write.commit(id).await.map(|index| self.shared.note_commit(index))
            }
            Some(Write::Remote(remote)) => {
                self.shared.take_transaction_id();
                self.commit_remote(remote).await.map(|index| self.shared.note_commit(index))
            }
            None => Ok(()),
        };
        let mut settings = self.shared.settings();
        match &committed {
            Ok(()) => settings.forget_local(),
            Err(_) => settings.restore(transaction.settings),
        }
        committed
    }

    /// Ends the transaction without its changes.
    pub(super) async fn roll_back(&mut self) {
        self.portals.clear();
        let Some(mut transaction) = self.transaction.take() else { return };
        transaction.snapshot = None;
        self.roll_back_write(transaction.write.take()).await;
        self.shared.settings().restore(transaction.settings);
    }

    /// After an error: a block waits for its end, anything else has ended.
    pub(super) async fn fail(&mut self) {
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| transaction.is_block) else {
            return self.roll_back().await;
        };
        transaction.failed = true;
        self.portals.clear();
        if transaction.savepoints.is_empty() {
            // Nothing can be saved: let others write.
            transaction.snapshot = None;
            let write = transaction.write.take();
            self.roll_back_write(write).await;
        }
    }

    async fn roll_back_write(&mut self, write: Option<Write>) {
        let Some(write) = write else { return };
        self.shared.take_transaction_id();
        match write {
            Write::Local(write) => write.roll_back().await,
            Write::Remote(remote) => self.roll_back_remote(remote).await,
        }
    }

    /// COMMIT. Gives the command tag and a warning.
    pub(super) async fn commit_block(&mut self, chain: bool) -> Result<(&'static str, Option<Error>)> {
        let modes = self.modes_to_chain(chain, "COMMIT AND CHAIN")?;
        let warning = self.no_transaction();
        let failed = self.transaction.as_ref().is_some_and(|transaction| transaction.failed);
        let tag = if failed {
            self.roll_back().await;
            "ROLLBACK"
        } else {
            self.commit().await?;
            "COMMIT"
        };
        self.chain(modes)?;
        Ok((tag, warning))
    }

    /// ROLLBACK. Gives a warning.
    pub(super) async fn roll_back_block(&mut self, chain: bool) -> Result<Option<Error>> {
        let modes = self.modes_to_chain(chain, "ROLLBACK AND CHAIN")?;
        let warning = self.no_transaction();
        self.roll_back().await;
        self.chain(modes)?;
        Ok(warning)
    }

    fn no_transaction(&self) -> Option<Error> {
        let is_block = self.transaction.as_ref().is_some_and(|transaction| transaction.is_block);
        (!is_block)
            .then(|| Error::warning(state::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"))
    }

    fn modes_to_chain(&self, chain: bool, command: &str) -> Result<Option<TransactionModes>> {
        if !chain {
            return Ok(None);
        }
        match &self.transaction {
            Some(transaction) if transaction.is_block => Ok(Some(TransactionModes {
                isolation: Some(transaction.isolation),
                read_only: Some(transaction.read_only),
                deferrable: Some(transaction.deferrable),
            })),
            _ => bail!(NO_ACTIVE_SQL_TRANSACTION, "{command} can only be used in transaction blocks"),
        }
    }

    fn chain(&mut self, modes: Option<TransactionModes>) -> Result<()> {
        match modes {
            Some(modes) => self.begin(modes).map(|_| ()),
            None => Ok(()),
        }
    }

    fn require_block(&self, command: &str) -> Result<()> {
        match &self.transaction {
            Some(transaction) if transaction.is_block => Ok(()),
            _ => bail!(NO_ACTIVE_SQL_TRANSACTION, "{command} can only be used in transaction blocks"),
        }
    }

    /// SAVEPOINT
    pub(super) async fn savepoint(&mut self, name: &str) -> Result<()> {
        /// Each holds a place in SQLite's stack of savepoints.
        const SAVEPOINTS_MAX: usize = 10_000;

        self.require_block("SAVEPOINT")?;
        let settings = self.shared.settings().save();
        let transaction = self.transaction();
        if transaction.savepoints.len() >= SAVEPOINTS_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "a transaction can have at most {SAVEPOINTS_MAX} savepoints");
        }
        match &mut transaction.write {
            Some(Write::Local(write)) => write.push_savepoint().await?,
            Some(Write::Remote(_)) => self.remote_savepoint().await?,
            None => {}
        }
        self.transaction().savepoints.push(Savepoint { name: name.to_owned(), settings });
        Ok(())
    }

    fn savepoint_place(&mut self, name: &str) -> Result<usize> {
        match self.transaction().savepoints.iter().rposition(|savepoint| savepoint.name == name) {
            Some(place) => Ok(place),
            None => bail!(INVALID_SAVEPOINT_SPECIFICATION, "savepoint \"{name}\" does not exist"),
        }
    }

    /// RELEASE SAVEPOINT
    pub(super) async fn release(&mut self, name: &str) -> Result<()> {
        self.require_block("RELEASE SAVEPOINT")?;
        let place = self.savepoint_place(name)?;
        let transaction = self.transaction();
        match &mut transaction.write {
            Some(Write::Local(write)) => write.release(place).await?,
            Some(Write::Remote(_)) => self.remote_release(place).await?,
            None => {}
        }
        self.transaction().savepoints.truncate(place);
        Ok(())
    }

    /// ROLLBACK TO SAVEPOINT
    pub(super) async fn roll_back_to(&mut self, name: &str) -> Result<()> {
        self.require_block("ROLLBACK TO SAVEPOINT")?;
        let place = self.savepoint_place(name)?;
        let transaction = self.transaction();
        match &mut transaction.write {
            Some(Write::Local(write)) => write.roll_back_to(place).await?,
            Some(Write::Remote(_)) => self.remote_roll_back_to(place).await?,
            None => {}
        }
        let transaction = self.transaction();
        transaction.savepoints.truncate(place + 1);
        transaction.failed = false;
        let saved = transaction.savepoints[place].settings.clone();
        self.shared.settings().restore(saved);
        self.portals.clear();
        Ok(())
    }
}
