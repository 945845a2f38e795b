//! What a column is to Kafka Connect: how its values are written, and the schema that says so.

use super::geometry::Figure;
use super::options::{BinaryMode, DebeziumOptions, DecimalMode};
use super::text::{put_escaped, put_string};
use super::time::Unit;
use sluicegate_frame::{Array, Cell};

/// How values are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Boolean,
    /// Whole numbers; an unsigned one wraps to the signed one of the same bits.
    Int,
    Float32,
    Float64,
    /// The value's text.
    Text,
    Uuid,
    /// The text form of whatever it is.
    AnyText,
    /// JSON text in a string. MySQL's is written without blanks.
    Json {
        compact: bool,
    },
    Bytes {
        mode: BinaryMode,
        len: usize,
    },
    /// A value of a type that Debezium does not know: the bytes of its text.
    Unknown(BinaryMode),
    Decimal {
        scale: i32,
        /// A number of JSON instead of bytes.
        is_number: bool,
    },
    VariableDecimal,
    DecimalText,
    DecimalDouble,
    /// PostgreSQL's `money`, as the decimal that it is, of so many digits behind the point.
    Money {
        decimal: Box<Kind>,
        digits: i32,
    },
    Date {
        unit: Unit,
        adjust: bool,
    },
    Time(Unit),
    Timestamp {
        unit: Unit,
        adjust: bool,
    },
    Zoned {
        digits: usize,
    },
    ZonedTime,
    Duration,
    Interval,
    /// A bit string as bytes, least significant first: all of them (MySQL), or without zeros at the end (PostgreSQL).
    Bits {
        all: bool,
    },
    Figure(Figure),
    /// A geometry as MySQL stores it.
    Stored {
        is_point: bool,
    },
    /// `{"a":"1","b":null}`, in a string or as a map.
    Hstore {
        is_map: bool,
    },
    /// Labels with a comma between.
    Set,
    /// Numbers with blanks between (`int2vector`).
    NumberList,
    /// Four bytes for each number.
    Vector,
    Array {
        item: Box<Shape>,
        required: bool,
    },
}

impl Kind {
    /// The same with decimals as numbers, if it is a decimal in bytes.
    pub(super) fn with_numbers(&self) -> Option<Self> {
        match self {
            Self::Decimal { scale, .. } => Some(Self::Decimal { scale: *scale, is_number: true }),
            Self::Money { decimal, digits } => {
                decimal.with_numbers().map(|decimal| Self::Money { decimal: Box::new(decimal), digits: *digits })
            }
            _ => None,
        }
    }
}

/// Where a schema's parameters begin; they are the last part of a tail.
const PARAMETERS: &str = ",\"parameters\":{";

/// A kind of value and the schema around it: `head` stands in front of `"optional"`, `tail` behind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    head: String,
    tail: String,
}

impl Shape {
    /// One of Connect's own types, `int32` for example.
    pub(super) fn plain(kind: Kind, connect_type: &str) -> Self {
        Self { kind, head: format!("\"type\":\"{connect_type}\""), tail: String::new() }
    }

    /// One with a name, such as `io.debezium.time.Date`, of version 1.
    pub(super) fn named(kind: Kind, connect_type: &str, name: &str) -> Self {
        Self { tail: format!(",\"name\":\"{name}\",\"version\":1"), ..Self::plain(kind, connect_type) }
    }

    /// Whether its values are text to Connect.
    pub(super) fn is_text(&self) -> bool {
        self.head == "\"type\":\"string\""
    }

    pub(super) fn text() -> Self {
        Self::plain(Kind::Text, "string")
    }

    /// With parameters behind those that it has.
    pub(super) fn with_parameters<N: AsRef<str>>(mut self, parameters: &[(&str, N)]) -> Self {
        if parameters.is_empty() {
            return self;
        }
        let mut has_some = self.tail.contains(PARAMETERS);
        if has_some {
            self.tail.pop();
        } else {
            self.tail.push_str(PARAMETERS);
        }
        let mut text = Vec::new();
        for (name, value) in parameters {
            if std::mem::replace(&mut has_some, true) {
                text.push(b',');
            }
            put_string(&mut text, name);
            text.push(b':');
            put_string(&mut text, value.as_ref());
        }
        text.push(b'}');
        self.tail.push_str(json(&text));
        self
    }

