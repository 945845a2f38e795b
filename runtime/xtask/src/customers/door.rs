//! A customer's way in, which can be shut while people stand in it: who comes finds nobody, and who was inside is cut off.
//!
//! Dropping a listener alone would leave its connections to their tasks, and a client that keeps connections would notice nothing.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// For how long a port is asked for that somebody else uses for a moment.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// A listener with its connections; shut on drop.
pub(super) struct Door {
    address: SocketAddr,
    rooms: Router,
    is_open: Arc<AtomicBool>,
    server: JoinHandle<io::Result<()>>,
}

impl Door {
    /// Opens it at a port of its own.
    pub(super) async fn open(rooms: Router) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open a customer's listener")?;
        let address = listener.local_addr().context("open a customer's listener")?;
        let is_open = Arc::new(AtomicBool::new(true));
        let server = serve(listener, rooms.clone(), is_open.clone());
        Ok(Self { address, rooms, is_open, server })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are refused, and each that there was breaks at its next byte.
    pub(super) async fn shut(&mut self) {
        self.is_open.store(false, Relaxed);
        self.server.abort();
        // The listener is gone when its task is.
        let _ = (&mut self.server).await;
    }

    /// Opens it again at the same port.
    pub(super) async fn open_again(&mut self) -> Result<()> {
        let deadline = Instant::now() + OPEN_LIMIT;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
                Err(failure) => return Err(failure).context("open a customer's listener again"),
            }
        };
        self.is_open = Arc::new(AtomicBool::new(true));
        self.server = serve(listener, self.rooms.clone(), self.is_open.clone());
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_open.store(false, Relaxed);
        self.server.abort();
    }
}

fn serve(listener: TcpListener, rooms: Router, is_open: Arc<AtomicBool>) -> JoinHandle<io::Result<()>> {
    let entrance = Entrance { listener, is_open };
    tokio::spawn(async move { axum::serve(entrance, rooms).await })
}

struct Entrance {
    listener: TcpListener,
    is_open: Arc<AtomicBool>,
}

impl Listener for Entrance {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Visitor { stream, is_open: self.is_open.clone() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks once the door is shut.
struct Visitor {
    stream: TcpStream,
    is_open: Arc<AtomicBool>,
}

impl Visitor {
    fn check(&self) -> io::Result<()> {
        if self.is_open.load(Relaxed) { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
