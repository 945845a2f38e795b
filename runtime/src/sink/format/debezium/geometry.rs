//! Geometric values: PostgreSQL prints them, MySQL stores them as well-known binary (WKB) behind a reference system's number.
//! Debezium carries all as WKB, points with their coordinates beside it.

use super::float::put_double;
use super::text::{put_base64, put_int};

/// PostgreSQL's shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Point,
    Line,
    Segment,
    Box,
    Path,
    Polygon,
    Circle,
}

/// Points are this far from the beginning of their WKB: byte order and kind.
const WKB_HEAD: usize = 5;
const WKB_POINT: u32 = 1;
const WKB_LINE: u32 = 2;
const WKB_POLYGON: u32 = 3;

/// Writes PostgreSQL's text of a figure as Debezium's struct; false if it does not read as one.
pub(super) fn put_figure(out: &mut Vec<u8>, figure: Figure, text: &str) -> bool {
    let mut numbers = Vec::new();
    for part in
        text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'))).filter(|p| !p.is_empty())
    {
        let Ok(number) = part.parse::<f64>() else { return false };
        numbers.push(number);
    }
    let points: Vec<(f64, f64)> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    match (figure, numbers.as_slice(), points.as_slice()) {
        (Figure::Point, &[x, y], _) => put_point(out, x, y),
        (Figure::Circle, &[x, y, radius], _) => {
            out.extend_from_slice(b"{\"center\":");
            put_point(out, x, y);
            out.extend_from_slice(b",\"radius\":");
            put_double(out, radius);
            out.push(b'}');
        }
        (Figure::Line, &[a, b, c], _) => {
            for (name, number) in [("{\"a\":", a), (",\"b\":", b), (",\"c\":", c)] {
                out.extend_from_slice(name.as_bytes());
                put_double(out, number);
            }
            out.push(b'}');
        }
        (Figure::Segment, &[_, _, _, _], points) => put_wkb(out, WKB_LINE, points, "\"type\":\"lseg\""),
        (Figure::Box, &[_, _, _, _], &[(right, top), (left, bottom)]) => {
            let ring = [(right, top), (right, bottom), (left, bottom), (left, top), (right, top)];
            put_wkb(out, WKB_POLYGON, &ring, "\"type\":\"box\"");
        }
        (Figure::Path, [_, _, ..], points) => {
            let closed = if text.starts_with('(') { "true" } else { "false" };
            put_wkb(out, WKB_LINE, points, &format!("\"type\":\"path\",\"closed\":\"{closed}\""));
        }
        (Figure::Polygon, [_, _, ..], points) => {
            let mut ring = points.to_vec();
            if points.first() != points.last() {
                ring.push(points[0]);
            }
            put_wkb(out, WKB_POLYGON, &ring, "\"type\":\"polygon\"");
        }
        _ => return false,
    }
    true
}

/// `{"x":1.0,"y":2.0,"wkb":"...","srid":null}`
pub(super) fn put_point(out: &mut Vec<u8>, x: f64, y: f64) {
    let mut wkb = wkb_head(WKB_POINT).to_vec();
    wkb.extend(x.to_le_bytes());
    wkb.extend(y.to_le_bytes());
    put_point_of(out, x, y, &wkb, 0);
}

fn put_point_of(out: &mut Vec<u8>, x: f64, y: f64, wkb: &[u8], srid: u32) {
    out.extend_from_slice(b"{\"x\":");
    put_double(out, x);
    out.extend_from_slice(b",\"y\":");
    put_double(out, y);
    out.extend_from_slice(b",\"wkb\":\"");
    put_base64(out, wkb);
    put_srid(out, srid);
    out.push(b'}');
}

fn put_srid(out: &mut Vec<u8>, srid: u32) {
    out.extend_from_slice(b"\",\"srid\":");
    match srid {
        0 => out.extend_from_slice(b"null"),
        srid => put_int(out, i64::from(srid)),
    }
}

fn wkb_head(kind: u32) -> [u8; WKB_HEAD] {
    let [a, b, c, d] = kind.to_le_bytes();
    [1, a, b, c, d]
}

fn put_wkb(out: &mut Vec<u8>, kind: u32, points: &[(f64, f64)], extensions: &str) {
    let mut wkb = wkb_head(kind).to_vec();
    if kind == WKB_POLYGON {
        wkb.extend(1u32.to_le_bytes());
    }
    wkb.extend((points.len() as u32).to_le_bytes());
    for (x, y) in points {
        wkb.extend(x.to_le_bytes());
        wkb.extend(y.to_le_bytes());
    }
    out.extend_from_slice(b"{\"wkb\":\"");
    put_base64(out, &wkb);
    put_srid(out, 0);
    out.extend_from_slice(b",\"extensions\":{");
    out.extend_from_slice(extensions.as_bytes());
    out.extend_from_slice(b"}}");
}

