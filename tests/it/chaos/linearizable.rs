//! Whether the history of one register could have happened one operation after the other.
//!
//! All values written are different, so that each read tells which write it saw. Then the question is easy
//! (Gibbons and Korach, "Testing Shared Memories", 1997, section 4): the operations on one value span a zone between
//! the first end and the last start among them. If the first end comes first, the value was there all that time, and
//! no other value may have been; else it needs to be there for a moment within the zone only.

use std::collections::BTreeMap;

/// A moment: a place in the order of all that clients have seen.
pub type Moment = u64;

/// One operation on the register, in the time between two moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A write. Without an end, nobody knows whether it was done, or when.
    Write { value: i64, start: Moment, end: Option<Moment> },
    /// A read that was answered.
    Read { value: i64, start: Moment, end: Moment },
}

/// What was done with one value.
#[derive(Default)]
struct Zone {
    written: Option<(Moment, Moment)>,
    first_end: Option<Moment>,
    last_start: Moment,
    is_read: bool,
}

impl Zone {
    fn widen(&mut self, start: Moment, end: Moment) {
        self.first_end = Some(self.first_end.map_or(end, |first| first.min(end)));
        self.last_start = self.last_start.max(start);
    }
}

/// Looks at all operations on a register that held a value before the first of them; tells what cannot be.
pub fn check(first: i64, operations: &[Operation]) -> Result<(), String> {
    let mut zones: BTreeMap<i64, Zone> = BTreeMap::new();
    let initial = Operation::Write { value: first, start: 0, end: Some(0) };
    for operation in std::iter::once(&initial).chain(operations) {
        match *operation {
            Operation::Write { value, start, end } => {
                let zone = zones.entry(value).or_default();
                let end = end.unwrap_or(Moment::MAX);
                if zone.written.replace((start, end)).is_some() {
                    return Err(format!("{value} is written twice: this history tells nothing"));
                }
                zone.widen(start, end);
            }
            Operation::Read { value, start, end } => {
                let zone = zones.entry(value).or_default();
                zone.is_read = true;
                zone.widen(start, end);
            }
        }
    }
    let mut forward: Vec<(Moment, Moment, i64)> = Vec::new();
    let mut backward: Vec<(Moment, Moment, i64)> = Vec::new();
    for (value, zone) in &zones {
        let Some((started, ended)) = zone.written else {
            return Err(format!("{value} was read and never written"));
        };
        let first_end = zone.first_end.unwrap_or(Moment::MAX);
        if first_end < started {
            return Err(format!("{value} was read before it was written"));
        }
        match () {
            // Nobody knows whether it was written, and nobody has seen it.
            () if ended == Moment::MAX && !zone.is_read => {}
            () if first_end < zone.last_start => forward.push((first_end, zone.last_start, *value)),
            () => backward.push((zone.last_start, first_end, *value)),
        }
    }
    forward.sort_unstable();
    for pair in forward.windows(2) {
        if pair[1].0 < pair[0].1 {
            return Err(format!("{} was there while {} must have been", pair[1].2, pair[0].2));
        }
    }
    for (start, end, value) in backward {
        let before = forward.partition_point(|zone| zone.0 < start);
        if let Some(other) = before.checked_sub(1).map(|place| forward[place]).filter(|other| end < other.1) {
            return Err(format!("{value} came and went while {} must have been there", other.2));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use adya::r#gen::Rng;

    /// Tries all orders.
    fn is_possible(first: i64, operations: &[Operation]) -> bool {
        fn times(operation: &Operation) -> (Moment, Moment) {
            match *operation {
                Operation::Write { start, end, .. } => (start, end.unwrap_or(Moment::MAX)),
                Operation::Read { start, end, .. } => (start, end),
            }
        }
        fn go(value: i64, rest: &[Operation]) -> bool {
            let is_done = |operation: &Operation| matches!(operation, Operation::Write { end: None, .. });
            if rest.iter().all(is_done) {
                return true;
            }
            let earliest_end = rest.iter().map(|operation| times(operation).1).min().unwrap();
            (0..rest.len()).filter(|place| times(&rest[*place]).0 <= earliest_end).any(|place| {
                let mut others = rest.to_vec();
                match others.remove(place) {
                    Operation::Write { value, .. } => go(value, &others),
                    Operation::Read { value: seen, .. } => seen == value && go(value, &others),
                }
            })
        }
        go(first, operations)
    }

    /// Random histories, possible and impossible ones: the same answer as from trying all orders.
    #[test]
    fn the_check_agrees_with_trying_all_orders() {
        let mut random = Rng::new(1);
        let mut counts = [0, 0];
        for _ in 0..20_000 {
            let mut moments: Vec<Moment> = (1..=12).collect();
            let mut take = |random: &mut Rng| moments.remove(random.below(moments.len() as u64) as usize);
            let mut operations = Vec::new();
            let writes = 1 + random.below(3) as i64;
            for place in 0..6 {
                let (one, other) = (take(&mut random), take(&mut random));
                let (start, end) = (one.min(other), one.max(other));
                operations.push(if place < writes {
                    let end = Some(end).filter(|_| random.below(4) > 0);
                    Operation::Write { value: place + 1, start, end }
                } else {
                    Operation::Read { value: random.below(writes as u64 + 1) as i64, start, end }
                });
            }
            let expected = is_possible(0, &operations);
            counts[usize::from(expected)] += 1;
            let found = check(0, &operations);
            assert_eq!(found.is_ok(), expected, "{found:?} {operations:?}");
        }
        assert!(counts.iter().all(|count| *count > 1000), "{counts:?}");
    }

    #[test]
    fn a_stale_read_is_found() {
        let write = |value, start, end| Operation::Write { value, start, end: Some(end) };
        let read = |value, start, end| Operation::Read { value, start, end };
        assert!(check(0, &[write(1, 1, 2), read(1, 3, 4)]).is_ok());
        assert!(check(0, &[write(1, 1, 2), read(0, 3, 4)]).is_err());
        assert!(check(0, &[write(1, 1, 4), read(1, 2, 3), read(0, 5, 6)]).is_err());
        assert!(check(0, &[read(7, 1, 2)]).is_err());
    }
}
