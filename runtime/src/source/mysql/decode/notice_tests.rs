//! Where transactions begin and end, between their rows.

use super::log_tests::{decoder_asking, events};
use super::tests::{FEATURES, FEATURES_CATALOG, MARIADB, MARIADB_CATALOG, begun, feed, inserts, raw};
use super::*;
use crate::change::{Batch, Notice, NoticeKind};
use crate::source::NoticeRule;
use std::time::Instant;

fn asking(catalog: &str, kind: DatabaseKind) -> Decoder {
    decoder_asking(catalog, kind, NoticeRule { transactions: true, ..NoticeRule::default() })
}

/// Begin or not, and the transaction's name.
type Bound = (bool, String);

fn bound(notice: &Notice) -> Bound {
    match &notice.kind {
        NoticeKind::Begin { id } => (true, id.to_string()),
        NoticeKind::Commit { id } => (false, id.to_string()),
        other => panic!("nobody asked for {other:?}"),
    }
}

/// Everything in order: bounds, and the places of rows and bounds.
fn all(batches: &[Batch]) -> (Vec<Bound>, Vec<(u64, u64)>) {
    let (mut bounds, mut places) = (Vec::new(), Vec::new());
    for batch in batches {
        let mut notices = batch.notices.iter().peekable();
        for row in 0..=batch.len() {
            while let Some(notice) = notices.next_if(|notice| notice.before_row as usize <= row) {
                bounds.push(bound(notice));
                places.push((notice.mark.commit, notice.mark.change));
            }
            places.extend(batch.marks.get(row).map(|mark| (mark.commit, mark.change)));
        }
    }
    (bounds, places)
}

fn read(log: &[u8], catalog: &str, kind: DatabaseKind) -> Vec<Batch> {
    let mut decoder = asking(catalog, kind);
    let mut batches = Vec::new();
    for event in events(log) {
        decoder.event(&event).unwrap_or_else(|error| panic!("{error}"));
        if !decoder.is_empty() {
            batches.push(decoder.take(Instant::now()));
        }
    }
    batches
}

#[test]
fn every_transaction_with_rows_has_two_ends_and_places_grow() {
    for (log, catalog, kind) in
        [(FEATURES, FEATURES_CATALOG, DatabaseKind::Mysql), (MARIADB, MARIADB_CATALOG, DatabaseKind::Mariadb)]
    {
        let batches = read(log, catalog, kind);
        let (bounds, places) = all(&batches);
        assert!(bounds.len() > 10);
        for pair in bounds.chunks(2) {
            let [(true, begun), (false, ended)] = pair else { panic!("a beginning and its end: {pair:?}") };
            assert_eq!(begun, ended);
        }
        assert!(places.is_sorted_by(|a, b| a < b));
        let rows: usize = batches.iter().map(Batch::len).sum();
        assert_eq!(places.len(), rows + bounds.len());
        let without: usize = batches.iter().map(|batch| usize::from(batch.notices.is_empty())).sum();
        assert!(without < batches.len());
    }
}

#[test]
fn transaction_without_rows_is_not_there_and_one_that_is_cut_is_told_once() {
    let mut decoder = asking("", DatabaseKind::Mysql);
    feed(&mut decoder, &begun(1));
    assert!(decoder.is_empty(), "a beginning alone is handed over to nobody");
    feed(&mut decoder, &[(kind::XID, vec![0; 8])]);
    assert!(decoder.is_empty());
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..3))]);
    let first = decoder.take(Instant::now());
    let from = BinlogPosition::clone(&decoder.position());
    decoder.restart(&from);
    feed(&mut decoder, &begun(2));
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..4)), (kind::XID, vec![0; 8])]);
    let (bounds, places) = all(&[first, decoder.take(Instant::now())]);
    let name = "09090909-0909-0909-0909-090909090909:2".to_owned();
    assert_eq!(bounds, [(true, name.clone()), (false, name)]);
    assert_eq!(places, [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4)]);
}

#[test]
fn server_without_gtids_names_a_transaction_by_where_it_begins() {
    let mut decoder = asking("", DatabaseKind::Mysql);
    let statements = &begun(1)[1..];
    feed(&mut decoder, statements);
    feed(&mut decoder, &[(kind::WRITE_ROWS, inserts(1, 1..2)), (kind::XID, vec![0; 8])]);
    let (bounds, _) = all(&[decoder.take(Instant::now())]);
    assert_eq!(bounds[0], (true, "file=binlog.000001,pos=4".to_owned()));
    assert!(decoder.event(&raw(kind::XID, &[0; 8])).is_ok());
}
