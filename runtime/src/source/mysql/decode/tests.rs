//! Events in, batches out; the server is played by these tests, in the words of a real one.

use super::log_tests::{decoder, events};
use super::*;
use crate::change::{Batch, Cell, Op, Position};
use crate::fault::Fault;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;

pub(super) const FEATURES: &[u8] = include_bytes!("../vectors/features.mysql.binlog");
pub(super) const FEATURES_CATALOG: &str = include_str!("../vectors/features.mysql.catalog");
pub(super) const MARIADB: &[u8] = include_bytes!("../vectors/features.mariadb.binlog");
pub(super) const MARIADB_CATALOG: &str = include_str!("../vectors/features.mariadb.catalog");

pub(super) fn raw(kind: u8, body: &[u8]) -> RawEvent<'_> {
    RawEvent { timestamp: 946_684_801, kind, server_id: 7, len: 19 + body.len() as u32, end: 0, flags: 0, body }
}

pub(super) fn gtid(number: u64) -> Vec<u8> {
    [&[0u8][..], &[9; 16], &number.to_le_bytes()].concat()
}

pub(super) fn query(sql: &str) -> Vec<u8> {
    [&[5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0][..], b"shop\0", sql.as_bytes()].concat()
}

/// `shop.TABLE (id int primary key, v varchar(20))`, named and with its key.
pub(super) fn table_map(id: u8, table: &str) -> Vec<u8> {
    let names = [&[4, 5, 2][..], b"id", &[1], b"v"].concat();
    let head = [&[id, 0, 0, 0, 0, 0, 1, 0, 4][..], b"shop\0", &[table.len() as u8], table.as_bytes(), &[0]].concat();
    [&head[..], &[2, 3, 15, 2, 20, 0, 0b10], &[1, 1, 0], &[2, 1, 45], &names, &[8, 1, 0]].concat()
}

fn image(id: u8, v: &str) -> Vec<u8> {
    [&[0, id, 0, 0, 0, v.len() as u8][..], v.as_bytes()].concat()
}

pub(super) fn inserts(table: u8, ids: std::ops::Range<u8>) -> Vec<u8> {
    let rows: Vec<u8> = ids.flat_map(|id| image(id, "x")).collect();
    [&[table, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0b11][..], &rows].concat()
}

/// Takes events one by one; each must be good.
pub(super) fn feed(decoder: &mut Decoder, events: &[(u8, Vec<u8>)]) -> Step {
    let mut step = Step::Quiet;
    for (kind, body) in events {
        step = decoder.event(&raw(*kind, body)).unwrap_or_else(|error| panic!("{error}"));
    }
    step
}

pub(super) fn begun(number: u64) -> Vec<(u8, Vec<u8>)> {
    vec![(kind::GTID, gtid(number)), (kind::QUERY, query("BEGIN")), (kind::TABLE_MAP, table_map(1, "t"))]
}

pub(super) fn ids(batch: &Batch) -> Vec<i64> {
    let id = |index| match batch.row(index).new_cell(0) {
        Ok(Cell::Int(id)) => id,
        other => panic!("{other:?}"),
    };
    (0..batch.len()).map(id).collect()
}

pub(super) fn mysql() -> Decoder {
    decoder("", DatabaseKind::Mysql)
}

#[test]
fn transaction_becomes_rows_with_marks_and_a_position_to_confirm() {
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    assert_eq!(feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..3))]), Step::Rows);
    assert!(decoder.in_transaction() && !decoder.is_empty());
    assert_eq!(feed(&mut decoder, &[(kind::XID, vec![0; 8])]), Step::Committed);
    let batch = decoder.take(Instant::now());
    let confirms = batch.confirms.as_ref().expect("its end");
    assert!(confirms.to_string().starts_with("1 binlog.000001 "), "{confirms}");
    assert!(confirms.to_string().ends_with("09090909-0909-0909-0909-090909090909:1"), "{confirms}");
    assert_eq!(batch.marks[1], RowMark { commit: 1, change: 2, sub: 0, transaction: 0 });
    assert_eq!((batch.row(1).head.position, batch.row(1).head.committed_at), (1, 1_000_000));
    assert_eq!(batch.row(1).new_cell(1), Ok(Cell::Text("x")));
    assert_eq!(
        (batch.schema_of(0).full_name().as_str(), batch.schema_of(0).key().collect::<Vec<_>>()),
        ("shop.t", vec![0])
    );
    let event = batch.event_of(1).expect("its event");
    assert_eq!(
        (event.thread, event.server_id, event.gtid.to_string().as_str()),
        (5, 7, "09090909-0909-0909-0909-090909090909:1")
    );
    assert_eq!(decoder.take(Instant::now()).confirms, None, "it is confirmed once");
}

