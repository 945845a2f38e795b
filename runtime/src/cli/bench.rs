//! The hidden verb `__bench`: what `cargo xtask bench` measures inside this program. One JSON object per line.

use crate::change::{Batch, BinlogPosition, Message};
use crate::cli::out::{errln, outln};
use crate::guest::{Engine, GuestHost, GuestSettings, HostSettings, bench::measure, this_program};
use crate::lane::{self, Ground, Lane, LaneSettings, RetrySettings};
use crate::ledger::Ledger;
use crate::pipeline::bench::{Way, encode, walk};
use crate::pipeline::{Body, Corridor, INBOX_LEN_MAX, OnError, PipelineSettings, Road, Route, RouteSettings, Shape};
use crate::sink::{Refusal, Sink};
use crate::source::Take;
use crate::source::mysql::{self, Mysql, MysqlSettings};
use crate::source::postgres::{DrainPlan, DrainUntil, DrainWork, Postgres, PostgresSettings, RhythmMode, drain_bare};
use crate::source::{Intake, NoticeRule, Source, SslMode};
use crate::store::{LaneName, MemoryStore};
use crate::telemetry::{LaneStats, PipelineStats, SourceStats};
use clap::{Args, Subcommand, ValueEnum};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Rows that `guest` pushes through for one figure.
const GUEST_ROWS: usize = 2_000_000;
/// Rows that `encode` encodes, or leads all the way, for one figure, unless told otherwise.
const ENCODE_ROWS: usize = 1_000_000;
/// As the sink of Redis has it.
const FLIGHTS: usize = 4;
const FLIGHT_LEN_MAX: usize = 128;
/// A source that brings nothing for so long has nothing more.
const SILENCE_MAX: Duration = Duration::from_secs(20);

#[derive(Subcommand)]
pub enum Bench {
    /// Nanoseconds per 12-column row through one guest.
    Guest { wasm: PathBuf },
    /// Nanoseconds per 12-column row as Debezium's JSON, and from the frame to a sink.
    Encode {
        #[arg(long, default_value_t = ENCODE_ROWS)]
        rows: usize,
    },
    /// Rows per second out of a slot.
    Capture(Capture),
    /// Rows per second out of a binary log.
    Binlog(Binlog),
}

#[derive(Args)]
pub struct Capture {
    #[arg(long)]
    url: String,
    #[arg(long)]
    slot: String,
    #[arg(long)]
    publication: String,
    #[arg(long)]
    mode: Mode,
    #[arg(long)]
    rows: u64,
    #[arg(long)]
    wasm: Option<PathBuf>,
}

#[derive(Args)]
pub struct Binlog {
    #[arg(long)]
    url: String,
    /// Where to begin, as a checkpoint says it.
    #[arg(long)]
    from: BinlogPosition,
    #[arg(long)]
    mode: Mode,
    #[arg(long)]
    rows: u64,
    /// Transactions that hold the rows: the bare reader counts these.
    #[arg(long)]
    transactions: u64,
    #[arg(long)]
    wasm: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// The whole house: source, guest, routes, lanes; the sink takes every message and forgets it.
    Ours,
    /// Our reader, which throws everything away undecoded.
    Bare,
    /// The same, reading as soon as bytes arrive.
    Eager,
}

pub(super) fn run(bench: Bench) -> super::Exit {
    let outcome = match bench {
        Bench::Guest { wasm } => guest(&wasm),
        Bench::Encode { rows } => encoding(rows),
        Bench::Capture(capture) => match capture.mode {
            Mode::Ours => {
                let source = Box::new(Postgres::new(settings(&capture)));
                super::block_on_all(ours(source, capture.rows, capture.wasm.as_deref()))
            }
            Mode::Bare => bare(&capture, RhythmMode::Paused),
            Mode::Eager => bare(&capture, RhythmMode::Eager),
        },
        Bench::Binlog(binlog) => match binlog.mode {
            Mode::Ours => {
                let source = Box::new(Mysql::new(settings_of_binlog(&binlog)));
                super::block_on_all(ours(source, binlog.rows, binlog.wasm.as_deref()))
            }
            Mode::Bare | Mode::Eager => super::block_on_all(bare_binlog(binlog)),
        },
    };
    match outcome {
        Ok(()) => super::Exit::Done,
        Err(reason) => {
            errln!("{reason}");
            super::Exit::Failed
        }
    }
}

