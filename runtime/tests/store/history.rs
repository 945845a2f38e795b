//! A state with a past: lanes that parked, settled, died and came back, and all that a store says of itself.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::change::{Content, Database, Message, MessageId, Origin, Place, RowMark, Schema};
use sluicegate::store::{
    Buried, Carried, Checkpoint, DeadFilter, DeadId, DeadLetter, DeadRow, LaneName, Park, Revive, Seq, Settlement,
    SqliteStore, Store, StoreError, Window,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub const LANES: usize = 6;
pub const SOURCES: [&str; 2] = ["erp", "hr"];
pub const ALL: Window = Window { messages: usize::MAX, bytes: usize::MAX };

pub fn lane_name(n: usize) -> LaneName {
    LaneName { pipeline: "orders".into(), target: "shops".into(), member: format!("member-{n}").into() }
}

/// Everything that the port says of a state, but for what differs between two equal ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub checkpoints: BTreeMap<String, String>,
    /// By lane and number: id and a sum over what the message says.
    pub parked: BTreeMap<(String, i64), (String, u32)>,
    pub marks: BTreeMap<(String, String), Place>,
    /// By lane and name: a sum over what it says, and whether it is superseded.
    pub dead: BTreeMap<(String, String), (u32, bool)>,
}

/// Asks the store for all of it.
pub async fn said(store: &SqliteStore) -> Result<Said, StoreError> {
    let mut said = Said::default();
    for source in SOURCES {
        if let Some(checkpoint) = store.checkpoint(source, "slot")? {
            said.checkpoints.insert(source.to_owned(), checkpoint.position);
        }
    }
    for (name, record) in store.lanes()? {
        let lane = name.member.to_string();
        let loaded = store.load(record.id, Seq(0), ALL).await?;
        assert_eq!(loaded.len() as u64, record.parked, "the record counts what there is");
        for one in loaded {
            let message = &one.carried.message;
            let summed = crc32fast::hash(format!("{message:?}{}", one.carried.attempts).as_bytes());
            said.parked.insert((lane.clone(), one.seq.0), (message.id.to_string(), summed));
        }
        said.marks.extend(record.marks.into_iter().map(|(source, place)| ((lane.clone(), source.to_string()), place)));
    }
    for summary in store.dead(DeadFilter::default()).await? {
        let letter = store.dead_letter(summary.id).await?.expect("a letter that was listed");
        let summed = crc32fast::hash(format!("{letter:?}").as_bytes());
        said.dead.insert((summary.member, summary.name), (summed, summary.is_superseded));
    }
    Ok(said)
}

/// Draws what happens next.
pub struct Past {
    random: SmallRng,
    schema: Arc<Schema>,
    commit: u64,
}

/// Whether what happened would survive a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Power,
    Process,
}

impl Past {
    pub fn new(seed: u64) -> Self {
        let database = Arc::new(Database { name: "app".into(), ..Database::default() });
        let (source, namespace, table) = ("erp".into(), "public".into(), "item".into());
        let schema = Arc::new(Schema { source, database, namespace, table, ..Schema::default() });
        Self { random: SmallRng::seed_from_u64(seed), schema, commit: 1 << 63 }
    }

    fn message(&mut self) -> Message {
        self.commit += 1;
        let mark = RowMark { commit: self.commit, change: 1, sub: 0, transaction: 7 };
        let origin = Origin { schema: self.schema.clone(), mark, ..Origin::default() };
        // Some are longer than a page.
        let len = if self.random.random_bool(0.1) { 9_000 } else { self.random.random_range(20..600) };
        let body: Vec<u8> = (0..len).map(|_| self.random.random()).collect();
        let key = format!("key {}", self.random.random_range(0..8));
        let id = MessageId(format!("erp-{:x}", self.commit).into());
        Content { body: body.into(), ..Content::new(id, key.into(), origin) }.into()
    }

