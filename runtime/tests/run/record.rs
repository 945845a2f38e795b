//! Rows of the running program become a case that its own guests can be tried with.

use crate::guests;
use crate::house::{ADDRESS, HOST_TOKEN, House, step};
use crate::receiver::{Manner, Receiver};
use std::fs;
use std::process::Stdio;

/// `sluicegate record parcels --running …` on the folder of the house, started; `rows` are written once it listens.
fn recorded(house: &House, arguments: &[&str], rows: &[String]) -> (i32, String) {
    let mut command = house.command();
    command.args(["record", "parcels", "--running"]).args(arguments).arg("--dir").arg(house.path(""));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // Rows that come before the question are not its rows: they are written until it has an answer.
    let sql = house.sql();
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output().expect("it is our child");
        // The test may be over.
        let _ = tell.send(());
        output
    });
    for sql_of_row in rows.iter().cycle() {
        if told.recv_timeout(std::time::Duration::from_millis(100)).is_ok() {
            break;
        }
        sql.run(sql_of_row);
    }
    let output = waiting.join().expect("no panic");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

#[test]
fn rows_of_the_running_program_become_a_case_without_what_is_masked() {
    let customer = Receiver::open(Manner::Says(204));
    let mut house = House::new("recording")
        .host("token = \"${HOST_TOKEN}\"")
        .customer("1", &customer)
        .guest(&guests::module("parcels"))
        .start();
    house.until("it is ready", || house.try_get("/ready", None).is_some_and(|(code, _)| code == 200));
    let rows =
        [step(7, 1, 1), "UPDATE package_status SET status = 'Delivered'".into(), "DELETE FROM package_status".into()];
    let arguments = ["--rows", "7", "--mask", "actual_address", "--mask", "next_address", "--case", "seen"];
    let (code, said) = recorded(&house, &arguments, &rows);
    assert_eq!(code, 0, "{said}\n{}", house.log());
    assert!(said.contains("parcels/cases/seen.toml: 7 rows\n"), "{said}");

    let case = fs::read_to_string(house.path("parcels/cases/seen.toml")).expect("the case");
    assert!(!case.contains(ADDRESS) && case.contains("xxx xxxxxxx 00"), "{case}");
    for words in ["insert = \"public.package_status\"", "update = ", "delete = ", "old = {", "status = \"Delivered\""] {
        assert!(case.contains(words), "{words} is not in {case}");
    }
    assert!(house.log().contains("rows were recorded, as somebody asked"), "{}", house.log());

    // It can be played, and says what comes of it.
    let (code, out, err) = house.verb(&["test", "--bless"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = house.verb(&["test"]);
    assert_eq!(code, 0, "{out}{err}");

    let again = recorded(&house, &arguments, &rows);
    assert!(again.0 == 2 && again.1.contains("seen.toml is there already"), "{}", again.1);
    let slip = recorded(&house, &["--rows", "1", "--mask", "adress", "--case", "slip"], &rows);
    assert!(slip.0 == 2 && slip.1.contains("no column \"adress\" to mask; it has: "), "{}", slip.1);
    assert!(!house.path("parcels/cases/slip.toml").exists(), "nothing is written that was to be masked and was not");
    let none = recorded(&house, &["--table", "public.other", "--wait", "1"], &rows);
    assert!(none.0 == 1 && none.1.contains("no row of public.other came within 1 s"), "{}", none.1);
    assert_eq!(house.stop(), 0);
    let gone = recorded(&house, &["--case", "gone"], &rows);
    assert!(gone.0 == 1 && gone.1.contains("is `sluicegate run"), "{}", gone.1);
}

#[test]
fn rows_are_recorded_without_a_token_only_by_a_process_that_shows_rows() {
    let closed = || {
        House::at("recording_shown", crate::house::free_port(), "nowhere").customer_at("1", "http://127.0.0.1:9/", "")
    };
    let ask = |house: &House| {
        let question = r#"{"pipeline":"parcels","rows":1,"seconds":1}"#;
        house.post("/record", "content-type: application/json\r\n", question)
    };
    let hidden = closed().start();
    hidden.until("it answers", || hidden.try_get("/live", None).is_some());
    hidden.until("it refuses", || ask(&hidden).0 == 403);
    assert!(ask(&hidden).1.contains("set one, or start it with --show-rows"), "{:?}", ask(&hidden));
    let shown = closed().argument("--show-rows").start();
    shown.until("it answers", || shown.try_get("/live", None).is_some());
    shown.until("it records", || ask(&shown) == (200, "[]".into()));
}

#[test]
fn rows_are_recorded_only_for_those_who_may_and_by_no_page_in_a_browser() {
    let house = House::at("recording_door", crate::house::free_port(), "nowhere")
        .host("token = \"${HOST_TOKEN}\"")
        .customer_at("1", "http://127.0.0.1:9/", "")
        .start();
    house.until("it answers", || house.try_get("/live", None).is_some());
    let asked = |headers: &str, body: &str| house.post("/record", headers, body);
    let bearer = format!("authorization: Bearer {HOST_TOKEN}\r\n");
    let json = "content-type: application/json\r\n";
    let question = r#"{"pipeline":"parcels","rows":1,"seconds":1}"#;
    assert_eq!(asked(json, question).0, 401);
    assert_eq!(asked(&bearer, question).0, 403, "a form could send it");
    // It answers before it has read its plan to the end.
    house.until("its pipeline runs", || asked(&format!("{bearer}{json}"), question) == (200, "[]".into()));
    for (question, code, words) in [
        (r#"{"pipeline":"parcel","rows":1,"seconds":1}"#, 404, "there are: parcels"),
        (r#"{"pipeline":"parcels","rows":1001,"seconds":1}"#, 400, "`rows` is 1001; it is 1 to 1000"),
        (r#"{"pipeline":"parcels","rows":1,"seconds":0}"#, 400, "`seconds` is 0; it is 1 to 600"),
        (r#"{"pipeline":"parcels","row":1}"#, 400, "unknown field `row`"),
    ] {
        let (found, body) = asked(&format!("{bearer}{json}"), question);
        assert!(found == code && body.contains(words), "{found}: {body}");
    }
}
