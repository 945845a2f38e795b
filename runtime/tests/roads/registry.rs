//! Rows of PostgreSQL as Avro in Kafka, their schemas in a registry: what an operator writes, what a consumer reads, and what becomes of
//! rows while the registry is away and the program is killed.

use crate::house::House;
use anyhow::{Context, Result, bail, ensure};
use apache_avro::Schema;
use apache_avro::types::Value;
use std::collections::BTreeMap;
use xtask::registry::Registry;
use xtask::servers::{Kafka, KafkaOptions, Postgres, PostgresOptions, Record};

const TABLES: &str = "CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10, 2) NOT NULL);
    CREATE TABLE outbox (id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL, payload jsonb)";
const PIPELINE: &str = r#"
sources = ["erp"]
tables = ["public.*"]

[target.events]
kind = "kafka"
brokers = "KAFKA"
registry = { url = "REGISTRY", basic = { user = "gate", password = "hunter2" } }

[[route]]
name = "changes"
to = "events"
tables = ["public.item"]
body = "debezium"
encoding = "avro"

[[route]]
name = "events"
to = "events"
tables = ["public.outbox"]
body = "outbox"
encoding = "avro"
outbox."table.expand.json.payload" = true
outbox."table.fields.additional.placement" = "type:header:eventType"
"#;

/// A part of a record as a consumer reads it, with its fields by name.
fn read(registry: &Registry, bytes: Option<&Vec<u8>>) -> Result<Value> {
    let (head, mut datum) = bytes.context("a tombstone")?.split_at(5);
    ensure!(head[0] == 0, "no magic byte: {head:?}");
    let number = u32::from_be_bytes(head[1..].try_into()?);
    let schema = registry.schema(number).context("a number that the registry does not know")?;
    // This reader takes no default for a decimal.
    let schema = Schema::parse_str(&schema.replace(",\"logicalType\":\"decimal\"", ""))?;
    Ok(apache_avro::from_avro_datum(&schema, &mut datum, None)?)
}

fn field(value: &Value, path: &[&str]) -> Result<Value> {
    let Some((name, rest)) = path.split_first() else { return Ok(value.clone()) };
    match value {
        Value::Union(_, inner) => field(inner, path),
        Value::Record(fields) => {
            let found = fields.iter().find(|(known, _)| known == name).with_context(|| format!("no {name}"))?;
            field(&found.1, rest)
        }
        other => bail!("no {name} in {other:?}"),
    }
}

/// The newest name of each item, by the topic's records.
fn items(registry: &Registry, records: &[Record]) -> Result<BTreeMap<i32, Option<String>>> {
    let mut items = BTreeMap::new();
    for record in records {
        let Value::Int(id) = field(&read(registry, record.key.as_ref())?, &["id"])? else { bail!("no number") };
        if record.value.is_none() {
            continue;
        }
        let value = read(registry, record.value.as_ref())?;
        let name = match field(&value, &["op"])? {
            Value::String(op) if op == "d" => None,
            _ => match field(&value, &["after", "name"])? {
                Value::Union(_, inner) => match *inner {
                    Value::String(name) => Some(name),
                    _ => None,
                },
                _ => None,
            },
        };
        items.insert(id, name);
    }
    Ok(items)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumer_of_avro_reads_every_row_though_the_registry_came_late_and_the_program_was_killed() -> Result<()> {
    const COUNT: i32 = 300;
    let postgres = Postgres::start(PostgresOptions::default()).await?;
    let kafka = Kafka::start(KafkaOptions::default()).await?;
    let mut registry = Registry::start().await?;
    registry.leave().await;
    let sql = postgres.connect().await?;
    sql.batch_execute(TABLES).await?;
    let shared = format!("[source.erp]\nkind = \"postgres\"\nurl = \"{}\"\n", postgres.url());
    let pipeline = PIPELINE.replace("KAFKA", &kafka.brokers()).replace("REGISTRY", &registry.url());
    let mut house = House::new(&shared)?.pipeline("items", &pipeline)?;
    house.start().await?;
    let insert = format!("INSERT INTO item SELECT n, 'item ' || n, n * 1.5 FROM generate_series(1, {COUNT}) n");
    sql.batch_execute(&insert).await?;
    // Everything waits on disk, with its schemas, and the source is free of it.
    let mut parked = 0;
    for _ in 0..600 {
        parked = house.status().await?.lanes.iter().map(|lane| lane.parked).sum();
        if parked >= COUNT as u64 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ensure!(parked >= COUNT as u64, "only {parked} are on disk\n{}", house.log());
    house.kill9();
    // The table changes while nobody looks, and so does its schema.
    sql.batch_execute(
        "ALTER TABLE item ADD COLUMN note text; UPDATE item SET note = 'new', name = 'first' WHERE id = 1",
    )
    .await?;
    sql.batch_execute("DELETE FROM item WHERE id = 2").await?;
    sql.batch_execute(
        "INSERT INTO outbox VALUES ('00000000-0000-0000-0000-000000000001', 'Order', '1', 'OrderCreated', '{\"id\": 1, \"total\": 12.5}')",
    )
    .await?;
    house.start().await?;
    registry.come_back().await?;
    let count = async |topic: &str| kafka.read_all(topic).await.map_or(0, |records| records.len());
    house.until("all changes arrive", async || Ok(count("erp.public.item").await >= COUNT as usize + 3)).await?;
    house.until("the event arrives", async || Ok(count("outbox.event.Order").await == 1)).await?;
    let found = items(&registry, &kafka.read_all("erp.public.item").await?)?;
    ensure!(found.len() == COUNT as usize, "{} items", found.len());
    ensure!(found[&1].as_deref() == Some("first") && found[&2].is_none() && found[&3].as_deref() == Some("item 3"));
    ensure!(registry.versions("erp.public.item-value").len() == 2, "before and after the change of the table");
    let event = kafka.read_all("outbox.event.Order").await?.remove(0);
    ensure!(read(&registry, event.key.as_ref())? == Value::String("1".into()), "{event:?}");
    let total = field(&read(&registry, event.value.as_ref())?, &["total"])?;
    ensure!(total == Value::Union(1, Box::new(Value::Double(12.5))), "{total:?}");
    let header = event.headers.iter().find(|(name, _)| name == "eventType").and_then(|(_, value)| value.clone());
    ensure!(header.as_deref() == Some(b"OrderCreated"), "{header:?}");
    ensure!(registry.authorization().as_deref() == Some("Basic Z2F0ZTpodW50ZXIy"), "who asks");
    ensure!(!house.log().contains("hunter2"), "a secret in the log");
    house.stop().await;
    Ok(())
}
