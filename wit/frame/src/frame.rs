//! Rows on their way in: a head per row, sixteen bytes per cell, one heap for everything that does not fit into those.

use crate::cell::RawCell;
use crate::{Cell, FrameError, Tag, VERSION};
use alloc::vec::Vec;

pub(crate) const MAGIC: [u8; 4] = *b"sgf\0";
const HEADER: usize = 24;

/// What happened to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    Insert = 0,
    Update = 1,
    Delete = 2,
    /// The table was emptied; the row has no cells.
    Truncate = 3,
    /// Read by a snapshot rather than from the log.
    Read = 4,
}

impl Op {
    /// # Errors
    /// `Unknown` for a byte that is no operation.
    pub fn from_byte(byte: u8) -> Result<Op, FrameError> {
        Ok(match byte {
            0 => Op::Insert,
            1 => Op::Update,
            2 => Op::Delete,
            3 => Op::Truncate,
            4 => Op::Read,
            _ => return Err(FrameError::Unknown { what: "operation", byte }),
        })
    }

    /// The word that users write and read.
    pub const fn name(self) -> &'static str {
        match self {
            Op::Insert => "insert",
            Op::Update => "update",
            Op::Delete => "delete",
            Op::Truncate => "truncate",
            Op::Read => "read",
        }
    }
}

/// The 32 bytes before a row's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowHead {
    /// The id under which the table's schema was announced.
    pub schema: u32,
    pub op: Op,
    /// Whether the old image holds the key columns only; the others are `Absent`.
    pub old_is_key: bool,
    /// Index of the row's first cell. New cells come first, then old ones.
    pub first_cell: u32,
    pub new_cells: u16,
    /// Zero when the log holds no old image.
    pub old_cells: u16,
    /// When the transaction was committed: microseconds since 2000-01-01 UTC.
    pub committed_at: i64,
    /// A number that grows within a source; PostgreSQL's log position of the change.
    pub position: u64,
}

impl RowHead {
    /// Size of a row's head.
    pub const SIZE: usize = 32;

    #[inline]
    fn to_bytes(self) -> [u8; Self::SIZE] {
        let words = [
            u64::from(self.schema) | (self.op as u64) << 32 | u64::from(self.old_is_key) << 40,
            u64::from(self.first_cell) | u64::from(self.new_cells) << 32 | u64::from(self.old_cells) << 48,
            self.committed_at as u64,
            self.position,
        ];
        let mut out = [0; Self::SIZE];
        for (place, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        out
    }

    #[inline]
    fn from_bytes(b: &[u8; Self::SIZE]) -> Result<Self, FrameError> {
        let word = |at: usize| u64::from_le_bytes(b.as_chunks().0[at]);
        let (what, cells) = (word(0), word(1));
        Ok(Self {
            schema: what as u32,
            op: Op::from_byte((what >> 32) as u8)?,
            old_is_key: what >> 40 & 1 == 1,
            first_cell: cells as u32,
            new_cells: (cells >> 32) as u16,
            old_cells: (cells >> 48) as u16,
            committed_at: word(2) as i64,
            position: word(3),
        })
    }
}

/// Rows in the making, and rows at rest in the host: the three tables side by side.
#[derive(Clone, Debug, Default)]
pub struct FrameBuf {
    pub rows: Vec<RowHead>,
    pub cells: Vec<RawCell>,
    pub heap: Vec<u8>,
}

impl FrameBuf {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that this frame takes, as an encoded frame would.
    pub fn byte_len(&self) -> usize {
        HEADER + self.rows.len() * RowHead::SIZE + self.cells.len() * RawCell::SIZE + self.heap.len()
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.cells.clear();
        self.heap.clear();
    }

