//! Receivers that speak HTTP/2 and go away: frames written by hand (RFC 9113, 4.1).

use super::tls::certificates;
use super::*;
use tokio_rustls::server::TlsStream;

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_HEADERS_AND_STREAM: u8 = 5;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

struct Peer(TlsStream<TcpStream>);

impl Peer {
    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        let _gone = self.0.write_all(&frame).await;
        let _gone = self.0.flush().await;
    }

    /// Reads until a request begins, and tells its stream; `None` at the end of the connection.
    async fn request(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            self.0.read_exact(&mut vec![0; length]).await.ok()?;
            if head[3] == HEADERS {
                return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
            }
        }
    }

    /// `:status: 200` is entry 8 of HPACK's static table.
    async fn answer(&mut self, stream: u32) {
        self.write(HEADERS, END_HEADERS_AND_STREAM, stream, &[0x88]).await;
    }

    async fn go_away(&mut self, last_stream: u32, code: u32) {
        let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }
}

/// A server that has shaken hands when `serve` begins; `serve` gets the number of the connection.
async fn peers<F>(serve: impl Fn(Peer, usize) -> F + Clone + Send + Sync + 'static) -> (HttpSink, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (ca, mut tls) = certificates();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let (address, connections) = counting(move |stream, number| {
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.expect("the preface");
            let mut peer = Peer(stream);
            peer.write(SETTINGS, 0, 0, &[]).await;
            serve(peer, number).await;
        }
    })
    .await;
    (sink_to(format!("https://localhost:{}/", address.port()), LONG, Some(ca)), connections)
}

async fn answer_all(mut peer: Peer) {
    while let Some(stream) = peer.request().await {
        peer.answer(stream).await;
    }
}

#[tokio::test]
async fn receiver_that_goes_away_while_idle_is_connected_to_anew() {
    let (sink, connections) = peers(|mut peer, number| async move {
        if number > 0 {
            return answer_all(peer).await;
        }
        let stream = peer.request().await.expect("a request");
        peer.answer(stream).await;
        peer.go_away(stream, NO_ERROR).await;
    })
    .await;
    attempt(&sink).await.expect("on the first connection");
    tokio::time::sleep(GRACE).await;
    attempt(&sink).await.expect("on a new one");
    assert_eq!(connections.load(SeqCst), 2);
}

#[tokio::test]
async fn request_that_a_leaving_receiver_has_not_looked_at_is_sent_again_at_once() {
    for whole in [true, false] {
        let (sink, connections) = peers(move |mut peer, number| async move {
            if number > 0 {
                return answer_all(peer).await;
            }
            // On a connection that was there already, or on the one that this request opened.
            if whole {
                let stream = peer.request().await.expect("a request");
                peer.answer(stream).await;
            }
            peer.request().await.expect("another request");
            peer.go_away(u32::from(whole), NO_ERROR).await;
        })
        .await;
        if whole {
            attempt(&sink).await.expect("delivered");
        }
        attempt(&sink).await.expect("delivered within the same attempt");
        assert_eq!(connections.load(SeqCst), 2);
    }
}

#[tokio::test]
async fn request_that_is_refused_unseen_is_sent_again_at_once() {
    let (sink, connections) = peers(|mut peer, number| async move {
        if number > 0 {
            return answer_all(peer).await;
        }
        let stream = peer.request().await.expect("a request");
        peer.write(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await;
        let _open = peer.request().await;
    })
    .await;
    attempt(&sink).await.expect("delivered within the same attempt");
    assert_eq!(connections.load(SeqCst), 2);
}

#[tokio::test]
async fn receiver_that_always_goes_away_is_asked_twice_and_is_a_passing_fault() {
    let (sink, connections) = peers(|mut peer, _| async move {
        peer.request().await.expect("a request");
        peer.go_away(0, NO_ERROR).await;
    })
    .await;
    refusal(&sink, Fault::Passing, "connection broke: ").await;
    assert_eq!(connections.load(SeqCst), 2);
}

#[tokio::test]
async fn receiver_that_goes_away_in_anger_is_left_alone() {
    let (sink, connections) = peers(|mut peer, _| async move {
        peer.request().await.expect("a request");
        peer.go_away(0, ENHANCE_YOUR_CALM).await;
        let _open = peer.request().await;
    })
    .await;
    refusal(&sink, Fault::Passing, "connection broke: ").await;
    assert_eq!(connections.load(SeqCst), 1);
}

/// The first of them connects, the others begin to and then get its connection: what is missing to all of them is an answer.
#[tokio::test]
async fn receiver_that_only_listens_is_not_said_to_be_out_of_reach() {
    let (sink, _) = peers(|mut peer, number| async move {
        if number > 0 {
            // Late enough that the first connection is there to be shared.
            return std::future::pending().await;
        }
        while peer.request().await.is_some() {}
    })
    .await;
    let sink = HttpSink { timeout: SHORT, ..sink };
    let attempts = futures_util::future::join_all((0..8).map(|_| attempt(&sink)));
    for outcome in attempts.await {
        assert_eq!(outcome.expect_err("a refusal").reason, "no answer within 300 ms");
    }
}
