//! What is written is read back, whatever it is; and whatever bytes come from outside, reading them ends without a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use sluicegate_frame::{
    Array, ArrayWriter, Body, Cell, Dimension, Edit, EditBuf, Emitted, Frame, FrameBuf, FrameError, Header, Op,
    RowHead, Tag, Verdict, VerdictWriter, Verdicts,
};

/// A value that owns what a cell borrows.
#[derive(Clone, Debug)]
enum Value {
    Inline(Cell<'static>),
    Text(Tag, String),
    Bytes(Vec<u8>),
    Unscaled(i32, Vec<u8>),
    /// Dimensions and elements, as they stand on a heap.
    Array(Vec<u8>),
}

impl Value {
    fn cell(&self) -> Cell<'_> {
        match self {
            Value::Inline(cell) => *cell,
            Value::Text(Tag::Decimal, t) => Cell::Decimal(t),
            Value::Text(Tag::Json, t) => Cell::Json(t),
            Value::Text(Tag::Bits, t) => Cell::Bits(t),
            Value::Text(Tag::Enum, t) => Cell::Enum(t),
            Value::Text(Tag::Other, t) => Cell::Other(t),
            Value::Text(_, t) => Cell::Text(t),
            Value::Bytes(bytes) => Cell::Bytes(bytes),
            Value::Unscaled(scale, unscaled) => Cell::DecimalUnscaled { scale: *scale, unscaled },
            Value::Array(bytes) => Cell::Array(Array::parse(bytes).expect("an array that was just written")),
        }
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    let texts = [Tag::Decimal, Tag::Text, Tag::Json, Tag::Bits, Tag::Enum, Tag::Other];
    // NaN is not equal to itself; its bits have a test of their own.
    let float = any::<f64>().prop_filter("NaN", |f| !f.is_nan());
    let inline = prop_oneof![
        Just(Cell::Null),
        Just(Cell::Unchanged),
        Just(Cell::Absent),
        any::<u64>().prop_map(Cell::Long),
        any::<bool>().prop_map(Cell::Bool),
        any::<i64>().prop_map(Cell::Int),
        any::<u64>().prop_map(Cell::UInt),
        any::<f32>().prop_filter("NaN", |f| !f.is_nan()).prop_map(Cell::Float32),
        float.prop_map(Cell::Float64),
        any::<i64>().prop_map(Cell::Date),
        any::<i64>().prop_map(Cell::Time),
        any::<(i64, i32)>().prop_map(|(micros, offset_seconds)| Cell::TimeTz { micros, offset_seconds }),
        any::<i64>().prop_map(Cell::Timestamp),
        any::<i64>().prop_map(Cell::TimestampTz),
        any::<(i32, i32, i64)>().prop_map(|(months, days, micros)| Cell::Interval { months, days, micros }),
        any::<[u8; 16]>().prop_map(Cell::Uuid),
    ];
    prop_oneof![
        4 => inline.prop_map(Value::Inline),
        2 => (prop::sample::select(texts.to_vec()), ".*").prop_map(|(tag, text)| Value::Text(tag, text)),
        1 => vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        1 => (any::<i32>(), vec(any::<u8>(), 0..20)).prop_map(|(scale, bytes)| Value::Unscaled(scale, bytes)),
    ]
}

fn array() -> impl Strategy<Value = Value> {
    let shape = vec((0u32..4, any::<i32>()), 0..=3);
    shape.prop_flat_map(|shape| {
        let count = if shape.is_empty() { 0 } else { shape.iter().map(|(len, _)| *len as usize).product() };
        vec(scalar(), count).prop_map(move |elements| {
            let mut heap = Vec::new();
            let dimensions: Vec<_> = shape.iter().map(|&(len, lower)| Dimension { len, lower }).collect();
            let mut writer = ArrayWriter::new(&mut heap, &dimensions);
            elements.iter().for_each(|element| writer.push(element.cell()));
            let read = Array::parse(&heap).expect("an array that was just written");
            assert!(read.iter().eq(elements.iter().map(Value::cell)), "elements differ");
            assert!(read.dimensions().eq(dimensions), "dimensions differ");
            Value::Array(heap)
        })
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![5 => scalar(), 1 => array()]
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Read])
}

#[derive(Clone, Debug)]
enum Change {
    Set(u16, Value),
    Unset(u16),
    Add(String, Value),
}

#[derive(Clone, Debug)]
struct Sent {
    route: String,
    member: Option<String>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Judged {
    Pass,
    Drop,
    Edit(Vec<Change>),
    Emit(Vec<Change>, Vec<Sent>),
    Reject(String, String),
}

fn judged() -> impl Strategy<Value = Judged> {
    let changes = || {
        let change = prop_oneof![
            (any::<u16>(), value()).prop_map(|(column, value)| Change::Set(column, value)),
            any::<u16>().prop_map(Change::Unset),
            (".*", value()).prop_map(|(name, value)| Change::Add(name, value)),
        ];
        vec(change, 0..4)
    };
    let body = prop::option::of((".*", vec(any::<u8>(), 0..40)));
    let sent = (".*", any::<Option<String>>(), any::<Option<String>>(), vec((".*", ".*"), 0..3), body)
        .prop_map(|(route, member, key, headers, body)| Sent { route, member, key, headers, body });
    prop_oneof![
        Just(Judged::Pass),
        Just(Judged::Drop),
        changes().prop_map(Judged::Edit),
        (changes(), vec(sent, 0..3)).prop_map(|(changes, sent)| Judged::Emit(changes, sent)),
        (".*", ".*").prop_map(|(code, message)| Judged::Reject(code, message)),
    ]
}

fn edits(changes: &[Change]) -> Vec<Edit<'_>> {
    let edit = |change| match change {
        &Change::Set(column, ref value) => Edit::Set { column, value: value.cell() },
        &Change::Unset(column) => Edit::Unset { column },
        Change::Add(name, value) => Edit::Add { name, value: value.cell() },
    };
    changes.iter().map(edit).collect()
}

fn message(sent: &Sent) -> Emitted<'_> {
    Emitted {
        route: &sent.route,
        member: sent.member.as_deref(),
        key: sent.key.as_deref(),
        headers: sent.headers.iter().map(|(name, value)| Header { name, value }).collect(),
        body: match &sent.body {
            None => Body::Row,
            Some((content_type, bytes)) => Body::Bytes { content_type, bytes },
        },
    }
}

