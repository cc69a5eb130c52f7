//! openraft's messages as bytes. Version 1: the version, the kind, the fields; see each function.

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};

use super::types::{
    RaftEntry, RaftLogId, RaftVoteOf, Types, log_id, raft_entry, raft_log_id, raft_vote, stored_entry, vote,
};
use crate::bail;
use crate::error::{Error, Result, state};
use crate::storage::{LogId, LogPayload, StoredVote};

const VERSION: u8 = 1;
/// Entries in one message.
const ENTRIES_MAX: u64 = 10_000;

/// A request of one node to another.
pub(super) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
}

/// The answer to an append.
pub(super) type Appended = AppendEntriesResponse<Types>;
/// The answer to a vote.
pub(super) type Voted = VoteResponse<Types>;

const APPEND: u8 = 1;
const VOTE: u8 = 2;
const PRE_VOTE: u8 = 3;

/// Writes fields.
struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8) -> Writer {
        Writer(vec![VERSION, kind])
    }

    fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn flag(&mut self, value: bool) {
        self.0.push(value.into());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn log_id(&mut self, id: LogId) {
        self.number(id.term);
        self.number(id.node);
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

    fn entry(&mut self, entry: RaftEntry) {
        let (id, payload) = stored_entry(entry);
        self.log_id(id);
        match payload {
            LogPayload::Blank => self.0.push(0),
            LogPayload::Normal(bytes) => {
                self.0.push(1);
                self.bytes(&bytes);
            }
            LogPayload::Membership(bytes) => {
                self.0.push(2);
                self.bytes(&bytes);
            }
        }
    }
}

/// Reads fields; the bytes are another machine's.
struct Reader<'a>(&'a [u8]);

fn nonsense() -> Error {
    Error::new(state::PROTOCOL_VIOLATION, "a message of another node cannot be read")
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<(u8, Reader<'a>)> {
        match bytes {
            [VERSION, kind, rest @ ..] => Ok((*kind, Reader(rest))),
            [version, ..] => bail!(PROTOCOL_VIOLATION, "a message of another node has version {version}"),
            [] => Err(nonsense()),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(nonsense)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.take(8)?.try_into().expect("eight bytes")))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.byte()? != 0)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| nonsense())?;
        self.take(length)
    }

    fn log_id(&mut self) -> Result<LogId> {
        Ok(LogId { term: self.number()?, node: self.number()?, index: self.number()? })
    }

    fn optional_log_id(&mut self) -> Result<Option<RaftLogId>> {
        if self.flag()? { self.log_id().map(raft_log_id).map(Some) } else { Ok(None) }
    }

    fn vote(&mut self) -> Result<RaftVoteOf> {
        let (term, node, committed) = (self.number()?, self.number()?, self.flag()?);
        Ok(raft_vote(StoredVote { term, node: Some(node), committed }))
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
                let mut out = Writer::new(APPEND);
                out.vote(&request.vote);
                out.optional_log_id(&request.prev_log_id);
                out.optional_log_id(&request.leader_commit);
                out.number(request.entries.len() as u64);
                for entry in request.entries {
                    out.entry(entry);
                }
                out.0
            }
            Request::Vote(request) => encode_vote_request(VOTE, &request),
            Request::PreVote(request) => encode_vote_request(PRE_VOTE, &request),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Request> {
        let (kind, mut reader) = Reader::new(bytes)?;
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
            _ => Err(nonsense()),
        }
    }
}

fn encode_vote_request(kind: u8, request: &VoteRequest<Types>) -> Vec<u8> {
    let mut out = Writer::new(kind);
    out.vote(&request.vote);
    out.optional_log_id(&request.last_log_id);
    out.flag(request.leadership_transfer);
    out.0
}

fn decode_vote_request(mut reader: Reader<'_>) -> Result<VoteRequest<Types>> {
    let mut request = VoteRequest::new(reader.vote()?, reader.optional_log_id()?);
    request.leadership_transfer = reader.flag()?;
    Ok(request)
}

pub(super) fn encode_appended(answer: &Appended) -> Vec<u8> {
    let mut out = Writer::new(APPEND);
    match answer {
        AppendEntriesResponse::Success => out.0.push(0),
        AppendEntriesResponse::PartialSuccess(id) => {
            out.0.push(1);
            out.optional_log_id(id);
        }
        AppendEntriesResponse::Conflict => out.0.push(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.0.push(3);
            out.vote(vote);
        }
    }
    out.0
}

pub(super) fn decode_appended(bytes: &[u8]) -> Result<Appended> {
    let (APPEND, mut reader) = Reader::new(bytes)? else { return Err(nonsense()) };
    Ok(match reader.byte()? {
        0 => AppendEntriesResponse::Success,
        1 => AppendEntriesResponse::PartialSuccess(reader.optional_log_id()?),
        2 => AppendEntriesResponse::Conflict,
        3 => AppendEntriesResponse::HigherVote(reader.vote()?),
        _ => return Err(nonsense()),
    })
}

pub(super) fn encode_voted(answer: &Voted) -> Vec<u8> {
    let mut out = Writer::new(VOTE);
    out.vote(&answer.vote);
    out.flag(answer.vote_granted);
    out.optional_log_id(&answer.last_log_id);
    out.0
}

pub(super) fn decode_voted(bytes: &[u8]) -> Result<Voted> {
    let (VOTE, mut reader) = Reader::new(bytes)? else { return Err(nonsense()) };
    let (vote, vote_granted, last_log_id) = (reader.vote()?, reader.flag()?, reader.optional_log_id()?);
    Ok(VoteResponse { vote, vote_granted, last_log_id })
}

#[cfg(test)]
mod tests {
    use openraft::entry::EntryPayload;
    use proptest::prelude::*;

    use super::*;
    use crate::raft::types::Proposal;

    fn id(index: u64) -> RaftLogId {
        raft_log_id(LogId { term: 3, node: 2, index })
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
        let voted = Voted::new(vote, Some(id(1)), true);
        assert_eq!(decode_voted(&encode_voted(&voted)).unwrap(), voted);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..5) {
            let mut bytes = bytes;
            let _ = Request::decode(&bytes);
            bytes.splice(0..0, [VERSION, kind]);
            let _ = (Request::decode(&bytes), decode_appended(&bytes), decode_voted(&bytes));
        }
    }
}
