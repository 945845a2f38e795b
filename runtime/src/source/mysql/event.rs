//! One event of a binary log: its header, and the bodies that say where we are.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html>
//! <https://mariadb.com/kb/en/replication-protocol/>

use super::bytes::{Cut, Reader};
use crate::change::{DatabaseKind, Gtid, GtidTag};

/// An event without the packet's leading OK byte, its header taken apart, its checksum cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEvent<'a> {
    /// Seconds since the Unix epoch.
    pub(super) timestamp: u32,
    pub(super) kind: u8,
    pub(super) server_id: u32,
    /// Bytes of the whole event as its header says: header and checksum included.
    pub(super) len: u32,
    /// Where the next event begins in the file, the low 32 bits of it; 0 if the event stands in no file, and inside the
    /// transactions of MariaDB from 11 on.
    pub(super) end: u32,
    pub(super) flags: u16,
    pub(super) body: &'a [u8],
}

/// The numbers of events. Those below 160 are MySQL's, the others MariaDB's.
pub(super) mod kind {
    pub(in super::super) const QUERY: u8 = 2;
    pub(in super::super) const ROTATE: u8 = 4;
    pub(in super::super) const FORMAT_DESCRIPTION: u8 = 15;
    pub(in super::super) const XID: u8 = 16;
    pub(in super::super) const TABLE_MAP: u8 = 19;
    pub(in super::super) const WRITE_ROWS_V1: u8 = 23;
    pub(in super::super) const UPDATE_ROWS_V1: u8 = 24;
    pub(in super::super) const DELETE_ROWS_V1: u8 = 25;
    pub(in super::super) const INCIDENT: u8 = 26;
    pub(in super::super) const ROWS_QUERY: u8 = 29;
    pub(in super::super) const WRITE_ROWS: u8 = 30;
    pub(in super::super) const UPDATE_ROWS: u8 = 31;
    pub(in super::super) const DELETE_ROWS: u8 = 32;
    pub(in super::super) const GTID: u8 = 33;
    pub(in super::super) const ANONYMOUS_GTID: u8 = 34;
    pub(in super::super) const XA_PREPARE: u8 = 38;
    pub(in super::super) const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub(in super::super) const TRANSACTION_PAYLOAD: u8 = 40;
    pub(in super::super) const GTID_TAGGED: u8 = 42;
    pub(in super::super) const ANNOTATE_ROWS: u8 = 160;
    pub(in super::super) const MARIADB_GTID: u8 = 162;
    pub(in super::super) const QUERY_COMPRESSED: u8 = 165;
    pub(in super::super) const WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    pub(in super::super) const UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    pub(in super::super) const DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    pub(in super::super) const WRITE_ROWS_COMPRESSED: u8 = 169;
    pub(in super::super) const UPDATE_ROWS_COMPRESSED: u8 = 170;
    pub(in super::super) const DELETE_ROWS_COMPRESSED: u8 = 171;
}

/// The server made the event for us; it stands in no file (`LOG_EVENT_ARTIFICIAL_F`).
const FLAG_ARTIFICIAL: u16 = 0x20;
/// A reader that does not know the event may pass over it (`LOG_EVENT_IGNORABLE_F`).
const FLAG_IGNORABLE: u16 = 0x80;

impl RawEvent<'_> {
    /// Whether the server made the event for us.
    pub(super) fn is_artificial(&self) -> bool {
        self.flags & FLAG_ARTIFICIAL != 0
    }

    pub(super) fn is_ignorable(&self) -> bool {
        self.flags & FLAG_IGNORABLE != 0
    }

    /// For people.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            kind::QUERY | kind::QUERY_COMPRESSED => "QUERY",
            kind::ROTATE => "ROTATE",
            kind::FORMAT_DESCRIPTION => "FORMAT_DESCRIPTION",
            kind::XID => "XID",
            kind::TABLE_MAP => "TABLE_MAP",
            kind::WRITE_ROWS | kind::WRITE_ROWS_V1 => "WRITE_ROWS",
            kind::UPDATE_ROWS | kind::UPDATE_ROWS_V1 => "UPDATE_ROWS",
            kind::DELETE_ROWS | kind::DELETE_ROWS_V1 => "DELETE_ROWS",
            kind::WRITE_ROWS_COMPRESSED | kind::WRITE_ROWS_COMPRESSED_V1 => "WRITE_ROWS_COMPRESSED",
            kind::UPDATE_ROWS_COMPRESSED | kind::UPDATE_ROWS_COMPRESSED_V1 => "UPDATE_ROWS_COMPRESSED",
            kind::DELETE_ROWS_COMPRESSED | kind::DELETE_ROWS_COMPRESSED_V1 => "DELETE_ROWS_COMPRESSED",
            kind::PARTIAL_UPDATE_ROWS => "PARTIAL_UPDATE_ROWS",
            kind::GTID | kind::ANONYMOUS_GTID | kind::GTID_TAGGED | kind::MARIADB_GTID => "GTID",
            kind::XA_PREPARE => "XA_PREPARE",
            kind::INCIDENT => "INCIDENT",
            kind::ROWS_QUERY | kind::ANNOTATE_ROWS => "ROWS_QUERY",
            kind::TRANSACTION_PAYLOAD => "TRANSACTION_PAYLOAD",
            _ => "unknown",
        }
    }
}

