//! What was written beside what arrived: lost, doubled, out of order.
//!
//! ```text
//!   writer ─ wrote(change) ─▶ ┌────────┐ ◀─ arrived(message), answered ─ customers
//!                             │ Record │ ──▶ Audit
//!                             └────────┘
//! ```
//!
//! The writer gives every change a time of its own (`updated_at`, in microseconds, strictly ascending); the row carries it
//! through guest and body to the customer. So a change is recognised at the receiver without a column made for the test.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Everything written and everything that arrived, kept by the writer and the customers together.
#[derive(Default)]
pub struct Record {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    written: BTreeMap<i64, Written>,
    /// Changes without an answer yet, and their customers.
    open: HashMap<i64, u32>,
    arrivals: Vec<Arrival>,
    /// How many arrivals were here before the record was cleared: numbers go on, so that a late answer meets nobody else's.
    cleared: usize,
    unreadable: u64,
}

/// One committed change.
#[derive(Clone, Debug)]
pub struct Written {
    pub customer: u32,
    pub parcel: i32,
    /// Just before the statement was sent: latencies counted from here are never too small.
    pub at: Instant,
}

/// One request at a customer.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `webhook-id`
    pub message: String,
    pub customer: u32,
    pub parcel: i32,
    /// The change's `updated_at`, in microseconds since 1970.
    pub change: i64,
    /// The row's step, such as `In Transit`.
    pub status: String,
    /// Whether the second version of the guest has touched the row.
    pub marked: bool,
    pub at: Instant,
    /// When the whole answer was ready; `None` while the customer thinks, and for ever when the sender hung up.
    pub answered_at: Option<Instant>,
}

impl Record {
    pub fn wrote(&self, change: i64, customer: u32, parcel: i32) {
        let written = Written { customer, parcel, at: Instant::now() };
        let mut pages = self.pages();
        pages.written.insert(change, written);
        pages.open.insert(change, customer);
    }

    /// Takes a change back whose statement failed.
    pub fn failed(&self, change: i64) {
        let mut pages = self.pages();
        pages.written.remove(&change);
        pages.open.remove(&change);
    }

    /// Notes a request; the returned number is for [`answered`](Self::answered).
    pub fn arrived(&self, arrival: Arrival) -> usize {
        let mut pages = self.pages();
        pages.arrivals.push(arrival);
        pages.cleared + pages.arrivals.len() - 1
    }

    pub fn answered(&self, number: usize) {
        let mut pages = self.pages();
        let Some(index) = number.checked_sub(pages.cleared) else { return };
        let arrival = &mut pages.arrivals[index];
        arrival.answered_at = Some(Instant::now());
        let change = arrival.change;
        pages.open.remove(&change);
    }

    /// Notes a request whose body is none of the rows that we wrote.
    pub fn unreadable(&self) {
        self.pages().unreadable += 1;
    }

    /// Shows all requests so far, in order of arrival. Nothing arrives meanwhile: be quick.
    pub fn look<T>(&self, at: impl FnOnce(&[Arrival]) -> T) -> T {
        at(&self.pages().arrivals)
    }

    /// Number of changes written.
    pub fn written(&self) -> usize {
        self.pages().written.len()
    }

    /// Starts afresh: what was written and delivered until now is no longer looked at.
    pub fn clear(&self) {
        let mut pages = self.pages();
        *pages = Pages { cleared: pages.cleared + pages.arrivals.len(), ..Pages::default() };
    }

    /// How many changes for customers that `counts` have not been answered yet.
    pub fn missing(&self, counts: impl Fn(u32) -> bool) -> usize {
        self.pages().open.values().filter(|customer| counts(**customer)).count()
    }

    /// Compares the two sides. `counts` says which customers are expected to have everything.
    pub fn audit(&self, counts: impl Fn(u32) -> bool) -> Audit {
        self.pages().audit(counts)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nobody panics while holding the record")
    }
}

/// The verdict on a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    /// Committed changes for customers that count.
    pub changes: u64,
    /// Of those, answered with success at least once.
    pub delivered: u64,
    pub lost: u64,
    /// Answered with success more often than once.
    pub doubled: u64,
    /// Changes that came under more than one message id. The id must be the same on every attempt and after every restart.
    pub renamed: u64,
    /// Changes that overtook an earlier one of their parcel, repeated attempts left aside.
    pub out_of_order: u64,
    /// Rows that arrived at the wrong customer, were never written, or could not be read.
    pub strange: u64,
    /// Parcels of which anything arrived.
    pub parcels: u64,
    /// Every delivered change, in order of commit.
    pub deliveries: Vec<Delivery>,
}

