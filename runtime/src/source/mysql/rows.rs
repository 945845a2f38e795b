//! Events of rows: their images go from the log's bytes into the frame, value by value.
//!
//! ```text
//!   table, flags, columns present (twice for updates) │ row row row ...
//!   row:  [before] [after]       image:  a bit for each null, then the values that are not
//! ```
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Rows__event.html>

use super::bytes::{Cut, Reader};
use super::compressed;
use super::event::kind;
use super::plan::Plan;
use super::tables::Table;
use super::value::{self, Storage};
use crate::change::{FrameBuf, Op, RawCell, Tag};
use std::borrow::Cow;

/// The event that only ends a statement names no table.
const NO_TABLE: u64 = 0xff_ffff;
const STATEMENT_END: u16 = 1;

/// An event of rows, up to the first one.
pub(super) struct Rows<'a> {
    /// `None`: there are no rows.
    pub(super) table: Option<u64>,
    pub(super) ends_statement: bool,
    pub(super) op: Op,
    pub(super) images: Images<'a>,
    /// All rows, one behind the other.
    pub(super) bytes: Cow<'a, [u8]>,
}

/// Which images a row has, and which columns they hold: a bit for each.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    width: usize,
    before: Option<Present<'a>>,
    after: Option<Present<'a>>,
    is_partial: bool,
}

#[derive(Clone, Copy)]
struct Present<'a> {
    bits: &'a [u8],
    /// Bytes of an image's nulls.
    nulls_len: usize,
    is_full: bool,
}

/// Where a row could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadRow {
    /// The event is not what it must be.
    Event,
    /// The row's bytes end, or the length of the column's value is not known.
    Row { column: usize },
    /// The bytes of a value are none of its type.
    Value { column: usize },
    /// A partial update of a document whose old text the row does not hold.
    NoDocument { column: usize },
}

impl From<Cut> for BadRow {
    fn from(Cut: Cut) -> Self {
        Self::Event
    }
}

impl<'a> Rows<'a> {
    pub(super) fn parse(event: u8, body: &'a [u8]) -> Result<Self, BadRow> {
        use kind::*;
        let op = match event {
            WRITE_ROWS | WRITE_ROWS_V1 | WRITE_ROWS_COMPRESSED | WRITE_ROWS_COMPRESSED_V1 => Op::Insert,
            DELETE_ROWS | DELETE_ROWS_V1 | DELETE_ROWS_COMPRESSED | DELETE_ROWS_COMPRESSED_V1 => Op::Delete,
            _ => Op::Update,
        };
        let is_compressed = (WRITE_ROWS_COMPRESSED_V1..=DELETE_ROWS_COMPRESSED).contains(&event);
        let is_second = matches!(event, WRITE_ROWS..=DELETE_ROWS | PARTIAL_UPDATE_ROWS)
            || (WRITE_ROWS_COMPRESSED..=DELETE_ROWS_COMPRESSED).contains(&event);
        let mut r = Reader::new(body);
        let (table, flags) = (r.uint(6)?, r.u16()?);
        if is_second {
            // Its length counts itself.
            let extra = usize::from(r.u16()?);
            r.skip(extra.checked_sub(2).ok_or(BadRow::Event)?)?;
        }
        let width = usize::try_from(r.lenenc()?).map_err(|_| BadRow::Event)?;
        let first = Present::read(&mut r, width)?;
        let (before, after) = match op {
            Op::Insert => (None, Some(first)),
            Op::Delete => (Some(first), None),
            _ => (Some(first), Some(Present::read(&mut r, width)?)),
        };
        let bytes = match is_compressed && !r.is_empty() {
            true => Cow::Owned(compressed::event(r.rest())?),
            false => Cow::Borrowed(r.rest()),
        };
        let table = Some(table).filter(|table| *table != NO_TABLE);
        let images = Images { width, before, after, is_partial: event == PARTIAL_UPDATE_ROWS };
        Ok(Self { table, ends_statement: flags & STATEMENT_END != 0, op, images, bytes })
    }
}

impl<'a> Present<'a> {
    fn read(r: &mut Reader<'a>, width: usize) -> Result<Self, Cut> {
        let bits = r.take(width.div_ceil(8))?;
        let count = (0..width).filter(|column| bits[column / 8] >> (column % 8) & 1 == 1).count();
        Ok(Self { bits, nulls_len: count.div_ceil(8), is_full: count == width })
    }

