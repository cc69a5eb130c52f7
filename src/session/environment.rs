//! What functions see of a session while one statement runs.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::bail;
use crate::catalog::{self, Catalog, SearchPath, naming};
use crate::engine::{CancelToken, Engine, OUTCOME_KEPT_US, Outcomes, SequenceValues, TransactionId};
use crate::error::{Error, Result, state};
use crate::functions::{Env, session::quoted_name};
use crate::settings;
use crate::telemetry::{Clock, Random};
use crate::types::{Format, Oid};

/// How often a sleeping function looks whether it is cancelled.
const SLEEP_STEP: Duration = Duration::from_millis(10);

/// What a session and its running statement share.
pub(super) struct Shared {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) backend_pid: i32,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) cancel: Arc<CancelToken>,
    pub(super) engine: Arc<Engine>,
    pub(super) settings: Mutex<Settings>,
    pub(super) taken: Mutex<TakenValues>,
    /// The state of random(): xorshift, never 0.
    seed: Mutex<u64>,
    /// The entry of the last transaction that this session has committed, or has read at level session.
    pub(super) last_commit: AtomicU64,
    /// The id of the transaction, or of the next one that writes, once somebody has asked for it.
    pub(super) transaction_id: Mutex<Option<TransactionId>>,
}

/// What currval and lastval remember.
#[derive(Default)]
pub(super) struct TakenValues {
    by_sequence: HashMap<Oid, i64>,
    last: Option<(Oid, i64)>,
    /// Grows with every change.
    version: u64,
}

impl TakenValues {
    /// Grows with every change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// All values; the sequence of lastval is the last.
    pub(super) fn list(&self) -> Vec<(Oid, i64)> {
        let last = self.last.map(|(sequence, _)| sequence);
        let mut list: Vec<(Oid, i64)> = self.by_sequence.iter().map(|(oid, value)| (*oid, *value)).collect();
        list.sort_unstable_by_key(|(oid, _)| (Some(*oid) == last, *oid));
        list
    }

