//! Transactions on their way: sealed, proposed, applied. The writer does not wait for them: the next
//! transaction runs on top of them in SQLite's open transaction.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::change::ChangeList;
use super::entry::ENTRY_BYTES_MAX;
use super::identity::Identity;
use super::log::LogId;
use super::meta::Meta;
use crate::catalog::Catalog;
use crate::error::{Error, Result, state};
use crate::types::Oid;

/// What became of a commit: the log entry that holds it, or why it is in none.
pub type CommitOutcome = Result<LogId>;

/// Transactions that one entry takes; more wait for the next.
const BATCH_TRANSACTIONS_MAX: usize = 1024;

/// A transaction whose changes are complete.
#[derive(Debug)]
pub struct Sealed {
    /// The transaction it was computed on.
    pub base: Identity,
    /// Its own identity.
    pub identity: Identity,
    /// What it changed.
    pub changes: ChangeList,
    /// The catalog after it, if it changed that.
    pub catalog: Option<Arc<Catalog>>,
}

/// Transactions of one file for one entry.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The file.
    pub database: Oid,
    /// The transaction on whose state the first was computed.
    pub base: Identity,
    /// The last one.
    pub identity: Identity,
    /// All of them.
    pub transactions: Vec<Arc<Sealed>>,
}

/// A sealed transaction and those who wait for it.
struct Pending {
    sealed: Arc<Sealed>,
    waiting: Vec<oneshot::Sender<CommitOutcome>>,
}

impl Pending {
    fn answer(self, outcome: &CommitOutcome) {
        for sender in self.waiting {
            // Who waited may have gone away.
            let _ = sender.send(outcome.clone());
        }
    }
}

/// What is on its way for one file.
pub(super) struct Pipeline {
    /// The last transaction sealed: the next one's base.
    tip: Identity,
    /// The last entry applied, and the last transaction.
    applied: Meta,
    ready: VecDeque<Pending>,
    in_flight: VecDeque<Pending>,
}

impl Pipeline {
    pub(super) fn new(applied: Meta, first: Identity) -> Pipeline {
        Pipeline { tip: first, applied, ready: VecDeque::new(), in_flight: VecDeque::new() }
    }

    /// What is applied.
    pub(super) fn applied(&self) -> Meta {
        self.applied
    }

    /// The base and the identity of the next transaction to be sealed.
    pub(super) fn next(&self) -> (Identity, Identity) {
        let base = match self.ready.back().or(self.in_flight.back()) {
            Some(pending) => pending.sealed.identity,
            None => self.applied.identity,
        };
        (base, self.tip.next())
    }

    /// Takes a sealed transaction, to be proposed.
    pub(super) fn push(&mut self, sealed: Arc<Sealed>) -> oneshot::Receiver<CommitOutcome> {
        let (sender, receiver) = oneshot::channel();
        self.tip = sealed.identity;
        self.ready.push_back(Pending { sealed, waiting: vec![sender] });
        receiver
    }

    /// For a transaction without changes, which saw what is not applied yet: waits for that. `None` if
    /// there is nothing to wait for.
    pub(super) fn wait(&mut self) -> Option<oneshot::Receiver<CommitOutcome>> {
        let last = self.ready.back_mut().or(self.in_flight.back_mut())?;
        let (sender, receiver) = oneshot::channel();
        last.waiting.push(sender);
        Some(receiver)
    }

    /// Takes what can go into one entry.
    pub(super) fn take_ready(&mut self, database: Oid) -> Option<Batch> {
        let base = self.ready.front()?.sealed.base;
        let mut transactions: Vec<Arc<Sealed>> = Vec::new();
        let mut bytes = 0;
        while let Some(pending) = self.ready.front() {
            bytes += pending.sealed.changes.byte_count();
            let is_full = bytes > ENTRY_BYTES_MAX as u64 || transactions.len() >= BATCH_TRANSACTIONS_MAX;
            if is_full && !transactions.is_empty() {
                break;
            }
            transactions.push(pending.sealed.clone());
            self.in_flight.extend(self.ready.pop_front());
        }
        let identity = transactions.last()?.identity;
        Some(Batch { database, base, identity, transactions })
    }

    /// Whether this transaction was proposed by this process and is not yet decided.
    pub(super) fn is_in_flight(&self, identity: Identity) -> bool {
        self.in_flight.iter().any(|pending| pending.sealed.identity == identity)
    }

    /// The entry with these transactions of ours was applied.
    pub(super) fn acknowledge(&mut self, identity: Identity, log_id: LogId) {
        self.applied = Meta { applied: log_id, identity };
        self.answer_until(identity, &Ok(log_id));
    }

    /// The entry with these transactions of ours was refused or never written.
    pub(super) fn refuse(&mut self, identity: Identity, error: &Error) {
        self.answer_until(identity, &Err(error.clone()));
    }

    fn answer_until(&mut self, identity: Identity, outcome: &CommitOutcome) {
        while let Some(pending) = self.in_flight.pop_front() {
            let is_last = pending.sealed.identity == identity;
            pending.answer(outcome);
            if is_last {
                break;
            }
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.in_flight.is_empty()
    }

    /// An entry of others, or one without changes for this file, was applied.
    pub(super) fn advance(&mut self, applied: Meta) {
        self.applied = applied;
    }

    /// What was not proposed yet never will be.
    pub(super) fn fail_ready(&mut self, error: &Error) {
        for pending in self.ready.drain(..) {
            pending.answer(&Err(error.clone()));
        }
    }

    /// Everything under way has an unknown end: the log has stopped.
    pub(super) fn fail_in_flight(&mut self, error: &Error) {
        for pending in self.in_flight.drain(..) {
            pending.answer(&Err(error.clone()));
        }
    }
}

/// 40001: another node's changes came first.
pub(super) fn overtaken() -> Error {
    Error::new(
        state::SERIALIZATION_FAILURE,
        "could not serialize access: another node became the leader during the transaction",
    )
    .with_hint("The transaction might succeed if retried.")
}
