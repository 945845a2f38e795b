//! What the guest says of each row: one byte per row, and details only for the rows that need some.

use crate::wire::{Reader, put_bytes32, put_text16};
use crate::{Cell, FrameError, VERSION};
use alloc::vec::Vec;

const MAGIC: [u8; 4] = *b"sgv\0";
const HEADER: usize = 16;
const PASS: u8 = 0;
const DROP: u8 = 1;
const EDIT: u8 = 2;
const EMIT: u8 = 3;
const REJECT: u8 = 4;

/// The decision about one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a> {
    /// To every route that matches, as it is.
    Pass,
    /// To none.
    Drop,
    /// To every route that matches, changed.
    Edit(Vec<Edit<'a>>),
    /// To the routes that the messages name, and to no other. Edits come first, and hold for messages that carry the row.
    Emit { edits: Vec<Edit<'a>>, messages: Vec<Emitted<'a>> },
    /// To the pipeline's policy for bad rows.
    Reject { code: &'a str, message: &'a str },
}

/// A change to the row's new image (to the old one after a delete).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit<'a> {
    /// Another value for a column; the index counts the columns that the guest was given.
    Set { column: u16, value: Cell<'a> },
    /// Leave the column out.
    Unset { column: u16 },
    /// A column by name: a new one, or one that the guest was not given.
    Add { name: &'a str, value: Cell<'a> },
}

/// A header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The row, with the edits, in the route's format.
    Row,
    /// Bytes that the guest made; they go as they are.
    Bytes { content_type: &'a str, bytes: &'a [u8] },
}

/// One message to a named route.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted<'a> {
    pub route: &'a str,
    /// Instead of the route's member.
    pub member: Option<&'a str>,
    /// Instead of the route's ordering key.
    pub key: Option<&'a str>,
    pub headers: Vec<Header<'a>>,
    pub body: Body<'a>,
}

/// Writes the verdicts of one frame, row by row, into one buffer.
pub struct VerdictWriter {
    out: Vec<u8>,
    rows: usize,
    next: usize,
}

