//! The misdeeds themselves.

use crate::bindings::sluicegate::guest::host::{Level, log};
use sluicegate_frame::{Body, Cell, Edit, Emitted, Frame, Tag, Verdict, VerdictWriter};
use std::hint::black_box;

macro_rules! modes {
    ($($name:ident = $word:literal,)*) => {
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        pub enum Mode {
            #[default]
            $($name,)*
        }

        impl Mode {
            pub fn from_word(word: &str) -> Option<Mode> {
                match word {
                    $($word => Some(Mode::$name),)*
                    _ => None,
                }
            }
        }
    };
}

modes! {
    Good = "good",
    RefuseInit = "refuse-init",
    TrapInit = "trap-init",
    Panic = "panic",
    Loop = "loop",
    Memory = "memory",
    Stack = "stack",
    Fail = "fail",
    Garbage = "garbage",
    Unknown = "unknown",
    TooMany = "too-many",
    TooFew = "too-few",
    Truncated = "truncated",
    Huge = "huge",
    Deep = "deep",
    Column = "column",
    Route = "route",
    LogFlood = "log-flood",
    LogLong = "log-long",
    Leak = "leak",
    Sleep = "sleep",
}

/// One call.
pub struct Batch<'a> {
    pub frame: &'a [u8],
    pub poison: &'a [(u32, Option<usize>)],
    /// A number of the configuration, or its default.
    pub number: &'a dyn Fn(&str, usize) -> usize,
}

/// Where the verdicts of a frame begin.
const VERDICTS_AT: usize = 16;

impl Mode {
    pub fn answer(self, batch: &Batch<'_>) -> Result<Vec<u8>, String> {
        let frame = Frame::parse(batch.frame).map_err(|error| error.to_string())?;
        let mut poisoned = Vec::new();
        for index in 0..frame.len() {
            let row = frame.row(index).map_err(|error| error.to_string())?;
            let column = batch.poison.iter().find(|(id, _)| *id == row.head.schema).and_then(|(_, column)| *column);
            poisoned.push(column.is_some_and(|at| row.new_cell(at) == Ok(Cell::Bool(true))));
        }
        let any = poisoned.contains(&true);
        let rows = frame.len();
        match self {
            Mode::Fail if any => Err("this batch is refused, as this guest was told".into()),
            Mode::Garbage if any => Ok(b"these are not the bytes you are looking for".to_vec()),
            Mode::TooMany if any => Ok(passes(rows + 1)),
            Mode::TooFew if any => Ok(passes(rows - 1)),
            Mode::Deep if any => Ok(deep(&poisoned)),
            Mode::Truncated if any => {
                let mut bytes = self.verdicts(batch, &poisoned)?;
                bytes[VERDICTS_AT] = 4;
                Ok(bytes)
            }
            _ => self.verdicts(batch, &poisoned),
        }
    }

    fn verdicts(self, batch: &Batch<'_>, poisoned: &[bool]) -> Result<Vec<u8>, String> {
        let mut verdicts = VerdictWriter::new(poisoned.len());
        let mut unknown = Vec::new();
        for (index, poisoned) in poisoned.iter().enumerate() {
            if self == Mode::Leak {
                std::mem::forget(black_box(vec![1u8; 64 << 10]));
            }
            if *poisoned {
                self.misbehave(batch, &mut verdicts);
                unknown.extend((self == Mode::Unknown).then_some(index));
            } else {
                verdicts.push(&Verdict::Pass);
            }
        }
        let mut bytes = verdicts.finish().map_err(|error| error.to_string())?;
        for index in unknown {
            bytes[VERDICTS_AT + index] = 0xee;
        }
        Ok(bytes)
    }

    fn misbehave(self, batch: &Batch<'_>, verdicts: &mut VerdictWriter) {
        match self {
            Mode::Panic => panic!("this guest panics on a poisoned row, as it was told"),
            Mode::Loop => loop {
                black_box(());
            },
            Mode::Memory => loop {
                std::mem::forget(black_box(vec![1u8; 1 << 20]));
            },
            Mode::Sleep => std::thread::sleep(std::time::Duration::from_secs(3600)),
            Mode::Stack => {
                black_box(fall(0));
            }
            Mode::LogFlood => {
                for line in 0..(batch.number)("lines", 100_000) {
                    log(Level::Info, &format!("line {line} of far too many"));
                }
            }
            Mode::LogLong => log(Level::Info, &"x".repeat(8 << 20)),
            _ => {}
        }
        match self {
            Mode::Huge => {
                let bytes = vec![b'x'; (batch.number)("bytes", 8 << 20)];
                let body = Body::Bytes { content_type: "text/plain", bytes: &bytes };
                emit(verdicts, "customer", body);
            }
            Mode::Route => emit(verdicts, "a route that nobody declared", Body::Row),
            Mode::Column => verdicts.push(&Verdict::Edit(vec![Edit::Unset { column: u16::MAX }])),
            _ => verdicts.push(&Verdict::Pass),
        }
    }
}

fn emit(verdicts: &mut VerdictWriter, route: &str, body: Body<'_>) {
    let message = Emitted { route, member: None, key: None, headers: vec![], body };
    verdicts.push(&Verdict::Emit { edits: vec![], messages: vec![message] });
}

fn passes(rows: usize) -> Vec<u8> {
    let mut verdicts = VerdictWriter::new(rows);
    (0..rows).for_each(|_| verdicts.push(&Verdict::Pass));
    verdicts.finish().expect("a verdict for every row")
}

/// An edit for each poisoned row whose value is an array in an array in an array, for a reader that recurses.
fn deep(poisoned: &[bool]) -> Vec<u8> {
    const EDIT: u8 = 2;
    const DEPTH: usize = 100_000;
    /// Tag, length, and one dimension of one element.
    const LEVEL: usize = 20;
    let mut bytes = passes(poisoned.len());
    for (index, _) in poisoned.iter().enumerate().filter(|(_, poisoned)| **poisoned) {
        bytes[VERDICTS_AT + index] = EDIT;
        // One edit, a set of column 0.
        bytes.extend_from_slice(&[1, 0, 0, 0, 0]);
        for level in 0..DEPTH {
            let inside = (LEVEL * (DEPTH - level) - 8) as u32;
            bytes.extend_from_slice(&[Tag::Array as u8, 0, 0, 0]);
            bytes.extend_from_slice(&inside.to_le_bytes());
            // The innermost has no dimension and its place is filled up with zeros, which is refused as well.
            let dimensions = u8::from(level + 1 < DEPTH);
            bytes.extend_from_slice(&[dimensions, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        }
    }
    bytes
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "to exhaust the stack is its purpose")]
fn fall(depth: u64) -> u64 {
    black_box(fall(black_box(depth + 1))) + 1
}
