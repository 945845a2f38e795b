//! How a stream of events is asked for: what the session says about itself, then the command, by GTID or by file and offset.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html>, <https://mariadb.com/kb/en/replication-protocol/>

use super::MysqlSettings;
use super::gtid::GtidSet;
use super::link::Link;
use super::trouble::{Trouble, quoted};
use crate::change::BinlogPosition;

/// What names the place from which to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// MySQL with `gtid_mode=ON`: the server sends what the set lacks.
    Gtids,
    /// MariaDB: the server sends what comes behind the position of each domain.
    Domains,
    /// MySQL without GTIDs.
    File,
}

/// While our intake is full, we read nothing, and the server waits for us so long before it cuts the connection. Its own default of
/// 60 s is shorter than many an outage of a receiver.
const HELD_MAX_S: u32 = 7 * 24 * 3600;
/// What we understand of MariaDB's own events: GTIDs.
const MARIADB_CAPABILITY: u8 = 4;
/// A file begins with four bytes that are no event.
pub(super) const FILE_BEGIN: u64 = 4;

/// Asks for all events behind `from`. What comes back, events or an error, is the caller's to read.
///
/// # Errors
/// What the server says to the preparation, a missing right above all.
pub(super) fn start(link: &mut Link, settings: &MysqlSettings, way: Way, from: &BinlogPosition) -> Result<(), Trouble> {
    introduce(link, settings)?;
    if way == Way::Domains {
        let state = quoted(&from.gtids);
        link.query(
            "say where to begin",
            &format!(
                "SET @mariadb_slave_capability = {MARIADB_CAPABILITY}, @slave_connect_state = {state}, \
                 @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0"
            ),
        )?;
    }
    register(link, settings.server_id)?;
    let command = match way {
        Way::Gtids => {
            let executed: GtidSet = from.gtids.parse().map_err(Trouble::Refused)?;
            dump_gtid(settings.server_id, &executed)
        }
        Way::Domains => dump_file(settings.server_id, "", FILE_BEGIN as u32),
        Way::File => {
            let offset = u32::try_from(from.offset)
                .map_err(|_| Trouble::Protocol("an offset that its own protocol can not name".into()))?;
            dump_file(settings.server_id, &from.file, offset)
        }
    };
    link.command("ask for the binary log", &command)
}

/// Says what a replica says before it asks.
fn introduce(link: &mut Link, settings: &MysqlSettings) -> Result<(), Trouble> {
    const DOING: &str = "prepare the stream";
    let nanos = settings.heartbeat.as_nanos();
    // The first name of each is what MariaDB and MySQL up to 8.0.25 look at, the second what MySQL does since. By the id, a server finds
    // the stream of ours that it has not noticed to be dead.
    let id = settings.server_id;
    let set = format!(
        "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', \
         @master_heartbeat_period = {nanos}, @source_heartbeat_period = {nanos}, \
         @slave_uuid = '51c0dec0-0000-4000-8000-0000{id:08x}', @replica_uuid = '51c0dec0-0000-4000-8000-0000{id:08x}'"
    );
    link.query(DOING, &set)?;
    let patience = format!("SET SESSION net_write_timeout = {HELD_MAX_S}, net_read_timeout = {HELD_MAX_S}");
    link.query(DOING, &patience).map(drop)
}

/// Puts us among the server's replicas for as long as the connection lasts (`SHOW REPLICAS`). Needs the right to replicate.
///
/// # Errors
/// If the right is missing.
pub(super) fn register(link: &mut Link, server_id: u32) -> Result<(), Trouble> {
    const COM_REGISTER_SLAVE: u8 = 0x15;
    const HOST: &[u8] = b"sluicegate";
    let mut command = vec![COM_REGISTER_SLAVE];
    command.extend_from_slice(&server_id.to_le_bytes());
    command.push(HOST.len() as u8);
    command.extend_from_slice(HOST);
    // No user, no password, no port, no rank, no source.
    command.extend_from_slice(&[0; 12]);
    link.command_ok("register as a replica", &command)
}

fn dump_file(server_id: u32, file: &str, offset: u32) -> Vec<u8> {
    const COM_BINLOG_DUMP: u8 = 0x12;
    let mut command = vec![COM_BINLOG_DUMP];
    command.extend_from_slice(&offset.to_le_bytes());
    command.extend_from_slice(&[0, 0]);
    command.extend_from_slice(&server_id.to_le_bytes());
    command.extend_from_slice(file.as_bytes());
    command
}

