//! The seal: a small file beside the database with the number of the last transaction that would survive a loss of power.
//!
//! SQLite's log ends at its first damaged page. What was committed behind it is gone, and the database is whole without it: nothing
//! inside could tell. So the number is written outside, *after* the transaction is on the disk, and a database whose own number is
//! smaller has lost what it once promised.
//!
//! A false alarm is not possible: the seal is written only when the transaction is on the disk already, so whatever a crash leaves
//! of the seal, an older number, half a slot or no file at all, says no more than what is true. It needs no wait for the disk: a
//! seal that is behind finds less, and blames nobody.
//!
//! ```text
//!   slot 0: number (8 bytes), checksum (4)     slot 1, 512 bytes further: the same
//!   written in turns, so that a torn write leaves the other one
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Slots lie in different sectors.
const SLOT_BYTES: u64 = 512;
const MARK: &[u8; 8] = b"sgseal02";

/// The file, open to be written.
pub(super) struct Seal {
    file: File,
    slot: u64,
}

/// The greatest number that a slot holds whole; `None` if no slot does, or there is no file.
pub(super) fn read(path: &Path) -> Option<i64> {
    let file = File::open(path).ok()?;
    let slots = [0, 1].into_iter().filter_map(|slot| {
        let mut bytes = [0; 20];
        file.read_exact_at(&mut bytes, slot * SLOT_BYTES).ok()?;
        let number = i64::from_le_bytes(bytes[8..16].try_into().ok()?);
        (bytes == slot_bytes(number)).then_some(number)
    });
    slots.max()
}

fn slot_bytes(number: i64) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(MARK);
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

impl Seal {
    /// # Errors
    /// If the file can not be opened or made.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        Ok(Self { file, slot: 0 })
    }

    /// A seal that can not be written is merely behind.
    pub(super) fn write(&mut self, number: i64) {
        let _ = self.file.write_all_at(&slot_bytes(number), self.slot * SLOT_BYTES);
        self.slot = 1 - self.slot;
    }
}
