//! How fast rows leave PostgreSQL: through one filter guest with the messages discarded, beside PostgreSQL's own client and
//! beside a bare reader that pauses as ours does and discards, which is all that the server can give.
//!
//! A reader confirms what it read, so its slot moves. Every run therefore reads a copy of one slot, and the readers take turns,
//! so that all of them see the machine's good and bad moments.

use super::{Bench, Figure, median};
use crate::servers::{Postgres, PostgresOptions};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const ROUNDS: usize = 3;
const GOAL_CLIENT: f64 = 2.0;
const GOAL_BARE: f64 = 0.95;
const READ_LIMIT: Duration = Duration::from_secs(300);
const CLIENT: &str = "pg_recvlogical";
const STAND_IN: &str = "an eager reader";

const TABLE: &str = "
    CREATE TABLE capture (
        id bigint PRIMARY KEY, package_id integer, customer_id integer, status text, actual_address text, next_address text,
        weight_kg numeric(10, 3), price double precision, insured boolean, posted_on date, updated_at timestamptz, note text
    );
    CREATE PUBLICATION capture FOR TABLE capture;";

struct Case {
    name: &'static str,
    transactions: u32,
    rows_each: u32,
}

const CASES: [Case; 2] = [
    Case { name: "postgres tcp, 100-row transactions", transactions: 5_000, rows_each: 100 },
    Case { name: "postgres tcp, 1-row transactions", transactions: 100_000, rows_each: 1 },
];

/// Who reads.
#[derive(Clone, Copy)]
enum Reader<'a> {
    /// One of ours: `ours`, `bare` or `eager`.
    Probe(&'a str),
    /// PostgreSQL's own client, by its path.
    Client(&'a Path),
}

#[derive(Deserialize)]
struct Measured {
    rows: u64,
    seconds: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let wasm = bench.guest("filter", &[]).await?;
    // A server that flushes in the middle of a run would be measured instead of the reader.
    let conf = ["max_wal_size = '8GB'", "checkpoint_timeout = '1h'", "synchronous_commit = off", "autovacuum = off"];
    let conf = conf.map(str::to_owned).to_vec();
    let postgres = Postgres::start(PostgresOptions { version: None, fsync: true, conf }).await?;
    let client = postgres.connect().await?;
    client.batch_execute(TABLE).await.context("create the table")?;
    let official = pg_recvlogical();
    let (reference, reference_is) = match &official {
        Some(path) => (Reader::Client(path), CLIENT),
        None => (Reader::Probe("eager"), STAND_IN),
    };
    let mut figures = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let load = Load::write(&client, case, number).await?;
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (reader, rates) in [Reader::Probe("ours"), reference, Reader::Probe("bare")].into_iter().zip(&mut rates)
            {
                let seconds = read(bench, &postgres, &client, &load, reader, &wasm).await?;
                rates.push(load.rows as f64 / seconds);
            }
        }
        let [ours, official, bare] = rates.map(median);
        let figure = || Figure::at_most("capture", case.name, "rows/s", ours, 0.0);
        figures.push(figure().times(reference_is, official, GOAL_CLIENT));
        figures.push(figure().times("a bare reader, same rhythm", bare, GOAL_BARE));
        client.execute("SELECT pg_drop_replication_slot($1)", &[&load.slot]).await.context("drop the slot")?;
    }
    Ok(figures)
}

/// Rows in the log behind a slot that nobody reads.
struct Load {
    slot: String,
    rows: u64,
    /// The log's end after the last row.
    end: String,
}

impl Load {
    async fn write(client: &Client, case: &Case, number: usize) -> Result<Self> {
        let slot = format!("capture_{number}");
        client
            .execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", &[&slot])
            .await
            .context("create the slot")?;
        let Case { transactions, rows_each, .. } = case;
        let script = format!(
            "DO $$ BEGIN FOR t IN 0..{transactions} - 1 LOOP
                INSERT INTO capture SELECT {number} * 1000000000::bigint + t * {rows_each} + r, r, r % 3 + 1,
                    (ARRAY['Package Posted', 'In Transit', 'Package Delivered'])[r % 3 + 1], 'Rua do Ouro 12, Lisboa',
                    'Avenida da Liberdade 110, Porto', r * 0.125, r * 1.5, r % 2 = 0, date '2026-01-01' + r % 300,
                    now(), 'leave it with the neighbour'
                FROM generate_series(1, {rows_each}) r;
                COMMIT;
            END LOOP; END $$"
        );
        client.batch_execute(&script).await.context("write the rows")?;
        let end = client.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?.get(0);
        // A client that is told to read up to a position waits for something beyond it.
        let beyond = format!("INSERT INTO capture (id) VALUES (-{} - 1)", number);
        client.batch_execute(&beyond).await?;
        client.batch_execute("CHECKPOINT").await.context("flush")?;
        Ok(Self { slot, rows: u64::from(*transactions) * u64::from(*rows_each), end })
    }
}