/// The next file, and where in it the next event stands.
pub(super) struct Rotate<'a> {
    pub(super) offset: u64,
    pub(super) file: &'a [u8],
}

impl<'a> Rotate<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Cut> {
        let mut r = Reader::new(body);
        Ok(Self { offset: r.u64()?, file: r.rest() })
    }
}

/// What the event that opens a transaction says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// `None` for an anonymous transaction.
    pub(super) gtid: Gtid,
    /// Microseconds since the Unix epoch, where the log has them (MySQL 8.0.1).
    pub(super) committed_at_us: Option<i64>,
    /// MariaDB: one statement without an end of its own.
    pub(super) is_standalone: bool,
    /// MariaDB: the transaction ends prepared, and an `XA COMMIT` or `XA ROLLBACK` decides later.
    pub(super) is_prepared: bool,
    pub(super) thread: u32,
}

/// GTID and ANONYMOUS_GTID: flags, server, number; behind them the logical clock and the commit's times.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Gtid__event.html>
pub(super) fn mysql_gtid(body: &[u8], is_anonymous: bool) -> Result<Opening, Cut> {
    const LOGICAL_CLOCK: u8 = 2;
    /// The first of two times stands for both.
    const TIMES_DIFFER: u64 = 1 << 55;
    let mut r = Reader::new(body);
    r.u8()?;
    let server = r.array::<16>()?;
    let number = r.u64()?;
    let mut committed_at_us = None;
    if r.u8().is_ok_and(|kind| kind == LOGICAL_CLOCK) {
        r.skip(16)?;
        if let Ok(immediate) = r.uint(7) {
            // The time on the server where the transaction began; on a replica it stands behind the replica's own.
            let original = if immediate & TIMES_DIFFER != 0 { r.uint(7)? } else { immediate };
            committed_at_us = Some((original & !TIMES_DIFFER) as i64);
        }
    }
    let tag = GtidTag::default();
    let gtid = if is_anonymous { Gtid::None } else { Gtid::Mysql { server, tag, number } };
    Ok(Opening { gtid, committed_at_us, is_standalone: false, is_prepared: false, thread: 0 })
}

/// GTID_TAGGED, in the serialization format of MySQL 8.3: a version, the message's size, the last field that must not be
/// ignored, and then fields of increasing number, each behind its number, all as integers of variable length.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/PageLibsMysqlSerialization.html>
pub(super) fn tagged_gtid(body: &[u8]) -> Result<Opening, Cut> {
    const VERSION: u64 = 1;
    const FLAGS: u64 = 0;
    const UUID: u64 = 1;
    const NUMBER: u64 = 2;
    const TAG: u64 = 3;
    const LAST_COMMITTED: u64 = 4;
    const SEQUENCE: u64 = 5;
    const IMMEDIATE: u64 = 6;
    const ORIGINAL: u64 = 7;
    let mut r = Reader::new(body);
    if r.varlen()? != VERSION {
        return Err(Cut);
    }
    let size = r.varlen()?;
    let end = usize::try_from(size).ok().and_then(|size| body.len().checked_sub(size)).ok_or(Cut)?;
    r.varlen()?;
    let (mut server, mut tag, mut number) = ([0; 16], GtidTag::default(), 0);
    let (mut immediate, mut original) = (0, None);
    while r.len() > end {
        match r.varlen()? {
            FLAGS => drop(r.varlen()?),
            UUID => {
                for byte in &mut server {
                    *byte = u8::try_from(r.varlen()?).map_err(|_| Cut)?;
                }
            }
            NUMBER => number = r.varlen_signed()?,
            TAG => {
                let len = usize::try_from(r.varlen()?).map_err(|_| Cut)?;
                tag.0.get_mut(..len).ok_or(Cut)?.copy_from_slice(r.take(len)?);
            }
            LAST_COMMITTED | SEQUENCE => drop(r.varlen_signed()?),
            IMMEDIATE => immediate = r.varlen()?,
            ORIGINAL => original = Some(r.varlen()?),
            // Behind them only lengths, versions and group tickets; nothing that we need.
            _ => break,
        }
    }
    let number = u64::try_from(number).map_err(|_| Cut)?;
    Ok(Opening {
        gtid: Gtid::Mysql { server, tag, number },
        committed_at_us: Some(original.unwrap_or(immediate) as i64).filter(|us| *us > 0),
        is_standalone: false,
        is_prepared: false,
        thread: 0,
    })
}

