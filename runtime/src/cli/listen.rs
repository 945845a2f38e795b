//! `sluicegate listen`: a receiver to try a pipeline with.

use super::Exit;
use crate::workshop::listen::listen;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

pub(super) fn run(address: SocketAddr) -> Exit {
    super::block_on(async {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("{address} can not be listened on: {error}; name another port");
                return Exit::Failed;
            }
        };
        println!("listening on http://{address}/ (Ctrl-C ends it)");
        match listen(listener, Arc::new(|line| println!("{line}"))).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                eprintln!("{error}");
                Exit::Failed
            }
        }
    })
}
