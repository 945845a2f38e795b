//! Real guests in the real engine: what they may do, what they may not, and how one takes over from another.

mod support;

#[path = "guest/json.rs"]
mod json;
#[path = "guest/quiet.rs"]
mod quiet;

use sluicegate::change::{Batch, Cell, Column, FrameBuf, Op, RowHead, RowMark, Schema, SchemaId, Tag};
use sluicegate::guest::{
    Engine, GuestError, GuestHost, GuestSettings, HostSettings, Judged, Judgement, Limits, OfferedRow, Transform,
    World, bench, inspect,
};
use sluicegate::telemetry::GuestStats;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use support::guests;
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("an engine")).clone()
}

fn settings(state: &Path) -> HostSettings {
    HostSettings {
        engine: engine(),
        state_dir: state.to_owned(),
        componentizer: env!("CARGO_BIN_EXE_sluicegate").into(),
    }
}

/// A pipeline's folder with its guests at work.
struct Bench {
    folder: TempDir,
    state: TempDir,
    config: Vec<(String, String)>,
    limits: Limits,
    routes: Vec<String>,
    expected: Vec<String>,
    host: Option<GuestHost>,
    next_row: u64,
}

impl Bench {
    fn new() -> Self {
        let (folder, state) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
        let routes = vec!["customer".to_owned()];
        let (config, expected, limits) = (Vec::new(), Vec::new(), Limits::default());
        Self { folder, state, config, limits, routes, expected, host: None, next_row: 0 }
    }

