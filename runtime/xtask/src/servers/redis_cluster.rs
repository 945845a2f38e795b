//! A real Redis Cluster on the loopback address: every member a process of its own, the slots dealt out evenly.

use super::redis::{Redis, RedisOptions};
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};

/// From the first introduction to the last member that calls the cluster whole.
const MEETING_LIMIT: Duration = Duration::from_secs(60);
const MEETING_PAUSE: Duration = Duration::from_millis(50);
const SLOTS: usize = 16_384;

/// A running cluster without replicas.
pub struct RedisCluster {
    /// The members, in the order of their slots; each can be killed and started again.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts `nodes` servers and makes them a cluster. Returns when all of them call it whole.
    pub async fn start(nodes: usize) -> Result<Self> {
        Self::start_with(nodes, RedisOptions::default()).await
    }

    /// The same, with `options` for every member.
    pub async fn start_with(nodes: usize, options: RedisOptions) -> Result<Self> {
        ensure!((1..=64).contains(&nodes), "a cluster has 1 to 64 members here, not {nodes}");
        let mut cluster = Self { nodes: Vec::with_capacity(nodes) };
        for _ in 0..nodes {
            cluster.nodes.push(Redis::start_as_member(options.clone()).await?);
        }
        for (number, node) in cluster.nodes.iter().enumerate() {
            let (first, last) = (number * SLOTS / nodes, (number + 1) * SLOTS / nodes - 1);
            let mut connection = node.connect().await?;
            let slots = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last).take();
            slots.exec_async(&mut connection).await.context("deal out slots")?;
            // Without numbers of their own all members claim the same, and settle that in the middle of the first test.
            let epoch = redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(number + 1).take();
            epoch.exec_async(&mut connection).await.context("number a member")?;
        }
        let mut first = cluster.nodes[0].connect().await?;
        for node in &cluster.nodes[1..] {
            let meet = redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(node.port()).take();
            meet.exec_async(&mut first).await.context("introduce a member")?;
        }
        cluster.wait_until_whole().await?;
        Ok(cluster)
    }

    /// One address per member, as in [`Redis::url`].
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Waits until every member knows all others and all slots are served; after a restart of a member as well.
    pub async fn wait_until_whole(&self) -> Result<()> {
        let deadline = Instant::now() + MEETING_LIMIT;
        for node in &self.nodes {
            loop {
                let mut connection = node.connect().await?;
                let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
                if is_whole(&info, self.nodes.len()) {
                    break;
                }
                if Instant::now() > deadline {
                    bail!(
                        "the cluster was not whole after {} s: {}",
                        MEETING_LIMIT.as_secs(),
                        info.replace("\r\n", " ")
                    );
                }
                tokio::time::sleep(MEETING_PAUSE).await;
            }
        }
        Ok(())
    }
}

fn is_whole(info: &str, nodes: usize) -> bool {
    let says = |wanted: &str| info.lines().any(|line| line.trim_end() == wanted);
    says("cluster_state:ok") && says("cluster_slots_pfail:0") && says(&format!("cluster_known_nodes:{nodes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_whole_when_all_members_are_known_and_well() {
        let info = "cluster_state:ok\r\ncluster_slots_pfail:0\r\ncluster_known_nodes:3\r\n";
        assert!(is_whole(info, 3));
        assert!(!is_whole(info, 4));
        assert!(!is_whole(&info.replace("pfail:0", "pfail:5461"), 3));
        assert!(!is_whole(&info.replace("state:ok", "state:fail"), 3));
    }
}
