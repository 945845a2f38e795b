//! Customers whose HTTP APIs behave as badly as wanted, and who write down everything that reaches them.
//!
//! A few customers get a listener each, as in life. Many share one, with a path each: a thousand listeners prove nothing more.

mod door;

use crate::audit::{Arrival, Record};
use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use door::Door;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Up to here every customer has a listener of its own.
const LISTENERS_MAX: usize = 32;

/// How a customer answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    Instant,
    /// After a time drawn evenly from this range, in milliseconds.
    Between(u64, u64),
    /// Takes the request and never answers.
    Dead,
    /// Answers at once with this status, which is none of success.
    Fails(u16),
}

impl Manner {
    /// About 300 ms.
    pub const USUAL: Self = Self::Between(280, 320);
    /// Up to 30 s.
    pub const SLOW: Self = Self::Between(200, 30_000);

    pub fn is_dead(self) -> bool {
        self == Self::Dead
    }
}

/// Running customers; their listeners close on drop.
pub struct Customers {
    record: Arc<Record>,
    manners: Arc<Mutex<BTreeMap<u32, Manner>>>,
    urls: BTreeMap<u32, String>,
    /// In the order of the customers' numbers; many customers share one.
    doors: Vec<Door>,
}

struct Desk {
    record: Arc<Record>,
    manners: Arc<Mutex<BTreeMap<u32, Manner>>>,
    dice: Mutex<StdRng>,
}

/// What of the flat body is looked at.
#[derive(Deserialize)]
struct Body {
    package_id: i32,
    customer_id: u32,
    status: String,
    updated_at: String,
    handled_by: Option<serde_json::Value>,
}

impl Customers {
    /// Opens the listeners. The same `seed` draws the same answering times.
    pub async fn open(manners: BTreeMap<u32, Manner>, record: Arc<Record>, seed: u64) -> Result<Self> {
        let numbers: Vec<u32> = manners.keys().copied().collect();
        let manners = Arc::new(Mutex::new(manners));
        let mut customers =
            Self { record: record.clone(), manners: manners.clone(), urls: BTreeMap::new(), doors: Vec::new() };
        let one_each = numbers.len() <= LISTENERS_MAX;
        let groups = if one_each { numbers.chunks(1) } else { numbers.chunks(numbers.len()) };
        for (group, members) in groups.enumerate() {
            let dice = Mutex::new(StdRng::seed_from_u64(seed.wrapping_add(group as u64)));
            let desk = Desk { record: record.clone(), manners: manners.clone(), dice };
            let routes =
                Router::new().route("/customers/{customer}/packages", post(receive)).with_state(Arc::new(desk));
            let door = Door::open(routes).await?;
            for member in members {
                customers.urls.insert(*member, format!("http://{}/customers/{member}/packages", door.address()));
            }
            customers.doors.push(door);
        }
        Ok(customers)
    }

    /// Where each customer is reached.
    pub fn urls(&self) -> &BTreeMap<u32, String> {
        &self.urls
    }

    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Changes how a customer answers from the next request on.
    pub fn set_manner(&self, customer: u32, manner: Manner) {
        self.manners.lock().expect("nobody panics while holding the manners").insert(customer, manner);
    }

    /// Cuts a customer's connections and refuses new ones.
    pub async fn shut(&mut self, customer: u32) -> Result<()> {
        self.door(customer)?.shut().await;
        Ok(())
    }

    /// Lets a customer listen again, at the same address.
    pub async fn open_again(&mut self, customer: u32) -> Result<()> {
        self.door(customer)?.open_again().await
    }

    fn door(&mut self, customer: u32) -> Result<&mut Door> {
        let index = self.urls.keys().position(|number| *number == customer).context("there is no such customer")?;
        ensure!(self.doors.len() == self.urls.len(), "the customers are so many that they share one door");
        self.doors.get_mut(index).context("every customer has a door")
    }
}

async fn receive(
    State(desk): State<Arc<Desk>>,
    Path(customer): Path<u32>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let row: Option<(Body, i64)> = serde_json::from_slice(&body).ok().and_then(|row: Body| {
        let change = micros_of(&row.updated_at)?;
        Some((row, change))
    });
    let message = headers.get("webhook-id").and_then(|id| id.to_str().ok());
    let (Some((row, change)), Some(message)) = (row, message) else {
        desk.record.unreadable();
        return StatusCode::BAD_REQUEST;
    };
    if row.customer_id != customer {
        desk.record.unreadable();
        return StatusCode::NOT_FOUND;
    }
    let number = desk.record.arrived(Arrival {
        message: message.to_owned(),
        customer,
        parcel: row.package_id,
        change,
        status: row.status,
        marked: row.handled_by.is_some_and(|value| !value.is_null()),
        at,
        answered_at: None,
    });
    match desk.draw(customer) {
        Reply::After(pause) => tokio::time::sleep_until((at + pause).into()).await,
        Reply::Never => std::future::pending().await,
        Reply::Refusal(status) => return status,
    }
    desk.record.answered(number);
    StatusCode::NO_CONTENT
}

/// How one request is answered.
enum Reply {
    After(Duration),
    Never,
    Refusal(StatusCode),
}

