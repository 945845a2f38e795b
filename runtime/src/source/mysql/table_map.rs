//! TABLE_MAP: what the rows behind it consist of, and what the log says of their columns beside.
//!
//! The types come first, with a few bytes for each that needs them; then optional fields, more with
//! `binlog_row_metadata=FULL` than with `MINIMAL`, none from old servers.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Table__map__event.html>

use super::bytes::{Cut, Reader};
use crate::change::DatabaseKind;

/// The numbers of types in a binary log. Those below 200 that MySQL lacks are MariaDB's compressed columns.
pub(super) mod type_id {
    pub(in super::super) const TINY: u8 = 1;
    pub(in super::super) const SHORT: u8 = 2;
    pub(in super::super) const LONG: u8 = 3;
    pub(in super::super) const FLOAT: u8 = 4;
    pub(in super::super) const DOUBLE: u8 = 5;
    pub(in super::super) const TIMESTAMP: u8 = 7;
    pub(in super::super) const LONGLONG: u8 = 8;
    pub(in super::super) const INT24: u8 = 9;
    pub(in super::super) const DATE: u8 = 10;
    pub(in super::super) const TIME: u8 = 11;
    pub(in super::super) const DATETIME: u8 = 12;
    pub(in super::super) const YEAR: u8 = 13;
    pub(in super::super) const NEWDATE: u8 = 14;
    pub(in super::super) const VARCHAR: u8 = 15;
    pub(in super::super) const BIT: u8 = 16;
    pub(in super::super) const TIMESTAMP2: u8 = 17;
    pub(in super::super) const DATETIME2: u8 = 18;
    pub(in super::super) const TIME2: u8 = 19;
    pub(in super::super) const TYPED_ARRAY: u8 = 20;
    pub(in super::super) const BLOB_COMPRESSED: u8 = 140;
    pub(in super::super) const VARCHAR_COMPRESSED: u8 = 141;
    pub(in super::super) const VECTOR: u8 = 242;
    pub(in super::super) const JSON: u8 = 245;
    pub(in super::super) const NEWDECIMAL: u8 = 246;
    pub(in super::super) const ENUM: u8 = 247;
    pub(in super::super) const SET: u8 = 248;
    pub(in super::super) const TINY_BLOB: u8 = 249;
    pub(in super::super) const MEDIUM_BLOB: u8 = 250;
    pub(in super::super) const LONG_BLOB: u8 = 251;
    pub(in super::super) const BLOB: u8 = 252;
    pub(in super::super) const VAR_STRING: u8 = 253;
    pub(in super::super) const STRING: u8 = 254;
    pub(in super::super) const GEOMETRY: u8 = 255;
}

/// A column as the log describes it; what is `None` the log does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MappedColumn {
    /// Its type, ENUM and SET told from STRING.
    pub(super) type_id: u8,
    /// The elements' type is `type_id`: the values of an index over a JSON array.
    pub(super) is_array: bool,
    /// What the type needs to be read; see [`metadata`].
    pub(super) meta: u32,
    pub(super) is_nullable: bool,
    pub(super) is_unsigned: Option<bool>,
    pub(super) collation: Option<u64>,
    pub(super) name: Option<String>,
    /// Of an ENUM or a SET, in the column's charset.
    pub(super) labels: Option<Vec<Vec<u8>>>,
    pub(super) is_key: bool,
    /// Where it stands in the key, from 1.
    pub(super) key_position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableMap {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) columns: Vec<MappedColumn>,
    /// Whether the log names the columns; then it names the primary key too, if there is one.
    pub(super) is_named: bool,
}

/// The table's number in this stretch of the log, and the bytes that say everything else.
pub(super) fn table_id(body: &[u8]) -> Result<(u64, &[u8]), Cut> {
    let mut r = Reader::new(body);
    Ok((r.uint(6)?, r.rest()))
}

