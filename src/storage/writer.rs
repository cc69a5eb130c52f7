//! The connection that writes one file.
//!
//! SQLite's one open transaction holds, from below: transactions that are sealed and wait for the log
//! ([`Sealed`]), each in its own savepoint, then the transaction that is open, with the savepoints
//! of its client. [`Writer::settle`] commits those of the sealed ones that the log has, and makes the
//! others again from their change lists on top of the new state. So neither a slow quorum nor a slow
//! client keeps readers from seeing what is committed.
//!
//! SQLite rolls everything back when a disk is full or a statement is interrupted; the lists bring it
//! back too ([`Writer::rebuild`]).

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::apply::Applier;
use super::capture::Capture;
use super::change::{Change, ChangeList, Mark};
use super::execution::{Execution, enter};
use super::failure::Failure;
use super::identity::{Identity, TransactionId};
use super::meta::{self, Meta};
use super::outcome;
use super::pipeline::Sealed;
use super::reader::pump;
use super::sequences::Sequences;
use super::spool::SpillDirectory;
use super::sqlite::{Access, Connection};
use crate::catalog::{self, Catalog, CatalogChange, Field};
use crate::error::{Error, Result};
use crate::telemetry;
use crate::types::{Datum, DatumRef, Oid, RowSink};

/// The savepoint around each statement.
const STATEMENT: &str = "s";

/// A savepoint of the client's.
struct Savepoint {
    mark: Mark,
    catalog: Arc<Catalog>,
}

/// The transaction in progress.
struct Open {
    catalog_before: Arc<Catalog>,
    savepoints: Vec<Savepoint>,
    /// Whether definitions touched the sequences' rows.
    touched_sequences: bool,
    /// Why it cannot be committed any more.
    doomed: Option<Error>,
}

/// See the module's description.
pub struct Writer {
    connection: Connection,
    capture: Capture,
    applier: Applier,
    sequences: Arc<Mutex<Sequences>>,
    /// The catalog that readers see: see [`super::reader::ReaderPool`].
    visible_catalog: Arc<RwLock<Arc<Catalog>>>,
    /// The catalog as it is on top of everything.
    catalog: Arc<Catalog>,
    sealed: VecDeque<Arc<Sealed>>,
    open: Option<Open>,
    /// What the file's row about itself says.
    settled: Meta,
    /// Whether SQLite has lost the open transaction, which must be made again before anything else.
    lost: bool,
    /// Whether the sequences' rows were changed by others.
    stale_sequences: bool,
}

/// The name of the savepoint at a depth of the stack.
fn savepoint_name(depth: usize) -> String {
    format!("d{depth}")
}

/// Reads the catalog as a connection sees it.
fn load_catalog(connection: &mut Connection) -> Result<Catalog> {
    static VERSION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let counter =
        connection.query("SELECT \"next_oid\" FROM \"quorate.counter\"", &[]).map_err(Failure::into_error)?;
    let Some([Datum::Integer(next_oid)]) = counter.first().map(Vec::as_slice) else {
        return Err(Error::internal("a database file has no next oid"));
    };
    let version = VERSION.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let rows = std::cell::RefCell::new(connection);
    catalog::load(version, *next_oid as Oid, |relation| relation_rows(&mut rows.borrow_mut(), relation))
}

fn relation_rows(connection: &mut Connection, relation: &str) -> Result<catalog::Rows> {
    let is_there = connection
        .query(
            "SELECT 1 FROM sqlite_schema WHERE name = ?1",
            &[DatumRef::Text(&format!("pg_catalog.{relation}"))],
        )
        .map_err(Failure::into_error)?;
    if is_there.is_empty() {
        return Ok(Vec::new());
    }
    let sql: Arc<str> = format!("SELECT * FROM \"pg_catalog.{relation}\"").into();
    let statement = connection.prepare(&sql).map_err(Failure::into_error)?;
    let names: Vec<String> =
        (0..statement.column_count()).map(|column| statement.column_name(column)).collect();
    let rows = connection.query(&sql, &[]).map_err(Failure::into_error)?;
    Ok(rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect())
}

