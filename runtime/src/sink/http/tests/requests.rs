//! What is sent.

use super::*;
use std::io::Read;

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
    let sink = sink_of(HttpSettings {
        sign: vec![SigningSecret::parse("whsec_c2VjcmV0").expect("a secret")],
        headers: vec![("x-team".into(), "blue".into())],
        ..HttpSettings::new(format!("http://{address}/hook/"), LONG)
    });
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

/// One request, body and all, as it came.
async fn one_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.expect("a request");
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("an ASCII head");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if bytes.len() >= end + 4 + length.parse::<usize>().expect("a length") {
            return (head, bytes.split_off(end + 4));
        }
    }
}

#[tokio::test]
async fn body_is_compressed_on_demand_and_signed_as_it_is_sent() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            seen.send(one_request(&mut stream).await).expect("the test listens");
            write(&mut stream, OK).await;
        }
    })
    .await;
    let secret = || SigningSecret::parse("secret").expect("a secret");
    let sink = sink_of(HttpSettings {
        sign: vec![secret()],
        compress: Compress::Gzip,
        ..HttpSettings::new(format!("http://{address}/"), LONG)
    });
    let plain = b"{\"n\":1},".repeat(500);
    let large = Message::from(Content { body: Bytes::from(plain.clone()), ..content("m-1") });
    sink.deliver(&large).await.expect("delivered");
    let (head, body) = requests.recv().await.expect("one request");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    assert_eq!(header("content-encoding"), Some("gzip"));
    let timestamp = header("webhook-timestamp").expect("a timestamp");
    assert_eq!(header("webhook-signature"), Some(&*sign::signatures(&[secret()], "m-1", timestamp, &body)));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain);

    let encoded = vec![("content-encoding".into(), "br".to_owned())];
    let encoded =
        Message::from(Content { body: Bytes::from(plain.clone()), headers: encoded.into(), ..content("m-2") });
    sink.deliver(&encoded).await.expect("delivered");
    let (head, body) = requests.recv().await.expect("another request");
    assert!(head.contains("content-encoding: br") && !head.contains("gzip") && body == plain, "{head}");
}
