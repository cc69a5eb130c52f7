//! Takes completed transactions to the log. While entries are on their way, the next transactions run
//! and gather for the next entry: a group commit whose groups grow with the load by themselves.

use std::collections::VecDeque;

use super::consensus::{Consensus, Outcome};
use crate::error::{Error, Result, state};
use crate::raft::Fate;
use crate::storage::{Batch, Databases, encode};
use crate::telemetry;

/// Entries on their way at once. One more than is being made durable keeps the log's disk busy; more
/// would only make the groups smaller.
const IN_FLIGHT_MAX: usize = 2;

/// What was proposed together, and the ends of its entries.
struct Proposed {
    batches: Vec<Batch>,
    outcomes: Vec<Outcome>,
}

/// Runs for the engine's life.
pub(super) async fn run(databases: &Databases, consensus: &dyn Consensus) {
    let mut in_flight: VecDeque<Proposed> = VecDeque::new();
    loop {
        if in_flight.len() < IN_FLIGHT_MAX {
            // A term of 0 is before all others: nobody takes the entries, and their transactions fail.
            let term = consensus.leading_term().unwrap_or(0);
            let batches = databases.take_ready(term);
            if !batches.is_empty() {
                in_flight.extend(propose(databases, consensus, batches, term).await);
                continue;
            }
        }
        let has_room = in_flight.len() < IN_FLIGHT_MAX;
        match in_flight.front_mut() {
            None => databases.ready().notified().await,
            Some(first) if has_room => {
                tokio::select! {
                    biased;
                    ended = end(&mut first.outcomes) => {
                        finish(databases, consensus, in_flight.pop_front(), ended).await;
                    }
                    () = databases.ready().notified() => {}
                }
            }
            Some(first) => {
                let ended = end(&mut first.outcomes).await;
                finish(databases, consensus, in_flight.pop_front(), ended).await;
            }
        }
    }
}

/// Proposes the entries of some batches; `None` if that failed.
async fn propose(
    databases: &Databases,
    consensus: &dyn Consensus,
    batches: Vec<Batch>,
    term: u64,
) -> Option<Proposed> {
    match propose_all(consensus, &batches, term).await {
        Ok(outcomes) => Some(Proposed { batches, outcomes }),
        Err(error) => {
            withdraw(databases, &batches, &error).await;
            None
        }
    }
}

async fn propose_all(consensus: &dyn Consensus, batches: &[Batch], term: u64) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for entry in encode(batches)? {
        outcomes.push(consensus.propose(entry, term).await?);
    }
    Ok(outcomes)
}

/// Waits for the ends of all entries; the last one has the data. May be dropped and called again: those
/// that have ended are gone.
async fn end(outcomes: &mut Vec<Outcome>) -> Option<Fate> {
    let mut fate = None;
    while let Some(outcome) = outcomes.first_mut() {
        fate = Some(outcome.await);
        drop(outcomes.remove(0));
    }
    fate
}

async fn finish(
    databases: &Databases,
    consensus: &dyn Consensus,
    proposed: Option<Proposed>,
    ended: Option<Fate>,
) {
    let Some(proposed) = proposed else { return };
    match ended {
        Some(Fate::Refused(error)) => withdraw(databases, &proposed.batches, &error).await,
        // The entries of the next leader will tell, unless there is nothing more to come.
        Some(Fate::Unknown) => {
            if let Some(error) = consensus.failure() {
                databases.fail_pending(&error, &unknown());
            }
        }
        Some(Fate::Applied(_)) | None => {}
    }
}

async fn withdraw(databases: &Databases, batches: &[Batch], error: &Error) {
    if let Err(second) = databases.withdraw(batches, error).await {
        telemetry::error!(
            "transactions that could not be committed could not be taken back either: {second}"
        );
    }
}

/// 08007: the log has stopped with an entry on its way, or nobody has told in time.
pub(super) fn unknown() -> Error {
    Error::new(state::TRANSACTION_RESOLUTION_UNKNOWN, "the outcome of the commit is unknown")
        .with_hint("It may have been committed: ask quorate.commit_status() or look before you repeat it.")
}
