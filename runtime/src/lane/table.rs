//! The messages of a lane, each at a fixed slot until it is settled, chained from the oldest to the youngest.

use super::Parcel;
use crate::change::Message;
use crate::ledger::Ticket;
use tokio::time::Instant;

/// Where a message stands in its lane's table. Used again after the message is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

pub(super) struct Entry {
    /// `None` while it is in flight.
    pub(super) message: Option<Message>,
    pub(super) ticket: Ticket,
    /// The next message of the same key.
    pub(super) behind: Option<Slot>,
    pub(super) arrived_at: Instant,
    /// Microseconds since the Unix epoch.
    pub(super) arrived_us: i64,
    pub(super) attempts: u32,
    pub(super) bytes: usize,
    older: Option<Slot>,
    younger: Option<Slot>,
}

#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    oldest: Option<Slot>,
    youngest: Option<Slot>,
}

impl Table {
    pub(super) fn insert(&mut self, parcel: Parcel, arrived_at: Instant, arrived_us: i64) -> Slot {
        let Parcel { message, ticket } = parcel;
        let (older, bytes) = (self.youngest, message.byte_len());
        let message = Some(message);
        let entry =
            Entry { message, ticket, behind: None, arrived_at, arrived_us, attempts: 0, bytes, older, younger: None };
        let slot = self.place(entry);
        match older {
            Some(older) => self.entry(older).younger = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.youngest = Some(slot);
        slot
    }

    pub(super) fn entry(&mut self, slot: Slot) -> &mut Entry {
        self.entries[slot.0 as usize].as_mut().expect("a slot is known only while its message is in the table")
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries[self.oldest?.0 as usize].as_ref()
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Entry {
        let entry = self.entries[slot.0 as usize].take().expect("a message leaves the table once");
        self.free.push(slot);
        match entry.older {
            Some(older) => self.entry(older).younger = entry.younger,
            None => self.oldest = entry.younger,
        }
        match entry.younger {
            Some(younger) => self.entry(younger).older = entry.older,
            None => self.youngest = entry.older,
        }
        entry
    }

    pub(super) fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    /// Keeps room for `kept` messages. Only for an empty table.
    pub(super) fn shrink(&mut self, kept: usize) {
        if self.entries.capacity() > kept {
            self.entries = Vec::new();
            self.free = Vec::new();
        }
    }

    fn place(&mut self, entry: Entry) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.entries[slot.0 as usize] = Some(entry);
            return slot;
        }
        let slot =
            Slot(u32::try_from(self.entries.len()).expect("a lane holds fewer than four thousand million messages"));
        self.entries.push(Some(entry));
        slot
    }
}
