//! `sluicegate build`: fresh `.wasm` files, whatever toolchain this machine has.

use super::Exit;
use crate::workshop;
use crate::workshop::build::{BuildError, Words, build, orders};
use crate::workshop::trial::shown_duration;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Build {
    /// The pipelines folder.
    #[arg(default_value = "pipelines")]
    dir: PathBuf,
    /// Build the guests of this pipeline alone.
    #[arg(long, value_name = "PIPELINE")]
    only: Option<String>,
}

pub(super) fn run(arguments: &Build) -> Exit {
    let plan = match workshop::plan(&arguments.dir) {
        Ok(plan) => plan,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return Exit::Usage;
        }
    };
    if let Some(exit) = super::unknown_pipeline(&plan, arguments.only.as_deref()) {
        return exit;
    }
    let mut orders = orders(&plan);
    orders.retain(|order| arguments.only.as_ref().is_none_or(|only| order.pipeline == *only));
    if orders.is_empty() {
        let dir = arguments.dir.display();
        println!("no guest of {dir} names its crate; in pipeline.toml: [guest.NAME] with crate = \"FOLDER\"");
        return Exit::Done;
    }
    let mut failed = 0;
    for order in &orders {
        let name = format!("{}/{}.wasm", order.pipeline, order.guest);
        match build(order, Words::Shown, |doing| eprintln!("{doing} ...")) {
            Ok(built) => {
                let news = if built.is_new { "" } else { ", as it was" };
                let (kilobytes, took) = (built.bytes.div_ceil(1024), shown_duration(built.took));
                println!("{name}: {kilobytes} KB in {took}{news}");
                if !built.has_names {
                    println!("{name}: no names of functions, so a trap can not say where it was; {NAMES}");
                }
            }
            Err(error @ BuildError::NoToolchain(_)) => {
                // The others would fail for the same reason.
                eprintln!("{error}");
                return Exit::Failed;
            }
            Err(error) => {
                eprintln!("{name}: {error} ({})", shown(&order.crate_folder));
                failed += 1;
            }
        }
    }
    if failed == 0 { Exit::Done } else { Exit::Failed }
}

const NAMES: &str = "in Cargo.toml: [profile.release] with strip = \"debuginfo\"";

fn shown(folder: &Path) -> String {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string()
}