impl VerdictWriter {
    /// For a frame of `rows` rows. A row that gets no verdict is dropped by nobody: `finish` refuses it.
    pub fn new(rows: usize) -> Self {
        let mut out = Vec::with_capacity(HEADER + rows + 64);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(rows as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.resize(HEADER + rows, PASS);
        Self { out, rows, next: 0 }
    }

    /// # Panics
    /// If it is called more often than there are rows.
    pub fn push(&mut self, verdict: &Verdict<'_>) {
        let code = match verdict {
            Verdict::Pass => PASS,
            Verdict::Drop => DROP,
            Verdict::Edit(edits) => {
                put_edits(&mut self.out, edits);
                EDIT
            }
            Verdict::Emit { edits, messages } => {
                put_edits(&mut self.out, edits);
                put_messages(&mut self.out, messages);
                EMIT
            }
            Verdict::Reject { code, message } => {
                put_text16(&mut self.out, code);
                put_bytes32(&mut self.out, message.as_bytes());
                REJECT
            }
        };
        assert!(self.next < self.rows, "one verdict per row");
        self.out[HEADER + self.next] = code;
        self.next += 1;
    }

    /// # Errors
    /// `RowCount` if a row has no verdict.
    pub fn finish(self) -> Result<Vec<u8>, FrameError> {
        if self.next == self.rows {
            Ok(self.out)
        } else {
            Err(FrameError::RowCount { expected: self.rows as u32, found: self.next as u32 })
        }
    }
}

fn put_edits(out: &mut Vec<u8>, edits: &[Edit<'_>]) {
    out.extend_from_slice(&(edits.len() as u16).to_le_bytes());
    for edit in edits {
        match edit {
            Edit::Set { column, value } => {
                out.push(0);
                out.extend_from_slice(&column.to_le_bytes());
                value.write_alone(out);
            }
            Edit::Unset { column } => {
                out.push(1);
                out.extend_from_slice(&column.to_le_bytes());
            }
            Edit::Add { name, value } => {
                out.push(2);
                put_text16(out, name);
                value.write_alone(out);
            }
        }
    }
}

fn put_messages(out: &mut Vec<u8>, messages: &[Emitted<'_>]) {
    out.extend_from_slice(&(messages.len() as u16).to_le_bytes());
    for m in messages {
        let body = matches!(m.body, Body::Bytes { .. });
        out.push(u8::from(m.member.is_some()) | u8::from(m.key.is_some()) << 1 | u8::from(body) << 2);
        put_text16(out, m.route);
        if let Some(member) = m.member {
            put_text16(out, member);
        }
        if let Some(key) = m.key {
            put_bytes32(out, key.as_bytes());
        }
        out.extend_from_slice(&(m.headers.len() as u16).to_le_bytes());
        for h in &m.headers {
            put_text16(out, h.name);
            put_bytes32(out, h.value.as_bytes());
        }
        if let Body::Bytes { content_type, bytes } = m.body {
            put_text16(out, content_type);
            put_bytes32(out, bytes);
        }
    }
}

/// The verdicts of one frame as the host reads them: an iterator that stops at the first mistake.
#[derive(Clone, Debug)]
pub struct Verdicts<'a> {
    codes: &'a [u8],
    details: Reader<'a>,
}

impl<'a> Verdicts<'a> {
    /// # Errors
    /// If the header is wrong, or speaks of another number of rows than were given.
    pub fn parse(bytes: &'a [u8], rows: usize) -> Result<Self, FrameError> {
        let mut r = Reader::new(bytes);
        let part = "the header";
        if r.take(4, part)? != MAGIC {
            return Err(FrameError::Magic);
        }
        let version = r.u16(part)?;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        r.u16(part)?;
        let found = r.u32(part)?;
        r.u32(part)?;
        if found as usize != rows {
            return Err(FrameError::RowCount { expected: rows as u32, found });
        }
        let codes = r.take(rows, "the verdicts")?;
        Ok(Self { codes, details: r })
    }

    /// The next row's verdict; `None` when all rows had theirs.
    ///
    /// # Errors
    /// If the details are not what the verdict's byte says. Nothing behind a mistake can be read.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Verdict<'a>>, FrameError> {
        let Some((&code, rest)) = self.codes.split_first() else {
            return if self.details.is_empty() { Ok(None) } else { Err(FrameError::Trailing) };
        };
        self.codes = rest;
        let r = &mut self.details;
        Ok(Some(match code {
            PASS => Verdict::Pass,
            DROP => Verdict::Drop,
            EDIT => Verdict::Edit(read_edits(r)?),
            EMIT => Verdict::Emit { edits: read_edits(r)?, messages: read_messages(r)? },
            REJECT => Verdict::Reject { code: r.text16("a rejection")?, message: r.text32("a rejection")? },
            byte => return Err(FrameError::Unknown { what: "verdict", byte }),
        }))
    }
}

fn read_edits<'a>(r: &mut Reader<'a>) -> Result<Vec<Edit<'a>>, FrameError> {
    let part = "an edit";
    let count = r.u16(part)?;
    let mut edits = Vec::with_capacity(usize::from(count.min(64)));
    for _ in 0..count {
        edits.push(match r.u8(part)? {
            0 => Edit::Set { column: r.u16(part)?, value: Cell::read_alone(r)? },
            1 => Edit::Unset { column: r.u16(part)? },
            2 => Edit::Add { name: r.text16(part)?, value: Cell::read_alone(r)? },
            byte => return Err(FrameError::Unknown { what: "edit", byte }),
        });
    }
    Ok(edits)
}

fn read_messages<'a>(r: &mut Reader<'a>) -> Result<Vec<Emitted<'a>>, FrameError> {
    let part = "a message";
    let count = r.u16(part)?;
    let mut messages = Vec::with_capacity(usize::from(count.min(64)));
    for _ in 0..count {
        let flags = r.u8(part)?;
        if flags & !7 != 0 {
            return Err(FrameError::Unknown { what: "set of message flags", byte: flags });
        }
        let route = r.text16(part)?;
        let member = if flags & 1 != 0 { Some(r.text16(part)?) } else { None };
        let key = if flags & 2 != 0 { Some(r.text32(part)?) } else { None };
        let header_count = r.u16(part)?;
        let mut headers = Vec::with_capacity(usize::from(header_count.min(16)));
        for _ in 0..header_count {
            headers.push(Header { name: r.text16(part)?, value: r.text32(part)? });
        }
        let body = if flags & 4 != 0 {
            Body::Bytes { content_type: r.text16(part)?, bytes: r.bytes32(part)? }
        } else {
            Body::Row
        };
        messages.push(Emitted { route, member, key, headers, body });
    }
    Ok(messages)
}
