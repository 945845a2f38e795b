//! Receivers that hold on to an attempt. None holds it longer than its timeout.

use super::*;
use socket2::{Domain, Socket, Type};

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
    let address = silent().await;
    let large = Message::from(Content { body: Bytes::from(vec![b'x'; 32 << 20]), ..content("m-1") });
    let began = Instant::now();
    let refusal = sink(address, SHORT).deliver(&large).await.expect_err("a refusal");
    assert!(began.elapsed() <= SHORT + GRACE && refusal.fault == Fault::Passing, "{refusal}");
}

#[tokio::test]
async fn tls_that_never_begins_is_left_at_the_deadline() {
    let address = silent().await;
    let sink = sink_to(format!("https://{address}/"), SHORT, None);
    refusal(&sink, Fault::Passing, "no answer within 300 ms: no connection came about").await;
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
async fn thousand_attempts_against_a_hanging_server_all_end_in_time() {
    let address = silent().await;
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

#[tokio::test]
async fn server_that_does_not_accept_is_left_at_the_deadline() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    socket.listen(0).expect("a queue for one");
    let address = socket.local_addr().expect("an address").as_socket().expect("of IP");
    // The kernel takes what fits into the queue, and lets the others wait.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(GRACE, TcpStream::connect(address)).await {
        queue.push(stream);
    }
    refusal(&sink(address, SHORT), Fault::Passing, "no answer within 300 ms: no connection came about").await;
}

#[tokio::test]
async fn interim_answers_without_end_are_left_at_the_deadline() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        let flood = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
        while stream.write_all(flood.as_bytes()).await.is_ok() {}
    })
    .await;
    refusal(&sink(address, SHORT), Fault::Passing, "no answer within 300 ms").await;
}

#[tokio::test]
async fn head_without_end_is_given_up_before_it_fills_the_memory() {
    for line in ["x".repeat(60_000) + "\r\n", "x-y: z\r\n".to_owned()] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let address = server(move |mut stream, _| {
            let (line, counted) = (format!("x: {line}"), counted.clone());
            async move {
                let _request = read_request(&mut stream).await;
                write(&mut stream, "HTTP/1.1 200 OK\r\n").await;
                while stream.write_all(line.as_bytes()).await.is_ok() {
                    counted.fetch_add(line.len(), SeqCst);
                }
            }
        })
        .await;
        refusal(&sink(address, LONG), Fault::Passing, "connection broke: ").await;
        assert!(sent.load(SeqCst) < 16 << 20, "{} bytes", sent.load(SeqCst));
    }
}

/// Nobody unpacks an answer: a few KiB of it would be gigabytes.
#[tokio::test]
async fn compressed_answer_is_kept_as_it_came() {
    let bomb = body::Body::gzipped(Bytes::from(vec![0; 64 << 20])).await.bytes;
    for status in ["200 OK", "500 Oops"] {
        let bomb = bomb.clone();
        let address = server(move |mut stream, _| {
            let bomb = bomb.clone();
            async move {
                let _request = read_request(&mut stream).await;
                let length = bomb.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
                write(&mut stream, &head).await;
                let _gone = stream.write_all(&bomb).await;
            }
        })
        .await;
        match attempt(&sink(address, LONG)).await {
            Ok(()) => assert_eq!(status, "200 OK"),
            Err(refusal) => {
                let answer = refusal.answer.expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 500") && answer.len() <= ANSWER_KEPT_MAX, "{}", answer.len());
                assert!(!answer.contains("\0\0\0\0\0\0\0\0"), "it was unpacked");
            }
        }
    }
}
