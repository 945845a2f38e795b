//! What a flight of messages asks of the server.
//!
//! ```text
//!   messages ─▶ sort ─▶ calls (who goes together, in which slot) ─▶ write ─▶ commands of a pipeline
//!                └▶ a refusal for what no server could take
//! ```
//!
//! Changes of items behind the guard go together in one run of a script: all of them, or in a cluster those of one slot, for a
//! script's keys lie in one slot. Entries of one stream and elements of one list go together so that none can overtake.

use super::Refusal;
use super::address::Address;
use super::answer;
use super::keys::{self, Beside};
use super::order::{self, EntryId};
use super::script::{APPEND, GUARD, Script};
use crate::change::{Act, CacheValue, Message, Op, Trim, pairs};
use redis::{Cmd, Pipeline};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Arguments that Lua can hand to one command at once.
const HEADERS_MAX: usize = 2_000;
/// The server's own limit for one argument (`proto-max-bulk-len`), unless set otherwise: it hangs up on a longer one, and on all
/// that is in the same flight.
const BODY_BYTES_MAX: usize = 512 << 20;
/// How long a stream's cursor lives after its last use where no guard says so.
const CURSOR_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What decides how messages become commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) cluster: bool,
    pub(super) guard: Option<Duration>,
}

/// Messages that are answered together.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    /// Their indexes in the flight, in order.
    pub(super) members: Vec<u32>,
    pub(super) slot: u16,
    pub(super) way: Way,
    /// The server did not know the script.
    pub(super) load: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Items, behind the guard.
    Guarded,
    /// Entries of one stream.
    Append { keep: Option<u64> },
    /// Elements of one list.
    Push,
    /// One message for one channel.
    Publish,
    /// One item, without a guard.
    Plain,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the owner of its slot.
    Owner,
    /// To whom the owner of before named.
    Moved(Arc<Address>),
    /// To the node that takes the slot over, for once.
    Ask(Arc<Address>),
}

impl Kind {
    pub(super) fn script(self) -> Option<&'static Script> {
        match self {
            Kind::Guarded => Some(&GUARD),
            Kind::Append { .. } => Some(&APPEND),
            Kind::Push | Kind::Publish | Kind::Plain => None,
        }
    }
}

/// Sorts messages into calls. `refuse` hears of those that no server could take.
pub(super) fn sort(messages: &[Message], shape: Shape, mut refuse: impl FnMut(usize, Refusal)) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut guarded: HashMap<u16, usize> = HashMap::new();
    let mut named: HashMap<(&str, bool), usize> = HashMap::new();
    for (index, message) in messages.iter().enumerate() {
        let kind = match kind(message, shape) {
            Ok(kind) => kind,
            Err(refusal) => {
                refuse(index, refusal);
                continue;
            }
        };
        let slot = if shape.cluster { keys::slot(message.place.as_bytes()) } else { 0 };
        let new = calls.len();
        let at = match kind {
            Kind::Guarded => *guarded.entry(slot).or_insert(new),
            Kind::Append { .. } => *named.entry((&message.place, true)).or_insert(new),
            Kind::Push => *named.entry((&message.place, false)).or_insert(new),
            Kind::Publish | Kind::Plain => new,
        };
        match calls.get_mut(at) {
            Some(call) => call.members.push(index as u32),
            None => {
                let members = vec![index as u32];
                calls.push(Call { kind, members, slot, way: Way::Owner, load: false });
            }
        }
    }
    calls
}

fn kind(message: &Message, shape: Shape) -> Result<Kind, Refusal> {
    if message.place.is_empty() {
        return Err(answer::poison("the route gives this message no key; let its `key` give one for every row"));
    }
    if message.body.len() > BODY_BYTES_MAX {
        return Err(answer::poison("the message is longer than 512 MiB, which is all that Redis takes"));
    }
    let kind = match &message.act {
        Act::Put { .. } | Act::Remove if shape.guard.is_some() => Kind::Guarded,
        Act::Put { .. } | Act::Remove => Kind::Plain,
        Act::Append { trim } => {
            check_entry(message)?;
            Kind::Append { keep: keep(*trim)? }
        }
        Act::Publish => Kind::Publish,
        Act::Push => Kind::Push,
        other => return Err(answer::poison(format!("this message is for {}, not for Redis", other.name()))),
    };
    if shape.cluster && kind.script().is_some() && !keys::is_in_one_slot(message.place.as_bytes()) {
        return Err(answer::poison(
            "the key has a `}` but no hash tag, so what is kept beside it can not lie in its slot; put what decides the slot \
             between braces, as in {customer}:item",
        ));
    }
    Ok(kind)
}

