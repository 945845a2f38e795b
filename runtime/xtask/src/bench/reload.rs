//! How long after a new `.wasm` was renamed into place the first row goes through it, seen by the customer.

use super::{Bench, Figure, median};
use crate::audit::Arrival;
use crate::customers::Manner;
use crate::parcels::{Step, Terms, Writer};
use crate::ring::{Ring, RingOptions};
use crate::servers::PostgresOptions;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SWAPS: u8 = 10;
const GOAL_NEW_MS: f64 = 150.0;
const GOAL_CACHED_MS: f64 = 20.0;
/// Between two changes; the figure is no finer than this.
const PAUSE: Duration = Duration::from_millis(2);
const TAKEOVER_LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let (plain, marking) = (bench.guest("parcels", &[]).await?, bench.guest("parcels", &["v2"]).await?);
    let mut ring = Ring::start(RingOptions {
        binary: bench.binary(),
        guest: Some(&plain),
        postgres: PostgresOptions { fsync: true, ..PostgresOptions::default() },
        manners: [(1, Manner::Instant)].into(),
        terms: &|_| Terms { timeout: Duration::from_secs(5), concurrency: 16 },
        seed: 1,
    })
    .await?;
    let place = tempfile::tempdir().context("make a folder for guests")?;
    let (mut new, mut cached) = (Vec::new(), Vec::new());
    let mut writer = Writer::connect(&ring.postgres, ring.record.clone()).await?;
    let mut parcel = 0;
    let versions: Vec<(PathBuf, bool)> = (0..SWAPS)
        .map(|number| {
            let marks = number % 2 == 0;
            Ok((variant(if marks { &marking } else { &plain }, place.path(), number)?, marks))
        })
        .collect::<Result<_>>()?;
    // The second time round each version has been compiled before.
    for took in [&mut new, &mut cached] {
        for (wasm, marks) in &versions {
            took.push(swap(&mut ring, &mut writer, &mut parcel, wasm, *marks).await?.as_secs_f64() * 1000.0);
        }
    }
    ring.wait_for_all(|_| true, Instant::now() + TAKEOVER_LIMIT).await?;
    let audit = ring.record.audit(|_| true);
    ensure!(audit.is_clean() && audit.doubled == 0, "{SWAPS} swaps were not clean: {audit}");
    ring.stop().await;
    let worst = new.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::at_most("reload", "rename to first row, new code", "ms", median(new), GOAL_NEW_MS),
        Figure::at_most("reload", format!("rename to first row, new code, worst of {SWAPS}"), "ms", worst, GOAL_NEW_MS),
        Figure::at_most("reload", "rename to first row, compiled before", "ms", median(cached), GOAL_CACHED_MS),
    ])
}

/// The same code under another hash: a custom section at the end of the module means nothing to anybody.
fn variant(wasm: &Path, place: &Path, number: u8) -> Result<PathBuf> {
    let mut bytes = std::fs::read(wasm).with_context(|| format!("read {}", wasm.display()))?;
    // Section 0, three bytes: a name of one letter, and the number.
    bytes.extend([0, 3, 1, b'n', number]);
    let path = place.join(format!("{number}.wasm"));
    std::fs::write(&path, bytes).context("write a guest")?;
    Ok(path)
}

async fn swap(ring: &mut Ring, writer: &mut Writer, parcel: &mut i32, wasm: &Path, marks: bool) -> Result<Duration> {
    let from = ring.record.look(<[Arrival]>::len);
    let renamed_at = ring.folder.put_guest(wasm)?;
    while renamed_at.elapsed() < TAKEOVER_LIMIT {
        *parcel += 1;
        writer.write(1, *parcel, Step::Posted).await?;
        tokio::time::sleep(PAUSE).await;
        let through_new =
            |arrivals: &[Arrival]| Some(arrivals[from..].iter().find(|arrival| arrival.marked == marks)?.at);
        if let Some(first) = ring.record.look(through_new) {
            let took = first.saturating_duration_since(renamed_at);
            // Rows of the old code may still be under way; they must not be taken for the next version's.
            ring.wait_for_all(|_| true, Instant::now() + TAKEOVER_LIMIT).await?;
            return Ok(took);
        }
        ring.host.check_alive()?;
    }
    bail!("the new code did not take over; sluicegate's log ends:\n{}", ring.host.last_log_lines())
}
