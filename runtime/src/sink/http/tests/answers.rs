//! What is made of an answer.

use super::*;

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
        assert!(!format!("{refusal} {refusal:?}").contains("secret"), "{refusal}");
        assert_eq!(refusal.answer.as_deref(), Some("HTTP/1.1 500 Internal Server Error\n\nsecret"));
    }
}

#[tokio::test]
async fn receiver_that_asks_for_patience_is_heard() {
    let address = answering("HTTP/1.1 429 Slow\r\nretry-after: 17\r\ncontent-length: 0\r\n\r\n").await;
    let refusal = refusal(&sink(address, LONG), Fault::Passing, "answered 429").await;
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn date_until_which_to_wait_is_heard_too() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        write(&mut stream, &format!("HTTP/1.1 503 Busy\r\nretry-after: {date}\r\ncontent-length: 0\r\n\r\n")).await;
    })
    .await;
    let refusal = refusal(&sink(address, LONG), Fault::Passing, "answered 503").await;
    let wait = refusal.retry_after.expect("a date").as_secs();
    assert!((3590..=3600).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn redirect_is_not_followed_wherever_it_leads() {
    let (elsewhere, connections) = counting(|mut stream, _| async move { write(&mut stream, OK).await }).await;
    for location in [&*format!("http://{elsewhere}/"), "http://169.254.169.254/latest/meta-data/", "/elsewhere"] {
        for status in [301, 302, 303, 307, 308] {
            let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let address = server(move |mut stream, _| {
                let answer = answer.clone();
                async move {
                    let _request = read_request(&mut stream).await;
                    write(&mut stream, &answer).await;
                }
            })
            .await;
            refusal(&sink(address, LONG), Fault::Poison, "redirects are never followed").await;
        }
    }
    assert_eq!(connections.load(SeqCst), 0);
}

#[tokio::test]
async fn gone_stops_the_lane() {
    let address = answering("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await;
    refusal(&sink(address, LONG), Fault::Fatal, "the receiver wants no more").await;
}

#[tokio::test]
async fn long_answer_is_kept_in_part_and_a_broken_one_as_far_as_it_came() {
    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, "HTTP/1.1 422 No\r\ncontent-length: 50000\r\n\r\n").await;
        write(&mut stream, &"x".repeat(50_000)).await;
    })
    .await;
    let refusal = attempt(&sink(address, LONG)).await.expect_err("a refusal");
    assert_eq!(refusal.answer.map(|answer| answer.len()), Some(ANSWER_KEPT_MAX));

    let address = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, "HTTP/1.1 400 No\r\ncontent-length: 50000\r\n\r\nthe column n").await;
        std::future::pending().await
    })
    .await;
    let refusal = attempt(&sink(address, SHORT)).await.expect_err("a refusal");
    assert_eq!(refusal.fault, Fault::Poison);
    assert_eq!(refusal.answer.as_deref(), Some("HTTP/1.1 400 Bad Request\n\nthe column n"));
}
