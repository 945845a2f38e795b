//! Story 3 on a real MySQL: only ids and addresses leave the database's room, every change of theirs is on a topic, and
//! each user who is concerned gets an e-mail.

mod mailbox;

use super::StoryOptions;
use super::picture::duration;
use super::scene::{self, Built, Scene};
use crate::build::workspace;
use crate::servers::{Kafka, KafkaOptions, Mysql, MysqlOptions, Record};
use crate::topic::{self, Event};
use anyhow::{Context, Result, bail, ensure};
use mailbox::{Mail, Mailbox};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::time::{Duration, Instant};

const TOPIC: &str = "cdc.info-user";
/// From the last commit to the last e-mail and the last record.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Between two of a user's changes, so that one can watch.
const PACE: Duration = Duration::from_millis(400);
/// The topic's records that are shown.
const SHOWN: usize = 2;

/// What the captured columns are called.
const CAPTURED: [&str; 3] = ["id", "email_address", "address"];
/// Texts of the other columns: none of them may be found anywhere outside of the database.
const HIDDEN: [&str; 9] = [
    "Ana Sousa",
    "Bruno Reis",
    "Carla Dias",
    "+351 22 111",
    "+351 22 222",
    "+351 22 333",
    "+351 22 999",
    "likes cats",
    "owes nothing",
];

/// What happens to the table, and how many e-mails that is worth.
const CHANGES: [(&str, &str, usize); 9] = [
    (
        "a new user",
        "INSERT INTO users (name, email_address, address, phone, note) \
         VALUES ('Ana Sousa', 'ana@example.org', 'Rua do Almada 12, Porto', '+351 22 111', 'likes cats')",
        0,
    ),
    (
        "two new users in one transaction",
        "INSERT INTO users (name, email_address, address, phone, note) \
         VALUES ('Bruno Reis', 'bruno@example.org', 'Rua Garrett 7, Lisboa', '+351 22 222', 'likes cats'), \
                ('Carla Dias', 'carla@example.org', 'Largo da Sé 3, Faro', '+351 22 333', 'likes cats')",
        0,
    ),
    ("user 1 moves", "UPDATE users SET address = 'Rua das Flores 80, Porto' WHERE id = 1", 1),
    ("user 2 gets another phone", "UPDATE users SET phone = '+351 22 999' WHERE id = 2", 0),
    ("a note about everybody", "UPDATE users SET note = 'owes nothing'", 0),
    ("user 2 writes from elsewhere", "UPDATE users SET email_address = 'b.reis@example.org' WHERE id = 2", 1),
    ("users 1 and 3 move in together", "UPDATE users SET address = 'Rua Direita 1, Braga' WHERE id IN (1, 3)", 2),
    ("nothing new about user 3", "UPDATE users SET address = 'Rua Direita 1, Braga' WHERE id = 3", 0),
    ("user 2 leaves", "DELETE FROM users WHERE id = 2", 0),
];
/// Creates, updates of captured columns, deletes.
const EVENTS: [(&str, usize); 3] = [("c", 3), ("u", 4), ("d", 1)];

/// Everything that runs. Fields are dropped in this order: the process first.
struct House {
    scene: Scene,
    users: Conn,
    mailbox: Mailbox,
    mysql: Mysql,
    kafka: Kafka,
}

/// Runs the demo. An error when an e-mail is missing or too many, when the topic is not what was written, or when anything of
/// the other columns is found outside.
pub async fn run(options: StoryOptions) -> Result<()> {
    let built = scene::build(options.profile(), Some("user-data")).await?;
    let begun = Instant::now();
    let mut house = House::open(built).await?;
    println!(
        "\nuser-data: clients.users of MySQL {} -> user-data.wasm -> topic {TOPIC} of Kafka {}, and e-mails; ready after {}\n",
        house.mysql.version(),
        house.kafka.version(),
        duration(begun.elapsed())
    );
    let mut expected = 0;
    for (title, statement, mails) in CHANGES {
        println!("  {title}");
        house.mailbox.expect();
        house.users.query_drop(statement).await.with_context(|| format!("write: {title}"))?;
        expected += mails;
        house.wait_for_mails(expected).await?;
        tokio::time::sleep(PACE).await;
    }
    let (records, events) = house.wait_for_events().await?;
    let mails = house.mailbox.mails();
    println!("\n{TOPIC}: {}\n", topic::counts(&events));
    print!("{}", topic::shown(&records[..SHOWN.min(records.len())]));
    judge_events(&events)?;
    judge_mails(&mails, &events)?;
    house.scene.host.stop().await;
    let searched = search(&house.scene, &records)?;
    println!(
        "\n{} e-mails for {} changed addresses; none for a phone, a note, or an update that changed nothing.\n\
         Names, phones and notes are in none of {} records, {} e-mails, the log, and {searched} files of state.\n",
        mails.len(),
        events.iter().filter(|event| event.op() == "u").count(),
        records.len(),
        mails.len()
    );
    Ok(())
}