/// MariaDB's GTID event: sequence, domain, flags; the server is the header's.
pub(super) fn mariadb_gtid(event: &RawEvent<'_>) -> Result<Opening, Cut> {
    const STANDALONE: u8 = 1;
    const GROUP_COMMIT_ID: u8 = 2;
    const PREPARED_XA: u8 = 64;
    const COMPLETED_XA: u8 = 128;
    const EXTRA_MULTI_ENGINE: u8 = 1;
    const EXTRA_THREAD_ID: u8 = 16;
    let mut r = Reader::new(event.body);
    let (sequence, domain, flags) = (r.u64()?, r.u32()?, r.u8()?);
    let mut thread = 0;
    if flags & GROUP_COMMIT_ID != 0 {
        r.skip(8)?;
    }
    if flags & (PREPARED_XA | COMPLETED_XA) != 0 {
        r.skip(4)?;
        let (transaction, branch) = (r.u8()?, r.u8()?);
        r.skip(usize::from(transaction) + usize::from(branch))?;
    }
    // A short event is filled up with zeros, which say that there is nothing extra.
    if let Ok(extra) = r.u8() {
        if extra & EXTRA_MULTI_ENGINE != 0 {
            r.skip(1)?;
        }
        if extra & EXTRA_THREAD_ID != 0 && r.len() >= 4 {
            thread = r.u32_last()?;
        }
    }
    Ok(Opening {
        gtid: Gtid::Mariadb { domain, server: event.server_id, sequence },
        committed_at_us: None,
        is_standalone: flags & STANDALONE != 0,
        is_prepared: flags & PREPARED_XA != 0,
        thread,
    })
}

/// A statement.
pub(super) struct Query<'a> {
    pub(super) thread: u32,
    pub(super) database: &'a [u8],
    /// The collation of the client that wrote it, by its number, if the log says so.
    pub(super) collation: Option<u16>,
    pub(super) sql: &'a [u8],
}

impl<'a> Query<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Cut> {
        let mut r = Reader::new(body);
        let thread = r.u32()?;
        r.skip(4)?;
        let database_len = usize::from(r.u8()?);
        r.skip(2)?;
        let variables_len = usize::from(r.u16()?);
        let collation = client_collation(r.take(variables_len)?).ok();
        let database = r.take(database_len)?;
        r.skip(1)?;
        Ok(Self { thread, database, collation, sql: r.rest() })
    }
}

/// The status variables up to the one that is looked for. Each has a number and a length of its own.
fn client_collation(variables: &[u8]) -> Result<u16, Cut> {
    const FLAGS2: u8 = 0;
    const SQL_MODE: u8 = 1;
    const AUTO_INCREMENT: u8 = 3;
    const CHARSET: u8 = 4;
    const TIME_ZONE: u8 = 5;
    const CATALOG: u8 = 6;
    let mut r = Reader::new(variables);
    loop {
        let len = match r.u8()? {
            FLAGS2 | AUTO_INCREMENT => 4,
            SQL_MODE => 8,
            TIME_ZONE | CATALOG => usize::from(r.u8()?),
            CHARSET => return r.u16(),
            _ => return Err(Cut),
        };
        r.skip(len)?;
    }
}

/// XA_PREPARE: whether it commits at once, and the branch as `XA COMMIT` writes it in the log, `X'7831',X'',1`.
pub(super) fn xa_prepare(body: &[u8]) -> Result<(bool, String), Cut> {
    let mut r = Reader::new(body);
    let (one_phase, format) = (r.u8()? != 0, r.u32()?);
    let (transaction_len, branch_len) = (r.u32()? as usize, r.u32()? as usize);
    let (transaction, branch) = (r.take(transaction_len)?, r.take(branch_len)?);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok((one_phase, format!("X'{}',X'{}',{format}", hex(transaction), hex(branch))))
}

/// The statement of a ROWS_QUERY event (behind a length of one byte that long statements overflow) or of ANNOTATE_ROWS.
pub(super) fn rows_query<'a>(event: &RawEvent<'a>) -> &'a [u8] {
    match event.kind {
        kind::ROWS_QUERY => event.body.get(1..).unwrap_or_default(),
        _ => event.body,
    }
}

/// The server's version as FORMAT_DESCRIPTION says it: `10.11.6-MariaDB-log`.
pub(super) fn server_version(body: &[u8]) -> Result<(String, DatabaseKind), Cut> {
    let mut r = Reader::new(body);
    r.skip(2)?;
    let text = r.take(50)?;
    let len = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let version = String::from_utf8_lossy(&text[..len]).into_owned();
    let kind = if version.contains("MariaDB") { DatabaseKind::Mariadb } else { DatabaseKind::Mysql };
    Ok((version, kind))
}

/// What an INCIDENT says.
pub(super) fn incident(body: &[u8]) -> Result<String, Cut> {
    let mut r = Reader::new(body);
    r.skip(2)?;
    let len = usize::from(r.u8()?);
    Ok(String::from_utf8_lossy(r.take(len)?).into_owned())
}
