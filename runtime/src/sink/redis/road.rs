//! The way to the server: one server, the master that sentinels name, or the nodes of a cluster.
//!
//! ```text
//!   calls ─▶ by node ─▶ one pipeline each, side by side ─▶ answers ─▶ outcomes
//!                                                              └▶ what was sent on (MOVED, ASK) or lacked its script: again
//! ```
//!
//! Every doubt about a server costs its connection and, in a cluster, what was known of its slots: the next attempt finds out anew.

use super::address::Address;
use super::answer::{self, Trouble};
use super::call::{Call, Shape, Way, Writer};
use super::cluster::SlotMap;
use super::flight::{Doubt, Next, Tally};
use super::link::{Dial, Link, Links, Peer};
use super::{RedisError, RedisSettings, Refusal};
use crate::change::Message;
use crate::fault::Fault;
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long one of several servers that could answer the same question is waited for.
const QUESTION_WAIT: Duration = Duration::from_secs(1);
/// A cluster is not asked for its slots more often than this.
const MAP_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Road {
    dial: Dial,
    links: Links,
    topology: Topology,
    shape: Shape,
    timeout: Duration,
}

enum Topology {
    One(Arc<Address>),
    /// The connection to the master is kept under the first sentinel's address.
    Sentinels {
        all: Vec<Arc<Address>>,
        master: String,
    },
    Cluster {
        seeds: Vec<Arc<Address>>,
        known: Mutex<Known>,
    },
}

#[derive(Default)]
struct Known {
    map: Option<Arc<SlotMap>>,
    stale: bool,
    asked_at: Option<Instant>,
}

/// A pipeline to one node, there and back.
struct Trip {
    address: Arc<Address>,
    calls: Vec<Call>,
    /// Answers of each call.
    widths: Vec<usize>,
    link: Option<Link>,
    end: Result<Vec<Value>, End>,
}

/// Why a trip has no answers.
enum End {
    Refused(Refusal),
    /// A connection that had been open before was closed: nothing is wrong yet.
    WasClosed,
}

impl Road {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        let (first, login) = Address::parse(&settings.url)?;
        let mut all = vec![Arc::new(first.clone())];
        for node in &settings.nodes {
            all.push(Arc::new(first.sibling(node)?));
        }
        let dial = Dial::new(settings, login);
        dial.try_out(&first)?;
        let topology = match &settings.sentinel {
            Some(sentinel) => Topology::Sentinels { all, master: sentinel.master.clone() },
            None if settings.cluster => Topology::Cluster { seeds: all, known: Mutex::default() },
            None => Topology::One(all.swap_remove(0)),
        };
        let shape = Shape { cluster: settings.cluster, guard: settings.guard };
        Ok(Self { dial, links: Links::default(), topology, shape, timeout: settings.timeout })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Sends every call once; gives back those that are to be sent again.
    pub(super) async fn round(
        &self,
        calls: Vec<Call>,
        messages: &[Message],
        tally: &mut Tally,
        deadline: Instant,
    ) -> Vec<Call> {
        let groups = match timeout_at(deadline, self.by_node(&calls)).await {
            Ok(Ok(nodes)) => gather(calls, nodes, tally),
            Ok(Err(refusal)) => {
                calls.iter().for_each(|call| tally.refuse_all(call, &refusal));
                return Vec::new();
            }
            Err(_) => {
                calls.iter().for_each(|call| tally.refuse_all(call, &answer::unanswered(self.timeout)));
                return Vec::new();
            }
        };
        let trips = groups.into_iter().map(|(address, calls)| self.trip(address, calls, messages, deadline));
        let mut again = Vec::new();
        for trip in join_all(trips).await {
            self.land(trip, tally, &mut again);
        }
        again
    }

    /// One command to whoever answers for all: the server, the master, any node.
    pub(super) async fn ask(&self, commands: &Pipeline) -> Result<(Arc<Address>, Vec<Value>), Refusal> {
        let deadline = Instant::now() + self.timeout;
        let address = match &self.topology {
            Topology::One(address) => address.clone(),
            Topology::Sentinels { all, .. } => all[0].clone(),
            Topology::Cluster { seeds, known } => {
                let map = timeout_at(deadline, self.slot_map(seeds, known)).await;
                map.map_err(|_| answer::unanswered(self.timeout))??.nodes()[0].clone()
            }
        };
        let exchange = async {
            let mut link = self.link(&address).await?;
            let answers = link.exchange(commands).await;
            answers.map_err(|error| answer::network("connection broke to", &address, &error))
        };
        let answers = timeout_at(deadline, exchange).await.map_err(|_| answer::unanswered(self.timeout))??;
        Ok((address, answers))
    }

