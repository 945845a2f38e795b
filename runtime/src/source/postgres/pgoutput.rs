//! The messages of `pgoutput`, protocol version 1, read in place.
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>
//!
//! Pure functions over bytes: nothing here allocates for a row, and nothing panics on what a server may send. Tuples are
//! read lazily, value by value, by whoever writes them into a frame.

use super::wire::Cursor;

/// Why bytes are no message that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageError {
    /// The bytes end inside the named part.
    Truncated(&'static str),
    /// Bytes are left behind the end of the named part.
    Trailing(&'static str),
    /// A message or a part that protocol version 1 does not have.
    Unknown { what: &'static str, tag: u8 },
}

impl std::fmt::Display for MessageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated(part) => write!(f, "the bytes end inside {part}"),
            Self::Trailing(part) => write!(f, "bytes are left behind {part}"),
            Self::Unknown { what, tag } => write!(f, "unknown {what} {:?}", char::from(*tag)),
        }
    }
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message<'a> {
    Begin(Begin),
    Commit(Commit),
    Relation(Relation<'a>),
    /// The name of a type that is not built in. The catalog is asked for more than that.
    Type,
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<(Old, Tuple<'a>)>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        kind: Old,
        old: Tuple<'a>,
    },
    Truncate {
        relations: Relations<'a>,
    },
    /// Where the transaction came from, when it was replicated here. Nothing depends on it.
    Origin,
    /// Somebody's `pg_logical_emit_message`.
    Logical(Logical<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logical<'a> {
    pub(super) is_transactional: bool,
    /// Where it ends in the log.
    pub(super) lsn: u64,
    pub(super) prefix: &'a [u8],
    pub(super) content: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    /// Where the commit will stand.
    pub(super) final_lsn: u64,
    /// Microseconds since 2000-01-01 UTC.
    pub(super) committed_at: i64,
    pub(super) xid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) lsn: u64,
    /// Behind the commit: from here one can go on.
    pub(super) end_lsn: u64,
    pub(super) committed_at: i64,
}

/// Which columns an old image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// Those of the replica identity; the others are sent as null and mean nothing.
    Key,
    /// All (REPLICA IDENTITY FULL).
    Full,
}

/// A table as the rows that follow hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation<'a> {
    pub(super) oid: u32,
    pub(super) namespace: &'a [u8],
    pub(super) name: &'a [u8],
    /// `pg_class.relreplident`: d, n, f, i.
    pub(super) identity: u8,
    pub(super) columns: Columns<'a>,
    /// The message as it came, to see whether anything changed.
    pub(super) bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    cursor: Cursor<'a>,
    pub(super) count: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RelationColumn<'a> {
    pub(super) is_key: bool,
    pub(super) name: &'a [u8],
    pub(super) type_oid: u32,
    pub(super) type_modifier: i32,
}

impl<'a> Iterator for Columns<'a> {
    type Item = RelationColumn<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        // `parse` has walked them all, so none of these fails.
        column(&mut self.cursor).ok()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Relations<'a> {
    cursor: Cursor<'a>,
}

impl Iterator for Relations<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.cursor.u32(TRUNCATE).ok()
    }
}

/// The values of one row, in the order of the relation's columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuple<'a> {
    cursor: Cursor<'a>,
    pub(super) count: u16,
}

/// One value as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datum<'a> {
    Null,
    /// A TOASTed value that the statement did not touch.
    Unchanged,
    Text(&'a [u8]),
}

const TUPLE: &str = "a row";
const RELATION: &str = "a Relation message";
const TRUNCATE: &str = "a Truncate message";

