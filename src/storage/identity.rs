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

/// The name that a client may know a transaction by before it commits, to ask for its outcome afterwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId {
    /// When it was made, in microseconds since 2000-01-01 UTC.
    pub time_us: i64,
    /// Drawn at random.
    pub random: u64,
}

impl TransactionId {
    /// A new one.
    pub fn new(time_us: i64, random: &dyn Random) -> TransactionId {
        TransactionId { time_us, random: random.next_u64() }
    }

    /// Its bytes, which are in the order of time.
    pub fn to_bytes(self) -> [u8; Identity::BYTES] {
        let mut bytes = [0; Identity::BYTES];
        bytes[..8].copy_from_slice(&self.time_us.max(0).to_be_bytes());
        bytes[8..].copy_from_slice(&self.random.to_be_bytes());
        bytes
    }

    /// Reads its bytes.
    pub fn from_bytes(bytes: [u8; Identity::BYTES]) -> TransactionId {
        let value = u128::from_be_bytes(bytes);
        TransactionId { time_us: (value >> 64) as i64, random: value as u64 }
    }
}

impl std::fmt::Display for TransactionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{:016x}", self.time_us, self.random)
    }
}

impl std::str::FromStr for TransactionId {
    type Err = ();

    fn from_str(text: &str) -> Result<TransactionId, ()> {
        let (time, random) = text.split_once('-').ok_or(())?;
        let is_number = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number(time) || !is_number(random) {
            return Err(());
        }
        let number = |text| u64::from_str_radix(text, 16).map_err(|_| ());
        Ok(TransactionId { time_us: i64::try_from(number(time)?).map_err(|_| ())?, random: number(random)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_ids_come_back() {
        let id = TransactionId { time_us: 848_000_000_000_000, random: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TransactionId::from_bytes(id.to_bytes()), id);
        for text in ["", "-", "0-0", "+000000000000000-0000000000000000", "f000000000000000-0000000000000000"]
        {
            assert_eq!(text.parse::<TransactionId>(), Err(()), "{text}");
        }
    }
}
