//! What is decided without a server: who goes together, what is written, and what answers lead to.

use super::address::Address;
use super::call::{self, Call, Kind, Shape, Way, Writer};
use super::flight::{Doubt, Next, Tally};
use super::*;
use crate::change::{Act, CacheValue, Content, MessageId, Op, Origin, put_pair};
use bytes::Bytes;
use redis::Value;

const GUARDED: Shape = Shape { cluster: false, guard: Some(Duration::from_secs(60)) };
const PLAIN: Shape = Shape { guard: None, ..GUARDED };
const CLUSTER: Shape = Shape { cluster: true, ..GUARDED };

fn message(act: Act, place: &str, op: Op, body: &[u8]) -> Message {
    let origin = Origin { op: Some(op), ..Origin::default() };
    let mut message = Content::new(MessageId("erp-1-0.0-8f3a11c2.0".into()), Bytes::new(), origin);
    message.act = act;
    message.place = place.to_owned();
    message.body = Bytes::copy_from_slice(body);
    message.into()
}

fn text(place: &str) -> Message {
    message(Act::Put { value: CacheValue::Text }, place, Op::Update, b"x")
}

fn sort(messages: &[Message], shape: Shape) -> Vec<(Kind, Vec<u32>)> {
    let calls = call::sort(messages, shape, |index, refusal| panic!("{index}: {refusal}"));
    calls.into_iter().map(|call| (call.kind, call.members)).collect()
}

#[test]
fn guarded_items_go_together_all_of_them_or_by_slot() {
    let messages = ["{a}1", "{b}1", "{a}2", "{b}2", "{a}1"].map(text);
    assert_eq!(sort(&messages, GUARDED), [(Kind::Guarded, vec![0, 1, 2, 3, 4])]);
    assert_eq!(sort(&messages, CLUSTER), [(Kind::Guarded, vec![0, 2, 4]), (Kind::Guarded, vec![1, 3])]);
    assert_eq!(sort(&messages, PLAIN).len(), 5);
}

#[test]
fn entries_of_a_stream_and_elements_of_a_list_go_together() {
    let on = |act: Act, place| message(act, place, Op::Insert, b"x");
    let append = || Act::Append { trim: None };
    let messages = [on(append(), "x"), on(Act::Push, "x"), on(append(), "y"), on(append(), "x"), on(Act::Push, "x")];
    let kept = Kind::Append { keep: None };
    assert_eq!(sort(&messages, GUARDED), [(kept, vec![0, 3]), (Kind::Push, vec![1, 4]), (kept, vec![2])]);
}

