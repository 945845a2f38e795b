//! Targets, as lanes and their sinks.

use crate::config::{
    self, AuthPlan, ClientAuthPlan, Door, HttpPlan, KafkaPlan, MemberPlan, Plan, RecordTime, RedisPlan, RegistryPlan,
};
use crate::lane::{self, Budget, Ground, Lane, LaneSettings, Quota, RetrySettings, Slots, WhenFull};
use crate::sink::Sink;
use crate::sink::http::{
    Auth, ClientAuth, Clients, Compress, HttpSettings, HttpSink, OAuthSettings, SigningSecret, Trust,
};
use crate::sink::kafka::{self, KafkaSettings, KafkaSink, RegistrySettings, TopicSettings};
use crate::sink::redis::{self, RedisSettings, RedisSink, SentinelSettings};
use crate::store::{LaneName, Store};
use crate::telemetry::LaneStats;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Makes lanes, under limits that they share.
pub struct Roads {
    store: Arc<dyn Store>,
    budget: Budget,
    slots: Slots,
    quota: Quota,
    clients: Clients,
}

impl Roads {
    pub fn new(plan: &Plan, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            budget: Budget::new(plan.host.memory as usize),
            slots: Slots::new(plan.host.in_flight as usize),
            quota: Quota::new(plan.host.disk),
            clients: Clients::default(),
        }
    }

    /// How a member's lane behaves, and what it sends to.
    ///
    /// # Errors
    /// If a setting can not be used, or a file that it names can not be read.
    pub fn terms(&self, name: LaneName, member: &MemberPlan) -> Result<(LaneSettings, Arc<dyn Sink>), String> {
        let sink = self.sink(member).map_err(|reason| {
            format!("pipeline {}, target {} member {:?}: {reason}", name.pipeline, name.target, member.name)
        })?;
        Ok((settings(name, member), sink))
    }

    /// Starts a lane.
    ///
    /// # Errors
    /// If the state can not be used.
    pub fn start(
        &self,
        settings: LaneSettings,
        sink: Arc<dyn Sink>,
        stats: Arc<LaneStats>,
    ) -> Result<(Lane, JoinHandle<()>), String> {
        let record = self.store.lane(&settings.name).map_err(|e| e.to_string())?;
        let (store, budget) = (self.store.clone(), self.budget.clone());
        let ground = Ground { store, record, budget, slots: self.slots.clone(), quota: self.quota.clone() };
        Ok(lane::spawn(settings, sink, ground, stats))
    }

    fn sink(&self, member: &MemberPlan) -> Result<Arc<dyn Sink>, String> {
        Ok(match &member.door {
            Door::Http(plan) => Arc::new(http_sink(plan, member.timeout, &self.clients)?),
            Door::Kafka(plan) => {
                let sink = KafkaSink::new(kafka_settings(plan, member.timeout)).map_err(|e| e.to_string())?;
                Arc::new(match &plan.registry {
                    None => sink,
                    Some(registry) => {
                        sink.with_registry(registry_settings(registry)?, &self.clients).map_err(|e| e.to_string())?
                    }
                })
            }
            Door::Redis(plan) => {
                Arc::new(RedisSink::new(redis_settings(plan, member.timeout)?).map_err(|e| e.to_string())?)
            }
        })
    }
}

fn settings(name: LaneName, member: &MemberPlan) -> LaneSettings {
    LaneSettings {
        name,
        concurrency: member.concurrency as usize,
        batch_max: match member.door {
            Door::Http(_) => 1,
            Door::Kafka(_) => kafka::BATCH_MAX,
            Door::Redis(_) => redis::BATCH_MAX,
        },
        rate: member.rate.map(f64::from),
        memory_bytes: member.memory as usize,
        messages_max: lane::MESSAGES_MAX,
        hold: member.hold,
        disk_bytes: member.disk,
        when_full: match member.when_full {
            config::WhenFull::PauseSource => WhenFull::PauseSource,
            config::WhenFull::DeadLetter => WhenFull::DeadLetter,
            config::WhenFull::DropOldest => WhenFull::DropOldest,
        },
        retry: RetrySettings {
            first: member.retry.first,
            max: member.retry.max,
            give_up_after: member.retry.give_up_after,
        },
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
        commit_time: plan.timestamp == RecordTime::Committed,
    }
}

/// # Errors
/// If a certificate's file can not be read.
pub fn registry_settings(plan: &RegistryPlan) -> Result<RegistrySettings, String> {
    let ca = plan.ca.as_deref().map(|path| pem("ca", path)).transpose()?;
    let http = HttpSettings {
        auth: http_auth(&plan.auth),
        trust: Trust { ca, identity: identity(plan.cert.as_deref(), plan.cert_key.as_deref())? },
        reach: plan.reach.clone(),
        ..HttpSettings::new(plan.url.expose(), plan.timeout)
    };
    Ok(RegistrySettings { http, register: plan.register })
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
