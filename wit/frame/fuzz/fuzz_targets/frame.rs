//! A guest's reader: any bytes are a frame or an error, and what was read is written again as the same values.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_frame::{Cell, Frame, FrameBuf, RowHead};

/// A small frame can point a thousand rows at the same thousand cells.
const CELLS_MAX: usize = 100_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes) else { return };
    let mut again = FrameBuf::new();
    let mut kept = Vec::new();
    for index in 0..frame.len() {
        let Ok(row) = frame.row(index) else { continue };
        let new = (0..row.new_len()).map(|cell| row.new_cell(cell));
        let old = (0..row.old_len()).map(|cell| row.old_cell(cell));
        let Ok(cells) = new.chain(old).collect::<Result<Vec<Cell<'_>>, _>>() else { continue };
        if again.cells.len() + cells.len() > CELLS_MAX {
            return;
        }
        again.rows.push(RowHead { first_cell: again.cells.len() as u32, ..row.head });
        cells.iter().for_each(|cell| again.push(*cell));
        kept.push(cells);
    }
    let mut written = Vec::new();
    again.write_to(&mut written);
    let read = Frame::parse(&written).expect("a frame that was just written");
    for (index, cells) in kept.iter().enumerate() {
        let row = read.row(index).expect("a row that was just written");
        for (at, cell) in cells.iter().enumerate() {
            let read = match at.checked_sub(row.new_len()) {
                None => row.new_cell(at),
                Some(at) => row.old_cell(at),
            };
            // By their text, because a NaN is not equal to itself.
            assert_eq!(format!("{:?}", read.expect("a cell that was just written")), format!("{cell:?}"));
        }
    }
});
