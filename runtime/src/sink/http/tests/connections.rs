//! Connections that are used again, break, or are closed under us.

use super::*;

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
async fn connection_reset_at_any_byte_of_the_answer_is_a_passing_fault_until_the_head_is_whole() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    for sent in 0..=HEAD.len() {
        let (address, connections) = counting(move |mut stream, _| async move {
            let _request = read_request(&mut stream).await;
            write(&mut stream, &HEAD[..sent]).await;
            // What was sent is read before the reset is.
            tokio::time::sleep(Duration::from_millis(2)).await;
            stream.set_zero_linger().expect("a socket option");
        })
        .await;
        let sink = sink(address, LONG);
        if sent == HEAD.len() {
            attempt(&sink).await.expect("the status stands");
        } else {
            refusal(&sink, Fault::Passing, "connection broke: ").await;
        }
        assert_eq!(connections.load(SeqCst), 1, "at {sent}");
    }
}

#[tokio::test]
async fn connection_reset_before_the_request_is_read_is_a_passing_fault() {
    for read in [0, 1, 30] {
        let (address, connections) = counting(move |mut stream, _| async move {
            let mut some = vec![0; read];
            stream.read_exact(&mut some).await.expect("the request begins");
            stream.set_zero_linger().expect("a socket option");
        })
        .await;
        let refusal = attempt(&sink(address, LONG)).await.expect_err("a refusal");
        assert_eq!(refusal.fault, Fault::Passing, "{refusal}");
        assert_eq!(connections.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn receiver_that_closes_every_connection_is_asked_twice_and_no_more() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let (address, connections) = counting(move |mut stream, number| {
        let requests = counted.clone();
        async move {
            // The first connection lives for one request; whatever comes later is closed without an answer.
            while read_request(&mut stream).await.is_some() {
                if requests.fetch_add(1, SeqCst) > 0 || number > 0 {
                    return;
                }
                write(&mut stream, OK).await;
            }
        }
    })
    .await;
    let sink = sink(address, LONG);
    attempt(&sink).await.expect("delivered");
    refusal(&sink, Fault::Passing, "connection broke: ").await;
    assert_eq!((connections.load(SeqCst), requests.load(SeqCst)), (2, 3));
}
