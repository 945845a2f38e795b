//! The messages of a lane, each at a fixed slot until it is over, chained from the oldest to the youngest.

use super::Held;
use crate::change::Message;
use crate::ledger::Ticket;
use crate::store::Seq;
use tokio::time::Instant;

/// Where a message stands in its lane's table. Used again after the message is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// A message that was taken in; unlike its slot, never the name of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) slot: Slot,
    number: u64,
}

/// Who answers for a message while it is not delivered.
pub(super) enum Owed {
    /// The source: the ticket keeps its position from being confirmed.
    Source(Ticket),
    /// The state: it is on disk under this number.
    Disk(Seq),
}

/// What happens to a message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Behind another one of its key.
    Behind,
    Ready,
    Asleep,
    InFlight,
}

pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) owed: Owed,
    pub(super) stand: Stand,
    /// The neighbours of the same key.
    pub(super) ahead: Option<Slot>,
    pub(super) behind: Option<Slot>,
    pub(super) arrived_at: Instant,
    /// Microseconds since the Unix epoch.
    pub(super) arrived_us: i64,
    pub(super) attempts: u32,
    pub(super) bytes: usize,
    number: u64,
    older: Option<Slot>,
    younger: Option<Slot>,
}

/// A message on its way into the table.
pub(super) struct Arrival {
    pub(super) message: Message,
    pub(super) owed: Owed,
    pub(super) attempts: u32,
    pub(super) arrived_at: Instant,
    pub(super) arrived_us: i64,
}

#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    oldest: Option<Slot>,
    youngest: Option<Slot>,
    admitted: u64,
    held: Held,
}

impl Table {
    pub(super) fn insert(&mut self, arrival: Arrival) -> Slot {
        let Arrival { message, owed, attempts, arrived_at, arrived_us } = arrival;
        self.admitted += 1;
        let (older, bytes) = (self.youngest, message.byte_len());
        let entry = Entry {
            message,
            owed,
            stand: Stand::Behind,
            ahead: None,
            behind: None,
            arrived_at,
            arrived_us,
            attempts,
            bytes,
            number: self.admitted,
            older,
            younger: None,
        };
        let slot = self.place(entry);
        match older {
            Some(older) => self.entry(older).younger = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.youngest = Some(slot);
        self.held += Held::one(bytes);
        slot
    }

    pub(super) fn entry(&mut self, slot: Slot) -> &mut Entry {
        self.entries[slot.0 as usize].as_mut().expect("a slot is known only while its message is in the table")
    }

    pub(super) fn look(&self, slot: Slot) -> &Entry {
        self.entries[slot.0 as usize].as_ref().expect("a slot is known only while its message is in the table")
    }

    /// The message at a slot, under a name that stays its own.
    pub(super) fn guest(&self, slot: Slot) -> Guest {
        Guest { slot, number: self.look(slot).number }
    }

    /// The message of this name, unless it is over.
    pub(super) fn find(&mut self, guest: Guest) -> Option<&mut Entry> {
        self.entries.get_mut(guest.slot.0 as usize)?.as_mut().filter(|entry| entry.number == guest.number)
    }

    pub(super) fn oldest(&self) -> Option<Slot> {
        self.oldest
    }

    pub(super) fn youngest(&self) -> Option<Slot> {
        self.youngest
    }

    /// The slots from the oldest to the youngest.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        std::iter::successors(self.oldest, |slot| self.look(*slot).younger)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Entry {
        let entry = self.entries[slot.0 as usize].take().expect("a message leaves the table once");
        self.free.push(slot);
        self.held -= Held::one(entry.bytes);
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

    /// What is in the table, messages in flight included.
    pub(super) fn held(&self) -> Held {
        self.held
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
