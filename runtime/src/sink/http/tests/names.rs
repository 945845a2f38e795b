//! Names and the servers that are asked about them.

use super::super::names::Names;
use super::*;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use std::net::Ipv4Addr;
use tokio::net::UdpSocket;

#[tokio::test]
async fn unknown_name_is_a_passing_fault() {
    let settings = HttpSettings::new("http://unknown.test/?token=hidden", LONG);
    let sink = HttpSink::new(settings, &clients_by(|_| Told::Unknown)).expect("a sink");
    let refusal = refusal(&sink, Fault::Passing, "can not connect: there is no such name").await;
    assert!(!refusal.reason.contains("hidden"), "{refusal}");
}

#[tokio::test]
async fn name_that_never_resolves_is_left_at_the_deadline() {
    let settings = HttpSettings::new("https://hangs.test/", SHORT);
    let sink = HttpSink::new(settings, &clients_by(|_| Told::Nothing)).expect("a sink");
    refusal(&sink, Fault::Passing, "no answer within 300 ms: no name server has answered").await;
}

/// A name server: says nothing about names that begin with `hangs`, that there is no `nowhere`, and of any other that it is at
/// 127.0.0.1 and has no address of IPv6. Counts the questions. RFC 1035, 4.1.
async fn name_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("an address");
    let questions = Arc::new(AtomicUsize::new(0));
    let counted = questions.clone();
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((_, asker)) = socket.recv_from(&mut packet).await {
            counted.fetch_add(1, SeqCst);
            let name_len = packet[12..].iter().position(|byte| *byte == 0).expect("a name") + 1;
            let question = &packet[12..12 + name_len + 4];
            let (name, of_ipv4) = (&question[1..name_len], question[name_len + 1] == 1);
            if name.starts_with(b"hangs") {
                continue;
            }
            let code = if name.starts_with(b"nowhere") { 3 } else { 0 };
            let found = code == 0 && of_ipv4 && !name.starts_with(b"empty");
            let mut answer = vec![packet[0], packet[1], 0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0];
            answer.extend_from_slice(question);
            if found {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, asker).await.expect("it is sent");
        }
    });
    (address, questions)
}

async fn names() -> Names {
    names_and_questions().await.0
}

async fn names_and_questions() -> (Names, Arc<AtomicUsize>) {
    let mut udp = ConnectionConfig::udp();
    let (address, questions) = name_server().await;
    udp.port = address.port();
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![udp]);
    (Names::asking(ResolverConfig::from_parts(None, Vec::new(), vec![server])), questions)
}

async fn look_up(names: &Names, name: &str) -> Result<Vec<IpAddr>, String> {
    let found = names.resolve(name.parse().expect("a name")).await.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

#[tokio::test]
async fn names_are_found_while_a_thousand_others_hang() {
    let names = names().await;
    let hanging = (0..1000).map(|number| {
        let looking = names.resolve(format!("hangs{number}.test").parse().expect("a name"));
        tokio::time::timeout(LONG / 4, looking)
    });
    let mut hanging = std::pin::pin!(futures_util::future::join_all(hanging));
    let found = async {
        tokio::time::sleep(GRACE).await;
        for number in 0..20 {
            let found = look_up(&names, &format!("customer{number}.test")).await;
            assert_eq!(found, Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        }
    };
    tokio::select! {
        biased;
        () = found => {}
        _ = &mut hanging => panic!("they were waited for"),
    }
}

#[tokio::test]
async fn attempts_to_one_name_ask_together_and_a_look_up_ends_with_the_last_of_them() {
    let (names, questions) = names_and_questions().await;
    let found = futures_util::future::join_all((0..50).map(|_| look_up(&names, "customer.test"))).await;
    assert!(found.iter().all(|found| found.as_deref() == Ok(&[Ipv4Addr::LOCALHOST.into()])));
    // Of IPv4 and of IPv6.
    assert_eq!(questions.load(SeqCst), 2);
    for attempts in 1..=3 {
        let hanging = futures_util::future::join_all((0..50).map(|_| look_up(&names, "hangs.test")));
        tokio::time::timeout(GRACE, hanging).await.expect_err("nobody answers");
        assert_eq!(questions.load(SeqCst), 2 + 2 * attempts);
    }
}

#[tokio::test]
async fn name_that_leads_nowhere_says_so() {
    let names = names().await;
    assert_eq!(look_up(&names, "nowhere.test").await, Err("there is no such name".into()));
    assert_eq!(look_up(&names, "empty.test").await, Err("the name has no address".into()));
}

#[tokio::test]
async fn localhost_is_here_whoever_is_asked() {
    let here: Vec<IpAddr> = vec!["127.0.0.1".parse().expect("an address"), "::1".parse().expect("an address")];
    for name in ["localhost", "LOCALHOST", "hangs.localhost"] {
        assert_eq!(look_up(&names().await, name).await, Ok(here.clone()));
    }
}
