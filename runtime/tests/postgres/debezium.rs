//! What Debezium wrote for these statements, and what we write.
//!
//! `NAME.sql` holds the statements, those of the stream behind `-- @stream`. `NAME.txt` holds a record per line: topic, key, then
//! operation, before and after, then the headers of a changed key; `-` where there is nothing. `NAME.schemas.txt` holds the schema
//! of an image and of the key. All of it was recorded from Debezium 3.7.0 but for lines behind a `#`: there ours is right and Debezium
//! is not, and the `#` says why; `docs/debezium.md` has the list. A run of forty and more equal characters is one with its length.

use crate::reader::{Reader, settings};
use crate::support::Server;
use sluicegate::change::Batch;
use sluicegate::sink::format::ShownRow;
use sluicegate::sink::format::debezium::{Change, Debezium, DebeziumOptions, EncodeError, Encoding, Record};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Scales that servers know since version 15. On an older one the columns are made without a scale, and their table is not compared.
const SCALES_OF_15: [&str; 2] = ["numeric(5,-2)", "numeric(3,5)"];
const TOPIC_OF_15: &str = "app.public.t_num";
/// A value of the type `"char"` that servers read as an octal number since version 15, and what an older one makes of it.
const OCTAL_OF_15: (&str, &str) = (r#""qc":"\\351""#, r#""qc":"\\""#);

/// Statements end where a line does.
fn statements(sql: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in sql.lines().filter(|line| !line.starts_with("--")) {
        let last = all.last_mut().expect("one at least");
        last.push_str(line);
        last.push('\n');
        if line.ends_with(';') {
            all.push(String::new());
        }
    }
    all.retain(|statement| !statement.trim().is_empty());
    all
}

/// One record in each encoding.
pub struct Told {
    pub plain: Record,
    pub full: Record,
    pub avro: Result<Record, EncodeError>,
}

/// What came out, by topic.
pub struct Found {
    pub by_topic: BTreeMap<String, Vec<Told>>,
    pub is_old: bool,
}

/// Runs the statements on a server of their own, and shows every row of the stream. Whether the server is old.
pub fn run(sql: &str, mut each: impl FnMut(&Batch, usize)) -> bool {
    let server = Server::start(&["lc_monetary=C", "timezone=UTC"]);
    server.sql("postgres").run("CREATE DATABASE app");
    let client = server.sql("app");
    let is_old = client.one("SHOW server_version_num").parse::<u32>().expect("a number") < 150_000;
    let known = |sql: &str, scale: &&str| sql.replace(*scale, "numeric");
    let sql =
        if is_old { SCALES_OF_15.iter().fold(sql.to_owned(), |sql, scale| known(&sql, scale)) } else { sql.to_owned() };
    let (setup, stream) = sql.split_once("-- @stream").expect("two parts");
    statements(setup).iter().for_each(|statement| client.run(statement));
    client.run("CREATE TABLE the_end (id int PRIMARY KEY)");
    let mut asked = settings(&server.url("app"));
    asked.tables = Arc::new(|_| true);
    let mut reader = Reader::start(asked).streaming();
    statements(stream).iter().for_each(|statement| client.run(statement));
    client.run("INSERT INTO the_end VALUES (1)");
    loop {
        let batch = reader.batch();
        for index in 0..batch.len() {
            if batch.schema_of(index).table == "the_end" {
                reader.stop().expect("stops in order");
                return is_old;
            }
            each(&batch, index);
        }
        reader.confirm(batch.confirms);
    }
}

pub fn records(sql: &str) -> Found {
    let with = |encoding| {
        let options = DebeziumOptions::parse(encoding, &[]).expect("no options");
        Debezium::new(options, Some("app".into()))
    };
    let [plain, full, avro] = [Encoding::Plain, Encoding::Schemas, Encoding::Avro].map(with);
    let mut by_topic: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    let is_old = run(sql, |batch, index| {
        let topic = plain.topic(batch.schema_of(index));
        let [plain, full] = [&plain, &full].map(|debezium| encoded(debezium, batch, index).expect("records"));
        let avro: Vec<Result<Record, EncodeError>> = match encoded(&avro, batch, index) {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(error) => plain.iter().map(|_| Err(error.clone())).collect(),
        };
        let all = plain.into_iter().zip(full).zip(avro);
        by_topic.entry(topic).or_default().extend(all.map(|((plain, full), avro)| Told { plain, full, avro }));
    });
    Found { by_topic, is_old }
}

pub fn encoded(debezium: &Debezium, batch: &Batch, index: usize) -> Result<Vec<Record>, EncodeError> {
    let shown = ShownRow { schema: batch.schema_of(index), row: batch.row(index), edits: None };
    let change = Change {
        shown: &shown,
        mark: &batch.marks[index],
        previous_end: batch.previous_end(index),
        event: None,
        index,
        transaction: None,
        now_ns: 1_795_242_937_171_549_871,
    };
    debezium.records(&change)
}

/// A record and its tombstone as lines of `NAME.txt`, without the topic.
fn lines(record: &Record) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let key = record.key.as_deref().map_or_else(|| "-".to_owned(), text);
    let value = text(&record.value);
    let (before, rest) = value.strip_prefix("{\"before\":").and_then(|v| v.split_once(",\"after\":")).expect("before");
    let (after, rest) = rest
        .split_once(",\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":\"app\",")
        .expect("source");
    let (_, op) = rest.split_once("},\"transaction\":null,\"op\":\"").expect("operation");
    let special = record.headers.iter().filter(|(name, _)| !name.starts_with("__debezium.context."));
    let headers: Vec<String> =
        special.map(|(name, key)| format!("{}={key}", name.replace("__debezium.", ""))).collect();
    let mut all = vec![format!("{key}\t{} {before} {after}\t{}", &op[..1], headers.join(" "))];
    if record.tombstone {
        // What Debezium's own recordings say of a tombstone's headers is only their names.
        all.push(format!("{key}\t-\t{}", headers.join(" ")));
    }
    all.iter().map(|line| cut(&squeezed(line.trim_end()))).collect()
}