fn verdict(judged: &Judged) -> Verdict<'_> {
    match judged {
        Judged::Pass => Verdict::Pass,
        Judged::Drop => Verdict::Drop,
        Judged::Edit(changes) => Verdict::Edit(edits(changes)),
        Judged::Emit(changes, sent) => {
            Verdict::Emit { edits: edits(changes), messages: sent.iter().map(message).collect() }
        }
        Judged::Reject(code, message) => Verdict::Reject { code, message },
    }
}

fn read_everything(bytes: &[u8]) -> Result<usize, FrameError> {
    let frame = Frame::parse(bytes)?;
    let mut read = 0;
    for index in 0..=frame.len() {
        let Ok(row) = frame.row(index) else { continue };
        for cell in 0..=row.new_len() {
            read += usize::from(row.new_cell(cell).is_ok());
        }
        for cell in 0..=row.old_len() {
            read += usize::from(row.old_cell(cell).is_ok());
        }
    }
    Ok(read)
}

fn judge_everything(bytes: &[u8], rows: usize) -> Result<(), FrameError> {
    let mut verdicts = Verdicts::parse(bytes, rows)?;
    while verdicts.next()?.is_some() {}
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_read_as_they_were_written(
        rows in vec((any::<(u32, bool, i64, u64)>(), op(), vec(value(), 0..8), vec(value(), 0..4)), 0..6)
    ) {
        let mut frame = FrameBuf::new();
        for ((schema, old_is_key, committed_at, position), op, new, old) in &rows {
            let first_cell = frame.cells.len() as u32;
            new.iter().chain(old).for_each(|value| frame.push(value.cell()));
            frame.rows.push(RowHead {
                schema: *schema, op: *op, old_is_key: *old_is_key, first_cell,
                new_cells: new.len() as u16, old_cells: old.len() as u16,
                committed_at: *committed_at, position: *position,
            });
        }
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes);
        prop_assert_eq!(bytes.len(), frame.byte_len());
        let read = Frame::parse(&bytes).expect("a frame that was just written");
        prop_assert_eq!(read.len(), rows.len());
        for (index, (_, _, new, old)) in rows.iter().enumerate() {
            for view in [read.row(index).expect("a row"), frame.row(index).expect("a row")] {
                prop_assert_eq!(view.head, frame.rows[index]);
                for (at, value) in new.iter().enumerate() {
                    prop_assert_eq!(view.new_cell(at), Ok(value.cell()));
                }
                for (at, value) in old.iter().enumerate() {
                    prop_assert_eq!(view.old_cell(at), Ok(value.cell()));
                }
            }
        }
    }

    #[test]
    fn cells_survive_the_way_into_another_frame(values in vec(value(), 0..8)) {
        let (mut frame, mut other) = (FrameBuf::new(), FrameBuf::new());
        other.push(Cell::Text("something that shifts the heap"));
        for (index, value) in values.iter().enumerate() {
            frame.push(value.cell());
            other.push_from(frame.cells[index], &frame.heap).expect("a cell that lies on its heap");
            prop_assert_eq!(other.cells[index + 1].resolve(&other.heap), Ok(value.cell()));
        }
    }

    #[test]
    fn verdicts_are_read_as_they_were_written(judged in vec(judged(), 0..8)) {
        let mut writer = VerdictWriter::new(judged.len());
        judged.iter().for_each(|j| writer.push(&verdict(j)));
        let bytes = writer.finish().expect("a verdict for every row");
        let mut read = Verdicts::parse(&bytes, judged.len()).expect("verdicts that were just written");
        for j in &judged {
            prop_assert_eq!(read.next(), Ok(Some(verdict(j))));
        }
        prop_assert_eq!(read.next(), Ok(None));
    }

    #[test]
    fn floats_keep_every_bit(wide in any::<u64>(), narrow in any::<u32>()) {
        let mut frame = FrameBuf::new();
        frame.push(Cell::Float64(f64::from_bits(wide)));
        frame.push(Cell::Float32(f32::from_bits(narrow)));
        let (Ok(Cell::Float64(w)), Ok(Cell::Float32(n))) = (frame.cells[0].resolve(&[]), frame.cells[1].resolve(&[]))
        else { panic!("floats were written") };
        prop_assert_eq!((w.to_bits(), n.to_bits()), (wide, narrow));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400), rows in 0usize..5) {
        let _ = read_everything(&bytes);
        let _ = judge_everything(&bytes, rows);
        let _ = Array::parse(&bytes);
    }

    #[test]
    fn a_frame_with_flipped_bytes_never_panics(
        values in vec(value(), 1..8), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut frame = FrameBuf::new();
        values.iter().for_each(|value| frame.push(value.cell()));
        frame.rows.push(RowHead {
            schema: 1, op: Op::Insert, old_is_key: false, first_cell: 0,
            new_cells: values.len() as u16, old_cells: 0, committed_at: 0, position: 0,
        });
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read_everything(&bytes);
    }

    #[test]
    fn verdicts_with_flipped_bytes_never_panic(
        judged in vec(judged(), 1..6), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()
    ) {
        let mut writer = VerdictWriter::new(judged.len());
        judged.iter().for_each(|j| writer.push(&verdict(j)));
        let mut bytes = writer.finish().expect("a verdict for every row");
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = judge_everything(&bytes, judged.len());
        let _ = judge_everything(&bytes[..cut.index(bytes.len())], judged.len());
    }

    #[test]
    fn verdicts_that_are_cut_are_refused(judged in vec(judged(), 1..6), cut in any::<prop::sample::Index>()) {
        let mut writer = VerdictWriter::new(judged.len());
        judged.iter().for_each(|j| writer.push(&verdict(j)));
        let bytes = writer.finish().expect("a verdict for every row");
        prop_assert!(judge_everything(&bytes[..cut.index(bytes.len())], judged.len()).is_err());
    }
}

