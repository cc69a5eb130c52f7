//! openraft's messages as bytes; see each function for the fields.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};

use super::types::{
    RaftEntry, RaftLogId, RaftVoteOf, StoredMembership, Types, log_id, membership_text, raft_entry,
    raft_log_id, raft_vote, read_membership, stored_entry, vote,
};
use crate::error::Result;
use crate::storage::{CopiedFile, CopiedFiles, LogId, LogPayload, StoredVote};
use crate::transport::{Decoder, Encoder, nonsense};

/// Entries in one message.
const ENTRIES_MAX: u64 = 10_000;
/// Files in one copy.
const FILES_MAX: u64 = 100_000;

/// A request of one node to another.
pub(super) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    /// The log that this node needs is gone: it should take files over.
    Snapshot(Box<Offer>),
    Transfer(TransferLeaderRequest<Types>),
    /// Asks for a copy of all files that has at least the entries up to an index.
    OpenCopy {
        at_least: u64,
    },
    /// Asks for a piece of a copy's file.
    ReadCopy {
        copy: u64,
        oid: u32,
        offset: u64,
        length: u64,
    },
}

/// A snapshot: who offers it, and what it stands for. The files are fetched from who offers it.
pub(super) struct Offer {
    pub(super) vote: RaftVoteOf,
    pub(super) last: Option<RaftLogId>,
    pub(super) membership: StoredMembership,
    /// Where to fetch the files.
    pub(super) node: u64,
    pub(super) address: String,
}

/// A copy of files, under its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OpenedCopy {
    pub(super) copy: u64,
    pub(super) files: CopiedFiles,
}

/// The answer to an append.
pub(super) type Appended = AppendEntriesResponse<Types>;
/// The answer to a vote.
pub(super) type Voted = VoteResponse<Types>;

const APPEND: u8 = 1;
const VOTE: u8 = 2;
const PRE_VOTE: u8 = 3;
const SNAPSHOT: u8 = 4;
const TRANSFER: u8 = 5;
const OPEN_COPY: u8 = 6;
const READ_COPY: u8 = 7;

/// Writes raft's own fields.
trait EncodeRaft {
    fn log_id(&mut self, id: LogId);
    fn optional_log_id(&mut self, id: &Option<RaftLogId>);
    fn vote(&mut self, value: &RaftVoteOf);
    fn membership(&mut self, membership: &StoredMembership);
    fn entry(&mut self, entry: RaftEntry);
}

impl EncodeRaft for Encoder {
    fn log_id(&mut self, id: LogId) {
        self.number(id.term);
        self.number(id.index);
    }

    fn optional_log_id(&mut self, id: &Option<RaftLogId>) {
        self.flag(id.is_some());
        if let Some(id) = id {
            self.log_id(log_id(id));
        }
    }

    fn vote(&mut self, value: &RaftVoteOf) {
        let stored = vote(value);
        self.number(stored.term);
        self.number(stored.node.unwrap_or_default());
        self.flag(stored.committed);
    }

    fn membership(&mut self, membership: &StoredMembership) {
        self.optional_log_id(membership.log_id());
        self.bytes(membership_text(membership.membership()).as_bytes());
    }

    fn entry(&mut self, entry: RaftEntry) {
        let (id, payload) = stored_entry(entry);
        self.log_id(id);
        match payload {
            LogPayload::Blank => self.byte(0),
            LogPayload::Normal(bytes) => {
                self.byte(1);
                self.bytes(&bytes);
            }
            LogPayload::Membership(bytes) => {
                self.byte(2);
                self.bytes(&bytes);
            }
        }
    }
}

/// Reads raft's own fields.
trait DecodeRaft {
    fn log_id(&mut self) -> Result<LogId>;
    fn optional_log_id(&mut self) -> Result<Option<RaftLogId>>;
    fn vote(&mut self) -> Result<RaftVoteOf>;
    fn membership(&mut self) -> Result<StoredMembership>;
    fn entry(&mut self) -> Result<RaftEntry>;
}

impl DecodeRaft for Decoder<'_> {
    fn log_id(&mut self) -> Result<LogId> {
        Ok(LogId { term: self.number()?, index: self.number()? })
    }

    fn optional_log_id(&mut self) -> Result<Option<RaftLogId>> {
        if self.flag()? { self.log_id().map(raft_log_id).map(Some) } else { Ok(None) }
    }

    fn vote(&mut self) -> Result<RaftVoteOf> {
        let (term, node, committed) = (self.number()?, self.number()?, self.flag()?);
        Ok(raft_vote(StoredVote { term, node: Some(node), committed }))
    }

    fn membership(&mut self) -> Result<StoredMembership> {
        let id = self.optional_log_id()?;
        Ok(StoredMembership::new(id, read_membership(self.text()?)?))
    }

    fn entry(&mut self) -> Result<RaftEntry> {
        let id = self.log_id()?;
        let payload = match self.byte()? {
            0 => LogPayload::Blank,
            1 => LogPayload::Normal(self.bytes()?.into()),
            2 => LogPayload::Membership(self.bytes()?.into()),
            _ => return Err(nonsense()),
        };
        raft_entry((id, payload))
    }
}