    #[inline]
    fn has(&self, column: usize) -> bool {
        self.is_full || self.bits[column / 8] >> (column % 8) & 1 == 1
    }
}

impl Images<'_> {
    /// Whether rows of this event have as many columns as the table.
    pub(super) fn fit(&self, table: &Table) -> bool {
        self.width == table.plans.len()
    }

    /// Whether the old image holds the key's columns and no others.
    pub(super) fn old_is_key(&self, table: &Table) -> bool {
        let Some(before) = &self.before else { return false };
        let mut keys = 0;
        for (column, plan) in table.plans.iter().enumerate() {
            if before.has(column) != plan.is_key {
                return false;
            }
            keys += usize::from(plan.is_key);
        }
        keys > 0 && keys < table.plans.len()
    }

    /// Passes over a row.
    pub(super) fn skip(&self, table: &Table, r: &mut Reader<'_>) -> Result<(), BadRow> {
        for (present, is_after) in [(self.before, false), (self.after, true)] {
            let Some(present) = present else { continue };
            if is_after && self.is_partial {
                partial_columns(table, r)?;
            }
            walk(&table.plans, &present, r, |_, _| Ok(()))?;
        }
        Ok(())
    }

    /// Appends a row's cells, the new image before the old one, and says how many either has.
    #[inline]
    pub(super) fn write(&self, frame: &mut FrameBuf, table: &Table, r: &mut Reader<'_>) -> Result<(u16, u16), BadRow> {
        let first = frame.cells.len();
        let start = *r;
        let mut old = 0;
        if let Some(before) = &self.before {
            image(frame, &table.plans, before, r)?;
            old = frame.cells.len() - first;
        }
        let Some(after) = &self.after else { return Ok((0, count(old)?)) };
        if self.is_partial {
            self.partial(frame, table, start, r)?;
        } else {
            image(frame, &table.plans, after, r)?;
        }
        let new = frame.cells.len() - first - old;
        if old > 0 {
            exchange(&mut frame.cells[first..]);
        }
        Ok((count(new)?, count(old)?))
    }

    /// The new image of an update that may say only what changed in a document. The old image stands at `start`.
    fn partial(
        &self,
        frame: &mut FrameBuf,
        table: &Table,
        start: Reader<'_>,
        r: &mut Reader<'_>,
    ) -> Result<(), BadRow> {
        let (Some(before), Some(after)) = (&self.before, &self.after) else { return Err(BadRow::Event) };
        let mut documents = vec![None; table.plans.len()];
        let mut old = start;
        walk(&table.plans, before, &mut old, |column, bytes| {
            documents[column] = bytes;
            Ok(())
        })?;
        let is_partial = partial_columns(table, r)?;
        let mut next = 0;
        let is_partial: Vec<bool> = table
            .plans
            .iter()
            .map(|plan| {
                let index = next;
                next += usize::from(plan.is_json);
                plan.is_json && is_partial.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
            })
            .collect();
        write_with(frame, &table.plans, after, r, |frame, column, plan, bytes| {
            if plan.kind.is_none() || !is_partial[column] {
                return push(frame, column, plan, bytes);
            }
            // The text that the update made is not in the log, and no cell can say that it is another one than before:
            // `Unchanged` says that the statement did not touch the value.
            let document = documents[column].ok_or(BadRow::NoDocument { column })?;
            let offset = frame.heap.len();
            value::patched(&mut frame.heap, document, bytes).map_err(|Cut| BadRow::Value { column })?;
            let len = u32::try_from(frame.heap.len() - offset).map_err(|_| BadRow::Value { column })?;
            frame.cells.push(RawCell::heap(Tag::Json, offset as u64, len));
            Ok(())
        })
    }
}

/// A bit for each of the table's JSON columns: whether its value is only what changed.
fn partial_columns<'a>(table: &Table, r: &mut Reader<'a>) -> Result<&'a [u8], BadRow> {
    const PARTIAL_JSON: u64 = 1;
    let options = r.lenenc()?;
    Ok(if options & PARTIAL_JSON != 0 { r.take(table.json_len.div_ceil(8))? } else { &[] })
}

