//! Dead letters: set aside, found, superseded, sent again.

use super::tests::{ALL, ids, letter, message, name, open, park, schema};
use super::*;
use crate::change::RowMark;
use crate::store::{Buried, DeadRow, KeyHash, Revive, Revived};
use bytes::Bytes;
use std::sync::Arc;

#[tokio::test]
async fn dead_letters_are_found_told_apart_and_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    store.park(lane, park(&["a1", "a2"])).await.expect("parked");
    let dead = vec![letter(message("a1", "k", 1), "a")];
    store.settle(lane, Settlement { over: vec![Seq(1)], dead, ..Settlement::default() }).await.expect("settled");
    let row = DeadRow {
        id: "erp-1-2.3".into(),
        schema: schema("item"),
        mark: RowMark { commit: u64::MAX, change: 2, sub: 3, transaction: 4 },
        frame: Bytes::from_static(b"\x00frame"),
        json: Bytes::from_static(b"{\"id\":1}"),
    };
    let of_row = DeadLetter {
        buried: Buried::Row(Arc::new(row.clone())),
        target: "".into(),
        member: "".into(),
        died_us: 60,
        backtrace: Some("at line 1".into()),
        ..letter(message("x", "", 1), "")
    };
    store.bury(vec![of_row]).await.expect("buried");
    drop(store);
    let store = open(&folder);
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(
        all.iter().map(|d| (d.id.0, &*d.name, d.is_row)).collect::<Vec<_>>(),
        [(2, "erp-1-2.3", true), (1, "a1", false)]
    );
    assert_eq!((all[1].table.as_str(), all[1].attempts, all[1].generation.as_deref()), ("shop.item", 4, Some("ab12")));
    let only = |filter: DeadFilter| async { store.dead(filter).await.expect("dead").len() };
    assert_eq!(only(DeadFilter { target: Some("shops".into()), ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { table: Some("shop.item".into()), ..DeadFilter::default() }).await, 2);
    assert_eq!(only(DeadFilter { since_us: Some(7), ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { reason: Some("answered 4".into()), limit: 1, ..DeadFilter::default() }).await, 1);
    assert_eq!(only(DeadFilter { before: Some(DeadId(1)), ..DeadFilter::default() }).await, 0);

    let whole = store.dead_letter(DeadId(2)).await.expect("read").expect("there");
    let Buried::Row(back) = &whole.buried else { panic!("a row") };
    assert_eq!((&back.id, &back.mark, &back.frame, &back.json), (&row.id, &row.mark, &row.frame, &row.json));
    assert_eq!(back.schema, row.schema);
    assert_eq!(whole.backtrace.as_deref(), Some("at line 1"));
    assert!(store.dead_letter(DeadId(3)).await.expect("read").is_none());
    assert_eq!(store.lane(&name("a")).expect("a lane").dead, 1);
    assert_eq!(store.drop_dead(vec![DeadId(2), DeadId(2), DeadId(9)]).await.expect("dropped"), 1);
}

#[tokio::test]
async fn what_dies_again_replaces_itself_under_a_new_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    for attempts in [1, 2] {
        let letter = DeadLetter { attempts, ..letter(message("a1", "k", 1), "a") };
        store.bury(vec![letter]).await.expect("buried");
    }
    store.bury(vec![letter(message("a1", "k", 1), "b")]).await.expect("another lane's");
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(all.iter().map(|d| (d.id.0, d.attempts)).collect::<Vec<_>>(), [(3, 4), (2, 2)]);
    // Somebody had it sent again, and drops what they sent.
    assert_eq!(store.drop_dead(vec![DeadId(1)]).await.expect("nothing to drop"), 0);
    drop(store);
    open(&folder);
}

fn revive(id: i64) -> Revive {
    Revive { id: DeadId(id), superseded: false }
}

#[tokio::test]
async fn only_older_letters_of_the_same_key_and_lane_are_superseded() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    let dead = [("old", "k", 5, "a"), ("new", "k", 9, "a"), ("other key", "l", 5, "a"), ("other lane", "k", 5, "b")];
    let dead = dead.map(|(id, key, commit, member)| letter(message(id, key, commit), member));
    store.bury(dead.to_vec()).await.expect("buried");
    let keys = store.lane(&name("a")).expect("a lane").dead_keys;
    let newest = |id, key, commit| {
        let message = message(id, key, commit);
        (KeyHash::of(&message), message.origin.place())
    };
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&newest("new", "k", 9)) && keys.contains(&newest("other key", "l", 5)), "{keys:?}");
    let superseded = vec![message("delivered", "k", 7)];
    store.settle(lane, Settlement { superseded, ..Settlement::default() }).await.expect("settled");
    drop(store);
    let store = open(&folder);
    let all = store.dead(DeadFilter::default()).await.expect("dead");
    let marked: Vec<&str> = all.iter().filter(|d| d.is_superseded).map(|d| &*d.name).collect();
    assert_eq!(marked, ["old"]);
    assert!(store.dead_letter(DeadId(1)).await.expect("whole still").is_some());
    assert_eq!(store.revive(revive(1)).await.expect("asked"), Revived::Superseded);
    assert_eq!(store.lane(&name("a")).expect("a lane").dead_keys.len(), 2, "one of its key is not superseded");
    let forced = store.revive(Revive { superseded: true, ..revive(1) }).await.expect("revived");
    assert!(matches!(forced, Revived::Waits { .. }), "{forced:?}");
}

#[tokio::test]
async fn revived_message_waits_behind_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let lane = store.lane(&name("a")).expect("a lane").id;
    store.bury(vec![letter(message("dead", "k", 1), "a"), letter(message("gone", "k", 1), "z")]).await.expect("buried");
    store.park(lane, park(&["a1"])).await.expect("parked");
    assert_eq!(store.revive(revive(1)).await.expect("revived"), Revived::Waits { lane, seq: Seq(2) });
    assert_eq!(store.revive(revive(1)).await.expect("asked"), Revived::Gone);
    let loaded = store.load(lane, Seq(0), ALL).await.expect("loaded");
    assert_eq!(ids(&loaded), ["a1", "dead"]);
    assert_eq!(loaded[1].carried.attempts, 0);
    let Revived::Waits { lane: made, .. } = store.revive(revive(2)).await.expect("revived") else {
        panic!("it is a message")
    };
    assert_ne!(made, lane, "its lane is made if it is not there");
    drop(store);
    assert_eq!(open(&folder).lanes().expect("lanes").len(), 2);
}

#[tokio::test]
async fn cleared_lane_is_dead_or_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder);
    let [a, b] = ["a", "b"].map(|member| store.lane(&name(member)).expect("a lane").id);
    let many: Vec<String> = (0..1_200).map(|n| format!("a{n}")).collect();
    store.park(a, park(&many.iter().map(String::as_str).collect::<Vec<_>>())).await.expect("parked");
    store.park(b, park(&["b1", "b2"])).await.expect("parked");
    assert_eq!(store.clear_lane(a, Some("the member is gone".into())).await.expect("cleared"), 1_200);
    assert_eq!(store.clear_lane(b, None).await.expect("cleared"), 2);
    drop(store);
    let store = open(&folder);
    let lanes = store.lanes().expect("lanes");
    assert!(lanes.iter().all(|(_, lane)| (lane.parked, lane.parked_bytes) == (0, 0)), "{lanes:?}");
    let dead = store.dead(DeadFilter::default()).await.expect("dead");
    assert_eq!(dead.len(), 1_200);
    assert_eq!((dead[0].name.as_str(), dead[0].table.as_str()), ("a1199", "shop.item"));
}
