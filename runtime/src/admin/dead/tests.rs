//! The desk as somebody with `curl` meets it.

use super::*;
use crate::admin::{Registry, router};
use crate::change::{Content, Message, MessageId, Origin, RowMark, Schema};
use crate::store::{Buried, DeadLetter, DeadRow, MemoryStore, Park, SqliteStore};
use crate::telemetry::Note;
use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::watch;
use tower::ServiceExt;

struct Room {
    store: Arc<dyn Store>,
    /// What was sent again, in order.
    sent: Arc<Mutex<Vec<i64>>>,
    /// Nothing can be sent while it is so.
    refuses: Arc<AtomicBool>,
    app: Router,
}

impl Room {
    fn on(store: Arc<dyn Store>, token: Option<&str>) -> Self {
        let (sent, refuses) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, order, refuse) = (store.clone(), sent.clone(), refuses.clone());
        let again = move |Revive { id, .. }: Revive| -> BoxFuture<'static, Result<Sent, String>> {
            let (store, sent, refuses) = (kept.clone(), order.clone(), refuse.load(Relaxed));
            Box::pin(async move {
                if refuses {
                    return Err("its member is gone".to_owned());
                }
                sent.lock().expect("no panic here").push(id.0);
                store.drop_dead(vec![id]).await.map(|_| Sent::InLine).map_err(|e| e.to_string())
            })
        };
        let kept = store.clone();
        let clear = move |name: LaneName, reason| -> BoxFuture<'static, Result<u64, String>> {
            let store = kept.clone();
            Box::pin(async move {
                let lane = store.lane(&name).map_err(|e| e.to_string())?.id;
                store.clear_lane(lane, reason).await.map_err(|e| e.to_string())
            })
        };
        let desk = Desk::new(store.clone(), Box::new(again), Box::new(clear));
        let registry = Registry::empty(1 << 20, Arc::new(Note::default()), store.clone());
        let name = LaneName::new("parcels", "customers", "gone");
        registry.set_orphans(vec![(name.clone(), store.lane(&name).expect("a state that works"))]);
        let registry = watch::channel(Arc::new(registry)).1;
        Self { store, sent, refuses, app: router(registry, token.map(str::to_owned), desk) }
    }

    fn new() -> Self {
        Self::on(Arc::new(MemoryStore::default()), None)
    }

    async fn bury(&self, letters: impl IntoIterator<Item = DeadLetter>) {
        self.store.bury(letters.into_iter().collect()).await.expect("a state that works");
    }

    /// Asks as `curl` would, with a header of ours.
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("x-sluicegate", "1");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.send(request.body(HttpBody::from(body)).expect("a request")).await;
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn send(&self, request: Request<HttpBody>) -> (StatusCode, String) {
        let answer = self.app.clone().oneshot(request).await.expect("it always answers");
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    fn sent(&self) -> Vec<i64> {
        self.sent.lock().expect("no panic here").clone()
    }
}

fn letter(member: &str, buried: Buried, reason: &str) -> DeadLetter {
    DeadLetter {
        pipeline: "parcels".into(),
        target: "customers".into(),
        member: member.into(),
        buried,
        reason: reason.to_owned(),
        attempts: 3,
        last_answer: Some("HTTP/1.1 422\n\nno such parcel".to_owned()),
        guest: None,
        generation: None,
        backtrace: None,
        arrived_us: 1,
        died_us: 1_700_000_000_000_000,
    }
}

fn message(member: &str, commit: u64, body: &'static [u8]) -> DeadLetter {
    let id = MessageId(format!("erp-{commit:x}-1.0-8f3a11c2.0").into());
    let mark = RowMark { commit, change: 1, sub: 0, transaction: 0 };
    let mut content = Content::new(id, Bytes::from_static(b"7"), Origin { mark, ..Origin::default() });
    content.body = Bytes::from_static(body);
    letter(member, Buried::Message(Message::from(content)), "answered 422")
}

fn row(commit: u64) -> DeadLetter {
    let schema = Schema { source: "erp".into(), namespace: "public".into(), table: "t".into(), ..Schema::default() };
    let mark = RowMark { commit, change: 1, sub: 0, transaction: 0 };
    let json = Bytes::from_static(b"{\"id\":123456789012345678901234567890.10,\"a\":null}");
    let dead = DeadRow { id: format!("erp-{commit:x}-1.0"), schema: schema.into(), mark, frame: Bytes::new(), json };
    DeadLetter {
        target: "".into(),
        member: "".into(),
        ..letter("", Buried::Row(dead.into()), "null-value: no customer")
    }
}