    /// The hostile guest in one of its modes.
    fn hostile(mode: &str) -> Self {
        let bench = Self::new().with("mode", mode);
        bench.drop_in("hostile.wasm", &guests::module("hostile"));
        bench
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    fn limited(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a file in under another name and renames it.
    fn drop_in(&self, name: &str, module: &Path) {
        self.drop_bytes(name, &fs::read(module).expect("the module"));
    }

    fn drop_bytes(&self, name: &str, bytes: &[u8]) {
        let part = self.path(&format!("{name}.part"));
        fs::write(&part, bytes).expect("a copy");
        fs::rename(&part, self.path(name)).expect("a rename");
    }

    fn start(mut self) -> Self {
        let guests = ["hostile", "parcels", "filter", "a", "b", "c"];
        let per_guest = guests.map(|g| (g.to_owned(), (self.config.clone(), self.limits)));
        let settings_of_guests = GuestSettings {
            pipeline: "parcels".into(),
            folder: self.folder.path().to_owned(),
            listed: None,
            expected: self.expected.clone(),
            per_guest: HashMap::from(per_guest),
            routes: self.routes.clone(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        self.host = Some(GuestHost::start(settings(self.state.path()), settings_of_guests, stop).expect("a host"));
        self
    }

    fn host(&self) -> &GuestHost {
        self.host.as_ref().expect("the host was started")
    }

    fn only(&self) -> Arc<dyn Transform> {
        let mut chain = self.host().chain();
        assert_eq!(chain.len(), 1, "one guest in the folder");
        chain.remove(0)
    }

    fn stats(&self, file: &str) -> Arc<GuestStats> {
        let found = self.host().stats().into_iter().find(|(name, _)| name == file);
        found.unwrap_or_else(|| panic!("{file} has counters")).1
    }

    /// Judges rows of which some are poisoned.
    async fn judge(&mut self, poisoned: &[bool]) -> Judged {
        let batch = rows(self.next_row, poisoned);
        self.next_row += poisoned.len() as u64;
        let guest = self.only();
        timeout(PATIENCE, guest.judge(Arc::new(batch), offered(poisoned.len()))).await.expect("judged in time")
    }

    /// Waits until a counter's text is as wanted.
    async fn until(&self, file: &str, what: &str, wanted: impl Fn(&GuestStats) -> bool) {
        let began = Instant::now();
        while !self.host().stats().iter().any(|(name, stats)| name == file && wanted(stats)) {
            let seen: Vec<_> =
                self.host().stats().iter().map(|(n, s)| (n.clone(), s.state.get(), s.last_error.get())).collect();
            assert!(began.elapsed() < PATIENCE, "{file}: never saw {what}; {seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_state(&self, file: &str, state: &str) {
        self.until(file, state, |stats| stats.state.get().as_deref() == Some(state)).await;
    }
}

fn schema() -> Arc<Schema> {
    let column = |name: &str, tag, key| Column::new(name, "x", tag, key);
    Arc::new(Schema {
        id: SchemaId(3),
        source: "erp".into(),
        database: Default::default(),
        namespace: "public".into(),
        table: "package_status".into(),
        columns: vec![
            column("package_id", Tag::Int, true),
            column("poison", Tag::Bool, false),
            column("customer_id", Tag::Int, false),
            column("status", Tag::Text, false),
        ],
    })
}

fn rows(first: u64, poisoned: &[bool]) -> Batch {
    let schema = schema();
    let mut frame = FrameBuf::new();
    let mut marks = Vec::new();
    for (n, poison) in (first..).zip(poisoned) {
        let first_cell = frame.cells.len() as u32;
        for cell in [Cell::Int(n as i64), Cell::Bool(*poison), Cell::Int(1), Cell::Text("In Transit")] {
            frame.push(cell);
        }
        frame.rows.push(RowHead {
            schema: schema.id.0,
            op: Op::Insert,
            old_is_key: false,
            first_cell,
            new_cells: 4,
            old_cells: 0,
            committed_at: 0,
            position: n,
        });
        marks.push(RowMark { commit: n, change: n, sub: 0, transaction: 0 });
    }
    let source = "erp".into();
    Batch {
        source,
        frame,
        marks,
        schemas: vec![schema],
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: None,
        received_at: Instant::now(),
    }
}

fn offered(count: usize) -> Vec<OfferedRow> {
    (0..count).map(|row| OfferedRow { row: row as u32, edits: None }).collect()
}

/// One letter per row: passed, dropped, edited, emitted, or a rejection's code.
fn letters(judged: &Judged) -> Vec<String> {
    let letter = |j: &Judgement| match j {
        Judgement::Pass => "pass".to_owned(),
        Judgement::Drop => "drop".into(),
        Judgement::Edit(_) => "edit".into(),
        Judgement::Emit(_) => "emit".into(),
        Judgement::Reject(r) => r.code.clone(),
    };
    judged.judgements.iter().map(letter).collect()
}

/// Runs the hostile guest on a hundred rows with two bad ones; only these two may suffer.
async fn blame(mode: &str, bench: Bench) -> (Judged, Bench) {
    let mut bench = bench.start();
    let mut poisoned = vec![false; 100];
    (poisoned[17], poisoned[70]) = (true, true);
    let judged = bench.judge(&poisoned).await;
    assert_eq!(judged.judgements.len(), 100, "{mode}");
    let again = bench.judge(&[false; 3]).await;
    assert_eq!(letters(&again), ["pass"; 3], "{mode}: the guest goes on afterwards");
    (judged, bench)
}

fn assert_only_the_guilty(mode: &str, judged: &Judged, code: &str) {
    for (n, letter) in letters(judged).iter().enumerate() {
        let wanted = if n == 17 || n == 70 { code } else { "pass" };
        assert_eq!(letter, wanted, "{mode}: row {n}");
    }
}

fn rejection(judged: &Judged, row: usize) -> &sluicegate::guest::Rejection {
    match &judged.judgements[row] {
        Judgement::Reject(rejection) => rejection,
        other => panic!("row {row} is {other:?}"),
    }
}

#[tokio::test]
async fn every_misdeed_costs_only_its_own_row() {
    for (mode, code) in [
        ("panic", "trap"),
        ("stack", "trap"),
        ("sleep", "trap"),
        ("log-long", "output"),
        ("memory", "memory"),
        ("fail", "hostile"),
        ("garbage", "garbage"),
        ("unknown", "garbage"),
        ("too-many", "garbage"),
        ("too-few", "garbage"),
        ("truncated", "garbage"),
        ("column", "garbage"),
        ("deep", "garbage"),
        ("route", "route"),
    ] {
        let (judged, bench) = blame(mode, Bench::hostile(mode)).await;
        assert_only_the_guilty(mode, &judged, code);
        assert_eq!(bench.stats("hostile.wasm").rejected_total.load(Relaxed), 2, "{mode}");
    }
}

#[tokio::test]
async fn panic_is_told_with_its_message_and_place() {
    let (judged, bench) = blame("panic", Bench::hostile("panic")).await;
    let rejection = rejection(&judged, 17);
    assert!(rejection.message.contains("misdeed.rs"), "{}", rejection.message);
    let backtrace = rejection.backtrace.as_deref().expect("a backtrace");
    assert!(backtrace.contains("hostile"), "{backtrace}");
    assert_eq!(bench.stats("hostile.wasm").traps_total.load(Relaxed), 2);
}

#[tokio::test]
async fn endless_loop_ends_at_the_limit_of_its_row() {
    let limits = Limits { row: Duration::from_millis(30), batch: Duration::from_millis(200), ..Limits::default() };
    let began = Instant::now();
    let (judged, _bench) = blame("loop", Bench::hostile("loop").limited(limits)).await;
    assert_only_the_guilty("loop", &judged, "deadline");
    assert!(rejection(&judged, 17).message.contains("30 ms"), "{}", rejection(&judged, 17).message);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn memory_beyond_the_limit_is_named_with_the_limit() {
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    let (judged, _bench) = blame("memory", Bench::hostile("memory").limited(limits)).await;
    assert_only_the_guilty("memory", &judged, "memory");
    assert!(rejection(&judged, 17).message.contains("8388608"), "{}", rejection(&judged, 17).message);
}

#[tokio::test]
async fn answer_beyond_the_limit_is_refused_before_it_is_copied() {
    let bench = Bench::hostile("huge").with("bytes", "20000000");
    let (judged, _bench) = blame("huge", bench).await;
    assert_only_the_guilty("huge", &judged, "output");
    assert!(rejection(&judged, 17).message.contains("4194304"), "{}", rejection(&judged, 17).message);
}

#[tokio::test]
async fn flood_of_log_lines_is_dropped_and_counted() {
    let bench = Bench::hostile("log-flood").with("lines", "5000");
    let (judged, bench) = blame("log-flood", bench).await;
    assert_only_the_guilty("log-flood", &judged, "pass");
    let dropped = bench.stats("hostile.wasm").log_dropped_total.load(Relaxed);
    assert!((9_000..10_000).contains(&dropped), "{dropped} of 10,000 lines");
}

#[tokio::test]
async fn leaking_guest_is_recycled_between_batches_and_loses_nothing() {
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let mut bench = Bench::hostile("leak").limited(limits).start();
    for _ in 0..20 {
        let judged = bench.judge(&[true; 50]).await;
        assert_eq!(letters(&judged), ["pass"; 50]);
    }
    let stats = bench.stats("hostile.wasm");
    assert!(stats.recycles_total.load(Relaxed) >= 3, "64 MB went through 16 MiB");
    assert_eq!(stats.traps_total.load(Relaxed), 0);
}

#[tokio::test]
async fn guest_that_does_not_start_holds_its_pipeline_and_says_why() {
    for (mode, words) in [("refuse-init", "refuses the configuration"), ("trap-init", "fails in init")] {
        let bench = Bench::hostile(mode).start();
        bench.until("hostile.wasm", words, |s| s.last_error.get().is_some_and(|e| e.contains(words))).await;
        let guest = bench.only();
        assert!(guest.wants(&schema(), Op::Insert), "unknown code wants everything");
        let judging = guest.judge(Arc::new(rows(0, &[false])), offered(1));
        assert!(timeout(Duration::from_millis(300), judging).await.is_err(), "{mode}: nothing is passed by");
        assert_eq!(bench.stats("hostile.wasm").state.get().as_deref(), Some("waiting"));
    }
}

#[tokio::test]
async fn rows_wait_until_the_first_usable_file_comes() {
    let bench = Bench::new();
    bench.drop_bytes("parcels.wasm", b"this is no module");
    let bench = bench.start();
    bench
        .until("parcels.wasm", "the reason", |s| s.last_error.get().is_some_and(|e| e.contains("not WebAssembly")))
        .await;
    let guest = bench.only();
    let judging = tokio::spawn(async move { guest.judge(Arc::new(rows(0, &[false; 2])), offered(2)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!judging.is_finished());
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let judged = timeout(PATIENCE, judging).await.expect("in time").expect("no panic");
    assert_eq!(letters(&judged), ["emit"; 2]);
}

#[tokio::test]
async fn rows_wait_for_a_guest_that_is_expected_and_was_not_built() {
    let bench = Bench { expected: vec!["parcels".into()], ..Bench::new() }.start();
    bench.until("parcels.wasm", "that it is missing", |s| s.last_error.get().is_some()).await;
    let guest = bench.only();
    let judging = tokio::spawn(async move { guest.judge(Arc::new(rows(0, &[false; 2])), offered(2)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!judging.is_finished(), "nothing passes by code that is not there yet");
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let judged = timeout(PATIENCE, judging).await.expect("in time").expect("no panic");
    assert_eq!(letters(&judged), ["emit"; 2]);
}

#[tokio::test]
async fn swap_under_load_loses_no_row_and_doubles_none() {
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    let (one, two) = (guests::module("parcels"), guests::module_with("parcels", "v2"));
    let guest = bench.only();
    let over = Arc::new(AtomicBool::new(false));
    let flow = tokio::spawn({
        let over = over.clone();
        async move {
            let (mut generations, mut next) = (Vec::<(String, Instant)>::new(), 0);
            while !over.load(Relaxed) {
                let judged = guest.judge(Arc::new(rows(next, &[false; 10])), offered(10)).await;
                assert_eq!(letters(&judged), ["emit"; 10]);
                let edited =
                    judged.judgements.iter().filter(|j| matches!(j, Judgement::Emit(e) if !e.edits.is_empty()));
                let edited = edited.count();
                assert!(edited == 0 || edited == 10, "a batch is judged by one generation");
                next += 10;
                if generations.last().map(|(g, _)| g.as_str()) != Some(&judged.generation.0) {
                    generations.push((judged.generation.0.to_string(), Instant::now()));
                }
            }
            (generations, next)
        }
    });
    let mut renamed = Vec::new();
    for (n, module) in [&two, &one, &two].into_iter().enumerate() {
        renamed.push(Instant::now());
        bench.drop_in("parcels.wasm", module);
        bench.until("parcels.wasm", "a reload", |s| s.reloads_total.load(Relaxed) == n as u64 + 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Relaxed);
    let (generations, judged) = flow.await.expect("no panic");
    assert_eq!(generations.len(), 4, "each version ran: {generations:?}");
    assert!(judged > 100, "{judged} rows");
    for (renamed, (_, ran)) in renamed.iter().zip(&generations[1..]) {
        println!("from rename to the first batch through the new code: {:?}", ran.duration_since(*renamed));
    }
    assert_eq!(bench.stats("parcels.wasm").rows_total.load(Relaxed), judged);
}

#[tokio::test]
async fn bad_file_leaves_the_old_code_running_and_says_why() {
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let mut bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    let good = bench.judge(&[false]).await;
    let module = fs::read(guests::module("parcels")).expect("the module");
    for (bytes, words) in [
        (&b"no module at all"[..], "not WebAssembly"),
        (&module[..module.len() / 2], "not copied completely"),
        (b"\x7fELF of a cwasm", ".cwasm"),
        (b"\0asm\x01\0\0\0", "sluicegate-guest"),
        (b"\0asm\x0d\0\x01\0", "another world"),
    ] {
        bench.drop_bytes("parcels.wasm", bytes);
        bench.until("parcels.wasm", words, |s| s.last_error.get().is_some_and(|e| e.contains(words))).await;
        assert_eq!(bench.stats("parcels.wasm").state.get().as_deref(), Some("refused"));
        let judged = bench.judge(&[false; 2]).await;
        assert_eq!(judged.generation, good.generation);
        assert_eq!(letters(&judged), ["emit"; 2]);
    }
    bench.drop_in("parcels.wasm", &guests::module_with("parcels", "v2"));
    bench.until_state("parcels.wasm", "running").await;
    assert_ne!(bench.judge(&[false]).await.generation, good.generation);
}

#[tokio::test]
async fn file_that_is_copied_slowly_is_taken_when_it_is_whole() {
    use std::io::Write;
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let mut bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    let module = fs::read(guests::module_with("parcels", "v2")).expect("the module");
    let mut file = fs::File::create(bench.path("parcels.wasm")).expect("the file, emptied");
    for part in module.chunks(module.len() / 6 + 1) {
        file.write_all(part).expect("a part");
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    drop(file);
    bench.until("parcels.wasm", "a reload", |s| s.reloads_total.load(Relaxed) == 1).await;
    bench.until_state("parcels.wasm", "running").await;
    assert_eq!(letters(&bench.judge(&[false]).await), ["emit"]);
}

#[tokio::test]
async fn code_whose_file_is_taken_away_is_kept_and_comes_back() {
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let mut bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    fs::remove_file(bench.path("parcels.wasm")).expect("removed");
    bench.until_state("parcels.wasm", "kept").await;
    assert_eq!(letters(&bench.judge(&[false]).await), ["emit"], "the code goes on");
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    bench.until_state("parcels.wasm", "running").await;
    assert_eq!(bench.stats("parcels.wasm").reloads_total.load(Relaxed), 0, "it never stopped");
}

#[tokio::test]
async fn new_file_joins_the_chain_in_order_of_name_once_it_is_loaded() {
    let bench = Bench::new();
    bench.drop_in("b.wasm", &guests::module("parcels"));
    let bench = bench.start();
    bench.until_state("b.wasm", "running").await;
    bench.drop_bytes("c.wasm", b"rubbish");
    bench.until_state("c.wasm", "refused").await;
    assert_eq!(bench.host().chain().len(), 1, "a newcomer that can not run does not stop what runs");
    bench.drop_in("a.wasm", &guests::module("filter"));
    bench.until_state("a.wasm", "running").await;
    let names: Vec<String> = bench.host().chain().iter().map(|g| g.name().to_owned()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn new_code_that_breaks_at_a_row_of_the_past_is_refused_by_the_probe() {
    let bench = Bench::new();
    bench.drop_in("a.wasm", &guests::module("parcels"));
    let mut bench = bench.with("mode", "panic").start();
    bench.until_state("a.wasm", "running").await;
    let before = bench.judge(&[false, true]).await;
    bench.drop_in("a.wasm", &guests::module("hostile"));
    bench.until_state("a.wasm", "refused").await;
    let error = bench.stats("a.wasm").last_error.get().unwrap_or_default();
    assert!(error.contains("rows that the running code can handle"), "{error}");
    assert_eq!(bench.judge(&[false]).await.generation, before.generation);
}

#[tokio::test]
async fn new_code_that_breaks_soon_gives_way_to_the_old_with_the_same_batch() {
    let bench = Bench::new();
    bench.drop_in("a.wasm", &guests::module("parcels"));
    let mut bench = bench.with("mode", "panic").start();
    bench.until_state("a.wasm", "running").await;
    let before = bench.judge(&[false; 4]).await;
    bench.drop_in("a.wasm", &guests::module("hostile"));
    bench.until("a.wasm", "a reload", |s| s.reloads_total.load(Relaxed) == 1).await;
    let new = bench.judge(&[false; 2]).await;
    assert_ne!(new.generation, before.generation);
    assert_eq!(letters(&new), ["pass"; 2]);
    let back = bench.judge(&[false, true, false]).await;
    assert_eq!(back.generation, before.generation, "the failed batch is judged by the old code");
    assert_eq!(letters(&back), ["emit"; 3]);
    let stats = bench.stats("a.wasm");
    assert_eq!(stats.state.get().as_deref(), Some("refused"));
    assert!(stats.last_error.get().is_some_and(|e| e.contains("went back")), "{:?}", stats.last_error.get());
}

#[tokio::test]
async fn guest_that_asks_for_a_column_that_is_not_there_holds_until_it_is_corrected() {
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    let mut batch = rows(0, &[false]);
    let mut narrow = (*schema()).clone();
    narrow.columns.truncate(2);
    batch.schemas = vec![Arc::new(narrow)];
    let guest = bench.only();
    let judging = tokio::spawn(async move { guest.judge(Arc::new(batch), offered(1)).await });
    bench.until_state("parcels.wasm", "held").await;
    let error = bench.stats("parcels.wasm").last_error.get().unwrap_or_default();
    assert!(error.contains("customer_id, status of public.package_status"), "{error}");
    assert!(!judging.is_finished());
    bench.drop_in("parcels.wasm", &guests::module("hostile"));
    let judged = timeout(PATIENCE, judging).await.expect("in time").expect("no panic");
    assert_eq!(letters(&judged), ["pass"]);
}

#[tokio::test]
async fn column_that_is_dropped_while_running_rejects_its_rows() {
    let bench = Bench::new();
    bench.drop_in("parcels.wasm", &guests::module("parcels"));
    let mut bench = bench.start();
    assert_eq!(letters(&bench.judge(&[false]).await), ["emit"]);
    let mut batch = rows(5, &[false]);
    let mut narrow = (*schema()).clone();
    narrow.id = SchemaId(4);
    narrow.columns.truncate(2);
    batch.schemas = vec![Arc::new(narrow)];
    batch.frame.rows[0].schema = 4;
    let judged = timeout(PATIENCE, bench.only().judge(Arc::new(batch), offered(1))).await.expect("in time");
    assert_eq!(letters(&judged), ["schema"]);
    assert!(rejection(&judged, 0).message.contains("status"), "{}", rejection(&judged, 0).message);
}

fn look(module: &Path, state: &Path) -> Result<sluicegate::guest::Description, GuestError> {
    inspect(module, &settings(state), &[], &["customer".to_owned()], Limits::default())
}

#[test]
fn inspected_guest_tells_what_it_is() {
    let state = TempDir::new().expect("a folder");
    for _cold_then_cached in 0..2 {
        let seen = look(&guests::module("parcels"), state.path()).expect("a good guest");
        assert_eq!(seen.name, "parcels");
        assert_eq!(seen.routes, ["customer"]);
        assert_eq!(seen.subscriptions[0].columns, ["package_id", "customer_id", "status"]);
        assert!(seen.imports.iter().any(|i| i.starts_with("sluicegate:guest/host")), "{:?}", seen.imports);
        assert_eq!(seen.generation.len(), 6);
    }
}

#[tokio::test]
async fn component_for_wasi_gets_an_empty_one_and_can_not_sleep() {
    let bench = Bench::new().with("mode", "sleep");
    bench.drop_in("hostile.wasm", &guests::component("hostile"));
    let (judged, bench) = blame("sleep", bench).await;
    assert_only_the_guilty("sleep", &judged, "trap");
    assert!(rejection(&judged, 17).message.contains("can not sleep"), "{}", rejection(&judged, 17).message);
    assert_eq!(bench.stats("hostile.wasm").traps_total.load(Relaxed), 2);
}

#[test]
fn route_that_the_pipeline_does_not_have_is_refused_at_load() {
    let state = TempDir::new().expect("a folder");
    let routes = ["customers".to_owned()];
    let error = inspect(&guests::module("parcels"), &settings(state.path()), &[], &routes, Limits::default());
    let text = error.expect_err("no such route").to_string();
    assert!(text.contains("\"customer\"") && text.contains("customers"), "{text}");
}

#[test]
fn damaged_modules_give_a_sentence_and_never_take_the_process_down() {
    let folder = TempDir::new().expect("a folder");
    let module = fs::read(guests::module("hostile")).expect("the module");
    let path = folder.path().join("damaged.wasm");
    let mut refused = 0;
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    damaged.extend((0..48).map(|n| module[..module.len() * n / 48].to_vec()));
    damaged.extend((0..16).map(|n| module[..n].to_vec()));
    // A linear congruential generator: the same places in every run.
    let mut random = 0x2545_f491_u64;
    for _ in 0..96 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut flipped = module.clone();
        flipped[(random >> 16) as usize % module.len()] ^= 1 << (random >> 61);
        damaged.push(flipped);
    }
    for bytes in &damaged {
        fs::write(&path, bytes).expect("a damaged module");
        if let Err(error) = look(&path, folder.path()) {
            refused += 1;
            let text = error.to_string();
            assert!(text.len() > 30 && text.len() < 4096 && !text.contains('\n'), "{text}");
        }
    }
    assert!(refused >= 64, "{refused} of {}: every truncated one at least", damaged.len());
}

#[test]
fn rows_are_judged_at_the_speed_of_the_design() {
    let state = TempDir::new().expect("a folder");
    for batch_rows in [64, 16, 1] {
        let ns = bench::measure(&guests::module("filter"), &settings(state.path()), batch_rows, 200_000);
        let ns = ns.expect("the filter judges the rows");
        println!("{ns:.0} ns per 12-column row in batches of {batch_rows}");
        assert!(ns < 20_000.0, "far from anything that a debug build or a busy machine explains");
    }
}