    /// The node for each call, `None` where nobody is known.
    async fn by_node(&self, calls: &[Call]) -> Result<Vec<Option<Arc<Address>>>, Refusal> {
        let (seeds, known) = match &self.topology {
            Topology::One(address) => return Ok(vec![Some(address.clone()); calls.len()]),
            Topology::Sentinels { all, .. } => return Ok(vec![all.first().cloned(); calls.len()]),
            Topology::Cluster { seeds, known } => (seeds, known),
        };
        let map = self.slot_map(seeds, known).await?;
        let node = |call: &Call| match &call.way {
            Way::Owner => map.owner(call.slot).cloned(),
            Way::Moved(address) | Way::Ask(address) => Some(address.clone()),
        };
        let nodes: Vec<_> = calls.iter().map(node).collect();
        if nodes.iter().any(Option::is_none) {
            lock(known).stale = true;
        }
        Ok(nodes)
    }

    async fn trip(&self, address: Arc<Address>, calls: Vec<Call>, messages: &[Message], deadline: Instant) -> Trip {
        let mut writer = Writer::default();
        let widths = calls.iter().map(|call| writer.write(call, messages, self.shape)).collect();
        if writer.pipeline.is_empty() {
            // Updates that change nothing that is kept.
            return Trip { address, calls, widths, link: None, end: Ok(Vec::new()) };
        }
        let late = || Err(End::Refused(answer::unanswered(self.timeout)));
        let mut link = match timeout_at(deadline, self.link(&address)).await {
            Ok(Ok(link)) => link,
            Ok(Err(refusal)) => return Trip { address, calls, widths, link: None, end: Err(End::Refused(refusal)) },
            Err(_) => return Trip { address, calls, widths, link: None, end: late() },
        };
        let end = match timeout_at(deadline, link.exchange(&writer.pipeline)).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(_)) if !link.fresh => Err(End::WasClosed),
            Ok(Err(error)) => Err(End::Refused(answer::network("connection broke to", &address, &error))),
            Err(_) => late(),
        };
        Trip { address, calls, widths, link: Some(link), end }
    }

    fn land(&self, trip: Trip, tally: &mut Tally, again: &mut Vec<Call>) {
        let Trip { address, calls, widths, link, end } = trip;
        let mut doubt = Doubt::default();
        match end {
            Ok(answers) => {
                let asked = matches!(self.topology, Topology::Cluster { .. }).then_some(&*address);
                let mut answers = answers.as_slice();
                for (call, width) in calls.into_iter().zip(widths) {
                    let (own, rest) = answers.split_at(width.min(answers.len()));
                    answers = rest;
                    if let Next::Again(call) = tally.take(call, own, asked, &mut doubt) {
                        again.push(call);
                    }
                }
            }
            Err(End::WasClosed) => {
                doubt.is_elsewhere = true;
                again.extend(calls);
            }
            Err(End::Refused(refusal)) => {
                doubt.is_elsewhere = true;
                calls.iter().for_each(|call| tally.refuse_all(call, &refusal));
            }
        }
        if let (true, Some(link)) = (doubt.is_elsewhere, &link) {
            self.links.give_up(&address, link);
        }
        if let (true, Topology::Cluster { known, .. }) = (doubt.is_elsewhere || doubt.moved, &self.topology) {
            lock(known).stale = true;
        }
    }

    async fn link(&self, address: &Arc<Address>) -> Result<Link, Refusal> {
        if let Some(link) = self.links.get(address) {
            return Ok(link);
        }
        let connection = match &self.topology {
            Topology::Sentinels { all, master } => self.master(all, master).await?,
            Topology::One(_) | Topology::Cluster { .. } => self.dial.open(address, Peer::Server).await?,
        };
        Ok(self.links.keep(address, connection))
    }

    /// Asks the sentinels in turn, and makes sure that whom they name knows of it.
    async fn master(&self, sentinels: &[Arc<Address>], name: &str) -> Result<MultiplexedConnection, Refusal> {
        let mut question = Pipeline::new();
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let mut last = None;
        for sentinel in sentinels {
            let asking = self.question(sentinel, Peer::Sentinel, &question);
            let answer = match asking.await {
                Ok(answer) => answer,
                Err(refusal) => {
                    // That one sentinel knows no such master is said only if none can be reached that does.
                    last = last.filter(|refusal: &Refusal| refusal.fault == Fault::Fatal).or(Some(refusal));
                    continue;
                }
            };
            let Some(address) = read_master(&answer, sentinel) else {
                let reason = format!("no sentinel knows a master {name:?}; correct `sentinel.master`");
                last = Some(Refusal { fault: Fault::Fatal, reason, retry_after: None, answer: None });
                continue;
            };
            let mut connection = self.dial.open(&address, Peer::Server).await?;
            let mut role = Pipeline::new();
            role.cmd("ROLE");
            let said = connection.send_packed_commands(&role, 0, 1).await;
            let said = said.map_err(|error| answer::network("connection broke to", &address, &error))?;
            return match said.first() {
                Some(Value::Array(parts)) if !matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master") => {
                    Err(answer::passing(format!("{address}, named by the sentinels, is no master yet")))
                }
                // Who may not ask for the role learns it from the first write.
                _ => Ok(connection),
            };
        }
        Err(last.unwrap_or_else(|| answer::passing("no sentinel is known".into())))
    }

    /// The slots as they are known, or as the first node tells that answers.
    async fn slot_map(&self, seeds: &[Arc<Address>], known: &Mutex<Known>) -> Result<Arc<SlotMap>, Refusal> {
        let mut candidates: Vec<Arc<Address>> = Vec::new();
        {
            let known = lock(known);
            if let Some(map) = &known.map {
                let asked = known.asked_at.is_some_and(|at| at.elapsed() < MAP_EVERY);
                if !known.stale || asked {
                    return Ok(map.clone());
                }
                let open = self.links.addresses();
                candidates.extend(map.nodes().iter().filter(|node| open.contains(node)).cloned());
                candidates.extend(map.nodes().iter().filter(|node| !open.contains(node)).cloned());
            }
        }
        candidates.extend(seeds.iter().filter(|seed| !candidates.contains(seed)).cloned().collect::<Vec<_>>());
        let mut question = Pipeline::new();
        question.cmd("CLUSTER").arg("SLOTS");
        let mut last = None;
        for candidate in &candidates {
            let told = self.question(candidate, Peer::Server, &question).await;
            match told.and_then(|answer| SlotMap::read(&answer, candidate)) {
                Ok(map) => {
                    let map = Arc::new(map);
                    *lock(known) = Known { map: Some(map.clone()), stale: false, asked_at: Some(Instant::now()) };
                    return Ok(map);
                }
                Err(refusal) => last = Some(refusal),
            }
        }
        Err(last.unwrap_or_else(|| answer::passing("no node of the cluster is known".into())))
    }

    /// Asks one server that others could stand in for.
    async fn question(&self, address: &Arc<Address>, peer: Peer, question: &Pipeline) -> Result<Value, Refusal> {
        let asking = async {
            let open = if peer == Peer::Server { self.links.get(address) } else { None };
            let mut connection = match open {
                Some(link) => link.connection,
                None => self.dial.open(address, peer).await?,
            };
            let answers = connection.send_packed_commands(question, 0, 1).await;
            answers.map_err(|error| answer::network("connection broke to", address, &error))
        };
        let wait = QUESTION_WAIT.min(self.timeout);
        let answers = tokio::time::timeout(wait, asking).await.map_err(|_| answer::unanswered(wait))??;
        match answers.into_iter().next() {
            Some(Value::ServerError(error)) => Err(Trouble::of(&error).refusal()),
            Some(answer) => Ok(answer),
            None => Err(answer::passing(format!("{address} does not answer"))),
        }
    }
}

/// Calls for one node go together, in order. Where no node is known they are refused for now.
fn gather(calls: Vec<Call>, nodes: Vec<Option<Arc<Address>>>, tally: &mut Tally) -> Vec<(Arc<Address>, Vec<Call>)> {
    let mut groups: Vec<(Arc<Address>, Vec<Call>)> = Vec::new();
    let mut places: HashMap<Arc<Address>, usize> = HashMap::new();
    for (call, node) in calls.into_iter().zip(nodes) {
        let Some(node) = node else {
            tally.refuse_all(&call, &Trouble { code: "CLUSTERDOWN", detail: "" }.refusal());
            continue;
        };
        let place = *places.entry(node.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, together)) => together.push(call),
            None => groups.push((node, vec![call])),
        }
    }
    groups
}

fn read_master(answer: &Value, sentinel: &Address) -> Option<Address> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(host), Value::BulkString(port), ..] = parts.as_slice() else { return None };
    let (host, port) = (std::str::from_utf8(host).ok()?, std::str::from_utf8(port).ok()?);
    Some(sentinel.neighbour(host, port.parse().ok()?))
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().expect("no panic while the map is looked at")
}
