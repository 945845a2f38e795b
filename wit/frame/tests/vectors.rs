//! The files in `vectors/` are the layout in bytes, with a comment for each field. They were written by an encoder of another
//! language, so that a mistake that this codec makes both ways shows itself.

use sluicegate_frame::{
    ArrayWriter, Body, Cell, Dimension, Edit, Emitted, Frame, FrameBuf, FrameError, Header, Op, RowHead, RowView,
    TIMESTAMP_INFINITY, Tag, Verdict, VerdictWriter, Verdicts,
};
use std::fs;
use std::path::Path;

const COMMITTED_AT: i64 = 820_638_245_000_000;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The bytes of a file: two hexadecimal digits each, anything behind `#` is a comment.
fn bytes_of(text: &str) -> Vec<u8> {
    let digits = text.lines().flat_map(|line| line.split('#').next().unwrap_or("").split_whitespace());
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits")).collect()
}

fn vector(name: &str) -> Vec<u8> {
    bytes_of(&fs::read_to_string(folder().join(name).with_extension("hex")).expect("a vector"))
}

fn array<'a>(heap: &'a mut Vec<u8>, dimensions: &[(u32, i32)], elements: &[Cell<'_>]) -> Cell<'a> {
    let dimensions: Vec<Dimension> = dimensions.iter().map(|&(len, lower)| Dimension { len, lower }).collect();
    let mut writer = ArrayWriter::new(heap, &dimensions);
    elements.iter().for_each(|element| writer.push(*element));
    Cell::Array(sluicegate_frame::Array::parse(heap).expect("an array that was just written"))
}

/// A value of every tag, in order of the tags.
fn every_tag(heap: &mut Vec<u8>) -> Vec<Cell<'_>> {
    vec![
        Cell::Null,
        Cell::Unchanged,
        Cell::Absent,
        Cell::Long(12_582_912),
        Cell::Bool(true),
        Cell::Int(-42),
        Cell::UInt(u64::MAX),
        Cell::Float32(1.5),
        Cell::Float64(-0.1),
        Cell::Decimal("12.50"),
        Cell::DecimalUnscaled { scale: 3, unscaled: &[0xfb] },
        Cell::Text("Zażółć"),
        Cell::Bytes(&[0, 0xff]),
        Cell::Date(8_825),
        Cell::Time(86_399_999_999),
        Cell::TimeTz { micros: 43_200_000_000, offset_seconds: 19_800 },
        Cell::Timestamp(TIMESTAMP_INFINITY),
        Cell::TimestampTz(COMMITTED_AT),
        Cell::Interval { months: 14, days: -3, micros: 1_000_000 },
        Cell::Uuid([0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]),
        Cell::Json(r#"{"a":[1]}"#),
        array(heap, &[(2, 1)], &[Cell::Int(1), Cell::Null]),
        Cell::Bits("1011"),
        Cell::Enum("shipped"),
        Cell::Other("(1,2)"),
    ]
}

struct Row<'a> {
    schema: u32,
    op: Op,
    old_is_key: bool,
    new: Vec<Cell<'a>>,
    old: Vec<Cell<'a>>,
    committed_at: i64,
    position: u64,
}