    /// Appends one cell; its heap bytes are copied.
    #[inline]
    pub fn push(&mut self, cell: Cell<'_>) {
        if let Cell::TimeTz { micros, offset_seconds } = cell {
            self.cells.push(RawCell::time_tz(micros, offset_seconds));
        } else if let Some((_, payload)) = cell.inline() {
            self.cells.push(RawCell::inline(cell.tag(), payload));
        } else {
            let offset = self.heap.len();
            cell.write_heap(&mut self.heap);
            self.cells.push(RawCell::heap(cell.tag(), offset as u64, (self.heap.len() - offset) as u32));
        }
    }

    /// Appends a cell whose heap bytes are given as they are. The caller has made sure that they are what the tag says.
    #[inline]
    pub fn push_heap(&mut self, tag: Tag, bytes: &[u8]) {
        let offset = self.heap.len() as u64;
        self.heap.extend_from_slice(bytes);
        self.cells.push(RawCell::heap(tag, offset, bytes.len() as u32));
    }

    /// Copies a cell of another frame, heap bytes included.
    ///
    /// # Errors
    /// If the other cell points outside its heap.
    #[inline]
    pub fn push_from(&mut self, cell: RawCell, heap: &[u8]) -> Result<(), FrameError> {
        let tag = cell.tag()?;
        if tag.is_inline() {
            self.cells.push(cell);
        } else {
            self.push_heap(tag, cell.heap_bytes(heap)?);
        }
        Ok(())
    }

    /// The row's new and old image, read in place.
    #[inline]
    pub fn row(&self, index: usize) -> Option<RowView<'_>> {
        let head = *self.rows.get(index)?;
        let first = head.first_cell as usize;
        let new_end = first + usize::from(head.new_cells);
        Some(RowView {
            head,
            new: CellsAt::Table(self.cells.get(first..new_end)?),
            old: CellsAt::Table(self.cells.get(new_end..new_end + usize::from(head.old_cells))?),
            heap: &self.heap,
        })
    }

    /// Appends the encoded frame to `out`.
    ///
    /// # Panics
    /// If the heap holds 4 GiB or more; batches are cut long before.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let count = |n: usize| u32::try_from(n).expect("a frame under 4 GiB").to_le_bytes();
        out.reserve(self.byte_len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        for n in [self.rows.len(), self.cells.len(), self.heap.len(), 0] {
            out.extend_from_slice(&count(n));
        }
        // Sized once and filled by chunks: an append per cell checks the capacity each time.
        let rows_at = out.len();
        let cells_at = rows_at + self.rows.len() * RowHead::SIZE;
        out.resize(cells_at + self.cells.len() * RawCell::SIZE, 0);
        let (rows, cells) = out[rows_at..].split_at_mut(cells_at - rows_at);
        for (place, row) in rows.as_chunks_mut().0.iter_mut().zip(&self.rows) {
            *place = row.to_bytes();
        }
        for (place, cell) in cells.as_chunks_mut().0.iter_mut().zip(&self.cells) {
            *place = cell.to_bytes();
        }
        out.extend_from_slice(&self.heap);
    }
}

#[derive(Clone, Copy, Debug)]
enum CellsAt<'a> {
    Table(&'a [RawCell]),
    Encoded(&'a [u8]),
}

impl CellsAt<'_> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            CellsAt::Table(cells) => cells.len(),
            CellsAt::Encoded(bytes) => bytes.len() / RawCell::SIZE,
        }
    }

    #[inline]
    fn get(&self, index: usize) -> Option<RawCell> {
        match self {
            CellsAt::Table(cells) => cells.get(index).copied(),
            CellsAt::Encoded(bytes) => bytes
                .get(index.checked_mul(RawCell::SIZE)?..)?
                .first_chunk::<{ RawCell::SIZE }>()
                .map(RawCell::from_bytes),
        }
    }
}

/// One row, read in place: from a frame's bytes in the guest, from the host's tables in the host.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    pub head: RowHead,
    new: CellsAt<'a>,
    old: CellsAt<'a>,
    heap: &'a [u8],
}

