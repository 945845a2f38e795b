//! Which node of a cluster owns which slot.

use super::Refusal;
use super::address::Address;
use super::answer::{self, Trouble};
use super::keys::SLOTS;
use redis::Value;
use std::sync::Arc;

/// Who owns what, as one node told it.
pub(super) struct SlotMap {
    nodes: Vec<Arc<Address>>,
    /// Index into `nodes`, [`NOBODY`] where nobody owns the slot.
    owners: Vec<u16>,
}

const NOBODY: u16 = u16::MAX;

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS` of the node at `asked`: for each range its first and last slot, then its nodes, the
    /// master first, each with host and port. Ranges that can not be read have no owner.
    pub(super) fn read(answer: &Value, asked: &Address) -> Result<Self, Refusal> {
        if let Some(error) = answer::error(answer) {
            return Err(Trouble::parse(&error).refusal());
        }
        let Value::Array(ranges) = answer else {
            return Err(answer::passing(format!("{asked} does not say who owns which slots")));
        };
        let mut map = Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS] };
        for range in ranges {
            if let Some((first, last, owner)) = read_range(range, asked) {
                let node = map.index_of(owner);
                map.owners[first..=last].fill(node);
            }
        }
        if map.nodes.is_empty() {
            return Err(answer::passing(format!("nobody owns a slot of the cluster that {asked} belongs to")));
        }
        Ok(map)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Address>> {
        self.nodes.get(usize::from(self.owners[usize::from(slot)]))
    }

    pub(super) fn nodes(&self) -> &[Arc<Address>] {
        &self.nodes
    }

    fn index_of(&mut self, address: Address) -> u16 {
        let known = self.nodes.iter().position(|node| **node == address);
        let index = known.unwrap_or_else(|| {
            self.nodes.push(Arc::new(address));
            self.nodes.len() - 1
        });
        u16::try_from(index).unwrap_or(NOBODY)
    }
}

fn read_range(range: &Value, asked: &Address) -> Option<(usize, usize, Address)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
    let host = match master.first()? {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        // The node does not know its own name: it is where it was asked.
        Value::Nil => "",
        _ => return None,
    };
    let Value::Int(port) = master.get(1)? else { return None };
    let known = host != "?" && first <= last && last < SLOTS;
    known.then_some((first, last, asked.neighbour(host, u16::try_from(*port).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec())])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn map_is_read_from_masters_and_unreadable_ranges_belong_to_nobody() {
        let (asked, _) = Address::parse("redis://10.0.0.9:7000").expect("an address");
        let range =
            |first, last, nodes: Vec<Value>| Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat());
        let answer = Value::Array(vec![
            range(0, 100, vec![node(text("10.0.0.1"), 7001), node(text("10.0.0.2"), 7002)]),
            range(101, 200, vec![node(Value::Nil, 7003)]),
            range(201, 300, vec![node(text("?"), 7004)]),
            range(301, 99_999, vec![node(text("10.0.0.1"), 7001)]),
            range(301, 400, vec![node(text("10.0.0.1"), 7001)]),
            Value::Okay,
        ]);
        let Ok(map) = SlotMap::read(&answer, &asked) else { panic!("a map") };
        let owner = |slot| map.owner(slot).map(|address| address.to_string());
        assert_eq!(owner(0), Some("10.0.0.1:7001".into()));
        assert_eq!(owner(150), Some("10.0.0.9:7003".into()));
        assert_eq!((owner(250), owner(500)), (None, None));
        assert_eq!(owner(400), Some("10.0.0.1:7001".into()));
        assert_eq!(map.nodes().len(), 2);
    }
}
