//! Templates filled from a row.

use crate::change::{Cell, Template, TemplatePart};
use crate::sink::format::ShownRow;
use crate::sink::format::text::put_text;

/// Why a template can not be filled. Names the column, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("column {0} is null")]
    Null(String),
    #[error("table has no column {0}, or a guest left it out")]
    Missing(String),
    #[error("column {0} is not in the log: the statement did not touch it (REPLICA IDENTITY FULL would log it)")]
    Unchanged(String),
    #[error("table has no key")]
    NoKey,
}

/// How values are written into the text around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    Plain,
    /// Percent-encoded as one segment of a path: a value can not add a segment.
    PathSegment,
}

/// Fills a template.
///
/// # Errors
/// If a column that it names has no value in this row.
pub fn render(template: &Template, shown: &ShownRow<'_>, escape: Escape) -> Result<String, RenderError> {
    let mut out = Vec::with_capacity(32);
    for part in template.parts() {
        let from = out.len();
        match part {
            TemplatePart::Literal(text) => {
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            TemplatePart::Column(name) => put_column(&mut out, shown, name)?,
            TemplatePart::Source => out.extend_from_slice(shown.schema.source.as_bytes()),
            TemplatePart::Schema => out.extend_from_slice(shown.schema.namespace.as_bytes()),
            TemplatePart::Table => out.extend_from_slice(shown.schema.table.as_bytes()),
            TemplatePart::Op => out.extend_from_slice(shown.row.head.op.name().as_bytes()),
            TemplatePart::Key => put_key(&mut out, shown, b',')?,
        }
        if escape == Escape::PathSegment {
            percent_encode(&mut out, from);
        }
    }
    Ok(String::from_utf8(out).expect("every part is UTF-8"))
}

/// The ordering key when a route names none: the primary key, or the table's name when it has none, so that all rows of
/// such a table stay in order.
pub fn default_key(shown: &ShownRow<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(shown.schema.table.as_bytes());
    out.push(0);
    let named = out.len();
    if put_key(&mut out, shown, 0).is_err() {
        out.truncate(named);
    }
    out
}

fn put_column(out: &mut Vec<u8>, shown: &ShownRow<'_>, name: &str) -> Result<(), RenderError> {
    match shown.cell_named(name) {
        None | Some(Cell::Absent) => Err(RenderError::Missing(name.to_owned())),
        Some(Cell::Null) => Err(RenderError::Null(name.to_owned())),
        Some(Cell::Unchanged) => Err(RenderError::Unchanged(name.to_owned())),
        Some(cell) => {
            put_text(out, &cell);
            Ok(())
        }
    }
}

fn put_key(out: &mut Vec<u8>, shown: &ShownRow<'_>, between: u8) -> Result<(), RenderError> {
    let mut any = false;
    for column in shown.schema.key() {
        if any {
            out.push(between);
        }
        any = true;
        match &shown.cell(column) {
            Cell::Absent | Cell::Unchanged => {
                return Err(RenderError::Missing(shown.schema.columns[column].name.clone()));
            }
            // Under REPLICA IDENTITY FULL a key column may be null; it is a value like others then.
            Cell::Null => out.extend_from_slice(b"null"),
            cell => put_text(out, cell),
        }
    }
    if any { Ok(()) } else { Err(RenderError::NoKey) }
}

/// Encodes everything from `from` on but the unreserved characters of RFC 3986.
fn percent_encode(out: &mut Vec<u8>, from: usize) {
    let safe = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if out[from..].iter().all(safe) && !matches!(&out[from..], b"." | b"..") {
        return;
    }
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    // A value of dots alone would walk up the path.
    let dots = out[from..].iter().all(|&b| b == b'.');
    for byte in out.split_off(from) {
        if safe(&byte) && !dots {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_in_a_path_stays_one_segment() {
        let encoded = |value: &str| {
            let mut out = b"/p/".to_vec();
            out.extend_from_slice(value.as_bytes());
            percent_encode(&mut out, 3);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(encoded("7"), "/p/7");
        assert_eq!(encoded("a/b?c"), "/p/a%2Fb%3Fc");
        assert_eq!(encoded(".."), "/p/%2E%2E");
        assert_eq!(encoded("Köln"), "/p/K%C3%B6ln");
    }
}
