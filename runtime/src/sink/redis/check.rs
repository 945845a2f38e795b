//! `check --connect`: asks the server whether it can do what is needed. Nothing is changed: what is tried finds nothing to change.

use super::RedisSettings;
use super::answer::{self, ACL_RULE, Trouble};
use super::road::Road;
use super::script::{APPEND, GUARD};
use crate::fault::Finding;
use redis::{Pipeline, Value};
use std::collections::HashMap;

/// HSET with several fields, and streams.
const VERSION_MIN: u32 = 5;
/// Commands that can not be tried without an effect.
const RIGHTS: [&[&str]; 6] = [
    &["HSET", "sg:check", "f", "v"],
    &["HDEL", "sg:check", "f"],
    &["XADD", "sg:check", "*", "f", "v"],
    &["RPUSH", "sg:check", "v"],
    &["PUBLISH", "sg:check", "v"],
    &["PEXPIRE", "sg:check", "1"],
];

/// Asks the server. Stops at the first thing without which the others can not be asked.
pub async fn check(settings: &RedisSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let road = match settings.check().and_then(|()| Road::new(settings)) {
        Ok(road) => road,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let mut questions = Pipeline::new();
    questions.cmd("INFO").cmd("ACL").arg("WHOAMI");
    let (place, answers) = match road.ask(&questions).await {
        Ok(answered) => answered,
        Err(refusal) => return vec![Finding::bad(refusal.reason)],
    };
    match answers.first() {
        Some(Value::BulkString(info)) => {
            facts(&String::from_utf8_lossy(info), &place.to_string(), settings, &mut findings)
        }
        answer => {
            let error = answer.and_then(answer::error).unwrap_or_default();
            if ["NOAUTH", "LOADING"].contains(&Trouble::parse(&error).code) {
                return vec![Finding::bad(Trouble::parse(&error).refusal().reason)];
            }
            findings.push(Finding::good(format!(
                "{place} answers; its user may not ask for INFO, so version and role are unknown"
            )));
        }
    }
    let user = match answers.get(1) {
        Some(Value::BulkString(user)) => Some(String::from_utf8_lossy(user).into_owned()),
        _ => None,
    };
    findings.push(rights(&road, user.as_deref()).await);
    findings
}

fn facts(info: &str, place: &str, settings: &RedisSettings, findings: &mut Vec<Finding>) {
    let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let field = |name| fields.get(name).copied().unwrap_or_default();
    let version = field("redis_version");
    findings.push(Finding::good(format!("{place} is Redis {version}")));
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < VERSION_MIN) {
        findings.push(Finding::bad(format!(
            "Redis {version} is too old; {VERSION_MIN} or newer is needed: upgrade the server"
        )));
    }
    if field("role") == "slave" {
        findings.push(Finding::bad(
            "the server is a replica and takes no writes; name the master in `url`, or use `sentinel` or `cluster`",
        ));
    }
    match (field("cluster_enabled"), settings.cluster) {
        ("1", false) => findings.push(Finding::bad("the server is part of a cluster; set `cluster = true`")),
        ("0", true) => findings.push(Finding::bad("the server is not part of a cluster; set `cluster = false`")),
        _ => {}
    }
    match (field("maxmemory_policy"), field("maxmemory")) {
        ("" | "noeviction", _) | (_, "0") => {}
        (policy, _) => findings.push(Finding::bad(format!(
            "maxmemory-policy is {policy}: a full server throws away items, versions and tombstones on its own; for a cache that \
             equals its table: CONFIG SET maxmemory-policy noeviction"
        ))),
    }
    if field("loading") == "1" {
        findings.push(Finding::bad("the server is still loading its data; ask again when it is done"));
    }
}

/// Whether the user may do all that the sink does.
async fn rights(road: &Road, user: Option<&str>) -> Finding {
    let mut tries = Pipeline::new();
    tries.cmd("SCRIPT").arg("LOAD").arg(GUARD.source).cmd("SCRIPT").arg("LOAD").arg(APPEND.source);
    // Without keys the script does nothing; XX sets only what exists.
    tries.cmd("EVALSHA").arg(GUARD.sha()).arg(0).arg(1);
    tries.cmd("SET").arg("sg:check").arg("").arg("XX").cmd("DEL").arg("sg:check");
    let tried = tries.len();
    for command in RIGHTS {
        if let Some(user) = user {
            tries.cmd("ACL").arg("DRYRUN").arg(user).arg(command);
        }
    }
    let answers = match road.ask(&tries).await {
        Ok((_, answers)) => answers,
        Err(refusal) => return Finding::bad(refusal.reason),
    };
    let denied = |answer: &&Value| answer::error(answer).is_some_and(|error| Trouble::parse(&error).code == "NOPERM");
    let dry = answers.iter().skip(tried);
    let lacks = answers.iter().take(tried).any(|answer| denied(&answer))
        // A dry run that is allowed answers OK, or says in a text why not; one that is not allowed says nothing about the command.
        || dry.clone().any(|answer| matches!(answer, Value::BulkString(_)));
    if lacks {
        return Finding::bad(format!(
            "the user of `url` lacks a right; ACL SETUSER {} {ACL_RULE}",
            user.unwrap_or("<user>")
        ));
    }
    if user.is_some() && dry.clone().all(|answer| matches!(answer, Value::Okay)) {
        return Finding::good("the user of `url` may do all that is needed");
    }
    Finding::good(format!("the user of `url` may run scripts and write; what else it needs was not tried: {ACL_RULE}"))
}