#[test]
fn rows_of_tables_that_nobody_asked_for_count_but_do_not_come() {
    let mut decoder = mysql();
    decoder.rules.tables = Arc::new(|name| name == "shop.t");
    feed(&mut decoder, &begun(1));
    feed(&mut decoder, &[(kind::TABLE_MAP, table_map(2, "other")), (kind::WRITE_ROWS, inserts(2, 1..6))]);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    assert_eq!((batch.len(), batch.marks[0].change), (1, 6));
    feed(&mut decoder, &[(kind::GTID, gtid(2)), (kind::QUERY, query("CREATE TABLE x (a int)"))]);
    assert!(decoder.is_empty() && decoder.position().ordinal == 2, "a definition moves the position");
}

#[test]
fn large_transaction_is_cut_and_confirmed_at_its_end() {
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    let mut events = 0;
    while !decoder.is_full() {
        feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 0..200))]);
        events += 1;
    }
    assert_eq!(events, 6, "1,024 rows and no more than the event that has them");
    assert_eq!(decoder.take(Instant::now()).confirms, None);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 0..1)), (kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    assert_eq!((batch.marks[0].change, batch.confirms.map(|c| c.ordinal())), (1201, Some(1)));
}

#[test]
fn transaction_that_comes_again_leaves_out_what_was_taken() {
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..3))]);
    assert_eq!(ids(&decoder.take(Instant::now())), [1, 2]);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 3..4))]);
    for _ in 0..2 {
        let from = decoder.position();
        decoder.restart(&from);
        assert!(decoder.is_empty(), "the open transaction comes again");
        feed(&mut decoder, &begun(1));
        feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..4))]);
    }
    feed(&mut decoder, &[(kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    assert_eq!((ids(&batch), batch.marks[0].change, batch.events[0].skipped_rows), (vec![3], 3, 2));
}

#[test]
fn complete_rows_that_wait_outlive_a_restart() {
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 2..3))]);
    let from = decoder.position();
    decoder.restart(&from);
    let batch = decoder.take(Instant::now());
    assert_eq!((ids(&batch), batch.confirms), (vec![1], Some(Position::Binlog(from))));
    // An earlier beginning brings them again, and only once.
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 2..3)), (kind::XID, vec![0; 8])]);
    decoder.restart(&"0 binlog.000001 4".parse().expect("a position"));
    assert!(decoder.is_empty());
}

#[test]
fn prepared_transaction_waits_for_its_outcome_and_holds_the_position() {
    let mut decoder = mysql();
    let prepare = |number, id| {
        let branch = [&[0][..], &1u32.to_le_bytes(), &1u32.to_le_bytes(), &0u32.to_le_bytes(), b"a"].concat();
        vec![
            (kind::GTID, gtid(number)),
            (kind::QUERY, query("XA START X'61',X'',1")),
            (kind::TABLE_MAP, table_map(1, "t")),
            (kind::WRITE_ROWS, inserts(1, id..id + 2)),
            (kind::QUERY, query("XA END X'61',X'',1")),
            (kind::XA_PREPARE, branch),
        ]
    };
    assert_eq!(feed(&mut decoder, &prepare(1, 1)), Step::Committed);
    assert!(decoder.is_empty() && decoder.position().ordinal == 0);
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 9..10)), (kind::XID, vec![0; 8])]);
    let batch = decoder.take(Instant::now());
    assert_eq!((ids(&batch), batch.confirms), (vec![9], None));
    feed(&mut decoder, &[(kind::GTID, gtid(3)), (kind::QUERY, query("XA COMMIT X'61',X'',1"))]);
    let batch = decoder.take(Instant::now());
    assert_eq!((ids(&batch), batch.marks[0].commit, batch.confirms.map(|c| c.ordinal())), (vec![1, 2], 3, Some(3)));
    feed(&mut decoder, &prepare(4, 1));
    feed(&mut decoder, &[(kind::GTID, gtid(5)), (kind::QUERY, query("XA ROLLBACK X'61',X'',1"))]);
    assert!(decoder.is_empty() && decoder.position().ordinal == 5);
}

