//! The state without a disk: for benches and tests. It keeps what it is told for as long as it lives.

use super::{
    Buried, Carried, Checkpoint, DeadFilter, DeadId, DeadLetter, DeadSummary, KeyHash, LaneId, LaneName, LaneRecord,
    Loaded, Park, Revive, Revived, Seq, Settlement, Store, StoreError, Window,
};
use crate::change::{Message, Place};
use futures_util::future::{BoxFuture, ready};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// The state in memory.
#[derive(Default)]
pub struct MemoryStore(Mutex<Books>);

#[derive(Default)]
struct Books {
    checkpoints: HashMap<(String, String), String>,
    lanes: Vec<LaneBook>,
    /// The greatest number that was given.
    last: i64,
    dead: BTreeMap<i64, DeadLetter>,
    dead_last: i64,
    /// Those among them that something newer of their key was delivered after, or waits.
    superseded: BTreeSet<i64>,
}

struct LaneBook {
    name: LaneName,
    parked: BTreeMap<i64, Carried>,
    marks: HashMap<Arc<str>, Place>,
}

type Done<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl MemoryStore {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("no panic over the books")
    }
}

fn done<'a, T: Send + 'a>(value: T) -> Done<'a, T> {
    Box::pin(ready(Ok(value)))
}

impl Books {
    fn lane(&mut self, LaneId(id): LaneId) -> &mut LaneBook {
        &mut self.lanes[id as usize]
    }

    fn record(&self, at: usize) -> LaneRecord {
        let LaneBook { name, parked, marks } = &self.lanes[at];
        let is_of = |letter: &&DeadLetter| {
            (&letter.pipeline, &letter.target, &letter.member) == (&name.pipeline, &name.target, &name.member)
        };
        LaneRecord {
            id: LaneId(at as i64),
            parked: parked.len() as u64,
            parked_bytes: parked.values().map(|carried| carried.message.byte_len() as u64).sum(),
            last: parked.keys().next_back().map_or(Seq(0), |seq| Seq(*seq)),
            marks: marks.iter().map(|(source, place)| (source.clone(), *place)).collect(),
            dead: self.dead.values().filter(is_of).count() as u64,
            dead_keys: self.dead_keys(name),
        }
    }

    fn messages_of(&self, name: &LaneName) -> impl Iterator<Item = (i64, &Message)> {
        let is_of = |letter: &DeadLetter| {
            (&letter.pipeline, &letter.target, &letter.member) == (&name.pipeline, &name.target, &name.member)
        };
        self.dead.iter().filter(move |(id, letter)| is_of(letter) && !self.superseded.contains(id)).filter_map(
            |(id, letter)| match &letter.buried {
                Buried::Message(message) => Some((*id, message)),
                Buried::Row(_) => None,
            },
        )
    }

    fn dead_keys(&self, name: &LaneName) -> Vec<(KeyHash, Place)> {
        let mut keys: BTreeMap<KeyHash, Place> = BTreeMap::new();
        for (_, message) in self.messages_of(name) {
            let newest = keys.entry(KeyHash::of(message)).or_default();
            *newest = (*newest).max(message.origin.place());
        }
        keys.into_iter().collect()
    }

    fn supersede(&mut self, lane: LaneId, newer: &Message) {
        let name = self.lane(lane).name.clone();
        let is_older = |(_, dead): &(i64, &Message)| {
            dead.key == newer.key
                && dead.origin.schema.source == newer.origin.schema.source
                && dead.origin.place() < newer.origin.place()
        };
        let older: Vec<i64> = self.messages_of(&name).filter(is_older).map(|(id, _)| id).collect();
        self.superseded.extend(older);
    }

    fn park(&mut self, lane: LaneId, Park { messages, marks }: Park) -> Seq {
        let first = self.last + 1;
        self.last += messages.len() as i64;
        let book = self.lane(lane);
        book.parked.extend((first..).zip(messages));
        for (source, place) in marks {
            let mark = book.marks.entry(source).or_insert(place);
            *mark = (*mark).max(place);
        }
        Seq(first)
    }