fn squeezed(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let run: usize = rest.chars().take_while(|c| *c == first).count();
        if run >= 40 {
            out.push_str(&format!("{first}*{run}"));
        } else {
            out.extend(std::iter::repeat_n(first, run));
        }
        rest = &rest[run * first.len_utf8()..];
    }
    out
}

/// Longer lines are compared by their beginning and their length.
fn cut(line: &str) -> String {
    const KEPT: usize = 300;
    const LEN_MAX: usize = 3_000;
    let len = line.chars().count();
    if len <= LEN_MAX { line.to_owned() } else { format!("{}…{len}", line.chars().take(KEPT).collect::<String>()) }
}

fn recorded(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (topic, rest) = line.split_once('\t').expect("a topic");
        all.entry(topic).or_default().push(rest);
    }
    all
}

fn compare(sql: &str, plain: &str, schemas: &str) {
    let Found { by_topic: found, is_old } = records(sql);
    let is_compared = |(topic, _): &(&str, Vec<&str>)| !(is_old && *topic == TOPIC_OF_15);
    let plain = if is_old { &plain.replace(OCTAL_OF_15.0, OCTAL_OF_15.1) } else { plain };
    let mut wrong = Vec::new();
    for (topic, wanted) in recorded(plain).into_iter().filter(is_compared) {
        let found: Vec<String> = found.get(topic).into_iter().flatten().flat_map(|told| lines(&told.plain)).collect();
        for i in 0..wanted.len().max(found.len()) {
            let (wanted, found) = (wanted.get(i).copied().unwrap_or_default(), found.get(i).map_or("", String::as_str));
            if wanted != found {
                wrong.push(format!("{topic}\n  recorded {wanted}\n  ours     {found}"));
            }
        }
    }
    for (topic, wanted) in recorded(schemas).into_iter().filter(is_compared) {
        let (value, key) = wanted[0].split_once('\t').expect("two schemas");
        let Some(Told { full: record, .. }) = found.get(topic).and_then(|all| all.first()) else {
            panic!("no record in {topic}")
        };
        let text = String::from_utf8_lossy(&record.value);
        if !text.contains(&format!("{value},\"field\":\"after\"}}")) {
            let (_, rest) = text.split_once(",\"field\":\"before\"},").expect("an after");
            wrong.push(format!(
                "{topic}\n  recorded {value}\n  ours     {}",
                rest.split("\"field\":\"after\"").next().unwrap_or(rest)
            ));
        }
        let ours = record.key.as_deref().map_or("-".into(), String::from_utf8_lossy);
        if !ours.starts_with(key) {
            wrong.push(format!("{topic}\n  recorded {key}\n  ours     {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn parcels_are_what_debezium_wrote() {
    compare(
        include_str!("debezium/parcels.sql"),
        include_str!("debezium/parcels.txt"),
        include_str!("debezium/parcels.schemas.txt"),
    );
}

#[test]
fn identities_keys_defaults_and_large_values_are_what_debezium_wrote() {
    compare(
        include_str!("debezium/dml.sql"),
        include_str!("debezium/dml.txt"),
        include_str!("debezium/dml.schemas.txt"),
    );
}

#[test]
fn types_are_what_debezium_wrote() {
    compare(
        include_str!("debezium/types.sql"),
        include_str!("debezium/types.txt"),
        include_str!("debezium/types.schemas.txt"),
    );
}