impl TableMap {
    /// Reads what stands behind the table's number.
    pub(super) fn parse(body: &[u8], kind: DatabaseKind) -> Result<Self, Cut> {
        let mut r = Reader::new(body);
        r.skip(2)?;
        let (database, table) = (name(&mut r)?, name(&mut r)?);
        let count = length(r.lenenc()?)?;
        let types = r.take(count)?;
        let mut metadata = Reader::new(r.lenenc_bytes()?);
        let mut columns = Vec::with_capacity(count);
        for type_id in types {
            columns.push(column(*type_id, &mut metadata)?);
        }
        let nullable = r.take(count.div_ceil(8))?;
        for (index, column) in columns.iter_mut().enumerate() {
            column.is_nullable = nullable[index / 8] >> (index % 8) & 1 == 1;
        }
        let mut map = Self { database, table, columns, is_named: false };
        while !r.is_empty() {
            let field = r.u8()?;
            map.optional(field, Reader::new(r.lenenc_bytes()?), kind)?;
        }
        Ok(map)
    }

    fn optional(&mut self, field: u8, mut r: Reader<'_>, kind: DatabaseKind) -> Result<(), Cut> {
        const SIGNEDNESS: u8 = 1;
        const DEFAULT_CHARSET: u8 = 2;
        const COLUMN_CHARSET: u8 = 3;
        const COLUMN_NAME: u8 = 4;
        const SET_LABELS: u8 = 5;
        const ENUM_LABELS: u8 = 6;
        const SIMPLE_PRIMARY_KEY: u8 = 8;
        const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
        const ENUM_AND_SET_DEFAULT_CHARSET: u8 = 10;
        const ENUM_AND_SET_COLUMN_CHARSET: u8 = 11;
        match field {
            SIGNEDNESS => {
                let bits = r.rest();
                for (index, column) in self.columns.iter_mut().filter(|c| c.is_numeric()).enumerate() {
                    let byte = bits.get(index / 8).ok_or(Cut)?;
                    column.is_unsigned = Some(byte << (index % 8) & 0x80 != 0);
                }
            }
            DEFAULT_CHARSET => default_charset(self.columns.iter_mut().filter(|c| c.is_character(kind)), r)?,
            ENUM_AND_SET_DEFAULT_CHARSET => default_charset(self.columns.iter_mut().filter(|c| c.is_labelled()), r)?,
            COLUMN_CHARSET => column_charset(self.columns.iter_mut().filter(|c| c.is_character(kind)), r)?,
            ENUM_AND_SET_COLUMN_CHARSET => column_charset(self.columns.iter_mut().filter(|c| c.is_labelled()), r)?,
            COLUMN_NAME => {
                for column in &mut self.columns {
                    column.name = Some(String::from_utf8_lossy(r.lenenc_bytes()?).into_owned());
                }
                self.is_named = true;
            }
            SET_LABELS => labels(self.columns.iter_mut().filter(|c| c.type_id == type_id::SET), r)?,
            ENUM_LABELS => labels(self.columns.iter_mut().filter(|c| c.type_id == type_id::ENUM), r)?,
            SIMPLE_PRIMARY_KEY | PRIMARY_KEY_WITH_PREFIX => {
                for position in 1.. {
                    if r.is_empty() {
                        break;
                    }
                    let index = length(r.lenenc()?)?;
                    let column = self.columns.get_mut(index).ok_or(Cut)?;
                    (column.is_key, column.key_position) = (true, position);
                    if field == PRIMARY_KEY_WITH_PREFIX {
                        r.lenenc()?;
                    }
                }
            }
            // Geometry types, visibility, dimensions of vectors, and what later servers add: nothing that a value needs.
            _ => {}
        }
        Ok(())
    }
}

impl MappedColumn {
    /// Those that have a bit in SIGNEDNESS; the year is one of them.
    fn is_numeric(&self) -> bool {
        use type_id::*;
        !self.is_array
            && matches!(self.type_id, TINY | SHORT | INT24 | LONG | LONGLONG | FLOAT | DOUBLE | NEWDECIMAL | YEAR)
    }

