//! Tokens: how many are asked for, when, and what becomes of a message without one.

use super::*;
use crate::address::Author;
use std::sync::Mutex;

/// A token endpoint: what it was asked, and how it answers, by the number of the question from 0.
struct Endpoint {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    async fn new(answer: impl Fn(usize) -> String + Clone + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let address = server(move |mut stream, _| {
            let (noted, answer) = (noted.clone(), answer.clone());
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    let number = {
                        let mut noted = noted.lock().expect("unbroken");
                        noted.push(request);
                        noted.len() - 1
                    };
                    // Long enough that everybody who wants a token is waiting.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    write(&mut stream, &answer(number)).await;
                }
            }
        })
        .await;
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("unbroken").len()
    }

    fn settings(&self) -> OAuthSettings {
        OAuthSettings {
            token_url: format!("http://{}/token", self.address),
            reach: Reach::default(),
            client_id: "our id".into(),
            client_secret: "p:ss+word".into(),
            scope: Some("write read".into()),
            audience: None,
            client_auth: ClientAuth::Basic,
        }
    }
}

fn granted(number: usize, expires_in: &str) -> String {
    let body = format!("{{\"access_token\":\"token-{number}\",\"token_type\":\"bearer\"{expires_in}}}");
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A receiver that takes only these tokens, and which it has seen.
async fn receiver(
    takes: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let address = server(move |mut stream, _| {
        let (noted, takes) = (noted.clone(), takes.clone());
        async move {
            while let Some(request) = read_request(&mut stream).await {
                let token =
                    request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("none");
                noted.lock().expect("unbroken").push(token.to_owned());
                let no = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
                write(&mut stream, if takes(token) { OK } else { no }).await;
            }
        }
    })
    .await;
    (address, seen)
}

fn sink_with(oauth: OAuthSettings, receiver: SocketAddr, clients: &Clients) -> HttpSink {
    let settings = HttpSettings { auth: Auth::OAuth(oauth), ..HttpSettings::new(format!("http://{receiver}/"), LONG) };
    HttpSink::new(settings, clients).expect("a sink")
}

#[tokio::test]
async fn one_token_serves_every_lane_of_a_client() {
    let endpoint = Endpoint::new(|number| granted(number, ",\"expires_in\":3600")).await;
    let (address, seen) = receiver(|token| token == "token-0").await;
    let clients = Clients::default();
    let sinks: Vec<HttpSink> = (0..50).map(|_| sink_with(endpoint.settings(), address, &clients)).collect();
    for _ in 0..3 {
        let attempts = futures_util::future::join_all(sinks.iter().map(attempt));
        assert!(attempts.await.iter().all(Result::is_ok));
    }
    assert_eq!((endpoint.asked(), seen.lock().expect("unbroken").len()), (1, 150));
}

#[tokio::test]
async fn endpoint_is_asked_as_the_specification_says() {
    let endpoint = Endpoint::new(|number| granted(number, "")).await;
    let (address, _) = receiver(|_| true).await;
    let clients = Clients::default();
    attempt(&sink_with(endpoint.settings(), address, &clients)).await.expect("delivered");
    let post =
        OAuthSettings { client_auth: ClientAuth::Post, audience: Some("https://api".into()), ..endpoint.settings() };
    attempt(&sink_with(post, address, &clients)).await.expect("delivered");
    let asked = endpoint.asked.lock().expect("unbroken").clone();
    // python3: b64encode(b"our+id:p%3Ass%2Bword")
    assert!(asked[0].contains("authorization: Basic b3VyK2lkOnAlM0FzcyUyQndvcmQ=\r\n"), "{}", asked[0]);
    assert!(asked[0].starts_with("POST /token HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].contains("content-type: application/x-www-form-urlencoded\r\n"), "{}", asked[0]);
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=client_credentials&scope=write+read"), "{}", asked[0]);
    let body = "grant_type=client_credentials&scope=write+read&audience=https%3A%2F%2Fapi&client_id=our+id&client_secret=p%3Ass%2Bword";
    assert!(asked[1].ends_with(body) && !asked[1].contains("authorization"), "{}", asked[1]);
}

#[tokio::test]
async fn token_that_is_not_taken_is_replaced_once_by_everybody_together() {
    let endpoint = Endpoint::new(|number| granted(number, ",\"expires_in\":3600")).await;
    let (address, _) = receiver(|token| token == "token-1").await;
    let clients = Clients::default();
    let sinks: Vec<HttpSink> = (0..20).map(|_| sink_with(endpoint.settings(), address, &clients)).collect();
    let attempts = futures_util::future::join_all(sinks.iter().map(attempt));
    assert!(attempts.await.iter().all(Result::is_ok));
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn message_that_no_token_opens_the_door_for_is_sent_twice_and_set_aside() {
    let endpoint = Endpoint::new(|number| granted(number, "")).await;
    let (address, seen) = receiver(|_| false).await;
    let sink = sink_with(endpoint.settings(), address, &Clients::default());
    refusal(&sink, Fault::Poison, "answered 401").await;
    assert_eq!(*seen.lock().expect("unbroken"), ["token-0", "token-1"]);
    // The next ones do not have the endpoint asked for each, and are not lost if the token is only a moment late.
    for _ in 0..3 {
        refusal(&sink, Fault::Passing, "answered 401 Unauthorized, though its token has just been replaced").await;
    }
    assert_eq!((endpoint.asked(), seen.lock().expect("unbroken").len()), (2, 5));
}

#[tokio::test]
async fn token_is_replaced_before_it_expires_and_nobody_waits_for_it() {
    let endpoint = Endpoint::new(|number| granted(number, ",\"expires_in\":\"2\"")).await;
    let (address, seen) = receiver(|_| true).await;
    let sink = sink_with(endpoint.settings(), address, &Clients::default());
    attempt(&sink).await.expect("delivered");
    // A tenth of its time is left at 1.8 s.
    tokio::time::sleep(Duration::from_millis(1850)).await;
    attempt(&sink).await.expect("delivered with the old one");
    tokio::time::sleep(GRACE).await;
    attempt(&sink).await.expect("delivered with the new one");
    assert_eq!(*seen.lock().expect("unbroken"), ["token-0", "token-0", "token-1"]);
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn token_that_lives_no_time_is_used_once() {
    let endpoint = Endpoint::new(|number| granted(number, ",\"expires_in\":0")).await;
    let (address, seen) = receiver(|_| true).await;
    let sink = sink_with(endpoint.settings(), address, &Clients::default());
    for _ in 0..2 {
        attempt(&sink).await.expect("delivered");
    }
    assert_eq!(*seen.lock().expect("unbroken"), ["token-0", "token-1"]);
}

#[tokio::test]
async fn endpoint_that_fails_is_a_passing_fault_that_shows_no_secret() {
    let no = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let words = "{\"error\":\"invalid_client\",\"error_description\":\"no p:ss+word\"}";
    for (answer, reason) in [
        (no("401 No", words), "no token: the token endpoint: answered 401 Unauthorized (invalid_client)"),
        (no("400 No", "{\"error\":\"p:ss+word\"}"), "no token: the token endpoint: answered 400 Bad Request"),
        (no("302 Found", ""), "no token: the token endpoint: answered 302 Found; redirects are never followed"),
        (no("200 OK", "p:ss+word"), "no token: the token endpoint: the answer holds no access_token"),
        (
            no("200 OK", "{\"access_token\":\"\"}"),
            "no token: the token endpoint: the access_token is empty or too long",
        ),
        (
            no("200 OK", "{\"access_token\":\"a\\nb\"}"),
            "no token: the token endpoint: the access_token is not a header value",
        ),
        (no("200 OK", "{\"access_token\":\"a\",\"token_type\":\"mac\"}"), "the token is not of type Bearer"),
        ("220 mail\r\n".to_owned(), "no token: the token endpoint: connection broke: "),
    ] {
        let endpoint = Endpoint::new(move |_| answer.clone()).await;
        let (address, seen) = receiver(|_| true).await;
        let sink = sink_with(endpoint.settings(), address, &Clients::default());
        for _ in 0..3 {
            let refusal = refusal(&sink, Fault::Passing, reason).await;
            assert!(!refusal.reason.contains("p:ss"), "{refusal}");
        }
        // Those that come right after a failure share it.
        assert_eq!((endpoint.asked(), seen.lock().expect("unbroken").len()), (1, 0));
    }
}

#[tokio::test]
async fn endpoint_that_hangs_is_left_at_the_attempts_deadline_and_its_token_is_not_lost() {
    let endpoint = Endpoint::new(|number| granted(number, "")).await;
    let hanging = server(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        tokio::time::sleep(2 * SHORT).await;
        write(&mut stream, &granted(0, "")).await;
    })
    .await;
    let (address, seen) = receiver(|_| true).await;
    let oauth = OAuthSettings { token_url: format!("http://{hanging}/"), ..endpoint.settings() };
    let settings = HttpSettings { auth: Auth::OAuth(oauth), ..HttpSettings::new(format!("http://{address}/"), SHORT) };
    let sink = HttpSink::new(settings, &Clients::default()).expect("a sink");
    refusal(&sink, Fault::Passing, "no answer within 300 ms: the token endpoint has not answered").await;
    tokio::time::sleep(SHORT + GRACE).await;
    attempt(&sink).await.expect("with the token that came meanwhile");
    assert_eq!(*seen.lock().expect("unbroken"), ["token-0"]);
}

#[tokio::test]
async fn endpoint_may_be_only_where_a_receiver_may() {
    let endpoint = Endpoint::new(|number| granted(number, "")).await;
    let (address, _) = receiver(|_| true).await;
    let customer = Reach { author: Author::Customer, allow: Vec::new() };
    let oauth = OAuthSettings { reach: customer, ..endpoint.settings() };
    let settings = HttpSettings { auth: Auth::OAuth(oauth), ..HttpSettings::new(format!("http://{address}/"), LONG) };
    let error = HttpSink::new(settings, &Clients::default()).err().expect("an error").to_string();
    assert!(error.contains("127.0.0.1 is no public address"), "{error}");

    let token_url = format!("http://tokens.example:{}/", endpoint.address.port());
    let oauth = OAuthSettings { token_url, ..endpoint.settings() };
    let clients = clients_by(|_| Told::Addresses(vec!["127.0.0.1".parse().expect("an address")]));
    let sink = sink_with(oauth, address, &clients);
    refusal(
        &sink,
        Fault::Passing,
        "no token: the token endpoint: can not connect: the name leads where it may not: 127.0.0.1",
    )
    .await;
    assert_eq!(endpoint.asked(), 0);
}

/// A registry of schemas, for example.
#[tokio::test]
async fn service_that_is_asked_gets_tokens_too_and_another_for_one_that_it_does_not_take() {
    let endpoint = Endpoint::new(|number| granted(number, "")).await;
    let (address, seen) = receiver(|token| token == "token-1").await;
    let settings = HttpSettings {
        auth: Auth::OAuth(endpoint.settings()),
        ..HttpSettings::new(format!("http://{address}/base"), LONG)
    };
    let service = Service::new(settings, &Clients::default()).expect("good settings");
    let answer = service.ask("subjects", None, 1 << 10).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"ok"[..]));
    assert_eq!((endpoint.asked(), seen.lock().expect("unbroken").join(" ")), (2, "token-0 token-1".to_owned()));
}
