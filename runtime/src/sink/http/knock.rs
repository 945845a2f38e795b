//! Whether a receiver would take messages, as far as one can know without sending one.

use super::names::{Guarded, Names};
use super::reach_of;
use super::request::parse;
use crate::address::{Reach, literal};
use reqwest::dns::{Name, Resolve};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Opens a connection and closes it: asking more would be a delivery. Goes only where a delivery would go.
///
/// # Errors
/// What is in the way, as a sentence.
pub async fn knock(url: &str, reach: &Reach) -> Result<(), String> {
    let url = parse("url", url).map_err(|error| error.to_string())?;
    let reach = reach_of(&url, reach).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let addresses: Vec<SocketAddr> = match literal(host) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => {
            let name: Name = host.parse().map_err(|_| format!("{host} is no name of a host"))?;
            let found = Guarded { names: Arc::new(Names::default()), reach }.resolve(name).await;
            let found = found.map_err(|error| format!("{host} can not be reached: {error}"))?;
            found.map(|address| SocketAddr::new(address.ip(), port)).collect()
        }
    };
    let connected = TcpStream::connect(&addresses[..]).await;
    connected.map(drop).map_err(|error| format!("{host}:{port} does not take connections: {error}"))
}
