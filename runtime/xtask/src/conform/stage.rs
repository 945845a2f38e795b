//! One recording's run: a fresh database, the statements above the line, Sluicegate, the statements below it, and everything that
//! came to the broker.

use super::configuration::Configuration;
use super::folder::{Flavour, Scenario};
use super::harvest::Harvest;
use super::order;
use super::recording::{Record, Topics};
use super::script::Statement;
use super::server::{Columns, SENTINEL, Server};
use crate::host::Host;
use crate::servers::{Kafka, KafkaOptions, free_port};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// From the last statement to its row in the broker; topics are made on the way.
const ARRIVE_LIMIT: Duration = Duration::from_secs(60);
/// What it says when it ends rather than leave something out, as it should.
const REFUSES: &str = "begin anew with a snapshot";
/// Behind a statement that defines a table anew: what it is then, only the catalog says, and only until the next one.
const GLANCE: &str = "DO SLEEP(0.05)";
const LOOK: Duration = Duration::from_millis(25);

/// The broker and the program, for all recordings.
pub struct Stage {
    kafka: Kafka,
    harvest: Harvest,
    binary: PathBuf,
    place: TempDir,
}

/// What a run wrote.
pub struct Run {
    /// Without the sentinel's.
    pub topics: Topics,
    pub columns: Columns,
    /// The end of the log of a Sluicegate that ended by itself.
    pub last_words: Option<String>,
}

impl Stage {
    pub async fn build(binary: PathBuf) -> Result<Self> {
        let kafka = Kafka::start(KafkaOptions::default()).await?;
        let harvest = Harvest::new(&kafka.brokers());
        let place = tempfile::Builder::new().prefix("sluicegate-conform-").tempdir().context("make a folder")?;
        Ok(Self { kafka, harvest, binary, place })
    }

    /// `recorded` names the topics that will be written to.
    pub async fn run(
        &self,
        server: &Server,
        scenario: &Scenario,
        configuration: &Configuration,
        recorded: &Topics,
    ) -> Result<Run> {
        let database = &configuration.database;
        let mut names: Vec<&str> = recorded.keys().map(String::as_str).collect();
        let sentinel = sentinel_topic(configuration);
        names.push(&sentinel);
        self.harvest.make(&names).await?;
        server.renew(database).await?;
        server.run(database, &scenario.script.setup).await?;
        let mut columns = Columns::default();
        server.look(database, &mut columns).await?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(self.place.path()).context("make a folder")?;
        let mut host = self.start(folder.path(), &server.source(database), configuration).await?;
        let ran = async {
            let glances = scenario.flavour != Flavour::Postgres;
            let stream = if glances { with_glances(&scenario.script.stream) } else { scenario.script.stream.clone() };
            server.run(database, &stream).await?;
            server.end(database).await?;
            server.look(database, &mut columns).await?;
            self.until_the_end(&mut host, configuration).await
        };
        let outcome = ran.await;
        let refused = host.check_alive().err().map(|_| host.last_log_lines()).filter(|words| words.contains(REFUSES));
        host.stop().await;
        // Also after a failure: what came belongs to no other recording.
        let topics = self.harvest.collect().await?;
        if refused.is_none() {
            outcome.with_context(|| format!("the log of sluicegate ends:\n{}", host.last_log_lines()))?;
        }
        let mut topics = order::as_in_the_log(topics)?;
        let ends = topics.remove(&sentinel).unwrap_or_default();
        // What is told of its transaction belongs to it.
        let is_of_the_end = |record: &Record| ends.iter().any(|end| end.at[0] == record.at[0]);
        for (_, records) in topics.iter_mut().filter(|(topic, _)| topic.ends_with(".transaction")) {
            records.retain(|record| !is_of_the_end(record));
        }
        Ok(Run { topics, columns, last_words: refused })
    }

    async fn start(&self, folder: &Path, source: &str, configuration: &Configuration) -> Result<Host> {
        let admin = format!("127.0.0.1:{}", free_port()?);
        let pipelines = folder.join("pipelines");
        std::fs::create_dir_all(pipelines.join("records")).context("make a pipeline's folder")?;
        let shared = format!("[host]\nadmin = \"{admin}\"\nstate = \"../state\"\n\n[source.db]\n{source}");
        std::fs::write(pipelines.join("sluicegate.toml"), shared).context("write sluicegate.toml")?;
        let pipeline = configuration.pipeline(SENTINEL, &self.kafka.brokers());
        std::fs::write(pipelines.join("records/pipeline.toml"), pipeline).context("write pipeline.toml")?;
        let mut host = Host::start(&self.binary, &pipelines, &admin, &folder.join("log"))?;
        host.ready().await?;
        let deadline = Instant::now() + ARRIVE_LIMIT;
        while host.door().status().await?.sources.iter().any(|source| source.state != "streaming") {
            host.check_alive()?;
            if Instant::now() > deadline {
                bail!("sluicegate did not stream:\n{}", host.last_log_lines());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(host)
    }

    /// The sentinel's row is the last one in the log; what is on its way beside it is waited for.
    async fn until_the_end(&self, host: &mut Host, configuration: &Configuration) -> Result<()> {
        let topic = sentinel_topic(configuration);
        let deadline = Instant::now() + ARRIVE_LIMIT;
        while !self.harvest.has_grown(&topic).await? {
            host.check_alive()?;
            if Instant::now() > deadline {
                bail!("the last row did not arrive within {} s", ARRIVE_LIMIT.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        while host.door().status().await?.lanes.iter().any(|lane| lane.in_flight + lane.waiting + lane.parked > 0) {
            host.check_alive()?;
            if Instant::now() > deadline {
                bail!("records are still on their way after {} s", ARRIVE_LIMIT.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    pub async fn stop(mut self) {
        self.kafka.stop().await;
    }
}

fn with_glances(stream: &[Statement]) -> Vec<Statement> {
    let defines = |statement: &Statement| {
        let text = statement.sql().trim_start().to_ascii_lowercase();
        ["alter ", "create ", "drop ", "rename ", "/*"].iter().any(|word| text.starts_with(word))
    };
    let glance = |statement: &Statement| defines(statement).then(|| Statement::Sql(GLANCE.to_owned()));
    stream.iter().flat_map(|statement| [Some(statement.clone()), glance(statement)].into_iter().flatten()).collect()
}

fn sentinel_topic(configuration: &Configuration) -> String {
    format!("{}.{SENTINEL}", configuration.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_looked_at_before_the_next_one() {
        let stream = ["INSERT 1", "ALTER TABLE t ADD c int"].map(|text| Statement::Sql(text.to_owned()));
        let found = with_glances(&stream);
        let found: Vec<&str> = found.iter().map(Statement::sql).collect();
        assert_eq!(found, ["INSERT 1", "ALTER TABLE t ADD c int", GLANCE]);
    }
}
