//! The sink against servers that do what servers do on bad days: real sockets on loopback, written by hand.

mod tls;

use super::*;
use crate::change::{Content, MessageId, Origin};
use bytes::Bytes;
use std::net::SocketAddr;
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

fn sink_to(url: String, timeout: Duration, ca: Option<Arc<[u8]>>) -> HttpSink {
    let client = Clients::default().get(ca.as_ref()).expect("a client");
    HttpSink::new(HttpSettings { url, timeout, sign: Vec::new(), headers: Vec::new(), ca }, client).expect("a sink")
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

#[tokio::test]
async fn request_is_what_the_message_says_and_is_signed() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.send(request).expect("the test listens");
                write(&mut stream, OK).await;
            }
        }
    })
    .await;
    let settings = HttpSettings {
        url: format!("http://{address}/hook/"),
        timeout: LONG,
        sign: vec![SigningSecret::parse("whsec_c2VjcmV0").expect("a secret")],
        headers: vec![("x-team".into(), "blue".into())],
        ca: None,
    };
    let sink = HttpSink::new(settings, SharedClient::new(None).expect("a client")).expect("a sink");
    sink.deliver(&message("m-1")).await.expect("delivered");
    let request = requests.recv().await.expect("one request");
    assert!(request.starts_with("POST /hook/7 HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"n\":1}"), "{request}");
    let header = |name: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is missing in {request}")).to_owned()
    };
    let secret = SigningSecret::parse("secret").expect("a secret");
    let timestamp = header("webhook-timestamp");
    assert_eq!(header("webhook-id"), "m-1");
    assert_eq!(header("webhook-signature"), sign::signatures(&[secret], "m-1", &timestamp, b"{\"n\":1}"));
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-team"), "blue");
    assert_eq!(header("content-length"), "7");
    assert!(!request.contains("accept-encoding"), "{request}");
    let now = SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now - timestamp.parse::<u64>().expect("seconds") <= 2);
}

#[tokio::test]
async fn connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = server(move |mut stream, _| {
        counted.fetch_add(1, SeqCst);
        async move {
            while read_request(&mut stream).await.is_some() {
                write(&mut stream, OK).await;
            }
        }
    })
    .await;
    let sink = sink(address, LONG);
    for _ in 0..50 {
        attempt(&sink).await.expect("delivered");
    }
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn server_that_is_not_there_is_a_passing_fault() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address")
    };
    let refusal = refusal(&sink(address, LONG), Fault::Passing, "can not connect: ").await;
    assert!(refusal.reason.contains("refused") && !refusal.reason.contains("hook"), "{refusal}");
}

/// Knows one name too little, and never comes back for another.
struct BadNames;

impl reqwest::dns::Resolve for BadNames {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        match name.as_str() {
            "hangs.test" => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(Err("no such name".into()))),
        }
    }
}

fn sink_by_bad_names(url: &str, timeout: Duration) -> HttpSink {
    let client = SharedClient::adjusted(None, |builder| builder.dns_resolver(BadNames));
    let settings = HttpSettings { url: url.into(), timeout, sign: Vec::new(), headers: Vec::new(), ca: None };
    HttpSink::new(settings, client).expect("a sink")
}

#[tokio::test]
async fn unknown_name_is_a_passing_fault() {
    let sink = sink_by_bad_names("http://unknown.test/?token=hidden", LONG);
    let refusal = refusal(&sink, Fault::Passing, "can not connect: no such name").await;
    assert!(!refusal.reason.contains("hidden"), "{refusal}");
}

#[tokio::test]
async fn name_that_never_resolves_is_left_at_the_deadline() {
    let sink = sink_by_bad_names("https://hangs.test/", SHORT);
    refusal(&sink, Fault::Passing, "no answer within 300 ms").await;
}

#[tokio::test]
async fn server_that_never_answers_is_left_at_the_deadline() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        std::future::pending().await
    })
    .await;
    refusal(&sink(address, SHORT), Fault::Passing, "no answer within 300 ms").await;
}

