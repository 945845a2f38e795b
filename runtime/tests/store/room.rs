//! A state that has no room, or no permission: what it says, and that it goes on.

use crate::history::{ALL, lane_name};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sluicegate::change::{Content, Message, MessageId, Origin};
use sluicegate::store::{Carried, LaneId, Park, Seq, Settlement, SqliteStore, Store, StoreError};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Set for the process that a test starts to do the work under a limit: the folder of its state.
const CHILD: &str = "SLUICEGATE_TEST_STATE";
/// Blocks of 512 bytes that a file may have, 4 MiB.
const BLOCKS_MAX: u32 = 8_192;
/// `nobody`, on every system that we know.
const NOBODY: u32 = 65_534;

fn park(from: u64) -> Park {
    let message = |n: u64| -> Message {
        let id = MessageId(format!("m{n}").into());
        Content { body: vec![b'x'; 1_024].into(), ..Content::new(id, "k".into(), Origin::default()) }.into()
    };
    let carried = (from..from + 50).map(|n| Carried { message: message(n), attempts: 0, arrived_us: 0 });
    Park { messages: carried.collect(), marks: Vec::new() }
}

/// Parks until nothing goes any more, though the log was moved in between; how many went, and why no more.
async fn fill(store: &SqliteStore, lane: LaneId) -> (u64, StoreError) {
    let (mut parked, mut failures) = (0, 0);
    loop {
        match store.park(lane, park(parked)).await {
            Ok(_) => (parked, failures) = (parked + 50, 0),
            Err(reason) if failures == 5 => return (parked, reason),
            Err(_) => {
                failures += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn settle(store: &SqliteStore, lane: LaneId, over: Vec<Seq>) {
    for _ in 0..40 {
        let settlement = Settlement { over: over.clone(), ..Settlement::default() };
        if store.settle(lane, settlement).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is room, and what was delivered can not be taken away");
}

/// In the process that has the limit.
async fn under_limit(folder: &Path) {
    let store = SqliteStore::open(folder).expect("open");
    let lane = store.lane(&lane_name(0)).expect("a lane").id;
    let (parked, reason) = fill(&store, lane).await;
    assert!(parked > 1_000, "only {parked} were parked");
    assert!(reason.to_string().contains("make room"), "{reason}");
    let waiting = store.load(lane, Seq(0), ALL).await.expect("loaded");
    assert_eq!(waiting.len() as u64, parked, "those that were refused are not there, not one of them");
    // Somebody makes room.
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).expect("a limit may be raised again");
    settle(&store, lane, waiting[..1_000].iter().map(|loaded| loaded.seq).collect()).await;
    store.park(lane, park(parked)).await.expect("there is room again");
}

#[test]
fn state_goes_on_when_a_file_may_grow_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Ok(folder) = std::env::var(CHILD) {
        runtime.block_on(under_limit(Path::new(&folder)));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // The signal that a file is too long would end the process; ignored, the write fails.
    let script = format!("trap '' XFSZ; ulimit -S -f {BLOCKS_MAX} && exec \"$0\" \"$@\"");
    let program = std::env::current_exe().expect("this test's program");
    let child = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .args(["--exact", "room::state_goes_on_when_a_file_may_grow_again", "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}");
    let store = SqliteStore::open(folder.path()).expect("whole");
    let lane = store.lane(&lane_name(0)).expect("a lane");
    assert!(lane.parked > 0);
    runtime.block_on(store.park(lane.id, park(0))).expect("without a limit it goes on");
}

#[test]
fn folder_that_may_not_be_written_is_said() {
    if let Ok(folder) = std::env::var(CHILD) {
        let refused = SqliteStore::open(Path::new(&folder)).err().expect("refused").to_string();
        assert!(refused.contains("make it writable for this user, or set host.state"), "{refused}");
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("state");
    drop(SqliteStore::open(&folder).expect("open"));
    let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
    // The administrator may write everywhere, so somebody else tries, with a program that he can reach.
    let program = place.path().join("program");
    std::fs::copy(std::env::current_exe().expect("this test's program"), &program).expect("copy");
    for path in [place.path(), &program, &folder] {
        allow(path, 0o555);
    }
    for file in std::fs::read_dir(&folder).expect("a folder") {
        allow(&file.expect("an entry").path(), 0o444);
    }
    let mut command = Command::new(&program);
    command.args(["--exact", "room::folder_that_may_not_be_written_is_said", "--nocapture"]).env(CHILD, &folder);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY);
    }
    let child = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    allow(place.path(), 0o755);
    allow(&folder, 0o755);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}