fn ids(page: &Value) -> Vec<i64> {
    let letters = page["letters"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    letters.iter().filter_map(|letter| letter["id"].as_i64()).collect()
}

#[tokio::test]
async fn letters_are_listed_by_page_newest_first_and_narrowed() {
    let room = Room::new();
    room.bury((1..=5).map(|n| message(if n % 2 == 0 { "2" } else { "1" }, n, b"{}"))).await;
    room.bury([row(6)]).await;
    let (status, page) = room.ask("GET", "/dead?limit=4", Value::Null).await;
    assert_eq!((status, ids(&page), page["next"].as_i64()), (200, vec![6, 5, 4, 3], Some(3)));
    let (_, page) = room.ask("GET", "/dead?limit=4&before=3", Value::Null).await;
    assert_eq!((ids(&page), page["next"].as_i64()), (vec![2, 1], None));
    for (narrow, expected) in [
        ("member=2&target=customers", vec![4, 2]),
        ("table=public.t&pipeline=parcels", vec![6]),
        ("reason=null-value", vec![6]),
        ("since=1h", vec![]),
        ("since=36500d", vec![6, 5, 4, 3, 2, 1]),
    ] {
        let (_, page) = room.ask("GET", &format!("/dead?{narrow}"), Value::Null).await;
        assert_eq!(ids(&page), expected, "{narrow}");
    }
}

#[tokio::test]
async fn question_that_can_not_be_understood_is_refused_with_its_rule_and_nothing_is_done() {
    let room = Room::new();
    room.bury([message("1", 1, b"{}")]).await;
    for (method, path, body, rule) in [
        ("GET", "/dead?membr=2", Value::Null, "membr"),
        ("GET", "/dead?limit=0", Value::Null, "1 to 1000"),
        ("GET", "/dead?limit=1001", Value::Null, "1 to 1000"),
        ("GET", "/dead?since=yesterday", Value::Null, "as 2h"),
        ("GET", "/dead?since=99999999999999999999d", Value::Null, "as 2h"),
        ("GET", "/dead/x", Value::Null, "no number"),
        ("POST", "/dead/drop", Value::Null, "say which"),
        ("POST", "/dead/drop", json!({"filter": {"member": "1"}}), "say which"),
        ("POST", "/dead/drop", json!({"all": true, "filter": {"membr": "1"}}), "membr"),
        ("POST", "/dead/drop", json!({"all": true, "ids": [1]}), "exclude each other"),
        ("POST", "/dead/drop", json!({"ids": [1], "filter": {"member": "1"}}), "goes with all"),
        ("POST", "/dead/drop", json!({"ids": (0..1001).collect::<Vec<_>>()}), "at most 1000"),
        ("POST", "/dead/replay", json!({"ids": [1], "rate": 0}), "1 to 10000"),
        ("POST", "/dead/replay", json!({"id": 1}), "unknown field `id`"),
    ] {
        let (status, answer) = room.ask(method, path, body).await;
        assert_eq!(status, 400, "{method} {path}: {answer}");
        assert!(answer.as_str().is_some_and(|text| text.contains(rule)), "{method} {path}: {answer}");
    }
    assert_eq!((room.sent(), room.store.dead_count()), (Vec::new(), 1));
}

#[tokio::test]
async fn letter_is_shown_whole_with_text_bytes_and_rows_as_they_are() {
    let room = Room::new();
    room.bury([message("1", 1, "{\"a\":\"ü\"}".as_bytes()), message("1", 2, b"\xff\x00"), row(3)]).await;
    let (status, letter) = room.ask("GET", "/dead/1", Value::Null).await;
    assert_eq!(status, 200, "{letter}");
    assert_eq!(letter["name"], "erp-1-1.0-8f3a11c2.0");
    assert_eq!(letter["last_answer"], "HTTP/1.1 422\n\nno such parcel");
    assert_eq!(letter["message"]["body"], json!({"text": "{\"a\":\"ü\"}"}));
    let (_, letter) = room.ask("GET", "/dead/2", Value::Null).await;
    assert_eq!(letter["message"]["body"], json!({"base64": "/wA="}));
    let request = Request::builder().uri("/dead/3").body(HttpBody::empty()).expect("a request");
    let (_, text) = room.send(request).await;
    assert!(text.contains("123456789012345678901234567890.10"), "no digit is lost: {text}");
    let read: Letter = serde_json::from_str(&text).expect("what the verb reads");
    assert_eq!((read.summary.kind.as_str(), read.message), ("row", None));
    assert_eq!(room.ask("GET", "/dead/4", Value::Null).await.0, 404);
}

#[tokio::test]
async fn letters_go_again_in_the_order_of_the_log_and_superseded_ones_only_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let room = Room::on(Arc::new(SqliteStore::open(folder.path()).expect("a new state")), None);
    // The second change died again, and is the newest letter; the first one is.
    room.bury([message("1", 0x20, b"{}"), message("1", 0x30, b"{}"), message("1", 0x10, b"{}")]).await;
    let (status, done) = room.ask("POST", "/dead/replay", json!({"all": true, "filter": {"member": "1"}})).await;
    assert_eq!((status, &done["state"], &done["sent"]), (200, &json!("done"), &json!(3)), "{done}");
    assert_eq!(room.sent(), [3, 1, 2]);

    // Delivered after the older one died.
    let newer = message("1", 0x50, b"{}");
    let Buried::Message(newer) = newer.buried else { unreachable!("it is one") };
    room.bury([message("1", 0x40, b"{}")]).await;
    let lane = room.store.lane(&LaneName::new("parcels", "customers", "1")).expect("a state that works").id;
    let settlement = crate::store::Settlement { superseded: vec![newer], ..Default::default() };
    room.store.settle(lane, settlement).await.expect("a state that works");
    let (_, done) = room.ask("POST", "/dead/replay", json!({"ids": [4]})).await;
    assert_eq!((&done["sent"], &done["superseded"]), (&json!(0), &json!(1)), "{done}");
    let (_, done) = room.ask("POST", "/dead/replay", json!({"ids": [4], "superseded": true})).await;
    assert_eq!((&done["sent"], room.store.dead_count()), (&json!(1), 0), "{done}");
}

