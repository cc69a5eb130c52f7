//! Takes completed transactions to the log. While entries are on their way, the next transactions run
//! and gather for the next entry: a group commit whose groups grow with the load by themselves.

use std::collections::VecDeque;

use super::consensus::{Consensus, Outcome};
use crate::error::Result;
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
            let batches = databases.take_ready();
            if !batches.is_empty() {
                in_flight.extend(propose(databases, consensus, batches).await);
                continue;
            }
        }
        let has_room = in_flight.len() < IN_FLIGHT_MAX;
        match in_flight.front_mut() {
            None => databases.ready().notified().await,
            Some(first) if has_room => {
                tokio::select! {
                    ended = end(&mut first.outcomes) => {
                        finish(databases, in_flight.pop_front(), ended).await;
                    }
                    () = databases.ready().notified() => {}
                }
            }
            Some(first) => {
                let ended = end(&mut first.outcomes).await;
                finish(databases, in_flight.pop_front(), ended).await;
            }
        }
    }
}

/// Proposes the entries of some batches; `None` if that failed.
async fn propose(databases: &Databases, consensus: &dyn Consensus, batches: Vec<Batch>) -> Option<Proposed> {
    match propose_all(consensus, &batches).await {
        Ok(outcomes) => Some(Proposed { batches, outcomes }),
        Err(error) => {
            let failed = Proposed { batches, outcomes: Vec::new() };
            finish(databases, Some(failed), Err(error)).await;
            None
        }
    }
}

async fn propose_all(consensus: &dyn Consensus, batches: &[Batch]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for entry in encode(batches)? {
        outcomes.push(consensus.propose(entry).await?);
    }
    Ok(outcomes)
}

/// Waits for the ends of all entries. May be dropped and called again: those that have ended are gone.
async fn end(outcomes: &mut Vec<Outcome>) -> Result<()> {
    while let Some(outcome) = outcomes.first_mut() {
        let ended = outcome.await;
        drop(outcomes.remove(0));
        ended?;
    }
    Ok(())
}

async fn finish(databases: &Databases, proposed: Option<Proposed>, ended: Result<()>) {
    let (Some(proposed), Err(error)) = (proposed, ended) else { return };
    if let Err(second) = databases.withdraw(&proposed.batches, &error).await {
        telemetry::error!(
            "transactions that could not be committed could not be taken back either: {second}"
        );
    }
}