fn keep(trim: Option<Trim>) -> Result<Option<u64>, Refusal> {
    match trim {
        None => Ok(None),
        Some(Trim::Length(len)) => Ok(Some(len)),
        Some(Trim::Age(_)) => Err(answer::poison(
            "a stream whose ids are positions can not be cut by age; give the number of entries to keep instead",
        )),
    }
}

fn entry_id(message: &Message) -> Option<EntryId> {
    EntryId::new(message.origin.schema.database.kind, message.origin.version())
}

fn check_entry(message: &Message) -> Result<(), Refusal> {
    if message.headers.len() > HEADERS_MAX {
        return Err(answer::poison("the message has more than 2000 headers, too many for an entry of a stream"));
    }
    if entry_id(message).is_none() {
        return Err(answer::poison(
            "the row's place in the log does not fit into an entry's id (epoch to 15, 2048 rows at a position, 510 messages \
             of one row, 4 TiB of log within a transaction)",
        ));
    }
    Ok(())
}

/// Writes the commands of calls into a pipeline.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) pipeline: Pipeline,
    /// For a node that takes a slot over: it serves a command only right behind ASKING.
    asking: bool,
    text: Vec<u8>,
    name: Vec<u8>,
}

impl Writer {
    /// Writes one call; returns how many answers it gets. The last one is the call's own.
    pub(super) fn write(&mut self, call: &Call, messages: &[Message], shape: Shape) -> usize {
        let members = || call.members.iter().map(|&index| &messages[index as usize]);
        let first = &messages[call.members[0] as usize];
        let before = self.pipeline.len();
        if let (true, Some(script)) = (call.load, call.kind.script()) {
            self.pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source);
        }
        self.asking = matches!(call.way, Way::Ask(_));
        match call.kind {
            Kind::Guarded => self.guarded(members, shape.guard.unwrap_or_default()),
            Kind::Append { keep } => self.append(members, keep, shape.guard.unwrap_or(CURSOR_LIFE)),
            Kind::Push => {
                let bytes: usize = members().map(|message| message.body.len()).sum();
                let mut cmd = command("RPUSH", 2 + call.members.len(), bytes + 64);
                cmd.arg(&first.place);
                for message in members() {
                    cmd.arg(&*message.body);
                }
                self.add(cmd);
            }
            Kind::Publish => {
                let mut cmd = command("PUBLISH", 3, first.place.len() + first.body.len() + 8);
                cmd.arg(&first.place).arg(&*first.body);
                self.add(cmd);
            }
            Kind::Plain => self.plain(first),
        }
        self.pipeline.len() - before
    }

    fn add(&mut self, cmd: Cmd) {
        if self.asking {
            self.pipeline.cmd("ASKING");
        }
        self.pipeline.add_command(cmd);
    }

    fn guarded<'a, I: Iterator<Item = &'a Message>>(&mut self, members: impl Fn() -> I, life: Duration) {
        let (mut count, mut bytes) = (0, 128);
        for message in members() {
            count += 1;
            bytes += 2 * message.place.len() + message.body.len() + 128;
        }
        let mut cmd = command("EVALSHA", 4 + 5 * count, bytes);
        cmd.arg(GUARD.sha()).arg(2 * count);
        for message in members() {
            keys::write_beside(Beside::Version, message.place.as_bytes(), &mut self.name);
            cmd.arg(&message.place).arg(&self.name[..]);
        }
        cmd.arg(millis(life));
        for message in members() {
            order::write_version(message.origin.version(), &mut self.text);
            cmd.arg(&self.text[..]);
            match message.act {
                Act::Put { value: CacheValue::Text } => {
                    cmd.arg("T").arg(&*message.body);
                }
                Act::Put { value: CacheValue::Hash } => write_fields(&mut cmd, message),
                _ => {
                    cmd.arg("D");
                }
            }
        }
        self.add(cmd);
    }

    fn append<'a, I: Iterator<Item = &'a Message>>(
        &mut self,
        members: impl Fn() -> I,
        keep: Option<u64>,
        life: Duration,
    ) {
        let bytes: usize = members().map(|message| message.byte_len() + 256).sum();
        let mut cmd = command("EVALSHA", 16 * members().count(), bytes);
        let stream = members().next().map(|message| message.place.as_str()).unwrap_or_default();
        keys::write_beside(Beside::Cursor, stream.as_bytes(), &mut self.name);
        cmd.arg(APPEND.sha()).arg(2).arg(stream).arg(&self.name[..]).arg(millis(life));
        match keep {
            Some(len) => cmd.arg(len),
            None => cmd.arg(""),
        };
        for message in members() {
            let id = entry_id(message).expect("the id was made when the message was sorted");
            order::write_writer(&message.id, &mut self.text);
            cmd.arg(&self.text[..]);
            id.write_sortable(&mut self.text);
            cmd.arg(&self.text[..]);
            id.write(&mut self.text);
            cmd.arg(&self.text[..]).arg(2 * (5 + message.headers.len()));
            write_entry(&mut cmd, message, &mut self.text);
        }
        self.add(cmd);
    }

    fn plain(&mut self, message: &Message) {
        let on_item = |name| {
            let mut cmd = command(name, 4, message.place.len() + message.body.len() + 16);
            cmd.arg(&message.place);
            cmd
        };
        match message.act {
            Act::Put { value: CacheValue::Text } => {
                let mut set = on_item("SET");
                set.arg(&*message.body);
                self.add(set);
            }
            Act::Put { value: CacheValue::Hash } => {
                let (mut set, mut remove) = (on_item("HSET"), on_item("HDEL"));
                let (mut any_set, mut any_removed) = (false, false);
                for (field, value) in pairs(&message.body) {
                    match gone(field) {
                        Some(field) => {
                            any_removed = true;
                            remove.arg(field);
                        }
                        None => {
                            any_set = true;
                            set.arg(field).arg(value);
                        }
                    }
                }
                if replaces(message) {
                    self.add(on_item("DEL"));
                } else if any_removed {
                    self.add(remove);
                }
                if any_set {
                    self.add(set);
                }
            }
            _ => self.add(on_item("DEL")),
        }
    }
}