impl Request {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Request::Append(request) => {
                let mut out = Encoder::new(APPEND);
                out.vote(&request.vote);
                out.optional_log_id(&request.prev_log_id);
                out.optional_log_id(&request.leader_commit);
                out.number(request.entries.len() as u64);
                for entry in request.entries {
                    out.entry(entry);
                }
                out.finish()
            }
            Request::Vote(request) => encode_vote_request(VOTE, &request),
            Request::PreVote(request) => encode_vote_request(PRE_VOTE, &request),
            Request::Snapshot(offer) => {
                let mut out = Encoder::new(SNAPSHOT);
                out.vote(&offer.vote);
                out.optional_log_id(&offer.last);
                out.membership(&offer.membership);
                out.number(offer.node);
                out.bytes(offer.address.as_bytes());
                out.finish()
            }
            Request::Transfer(request) => {
                let mut out = Encoder::new(TRANSFER);
                out.vote(request.from_leader());
                out.number(*request.to_node_id());
                out.optional_log_id(&request.last_log_id().copied());
                out.finish()
            }
            Request::OpenCopy { at_least } => {
                let mut out = Encoder::new(OPEN_COPY);
                out.number(at_least);
                out.finish()
            }
            Request::ReadCopy { copy, oid, offset, length } => {
                let mut out = Encoder::new(READ_COPY);
                for number in [copy, u64::from(oid), offset, length] {
                    out.number(number);
                }
                out.finish()
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Request> {
        let (kind, mut reader) = Decoder::new(bytes)?;
        match kind {
            APPEND => {
                let (vote, prev_log_id, leader_commit) =
                    (reader.vote()?, reader.optional_log_id()?, reader.optional_log_id()?);
                let count = reader.number()?;
                if count > ENTRIES_MAX {
                    return Err(nonsense());
                }
                let entries = (0..count).map(|_| reader.entry()).collect::<Result<_>>()?;
                Ok(Request::Append(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit }))
            }
            VOTE => decode_vote_request(reader).map(Request::Vote),
            PRE_VOTE => decode_vote_request(reader).map(Request::PreVote),
            SNAPSHOT => Ok(Request::Snapshot(Box::new(Offer {
                vote: reader.vote()?,
                last: reader.optional_log_id()?,
                membership: reader.membership()?,
                node: reader.number()?,
                address: reader.text()?.to_owned(),
            }))),
            TRANSFER => {
                let (from, to, last) = (reader.vote()?, reader.number()?, reader.optional_log_id()?);
                Ok(Request::Transfer(TransferLeaderRequest::new(from, to, last)))
            }
            OPEN_COPY => Ok(Request::OpenCopy { at_least: reader.number()? }),
            READ_COPY => Ok(Request::ReadCopy {
                copy: reader.number()?,
                oid: u32::try_from(reader.number()?).map_err(|_| nonsense())?,
                offset: reader.number()?,
                length: reader.number()?,
            }),
            _ => Err(nonsense()),
        }
    }
}

fn encode_vote_request(kind: u8, request: &VoteRequest<Types>) -> Vec<u8> {
    let mut out = Encoder::new(kind);
    out.vote(&request.vote);
    out.optional_log_id(&request.last_log_id);
    out.flag(request.leadership_transfer);
    out.finish()
}

fn decode_vote_request(mut reader: Decoder<'_>) -> Result<VoteRequest<Types>> {
    let mut request = VoteRequest::new(reader.vote()?, reader.optional_log_id()?);
    request.leadership_transfer = reader.flag()?;
    Ok(request)
}

pub(super) fn encode_appended(answer: &Appended) -> Vec<u8> {
    let mut out = Encoder::new(APPEND);
    match answer {
        AppendEntriesResponse::Success => out.byte(0),
        AppendEntriesResponse::PartialSuccess(id) => {
            out.byte(1);
            out.optional_log_id(id);
        }
        AppendEntriesResponse::Conflict => out.byte(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.byte(3);
            out.vote(vote);
        }
    }
    out.finish()
}

pub(super) fn decode_appended(bytes: &[u8]) -> Result<Appended> {
    let (APPEND, mut reader) = Decoder::new(bytes)? else { return Err(nonsense()) };
    Ok(match reader.byte()? {
        0 => AppendEntriesResponse::Success,
        1 => AppendEntriesResponse::PartialSuccess(reader.optional_log_id()?),
        2 => AppendEntriesResponse::Conflict,
        3 => AppendEntriesResponse::HigherVote(reader.vote()?),
        _ => return Err(nonsense()),
    })
}

