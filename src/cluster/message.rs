//! What nodes ask each other beside raft's messages.

use crate::error::Result;
use crate::storage::{Digest, TableDigest};
use crate::transport::{Decoder, Encoder, nonsense};

/// A question to another node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Who are you?
    Hello { node: u64 },
    /// Be a founding member of a cluster, and of no other.
    Found { cluster: u64, members: Vec<(u64, String)> },
    /// Take a node in, as a learner at first.
    Join { node: u64, address: String },
    /// Let a learner vote.
    Promote { node: u64 },
    /// A member is reached elsewhere now.
    Move { node: u64, address: String },
    /// Take a member out.
    Remove { node: u64 },
    /// Give the leadership away.
    Transfer { to: Option<u64> },
    /// What must a read have applied?
    Index(IndexKind),
    /// How are you?
    Status,
    /// Make all nodes compute the digest of their tables.
    StartDigest,
    /// The digest under a number.
    Digest { number: u64 },
    /// Replace your files by another node's.
    Rebuild,
}

/// How sure an index must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IndexKind {
    /// The quorum was asked.
    Linearizable,
    /// An entry was written.
    Logged,
    /// What the leader has applied.
    Applied,
}

/// An answer to [`Question::Hello`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hello {
    pub(super) node: u64,
    /// Drawn at the start of the process: two nodes with one number differ in it.
    pub(super) nonce: u64,
    pub(super) cluster: u64,
    /// Whether it has members.
    pub(super) is_initialised: bool,
    /// With how many it wants to found a cluster.
    pub(super) expect: u64,
    pub(super) address: String,
    /// The leader and its address, if it knows.
    pub(super) leader: Option<(u64, String)>,
    /// Whether the node that asked is a member, if this one leads.
    pub(super) is_member: Option<bool>,
}

/// What a node says about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Its number.
    pub node: u64,
    /// Where clients connect.
    pub client_address: String,
    /// See [`crate::raft::Status`].
    pub role: String,
    /// The term.
    pub term: u64,
    /// The last entry applied.
    pub applied: u64,
    /// The program's version.
    pub version: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Clients' sessions.
    pub sessions: u64,
    /// Bytes of another node's files fetched, and all of them.
    pub fetching: Option<(u64, u64)>,
}

const HELLO: u8 = 1;
const FOUND: u8 = 2;
const JOIN: u8 = 3;
const PROMOTE: u8 = 4;
const MOVE: u8 = 5;
const REMOVE: u8 = 6;
const TRANSFER: u8 = 7;
const INDEX: u8 = 8;
const STATUS: u8 = 9;
const START_DIGEST: u8 = 10;
const DIGEST: u8 = 11;
const REBUILD: u8 = 12;

