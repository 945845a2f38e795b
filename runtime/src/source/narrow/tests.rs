//! A narrowed batch against one that was written with the narrow list at once, and the updates that leave nothing.

use super::*;
use crate::change::{
    Cell, Column, Database, Gtid, LogicalMessage, Lsn, Notice, NoticeKind, Position, RowMark, TransactionId,
};
use crate::source::Take;
use proptest::prelude::*;
use std::time::Instant;

/// Stands in every value of a column that is not captured, and in no other.
const FORBIDDEN: u8 = b'X';

/// One column's value, before it is a cell.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Unchanged,
    Absent,
    Int(i64),
    Text(String),
}

impl Value {
    fn cell(&self, secret: bool) -> Cell<'_> {
        match self {
            Value::Null => Cell::Null,
            Value::Unchanged => Cell::Unchanged,
            Value::Absent => Cell::Absent,
            // Of a column that is not captured even the number's bytes are the forbidden ones.
            Value::Int(_) if secret => Cell::Text("XXXXXXXX"),
            Value::Int(n) => Cell::Int(*n),
            Value::Text(_) if secret => Cell::Text("XX"),
            Value::Text(text) => Cell::Text(text),
        }
    }
}

#[derive(Clone, Debug)]
struct Row {
    table: usize,
    op: Op,
    new: Vec<Value>,
    old: Vec<Value>,
    begins_event: bool,
}

/// Which tables and columns a pipeline sees.
#[derive(Clone, Debug)]
struct Lists {
    tables: Vec<bool>,
    columns: Vec<bool>,
}

const TABLES: [&str; 3] = ["users", "orders", "secrets"];
const COLUMNS: usize = 4;

fn schemas() -> Vec<Arc<Schema>> {
    let schema = |(index, table): (usize, &&str)| {
        let columns = (0..COLUMNS).map(|c| Column::new(format!("c{c}"), "text", Tag::Text, c == 0)).collect();
        Arc::new(Schema {
            id: SchemaId(index as u32 + 7),
            source: "shop".into(),
            database: Arc::new(Database::default()),
            namespace: "clients".into(),
            table: (*table).into(),
            columns,
        })
    };
    TABLES.iter().enumerate().map(schema).collect()
}

impl Lists {
    fn narrow(&self, skip_unchanged: bool) -> Narrow {
        let (tables, columns) = (self.tables.clone(), self.columns.clone());
        let number = |name: &str| name[1..].parse::<usize>().expect("a column of the test");
        Narrow::new(
            Arc::new(move |_, _, column| if columns[number(column)] { Take::Whole } else { Take::Never }),
            Arc::new(move |name| {
                let (_, table) = name.split_once('.').expect("schema.table");
                tables[TABLES.iter().position(|t| *t == table).expect("a table of the test")]
            }),
            skip_unchanged,
        )
    }

    fn all() -> Self {
        Self { tables: vec![true; TABLES.len()], columns: vec![true; COLUMNS] }
    }

    fn keep<T: Clone>(&self, of_columns: &[T]) -> Vec<T> {
        of_columns.iter().zip(&self.columns).filter(|(_, seen)| **seen).map(|(value, _)| value.clone()).collect()
    }
}

