//! Messages in, batches out; the server and its catalog are played by these tests.

use super::super::pgoutput::tests::{begin, commit, delete, insert, relation, truncate, update};
use super::super::pgoutput::{self};
use super::super::relation::{Described, DescribedColumn};
use super::super::value::{Kind, Scalar};
use super::*;
use crate::change::{Cell, ColumnDetail, Database};
use crate::source::NoticeRule;
use crate::source::Take;
use proptest::prelude::*;

/// Knows the types that every server has, and one key.
struct Builtins {
    asked: usize,
    key: Vec<String>,
    /// Of `MOOD`.
    labels: Vec<String>,
}

impl Catalog for Builtins {
    fn describe(&mut self, relation: &pgoutput::Relation<'_>) -> Result<Described, Trouble> {
        self.asked += 1;
        let kind = |oid| match oid {
            MOOD => Kind::Scalar(Scalar::Enum),
            oid => Kind::Scalar(Scalar::builtin(oid).unwrap_or(Scalar::Other)),
        };
        let labels = |oid| if oid == MOOD { self.labels.clone() } else { Vec::new() };
        let column = |c: pgoutput::RelationColumn<'_>| DescribedColumn {
            type_name: format!("type {}", c.type_oid),
            kind: kind(c.type_oid),
            detail: ColumnDetail { type_id: c.type_oid, labels: labels(c.type_oid), ..ColumnDetail::default() },
        };
        Ok(Described { columns: relation.columns.map(column).collect(), key: self.key.clone() })
    }
}

pub(super) struct Bench {
    pub(super) decoder: Decoder,
    catalog: Builtins,
    pub(super) lsn: u64,
}

const INT: u32 = 23;
const TEXT: u32 = 25;
/// An enumeration of somebody's own.
const MOOD: u32 = 99_999;

impl Bench {
    pub(super) fn new() -> Self {
        Self::asking(NoticeRule::default())
    }