    /// Those that have a collation in COLUMN_CHARSET. To MariaDB a geometry is one of them, to MySQL a vector.
    fn is_character(&self, kind: DatabaseKind) -> bool {
        use type_id::*;
        let own = if kind == DatabaseKind::Mariadb { GEOMETRY } else { VECTOR };
        self.type_id == own
            || !self.is_array
                && matches!(
                    self.type_id,
                    STRING
                        | VAR_STRING
                        | VARCHAR
                        | BLOB
                        | TINY_BLOB
                        | MEDIUM_BLOB
                        | LONG_BLOB
                        | BLOB_COMPRESSED
                        | VARCHAR_COMPRESSED
                )
    }

    fn is_labelled(&self) -> bool {
        matches!(self.type_id, type_id::ENUM | type_id::SET)
    }
}

/// A column of this type, with its bytes of metadata.
fn column(type_id: u8, r: &mut Reader<'_>) -> Result<MappedColumn, Cut> {
    use type_id::*;
    let is_array = type_id == TYPED_ARRAY;
    let mut column =
        MappedColumn { type_id: if is_array { r.u8()? } else { type_id }, is_array, ..MappedColumn::default() };
    column.meta = match column.type_id {
        FLOAT | DOUBLE | BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | GEOMETRY | JSON | VECTOR | TIME2 | DATETIME2
        | TIMESTAMP2 | BLOB_COMPRESSED => r.u8()?.into(),
        VARCHAR if is_array => r.uint(3)? as u32,
        VARCHAR | BIT | VARCHAR_COMPRESSED | VAR_STRING => r.u16()?.into(),
        // Precision and scale.
        NEWDECIMAL => u16::from_be_bytes(r.array()?).into(),
        STRING | ENUM | SET => {
            let [real, len] = r.array()?;
            // Lengths above 255 borrow two bits of the type, in which these types all have ones.
            let high = u32::from(real & 0x30 ^ 0x30) << 4;
            column.type_id = real | 0x30;
            high | u32::from(len)
        }
        _ => 0,
    };
    Ok(column)
}

/// One collation for all, and pairs of index and collation for those that differ.
fn default_charset<'a>(columns: impl Iterator<Item = &'a mut MappedColumn>, mut r: Reader<'_>) -> Result<(), Cut> {
    let default = r.lenenc()?;
    let mut columns: Vec<_> = columns.collect();
    columns.iter_mut().for_each(|column| column.collation = Some(default));
    while !r.is_empty() {
        let (index, collation) = (length(r.lenenc()?)?, r.lenenc()?);
        columns.get_mut(index).ok_or(Cut)?.collation = Some(collation);
    }
    Ok(())
}

fn column_charset<'a>(columns: impl Iterator<Item = &'a mut MappedColumn>, mut r: Reader<'_>) -> Result<(), Cut> {
    for column in columns {
        column.collation = Some(r.lenenc()?);
    }
    if r.is_empty() { Ok(()) } else { Err(Cut) }
}

fn labels<'a>(columns: impl Iterator<Item = &'a mut MappedColumn>, mut r: Reader<'_>) -> Result<(), Cut> {
    for column in columns {
        let mut labels = Vec::new();
        for _ in 0..r.lenenc()? {
            labels.push(r.lenenc_bytes()?.to_vec());
        }
        column.labels = Some(labels);
    }
    Ok(())
}

/// A name behind its length and before a zero.
fn name(r: &mut Reader<'_>) -> Result<String, Cut> {
    let len = usize::from(r.u8()?);
    let name = String::from_utf8_lossy(r.take(len)?).into_owned();
    r.skip(1)?;
    Ok(name)
}

fn length(n: u64) -> Result<usize, Cut> {
    usize::try_from(n).map_err(|_| Cut)
}
