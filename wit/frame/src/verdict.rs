//! What the guest says of each row: one byte per row, and details only for the rows that need some.

use crate::wire::Reader;
use crate::{Cell, FrameError, VERSION};
use alloc::vec::Vec;

pub(crate) const MAGIC: [u8; 4] = *b"sgv\0";
pub(crate) const HEADER: usize = 16;
pub(crate) const PASS: u8 = 0;
pub(crate) const DROP: u8 = 1;
pub(crate) const EDIT: u8 = 2;
pub(crate) const EMIT: u8 = 3;
pub(crate) const REJECT: u8 = 4;

/// The kinds of an edit.
pub(crate) const SET: u8 = 0;
pub(crate) const UNSET: u8 = 1;
pub(crate) const ADD: u8 = 2;

/// What a message carries besides its route.
pub(crate) const HAS_MEMBER: u8 = 1;
pub(crate) const HAS_KEY: u8 = 2;
pub(crate) const HAS_BODY: u8 = 4;

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
            SET => Edit::Set { column: r.u16(part)?, value: Cell::read_alone(r)? },
            UNSET => Edit::Unset { column: r.u16(part)? },
            ADD => Edit::Add { name: r.text16(part)?, value: Cell::read_alone(r)? },
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
        if flags & !(HAS_MEMBER | HAS_KEY | HAS_BODY) != 0 {
            return Err(FrameError::Unknown { what: "set of message flags", byte: flags });
        }
        let route = r.text16(part)?;
        let member = if flags & HAS_MEMBER != 0 { Some(r.text16(part)?) } else { None };
        let key = if flags & HAS_KEY != 0 { Some(r.text32(part)?) } else { None };
        let header_count = r.u16(part)?;
        let mut headers = Vec::with_capacity(usize::from(header_count.min(16)));
        for _ in 0..header_count {
            headers.push(Header { name: r.text16(part)?, value: r.text32(part)? });
        }
        let body = if flags & HAS_BODY != 0 {
            Body::Bytes { content_type: r.text16(part)?, bytes: r.bytes32(part)? }
        } else {
            Body::Row
        };
        messages.push(Emitted { route, member, key, headers, body });
    }
    Ok(messages)
}