/// A hash: what to set and what to remove, each with its count before it.
fn write_fields(cmd: &mut Cmd, message: &Message) {
    let (mut set, mut removed) = (0, 0);
    for (field, _) in pairs(&message.body) {
        if is_gone(field) { removed += 1 } else { set += 2 }
    }
    cmd.arg(if replaces(message) { "R" } else { "H" }).arg(set);
    for (field, value) in pairs(&message.body).filter(|(field, _)| !is_gone(field)) {
        cmd.arg(field).arg(value);
    }
    cmd.arg(removed);
    for field in pairs(&message.body).filter_map(|(field, _)| gone(field)) {
        cmd.arg(field);
    }
}

/// The fields of a stream's entry: ten, and two for each header.
fn write_entry(cmd: &mut Cmd, message: &Message, text: &mut Vec<u8>) {
    let schema = &message.origin.schema;
    text.clear();
    if !schema.table.is_empty() {
        text.extend_from_slice(schema.namespace.as_bytes());
        text.push(b'.');
        text.extend_from_slice(schema.table.as_bytes());
    }
    cmd.arg("id").arg(&*message.id.0).arg("op").arg(message.origin.op_name()).arg("table").arg(&text[..]);
    cmd.arg("content_type").arg(&*message.content_type).arg("body").arg(&*message.body);
    for (name, value) in &message.headers {
        cmd.arg(&**name).arg(value);
    }
}

/// An insert says all that the row has; an update only what the log holds.
fn replaces(message: &Message) -> bool {
    matches!(message.origin.op, Some(Op::Insert | Op::Read))
}

/// A field whose name begins with a zero byte is to be removed: the column is null.
fn gone(field: &[u8]) -> Option<&[u8]> {
    field.strip_prefix(&[0])
}

fn is_gone(field: &[u8]) -> bool {
    gone(field).is_some()
}

fn command(name: &str, args: usize, bytes: usize) -> Cmd {
    let mut cmd = Cmd::with_capacity(args, bytes);
    cmd.arg(name);
    cmd
}

fn millis(life: Duration) -> u64 {
    // The server refuses 0, and times that overflow its clock.
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 52)
}
