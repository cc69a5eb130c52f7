//! A transaction's state as a value: the list of its changes, in the order SQLite made them.
//!
//! The list is bytes from the start, in the form in which it travels to the log and to other nodes
//! (format 1: see [`ChangeList::push_insert`] and its neighbours), because that is what becomes of
//! nearly every list. A [`Mark`] is a place to which the list can be cut back: savepoints.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::spool::SpillDirectory;
use super::values::{Reader, damaged, put_bytes, put_number, put_row, put_signed, put_value};
use crate::error::Result;
use crate::types::DatumRef;

/// Bytes of a list that stay in memory; the rest goes to a file.
const MEMORY_MAX: usize = 16 << 20;
/// How many bytes are read from that file at once.
const READ_BYTES: usize = 1 << 20;

const TABLE: u8 = 1;
const INSERT: u8 = 2;
const DELETE: u8 = 3;
const UPDATE: u8 = 4;
const SCHEMA: u8 = 5;

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub enum Change<'a> {
    /// A new row.
    Insert {
        /// SQLite's name of the table.
        table: &'a str,
        /// The row's number.
        rowid: i64,
        /// All its values.
        values: Vec<DatumRef<'a>>,
    },
    /// A row that is gone.
    Delete {
        /// SQLite's name of the table.
        table: &'a str,
        /// The row's number.
        rowid: i64,
        /// The values it had.
        values: Vec<DatumRef<'a>>,
    },
    /// A row with new values.
    Update {
        /// SQLite's name of the table.
        table: &'a str,
        /// The row's number before.
        old_rowid: i64,
        /// The row's number after.
        new_rowid: i64,
        /// The columns that changed: (place, before, after).
        columns: Vec<(usize, DatumRef<'a>, DatumRef<'a>)>,
    },
    /// A statement for SQLite's schema.
    Schema {
        /// The statement.
        sql: &'a str,
    },
}

/// A place in a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Mark {
    position: u64,
    tables: usize,
}

/// The changes of one transaction.
#[derive(Default)]
pub struct ChangeList {
    /// The bytes before `memory`, if there are many.
    spilled: Option<File>,
    spilled_bytes: u64,
    memory: Vec<u8>,
    /// The tables named so far, in order, and their numbers.
    tables: Vec<Box<str>>,
    numbers: HashMap<Box<str>, usize>,
    scratch: Vec<u8>,
    rows: u64,
}

impl std::fmt::Debug for ChangeList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangeList({} bytes)", self.byte_count())
    }
}

impl ChangeList {
    /// Takes bytes as another node wrote them.
    pub fn from_bytes(memory: Vec<u8>) -> ChangeList {
        ChangeList { memory, ..ChangeList::default() }
    }

    /// Appends bytes as another node wrote them.
    pub fn extend(&mut self, bytes: &[u8], spill: &SpillDirectory) -> Result<()> {
        self.memory.extend_from_slice(bytes);
        self.spill_if_large(spill)
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.byte_count() == 0
    }

    /// The list's length in bytes.
    pub fn byte_count(&self) -> u64 {
        self.spilled_bytes + self.memory.len() as u64
    }

    /// The end, for cutting back to.
    pub fn mark(&self) -> Mark {
        Mark { position: self.byte_count(), tables: self.tables.len() }
    }

    /// Forgets what came after a mark.
    pub fn truncate(&mut self, mark: Mark) {
        if mark.position >= self.spilled_bytes {
            self.memory.truncate((mark.position - self.spilled_bytes) as usize);
        } else {
            self.memory.clear();
            self.spilled_bytes = mark.position;
        }
        for table in self.tables.drain(mark.tables..) {
            self.numbers.remove(&table);
        }
    }

    fn spill_if_large(&mut self, spill: &SpillDirectory) -> Result<()> {
        if self.memory.len() < MEMORY_MAX {
            return Ok(());
        }
        if self.spilled.is_none() {
            self.spilled = Some(spill.file()?);
        }
        let Some(file) = &self.spilled else { return Ok(()) };
        file.write_all_at(&self.memory, self.spilled_bytes).map_err(|error| spill.error(&error))?;
        self.spilled_bytes += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Appends one operation: its length, then its bytes, which `write` gives.
    fn push(&mut self, spill: &SpillDirectory, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.scratch.clear();
        write(&mut self.scratch);
        put_bytes(&mut self.memory, &self.scratch);
        self.spill_if_large(spill)
    }

    /// A table's number, under which its rows name it; new tables are written into the list.
    fn table_number(&mut self, table: &str, spill: &SpillDirectory) -> Result<u64> {
        if let Some(number) = self.numbers.get(table) {
            return Ok(*number as u64);
        }
        self.push(spill, |out| {
            out.push(TABLE);
            out.extend_from_slice(table.as_bytes());
        })?;
        self.numbers.insert(table.into(), self.tables.len());
        self.tables.push(table.into());
        Ok(self.tables.len() as u64 - 1)
    }

    /// `INSERT table rowid count values`
    pub(super) fn push_insert<'a>(
        &mut self,
        table: &str,
        rowid: i64,
        values: impl ExactSizeIterator<Item = DatumRef<'a>>,
        spill: &SpillDirectory,
    ) -> Result<()> {
        self.push_row(INSERT, table, rowid, values, spill)
    }

