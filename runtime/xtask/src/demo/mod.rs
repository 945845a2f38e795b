//! The stories on real servers. Story 1, told here: a slow customer hurts nobody, and a guest is swapped while changes flow.
//!
//! ```text
//!   cast      who the customers are                    ┐
//!   stage     PostgreSQL, customers, sluicegate        │ prepared, then
//!   writing   half the changes, the new guest, the rest│ the play,
//!   live      what the watcher sees meanwhile          │
//!   picture   what was proven                          ┘ and the applause
//!   listener  with --kafka: the topic, as a consumer sees it
//!
//!   cache, user_data   stories 2 and 3
//!   scene              what they share: a folder with a process on it
//! ```

mod cache;
mod cast;
mod listener;
mod live;
mod picture;
mod scene;
mod stage;
mod user_data;
mod writing;

use crate::audit::{Audit, quantile};
use crate::build::Profile;
use anyhow::{Result, bail};
use cast::Cast;
use live::Live;
use picture::Picture;
use stage::Stage;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many changes there are unless told otherwise.
const CHANGES: usize = 10;
/// The same with many customers: changes for each, and how many per second.
const CHANGES_EACH: usize = 3;
const CROWD_RATE: f64 = 500.0;
/// Changes per healthy customer that are written before the slow one gets any, to compare with.
const BASELINE_EACH: usize = 4;
const BASELINE_CUSTOMERS_MAX: usize = 50;
const BASELINE_LIMIT: Duration = Duration::from_secs(30);

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoOptions {
    #[command(subcommand)]
    pub story: Option<Story>,
    /// Changes to write; 10 unless --rate and --seconds say otherwise, three per customer when there are many
    #[arg(short = 'Q', long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub changes: Option<u32>,
    /// Changes per second; as fast as it goes unless given
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// With --rate: for how long, instead of -Q
    #[arg(long, value_name = "S", requires = "rate", conflicts_with = "changes")]
    pub seconds: Option<f64>,
    /// Customers; number 2 is the slow one
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub customers: u32,
    /// How many of the customers never answer: the last ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub dead: u32,
    /// PostgreSQL's major version; the newest at hand unless given
    #[arg(long, value_name = "VERSION")]
    pub postgres: Option<u32>,
    /// All steps on a Kafka topic as well; shows what its consumers see
    #[arg(long)]
    pub kafka: bool,
    /// Build sluicegate optimised, which takes minutes the first time
    #[arg(long)]
    pub release: bool,
}

/// Another story than the first.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Story {
    /// Story 2: items of PostgreSQL and MariaDB in one Redis, equal after every step and after kill -9
    Cache(StoryOptions),
    /// Story 3: users of MySQL; only addresses leave, on a topic and by e-mail
    UserData(StoryOptions),
}

/// What the other stories can be told with.
#[derive(Clone, Debug, clap::Args)]
pub struct StoryOptions {
    /// PostgreSQL's major version, where there is one in the story; the newest at hand unless given
    #[arg(long, value_name = "VERSION")]
    pub postgres: Option<u32>,
    /// Build sluicegate optimised, which takes minutes the first time
    #[arg(long)]
    pub release: bool,
}

impl StoryOptions {
    fn profile(&self) -> Profile {
        profile(self.release)
    }
}

fn profile(release: bool) -> Profile {
    if release { Profile::Release } else { Profile::Dev }
}

impl DemoOptions {
    /// How many changes, and the pause between two of them.
    fn pace(&self) -> Result<(usize, Option<Duration>)> {
        let crowd = self.customers > cast::NAMED_MAX;
        let rate = self.rate.or(crowd.then_some(CROWD_RATE));
        if rate.is_some_and(|rate| !(0.01..=100_000.0).contains(&rate)) {
            bail!("--rate is a number of changes per second between 0.01 and 100000");
        }
        let changes = match (self.changes, self.seconds, rate) {
            (Some(changes), _, _) => changes as usize,
            (None, Some(seconds), Some(rate)) => ((seconds * rate).round() as usize).clamp(4, 1_000_000),
            (None, _, _) if crowd => self.customers as usize * CHANGES_EACH,
            (None, _, _) => CHANGES,
        };
        Ok((changes, rate.map(|rate| Duration::from_secs_f64(1.0 / rate))))
    }
}

/// Runs a demo. An error when something was lost, doubled or out of order, or could not be shown at all.
pub async fn run(options: DemoOptions) -> Result<()> {
    match options.story {
        None => parcels(options).await,
        Some(Story::Cache(options)) => cache::run(options).await,
        Some(Story::UserData(options)) => user_data::run(options).await,
    }
}