pub(super) fn encode_voted(answer: &Voted) -> Vec<u8> {
    let mut out = Encoder::new(VOTE);
    out.vote(&answer.vote);
    out.flag(answer.vote_granted);
    out.optional_log_id(&answer.last_log_id);
    out.finish()
}

pub(super) fn decode_voted(bytes: &[u8]) -> Result<Voted> {
    let (VOTE, mut reader) = Decoder::new(bytes)? else { return Err(nonsense()) };
    let (vote, vote_granted, last_log_id) = (reader.vote()?, reader.flag()?, reader.optional_log_id()?);
    Ok(VoteResponse { vote, vote_granted, last_log_id })
}

pub(super) fn encode_installed(answer: &SnapshotResponse<Types>) -> Vec<u8> {
    let mut out = Encoder::new(SNAPSHOT);
    out.vote(&answer.vote);
    out.finish()
}

pub(super) fn decode_installed(bytes: &[u8]) -> Result<SnapshotResponse<Types>> {
    let (SNAPSHOT, mut reader) = Decoder::new(bytes)? else { return Err(nonsense()) };
    Ok(SnapshotResponse::new(reader.vote()?))
}

/// The answer to a transfer: whether it was accepted.
pub(super) fn encode_transferred(is_accepted: bool) -> Vec<u8> {
    let mut out = Encoder::new(TRANSFER);
    out.flag(is_accepted);
    out.finish()
}

pub(super) fn decode_transferred(bytes: &[u8]) -> Result<bool> {
    let (TRANSFER, mut reader) = Decoder::new(bytes)? else { return Err(nonsense()) };
    reader.flag()
}

pub(super) fn encode_opened(opened: &OpenedCopy) -> Vec<u8> {
    let mut out = Encoder::new(OPEN_COPY);
    out.number(opened.copy);
    out.log_id(opened.files.floor);
    out.number(opened.files.files.len() as u64);
    for file in &opened.files.files {
        out.number(file.oid.into());
        out.number(file.bytes);
    }
    out.finish()
}

pub(super) fn decode_opened(bytes: &[u8]) -> Result<OpenedCopy> {
    let (OPEN_COPY, mut reader) = Decoder::new(bytes)? else { return Err(nonsense()) };
    let (copy, floor, count) = (reader.number()?, reader.log_id()?, reader.number()?);
    if count > FILES_MAX {
        return Err(nonsense());
    }
    let mut file = || {
        let oid = u32::try_from(reader.number()?).map_err(|_| nonsense())?;
        Ok(CopiedFile { oid, bytes: reader.number()? })
    };
    let files = (0..count).map(|_| file()).collect::<Result<_>>()?;
    Ok(OpenedCopy { copy, files: CopiedFiles { floor, files } })
}

#[cfg(test)]
mod tests {
    use openraft::entry::EntryPayload;
    use proptest::prelude::*;

    use super::*;
    use crate::raft::types::Proposal;

    fn id(index: u64) -> RaftLogId {
        raft_log_id(LogId { term: 3, index })
    }

    #[test]
    fn requests_come_back() {
        let entries = vec![
            RaftEntry { log_id: id(8), payload: EntryPayload::Blank },
            RaftEntry { log_id: id(9), payload: EntryPayload::Normal(Proposal(vec![1, 2, 3].into())) },
        ];
        let vote = raft_vote(StoredVote { term: 3, node: Some(2), committed: true });
        let request = AppendEntriesRequest {
            vote,
            prev_log_id: Some(id(7)),
            entries: entries.clone(),
            leader_commit: None,
        };
        let bytes = Request::Append(request).encode();
        match Request::decode(&bytes).unwrap() {
            Request::Append(read) => {
                assert_eq!((read.vote, read.prev_log_id, read.leader_commit), (vote, Some(id(7)), None));
                assert_eq!(read.entries, entries);
            }
            _ => panic!("another kind came back"),
        }
        for length in 0..bytes.len() {
            assert!(Request::decode(&bytes[..length]).is_err());
        }
        let answer = Appended::PartialSuccess(Some(id(4)));
        assert_eq!(decode_appended(&encode_appended(&answer)).unwrap(), answer);
        let files = vec![CopiedFile { oid: 0, bytes: 1 << 40 }, CopiedFile { oid: 5, bytes: 0 }];
        let floor = LogId { term: 1, index: 3 };
        let opened = OpenedCopy { copy: 9, files: CopiedFiles { floor, files } };
        assert_eq!(decode_opened(&encode_opened(&opened)).unwrap(), opened);
        let voted = Voted::new(vote, Some(id(1)), true);
        assert_eq!(decode_voted(&encode_voted(&voted)).unwrap(), voted);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..9) {
            let mut bytes = bytes;
            let _ = Request::decode(&bytes);
            bytes.splice(0..0, [1, kind]);
            let _ = (Request::decode(&bytes), decode_appended(&bytes), decode_voted(&bytes), decode_opened(&bytes));
        }
    }
}
