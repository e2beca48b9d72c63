//! Which node of a cluster has which slots. Pure.

use super::{address::RedisAddress, fault::Fault};
use redis::Value;

/// Ranges of slots with their masters, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    ranges: Vec<Range>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    master: RedisAddress,
}

impl Map {
    /// Reads what a node answers to CLUSTER SLOTS.
    pub(crate) fn read(answer: &Value, teller: &RedisAddress) -> Result<Self, Fault> {
        let refused = |what: &str| Fault::Refused(format!("{teller} {what}"));
        let ranges = match answer {
            Value::Array(ranges) => ranges,
            Value::ServerError(error) => return Err(Fault::of_reply(error)),
            _ => return Err(refused("tells of its cluster what Redis does not")),
        };
        let mut ranges = ranges
            .iter()
            .map(|range| Range::read(range, teller))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| refused("tells of its cluster what Redis does not"))?;
        if ranges.is_empty() {
            return Err(refused("is of a cluster in which no node has a slot"));
        }
        ranges.sort_unstable_by_key(|range| range.first);
        Ok(Self { ranges })
    }

    pub(crate) fn master(&self, slot: u16) -> Option<&RedisAddress> {
        let at = self.ranges.partition_point(|range| range.last < slot);
        self.ranges.get(at).filter(|range| range.first <= slot).map(|range| &range.master)
    }

    /// Each master once.
    pub(crate) fn masters(&self) -> Vec<RedisAddress> {
        let mut masters = Vec::new();
        for range in &self.ranges {
            if !masters.contains(&range.master) {
                masters.push(range.master.clone());
            }
        }
        masters
    }
}

impl Range {
    fn read(range: &Value, teller: &RedisAddress) -> Option<Self> {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &parts[..] else { return None };
        let (host, port) = match &master[..] {
            [Value::BulkString(host), Value::Int(port), ..] => (str::from_utf8(host).ok()?, port),
            [Value::Nil, Value::Int(port), ..] => ("", port),
            _ => return None,
        };
        let master = teller.neighbour(host, u16::try_from(*port).ok()?)?;
        Some(Self { first: u16::try_from(*first).ok()?, last: u16::try_from(*last).ok()?, master })
    }
}

#[cfg(test)]
mod tests {
    use super::{Map, RedisAddress};
    use redis::Value;

    fn range(first: i64, last: i64, host: &[u8], port: i64) -> Value {
        let node = |host: &[u8], port| Value::Array(vec![Value::BulkString(host.to_vec()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node(host, port), node(b"replica", 1)])
    }

    fn read(ranges: Vec<Value>) -> Option<Map> {
        Map::read(&Value::Array(ranges), &RedisAddress::tcp("seed", 7)).ok()
    }

    #[test]
    fn slots_are_found_at_their_masters() {
        let map = read(vec![
            range(5_461, 10_922, b"b", 2),
            range(0, 5_459, b"a", 1),
            range(10_923, 16_383, b"", 3),
            range(5_460, 5_460, b"b", 2),
        ]);
        let map = map.expect("read");
        for (slot, expected) in [
            (0, "a:1"),
            (5_459, "a:1"),
            (5_460, "b:2"),
            (5_461, "b:2"),
            (10_923, "seed:3"),
            (16_383, "seed:3"),
        ] {
            assert_eq!(map.master(slot).map(ToString::to_string).as_deref(), Some(expected), "{slot}");
        }
        let masters: Vec<_> = map.masters().iter().map(ToString::to_string).collect();
        assert_eq!(masters, ["a:1", "b:2", "seed:3"]);
    }

    #[test]
    fn a_slot_that_nobody_has_is_at_no_master() {
        let map = read(vec![range(10, 20, b"a", 1)]).expect("read");
        assert_eq!([9, 21].map(|slot| map.master(slot).is_some()), [false, false]);
        assert!(map.master(15).is_some());
    }

    #[test]
    fn anything_else_is_refused() {
        for ranges in [
            vec![],
            vec![Value::Nil],
            vec![Value::Array(vec![])],
            vec![range(-1, 5, b"a", 1)],
            vec![range(0, 5, b"a", 70_000)],
            vec![range(0, 5, b"\xff", 1)],
        ] {
            assert_eq!(read(ranges.clone()), None, "{ranges:?}");
        }
        assert!(Map::read(&Value::Okay, &RedisAddress::tcp("seed", 7)).is_err());
    }
}
