//! Guests of the world `json`: the same limits and the same blame, and an answer that can not be read costs the row that it is about.

use super::*;

/// The hostile guest that answers this about a batch with a poisoned row.
fn answers(answer: &str) -> Bench {
    let bench = Bench::new().with("answer", answer);
    bench.drop_in("hostile.wasm", &guests::module("hostile-json"));
    bench
}

#[tokio::test]
async fn every_answer_of_a_guest_in_json_costs_only_its_own_row() {
    for (answer, code, words) in [
        (r#"["pass"]"#, "pass", ""),
        (r#"["drop"]"#, "drop", ""),
        (r#"[{"set":{"status":"x"}}]"#, "edit", ""),
        (r#"[{"emit":[{"route":"customer","body":{"id":1}}]}]"#, "emit", ""),
        (r#"[{"emit":[{"route":"nowhere"}]}]"#, "route", "\"nowhere\""),
        (r#"[{"reject":{"code":"no-owner","message":"nobody"}}]"#, "no-owner", "nobody"),
        (r#"["pas"]"#, "garbage", "`pas` is no verdict"),
        (r#"["pass","pass"]"#, "garbage", "2 verdicts for 1 rows"),
        ("no json", "garbage", "it is not JSON (line 1, column"),
        (r#"[{"set":{"customer_id":"seven"}}]"#, "garbage", "column `customer_id` takes a whole number"),
        ("!fail", "failure", "can not judge such rows"),
        ("!panic", "trap", "panics on a poisoned row"),
        ("!huge", "output", "4194304"),
        ("!memory", "memory", "67108864"),
    ] {
        let (judged, bench) = blame(answer, answers(answer)).await;
        assert_only_the_guilty(answer, &judged, code);
        if !words.is_empty() {
            let reason = &rejection(&judged, 17).message;
            assert!(reason.contains(words), "{answer}: {reason}");
        }
        let rejected = if words.is_empty() { 0 } else { 2 };
        assert_eq!(bench.stats("hostile.wasm").rejected_total.load(Relaxed), rejected, "{answer}");
    }
}

#[tokio::test]
async fn endless_loop_of_a_guest_in_json_ends_at_the_limit_of_its_row() {
    let limits = Limits { row: Duration::from_millis(30), batch: Duration::from_millis(200), ..Limits::default() };
    let (judged, _bench) = blame("!loop", answers("!loop").limited(limits)).await;
    assert_only_the_guilty("!loop", &judged, "deadline");
}

#[tokio::test]
async fn rows_reach_a_guest_in_json_with_their_names() {
    let mut bench = answers("!echo").start();
    let judged = bench.judge(&[true]).await;
    let rows: serde_json::Value = serde_json::from_str(&rejection(&judged, 0).message).expect("rows are JSON");
    assert_eq!(
        rows,
        serde_json::json!([{ "op": "insert", "source": "erp", "table": "public.package_status", "position": 0,
            "committed_at": "2000-01-01T00:00:00Z",
            "row": { "package_id": 0, "poison": true, "customer_id": 1, "status": "In Transit" } }])
    );
}

#[tokio::test]
async fn guests_of_both_worlds_take_over_from_each_other() {
    let bench = Bench::new();
    bench.drop_in("a.wasm", &guests::module("parcels"));
    let mut bench = bench.start();
    bench.until_state("a.wasm", "running").await;
    assert_eq!(letters(&bench.judge(&[false; 2]).await), ["emit"; 2]);
    for (module, letter) in [("hostile-json", "pass"), ("parcels", "emit")] {
        let reloads = bench.stats("a.wasm").reloads_total.load(Relaxed);
        bench.drop_in("a.wasm", &guests::module(module));
        bench.until("a.wasm", "a reload", |s| s.reloads_total.load(Relaxed) > reloads).await;
        assert_eq!(letters(&bench.judge(&[false; 2]).await), [letter; 2]);
    }
}

#[test]
fn inspected_guest_in_json_tells_its_world_and_a_slip_in_its_manifest_is_named() {
    let state = TempDir::new().expect("a folder");
    for _cold_then_cached in 0..2 {
        let seen = look(&guests::module("hostile-json"), state.path()).expect("a good guest");
        assert_eq!((seen.world, seen.name.as_str()), (World::Json, "hostile-json"));
        assert!(seen.subscriptions[0].old);
    }
    let refused = look(&guests::module_with("hostile-json", "slip"), state.path()).expect_err("a slip").to_string();
    assert!(refused.contains("it fails in describe") && refused.contains("unknown field `subscription`"), "{refused}");
}
