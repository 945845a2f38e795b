//! What Redis holds after each kind of message.

use super::server::Server;
use super::writer::{At, DAY, HASH, TEXT, all, fields, message, refused, settings, sink};
use redis::Value;
use sluicegate::change::{Act, Op, Trim};
use sluicegate::fault::Fault;
use sluicegate::sink::redis::{RedisSettings, RedisSink};
use std::collections::BTreeMap;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn key_of_an_item_holds_the_row_and_nothing_else() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    all(&sink, &[message(At(10, Op::Insert), TEXT, "item:1", b"{\"id\":1}")]).await;
    assert_eq!(witness.get("item:1").as_deref(), Some("{\"id\":1}"));
    assert_eq!(witness.ask::<i64>(&["PTTL", "item:1"]), -1, "the item itself does not expire");
    let life = witness.ask::<i64>(&["PTTL", "sg:v:{item:1}"]);
    assert!(life > DAY.as_millis() as i64 - 60_000 && life <= DAY.as_millis() as i64, "{life}");
    all(&sink, &[message(At(11, Op::Delete), Act::Remove, "item:1", b"")]).await;
    assert_eq!(witness.get("item:1"), None);
    assert!(witness.get("sg:v:{item:1}").is_some(), "the tombstone");
}

#[tokio::test]
async fn older_change_never_wins_and_the_deleted_stay_dead() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let new = message(At(20, Op::Update), TEXT, "a", b"new");
    all(&sink, std::slice::from_ref(&new)).await;
    all(&sink, &[message(At(19, Op::Insert), TEXT, "a", b"old"), message(At(18, Op::Delete), Act::Remove, "a", b"")])
        .await;
    assert_eq!(witness.get("a").as_deref(), Some("new"));
    all(&sink, &[new]).await;
    assert_eq!(witness.get("a").as_deref(), Some("new"), "a repeat changes nothing");
    all(&sink, &[message(At(30, Op::Delete), Act::Remove, "a", b"")]).await;
    all(
        &sink,
        &[
            message(At(20, Op::Update), TEXT, "a", b"new"),
            message(At(29, Op::Insert), HASH, "a", &fields(&[("f", Some("v"))])),
        ],
    )
    .await;
    assert_eq!(witness.ask::<i64>(&["EXISTS", "a"]), 0, "the tombstone holds");
    all(&sink, &[message(At(31, Op::Insert), TEXT, "a", b"again")]).await;
    assert_eq!(witness.get("a").as_deref(), Some("again"));
}

#[tokio::test]
async fn changes_of_one_item_in_one_flight_are_applied_in_order() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let steps: Vec<_> = (1..=100).map(|n| message(At(n, Op::Update), TEXT, "a", n.to_string().as_bytes())).collect();
    all(&sink, &steps).await;
    assert_eq!(witness.get("a").as_deref(), Some("100"));
}

async fn hash_follows_its_row(settings: RedisSettings, server: &Server) {
    let sink = RedisSink::new(settings).expect("good settings");
    let mut witness = server.witness();
    let row = fields(&[("id", Some("1")), ("name", Some("Ann")), ("note", Some("x"))]);
    all(&sink, &[message(At(1, Op::Insert), HASH, "h", &row)]).await;
    assert_eq!(witness.hash("h"), map(&[("id", "1"), ("name", "Ann"), ("note", "x")]));
    // `note` was not in the log: it stays. `name` is null now.
    all(&sink, &[message(At(2, Op::Update), HASH, "h", &fields(&[("id", Some("1")), ("name", None)]))]).await;
    assert_eq!(witness.hash("h"), map(&[("id", "1"), ("note", "x")]));
    // An insert is the whole row.
    all(
        &sink,
        &[message(At(3, Op::Insert), HASH, "h", &fields(&[("id", Some("1")), ("name", None), ("city", Some("Ulm"))]))],
    )
    .await;
    assert_eq!(witness.hash("h"), map(&[("id", "1"), ("city", "Ulm")]));
    all(&sink, &[message(At(4, Op::Update), HASH, "h", &[])]).await;
    assert_eq!(witness.hash("h"), map(&[("id", "1"), ("city", "Ulm")]));
    all(&sink, &[message(At(5, Op::Delete), Act::Remove, "h", b"")]).await;
    assert_eq!(witness.ask::<i64>(&["EXISTS", "h"]), 0);
}