async fn parcels(options: DemoOptions) -> Result<()> {
    let (changes, pause) = options.pace()?;
    let cast = Cast::new(options.customers, options.dead)?;
    let begun = Instant::now();
    let mut stage = Stage::set(&options, &cast).await?;
    let baseline = baseline(&mut stage, &cast).await?;
    eprintln!(
        "ready after {:.1} s; {} customers, {} changes\n",
        begun.elapsed().as_secs_f64(),
        options.customers,
        changes
    );

    let schedule = cast.schedule(changes, pause);
    let live = Live::begin(&cast, &schedule, stage.ring.record.clone());
    let performed = perform(&mut stage, &cast, &schedule, pause).await;
    live.end().await;
    let (written_in, swap) = performed?;

    let audit = stage.ring.record.audit(|customer| !cast.is_dead(customer));
    let takeover = swap.judge(&audit);
    let picture = Picture {
        cast: &cast,
        audit: &audit,
        baseline: &baseline,
        written_in,
        takeover: &takeover,
        changes: stage.ring.record.written(),
        server: stage.ring.postgres.version(),
        guest_bytes: stage.guest_bytes,
    };
    println!("{}", picture.draw());
    let heard = match &stage.listener {
        Some(listener) => listener.hear(&stage.ring.postgres).await,
        None => Ok(()),
    };
    if !audit.is_clean() || takeover.is_err() {
        eprintln!("the last lines of sluicegate's log:\n{}\n", stage.ring.host.last_log_lines());
    }
    stage.ring.stop().await;
    verdict(&audit)?;
    takeover?;
    heard
}

/// Writes everything and waits until everybody who answers at all has got it.
async fn perform(
    stage: &mut Stage,
    cast: &Cast,
    schedule: &[cast::Change],
    pause: Option<Duration>,
) -> Result<(Duration, writing::Swap)> {
    let begun = Instant::now();
    let swap = writing::write(stage, cast, schedule, pause).await?;
    let written_in = begun.elapsed();
    let deadline = Instant::now() + cast.patience(schedule);
    stage.ring.wait_for_all(|customer| !cast.is_dead(customer), deadline).await?;
    Ok((written_in, swap))
}

/// Median latencies of the healthy customers while nothing goes to the slow one.
async fn baseline(stage: &mut Stage, cast: &Cast) -> Result<BTreeMap<u32, Duration>> {
    let healthy: Vec<u32> = cast.healthy().take(BASELINE_CUSTOMERS_MAX).collect();
    for round in 0..BASELINE_EACH {
        for customer in &healthy {
            let parcel = cast::BASELINE_PARCELS + i32::try_from(*customer as usize * BASELINE_EACH + round)?;
            stage.ring.writer.write(*customer, parcel, crate::parcels::Step::Posted).await?;
        }
    }
    stage.ring.wait_for_all(|_| true, Instant::now() + BASELINE_LIMIT).await?;
    let audit = stage.ring.record.audit(|_| true);
    if audit.lost > 0 {
        let log = stage.ring.host.last_log_lines();
        bail!("{} of the first {} changes did not arrive; sluicegate's log ends:\n{log}", audit.lost, audit.changes);
    }
    stage.ring.record.clear();
    let median = |customer: u32| quantile(&audit.latencies(|other| other == customer), 0.5);
    Ok(healthy.into_iter().filter_map(|customer| Some((customer, median(customer)?))).collect())
}

fn verdict(audit: &Audit) -> Result<()> {
    if audit.is_clean() && audit.doubled == 0 {
        return Ok(());
    }
    bail!("the demo did not hold: {audit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(customers: u32) -> DemoOptions {
        DemoOptions {
            story: None,
            changes: None,
            rate: None,
            seconds: None,
            customers,
            dead: 0,
            postgres: None,
            kafka: false,
            release: false,
        }
    }

    #[test]
    fn three_customers_get_ten_changes_and_a_crowd_three_each() {
        assert_eq!(options(3).pace().expect("fine"), (10, None));
        assert_eq!(options(1000).pace().expect("fine"), (3000, Some(Duration::from_millis(2))));
    }

    #[test]
    fn rate_times_seconds_is_the_number_of_changes() {
        let steady = DemoOptions { rate: Some(20.0), seconds: Some(12.0), ..options(3) };
        assert_eq!(steady.pace().expect("fine"), (240, Some(Duration::from_millis(50))));
        assert!(DemoOptions { rate: Some(0.0), ..options(3) }.pace().is_err());
    }
}