fn guest(wasm: &Path) -> Outcome {
    let state = super::Scratch::new("inside")?;
    let host = host(&state.0)?;
    for batch in [64, 1] {
        let ns_per_row = measure(wasm, &host, batch, GUEST_ROWS / (64 / batch).clamp(1, 8))?;
        outln!("{}", json!({ "batch": batch, "ns_per_row": ns_per_row }));
    }
    Ok(())
}

fn encoding(rows: usize) -> Outcome {
    let encoded = encode(rows)?;
    outln!("{}", json!({ "case": "debezium", "ns_per_row": encoded.ours, "serde_json": encoded.serde_json }));
    for (case, way) in [("cache", Way::Cache), ("flat", Way::FlatRecord), ("record", Way::DebeziumRecord)] {
        outln!("{}", json!({ "case": case, "ns_per_row": walk(way, rows, || open_lane(FLIGHTS, FLIGHT_LEN_MAX))? }));
    }
    Ok(())
}

fn bare(capture: &Capture, rhythm: RhythmMode) -> Outcome {
    let plan = DrainPlan { rhythm, work: DrainWork::Discard, until: DrainUntil::Rows(capture.rows) };
    let rate = drain_bare(&settings(capture), plan)?;
    outln!("{}", json!({ "rows": rate.rows, "seconds": rate.elapsed.as_secs_f64() }));
    Ok(())
}

async fn bare_binlog(binlog: Binlog) -> Outcome {
    let until = mysql::DrainUntil::Transactions(binlog.transactions);
    let rate = mysql::drain_bare(&settings_of_binlog(&binlog), &binlog.from, until).await?;
    outln!("{}", json!({ "rows": rate.rows, "seconds": rate.elapsed.as_secs_f64() }));
    Ok(())
}

/// Takes every message at once.
struct Discard;

impl Sink for Discard {
    fn deliver<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver_all<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Vec<Result<(), Refusal>>> {
        Box::pin(std::future::ready(messages.iter().map(|_| Ok(())).collect()))
    }
}

