//! Folders where nobody tells of changes, such as those that another machine makes on a network disk. A file behind a link is one that
//! every machine has: the system tells of the link's folder only.

use super::*;

/// From the change to the new code. A look every two seconds is what it rests on; the rest is a busy machine.
const SWAP_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn guest_whose_change_nobody_tells_is_swapped_all_the_same() {
    let elsewhere = TempDir::new().expect("a folder");
    let (real, part) = (elsewhere.path().join("real.wasm"), elsewhere.path().join("part"));
    fs::copy(guests::module("parcels"), &real).expect("a copy");
    let next = guests::module_with("parcels", "v2");
    let bench = Bench::new();
    std::os::unix::fs::symlink(&real, bench.path("parcels.wasm")).expect("a link");
    let mut bench = bench.start();
    bench.until_state("parcels.wasm", "running").await;
    let before = bench.judge(&[false]).await.generation;

    // Half of it first, as a slow copy would look: what runs goes on.
    let module = fs::read(&next).expect("the module");
    fs::write(&real, &module[..module.len() / 2]).expect("half of it");
    let half = "not copied completely";
    bench.until("parcels.wasm", half, |s| s.last_error.get().is_some_and(|e| e.contains(half))).await;
    assert_eq!(bench.judge(&[false]).await.generation, before);

    fs::write(&part, &module).expect("a copy");
    fs::rename(&part, &real).expect("a rename");
    let changed = Instant::now();
    bench.until("parcels.wasm", "a reload", |s| s.reloads_total.load(Relaxed) == 1).await;
    let took = changed.elapsed();
    println!("a change that nobody told of took over after {took:?}");
    assert!(took < SWAP_MAX, "it took {took:?}");
    assert_ne!(bench.judge(&[false]).await.generation, before);
}