    /// `DELETE table rowid count values`
    pub(super) fn push_delete<'a>(
        &mut self,
        table: &str,
        rowid: i64,
        values: impl ExactSizeIterator<Item = DatumRef<'a>>,
        spill: &SpillDirectory,
    ) -> Result<()> {
        self.push_row(DELETE, table, rowid, values, spill)
    }

    fn push_row<'a>(
        &mut self,
        tag: u8,
        table: &str,
        rowid: i64,
        values: impl ExactSizeIterator<Item = DatumRef<'a>>,
        spill: &SpillDirectory,
    ) -> Result<()> {
        let number = self.table_number(table, spill)?;
        self.rows += 1;
        self.push(spill, |out| {
            out.push(tag);
            put_number(out, number);
            put_signed(out, rowid);
            put_row(out, values);
        })
    }

    /// `UPDATE table old-rowid new-rowid count (place before after)…`
    pub(super) fn push_update<'a>(
        &mut self,
        table: &str,
        rowids: (i64, i64),
        columns: &[(usize, DatumRef<'a>, DatumRef<'a>)],
        spill: &SpillDirectory,
    ) -> Result<()> {
        let number = self.table_number(table, spill)?;
        self.rows += 1;
        self.push(spill, |out| {
            out.push(UPDATE);
            put_number(out, number);
            put_signed(out, rowids.0);
            put_signed(out, rowids.1);
            put_number(out, columns.len() as u64);
            for (place, before, after) in columns {
                put_number(out, *place as u64);
                put_value(out, *before);
                put_value(out, *after);
            }
        })
    }

    /// `SCHEMA text`
    pub(super) fn push_schema(&mut self, sql: &str, spill: &SpillDirectory) -> Result<()> {
        self.push(spill, |out| {
            out.push(SCHEMA);
            out.extend_from_slice(sql.as_bytes());
        })
    }

    /// Calls `visit` with each change after a mark, in order, until one fails.
    pub fn visit<E: From<crate::error::Error>>(
        &self,
        from: Mark,
        visit: impl FnMut(Change<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit_range(from, self.mark(), visit)
    }

    /// Calls `visit` with each change between two marks.
    pub fn visit_range<E: From<crate::error::Error>>(
        &self,
        from: Mark,
        to: Mark,
        mut visit: impl FnMut(Change<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut tables: Vec<Box<str>> = self.tables[..from.tables.min(self.tables.len())].to_vec();
        let mut place = from.position;
        if place >= self.spilled_bytes {
            let (start, end) = (place - self.spilled_bytes, to.position.saturating_sub(self.spilled_bytes));
            return visit_operations(&self.memory[start as usize..end as usize], &mut tables, &mut visit)
                .map(|_| ());
        }
        let mut buffer = Vec::new();
        while place < to.position {
            self.read_ahead(place, to.position, &mut buffer)?;
            let used = visit_operations(&buffer, &mut tables, &mut visit)?;
            if used == 0 {
                return Err(damaged("an operation is cut off").into());
            }
            place += used as u64;
        }
        Ok(())
    }

    /// Fills `buffer` with bytes from `place` that hold at least one whole operation.
    fn read_ahead(&self, place: u64, end: u64, buffer: &mut Vec<u8>) -> Result<()> {
        *buffer = self.bytes(place, (end - place).min(READ_BYTES as u64) as usize)?;
        let mut reader = Reader::new(buffer);
        let needed = reader.number()? + 10;
        if needed > buffer.len() as u64 {
            *buffer = self.bytes(place, (end - place).min(needed) as usize)?;
        }
        Ok(())
    }

    /// A part of the list's bytes.
    pub fn bytes(&self, place: u64, length: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; length];
        let from_file = self.spilled_bytes.saturating_sub(place).min(length as u64) as usize;
        if let Some(file) = self.spilled.as_ref().filter(|_| from_file > 0) {
            file.read_exact_at(&mut out[..from_file], place)
                .map_err(|error| super::spool::read_error(&error))?;
        }
        if from_file < length {
            let start = (place + from_file as u64 - self.spilled_bytes) as usize;
            out[from_file..].copy_from_slice(&self.memory[start..start + length - from_file]);
        }
        Ok(out)
    }

    /// All bytes, if they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        (self.spilled_bytes == 0).then_some(self.memory.as_slice())
    }
}

