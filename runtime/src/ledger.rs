//! Which tickets are unpaid. The oldest one bounds every acknowledgement.
//!
//! ```text
//!   open(position) ─▶ ticket ─ owe(n) ─▶ lanes ─ settle() ─▶ paid ─▶ confirmed (a watch value)
//! ```
//!
//! A ticket is one batch. It opens with one share per pipeline, so that it can not be paid before every pipeline has looked
//! at it. Settling is a plain call: a bounded channel back to the task that feeds the lanes deadlocks.

use crate::change::Position;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The unpaid tickets of one source, oldest first.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    book: Mutex<Book>,
    confirmed: watch::Sender<Option<Position>>,
}

struct Book {
    /// Sequence number of the front entry.
    first: u64,
    open: VecDeque<Entry>,
}

struct Entry {
    confirms: Option<Position>,
    unpaid: u64,
    opened_at: Instant,
}

/// What one batch owes. Cloned into every message that it became; each share is settled once.
#[derive(Clone)]
pub struct Ticket {
    ledger: Ledger,
    sequence: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    pub fn new() -> Self {
        let book = Mutex::new(Book { first: 0, open: VecDeque::new() });
        Self(Arc::new(Shared { book, confirmed: watch::Sender::new(None) }))
    }

    /// Opens a ticket for a batch that lets `confirms` be confirmed once this and all earlier tickets are paid.
    /// It starts with `shares` unpaid.
    pub fn open(&self, confirms: Option<Position>, shares: u64) -> Ticket {
        let mut book = self.book();
        let sequence = book.first + book.open.len() as u64;
        book.open.push_back(Entry { confirms, unpaid: shares, opened_at: Instant::now() });
        if shares == 0 {
            self.close_paid(book);
        }
        Ticket { ledger: self.clone(), sequence }
    }

    /// The newest position up to which everything is paid, as it moves.
    pub fn confirmed(&self) -> watch::Receiver<Option<Position>> {
        self.0.confirmed.subscribe()
    }

    /// Number of tickets that are not paid yet.
    pub fn unpaid(&self) -> usize {
        self.book().open.len()
    }

    /// How long the oldest unpaid ticket has been open.
    pub fn oldest(&self) -> Option<Duration> {
        self.book().open.front().map(|e| e.opened_at.elapsed())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().expect("no panic while the book is open")
    }

    fn close_paid(&self, mut book: MutexGuard<'_, Book>) {
        let mut newest = None;
        while book.open.front().is_some_and(|e| e.unpaid == 0) {
            newest = book.open.pop_front().and_then(|e| e.confirms).or(newest);
            book.first += 1;
        }
        // Sent under the lock, or two settlements could publish their positions in the wrong order.
        if let Some(position) = newest {
            self.0.confirmed.send_replace(Some(position));
        }
    }

    fn is(&self, other: &Ledger) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Book {
    fn entry(&mut self, sequence: u64) -> &mut Entry {
        let at = sequence.checked_sub(self.first).expect("a ticket is settled once");
        self.open.get_mut(at as usize).expect("a ticket is opened before it is settled")
    }

    fn pay(&mut self, sequence: u64, shares: u64) {
        let entry = self.entry(sequence);
        entry.unpaid = entry.unpaid.checked_sub(shares).expect("a ticket is settled once");
    }
}

impl Ticket {
    /// Adds `shares` to what is owed. Only a holder of an unpaid share may call it.
    pub fn owe(&self, shares: u64) {
        self.ledger.book().entry(self.sequence).unpaid += shares;
    }

    /// Pays one share.
    pub fn settle(&self) {
        self.settle_many(1);
    }

    /// Pays several shares at once.
    ///
    /// # Panics
    /// If more is paid than was owed: a message would have been settled twice, and a position could be confirmed too early.
    pub fn settle_many(&self, shares: u64) {
        let mut book = self.ledger.book();
        book.pay(self.sequence, shares);
        self.ledger.close_paid(book);
    }

    /// Pays one share of each and leaves `tickets` empty. The book is opened once for each run of tickets of one ledger: a
    /// lane that pays message by message would spend its time at the lock.
    ///
    /// # Panics
    /// As `settle_many`.
    pub fn settle_all(tickets: &mut Vec<Ticket>) {
        for run in tickets.chunk_by(|a, b| a.ledger.is(&b.ledger)) {
            let ledger = &run[0].ledger;
            let mut book = ledger.book();
            for ticket in run {
                book.pay(ticket.sequence, 1);
            }
            ledger.close_paid(book);
        }
        tickets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Lsn;

    fn at(n: u64) -> Option<Position> {
        Some(Position::Postgres(Lsn(n)))
    }

    #[test]
    fn oldest_unpaid_ticket_bounds_what_is_confirmed() {
        let ledger = Ledger::new();
        let confirmed = ledger.confirmed();
        let (a, b, c) = (ledger.open(at(1), 1), ledger.open(at(2), 1), ledger.open(None, 1));
        b.settle();
        assert_eq!(*confirmed.borrow(), None);
        a.settle();
        assert_eq!(*confirmed.borrow(), at(2));
        c.settle();
        assert_eq!(*confirmed.borrow(), at(2), "a batch inside a transaction confirms nothing");
        assert_eq!(ledger.unpaid(), 0);
    }

    #[test]
    fn ticket_waits_for_every_share() {
        let ledger = Ledger::new();
        let ticket = ledger.open(at(7), 2);
        ticket.owe(3);
        ticket.settle_many(4);
        assert_eq!(*ledger.confirmed().borrow(), None);
        ticket.settle();
        assert_eq!(*ledger.confirmed().borrow(), at(7));
    }

    #[test]
    fn tickets_of_two_ledgers_are_paid_together() {
        let (one, other) = (Ledger::new(), Ledger::new());
        let (a, b, c) = (one.open(at(1), 2), other.open(at(5), 1), one.open(at(2), 1));
        let mut paid = vec![c, a.clone(), b, a];
        Ticket::settle_all(&mut paid);
        assert!(paid.is_empty());
        assert_eq!(*one.confirmed().borrow(), at(2));
        assert_eq!(*other.confirmed().borrow(), at(5));
    }

    #[test]
    fn unpaid_share_of_many_still_bounds_what_is_confirmed() {
        let ledger = Ledger::new();
        let (a, b) = (ledger.open(at(1), 2), ledger.open(at(2), 1));
        Ticket::settle_all(&mut vec![b, a]);
        assert_eq!(*ledger.confirmed().borrow(), None);
        assert_eq!(ledger.unpaid(), 2);
    }

    #[test]
    #[should_panic(expected = "settled once")]
    fn settling_twice_is_a_bug_that_is_not_survived() {
        let ledger = Ledger::new();
        let _holder = ledger.open(at(1), 1);
        let ticket = ledger.open(at(2), 1);
        ticket.settle();
        ticket.settle();
    }
}
