//! Options, names and what `check --connect` says.

use super::*;

fn refused(options: &[(&str, &str)]) -> String {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = KafkaSettings {
        brokers: "127.0.0.1:9".into(),
        options,
        timeout: Duration::from_secs(1),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    };
    KafkaSink::new(settings).err().expect("options that can not work").to_string()
}

#[test]
fn option_that_is_not_known_gets_a_suggestion() {
    assert_eq!(
        check_option("compresion.type", "lz4").expect_err("a typo"),
        "librdkafka has no option compresion.type; did you mean compression.type?"
    );
    assert_eq!(check_option("colour", "blue").expect_err("nothing like it"), "librdkafka has no option colour");
    assert!(check_option("compression.type", "lzma").expect_err("no such value").contains("lzma"));
    assert_eq!(check_option("queue.buffering.max.ms", "5"), Ok(()));
    assert_eq!(check_option("sasl.password", "hunter2"), Ok(()));
}

#[test]
fn options_that_would_break_the_promise_are_ours() {
    for name in ["bootstrap.servers", "message.timeout.ms", "delivery.timeout.ms", "transactional.id"] {
        let told = check_option(name, "1").expect_err("not the user's");
        assert!(told.starts_with(&format!("{name} can not be set: ")), "{told}");
    }
}

#[test]
fn contradiction_is_told_in_librdkafkas_words() {
    let told = refused(&[("acks", "1")]);
    assert!(told.contains("enable.idempotence"), "{told}");
}

#[test]
fn users_option_wins_under_either_of_its_names() {
    for name in ["linger.ms", "queue.buffering.max.ms"] {
        let settings = KafkaSettings {
            brokers: "127.0.0.1:9".into(),
            options: vec![(name.into(), "77".into()), ("client.id".into(), "mine".into())],
            timeout: Duration::from_secs(1),
            topics: TopicSettings::default(),
            headers: true,
            commit_time: false,
        };
        let options = Options::new(&settings).expect("good options");
        assert_eq!((options.value("linger.ms"), options.value("client.id")), ("77".into(), "mine".into()));
        assert_eq!(options.value("partitioner"), "murmur2_random");
    }
}

#[test]
fn secrets_are_masked_and_settings_print_none() {
    let settings = KafkaSettings {
        brokers: "127.0.0.1:9".into(),
        options: vec![("sasl.password".into(), "hunter2".into()), ("sasl.username".into(), "gate".into())],
        timeout: Duration::from_secs(1),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
    let secrets = Options::new(&settings).expect("good options").secrets();
    assert_eq!(secrets.mask("login of gate with hunter2 failed"), "login of gate with *** failed");
}

#[test]
fn weak_options_are_allowed_with_a_warning() {
    let settings = KafkaSettings {
        brokers: "127.0.0.1:9".into(),
        options: vec![("enable.idempotence".into(), "false".into()), ("acks".into(), "1".into())],
        timeout: Duration::from_secs(1),
        topics: TopicSettings::default(),
        headers: true,
        commit_time: false,
    };
    let warnings = Options::new(&settings).expect("good options").warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn names_of_topics_follow_kafkas_rule() {
    for name in ["package_moviment_topic", "cdc.info-user", "erp.public.item"] {
        assert_eq!(check_topic(name), Ok(()));
    }
    for name in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
        assert!(check_topic(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn check_does_not_wait_for_brokers_that_refuse_connections() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let cluster = brokers("t", 1);
    let (brokers, timeout) = (nobody.to_string(), Duration::from_secs(300));
    let checking = KafkaSettings { brokers, timeout, ..settings(&cluster) };
    let findings = tokio::time::timeout(Duration::from_secs(60), check(&checking, &[])).await.expect("soon");
    assert!(matches!(&findings[..], [only] if !only.ok && only.text.contains("Connection refused")), "{findings:?}");
}

#[tokio::test]
async fn check_says_which_topics_are_there() {
    let cluster = brokers("t", 3);
    cluster.create_topic("locked", 1, 1).expect("a topic");
    cluster.topic_error("locked", Resp::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).expect("an error");
    cluster.create_topic("gone", 1, 1).expect("a topic");
    cluster.topic_error("gone", Resp::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).expect("an error");
    let topics = ["t", "locked", "gone", "no name"].map(str::to_owned);
    let findings = check(&KafkaSettings { timeout: Duration::from_secs(2), ..settings(&cluster) }, &topics).await;
    let told: Vec<(bool, &str)> = findings.iter().map(|finding| (finding.ok, finding.text.as_str())).collect();
    let [cluster, there, locked, gone, nameless] = told[..] else { panic!("{told:?}") };
    assert!(cluster.0 && cluster.1.contains("1 broker(s)"));
    assert_eq!(there, (true, "topic \"t\" is there, with 3 partition(s)"));
    assert!(!locked.0 && locked.1.contains("not authorised"));
    assert!(!gone.0 && gone.1.contains("does not exist"));
    assert!(!nameless.0 && nameless.1.contains("can not be a topic's name"));
}