    fn bury(&mut self, letter: DeadLetter) {
        self.dead_last += 1;
        let is_same = |other: &DeadLetter| {
            (&other.pipeline, &other.target, &other.member) == (&letter.pipeline, &letter.target, &letter.member)
                && name_of(other) == name_of(&letter)
        };
        self.dead.retain(|_, other| !is_same(other));
        self.dead.insert(self.dead_last, letter);
    }
}

fn name_of(letter: &DeadLetter) -> String {
    match &letter.buried {
        Buried::Message(message) => message.id.0.to_string(),
        Buried::Row(row) => row.id.clone(),
    }
}

fn summary(id: DeadId, letter: &DeadLetter) -> DeadSummary {
    let (schema, bytes) = match &letter.buried {
        Buried::Message(message) => (&message.origin.schema, message.byte_len()),
        Buried::Row(row) => (&row.schema, row.frame.len()),
    };
    DeadSummary {
        id,
        pipeline: letter.pipeline.to_string(),
        target: letter.target.to_string(),
        member: letter.member.to_string(),
        name: name_of(letter),
        table: schema.full_name(),
        is_row: matches!(letter.buried, Buried::Row(_)),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        generation: letter.generation.clone(),
        bytes: bytes as u64,
        arrived_us: letter.arrived_us,
        died_us: letter.died_us,
        is_superseded: false,
    }
}

fn takes(filter: &DeadFilter, summary: &DeadSummary) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    is(&filter.pipeline, &summary.pipeline)
        && is(&filter.target, &summary.target)
        && is(&filter.member, &summary.member)
        && is(&filter.table, &summary.table)
        && filter.reason.as_ref().is_none_or(|text| summary.reason.contains(text))
        && filter.since_us.is_none_or(|since_us| summary.died_us >= since_us)
        && filter.before.is_none_or(|before| summary.id < before)
}

impl Store for MemoryStore {
    fn checkpoint(&self, source: &str, stream: &str) -> Result<Option<Checkpoint>, StoreError> {
        let (source, stream) = (source.to_owned(), stream.to_owned());
        let position = self.books().checkpoints.get(&(source.clone(), stream.clone())).cloned();
        Ok(position.map(|position| Checkpoint { source, stream, position }))
    }