#[tokio::test]
async fn hash_follows_its_row_behind_the_guard_and_without_it() {
    let server = Server::start().await;
    hash_follows_its_row(settings(&server), &server).await;
    let server = Server::start().await;
    hash_follows_its_row(RedisSettings { guard: None, ..settings(&server) }, &server).await;
    assert_eq!(server.witness().ask::<i64>(&["DBSIZE"]), 0, "without a guard nothing is kept beside items");
}

#[tokio::test]
async fn table_of_very_many_columns_is_a_hash_like_any_other() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let names: Vec<String> = (0..9000).map(|n| format!("c{n}")).collect();
    let row: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), Some("v"))).collect();
    all(&sink, &[message(At(1, Op::Insert), HASH, "wide", &fields(&row))]).await;
    assert_eq!(witness.ask::<i64>(&["HLEN", "wide"]), 9000);
    let nulls: Vec<(&str, Option<&str>)> = names[1..].iter().map(|name| (name.as_str(), None)).collect();
    all(&sink, &[message(At(2, Op::Update), HASH, "wide", &fields(&nulls))]).await;
    assert_eq!(witness.hash("wide"), map(&[("c0", "v")]));
}

fn entries(range: Value) -> Vec<(String, BTreeMap<String, String>)> {
    let list: Vec<(String, BTreeMap<String, String>)> = redis::from_redis_value(range).expect("entries");
    list
}

#[tokio::test]
async fn stream_holds_each_entry_once_in_order_with_ids_made_from_positions() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let append = || Act::Append { trim: None };
    let steps: Vec<_> = (1..=50).map(|n| message(At(n, Op::Insert), append(), "s", n.to_string().as_bytes())).collect();
    all(&sink, &steps[..30]).await;
    // From an earlier checkpoint.
    all(&sink, &steps[10..]).await;
    all(&sink, &steps).await;
    let held = entries(witness.ask(&["XRANGE", "s", "-", "+"]));
    let bodies: Vec<&str> = held.iter().map(|(_, entry)| entry["body"].as_str()).collect();
    assert_eq!(bodies, (1..=50).map(|n| n.to_string()).collect::<Vec<_>>());
    let (id, entry) = &held[4];
    assert_eq!(id, &format!("5-{}", 4 << 20 | 1), "commit 5; change 4, sub 0, message 0");
    let said = [
        ("id", "erp-5-4.0-8f3a11c2.0"),
        ("op", "insert"),
        ("table", "public.item"),
        ("body", "5"),
        ("content_type", "application/json"),
    ];
    assert_eq!(*entry, map(&said));
}

#[tokio::test]
async fn repeat_is_known_even_where_the_entry_was_cut_off_or_the_stream_deleted() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let append = || Act::Append { trim: Some(Trim::Length(100)) };
    let steps: Vec<_> = (1..=1000).map(|n| message(At(n, Op::Insert), append(), "s", b"x")).collect();
    for flight in steps.chunks(100) {
        all(&sink, flight).await;
    }
    let len = witness.ask::<i64>(&["XLEN", "s"]);
    assert!((100..300).contains(&len), "about 100 are kept: {len}");
    all(&sink, &steps[..100]).await;
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), len);
    witness.ask::<()>(&["DEL", "s"]);
    all(&sink, &steps[900..]).await;
    assert_eq!(witness.ask::<i64>(&["EXISTS", "s"]), 0, "who deleted the stream wanted no old entries");
    // The cursor is gone as well, the entries are not: they know themselves.
    all(&sink, &[message(At(2000, Op::Insert), append(), "s", b"y")]).await;
    witness.ask::<()>(&["DEL", "sg:s:{s}"]);
    all(&sink, &[message(At(2000, Op::Insert), append(), "s", b"y")]).await;
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 1);
}

