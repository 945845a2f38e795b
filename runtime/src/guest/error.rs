//! Why a guest can not be used. Every variant is a sentence for the person who dropped the file in, and says what to do.

use crate::fault::Fault;
use std::path::PathBuf;

/// Why a module was not taken. The old code, if there is any, goes on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    #[error("{path} can not be read ({reason}); check that it exists and that this process may read it")]
    Read { path: PathBuf, reason: String },
    #[error(
        "it has more than {limit_bytes} bytes, the limit for a guest; build with --release and strip = \"debuginfo\""
    )]
    TooLarge { limit_bytes: u64 },
    #[error("it is empty; copy it under another name and rename it, so that it appears in one piece")]
    Empty,
    #[error(
        "it is machine code: a program, or a guest compiled ahead of time (.cwasm), and neither is ever accepted; drop in the .wasm"
    )]
    Precompiled,
    #[error("it is not WebAssembly (a module begins with \\0asm); {remedy}")]
    NotWasm { remedy: &'static str },
    #[error(
        "it is damaged or was not copied completely ({reason}); build it again, or copy it again and rename it into place"
    )]
    Damaged { reason: String },
    #[error(
        "it is a WebAssembly module without a contract: it was built without the guest crate; \
         add `sluicegate-guest` to its dependencies, set crate-type = [\"cdylib\"] and build for wasm32-unknown-unknown"
    )]
    NoWorld,
    #[error(
        "it is a component of another world: {found}; a guest exports describe, init, on-schema and transform of sluicegate:guest@1, \
         or describe, init and judge of its world json"
    )]
    WrongWorld { found: String },
    #[error(
        "it does not export {missing} of the world {world} of sluicegate:guest@1; build it with the guest crate of this version, or for this world"
    )]
    MissingExports { missing: String, world: &'static str },
    #[error("it imports {import}, which guests do not get; {remedy}")]
    ForbiddenImport { import: String, remedy: &'static str },
    #[error(
        "it does not fit this host's contract sluicegate:guest@1 ({reason}); build it again with the guest crate of this version"
    )]
    Mismatch { reason: String },
    #[error("it can not be made into a component: {reason}; build it again with the guest crate of this version")]
    Componentize { reason: String },
    #[error("this program can not start itself to read the module apart: {reason}")]
    Child { reason: String },
    #[error("it can not be compiled ({reason}); build it again with a released toolchain and no experimental features")]
    Compile { reason: String },
    #[error("it fails in {step}: {reason}")]
    Start { step: &'static str, code: &'static str, reason: String },
    #[error("its init refuses the configuration: {message}; see [guest.NAME] config in pipeline.toml")]
    InitRefused { message: String },
    #[error(
        "it speaks version {found} of the frame, this host {supported}; build it with the guest crate of this version"
    )]
    FrameVersion { found: u16, supported: u16 },
    #[error(
        "it names the route {route:?}, which this pipeline does not have; the routes are: {known}; name one of them, or add a [[route]]"
    )]
    UnknownRoute { route: String, known: String },
    #[error("its subscription {subscription:?} can not be used: {reason}")]
    Subscription { subscription: String, reason: String },
    #[error(
        "it asks for {missing} of {table}, which has: {available}; correct the columns in the guest's subscription"
    )]
    Columns { table: String, missing: String, available: String },
    #[error("its on-schema refuses {table}: {message}")]
    Schema { table: String, message: String },
    #[error("it fails on rows that the running code can handle ({code}): {reason}")]
    Probe { code: String, reason: String },
    #[error("the WebAssembly engine can not be set up: {reason}")]
    Engine { reason: String },
}

impl GuestError {
    /// Almost always `Fatal`: nothing changes until somebody drops in another file.
    pub fn fault(&self) -> Fault {
        match self {
            GuestError::Read { .. } | GuestError::Child { .. } => Fault::Passing,
            _ => Fault::Fatal,
        }
    }
}

/// The causes of an error in one line. Guests' names can hold anything, so control characters go.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    clip(&text, SENTENCE_BYTES_MAX)
}

/// What a sentence about a guest may take in logs and in `status`.
pub(super) const SENTENCE_BYTES_MAX: usize = 1024;

/// At most `len_max` bytes of a text from outside, on one line.
pub(super) fn clip(text: &str, len_max: usize) -> String {
    let end = text.floor_char_boundary(len_max);
    let mut line: String = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < text.len() {
        line.push('…');
    }
    line
}