/// Writes what MySQL stores: four bytes of the reference system's number, little-endian, then WKB. False if it is shorter than
/// that, or no point where one is wanted.
pub(super) fn put_stored(out: &mut Vec<u8>, stored: &[u8], is_point: bool) -> bool {
    let Some((srid, wkb)) = stored.split_first_chunk::<4>() else { return false };
    let srid = u32::from_le_bytes(*srid);
    if !is_point {
        out.extend_from_slice(b"{\"wkb\":\"");
        put_base64(out, wkb);
        put_srid(out, srid);
        out.push(b'}');
        return true;
    }
    let ([x, y], []) = wkb.get(WKB_HEAD..).unwrap_or_default().as_chunks::<8>() else { return false };
    if wkb[..WKB_HEAD] != wkb_head(WKB_POINT) {
        return false;
    }
    put_point_of(out, f64::from_le_bytes(*x), f64::from_le_bytes(*y), wkb, srid);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(figure: Figure, text: &str) -> String {
        let mut out = Vec::new();
        assert!(put_figure(&mut out, figure, text), "{text}");
        String::from_utf8(out).expect("ASCII")
    }

    /// postgres/types, t_geo.
    #[test]
    fn figures_are_written_as_recorded() {
        assert_eq!(
            figure(Figure::Point, "(-1.5,2.25)"),
            r#"{"x":-1.5,"y":2.25,"wkb":"AQEAAAAAAAAAAAD4vwAAAAAAAAJA","srid":null}"#
        );
        assert_eq!(
            figure(Figure::Point, "(NaN,Infinity)"),
            r#"{"x":"NaN","y":"Infinity","wkb":"AQEAAAAAAAAAAAD4fwAAAAAAAPB/","srid":null}"#
        );
        assert_eq!(figure(Figure::Line, "{0,-1,0.5}"), r#"{"a":0.0,"b":-1.0,"c":0.5}"#);
        assert_eq!(
            figure(Figure::Segment, "[(0,0),(1,1)]"),
            r#"{"wkb":"AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8=","srid":null,"extensions":{"type":"lseg"}}"#
        );
        assert_eq!(
            figure(Figure::Box, "(10,20),(-1,-2)"),
            r#"{"wkb":"AQMAAAABAAAABQAAAAAAAAAAACRAAAAAAAAANEAAAAAAAAAkQAAAAAAAAADAAAAAAAAA8L8AAAAAAAAAwAAAAAAAAPC/AAAAAAAANEAAAAAAAAAkQAAAAAAAADRA","srid":null,"extensions":{"type":"box"}}"#
        );
        assert_eq!(
            figure(Figure::Path, "[(0,0),(1.25,1),(2,0)]"),
            r#"{"wkb":"AQIAAAADAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPQ/AAAAAAAA8D8AAAAAAAAAQAAAAAAAAAAA","srid":null,"extensions":{"type":"path","closed":"false"}}"#
        );
        assert_eq!(
            figure(Figure::Polygon, "((1,1))"),
            r#"{"wkb":"AQMAAAABAAAAAQAAAAAAAAAAAPA/AAAAAAAA8D8=","srid":null,"extensions":{"type":"polygon"}}"#
        );
        assert_eq!(
            figure(Figure::Circle, "<(10000000000,-1e-10),0.5>"),
            r#"{"center":{"x":1.0E10,"y":-1.0E-10,"wkb":"AQEAAAAAAAAgX6ACQru919nffNu9","srid":null},"radius":0.5}"#
        );
    }

    /// mysql/types, t_geo.
    #[test]
    fn stored_geometries_are_written_as_recorded() {
        let mut stored = 4326u32.to_le_bytes().to_vec();
        stored.extend(wkb_head(WKB_POINT));
        stored.extend((-2.5f64).to_le_bytes());
        stored.extend(1.5f64.to_le_bytes());
        let mut out = Vec::new();
        assert!(put_stored(&mut out, &stored, true));
        let point = r#"{"x":-2.5,"y":1.5,"wkb":"AQEAAAAAAAAAAAAEwAAAAAAAAPg/","srid":4326}"#;
        assert_eq!(String::from_utf8_lossy(&out), point);
        out.clear();
        assert!(put_stored(&mut out, &[0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0], false));
        assert_eq!(String::from_utf8_lossy(&out), r#"{"wkb":"AQcAAAAAAAAA","srid":null}"#);
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        for text in ["", "(1)", "(1,x)", "(1,2,3)"] {
            assert!(!put_figure(&mut Vec::new(), Figure::Point, text), "{text}");
        }
        for stored in [&[0u8, 0, 0][..], &[0, 0, 0, 0, 1, 1, 0], &[0; 30]] {
            assert!(!put_stored(&mut Vec::new(), stored, true));
        }
    }
}
