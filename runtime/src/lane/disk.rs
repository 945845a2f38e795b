//! A lane's side of the state: what is being written, loaded and taken away. It decides when that may happen, never which message
//! is sent; what it asks of the store is done in the order in which it is asked.
//!
//! ```text
//!            ┌────────── write (unpaid, or what arrives behind what waits) ─▶ store ─▶ tickets settled
//!   core ────┤
//!            ├──◀─────── load ───────────────────────────────────────────── what waits
//!            └────────── settle (delivered, dead) ──────────────────────────▶ gone
//! ```
//!
//! What waits on disk is in two parts: the older is in the core too, the younger (the tail, behind `loaded`) is not. While there
//! is a tail, whatever arrives goes behind it.

use super::core::Leaver;
use super::inbox::{Returned, Revival};
use super::quota::Share;
use super::table::{Guest, Owed};
use super::{Held, Parcel};
use crate::change::{Message, Place};
use crate::ledger::Ticket;
use crate::store::{
    Carried, DeadLetter, KeyHash, LaneId, LaneRecord, Loaded, Park, Revived, Seq, Settlement, Store, StoreError, Window,
};
use futures_util::future::BoxFuture;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// After a failure the store is left alone for so long; everything stays where it is meanwhile.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Disk {
    store: Arc<dyn Store>,
    lane: LaneId,
    /// By source: what is not after it is delivered, dead or on disk, and comes again only because the log is read again.
    marks: Vec<(Arc<str>, Place)>,
    /// The youngest that was loaded, and the youngest that waits.
    loaded: Seq,
    last: Seq,
    /// What waits, loaded or not.
    parked: u64,
    pub(super) share: Share,
    /// What arrived while there was a tail.
    backlog: VecDeque<Parcel>,
    writing: Option<Writing>,
    loading: Option<Loading>,
    settling: Option<Settling>,
    over: Vec<Seq>,
    burials: Vec<Burial>,
    /// Keys that have dead letters which nothing newer was delivered after, with the place of the newest letter.
    dead_keys: HashMap<KeyHash, Place>,
    /// What was delivered, or went to the disk, after such a letter.
    newer: Vec<Newer>,
    /// What waited when the youngest letter died, and might be newer than it: only what is loaded shows its key.
    unseen: Seq,
    /// The same for what was being written then.
    unseen_is_written: bool,
    pub(super) revivals: VecDeque<Revival>,
    revival_is_next: bool,
    retry_at: Option<Instant>,
}

/// A message that is newer than a dead letter of its key. Its ticket, if its source answers for it still, is settled when the letter
/// is marked: or the letter could go again after a crash, and the message would not come again.
struct Newer {
    message: Message,
    ticket: Option<Ticket>,
    held: Held,
}

/// A dead letter, and what is settled when it is on disk.
struct Burial {
    letter: DeadLetter,
    ticket: Option<Ticket>,
    held: Held,
}

struct Writing {
    future: BoxFuture<'static, Result<Done, StoreError>>,
    what: Written,
    bytes: u64,
    marks: Vec<(Arc<str>, Place)>,
}

/// What the store says of a write.
#[derive(Clone, Copy)]
pub(super) enum Done {
    /// From this number on.
    Parked(Seq),
    Revived(Revived),
}

/// What is on disk after a write.
pub(super) enum Written {
    /// Messages that stay in the core.
    Core(Vec<(Guest, usize)>),
    /// Messages that are not in the core.
    Arrivals(Vec<Parcel>),
    Revival(Revival),
}

struct Loading {
    future: BoxFuture<'static, Result<Vec<Loaded>, StoreError>>,
    /// The youngest that waited when it was asked.
    last: Seq,
}

struct Settling {
    future: BoxFuture<'static, Result<(), StoreError>>,
    over: Vec<Seq>,
    burials: Vec<Burial>,
    newer: Vec<Newer>,
}

/// Something that the store has done, or could not do.
pub(super) enum Event {
    Written(WriteEnd),
    Loaded(Result<Vec<Loaded>, StoreError>),
    Settled(Result<Buried, StoreError>),
}

/// What is given back when dead letters are on disk, and marked.
#[derive(Default)]
pub(super) struct Buried {
    pub(super) tickets: Vec<Ticket>,
    pub(super) returned: Returned,
}

/// What came of a write.
pub(super) enum WriteEnd {
    Done {
        what: Written,
        done: Done,
    },
    /// The arrivals are back in the backlog.
    Failed(StoreError),
}

