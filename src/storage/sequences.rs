//! Sequences' values: in memory on the node that writes, and in the file with each commit. A value that
//! a rolled-back transaction took stays taken; what a crash forgets was never in a committed row.

use std::collections::{BTreeSet, HashMap};

use super::failure::Failure;
use super::sqlite::Connection;
use crate::bail;
use crate::catalog::{Relation, Sequence};
use crate::error::Result;
use crate::types::{Datum, DatumRef, Oid};

#[derive(Clone, Copy, Debug)]
struct Position {
    last_value: i64,
    is_called: bool,
}

/// The sequences of one file.
#[derive(Default)]
pub struct Sequences {
    positions: HashMap<Oid, Position>,
    /// Those whose position is not in the file yet.
    dirty: BTreeSet<Oid>,
}

fn definition(relation: &Relation) -> Result<&Sequence> {
    match &relation.sequence {
        Some(sequence) => Ok(sequence),
        None => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", relation.name),
    }
}

impl Sequences {
    /// Reads all positions from the file.
    pub(super) fn load(&mut self, connection: &mut Connection) -> Result<()> {
        let sql = "SELECT \"oid\", \"last_value\", \"is_called\" FROM \"quorate.sequence\"";
        let rows = connection.query(sql, &[]).map_err(Failure::into_error)?;
        self.dirty.clear();
        self.positions.clear();
        for row in rows {
            if let [Datum::Integer(oid), Datum::Integer(last_value), Datum::Integer(is_called)] = row[..] {
                self.positions.insert(oid as Oid, Position { last_value, is_called: is_called != 0 });
            }
        }
        Ok(())
    }

    /// Writes the positions that have moved into the open transaction.
    pub(super) fn store(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let sql =
            "UPDATE \"quorate.sequence\" SET \"last_value\" = ?2, \"is_called\" = ?3 WHERE \"oid\" = ?1"
                .into();
        while let Some(oid) = self.dirty.pop_first() {
            if let Some(position) = self.positions.get(&oid) {
                let row = [
                    DatumRef::Integer(oid.into()),
                    DatumRef::Integer(position.last_value),
                    DatumRef::Integer(position.is_called.into()),
                ];
                connection.run(&sql, &row)?;
            }
        }
        Ok(())
    }

    /// A new sequence's row, or the one of `TRUNCATE … RESTART IDENTITY`, in the open transaction.
    pub(super) fn create(
        &mut self,
        connection: &mut Connection,
        oid: Oid,
        start: i64,
    ) -> Result<(), Failure> {
        let sql = "INSERT INTO \"quorate.sequence\" (\"oid\", \"last_value\", \"is_called\") VALUES (?1, ?2, 0) \
                   ON CONFLICT (\"oid\") DO UPDATE SET \"last_value\" = ?2, \"is_called\" = 0";
        connection.run(&sql.into(), &[DatumRef::Integer(oid.into()), DatumRef::Integer(start)])?;
        self.positions.insert(oid, Position { last_value: start, is_called: false });
        self.dirty.remove(&oid);
        Ok(())
    }

    /// A sequence that is gone.
    pub(super) fn remove(&mut self, connection: &mut Connection, oid: Oid) -> Result<(), Failure> {
        let sql = "DELETE FROM \"quorate.sequence\" WHERE \"oid\" = ?1";
        connection.run(&sql.into(), &[DatumRef::Integer(oid.into())])?;
        self.positions.remove(&oid);
        self.dirty.remove(&oid);
        Ok(())
    }

    /// nextval. 2200H at the end of a sequence that does not cycle.
    pub fn next_value(&mut self, relation: &Relation) -> Result<i64> {
        let sequence = definition(relation)?;
        let Some(position) = self.positions.get_mut(&relation.oid) else {
            bail!(INTERNAL_ERROR, "sequence \"{}\" has no value", relation.name);
        };
        let value = match position.is_called {
            false => position.last_value,
            true => following(position.last_value, sequence, &relation.name)?,
        };
        *position = Position { last_value: value, is_called: true };
        self.dirty.insert(relation.oid);
        Ok(value)
    }

    /// setval. 22003 for a value outside of the sequence's limits.
    pub fn set_value(&mut self, relation: &Relation, value: i64, is_called: bool) -> Result<()> {
        let sequence = definition(relation)?;
        if !(sequence.minimum..=sequence.maximum).contains(&value) {
            bail!(
                NUMERIC_VALUE_OUT_OF_RANGE,
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                relation.name,
                sequence.minimum,
                sequence.maximum
            );
        }
        self.positions.insert(relation.oid, Position { last_value: value, is_called });
        self.dirty.insert(relation.oid);
        Ok(())
    }
}

/// The value after `last`.
fn following(last: i64, sequence: &Sequence, name: &str) -> Result<i64> {
    let next = last.checked_add(sequence.increment);
    if let Some(next) = next.filter(|next| (sequence.minimum..=sequence.maximum).contains(next)) {
        return Ok(next);
    }
    match (sequence.cycles, sequence.increment > 0) {
        (true, true) => Ok(sequence.minimum),
        (true, false) => Ok(sequence.maximum),
        (false, true) => bail!(
            SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
            "nextval: reached maximum value of sequence \"{name}\" ({})",
            sequence.maximum
        ),
        (false, false) => bail!(
            SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
            "nextval: reached minimum value of sequence \"{name}\" ({})",
            sequence.minimum
        ),
    }
}