/// What a decoder that knows the lists would have made; `secret` columns are those that some other pipeline asked for. Every row has
/// its number in the event it came from, which is checked through `numbers`.
fn decoded(rows: &[Row], lists: &Lists, secret: &Lists, skip_unchanged: bool) -> (Batch, Vec<(u64, u32)>) {
    let mut batch = Batch {
        source: "shop".into(),
        frame: FrameBuf::new(),
        marks: Vec::new(),
        schemas: Vec::new(),
        events: Vec::new(),
        previous_ends: Vec::new(),
        notices: Vec::new(),
        confirms: Some(Position::Postgres(Lsn(9))),
        received_at: Instant::now(),
    };
    let (mut event, mut number, mut numbers) = (0, 0, Vec::new());
    let mut used = [false; TABLES.len()];
    for (index, row) in rows.iter().enumerate() {
        if row.begins_event || index == 0 {
            (event, number) = (index as u64, 0);
        } else {
            number += 1;
        }
        let nothing =
            |(new, old): (&Value, Option<&Value>)| matches!(new, Value::Unchanged | Value::Absent) || old == Some(new);
        let new = lists.keep(&row.new);
        let old = lists.keep(&row.old);
        let unchanged = new.iter().enumerate().all(|(i, value)| nothing((value, old.get(i))));
        if !lists.tables[row.table] || (skip_unchanged && row.op == Op::Update && unchanged) {
            continue;
        }
        used[row.table] = true;
        let first_cell = batch.frame.cells.len() as u32;
        for image in [&row.new, &row.old] {
            for (column, value) in image.iter().enumerate().filter(|(column, _)| lists.columns[*column]) {
                batch.frame.push(value.cell(!secret.columns[column] || !secret.tables[row.table]));
            }
        }
        batch.frame.rows.push(RowHead {
            schema: row.table as u32 + 7,
            op: row.op,
            old_is_key: false,
            first_cell,
            new_cells: new.len() as u16,
            old_cells: old.len() as u16,
            committed_at: 5,
            position: index as u64,
        });
        batch.marks.push(RowMark { commit: 1, change: index as u64, sub: 0, transaction: 0 });
        numbers.push((event, number));
    }
    batch.schemas = schemas().into_iter().zip(used).filter(|(_, used)| *used).map(|(s, _)| s).collect();
    (batch, numbers)
}

/// The whole batch with its events, as it comes from a source that captures everything.
fn captured(rows: &[Row], secret: &Lists) -> Arc<Batch> {
    let (mut batch, _) = decoded(rows, &Lists::all(), secret, false);
    for (index, _) in rows.iter().enumerate().filter(|(index, row)| row.begins_event || *index == 0) {
        batch.events.push(BinlogEvent {
            first_row: index as u32,
            // The batch begins within an event.
            skipped_rows: if index == 0 { 3 } else { 0 },
            file: "binlog.000001".into(),
            offset: index as u64,
            server_id: 1,
            thread: 0,
            gtid: Gtid::None,
            query: None,
        });
    }
    Arc::new(batch)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Unchanged),
        Just(Value::Absent),
        (0_i64..3).prop_map(Value::Int),
        "[a-c]{0,2}".prop_map(Value::Text),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let image = || prop::collection::vec(value(), COLUMNS);
    let op = prop::sample::select(vec![Op::Insert, Op::Update, Op::Update, Op::Update, Op::Delete, Op::Truncate]);
    (0..TABLES.len(), op, image(), image(), any::<[bool; 4]>()).prop_map(|(table, op, new, mut old, [a, b, c, d])| {
        if a {
            // Updates that say the same again are to be frequent.
            old = new.clone();
        }
        let (new, old) = match op {
            Op::Insert => (new, Vec::new()),
            Op::Delete => (Vec::new(), old),
            Op::Truncate => (Vec::new(), Vec::new()),
            _ if b && c => (new, Vec::new()),
            _ => (new, old),
        };
        Row { table, op, new, old, begins_event: d }
    })
}

fn lists() -> impl Strategy<Value = Lists> {
    let flags = |len| prop::collection::vec(any::<bool>(), len);
    (flags(TABLES.len()), flags(COLUMNS)).prop_map(|(tables, columns)| Lists { tables, columns })
}