    pub(super) fn bytes(mode: BinaryMode, len: usize) -> Self {
        let connect_type = if mode == BinaryMode::Bytes { "bytes" } else { "string" };
        Self::plain(Kind::Bytes { mode, len }, connect_type)
    }

    pub(super) fn unknown(options: &DebeziumOptions) -> Self {
        Self { kind: Kind::Unknown(options.binary), ..Self::bytes(options.binary, 0) }
    }

    /// A decimal of a known scale, and of a precision if that is known.
    pub(super) fn decimal(options: &DebeziumOptions, scale: i32, precision: Option<i32>) -> Self {
        match options.decimals {
            DecimalMode::Precise => Self::exact_decimal(options, scale, precision),
            DecimalMode::Text => Self::plain(Kind::DecimalText, "string"),
            DecimalMode::Double => Self::plain(Kind::DecimalDouble, "double"),
        }
    }

    /// The same, whatever is said about decimals.
    pub(super) fn exact_decimal(options: &DebeziumOptions, scale: i32, precision: Option<i32>) -> Self {
        let (scale_text, precision) = (scale.to_string(), precision.map(|p| p.to_string()));
        let mut parameters = vec![("scale", scale_text.as_str())];
        parameters.extend(precision.as_deref().map(|p| ("connect.decimal.precision", p)));
        let name = "org.apache.kafka.connect.data.Decimal";
        let kind = Kind::Decimal { scale, is_number: options.decimal_numbers };
        Self::named(kind, "bytes", name).with_parameters(&parameters)
    }

    /// A decimal whose scale is each value's own.
    pub(super) fn variable_decimal(options: &DebeziumOptions) -> Self {
        if options.decimals != DecimalMode::Precise {
            return Self::decimal(options, 0, None);
        }
        let fields = "{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},{\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}";
        Self::record(
            Kind::VariableDecimal,
            fields,
            "io.debezium.data.VariableScaleDecimal",
            1,
            "Variable scaled decimal",
        )
    }

    pub(super) fn money(options: &DebeziumOptions) -> Self {
        let digits = options.money_digits;
        let decimal = Self::decimal(options, digits, None);
        Self { kind: Kind::Money { decimal: Box::new(decimal.kind), digits }, ..decimal }
    }

    /// A struct with fields of its own.
    fn record(kind: Kind, fields: &str, name: &str, version: u8, doc: &str) -> Self {
        let head = format!("\"type\":\"struct\",\"fields\":[{fields}]");
        Self { kind, head, tail: format!(",\"name\":\"{name}\",\"version\":{version},\"doc\":\"{doc}\"") }
    }

    pub(super) fn bits(length: i64, all: bool) -> Self {
        if length == 1 {
            return Self::plain(Kind::Boolean, "boolean");
        }
        Self::named(Kind::Bits { all }, "bytes", "io.debezium.data.Bits")
            .with_parameters(&[("length", &length.to_string())])
    }

    /// `allowed` is the labels with commas between.
    pub(super) fn labels(kind: Kind, name: &str, allowed: &str) -> Self {
        Self::named(kind, "string", name).with_parameters(&[("allowed", allowed)])
    }

    pub(super) fn json(compact: bool) -> Self {
        Self::named(Kind::Json { compact }, "string", "io.debezium.data.Json")
    }