impl<'a> Tuple<'a> {
    /// The next value.
    ///
    /// # Errors
    /// If the bytes end, or a value is of a kind that was not asked for.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Datum<'a>, MessageError> {
        Ok(match self.cursor.u8(TUPLE)? {
            b't' => {
                let len = self.cursor.u32(TUPLE)? as usize;
                Datum::Text(self.cursor.take(len, TUPLE)?)
            }
            b'n' => Datum::Null,
            b'u' => Datum::Unchanged,
            tag => return Err(MessageError::Unknown { what: "kind of value", tag }),
        })
    }

    /// After the last value.
    ///
    /// # Errors
    /// If something is left.
    #[inline]
    pub(super) fn finish(self) -> Result<(), MessageError> {
        self.cursor.end(TUPLE)
    }

    fn begin(mut cursor: Cursor<'a>) -> Result<Self, MessageError> {
        let count = cursor.u16(TUPLE)?;
        Ok(Self { cursor, count })
    }

    /// What lies behind this tuple.
    fn skip(mut self) -> Result<Cursor<'a>, MessageError> {
        for _ in 0..self.count {
            self.next()?;
        }
        Ok(self.cursor)
    }
}

impl<'a> Message<'a> {
    /// Reads one message. Tuples are not walked, except an old one that stands before the new one.
    ///
    /// # Errors
    /// If the bytes are no message of protocol version 1.
    #[inline]
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let mut c = Cursor::new(bytes);
        match c.u8("a message")? {
            b'I' => {
                let relation = c.u32("an Insert message")?;
                expect(&mut c, b'N')?;
                Ok(Message::Insert { relation, new: Tuple::begin(c)? })
            }
            b'U' => update(c),
            b'D' => {
                let relation = c.u32("a Delete message")?;
                let kind = old_kind(c.u8(TUPLE)?)?;
                Ok(Message::Delete { relation, kind, old: Tuple::begin(c)? })
            }
            b'B' => {
                let part = "a Begin message";
                let begin = Begin { final_lsn: c.u64(part)?, committed_at: c.u64(part)? as i64, xid: c.u32(part)? };
                c.end(part)?;
                Ok(Message::Begin(begin))
            }
            b'C' => {
                let part = "a Commit message";
                c.u8(part)?;
                let commit = Commit { lsn: c.u64(part)?, end_lsn: c.u64(part)?, committed_at: c.u64(part)? as i64 };
                c.end(part)?;
                Ok(Message::Commit(commit))
            }
            b'R' => relation(c, bytes),
            b'Y' => {
                let part = "a Type message";
                c.u32(part)?;
                c.text(part)?;
                c.text(part)?;
                c.end(part)?;
                Ok(Message::Type)
            }
            b'T' => truncate(c),
            b'O' => Ok(Message::Origin),
            b'M' => logical(c),
            tag => Err(MessageError::Unknown { what: "message", tag }),
        }
    }
}

fn logical(mut c: Cursor<'_>) -> Result<Message<'_>, MessageError> {
    let part = "a logical message";
    let is_transactional = c.u8(part)? & 1 == 1;
    let (lsn, prefix) = (c.u64(part)?, c.text(part)?);
    let len = c.u32(part)? as usize;
    let content = c.take(len, part)?;
    c.end(part)?;
    Ok(Message::Logical(Logical { is_transactional, lsn, prefix, content }))
}

fn update(mut c: Cursor<'_>) -> Result<Message<'_>, MessageError> {
    let relation = c.u32("an Update message")?;
    let tag = c.u8(TUPLE)?;
    if tag == b'N' {
        return Ok(Message::Update { relation, old: None, new: Tuple::begin(c)? });
    }
    let kind = old_kind(tag)?;
    let old = Tuple::begin(c)?;
    let mut c = old.skip()?;
    expect(&mut c, b'N')?;
    Ok(Message::Update { relation, old: Some((kind, old)), new: Tuple::begin(c)? })
}

fn old_kind(tag: u8) -> Result<Old, MessageError> {
    match tag {
        b'K' => Ok(Old::Key),
        b'O' => Ok(Old::Full),
        tag => Err(MessageError::Unknown { what: "row image", tag }),
    }
}

fn expect(c: &mut Cursor<'_>, wanted: u8) -> Result<(), MessageError> {
    match c.u8(TUPLE)? {
        tag if tag == wanted => Ok(()),
        tag => Err(MessageError::Unknown { what: "row image", tag }),
    }
}

fn relation<'a>(mut c: Cursor<'a>, bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
    let oid = c.u32(RELATION)?;
    let (namespace, name) = (c.text(RELATION)?, c.text(RELATION)?);
    let identity = c.u8(RELATION)?;
    let count = c.u16(RELATION)?;
    let columns = Columns { cursor: c, count };
    for _ in 0..count {
        column(&mut c)?;
    }
    c.end(RELATION)?;
    // An empty namespace stands for pg_catalog.
    let namespace = if namespace.is_empty() { b"pg_catalog" } else { namespace };
    Ok(Message::Relation(Relation { oid, namespace, name, identity, columns, bytes }))
}

fn column<'a>(c: &mut Cursor<'a>) -> Result<RelationColumn<'a>, MessageError> {
    Ok(RelationColumn {
        is_key: c.u8(RELATION)? & 1 == 1,
        name: c.text(RELATION)?,
        type_oid: c.u32(RELATION)?,
        type_modifier: c.u32(RELATION)? as i32,
    })
}