impl Disk {
    pub(super) fn new(store: Arc<dyn Store>, record: LaneRecord, share: Share) -> Self {
        let LaneRecord { id, parked, last, marks, dead_keys, .. } = record;
        let last = if parked > 0 { last } else { Seq(0) };
        Self {
            store,
            lane: id,
            marks,
            loaded: Seq(0),
            last,
            parked,
            share,
            backlog: VecDeque::new(),
            writing: None,
            loading: None,
            settling: None,
            over: Vec::new(),
            burials: Vec::new(),
            dead_keys: dead_keys.into_iter().collect(),
            newer: Vec::new(),
            unseen: last,
            unseen_is_written: false,
            revivals: VecDeque::new(),
            revival_is_next: false,
            retry_at: None,
        }
    }

    pub(super) fn parked(&self) -> u64 {
        self.parked
    }

    pub(super) fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Whether the message came before and is taken care of: the log is read again after a restart.
    pub(super) fn knows(&self, message: &Message) -> bool {
        let origin = &message.origin;
        !origin.again
            && self.marks.iter().any(|(source, mark)| **source == *origin.schema.source && origin.place() <= *mark)
    }

    fn has_tail(&self) -> bool {
        self.last > self.loaded
    }

    /// Whether what arrives must go to the disk rather than into the core. Also while the core is being written: whether there is a
    /// tail shows itself only then.
    pub(super) fn diverts(&self) -> bool {
        self.has_tail() || self.writing.is_some() || !self.backlog.is_empty() || !self.revivals.is_empty()
    }

    pub(super) fn divert(&mut self, parcel: Parcel) {
        self.backlog.push_back(parcel);
    }

    /// Whether what was diverted may go into the core after all: no tail has come of it.
    pub(super) fn may_undivert(&self) -> bool {
        !self.backlog.is_empty() && !self.has_tail() && self.writing.is_none() && self.revivals.is_empty()
    }

    /// Whether a write may begin at `now`. A mark must not pass a message that is dead but not yet set aside, so burials go first.
    pub(super) fn may_write(&self, now: Instant) -> bool {
        let buries = !self.burials.is_empty() || self.settling.as_ref().is_some_and(|s| !s.burials.is_empty());
        self.writing.is_none() && !buries && self.retry_at.is_none_or(|at| now >= at)
    }

    pub(super) fn write_core(&mut self, guests: Vec<(Guest, usize)>, messages: Vec<Carried>) {
        self.write(messages, Written::Core(guests));
    }

    pub(super) fn write_backlog(&mut self, arrived_us: i64) {
        let parcels: Vec<Parcel> = self.backlog.drain(..).collect();
        let carried = |p: &Parcel| Carried { message: p.message.clone(), attempts: 0, arrived_us };
        self.write(parcels.iter().map(carried).collect(), Written::Arrivals(parcels));
    }

    /// What the backlog would take of the disk.
    pub(super) fn backlog_bytes(&self) -> u64 {
        self.backlog.iter().map(|parcel| parcel.message.byte_len() as u64).sum()
    }

    pub(super) fn take_backlog(&mut self) -> impl Iterator<Item = Parcel> {
        self.backlog.drain(..)
    }

    fn write(&mut self, messages: Vec<Carried>, what: Written) {
        let bytes = messages.iter().map(|carried| carried.message.byte_len() as u64).sum();
        let mut marks: Vec<(Arc<str>, Place)> = Vec::new();
        for Carried { message, .. } in &messages {
            let source = &*message.origin.schema.source;
            match marks.iter_mut().find(|(other, _)| **other == *source) {
                Some((_, mark)) => *mark = (*mark).max(message.origin.place()),
                None => marks.push((source.into(), message.origin.place())),
            }
        }
        messages.iter().for_each(|carried| self.stands_in_line(&carried.message));
        let (store, lane) = (self.store.clone(), self.lane);
        let park = Park { messages, marks: marks.clone() };
        let future = Box::pin(async move { store.park(lane, park).await.map(Done::Parked) });
        self.writing = Some(Writing { future, what, bytes, marks });
    }

    /// What came before it is written first; what comes after it waits for it.
    pub(super) fn revival_that_is_next(&mut self) -> Option<Revival> {
        let is_next = self.backlog.is_empty() || self.revival_is_next;
        self.revival_is_next = !self.revival_is_next && !self.revivals.is_empty();
        if is_next { self.revivals.pop_front() } else { None }
    }

    /// Whether everything that waited when the youngest letter died is in the core, or over.
    pub(super) fn has_seen_all(&self) -> bool {
        self.loaded >= self.unseen && !self.unseen_is_written
    }

    /// Whether the store knows of everything newer than a dead letter that went by.
    pub(super) fn has_told(&self) -> bool {
        self.newer.is_empty() && self.settling.as_ref().is_none_or(|settling| settling.newer.is_empty())
    }