    pub(super) fn hstore(is_map: bool) -> Self {
        if !is_map {
            return Self { kind: Kind::Hstore { is_map }, ..Self::json(false) };
        }
        let head = "\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":false},\"values\":{\"type\":\"string\",\"optional\":true}";
        Self { kind: Kind::Hstore { is_map }, head: head.into(), tail: String::new() }
    }

    pub(super) fn array(item: Shape, required: bool) -> Self {
        let head = format!("\"type\":\"array\",\"items\":{{{},\"optional\":{}{}}}", item.head, !required, item.tail);
        Self { kind: Kind::Array { item: Box::new(item), required }, head, tail: String::new() }
    }

    /// What MySQL calls a vector.
    pub(super) fn vector() -> Self {
        let name = ",\"name\":\"io.debezium.data.FloatVector\",\"version\":1";
        let array = Self::array(Self::plain(Kind::Float32, "float"), true);
        Self { kind: Kind::Vector, tail: name.into(), ..array }
    }

    pub(super) fn figure(figure: Figure) -> Self {
        const POINT: &str = "{\"type\":\"double\",\"optional\":false,\"field\":\"x\"},{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},\
                             {\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}";
        const LINE: &str = "{\"type\":\"double\",\"optional\":false,\"field\":\"a\"},{\"type\":\"double\",\"optional\":false,\"field\":\"b\"},\
                            {\"type\":\"double\",\"optional\":false,\"field\":\"c\"}";
        const WKB: &str = "{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}";
        const EXTENSIONS: &str = ",{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":false},\
                                  \"values\":{\"type\":\"string\",\"optional\":false},\"optional\":true,\"field\":\"extensions\"}";
        let kind = Kind::Figure(figure);
        let point = |kind| Self::record(kind, POINT, "io.debezium.data.geometry.Point", 1, "Geometry (POINT)");
        match figure {
            Figure::Point => point(kind),
            Figure::Line => Self::record(kind, LINE, "io.debezium.data.geometry.Line", 1, "Geometry (LINE)"),
            Figure::Circle => {
                let center = point(Kind::Figure(Figure::Point)).field(b"\"center\"", false, b"");
                let fields = format!("{center},{{\"type\":\"double\",\"optional\":false,\"field\":\"radius\"}}");
                Self::record(kind, &fields, "io.debezium.data.geometry.Circle", 1, "Geometry (CIRCLE)")
            }
            Figure::Segment | Figure::Box | Figure::Path | Figure::Polygon => {
                let fields = format!("{WKB}{EXTENSIONS}");
                Self::record(kind, &fields, "io.debezium.data.geometry.Geometry", 2, "Geometry")
            }
        }
    }

    /// MySQL's geometries: version 1, without extensions.
    pub(super) fn stored_geometry(is_point: bool) -> Self {
        let figure = Self::figure(if is_point { Figure::Point } else { Figure::Path });
        let kind = Kind::Stored { is_point };
        if is_point {
            return Self { kind, ..figure };
        }
        let fields = "{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}";
        Self::record(kind, fields, "io.debezium.data.geometry.Geometry", 1, "Geometry")
    }

    /// The schema of a field: `name` is a JSON string, `default` a value or nothing.
    pub(super) fn field(&self, name: &[u8], optional: bool, default: &[u8]) -> String {
        self.commented_field(name, optional, "", default)
    }

    /// The same with `,"doc":"..."`, or nothing, where Connect has it: in front of the parameters.
    pub(super) fn commented_field(&self, name: &[u8], optional: bool, doc: &str, default: &[u8]) -> String {
        format!("{},\"field\":{}}}", self.open(optional, doc, default), json(name))
    }

    /// The same but for the name and the closing brace.
    pub(super) fn open(&self, optional: bool, doc: &str, default: &[u8]) -> String {
        let before = if default.is_empty() { "" } else { ",\"default\":" };
        let doc = if self.tail.contains(",\"doc\":") { "" } else { doc };
        let (tail, rest) = self.tail.split_at(self.tail.find(PARAMETERS).unwrap_or(self.tail.len()));
        format!("{{{},\"optional\":{optional}{tail}{doc}{rest}{before}{}", self.head, json(default))
    }

    /// What a value is that its column's shape can not say.
    pub(super) fn instead(&self, cell: &Cell<'_>, options: &DebeziumOptions) -> Self {
        if let (Kind::Array { item, .. }, Cell::Array(array)) = (&self.kind, cell) {
            let nested = Self::nested((**item).clone(), array.dimensions().count());
            if super::value::put(&mut Vec::new(), &nested.kind, cell).is_ok() {
                return nested;
            }
        }
        Self::of_value(cell, options)
    }

    /// What a value of no column is: guests add them, and change columns to what they were not.
    pub(super) fn of_value(cell: &Cell<'_>, options: &DebeziumOptions) -> Self {
        match cell {
            Cell::Bool(_) => Self::plain(Kind::Boolean, "boolean"),
            Cell::UInt(v) if i64::try_from(*v).is_err() => Self::decimal(options, 0, None),
            Cell::Int(_) | Cell::UInt(_) => Self::plain(Kind::Int, "int64"),
            Cell::Float32(_) => Self::plain(Kind::Float32, "float"),
            Cell::Float64(_) => Self::plain(Kind::Float64, "double"),
            Cell::Decimal(text) if text.bytes().any(|b| b.is_ascii_alphabetic()) => Self::text(),
            Cell::Decimal(_) | Cell::DecimalUnscaled { .. } => Self::variable_decimal(options),
            Cell::Bytes(_) => Self::bytes(options.binary, 0),
            Cell::Date(_) => {
                Self::named(Kind::Date { unit: Unit::Millis, adjust: false }, "int32", "io.debezium.time.Date")
            }
            Cell::Time(_) => Self::named(Kind::Time(Unit::Micros), "int64", "io.debezium.time.MicroTime"),
            Cell::TimeTz { .. } => Self::named(Kind::ZonedTime, "string", "io.debezium.time.ZonedTime"),
            Cell::Timestamp(_) => {
                let kind = Kind::Timestamp { unit: Unit::Micros, adjust: false };
                Self::named(kind, "int64", "io.debezium.time.MicroTimestamp")
            }
            Cell::TimestampTz(_) => Self::named(Kind::Zoned { digits: 6 }, "string", "io.debezium.time.ZonedTimestamp"),
            Cell::Interval { .. } => Self::named(Kind::Duration, "int64", "io.debezium.time.MicroDuration"),
            Cell::Uuid(_) => Self::named(Kind::Uuid, "string", "io.debezium.data.Uuid"),
            Cell::Json(_) => Self::json(false),
            Cell::Bits(_) => Self::bits(i64::from(i32::MAX), false),
            Cell::Array(array) => Self::of_array(array, options),
            _ => Self::text(),
        }
    }

    fn of_array(array: &Array<'_>, options: &DebeziumOptions) -> Self {
        let known = array.iter().find(|cell| !matches!(cell, Cell::Null));
        let text = || Self::plain(Kind::AnyText, "string");
        let item = known.map_or_else(text, |cell| Self::of_value(&cell, options));
        // One value that is unlike the first makes all of them text.
        let alike = array.iter().all(|cell| matches!(cell, Cell::Null) || Self::of_value(&cell, options) == item);
        Self::nested(if alike { item } else { text() }, array.dimensions().count())
    }

    /// Arrays of arrays, as deep as a value is.
    pub(super) fn nested(item: Shape, dimensions: usize) -> Self {
        (0..dimensions.max(1)).fold(item, |inner, _| Self::array(inner, false))
    }
}

/// The labels of an enumeration with commas between; MySQL's connectors put a backslash before a comma within one.
pub(super) fn allowed(labels: &[String], escape: bool) -> String {
    labels
        .iter()
        .map(|label| if escape { label.replace(',', "\\,") } else { label.clone() })
        .collect::<Vec<_>>()
        .join(",")
}

/// A JSON string without its quotes, as text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    put_escaped(&mut out, text);
    json(&out).to_owned()
}

/// Bytes that this module wrote.
fn json(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("JSON that was written here is UTF-8")
}