#[test]
fn what_the_server_undid_is_taken_back() {
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::QUERY, query("ROLLBACK"))]);
    assert!(decoder.is_empty() && decoder.position().ordinal == 1);
    // A server that died wrote no end: its next file begins without one.
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2))]);
    let rotate = [&4u64.to_le_bytes()[..], b"binlog.000002"].concat();
    feed(&mut decoder, &[(kind::ROTATE, rotate)]);
    assert!(decoder.is_empty() && !decoder.in_transaction());
    assert_eq!(&*decoder.position().file, "binlog.000002");
}

#[test]
fn positions_without_gtids_count_files_and_bytes() {
    let mut decoder = mysql();
    let mut body = gtid(0);
    body[0] = 1;
    let mut event = raw(kind::ANONYMOUS_GTID, &body);
    event.end = 200;
    decoder.event(&event).expect("a beginning");
    feed(&mut decoder, &[(kind::QUERY, query("BEGIN")), (kind::TABLE_MAP, table_map(1, "t"))]);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2))]);
    let mut end = raw(kind::XID, &[0; 8]);
    end.end = 500;
    decoder.event(&end).expect("an end");
    let batch = decoder.take(Instant::now());
    assert_eq!(batch.marks[0].commit, 1 << 40 | (200 - 19 - 25));
    assert_eq!(batch.confirms.expect("its end").to_string(), format!("{} binlog.000001 500", 1u64 << 40 | 500));
}

#[test]
fn schema_gets_a_new_version_only_when_a_column_changed() {
    let mut decoder = mysql();
    for number in 1..4 {
        let id = if number == 2 { 8 } else { 1 };
        feed(&mut decoder, &[(kind::GTID, gtid(number)), (kind::QUERY, query("BEGIN"))]);
        let mut map = table_map(id, "t");
        if number == 3 {
            let at = map.len() - 4;
            map[at] = b'w';
        }
        feed(&mut decoder, &[(kind::TABLE_MAP, map), (kind::WRITE_ROWS, inserts(id, 1..2)), (kind::XID, vec![0; 8])]);
    }
    let batch = decoder.take(Instant::now());
    assert_eq!(batch.frame.rows.iter().map(|row| row.schema).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(batch.schema_of(2).columns[1].name, "w");
}

#[test]
fn what_must_not_be_read_on_from_is_refused_with_a_way_out() {
    let refusal = |events: &[(u8, Vec<u8>)]| {
        let mut decoder = mysql();
        let (last, before) = events.split_last().expect("events");
        feed(&mut decoder, before);
        let error = decoder.event(&raw(last.0, &last.1)).expect_err("it must be refused");
        assert_eq!(error.fault, Fault::Fatal);
        error.message
    };
    let statement = |sql| vec![(kind::GTID, gtid(1)), (kind::QUERY, query("BEGIN")), (kind::QUERY, query(sql))];
    for (events, words) in [
        (statement("INSERT INTO t VALUES (1)"), "binlog_format = ROW"),
        (vec![(kind::INCIDENT, vec![1, 0, 4, b'l', b'o', b's', b't'])], "changes are missing from its log here (lost)"),
        (vec![(99, vec![])], "take a newer sluicegate"),
        (vec![(kind::WRITE_ROWS, inserts(1, 1..2))], "no TABLE_MAP announced"),
        (vec![(kind::GTID, gtid(1)), (kind::QUERY, query("FLUSH LOGS")), (kind::ANONYMOUS_GTID, gtid(0))], "gtid_mode"),
        (
            [begun(1), vec![(kind::WRITE_ROWS, vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 3, 0, 1])]].concat(),
            "a row of shop.t ends inside of column id",
        ),
    ] {
        let message = refusal(&events);
        assert!(message.contains(words) && message.starts_with("binlog.000001:"), "{message}");
    }
}

#[test]
fn statements_on_other_tables_are_let_pass() {
    let mut decoder = mysql();
    decoder.rules.tables = Arc::new(|name| name == "shop.t");
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("BEGIN"))]);
    feed(&mut decoder, &[(kind::QUERY, query("REPLACE INTO percona.checksums SELECT 1"))]);
}

#[test]
fn emptied_table_is_a_row_without_images() {
    let mut decoder = decoder("shop.t\tid\tint\tint\tNO\t-\t\t1\n", DatabaseKind::Mysql);
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("TRUNCATE TABLE `t`"))]);
    let batch = decoder.take(Instant::now());
    let row = batch.row(0);
    assert_eq!((row.head.op, row.new_len(), row.old_len()), (Op::Truncate, 0, 0));
    assert_eq!((batch.schema_of(0).columns[0].name.as_str(), batch.marks[0].change), ("id", 1));
}

