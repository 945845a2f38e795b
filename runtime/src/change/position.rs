//! Where in a database's log something stands.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A byte position in PostgreSQL's write-ahead log; printed as PostgreSQL does, `16/B374D848`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a log position such as 16/B374D848");
        let (high, low) = text.split_once('/').ok_or_else(wrong)?;
        let part = |digits| u32::from_str_radix(digits, 16).map_err(|_| wrong());
        Ok(Lsn(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

/// The transaction that a server's global id names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gtid {
    /// The server numbers no transactions.
    #[default]
    None,
    /// MySQL: printed `3e11fa47-71ca-11e1-9e33-c80aa9429562:23`, with a tag between the two if `tag` is not empty.
    Mysql { server: [u8; 16], tag: GtidTag, number: u64 },
    /// MariaDB: printed `0-1-23`.
    Mariadb { domain: u32, server: u32, sequence: u64 },
}

/// The tag of a MySQL GTID, at most 32 bytes of `[a-z0-9_]`, zeros behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GtidTag(pub [u8; 32]);

impl GtidTag {
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gtid::None => Ok(()),
            Gtid::Mysql { server, tag, number } => {
                for (i, byte) in server.iter().enumerate() {
                    let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                match tag.as_str() {
                    "" => write!(f, ":{number}"),
                    tag => write!(f, ":{tag}:{number}"),
                }
            }
            Gtid::Mariadb { domain, server, sequence } => write!(f, "{domain}-{server}-{sequence}"),
        }
    }
}

/// Behind the last event of a transaction in the binary log of MySQL or MariaDB.
///
/// Printed, and read from a checkpoint, as `ordinal file offset gtids`, the last one left out when there are none:
/// `1204 binlog.000003 154 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BinlogPosition {
    /// Grows with every transaction, and is the same for one of them after every restart and on every server of a group: the number
    /// of transactions in the GTID set (MySQL), the sum of the domains' sequence numbers (MariaDB), or, where there are no GTIDs,
    /// the file's number and the offset in it (24 and 40 bits).
    pub ordinal: u64,
    pub file: Arc<str>,
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// Everything up to here as the server writes it: MySQL's executed set, MariaDB's position per domain. Empty without GTIDs.
    pub gtids: Arc<str>,
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ordinal, file, offset, gtids } = self;
        let between = if gtids.is_empty() { "" } else { " " };
        write!(f, "{ordinal} {file} {offset}{between}{gtids}")
    }
}

impl FromStr for BinlogPosition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a position in a binary log such as `12 binlog.000003 154`");
        let mut parts = text.splitn(4, ' ');
        let mut part = || parts.next().ok_or_else(wrong);
        let ordinal = part()?.parse().map_err(|_| wrong())?;
        let file = part()?.into();
        let offset = part()?.parse().map_err(|_| wrong())?;
        Ok(Self { ordinal, file, offset, gtids: parts.next().unwrap_or_default().into() })
    }
}

/// A position from which a source can go on without loss: the end of a transaction. Grows within one source; positions
/// of two sources are not comparable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Position {
    Postgres(Lsn),
    Binlog(Arc<BinlogPosition>),
}

impl Position {
    /// What grows.
    pub fn ordinal(&self) -> u64 {
        match self {
            Position::Postgres(lsn) => lsn.0,
            Position::Binlog(position) => position.ordinal,
        }
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ordinal().cmp(&other.ordinal())
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Postgres(lsn) => lsn.fmt(f),
            Position::Binlog(position) => position.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints on disk are read by later versions.
    #[test]
    fn binlog_position_is_read_as_it_is_printed() {
        for text in [
            "12 binlog.000003 154",
            "77 mysql-bin.000001 4 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77",
            "9 b.1 4 0-1-9,1-2-3",
        ] {
            assert_eq!(text.parse::<BinlogPosition>().expect("a position").to_string(), text);
        }
        for wrong in ["", "12", "12 b", "12 b x", "0/16B3748"] {
            assert!(wrong.parse::<BinlogPosition>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn gtid_is_printed_as_its_server_prints_it() {
        let mut tag = GtidTag::default();
        let server = *b"\x3e\x11\xfa\x47\x71\xca\x11\xe1\x9e\x33\xc8\x0a\xa9\x42\x95\x62";
        let plain = Gtid::Mysql { server, tag, number: 23 };
        assert_eq!(plain.to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:23");
        tag.0[..3].copy_from_slice(b"job");
        assert_eq!(Gtid::Mysql { server, tag, number: 23 }.to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:job:23");
        assert_eq!(Gtid::Mariadb { domain: 0, server: 1, sequence: 5 }.to_string(), "0-1-5");
    }
}