proptest! {
    #[test]
    fn narrowed_batch_is_what_would_have_been_decoded_with_the_list(
        rows in prop::collection::vec(row(), 0..12), lists in lists(), skip_unchanged in any::<bool>()
    ) {
        let whole = captured(&rows, &lists);
        let narrowed = lists.narrow(skip_unchanged).batch(&whole);
        let (expected, numbers) = decoded(&rows, &lists, &lists, skip_unchanged);
        prop_assert_eq!(&narrowed.frame.rows, &expected.frame.rows);
        prop_assert_eq!(&narrowed.frame.cells, &expected.frame.cells);
        prop_assert_eq!(&narrowed.frame.heap, &expected.frame.heap);
        prop_assert_eq!(&narrowed.marks, &expected.marks);
        prop_assert!(!narrowed.frame.heap.contains(&FORBIDDEN));
        prop_assert_eq!(&narrowed.confirms, &whole.confirms);
        prop_assert_eq!(narrowed.received_at, whole.received_at);
        for (index, (event, number)) in numbers.into_iter().enumerate() {
            let found = narrowed.event_of(index).expect("every row came from an event");
            let skipped = if event == 0 { 3 } else { 0 };
            prop_assert_eq!((found.offset, found.skipped_rows + index as u32 - found.first_row), (event, number + skipped));
        }
        let names = |batch: &Batch| batch.schemas.iter().map(|s| (s.id, s.columns.len())).collect::<Vec<_>>();
        let columns = lists.columns.iter().filter(|seen| **seen).count();
        prop_assert_eq!(names(&narrowed), expected.schemas.iter().map(|s| (s.id, columns)).collect::<Vec<_>>());
        for index in 0..narrowed.len() {
            prop_assert_eq!(&narrowed.schema_of(index).table, TABLES[rows[narrowed.marks[index].change as usize].table]);
        }
    }
}

fn update(new: &[Value], old: &[Value]) -> Row {
    Row { table: 0, op: Op::Update, new: new.to_vec(), old: old.to_vec(), begins_event: false }
}

fn rows_left(row: Row, columns: [bool; COLUMNS]) -> usize {
    let lists = Lists { columns: columns.to_vec(), ..Lists::all() };
    lists.narrow(true).batch(&captured(&[row], &lists)).len()
}

#[test]
fn batch_of_which_everything_is_seen_is_not_copied() {
    let rows = [update(&[const { Value::Int(1) }; COLUMNS], &[const { Value::Int(2) }; COLUMNS])];
    let batch = captured(&rows, &Lists::all());
    assert!(Arc::ptr_eq(&Lists::all().narrow(false).batch(&batch), &batch));
    assert!(Arc::ptr_eq(&Lists::all().narrow(true).batch(&batch), &batch));
}

#[test]
fn narrowed_schema_is_made_once_and_keeps_its_id_and_its_key() {
    let lists = Lists { columns: vec![true, false, true, false], ..Lists::all() };
    let mut narrow = lists.narrow(false);
    let whole = captured(&[update(&[const { Value::Int(1) }; COLUMNS], &[])], &lists);
    let (first, second) = (narrow.batch(&whole), narrow.batch(&whole));
    assert!(Arc::ptr_eq(&first.schemas[0], &second.schemas[0]));
    let schema = &first.schemas[0];
    let columns: Vec<_> = schema.columns.iter().map(|c| (c.name.as_str(), c.key)).collect();
    assert_eq!((schema.id, columns), (SchemaId(7), vec![("c0", true), ("c2", false)]));
}

#[test]
fn table_that_was_altered_under_the_same_id_is_looked_at_again() {
    let lists = Lists { columns: vec![true, false, true, true], ..Lists::all() };
    let mut narrow = lists.narrow(false);
    let whole = captured(&[update(&[const { Value::Int(1) }; COLUMNS], &[])], &lists);
    assert_eq!(narrow.batch(&whole).schemas[0].columns.len(), 3);
    let mut other = Batch::clone(&whole);
    let mut altered = Schema::clone(&other.schemas[0]);
    altered.columns.truncate(2);
    other.schemas = vec![Arc::new(altered)];
    assert_eq!(narrow.batch(&Arc::new(other)).schemas[0].columns.len(), 1);
}

#[test]
fn update_of_columns_that_are_not_seen_leaves_nothing() {
    let old = [Value::Int(1), Value::Text("a".into()), Value::Int(5), Value::Null];
    let new = [Value::Int(1), Value::Text("a".into()), Value::Int(6), Value::Null];
    assert_eq!(rows_left(update(&new, &old), [true, true, false, true]), 0);
    assert_eq!(rows_left(update(&new, &old), [true, true, true, true]), 1);
}