/// Seconds that one reader needs for the whole load, from a copy of its slot.
async fn read(
    bench: &Bench,
    postgres: &Postgres,
    client: &Client,
    load: &Load,
    reader: Reader<'_>,
    wasm: &Path,
) -> Result<f64> {
    let copy = format!("{}_copy", load.slot);
    let copied = client.execute("SELECT pg_copy_logical_replication_slot($1, $2)", &[&load.slot, &copy]).await;
    copied.context("copy the slot")?;
    let seconds = match reader {
        Reader::Probe(mode) => {
            let (url, rows, wasm) = (postgres.url(), load.rows.to_string(), wasm.to_string_lossy().into_owned());
            let arguments = ["capture", "--url", &url, "--slot", &copy, "--publication", "capture", "--mode", mode];
            let more = ["--rows", &rows, "--wasm", &wasm];
            let arguments: Vec<&str> = arguments.iter().chain(&more).copied().collect();
            let measured: Vec<Measured> = bench.probe(&arguments).await?;
            let Measured { rows, seconds } = measured[0];
            // The row that tells others where to stop may be read along.
            let expected = load.rows..=load.rows + 1;
            ensure!(expected.contains(&rows), "the reader `{mode}` saw {rows} of {} rows", load.rows);
            seconds
        }
        Reader::Client(path) => {
            let unread = Unread { slot: &copy, publication: "capture", rows: load.rows, end: &load.end };
            read_with_client(path, postgres, &unread).await?
        }
    };
    drop_slot(client, &copy).await?;
    Ok(seconds)
}

/// The server notices a moment later than we do that a reader has gone.
async fn drop_slot(client: &Client, slot: &str) -> Result<()> {
    for _ in 0..100 {
        if client.execute("SELECT pg_drop_replication_slot($1)", &[&slot]).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("slot {slot} stays in use")
}

/// Rows behind a slot, for a reader that is not ours.
pub(super) struct Unread<'a> {
    pub(super) slot: &'a str,
    pub(super) publication: &'a str,
    pub(super) rows: u64,
    /// The log's end after the last row; something must lie beyond it.
    pub(super) end: &'a str,
}

/// Seconds that PostgreSQL's own client needs to read and discard them, and what it is called; a bare eager reader stands in where
/// the machine has none.
pub(super) async fn read_bare(bench: &Bench, postgres: &Postgres, unread: &Unread<'_>) -> Result<(f64, &'static str)> {
    if let Some(path) = pg_recvlogical() {
        return Ok((read_with_client(&path, postgres, unread).await?, CLIENT));
    }
    let (url, rows) = (postgres.url(), unread.rows.to_string());
    let arguments = ["capture", "--url", &url, "--slot", unread.slot, "--publication", unread.publication];
    let arguments: Vec<&str> = arguments.into_iter().chain(["--mode", "eager", "--rows", &rows]).collect();
    let measured: Vec<Measured> = bench.probe(&arguments).await?;
    Ok((measured[0].seconds, STAND_IN))
}

async fn read_with_client(path: &Path, postgres: &Postgres, unread: &Unread<'_>) -> Result<f64> {
    let Unread { slot, publication, end, .. } = unread;
    let mut command = tokio::process::Command::new(path);
    command.args([
        "--start",
        "--no-loop",
        "--file",
        "/dev/null",
        "--plugin",
        "pgoutput",
        "--slot",
        slot,
        "--endpos",
        end,
    ]);
    let publication = format!("publication_names={publication}");
    command.args(["--option", "proto_version=1", "--option", &publication, "--dbname", &postgres.url()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let begun = Instant::now();
    let output = tokio::time::timeout(READ_LIMIT, command.output()).await.context("pg_recvlogical took too long")??;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(output.status.success(), "pg_recvlogical failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(seconds)
}

/// The newest one of the machine; servers that were fetched come without.
fn pg_recvlogical() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin/pg_recvlogical")).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path).map(|folder| folder.join("pg_recvlogical")));
    found.retain(|program| program.is_file());
    found.into_iter().max()
}
