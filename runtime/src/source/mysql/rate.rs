//! A bare reader: a plain loop of `mysql_async` that lets the library read every row, and discards it. It says how fast the server
//! can be read on this machine with the library that everybody uses, and what this source is measured against.

use super::MysqlSettings;
use crate::change::BinlogPosition;
use crate::source::socket::Place;
use futures_util::StreamExt as _;
use mysql_async::binlog::events::{Event, EventData};
use mysql_async::prelude::Queryable as _;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, GnoInterval, OptsBuilder, Sid};
use std::time::{Duration, Instant};

/// Where a bare reader ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainUntil {
    /// At the end of the transaction in which this many row events were reached.
    RowEvents(u64),
    /// At the end of the transaction that is this many behind the beginning.
    Transactions(u64),
}

/// What was read, and how long it took from the first row event to the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Events of rows, of which each may hold many.
    pub row_events: u64,
    pub rows: u64,
    pub transactions: u64,
    pub events: u64,
    pub bytes: u64,
    pub elapsed: Duration,
}

/// Nothing for so long: there is nothing more to come.
const SILENCE_MAX: Duration = Duration::from_secs(30);

const QUERY: u8 = 2;
const XID: u8 = 16;
const MARIADB_COMPRESSED: u8 = 166;

/// Reads from a position and throws everything away. By GTID on MySQL, by domain on MariaDB, by file and offset where `from` has no
/// GTIDs. TCP without TLS.
///
/// # Errors
/// A sentence: what the library says, or that nothing came for 30 s.
pub async fn drain_bare(settings: &MysqlSettings, from: &BinlogPosition, until: DrainUntil) -> Result<Rate, String> {
    let wrong = |e: mysql_async::Error| e.to_string();
    let address = settings.address()?;
    let Place::Tcp { host, port } = address.place else {
        return Err("the bare reader reads over TCP only".to_owned());
    };
    let opts = OptsBuilder::default().ip_or_hostname(host).tcp_port(port).user(Some(address.user));
    let opts = opts.pass(Some(address.password)).prefer_socket(Some(false));
    let mut conn = Conn::new(opts).await.map_err(wrong)?;
    conn.query_drop("SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32'").await.map_err(wrong)?;
    let request = BinlogStreamRequest::new(settings.server_id);
    let sids = sids(&from.gtids);
    let request = match sids {
        _ if from.gtids.is_empty() => request.with_filename(from.file.as_bytes()).with_pos(from.offset),
        Some(sids) => request.with_gtid().with_gtid_set(sids),
        None => {
            let state = format!("SET @mariadb_slave_capability = 4, @slave_connect_state = '{}'", from.gtids);
            conn.query_drop(state).await.map_err(wrong)?;
            request
        }
    };
    let mut stream = conn.get_binlog_stream(request).await.map_err(wrong)?;
    let (mut rate, mut began) = (Rate::default(), None);
    loop {
        let event = tokio::time::timeout(SILENCE_MAX, stream.next()).await;
        let event = event.map_err(|_| "the log holds less than was asked for".to_owned())?;
        let event = event.ok_or_else(|| "the server ended the stream".to_owned())?.map_err(wrong)?;
        let kind = event.header().event_type_raw();
        rate.events += 1;
        rate.bytes += u64::from(event.header().event_size());
        if is_rows(kind) {
            began.get_or_insert_with(Instant::now);
            rate.row_events += 1;
            rate.rows += rows_of(&event, &stream)?;
        }
        // A statement of its own ends itself, and BEGIN is one: only the end of a transaction with rows matters here.
        let is_end = kind == XID || kind == QUERY && event.data().ends_with(b"COMMIT");
        rate.transactions += u64::from(is_end);
        let is_done = match until {
            DrainUntil::RowEvents(wanted) => rate.row_events >= wanted,
            DrainUntil::Transactions(wanted) => rate.transactions >= wanted,
        };
        if is_end && is_done {
            break;
        }
    }
    rate.elapsed = began.map_or(Duration::ZERO, |began| began.elapsed());
    stream.close().await.map_err(wrong)?;
    Ok(rate)
}

/// Has the library read each row of an event, and counts them. Compressed events are beyond it and count as none.
fn rows_of(event: &Event, stream: &BinlogStream) -> Result<u64, String> {
    if event.header().event_type_raw() >= MARIADB_COMPRESSED {
        return Ok(0);
    }
    let Some(EventData::RowsEvent(rows)) = event.read_data().map_err(|e| e.to_string())? else { return Ok(0) };
    let map = stream.get_tme(rows.table_id()).ok_or("rows came before their table")?;
    let mut count = 0;
    for row in rows.rows(map) {
        row.map_err(|e| e.to_string())?;
        count += 1;
    }
    Ok(count)
}

fn is_rows(kind: u8) -> bool {
    matches!(kind, 23..=25 | 30..=32 | 39 | 166..=171)
}

/// MySQL's set, as the library wants it; `None` if it is no such set, or has tags.
fn sids(gtids: &str) -> Option<Vec<Sid<'static>>> {
    let mut sids = Vec::new();
    for part in gtids.split(',') {
        let (server, intervals) = part.split_once(':')?;
        let digits: Vec<u8> = server.bytes().filter(|b| *b != b'-').collect();
        let mut uuid = [0; 16];
        for (byte, two) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()?;
        }
        let mut sid = Sid::new(uuid);
        for interval in intervals.split(':') {
            let (first, last) = interval.split_once('-').unwrap_or((interval, interval));
            sid = sid.with_interval(GnoInterval::new(first.parse().ok()?, last.parse::<u64>().ok()? + 1));
        }
        sids.push(sid);
    }
    Some(sids)
}