/// Visits the whole operations at the start of `bytes` and tells how many bytes they are.
fn visit_operations<E: From<crate::error::Error>>(
    bytes: &[u8],
    tables: &mut Vec<Box<str>>,
    visit: &mut impl FnMut(Change<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let mut used = 0;
    while used < bytes.len() {
        let Some((header, length)) = operation_length(&bytes[used..]) else { break };
        let Some(operation) = bytes[used..].get(header..header + length) else { break };
        if let Some((&TABLE, name)) = operation.split_first() {
            tables
                .push(std::str::from_utf8(name).map_err(|_| damaged("a table's name is not UTF-8"))?.into());
        } else {
            visit(decode(operation, tables)?)?;
        }
        used += header + length;
    }
    Ok(used)
}

/// The bytes of an operation's length, and the length; `None` if they are cut off.
fn operation_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0usize;
    for (place, byte) in bytes.iter().enumerate().take(9) {
        length |= ((byte & 0x7f) as usize) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 1, length));
        }
    }
    None
}

fn decode<'a>(operation: &'a [u8], tables: &'a [Box<str>]) -> Result<Change<'a>> {
    let mut reader = Reader::new(operation);
    let tag = reader.byte()?;
    if tag == SCHEMA {
        let sql = std::str::from_utf8(&operation[1..]).map_err(|_| damaged("a statement is not UTF-8"))?;
        return Ok(Change::Schema { sql });
    }
    let number = reader.number()? as usize;
    let table = tables.get(number).ok_or_else(|| damaged("a table was not named"))?;
    let rowid = reader.signed()?;
    let change = match tag {
        INSERT => Change::Insert { table, rowid, values: reader.values()? },
        DELETE => Change::Delete { table, rowid, values: reader.values()? },
        UPDATE => {
            let new_rowid = reader.signed()?;
            let count = reader.count()?;
            let column = |_| Ok((reader.number()? as usize, reader.value()?, reader.value()?));
            Change::Update {
                table,
                old_rowid: rowid,
                new_rowid,
                columns: (0..count).map(column).collect::<Result<_>>()?,
            }
        }
        _ => return Err(damaged("an operation has an unknown tag")),
    };
    match reader.is_empty() {
        true => Ok(change),
        false => Err(damaged("an operation is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::types::Datum;

    fn texts(list: &ChangeList, from: Mark) -> Vec<String> {
        let mut seen = Vec::new();
        list.visit(from, |change| {
            seen.push(format!("{change:?}"));
            Ok::<(), Error>(())
        })
        .unwrap();
        seen
    }

    fn fill(list: &mut ChangeList, spill: &SpillDirectory, text: &str) {
        let row = [Datum::Integer(1), Datum::text(text), Datum::Null];
        list.push_insert("t", 1, row.iter().map(Datum::as_ref), spill).unwrap();
        let columns = [(1, DatumRef::Text(text), DatumRef::Text("y"))];
        list.push_update("u", (1, 2), &columns, spill).unwrap();
        list.push_delete("t", -5, row.iter().map(Datum::as_ref), spill).unwrap();
        list.push_schema("CREATE TABLE v (a)", spill).unwrap();
    }

    #[test]
    fn what_is_pushed_is_visited_and_marks_cut_back() {
        let spill = SpillDirectory::for_tests();
        let mut list = ChangeList::default();
        fill(&mut list, &spill, "x");
        let (mark, before) = (list.mark(), texts(&list, Mark::default()));
        assert_eq!(before.len(), 4);
        let row = [Datum::Integer(1)];
        list.push_insert("w", 1, row.iter().map(Datum::as_ref), &spill).unwrap();
        assert_eq!(texts(&list, mark), ["Insert { table: \"w\", rowid: 1, values: [Integer(1)] }"]);
        list.truncate(mark);
        assert_eq!(texts(&list, Mark::default()), before);
        list.push_insert("w", 1, row.iter().map(Datum::as_ref), &spill).unwrap();
        assert_eq!(texts(&list, Mark::default()).len(), 5);
    }

    #[test]
    fn large_lists_are_the_same_from_their_file() {
        let spill = SpillDirectory::for_tests();
        let mut list = ChangeList::default();
        let long = "z".repeat(3 << 20);
        for _ in 0..4 {
            fill(&mut list, &spill, &long);
        }
        let mark = list.mark();
        assert!(list.in_memory().is_none());
        fill(&mut list, &spill, "short");
        assert_eq!(texts(&list, mark).len(), 4);
        let all = texts(&list, Mark::default());
        assert_eq!(all.len(), 20);
        let bytes = list.bytes(0, list.byte_count() as usize).unwrap();
        assert_eq!(texts(&ChangeList::from_bytes(bytes), Mark::default()), all);
        list.truncate(mark);
        assert_eq!(texts(&list, Mark::default()), all[..16]);
    }

    #[test]
    fn damaged_lists_are_refused() {
        let spill = SpillDirectory::for_tests();
        let mut list = ChangeList::default();
        fill(&mut list, &spill, "x");
        let bytes = list.bytes(0, list.byte_count() as usize).unwrap();
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= 0x55;
            // Whatever comes out, nothing panics.
            let _ = ChangeList::from_bytes(broken).visit(Mark::default(), |_| Ok::<(), Error>(()));
        }
    }
}
