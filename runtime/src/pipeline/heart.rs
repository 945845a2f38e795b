//! Debezium's heartbeats: at an interval, whether or not rows come, a record that says that the source is read.
//!
//! A heartbeat is in no log, so nothing waits for it: it has a ledger of its own, and no position depends on it. It is sent while its
//! source streams, and only into a lane that has delivered the one before and has nothing on disk: a receiver that is away finds one
//! heartbeat when it is back, not one for every interval that it was.

use super::Corridor;
use super::ids::message_id;
use super::route::{Route, Unroutable};
use super::said::own_record;
use super::shape::now_ns;
use crate::change::{Content, Origin, RowMark, Schema};
use crate::lane::{Lane, Parcel};
use crate::ledger::Ledger;
use crate::telemetry::SourceStats;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A source of the pipeline, as far as heartbeats ask about it.
#[derive(Clone)]
pub struct PipelineSource {
    pub name: String,
    pub stats: Arc<SourceStats>,
}

impl PipelineSource {
    /// Whether it is read now; also while it waits for us.
    fn is_read(&self) -> bool {
        self.stats.state.get().is_some_and(|state| matches!(state.as_str(), "streaming" | "held"))
    }
}

/// All heartbeats of a pipeline.
pub(super) struct Heart(Vec<Beat>);

/// Those of one route about one name.
struct Beat {
    route: usize,
    /// The sources that go by the name; one of them is enough.
    sources: Vec<PipelineSource>,
    every: Duration,
    due: Instant,
    /// What was sent of it.
    sent: Ledger,
}

impl Corridor {
    /// Sends the heartbeats that are due.
    pub(super) async fn beat(&mut self) {
        for beat in self.heart.beat(&self.settings.routes) {
            match beat {
                Ok((lane, parcel)) => {
                    if let Err(turned) = lane.push(parcel).await {
                        // The house is closing; there will be others.
                        turned.parcel.ticket.settle();
                    }
                }
                Err(reason) => self.lose("a heartbeat", &reason),
            }
        }
    }
}

impl Heart {
    pub(super) fn new(routes: &[Route], sources: &[PipelineSource]) -> Self {
        let mut beats: Vec<Beat> = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let Some((debezium, every)) = route.heartbeat() else { continue };
            for source in sources {
                let name = debezium.server_name(&source.name);
                let known = beats.iter_mut().find(|beat| {
                    let first = beat.sources.first().map(|first| debezium.server_name(&first.name));
                    beat.route == index && first == Some(name)
                });
                match known {
                    Some(beat) => beat.sources.push(source.clone()),
                    None => beats.push(Beat {
                        route: index,
                        sources: vec![source.clone()],
                        every,
                        due: Instant::now() + every,
                        sent: Ledger::new(),
                    }),
                }
            }
        }
        Self(beats)
    }

    /// Returns when the next one is due; never, if there are none.
    pub(super) async fn due(&self) {
        match self.0.iter().map(|beat| beat.due).min() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// What is due now, with its lane.
    fn beat(&mut self, routes: &[Route]) -> Vec<Result<(Lane, Parcel), Unroutable>> {
        let now = Instant::now();
        let due = self.0.iter_mut().filter(|beat| beat.due <= now);
        due.filter_map(|beat| {
            // What was missed while the corridor waited is not made up for.
            beat.due = now + beat.every;
            beat.parcel(&routes[beat.route]).transpose()
        })
        .collect()
    }
}

impl Beat {
    fn parcel(&self, route: &Route) -> Result<Option<(Lane, Parcel)>, Unroutable> {
        let Some(source) = self.sources.iter().find(|source| source.is_read()) else { return Ok(None) };
        let lane = route.own_lane()?;
        if self.sent.unpaid() > 0 || lane.is_parked() {
            return Ok(None);
        }
        let Some((debezium, _)) = route.heartbeat() else { return Ok(None) };
        let now_us = now_ns().div_euclid(1_000);
        let record = debezium.heartbeat_record(&source.name, now_us.div_euclid(1_000));
        let draft = own_record(record.map_err(|error| route.no_body(error.to_string()))?);
        // Before everything in the log, and one after the other.
        let mark = RowMark { commit: 0, change: now_us.max(0) as u64, sub: 0, transaction: 0 };
        let schema = Schema { source: source.name.clone(), ..Schema::default() };
        let content = Content {
            id: message_id(&source.name, &mark, route.tag(), 0),
            key: draft.key,
            body: draft.body,
            content_type: draft.content_type,
            headers: route.own_headers().collect(),
            place: draft.place,
            act: draft.act,
            form: draft.form,
            // A lane must not take it for something that it had: it is in no log.
            origin: Origin { schema: Arc::new(schema), op: None, mark, index: 0, nth: 0, again: true },
            committed_at_us: now_us,
        };
        Ok(Some((lane, Parcel { message: content.into(), ticket: self.sent.open(None, 1) })))
    }
}
