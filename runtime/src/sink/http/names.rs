//! From a host's name to addresses that may be connected to.
//!
//! The system's own look-up blocks a thread until it gives up, ten seconds and more for a name whose servers are silent. A hundred
//! customers with such names would hold every thread that there is for it, and no healthy customer's name would be found any
//! more. So names are looked up without threads, by the rules of `/etc/resolv.conf` and `/etc/hosts`, each as long as its attempt
//! may take; what was found is kept for as long as it says.

use super::progress::{Stage, waits_for};
use crate::address::{Reach, is_localhost};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{TokioResolver, system_conf};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Semaphore;

/// Names that are looked up at a time, of all lanes together; each takes up to four sockets. Those beyond wait, within their attempt.
const LOOK_UPS_MAX: usize = 1024;

/// Of IPv4 and of IPv6.
const QUESTIONS_PER_NAME: usize = 2;

/// Answers that are kept: two for each of some thousand customers.
const ANSWERS_KEPT_MAX: u64 = 16_384;

/// A customer who moves is found again after this long, whatever his name servers say about it.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(300);

/// Likewise one whose name was not there.
const ABSENCE_AGE_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether the system's files have changed.
const FILES_AGE_MAX: Duration = Duration::from_secs(5);

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Looks names up as the system's files say. All receivers share one.
pub(super) struct Names {
    current: Mutex<Option<Current>>,
    /// What is being asked, by name: the attempts of a lane ask together. Ends with the last of them.
    asked: Mutex<HashMap<String, WeakShared<LookUp>>>,
    free: Arc<Semaphore>,
}

type LookUp = BoxFuture<'static, Result<Vec<IpAddr>, String>>;

impl Default for Names {
    fn default() -> Self {
        Self { current: Mutex::default(), asked: Mutex::default(), free: Arc::new(Semaphore::new(LOOK_UPS_MAX)) }
    }
}

/// What was made of the files as they were.
struct Current {
    resolver: Result<TokioResolver, String>,
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Names {
    /// Made on first use, because it needs the runtime, and again when a file has changed.
    fn resolver(&self) -> Result<TokioResolver, String> {
        let mut current = self.current.lock().expect("no panic while a resolver is made");
        if let Some(known) = current.as_ref().filter(|known| known.looked.elapsed() < FILES_AGE_MAX) {
            return known.resolver.clone();
        }
        let changed = files_changed();
        let resolver = match current.take() {
            Some(known) if known.changed == changed => known.resolver,
            _ => system_resolver(),
        };
        *current = Some(Current { resolver: resolver.clone(), changed, looked: Instant::now() });
        resolver
    }

    /// One that asks the name servers of `config`.
    #[cfg(test)]
    pub(super) fn asking(config: ResolverConfig) -> Self {
        let changed = files_changed();
        let resolver = build(config, ResolverOpts::default()).map_err(|error| error.to_string());
        let current = Mutex::new(Some(Current { resolver, changed, looked: Instant::now() }));
        Self { current, ..Self::default() }
    }

    /// The look-up of a name that is under way, or a new one.
    fn look_up(&self, name: &str) -> Shared<LookUp> {
        let mut asked = self.asked.lock().expect("no panic while a name is noted");
        if let Some(look_up) = asked.get(name).and_then(WeakShared::upgrade) {
            return look_up;
        }
        let (resolver, free, owned) = (self.resolver(), self.free.clone(), name.to_owned());
        let look_up = async move {
            let _free = free.acquire().await;
            ask(&resolver?, &owned).await
        };
        let look_up = look_up.boxed().shared();
        asked.retain(|_, look_up| look_up.upgrade().is_some());
        asked.extend(look_up.downgrade().map(|weak| (name.to_owned(), weak)));
        look_up
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        if is_localhost(name.as_str()) {
            return Box::pin(std::future::ready(Ok(addrs(vec![
                Ipv4Addr::LOCALHOST.into(),
                Ipv6Addr::LOCALHOST.into(),
            ]))));
        }
        let look_up = self.look_up(name.as_str());
        Box::pin(async move { Ok(addrs(look_up.await?)) })
    }
}

fn files_changed() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

fn system_resolver() -> Result<TokioResolver, String> {
    // The C library asks this machine when no name server is set; names from the hosts file are found all the same.
    let nobody = || {
        let here = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        (ResolverConfig::from_parts(None, Vec::new(), vec![here]), ResolverOpts::default())
    };
    let (config, options) = system_conf::read_system_conf().unwrap_or_else(|_| nobody());
    build(config, options).map_err(|error| format!("{} can not be used: {error}", FILES[0]))
}

fn build(config: ResolverConfig, options: ResolverOpts) -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.max_active_requests = LOOK_UPS_MAX * QUESTIONS_PER_NAME;
    options.cache_size = ANSWERS_KEPT_MAX;
    options.positive_max_ttl = Some(ANSWER_AGE_MAX);
    options.negative_max_ttl = Some(ABSENCE_AGE_MAX);
    builder.build()
}

async fn ask(resolver: &TokioResolver, name: &str) -> Result<Vec<IpAddr>, String> {
    match resolver.lookup_ip(name).await {
        Ok(found) => Ok(found.iter().collect()),
        Err(error) if error.is_nx_domain() => Err("there is no such name".into()),
        Err(error) if error.is_no_records_found() => Err("the name has no address".into()),
        Err(NetError::Timeout | NetError::NoConnections) => Err("no name server has answered".into()),
        Err(error) => Err(format!("the name can not be looked up: {error}")),
    }
}

/// The port is the url's.
fn addrs(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}

/// Lets through only addresses that may be connected to. It is the connector's own resolver: nobody looks the name up a second time.
pub(super) struct Guarded {
    pub(super) names: Arc<dyn Resolve>,
    pub(super) reach: Reach,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        waits_for(Stage::Name);
        let (resolving, reach) = (self.names.resolve(name), self.reach.clone());
        Box::pin(async move {
            let found: Vec<IpAddr> = resolving.await?.map(|address| address.ip()).collect();
            waits_for(Stage::Connection);
            let mut refused = None;
            let mut admitted = Vec::with_capacity(found.len());
            for address in found {
                match reach.admits(address) {
                    Ok(()) => admitted.push(address),
                    Err(no) => refused = refused.or(Some(no)),
                }
            }
            match refused {
                Some(refused) if admitted.is_empty() => {
                    Err(format!("the name leads where it may not: {refused}").into())
                }
                _ => Ok(addrs(admitted)),
            }
        })
    }
}
