//! Every metric's name, unit and labels, in one table. Prometheus' text, made from the same figures as `/status`.

use super::status::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;
use std::fmt;

type Labels = Vec<(&'static str, String)>;

/// One row of the table: name, help, whether it only grows, and its values with their labels.
struct Family {
    name: &'static str,
    help: &'static str,
    counter: bool,
    values: Vec<(Labels, f64)>,
}

/// Prometheus' text form of a status.
pub fn encode(status: Status) -> String {
    let mut metrics = Metrics::with_prefix("sluicegate");
    metrics.register_collector(Box::new(Snapshot(status)));
    let mut out = String::new();
    text::encode(&mut out, &metrics).expect("a string takes any length");
    out
}

#[derive(Debug)]
struct Snapshot(Status);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in families(&self.0) {
            let kind = if family.counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in family.values {
                let labelled = metric.encode_family(&labels)?;
                if family.counter {
                    ConstCounter::new(value).encode(labelled)?;
                } else {
                    ConstGauge::new(value).encode(labelled)?;
                }
            }
        }
        Ok(())
    }
}

fn families(status: &Status) -> Vec<Family> {
    let mut families = Vec::new();
    families.extend(per(
        &status.sources,
        |s| vec![("source", s.name.clone())],
        &[
            ("source_up", "1 while changes are being read", false, |s| f64::from(s.state == "streaming")),
            ("source_lag_bytes", "from the confirmed position to the end of the database's log", false, |s| {
                s.lag_bytes as f64
            }),
            (
                "source_oldest_unpaid_seconds",
                "age of the oldest batch that is not delivered everywhere: the first alarm",
                false,
                |s| s.lag_ms as f64 / 1e3,
            ),
            ("source_state_failing", "1 while its position can not be written", false, |s| {
                f64::from(s.state_error.is_some())
            }),
            ("source_rows", "rows read", true, |s| s.rows_total as f64),
            ("source_transactions", "transactions read", true, |s| s.transactions_total as f64),
            ("source_reconnects", "connections made again", true, |s| s.reconnects_total as f64),
        ],
    ));
    families.extend(per(
        &status.pipelines,
        |p| vec![("pipeline", p.name.clone())],
        &[
            ("pipeline_rows", "rows of the pipeline's tables", true, |p| p.rows_total as f64),
            ("pipeline_messages", "messages given to lanes", true, |p| p.messages_total as f64),
            ("pipeline_dead", "rows that a guest refused", true, |p| p.dead_total as f64),
            ("pipeline_unroutable", "messages that no lane was found for", true, |p| p.unroutable_total as f64),
            ("pipeline_halted", "1 while the pipeline waits for a mended guest", false, |p| {
                f64::from(p.halted.is_some())
            }),
        ],
    ));
    families.extend(per(
        &status.guests,
        |g| vec![("pipeline", g.pipeline.clone()), ("guest", g.file.clone())],
        &[
            ("guest_up", "1 while a generation is loaded", false, |g| f64::from(g.generation.is_some())),
            ("guest_rows", "rows judged", true, |g| g.rows_total as f64),
            ("guest_dropped", "rows dropped", true, |g| g.dropped_total as f64),
            ("guest_rejected", "rows refused", true, |g| g.rejected_total as f64),
            ("guest_traps", "traps, deadlines and limits hit", true, |g| g.traps_total as f64),
            ("guest_reloads", "generations taken over", true, |g| g.reloads_total as f64),
            ("guest_recycles", "instances made anew", true, |g| g.recycles_total as f64),
            ("guest_row_nanoseconds", "mean time per row, border included", false, |g| g.ns_per_row as f64),
        ],
    ));
    families.push(Family {
        name: "guest_counter",
        help: "what a guest counts itself",
        counter: true,
        values: status
            .guests
            .iter()
            .flat_map(|guest| {
                guest.counters.iter().map(|(name, value)| {
                    let of = [("pipeline", guest.pipeline.clone()), ("guest", guest.file.clone())];
                    (of.into_iter().chain([("name", name.clone())]).collect(), *value as f64)
                })
            })
            .collect(),
    });
    let lane_labels = |l: &super::status::LaneStatus| {
        vec![("pipeline", l.pipeline.clone()), ("target", l.target.clone()), ("member", l.member.clone())]
    };
    families.extend(per(
        &status.lanes,
        lane_labels,
        &[
            ("lane_in_flight", "attempts under way", false, |l| l.in_flight as f64),
            ("lane_waiting", "messages that wait in memory", false, |l| l.waiting as f64),
            ("lane_waiting_bytes", "bytes that wait in memory", false, |l| l.waiting_bytes as f64),
            ("lane_parked_messages", "messages that wait on disk", false, |l| l.parked as f64),
            ("lane_parked_bytes", "bytes that wait on disk", false, |l| l.parked_bytes as f64),
            ("lane_removed", "1 if its member is gone from the configuration", false, |l| {
                f64::from(l.state == "removed")
            }),
            ("lane_parked", "messages that went to disk", true, |l| l.parked_total as f64),
            ("lane_known", "messages that came again with the log and were taken care of", true, |l| {
                l.known_total as f64
            }),
            ("lane_dropped", "messages given up to make room on disk", true, |l| l.dropped_total as f64),
            ("lane_opened", "how often the receiver was found to be away", true, |l| l.opened_total as f64),
            ("lane_oldest_seconds", "age of the oldest undelivered message", false, |l| l.oldest_ms as f64 / 1e3),
            ("lane_delivered", "messages delivered", true, |l| l.delivered_total as f64),
            ("lane_attempts", "attempts made", true, |l| l.attempts_total as f64),
            ("lane_dead", "messages refused for good", true, |l| l.dead_total as f64),
            ("lane_latency_p50_seconds", "commit to answer, median since the start", false, |l| {
                l.p50_ms.unwrap_or(f64::NAN) / 1e3
            }),
            ("lane_latency_p99_seconds", "commit to answer, 99th percentile since the start", false, |l| {
                l.p99_ms.unwrap_or(f64::NAN) / 1e3
            }),
        ],
    ));
    let alone =
        |name, help, value: u64| Family { name, help, counter: false, values: vec![(Vec::new(), value as f64)] };
    families.push(alone("memory_bytes", "bytes that all lanes hold in memory", status.memory_bytes));
    families.push(alone("dead_letters", "dead letters that are kept", status.dead_letters));
    families.push(alone("state_disk_bytes", "bytes that the state takes of the disk", status.state_bytes));
    families
}

type Column<T> = (&'static str, &'static str, bool, fn(&T) -> f64);

fn per<T>(items: &[T], labels: impl Fn(&T) -> Labels, columns: &[Column<T>]) -> Vec<Family> {
    columns
        .iter()
        .map(|&(name, help, counter, value)| Family {
            name,
            help,
            counter,
            values: items.iter().map(|item| (labels(item), value(item))).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::{LaneStatus, SourceStatus};

    #[test]
    fn counters_and_gauges_carry_their_labels() {
        let status = Status {
            sources: vec![SourceStatus {
                name: "erp".into(),
                state: "streaming".into(),
                rows_total: 7,
                ..Default::default()
            }],
            lanes: vec![LaneStatus {
                pipeline: "p".into(),
                target: "t".into(),
                member: "2".into(),
                waiting: 61,
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = encode(status);
        assert!(text.contains("sluicegate_source_rows_total{source=\"erp\"} 7"), "{text}");
        assert!(text.contains("sluicegate_lane_waiting{pipeline=\"p\",target=\"t\",member=\"2\"} 61"), "{text}");
    }
}
