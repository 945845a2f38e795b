//! Verdicts in JSON as the bytes of a frame's verdicts. The first mistake makes the whole answer unreadable, as in the other world:
//! the rows are judged again one by one then, and only the one that it is about is refused.

use super::said::{self, Look, Members, Raw, look, name, unreadable};
use super::value::{self, with_cell};
use super::{Table, Translator, Unreadable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluicegate_frame::{Body, Edit, EditBuf, Emitted, Frame, Header, VerdictWriter};

const VERDICT: [&str; 4] = ["set", "unset", "emit", "reject"];
const MESSAGE: [&str; 8] = ["route", "member", "key", "headers", "body", "text", "bytes", "content_type"];
const FORMS: &str = "\"pass\", \"drop\", or an object with set, unset, emit or reject";
/// The code of a rejection that has none.
const REJECTED: &str = "rejected";

impl Translator {
    /// What a guest answered about the rows of a frame.
    ///
    /// # Errors
    /// If it is anything but as many verdicts as there are rows.
    pub(in crate::guest) fn verdicts(&self, frame: &[u8], answer: &str) -> Result<Vec<u8>, Unreadable> {
        let frame = Frame::parse(frame)?;
        let verdicts = said::answer(answer)?;
        if verdicts.len() != frame.len() {
            return Err(unreadable(format!("{} verdicts for {} rows", verdicts.len(), frame.len())));
        }
        let mut writer = VerdictWriter::new(frame.len());
        for (index, raw) in verdicts.into_iter().enumerate() {
            let table = self.table(frame.row(index)?.head.schema)?;
            push(&mut writer, table, raw)?;
        }
        Ok(writer.finish()?)
    }
}

fn push(writer: &mut VerdictWriter, table: &Table, raw: Raw<'_>) -> Result<(), Unreadable> {
    match look(raw) {
        Look::Object => push_object(writer, table, raw),
        Look::Text => {
            match said::text(raw, "a verdict")?.as_str() {
                "pass" => writer.push_pass(),
                "drop" => writer.push_drop(),
                // A slip of the pen is shown; anything else may be a value of the row.
                other if ["pass", "drop"].iter().any(|form| strsim::jaro_winkler(form, other) > 0.8) => {
                    return Err(unreadable(format!("{} is no verdict; it is {FORMS}", name(other))));
                }
                _ => return Err(unreadable(format!("this text is no verdict; it is {FORMS}"))),
            }
            Ok(())
        }
        Look::Null => Err(unreadable(format!(
            "null is no verdict, and a function that returns nothing gives null; a verdict is {FORMS}"
        ))),
        _ => Err(unreadable(format!("a number, boolean or list is no verdict; it is {FORMS}"))),
    }
}

fn push_object(writer: &mut VerdictWriter, table: &Table, raw: Raw<'_>) -> Result<(), Unreadable> {
    let members = Members::of(raw, "a verdict", &VERDICT)?;
    if let Some(raw) = members.get("reject") {
        if members.len() > 1 {
            return Err(unreadable("a verdict has `reject` and something else; a rejected row goes nowhere"));
        }
        return push_reject(writer, raw);
    }
    if members.is_empty() {
        return Err(unreadable("a verdict is an empty object; \"pass\" lets a row pass"));
    }
    let edits = edits(table, &members)?;
    if members.get("emit").is_none() {
        writer.push_edits(&edits);
        return Ok(());
    }
    let messages = members.list("emit")?.into_iter().map(Message::read).collect::<Result<Vec<_>, _>>()?;
    Ok(writer.push_emit(&edits, messages.iter().map(Message::emitted))?)
}

fn push_reject(writer: &mut VerdictWriter, raw: Raw<'_>) -> Result<(), Unreadable> {
    if look(raw) == Look::Text {
        writer.push_reject(REJECTED, &said::text(raw, "`reject`")?);
        return Ok(());
    }
    let members = Members::of(raw, "`reject`", &["code", "message"])?;
    let (code, message) = (members.text("code")?, members.text("message")?);
    writer.push_reject(code.as_deref().unwrap_or(REJECTED), &message.unwrap_or_default());
    Ok(())
}

fn edits(table: &Table, members: &Members<'_>) -> Result<EditBuf, Unreadable> {
    let mut edits = EditBuf::new();
    for (column, raw) in members.object("set")? {
        let index = table.columns.iter().position(|known| known.name == column);
        let tag = index.map_or_else(|| value::tag_of(raw), |index| table.columns[index].tag);
        with_cell(tag, raw, &name(&column), &mut |value| {
            let edit = match index {
                // A table has fewer columns than that.
                Some(index) => Edit::Set { column: index as u16, value },
                None => Edit::Add { name: &column, value },
            };
            Ok(edits.push(&edit)?)
        })?;
    }
    for raw in members.list("unset")? {
        let column = said::text(raw, "a name in `unset`")?;
        let index = table.columns.iter().position(|known| known.name == column);
        let index = index.ok_or_else(|| {
            unreadable(format!("`unset` names {}, a column that the guest does not get", name(&column)))
        })?;
        edits.push(&Edit::Unset { column: index as u16 })?;
    }
    Ok(edits)
}

/// A message, with its texts unescaped.
struct Message {
    route: String,
    member: Option<String>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<(String, Vec<u8>)>,
}

impl Message {
    fn read(raw: Raw<'_>) -> Result<Self, Unreadable> {
        let members = Members::of(raw, "a message", &MESSAGE)?;
        let headers = members.object("headers")?;
        let header = |(name, raw): (String, Raw<'_>)| Ok((name, said::word(raw, "a header's value")?));
        Ok(Self {
            route: members.text("route")?.ok_or_else(|| unreadable("a message names no `route`"))?,
            member: members.word("member")?,
            key: members.word("key")?,
            headers: headers.into_iter().map(header).collect::<Result<_, Unreadable>>()?,
            body: body(&members)?,
        })
    }

    fn emitted(&self) -> Emitted<'_> {
        Emitted {
            route: &self.route,
            member: self.member.as_deref(),
            key: self.key.as_deref(),
            headers: self.headers.iter().map(|(name, value)| Header { name, value }).collect(),
            body: match &self.body {
                None => Body::Row,
                Some((content_type, bytes)) => Body::Bytes { content_type, bytes },
            },
        }
    }
}

fn body(members: &Members<'_>) -> Result<Option<(String, Vec<u8>)>, Unreadable> {
    let said = (members.get("body"), members.text("text")?, members.text("bytes")?);
    let (usual, bytes) = match said {
        (Some(json), None, None) => ("application/json", json.get().as_bytes().to_vec()),
        (None, Some(text), None) => ("text/plain; charset=utf-8", text.into_bytes()),
        (None, None, Some(bytes)) => {
            let bytes = STANDARD.decode(bytes).map_err(|_| unreadable("`bytes` of a message is not base64"))?;
            ("application/octet-stream", bytes)
        }
        (None, None, None) if members.get("content_type").is_none() => return Ok(None),
        (None, None, None) => return Err(unreadable("a message has `content_type` and no body, text or bytes")),
        _ => return Err(unreadable("a message has more than one of body, text and bytes")),
    };
    Ok(Some((members.text("content_type")?.unwrap_or_else(|| usual.to_owned()), bytes)))
}