fn count(cells: usize) -> Result<u16, BadRow> {
    u16::try_from(cells).map_err(|_| BadRow::Event)
}

/// The old image, which stands first in the log, goes behind the new one. What the new one lacks the statement did not
/// touch: it is as before.
#[inline]
fn exchange(cells: &mut [RawCell]) {
    let (old, new) = cells.split_at_mut(cells.len() / 2);
    for (old, new) in old.iter_mut().zip(new) {
        if *new == RawCell::ABSENT {
            *new = if *old == RawCell::ABSENT { RawCell::UNCHANGED } else { *old };
        }
        std::mem::swap(old, new);
    }
}

#[inline]
fn image(frame: &mut FrameBuf, plans: &[Plan], present: &Present<'_>, r: &mut Reader<'_>) -> Result<(), BadRow> {
    write_with(frame, plans, present, r, push)
}

#[inline]
fn push(frame: &mut FrameBuf, column: usize, plan: &Plan, bytes: &[u8]) -> Result<(), BadRow> {
    let Some(kind) = plan.kind else { return Ok(()) };
    value::push(frame, kind, &plan.labels, bytes).map_err(|Cut| BadRow::Value { column })
}

/// Hands the values of an image that are there to `write`; what is not gets its cell here.
#[inline]
fn write_with<'a>(
    frame: &mut FrameBuf,
    plans: &[Plan],
    present: &Present<'_>,
    r: &mut Reader<'a>,
    mut write: impl FnMut(&mut FrameBuf, usize, &Plan, &'a [u8]) -> Result<(), BadRow>,
) -> Result<(), BadRow> {
    let nulls = r.take(present.nulls_len)?;
    let mut bit = 0;
    for (column, plan) in plans.iter().enumerate() {
        if !present.has(column) {
            if plan.kind.is_some() {
                frame.cells.push(RawCell::ABSENT);
            }
            continue;
        }
        let is_null = nulls[bit / 8] >> (bit % 8) & 1 == 1;
        bit += 1;
        if !is_null {
            let bytes = value_bytes(plan, r).map_err(|Cut| BadRow::Row { column })?;
            write(frame, column, plan, bytes)?;
        } else if plan.kind.is_some() {
            frame.cells.push(RawCell::NULL);
        }
    }
    Ok(())
}

/// Hands over each column's bytes, `None` for null; columns that are not there are left out.
fn walk<'a>(
    plans: &[Plan],
    present: &Present<'_>,
    r: &mut Reader<'a>,
    mut each: impl FnMut(usize, Option<&'a [u8]>) -> Result<(), BadRow>,
) -> Result<(), BadRow> {
    let nulls = r.take(present.nulls_len)?;
    let present = plans.iter().enumerate().filter(|(column, _)| present.has(*column));
    for (bit, (column, plan)) in present.enumerate() {
        let is_null = nulls[bit / 8] >> (bit % 8) & 1 == 1;
        let bytes = if is_null { None } else { Some(value_bytes(plan, r).map_err(|Cut| BadRow::Row { column })?) };
        each(column, bytes)?;
    }
    Ok(())
}

#[inline]
fn value_bytes<'a>(plan: &Plan, r: &mut Reader<'a>) -> Result<&'a [u8], Cut> {
    match plan.storage.ok_or(Cut)? {
        Storage::Fixed(len) => r.take(len.into()),
        Storage::Prefixed(1) => {
            let len = r.u8()?;
            r.take(len.into())
        }
        Storage::Prefixed(len) => {
            let len = r.uint(len.into())? as usize;
            r.take(len)
        }
    }
}

/// Hands over the bytes row by row. An event has at least one row, which may have no bytes: an insert of nothing but defaults.
#[inline]
pub(super) fn each_row(
    rows: &Rows<'_>,
    mut row: impl FnMut(&mut Reader<'_>) -> Result<(), BadRow>,
) -> Result<(), BadRow> {
    let mut r = Reader::new(&rows.bytes);
    loop {
        let left = r.len();
        row(&mut r)?;
        if r.is_empty() {
            return Ok(());
        }
        if r.len() == left {
            return Err(BadRow::Event);
        }
    }
}
