//! Writing verdicts: edits are gathered in their final form before the verdict is known, so that a row that is passed or
//! dropped costs one byte and no allocation.

use crate::verdict::{ADD, DROP, EDIT, EMIT, HAS_BODY, HAS_KEY, HAS_MEMBER, HEADER, MAGIC, PASS, REJECT, SET, UNSET};
use crate::wire::{put_bytes32, put_text16};
use crate::{Body, Edit, Emitted, FrameError, VERSION, Verdict};
use alloc::vec::Vec;

/// The edits of one row, in the bytes in which they cross the border. Meant to be reused from row to row.
#[derive(Clone, Debug, Default)]
pub struct EditBuf {
    bytes: Vec<u8>,
    count: u16,
}

impl EditBuf {
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0 }
    }

    /// Number of edits.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets the edits and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Appends an edit; later ones win over earlier ones.
    ///
    /// # Errors
    /// `TooLarge` for a name of more than 65,535 bytes or the 65,536th edit. Nothing is appended then.
    pub fn push(&mut self, edit: &Edit<'_>) -> Result<(), FrameError> {
        let count = self.count.checked_add(1).ok_or(FrameError::TooLarge("the number of edits"))?;
        let before = self.bytes.len();
        if let Err(error) = put_edit(&mut self.bytes, edit) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.count = count;
        Ok(())
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }
}

/// Writes the verdicts of one frame, row by row, into one buffer.
pub struct VerdictWriter {
    out: Vec<u8>,
    rows: usize,
    next: usize,
    /// The first verdict that the layout could not hold.
    failed: Option<FrameError>,
}

impl VerdictWriter {
    /// For a frame of `rows` rows. A row that gets no verdict is dropped by nobody: `finish` refuses it.
    pub fn new(rows: usize) -> Self {
        // Exactly as long as a frame of passed and dropped rows needs, so that handing it over need not shrink it.
        let mut out = Vec::with_capacity(HEADER + rows);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(rows as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.resize(HEADER + rows, PASS);
        Self { out, rows, next: 0, failed: None }
    }

    /// Writes any verdict. One that the layout can not hold makes `finish` fail.
    ///
    /// # Panics
    /// If it is called more often than there are rows.
    pub fn push(&mut self, verdict: &Verdict<'_>) {
        let pushed = match verdict {
            Verdict::Pass => return self.push_pass(),
            Verdict::Drop => return self.push_drop(),
            Verdict::Reject { code, message } => return self.push_reject(code, message),
            Verdict::Edit(edits) => gather(edits).map(|edits| self.push_edits(&edits)),
            Verdict::Emit { edits, messages } => {
                gather(edits).and_then(|edits| self.push_emit(&edits, messages.iter().cloned()))
            }
        };
        if let Err(error) = pushed {
            self.failed.get_or_insert(error);
            self.decide(PASS);
        }
    }

    /// To every route that matches, as it is.
    ///
    /// # Panics
    /// As `push`.
    #[inline]
    pub fn push_pass(&mut self) {
        self.decide(PASS);
    }

    /// To none.
    ///
    /// # Panics
    /// As `push`.
    #[inline]
    pub fn push_drop(&mut self) {
        self.decide(DROP);
    }

    /// To every route that matches, changed.
    ///
    /// # Panics
    /// As `push`.
    pub fn push_edits(&mut self, edits: &EditBuf) {
        edits.put(&mut self.out);
        self.decide(EDIT);
    }

    /// Messages instead of the row.
    ///
    /// # Errors
    /// `TooLarge` for more than 65,535 messages or headers, or a name of more than 65,535 bytes. Nothing is written then,
    /// and the row still waits for its verdict.
    ///
    /// # Panics
    /// As `push`.
    pub fn push_emit<'m>(
        &mut self,
        edits: &EditBuf,
        messages: impl ExactSizeIterator<Item = Emitted<'m>>,
    ) -> Result<(), FrameError> {
        let before = self.out.len();
        edits.put(&mut self.out);
        if let Err(error) = put_messages(&mut self.out, messages) {
            self.out.truncate(before);
            return Err(error);
        }
        self.decide(EMIT);
        Ok(())
    }

    /// To the pipeline's policy for bad rows. A code of more than 65,535 bytes is cut.
    ///
    /// # Panics
    /// As `push`.
    pub fn push_reject(&mut self, code: &str, message: &str) {
        let code = &code[..code.floor_char_boundary(usize::from(u16::MAX))];
        put_text16(&mut self.out, code).expect("a code that was cut to what fits");
        put_bytes32(&mut self.out, message.as_bytes());
        self.decide(REJECT);
    }

    /// # Errors
    /// `RowCount` if a row has no verdict, `TooLarge` if one did not fit into the layout.
    pub fn finish(self) -> Result<Vec<u8>, FrameError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.next == self.rows => Ok(self.out),
            None => Err(FrameError::RowCount { expected: self.rows as u32, found: self.next as u32 }),
        }
    }

    #[inline]
    fn decide(&mut self, verdict: u8) {
        assert!(self.next < self.rows, "one verdict per row");
        self.out[HEADER + self.next] = verdict;
        self.next += 1;
    }
}

fn gather(edits: &[Edit<'_>]) -> Result<EditBuf, FrameError> {
    let mut gathered = EditBuf::new();
    edits.iter().try_for_each(|edit| gathered.push(edit))?;
    Ok(gathered)
}

fn put_edit(out: &mut Vec<u8>, edit: &Edit<'_>) -> Result<(), FrameError> {
    match edit {
        Edit::Set { column, value } => {
            out.push(SET);
            out.extend_from_slice(&column.to_le_bytes());
            value.write_alone(out);
        }
        Edit::Unset { column } => {
            out.push(UNSET);
            out.extend_from_slice(&column.to_le_bytes());
        }
        Edit::Add { name, value } => {
            out.push(ADD);
            put_text16(out, name)?;
            value.write_alone(out);
        }
    }
    Ok(())
}

fn put_messages<'m>(out: &mut Vec<u8>, messages: impl ExactSizeIterator<Item = Emitted<'m>>) -> Result<(), FrameError> {
    put_count(out, messages.len(), "the number of messages")?;
    for m in messages {
        let mut flags = 0;
        flags |= if m.member.is_some() { HAS_MEMBER } else { 0 };
        flags |= if m.key.is_some() { HAS_KEY } else { 0 };
        flags |= if matches!(m.body, Body::Bytes { .. }) { HAS_BODY } else { 0 };
        out.push(flags);
        put_text16(out, m.route)?;
        if let Some(member) = m.member {
            put_text16(out, member)?;
        }
        if let Some(key) = m.key {
            put_bytes32(out, key.as_bytes());
        }
        put_count(out, m.headers.len(), "the number of headers")?;
        for h in &m.headers {
            put_text16(out, h.name)?;
            put_bytes32(out, h.value.as_bytes());
        }
        if let Body::Bytes { content_type, bytes } = m.body {
            put_text16(out, content_type)?;
            put_bytes32(out, bytes);
        }
    }
    Ok(())
}

fn put_count(out: &mut Vec<u8>, count: usize, what: &'static str) -> Result<(), FrameError> {
    let count = u16::try_from(count).map_err(|_| FrameError::TooLarge(what))?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}