    /// Takes over what [`TakenValues::list`] gave.
    pub(super) fn replace(&mut self, list: Vec<(Oid, i64)>) {
        self.version += 1;
        self.last = list.last().copied();
        self.by_sequence = list.into_iter().collect();
    }
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "made in one place, from the parts of a session")]
    pub(super) fn new(
        user: String,
        database: String,
        backend_pid: i32,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        cancel: Arc<CancelToken>,
        engine: Arc<Engine>,
        settings: Settings,
    ) -> Shared {
        let seed = Mutex::new(random.next_u64() | 1);
        let (settings, taken) = (Mutex::new(settings), Mutex::default());
        Shared {
            user,
            database,
            backend_pid,
            clock,
            random,
            cancel,
            engine,
            settings,
            taken,
            seed,
            last_commit: AtomicU64::new(0),
            transaction_id: Mutex::new(None),
        }
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A setting's value as SHOW prints it.
    pub(super) fn show(&self, name: &str) -> Result<String> {
        match settings::find(name).map(|setting| setting.name) {
            Some("quorate.last_commit") => Ok(self.last_commit.load(Ordering::Acquire).to_string()),
            Some("quorate.transaction_id") => Ok(self.transaction_id().to_string()),
            _ => self.settings().show(name),
        }
    }

    /// The id of the transaction, or of the next one that writes.
    pub(super) fn transaction_id(&self) -> TransactionId {
        let mut id = self.transaction_id.lock().unwrap_or_else(PoisonError::into_inner);
        *id.get_or_insert_with(|| TransactionId::new(self.clock.timestamp_us(), &*self.random))
    }

    /// The id of a transaction that a client of another node has started.
    pub(super) fn put_transaction_id(&self, id: TransactionId) {
        *self.transaction_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// The id, if somebody has asked for it. The next transaction will have another.
    pub(super) fn take_transaction_id(&self) -> Option<TransactionId> {
        self.transaction_id.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The session has seen an entry.
    pub(super) fn note_commit(&self, index: u64) {
        self.last_commit.fetch_max(index, Ordering::AcqRel);
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, TakenValues> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One statement's view.
pub(super) struct Environment<'a> {
    pub(super) shared: &'a Shared,
    pub(super) format: &'a Format,
    pub(super) statement_us: i64,
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    /// The sequences, on the writer.
    pub(super) sequences: Option<SequenceValues>,
    /// What transactions have become, on the writer.
    pub(super) outcomes: Option<Outcomes>,
    /// Values that nextval took, for running the statement again: see [`Environment::again`].
    pub(super) replayed: Mutex<VecDeque<(Oid, i64)>>,
    pub(super) drawn: Mutex<Vec<(Oid, i64)>>,
    pub(super) deadline: Option<Instant>,
    /// The catalog as the running definition has changed it.
    pub(super) newer: Mutex<Option<Arc<Catalog>>>,
}

impl Environment<'_> {
    /// A definition has changed the catalog.
    pub(super) fn see(&self, catalog: Arc<Catalog>) {
        *self.newer.lock().unwrap_or_else(PoisonError::into_inner) = Some(catalog);
    }

    /// Before the same statement runs once more to find a refused row: nextval gives the same values.
    pub(super) fn again(&self) {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        *self.replayed.lock().unwrap_or_else(PoisonError::into_inner) = drawn.into();
    }

    fn replay(&self, sequence: Oid) -> Option<i64> {
        let mut replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        match replayed.front() {
            Some((of, _)) if *of == sequence => replayed.pop_front().map(|(_, value)| value),
            _ => None,
        }
    }

    fn check_cancelled(&self) -> Result<()> {
        self.shared.cancel.check()?;
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            bail!(QUERY_CANCELED, "canceling statement due to statement timeout");
        }
        Ok(())
    }

    fn sleep_in_steps(&self, duration: Duration) -> Result<()> {
        let end = Instant::now().checked_add(duration);
        loop {
            self.check_cancelled()?;
            let left = end.map_or(SLEEP_STEP, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLEEP_STEP));
        }
    }

    fn find(&self, name: &str) -> Result<Arc<catalog::Relation>> {
        let parts = split_name(name)?;
        let (schema, relation) = match &parts[..] {
            [relation] => (None, relation),
            [schema, relation] => (Some(schema.as_str()), relation),
            _ => bail!(SYNTAX_ERROR, "improper relation name (too many dotted names): {name}"),
        };
        self.catalog.expect(schema, relation, self.path)
    }

    fn sequence(&self, oid: Oid) -> Result<Arc<catalog::Relation>> {
        let newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match newer.as_deref().unwrap_or(self.catalog).relation(oid) {
            Some(relation) if relation.sequence.is_some() => Ok(relation.clone()),
            Some(relation) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", relation.name),
            None => bail!(UNDEFINED_TABLE, "could not open relation with OID {oid}"),
        }
    }
}

/// Splits a possibly qualified, possibly quoted name as textToQualifiedNameList does.
pub(super) fn split_name(name: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let (part, tail) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.find('"') {
                Some(end) => (quoted[..end].to_owned(), &quoted[end + 1..]),
                None => bail!(INVALID_NAME, "invalid name syntax"),
            },
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (naming::fold(rest[..end].trim(), false).0, &rest[end..])
            }
        };
        if part.is_empty() {
            bail!(INVALID_NAME, "invalid name syntax");
        }
        parts.push(part);
        match tail.trim_start().strip_prefix('.') {
            Some(tail) => rest = tail,
            None if tail.trim().is_empty() => return Ok(parts),
            None => bail!(INVALID_NAME, "invalid name syntax"),
        }
    }
}

