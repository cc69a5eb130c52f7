//! A node whose files are not what the log was written from leaves service, takes over another node's
//! files, and comes back. Its log and its votes are sound, and stay: it never stops being a member.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use super::copies::Fetcher;
use super::node::Raft;
use crate::error::{Error, Result, state};
use crate::storage::Databases;
use crate::telemetry;
use crate::transport::Destination;

/// How long to wait before the next node is asked.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// See the module's description.
pub(super) struct Rebuilder {
    own: u64,
    /// Known once the node has started.
    raft: OnceLock<Raft>,
    is_running: AtomicBool,
    /// Whether somebody has asked for it.
    is_wanted: AtomicBool,
}

impl Rebuilder {
    pub(super) fn new(own: u64) -> Arc<Rebuilder> {
        Arc::new(Rebuilder {
            own,
            raft: OnceLock::new(),
            is_running: AtomicBool::new(false),
            is_wanted: AtomicBool::new(false),
        })
    }

    pub(super) fn know(&self, raft: Raft) {
        let _ = self.raft.set(raft);
    }

    /// Asks for it, when the next entry is applied.
    pub(super) fn want(&self) {
        self.is_wanted.store(true, Ordering::Release);
    }

    /// Whether it was asked for, once.
    pub(super) fn take_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }

    /// Whether the files are being replaced.
    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// The other members, the leader first.
    fn sources(&self) -> Vec<Destination> {
        let Some(raft) = self.raft.get() else { return Vec::new() };
        let metrics = raft.metrics().borrow_watched().clone();
        let mut others: Vec<_> =
            metrics.membership_config.nodes().filter(|(node, _)| **node != self.own).collect();
        others.sort_by_key(|(node, _)| Some(**node) != metrics.current_leader);
        others.into_iter().map(|(node, known)| Destination::node(*node, &known.addr)).collect()
    }

    /// Whether an error means that the files are wrong, and others have right ones.
    pub(super) fn can_help(&self, error: &Error) -> bool {
        error.sqlstate() == state::DATA_CORRUPTED && !self.sources().is_empty()
    }

    /// Replaces the files by another node's, which must have applied an entry. Tries until it succeeds.
    pub(super) async fn run(
        &self,
        databases: &Arc<Databases>,
        fetcher: &Fetcher,
        index: u64,
        cause: &Error,
    ) -> Result<()> {
        telemetry::error!("this node leaves service until it has another node's files: {cause}");
        self.is_running.store(true, Ordering::Release);
        databases.leave_service();
        self.stop_leading().await;
        loop {
            for source in self.sources() {
                match fetcher.fetch(&source, index).await {
                    Ok(opened) => {
                        fetcher.take_over(&opened).await?;
                        self.is_running.store(false, Ordering::Release);
                        telemetry::info!("this node is back in service");
                        return Ok(());
                    }
                    Err(error) => {
                        telemetry::warn!("files could not be fetched from {}: {error}", source.address);
                    }
                }
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// A leader that cannot apply is of no use.
    async fn stop_leading(&self) {
        let Some(raft) = self.raft.get().filter(|raft| raft.is_leader()) else { return };
        let metrics = raft.metrics().borrow_watched().clone();
        let replicated = metrics.replication.unwrap_or_default();
        let best =
            replicated.iter().filter(|(node, _)| **node != self.own).max_by_key(|(_, log_id)| **log_id);
        if let Some((node, _)) = best
            && let Err(error) = raft.trigger().transfer_leader(*node).await
        {
            telemetry::warn!("the leadership could not be given away: {error}");
        }
    }
}