fn truncate(mut c: Cursor<'_>) -> Result<Message<'_>, MessageError> {
    let count = c.u32(TRUNCATE)? as usize;
    // Whether it cascades or restarts sequences: every table it reached is named here anyway.
    c.u8(TRUNCATE)?;
    let bytes = c.take(count.checked_mul(4).ok_or(MessageError::Truncated(TRUNCATE))?, TRUNCATE)?;
    c.end(TRUNCATE)?;
    Ok(Message::Truncate { relations: Relations { cursor: Cursor::new(bytes) } })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tuple as the server writes it; `None` is null, `Some("\0")` an unchanged value.
    pub(in super::super) fn tuple(values: &[Option<&str>]) -> Vec<u8> {
        let mut out = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            match value {
                None => out.push(b'n'),
                Some("\0") => out.push(b'u'),
                Some(text) => {
                    out.push(b't');
                    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        out
    }

    pub(in super::super) fn begin(final_lsn: u64, xid: u32) -> Vec<u8> {
        [&b"B"[..], &final_lsn.to_be_bytes(), &7u64.to_be_bytes(), &xid.to_be_bytes()].concat()
    }

    pub(in super::super) fn commit(lsn: u64, end: u64) -> Vec<u8> {
        [&b"C\0"[..], &lsn.to_be_bytes(), &end.to_be_bytes(), &7u64.to_be_bytes()].concat()
    }

    /// `columns`: whether it is part of the key, its name, its type.
    pub(in super::super) fn relation(oid: u32, name: &str, identity: u8, columns: &[(bool, &str, u32)]) -> Vec<u8> {
        let mut out = [&b"R"[..], &oid.to_be_bytes(), b"public\0", name.as_bytes(), &[0, identity]].concat();
        out.extend_from_slice(&(columns.len() as u16).to_be_bytes());
        for (key, name, type_oid) in columns {
            out.push(u8::from(*key));
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.extend_from_slice(&type_oid.to_be_bytes());
            out.extend_from_slice(&(-1i32).to_be_bytes());
        }
        out
    }

    pub(in super::super) fn insert(oid: u32, values: &[Option<&str>]) -> Vec<u8> {
        [&b"I"[..], &oid.to_be_bytes(), b"N", &tuple(values)].concat()
    }

    pub(in super::super) fn update(oid: u32, old: Option<(u8, &[Option<&str>])>, new: &[Option<&str>]) -> Vec<u8> {
        let old = old.map(|(tag, values)| [&[tag][..], &tuple(values)].concat()).unwrap_or_default();
        [&b"U"[..], &oid.to_be_bytes(), &old, b"N", &tuple(new)].concat()
    }

    pub(in super::super) fn delete(oid: u32, tag: u8, old: &[Option<&str>]) -> Vec<u8> {
        [&b"D"[..], &oid.to_be_bytes(), &[tag], &tuple(old)].concat()
    }

    pub(in super::super) fn truncate(oids: &[u32]) -> Vec<u8> {
        let mut out = [&b"T"[..], &(oids.len() as u32).to_be_bytes(), &[0]].concat();
        oids.iter().for_each(|o| out.extend_from_slice(&o.to_be_bytes()));
        out
    }

    pub(in super::super) fn message(is_transactional: bool, lsn: u64, prefix: &str, content: &[u8]) -> Vec<u8> {
        let (len, flags) = (content.len() as u32, u8::from(is_transactional));
        [&b"M"[..], &[flags], &lsn.to_be_bytes(), prefix.as_bytes(), &[0], &len.to_be_bytes(), content].concat()
    }

    fn examples() -> Vec<Vec<u8>> {
        let key: &[Option<&str>] = &[Some("1"), None];
        vec![
            begin(9, 4),
            commit(9, 12),
            relation(5, "t", b'd', &[(true, "id", 23), (false, "v", 25)]),
            [&b"Y"[..], &600u32.to_be_bytes(), b"public\0mood\0"].concat(),
            insert(5, &[Some("1"), Some("a")]),
            update(5, None, &[Some("1"), Some("\0")]),
            update(5, Some((b'K', key)), &[Some("2"), Some("b")]),
            delete(5, b'O', &[Some("2"), Some("b")]),
            truncate(&[5, 6]),
            message(true, 9, "audit", b"\xffwho"),
        ]
    }

    /// Walks everything there is in a message, as the decoder would.
    fn walk(bytes: &[u8]) -> Result<(), MessageError> {
        let all = |t: Tuple<'_>| t.skip().and_then(|c| c.end(TUPLE));
        match Message::parse(bytes)? {
            Message::Insert { new, .. } => all(new),
            Message::Update { old, new, .. } => {
                if let Some((_, old)) = old {
                    old.skip()?;
                }
                all(new)
            }
            Message::Delete { old, .. } => all(old),
            Message::Relation(r) => {
                assert_eq!(r.columns.count().min(usize::from(r.columns.count)), usize::from(r.columns.count));
                Ok(())
            }
            Message::Truncate { relations } => {
                relations.for_each(drop);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[test]
    fn every_message_is_read_and_none_of_its_beginnings() {
        for bytes in examples() {
            assert_eq!(walk(&bytes), Ok(()), "{:?}", char::from(bytes[0]));
            for len in 0..bytes.len() {
                assert!(walk(&bytes[..len]).is_err(), "{:?} cut at {len}", char::from(bytes[0]));
            }
        }
    }

    #[test]
    fn messages_of_other_protocol_versions_are_unknown() {
        for tag in *b"SEcAbPKrpz" {
            assert_eq!(walk(&[tag, 0, 0, 0, 0]), Err(MessageError::Unknown { what: "message", tag }));
        }
    }

    #[test]
    fn relation_gives_its_columns_in_order() {
        let bytes = relation(5, "t", b'i', &[(false, "a", 25), (true, "b", 23)]);
        let Ok(Message::Relation(r)) = Message::parse(&bytes) else { panic!("a relation") };
        assert_eq!((r.namespace, r.name, r.identity), (&b"public"[..], &b"t"[..], b'i'));
        let names: Vec<_> = r.columns.map(|c| (c.name.to_vec(), c.is_key, c.type_oid)).collect();
        assert_eq!(names, [(b"a".to_vec(), false, 25), (b"b".to_vec(), true, 23)]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = walk(&bytes);
        }

        #[test]
        fn damaged_messages_never_panic(index in 0usize..10, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = examples().swap_remove(index);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = walk(&bytes);
        }
    }
}
