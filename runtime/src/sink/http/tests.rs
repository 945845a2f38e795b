//! The sink against servers that do what servers do on bad days: real sockets on loopback, written by hand.

mod answers;
mod connections;
mod hostile;
mod http2;
mod names;
mod oauth;
mod reach;
mod requests;
mod tls;

use super::*;
use crate::change::{Content, MessageId, Origin};
use bytes::Bytes;
use reqwest::dns::{Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an attempt may take beyond its timeout.
const GRACE: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Accepts for as long as the test runs; hands each connection over with its number, from 0.
async fn server<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(serve(stream, number));
        }
    });
    address
}

/// As [`server`], and counts the connections.
async fn counting<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = server(move |stream, number| {
        counted.fetch_add(1, SeqCst);
        serve(stream, number)
    })
    .await;
    (address, connections)
}

/// Reads one request, head and body; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8(bytes.clone()).expect("an ASCII request");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
            return Some(text);
        }
    }
}

async fn write(stream: &mut TcpStream, text: &str) {
    // The client may have hung up; that is its right.
    let _gone = stream.write_all(text.as_bytes()).await;
}

/// A server that answers every request on every connection the same way.
async fn answering(answer: &'static str) -> SocketAddr {
    server(move |mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            write(&mut stream, answer).await;
        }
    })
    .await
}

/// A server that takes connections and says nothing.
async fn silent() -> SocketAddr {
    server(|stream, _| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await
}

/// What a test's name servers say.
enum Told {
    Addresses(Vec<IpAddr>),
    Unknown,
    Nothing,
}

struct Telling<F>(F);

impl<F: Fn(&str) -> Told + Send + Sync> Resolve for Telling<F> {
    fn resolve(&self, name: Name) -> Resolving {
        match (self.0)(name.as_str()) {
            Told::Addresses(found) => {
                let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
                Box::pin(std::future::ready(Ok(Box::new(found) as reqwest::dns::Addrs)))
            }
            Told::Unknown => Box::pin(std::future::ready(Err("there is no such name".into()))),
            Told::Nothing => Box::pin(std::future::pending()),
        }
    }
}

fn clients_by(names: impl Fn(&str) -> Told + Send + Sync + 'static) -> Clients {
    Clients::with(Arc::new(Telling(names)), |builder| builder)
}

fn sink_of(settings: HttpSettings) -> HttpSink {
    HttpSink::new(settings, &Clients::default()).expect("a sink")
}

fn sink_to(url: String, timeout: Duration, ca: Option<Arc<[u8]>>) -> HttpSink {
    sink_of(HttpSettings { trust: Trust { ca, identity: None }, ..HttpSettings::new(url, timeout) })
}

fn sink(address: SocketAddr, timeout: Duration) -> HttpSink {
    sink_to(format!("http://{address}/hook"), timeout, None)
}

fn message(id: &str) -> Message {
    content(id).into()
}

fn content(id: &str) -> Content {
    Content {
        body: Bytes::from_static(b"{\"n\":1}"),
        content_type: "application/json".into(),
        place: "/7".into(),
        ..Content::new(MessageId(id.into()), Bytes::new(), Origin::default())
    }
}

/// One attempt, which must be over in time.
async fn attempt(sink: &HttpSink) -> Result<(), Refusal> {
    let began = Instant::now();
    let outcome = sink.deliver(&message("m-1")).await;
    assert!(began.elapsed() <= sink.timeout + GRACE, "held its slot for {:?}", began.elapsed());
    outcome
}

async fn refusal(sink: &HttpSink, fault: Fault, reason: &str) -> Refusal {
    let refusal = attempt(sink).await.expect_err("a refusal");
    assert_eq!(refusal.fault, fault, "{refusal}");
    assert!(refusal.reason.contains(reason), "{refusal}");
    refusal
}
