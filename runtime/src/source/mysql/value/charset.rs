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
    Swe7,
    /// Several bytes per character, as the web reads them but for some.
    Multi(&'static Encoding, &'static Exceptions),
    /// None that we know.
    Unknown,
}

impl PartialEq for Charset {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Single(a), Self::Single(b)) => std::ptr::eq(*a, *b),
            (Self::Multi(a, c), Self::Multi(b, d)) => a == b && std::ptr::eq(*c, *d),
            (Self::Utf16 { is_little_endian: a }, Self::Utf16 { is_little_endian: b }) => a == b,
            (Self::Utf8, Self::Utf8)
            | (Self::Utf32, Self::Utf32)
            | (Self::Swe7, Self::Swe7)
            | (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

impl Eq for Charset {}

/// Where MySQL reads otherwise than the web. Seen by converting every code of two bytes, and of three in EUC.
#[derive(Debug, Default)]
pub(in super::super) struct Exceptions {
    /// What the web reads, and what MySQL reads.
    pairs: &'static [(char, char)],
    /// First and last code of two bytes, between which the web knows another character or none: such a text stays bytes.
    foreign: &'static [(u16, u16)],
}

static NONE: Exceptions = Exceptions { pairs: &[], foreign: &[] };

static GB2312: Exceptions = Exceptions { pairs: &[('\u{b7}', '\u{30fb}'), ('\u{2014}', '\u{2015}')], foreign: &[] };

/// MySQL's is the edition of 2005.
static GB18030_2005: Exceptions = Exceptions {
    pairs: &[],
    foreign: &[
        (0xa3a0, 0xa3a0),
        (0xa6d9, 0xa6df),
        (0xa6ec, 0xa6ed),
        (0xa6f3, 0xa6f3),
        (0xfe59, 0xfe59),
        (0xfe61, 0xfe61),
        (0xfe66, 0xfe67),
        (0xfe6d, 0xfe6d),
        (0xfe7e, 0xfe7e),
        (0xfe90, 0xfe90),
        (0xfea0, 0xfea0),
    ],
};

/// The web's has Hong Kong's additions.
static BIG5_PLAIN: Exceptions = Exceptions {
    pairs: &[],
    foreign: &[
        (0xa145, 0xa145),
        (0xa14e, 0xa14e),
        (0xa15a, 0xa15a),
        (0xa1c2, 0xa1c3),
        (0xa1c5, 0xa1c5),
        (0xa1e3, 0xa1e3),
        (0xa1f2, 0xa1f3),
        (0xa1fe, 0xa242),
        (0xa244, 0xa244),
        (0xa246, 0xa247),
        (0xa2cc, 0xa2cc),
        (0xa2ce, 0xa2ce),
        (0xc6a1, 0xc7fc),
    ],
};

/// JIS as `sjis` and `ujis` read it; `cp932` and `eucjpms` read as Windows and the web do.
const JIS: &[(char, char)] = &[
    ('\u{ff5e}', '\u{301c}'),
    ('\u{2225}', '\u{2016}'),
    ('\u{ff0d}', '\u{2212}'),
    ('\u{ffe0}', '\u{a2}'),
    ('\u{ffe1}', '\u{a3}'),
    ('\u{ffe2}', '\u{ac}'),
    ('\u{ff3c}', '\\'),
];

/// Users' own characters, where the web has others.
const EUC_OWN: &[(u16, u16)] = &[(0xf5a1, 0xfefe)];

static SJIS: Exceptions = Exceptions { pairs: JIS, foreign: &[] };
static UJIS: Exceptions = Exceptions { pairs: JIS, foreign: EUC_OWN };
static EUCJPMS: Exceptions = Exceptions { pairs: &[], foreign: EUC_OWN };

impl Exceptions {
    /// Whether the text has a code that the web reads otherwise.
    fn is_foreign(&self, encoding: &'static Encoding, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let [lead, behind @ ..] = rest {
            let second = behind.first().copied().unwrap_or(0);
            let len = match *lead {
                0..=0x80 => 1,
                0x8f if encoding == EUC_JP => 3,
                _ if encoding == GB18030 && second.is_ascii_digit() => 4,
                _ => 2,
            };
            // The tilde and the broken bar of JIS X 0212 are each read in two ways.
            if len == 3 && matches!(behind, [0xa2, 0xb7 | 0xc3, ..]) {
                return true;
            }
            let code = u16::from_be_bytes([*lead, second]);
            if len == 2 && self.foreign.iter().any(|(first, last)| (first..=last).contains(&&code)) {
                return true;
            }
            rest = rest.get(len..).unwrap_or_default();
        }
        false
    }
}

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
            "gbk" => Self::Multi(GBK, &NONE),
            "gb2312" => Self::Multi(GBK, &GB2312),
            "gb18030" => Self::Multi(GB18030, &GB18030_2005),
            "big5" => Self::Multi(BIG5, &BIG5_PLAIN),
            "sjis" => Self::Multi(SHIFT_JIS, &SJIS),
            "cp932" => Self::Multi(SHIFT_JIS, &NONE),
            "ujis" => Self::Multi(EUC_JP, &UJIS),
            "eucjpms" => Self::Multi(EUC_JP, &EUCJPMS),
            "euckr" => Self::Multi(EUC_KR, &NONE),
            "swe7" => Self::Swe7,
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
            Self::Swe7 => append(out, bytes.iter().map(|byte| single_byte::swe7(*byte))),
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
                if !exceptions.foreign.is_empty() && exceptions.is_foreign(encoding, bytes) {
                    return false;
                }
                let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) else {
                    return false;
                };
                if exceptions.pairs.is_empty() {
                    out.extend_from_slice(text.as_bytes());
                    return true;
                }
                let otherwise = |c| exceptions.pairs.iter().find(|(web, _)| *web == c).map_or(c, |(_, mysql)| *mysql);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(charset: &str, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        let is_text = Charset::by_name(charset).decode(&mut out, bytes);
        is_text.then(|| String::from_utf8(out).expect("we wrote it"))
    }

    /// The wanted texts are what MySQL 9.7 converts these bytes to.
    #[test]
    fn text_of_every_charset_reads_as_the_server_reads_it() {
        for (charset, bytes, wanted) in [
            ("utf8mb4", "né🚢".as_bytes(), "né🚢"),
            ("latin1", b"\xe9\x80\x81", "é€\u{81}"),
            ("latin2", b"\xa3\xf3d\xbc", "Łódź"),
            ("cp1251", b"\xcf\xf0", "Пр"),
            ("cp850", b"\x82", "é"),
            ("utf16", b"\x67\x71\xd8\x3d\xde\xa2", "東🚢"),
            ("utf16le", b"\x71\x67", "東"),
            ("utf32", b"\x00\x01\xf6\xa2", "🚢"),
            ("gbk", b"\xd6\xd0", "中"),
            ("gb2312", b"\xa1\xa4\xa1\xaa", "・―"),
            ("sjis", b"\x81\x60\x81\x5f\xb1", "〜\\ｱ"),
            ("cp932", b"\x81\x60", "～"),
            ("ujis", b"\xa1\xc0\x8f\xb0\xa1", "\\丂"),
            ("euckr", b"\xc7\xd1", "한"),
            ("gb18030", b"\x95\x32\x82\x36", "𠀀"),
        ] {
            assert_eq!(decoded(charset, bytes).as_deref(), Some(wanted), "{charset}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_or_another_to_the_server_are_not_guessed_at() {
        for (charset, bytes) in [
            ("utf8mb4", &b"\xc3\x28"[..]),
            ("cp1257", b"\xa1"),
            ("utf16", b"\x00"),
            ("utf16", b"\xd8\x3d\x00\x41"),
            ("utf32", b"\x00\x11\x00\x00"),
            ("gbk", b"\xd6"),
            ("big5", b"a\xc6\xa1"),
            ("ujis", b"\xa4\xa2\xf9\xa1"),
            ("ujis", b"\x8f\xa2\xb7"),
            ("gb18030", b"\xa6\xd9"),
            ("swe7", b"\x80"),
        ] {
            assert_eq!(decoded(charset, bytes), None, "{charset}");
        }
        assert_eq!(decoded("big5", b"\xa4\xc6\xa1\x41").as_deref(), Some("化，"), "bytes of two codes are not one");
    }

    #[test]
    fn collations_of_both_servers_name_their_charset() {
        for (collation, wanted) in [
            (8, "latin1"),
            (63, "binary"),
            (255, "utf8mb4"),
            (1069, "utf8mb4"),
            (2304, "utf8mb4"),
            (2900, "utf16"),
            (250, "gb18030"),
        ] {
            assert_eq!(charset_of(collation), Some(wanted), "{collation}");
        }
        assert_eq!(charset_of(9999), None);
    }
}
