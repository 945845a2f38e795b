//! What is written in the place of a value that must stay where it is: something of the same kind, and of a text the same length,
//! that says nothing.

use sluicegate_frame::Tag;

/// Nobody needs more of what says nothing.
const TEXT_LEN_MAX: usize = 2_000;

/// The text form of the stand-in for a value with this one; `None` where there is none.
pub fn masked(tag: Tag, text: &str) -> Option<String> {
    let mask = |c: char| match c {
        _ if c.is_alphabetic() => 'x',
        _ if c.is_numeric() => '0',
        c => c,
    };
    Some(match tag {
        Tag::Text | Tag::Other => text.chars().take(TEXT_LEN_MAX).map(mask).collect(),
        Tag::Bool => "false".into(),
        Tag::Int | Tag::UInt | Tag::Decimal | Tag::DecimalUnscaled => "0".into(),
        Tag::Float32 | Tag::Float64 => "0.0".into(),
        Tag::Date => "2000-01-01".into(),
        Tag::Time => "00:00:00".into(),
        Tag::Timestamp => "2000-01-01T00:00:00".into(),
        Tag::TimestampTz => "2000-01-01T00:00:00Z".into(),
        Tag::Json => "null".into(),
        Tag::Uuid => "00000000-0000-0000-0000-000000000000".into(),
        // A label has to be one of its type, and nothing is as long as some bytes and means nothing.
        _ => return None,
    })
}
