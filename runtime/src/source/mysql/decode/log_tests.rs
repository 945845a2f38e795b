//! Whole logs of real servers are decoded, and every row must end as `SELECT` printed it.
//!
//! `vectors/NAME.binlog` is a log file as the server wrote it, `.catalog` its `information_schema.columns`, `.selected` each table's
//! rows at the end: numbers and text as the server prints them, floats as their bits, bytes in hexadecimal.

use super::*;
use crate::change::{Batch, Cell, Database, Op};
use crate::source::NoticeRule;
use crate::source::Take;
use crate::source::mysql::rules::{Catalog, CatalogColumn, CatalogOptions, CatalogTable};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// A catalog that was written down.
pub(super) struct Recorded(HashMap<String, CatalogTable>);

impl Catalog for Recorded {
    fn table(&mut self, database: &str, table: &str) -> Result<CatalogTable, String> {
        Ok(self.0.get(&format!("{database}.{table}")).cloned().unwrap_or_default())
    }

    fn await_definition(&mut self, _: &str, _: &str) -> Result<bool, String> {
        Ok(true)
    }

    fn options(&mut self, _: &str, _: &str) -> Result<Option<CatalogOptions>, String> {
        Ok(Some(CatalogOptions { charset: "utf8mb4".into(), comment: String::new() }))
    }
}

impl Recorded {
    pub(super) fn read(text: &str) -> Self {
        let mut tables: HashMap<String, CatalogTable> = HashMap::new();
        for line in text.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let [table, name, data_type, column_type, nullable, default, charset, key] = fields[..] else {
                panic!("{line}")
            };
            tables.entry(table.into()).or_default().columns.push(CatalogColumn {
                name: name.into(),
                data_type: data_type.into(),
                column_type: column_type.into(),
                not_null: nullable == "NO",
                default: default.strip_prefix('=').map(Into::into),
                charset: charset.into(),
                primary_key: key == "1",
                key_position: 0,
                comment: String::new(),
                extra: String::new(),
            });
        }
        Self(tables)
    }
}

/// Events of a log file: behind its magic, each a header of 19 bytes, a body, and a checksum.
pub(super) fn events(log: &[u8]) -> impl Iterator<Item = RawEvent<'_>> {
    let mut rest = &log[4..];
    std::iter::from_fn(move || {
        let (header, _) = rest.split_first_chunk::<19>()?;
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let (event, behind) = rest.split_at_checked(number(9) as usize)?;
        rest = behind;
        Some(RawEvent {
            timestamp: number(0),
            kind: header[4],
            server_id: number(5),
            len: number(9),
            end: number(13),
            flags: u16::from_le_bytes([header[17], header[18]]),
            body: &event[19..event.len() - 4],
        })
    })
}

pub(super) fn decoder(catalog: &str, kind: DatabaseKind) -> Decoder {
    decoder_asking(catalog, kind, NoticeRule::default())
}

pub(super) fn decoder_asking(catalog: &str, kind: DatabaseKind, notices: NoticeRule) -> Decoder {
    let rules = Rules {
        source: "erp".into(),
        database: Arc::new(Database { kind, ..Database::default() }),
        tables: Arc::new(|name| !name.starts_with("mysql.")),
        columns: Arc::new(|_, _, _| Take::Whole),
        notices,
        catalog: Box::new(Recorded::read(catalog)),
    };
    let from = BinlogPosition { ordinal: 0, file: "binlog.000001".into(), offset: 4, gtids: "".into() };
    Decoder::new(rules, &from, kind)
}

/// Every table's rows as they are at the end of the log, by their first cell.
fn replayed(log: &[u8], catalog: &str, kind: DatabaseKind) -> BTreeMap<(String, i64), Vec<String>> {
    let mut decoder = decoder(catalog, kind);
    let mut tables = BTreeMap::new();
    for event in events(log) {
        decoder.event(&event).unwrap_or_else(|error| panic!("{error}"));
        if !decoder.is_empty() {
            apply(&mut tables, &decoder.take(Instant::now()));
        }
    }
    tables
}

fn apply(tables: &mut BTreeMap<(String, i64), Vec<String>>, batch: &Batch) {
    for index in 0..batch.len() {
        let (row, table) = (batch.row(index), batch.schema_of(index).table.clone());
        if row.head.op == Op::Truncate {
            tables.retain(|(known, _), _| *known != table);
        }
        let id = |cell: Result<Cell<'_>, _>| match cell {
            Ok(Cell::Int(id)) => id,
            other => panic!("the first column of {table} is {other:?}"),
        };
        let before = if row.old_len() == 0 { None } else { tables.remove(&(table.clone(), id(row.old_cell(0)))) };
        if row.new_len() > 0 {
            let cell = |index| printed(&row.new_cell(index).expect("we wrote it"));
            // What an update did not touch is as it was before.
            let kept =
                |index: usize| before.as_ref().and_then(|before| before.get(index)).expect("a row before").clone();
            let cells = (0..row.new_len()).map(|index| cell(index).unwrap_or_else(|| kept(index))).collect();
            tables.insert((table.clone(), id(row.new_cell(0))), cells);
        }
    }
}

