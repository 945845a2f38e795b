//! Who the customers are, and which parcel moves when.

use crate::customers::Manner;
use crate::parcels::{Step, Terms};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::time::Duration;

/// Up to here every customer has a line of its own on the screen.
pub const NAMED_MAX: u32 = 8;
/// The customer who takes up to 30 s.
pub const SLOW: u32 = 2;
/// Parcels from here on belong to the baseline.
pub const BASELINE_PARCELS: i32 = 1_000_000_000;

/// How many requests the slow customer is sent at once; each is for another parcel.
const SLOW_CONCURRENCY: u32 = 64;
const USUAL_CONCURRENCY: u32 = 16;
const SLOWEST: Duration = Duration::from_secs(30);
/// Three steps of a parcel are a second apart in a run of this length.
const LONG_RUN: Duration = Duration::from_secs(3);
const STEPS_MAX: usize = 3;
/// On top of what the slow customer may take.
const MARGIN: Duration = Duration::from_secs(30);

/// One change to write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub customer: u32,
    pub parcel: i32,
    pub step: Step,
}

/// Customers that share a line on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    pub first: u32,
    pub last: u32,
    pub manner: Manner,
}

/// Every customer and its manner.
pub struct Cast {
    manners: BTreeMap<u32, Manner>,
}

impl Cast {
    /// Customers `1..=customers`: the last `dead` never answer, number 2 is slow, all others are as usual.
    pub fn new(customers: u32, dead: u32) -> Result<Self> {
        ensure!(dead <= customers.saturating_sub(SLOW), "--dead must leave customers 1 and {SLOW} alive");
        let manner = |customer| match customer {
            SLOW => Manner::SLOW,
            _ if customer > customers - dead => Manner::Dead,
            _ => Manner::USUAL,
        };
        Ok(Self { manners: (1..=customers).map(|customer| (customer, manner(customer))).collect() })
    }

    pub fn manners(&self) -> &BTreeMap<u32, Manner> {
        &self.manners
    }

    pub fn is_dead(&self, customer: u32) -> bool {
        self.manners.get(&customer).is_some_and(|manner| manner.is_dead())
    }

    pub fn healthy(&self) -> impl Iterator<Item = u32> {
        self.manners.iter().filter(|(_, manner)| **manner == Manner::USUAL).map(|(customer, _)| *customer)
    }

    pub fn terms(&self, customer: u32) -> Terms {
        match self.manners.get(&customer) {
            Some(Manner::Between(_, 1000..)) => {
                Terms { timeout: SLOWEST + Duration::from_secs(10), concurrency: SLOW_CONCURRENCY }
            }
            _ => Terms { timeout: Duration::from_secs(2), concurrency: USUAL_CONCURRENCY },
        }
    }

    /// Whether there are too many customers for a line each.
    pub fn is_crowd(&self) -> bool {
        self.manners.len() > NAMED_MAX as usize
    }

