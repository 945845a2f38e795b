//! `sluicegate build`: fresh `.wasm` files, whatever toolchain this machine has.

use super::Exit;
use crate::cli::out::{errln, outln};
use crate::workshop;
use crate::workshop::build::{BuildError, Words, build, orders};
use crate::workshop::trial::shown_duration;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Build {
    /// The pipelines folder, or one of its pipelines.
    #[arg(default_value = "pipelines")]
    dir: PathBuf,
    /// Build the guests of this pipeline alone.
    #[arg(long, value_name = "PIPELINE")]
    only: Option<String>,
}

pub(super) fn run(arguments: &Build) -> Exit {
    let (dir, only) = super::meant(&arguments.dir, arguments.only.as_deref());
    let plan = match workshop::plan(&dir) {
        Ok(plan) => plan,
        Err(mistakes) => {
            errln!("{mistakes}");
            return Exit::Usage;
        }
    };
    if let Some(exit) = super::unknown_pipeline(&plan, only.as_deref()) {
        return exit;
    }
    let mut orders = orders(&plan);
    orders.retain(|order| only.as_ref().is_none_or(|only| order.pipeline == *only));
    if orders.is_empty() {
        let dir = dir.display();
        outln!("no guest of {dir} names its crate; in pipeline.toml: [guest.NAME] with crate = \"FOLDER\"");
        return Exit::Done;
    }
    let mut failed = 0;
    for order in &orders {
        let name = format!("{}/{}.wasm", order.pipeline, order.guest);
        match build(order, Words::Shown, |doing| errln!("{doing} ...")) {
            Ok(built) => {
                let news = if built.is_new { "" } else { ", as it was" };
                let (kilobytes, took) = (built.bytes.div_ceil(1024), shown_duration(built.took));
                outln!("{name}: {kilobytes} KB in {took}{news}");
                if !built.has_names {
                    outln!("{name}: no names of functions, so a trap can not say where it was; {NAMES}");
                }
            }
            Err(error @ BuildError::NoToolchain(_)) => {
                // The others would fail for the same reason.
                errln!("{error}");
                return Exit::Failed;
            }
            Err(error) => {
                errln!("{name}: {error} ({})", shown(&order.crate_folder));
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
