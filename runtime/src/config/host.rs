//! `sluicegate.toml`: the process itself, and what pipelines share.

use super::page::Page;
use super::section::Section;
use super::source::read_sources;
use super::target::{ReadTarget, read_target};
use super::{Host, SourcePlan};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

pub(super) const HOST_FILE: &str = "sluicegate.toml";
const ADMIN_PORT: u16 = 8900;
const DRAIN_MAX: Duration = Duration::from_secs(600);

/// What `sluicegate.toml` says.
pub(super) struct HostFile {
    pub host: Host,
    pub sources: Vec<SourcePlan>,
    /// Every source that is declared, those with mistakes included: nobody is told twice.
    pub source_names: Vec<String>,
    pub targets: Vec<ReadTarget>,
}

pub(super) fn read_host_file(page: &Page<'_>) -> HostFile {
    let root = page.root("");
    let host = read_host(root.section("host"), page.folder());
    let sources = root.named("source", "source");
    let source_names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
    let targets = root.named("target", "target");
    let misplaced = ["sources", "tables", "columns", "route", "guest", "guests", "on_error", "about"];
    root.explain(&misplaced, "belongs to a pipeline", "move it to NAME/pipeline.toml in this folder");
    root.finish();
    if source_names.is_empty() {
        root.mistake("no source is declared", "add [source.NAME] with kind = \"postgres\" and url = \"${NAME_URL}\"");
    }
    HostFile {
        host,
        sources: read_sources(&sources),
        source_names,
        targets: targets.iter().map(|(name, section)| read_target(section, name)).collect(),
    }
}

/// The process's own settings, as far as a folder says them.
pub(super) fn host_of(page: Option<&Page<'_>>, folder: &Path) -> Host {
    read_host(page.and_then(|page| page.root("").section("host")), folder)
}

fn read_host(section: Option<Section<'_>>, folder: &Path) -> Host {
    let mut host = Host {
        state: folder.join(".sluicegate"),
        admin: SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT)),
        token: None,
        drain: Duration::from_secs(10),
        memory: 256 << 20,
        disk: 10 << 30,
        in_flight: 2048,
    };
    let Some(section) = section else { return host };
    if let Some(state) = section.text("state") {
        host.state = folder.join(state);
    }
    let token = section.entry("token");
    host.token = token.as_ref().and_then(|entry| entry.secret());
    if let Some(entry) = section.entry("admin") {
        read_admin(&mut host, &entry, token.is_some());
    }
    host.drain = section.duration("drain", Duration::ZERO..=DRAIN_MAX).unwrap_or(host.drain);
    host.memory = section.size("memory", 1 << 20..=1 << 40).unwrap_or(host.memory);
    host.disk = section.size("disk", 1 << 20..=1 << 50).unwrap_or(host.disk);
    host.in_flight = section.integer("in_flight", 1..=1_000_000).unwrap_or(host.in_flight);
    section.finish();
    host
}

fn read_admin(host: &mut Host, entry: &super::entry::Entry<'_>, has_token: bool) {
    let Some(text) = entry.text() else { return };
    let Ok(admin) = text.parse::<SocketAddr>() else {
        entry.mistake(
            "this is no address to listen on",
            "write numbers and a port: \"127.0.0.1:8900\", \"0.0.0.0:8900\", \"[::1]:8900\"",
        );
        return;
    };
    if !admin.ip().is_loopback() && !has_token {
        let remedy = "set token = \"${SLUICEGATE_TOKEN}\" beside it, or listen on 127.0.0.1";
        entry.mistake(
            "whoever reaches this address could replay and drop messages; off loopback a token is required",
            remedy,
        );
    }
    host.admin = admin;
}
