//! The demo's last picture: who got how many, how fast, and what that proves.

use super::cast::{Cast, Group, SLOW};
use super::writing::Takeover;
use crate::audit::{Audit, Delivery, quantile};
use crate::customers::Manner;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const COLUMNS: usize = 24;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The scale of the little curves is logarithmic, from here ...
const LEAST: Duration = Duration::from_millis(100);
/// ... to here.
const MOST: Duration = Duration::from_secs(30);
/// A healthy customer that is slower than alone by less than this has not noticed the slow one.
const NOTICED: Duration = Duration::from_millis(50);

/// Everything that the picture shows.
pub struct Picture<'a> {
    pub cast: &'a Cast,
    pub audit: &'a Audit,
    /// Median latency of healthy customers without the slow one.
    pub baseline: &'a BTreeMap<u32, Duration>,
    pub written_in: Duration,
    pub takeover: &'a Result<Takeover>,
    /// Changes written.
    pub changes: usize,
    /// PostgreSQL's version.
    pub server: &'a str,
    pub guest_bytes: u64,
}

impl Picture<'_> {
    pub fn draw(&self) -> String {
        let mut text = format!(
            "\nparcels: {} changes in {}, PostgreSQL {} -> parcels.wasm ({} KB) -> {} customers\n\n",
            self.changes,
            duration(self.written_in),
            self.server,
            self.guest_bytes.div_ceil(1024),
            self.cast.manners().len(),
        );
        text += "  customer   delivered      p50      p95      p99   commit to answer over time\n";
        for group in self.cast.groups() {
            text += &self.row(&group);
        }
        write!(text, "\n{}\n{}", self.sentence_about_speed(), self.sentence_about_loss())
            .expect("a String takes everything");
        text
    }

    fn row(&self, group: &Group) -> String {
        let latencies = self.audit.latencies(|customer| group.holds(customer));
        let shown = |share| quantile(&latencies, share).map_or("-".to_owned(), duration);
        let deliveries: Vec<&Delivery> = self.audit.deliveries.iter().filter(|d| group.holds(d.customer)).collect();
        let (p50, p95, p99) = (shown(0.50), shown(0.95), shown(0.99));
        let curve = curve(&deliveries);
        format!("  {:<8} {:>11} {p50:>8} {p95:>8} {p99:>8}   {curve}\n", group.name, latencies.len())
    }

    fn sentence_about_speed(&self) -> String {
        let slowest =
            self.audit.latencies(|customer| customer == SLOW).last().map_or("-".to_owned(), |last| duration(*last));
        let healthy: Vec<u32> = self.cast.healthy().collect();
        let who = if self.cast.is_crowd() {
            format!("the {} healthy ones", healthy.len())
        } else {
            format!(
                "customer{} {}",
                if healthy.len() == 1 { "" } else { "s" },
                list(healthy.iter().map(u32::to_string))
            )
        };
        let medians = self.medians();
        let slower = medians.iter().filter_map(|(now, before)| now.checked_sub(*before)).max().unwrap_or_default();
        let noticed = if slower < NOTICED {
            "did not notice".to_owned()
        } else {
            format!("became slower by up to {}", duration(slower))
        };
        let before: Vec<String> = medians.iter().map(|(_, before)| duration(*before)).collect();
        let dead = match self.cast.manners().values().filter(|manner| manner.is_dead()).count() {
            0 => String::new(),
            dead => format!(", {dead} never"),
        };
        let before = before.join(", ");
        format!("Customer {SLOW} answered after up to {slowest}{dead}; {who} {noticed} (without it: {before}).")
    }

    /// Medians of the healthy customers, now and without the slow one; one pair for all of them when they are a crowd.
    fn medians(&self) -> Vec<(Duration, Duration)> {
        let groups = self.cast.groups();
        let healthy = groups.iter().filter(|group| group.manner == Manner::USUAL);
        let medians = healthy.filter_map(|group| {
            let mut before: Vec<Duration> = self
                .baseline
                .iter()
                .filter(|(customer, _)| group.holds(**customer))
                .map(|(_, median)| *median)
                .collect();
            before.sort_unstable();
            Some((quantile(&self.audit.latencies(|customer| group.holds(customer)), 0.5)?, quantile(&before, 0.5)?))
        });
        medians.collect()
    }

    fn sentence_about_loss(&self) -> String {
        let Audit { lost, doubled, out_of_order, parcels, .. } = *self.audit;
        let order = match out_of_order {
            0 => format!("order kept for {parcels} parcels"),
            broken => format!("{broken} OUT OF ORDER in {parcels} parcels"),
        };
        let takeover = match self.takeover {
            Ok(takeover) => {
                format!("A new parcels.wasm took over after change {}, in {}.", takeover.after, duration(takeover.took))
            }
            Err(failure) => format!("And {failure}."),
        };
        format!("{lost} lost, {doubled} doubled, {order}. {takeover}\n")
    }
}