impl Writer {
    /// Opens a file, which must have been initialised.
    pub(super) fn open(path: &Path, spill: SpillDirectory) -> Result<Writer> {
        let mut connection = Connection::open(path, Access::Writer)?;
        let settled = meta::read(&mut connection)?;
        let catalog = Arc::new(load_catalog(&mut connection)?);
        let mut sequences = Sequences::default();
        sequences.load(&mut connection)?;
        Ok(Writer {
            capture: Capture::new(spill),
            applier: Applier::default(),
            sequences: Arc::new(Mutex::new(sequences)),
            visible_catalog: Arc::new(RwLock::new(catalog.clone())),
            catalog,
            sealed: VecDeque::new(),
            open: None,
            settled,
            lost: false,
            stale_sequences: false,
            connection,
        })
    }

    pub(super) fn visible_catalog(&self) -> Arc<RwLock<Arc<Catalog>>> {
        self.visible_catalog.clone()
    }

    pub(super) fn shared_sequences(&self) -> Arc<Mutex<Sequences>> {
        self.sequences.clone()
    }

    pub(super) fn settled(&self) -> Meta {
        self.settled
    }

    /// The catalog as the open transaction, or the next one, sees it.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn open_mut(&mut self) -> &mut Open {
        self.open.as_mut().expect("a transaction is open")
    }

    fn execute(&mut self, sql: String) -> Result<(), Failure> {
        self.connection.run(&sql.into(), &[]).map(|_| ())
    }

    fn push_savepoint(&mut self, depth: usize) -> Result<(), Failure> {
        self.execute(format!("SAVEPOINT {}", savepoint_name(depth)))
    }

    /// Undoes everything since the savepoint at a depth, which stays.
    fn roll_back_to_depth(&mut self, depth: usize) -> Result<(), Failure> {
        self.execute(format!("ROLLBACK TO {}", savepoint_name(depth)))
    }

    /// Removes the savepoint at a depth and those above, keeping what was done.
    fn release_depth(&mut self, depth: usize) -> Result<(), Failure> {
        self.execute(format!("RELEASE {}", savepoint_name(depth)))
    }

    /// Makes sure that SQLite has the open transaction that this writer believes in.
    fn ensure_transaction(&mut self) -> Result<(), Failure> {
        if self.lost {
            return self.rebuild();
        }
        if self.connection.is_autocommit() {
            self.connection.run(&"BEGIN IMMEDIATE".into(), &[])?;
        }
        Ok(())
    }

    /// Starts a transaction.
    pub fn begin(&mut self) -> Result<()> {
        assert!(self.open.is_none(), "one transaction is open at a time");
        if std::mem::take(&mut self.stale_sequences) {
            self.reload_sequences();
        }
        self.ensure_transaction().map_err(Failure::into_error)?;
        self.push_savepoint(self.sealed.len()).map_err(Failure::into_error)?;
        self.capture.install(&self.connection);
        self.open = Some(Open {
            catalog_before: self.catalog.clone(),
            savepoints: Vec::new(),
            touched_sequences: false,
            doomed: None,
        });
        Ok(())
    }

    /// The error of a transaction that can only be rolled back.
    pub fn check(&mut self) -> Result<()> {
        let open =
            self.open.as_ref().ok_or_else(|| Error::internal("no transaction is open on the writer"))?;
        if let Some(error) = &open.doomed {
            return Err(error.clone());
        }
        if self.lost { self.rebuild().map_err(Failure::into_error) } else { Ok(()) }
    }

    /// Runs one statement, all of which happens or nothing.
    pub fn statement<T>(
        &mut self,
        execution: &Execution<'_>,
        upserts: bool,
        work: impl FnOnce(&mut Statement<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.check()?;
        let mark = self.capture.mark();
        let catalog = self.catalog.clone();
        self.connection.run(&format!("SAVEPOINT {STATEMENT}").into(), &[])?;
        self.capture.expect(upserts);
        let outcome = enter(execution, || {
            let value = work(&mut Statement { writer: self, mark })?;
            self.capture.outcome()?;
            Ok(value)
        });
        let ended = match outcome {
            Ok(value) => self.connection.run(&format!("RELEASE {STATEMENT}").into(), &[]).map(|_| value),
            Err(failure) => Err(failure),
        };
        if ended.is_err() {
            self.undo_statement(mark, catalog);
        }
        ended
    }

    /// Takes back a failed statement. If SQLite has taken back more than that, the rest is made again.
    fn undo_statement(&mut self, mark: Mark, catalog: Arc<Catalog>) {
        self.capture.expect(false);
        self.capture.truncate(mark);
        self.catalog = catalog;
        if self.connection.is_autocommit() {
            self.lost = true;
        } else {
            let undone = self.connection.run(&format!("ROLLBACK TO {STATEMENT}").into(), &[]);
            let released = self.connection.run(&format!("RELEASE {STATEMENT}").into(), &[]);
            self.lost = undone.and(released).is_err();
        }
        if self.open.as_ref().is_some_and(|open| open.touched_sequences) {
            self.reload_sequences();
        }
        if self.lost
            && let Err(failure) = self.rebuild()
        {
            telemetry::error!(
                "the writer could not take its transactions up again: {}",
                failure.into_error()
            );
        }
    }

    /// The sequences as the file has them, after rows of theirs were rolled back.
    fn reload_sequences(&mut self) {
        let sequences = self.sequences.clone();
        let mut sequences = sequences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = sequences.load(&mut self.connection) {
            telemetry::error!("the sequences could not be read: {error}");
        }
    }

    /// SAVEPOINT: marks the open transaction's state.
    pub fn push_client_savepoint(&mut self) -> Result<()> {
        self.check()?;
        let (mark, catalog) = (self.capture.mark(), self.catalog.clone());
        let depth = self.sealed.len() + 1 + self.open_mut().savepoints.len();
        self.push_savepoint(depth).map_err(Failure::into_error)?;
        self.open_mut().savepoints.push(Savepoint { mark, catalog });
        Ok(())
    }

    /// ROLLBACK TO: back to the state of a savepoint, by its place among the transaction's. It stays.
    pub fn roll_back_to(&mut self, place: usize) -> Result<()> {
        self.check()?;
        let depth = self.sealed.len() + 1 + place;
        self.roll_back_to_depth(depth).map_err(Failure::into_error)?;
        let open = self.open.as_mut().expect("a transaction is open");
        open.savepoints.truncate(place + 1);
        let savepoint = &open.savepoints[place];
        self.capture.truncate(savepoint.mark);
        self.catalog = savepoint.catalog.clone();
        if open.touched_sequences {
            self.reload_sequences();
        }
        Ok(())
    }

    /// RELEASE: forgets a savepoint and those after it.
    pub fn release(&mut self, place: usize) -> Result<()> {
        self.check()?;
        self.release_depth(self.sealed.len() + 1 + place).map_err(Failure::into_error)?;
        self.open_mut().savepoints.truncate(place);
        Ok(())
    }

    /// Ends the open transaction without a trace.
    pub fn roll_back(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.capture.take();
        self.capture.remove(&self.connection);
        self.catalog = open.catalog_before;
        let depth = self.sealed.len();
        if !self.lost {
            let undone = self.roll_back_to_depth(depth).and_then(|()| self.release_depth(depth));
            self.lost = undone.is_err();
        }
        if open.touched_sequences {
            self.reload_sequences();
        }
    }

    /// Completes the open transaction's changes, or gives `None` if there are none. The transaction stays
    /// in SQLite's, sealed, until the log has it.
    pub(super) fn seal(
        &mut self,
        base: Identity,
        identity: Identity,
        id: Option<TransactionId>,
    ) -> Result<Option<Arc<Sealed>>> {
        self.check()?;
        let stored = {
            let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
            sequences.store(&mut self.connection)
        };
        if let Err(failure) = stored.and_then(|()| Ok(self.capture.outcome()?)) {
            self.roll_back();
            return Err(failure.into_error());
        }
        self.capture.remove(&self.connection);
        let changes = self.capture.take();
        let open = self.open.take().expect("a transaction is open");
        if changes.is_empty() {
            self.release_depth(self.sealed.len()).map_err(Failure::into_error)?;
            return Ok(None);
        }
        let changed_catalog = !Arc::ptr_eq(&open.catalog_before, &self.catalog);
        let catalog = changed_catalog.then(|| self.catalog.clone());
        let sealed = Arc::new(Sealed { base, identity, id, changes, catalog });
        self.sealed.push_back(sealed.clone());
        Ok(Some(sealed))
    }

    /// How many sealed transactions are not committed to the file.
    pub(super) fn sealed_count(&self) -> usize {
        self.sealed.len()
    }

    /// How many bytes of changes they have.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.sealed.iter().map(|sealed| sealed.changes.byte_count()).sum()
    }

    /// Commits to the file what the log has: all transactions up to `applied`.
    pub(super) fn settle(&mut self, applied: Meta) -> Result<()> {
        let outcome = self.try_settle(applied);
        // Whatever SQLite still has of them, it may not be all.
        self.lost |= outcome.is_err();
        outcome.map_err(Failure::into_error)
    }

    fn try_settle(&mut self, applied: Meta) -> Result<(), Failure> {
        if applied == self.settled {
            return Ok(());
        }
        let position = self.sealed.iter().position(|sealed| sealed.identity == applied.identity);
        let count = position.map_or(0, |position| position + 1);
        self.ensure_transaction()?;
        let has_more = count < self.sealed.len() || self.open.is_some();
        self.capture.remove(&self.connection);
        if has_more {
            self.roll_back_to_depth(count)?;
        }
        meta::write(&mut self.connection, applied)?;
        for sealed in self.sealed.iter().take(count) {
            outcome::note(&mut self.connection, sealed.id)?;
        }
        self.commit(count)?;
        self.settled = applied;
        telemetry::metrics::SETTLES.increment();
        self.sealed.drain(..count);
        if has_more {
            telemetry::metrics::REDOS.increment();
            self.rebuild()?;
        }
        Ok(())
    }

    /// SQLite's COMMIT; readers get a changed catalog with it.
    fn commit(&mut self, count: usize) -> Result<(), Failure> {
        let catalog = self.sealed.iter().take(count).filter_map(|sealed| sealed.catalog.clone()).next_back();
        let commit: Arc<str> = "COMMIT".into();
        let Some(catalog) = catalog else { return self.connection.run(&commit, &[]).map(|_| ()) };
        let visible = self.visible_catalog.clone();
        let mut visible = visible.write().unwrap_or_else(PoisonError::into_inner);
        self.connection.run(&commit, &[])?;
        *visible = catalog;
        Ok(())
    }

    /// Makes SQLite's open transaction again from the change lists.
    fn rebuild(&mut self) -> Result<(), Failure> {
        self.lost = true;
        self.capture.remove(&self.connection);
        self.applier.forget();
        if !self.connection.is_autocommit() {
            self.connection.run(&"ROLLBACK".into(), &[])?;
        }
        self.connection.run(&"BEGIN IMMEDIATE".into(), &[])?;
        for place in 0..self.sealed.len() {
            self.push_savepoint(place)?;
            let sealed = self.sealed[place].clone();
            self.applier.apply(
                &mut self.connection,
                &sealed.changes,
                Mark::default(),
                sealed.changes.mark(),
            )?;
        }
        if self.open.is_some() {
            self.rebuild_open()?;
        }
        self.lost = false;
        Ok(())
    }

    fn rebuild_open(&mut self) -> Result<(), Failure> {
        let depth = self.sealed.len();
        self.push_savepoint(depth)?;
        let marks: Vec<Mark> = self.open_mut().savepoints.iter().map(|savepoint| savepoint.mark).collect();
        let mut from = Mark::default();
        for (place, mark) in marks.into_iter().enumerate() {
            self.apply_captured(from, mark)?;
            self.push_savepoint(depth + 1 + place)?;
            from = mark;
        }
        self.apply_captured(from, self.capture.mark())?;
        self.capture.install(&self.connection);
        Ok(())
    }

    fn apply_captured(&mut self, from: Mark, to: Mark) -> Result<(), Failure> {
        let (applier, connection) = (&mut self.applier, &mut self.connection);
        self.capture.with_list(|list| applier.apply(connection, list, from, to))
    }

    /// Throws away what can be in no entry: all that was computed on a state. The open transaction, if any,
    /// was too, and can only be rolled back.
    pub(super) fn abandon_from(&mut self, base: Identity, applied: Meta, error: &Error) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.doomed = Some(error.clone());
            open.savepoints.clear();
            self.capture.take();
            self.capture.remove(&self.connection);
        }
        if let Some(place) = self.sealed.iter().position(|sealed| sealed.base == base) {
            self.sealed.truncate(place);
        }
        // Without the abandoned ones, SQLite's transaction must be made again.
        self.lost = true;
        self.settle(applied)?;
        self.stale_sequences = true;
        if !self.sealed.is_empty() {
            self.rebuild().map_err(Failure::into_error)?;
        } else if !self.connection.is_autocommit() {
            self.connection.run(&"ROLLBACK".into(), &[]).map_err(Failure::into_error)?;
            self.lost = self.open.is_some();
        }
        let catalog = Arc::new(load_catalog(&mut self.connection)?);
        self.catalog = catalog.clone();
        if let Some(open) = &mut self.open {
            open.catalog_before = catalog;
        }
        Ok(())
    }

    /// Throws away everything that is not in the log: see [`Writer::abandon_from`].
    pub(super) fn abandon(&mut self, applied: Meta, error: &Error) -> Result<()> {
        self.abandon_from(applied.identity, applied, error)
    }

    /// Applies transactions of others, in SQLite's transaction; [`Writer::finish_replay`] commits them.
    pub(super) fn replay(&mut self, id: Option<TransactionId>, changes: &ChangeList) -> Result<(), Failure> {
        assert!(self.sealed.is_empty(), "own transactions are settled or abandoned before those of others");
        if self.connection.is_autocommit() {
            self.connection.run(&"BEGIN IMMEDIATE".into(), &[])?;
        }
        outcome::note(&mut self.connection, id)?;
        self.applier.apply(&mut self.connection, changes, Mark::default(), changes.mark())
    }

    /// Commits what was replayed.
    pub(super) fn finish_replay(&mut self, applied: Meta, changed_catalog: bool) -> Result<(), Failure> {
        if self.connection.is_autocommit() {
            self.connection.run(&"BEGIN IMMEDIATE".into(), &[])?;
        }
        meta::write(&mut self.connection, applied)?;
        if changed_catalog {
            self.catalog = Arc::new(load_catalog(&mut self.connection)?);
        }
        let mut visible = self.visible_catalog.write().unwrap_or_else(PoisonError::into_inner);
        self.connection.run(&"COMMIT".into(), &[])?;
        *visible = self.catalog.clone();
        self.settled = applied;
        self.stale_sequences = true;
        Ok(())
    }

    /// The connection, for checkpoints and copies while no transaction is open.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// A statement in progress on the writer.