#[test]
fn arrays_in_arrays_are_refused_before_they_exhaust_the_stack() {
    const DEPTH: u32 = 200_000;
    let mut bytes = Vec::new();
    for level in 0..DEPTH {
        bytes.extend_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, Tag::Array as u8, 0, 0, 0]);
        bytes.extend_from_slice(&(20 * (DEPTH - level - 1)).to_le_bytes());
    }
    assert_eq!(Array::parse(&bytes), Err(FrameError::Unknown { what: "array element", byte: Tag::Array as u8 }));
}

#[test]
fn a_missing_verdict_is_not_taken_for_a_pass() {
    let mut writer = VerdictWriter::new(2);
    writer.push_drop();
    assert_eq!(writer.finish(), Err(FrameError::RowCount { expected: 2, found: 1 }));
}

#[test]
fn what_the_layout_can_not_hold_is_an_error_and_leaves_nothing_behind() {
    let long = "x".repeat(65_536);
    let mut edits = EditBuf::new();
    edits.push(&Edit::Unset { column: 1 }).expect("a small edit");
    assert_eq!(edits.push(&Edit::Add { name: &long, value: Cell::Null }), Err(FrameError::TooLarge("a name")));
    assert_eq!(edits.len(), 1);

    let message = |route| Emitted { route, member: None, key: None, headers: vec![], body: Body::Row };
    let mut writer = VerdictWriter::new(2);
    assert_eq!(writer.push_emit(&edits, [message(&long)].into_iter()), Err(FrameError::TooLarge("a name")));
    let many = vec![message("r"); 65_536];
    assert_eq!(writer.push_emit(&edits, many.iter().cloned()), Err(FrameError::TooLarge("the number of messages")));
    writer.push_edits(&edits);
    writer.push_reject(&long, "why");
    let bytes = writer.finish().expect("a verdict for every row");
    let mut read = Verdicts::parse(&bytes, 2).expect("verdicts");
    assert_eq!(read.next(), Ok(Some(Verdict::Edit(vec![Edit::Unset { column: 1 }]))));
    assert_eq!(read.next(), Ok(Some(Verdict::Reject { code: &long[..65_535], message: "why" })));
    assert_eq!(read.next(), Ok(None));

    let mut writer = VerdictWriter::new(1);
    writer.push(&Verdict::Emit { edits: vec![], messages: vec![message(&long)] });
    assert_eq!(writer.finish(), Err(FrameError::TooLarge("a name")));
}
