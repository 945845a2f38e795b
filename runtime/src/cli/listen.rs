//! `sluicegate listen`: a receiver to try a pipeline with.

use super::Exit;
use crate::cli::out::{errln, outln};
use crate::workshop::listen::listen;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::net::TcpListener;

/// A port alone is one of the loopback address; a name is looked up.
///
/// # Errors
/// A sentence with what an address looks like.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let loopback = |port: &str| port.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if let Some(address) = loopback(text.strip_prefix(':').unwrap_or(text)) {
        return Ok(address);
    }
    let found = text.to_socket_addrs().map_err(|e| format!("{e}; write ADDRESS:PORT, or the port alone: 8099"))?;
    // `localhost` is both; what is written in pipelines is mostly the older one.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| "this name has no address".to_owned())
}

pub(super) fn run(address: SocketAddr) -> Exit {
    super::block_on(async {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                errln!("{address} can not be listened on: {error}; name another port");
                return Exit::Failed;
            }
        };
        outln!("listening on http://{address}/ (Ctrl-C ends it)");
        match listen(listener, Arc::new(|line| outln!("{line}"))).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                errln!("{error}");
                Exit::Failed
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_alone_and_a_name_are_addresses() {
        for (text, wanted) in [
            ("8099", "127.0.0.1:8099"),
            (":8099", "127.0.0.1:8099"),
            ("localhost:8077", "127.0.0.1:8077"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(address(text).map(|a| a.to_string()), Ok(wanted.to_owned()), "{text}");
        }
        assert!(address("70000").is_err_and(|said| said.contains("8099")));
    }
}