async fn ours(source: Box<dyn Source>, wanted: u64, wasm: Option<&Path>) -> Outcome {
    let wasm = wasm.ok_or("--wasm is missing")?;
    let state = super::Scratch::new("inside")?;
    let folder = state.0.join("pipeline");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(wasm, folder.join("guest.wasm"))?;
    let guests = GuestSettings {
        pipeline: "bench".into(),
        folder,
        listed: None,
        expected: Vec::new(),
        per_guest: HashMap::new(),
        routes: vec!["all".into()],
    };
    let stop = Arc::new(AtomicBool::new(false));
    let host = Arc::new(GuestHost::start(host(&state.0)?, guests, stop.clone())?);
    while host.stats().iter().any(|(_, stats)| stats.generation.get().is_none()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (inbox, batches) = mpsc::channel(INBOX_LEN_MAX);
    let (_nothing, nobody) = mpsc::channel(1);
    let (settings_of_pipeline, _lane) = pipeline(host);
    let corridor = tokio::spawn(Corridor::new(settings_of_pipeline).run(batches, nobody));
    let (intake, mut read) = mpsc::channel::<Batch>(2);
    let (_safe, confirmed) = watch::channel(None);
    let stats = Arc::new(SourceStats::default());
    let intake = Intake { batches: intake, confirmed, stop: stop.clone(), stats };
    let thread = std::thread::spawn(move || source.run(intake));
    let ledger = Ledger::new();
    let (mut rows, mut begun) = (0, None);
    let mut heard = Instant::now();
    while rows < wanted {
        let batch = tokio::time::timeout(SILENCE_MAX, read.recv()).await?.ok_or("the source ended")?;
        if batch.is_empty() {
            // A sign of life is no row.
            if heard.elapsed() > SILENCE_MAX {
                return Err(format!("{rows} of {wanted} rows came").into());
            }
            continue;
        }
        heard = Instant::now();
        begun.get_or_insert_with(Instant::now);
        // What is behind the last row that counts is there so that other readers know where to stop.
        rows = (rows + batch.len() as u64).min(wanted);
        let ticket = ledger.open(batch.confirms.clone(), 1);
        inbox.send((Arc::new(batch), ticket)).await?;
    }
    drop(inbox);
    corridor.await?;
    let paid = async {
        while ledger.unpaid() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SILENCE_MAX, paid).await?;
    let seconds = begun.ok_or("no row came")?.elapsed().as_secs_f64();
    outln!("{}", json!({ "rows": rows, "seconds": seconds }));
    stop.store(true, Relaxed);
    drop(read);
    // It was told to stop; how it ended is no figure.
    let _ = thread.join();
    Ok(())
}

/// A lane to nowhere.
fn open_lane(flights: usize, flight_len_max: usize) -> Lane {
    let second = Duration::from_secs(1);
    let name = LaneName::new("bench", "discard", "");
    let ground = Ground::alone(Arc::new(MemoryStore::default()), &name).expect("memory can be read");
    let retry = RetrySettings { first: second, max: second, give_up_after: second };
    let lane = LaneSettings { concurrency: flights, batch_max: flight_len_max, retry, ..LaneSettings::new(name) };
    lane::spawn(lane, Arc::new(Discard), ground, Arc::new(LaneStats::default())).0
}

/// The pipeline, and its lane: a lane whose last handle is dropped stops at once.
fn pipeline(host: Arc<GuestHost>) -> (PipelineSettings, Lane) {
    let lane = open_lane(64, 1);
    let road = Arc::new(Road::new("discard", [(String::new(), lane.clone())]));
    let route = RouteSettings {
        name: "all".into(),
        road,
        tables: None,
        ops: None,
        only_named: false,
        messages: None,
        member: None,
        key: None,
        headers: Vec::new(),
        shape: Shape::Request { method: "POST".into(), path: None, body: Body::Flat },
    };
    let settings = PipelineSettings {
        name: "bench".into(),
        tables: Arc::new(|_, _| true),
        on_error: OnError::Skip,
        routes: vec![Route::new("bench", route)],
        sources: Vec::new(),
        guests: Arc::new(move || host.chain()),
        store: Arc::new(MemoryStore::default()),
        stats: Arc::new(PipelineStats::default()),
    };
    (settings, lane)
}

fn settings(capture: &Capture) -> PostgresSettings {
    PostgresSettings {
        name: "bench".into(),
        url: capture.url.clone(),
        sslmode: None,
        sslrootcert: None,
        slot: capture.slot.clone(),
        publication: capture.publication.clone(),
        tables: Arc::new(|table| table == "public.capture"),
        columns: Arc::new(|_, _, _| Take::Whole),
        notices: NoticeRule::default(),
        known: None,
        epoch: 0,
    }
}

fn settings_of_binlog(binlog: &Binlog) -> MysqlSettings {
    MysqlSettings {
        name: "bench".into(),
        url: binlog.url.clone(),
        sslmode: SslMode::Disable,
        sslrootcert: None,
        server_id: 77_001,
        heartbeat: Duration::from_secs(5),
        epoch: 0,
        tables: Arc::new(|table| table == "public.capture"),
        columns: Arc::new(|_, _, _| Take::Whole),
        notices: NoticeRule::default(),
        known: Some(binlog.from.clone()),
    }
}

fn host(state: &Path) -> Result<HostSettings, Box<dyn Error + Send + Sync>> {
    Ok(HostSettings { engine: Engine::new()?, state_dir: state.to_owned(), componentizer: this_program() })
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_gone_to_its_end() {
        for way in [Way::Cache, Way::FlatRecord, Way::DebeziumRecord] {
            assert!(walk(way, 1, || open_lane(FLIGHTS, FLIGHT_LEN_MAX)).expect("good templates") > 0.0, "{way:?}");
        }
        assert!(encode(1).expect("whole rows").ours > 0.0);
    }
}