fn written(message: Message, shape: Shape, way: Way) -> String {
    let messages = [message];
    let mut calls = call::sort(&messages, shape, |_, refusal| panic!("{refusal}"));
    calls[0].way = way;
    let mut writer = Writer::default();
    let width = writer.write(&calls[0], &messages, shape);
    assert_eq!(width, writer.pipeline.len());
    let bytes = writer.pipeline.get_packed_pipeline();
    let words = bytes.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
    words.filter(|word| !word.starts_with(['*', '$']) && !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn unguarded_hash_is_replaced_by_an_insert_and_changed_by_an_update() {
    let mut body = Vec::new();
    put_pair(&mut body, b"id", b"1");
    put_pair(&mut body, b"\0gone", b"");
    let hash = |op| message(Act::Put { value: CacheValue::Hash }, "h", op, &body);
    assert_eq!(written(hash(Op::Insert), PLAIN, Way::Owner), "DEL h HSET h id 1");
    assert_eq!(written(hash(Op::Update), PLAIN, Way::Owner), "HDEL h gone HSET h id 1");
    let nothing = message(Act::Put { value: CacheValue::Hash }, "h", Op::Update, b"");
    assert_eq!(written(nothing, PLAIN, Way::Owner), "");
}

#[test]
fn every_command_to_a_node_that_takes_a_slot_over_has_its_own_asking() {
    let mut body = Vec::new();
    put_pair(&mut body, b"id", b"1");
    let hash = message(Act::Put { value: CacheValue::Hash }, "h", Op::Insert, &body);
    let (address, _) = Address::parse("redis://10.0.0.1").expect("an address");
    assert_eq!(written(hash, PLAIN, Way::Ask(Arc::new(address))), "ASKING DEL h ASKING HSET h id 1");
}

fn error(line: &str) -> Value {
    let bytes = format!("-{line}\r\n");
    redis::parse_redis_value(bytes.as_bytes()).expect("an error's line")
}

struct Taken {
    again: Option<Call>,
    outcomes: Vec<Result<(), Refusal>>,
    doubt: Doubt,
}

fn taken(messages: &[Message], shape: Shape, answers: &[Value]) -> Taken {
    let mut calls = call::sort(messages, shape, |_, refusal| panic!("{refusal}"));
    let (mut tally, mut doubt) = (Tally::new(messages.len()), Doubt::default());
    let (address, _) = Address::parse("redis://10.0.0.1:7000").expect("an address");
    let again = match tally.take(calls.remove(0), answers, shape.cluster.then_some(&address), &mut doubt) {
        Next::Again(call) => Some(call),
        Next::Done => None,
    };
    Taken { again, outcomes: tally.into_outcomes(), doubt }
}

#[test]
fn every_change_of_a_script_has_its_own_outcome() {
    let line = Value::BulkString(b"WRONGTYPE Operation against a key".to_vec());
    let answers = [Value::Array(vec![Value::Int(1), line, Value::Int(0)])];
    let taken = taken(&["a", "b", "c"].map(text), GUARDED, &answers);
    assert!(taken.again.is_none() && taken.outcomes[0].is_ok() && taken.outcomes[2].is_ok());
    assert_eq!(taken.outcomes[1].as_ref().expect_err("refused").fault, Fault::Poison);
}

/// An answer that is not there, or is none that we know, is no receipt.
#[test]
fn change_without_an_answer_is_not_delivered() {
    for answers in [vec![], vec![Value::Okay], vec![Value::Array(vec![])], vec![Value::Array(vec![Value::Nil])]] {
        let taken = taken(&[text("a")], GUARDED, &answers);
        let refusal = taken.outcomes[0].as_ref().expect_err("refused");
        assert_eq!(refusal.fault, Fault::Passing, "{answers:?}");
    }
}

#[test]
fn script_that_the_server_does_not_know_is_sent_along_the_next_time() {
    let messages = [text("a")];
    let taken = taken(&messages, GUARDED, &[error("NOSCRIPT No matching script.")]);
    let call = taken.again.expect("once more");
    let mut writer = Writer::default();
    assert_eq!(writer.write(&call, &messages, GUARDED), 2, "SCRIPT LOAD and EVALSHA");
}

#[test]
fn redirections_are_followed_in_a_cluster_and_told_elsewhere() {
    let messages = [text("a")];
    let moved = taken(&messages, CLUSTER, &[error("MOVED 15495 10.0.0.2:7001")]);
    let (target, _) = Address::parse("redis://10.0.0.2:7001").expect("an address");
    assert_eq!(moved.again.expect("once more").way, Way::Moved(Arc::new(target.clone())));
    assert!(moved.doubt.moved);
    let ask = taken(&messages, CLUSTER, &[error("ASK 15495 10.0.0.2:7001")]);
    assert_eq!(ask.again.expect("once more").way, Way::Ask(Arc::new(target)));
    assert!(!ask.doubt.moved, "the slot is still its owner's");
    let alone = taken(&messages, GUARDED, &[error("MOVED 15495 10.0.0.2:7001")]);
    assert_eq!(alone.outcomes[0].as_ref().expect_err("refused").fault, Fault::Fatal);
}

#[test]
fn server_that_is_not_the_master_loses_its_connection() {
    for line in ["READONLY You can't write against a read only replica.", "MASTERDOWN Link with MASTER is down"] {
        assert!(taken(&[text("a")], GUARDED, &[error(line)]).doubt.is_elsewhere, "{line}");
        let inside = [Value::Array(vec![Value::BulkString(line.as_bytes().to_vec())])];
        assert!(taken(&[text("a")], GUARDED, &inside).doubt.is_elsewhere, "{line}");
    }
    assert!(!taken(&[text("a")], GUARDED, &[error("LOADING Redis is loading")]).doubt.is_elsewhere);
}
