//! A wire between client and broker that can be made to swallow what the broker answers.

use super::road::PATIENCE;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Listens on a port of its own, and leads to the broker as soon as it is told where that is.
#[derive(Clone)]
pub struct Relay {
    pub address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    broker: OnceLock<String>,
    swallows: AtomicBool,
    /// Answers, or parts of them, that never arrived.
    swallowed: AtomicUsize,
}

impl Relay {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = Self { address: listener.local_addr().expect("an address"), wire: Arc::default() };
        let wire = relay.wire.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let wire = wire.clone();
                // Who comes while the broker is away is turned away, as the broker's own port would do it.
                tokio::spawn(async move { wire.carry(near).await });
            }
        });
        relay
    }

    pub fn lead_to(&self, broker: String) {
        self.wire.broker.set(broker).expect("told once");
    }

    /// From now on answers are lost, or arrive again.
    pub fn swallow(&self, swallows: bool) {
        self.wire.swallowed.store(0, Relaxed);
        self.wire.swallows.store(swallows, Relaxed);
    }

    /// Until `count` answers are lost since they are swallowed.
    pub async fn until_swallowed(&self, count: usize) {
        let began = Instant::now();
        while self.wire.swallowed.load(Relaxed) < count {
            assert!(began.elapsed() < PATIENCE, "the broker answered less than {count} times within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Wire {
    async fn carry(&self, near: TcpStream) -> io::Result<()> {
        let broker = self.broker.get().ok_or(io::ErrorKind::NotConnected)?;
        let far = TcpStream::connect(broker).await?;
        let (mut asks, mut hears) = near.into_split();
        let (mut answers, mut takes) = far.into_split();
        let questions = tokio::io::copy(&mut asks, &mut takes);
        let back = async {
            let mut bytes = vec![0; 64 << 10];
            loop {
                let len = answers.read(&mut bytes).await?;
                if len == 0 {
                    return io::Result::Ok(());
                }
                if self.swallows.load(Relaxed) {
                    self.swallowed.fetch_add(1, Relaxed);
                } else {
                    hears.write_all(&bytes[..len]).await?;
                }
            }
        };
        // When one side hangs up, so does the other.
        tokio::select! {
            ended = questions => ended.map(drop),
            ended = back => ended,
        }
    }
}
