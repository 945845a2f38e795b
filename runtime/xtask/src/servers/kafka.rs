//! An Apache Kafka broker of one's own: one node that is its own controller, without ZooKeeper; and a reader for what is in
//! its topics.

use super::daemon::{Daemon, Kind, Place, as_server, free_pair, free_port};
use super::{cache, errand, maven};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use rand::RngExt as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const KAFKA: &str = "4.1.1";
/// As Kafka's own script starts a broker.
const MEMORY: [&str; 5] =
    ["-Xms1G", "-Xmx1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
/// One question to the broker.
const ASK_LIMIT: Duration = Duration::from_secs(4);
const TOPIC_LIMIT: Duration = Duration::from_secs(30);
/// All records of a topic, from a broker that has just come back.
const READ_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// What kind of broker is wanted.
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// Lines for `server.properties`; they win over ours.
    pub properties: Vec<(String, String)>,
    /// A second way in, as brokers in the world have it.
    pub door: Option<Door>,
}

/// A listener on `localhost` with TLS, which asks for a name and a password (`PLAIN`). Behind it names have no rights but those of
/// `masters`; who comes by the first listener may do everything.
#[derive(Clone, Debug)]
pub struct Door {
    /// PEM, the key as PKCS #8.
    pub certificate: String,
    pub key: String,
    /// Names and passwords.
    pub logins: Vec<(String, String)>,
    pub masters: Vec<String>,
}

/// A running broker.
pub type Kafka = Daemon<KafkaKind>;

/// What is special about Kafka.
pub struct KafkaKind {
    java: PathBuf,
    jars: PathBuf,
    cluster: String,
    options: KafkaOptions,
    /// Of the door, if there is one.
    door_port: u16,
}

/// One record as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    /// `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

impl Kafka {
    /// Formats a log folder and starts a broker on it. Returns when it answers.
    pub async fn start(options: KafkaOptions) -> Result<Self> {
        let java = maven::java().await.context("start Kafka")?;
        let (name, said) = (format!("kafka/{KAFKA}"), format!("Kafka {KAFKA} (43 MB)"));
        let jars = cache::once(&name, &said, async |beside| {
            let folder = beside.join("jars");
            maven::copy_with_dependencies(&format!("org.apache.kafka:kafka_2.13:{KAFKA}"), &folder).await?;
            Ok(folder)
        });
        let jars = jars.await.context("there is no Kafka on this machine, and it could not be fetched")?;
        // 16 bytes in base64 without padding, so the last letter holds two bits; Kafka takes no leading dash.
        let letters: String = (0..21).map(|_| char::from(rand::rng().random_range(b'A'..=b'Z'))).collect();
        let kind = KafkaKind { java, jars, cluster: letters + "A", options, door_port: free_port()? };
        let mut place = Place::make(KafkaKind::NAME)?;
        place.port = kind.free_port()?;
        kind.format(&place).await?;
        Self::launch(kind, place).await
    }

    /// `127.0.0.1:PORT`, for `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        brokers(&self.place)
    }

    /// The same for the door.
    pub fn door(&self) -> String {
        format!("localhost:{}", self.kind.door_port)
    }

    /// Makes a topic with `settings` such as `("max.message.bytes", "1000")`. An error when there is one already.
    pub async fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = client(&self.place).create().context("make a client")?;
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(TOPIC_LIMIT)).request_timeout(Some(TOPIC_LIMIT));
        let outcomes = admin.create_topics([&topic], &options).await.context("ask for a topic")?;
        match outcomes.into_iter().next() {
            Some(Err((name, code))) => bail!("Kafka did not create the topic {name}: {code}"),
            _ => Ok(()),
        }
    }

    /// Everything in `topic`, from the beginning to what is its end now; within a partition in the order of offsets.
    pub async fn read_all(&self, topic: &str) -> Result<Vec<Record>> {
        let (config, topic) = (client(&self.place), topic.to_owned());
        tokio::task::spawn_blocking(move || read_all(config, &topic)).await.context("read a topic")?
    }
}

impl Kind for KafkaKind {
    const NAME: &'static str = "Kafka";
    const STOP: &'static [(Signal, Duration)] = &[(Signal::SIGTERM, Duration::from_secs(30))];

    fn command(&self, place: &Place) -> Result<Command> {
        let properties = self.configure(place)?;
        let mut command = self.java("kafka.Kafka", &MEMORY);
        command.arg(properties);
        Ok(command)
    }

