//! The file: its owner, its format, its size, a disk that is full.

use super::tests::{ALL, checkpoint, name, open, park};
use super::*;
use rusqlite::Connection;

#[test]
fn state_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(&folder);
    let second = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(second.contains("another sluicegate holds"), "{second}");
    drop(first);
    open(&folder);
}

#[test]
fn damaged_and_newer_files_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("state.db"), b"this is no database, it is a letter").expect("write");
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("is damaged") && refused.contains("sluicegate salvage"), "{refused}");

    let folder = tempfile::tempdir().expect("a folder");
    let newer = Connection::open(folder.path().join("state.db")).expect("create");
    newer.execute_batch("PRAGMA user_version = 99;").expect("set");
    drop(newer);
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("newer version (format 99"), "{refused}");
}

/// As the version before wrote it.
#[tokio::test]
async fn file_of_format_1_keeps_its_checkpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let older = Connection::open(folder.path().join("state.db")).expect("create");
    let format_1 = "PRAGMA journal_mode=WAL;
        CREATE TABLE checkpoint (source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL,
            written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (source, stream));
        PRAGMA user_version = 1;
        INSERT INTO checkpoint (source, stream, position) VALUES ('erp', 'slot', '0/10'), ('hr', 'binlog', '7 b.1 4');";
    older.execute_batch(format_1).expect("write");
    drop(older);
    let store = open(&folder);
    store.save(checkpoint("0/20")).await.expect("save");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.checkpoint("erp", "slot").expect("read"), Some(checkpoint("0/20")));
    let hr = store.checkpoint("hr", "binlog").expect("read").expect("kept");
    assert_eq!(hr.position, "7 b.1 4");
}

/// With the page limit that SQLite has for it: it says the same as on a full disk.
#[tokio::test]
async fn full_disk_takes_nothing_half_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let limit = |pages: i64| {
        let wish = Wish::new(Outlives::Process, 0);
        store
            .write_now(&wish, move |desk| {
                desk.connection.pragma_update(None, "max_page_count", pages)?;
                Ok(())
            })
            .expect("limited");
    };
    limit(60);
    let many: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut parked = 0;
    let refused = loop {
        // Two in one group: the small one has room still, or has not, but it is never taken for the large one.
        let (large, small) = (store.park(lane, park(&many)), store.park(lane, park(&["small"])));
        let (large, small) = (large.await, small.await);
        parked += if large.is_ok() { 40 } else { 0 } + u64::from(small.is_ok());
        assert!(parked < 10_000, "no limit was met");
        if let Err(refused) = large {
            break refused;
        }
    };
    let said = refused.to_string();
    assert!(
        matches!(refused, StoreError::Full { .. }) && said.contains("full") && said.contains("make room"),
        "{said}"
    );
    assert_eq!(store.lane(&name("a")).expect("a lane").parked, parked);
    assert_eq!(store.load(lane, Seq(0), ALL).await.expect("loaded").len() as u64, parked);
    store.settle(lane, Settlement { over: vec![Seq(1)], ..Settlement::default() }).await.expect("room is made");
    limit(1 << 30);
    store.park(lane, park(&many)).await.expect("there is room again");
    drop(store);
    let store = open(&folder);
    assert_eq!(store.lane(&name("a")).expect("a lane").parked, parked - 1 + 40);
}

/// The first page of a new file can stand in for that of any other.
#[test]
fn tables_lie_in_every_file_where_they_lie_in_a_new_one() {
    let places = |connection: &Connection| {
        let mut select = connection.prepare("SELECT name, rootpage FROM sqlite_schema ORDER BY name").expect("tables");
        let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("tables");
        found.collect::<Result<Vec<(String, i64)>, _>>().expect("tables")
    };
    let file = |folder: &tempfile::TempDir| Connection::open(folder.path().join("state.db")).expect("open");
    let new = tempfile::tempdir().expect("a folder");
    drop(open(&new));
    let older = tempfile::tempdir().expect("a folder");
    let format_1 = "CREATE TABLE checkpoint (source TEXT NOT NULL, stream TEXT NOT NULL, position TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (source, stream)); PRAGMA user_version = 1;";
    file(&older).execute_batch(format_1).expect("write");
    drop(open(&older));
    assert_eq!(places(&file(&new)), places(&file(&older)));
    file(&new).execute_batch("INSERT INTO tally VALUES ('x', 0, 0, 0, 0); VACUUM").expect("vacuumed");
    assert_eq!(places(&file(&new)), places(&file(&older)));
}

#[tokio::test]
async fn file_that_is_mostly_free_is_made_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let many: Vec<String> = (0..2_000).map(|n| format!("m{n}")).collect();
    store.park(lane, park(&many.iter().map(String::as_str).collect::<Vec<_>>())).await.expect("parked");
    store
        .settle(lane, Settlement { over: (1..1_950).map(Seq).collect(), ..Settlement::default() })
        .await
        .expect("settled");
    drop(store);
    let path = folder.path().join("state.db");
    let bytes = || fs::metadata(&path).expect("a file").len();
    let before = bytes();
    for (pages_kept, is_smaller) in [(1_000_000, false), (16, true)] {
        super::open::shrink(&Connection::open(&path).expect("open"), pages_kept).expect("looked at");
        assert_eq!(bytes() < before / 4, is_smaller, "{before} bytes, then {}", bytes());
    }
    let store = open(&folder);
    assert_eq!(store.load(lane, Seq(0), ALL).await.expect("loaded").len(), 51);
    assert_eq!(store.park(lane, park(&["next"])).await.expect("parked"), Seq(2_001));
}
