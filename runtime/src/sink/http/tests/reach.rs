//! Where a url may lead, and where not, whatever a name server says.

use super::*;
use crate::address::{Author, parse_net};

fn reach(author: Author, allow: &[&str]) -> Reach {
    Reach { author, allow: allow.iter().map(|net| parse_net(net).expect("a network")).collect() }
}

fn addresses(texts: &[&str]) -> Told {
    Told::Addresses(texts.iter().map(|text| text.parse().expect("an address")).collect())
}

/// A sink to `hooks.example`, which is where `told` says, and how many connections came.
async fn sink_by_name(
    allow: &[&str],
    told: impl Fn(&str) -> Told + Send + Sync + 'static,
) -> (HttpSink, Arc<AtomicUsize>) {
    let (address, connections) = counting(|mut stream, _| async move {
        let _request = read_request(&mut stream).await;
        write(&mut stream, OK).await;
    })
    .await;
    let url = format!("http://hooks.example:{}/", address.port());
    let settings = HttpSettings { reach: reach(Author::Operator, allow), ..HttpSettings::new(url, LONG) };
    (HttpSink::new(settings, &clients_by(told)).expect("a sink"), connections)
}

#[tokio::test]
async fn name_that_leads_inside_is_refused_for_now_and_says_what_to_allow() {
    for inside in ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0"]
    {
        let (sink, connections) = sink_by_name(&[], move |_| addresses(&[inside])).await;
        let refusal = refusal(&sink, Fault::Passing, "can not connect: the name leads where it may not: ").await;
        assert!(refusal.reason.ends_with(&format!("allow it: allow = [\"{inside}\"]")), "{refusal}");
        assert_eq!(connections.load(SeqCst), 0);
    }
}

#[tokio::test]
async fn name_that_leads_to_what_is_allowed_is_gone_to() {
    let (sink, connections) = sink_by_name(&["127.0.0.0/8"], |_| addresses(&["127.0.0.1"])).await;
    attempt(&sink).await.expect("delivered");
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn of_many_addresses_only_those_that_may_be_are_tried() {
    // Were the first tried, it would be loopback as well: every address of 127.0.0.0/8 is this machine.
    let (sink, connections) = sink_by_name(&["127.0.0.1"], |_| addresses(&["127.0.0.2", "::1", "127.0.0.1"])).await;
    attempt(&sink).await.expect("delivered");
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn name_that_is_bound_anew_is_looked_at_anew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let (sink, connections) = sink_by_name(&["127.0.0.1"], move |_| match counted.fetch_add(1, SeqCst) {
        0 => addresses(&["127.0.0.1"]),
        _ => addresses(&["127.0.0.2"]),
    })
    .await;
    attempt(&sink).await.expect("delivered, and the server closes the connection");
    tokio::time::sleep(GRACE).await;
    refusal(&sink, Fault::Passing, "the name leads where it may not: 127.0.0.2").await;
    assert_eq!((connections.load(SeqCst), asked.load(SeqCst)), (1, 2));
}

#[tokio::test]
async fn literal_address_of_a_customer_is_no_receiver_unless_it_is_allowed() {
    let address = answering(OK).await;
    let settings = |url: String, reach| HttpSettings { reach, ..HttpSettings::new(url, LONG) };
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST."] {
        let url = format!("http://{host}:{}/", address.port());
        let error = HttpSink::new(settings(url, reach(Author::Customer, &[])), &Clients::default()).err();
        let error = error.unwrap_or_else(|| panic!("{host} is gone to")).to_string();
        assert!(error.contains("is no public address (loopback)"), "{error}");
    }
    let url = format!("http://{address}/");
    attempt(&sink_of(settings(url, reach(Author::Customer, &["127.0.0.1"])))).await.expect("delivered");
}

#[tokio::test]
async fn localhost_in_the_operators_hand_is_gone_to() {
    let address = answering(OK).await;
    attempt(&sink_to(format!("http://localhost:{}/", address.port()), LONG, None)).await.expect("delivered");
}

#[tokio::test]
async fn knocking_goes_only_where_a_delivery_would() {
    let (address, connections) = counting(|_, _| async {}).await;
    knock(&format!("http://{address}/"), &Reach::default()).await.expect("it is open");
    let port = address.port();
    let no =
        knock(&format!("http://127.0.0.1:{port}/"), &reach(Author::Customer, &[])).await.expect_err("a customer's");
    assert!(no.contains("allow = [\"127.0.0.1\"]"), "{no}");
    let no =
        knock(&format!("http://localhost:{port}/"), &reach(Author::Customer, &[])).await.expect_err("a customer's");
    assert!(no.contains("is no public address"), "{no}");
    // The kernel connects before the server accepts.
    tokio::time::sleep(GRACE).await;
    assert_eq!(connections.load(SeqCst), 1);
}

#[test]
fn receivers_with_equal_terms_share_a_client() {
    let clients = Clients::default();
    let sink = |url: &str, allow: &[&str]| {
        let settings = HttpSettings { reach: reach(Author::Operator, allow), ..HttpSettings::new(url, LONG) };
        HttpSink::new(settings, &clients).expect("a sink")
    };
    let _sinks = [
        sink("http://one.example/", &[]),
        sink("http://two.example/", &[]),
        sink("http://10.0.0.1/", &["10.0.0.1"]),
        sink("http://10.0.0.2/", &["10.0.0.2"]),
    ];
    assert_eq!(clients.len(), 1);
    let _apart = sink("http://inside.example/", &["10.0.0.0/8"]);
    assert_eq!(clients.len(), 2);
}
