//! Arrays: their dimensions, then their elements one after the other, each written by itself.

use crate::{Cell, FrameError, Tag, wire};
use alloc::vec::Vec;

/// Length and first subscript of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    pub len: u32,
    /// The first subscript; PostgreSQL's arrays may begin anywhere, most begin at 1.
    pub lower: i32,
}

/// An array of zero or more dimensions, its elements in row-major order. Borrows from the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    // Nothing else that could be kept: every `Cell` would be larger by it, and cells are copied more often than arrays are read.
    bytes: &'a [u8],
}

const PART: &str = "an array";
/// PostgreSQL's MAXDIM.
const DIMENSIONS_MAX: u8 = 6;
/// The number of dimensions and three zero bytes.
const HEAD_BYTES: usize = 4;
const DIMENSION_BYTES: usize = 8;

impl<'a> Array<'a> {
    /// # Errors
    /// If the bytes are no array; every element is checked here, so that reading them later can not fail.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut r = wire::Reader::new(bytes);
        let ndims = r.u8(PART)?;
        if ndims > DIMENSIONS_MAX {
            return Err(FrameError::TooLarge("the number of dimensions"));
        }
        r.take(3, PART)?;
        let mut count: u32 = u32::from(ndims > 0);
        for _ in 0..ndims {
            count = count.checked_mul(r.u32(PART)?).ok_or(FrameError::TooLarge(PART))?;
            r.u32(PART)?;
        }
        for _ in 0..count {
            // Looked at before the element is read: arrays in arrays would let bytes from outside recurse as deep as they
            // like, and overflow the stack.
            let tag = r.peek_u8(PART)?;
            if tag == Tag::Array as u8 {
                return Err(FrameError::Unknown { what: "array element", byte: tag });
            }
            Cell::read_alone(&mut r)?;
        }
        if !r.is_empty() {
            return Err(FrameError::Trailing);
        }
        Ok(Self { bytes })
    }

    /// Number of elements over all dimensions.
    pub fn len(&self) -> usize {
        if self.ndims() == 0 { 0 } else { self.dimensions().map(|dimension| dimension.len as usize).product() }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn dimensions(&self) -> impl Iterator<Item = Dimension> + 'a {
        let mut r = wire::Reader::new(&self.bytes[HEAD_BYTES..]);
        (0..self.ndims())
            .map_while(move |_| Some(Dimension { len: r.u32(PART).ok()?, lower: r.u32(PART).ok()? as i32 }))
    }

    /// The elements in row-major order.
    pub fn iter(&self) -> impl Iterator<Item = Cell<'a>> + 'a {
        let mut r = wire::Reader::new(&self.bytes[HEAD_BYTES + DIMENSION_BYTES * self.ndims()..]);
        (0..self.len()).map_while(move |_| Cell::read_alone(&mut r).ok())
    }

    fn ndims(&self) -> usize {
        usize::from(self.bytes[0])
    }

    /// The bytes as they stand on the heap.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Writes an array onto a heap: dimensions first, then each element.
pub struct ArrayWriter<'h> {
    heap: &'h mut Vec<u8>,
}

impl<'h> ArrayWriter<'h> {
    pub fn new(heap: &'h mut Vec<u8>, dimensions: &[Dimension]) -> Self {
        heap.extend_from_slice(&[dimensions.len() as u8, 0, 0, 0]);
        for d in dimensions {
            heap.extend_from_slice(&d.len.to_le_bytes());
            heap.extend_from_slice(&d.lower.to_le_bytes());
        }
        Self { heap }
    }

    pub fn push(&mut self, element: Cell<'_>) {
        element.write_alone(self.heap);
    }
}
