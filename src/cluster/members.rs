//! Changes of membership, and what all nodes say about themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::message::{self, NodeStatus, Question};
use super::{Cluster, QUESTION_TIMEOUT};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::raft::Member;
use crate::storage::{self, Digest};
use crate::transport::Destination;

/// How long a change of membership may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the digest of a node may take.
const DIGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// How often is asked whether a digest is there.
const DIGEST_INTERVAL: Duration = Duration::from_millis(50);

/// A member, and what it says.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// What the cluster knows of it.
    pub member: Member,
    /// What it says, or why it says nothing.
    pub said: Result<NodeStatus, String>,
}

/// All members.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// In the order of their numbers.
    pub members: Vec<MemberStatus>,
    /// The leader, if one is known.
    pub leader: Option<u64>,
}

impl Cluster {
    /// Asks all members how they are.
    pub async fn report(&self) -> NodeReport {
        let status = self.node.status();
        let mut members = Vec::new();
        let asked: Vec<_> = status.members.iter().map(|member| self.status_of(member)).collect();
        for (member, asked) in status.members.iter().zip(asked) {
            members.push(MemberStatus { member: member.clone(), said: asked.await });
        }
        NodeReport { members, leader: status.leader }
    }

    async fn status_of(&self, member: &Member) -> Result<NodeStatus, String> {
        if member.node == self.node.id() {
            return Ok(self.own_status());
        }
        let to = Destination::node(member.node, &member.address);
        match tokio::time::timeout(QUESTION_TIMEOUT, self.ask(&to, &Question::Status)).await {
            Ok(Ok(answer)) => NodeStatus::decode(&answer).map_err(|error| error.message().to_owned()),
            Ok(Err(error)) => Err(error.message().to_owned()),
            Err(_) => Err("no answer in time".into()),
        }
    }

    /// Takes a member out of the cluster. The leader gives its leadership away first.
    pub async fn remove(&self, node: u64) -> Result<()> {
        self.change(&Question::Remove { node }).await.map(|_| ())
    }

    /// Gives the leadership to a voter; to the best one if none is named. Gives who leads then.
    pub async fn transfer(&self, to: Option<u64>) -> Result<u64> {
        let answer = self.change(&Question::Transfer { to }).await?;
        message::decode_number(&answer)?.ok_or_else(|| super::no_leader(None))
    }

    /// Makes a member replace its files by another node's.
    pub async fn rebuild(&self, node: u64) -> Result<()> {
        let status = self.node.status();
        let Some(member) = status.members.iter().find(|member| member.node == node) else {
            bail!(UNDEFINED_OBJECT, "node {node} is not a member of this cluster");
        };
        if node == self.node.id() {
            return self.node.rebuild();
        }
        self.ask(&Destination::node(node, &member.address), &Question::Rebuild).await.map(|_| ())
    }

    /// Asks the leader for a change, once: a change whose answer is lost may have been made.
    async fn change(&self, question: &Question) -> Result<Vec<u8>> {
        let Some((leader, address)) = self.node.leader() else { return Err(super::no_leader(None)) };
        if leader == self.node.id() {
            return self.answer(question.clone()).await;
        }
        let to = Destination::node(leader, address);
        let asked = self.ask(&to, question);
        match tokio::time::timeout(CHANGE_TIMEOUT, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Error::new(state::CONNECTION_FAILURE, "the leader has not answered; look at the status"))
            }
        }
    }

    /// Takes a member out, as the leader.
    pub(super) async fn remove_member(&self, node: u64) -> Result<()> {
        let status = self.node.status();
        if !status.members.iter().any(|member| member.node == node) {
            bail!(UNDEFINED_OBJECT, "node {node} is not a member of this cluster");
        }
        let voters = status.members.iter().filter(|member| member.is_voter).count();
        let is_voter = status.members.iter().any(|member| member.node == node && member.is_voter);
        if is_voter && voters == 1 {
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "node {node} is the only voter");
        }
        if node == self.node.id() {
            self.node.transfer(None).await?;
            // The new leader may need a moment until it takes changes.
            return self.ask_leader(&Question::Remove { node }).await.map(|_| ());
        }
        self.node.remove(node).await
    }

    /// Compares the contents of all nodes at one entry of the log. Gives the entry, the tables that were
    /// compared, and a line for each that differs.
    pub async fn verify(&self) -> Result<(u64, usize, Vec<String>)> {
        let answer = self.ask_leader(&Question::StartDigest).await?;
        let number = message::decode_number(&answer)?.ok_or_else(|| super::no_leader(None))?;
        let mut digests = Vec::new();
        for member in self.node.status().members {
            digests.push((member.node, self.digest_of(&member, number).await?));
        }
        let index = digests.first().map_or(0, |(_, digest)| digest.index);
        let count = digests.first().map_or(0, |(_, digest)| digest.tables.len());
        Ok((index, count, storage::compare(&digests)?))
    }

    async fn digest_of(&self, member: &Member, number: u64) -> Result<Arc<Digest>> {
        let deadline = Instant::now() + DIGEST_TIMEOUT;
        let mut last = None;
        while Instant::now() < deadline {
            if member.node == self.node.id() {
                if let Some(digest) = self.databases.digest(number) {
                    return Ok(digest);
                }
            } else {
                let to = Destination::node(member.node, &member.address);
                match self.ask(&to, &Question::Digest { number }).await {
                    Ok(answer) => {
                        if let Some(digest) = message::decode_digest(&answer)? {
                            return Ok(Arc::new(digest));
                        }
                        last = None;
                    }
                    Err(error) if last.is_some_and(|since: Instant| since.elapsed() > QUESTION_TIMEOUT) => {
                        return Err(error.with_hint("All nodes must run to be compared."));
                    }
                    Err(_) => last = last.or(Some(Instant::now())),
                }
            }
            tokio::time::sleep(DIGEST_INTERVAL).await;
        }
        bail!(CONNECTION_FAILURE, "node {} has no digest yet", member.node)
    }
}