impl Question {
    pub(super) fn encode(&self) -> Vec<u8> {
        let member = |kind, node: &u64, address: &str| {
            let mut out = Encoder::new(kind);
            out.number(*node);
            out.text(address);
            out
        };
        let about = |kind, node: &u64| {
            let mut out = Encoder::new(kind);
            out.number(*node);
            out
        };
        let out = match self {
            Question::Hello { node } => about(HELLO, node),
            Question::Found { cluster, members } => {
                let mut out = Encoder::new(FOUND);
                out.number(*cluster);
                put_members(&mut out, members);
                out
            }
            Question::Join { node, address } => member(JOIN, node, address),
            Question::Move { node, address } => member(MOVE, node, address),
            Question::Promote { node } => about(PROMOTE, node),
            Question::Remove { node } => about(REMOVE, node),
            Question::Transfer { to } => {
                let mut out = Encoder::new(TRANSFER);
                out.optional_number(*to);
                out
            }
            Question::Index(kind) => {
                let mut out = Encoder::new(INDEX);
                out.byte(match kind {
                    IndexKind::Linearizable => 1,
                    IndexKind::Logged => 2,
                    IndexKind::Applied => 3,
                });
                out
            }
            Question::Status => Encoder::new(STATUS),
            Question::StartDigest => Encoder::new(START_DIGEST),
            Question::Digest { number } => about(DIGEST, number),
            Question::Rebuild => Encoder::new(REBUILD),
        };
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Question> {
        let (kind, mut fields) = Decoder::new(bytes)?;
        Ok(match kind {
            HELLO => Question::Hello { node: fields.number()? },
            FOUND => Question::Found { cluster: fields.number()?, members: members(&mut fields)? },
            JOIN => Question::Join { node: fields.number()?, address: fields.text()?.to_owned() },
            MOVE => Question::Move { node: fields.number()?, address: fields.text()?.to_owned() },
            PROMOTE => Question::Promote { node: fields.number()? },
            REMOVE => Question::Remove { node: fields.number()? },
            TRANSFER => Question::Transfer { to: fields.optional_number()? },
            INDEX => Question::Index(match fields.byte()? {
                1 => IndexKind::Linearizable,
                2 => IndexKind::Logged,
                3 => IndexKind::Applied,
                _ => return Err(nonsense()),
            }),
            STATUS => Question::Status,
            START_DIGEST => Question::StartDigest,
            DIGEST => Question::Digest { number: fields.number()? },
            REBUILD => Question::Rebuild,
            _ => return Err(nonsense()),
        })
    }
}

fn put_members(out: &mut Encoder, members: &[(u64, String)]) {
    out.number(members.len() as u64);
    for (node, address) in members {
        out.number(*node);
        out.text(address);
    }
}

fn members(fields: &mut Decoder<'_>) -> Result<Vec<(u64, String)>> {
    let count = fields.count()?;
    (0..count).map(|_| Ok((fields.number()?, fields.text()?.to_owned()))).collect()
}

impl Hello {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new(HELLO);
        out.number(self.node);
        out.number(self.nonce);
        out.number(self.cluster);
        out.flag(self.is_initialised);
        out.number(self.expect);
        out.text(&self.address);
        out.flag(self.leader.is_some());
        if let Some((node, address)) = &self.leader {
            out.number(*node);
            out.text(address);
        }
        out.flag(self.is_member.is_some());
        out.flag(self.is_member.unwrap_or_default());
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Hello> {
        let (HELLO, mut fields) = Decoder::new(bytes)? else { return Err(nonsense()) };
        Ok(Hello {
            node: fields.number()?,
            nonce: fields.number()?,
            cluster: fields.number()?,
            is_initialised: fields.flag()?,
            expect: fields.number()?,
            address: fields.text()?.to_owned(),
            leader: match fields.flag()? {
                true => Some((fields.number()?, fields.text()?.to_owned())),
                false => None,
            },
            is_member: match (fields.flag()?, fields.flag()?) {
                (true, is_member) => Some(is_member),
                (false, _) => None,
            },
        })
    }
}

impl NodeStatus {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new(STATUS);
        out.number(self.node);
        out.text(&self.client_address);
        out.text(&self.role);
        out.number(self.term);
        out.number(self.applied);
        out.text(&self.version);
        out.number(self.uptime_s);
        out.number(self.sessions);
        out.optional_number(self.fetching.map(|(done, _)| done));
        out.optional_number(self.fetching.map(|(_, total)| total));
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<NodeStatus> {
        let (STATUS, mut fields) = Decoder::new(bytes)? else { return Err(nonsense()) };
        Ok(NodeStatus {
            node: fields.number()?,
            client_address: fields.text()?.to_owned(),
            role: fields.text()?.to_owned(),
            term: fields.number()?,
            applied: fields.number()?,
            version: fields.text()?.to_owned(),
            uptime_s: fields.number()?,
            sessions: fields.number()?,
            fetching: fields.optional_number()?.zip(fields.optional_number()?),
        })
    }
}

/// An answer that is a number, or none.
pub(super) fn encode_number(number: Option<u64>) -> Vec<u8> {
    let mut out = Encoder::new(INDEX);
    out.optional_number(number);
    out.finish()
}

pub(super) fn decode_number(bytes: &[u8]) -> Result<Option<u64>> {
    let (INDEX, mut fields) = Decoder::new(bytes)? else { return Err(nonsense()) };
    fields.optional_number()
}

pub(super) fn encode_digest(digest: Option<&Digest>) -> Vec<u8> {
    let mut out = Encoder::new(DIGEST);
    out.flag(digest.is_some());
    if let Some(digest) = digest {
        out.number(digest.index);
        out.number(digest.tables.len() as u64);
        for table in &digest.tables {
            out.text(&table.database);
            out.text(&table.table);
            out.number(table.rows);
            out.number(table.sum);
            out.optional_text(table.error.as_deref());
        }
    }
    out.finish()
}

pub(super) fn decode_digest(bytes: &[u8]) -> Result<Option<Digest>> {
    let (DIGEST, mut fields) = Decoder::new(bytes)? else { return Err(nonsense()) };
    if !fields.flag()? {
        return Ok(None);
    }
    let (index, count) = (fields.number()?, fields.count()?);
    let mut table = || {
        Ok(TableDigest {
            database: fields.text()?.to_owned(),
            table: fields.text()?.to_owned(),
            rows: fields.number()?,
            sum: fields.number()?,
            error: fields.optional_text()?.map(str::to_owned),
        })
    };
    Ok(Some(Digest { index, tables: (0..count).map(|_| table()).collect::<Result<_>>()? }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back() {
        let questions = [
            Question::Hello { node: 1 },
            Question::Found { cluster: 7, members: vec![(1, "a:1".into()), (2, "b:2".into())] },
            Question::Join { node: 4, address: "d:4".into() },
            Question::Move { node: 4, address: "e:4".into() },
            Question::Promote { node: 4 },
            Question::Remove { node: 4 },
            Question::Transfer { to: None },
            Question::Transfer { to: Some(2) },
            Question::Index(IndexKind::Linearizable),
            Question::Index(IndexKind::Logged),
            Question::Index(IndexKind::Applied),
            Question::Status,
            Question::StartDigest,
            Question::Digest { number: 9 },
            Question::Rebuild,
        ];
        for question in questions {
            assert_eq!(Question::decode(&question.encode()).unwrap(), question);
        }
        let hello = Hello {
            node: 2,
            nonce: 3,
            cluster: 4,
            is_initialised: true,
            expect: 3,
            address: "b:2".into(),
            leader: Some((1, "a:1".into())),
            is_member: Some(false),
        };
        assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
        assert_eq!(decode_number(&encode_number(Some(4))).unwrap(), Some(4));
        let table = TableDigest {
            database: "postgres".into(),
            table: "t".into(),
            rows: 3,
            sum: 4,
            error: Some("unreadable".into()),
        };
        let digest = Digest { index: 8, tables: vec![table] };
        assert_eq!(decode_digest(&encode_digest(Some(&digest))).unwrap(), Some(digest));
        assert_eq!(decode_digest(&encode_digest(None)).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0u8..14) {
            bytes.splice(0..0, [1, kind]);
            let _ = (Question::decode(&bytes), Hello::decode(&bytes), NodeStatus::decode(&bytes));
            let _ = (decode_number(&bytes), decode_digest(&bytes));
        }
    }
}