impl<'a> RowView<'a> {
    /// Number of cells in the new image; zero after a delete.
    pub fn new_len(&self) -> usize {
        self.new.len()
    }

    /// Number of cells in the old image; zero if the log holds none.
    pub fn old_len(&self) -> usize {
        self.old.len()
    }

    /// A cell of the new image; `Absent` outside it.
    ///
    /// # Errors
    /// If the cell's bytes are not what its tag says.
    #[inline]
    pub fn new_cell(&self, index: usize) -> Result<Cell<'a>, FrameError> {
        self.new.get(index).map_or(Ok(Cell::Absent), |c| c.resolve(self.heap))
    }

    /// A cell of the old image; `Absent` outside it.
    ///
    /// # Errors
    /// If the cell's bytes are not what its tag says.
    #[inline]
    pub fn old_cell(&self, index: usize) -> Result<Cell<'a>, FrameError> {
        self.old.get(index).map_or(Ok(Cell::Absent), |c| c.resolve(self.heap))
    }

    /// The new image's cell as it stands in the table.
    #[inline]
    pub fn new_raw(&self, index: usize) -> Option<RawCell> {
        self.new.get(index)
    }

    /// The old image's cell as it stands in the table.
    #[inline]
    pub fn old_raw(&self, index: usize) -> Option<RawCell> {
        self.old.get(index)
    }

    /// The heap that this row's cells point into.
    #[inline]
    pub fn heap(&self) -> &'a [u8] {
        self.heap
    }
}

/// An encoded frame, its header checked; rows are read in place.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    rows: &'a [u8],
    cells: &'a [u8],
    heap: &'a [u8],
}

impl<'a> Frame<'a> {
    /// # Errors
    /// If the bytes are not a frame of a version that this codec speaks, or not exactly as long as the header says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut r = crate::wire::Reader::new(bytes);
        let part = "the header";
        if r.take(4, part)? != MAGIC {
            return Err(FrameError::Magic);
        }
        let version = r.u16(part)?;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        r.u16(part)?;
        let (rows, cells, heap) = (r.u32(part)? as usize, r.u32(part)? as usize, r.u32(part)? as usize);
        r.u32(part)?;
        let frame = Self {
            rows: r.take(rows.checked_mul(RowHead::SIZE).ok_or(FrameError::TooLarge("rows"))?, "the rows")?,
            cells: r.take(cells.checked_mul(RawCell::SIZE).ok_or(FrameError::TooLarge("cells"))?, "the cells")?,
            heap: r.take(heap, "the heap")?,
        };
        if r.is_empty() { Ok(frame) } else { Err(FrameError::Trailing) }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len() / RowHead::SIZE
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// # Errors
    /// `Truncated` outside the frame, or if the row's cells lie outside it.
    #[inline]
    pub fn row(&self, index: usize) -> Result<RowView<'a>, FrameError> {
        let head = index
            .checked_mul(RowHead::SIZE)
            .and_then(|at| self.rows.get(at..))
            .and_then(|b| b.first_chunk::<{ RowHead::SIZE }>())
            .ok_or(FrameError::Truncated("the rows"))?;
        let head = RowHead::from_bytes(head)?;
        let cut = |cells: &'a [u8], at: usize| cells.split_at_checked(at).ok_or(FrameError::Truncated("the cells"));
        // Checked, for a guest counts in 32 bits and the index comes from outside.
        let first = (head.first_cell as usize).checked_mul(RawCell::SIZE).ok_or(FrameError::Truncated("the cells"))?;
        let (_, cells) = cut(self.cells, first)?;
        let (new, cells) = cut(cells, usize::from(head.new_cells) * RawCell::SIZE)?;
        let (old, _) = cut(cells, usize::from(head.old_cells) * RawCell::SIZE)?;
        Ok(RowView { head, new: CellsAt::Encoded(new), old: CellsAt::Encoded(old), heap: self.heap })
    }
}