fn dump_gtid(server_id: u32, executed: &GtidSet) -> Vec<u8> {
    const COM_BINLOG_DUMP_GTID: u8 = 0x1e;
    const THROUGH_GTID: u16 = 4;
    let set = encoded(executed);
    let mut command = vec![COM_BINLOG_DUMP_GTID];
    command.extend_from_slice(&THROUGH_GTID.to_le_bytes());
    command.extend_from_slice(&server_id.to_le_bytes());
    // No file: the server looks for the first one that has something for us.
    command.extend_from_slice(&0u32.to_le_bytes());
    command.extend_from_slice(&FILE_BEGIN.to_le_bytes());
    command.extend_from_slice(&(set.len() as u32).to_le_bytes());
    command.extend_from_slice(&set);
    command
}

/// One entry of a set on the wire: whose transactions, and which.
#[derive(Default)]
struct Entry {
    server: Vec<u8>,
    tag: String,
    /// First, and behind the last.
    intervals: Vec<(u64, u64)>,
}

/// A set as `Gtid_set::encode` of the server writes it. Only a set with tags is written in the form that has room for them: servers
/// before 8.3 know none.
fn encoded(set: &GtidSet) -> Vec<u8> {
    let entries = entries(&set.to_string());
    let has_tags = entries.iter().any(|e| !e.tag.is_empty());
    let count = entries.len() as u64;
    let head = if has_tags { 1 << 56 | count << 8 | 1 } else { count };
    let mut out = head.to_le_bytes().to_vec();
    for entry in entries {
        out.extend_from_slice(&entry.server);
        if has_tags {
            // A length of at most 32, doubled, as the server's integers of variable length are.
            out.push((entry.tag.len() as u8) << 1);
            out.extend_from_slice(entry.tag.as_bytes());
        }
        out.extend_from_slice(&(entry.intervals.len() as u64).to_le_bytes());
        for (first, behind) in entry.intervals {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&behind.to_le_bytes());
        }
    }
    out
}

/// Takes a printed set apart: `uuid:1-5:7:tag:1-3,...`.
fn entries(printed: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in printed.split(',').filter(|p| !p.is_empty()) {
        let mut pieces = part.split(':');
        let digits: Vec<u8> = pieces.next().unwrap_or_default().bytes().filter(|b| *b != b'-').collect();
        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
        let server: Vec<u8> = digits.chunks(2).map(|two| two.iter().fold(0, |n, b| n << 4 | digit(*b))).collect();
        let mut entry = Entry { server: server.clone(), ..Entry::default() };
        for piece in pieces {
            let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
            match (first.parse::<u64>(), last.parse::<u64>()) {
                (Ok(first), Ok(last)) => entry.intervals.push((first, last.saturating_add(1))),
                _ => {
                    let next = Entry { server: server.clone(), tag: piece.to_owned(), intervals: Vec::new() };
                    entries.push(std::mem::replace(&mut entry, next));
                }
            }
        }
        entries.push(entry);
    }
    entries.retain(|e| !e.intervals.is_empty());
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "00010203-0405-0607-0809-0a0b0c0d0e0f";

    fn bytes(text: &str) -> Vec<u8> {
        encoded(&text.replace('S', SERVER).parse().expect("a set"))
    }

    fn numbers(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    #[test]
    fn set_is_written_as_the_server_reads_it() {
        let server: Vec<u8> = (0..16).collect();
        assert_eq!(bytes(""), numbers(&[0]));
        let wanted = [numbers(&[1]), server.clone(), numbers(&[2, 1, 6, 7, 8])].concat();
        assert_eq!(bytes("S:1-5:7"), wanted);
    }

    #[test]
    fn set_with_tags_has_an_entry_for_each() {
        let server: Vec<u8> = (0..16).collect();
        let wanted = [
            numbers(&[1 << 56 | 2 << 8 | 1]),
            server.clone(),
            vec![0],
            numbers(&[1, 1, 78]),
            server,
            vec![8],
            b"blue".to_vec(),
            numbers(&[1, 3, 4]),
        ]
        .concat();
        assert_eq!(bytes("S:1-77:blue:3"), wanted);
    }
}