    pub(super) fn asking(notices: NoticeRule) -> Self {
        let rules = Rules {
            source: "erp".into(),
            tables: Arc::new(|name| name != "public.unasked"),
            columns: Arc::new(|_, _, column| if column == "secret" { Take::Never } else { Take::Whole }),
            notices,
            database: Arc::new(Database { name: "shop".into(), ..Database::default() }),
        };
        Self {
            decoder: Decoder::new(rules),
            catalog: Builtins { asked: 0, key: vec!["id".into()], labels: vec!["new".into(), "old".into()] },
            lsn: 100,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Step, Trouble> {
        self.lsn += 10;
        self.decoder.take(self.lsn, bytes, &mut self.catalog)
    }

    pub(super) fn all(&mut self, messages: &[Vec<u8>]) {
        for message in messages {
            self.take(message).expect("a message");
        }
    }

    pub(super) fn batch(&mut self) -> Batch {
        self.decoder.take_batch(Instant::now())
    }
}

pub(super) fn table() -> Vec<u8> {
    relation(5, "t", b'd', &[(true, "id", INT), (false, "secret", TEXT), (false, "v", TEXT)])
}

#[test]
fn transaction_becomes_rows_with_marks_and_a_position_to_confirm() {
    let mut bench = Bench::new();
    bench.all(&[begin(900, 42), table(), insert(5, &[Some("1"), Some("hidden"), Some("a")])]);
    assert!(!bench.decoder.is_ready(), "its commit is still to come");
    bench.all(&[truncate(&[5, 5]), commit(900, 950)]);
    assert!(bench.decoder.is_ready());
    let batch = bench.batch();
    assert_eq!(batch.confirms, Some(Position::Postgres(Lsn(950))));
    assert_eq!(batch.marks[0], RowMark { commit: 900, change: 130, sub: 0, transaction: 42 });
    assert_eq!((batch.marks[1].sub, batch.marks[2].sub), (0, 1));
    let row = batch.row(0);
    assert_eq!((row.new_len(), row.new_cell(0), row.new_cell(1)), (2, Ok(Cell::Int(1)), Ok(Cell::Text("a"))));
    assert_eq!(batch.schema_of(0).full_name(), "public.t");
    assert_eq!(batch.schema_of(0).database.name, "shop");
}

/// `ALTER TYPE ... ADD VALUE` is announced by nothing but the first row that has the label.
#[test]
fn label_that_was_added_is_learnt_with_its_first_row_and_asked_for_once() {
    let mut bench = Bench::new();
    let moody = relation(5, "t", b'd', &[(true, "id", INT), (false, "mood", MOOD)]);
    bench.all(&[begin(900, 1), moody, insert(5, &[Some("1"), Some("new")])]);
    bench.catalog.labels.insert(1, "mid".into());
    bench.all(&[insert(5, &[Some("2"), Some("mid")]), insert(5, &[Some("3"), Some("mid")])]);
    // One that has gone again by now.
    bench.all(&[insert(5, &[Some("4"), Some("gone")]), insert(5, &[Some("5"), Some("gone")]), commit(900, 950)]);
    let batch = bench.batch();
    let labels = |row| batch.schema_of(row).columns[1].detail.labels.join(",");
    assert_eq!([labels(0), labels(1), labels(2), labels(3)], ["new,old", "new,mid,old", "new,mid,old", "new,mid,old"]);
    assert_eq!(bench.catalog.asked, 3, "announced, mid, gone");
}

#[test]
fn row_knows_where_the_transaction_before_its_own_ended() {
    let mut bench = Bench::new();
    let row: &[Option<&str>] = &[Some("1"), None, None];
    bench.all(&[begin(900, 1), table(), insert(5, row), commit(900, 950)]);
    bench.all(&[begin(970, 2), insert(5, row), insert(5, row), commit(970, 980), begin(990, 3), insert(5, row)]);
    let batch = bench.batch();
    let ends: Vec<Option<u64>> = (0..4).map(|i| batch.previous_end(i).map(|end| end.0)).collect();
    assert_eq!(ends, [None, Some(950), Some(950), Some(980)]);
    bench.all(&[insert(5, row), commit(990, 995)]);
    assert_eq!(bench.batch().previous_end(0), Some(Lsn(980)), "in the batch that goes on with the transaction too");
}

#[test]
fn old_image_of_a_key_is_absent_elsewhere_and_a_whole_one_fills_what_was_untouched() {
    let mut bench = Bench::new();
    let key: &[Option<&str>] = &[Some("1"), None, None];
    let whole: &[Option<&str>] = &[Some("2"), None, Some("large")];
    bench.all(&[
        begin(900, 1),
        table(),
        update(5, Some((b'K', key)), &[Some("2"), None, Some("\0")]),
        update(5, Some((b'O', whole)), &[Some("2"), None, Some("\0")]),
        delete(5, b'K', &[Some("2"), None, None]),
        commit(900, 950),
    ]);
    let batch = bench.batch();
    let (first, second, third) = (batch.row(0), batch.row(1), batch.row(2));
    assert_eq!((first.old_cell(1), first.new_cell(1)), (Ok(Cell::Absent), Ok(Cell::Unchanged)));
    assert_eq!(second.new_cell(1), Ok(Cell::Text("large")));
    assert_eq!((third.new_len(), third.old_cell(0), third.head.old_is_key), (0, Ok(Cell::Int(2)), true));
}

#[test]
fn table_that_nobody_asked_for_leaves_only_a_position() {
    let mut bench = Bench::new();
    bench.all(&[
        begin(900, 1),
        relation(6, "unasked", b'd', &[(true, "id", INT)]),
        insert(6, &[Some("1")]),
        commit(900, 950),
    ]);
    assert_eq!((bench.catalog.asked, bench.decoder.is_ready()), (0, false));
    assert_eq!(bench.decoder.take_empty_end(), Some(Lsn(950)));
}

#[test]
fn schema_gets_a_new_version_only_when_a_column_changed() {
    let mut bench = Bench::new();
    let row: &[Option<&str>] = &[Some("1"), None, None];
    bench.all(&[begin(1, 1), table(), insert(5, row), table(), insert(5, row), commit(1, 2)]);
    bench.decoder.reconnected();
    bench.all(&[
        begin(3, 1),
        table(),
        insert(5, row),
        relation(5, "t", b'd', &[(true, "id", INT)]),
        insert(5, &[Some("1")]),
        commit(3, 4),
    ]);
    let batch = bench.batch();
    let ids: Vec<_> = batch.frame.rows.iter().map(|r| r.schema).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(bench.catalog.asked, 4, "defaults and the key's order stand in the catalog alone");
}

#[test]
fn whole_row_identity_takes_its_key_from_the_catalog() {
    let mut bench = Bench::new();
    bench.all(&[
        begin(1, 1),
        relation(5, "t", b'f', &[(true, "id", INT), (true, "v", TEXT)]),
        insert(5, &[Some("1"), None]),
        commit(1, 2),
    ]);
    let batch = bench.batch();
    assert_eq!(batch.schema_of(0).key().collect::<Vec<_>>(), [0]);
}

#[test]
fn transaction_that_comes_again_leaves_out_what_was_handed_over() {
    let mut bench = Bench::new();
    let row = |n: &'static str| insert(5, &[Some(n), None, None]);
    bench.all(&[begin(900, 1), table(), row("1"), row("2")]);
    let last = bench.batch().marks.last().copied();
    bench.decoder.was_handed_over(last);
    bench.all(&[row("3")]);
    bench.decoder.reconnected();
    bench.lsn = 100;
    bench.all(&[begin(900, 1), table(), row("1"), row("2"), row("3"), commit(900, 950)]);
    let batch = bench.batch();
    assert_eq!((batch.len(), batch.row(0).new_cell(0)), (1, Ok(Cell::Int(3))));
    // Handed over to its end, a transaction is not known again.
    bench.decoder.was_handed_over(batch.marks.last().copied());
    bench.decoder.reconnected();
    bench.all(&[begin(990, 2), table(), row("4"), commit(990, 999)]);
    assert_eq!(bench.batch().len(), 1);
}

#[test]
fn unknown_message_is_refused_with_a_way_out() {
    let mut bench = Bench::new();
    let Err(Trouble::Judged(error)) = bench.take(b"S\0\0\0\x01\x01") else { panic!("protocol 1 has no streams") };
    assert_eq!(error.fault, crate::fault::Fault::Fatal);
    assert!(error.message.contains("unknown message 'S'") && error.message.contains("14 to 18"), "{}", error.message);
}

#[test]
fn rows_that_can_not_be_are_refused() {
    let mut bench = Bench::new();
    assert!(bench.take(&insert(5, &[Some("1")])).is_err(), "outside a transaction");
    bench.all(&[begin(1, 1)]);
    assert!(bench.take(&insert(5, &[Some("1")])).is_err(), "of an unknown relation");
    bench.all(&[table()]);
    assert!(bench.take(&insert(5, &[Some("1")])).is_err(), "with too few columns");
}

proptest! {
    #[test]
    fn truncated_and_damaged_streams_never_panic(
        cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0usize..8
    ) {
        let key: &[Option<&str>] = &[Some("1"), None, None];
        let mut messages = vec![
            begin(900, 1), table(), insert(5, &[Some("1"), Some("x"), Some("a")]), update(5, Some((b'K', key)), key),
            update(5, Some((b'O', key)), key), delete(5, b'K', key), truncate(&[5]), commit(900, 950),
        ];
        let message = &mut messages[which];
        let at = at.index(message.len());
        message[at] = byte;
        let len = cut.index(message.len() + 1);
        message.truncate(len);
        let mut bench = Bench::new();
        for message in &messages {
            if bench.take(message).is_err() {
                break;
            }
        }
        // A row that failed half-way ends the stream; the rows before it stand.
        let batch = bench.batch();
        for index in 0..batch.len() {
            let row = batch.row(index);
            for cell in 0..row.new_len() {
                prop_assert!(row.new_cell(cell).is_ok());
            }
        }
    }
}
