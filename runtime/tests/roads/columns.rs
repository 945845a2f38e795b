//! Only the columns that a pipeline asks for reach it, however another pipeline on the same source asks; and an update that
//! touched none of them is no change.

use crate::house::House;
use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use xtask::servers::{Kafka, KafkaOptions, Mysql, MysqlOptions, Record};

const USERS: &str = "CREATE TABLE users (
    id int PRIMARY KEY, name varchar(60), secret varchar(60), home_address varchar(100), mail_address varchar(100), visits int
)";

fn row(record: &Record) -> Result<Value> {
    serde_json::from_slice(record.value.as_deref().context("a tombstone")?).context("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipeline_sees_its_own_columns_and_only_changes_of_them() -> Result<()> {
    let mysql = Mysql::start(MysqlOptions::default()).await?;
    let kafka = Kafka::start(KafkaOptions::default()).await?;
    let mut clients = mysql.connect().await?;
    clients.query_drop("CREATE DATABASE clients").await?;
    clients.query_drop("USE clients").await?;
    clients.query_drop(USERS).await?;
    let shared = format!(
        "[source.clients]\nkind = \"mysql\"\nurl = \"{}clients\"\n\n[target.events]\nkind = \"kafka\"\nbrokers = \"{}\"\n",
        mysql.url(),
        kafka.brokers()
    );
    let narrow = "sources = [\"clients\"]\ntables = [\"/.*users/\"]\ncolumns.include = [\"/.*id/\", \"/.*address/\"]\n\n\
                  [[route]]\nname = \"users\"\nto = \"events\"\ntopic = \"cdc.info-user\"\nbody = \"flat\"\n";
    let wide = "sources = [\"clients\"]\ntables = [\"clients.users\"]\n\n\
                [[route]]\nname = \"all\"\nto = \"events\"\nbody = \"flat\"\n";
    let mut house = House::new(&shared)?.pipeline("narrow", narrow)?.pipeline("wide", wide)?;
    house.start().await?;
    for sql in [
        "INSERT INTO users VALUES (1, 'Ana', 'hush', 'Porto', 'ana@example.com', 0)",
        "UPDATE users SET visits = 1, secret = 'hush hush' WHERE id = 1",
        "UPDATE users SET home_address = 'Lisboa' WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
    ] {
        clients.query_drop(sql).await?;
    }
    let count = async |topic: &str| kafka.read_all(topic).await.map_or(0, |records| records.len());
    house.until("all arrive at the wide topic", async || Ok(count("clients.clients.users").await == 5)).await?;
    house.until("three and a tombstone at the narrow one", async || Ok(count("cdc.info-user").await >= 4)).await?;
    let records = kafka.read_all("cdc.info-user").await?;
    ensure!(records.len() == 4, "{records:?}");
    let columns = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for (record, op) in records.iter().zip(["c", "u", "d"]) {
        let value = row(record)?;
        ensure!(value["__op"] == op, "{value}");
        let own: Vec<String> = columns(&value).into_iter().filter(|name| !name.starts_with("__")).collect();
        ensure!(
            own == ["id", "home_address", "mail_address"] || {
                let mut s = own.clone();
                s.sort();
                s == ["home_address", "id", "mail_address"]
            },
            "{own:?}"
        );
        ensure!(record.key.as_deref() == Some(b"{\"id\":1}"), "{record:?}");
    }
    ensure!(records[3].value.is_none(), "a delete is followed by a tombstone");
    let everything = format!("{records:?}{}", house.log());
    ensure!(!everything.contains("hush") && !everything.contains("Ana"), "a column that was left out was seen");
    let wide = kafka.read_all("clients.clients.users").await?;
    ensure!(row(&wide[1])?["secret"] == "hush hush", "{wide:?}");
    house.stop().await;
    Ok(())
}
