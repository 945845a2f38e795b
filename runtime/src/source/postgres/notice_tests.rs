//! What is no row, between the rows.

use super::super::pgoutput::tests::{begin, commit, insert, message};
use super::tests::{Bench, table};
use super::*;
use crate::source::NoticeRule;

fn asking() -> Bench {
    let messages: crate::source::PrefixRule = Arc::new(|prefix| prefix != "noise");
    Bench::asking(NoticeRule { transactions: true, messages: Some(messages), schema_changes: None })
}

fn row(id: &'static str) -> Vec<u8> {
    insert(5, &[Some(id), None, None])
}

/// The notices, with the row that each stands before.
fn told(batch: &Batch) -> Vec<(u32, String)> {
    let told = |kind: &NoticeKind| match kind {
        NoticeKind::Begin { id } => format!("begin {id}"),
        NoticeKind::Commit { id } => format!("commit {id}"),
        NoticeKind::Message(message) => format!("{} {}", message.prefix, String::from_utf8_lossy(&message.content)),
        NoticeKind::SchemaChange(change) => change.statement.clone(),
    };
    batch.notices.iter().map(|notice| (notice.before_row, told(&notice.kind))).collect()
}

/// Where everything of a batch stands, in its order.
fn places(batch: &Batch) -> Vec<(u64, u64, u32)> {
    let mut notices = batch.notices.iter().peekable();
    let mut all = Vec::new();
    for (row, mark) in batch.marks.iter().enumerate() {
        while let Some(notice) = notices.next_if(|notice| notice.before_row as usize <= row) {
            all.push(notice.mark);
        }
        all.push(*mark);
    }
    all.extend(notices.map(|notice| notice.mark));
    all.iter().map(|mark| (mark.commit, mark.change, mark.sub)).collect()
}

#[test]
fn bounds_and_messages_stand_between_the_rows_that_they_came_between() {
    let mut bench = asking();
    // A message says where it ends, and there the next change may begin.
    bench.all(&[begin(900, 42), table(), row("1"), message(true, 150, "audit", b"who"), row("2"), commit(900, 950)]);
    bench.all(&[begin(970, 43), message(true, 960, "noise", b"?"), row("3"), commit(970, 980)]);
    let batch = bench.batch();
    let expected =
        [(0, "begin 42:110"), (1, "audit who"), (2, "commit 42:950"), (2, "begin 43:170"), (3, "commit 43:980")];
    assert_eq!(told(&batch), expected.map(|(row, said)| (row, said.to_owned())));
    let places = places(&batch);
    assert!(places.is_sorted_by(|a, b| a < b), "each has a place of its own, and they grow: {places:?}");
    assert_eq!(batch.confirms, Some(Position::Postgres(Lsn(980))));
}

#[test]
fn transaction_with_nothing_for_us_leaves_nothing_but_its_end() {
    let mut bench = asking();
    bench.all(&[begin(900, 1), message(true, 890, "noise", b""), commit(900, 950)]);
    assert!(!bench.decoder.is_ready());
    assert_eq!(bench.decoder.take_empty_end(), Some(Lsn(950)));
    bench.all(&[begin(970, 2)]);
    assert!(!bench.decoder.is_ready(), "a beginning alone is handed over to nobody");
}

#[test]
fn nobody_asks_and_nothing_is_kept() {
    let mut bench = Bench::new();
    bench.all(&[begin(900, 1), table(), row("1"), message(true, 880, "audit", b""), commit(900, 950)]);
    bench.all(&[message(false, 990, "audit", b"")]);
    let batch = bench.batch();
    assert!(batch.notices.is_empty());
    assert_eq!(batch.confirms, Some(Position::Postgres(Lsn(950))), "what is left out says nothing either");
}

#[test]
fn message_outside_of_transactions_is_a_batch_that_confirms_itself() {
    let mut bench = asking();
    bench.all(&[message(false, 800, "audit", b"alone")]);
    assert!(bench.decoder.is_ready());
    // Its transaction commits behind it, at the very place where the message ends.
    bench.all(&[begin(800, 1), table(), row("1"), commit(800, 850)]);
    let places = places(&bench.batch());
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    bench.all(&[message(false, 990, "audit", b"alone")]);
    let batch = bench.batch();
    assert!(batch.marks.is_empty() && !batch.is_empty());
    assert_eq!(batch.confirms, Some(Position::Postgres(Lsn(990))));
    let NoticeKind::Message(message) = &batch.notices[0].kind else { panic!("a message") };
    assert_eq!((message.transactional, message.lsn, message.previous_end), (false, 990, Some(Lsn(990))));
}

#[test]
fn beginning_waits_for_what_follows_it() {
    let mut bench = asking();
    bench.all(&[begin(900, 1), table(), row("1"), commit(900, 950), begin(970, 2)]);
    assert_eq!(told(&bench.batch()).len(), 2, "the second one has nothing to say yet");
    bench.all(&[row("2"), commit(970, 980)]);
    let batch = bench.batch();
    assert_eq!(told(&batch), [(0, "begin 2:150".to_owned()), (1, "commit 2:980".to_owned())]);
}

#[test]
fn transaction_that_comes_again_leaves_out_its_beginning_and_messages_as_it_does_rows() {
    let mut bench = asking();
    let part = [begin(900, 1), table(), row("1"), message(true, 141, "audit", b"who")];
    bench.all(&part);
    let handed_over = bench.batch();
    bench.decoder.was_handed_over(last_mark(&handed_over));
    bench.decoder.reconnected();
    bench.lsn = 100;
    bench.all(&part);
    bench.all(&[row("2"), commit(900, 950)]);
    let batch = bench.batch();
    assert_eq!((batch.len(), told(&batch)), (1, vec![(1, "commit 1:950".to_owned())]));
}

#[test]
fn flood_of_messages_fills_a_batch() {
    let mut bench = asking();
    let large = vec![b'x'; BATCH_BYTES_MAX / 4];
    bench.all(&[begin(900, 1)]);
    for n in 0..4 {
        assert!(!bench.decoder.is_full());
        bench.all(&[message(true, 200 + n, "audit", &large)]);
    }
    assert!(bench.decoder.is_full());
    bench.batch();
    assert!(!bench.decoder.is_full());
}
