//! Targets, as lanes and their sinks.

use crate::admin::{LaneEntry, Registry};
use crate::config::{
    AuthPlan, ClientAuthPlan, Door, HttpPlan, KafkaPlan, MemberPlan, PipelinePlan, Plan, RedisPlan, TargetPlan,
};
use crate::lane::{self, Budget, Lane, LaneSettings, RetrySettings};
use crate::pipeline::Road;
use crate::sink::Sink;
use crate::sink::http::{
    Auth, ClientAuth, Clients, Compress, HttpSettings, HttpSink, OAuthSettings, SigningSecret, Trust,
};
use crate::sink::kafka::{self, KafkaSettings, KafkaSink, TopicSettings};
use crate::sink::redis::{self, RedisSettings, RedisSink, SentinelSettings};
use crate::telemetry::LaneStats;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Builds lanes, target by target, under one budget.
pub struct Roads {
    budget: Budget,
    clients: Clients,
    lanes: Vec<(Lane, JoinHandle<()>)>,
}

impl Roads {
    pub fn new(plan: &Plan) -> Self {
        Self { budget: Budget::new(plan.host.memory as usize), clients: Clients::default(), lanes: Vec::new() }
    }

    /// Every lane that was started, with its task.
    pub fn into_lanes(self) -> Vec<(Lane, JoinHandle<()>)> {
        self.lanes
    }

    /// The lanes of a pipeline's targets, started.
    ///
    /// # Errors
    /// If a setting can not be used, or a file that it names can not be read.
    pub fn build(
        &mut self,
        pipeline: &PipelinePlan,
        registry: &mut Registry,
    ) -> Result<HashMap<String, Arc<Road>>, String> {
        let mut roads = HashMap::new();
        for target in &pipeline.targets {
            let mut lanes = HashMap::new();
            for member in &target.members {
                lanes.insert(member.name.clone(), self.lane(pipeline, target, member, registry)?);
            }
            roads.insert(target.name.clone(), Arc::new(Road { target: target.name.clone(), lanes }));
        }
        Ok(roads)
    }

    fn lane(
        &mut self,
        pipeline: &PipelinePlan,
        target: &TargetPlan,
        member: &MemberPlan,
        registry: &mut Registry,
    ) -> Result<Lane, String> {
        let settings = LaneSettings {
            pipeline: pipeline.name.as_str().into(),
            target: target.name.as_str().into(),
            member: member.name.as_str().into(),
            concurrency: member.concurrency as usize,
            batch_max: match member.door {
                Door::Http(_) => 1,
                Door::Kafka(_) => kafka::BATCH_MAX,
                Door::Redis(_) => redis::BATCH_MAX,
            },
            memory_bytes: member.memory as usize,
            messages_max: lane::MESSAGES_MAX,
            retry: RetrySettings {
                first: member.retry.first,
                max: member.retry.max,
                give_up_after: member.retry.give_up_after,
            },
        };
        let sink = self.sink(member).map_err(|reason| {
            format!("pipeline {}, target {} member {:?}: {reason}", pipeline.name, target.name, member.name)
        })?;
        let stats = Arc::new(LaneStats::default());
        registry.lanes.push(LaneEntry {
            pipeline: pipeline.name.clone(),
            target: target.name.clone(),
            member: member.name.clone(),
            stats: stats.clone(),
            complaint: Box::new({
                let sink = sink.clone();
                move || sink.complaint()
            }),
        });
        let (lane, task) = lane::spawn(settings, sink, self.budget.clone(), stats);
        self.lanes.push((lane.clone(), task));
        Ok(lane)
    }

    fn sink(&self, member: &MemberPlan) -> Result<Arc<dyn Sink>, String> {
        Ok(match &member.door {
            Door::Http(plan) => Arc::new(http_sink(plan, member.timeout, &self.clients)?),
            Door::Kafka(plan) => {
                Arc::new(KafkaSink::new(kafka_settings(plan, member.timeout)).map_err(|e| e.to_string())?)
            }
            Door::Redis(plan) => {
                Arc::new(RedisSink::new(redis_settings(plan, member.timeout)?).map_err(|e| e.to_string())?)
            }
        })
    }
}

