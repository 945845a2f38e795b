//! What a message costs on our side before a receiver is involved: processor time, so that it is the same on an idle machine and
//! on a busy one.

use super::{Bench, Figure};
use anyhow::{Result, bail};
use serde::Deserialize;

/// Key and value of a row as Debezium's JSON without schemas.
const GOAL_NS_DEBEZIUM: f64 = 600.0;

#[derive(Deserialize)]
struct Measured {
    case: String,
    ns_per_row: f64,
    serde_json: Option<f64>,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let measured: Vec<Measured> = bench.probe(&["encode"]).await?;
    measured.into_iter().map(figure).collect()
}

fn figure(Measured { case, ns_per_row, serde_json }: Measured) -> Result<Figure> {
    let way = match (case.as_str(), serde_json) {
        ("debezium", Some(reference)) => {
            let name = "12 columns as Debezium JSON";
            let figure = Figure::at_most("encode", name, "ns/row", ns_per_row, GOAL_NS_DEBEZIUM);
            return Ok(figure.beside("serde_json, parsed values", reference));
        }
        ("cache", None) => "a cache's JSON",
        ("flat", None) => "a flat record",
        ("record", None) => "a Debezium record",
        _ => bail!("the binary measures {case:?}, which this bench does not know"),
    };
    Ok(Figure::shown("encode", format!("frame to sink, {way}"), "ns/row", ns_per_row))
}