pub struct Statement<'a> {
    writer: &'a mut Writer,
    mark: Mark,
}

/// What one of SQLite's statements did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Rows inserted, changed or deleted.
    pub rows: u64,
    /// The number of the row inserted last.
    pub last_rowid: i64,
}

/// Takes no rows.
struct Nothing;

impl RowSink for Nothing {
    fn row(&mut self, _: &[DatumRef<'_>]) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
}

impl Statement<'_> {
    /// The catalog as this statement sees it.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.writer.catalog.clone()
    }

    /// Runs one of SQLite's statements to its end and gives its rows to a sink.
    pub fn run(
        &mut self,
        sql: &Arc<str>,
        parameters: &[DatumRef<'_>],
        sink: &mut dyn RowSink,
    ) -> Result<Changed, Failure> {
        let mut statement = self.writer.connection.take(sql)?;
        let outcome =
            statement.bind_all(parameters).and_then(|()| pump(&self.writer.connection, &mut statement, sink));
        self.writer.connection.put_back(statement);
        outcome?;
        let connection = &self.writer.connection;
        Ok(Changed { rows: connection.changes(), last_rowid: connection.last_insert_rowid() })
    }

    /// Runs one of SQLite's statements that gives no rows.
    pub fn change(&mut self, sql: &Arc<str>, parameters: &[DatumRef<'_>]) -> Result<Changed, Failure> {
        self.run(sql, parameters, &mut Nothing)
    }

    /// All rows of a query that gives few.
    pub fn query(&mut self, sql: &str, parameters: &[DatumRef<'_>]) -> Result<Vec<Vec<Datum>>, Failure> {
        self.writer.connection.query(sql, parameters)
    }

    /// Where the statement's changes start.
    pub fn start(&self) -> Mark {
        self.mark
    }

    /// Where its changes end by now.
    pub fn end(&self) -> Mark {
        self.writer.capture.mark()
    }

    /// Calls `visit` with the changes captured between two marks.
    pub fn changes(
        &self,
        from: Mark,
        to: Mark,
        visit: impl FnMut(Change<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.writer.capture.with_list(|list| list.visit_range(from, to, visit))
    }

    /// Changes SQLite's schema; the statement itself is what is captured.
    pub fn change_schema(&mut self, sql: &str) -> Result<(), Failure> {
        let writer = &mut *self.writer;
        writer.capture.remove(&writer.connection);
        writer.applier.forget();
        let outcome = writer.connection.execute_schema(sql);
        writer.capture.install(&writer.connection);
        outcome?;
        Ok(writer.capture.push_schema(sql)?)
    }

    /// Changes rows of the stored system relations.
    pub fn change_catalog(&mut self, change: &CatalogChange) -> Result<(), Failure> {
        match change {
            CatalogChange::Insert { relation, row } => self.insert_catalog(relation, row),
            CatalogChange::Update { relation, keys, values } => {
                let set = assignments(values, 1, ", ");
                let condition = assignments(keys, values.len() + 1, " AND ");
                let sql = format!("UPDATE \"pg_catalog.{relation}\" SET {set} WHERE {condition}");
                self.change_with(sql, values.iter().chain(keys))
            }
            CatalogChange::Delete { relation, keys } => {
                let condition = assignments(keys, 1, " AND ");
                self.change_with(
                    format!("DELETE FROM \"pg_catalog.{relation}\" WHERE {condition}"),
                    keys.iter(),
                )
            }
            CatalogChange::NextOid(oid) => {
                let sql = "UPDATE \"quorate.counter\" SET \"next_oid\" = ?1";
                self.change(&sql.into(), &[DatumRef::Integer((*oid).into())]).map(|_| ())
            }
        }
    }

    fn insert_catalog(&mut self, relation: &str, row: &[Field]) -> Result<(), Failure> {
        let columns: Vec<String> = row.iter().map(|(column, _)| format!("\"{column}\"")).collect();
        let places: Vec<String> = (1..=row.len()).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "INSERT INTO \"pg_catalog.{relation}\" ({}) VALUES ({})",
            columns.join(", "),
            places.join(", ")
        );
        self.change_with(sql, row.iter())
    }

    fn change_with<'f>(
        &mut self,
        sql: String,
        fields: impl Iterator<Item = &'f Field>,
    ) -> Result<(), Failure> {
        let values: Vec<DatumRef<'_>> = fields.map(|(_, value)| value.as_ref()).collect();
        self.change(&sql.into(), &values).map(|_| ())
    }

    /// After changes of the system relations: reads the catalog anew.
    pub fn reload_catalog(&mut self) -> Result<(), Failure> {
        self.writer.catalog = Arc::new(load_catalog(&mut self.writer.connection)?);
        Ok(())
    }

    /// What a full disk or an interruption does: SQLite rolls everything back.
    #[cfg(test)]
    pub(super) fn lose_everything(&mut self) -> Result<(), Failure> {
        self.writer.connection.run(&"ROLLBACK".into(), &[])?;
        Err(Error::new(crate::error::state::DISK_FULL, "as if the disk were full").into())
    }

    /// Creates a sequence's row, or sets it back.
    pub fn set_sequence(&mut self, oid: Oid, start: i64) -> Result<(), Failure> {
        self.writer.open_mut().touched_sequences = true;
        let mut sequences = self.writer.sequences.lock().unwrap_or_else(PoisonError::into_inner);
        sequences.create(&mut self.writer.connection, oid, start)
    }

    /// Removes a sequence's row.
    pub fn drop_sequence(&mut self, oid: Oid) -> Result<(), Failure> {
        self.writer.open_mut().touched_sequences = true;
        let mut sequences = self.writer.sequences.lock().unwrap_or_else(PoisonError::into_inner);
        sequences.remove(&mut self.writer.connection, oid)
    }
}

/// `"a" = ?n, "b" = ?n+1`
fn assignments(fields: &[Field], first: usize, separator: &str) -> String {
    let parts =
        fields.iter().enumerate().map(|(place, (column, _))| format!("\"{column}\" = ?{}", first + place));
    parts.collect::<Vec<_>>().join(separator)
}
