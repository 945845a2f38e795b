//! b
use anyhow::Result;
/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchOptions {}
pub async fn run(_options: BenchOptions) -> Result<()> {
    Ok(())
}