    /// Sends a dead letter back to the end of what waits.
    pub(super) fn write_revival(&mut self, revival: Revival) {
        let (store, revive) = (self.store.clone(), revival.revive);
        let future = Box::pin(async move { store.revive(revive).await.map(Done::Revived) });
        let bytes = revival.message.byte_len() as u64;
        self.writing = Some(Writing { future, what: Written::Revival(revival), bytes, marks: Vec::new() });
    }

    fn end_write(&mut self, outcome: Result<Done, StoreError>, now: Instant) -> WriteEnd {
        let Writing { what, bytes, marks, .. } = self.writing.take().expect("a write that ended was under way");
        match outcome {
            Ok(done) => {
                let (first, len) = match (&what, done) {
                    (Written::Core(guests), Done::Parked(first)) => (first, guests.len()),
                    (Written::Arrivals(parcels), Done::Parked(first)) => (first, parcels.len()),
                    (_, Done::Revived(Revived::Waits { seq, .. })) => (seq, 1),
                    (..) => (Seq(0), 0),
                };
                if let Written::Revival(revival) = &what
                    && len > 0
                {
                    self.stands_in_line(&revival.message);
                }
                if len > 0 {
                    self.note(matches!(what, Written::Core(_)), first, len);
                    self.share.take(bytes);
                }
                self.raise(marks);
                WriteEnd::Done { what, done }
            }
            Err(error) => {
                self.retry_at = Some(now + RETRY);
                self.unseen_is_written = false;
                match what {
                    Written::Arrivals(parcels) => parcels.into_iter().rev().for_each(|p| self.backlog.push_front(p)),
                    // Nobody listens any more when the asker has gone.
                    Written::Revival(revival) => drop(revival.done.send(Err(error.to_string()))),
                    Written::Core(_) => {}
                }
                WriteEnd::Failed(error)
            }
        }
    }

    /// Counts what is on disk now.
    fn note(&mut self, is_core: bool, first: Seq, len: usize) {
        let had_tail = self.has_tail();
        self.last = Seq(first.0 + len as i64 - 1);
        if is_core && !had_tail {
            self.loaded = self.last;
        }
        if std::mem::take(&mut self.unseen_is_written) {
            self.unseen = self.last;
        }
        self.parked += len as u64;
    }

    fn raise(&mut self, marks: Vec<(Arc<str>, Place)>) {
        for (source, place) in marks {
            match self.marks.iter_mut().find(|(other, _)| *other == source) {
                Some((_, mark)) => *mark = (*mark).max(place),
                None => self.marks.push((source, place)),
            }
        }
    }

    /// A message is on disk without being in the core: it was evicted, and all behind it were before.
    pub(super) fn unload_to(&mut self, seq: Seq) {
        self.loaded = seq;
    }

    pub(super) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Whether there is something to load, and nothing is being loaded.
    pub(super) fn may_load(&self, now: Instant) -> bool {
        self.has_tail() && self.loading.is_none() && self.retry_at.is_none_or(|at| now >= at)
    }

    pub(super) fn load(&mut self, window: Window) {
        let (store, lane, after) = (self.store.clone(), self.lane, self.loaded);
        let future = Box::pin(async move { store.load(lane, after, window).await });
        self.loading = Some(Loading { future, last: self.last });
    }

    fn end_load(&mut self, outcome: Result<Vec<Loaded>, StoreError>, now: Instant) -> Result<Vec<Loaded>, StoreError> {
        let Loading { last, .. } = self.loading.take().expect("a load that ended was under way");
        match &outcome {
            // Nothing behind it any more: what waited was taken away. But something may have been written since.
            Ok(loaded) => self.loaded = loaded.last().map_or(last, |loaded| loaded.seq),
            Err(_) => self.retry_at = Some(now + RETRY),
        }
        outcome
    }

    /// A message need not wait any more.
    pub(super) fn forget(&mut self, seq: Seq, bytes: usize) {
        self.over.push(seq);
        self.parked = self.parked.saturating_sub(1);
        self.share.give_back(bytes as u64);
    }

    /// A message was delivered. What its source answers for comes back unless a dead letter of its key has to be marked first: an
    /// older state must not be put over a newer one.
    pub(super) fn end(&mut self, leaver: Leaver) -> Option<(usize, Ticket)> {
        let Leaver { message, owed, bytes, .. } = leaver;
        let is_newer = self.is_newer_than_a_letter(&message);
        match owed {
            Owed::Source(ticket) if !is_newer => Some((bytes, ticket)),
            Owed::Source(ticket) => {
                self.newer.push(Newer { message, ticket: Some(ticket), held: Held::one(bytes) });
                None
            }
            Owed::Disk(seq) => {
                self.forget(seq, bytes);
                if is_newer {
                    self.newer.push(Newer { message, ticket: None, held: Held::default() });
                }
                None
            }
        }
    }