#[tokio::test]
async fn stream_of_somebody_else_is_refused_rather_than_taken_for_delivered() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let append = || Act::Append { trim: None };
    witness.ask::<String>(&["XADD", "s", "1700000000000-0", "f", "v"]);
    refused(&sink, message(At(5, Op::Insert), append(), "s", b"x"), Fault::Poison, "one stream for one source").await;
    // Another route says something else about the same row.
    all(&sink, &[message(At(5, Op::Insert), append(), "t", b"x")]).await;
    let mut other = message(At(5, Op::Insert), append(), "t", b"x");
    other.id = sluicegate::change::MessageId("erp-5-4.0-11111111.0".into());
    refused(&sink, other, Fault::Poison, "one stream for one source").await;
    assert_eq!(witness.ask::<i64>(&["XLEN", "t"]), 1);
}

#[tokio::test]
async fn headers_become_fields_of_the_entry() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let mut step = message(At(5, Op::Delete), Act::Append { trim: None }, "s", b"x");
    step.headers = vec![("traceparent".into(), "00-1".to_owned())].into();
    all(&sink, &[step]).await;
    let held = entries(witness.ask(&["XRANGE", "s", "-", "+"]));
    assert_eq!((held[0].1["traceparent"].as_str(), held[0].1["op"].as_str()), ("00-1", "delete"));
}

#[tokio::test]
async fn list_keeps_order_and_channel_reaches_its_listeners() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let mut listener = redis::Client::open(server.url()).expect("an address").get_connection().expect("a connection");
    let mut channel = listener.as_pubsub();
    channel.subscribe("news").expect("subscribed");
    let mut flight = Vec::new();
    for n in 1..=20 {
        flight.push(message(At(n, Op::Insert), Act::Push, "list", n.to_string().as_bytes()));
        flight.push(message(At(n, Op::Insert), Act::Publish, "news", n.to_string().as_bytes()));
    }
    all(&sink, &flight).await;
    let expected: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    assert_eq!(witness.ask::<Vec<String>>(&["LRANGE", "list", "0", "-1"]), expected);
    let heard: Vec<String> =
        (0..20).map(|_| channel.get_message().expect("a message").get_payload().expect("text")).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn what_is_not_for_redis_is_refused_with_a_sentence() {
    let server = Server::start().await;
    let sink = sink(&server);
    refused(&sink, message(At(1, Op::Insert), Act::default(), "a", b"x"), Fault::Poison, "for an HTTP API").await;
    refused(&sink, message(At(1, Op::Insert), TEXT, "", b"x"), Fault::Poison, "gives this message no key").await;
    let by_age = Act::Append { trim: Some(Trim::Age(1000)) };
    refused(&sink, message(At(1, Op::Insert), by_age, "s", b"x"), Fault::Poison, "can not be cut by age").await;
    let mut far = message(At(1, Op::Insert), Act::Append { trim: None }, "s", b"x");
    far.origin.index = 511;
    refused(&sink, far, Fault::Poison, "does not fit into an entry's id").await;
}

#[tokio::test]
async fn one_flight_may_hold_everything() {
    let server = Server::start().await;
    let (sink, mut witness) = (sink(&server), server.witness());
    let flight = [
        message(At(1, Op::Insert), TEXT, "a", b"1"),
        message(At(2, Op::Insert), Act::Append { trim: None }, "s", b"2"),
        message(At(3, Op::Insert), HASH, "h", &fields(&[("f", Some("3"))])),
        message(At(4, Op::Insert), Act::Push, "l", b"4"),
        message(At(5, Op::Insert), Act::Publish, "c", b"5"),
        message(At(6, Op::Insert), Act::Append { trim: None }, "s", b"6"),
        message(At(7, Op::Update), TEXT, "a", b"7"),
    ];
    all(&sink, &flight).await;
    assert_eq!(witness.get("a").as_deref(), Some("7"));
    assert_eq!(witness.ask::<i64>(&["XLEN", "s"]), 2);
    assert_eq!(witness.hash("h"), map(&[("f", "3")]));
    assert_eq!(witness.ask::<i64>(&["LLEN", "l"]), 1);
}