impl Desk {
    fn draw(&self, customer: u32) -> Reply {
        let manner = self.manners.lock().expect("nobody panics while holding the manners").get(&customer).copied();
        match manner.unwrap_or(Manner::Instant) {
            Manner::Instant => Reply::After(Duration::ZERO),
            Manner::Dead => Reply::Never,
            Manner::Fails(status) => {
                Reply::Refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Manner::Between(least_ms, most_ms) => {
                let mut dice = self.dice.lock().expect("nobody panics while holding the dice");
                Reply::After(Duration::from_micros(dice.random_range(least_ms * 1000..=most_ms * 1000)))
            }
        }
    }
}

/// Microseconds since 1970 of an ISO time with a zone: `2026-01-31T08:15:00.25Z`, `2026-01-31 08:15:00+00`. `None` for any other text.
pub fn micros_of(iso: &str) -> Option<i64> {
    let (date, rest) = iso.split_once(['T', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = clock.splitn(3, ':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = parts.next()?.split_once('.').unwrap_or((clock.rsplit(':').next()?, "0"));
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let offset_minutes = match zone.get(1..)? {
        "" => 0,
        offset => {
            let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
            let minutes: i64 = digits.get(..2)?.parse::<i64>().ok()? * 60
                + digits.get(2..4).map_or(Some(0), |minutes| minutes.parse().ok())?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let days = days_since_1970(year, month, day);
    Some((((days * 24 + hours) * 60 + minutes - offset_minutes) * 60 + seconds) * 1_000_000 + fraction)
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_of_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days_of_years + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_times_become_microseconds() {
        assert_eq!(micros_of("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros_of("2000-02-29 12:00:00.000001+00"), Some(951_825_600_000_001));
        assert_eq!(micros_of("2026-01-31T08:15:00.25Z"), micros_of("2026-01-31 10:45:00.250000+02:30"));
        assert_eq!(micros_of("2026-01-31T08:15:00.25Z"), micros_of("2026-01-31T03:15:00.25-05"));
        for wrong in ["", "soon", "2026-01-31", "2026-01-31T08:15:00", "2026-01-31T08:15Z", "2026-x-31T08:15:00Z"] {
            assert_eq!(micros_of(wrong), None, "{wrong}");
        }
    }

    fn body(customer: u32) -> String {
        format!(
            r#"{{"id":1,"package_id":7,"customer_id":{customer},"status":"In Transit","updated_at":"1970-01-01T00:00:00.000042Z","__op":"u"}}"#
        )
    }

    async fn post_to(customers: &Customers, customer: u32, body: String) -> Result<u16> {
        crate::host::install_tls();
        let client = reqwest::Client::builder().timeout(Duration::from_millis(500)).build()?;
        let request = client.post(&customers.urls()[&customer]).header("webhook-id", "m1").body(body);
        Ok(request.send().await?.status().as_u16())
    }

    #[tokio::test]
    async fn each_customer_answers_in_its_manner_and_keeps_a_record() -> Result<()> {
        let record = Arc::new(Record::default());
        let manners = [(1, Manner::Instant), (2, Manner::Dead), (3, Manner::Between(50, 60))];
        let customers = Customers::open(manners.into(), record.clone(), 1).await?;
        assert_eq!(post_to(&customers, 1, body(1)).await?, 204);
        assert!(post_to(&customers, 2, body(2)).await.is_err());
        assert_eq!(post_to(&customers, 3, body(3)).await?, 204);
        assert_eq!(post_to(&customers, 3, "{}".into()).await?, 400);
        assert_eq!(post_to(&customers, 3, body(1)).await?, 404);
        let arrivals = record.look(<[Arrival]>::to_vec);
        let answered: Vec<bool> = arrivals.iter().map(|arrival| arrival.answered_at.is_some()).collect();
        assert_eq!(answered, [true, false, true]);
        let third = &arrivals[2];
        assert!(third.answered_at.is_some_and(|at| at - third.at >= Duration::from_millis(50)));
        assert_eq!((third.change, third.parcel, third.message.as_str()), (42, 7, "m1"));
        Ok(())
    }

    #[tokio::test]
    async fn a_shut_customer_refuses_and_an_opened_one_answers_at_the_same_address() -> Result<()> {
        let manners = [(1, Manner::Instant), (2, Manner::Fails(503))];
        let mut customers = Customers::open(manners.into(), Arc::default(), 1).await?;
        crate::host::install_tls();
        let client = reqwest::Client::new();
        let post = async |customer: u32, url: &str| -> Result<u16> {
            let request = client.post(url).header("webhook-id", "m1").body(body(customer));
            Ok(request.send().await?.status().as_u16())
        };
        let urls = customers.urls().clone();
        assert_eq!((post(1, &urls[&1]).await?, post(2, &urls[&2]).await?), (204, 503));
        customers.shut(1).await?;
        // The first stands on a connection that was kept, the second finds nobody.
        assert!(post(1, &urls[&1]).await.is_err() && post(1, &urls[&1]).await.is_err());
        assert_eq!(post(2, &urls[&2]).await?, 503);
        customers.open_again(1).await?;
        assert_eq!(post(1, &urls[&1]).await?, 204);
        Ok(())
    }

    #[tokio::test]
    async fn many_customers_share_a_listener() -> Result<()> {
        let manners = (1..=100).map(|customer| (customer, Manner::Instant)).collect();
        let customers = Customers::open(manners, Arc::default(), 1).await?;
        assert_eq!((customers.urls().len(), customers.doors.len()), (100, 1));
        assert_eq!(post_to(&customers, 77, body(77)).await?, 204);
        Ok(())
    }
}
