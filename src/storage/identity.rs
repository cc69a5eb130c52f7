//! The name of a state: each transaction that changes a file has one, and names the one it was
//! computed on.

use crate::telemetry::Random;

/// A transaction's identity. The one of an empty file is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Identity {
    /// Drawn at random by each process for each file it writes.
    pub incarnation: u64,
    /// Counts that process' transactions.
    pub sequence: u64,
}

impl Identity {
    /// The length of its bytes.
    pub(super) const BYTES: usize = 16;

    /// The identity before a process' first transaction.
    pub(super) fn first(random: &dyn Random) -> Identity {
        Identity { incarnation: random.next_u64().max(1), sequence: 0 }
    }

    /// The next transaction's.
    pub(super) fn next(self) -> Identity {
        Identity { incarnation: self.incarnation, sequence: self.sequence + 1 }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let value = u128::from(self.incarnation) << 64 | u128::from(self.sequence);
        value.to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Identity {
        let value = u128::from_le_bytes(bytes);
        Identity { incarnation: (value >> 64) as u64, sequence: value as u64 }
    }
}
