//! The admin address and the verb that reads it.

use crate::guests;
use crate::house::{HOST_TOKEN, House, step};
use crate::receiver::{Manner, Receiver};
use serde_json::Value;

/// The names that others may rely on.
const SOURCE: [&str; 8] = ["name", "kind", "state", "received", "confirmed", "lag_bytes", "lag_ms", "rows_total"];
const GUEST: [&str; 9] = [
    "pipeline",
    "file",
    "generation",
    "state",
    "rows_total",
    "dropped_total",
    "rejected_total",
    "traps_total",
    "last_error",
];
const LANE: [&str; 15] = [
    "pipeline",
    "target",
    "member",
    "state",
    "in_flight",
    "waiting",
    "parked",
    "parked_bytes",
    "oldest_ms",
    "delivered_total",
    "attempts_total",
    "dead_total",
    "p50_ms",
    "p99_ms",
    "last_error",
];

fn assert_has(status: &Value, list: &str, names: &[&str]) {
    let first = status[list][0].as_object().unwrap_or_else(|| panic!("no {list}: {status}"));
    for name in names {
        assert!(first.contains_key(*name), "{list} lacks {name}: {first:?}");
    }
}

/// Every line of Prometheus' text: a comment, or a name with labels and a number.
fn figures(text: &str) -> Vec<(&str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.split('{').next().is_some_and(|n| n.starts_with("sluicegate_") && n.chars().all(legal)), "{line}");
        (name, value.parse().unwrap_or_else(|e| panic!("{line}: {e}")))
    });
    parsed.collect()
}

#[test]
fn status_metrics_and_verbs_say_what_the_running_program_does() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("door").customer("1", &customer).guest(&guests::module("parcels")).start();
    house.ready();
    assert_eq!(house.get("/live"), (200, "live\n".into()));
    assert_eq!(house.get("/ready"), (200, "ready\n".into()));
    let sql = house.sql();
    for number in 0..3 {
        sql.run(&step(7, 1, number));
    }
    customer.wait_for(3);
    house.until("three are counted", || house.status()["lanes"][0]["delivered_total"] == 3);

    let (code, out, err) = house.verb(&["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    let status: Value = serde_json::from_str(&out).expect("status --json is JSON");
    assert_has(&status, "sources", &SOURCE);
    assert_has(&status, "guests", &GUEST);
    assert_has(&status, "lanes", &LANE);
    assert_eq!(status["sources"][0]["state"], "streaming");
    assert_eq!(status["sources"][0]["rows_total"], 3);
    assert_eq!(status["guests"][0]["file"], "parcels.wasm");
    assert_eq!(status["guests"][0]["rows_total"], 3);
    assert_eq!(status["lanes"][0]["state"], "flowing");
    assert!(status["lanes"][0]["p50_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{status}");

    let (code, out, err) = house.verb(&["status"]);
    assert_eq!(code, 0, "{err}");
    for words in
        ["source  erp", "PostgreSQL 1", "streaming", "guest   parcels.wasm", "lane    parcels/customers/1", "flowing"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }

    let (code, text) = house.get("/metrics");
    assert_eq!(code, 200);
    let figures = figures(&text);
    let figure = |wanted: &str| figures.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    assert_eq!(figure("sluicegate_source_up{source=\"erp\"}"), Some(1.0), "{text}");
    let delivered = "sluicegate_lane_delivered_total{pipeline=\"parcels\",target=\"customers\",member=\"1\"}";
    assert_eq!(figure(delivered), Some(3.0), "{text}");

    assert_eq!(house.stop(), 0, "{}", house.log());
    let (code, _, err) = house.verb(&["status"]);
    assert_eq!(code, 1);
    assert!(err.contains("does not answer") && err.contains("running?"), "{err}");
}

#[test]
fn token_is_asked_for_where_something_is_told() {
    // Nothing else is needed: a database that is not there is waited for.
    let house = House::at("token", crate::house::free_port(), "nowhere")
        .host("token = \"${HOST_TOKEN}\"")
        .customer_at("1", "http://127.0.0.1:9/", "")
        .start();
    house.until("it answers", || house.try_get("/live", None).is_some());
    for path in ["/status", "/metrics", "/"] {
        let (code, body) = house.get(path);
        assert_eq!(code, 401, "{path}");
        assert!(body.contains("Authorization: Bearer"), "{body}");
        let asked = |token| house.try_get(path, Some(token)).map(|(code, _)| code);
        assert_eq!(asked("hush-host-tokem"), Some(401), "{path}");
        assert_eq!(asked(HOST_TOKEN), Some(200), "{path}");
    }
    assert_eq!(house.get("/live").0, 200, "probes carry no token");
    house.not_ready("nothing listens at 127.0.0.1");
    let (code, out, err) = house.verb(&["status"]);
    assert_eq!(code, 0, "the verb takes the token from the folder: {err}");
    assert!(out.contains("nothing listens at 127.0.0.1"), "{out}");
}