    /// One group per customer, or one per manner when there are many.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let crowd = self.is_crowd();
        for (customer, manner) in &self.manners {
            match groups.iter_mut().find(|group| crowd && group.manner == *manner) {
                Some(group) => group.last = *customer,
                None => {
                    let name = match manner {
                        _ if !crowd => customer.to_string(),
                        Manner::Dead => "dead".to_owned(),
                        _ if *customer == SLOW => format!("{SLOW}, slow"),
                        _ => "healthy".to_owned(),
                    };
                    groups.push(Group { name, first: *customer, last: *customer, manner: *manner });
                }
            }
        }
        groups
    }

    /// `count` changes, dealt out to the customers in turn, `pause` apart. All parcels of a customer go side by side through their
    /// steps: two, the second one in the second half; or three when the run is long enough for a parcel to be answered before its
    /// next step, for a step that waits for the one before would be measured as slow. A parcel of the slow customer makes one
    /// step only, as long as all of them fit into its lane at once: nobody wants to watch 30 s three times in a row.
    pub fn schedule(&self, count: usize, pause: Option<Duration>) -> Vec<Change> {
        let customers: Vec<u32> = self.manners.keys().copied().collect();
        let length = pause.unwrap_or_default() * u32::try_from(count).unwrap_or(u32::MAX);
        let usual_steps = if length < LONG_RUN { 2 } else { 3 };
        let mut changes = Vec::with_capacity(count);
        for number in 0..count {
            let customer = customers[number % customers.len()];
            let turn = number / customers.len();
            let turns = (count - number % customers.len()).div_ceil(customers.len());
            let slow_alone = customer == SLOW && turns <= SLOW_CONCURRENCY as usize;
            let parcels = turns.div_ceil(if slow_alone { 1 } else { usual_steps });
            let parcel = (turn % parcels) * customers.len() + number % customers.len() + 1;
            let parcel = i32::try_from(parcel).expect("at most a million changes");
            let step = match turn / parcels {
                0 => Step::Posted,
                1 => Step::InTransit,
                _ => Step::Delivered,
            };
            changes.push(Change { customer, parcel, step });
        }
        changes
    }

    /// How long to wait after the last change before calling the rest lost.
    pub fn patience(&self, schedule: &[Change]) -> Duration {
        let slow = schedule.iter().filter(|change| change.customer == SLOW).count();
        let rounds = slow.div_ceil(SLOW_CONCURRENCY as usize) + STEPS_MAX;
        MARGIN + SLOWEST * u32::try_from(rounds).unwrap_or(u32::MAX)
    }
}

impl Group {
    /// Whether `customer` belongs here; the slow one never belongs to the crowd around it.
    pub fn holds(&self, customer: u32) -> bool {
        (self.first..=self.last).contains(&customer) && (customer != SLOW || self.first == SLOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn every_parcel_takes_its_steps_in_order_and_belongs_to_one_customer() {
        let pause = Some(Duration::from_millis(50));
        for (customers, count, pause) in [(3, 10, None), (3, 240, pause), (8, 100, None), (1000, 3000, pause)] {
            let cast = Cast::new(customers, 0).expect("fine");
            let schedule = cast.schedule(count, pause);
            assert_eq!(schedule.len(), count);
            let mut seen: HashMap<i32, (u32, u8)> = HashMap::new();
            for change in schedule {
                let (owner, steps) = seen.entry(change.parcel).or_insert((change.customer, 0));
                assert_eq!((*owner, *steps), (change.customer, change.step as u8));
                *steps += 1;
            }
        }
    }

    #[test]
    fn the_default_run_gives_the_slow_customer_different_parcels() {
        let schedule = Cast::new(3, 0).expect("fine").schedule(10, None);
        let slow: Vec<i32> = schedule.iter().filter(|c| c.customer == SLOW).map(|c| c.parcel).collect();
        assert_eq!(slow.len(), 3);
        assert!(slow.iter().all(|parcel| slow.iter().filter(|other| *other == parcel).count() == 1));
        assert!(schedule.iter().any(|change| change.customer == 1 && change.step == Step::InTransit));
    }

    #[test]
    fn at_full_speed_no_parcel_moves_twice_in_one_half() {
        for count in 4..200 {
            let schedule = Cast::new(3, 0).expect("fine").schedule(count, None);
            let (first, second) = schedule.split_at(count / 2);
            for half in [first, second] {
                let parcels: HashSet<i32> = half.iter().filter(|c| c.customer != SLOW).map(|c| c.parcel).collect();
                assert_eq!(parcels.len(), half.iter().filter(|c| c.customer != SLOW).count(), "{count} changes");
            }
        }
    }

    #[test]
    fn a_crowd_is_three_groups() {
        let cast = Cast::new(1000, 100).expect("fine");
        let groups = cast.groups();
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["healthy", "2, slow", "dead"]);
        let held: Vec<usize> = groups.iter().map(|g| (1..=1000).filter(|c| g.holds(*c)).count()).collect();
        assert_eq!(held, [899, 1, 100]);
    }

    #[test]
    fn the_dead_may_not_be_everybody() {
        assert!(Cast::new(3, 2).is_err());
        assert!(Cast::new(3, 1).is_ok());
    }
}
