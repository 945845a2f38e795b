//! Files with certificates and keys: whether they are what they are named for is seen when the configuration is read, not when a
//! handshake fails.

use super::entry::Entry;
use super::page::{Filling, read_at_most};
use super::section::Section;
use std::path::PathBuf;

/// The authorities of a whole operating system are a fifth of this.
const PEM_LEN_MAX: u64 = 1 << 20;

/// What a file holds.
#[derive(Clone, Copy)]
pub(super) enum Pem {
    Certificate,
    Key,
}

impl Pem {
    /// Whether the bytes hold it; else rule and remedy.
    fn look_for(self, bytes: &[u8]) -> Result<(), (String, String)> {
        let (mark, name, begin) = match self {
            Self::Certificate => ("-----BEGIN CERTIFICATE-----", "certificate", "-----BEGIN CERTIFICATE-----"),
            // PKCS #8, PKCS #1 and SEC 1 differ in what stands before these words.
            Self::Key => ("PRIVATE KEY-----", "key", "-----BEGIN PRIVATE KEY-----"),
        };
        match memchr::memmem::find(bytes, mark.as_bytes()) {
            Some(_) => Ok(()),
            None => Err((format!("the file holds no {name}"), format!("it begins with {begin} (PEM)"))),
        }
    }
}

/// The file at `path`, which `entry` names and which starts at its folder; its path, or a mistake.
pub(super) fn pem_file(entry: &Entry<'_>, path: &str, pem: Pem) -> Option<PathBuf> {
    let path = entry.page.folder().join(path);
    match read_at_most(&path, PEM_LEN_MAX).and_then(|bytes| pem.look_for(&bytes)) {
        Ok(()) => Some(path),
        Err((rule, remedy)) => {
            entry.mistake(rule, remedy);
            None
        }
    }
}

impl Section<'_> {
    /// The file that a key names, if it does.
    pub fn pem(&self, key: &'static str, pem: Pem) -> Option<PathBuf> {
        let entry = self.entry(key)?;
        if self.page.reading.filling == Filling::MadeUp {
            return None;
        }
        pem_file(&entry, &entry.text()?, pem)
    }
}