impl House {
    async fn open(built: Built) -> Result<Self> {
        eprintln!("starting MySQL, Kafka, a mailbox and sluicegate ...");
        let of_mysql = MysqlOptions { fsync: true, ..MysqlOptions::default() };
        let (mysql, kafka, mailbox) =
            tokio::try_join!(Mysql::start(of_mysql), Kafka::start(KafkaOptions::default()), Mailbox::open())?;
        let mut users = mysql.connect().await?;
        let table = workspace().join("pipelines/user-data/table.sql");
        let table = std::fs::read_to_string(&table).with_context(|| format!("read {}", table.display()))?;
        for statement in ["CREATE DATABASE clients", "USE clients", &table] {
            users.query_drop(statement).await.context("make the table")?;
        }
        let shared = format!(
            "[source.clients]\nkind = \"mysql\"\nurl = \"{}clients\"\n\n\
             [target.events]\nkind = \"kafka\"\nbrokers = \"{}\"\n\n[target.mail]\nkind = \"http\"\nurl = \"{}\"\n",
            mysql.url(),
            kafka.brokers(),
            mailbox.url()
        );
        let scene = Scene::open(built, "user-data", &shared).await?;
        Ok(Self { scene, users, mailbox, mysql, kafka })
    }

    async fn wait_for_mails(&mut self, expected: usize) -> Result<()> {
        let begun = Instant::now();
        while self.mailbox.mails().len() < expected {
            self.scene.host.check_alive()?;
            if begun.elapsed() > ARRIVAL_LIMIT {
                let (came, log) = (self.mailbox.mails().len(), self.scene.host.last_log_lines());
                bail!("{came} of {expected} e-mails came; sluicegate's log ends:\n{log}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The topic, once the last change is in it.
    async fn wait_for_events(&mut self) -> Result<(Vec<Record>, Vec<Event>)> {
        let begun = Instant::now();
        loop {
            self.scene.host.check_alive()?;
            let records = self.kafka.read_all(TOPIC).await?;
            let events = Event::of_all(&records)?;
            if events.last().is_some_and(|event| event.op() == "-") || begun.elapsed() > ARRIVAL_LIMIT {
                return Ok((records, events));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Every change is in the topic once, and no event has another column than the captured ones.
fn judge_events(events: &[Event]) -> Result<()> {
    for (op, expected) in EVENTS {
        let found = events.iter().filter(|event| event.op() == op).count();
        ensure!(found == expected, "the topic has {found} events with op {op:?} instead of {expected}");
    }
    for change in events.iter().filter_map(|event| event.change.as_ref()) {
        for image in [&change.before, &change.after].into_iter().filter_map(Value::as_object) {
            let strange = image.keys().find(|column| !CAPTURED.contains(&column.as_str()));
            ensure!(strange.is_none(), "the topic has a column that is not captured: {strange:?}");
        }
    }
    Ok(())
}

/// One e-mail per update in the topic, about the same user, with the addresses of its two images.
fn judge_mails(mails: &[Mail], events: &[Event]) -> Result<()> {
    let updates: Vec<&Event> = events.iter().filter(|event| event.op() == "u").collect();
    ensure!(mails.len() == updates.len(), "{} e-mails for {} updates", mails.len(), updates.len());
    for update in updates {
        let Some(change) = &update.change else { continue };
        let says = |image: &Value, mail: &mailbox::Addresses| {
            image["address"] == *mail.address && image["email_address"] == *mail.email_address
        };
        let same = |mail: &&Mail| {
            change.after["id"] == mail.user && says(&change.before, &mail.before) && says(&change.after, &mail.after)
        };
        ensure!(mails.iter().filter(same).count() == 1, "there is not one e-mail about {}", change.after);
    }
    Ok(())
}

/// Looks for the other columns' texts in the topic, in the log and in all files of the state; the mailbox refuses a mail that
/// says more than addresses. Returns how many files of state there were.
fn search(scene: &Scene, records: &[Record]) -> Result<usize> {
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for record in records {
        let headers =
            record.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_deref().unwrap_or(b"")]);
        let parts = [record.key.as_deref().unwrap_or(b""), record.value.as_deref().unwrap_or(b"")];
        places
            .push((format!("record {}", record.offset), parts.into_iter().chain(headers).collect::<Vec<_>>().concat()));
    }
    let traces = scene.traces()?;
    let files = traces.len() - 1;
    places.extend(traces.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
    for (place, bytes) in &places {
        let found = HIDDEN.iter().find(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        ensure!(found.is_none(), "{place} has {found:?}, which stands in a column that is not captured");
    }
    Ok(files)
}
