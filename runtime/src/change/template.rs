//! Text with places for what a row says: `/parcels/{package_id}`. Parsed once, when the configuration is read, so that a
//! mistake is found there, with its place, and rendering has nothing left to get wrong but a missing column.
//!
//! ```text
//! template = { text | "{{" | "}}" | "{" place "}" }
//! place    = "source" | "schema" | "table" | "op" | "key" | "column:" name | name
//! ```

use std::fmt;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Goes as it is; never empty, never two in a row.
    Literal(String),
    /// The value of a column.
    Column(String),
    /// The source's name in the configuration.
    Source,
    /// PostgreSQL's schema, MySQL's database.
    Schema,
    Table,
    /// `insert`, `update`, `delete`, `truncate` or `read`.
    Op,
    /// The row's key as text.
    Key,
}

/// Words in braces that are no columns. A column of the same name is written `{column:source}`.
const RESERVED: [(&str, TemplatePart); 5] = [
    ("source", TemplatePart::Source),
    ("schema", TemplatePart::Schema),
    ("table", TemplatePart::Table),
    ("op", TemplatePart::Op),
    ("key", TemplatePart::Key),
];
const COLUMN_PREFIX: &str = "column:";

/// A parsed template. The empty text is a template without parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<TemplatePart>,
}

/// Where a template is wrong, in bytes from its beginning, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    pub offset: usize,
    pub len: usize,
    /// The rule that was broken, and what to write instead.
    pub message: String,
}

impl Template {
    /// # Errors
    /// A brace that is not closed or not opened, or braces around nothing that could be a column's name.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            literal.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                at += 2;
                continue;
            }
            let len = place_len(rest).map_err(|(len, message)| TemplateError { offset: at, len, message })?;
            if !literal.is_empty() {
                parts.push(TemplatePart::Literal(std::mem::take(&mut literal)));
            }
            parts.push(place(&rest[1..len - 1]));
            at += len;
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(TemplatePart::Literal(literal));
        }
        Ok(Self { parts })
    }

    pub fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    /// The names of the columns it needs, in order; a column that stands twice comes twice.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text, if it is the same for every row.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [TemplatePart::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// As one would write it; parsing it again gives the same parts.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            if let TemplatePart::Literal(text) = part {
                f.write_str(&text.replace('{', "{{").replace('}', "}}"))?;
            } else if let TemplatePart::Column(name) = part {
                let plain = place(name) == *part;
                write!(f, "{{{}{name}}}", if plain { "" } else { COLUMN_PREFIX })?;
            } else if let Some((word, _)) = RESERVED.iter().find(|(_, reserved)| reserved == part) {
                write!(f, "{{{word}}}")?;
            }
        }
        Ok(())
    }
}

/// Length of the place that `rest` begins with, braces included; or length and reason of the mistake.
fn place_len(rest: &str) -> Result<usize, (usize, String)> {
    if rest.starts_with('}') {
        return Err((1, "this } closes nothing; for a brace in the text write }}".into()));
    }
    let end = match rest[1..].find(['{', '}']) {
        Some(end) if rest[1 + end..].starts_with('}') => end + 1,
        Some(end) => return Err((end + 1, UNCLOSED.into())),
        None => return Err((rest.len(), UNCLOSED.into())),
    };
    let inside = &rest[1..end];
    if inside.strip_prefix(COLUMN_PREFIX).unwrap_or(inside).is_empty() {
        return Err((end + 1, "there is nothing between the braces; write the name of a column, as in {id}".into()));
    }
    if inside.trim() != inside {
        let name = inside.trim();
        return Err((end + 1, format!("a name in braces has no space around it; write {{{name}}}")));
    }
    Ok(end + 1)
}

const UNCLOSED: &str = "this { is not closed; write {name}, or {{ for a brace in the text";

fn place(inside: &str) -> TemplatePart {
    if let Some(name) = inside.strip_prefix(COLUMN_PREFIX) {
        return TemplatePart::Column(name.into());
    }
    let reserved = RESERVED.iter().find(|(word, _)| *word == inside);
    reserved.map_or_else(|| TemplatePart::Column(inside.into()), |(_, part)| part.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(name: &str) -> TemplatePart {
        TemplatePart::Column(name.into())
    }

    fn literal(text: &str) -> TemplatePart {
        TemplatePart::Literal(text.into())
    }

    #[test]
    fn places_and_text_become_parts_in_order() {
        let template = Template::parse("{source}:item/{id}-{op}{table}{schema}{key}").expect("well formed");
        let expected = [
            TemplatePart::Source,
            literal(":item/"),
            column("id"),
            literal("-"),
            TemplatePart::Op,
            TemplatePart::Table,
            TemplatePart::Schema,
            TemplatePart::Key,
        ];
        assert_eq!(template.parts(), expected);
        assert_eq!(template.columns().collect::<Vec<_>>(), ["id"]);
    }

    #[test]
    fn doubled_braces_are_text() {
        let template = Template::parse("{{{id}}} {{x}}").expect("well formed");
        assert_eq!(template.parts(), [literal("{"), column("id"), literal("} {x}")]);
    }

    #[test]
    fn reserved_word_can_still_name_a_column() {
        let template = Template::parse("{column:source}").expect("well formed");
        assert_eq!(template.parts(), [column("source")]);
        assert_eq!(template.to_string(), "{column:source}");
    }

    #[test]
    fn only_text_is_known_as_such() {
        assert_eq!(Template::parse("{{a}}").expect("well formed").literal(), Some("{a}"));
        assert_eq!(Template::parse("").expect("well formed").literal(), Some(""));
        assert_eq!(Template::parse("a{b}").expect("well formed").literal(), None);
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let cases = [
            ("/a/{id", 3, 3, "not closed"),
            ("{a{b}", 0, 2, "not closed"),
            ("a}b", 1, 1, "closes nothing"),
            ("ab{}", 2, 2, "nothing between"),
            ("{column:}", 0, 9, "nothing between"),
            ("é{ id }", 2, 6, "write {id}"),
        ];
        for (text, offset, len, reason) in cases {
            let error = Template::parse(text).expect_err(text);
            assert_eq!((error.offset, error.len), (offset, len), "{text}");
            assert!(error.message.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_again_gives_the_same(text in "[a-z{}: é]{0,24}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused_at_a_place_inside(text in any::<String>()) {
            if let Err(error) = Template::parse(&text) {
                prop_assert!(text.get(error.offset..error.offset + error.len).is_some());
            }
        }
    }
}