/// A change and its first answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// How many changes were written before this one.
    pub number: usize,
    pub customer: u32,
    pub committed_at: Instant,
    /// From commit to the end of the answer.
    pub latency: Duration,
    /// Whether the second version of the guest has touched the row.
    pub marked: bool,
}

impl Audit {
    /// Nothing lost, nothing out of order, nothing strange. Doubled messages are allowed after a crash, and counted.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0 && self.strange == 0 && self.renamed == 0
    }

    /// The sorted latencies of the customers that `belongs` picks.
    pub fn latencies(&self, belongs: impl Fn(u32) -> bool) -> Vec<Duration> {
        let picked = self.deliveries.iter().filter(|delivery| belongs(delivery.customer));
        let mut latencies: Vec<Duration> = picked.map(|delivery| delivery.latency).collect();
        latencies.sort_unstable();
        latencies
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, delivered, lost, doubled, renamed, out_of_order, strange, .. } = self;
        write!(
            f,
            "{changes} changes, {delivered} delivered, {lost} lost, {doubled} doubled, {out_of_order} out of order, "
        )?;
        write!(f, "{renamed} under a second id, {strange} strange")
    }
}

impl Pages {
    fn answered(&self) -> impl Iterator<Item = &Arrival> {
        self.arrivals.iter().filter(|arrival| arrival.answered_at.is_some())
    }

    fn audit(&self, counts: impl Fn(u32) -> bool) -> Audit {
        let mut audit = Audit { strange: self.unreadable, ..Audit::default() };
        self.audit_delivery(&counts, &mut audit);
        self.audit_order(&mut audit);
        audit
    }

    fn audit_delivery(&self, counts: &impl Fn(u32) -> bool, audit: &mut Audit) {
        let mut first: HashMap<i64, (Instant, bool)> = HashMap::new();
        for arrival in self.answered() {
            let answer = (arrival.answered_at.expect("filtered"), arrival.marked);
            match first.get_mut(&arrival.change) {
                Some(earliest) => {
                    *earliest = answer.min(*earliest);
                    audit.doubled += 1;
                }
                None => {
                    first.insert(arrival.change, answer);
                }
            }
        }
        for (number, (change, written)) in self.written.iter().enumerate() {
            if counts(written.customer) {
                audit.changes += 1;
                match first.contains_key(change) {
                    true => audit.delivered += 1,
                    false => audit.lost += 1,
                }
            }
            if let Some((answered_at, marked)) = first.get(change) {
                audit.deliveries.push(Delivery {
                    number,
                    customer: written.customer,
                    committed_at: written.at,
                    latency: answered_at.saturating_duration_since(written.at),
                    marked: *marked,
                });
            }
        }
    }

    /// A message may come again, under the same id. Its first coming must be later than the first coming of everything
    /// before it in its parcel.
    fn audit_order(&self, audit: &mut Audit) {
        let mut messages: HashMap<&str, i64> = HashMap::new();
        let mut changes: HashMap<i64, &str> = HashMap::new();
        let mut renamed: HashSet<i64> = HashSet::new();
        let mut newest: HashMap<i32, i64> = HashMap::new();
        for arrival in &self.arrivals {
            let written = self.written.get(&arrival.change);
            if written.is_none_or(|w| w.customer != arrival.customer || w.parcel != arrival.parcel) {
                audit.strange += 1;
                continue;
            }
            if changes.entry(arrival.change).or_insert(&arrival.message) != &arrival.message {
                renamed.insert(arrival.change);
            }
            match messages.insert(&arrival.message, arrival.change) {
                Some(before) if before == arrival.change => continue,
                // One id for two changes: a receiver that removes duplicates would throw one of them away.
                Some(_) => audit.strange += 1,
                None => {}
            }
            let newest = newest.entry(arrival.parcel).or_insert(i64::MIN);
            if arrival.change < *newest {
                audit.out_of_order += 1;
            }
            *newest = arrival.change.max(*newest);
        }
        audit.renamed = renamed.len() as u64;
        audit.parcels = newest.len() as u64;
    }
}

