//! A value as Avro's bytes (Avro 1.11, "Binary encoding"), from the JSON that Connect's converter would write for it.

use super::AvroError;
use super::connect::{Schema, Type};
use super::read::Reader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends the value that comes next.
pub(super) fn put(out: &mut Vec<u8>, schema: &Schema, reader: &mut Reader<'_>) -> Result<(), AvroError> {
    if schema.optional {
        // As the schema names them: null is first unless there is a default.
        let (null, value) = if schema.default.is_none() { (0, 1) } else { (1, 0) };
        if reader.takes("null") {
            put_long(out, null);
            return Ok(());
        }
        put_long(out, value);
    }
    match &schema.kind {
        Type::Boolean => match reader.word() {
            "true" => out.push(1),
            "false" => out.push(0),
            _ => return Err(misfit("a boolean")),
        },
        Type::Int8 | Type::Int16 | Type::Int32 => {
            let number: i32 = reader.word().parse().map_err(|_| misfit("a number of 32 bits"))?;
            put_long(out, number.into());
        }
        Type::Int64 => put_long(out, reader.word().parse().map_err(|_| misfit("a number of 64 bits"))?),
        Type::Float32 => out.extend_from_slice(&float::<f32>(reader)?.to_le_bytes()),
        Type::Float64 => out.extend_from_slice(&float::<f64>(reader)?.to_le_bytes()),
        Type::Text => put_bytes(out, reader.string().ok_or_else(|| misfit("text"))?.as_bytes()),
        Type::Bytes => {
            let text = reader.string().ok_or_else(|| misfit("bytes"))?;
            put_bytes(out, &STANDARD.decode(&*text).map_err(|_| misfit("bytes"))?);
        }
        Type::Array(item) => put_blocks(out, reader, ["[", "]"], |out, reader| put(out, item, reader))?,
        Type::Map(value) => put_blocks(out, reader, ["{", "}"], |out, reader| {
            let key = reader.string().filter(|_| reader.takes(":")).ok_or_else(|| misfit("a map"))?;
            put_bytes(out, key.as_bytes());
            put(out, value, reader)
        })?,
        Type::Struct(fields) => {
            for (i, field) in fields.iter().enumerate() {
                let begins = reader.takes(if i == 0 { "{" } else { "," });
                if !begins || !reader.takes(&field.label) {
                    return Err(misfit("in its place").within(&field.name));
                }
                put(out, &field.schema, reader).map_err(|error| error.within(&field.name))?;
            }
            if fields.is_empty() && !reader.takes("{") || !reader.takes("}") {
                return Err(misfit("a struct of these fields"));
            }
        }
    }
    Ok(())
}

/// The items of an array or a map: one block of all, and an empty one.
fn put_blocks(
    out: &mut Vec<u8>,
    reader: &mut Reader<'_>,
    [open, close]: [&str; 2],
    mut item: impl FnMut(&mut Vec<u8>, &mut Reader<'_>) -> Result<(), AvroError>,
) -> Result<(), AvroError> {
    if !reader.takes(open) {
        return Err(misfit("a list"));
    }
    let (mut items, mut count) = (Vec::new(), 0);
    while !reader.takes(close) {
        if count > 0 && !reader.takes(",") {
            return Err(misfit("a list"));
        }
        item(&mut items, reader)?;
        count += 1;
    }
    if count > 0 {
        put_long(out, count);
        out.extend_from_slice(&items);
    }
    put_long(out, 0);
    Ok(())
}

/// Infinities and what is no number are text in JSON.
fn float<T: std::str::FromStr>(reader: &mut Reader<'_>) -> Result<T, AvroError> {
    let named = reader.string();
    named.as_deref().unwrap_or_else(|| reader.word()).parse().map_err(|_| misfit("a floating-point number"))
}

/// Length, then bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Zigzag, seven bits in a byte, least significant first.
fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut left = (value << 1 ^ value >> 63) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn misfit(wanted: &'static str) -> AvroError {
    AvroError::Value { field: String::new(), wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_written_as_the_specification_shows() {
        for (value, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (-2, &[3]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            put_long(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }
}
