//! From a folder of TOML to a checked [`Plan`], or to every mistake in it at once.
//!
//! ```text
//! sluicegate.toml, */pipeline.toml ─▶ Page (text, spans) ─▶ Section, Entry (typed, by hand) ─▶ Plan
//!                                                                    └─▶ Mistakes (place, rule, remedy)
//! ```
//!
//! Files are read key by key rather than through `serde`, because one run has to find everything: unknown keys, values out
//! of range, names that lead nowhere, secrets that are not set. A value that is wrong becomes a mistake and a stand-in, and
//! the reading goes on; a plan with stand-ins is never given out.
//!
//! Begin with [`load`]; then `section.rs` for how a table is read; `source.rs`, `target.rs` and `route.rs` for the longest of them,
//! each with a file per kind beside it.

mod auth;
mod body;
mod case;
mod debezium;
mod entry;
mod excerpt;
mod fill;
mod forms;
mod globs;
mod guest;
mod hidden;
mod host;
mod http;
mod kafka;
mod mistake;
mod mysql;
mod notices;
mod page;
mod pem;
mod pipeline;
mod plan;
mod postgres;
mod quantity;
mod redis;
mod registry;
mod route;
mod secret;
mod section;
mod shape;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub use auth::{AuthPlan, ClientAuthPlan, OAuthPlan};
pub use case::{
    CaseChange, CasePlan, CaseTable, CaseValue, Expectation, ExpectedBody, ExpectedMessage, Judged, load_case,
};
pub use excerpt::Excerpt;
pub use globs::{ColumnRule, Globs, TableRule};
pub use mistake::{Mistake, Mistakes, nearest};
pub use plan::{
    BodyPlan, CacheForm, DebeziumPlan, Door, Encoding, FormPlan, GuestPlan, Host, HttpPlan, KafkaPlan, LimitsPlan,
    MemberPlan, MysqlPlan, OnError, PipelinePlan, Plan, PostgresPlan, RecordTime, RedisPlan, RegistryPlan, RetryPlan,
    RoutePlan, ShapePlan, SourceKind, SourcePlan, SslMode, TargetKind, TargetPlan, TopicsPlan, WhenFull,
};
pub use secret::Secret;

use host::{HOST_FILE, read_host_file};
pub use page::Experts;
use page::{Filling, Reading, TOML_LEN_MAX};
use pipeline::{PIPELINE_FILE, read_pipeline};
use std::path::{Path, PathBuf};

/// Reads and checks a pipelines folder. `env` looks up environment variables.
///
/// # Errors
/// Every mistake in every file, in order of file and place. None of them shows a secret.
pub fn load(dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Mistakes> {
    load_with(dir, env, Experts::TRUSTING)
}

/// As [`load`]; `experts` are asked about options that are handed on.
///
/// # Errors
/// As [`load`].
pub fn load_with(dir: &Path, env: &dyn Fn(&str) -> Option<String>, experts: Experts<'_>) -> Result<Plan, Mistakes> {
    finished(Reading::new(env, experts), dir)
}

/// As [`load`], for what connects to nothing: addresses, secrets and certificates that this machine does not have are made up.
///
/// # Errors
/// As [`load`], but for those.
pub fn load_made_up(dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Mistakes> {
    finished(Reading::new(env, Experts::TRUSTING).filling(Filling::MadeUp), dir)
}

/// Where a process that runs a folder answers, whatever mistakes the folder has by now: as far as it can be read, or else as nobody
/// set it.
pub fn host_of(dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Host {
    let reading = Reading::new(env, Experts::TRUSTING);
    let page = reading.open(&dir.join(HOST_FILE), TOML_LEN_MAX);
    host::host_of(page.as_ref(), dir)
}

fn finished(reading: Reading<'_>, dir: &Path) -> Result<Plan, Mistakes> {
    let plan = read_folder(&reading, dir);
    let mut mistakes = reading.mistakes.into_inner();
    match plan {
        Some(plan) if mistakes.is_empty() => Ok(plan),
        _ => {
            mistakes.sort();
            Err(mistakes)
        }
    }
}

/// The plan, with stand-ins where a mistake was noted; `None` only if one was.
fn read_folder(reading: &Reading<'_>, dir: &Path) -> Option<Plan> {
    let pipelines = find_pipelines(reading, dir)?;
    let host_path = dir.join(HOST_FILE);
    let shared = if host_path.exists() {
        reading.open(&host_path, TOML_LEN_MAX).map(|page| read_host_file(&page))
    } else {
        let remedy = "make it, with the sources: [source.NAME], kind = \"postgres\", url = \"${NAME_URL}\"";
        reading.mistake_of(&host_path, "there is no such file", remedy);
        None
    };
    let read = |(name, path): (String, PathBuf)| {
        let page = reading.open(&path, TOML_LEN_MAX)?;
        Some(read_pipeline(&page, &name, shared.as_ref()))
    };
    let pipelines = pipelines.into_iter().filter_map(read).collect();
    let shared = shared?;
    let files = reading.files.borrow().clone();
    Some(Plan { dir: dir.to_path_buf(), host: shared.host, sources: shared.sources, pipelines, files })
}

/// The names of the pipelines and their files, in order.
fn find_pipelines(reading: &Reading<'_>, dir: &Path) -> Option<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let rule = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
                std::io::ErrorKind::NotADirectory => "this is a file, not a folder".to_owned(),
                _ => format!("the folder can not be read: {error}"),
            };
            reading.mistake_of(
                dir,
                rule,
                "name the folder with sluicegate.toml and the pipelines in it, as in: sluicegate check pipelines",
            );
            return None;
        }
    };
    let mut pipelines = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path().join(PIPELINE_FILE);
        let name = entry.file_name();
        // A hidden folder is a repository's or an editor's own.
        if name.as_encoded_bytes().starts_with(b".") || !path.exists() {
            continue;
        }
        match name.into_string() {
            Ok(name) if !name.contains(|c: char| c.is_control() || c == '"') => pipelines.push((name, path)),
            _ => reading.mistake_of(
                &entry.path(),
                "a folder's name is the pipeline's, and this is no name",
                "rename it: letters, digits, - and _",
            ),
        }
    }
    pipelines.sort();
    if pipelines.is_empty() {
        let (rule, remedy) = if dir.join(PIPELINE_FILE).exists() {
            ("this is a pipeline, not the folder with the pipelines", "name the folder above it")
        } else {
            ("no pipeline is in this folder", "make one: a folder in it with a pipeline.toml")
        };
        reading.mistake_of(dir, rule, remedy);
    }
    Some(pipelines)
}
