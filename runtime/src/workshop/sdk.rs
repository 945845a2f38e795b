//! The guest crate, inside this program: whoever has the program can write guests, though the crate is not published.
//!
//! It is laid out as in the repository, because its parts name each other by their paths; a `Cargo.toml` above them says what they
//! share.

use std::fs;
use std::io;
use std::path::Path;

/// A file's path below the folder, and its text.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../", $path)))
    };
}

const FILES: &[File] = &[
    file!("guests/sdk/Cargo.toml"),
    file!("guests/sdk/macros/Cargo.toml"),
    file!("guests/sdk/macros/src/attribute.rs"),
    file!("guests/sdk/macros/src/expand.rs"),
    file!("guests/sdk/macros/src/lib.rs"),
    file!("guests/sdk/src/bindings.rs"),
    file!("guests/sdk/src/calendar.rs"),
    file!("guests/sdk/src/component.rs"),
    file!("guests/sdk/src/context.rs"),
    file!("guests/sdk/src/decimal.rs"),
    file!("guests/sdk/src/host.rs"),
    file!("guests/sdk/src/image.rs"),
    file!("guests/sdk/src/lib.rs"),
    file!("guests/sdk/src/rejection.rs"),
    file!("guests/sdk/src/row.rs"),
    file!("guests/sdk/src/running.rs"),
    file!("guests/sdk/src/schema.rs"),
    file!("guests/sdk/src/testing/glob.rs"),
    file!("guests/sdk/src/testing/mod.rs"),
    file!("guests/sdk/src/testing/outcome.rs"),
    file!("guests/sdk/src/testing/row.rs"),
    file!("guests/sdk/src/value.rs"),
    file!("guests/sdk/src/verdict.rs"),
    file!("wit/frame/Cargo.toml"),
    file!("wit/frame/src/array.rs"),
    file!("wit/frame/src/cell.rs"),
    file!("wit/frame/src/frame.rs"),
    file!("wit/frame/src/judge.rs"),
    file!("wit/frame/src/lib.rs"),
    file!("wit/frame/src/verdict.rs"),
    file!("wit/frame/src/wire.rs"),
    file!("wit/sluicegate.wit"),
];

/// Where in the folder the crate lies that guests depend on.
pub const CRATE: &str = "guests/sdk";

const README: &str = "\
# The guest crate of this sluicegate

Written by `sluicegate new`, which leaves it alone once it is here. After an update of the program, remove the folder and run
`sluicegate new` again, or go on with this one: guests that were built with an older crate run for ever.
";

/// Writes the crate into a folder.
///
/// # Errors
/// If the folder can not be written.
pub fn write(folder: &Path) -> io::Result<()> {
    let all = FILES.iter().map(|(path, text)| (*path, (*text).to_owned()));
    for (path, text) in all.chain([("Cargo.toml", workspace()), ("README.md", README.to_owned())]) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// What the manifests take from the repository's own.
fn workspace() -> String {
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"wit/frame\", \"guests/sdk\", \"guests/sdk/macros\"]\n\n\
         [workspace.package]\nversion = {version:?}\nedition = \"2024\"\nrust-version = {rust:?}\nlicense = {license:?}\n\n\
         [workspace.dependencies]\nsluicegate-frame = {{ path = \"wit/frame\" }}\nsluicegate-guest = {{ path = \"guests/sdk\" }}\n\n\
         [workspace.lints.rust]\nunsafe_op_in_unsafe_fn = \"deny\"\n",
        version = env!("CARGO_PKG_VERSION"),
        rust = env!("CARGO_PKG_RUST_VERSION"),
        license = env!("CARGO_PKG_LICENSE"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["tests", "fuzz", "vectors", "target", "benches"].contains(&name.as_str()) {
                    sources(&path, found);
                }
            } else if [".rs", ".toml", ".wit"].iter().any(|end| name.ends_with(end)) {
                found.push(path);
            }
        }
    }

    /// The generator does not run with every build; its result says which contract it was made of.
    #[test]
    fn bindings_are_those_of_the_contract() {
        let text = |wanted: &str| FILES.iter().find(|(path, _)| *path == wanted).expect("it is inside").1;
        let checksum = format!("{:08x}", crc32fast::hash(text("wit/sluicegate.wit").as_bytes()));
        let bindings = text("guests/sdk/src/bindings.rs");
        assert!(bindings.contains(&checksum), "make guests/sdk/src/bindings.rs anew, as its head says: {checksum}");
    }

    #[test]
    fn every_source_of_the_guest_crate_is_inside() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = Vec::new();
        sources(&root.join("guests/sdk"), &mut found);
        sources(&root.join("wit"), &mut found);
        let mut found: Vec<String> =
            found.iter().map(|p| p.strip_prefix(&root).expect("below").display().to_string()).collect();
        found.sort();
        assert_eq!(found, FILES.iter().map(|(path, _)| *path).collect::<Vec<_>>());
    }
}