#[tokio::test(start_paused = true)]
async fn replay_keeps_its_rate_tells_how_far_it_is_and_can_be_stopped() {
    let room = Room::new();
    assert_eq!(room.ask("GET", "/dead/replay", Value::Null).await.0, 404);
    room.bury((1..=100).map(|n| message("1", n, b"{}"))).await;
    let begun = tokio::time::Instant::now();
    let (status, progress) = room.ask("POST", "/dead/replay", json!({"all": true, "rate": 10})).await;
    assert_eq!((status, &progress["state"]), (202, &json!("running")), "{progress}");
    let (status, refused) = room.ask("POST", "/dead/replay", json!({"ids": [99]})).await;
    assert_eq!(status, 409, "{refused}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let (status, stopped) = room.ask("DELETE", "/dead/replay", Value::Null).await;
    assert_eq!((status, &stopped["state"]), (200, &json!("stopped")), "{stopped}");
    let (sent, seconds) = (room.sent().len(), begun.elapsed().as_secs_f64());
    assert!((29..=32).contains(&sent), "{sent} in {seconds} s");
    assert_eq!(room.store.dead_count(), 100 - sent as u64);

    let (_, progress) = room.ask("POST", "/dead/replay", json!({"all": true, "filter": {"limit": 1}})).await;
    assert_eq!((&progress["number"], &progress["letters"], &progress["sent"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(room.sent().last(), Some(&(sent as i64 + 1)), "the oldest that is left");
}

#[tokio::test(start_paused = true)]
async fn letter_that_can_not_be_sent_stays_and_its_reason_is_told() {
    let room = Room::new();
    room.bury((1..=150).map(|n| message("1", n, b"{}"))).await;
    room.refuses.store(true, Relaxed);
    let (_, done) = room.ask("POST", "/dead/replay", json!({"ids": [1, 7, 999], "rate": 1000})).await;
    assert_eq!((&done["sent"], &done["failed"]), (&json!(0), &json!(3)), "{done}");
    let failures = done["failures"].as_array().expect("a list");
    let about = |id: i64| failures.iter().find(|f| f["id"] == id).map(|f| f["reason"].as_str().unwrap_or_default());
    assert_eq!(about(7), Some("its member is gone"));
    assert!(about(999).is_some_and(|reason| reason.contains("there is no dead letter 999")), "{done}");
    let (_, done) = room.ask("POST", "/dead/replay", json!({"all": true, "rate": 10000})).await;
    assert_eq!((&done["failed"], done["failures"].as_array().map(Vec::len)), (&json!(150), Some(100)));
    assert_eq!(room.store.dead_count(), 150);
}

#[tokio::test]
async fn letters_are_dropped_by_number_and_by_filter_and_nothing_else_is() {
    let room = Room::new();
    room.bury((1..=1_203).map(|n| message(if n <= 3 { "1" } else { "2" }, n, b"{}"))).await;
    assert_eq!(room.ask("DELETE", "/dead/2", Value::Null).await.0, 200);
    assert_eq!(room.ask("DELETE", "/dead/2", Value::Null).await.0, 404);
    let (_, dropped) = room.ask("POST", "/dead/drop", json!({"ids": [1, 1, 2]})).await;
    assert_eq!((&dropped["dropped"], &dropped["unknown"]), (&json!(1), &json!([2])));
    let (_, dropped) = room.ask("POST", "/dead/drop", json!({"all": true, "filter": {"member": "2"}})).await;
    assert_eq!((&dropped["dropped"], room.store.dead_count()), (&json!(1_200), 1), "{dropped}");
}

#[tokio::test]
async fn what_waits_for_a_lane_that_is_gone_is_named_and_taken() {
    let room = Room::new();
    let (_, lanes) = room.ask("GET", "/dead/lanes", Value::Null).await;
    assert_eq!(lanes[0]["member"], "gone", "{lanes}");
    let name = LaneName::new("parcels", "customers", "gone");
    let Buried::Message(waits) = message("gone", 1, b"{}").buried else { unreachable!("it is one") };
    let carried = crate::store::Carried { message: waits, attempts: 4, arrived_us: 0 };
    let lane = room.store.lane(&name).expect("a state that works").id;
    room.store.park(lane, Park { messages: vec![carried], marks: Vec::new() }).await.expect("a state that works");
    let asked = json!({"pipeline": "parcels", "target": "customers", "member": "gone"});
    let (status, taken) = room.ask("POST", "/dead/lanes/take", asked.clone()).await;
    assert_eq!((status, &taken["messages"]), (200, &json!(1)), "{taken}");
    let (_, page) = room.ask("GET", "/dead", Value::Null).await;
    assert_eq!(page["letters"][0]["reason"], TAKEN, "{page}");
    assert_eq!(room.ask("POST", "/dead/lanes/drop", asked).await.1["messages"], 0);
}

#[tokio::test]
async fn foreign_page_in_a_browser_can_neither_change_nor_read_anything() {
    let room = Room::new();
    room.bury([message("1", 1, b"{}")]).await;
    let form = "application/x-www-form-urlencoded";
    for (method, path) in
        [("POST", "/dead/drop"), ("POST", "/dead/replay"), ("DELETE", "/dead/1"), ("POST", "/dead/lanes/drop")]
    {
        let request = Request::builder().method(method).uri(path).header("content-type", form);
        let (status, text) = room.send(request.body(HttpBody::from("{\"all\":true}")).expect("a request")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {text}");
        assert!(text.contains("X-Sluicegate: 1"), "{text}");
    }
    let by_name = |host: &str| Request::builder().uri("/dead").header("host", host).body(HttpBody::empty());
    let (status, text) = room.send(by_name("evil.example:8900").expect("a request")).await;
    assert!(status == StatusCode::FORBIDDEN && text.contains("host.token"), "{status} {text}");
    assert_eq!(room.send(by_name("localhost:8900").expect("a request")).await.0, StatusCode::OK);
    assert_eq!(room.store.dead_count(), 1);
}

#[tokio::test]
async fn token_is_asked_for_everywhere_at_the_desk_and_opens_it_by_any_name() {
    let room = Room::on(Arc::new(MemoryStore::default()), Some("hush"));
    for (method, path) in
        [("GET", "/dead"), ("GET", "/dead/1"), ("POST", "/dead/replay"), ("POST", "/dead/drop"), ("GET", "/dead/lanes")]
    {
        assert_eq!(room.ask(method, path, Value::Null).await.0, 401, "{method} {path}");
    }
    let request = Request::builder().uri("/dead").header("host", "ops.example").header("authorization", "Bearer hush");
    assert_eq!(room.send(request.body(HttpBody::empty()).expect("a request")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn body_that_is_too_large_is_not_read() {
    let room = Room::new();
    let (status, _) =
        room.ask("POST", "/dead/drop", json!({"all": true, "filter": {"reason": "x".repeat(70_000)}})).await;
    assert_eq!(status, 413);
    let (status, _) =
        room.ask("POST", "/dead/drop", json!({"all": true, "filter": {"reason": "x".repeat(1_001)}})).await;
    assert_eq!(status, 400);
}
