//! Real servers without Docker, without root, without an installer: found on the machine or fetched into a private cache.

mod installation;
mod postgres;

pub use installation::{Installation, POSTGRES_VERSIONS};
pub(crate) use postgres::free_port;
pub use postgres::{Postgres, PostgresOptions};

use anyhow::Result;

/// `cargo xtask servers`: one server for hands-on work, until Ctrl-C.
pub async fn serve(version: Option<u32>) -> Result<()> {
    let options = PostgresOptions { version, fsync: true, ..PostgresOptions::default() };
    let postgres = Postgres::start(options).await?;
    println!("postgresql {}", postgres.version());
    println!("  tcp     {}", postgres.url());
    println!("  socket  {}", postgres.socket_url());
    println!("wal_level is logical; the data goes away with the server. Ctrl-C stops it.");
    std::future::pending().await
}
