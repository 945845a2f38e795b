//! What the border into WebAssembly costs: nanoseconds per 12-column row, limits on.

use super::{Bench, Figure};
use anyhow::Result;
use serde::Deserialize;

const GOAL_NS_MANY: f64 = 100.0;
const GOAL_NS_ONE: f64 = 500.0;

#[derive(Deserialize)]
struct Measured {
    batch: u32,
    ns_per_row: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let wasm = bench.guest("filter", &[]).await?;
    let measured: Vec<Measured> = bench.probe(&["guest", &wasm.to_string_lossy()]).await?;
    let figure = |Measured { batch, ns_per_row }| {
        let goal = if batch == 1 { GOAL_NS_ONE } else { GOAL_NS_MANY };
        Figure::at_most("guest", format!("12 columns, batch of {batch}"), "ns/row", ns_per_row, goal)
    };
    Ok(measured.into_iter().map(figure).collect())
}
