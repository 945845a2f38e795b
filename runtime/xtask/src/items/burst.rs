//! A long run of random changes, so that a kill has something to fall into the middle of; and what has to come of it.

use super::shelf::{Item, Items, item_in};
use crate::topic::Event;
use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// Items come and go within these numbers, the first ten among them.
const IDS: RangeInclusive<i64> = 1..=60;
/// Stocks up to here belong to what came before.
const STEPS: i64 = 1000;
const NAMES: [&str; 10] = ["chair", "table", "shelf", "lamp", "desk", "stool", "bench", "couch", "clock", "rug"];

/// What happens to the items of one database: changes without end, the same for the same seed.
pub struct Burst {
    dice: StdRng,
    items: Items,
    /// Of the first change.
    first: i64,
    /// Ascends with every change and stands in the row as its stock, so that each change can be told from all others.
    number: i64,
    changes: u64,
}

/// One change of a burst.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What both databases understand.
    pub sql: String,
    pub id: i64,
    /// What the item's stock is afterwards; `None` when there is no item any more. No other statement leaves the same for this
    /// item, unless both delete it: who does not know whether this one was committed may look.
    pub leaves: Option<i64>,
}

impl Burst {
    /// Begins with what the table holds.
    pub fn new(seed: u64, items: Items) -> Self {
        let number = items.values().map(|item| item.stock).max().unwrap_or(0).max(STEPS);
        Self { dice: StdRng::seed_from_u64(seed), items, first: number + 1, number, changes: 0 }
    }

    /// The next change.
    pub fn change(&mut self) -> Statement {
        let id = self.dice.random_range(IDS);
        self.changes += 1;
        if self.items.contains_key(&id) && self.dice.random_range(0..4) == 0 {
            self.items.remove(&id);
            return Statement { sql: delete(id), id, leaves: None };
        }
        self.number += 1;
        let cents = self.dice.random_range(100..100_000);
        let item = Item {
            name: name_of(id).to_owned(),
            price: format!("{}.{:02}", cents / 100, cents % 100),
            stock: self.number,
        };
        let sql = match self.items.insert(id, item.clone()) {
            Some(_) => update(id, &item),
            None => insert(id, &item),
        };
        Statement { sql, id, leaves: Some(self.number) }
    }

    /// How many changes there were, deletes among them.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The stocks that its changes wrote.
    pub fn stocks(&self) -> RangeInclusive<i64> {
        self.first..=self.number
    }

    /// What the table has to hold now.
    pub fn items(&self) -> &Items {
        &self.items
    }
}

/// An item keeps its name.
pub fn name_of(id: i64) -> &'static str {
    NAMES[usize::try_from(id - 1).unwrap_or(0) % NAMES.len()]
}

pub fn insert(id: i64, item: &Item) -> String {
    let Item { name, price, stock } = item;
    format!("INSERT INTO items (id, name, price, stock) VALUES ({id}, '{name}', {price}, {stock})")
}

pub fn update(id: i64, item: &Item) -> String {
    let Item { name, price, stock } = item;
    format!("UPDATE items SET name = '{name}', price = {price}, stock = {stock} WHERE id = {id}")
}

pub fn delete(id: i64) -> String {
    format!("DELETE FROM items WHERE id = {id}")
}

/// What a topic says about a source, taken together.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// The items that are left when all events are applied in order.
    pub items: Items,
    /// Every stock that any item ever had.
    pub stocks: BTreeSet<i64>,
    /// Events that came a second time.
    pub repeated: u64,
    /// Events that came for the first time after a later one of their item.
    pub out_of_order: u64,
}

impl Told {
    /// Applies all events.
    pub fn by(events: &[Event]) -> Result<Self> {
        let mut told = Self::default();
        let mut newest: HashMap<i64, i64> = HashMap::new();
        for event in events {
            let id = event.key["id"].as_i64().context("a key without id")?;
            let Some(change) = &event.change else { continue };
            if change.op == "d" {
                told.items.remove(&id);
                continue;
            }
            let item = item_in(&change.after)?;
            let seen_before = !told.stocks.insert(item.stock);
            let newest = newest.entry(id).or_insert(item.stock);
            if seen_before {
                told.repeated += 1;
            } else if item.stock < *newest {
                told.out_of_order += 1;
            }
            *newest = item.stock.max(*newest);
            told.items.insert(id, item);
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Change;
    use serde_json::{Value, json};

    fn event(op: &str, id: i64, stock: i64) -> Event {
        let after = if op == "d" { Value::Null } else { json!({ "name": "rug", "price": "1.00", "stock": stock }) };
        Event { key: json!({ "id": id }), change: Some(Change { op: op.to_owned(), before: Value::Null, after }) }
    }

    #[test]
    fn a_burst_inserts_what_is_not_there_and_touches_only_what_is() {
        let mut burst = Burst::new(7, Items::new());
        let mut there = BTreeSet::new();
        for _ in 0..500 {
            let Statement { sql, id: expected, leaves } = burst.change();
            assert_eq!(leaves.is_none(), sql.starts_with("DELETE"), "{sql}");
            let id = || sql.rsplit("id = ").next().and_then(|id| id.parse::<i64>().ok()).expect("ends with the id");
            match sql.split(' ').next() {
                Some("INSERT") => {
                    let values = sql.split("VALUES (").nth(1).and_then(|values| values.split(',').next());
                    assert_eq!(values.and_then(|id| id.parse().ok()), Some(expected), "{sql}");
                    assert!(there.insert(expected), "{sql}");
                }
                Some("UPDATE") => assert!(there.contains(&id()), "{sql}"),
                _ => assert!(there.remove(&id()), "{sql}"),
            }
        }
        assert_eq!(burst.items().keys().copied().collect::<BTreeSet<_>>(), there);
        assert!(!there.is_empty());
    }

    #[test]
    fn repeated_events_are_counted_and_change_nothing() {
        let events = [event("c", 1, 10), event("u", 1, 11), event("c", 1, 10), event("u", 1, 11), event("c", 2, 12)];
        let told = Told::by(&events).expect("in order");
        assert_eq!((told.repeated, told.stocks.len(), told.items.len()), (2, 3, 2));
        assert_eq!(told.items[&1].stock, 11);
    }

    #[test]
    fn an_event_that_was_overtaken_is_counted() {
        assert_eq!(Told::by(&[event("u", 1, 11), event("c", 1, 10)]).expect("events").out_of_order, 1);
        let told = Told::by(&[event("u", 1, 11), event("d", 1, 0)]).expect("events");
        assert!(told.items.is_empty() && told.out_of_order == 0);
    }
}
