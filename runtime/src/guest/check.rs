//! The doorman: what the bytes are, and what they ask for, before anything reads them in earnest.
//!
//! Only `wasmparser` touches the bytes here, which is made for hostile input.

use super::GuestError;
use super::error::{SENTENCE_BYTES_MAX, clip};
use super::limits::{FILE_BYTES_MAX, MODULE_BYTES_MAX};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use wasmparser::{ComponentTypeRef, Parser, Payload, Validator};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A core module that carries the contract in a custom section, as a plain cargo build makes it.
    Module,
    Component,
}

/// Which functions a guest has: `wit/sluicegate.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// It reads frames; for languages with a guest crate.
    Transform,
    /// It reads JSON; for the others.
    Json,
}

impl World {
    /// As the contract calls it.
    pub const fn name(self) -> &'static str {
        match self {
            World::Transform => "transform",
            World::Json => "json",
        }
    }

    /// The one that a component means, by what it exports.
    pub(super) fn of<'n>(exports: impl IntoIterator<Item = &'n str>) -> Self {
        let is_json = exports.into_iter().fold(None, |is_json, name| match name {
            "transform" => Some(false),
            "judge" => is_json.or(Some(true)),
            _ => is_json,
        });
        if is_json == Some(true) { World::Json } else { World::Transform }
    }

    const fn exports(self) -> &'static [&'static str] {
        match self {
            World::Transform => &["describe", "init", "on-schema", "transform"],
            World::Json => &["describe", "init", "judge"],
        }
    }

    /// What a file of it may have.
    const fn bytes_max(self) -> u64 {
        match self {
            World::Transform => MODULE_BYTES_MAX,
            World::Json => FILE_BYTES_MAX,
        }
    }
}

/// Reads a file that may be a guest, and never more than the limit.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, GuestError> {
    let failed = |e: std::io::Error| GuestError::Read { path: path.to_owned(), reason: e.to_string() };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // A pipe would keep us waiting for its writer.
        return Err(GuestError::Read { path: path.to_owned(), reason: "it is no file".into() });
    }
    let mut bytes = Vec::with_capacity(metadata.len().min(FILE_BYTES_MAX) as usize + 1);
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    within(&bytes, FILE_BYTES_MAX)?;
    Ok(bytes)
}

fn within(bytes: &[u8], limit_bytes: u64) -> Result<(), GuestError> {
    if bytes.len() as u64 > limit_bytes { Err(GuestError::TooLarge { limit_bytes }) } else { Ok(()) }
}

/// What bytes that can be read to their end are.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    let kind = claimed(bytes).ok()?;
    Validator::new().validate_all(bytes).ok()?;
    Some(kind)
}

/// What the first bytes say.
fn claimed(bytes: &[u8]) -> Result<Kind, GuestError> {
    Ok(match bytes {
        [] => return Err(GuestError::Empty),
        [0x7f, b'E', b'L', b'F', ..] => return Err(GuestError::Precompiled),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Kind::Module,
        [0, b'a', b's', b'm', 13, 0, 1, 0, ..] => Kind::Component,
        [0, b'a', b's', b'm', version, ..] if bytes.len() >= 8 => {
            return Err(GuestError::Damaged { reason: format!("version {version} of WebAssembly is unknown") });
        }
        _ if b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) => {
            return Err(GuestError::Damaged { reason: format!("it ends after {} bytes", bytes.len()) });
        }
        _ => return Err(GuestError::NotWasm { remedy: text_remedy(bytes) }),
    })
}

/// Says what the bytes are, if they can be a guest at all.
pub(super) fn file(bytes: &[u8]) -> Result<Kind, GuestError> {
    let kind = claimed(bytes)?;
    Validator::new().validate_all(bytes).map_err(damaged)?;
    match kind {
        // Interpreters come as components.
        Kind::Module => module(bytes).and_then(|()| within(bytes, MODULE_BYTES_MAX))?,
        Kind::Component => component(bytes).and_then(|world| within(bytes, world.bytes_max()))?,
    }
    Ok(kind)
}

fn text_remedy(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b"(component") {
        return "this is the text form: make the binary one of it, for example with wasm-tools parse";
    }
    "build the guest with cargo build --release --target wasm32-unknown-unknown and drop in what is in target/"
}

