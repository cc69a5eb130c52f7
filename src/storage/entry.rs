//! A log entry's bytes. Format 1: the format's number, the kind, then
//!
//! - data: the number of parts; each part is a file's number, the identity it was computed on, its own
//!   identity, and the change lists of its transactions, each after the transaction's id if it has one.
//!   A list that is too large for one entry is replaced by the number of chunks that came before;
//! - chunk: a file's number, the identity of the transaction, the chunk's place, its bytes;
//! - digest: a number under which every node keeps the digest of all its tables as they are here.

use super::change::ChangeList;
use super::identity::{Identity, TransactionId};
use super::pipeline::Batch;
use super::values::{Reader, damaged, put_bytes, put_number};
use crate::error::Result;
use crate::types::Oid;

const FORMAT: u8 = 1;
const DATA: u8 = 1;
const CHUNK: u8 = 2;
const DIGEST: u8 = 3;
const WHOLE: u8 = 1;
const CHUNKED: u8 = 2;
/// A transaction's id comes first.
const NAMED: u8 = 3;

/// Bytes of changes in one entry; larger transactions are cut into chunks of this size.
pub(super) const ENTRY_BYTES_MAX: usize = 4 << 20;

/// One entry, borrowed from its bytes.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// Transactions of one or more files.
    Data(Vec<Part<'a>>),
    /// A part of a transaction whose data entry is still to come.
    Chunk(Chunk<'a>),
    /// A question: what is in the tables here?
    Digest(u64),
}

/// A part of a large transaction's changes.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    /// The file.
    pub(super) database: Oid,
    /// The transaction.
    pub(super) identity: Identity,
    /// The chunk's place, from 0.
    pub(super) place: u64,
    /// A piece of the change list.
    pub(super) bytes: &'a [u8],
}

/// The transactions of one file.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// The file.
    pub(super) database: Oid,
    /// The transaction on whose state the first of these was computed.
    pub(super) base: Identity,
    /// The last of these transactions.
    pub(super) identity: Identity,
    /// Their changes.
    pub(super) transactions: Vec<Named<'a>>,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// The id by which clients may ask for its outcome.
    pub(super) id: Option<TransactionId>,
    /// Its changes.
    pub(super) body: Body<'a>,
}

/// The changes of one transaction.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// Here.
    Whole(&'a [u8]),
    /// In so many chunks that came before.
    Chunked(u64),
}

/// The entries for what is ready, in the order in which they must be proposed: chunks, then the data.
pub fn encode(batches: &[Batch]) -> Result<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    let mut data = vec![FORMAT, DATA];
    put_number(&mut data, batches.len() as u64);
    for batch in batches {
        data.extend_from_slice(&batch.database.to_le_bytes());
        data.extend_from_slice(&batch.base.to_bytes());
        data.extend_from_slice(&batch.identity.to_bytes());
        put_number(&mut data, batch.transactions.len() as u64);
        for sealed in &batch.transactions {
            if let Some(id) = sealed.id {
                data.push(NAMED);
                data.extend_from_slice(&id.to_bytes());
            }
            match sealed.changes.in_memory().filter(|bytes| bytes.len() <= ENTRY_BYTES_MAX) {
                Some(bytes) => {
                    data.push(WHOLE);
                    put_bytes(&mut data, bytes);
                }
                None => {
                    data.push(CHUNKED);
                    put_number(
                        &mut data,
                        push_chunks(&mut entries, batch.database, sealed.identity, &sealed.changes)?,
                    );
                }
            }
        }
    }
    entries.push(data);
    Ok(entries)
}

fn push_chunks(
    entries: &mut Vec<Vec<u8>>,
    database: Oid,
    identity: Identity,
    changes: &ChangeList,
) -> Result<u64> {
    let total = changes.byte_count();
    let mut place = 0;
    for start in (0..total).step_by(ENTRY_BYTES_MAX) {
        let length = (total - start).min(ENTRY_BYTES_MAX as u64) as usize;
        let mut entry = vec![FORMAT, CHUNK];
        entry.extend_from_slice(&database.to_le_bytes());
        entry.extend_from_slice(&identity.to_bytes());
        put_number(&mut entry, place);
        entry.extend_from_slice(&changes.bytes(start, length)?);
        entries.push(entry);
        place += 1;
    }
    Ok(place)
}

/// The entry that makes every node compute the digest of its tables.
pub fn encode_digest(number: u64) -> Vec<u8> {
    let mut entry = vec![FORMAT, DIGEST];
    put_number(&mut entry, number);
    entry
}

/// Reads an entry's bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry<'_>> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != FORMAT {
        return Err(damaged("a log entry has an unknown format"));
    }
    match reader.byte()? {
        DATA => {
            let count = reader.count()?;
            let parts = (0..count).map(|_| decode_part(&mut reader));
            let parts = parts.collect::<Result<_>>()?;
            if reader.is_empty() { Ok(Entry::Data(parts)) } else { Err(damaged("a log entry is too long")) }
        }
        CHUNK => Ok(Entry::Chunk(Chunk {
            database: Oid::from_le_bytes(reader.array()?),
            identity: Identity::from_bytes(reader.array()?),
            place: reader.number()?,
            bytes: reader.rest(),
        })),
        DIGEST => Ok(Entry::Digest(reader.number()?)),
        _ => Err(damaged("a log entry has an unknown kind")),
    }
}

fn decode_part<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>> {
    let database = Oid::from_le_bytes(reader.array()?);
    let base = Identity::from_bytes(reader.array()?);
    let identity = Identity::from_bytes(reader.array()?);
    let count = reader.count()?;
    let transaction = |_| {
        let mut kind = reader.byte()?;
        let mut id = None;
        if kind == NAMED {
            id = Some(TransactionId::from_bytes(reader.array()?));
            kind = reader.byte()?;
        }
        let body = match kind {
            WHOLE => Body::Whole(reader.bytes()?),
            CHUNKED => Body::Chunked(reader.number()?),
            _ => return Err(damaged("a transaction has an unknown kind")),
        };
        Ok(Named { id, body })
    };
    let transactions = (0..count).map(transaction).collect::<Result<_>>()?;
    Ok(Part { database, base, identity, transactions })
}