/// The cell as `.selected` has it; `None` for one that stays as it was.
fn printed(cell: &Cell<'_>) -> Option<String> {
    let text = match *cell {
        Cell::Null => return Some("NULL".into()),
        Cell::Unchanged => return None,
        Cell::Absent => return Some(DEFAULT.into()),
        Cell::Int(n) => n.to_string(),
        Cell::UInt(n) => n.to_string(),
        Cell::Float32(n) => format!("{:016x}", f64::from(n).to_bits()),
        Cell::Float64(n) => format!("{:016x}", n.to_bits()),
        Cell::Bytes(bytes) => hexadecimal(bytes),
        Cell::Date(days) => date(days),
        Cell::Time(micros) => time(micros),
        Cell::Timestamp(micros) | Cell::TimestampTz(micros) => {
            format!("{} {}", date(micros.div_euclid(DAY)), time(micros.rem_euclid(DAY)))
        }
        Cell::Uuid(bytes) => {
            let hex = hexadecimal(&bytes);
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        Cell::Array(array) => array
            .iter()
            .map(|number| match number {
                Cell::Float32(number) => hexadecimal(&number.to_le_bytes()),
                other => panic!("{other:?} in a vector"),
            })
            .collect(),
        Cell::Decimal(text)
        | Cell::Text(text)
        | Cell::Json(text)
        | Cell::Bits(text)
        | Cell::Enum(text)
        | Cell::Other(text) => text.into(),
        other => panic!("{other:?} is no value of a binary log"),
    };
    let escapes = [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")];
    let escaped = escapes.iter().fold(text, |text, (plain, escaped)| text.replace(plain, escaped));
    Some(format!("'{escaped}"))
}

/// A column that an insert left to its default, which the log does not hold.
const DEFAULT: &str = "DEFAULT";
const DAY: i64 = 86_400_000_000;

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Walks the calendar; slow, and nothing like what it checks.
fn date(days: i64) -> String {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut left) = (2000, days);
    while left < 0 {
        year -= 1;
        left += 365 + i64::from(leap(year));
    }
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lens = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lens[month] {
        left -= lens[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, left + 1)
}

/// Without zeros at the end of the fraction.
fn time(micros: i64) -> String {
    let (sign, all) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, fraction) = (all / 1_000_000, all % 1_000_000);
    let text = format!("{sign}{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn check(name: &str, log: &[u8], catalog: &str, selected: &str, kind: DatabaseKind) {
    let found = replayed(log, catalog, kind);
    // What was dropped in the end can not be selected.
    let exists = |table: &str| catalog.lines().any(|line| line.split(['.', '\t']).nth(1) == Some(table));
    let found: Vec<_> = found
        .into_iter()
        .filter(|((table, _), _)| exists(table))
        .map(|((table, _), row)| format!("{table}\t{}", row.join("\t")))
        .collect();
    let mut wanted: Vec<_> = selected.lines().map(str::to_owned).collect();
    let order = |line: &String| {
        let mut parts = line.split('\t');
        let table = parts.next().unwrap_or_default().to_owned();
        (table, parts.next().and_then(|id| id[1..].parse::<i64>().ok()))
    };
    wanted.sort_by_key(order);
    for (found, wanted) in found.iter().zip(&wanted) {
        for (column, (found_cell, wanted_cell)) in found.split('\t').zip(wanted.split('\t')).enumerate() {
            if found_cell != DEFAULT {
                assert_eq!(
                    found_cell,
                    wanted_cell,
                    "{name}: column {column} of {}",
                    found.chars().take(24).collect::<String>()
                );
            }
        }
        assert_eq!(found.split('\t').count(), wanted.split('\t').count(), "{name}: columns");
    }
    assert_eq!(found.len(), wanted.len(), "{name}: rows");
}

macro_rules! check {
    ($name:literal, $kind:expr) => {
        check(
            $name,
            include_bytes!(concat!("../vectors/", $name, ".binlog")),
            include_str!(concat!("../vectors/", $name, ".catalog")),
            include_str!(concat!("../vectors/", $name, ".selected")),
            $kind,
        )
    };
}

#[test]
fn every_type_of_mysql_is_decoded_as_it_is_selected() {
    check!("types.mysql", DatabaseKind::Mysql);
}

#[test]
fn every_type_of_mariadb_is_decoded_as_it_is_selected() {
    check!("types.mariadb", DatabaseKind::Mariadb);
}

/// Row images that are not full, partial JSON, tagged GTIDs, transactions in two phases, indexes over expressions, doubles in JSON.
#[test]
fn what_is_special_to_mysql_ends_as_it_is_selected() {
    check!("features.mysql", DatabaseKind::Mysql);
}

/// Compressed columns and events, UUIDs of every version, addresses, transactions in two phases.
#[test]
fn what_is_special_to_mariadb_ends_as_it_is_selected() {
    check!("features.mariadb", DatabaseKind::Mariadb);
}
