//! Whether healthy customers notice that others hang, and whether the source does: the same changes and the same answering
//! times, with and without.

use super::behind::{Behind, Worst};
use super::{Bench, Figure};
use crate::audit::{Audit, quantile};
use crate::customers::Manner;
use crate::parcels::{Step, Terms};
use crate::ring::{Ring, RingOptions};
use crate::servers::PostgresOptions;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Customers 1 and 3 beside a customer 2 that hangs; and 900 beside 100 that never answer.
const GOAL_MS: f64 = 10.0;
/// The confirmed position behind the log's end.
const GOAL_BEHIND_S: f64 = 1.0;
const GOAL_BEHIND_MIB: f64 = 16.0;
const SEED: u64 = 11;
const HANGING: Manner = Manner::Between(30_000, 30_000);
/// After the last change; a healthy customer answers within 0.3 s.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

struct Case {
    customers: u32,
    /// These behave badly in the second run.
    bad: std::ops::RangeInclusive<u32>,
    manner: Manner,
    changes: u32,
    pause: Duration,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let guest = bench.guest("parcels", &[]).await?;
    let few = Case { customers: 3, bad: 2..=2, manner: HANGING, changes: 600, pause: Duration::from_millis(25) };
    let many = Case {
        customers: 1000,
        bad: 901..=1000,
        manner: Manner::Dead,
        changes: 6_000,
        pause: Duration::from_millis(2),
    };
    let mut figures = Vec::new();
    let ((without, _), (with, worst)) =
        (play(bench, &guest, &few, false).await?, play(bench, &guest, &few, true).await?);
    for customer in [1, 3] {
        let name = format!("customer {customer}, customer 2 hangs for 30 s");
        figures.extend(compare(&name, &without, &with, |other| other == customer)?);
    }
    figures.extend(source("3 customers, 1 hangs for 30 s", &worst));
    let ((without, _), (with, worst)) =
        (play(bench, &guest, &many, false).await?, play(bench, &guest, &many, true).await?);
    figures.extend(compare("900 customers, 100 never answer", &without, &with, |customer| customer <= 900)?);
    figures.extend(source("1,000 customers, 100 dead", &worst));
    Ok(figures)
}

fn source(name: &str, worst: &Worst) -> [Figure; 3] {
    let case = format!("confirmed behind, {name}");
    let mib = worst.bytes as f64 / 1_048_576.0;
    [
        Figure::at_most("isolation", case.clone(), "s", worst.seconds.max(worst.said_seconds), GOAL_BEHIND_S),
        Figure::at_most("isolation", case, "MiB", mib, GOAL_BEHIND_MIB),
        Figure::shown("isolation", format!("on disk, {name}"), "messages", worst.parked as f64),
    ]
}

fn compare(name: &str, without: &Audit, with: &Audit, belongs: impl Fn(u32) -> bool) -> Result<Vec<Figure>> {
    let (without, with) = (without.latencies(&belongs), with.latencies(&belongs));
    let mut figures = Vec::new();
    for (label, share) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
        let ms = |sorted: &[Duration]| quantile(sorted, share).map(|latency| latency.as_secs_f64() * 1000.0);
        let (Some(before), Some(now)) = (ms(&without), ms(&with)) else { continue };
        let figure = Figure::at_most("isolation", format!("{label}, {name}"), "ms", now, GOAL_MS);
        figures.push(figure.within("none hangs", before, GOAL_MS));
    }
    ensure!(!figures.is_empty(), "no change was delivered to {name}");
    Ok(figures)
}

async fn play(bench: &Bench, guest: &Path, case: &Case, bad: bool) -> Result<(Audit, Worst)> {
    let manner = |customer: u32| if bad && case.bad.contains(&customer) { case.manner } else { Manner::USUAL };
    let manners: BTreeMap<u32, Manner> = (1..=case.customers).map(|customer| (customer, manner(customer))).collect();
    let mut ring = Ring::start(RingOptions {
        binary: bench.binary(),
        guest: Some(guest),
        postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
        manners,
        terms: &|customer| {
            let timeout = Duration::from_secs(if customer == 2 { 40 } else { 2 });
            Terms { timeout, concurrency: 16 }
        },
        seed: SEED,
    })
    .await?;
    let behind = Behind::watch(ring.postgres.connect().await?, ring.host.door().clone());
    let begun = Instant::now();
    for number in 0..case.changes {
        tokio::time::sleep_until((begun + case.pause * number).into()).await;
        let parcel = i32::try_from(number)?;
        ring.writer.write(number % case.customers + 1, parcel, Step::Posted).await?;
    }
    let healthy = |customer: u32| !case.bad.contains(&customer);
    ring.wait_for_all(healthy, Instant::now() + SETTLE_LIMIT).await?;
    let (audit, worst) = (ring.record.audit(healthy), behind.worst().await?);
    ensure!(audit.is_clean(), "the run was not clean: {audit}\n{}", ring.host.last_log_lines());
    // What hangs would only be waited for.
    ring.host.kill9();
    ring.stop().await;
    Ok((audit, worst))
}
