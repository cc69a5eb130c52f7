//! What is in the tables, in a few numbers: to compare replicas.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::databases::Databases;
use super::log::LogId;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::telemetry;
use crate::types::{DatumRef, RowSink};

/// Digests kept to be asked for.
const KEPT: usize = 4;

/// This node's own notes, which differ between nodes.
const OWN_TABLES: [&str; 2] = ["quorate.meta", "quorate.outcome"];

/// What one table holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableDigest {
    /// The file's name: a database's, or `system`.
    pub database: String,
    /// The table, as SQLite names it.
    pub table: String,
    /// The number of its rows.
    pub rows: u64,
    /// The sum of the rows' hashes: the same whatever their order.
    pub sum: u64,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// What all tables held when one entry was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    /// The entry.
    pub index: u64,
    /// A line a table.
    pub tables: Vec<TableDigest>,
}

/// The digests asked for lately; `None` while one is computed.
#[derive(Default)]
pub(super) struct Digests(Mutex<BTreeMap<u64, Option<Arc<Digest>>>>);

impl Digests {
    pub(super) fn get(&self, number: u64) -> Option<Option<Arc<Digest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn put(&self, number: u64, digest: Option<Arc<Digest>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(number, digest);
        while kept.len() > KEPT {
            // The numbers are random: which one goes does not matter much.
            let other = kept.keys().copied().find(|other| *other != number);
            other.and_then(|other| kept.remove(&other));
        }
    }
}

/// FNV-1a, 64 bits: two rows that differ in one byte never have the same hash.
struct Hasher(u64);

impl Hasher {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in std::iter::once(&tag).chain(&length).chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn value(&mut self, value: DatumRef<'_>) {
        match value {
            DatumRef::Null => self.bytes(0, &[]),
            DatumRef::Integer(value) => self.bytes(1, &value.to_le_bytes()),
            DatumRef::Real(value) => self.bytes(2, &value.to_bits().to_le_bytes()),
            DatumRef::Text(value) => self.bytes(3, value.as_bytes()),
            DatumRef::Blob(value) => self.bytes(4, value),
        }
    }
}

/// Adds rows up.
#[derive(Default)]
struct Sum {
    rows: u64,
    sum: u64,
}

impl RowSink for Sum {
    fn row(&mut self, values: &[DatumRef<'_>]) -> ControlFlow<()> {
        let mut hasher = Hasher(Hasher::START);
        values.iter().for_each(|value| hasher.value(*value));
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hasher.0);
        ControlFlow::Continue(())
    }
}

impl Databases {
    /// Starts to compute the digest of all tables as they are now, which is after an entry. Readers are
    /// opened before this returns; what is applied later does not count.
    pub(super) async fn start_digest(&self, number: u64, log_id: LogId) -> Result<()> {
        let mut readers = vec![("system".to_owned(), self.system().reader().await?)];
        let names = self.names().borrow().clone();
        for (name, database) in names.iter() {
            readers.push((name.clone(), database.reader().await?));
        }
        let digests = self.digests();
        digests.put(number, None);
        let work = move || {
            let tables = readers.into_iter().flat_map(|(name, reader)| digest_file(&name, reader)).collect();
            digests.put(number, Some(Arc::new(Digest { index: log_id.index, tables })));
        };
        tokio::spawn(async move { telemetry::run_blocking(work).await });
        Ok(())
    }

    /// A digest that was asked for through the log; `None` if it is not there yet.
    pub fn digest(&self, number: u64) -> Option<Arc<Digest>> {
        self.digests().get(number).flatten()
    }
}

fn digest_file(database: &str, mut reader: Reader) -> Vec<TableDigest> {
    let digest = |table: &str, outcome: Result<Sum>| {
        let (sum, error) = match outcome {
            Ok(sum) => (sum, None),
            Err(error) => (Sum::default(), Some(error.message().to_owned())),
        };
        let (database, table) = (database.to_owned(), table.to_owned());
        TableDigest { database, table, rows: sum.rows, sum: sum.sum, error }
    };
    let schema = reader.sum_up("SELECT type, name, tbl_name, sql FROM sqlite_schema");
    let mut digests = vec![digest("(schema)", schema)];
    let tables = match reader.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
        Ok(tables) => tables,
        Err(error) => {
            digests.push(digest("(tables)", Err(error)));
            return digests;
        }
    };
    for row in tables {
        let DatumRef::Text(name) = row[0].as_ref() else { continue };
        if OWN_TABLES.contains(&name) || name.starts_with("sqlite_") {
            continue;
        }
        let sql = format!("SELECT * FROM \"{}\"", name.replace('"', "\"\""));
        digests.push(digest(name, reader.sum_up(&sql)));
    }
    digests
}

impl Reader {
    fn sum_up(&mut self, sql: &str) -> Result<Sum> {
        let mut sum = Sum::default();
        self.feed(sql, &mut sum)?;
        Ok(sum)
    }
}

/// What differs between nodes' digests of one entry: a line each, with the nodes' numbers.
pub fn compare(digests: &[(u64, Arc<Digest>)]) -> Result<Vec<String>> {
    let Some(((_, first), others)) = digests.split_first() else { return Ok(Vec::new()) };
    if let Some((node, other)) = others.iter().find(|(_, other)| other.index != first.index) {
        return Err(Error::internal(format!(
            "node {node} has a digest of entry {}, not {}",
            other.index, first.index
        )));
    }
    let mut names: Vec<(&str, &str)> = digests
        .iter()
        .flat_map(|(_, digest)| &digest.tables)
        .map(|table| (table.database.as_str(), table.table.as_str()))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut different = Vec::new();
    for (database, name) in names {
        let found: Vec<(u64, Option<&TableDigest>)> = digests
            .iter()
            .map(|(node, digest)| {
                (
                    *node,
                    digest
                        .tables
                        .iter()
                        .find(|table| (table.database.as_str(), table.table.as_str()) == (database, name)),
                )
            })
            .collect();
        let same = found.iter().all(|(_, table)| *table == found[0].1);
        let unread = found.iter().any(|(_, table)| table.is_some_and(|table| table.error.is_some()));
        if !same || unread {
            let texts: Vec<String> =
                found.iter().map(|(node, table)| format!("node {node}: {}", describe(*table))).collect();
            different.push(format!("database {database}, table {name}: {}", texts.join("; ")));
        }
    }
    Ok(different)
}

fn describe(table: Option<&TableDigest>) -> String {
    match table {
        None => "missing".into(),
        Some(TableDigest { error: Some(error), .. }) => format!("unreadable ({error})"),
        Some(table) => format!("{} rows, digest {:016x}", table.rows, table.sum),
    }
}