    async fn probe(&self, place: &Place) -> Result<()> {
        let (config, cluster) = (client(place), self.cluster.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().context("make a client")?;
            let metadata = consumer.fetch_metadata(None, ASK_LIMIT).context("ask for the broker")?;
            let found = consumer.client().fetch_cluster_id(ASK_LIMIT);
            if metadata.brokers().is_empty() || found.as_ref() != Some(&cluster) {
                bail!("the broker of {found:?} answered, and not the one of {cluster}");
            }
            Ok(())
        });
        asked.await.context("ask for the broker")?
    }

    /// The controller listens beside the broker.
    fn free_port(&self) -> Result<u16> {
        free_pair(1)
    }

    fn version(&self) -> &str {
        KAFKA
    }
}

impl KafkaKind {
    fn java(&self, class: &str, memory: &[&str]) -> Command {
        let mut command = as_server(&self.java);
        command.args(memory).arg("-cp").arg(self.jars.join("*")).arg(class);
        command
    }

    async fn format(&self, place: &Place) -> Result<()> {
        let properties = self.configure(place)?;
        let mut command = self.java("kafka.tools.StorageTool", &["-Xmx256m"]);
        command.args(["format", "-t", &self.cluster, "-c"]).arg(properties);
        errand::run("Kafka's storage tool", command, FORMAT_LIMIT).await.map(drop)
    }

    /// Writes `server.properties` and says where.
    fn configure(&self, place: &Place) -> Result<PathBuf> {
        let (port, control) = (place.port, place.port + 1);
        let (door, protocol) = match &self.options.door {
            Some(_) => (format!(",DOOR://localhost:{}", self.door_port), ",DOOR:SASL_SSL"),
            None => (String::new(), ""),
        };
        let mut text = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{control}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}{door}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{door}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocol}\n\
             log.dirs={}\n\
             num.partitions=1\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            place.data().join("logs").display()
        );
        for (name, value) in self.options.door.iter().flat_map(Door::properties) {
            writeln!(text, "{name}={value}").expect("a String takes everything");
        }
        for (name, value) in &self.options.properties {
            writeln!(text, "{name}={value}").expect("a String takes everything");
        }
        place.write("data/server.properties", text.as_bytes())
    }
}

impl Door {
    fn properties(&self) -> Vec<(&'static str, String)> {
        let one_line = |pem: &str| pem.trim().replace('\n', "\\n");
        let logins: String =
            self.logins.iter().map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect();
        let masters: String = self.masters.iter().map(|name| format!(";User:{name}")).collect();
        vec![
            ("listener.name.door.sasl.enabled.mechanisms", "PLAIN".into()),
            (
                "listener.name.door.plain.sasl.jaas.config",
                format!("org.apache.kafka.common.security.plain.PlainLoginModule required{logins};"),
            ),
            ("listener.name.door.ssl.keystore.type", "PEM".into()),
            ("listener.name.door.ssl.keystore.certificate.chain", one_line(&self.certificate)),
            ("listener.name.door.ssl.keystore.key", one_line(&self.key)),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".into()),
            ("super.users", format!("User:ANONYMOUS{masters}")),
        ]
    }
}

fn brokers(place: &Place) -> String {
    format!("127.0.0.1:{}", place.port)
}

fn client(place: &Place) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Nobody is to read of refused connections while a broker starts.
    config.set("bootstrap.servers", brokers(place)).set("log_level", "0");
    config
}

fn read_all(mut config: ClientConfig, topic: &str) -> Result<Vec<Record>> {
    config.set("group.id", "read-all").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().context("make a consumer")?;
    let metadata = consumer.fetch_metadata(Some(topic), ASK_LIMIT).context("ask for the topic")?;
    let found = metadata.topics().first().context("Kafka says nothing about the topic")?;
    let mut open: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
    if open.is_empty() {
        bail!("there is no topic {topic}");
    }
    let mut from = TopicPartitionList::new();
    for partition in &open {
        from.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&from).context("read from the beginning")?;
    let deadline = Instant::now() + READ_LIMIT;
    let mut records = Vec::new();
    while !open.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => records.push(record_of(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|other| *other != partition),
            Some(Err(failure)) if Instant::now() > deadline => return Err(failure).context("read a topic"),
            None if Instant::now() > deadline => {
                bail!("the end of {topic} was not reached within {} s", READ_LIMIT.as_secs())
            }
            // The client finds its broker again by itself.
            Some(Err(_)) | None => {}
        }
    }
    records.sort_by_key(|record: &Record| (record.partition, record.offset));
    Ok(records)
}

fn record_of(message: &impl Message) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
    }
}