impl Env for Environment<'_> {
    fn format(&self) -> &Format {
        self.format
    }

    fn statement_us(&self) -> i64 {
        self.statement_us
    }

    fn clock_us(&self) -> i64 {
        self.shared.clock.timestamp_us()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.shared.random.fill(bytes);
    }

    fn random_double(&self) -> f64 {
        let mut seed = self.shared.seed.lock().unwrap_or_else(PoisonError::into_inner);
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 11) as f64 / (1u64 << 53) as f64
    }

    fn set_seed(&self, seed: f64) {
        *self.shared.seed.lock().unwrap_or_else(PoisonError::into_inner) =
            seed.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    fn sleep(&self, duration: Duration) -> Result<()> {
        let flavor = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
        match flavor {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => {
                tokio::task::block_in_place(|| self.sleep_in_steps(duration))
            }
            _ => self.sleep_in_steps(duration),
        }
    }

    fn user(&self) -> &str {
        &self.shared.user
    }

    fn database(&self) -> &str {
        &self.shared.database
    }

    fn schema(&self) -> Option<&str> {
        self.path.creation().ok().and_then(|oid| self.catalog.schema_name(oid))
    }

    fn backend_pid(&self) -> i32 {
        self.shared.backend_pid
    }

    fn setting(&self, name: &str) -> Result<String> {
        self.shared.show(name)
    }

    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        let mut settings = self.shared.settings();
        settings.set(name, value, local)?;
        match settings::find(name) {
            Some(setting) => settings.show(setting.name),
            None => settings.show(name),
        }
    }

    fn relation(&self, name: &str) -> Result<Oid> {
        self.find(name).map(|relation| relation.oid)
    }

    fn serial_sequence(&self, table: &str, column: &str) -> Result<Option<String>> {
        let relation = self.find(table)?;
        let Some(column) = relation.column(column) else {
            bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", relation.name);
        };
        let owned =
            self.catalog.owned_sequences(relation.oid).iter().find(|(number, _)| *number == column.number);
        let Some(sequence) = owned.and_then(|(_, oid)| self.catalog.relation(*oid)) else { return Ok(None) };
        let schema = self.catalog.schema_name(sequence.schema).unwrap_or_default();
        Ok(Some(format!("{}.{}", quoted_name(schema), quoted_name(&sequence.name))))
    }

    fn is_visible(&self, oid: Oid) -> Option<bool> {
        self.catalog.relation(oid).map(|relation| self.catalog.is_visible(relation, self.path))
    }

    fn next_value(&self, sequence: Oid) -> Result<i64> {
        let relation = self.sequence(sequence)?;
        let value = match (self.replay(sequence), &self.sequences) {
            (Some(value), _) => value,
            (None, Some(sequences)) => sequences.next_value(&relation)?,
            (None, None) => return Err(Error::internal("nextval was called away from the writer")),
        };
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push((sequence, value));
        let mut taken = self.shared.taken();
        taken.by_sequence.insert(sequence, value);
        taken.last = Some((sequence, value));
        taken.version += 1;
        Ok(value)
    }

    fn commit_status(&self, id: &str) -> Result<Option<&'static str>> {
        let Ok(id) = id.trim().parse::<TransactionId>() else {
            bail!(INVALID_TEXT_REPRESENTATION, "invalid transaction id: \"{id}\"");
        };
        let Some(outcomes) = &self.outcomes else {
            return Err(Error::internal("commit_status was called away from the writer"));
        };
        if outcomes.is_committed(id)? {
            return Ok(Some("committed"));
        }
        // What is older may have been forgotten.
        let is_kept = self.clock_us() - id.time_us < OUTCOME_KEPT_US;
        Ok(is_kept.then_some("aborted"))
    }

    fn current_value(&self, sequence: Oid) -> Result<i64> {
        let relation = self.sequence(sequence)?;
        match self.shared.taken().by_sequence.get(&sequence) {
            Some(value) => Ok(*value),
            None => Err(Error::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("currval of sequence \"{}\" is not yet defined in this session", relation.name),
            )),
        }
    }

    fn last_value(&self) -> Result<i64> {
        let taken = self.shared.taken();
        match taken.last {
            Some((sequence, _)) if self.catalog.relation(sequence).is_some() => {
                Ok(taken.by_sequence.get(&sequence).copied().unwrap_or_default())
            }
            _ => bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session"),
        }
    }

    fn set_value(&self, sequence: Oid, value: i64, is_called: bool) -> Result<()> {
        let relation = self.sequence(sequence)?;
        let Some(sequences) = &self.sequences else {
            return Err(Error::internal("setval was called away from the writer"));
        };
        sequences.set_value(&relation, value, is_called)?;
        if is_called {
            let mut taken = self.shared.taken();
            taken.by_sequence.insert(sequence, value);
            taken.version += 1;
        }
        Ok(())
    }
}