#[test]
fn update_without_old_image_stays_unless_it_says_that_nothing_was_touched() {
    let touched = [Value::Int(1), Value::Unchanged, Value::Int(6), Value::Null];
    assert_eq!(rows_left(update(&touched, &[]), [true, true, false, true]), 1);
    assert_eq!(rows_left(update(&touched, &[]), [false, true, false, false]), 0);
    // A minimal image: before the change the key, after it what was touched.
    let before = [Value::Int(1), Value::Absent, Value::Absent, Value::Absent];
    let after = [Value::Absent, Value::Absent, Value::Int(6), Value::Absent];
    assert_eq!(rows_left(update(&after, &before), [true, true, false, true]), 0);
    assert_eq!(rows_left(update(&after, &before), [true, true, true, true]), 1);
}

#[test]
fn number_is_not_the_text_of_its_digits() {
    let (new, old) = ([const { Value::Int(1) }; COLUMNS], [const { Value::Int(1) }; COLUMNS]);
    assert_eq!(rows_left(update(&new, &old), [true; COLUMNS]), 0);
    let mut text = old;
    text[3] = Value::Text("1".into());
    assert_eq!(rows_left(update(&new, &text), [true; COLUMNS]), 1);
}

#[test]
fn batch_without_a_row_left_still_confirms() {
    let lists = Lists { tables: vec![false, true, true], ..Lists::all() };
    let whole = captured(&[update(&[const { Value::Int(1) }; COLUMNS], &[])], &lists);
    let narrowed = lists.narrow(false).batch(&whole);
    assert!(narrowed.is_empty() && narrowed.schemas.is_empty() && narrowed.events.is_empty());
    assert!(narrowed.frame.heap.is_empty() && narrowed.frame.cells.is_empty());
    assert_eq!(narrowed.confirms, Some(Position::Postgres(Lsn(9))));
}

/// A batch of three rows, one of each table, with a transaction's bounds around it and a message before the last row.
fn with_notices() -> Arc<Batch> {
    let one = |table| Row { table, ..update(&[const { Value::Int(1) }; COLUMNS], &[]) };
    let batch = captured(&[one(0), one(1), one(2)], &Lists::all());
    let id = || TransactionId::Binlog("1".into());
    let said =
        LogicalMessage { prefix: "audit".into(), content: "x".into(), transactional: true, lsn: 0, previous_end: None };
    let kinds = [
        (0, NoticeKind::Begin { id: id() }),
        (2, NoticeKind::Message(Arc::new(said))),
        (3, NoticeKind::Commit { id: id() }),
    ];
    let notice = |(before_row, kind)| Notice {
        before_row,
        mark: RowMark { commit: 1, change: 0, sub: 0, transaction: 0 },
        committed_at: 0,
        schema: Arc::default(),
        kind,
    };
    Arc::new(Batch { notices: kinds.map(notice).into(), ..Batch::clone(&batch) })
}

fn seen_before(batch: &Batch) -> Vec<(u32, bool)> {
    let is_bound = |notice: &Notice| !matches!(notice.kind, NoticeKind::Message(_));
    batch.notices.iter().map(|notice| (notice.before_row, is_bound(notice))).collect()
}

#[test]
fn notices_go_to_those_who_ask_and_stand_before_the_rows_that_are_left() {
    let whole = with_notices();
    let all = NoticeRule { transactions: true, messages: Some(Arc::new(|_| true)), schema_changes: None };
    let bounds = NoticeRule { messages: None, ..all.clone() };
    let asks = |rule: &NoticeRule, tables: &[bool]| {
        let lists = Lists { tables: tables.to_vec(), ..Lists::all() };
        lists.narrow(false).with_notices(rule.clone()).batch(&whole)
    };
    assert!(Arc::ptr_eq(&asks(&all, &[true; 3]), &whole), "nothing is taken away");
    assert_eq!(seen_before(&asks(&bounds, &[true; 3])), [(0, true), (3, true)]);
    assert_eq!(seen_before(&asks(&all, &[false, false, true])), [(0, true), (0, false), (1, true)]);
    let without = asks(&NoticeRule::default(), &[true; 3]);
    assert!(without.notices.is_empty() && without.len() == 3);
    let only = asks(&bounds, &[false; 3]);
    assert!(only.marks.is_empty() && !only.is_empty(), "a batch without rows that says something is no sign of life");
}
