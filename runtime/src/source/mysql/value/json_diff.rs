//! A document that the log says only in part (`binlog_row_value_options=PARTIAL_JSON`): the old one and what became different.
//!
//! Each difference is an operation, a path such as `$.a[2]."b c"`, and a value.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/classJson__diff.html>

use super::super::bytes::{Cut, Reader};
use super::json::{DEPTH_MAX, Printer, Value};

const REPLACE: u8 = 0;
const INSERT: u8 = 1;
const REMOVE: u8 = 2;

/// A document of which only the parts are opened that a path leads through.
enum Node<'a> {
    Same(Value<'a>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Vec<u8>, Node<'a>)>),
}

enum Leg {
    Key(Vec<u8>),
    Index(usize),
}

/// Appends the text of the document that `diffs` make of the binary document `before`.
pub(in super::super) fn patched(out: &mut Vec<u8>, before: &[u8], diffs: &[u8]) -> Result<(), Cut> {
    let mut root = Node::Same(Value::document(before)?);
    let mut r = Reader::new(diffs);
    while !r.is_empty() {
        let operation = r.u8()?;
        let path = legs(r.lenenc_bytes()?)?;
        let value = match operation {
            REPLACE | INSERT => Some(Node::Same(Value::document(r.lenenc_bytes()?)?)),
            REMOVE => None,
            _ => return Err(Cut),
        };
        root.change(&path, operation, value)?;
    }
    let mut printer = Printer::new(out, before.len() + diffs.len());
    root.print(&mut printer, 0)
}

impl<'a> Node<'a> {
    fn change(&mut self, path: &[Leg], operation: u8, value: Option<Node<'a>>) -> Result<(), Cut> {
        let Some((leg, rest)) = path.split_first() else {
            *self = value.filter(|_| operation == REPLACE).ok_or(Cut)?;
            return Ok(());
        };
        self.open()?;
        let child = match (&mut *self, leg) {
            (Node::Object(members), Leg::Key(key)) => {
                // Keys are ordered by length, then by their bytes.
                let place = members.binary_search_by(|(k, _)| (k.len(), k).cmp(&(key.len(), key)));
                match (place, rest.is_empty(), operation) {
                    (Ok(at), true, REMOVE) => {
                        members.remove(at);
                        return Ok(());
                    }
                    (Err(at), true, INSERT) => {
                        members.insert(at, (key.clone(), value.ok_or(Cut)?));
                        return Ok(());
                    }
                    (Ok(at), ..) => &mut members[at].1,
                    (Err(_), ..) => return Err(Cut),
                }
            }
            (Node::Array(elements), Leg::Index(index)) => match (rest.is_empty(), operation) {
                (true, INSERT) => {
                    let at = (*index).min(elements.len());
                    elements.insert(at, value.ok_or(Cut)?);
                    return Ok(());
                }
                (true, REMOVE) if *index < elements.len() => {
                    elements.remove(*index);
                    return Ok(());
                }
                _ => elements.get_mut(*index).ok_or(Cut)?,
            },
            // A path may name the first element of what is no array.
            (_, Leg::Index(0)) => return self.change(rest, operation, value),
            _ => return Err(Cut),
        };
        child.change(rest, operation, value)
    }

    /// Makes an object or an array out of one that is still as it was.
    fn open(&mut self) -> Result<(), Cut> {
        let Node::Same(value) = self else { return Ok(()) };
        let Some(container) = value.container()? else { return Ok(()) };
        let element = |index| container.value(index).map(Node::Same);
        *self = if container.is_object {
            let member = |index| Ok((container.key(index)?.to_vec(), element(index)?));
            Node::Object((0..container.count).map(member).collect::<Result<_, Cut>>()?)
        } else {
            Node::Array((0..container.count).map(element).collect::<Result<_, Cut>>()?)
        };
        Ok(())
    }

    fn print(&self, printer: &mut Printer<'_>, depth: usize) -> Result<(), Cut> {
        if depth > DEPTH_MAX {
            return Err(Cut);
        }
        match self {
            Node::Same(value) => printer.value(*value, depth)?,
            Node::Array(elements) => {
                printer.out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    printer.out.extend_from_slice(if index > 0 { b", " } else { b"" });
                    element.print(printer, depth + 1)?;
                }
                printer.out.push(b']');
            }
            Node::Object(members) => {
                printer.out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    printer.out.extend_from_slice(if index > 0 { b", " } else { b"" });
                    printer.string(key)?;
                    printer.out.extend_from_slice(b": ");
                    value.print(printer, depth + 1)?;
                }
                printer.out.push(b'}');
            }
        }
        Ok(())
    }
}

/// The steps of a path: `$`, then `.key`, `."any key"` or `[index]`.
fn legs(path: &[u8]) -> Result<Vec<Leg>, Cut> {
    let mut rest = path.strip_prefix(b"$").ok_or(Cut)?;
    let mut legs = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        if legs.len() > DEPTH_MAX {
            return Err(Cut);
        }
        let (leg, len) = match (first, behind.first()) {
            (b'[', _) => {
                let len = behind.iter().position(|byte| *byte == b']').ok_or(Cut)?;
                let digits = std::str::from_utf8(&behind[..len]).map_err(|_| Cut)?;
                (Leg::Index(digits.parse().map_err(|_| Cut)?), len + 1)
            }
            (b'.', Some(b'"')) => quoted(behind)?,
            (b'.', Some(_)) => {
                let len = behind.iter().position(|byte| matches!(byte, b'.' | b'[')).unwrap_or(behind.len());
                (Leg::Key(behind[..len].to_vec()), len)
            }
            _ => return Err(Cut),
        };
        legs.push(leg);
        rest = &behind[len..];
    }
    Ok(legs)
}

/// A key between quotes is a JSON string, and its length with them.
fn quoted(text: &[u8]) -> Result<(Leg, usize), Cut> {
    let mut at = 1;
    loop {
        match text.get(at).ok_or(Cut)? {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    let key: String = serde_json::from_slice(&text[..=at]).map_err(|_| Cut)?;
    Ok((Leg::Key(key.into_bytes()), at + 1))
}
