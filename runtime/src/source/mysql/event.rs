//! One event of a binary log, taken apart as far as every event is alike.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html>

/// An event without the packet's leading OK byte, its header taken apart, its checksum cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEvent<'a> {
    /// Seconds since the Unix epoch.
    pub(super) timestamp: u32,
    pub(super) kind: u8,
    pub(super) server_id: u32,
    /// Bytes of the whole event as its header says: header and checksum included.
    pub(super) len: u32,
    /// Where the next event begins in the file, the low 32 bits of it; 0 if the event stands in no file.
    pub(super) end: u32,
    pub(super) flags: u16,
    pub(super) body: &'a [u8],
}
