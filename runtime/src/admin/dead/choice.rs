//! Which dead letters are meant: some by their numbers, or all that a filter lets through.

use super::DeskError;
use crate::store::{DeadFilter, DeadId, DeadSummary, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Numbers in one question; a filter names any number of letters.
pub const CHOICE_IDS_MAX: usize = 1_000;
/// Letters that are chosen at a time, some 60 bytes each; the oldest first, the others are left for the next time.
const CHOSEN_MAX: usize = 100_000;
/// Letters that are read from the state at a time.
const STEP: usize = 500;
/// A text of a filter is no longer.
const TEXT_LEN_MAX: usize = 1_000;

/// What letters must be, to be meant. What is not said says nothing against one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Narrow {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// `schema.table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A part of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long ago it died at most: `30s`, `15m`, `2h`, `3d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only letters with smaller numbers: where the last page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl Narrow {
    /// As the state knows it, without the limit.
    ///
    /// # Errors
    /// If a value can not be understood.
    pub fn filter(&self) -> Result<DeadFilter, DeskError> {
        let Self { pipeline, target, member, table, reason, since, before, .. } = self;
        for text in [pipeline, target, member, table, reason].into_iter().flatten() {
            if text.len() > TEXT_LEN_MAX {
                return Err(DeskError::Question(format!("a filter's text has at most {TEXT_LEN_MAX} bytes")));
            }
        }
        let since_us = since.as_deref().map(|text| parse_age(text).map(|age| unix_us(SystemTime::now() - age)));
        Ok(DeadFilter {
            pipeline: pipeline.clone(),
            target: target.clone(),
            member: member.clone(),
            table: table.clone(),
            reason: reason.clone(),
            since_us: since_us.transpose()?,
            before: before.map(DeadId),
            limit: 0,
        })
    }
}

fn unix_us(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn parse_age(text: &str) -> Result<Duration, DeskError> {
    const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    /// Older than anything here.
    const DAYS_MAX: u64 = 36_500;
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text[number.len()..].trim_start();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let seconds = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    let seconds = seconds.filter(|seconds| *seconds <= DAYS_MAX * 86_400);
    let rule = || {
        let text: String = text.chars().take(40).collect();
        DeskError::Question(format!("since = {text:?} is no age: write a whole number and one of s, m, h, d, as 2h"))
    };
    seconds.map(Duration::from_secs).ok_or_else(rule)
}

/// The letters that something is to be done with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Choice {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// All that the filter lets through; without numbers it has to be said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    pub filter: Narrow,
}

/// What was meant, as it stood in the state.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// In the order of the log; whether something newer of its key was delivered since.
    pub(super) letters: Vec<(DeadId, bool)>,
    /// Numbers that no letter has.
    pub(super) unknown: Vec<i64>,
    /// Letters that were meant too, and were too many.
    pub(super) left: u64,
}

impl Choice {
    /// # Errors
    /// If it is not clear what is meant.
    pub fn check(&self) -> Result<(), DeskError> {
        let wrong = |text: &str| Err(DeskError::Question(text.to_owned()));
        match (self.ids.len(), self.all) {
            (0, false) => wrong("say which: ids, or all with a filter; all without one means every dead letter"),
            (0, true) => self.filter.filter().map(drop),
            (_, true) => wrong("ids and all exclude each other"),
            (1..=CHOICE_IDS_MAX, false) if self.filter == Narrow::default() => Ok(()),
            (1..=CHOICE_IDS_MAX, false) => wrong("a filter goes with all, and not with ids"),
            _ => wrong("at most 1000 ids at once; a filter with all has no limit"),
        }
    }

    /// # Errors
    /// If it is not clear what is meant, or the state can not be read.
    pub(super) async fn find(&self, store: &dyn Store) -> Result<Chosen, DeskError> {
        self.check()?;
        if self.all { self.by_filter(store).await } else { self.by_id(store).await }
    }

    async fn by_id(&self, store: &dyn Store) -> Result<Chosen, DeskError> {
        let mut chosen = Chosen::default();
        let mut found = Vec::with_capacity(self.ids.len());
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            match summary(store, id).await? {
                Some(letter) => found.push(letter),
                None => chosen.unknown.push(id),
            }
        }
        found.sort_by_key(DeadSummary::log_order);
        chosen.letters = found.iter().map(|letter| (letter.id, letter.is_superseded)).collect();
        Ok(chosen)
    }

    async fn by_filter(&self, store: &dyn Store) -> Result<Chosen, DeskError> {
        let most = self.filter.limit.map_or(CHOSEN_MAX, |limit| CHOSEN_MAX.min(usize::try_from(limit).unwrap_or(0)));
        let mut filter = DeadFilter { limit: STEP, ..self.filter.filter()? };
        let mut kept = BTreeMap::new();
        let mut chosen = Chosen::default();
        loop {
            let page = store.dead(filter.clone()).await?;
            let is_last = page.len() < STEP;
            filter.before = page.last().map(|letter| letter.id);
            for letter in page {
                kept.insert(letter.log_order(), letter.is_superseded);
                // The newest gives way: what is sent again later must not be older than what was sent before.
                if kept.len() > most {
                    kept.pop_last();
                    chosen.left += 1;
                }
            }
            if is_last {
                break;
            }
        }
        chosen.letters = kept.into_iter().map(|((.., id), is_superseded)| (id, is_superseded)).collect();
        // A limit that somebody set leaves what they wanted to leave.
        if self.filter.limit.is_some_and(|limit| limit <= CHOSEN_MAX as u64) {
            chosen.left = 0;
        }
        Ok(chosen)
    }
}

/// What the state says of one letter.
pub(super) async fn summary(store: &dyn Store, id: i64) -> Result<Option<DeadSummary>, DeskError> {
    let filter = DeadFilter { before: Some(DeadId(id.saturating_add(1))), limit: 1, ..DeadFilter::default() };
    Ok(store.dead(filter).await?.pop().filter(|letter| letter.id.0 == id))
}