#[test]
fn table_that_the_log_does_not_name_takes_its_columns_from_the_catalog() {
    let catalog = "shop.t\tid\tint\tint unsigned\tNO\t-\t\t1\nshop.t\tv\tvarchar\tvarchar(20)\tYES\t=x\tlatin1\t0\n";
    let unnamed = |columns: &[u8]| {
        [&[1, 0, 0, 0, 0, 0, 1, 0, 4][..], b"shop\0\x01t\0", &[columns.len() as u8], columns, &[2, 20, 0, 0b10]]
            .concat()
    };
    let mut decoder = decoder(catalog, DatabaseKind::Mysql);
    feed(&mut decoder, &[(kind::GTID, gtid(1)), (kind::QUERY, query("BEGIN")), (kind::TABLE_MAP, unnamed(&[3, 15]))]);
    let row = [&[1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0b11, 0, 255, 255, 255, 255, 1][..], &[0xe9]].concat();
    feed(&mut decoder, &[(kind::WRITE_ROWS, row)]);
    let batch = decoder.take(Instant::now());
    assert_eq!(
        (batch.row(0).new_cell(0), batch.row(0).new_cell(1)),
        (Ok(Cell::UInt(u32::MAX.into())), Ok(Cell::Text("é")))
    );
    let column = &batch.schema_of(0).columns[1];
    assert_eq!(
        (column.type_name.as_str(), &column.detail.modifiers[..], column.detail.default.as_deref()),
        ("varchar", &[20][..], Some("x"))
    );
    let error = decoder.event(&raw(kind::TABLE_MAP, &unnamed(&[3, 15, 3]))).expect_err("a column too many");
    assert!(error.message.contains("binlog_row_metadata = FULL"), "{error}");
}

/// Decodes what it can and reads every cell of it.
fn survives(decoder: &mut Decoder, kind: u8, body: &[u8]) {
    let _ = decoder.event(&raw(kind, body));
    let batch = decoder.take(Instant::now());
    for index in 0..batch.len() {
        let row = batch.row(index);
        for cell in 0..row.new_len() {
            assert!(row.new_cell(cell).is_ok());
        }
        for cell in 0..row.old_len() {
            assert!(row.old_cell(cell).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_decoded_or_refused(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = mysql();
        feed(&mut decoder, &begun(1));
        survives(&mut decoder, kind, &body);
        survives(&mut decoder, kind, &[&[1, 0, 0, 0, 0, 0, 1, 0][..], &body].concat());
    }

    #[test]
    fn damaged_events_of_real_logs_never_panic(
        which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        for (log, catalog, kind) in
            [(FEATURES, FEATURES_CATALOG, DatabaseKind::Mysql), (MARIADB, MARIADB_CATALOG, DatabaseKind::Mariadb)]
        {
            let all: Vec<_> = events(log).filter(|event| event.body.len() < 4096).collect();
            let damaged = which.index(all.len());
            let mut decoder = decoder(catalog, kind);
            for event in &all[damaged.saturating_sub(6)..damaged] {
                let _ = decoder.event(event);
            }
            let mut body = all[damaged].body.to_vec();
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
                body.truncate(cut.index(body.len() + 1).max(at + 1));
            }
            survives(&mut decoder, all[damaged].kind, &body);
            if let Some(next) = all.get(damaged + 1) {
                survives(&mut decoder, next.kind, next.body);
            }
        }
    }
}

/// `cargo test --release --lib -- --ignored --nocapture nanoseconds_per_row`
#[test]
#[ignore = "a measurement"]
fn nanoseconds_per_row_of_an_event() {
    const EVENTS: u32 = 20_000;
    let mut decoder = mysql();
    feed(&mut decoder, &begun(1));
    let body = inserts(1, 0..200);
    let event = raw(kind::WRITE_ROWS, &body);
    let start = Instant::now();
    let mut rows = 0;
    for _ in 0..EVENTS {
        decoder.event(&event).expect("rows");
        if decoder.is_full() {
            rows += decoder.take(start).len();
        }
    }
    println!(
        "{:.1} ns per row of two columns, {rows} rows",
        start.elapsed().as_nanos() as f64 / f64::from(EVENTS * 200)
    );
}
