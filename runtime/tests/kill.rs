//! `kill -9` at any moment loses nothing: fifty kills of a process under load, checked at the customers, one of whom hangs until
//! the last kill is over, so that what is owed to it lies on disk meanwhile.

use std::path::PathBuf;
use std::time::Duration;
use xtask::kill::{KillOptions, KillReport, run};

const KILLS: u32 = 50;
/// Another seed kills at other moments; a failing one belongs into this file.
const SEED: u64 = 0x5eed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing_and_keep_the_order_of_every_parcel() {
    let place = tempfile::tempdir().expect("a folder for the guest");
    let guest = place.path().join("parcels.wasm");
    xtask::build::guest("parcels", &[], &guest).await.expect("the guest compiles");
    let report = run(KillOptions {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_sluicegate")),
        guest: Some(guest),
        kills: KILLS,
        pause: Duration::from_millis(3),
        life_ms: (5, 1_500),
        seed: SEED,
    })
    .await
    .expect("the run can be made");
    let audit = &report.audit;
    let KillReport { kills, kills_when_ready, parked, .. } = report;
    println!(
        "{kills} kills, {kills_when_ready} of them of a ready process, {parked} messages on disk at the end: {audit}"
    );
    assert!(audit.is_clean(), "{audit}\n{}", report.last_log_lines);
    assert!(audit.changes > 1_000, "only {} changes were written: that is no load", audit.changes);
    assert!(kills_when_ready >= KILLS / 4, "only {kills_when_ready} kills met a running process");
    assert!(parked > 50, "only {parked} messages were on disk for the customer that hung");
}