/// `1, 3 and 4`
fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nobody".to_owned(),
    }
}

/// Mean latencies in order of commit, one sign for an equal share of the deliveries each.
fn curve(deliveries: &[&Delivery]) -> String {
    let columns = deliveries.len().min(COLUMNS);
    let mean = |part: &[&Delivery]| {
        let total: Duration = part.iter().map(|delivery| delivery.latency).sum();
        total / u32::try_from(part.len().max(1)).unwrap_or(u32::MAX)
    };
    let cut = |column: usize| column * deliveries.len() / columns.max(1);
    (0..columns).map(|column| level(mean(&deliveries[cut(column)..cut(column + 1)]))).collect()
}

fn level(latency: Duration) -> char {
    let share =
        (latency.as_secs_f64() / LEAST.as_secs_f64()).max(1.0).ln() / (MOST.as_secs_f64() / LEAST.as_secs_f64()).ln();
    LEVELS[((share * LEVELS.len() as f64) as usize).min(LEVELS.len() - 1)]
}

/// As short as people say it: `304 ms`, `28.4 s`.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 0.0095 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 0.9995 => format!("{:.0} ms", seconds * 1000.0),
        seconds => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_picture_says_who_got_what_and_what_that_proves() {
        let cast = Cast::new(3, 0).expect("fine");
        let now = Instant::now();
        let delivery = |customer, ms| Delivery {
            number: 0,
            customer,
            committed_at: now,
            latency: Duration::from_millis(ms),
            marked: false,
        };
        let deliveries = vec![delivery(1, 304), delivery(2, 14_200), delivery(3, 303), delivery(2, 29_800)];
        let audit = Audit { changes: 4, delivered: 4, parcels: 4, deliveries, ..Audit::default() };
        let picture = Picture {
            cast: &cast,
            audit: &audit,
            baseline: &[(1, Duration::from_millis(303)), (3, Duration::from_millis(304))].into(),
            written_in: Duration::from_secs(12),
            takeover: &Ok(Takeover { after: 2, took: Duration::from_millis(41) }),
            changes: 4,
            server: "18.6",
            guest_bytes: 83_500,
        };
        let expected = [
            "",
            "parcels: 4 changes in 12.0 s, PostgreSQL 18.6 -> parcels.wasm (82 KB) -> 3 customers",
            "",
            "  customer   delivered      p50      p95      p99   commit to answer over time",
            "  1                  1   304 ms   304 ms   304 ms   ▂",
            "  2                  2   14.2 s   29.8 s   29.8 s   ▇█",
            "  3                  1   303 ms   303 ms   303 ms   ▂",
            "",
            "Customer 2 answered after up to 29.8 s; customers 1 and 3 did not notice (without it: 303 ms, 304 ms).",
            "0 lost, 0 doubled, order kept for 4 parcels. A new parcels.wasm took over after change 2, in 41 ms.",
            "",
        ];
        assert_eq!(picture.draw(), expected.join("\n"));
    }

    #[test]
    fn durations_read_well() {
        let shown: Vec<String> = [2, 41, 304, 1000, 28_412].map(|ms| duration(Duration::from_millis(ms))).to_vec();
        assert_eq!(shown, ["2.0 ms", "41 ms", "304 ms", "1.0 s", "28.4 s"]);
    }

    #[test]
    fn a_curve_has_a_sign_per_delivery_until_the_line_is_full() {
        let delivery = |ms| Delivery {
            number: 0,
            customer: 1,
            committed_at: Instant::now(),
            latency: Duration::from_millis(ms),
            marked: false,
        };
        let few = [delivery(300), delivery(30_000), delivery(10)];
        assert_eq!(curve(&few.iter().collect::<Vec<_>>()), "▂█▁");
        let many: Vec<Delivery> = (0..1000).map(|_| delivery(300)).collect();
        assert_eq!(curve(&many.iter().collect::<Vec<_>>()), "▂".repeat(COLUMNS));
        assert_eq!(curve(&[]), "");
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let listed = |names: &[&str]| list(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(listed(&["1", "3"]), "1 and 3");
        assert_eq!(listed(&["1", "3", "4"]), "1, 3 and 4");
        assert_eq!(listed(&["1"]), "1");
    }
}