    /// A message is on disk, or will be: older letters of its key would come after it.
    fn stands_in_line(&mut self, message: &Message) {
        if self.is_newer_than_a_letter(message) {
            self.newer.push(Newer { message: message.clone(), ticket: None, held: Held::default() });
        }
    }

    fn is_newer_than_a_letter(&mut self, message: &Message) -> bool {
        if self.dead_keys.is_empty() {
            return false;
        }
        let Entry::Occupied(newest) = self.dead_keys.entry(KeyHash::of(message)) else { return false };
        if *newest.get() < message.origin.place() {
            newest.remove();
        }
        true
    }

    /// Sets a message aside; its ticket is settled, or its place on disk given up, with it.
    pub(super) fn bury(&mut self, letter: DeadLetter, leaver: Leaver) {
        let Leaver { message, owed, bytes, .. } = leaver;
        let ticket = match owed {
            Owed::Source(ticket) => Some(ticket),
            Owed::Disk(seq) => {
                self.forget(seq, bytes);
                None
            }
        };
        let newest = self.dead_keys.entry(KeyHash::of(&message)).or_default();
        *newest = (*newest).max(message.origin.place());
        (self.unseen, self.unseen_is_written) = (self.last, self.writing.is_some());
        self.burials.push(Burial { letter, ticket, held: Held::one(bytes) });
    }

    /// Tells the store what is over, unless it is still busy with what it was told before.
    pub(super) fn settle(&mut self, now: Instant) {
        let idle = self.settling.is_none() && self.retry_at.is_none_or(|at| now >= at);
        if !idle || self.over.is_empty() && self.burials.is_empty() && self.newer.is_empty() {
            return;
        }
        let (over, burials) = (std::mem::take(&mut self.over), std::mem::take(&mut self.burials));
        let dead = burials.iter().map(|burial| burial.letter.clone()).collect();
        let newer = std::mem::take(&mut self.newer);
        let superseded = newer.iter().map(|newer| newer.message.clone()).collect();
        let settlement = Settlement { over: over.clone(), dead, superseded };
        let (store, lane) = (self.store.clone(), self.lane);
        let future = Box::pin(async move { store.settle(lane, settlement).await });
        self.settling = Some(Settling { future, over, burials, newer });
    }

    fn end_settle(&mut self, outcome: Result<(), StoreError>, now: Instant) -> Result<Buried, StoreError> {
        let Settling { over, burials, newer, .. } =
            self.settling.take().expect("a settlement that ended was under way");
        if let Err(error) = outcome {
            self.retry_at = Some(now + RETRY);
            self.over.splice(0..0, over);
            self.burials.splice(0..0, burials);
            self.newer.splice(0..0, newer);
            return Err(error);
        }
        let mut buried = Buried::default();
        let burials = burials.into_iter().map(|Burial { ticket, held, .. }| (ticket, held));
        for (ticket, held) in burials.chain(newer.into_iter().map(|Newer { ticket, held, .. }| (ticket, held))) {
            buried.returned.held += held;
            if let Some(ticket) = ticket {
                buried.returned.unpaid += held;
                buried.tickets.push(ticket);
            }
        }
        Ok(buried)
    }

    /// Resolves with the next thing that the store has done. May be dropped at any time.
    pub(super) async fn event(&mut self) -> Event {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        // 1. Writes first: they settle tickets. 2. What is over makes room. 3. What was loaded takes it.
        if let Some(Poll::Ready(outcome)) = self.writing.as_mut().map(|writing| writing.future.as_mut().poll(context)) {
            return Poll::Ready(Event::Written(self.end_write(outcome, Instant::now())));
        }
        if let Some(Poll::Ready(outcome)) =
            self.settling.as_mut().map(|settling| settling.future.as_mut().poll(context))
        {
            return Poll::Ready(Event::Settled(self.end_settle(outcome, Instant::now())));
        }
        if let Some(Poll::Ready(outcome)) = self.loading.as_mut().map(|loading| loading.future.as_mut().poll(context)) {
            return Poll::Ready(Event::Loaded(self.end_load(outcome, Instant::now())));
        }
        Poll::Pending
    }

    /// When the store may be asked again after a failure.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// After the store was left alone for long enough.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|at| *at > now);
    }

    /// Whether something is still to be written or taken away.
    pub(super) fn is_busy(&self) -> bool {
        self.writing.is_some()
            || self.settling.is_some()
            || !self.over.is_empty()
            || !self.burials.is_empty()
            || !self.newer.is_empty()
            || !self.backlog.is_empty()
    }

    pub(super) fn shrink(&mut self) {
        self.over.shrink_to(0);
        self.burials.shrink_to(0);
        self.backlog.shrink_to(0);
    }
}
