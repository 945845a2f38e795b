//! Resident memory: at rest, and behind a customer that never answers while changes keep coming.

use super::{Bench, Figure};
use crate::customers::Manner;
use crate::parcels::Terms;
use crate::ring::{Ring, RingOptions};
use crate::servers::PostgresOptions;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

const GOAL_REST_MB: f64 = 100.0;
/// At rest, and the lane's 8 MiB of messages with what surrounds them.
const GOAL_BEHIND_MB: f64 = 160.0;
const REST: Duration = Duration::from_secs(5);
const STREAM: Duration = Duration::from_secs(20);
/// One transaction of the stream: about 2,000 rows.
const ROWS_EACH: i32 = 2_000;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let guest = bench.guest("parcels", &[]).await?;
    let mut ring = Ring::start(RingOptions {
        binary: bench.binary(),
        guest: Some(&guest),
        postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
        manners: [(1, Manner::Instant), (2, Manner::Dead)].into(),
        terms: &|_| Terms { timeout: Duration::from_secs(40), concurrency: 16 },
        seed: 1,
    })
    .await?;
    tokio::time::sleep(REST).await;
    let rest = resident_mb(&ring)?;
    let client = ring.postgres.connect().await?;
    let insert = format!(
        "INSERT INTO package_status (package_id, customer_id, actual_address, next_address, status) \
         SELECT r, 2, repeat('x', 100), repeat('y', 100), 'In Transit' FROM generate_series(1, {ROWS_EACH}) r"
    );
    let mut highest = rest;
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < STREAM {
        client.batch_execute(&insert).await.context("write rows")?;
        rows += ROWS_EACH;
        ring.host.check_alive()?;
        highest = resident_mb(&ring)?.max(highest);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What hangs would only be waited for.
    ring.host.kill9();
    ring.stop().await;
    let behind = format!("highest, {rows} rows for a dead customer");
    Ok(vec![
        Figure::at_most("memory", "at rest", "MB", rest, GOAL_REST_MB),
        Figure::at_most("memory", behind, "MB", highest, GOAL_BEHIND_MB),
    ])
}

fn resident_mb(ring: &Ring) -> Result<f64> {
    let bytes = ring.host.resident_bytes().context("this system has no /proc to read the resident memory from")?;
    Ok(bytes as f64 / 1e6)
}