fn damaged(error: wasmparser::BinaryReaderError) -> GuestError {
    GuestError::Damaged { reason: clip(&error.to_string(), SENTENCE_BYTES_MAX) }
}

/// A core module must carry the contract, and must not ask for anything but it.
fn module(bytes: &[u8]) -> Result<(), GuestError> {
    let mut contract = false;
    let mut wrong = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::CustomSection(section) => contract |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(damaged)?;
                    wrong = wrong.or_else(|| core_import(import.module, import.name));
                }
            }
            _ => {}
        }
    }
    match wrong {
        Some(error) => Err(error),
        None if contract => Ok(()),
        None => Err(GuestError::NoWorld),
    }
}

/// Core imports of a contract are `package:name/interface`; what the contract allows is judged on the component.
fn core_import(module: &str, name: &str) -> Option<GuestError> {
    let remedy = match module {
        "wasi_snapshot_preview1" | "wasi_unstable" => {
            "build for wasm32-unknown-unknown or wasm32-wasip2 instead of wasm32-wasip1"
        }
        _ if module.starts_with("__wbindgen") => {
            "wasm-bindgen is for browsers: remove the dependency that brings it in"
        }
        _ if module.contains(':') || module.starts_with('[') || module == "$root" => return component_import(module),
        _ => "remove the code, or the C library, that needs it",
    };
    Some(forbidden(&format!("{module}.{name}"), remedy))
}

fn forbidden(import: &str, remedy: &'static str) -> GuestError {
    GuestError::ForbiddenImport { import: clip(import, SENTENCE_BYTES_MAX), remedy }
}

/// A component may import our host and an empty WASI, and must export one of our worlds.
pub(super) fn component(bytes: &[u8]) -> Result<World, GuestError> {
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let import = import.map_err(damaged)?;
                    // A type is only a name for what a function takes; the world uses those of our contract.
                    let is_type = matches!(import.ty, ComponentTypeRef::Type(_));
                    if let Some(error) = component_import(import.name.name).filter(|_| !is_type) {
                        return Err(error);
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(damaged)?.name.name);
                }
            }
            _ => {}
        }
    }
    let world = World::of(exports.iter().copied());
    let missing: Vec<&str> = world.exports().iter().copied().filter(|name| !exports.contains(name)).collect();
    match missing.len() {
        0 => Ok(world),
        n if n == world.exports().len() => Err(GuestError::WrongWorld { found: found(&exports) }),
        _ => Err(GuestError::MissingExports { missing: missing.join(", "), world: world.name() }),
    }
}

fn found(exports: &[&str]) -> String {
    match exports {
        [] => "it exports nothing".into(),
        _ => clip(&format!("it exports {}", exports.join(", ")), SENTENCE_BYTES_MAX),
    }
}

/// What a component may not import, and what to do instead.
fn component_import(name: &str) -> Option<GuestError> {
    let package = name.split_once('/').map_or(name, |(package, _)| package);
    let version = name.rsplit_once('@').map_or("", |(_, version)| version);
    let remedy = match package {
        "sluicegate:guest" if version.starts_with("1.") => return None,
        "sluicegate:guest" => {
            "it was built for another version of the contract: build it with the guest crate of this version"
        }
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" if version.starts_with("0.2.") => {
            return None;
        }
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" => {
            "build it for version 0.2 of WASI (wasm32-wasip2)"
        }
        "wasi:sockets" => {
            "a guest has no network: let a target deliver the row, or build without networking (--stub-wasi)"
        }
        "wasi:http" => {
            "a guest sends no requests: name a route whose target does, or build without http (--disable http)"
        }
        _ => "guests get sluicegate:guest/host and an empty WASI, nothing else: remove the code that needs it",
    };
    Some(forbidden(name, remedy))
}

