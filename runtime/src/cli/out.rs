//! What verbs write. Whoever reads it may have had enough (`| head`), and that is no mistake: the process ends then as SIGPIPE would
//! end it, which the runtime of Rust ignores.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// What a shell makes of an end by SIGPIPE.
const CLOSED_PIPE: i32 = 128 + 13;

/// A line on standard output.
macro_rules! outln {
    () => { $crate::cli::out::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::out::line(format_args!($($text)*)) };
}

/// A line on standard error.
macro_rules! errln {
    ($($text:tt)*) => { $crate::cli::out::complaint(format_args!($($text)*)) };
}

pub(super) use {errln, outln};

pub(super) fn line(text: Arguments<'_>) {
    match written(&mut io::stdout().lock(), text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => end(),
        Err(error) => {
            errln!("standard output can not be written: {error}");
            std::process::exit(1);
        }
        Ok(()) => {}
    }
}

pub(super) fn complaint(text: Arguments<'_>) {
    // There is nowhere else to say it.
    if written(&mut io::stderr().lock(), text).is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        end();
    }
}

/// For a verb with something to put in order before it ends: whether anybody reads.
pub(super) fn is_read(text: &str) -> bool {
    written(&mut io::stdout().lock(), format_args!("{text}")).is_ok()
}

fn written(out: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    // In one piece, or two programs on one terminal write into each other's lines.
    out.write_all(format!("{text}\n").as_bytes())?;
    out.flush()
}

/// Ends the process as a closed pipe does.
pub(super) fn end() -> ! {
    std::process::exit(CLOSED_PIPE)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The macros of the standard library panic when nobody reads.
    #[test]
    fn every_verb_writes_through_here() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
        let folders = [folder.join("dead"), folder];
        for path in folders.iter().flat_map(|f| fs::read_dir(f).expect("a folder")).map(|e| e.expect("an entry").path())
        {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for (at, line) in text.lines().enumerate() {
                let bare = ["println!(", "eprintln!(", "print!(", "eprint!("]
                    .iter()
                    .find(|word| line.trim_start().starts_with(**word) || line.contains(&format!(" {word}")));
                assert!(bare.is_none(), "{}:{} writes by itself: {line}", path.display(), at + 1);
            }
        }
    }
}