/// The value below which the share `quantile` (0 to 1) of `sorted` lies; `None` of an empty list.
pub fn quantile(sorted: &[Duration], quantile: f64) -> Option<Duration> {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(message: &str, parcel: i32, change: i64) -> Arrival {
        Arrival {
            message: message.into(),
            customer: 1,
            parcel,
            change,
            status: "In Transit".into(),
            marked: false,
            at: Instant::now(),
            answered_at: None,
        }
    }

    fn arrive(record: &Record, message: &str, parcel: i32, change: i64) {
        let number = record.arrived(arrival(message, parcel, change));
        record.answered(number);
    }

    fn three_of_one_parcel() -> Record {
        let record = Record::default();
        for change in [10, 20, 30] {
            record.wrote(change, 1, 7);
        }
        record
    }

    #[test]
    fn a_perfect_delivery_is_clean() {
        let record = three_of_one_parcel();
        for (id, change) in [("a", 10), ("b", 20), ("c", 30)] {
            arrive(&record, id, 7, change);
        }
        let audit = record.audit(|_| true);
        assert!(audit.is_clean());
        assert_eq!((audit.changes, audit.delivered, audit.doubled, audit.parcels), (3, 3, 0, 1));
        assert_eq!(audit.latencies(|customer| customer == 1).len(), 3);
    }

    #[test]
    fn a_change_that_never_came_is_lost_unless_its_customer_does_not_count() {
        let record = three_of_one_parcel();
        arrive(&record, "a", 7, 10);
        assert_eq!(record.audit(|_| true).lost, 2);
        assert_eq!(record.missing(|_| true), 2);
        assert_eq!(record.audit(|_| false).lost, 0);
    }

    #[test]
    fn a_request_without_an_answer_is_not_a_delivery() {
        let record = three_of_one_parcel();
        record.arrived(arrival("a", 7, 10));
        assert_eq!(record.audit(|_| true).lost, 3);
        arrive(&record, "a", 7, 10);
        let audit = record.audit(|_| true);
        assert_eq!((audit.lost, audit.doubled), (2, 0));
    }

    #[test]
    fn a_replay_after_a_crash_is_doubled_but_in_order() {
        let record = three_of_one_parcel();
        for (id, change) in [("a", 10), ("b", 20), ("a", 10), ("b", 20), ("c", 30)] {
            arrive(&record, id, 7, change);
        }
        let audit = record.audit(|_| true);
        assert!(audit.is_clean());
        assert_eq!(audit.doubled, 2);
    }

    #[test]
    fn a_replay_under_a_new_id_is_seen() {
        let record = three_of_one_parcel();
        for (id, change) in [("a", 10), ("b", 20), ("c", 30), ("d", 10)] {
            arrive(&record, id, 7, change);
        }
        let audit = record.audit(|_| true);
        assert_eq!((audit.renamed, audit.out_of_order, audit.is_clean()), (1, 1, false));
    }

    #[test]
    fn an_overtaking_change_is_out_of_order_only_within_its_parcel() {
        let record = three_of_one_parcel();
        record.wrote(15, 1, 8);
        for (id, parcel, change) in [("b", 7, 20), ("a", 7, 10), ("x", 8, 15), ("c", 7, 30)] {
            arrive(&record, id, parcel, change);
        }
        assert_eq!(record.audit(|_| true).out_of_order, 1);
    }

    #[test]
    fn a_row_at_the_wrong_address_is_strange() {
        let record = three_of_one_parcel();
        arrive(&record, "a", 8, 10);
        arrive(&record, "b", 7, 99);
        record.unreadable();
        assert_eq!(record.audit(|_| true).strange, 3);
    }

    #[test]
    fn an_answer_after_the_record_was_cleared_counts_for_nothing() {
        let record = three_of_one_parcel();
        let late = record.arrived(arrival("a", 7, 10));
        record.clear();
        record.wrote(40, 1, 7);
        record.arrived(arrival("d", 7, 40));
        record.answered(late);
        assert_eq!((record.missing(|_| true), record.written()), (1, 1));
    }

    #[test]
    fn quantiles_are_ranks() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&sorted, 0.5), Some(Duration::from_millis(50)));
        assert_eq!(quantile(&sorted, 0.99), Some(Duration::from_millis(99)));
        assert_eq!(quantile(&sorted, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