fn http_sink(plan: &HttpPlan, timeout: Duration, clients: &Clients) -> Result<HttpSink, String> {
    let said = |e: crate::sink::http::HttpError| e.to_string();
    let ca = plan.ca.as_deref().map(|path| pem("ca", path)).transpose()?;
    let settings = HttpSettings {
        url: plan.url.expose().to_owned(),
        timeout,
        sign: plan.sign.iter().map(|s| SigningSecret::parse(s.expose())).collect::<Result<_, _>>().map_err(said)?,
        headers: plan.headers.iter().map(|(n, v)| (n.clone(), v.expose().to_owned())).collect(),
        auth: http_auth(&plan.auth),
        trust: Trust { ca, identity: identity(plan.cert.as_deref(), plan.cert_key.as_deref())? },
        reach: plan.reach.clone(),
        compress: if plan.gzip { Compress::Gzip } else { Compress::None },
    };
    HttpSink::new(settings, clients).map_err(said)
}

fn http_auth(plan: &AuthPlan) -> Auth {
    match plan {
        AuthPlan::None => Auth::None,
        AuthPlan::Basic { user, password } => {
            Auth::Basic { user: user.clone(), password: password.expose().to_owned() }
        }
        AuthPlan::Bearer(token) => Auth::Bearer(token.expose().to_owned()),
        AuthPlan::OAuth(oauth) => Auth::OAuth(OAuthSettings {
            token_url: oauth.token_url.expose().to_owned(),
            reach: oauth.reach.clone(),
            client_id: oauth.client_id.clone(),
            client_secret: oauth.client_secret.expose().to_owned(),
            scope: oauth.scope.clone(),
            audience: oauth.audience.clone(),
            client_auth: match oauth.client_auth {
                ClientAuthPlan::Basic => ClientAuth::Basic,
                ClientAuthPlan::Post => ClientAuth::Post,
            },
        }),
    }
}

/// A certificate and its key, which the configuration has seen to come together.
type Identity = (Arc<[u8]>, Arc<[u8]>);

fn identity(cert: Option<&Path>, key: Option<&Path>) -> Result<Option<Identity>, String> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((pem("cert", cert)?, pem("cert_key", key)?))),
        _ => Ok(None),
    }
}

pub fn kafka_settings(plan: &KafkaPlan, timeout: Duration) -> KafkaSettings {
    KafkaSettings {
        brokers: plan.brokers.clone(),
        options: plan.options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
        timeout,
        topics: TopicSettings {
            create: plan.topics.create,
            partitions: plan.topics.partitions,
            replication: plan.topics.replication,
            config: plan.topics.config.clone(),
        },
        headers: plan.headers,
    }
}

/// # Errors
/// If a certificate's file can not be read.
pub fn redis_settings(plan: &RedisPlan, timeout: Duration) -> Result<RedisSettings, String> {
    Ok(RedisSettings {
        url: plan.url.expose().to_owned(),
        nodes: plan.nodes.iter().map(|node| node.expose().to_owned()).collect(),
        cluster: plan.cluster,
        sentinel: plan.sentinel.clone().map(|master| SentinelSettings { master }),
        timeout,
        ca: plan.ca.as_deref().map(|path| pem("ca", path)).transpose()?,
        identity: identity(plan.cert.as_deref(), plan.cert_key.as_deref())?,
        guard: plan.guard,
    })
}

fn pem(what: &str, path: &Path) -> Result<Arc<[u8]>, String> {
    let pem = std::fs::read(path).map_err(|e| format!("{what} {} can not be read: {e}", path.display()))?;
    Ok(pem.into())
}