    fn save(&self, checkpoint: Checkpoint) -> Done<'_, ()> {
        let Checkpoint { source, stream, position } = checkpoint;
        self.books().checkpoints.insert((source, stream), position);
        done(())
    }

    fn forget_marks(&self, source: &str) -> Result<(), StoreError> {
        self.books().lanes.iter_mut().for_each(|lane| lane.marks.retain(|known, _| **known != *source));
        Ok(())
    }

    fn lane(&self, name: &LaneName) -> Result<LaneRecord, StoreError> {
        let mut books = self.books();
        let at = books.lanes.iter().position(|lane| lane.name == *name).unwrap_or_else(|| {
            books.lanes.push(LaneBook { name: name.clone(), parked: BTreeMap::new(), marks: HashMap::new() });
            books.lanes.len() - 1
        });
        Ok(books.record(at))
    }

    fn lanes(&self) -> Result<Vec<(LaneName, LaneRecord)>, StoreError> {
        let books = self.books();
        Ok((0..books.lanes.len()).map(|at| (books.lanes[at].name.clone(), books.record(at))).collect())
    }

    fn park(&self, lane: LaneId, park: Park) -> Done<'_, Seq> {
        done(self.books().park(lane, park))
    }

    fn load(&self, lane: LaneId, Seq(after): Seq, window: Window) -> Done<'_, Vec<Loaded>> {
        let mut bytes = 0;
        let mut books = self.books();
        let fits = |(at, (_, carried)): &(usize, (&i64, &Carried))| {
            bytes += carried.message.byte_len();
            *at == 0 || *at < window.messages && bytes <= window.bytes
        };
        let waiting = books.lane(lane).parked.range(after + 1..).enumerate().take_while(fits);
        let loaded = waiting.map(|(_, (seq, carried))| Loaded { seq: Seq(*seq), carried: carried.clone() }).collect();
        done(loaded)
    }

    fn settle(&self, lane: LaneId, Settlement { over, dead, superseded }: Settlement) -> Done<'_, ()> {
        let mut books = self.books();
        over.iter().for_each(|seq| drop(books.lane(lane).parked.remove(&seq.0)));
        dead.into_iter().for_each(|letter| books.bury(letter));
        superseded.iter().for_each(|newer| books.supersede(lane, newer));
        done(())
    }

    fn bury(&self, dead: Vec<DeadLetter>) -> Done<'_, ()> {
        let mut books = self.books();
        dead.into_iter().for_each(|letter| books.bury(letter));
        done(())
    }

    fn dead(&self, filter: DeadFilter) -> Done<'_, Vec<DeadSummary>> {
        let books = self.books();
        let found = books.dead.iter().rev().map(|(id, letter)| DeadSummary {
            is_superseded: books.superseded.contains(id),
            ..summary(DeadId(*id), letter)
        });
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let found = found.filter(|summary| takes(&filter, summary)).take(limit).collect();
        done(found)
    }

    fn dead_letter(&self, DeadId(id): DeadId) -> Done<'_, Option<DeadLetter>> {
        done(self.books().dead.get(&id).cloned())
    }

    fn drop_dead(&self, ids: Vec<DeadId>) -> Done<'_, u64> {
        let mut books = self.books();
        let dropped = ids.iter().filter(|id| books.dead.remove(&id.0).is_some()).count();
        done(dropped as u64)
    }

    fn revive(&self, Revive { id: DeadId(id), superseded }: Revive) -> Done<'_, Revived> {
        let mut books = self.books();
        if books.superseded.contains(&id) && !superseded {
            return done(Revived::Superseded);
        }
        let Some(letter) = books.dead.remove(&id) else { return done(Revived::Gone) };
        let Buried::Message(message) = &letter.buried else {
            books.dead.insert(id, letter);
            return done(Revived::Gone);
        };
        let is_its = |lane: &LaneBook| {
            (&lane.name.pipeline, &lane.name.target, &lane.name.member)
                == (&letter.pipeline, &letter.target, &letter.member)
        };
        let Some(at) = books.lanes.iter().position(is_its) else {
            books.dead.insert(id, letter);
            return done(Revived::Gone);
        };
        books.superseded.remove(&id);
        let carried = Carried { message: message.clone(), attempts: 0, arrived_us: letter.died_us };
        let lane = LaneId(at as i64);
        let seq = books.park(lane, Park { messages: vec![carried], marks: Vec::new() });
        done(Revived::Waits { lane, seq })
    }

    fn clear_lane(&self, lane: LaneId, reason: Option<String>) -> Done<'_, u64> {
        let mut books = self.books();
        let name = books.lane(lane).name.clone();
        let cleared = std::mem::take(&mut books.lane(lane).parked);
        let len = cleared.len() as u64;
        if let Some(reason) = reason {
            for Carried { message, attempts, arrived_us } in cleared.into_values() {
                books.bury(DeadLetter {
                    pipeline: name.pipeline.clone(),
                    target: name.target.clone(),
                    member: name.member.clone(),
                    buried: Buried::Message(message),
                    reason: reason.clone(),
                    attempts,
                    last_answer: None,
                    guest: None,
                    generation: None,
                    backtrace: None,
                    arrived_us,
                    died_us: arrived_us,
                });
            }
        }
        done(len)
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn dead_count(&self) -> u64 {
        self.books().dead.len() as u64
    }
}