/// What a file imports, each with what is to be done about it if guests do not get it.
pub(super) fn all_imports(bytes: &[u8], kind: Kind) -> Vec<(String, Option<GuestError>)> {
    if kind == Kind::Component {
        return imports(bytes).into_iter().map(|name| (name.clone(), component_import(&name))).collect();
    }
    let mut all: Vec<(String, Option<GuestError>)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        let Payload::ImportSection(section) = payload else { continue };
        for import in section.into_imports().map_while(Result::ok) {
            // A contract's functions are told together, others one by one.
            let name = if import.module.contains(':') {
                import.module.to_owned()
            } else {
                format!("{}.{}", import.module, import.name)
            };
            let name = clip(&name, SENTENCE_BYTES_MAX);
            if all.len() < IMPORTS_TOLD_MAX && !all.iter().any(|(known, _)| *known == name) {
                all.push((name, core_import(import.module, import.name)));
            }
        }
    }
    all
}

/// A module that asks for more was built for something else.
const IMPORTS_TOLD_MAX: usize = 100;

/// Whether functions have names in it: without them a trap does not say where it was.
pub fn has_names(bytes: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    sections.into_iter().any(|payload| matches!(payload, Payload::CustomSection(section) if section.name() == "name"))
}

/// The interfaces that a component imports, for people.
pub(super) fn imports(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            // What comes first in a component are its imports; nested modules have imports of their own.
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) | Err(_) => break,
            Ok(Payload::ComponentImportSection(section)) => {
                let interfaces =
                    section.into_iter().flatten().filter(|i| matches!(i.ty, ComponentTypeRef::Instance(_)));
                names.extend(interfaces.map(|i| clip(i.name.name, SENTENCE_BYTES_MAX)));
            }
            Ok(_) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(bytes: &[u8]) -> String {
        file(bytes).expect_err("these bytes are no guest").to_string()
    }

    #[test]
    fn what_is_no_module_is_named() {
        assert!(sentence(b"").contains("empty"));
        assert!(sentence(b"\0as").contains("not copied completely"));
        assert!(sentence(b"\x7fELF....").contains(".cwasm"));
        assert!(sentence(b"#!/bin/sh").contains("not WebAssembly"));
        assert!(sentence(b"  (module)").contains("text form"));
        assert!(sentence(b"\0asm\x02\0\0\0").contains("version 2"));
    }

    #[test]
    fn module_without_the_contract_is_told_about_the_guest_crate() {
        assert!(sentence(b"\0asm\x01\0\0\0").contains("sluicegate-guest"));
    }

    #[test]
    fn component_without_our_exports_is_of_another_world() {
        let text = sentence(b"\0asm\x0d\0\x01\0");
        assert!(text.contains("another world") && text.contains("exports nothing"), "{text}");
    }

    #[test]
    fn world_is_known_by_what_is_exported() {
        assert_eq!(World::of(["describe", "init", "judge"]), World::Json);
        assert_eq!(World::of(["judge", "describe", "init", "on-schema", "transform"]), World::Transform);
        assert_eq!(World::of([]), World::Transform);
        let big = vec![0; MODULE_BYTES_MAX as usize + 1];
        assert!(within(&big, World::Json.bytes_max()).is_ok());
        let refused = within(&big, World::Transform.bytes_max()).expect_err("too large").to_string();
        assert!(refused.contains("33554432 bytes"), "{refused}");
    }

    #[test]
    fn sockets_and_http_are_refused_by_name_with_a_remedy() {
        for (import, remedy) in [
            ("wasi:sockets/tcp@0.2.3", "no network"),
            ("wasi:http/outgoing-handler@0.2.3", "name a route"),
            ("sluicegate:guest/host@2.0.0", "another version"),
            ("wasi:clocks/wall-clock@0.3.0", "version 0.2"),
            ("acme:db/query@1.0.0", "nothing else"),
        ] {
            let text = component_import(import).expect("forbidden").to_string();
            assert!(text.contains(import) && text.contains(remedy), "{text}");
        }
        for import in ["sluicegate:guest/host@1.0.0", "sluicegate:guest/types@1.4.0", "wasi:cli/environment@0.2.6"] {
            assert!(component_import(import).is_none(), "{import}");
        }
    }

    #[test]
    fn core_imports_of_other_platforms_are_refused_with_a_remedy() {
        for (module, remedy) in
            [("wasi_snapshot_preview1", "wasip1"), ("__wbindgen_placeholder__", "browsers"), ("env", "C library")]
        {
            let text = core_import(module, "f").expect("forbidden").to_string();
            assert!(text.contains(remedy), "{text}");
        }
    }
}