    fn letter(&mut self, message: Message, member: &str) -> DeadLetter {
        DeadLetter {
            pipeline: "orders".into(),
            target: "shops".into(),
            member: member.into(),
            buried: Buried::Message(message),
            reason: "it answered 400".into(),
            attempts: self.random.random_range(1..9),
            last_answer: Some("bad request".into()),
            guest: None,
            generation: None,
            backtrace: None,
            arrived_us: 1,
            died_us: 2,
        }
    }

    fn row(&mut self) -> DeadLetter {
        let message = self.message();
        let row = DeadRow {
            id: format!("row of {}", message.id),
            schema: self.schema.clone(),
            mark: message.origin.mark,
            frame: message.body.clone(),
            json: Bytes::from_static(b"{\"id\":1}"),
        };
        let letter = self.letter(message, "");
        DeadLetter { target: "".into(), buried: Buried::Row(Arc::new(row)), ..letter }
    }

    /// One thing that lanes and sources do, done and answered.
    pub async fn step(&mut self, store: &SqliteStore) -> Step {
        let n = self.random.random_range(0..LANES);
        let name = lane_name(n);
        let record = store.lane(&name).expect("a lane");
        let lane = record.id;
        let waiting = store.load(lane, Seq(0), Window { messages: 8, bytes: usize::MAX }).await.expect("loaded");
        match self.random.random_range(0..100) {
            0..40 => {
                let carried = |message| Carried { message, attempts: 1, arrived_us: 5 };
                let messages = (0..self.random.random_range(1..12)).map(|_| carried(self.message())).collect();
                let place = Place { epoch: 1, commit: self.commit, ..Place::default() };
                let park = Park { messages, marks: vec![("erp".into(), place)] };
                store.park(lane, park).await.expect("parked");
                Step::Power
            }
            40..65 => {
                let over = waiting.iter().map(|loaded| loaded.seq).collect();
                store.settle(lane, Settlement { over, ..Settlement::default() }).await.expect("settled");
                Step::Process
            }
            65..78 => {
                let delivered = self.message();
                let Some(first) = waiting.first() else { return Step::Process };
                let letter = self.letter(first.carried.message.clone(), &name.member);
                let (over, dead) = (vec![first.seq], vec![letter]);
                let settlement = Settlement { over, dead, superseded: vec![delivered] };
                store.settle(lane, settlement).await.expect("settled");
                Step::Power
            }
            78..84 => {
                let row = self.row();
                store.bury(vec![row]).await.expect("buried");
                Step::Power
            }
            84..94 => {
                let source = SOURCES[self.random.random_range(0..2)].to_owned();
                let position = format!("0/{:X}", self.commit);
                store.save(Checkpoint { source, stream: "slot".into(), position }).await.expect("saved");
                Step::Power
            }
            94..97 => {
                let dead = store.dead(DeadFilter { limit: 5, ..DeadFilter::default() }).await.expect("listed");
                let ids: Vec<DeadId> = dead.iter().skip(3).map(|summary| summary.id).collect();
                store.drop_dead(ids).await.expect("dropped");
                Step::Process
            }
            97..99 => {
                let dead = store.dead(DeadFilter { limit: 1, ..DeadFilter::default() }).await.expect("listed");
                for summary in dead {
                    store.revive(Revive { id: summary.id, superseded: true }).await.expect("revived");
                }
                Step::Power
            }
            _ => {
                store.clear_lane(lane, Some("the member is gone".into())).await.expect("cleared");
                Step::Power
            }
        }
    }
}

/// The files of a state, by name.
pub type Image = BTreeMap<&'static str, Vec<u8>>;

/// As they are now. Nobody must be writing.
pub fn image(folder: &Path) -> Image {
    let files = ["state.db", "state.db-wal", "state.seal"];
    files.into_iter().filter_map(|name| Some((name, std::fs::read(folder.join(name)).ok()?))).collect()
}

pub fn write(image: &Image, folder: &Path) {
    for (name, bytes) in image {
        std::fs::write(folder.join(name), bytes).expect("write a file");
    }
}