#[tokio::test]
async fn server_that_never_reads_is_left_at_the_deadline() {
    let address = server(|stream, _| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let large = Message::from(Content { body: Bytes::from(vec![b'x'; 32 << 20]), ..content("m-1") });
    let began = Instant::now();
    let refusal = sink(address, SHORT).deliver(&large).await.expect_err("a refusal");
    assert!(began.elapsed() <= SHORT + GRACE && refusal.fault == Fault::Passing, "{refusal}");
}

#[tokio::test]
async fn tls_that_never_begins_is_left_at_the_deadline() {
    let address = server(|stream, _| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let sink = sink_to(format!("https://{address}/"), SHORT, None);
    refusal(&sink, Fault::Passing, "no answer within 300 ms").await;
}

#[tokio::test]
async fn headers_that_drip_are_left_at_the_deadline() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\n").await;
        for number in 0.. {
            write(&mut stream, &format!("x-{number}: drip\r\n")).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    refusal(&sink(address, SHORT), Fault::Passing, "no answer within 300 ms").await;
}

#[tokio::test]
async fn body_that_drips_behind_a_2xx_is_delivered_and_left_at_the_deadline() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n").await;
        loop {
            write(&mut stream, ".").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    attempt(&sink(address, SHORT)).await.expect("delivered");
}

/// Answers with `head` and a body without end; how many bytes it got rid of.
async fn endless(head: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let address = server(move |mut stream, _| {
        let counted = counted.clone();
        async move {
            let _request = read_request(&mut stream).await;
            write(&mut stream, head).await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                counted.fetch_add(4096, SeqCst);
            }
        }
    })
    .await;
    (address, sent)
}

#[tokio::test]
async fn endless_body_is_left_after_64_kib_and_the_status_stands() {
    let (address, sent) = endless("HTTP/1.1 200 OK\r\n\r\n").await;
    let began = Instant::now();
    attempt(&sink(address, LONG)).await.expect("delivered");
    assert!(began.elapsed() < LONG / 4);
    tokio::time::sleep(GRACE).await;
    let after = sent.load(SeqCst);
    tokio::time::sleep(GRACE).await;
    assert_eq!(after, sent.load(SeqCst), "the connection is closed");
    let (address, _) = endless("HTTP/1.1 503 Busy\r\n\r\n").await;
    refusal(&sink(address, LONG), Fault::Passing, "answered 503").await;
}

#[tokio::test]
async fn connection_that_breaks_before_the_status_is_a_passing_fault_and_not_sent_twice() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = server(move |mut stream, _| {
        counted.fetch_add(1, SeqCst);
        async move {
            let _request = read_request(&mut stream).await;
            write(&mut stream, "HTTP/1.1 2").await;
            stream.set_zero_linger().expect("a socket option");
        }
    })
    .await;
    refusal(&sink(address, LONG), Fault::Passing, "connection broke: ").await;
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn connection_that_breaks_behind_a_2xx_is_delivered() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        stream.set_zero_linger().expect("a socket option");
    })
    .await;
    attempt(&sink(address, LONG)).await.expect("delivered");
}

#[tokio::test]
async fn answer_that_is_not_http_is_a_passing_fault() {
    let address = answering("220 mail.example.com ESMTP\r\n").await;
    refusal(&sink(address, LONG), Fault::Passing, "connection broke: ").await;
}

#[tokio::test]
async fn server_error_is_a_passing_fault_every_time() {
    let address = answering("HTTP/1.1 500 Oops\r\ncontent-length: 6\r\n\r\nsecret").await;
    let sink = sink(address, LONG);
    for _ in 0..3 {
        let refusal = refusal(&sink, Fault::Passing, "answered 500").await;
        assert!(!refusal.reason.contains("secret"), "{refusal}");
    }
}

#[tokio::test]
async fn receiver_that_asks_for_patience_is_heard() {
    let address = answering("HTTP/1.1 429 Slow\r\nretry-after: 17\r\ncontent-length: 0\r\n\r\n").await;
    let refusal = refusal(&sink(address, LONG), Fault::Passing, "answered 429").await;
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let address = answering("HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
    refusal(&sink(address, LONG), Fault::Poison, "redirects are never followed").await;
}

#[tokio::test]
async fn gone_stops_the_lane() {
    let address = answering("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    refusal(&sink(address, LONG), Fault::Fatal, "the receiver wants no more").await;
}

/// Answers one request per connection, keeps it open, and closes it in the moment the next one comes.
async fn closing_while_idle(requests: Arc<AtomicUsize>) -> SocketAddr {
    server(move |mut stream, _| {
        let requests = requests.clone();
        async move {
            for _ in 0..2 {
                let Some(request) = read_request(&mut stream).await else { return };
                assert!(request.contains("webhook-id: m-1\r\n"), "{request}");
                if requests.fetch_add(1, SeqCst).is_multiple_of(2) {
                    write(&mut stream, OK).await;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn connection_closed_while_idle_is_replaced_within_the_same_attempt() {
    let requests = Arc::new(AtomicUsize::new(0));
    let sink = sink(closing_while_idle(requests.clone()).await, LONG);
    attempt(&sink).await.expect("on the first connection");
    attempt(&sink).await.expect("on a new one, after the first was found closed");
    assert_eq!(requests.load(SeqCst), 3);
}

#[tokio::test]
async fn idle_connection_that_was_closed_long_ago_is_not_used() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, OK).await;
    })
    .await;
    let sink = sink(address, LONG);
    for _ in 0..5 {
        attempt(&sink).await.expect("delivered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn thousand_attempts_against_a_hanging_server_all_end_in_time() {
    let address = server(|stream, _| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let sink = sink(address, Duration::from_millis(1000));
    let began = Instant::now();
    let outcomes = futures_util::future::join_all((0..1000).map(|_| async {
        let message = message("m-1");
        let outcome = sink.deliver(&message).await;
        (outcome, began.elapsed())
    }));
    for (outcome, took) in outcomes.await {
        assert_eq!(outcome.expect_err("a refusal").fault, Fault::Passing);
        // A thousand connects at once share the cores with everything else that is tested.
        assert!(took <= sink.timeout + 5 * GRACE, "{took:?}");
    }
}
