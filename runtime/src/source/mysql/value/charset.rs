//! A column's text becomes UTF-8.

use super::single_byte::{self, Upper};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

/// How the bytes of a text read.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Charset {
    /// utf8mb4, and utf8mb3 and ascii, which are parts of it.
    Utf8,
    /// One byte per character.
    Single(&'static Upper),
    /// utf16, and ucs2, which is a part of it.
    Utf16 {
        is_little_endian: bool,
    },
    Utf32,
    /// Several bytes per character, as the web reads them; the pairs say where MySQL reads otherwise.
    Multi(&'static Encoding, &'static [(char, char)]),
    /// None that we know.
    Unknown,
}

impl PartialEq for Charset {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Single(a), Self::Single(b)) => std::ptr::eq(*a, *b),
            (Self::Multi(a, c), Self::Multi(b, d)) => a == b && c == d,
            (Self::Utf16 { is_little_endian: a }, Self::Utf16 { is_little_endian: b }) => a == b,
            (Self::Utf8, Self::Utf8) | (Self::Utf32, Self::Utf32) | (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

impl Eq for Charset {}

/// JIS as MySQL's `sjis` and `ujis` read it; `cp932` and `eucjpms` read as Windows and the web do.
const JIS: &[(char, char)] = &[
    ('\u{ff5e}', '\u{301c}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
];

/// The name of the charset that a collation's number belongs to, `binary` for bytes; none for numbers that no server has.
pub(in super::super) fn charset_of(collation: u64) -> Option<&'static str> {
    // MariaDB numbers collations without padding 1024 higher, and those of UCA 14.0.0 by charset from 2048 on.
    let number = match collation {
        2048..=2303 => 33,
        2304..=2559 => 45,
        2560..=2815 => 35,
        2816..=3071 => 54,
        3072..=3327 => 60,
        1024..=2047 => collation - 1024,
        number => number,
    };
    Some(match number {
        1 | 84 => "big5",
        2 | 9 | 21 | 27 | 77 => "latin2",
        3 | 69 => "dec8",
        4 | 80 => "cp850",
        5 | 8 | 15 | 31 | 47..=49 | 94 => "latin1",
        6 | 72 => "hp8",
        7 | 74 => "koi8r",
        10 | 82 => "swe7",
        11 | 65 => "ascii",
        12 | 91 => "ujis",
        13 | 88 => "sjis",
        14 | 23 | 50..=52 => "cp1251",
        16 | 71 => "hebrew",
        18 | 89 => "tis620",
        19 | 85 => "euckr",
        20 | 41 | 42 | 79 => "latin7",
        22 | 75 => "koi8u",
        24 | 86 => "gb2312",
        25 | 70 => "greek",
        26 | 34 | 44 | 66 | 99 => "cp1250",
        28 | 87 => "gbk",
        29 | 58 | 59 => "cp1257",
        30 | 78 => "latin5",
        32 | 64 => "armscii8",
        33 | 76 | 83 | 192..=223 | 576..=578 => "utf8mb3",
        35 | 90 | 128..=159 | 640..=642 => "ucs2",
        36 | 68 => "cp866",
        37 | 73 => "keybcs2",
        38 | 43 => "macce",
        39 | 53 => "macroman",
        40 | 81 => "cp852",
        45 | 46 | 224..=247 | 255..=323 | 608..=610 => "utf8mb4",
        54 | 55 | 101..=124 | 672..=674 => "utf16",
        56 | 62 => "utf16le",
        57 | 67 => "cp1256",
        60 | 61 | 160..=183 | 736..=738 => "utf32",
        63 => "binary",
        92 | 93 => "geostd8",
        95 | 96 => "cp932",
        97 | 98 => "eucjpms",
        248..=250 => "gb18030",
        _ => return None,
    })
}

impl Charset {
    /// By the name that the server gives it.
    pub(in super::super) fn by_name(name: &str) -> Self {
        match name {
            "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => Self::Utf8,
            "ucs2" | "utf16" => Self::Utf16 { is_little_endian: false },
            "utf16le" => Self::Utf16 { is_little_endian: true },
            "utf32" => Self::Utf32,
            "gbk" | "gb2312" => Self::Multi(GBK, &[]),
            "gb18030" => Self::Multi(GB18030, &[]),
            "big5" => Self::Multi(BIG5, &[]),
            "sjis" => Self::Multi(SHIFT_JIS, JIS),
            "cp932" => Self::Multi(SHIFT_JIS, &[]),
            "ujis" => Self::Multi(EUC_JP, JIS),
            "eucjpms" => Self::Multi(EUC_JP, &[]),
            "euckr" => Self::Multi(EUC_KR, &[]),
            other => single_byte::upper(other).map_or(Self::Unknown, Self::Single),
        }
    }

    /// Appends the text; false, with some of it appended, if the bytes are none.
    #[inline]
    pub(in super::super) fn decode(self, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        if let Self::Utf8 = self {
            out.extend_from_slice(bytes);
            return std::str::from_utf8(bytes).is_ok();
        }
        bytes.is_empty() || self.convert(out, bytes)
    }

    fn convert(self, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        match self {
            Self::Utf8 | Self::Unknown => false,
            Self::Single(upper) => {
                let char_of = |byte: &u8| match byte.checked_sub(0x80) {
                    None => Some(char::from(*byte)),
                    Some(index) => char::from_u32(upper[usize::from(index)].into()).filter(|c| *c != '\u{fffd}'),
                };
                append(out, bytes.iter().map(char_of))
            }
            Self::Utf16 { is_little_endian } => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                let unit = |pair: &[u8; 2]| match is_little_endian {
                    true => u16::from_le_bytes(*pair),
                    false => u16::from_be_bytes(*pair),
                };
                rest.is_empty() && append(out, char::decode_utf16(pairs.iter().map(unit)).map(Result::ok))
            }
            Self::Utf32 => {
                let (units, rest) = bytes.as_chunks::<4>();
                rest.is_empty() && append(out, units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))))
            }
            Self::Multi(encoding, exceptions) => {
                let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) else {
                    return false;
                };
                if exceptions.is_empty() {
                    out.extend_from_slice(text.as_bytes());
                    return true;
                }
                let otherwise = |c| exceptions.iter().find(|(web, _)| *web == c).map_or(c, |(_, mysql)| *mysql);
                append(out, text.chars().map(|c| Some(otherwise(c))))
            }
        }
    }
}

fn append(out: &mut Vec<u8>, chars: impl Iterator<Item = Option<char>>) -> bool {
    let mut buffer = [0; 4];
    for c in chars {
        let Some(c) = c else { return false };
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
    true
}