fn insert(new: Vec<Cell<'_>>) -> Row<'_> {
    Row { schema: 1, op: Op::Insert, old_is_key: false, new, old: vec![], committed_at: 0, position: 1 }
}

fn assert_frame(name: &str, rows: &[Row<'_>]) {
    let mut frame = FrameBuf::new();
    for row in rows {
        let first_cell = frame.cells.len() as u32;
        row.new.iter().chain(&row.old).for_each(|cell| frame.push(*cell));
        frame.rows.push(RowHead {
            schema: row.schema,
            op: row.op,
            old_is_key: row.old_is_key,
            first_cell,
            new_cells: row.new.len() as u16,
            old_cells: row.old.len() as u16,
            committed_at: row.committed_at,
            position: row.position,
        });
    }
    let given = vector(name);
    let mut written = Vec::new();
    frame.write_to(&mut written);
    assert_eq!(written, given, "{name}: what is written");
    assert_eq!(frame.byte_len(), given.len(), "{name}: its length");

    let read = Frame::parse(&given).expect("a frame");
    assert_eq!(read.len(), rows.len());
    for (index, row) in rows.iter().enumerate() {
        let encoded = read.row(index).expect("a row");
        assert_row(&encoded, row);
        assert_row(&frame.row(index).expect("a row"), row);
        assert_eq!(encoded.head, frame.rows[index], "{name}: head of row {index}");
    }
}

fn assert_row(view: &RowView<'_>, row: &Row<'_>) {
    assert_eq!((view.new_len(), view.old_len()), (row.new.len(), row.old.len()));
    for (index, cell) in row.new.iter().enumerate() {
        assert_eq!(view.new_cell(index).as_ref(), Ok(cell));
    }
    for (index, cell) in row.old.iter().enumerate() {
        assert_eq!(view.old_cell(index).as_ref(), Ok(cell));
    }
    assert_eq!(view.new_cell(row.new.len()), Ok(Cell::Absent));
    assert_eq!(view.old_cell(row.old.len()), Ok(Cell::Absent));
}

fn assert_verdicts(name: &str, verdicts: &[Verdict<'_>]) {
    let given = vector(name);
    let mut writer = VerdictWriter::new(verdicts.len());
    verdicts.iter().for_each(|verdict| writer.push(verdict));
    assert_eq!(writer.finish().expect("a verdict for every row"), given, "{name}: what is written");
    let mut read = Verdicts::parse(&given, verdicts.len()).expect("verdicts");
    for verdict in verdicts {
        assert_eq!(read.next().expect("a verdict").as_ref(), Some(verdict), "{name}: what is read");
    }
    assert_eq!(read.next(), Ok(None));
}

#[test]
fn a_frame_without_rows_is_its_header() {
    assert_frame("frame-empty", &[]);
}

#[test]
fn every_tag_has_its_bytes() {
    let mut heap = Vec::new();
    let new = every_tag(&mut heap);
    assert_eq!(new.iter().map(Cell::tag).collect::<Vec<_>>(), Tag::ALL);
    let row = Row { schema: 7, committed_at: COMMITTED_AT, position: 0x16_B374_D848, ..insert(new) };
    assert_frame("frame-every-tag", &[row]);
}

#[test]
fn every_operation_has_its_images() {
    let rows = [
        Row {
            schema: 7,
            op: Op::Update,
            old_is_key: true,
            new: vec![Cell::Int(1), Cell::Text("Delivered"), Cell::Unchanged],
            old: vec![Cell::Int(1), Cell::Absent, Cell::Absent],
            committed_at: COMMITTED_AT,
            position: 100,
        },
        Row {
            schema: 7,
            op: Op::Delete,
            old_is_key: false,
            new: vec![],
            old: vec![Cell::Int(2), Cell::Text(""), Cell::Null],
            committed_at: COMMITTED_AT + 1,
            position: 200,
        },
        Row { schema: 8, op: Op::Truncate, committed_at: COMMITTED_AT + 2, position: 300, ..insert(vec![]) },
        Row { schema: 8, op: Op::Read, committed_at: -1, position: 0, ..insert(vec![Cell::Bool(false)]) },
    ];
    assert_frame("frame-operations", &rows);
}

#[test]
fn arrays_keep_their_dimensions_and_nulls() {
    let mut heaps = [const { Vec::new() }; 4];
    let [square, none, texts, times] = &mut heaps;
    let cells = vec![
        array(square, &[(2, 0), (2, 1)], &[Cell::Int(1), Cell::Int(2), Cell::Null, Cell::Int(3)]),
        array(none, &[], &[]),
        array(texts, &[(2, 1)], &[Cell::Text("a"), Cell::Text("")]),
        array(times, &[(1, 1)], &[Cell::TimeTz { micros: 1, offset_seconds: -3_600 }]),
    ];
    let Cell::Array(first) = cells[0] else { unreachable!("the first cell is an array") };
    assert_eq!(first.dimensions().map(|d| (d.len, d.lower)).collect::<Vec<_>>(), [(2, 0), (2, 1)]);
    assert_eq!(first.iter().collect::<Vec<_>>(), [Cell::Int(1), Cell::Int(2), Cell::Null, Cell::Int(3)]);
    assert_frame("frame-arrays", &[insert(cells)]);
}

#[test]
fn verdicts_about_no_rows_are_their_header() {
    assert_verdicts("verdicts-empty", &[]);
}

#[test]
fn every_verdict_has_its_details() {
    let message = |route| Emitted { route, member: None, key: None, headers: vec![], body: Body::Row };
    let full = Emitted {
        member: Some("2"),
        key: Some("7"),
        headers: vec![Header { name: "x-parcel-status", value: "In Transit" }, Header { name: "x-empty", value: "" }],
        body: Body::Bytes { content_type: "application/json", bytes: br#"{"a":1}"# },
        ..message("customer")
    };
    let edits = vec![
        Edit::Set { column: 1, value: Cell::Text("Delivered") },
        Edit::Unset { column: 2 },
        Edit::Add { name: "handled_by", value: Cell::Text("parcels v2") },
    ];
    let verdicts = [
        Verdict::Pass,
        Verdict::Drop,
        Verdict::Edit(edits),
        Verdict::Emit { edits: vec![], messages: vec![message("customer")] },
        Verdict::Emit {
            edits: vec![Edit::Set { column: 0, value: Cell::Null }],
            messages: vec![full, Emitted { key: Some(""), ..message("audit") }],
        },
        Verdict::Emit { edits: vec![], messages: vec![] },
        Verdict::Reject { code: "no-address", message: "a parcel without address" },
        Verdict::Pass,
    ];
    assert_verdicts("verdicts-every-kind", &verdicts);
}

#[test]
fn an_edit_can_hold_every_tag() {
    let mut heap = Vec::new();
    let values = every_tag(&mut heap).into_iter().enumerate();
    let edits = values.map(|(column, value)| Edit::Set { column: column as u16, value }).collect();
    assert_verdicts("verdicts-every-tag", &[Verdict::Edit(edits)]);
}

#[test]
fn what_is_refused_is_refused_with_its_reason() {
    let mut refused = 0;
    for entry in fs::read_dir(folder()).expect("the folder of vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let Some(rest) = name.strip_prefix("refused-") else { continue };
        let text = fs::read_to_string(&path).expect("a vector");
        let expected = text.lines().find_map(|line| line.strip_prefix("# error: ")).expect("the reason");
        let bytes = bytes_of(&text);
        let error = if rest.starts_with("frame-") { read_frame(&bytes) } else { read_verdicts(&bytes) };
        assert_eq!(error.expect_err(&name).to_string(), expected, "{name}");
        refused += 1;
    }
    assert_eq!(refused, 27, "a vector was lost");
}

fn read_frame(bytes: &[u8]) -> Result<(), FrameError> {
    let frame = Frame::parse(bytes)?;
    for index in 0..frame.len() {
        let row = frame.row(index)?;
        (0..row.new_len()).try_for_each(|cell| row.new_cell(cell).map(drop))?;
        (0..row.old_len()).try_for_each(|cell| row.old_cell(cell).map(drop))?;
    }
    Ok(())
}

fn read_verdicts(bytes: &[u8]) -> Result<(), FrameError> {
    let mut verdicts = Verdicts::parse(bytes, 1)?;
    while verdicts.next()?.is_some() {}
    Ok(())
}
