//! What became of a transaction, as far as its client was told.

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Committed,
    /// It is not there and never will be.
    Aborted,
    Unknown,
}

impl Outcome {
    /// What an error's SQLSTATE says about a transaction that was being committed; `None` if no fault explains it.
    pub fn of_error(code: &str, disks_fail: bool) -> Option<Outcome> {
        match code {
            // Refused; no leader.
            "40001" | "57P03" => Some(Outcome::Aborted),
            // No room; the disk failed before anything was decided.
            "53100" | "58030" | "XX001" if disks_fail => Some(Outcome::Aborted),
            "08007" | "57P01" | "57P02" => Some(Outcome::Unknown),
            _ => None,
        }
    }
}
