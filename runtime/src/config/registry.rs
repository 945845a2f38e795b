//! `registry` of a Kafka target: where the schemas of Avro records are kept, and who we are to it.

use super::auth::{AuthPlan, AuthTerms};
use super::entry::Entry;
use super::http::{check_reach, read_url};
use super::pem::Pem;
use super::section::Section;
use super::{RegistryPlan, Secret};
use crate::address::{Author, Reach};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// What a target says of it; a stand-in where that is wrong. A member that says `registry` says all of it anew.
pub(super) fn read_registry(entry: &Entry<'_>, author: Author) -> RegistryPlan {
    let plan = RegistryPlan {
        url: Secret::new(String::new()),
        reach: Reach { author, allow: allowed(author) },
        auth: AuthPlan::None,
        ca: None,
        cert: None,
        cert_key: None,
        timeout: TIMEOUT_DEFAULT,
        register: true,
    };
    let section = if entry.is_table() { entry.section(format!("registry of {}", entry.subject)) } else { None };
    let Some(section) = section else { return at(entry, plan) };
    let auth = AuthTerms::default().overridden_by(&section, author);
    let url = section.required("url", "write registry = { url = \"http://host:8081\" }");
    let timeout = section.duration("timeout", TIMEOUT).unwrap_or(plan.timeout);
    let register = section.flag("register").unwrap_or(plan.register);
    let [ca, cert, cert_key] = pems(&section);
    section.finish();
    let plan = RegistryPlan { timeout, register, ca, cert, cert_key, ..plan };
    let Some(entry) = url else { return plan };
    let plan = at(&entry, plan);
    let auth = auth.plan(&entry, Some(&plan.url), &plan.reach.allow, None).unwrap_or_default();
    RegistryPlan { auth, ..plan }
}

/// A registry is the operator's own, and mostly has a private address; what stands in a file of members is somebody else's word.
fn allowed(author: Author) -> Vec<IpNet> {
    match author {
        Author::Operator => vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())],
        Author::Customer => Vec::new(),
    }
}

/// With the address that an entry says.
fn at(entry: &Entry<'_>, plan: RegistryPlan) -> RegistryPlan {
    let Some(url) = read_url(entry) else { return plan };
    check_reach(entry, "", &url, &plan.reach);
    RegistryPlan { url, ..plan }
}

fn pems(section: &Section<'_>) -> [Option<PathBuf>; 3] {
    let pems = [("ca", Pem::Certificate), ("cert", Pem::Certificate), ("cert_key", Pem::Key)];
    let read = pems.map(|(key, kind)| section.pem(key, kind));
    if section.entry("cert").is_some() != section.entry("cert_key").is_some() {
        section.mistake("a certificate and its key belong together", "set both `cert` and `cert_key`, or none");
    }
    read
}
