//! Transactions on their way: sealed, proposed, applied. The writer does not wait for them: the next
//! transaction runs on top of them in SQLite's open transaction.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::change::ChangeList;
use super::entry::ENTRY_BYTES_MAX;
use super::identity::{Identity, TransactionId};
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
    /// The id by which clients may ask for its outcome.
    pub id: Option<TransactionId>,
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
    /// With the term in which each was proposed.
    in_flight: VecDeque<(u64, Pending)>,
    /// Those with an id that are not in the file yet, whether applied or not.
    named: VecDeque<(Identity, TransactionId)>,
}

impl Pipeline {
    pub(super) fn new(applied: Meta, first: Identity) -> Pipeline {
        Pipeline {
            tip: first,
            applied,
            ready: VecDeque::new(),
            in_flight: VecDeque::new(),
            named: VecDeque::new(),
        }
    }

    /// What is applied.
    pub(super) fn applied(&self) -> Meta {
        self.applied
    }

    /// The base and the identity of the next transaction to be sealed.
    pub(super) fn next(&self) -> (Identity, Identity) {
        let base = match self.last() {
            Some(pending) => pending.sealed.identity,
            None => self.applied.identity,
        };
        (base, self.tip.next())
    }

    fn last(&self) -> Option<&Pending> {
        self.ready.back().or(self.in_flight.back().map(|(_, pending)| pending))
    }

    /// Takes a sealed transaction, to be proposed.
    pub(super) fn push(&mut self, sealed: Arc<Sealed>) -> oneshot::Receiver<CommitOutcome> {
        let (sender, receiver) = oneshot::channel();
        self.tip = sealed.identity;
        self.named.extend(sealed.id.map(|id| (sealed.identity, id)));
        self.ready.push_back(Pending { sealed, waiting: vec![sender] });
        receiver
    }

    /// For a transaction without changes, which saw what is not applied yet: waits for that. `None` if
    /// there is nothing to wait for.
    pub(super) fn wait(&mut self) -> Option<oneshot::Receiver<CommitOutcome>> {
        let in_flight = self.in_flight.back_mut().map(|(_, pending)| pending);
        let last = self.ready.back_mut().or(in_flight)?;
        let (sender, receiver) = oneshot::channel();
        last.waiting.push(sender);
        Some(receiver)
    }

    /// Takes what can go into one entry of a term.
    pub(super) fn take_ready(&mut self, database: Oid, term: u64) -> Option<Batch> {
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
            self.in_flight.extend(self.ready.pop_front().map(|pending| (term, pending)));
        }
        let identity = transactions.last()?.identity;
        Some(Batch { database, base, identity, transactions })
    }

    /// Whether this transaction was proposed by this process and is not yet decided.
    pub(super) fn is_in_flight(&self, identity: Identity) -> bool {
        self.in_flight.iter().any(|(_, pending)| pending.sealed.identity == identity)
    }

    /// The entry with these transactions of ours was applied.
    pub(super) fn acknowledge(&mut self, identity: Identity, log_id: LogId) {
        self.applied = Meta { applied: log_id, identity };
        self.answer_until(identity, &Ok(log_id));
    }

    /// The base of the first transaction proposed before a term. It and all after it can be in no entry
    /// any more once an entry of that term is applied: entries come in the order of their terms.
    pub(super) fn first_before(&self, term: u64) -> Option<Identity> {
        let (_, pending) = self.in_flight.iter().find(|(proposed, _)| *proposed < term)?;
        Some(pending.sealed.base)
    }

    /// The transactions that were computed on a state, one upon the other, are in no entry.
    pub(super) fn refuse_from(&mut self, base: Identity, error: &Error) {
        let place = self.in_flight.iter().position(|(_, pending)| pending.sealed.base == base);
        let refused = self.in_flight.split_off(place.unwrap_or(self.in_flight.len()));
        for (_, pending) in refused {
            self.named.retain(|(identity, _)| *identity != pending.sealed.identity);
            pending.answer(&Err(error.clone()));
        }
        self.fail_ready(error);
    }

    fn answer_until(&mut self, identity: Identity, outcome: &CommitOutcome) {
        while let Some((_, pending)) = self.in_flight.pop_front() {
            let is_last = pending.sealed.identity == identity;
            pending.answer(outcome);
            if is_last {
                break;
            }
        }
    }

    /// Whether a transaction is sealed and not in the file yet.
    pub(super) fn has(&self, id: TransactionId) -> bool {
        self.named.iter().any(|(_, named)| *named == id)
    }

    /// What was applied up to a transaction is in the file.
    pub(super) fn settled(&mut self, identity: Identity) {
        if identity.incarnation == self.tip.incarnation {
            self.named.retain(|(named, _)| named.sequence > identity.sequence);
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
            self.named.retain(|(identity, _)| *identity != pending.sealed.identity);
            pending.answer(&Err(error.clone()));
        }
    }

    /// Everything under way has an unknown end: the log has stopped.
    pub(super) fn fail_in_flight(&mut self, error: &Error) {
        for (_, pending) in self.in_flight.drain(..) {
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
