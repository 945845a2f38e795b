//! A table of a database that somebody names on the command line, by its address or by its name in `sluicegate.toml`.

use crate::app::{slots, survey};
use crate::change::DatabaseKind;
use crate::config::{self, Plan, SourceKind, SourcePlan};
use crate::source::TableSample;
use std::fs;
use std::path::Path;

/// How the address reaches the plan that is made for one look: never through a file.
const ADDRESS: &str = "SLUICEGATE_ADDRESS";

/// A database's table, and which source of the folder it is, if it is one.
pub struct Found {
    pub kind: DatabaseKind,
    pub known: Option<String>,
    pub sample: TableSample,
    /// Replication slots that the server has, if it is no source of the folder.
    pub slots: Vec<String>,
}

/// Looks at a table. `source` is an address, or the name of a source in the folder `dir`.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub async fn look(dir: &Path, source: &str, table: &str, rows_max: u32) -> Result<Found, String> {
    let known = super::plan(dir).ok();
    if !source.contains("://") {
        let plan = known.ok_or_else(|| format!("{source:?} is no address, and {} has no sources", dir.display()))?;
        let names: Vec<&str> = plan.sources.iter().map(|source| source.name.as_str()).collect();
        let found = plan.sources.iter().find(|plan| plan.name == source);
        let found = found.ok_or_else(|| format!("there is no source {source:?}; there are: {}", names.join(", ")))?;
        if address(found).contains(".invalid") {
            return Err(format!("the address of source {source:?} comes from the environment, and is not set there"));
        }
        let sample = survey(&plan, found, table, rows_max).await?;
        return Ok(Found { kind: kind(found), known: Some(source.to_owned()), sample, slots: Vec::new() });
    }
    let plan = plan_of(source, table)?;
    let only = plan.sources.first().ok_or("the address leads to no database")?;
    let same = |other: &&SourcePlan| address(other) == address(only);
    let known = known.as_ref().and_then(|known| known.sources.iter().find(same)).map(|source| source.name.clone());
    let sample = survey(&plan, only, table, rows_max).await?;
    let slots = if known.is_none() { slots(&plan, only).await? } else { Vec::new() };
    Ok(Found { kind: kind(only), known, sample, slots })
}

/// Of what kind a source is, as far as the configuration says.
pub fn kind(source: &SourcePlan) -> DatabaseKind {
    match source.kind {
        SourceKind::Postgres(_) => DatabaseKind::Postgres,
        SourceKind::Mysql(_) => DatabaseKind::Mysql,
    }
}

fn address(source: &SourcePlan) -> &str {
    match &source.kind {
        SourceKind::Postgres(plan) => plan.url.expose(),
        SourceKind::Mysql(plan) => plan.url.expose(),
    }
}

/// A plan with nothing in it but this source.
fn plan_of(url: &str, table: &str) -> Result<Plan, String> {
    let kind = match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => "postgres",
        Some(("mysql" | "mariadb", _)) => "mysql",
        _ => return Err("an address begins with postgres:// or mysql://".into()),
    };
    if !table.contains('.') {
        return Err(format!("a table is named with its schema: public.{table}, or DATABASE.{table}"));
    }
    let folder = std::env::temp_dir().join(format!("sluicegate-look-{}", std::process::id()));
    let made = fs::create_dir_all(folder.join("look")).and_then(|()| {
        let shared = format!("[source.db]\nkind = \"{kind}\"\nurl = \"${{{ADDRESS}}}\"\n");
        fs::write(folder.join("sluicegate.toml"), shared)?;
        let target = "[target.none]\nkind = \"http\"\nurl = \"http://127.0.0.1/\"\n";
        let route = "[[route]]\nname = \"none\"\nto = \"none\"\n";
        fs::write(folder.join("look/pipeline.toml"), format!("sources = [\"db\"]\ntables = [\"*\"]\n{target}{route}"))
    });
    let plan = made.map_err(|e| format!("{}: {e}", folder.display())).and_then(|()| {
        let environment = |name: &str| (name == ADDRESS).then(|| url.to_owned());
        // Where the mistake stands in a file that nobody wrote is of no use.
        config::load(&folder, &environment).map_err(|mistakes| {
            let said = mistakes.iter().map(|mistake| format!("{}; {}", mistake.rule, mistake.remedy));
            format!("the address can not be used: {}", said.collect::<Vec<_>>().join("; "))
        })
    });
    // A folder that stays in the temporary folder harms nobody.
    let _ = fs::remove_dir_all(&folder);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_can_not_be_used_is_told_without_its_password() {
        let wrong = plan_of("postgres://me:hunter2@host:x/db", "public.a").expect_err("no port");
        assert!(!wrong.contains("hunter2") && wrong.starts_with("the address can not be used: "), "{wrong}");
        assert!(plan_of("redis://a", "a.b").expect_err("no database").contains("postgres://"));
        assert!(plan_of("mysql://me@h", "b").expect_err("no schema").contains("DATABASE.b"));
        assert_eq!(plan_of("mysql://me@h", "a.b").map(|plan| kind(&plan.sources[0])), Ok(DatabaseKind::Mysql));
    }
}
