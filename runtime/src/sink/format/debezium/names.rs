//! Names as Avro wants them: Debezium's `schema.name.adjustment.mode` and `field.name.adjustment.mode`.

use std::fmt::Write as _;

/// What becomes of characters that Avro's names do not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Adjust {
    /// They stay.
    #[default]
    No,
    /// `_` for each.
    Avro,
    /// `_u` and their number; `_` itself is one of them.
    AvroUnicode,
}

impl Adjust {
    /// Of a schema, in which dots part the names.
    pub(super) fn schema(self, name: &str) -> String {
        self.adjusted(name, true)
    }

    /// Of a text that comes between two dots of a schema's name: with dots of its own, and none of its parts empty.
    pub(super) fn within_schema(self, text: &str) -> String {
        let adjusted = self.schema(text);
        if self == Self::No {
            return adjusted;
        }
        let parts: Vec<&str> = adjusted.split('.').map(|part| if part.is_empty() { "_" } else { part }).collect();
        parts.join(".")
    }

    /// Of a field: a dot is no letter of it.
    pub(super) fn field(self, name: &str) -> String {
        self.adjusted(name, false)
    }

    fn adjusted(self, name: &str, has_dots: bool) -> String {
        if self == Self::No {
            return name.to_owned();
        }
        let begins = |unit: u16| {
            let c = char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}');
            c.is_ascii_alphabetic() || c == '_' && self == Self::Avro
        };
        let is_digit = |unit: u16| u8::try_from(unit).is_ok_and(|b| b.is_ascii_digit());
        let goes_on = |unit: u16| begins(unit) || is_digit(unit) || has_dots && unit == u16::from(b'.');
        let mut out = String::with_capacity(name.len());
        // Java counts in units of UTF-16.
        for (i, unit) in name.encode_utf16().enumerate() {
            let is_legal = if i == 0 { begins(unit) } else { goes_on(unit) };
            let ascii = u8::try_from(unit).map_or('_', char::from);
            match self {
                _ if is_legal => out.push(ascii),
                Self::AvroUnicode => {
                    let zeros = if unit <= 0xff { "00" } else { "" };
                    write!(out, "_u{zeros}{unit:x}").expect("a string takes any length");
                }
                _ => {
                    out.push('_');
                    // So that names that differ in their first digit only stay different.
                    if i == 0 && is_digit(unit) {
                        out.push(ascii);
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_adjusted_as_debezium_does_it() {
        for (name, schema, field, unicode) in [
            ("app.public.t_1.Value", "app.public.t_1.Value", "app_public_t_1_Value", "app.public.t_u005f1.Value"),
            ("1st", "_1st", "_1st", "_u0031st"),
            ("a b-c", "a_b_c", "a_b_c", "a_u0020b_u002dc"),
            ("größe", "gr__e", "gr__e", "gr_u00f6_u00dfe"),
            ("🚢", "__", "__", "_ud83d_udea2"),
            ("", "", "", ""),
        ] {
            assert_eq!(Adjust::Avro.schema(name), schema);
            assert_eq!(Adjust::Avro.field(name), field);
            assert_eq!(Adjust::AvroUnicode.schema(name), unicode);
            assert_eq!(Adjust::No.field(name), name);
        }
        assert_eq!(Adjust::AvroUnicode.field("a.b_c"), "a_u002eb_u005fc");
    }

    #[test]
    fn no_part_of_a_text_within_a_name_is_empty() {
        for (text, avro) in
            [("Order", "Order"), ("order-line", "order_line"), ("a..b.", "a._.b._"), (".", "_"), ("", "_")]
        {
            assert_eq!(Adjust::Avro.within_schema(text), avro);
            assert_eq!(Adjust::No.within_schema(text), text);
        }
        assert_eq!(Adjust::AvroUnicode.within_schema(""), "_");
    }
}
