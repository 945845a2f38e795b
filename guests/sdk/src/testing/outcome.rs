//! What became of a row, owned, for tests to look at.

use super::row::Shape;
use crate::rejection::Rejection;
use crate::value::AsCell;
use sluicegate_frame::{Body, Cell, Edit, Emitted, FrameBuf, FrameError, Verdict, Verdicts};

/// The verdict about a row as the host reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// To every route that matches, as it is.
    Pass,
    /// To none.
    Drop,
    /// To every route that matches, changed.
    Edit(Vec<Edited>),
    /// To the routes that the messages name.
    Emit { edits: Vec<Edited>, messages: Vec<Sent> },
    /// To the policy for bad rows.
    Reject(Rejection),
}

/// One edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    pub column: String,
    /// None if the column is left out.
    pub value: Option<Value>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub route: String,
    pub member: Option<String>,
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    /// Content type and bytes; None if the message carries the row.
    pub body: Option<(String, Vec<u8>)>,
}

/// A cell of its own. Equal to every Rust value that is written as the same cell.
#[derive(Clone, Debug)]
pub struct Value(FrameBuf);

impl Value {
    pub(super) fn new(cell: Cell<'_>) -> Self {
        let mut frame = FrameBuf::new();
        frame.push(cell);
        Self(frame)
    }

    pub fn cell(&self) -> Cell<'_> {
        self.0.cells[0].resolve(&self.0.heap).expect("a cell that lies on its own heap")
    }
}

impl<T: AsCell + ?Sized> PartialEq<T> for Value {
    fn eq(&self, other: &T) -> bool {
        self.cell() == other.as_cell()
    }
}

impl AsCell for Value {
    fn as_cell(&self) -> Cell<'_> {
        self.cell()
    }
}

impl Outcome {
    pub fn is_pass(&self) -> bool {
        *self == Outcome::Pass
    }

    pub fn is_drop(&self) -> bool {
        *self == Outcome::Drop
    }

    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Outcome::Reject(rejection) => Some(rejection),
            _ => None,
        }
    }

    pub fn edits(&self) -> &[Edited] {
        match self {
            Outcome::Edit(edits) | Outcome::Emit { edits, .. } => edits,
            _ => &[],
        }
    }

    /// Whether the last edit of the column gives it this value.
    pub fn sets(&self, column: &str, value: impl AsCell) -> bool {
        self.last(column).is_some_and(|edit| edit.value.as_ref().is_some_and(|given| *given == value))
    }

    /// Whether the last edit of the column leaves it out.
    pub fn unsets(&self, column: &str) -> bool {
        self.last(column).is_some_and(|edit| edit.value.is_none())
    }

    fn last(&self, column: &str) -> Option<&Edited> {
        self.edits().iter().rev().find(|edit| edit.column == column)
    }

    pub fn messages(&self) -> &[Sent] {
        match self {
            Outcome::Emit { messages, .. } => messages,
            _ => &[],
        }
    }

    /// The only message.
    ///
    /// # Panics
    /// If the verdict is another, or carries none or several.
    pub fn message(&self) -> &Sent {
        match self.messages() {
            [message] => message,
            _ => panic!("one message was expected, and the verdict is {self:?}"),
        }
    }
}

impl Sent {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The guest's own body, if it has one and that is text.
    pub fn body_text(&self) -> Option<&str> {
        self.body.as_ref().and_then(|(_, bytes)| std::str::from_utf8(bytes).ok())
    }
}

pub(super) fn read<'a>(
    bytes: &[u8],
    shapes: impl ExactSizeIterator<Item = &'a Shape>,
) -> Result<Vec<Outcome>, FrameError> {
    let mut verdicts = Verdicts::parse(bytes, shapes.len())?;
    let mut outcomes = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let verdict = verdicts.next()?.expect("one verdict per row, as the header says");
        let edits = |edits: Vec<Edit<'_>>| edits.iter().map(|edit| edited(edit, shape)).collect();
        outcomes.push(match verdict {
            Verdict::Pass => Outcome::Pass,
            Verdict::Drop => Outcome::Drop,
            Verdict::Edit(e) => Outcome::Edit(edits(e)),
            Verdict::Emit { edits: e, messages } => {
                Outcome::Emit { edits: edits(e), messages: messages.iter().map(sent).collect() }
            }
            Verdict::Reject { code, message } => Outcome::Reject(Rejection::new(code, message)),
        });
    }
    match verdicts.next()? {
        None => Ok(outcomes),
        Some(_) => Err(FrameError::Trailing),
    }
}

fn edited(edit: &Edit<'_>, shape: &Shape) -> Edited {
    let named = |column: u16| shape.column(column).expect("a column that the guest was given").to_owned();
    match edit {
        Edit::Set { column, value } => Edited { column: named(*column), value: Some(Value::new(*value)) },
        Edit::Unset { column } => Edited { column: named(*column), value: None },
        Edit::Add { name, value } => Edited { column: (*name).to_owned(), value: Some(Value::new(*value)) },
    }
}

fn sent(message: &Emitted<'_>) -> Sent {
    Sent {
        route: message.route.to_owned(),
        member: message.member.map(str::to_owned),
        key: message.key.map(str::to_owned),
        headers: message.headers.iter().map(|h| (h.name.to_owned(), h.value.to_owned())).collect(),
        body: match message.body {
            Body::Row => None,
            Body::Bytes { content_type, bytes } => Some((content_type.to_owned(), bytes.to_vec())),
        },
    }
}
