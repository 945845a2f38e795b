//! Story 1 as data: the table, the pipeline folder, and the writer that moves parcels.

use crate::audit::Record;
use crate::customers::Customers;
use crate::servers::{Postgres, connect_postgres};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_postgres::{Client, Statement};

const TABLE: &str = include_str!("../../../pipelines/parcels/table.sql");
const PIPELINE: &str = include_str!("../../../pipelines/parcels/pipeline.toml");
const CITIES: [&str; 6] = ["Porto", "Lisboa", "Faro", "Braga", "Coimbra", "Viseu"];

/// Creates the table of the story.
pub async fn create_table(client: &Client) -> Result<()> {
    client.batch_execute(TABLE).await.context("create package_status")
}

/// A pipelines folder made for one run: the story's own `pipeline.toml`, with this run's addresses.
pub struct Folder {
    path: PathBuf,
    pub admin: String,
}

/// The settings of one customer beside its address.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub timeout: Duration,
    pub concurrency: u32,
}

impl Folder {
    /// Writes the folder; the guest comes with [`put_guest`](Self::put_guest).
    pub fn write(path: &Path, source_url: &str, customers: &Customers, terms: impl Fn(u32) -> Terms) -> Result<Self> {
        let admin = format!("127.0.0.1:{}", crate::servers::free_port()?);
        let parcels = path.join("parcels");
        std::fs::create_dir_all(&parcels).with_context(|| format!("make {}", parcels.display()))?;
        let host = format!(
            "[host]\nadmin = \"{admin}\"\nstate = \"state\"\n\n[source.erp]\nkind = \"postgres\"\nurl = \"{source_url}\"\n"
        );
        std::fs::write(path.join("sluicegate.toml"), host).context("write sluicegate.toml")?;
        std::fs::write(parcels.join("pipeline.toml"), PIPELINE).context("write pipeline.toml")?;
        let members = members(customers.urls(), terms);
        std::fs::write(parcels.join("customers.toml"), members).context("write customers.toml")?;
        Ok(Self { path: path.to_owned(), admin })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a guest in place as `parcels.wasm` in one step, as a careful author would: written beside, then renamed.
    /// Returns when the rename began.
    pub fn put_guest(&self, wasm: &Path) -> Result<Instant> {
        let beside = self.path.join("parcels/.parcels.wasm.new");
        std::fs::copy(wasm, &beside).with_context(|| format!("copy {}", wasm.display()))?;
        let renamed_at = Instant::now();
        std::fs::rename(&beside, self.path.join("parcels/parcels.wasm")).context("put the guest in place")?;
        Ok(renamed_at)
    }
}

fn members(urls: &BTreeMap<u32, String>, terms: impl Fn(u32) -> Terms) -> String {
    let mut text = String::new();
    for (customer, url) in urls {
        let Terms { timeout, concurrency } = terms(*customer);
        let timeout_ms = timeout.as_millis();
        writeln!(text, "[{customer}]\nurl = \"{url}\"\ntimeout = \"{timeout_ms}ms\"\nconcurrency = {concurrency}\n")
            .expect("a String takes everything");
    }
    text
}

/// Which of its steps a parcel is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Posted,
    InTransit,
    Delivered,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Posted => "Package Posted",
            Self::InTransit => "In Transit",
            Self::Delivered => "Package Delivered",
        }
    }
}

/// One connection that moves parcels, a transaction per step, and notes each step in the record.
pub struct Writer {
    client: Client,
    insert: Statement,
    update: Statement,
    record: Arc<Record>,
    /// Row id per parcel.
    rows: HashMap<i32, i64>,
    /// The change whose answer did not come: committed or not, nobody has asked yet.
    unsure: Option<Unsure>,
    /// `updated_at` of the last change, in microseconds since 1970.
    last: i64,
}

struct Unsure {
    change: i64,
    at: SystemTime,
    parcel: i32,
}

impl Writer {
    pub async fn connect(postgres: &Postgres, record: Arc<Record>) -> Result<Self> {
        let client = postgres.connect().await?;
        let (insert, update) = prepare(&client).await?;
        Ok(Self { client, insert, update, record, rows: HashMap::new(), unsure: None, last: 0 })
    }

    /// Goes on at the same server after its end, and finds out whether what was under way was committed.
    pub async fn resume(&mut self, url: &str) -> Result<()> {
        self.client = connect_postgres(url).await?;
        (self.insert, self.update) = prepare(&self.client).await?;
        let Some(Unsure { change, at, parcel }) = &self.unsure else { return Ok(()) };
        // Nobody else moves this parcel, so its row is as this change left it, or as it was before.
        let ask = "SELECT id FROM package_status WHERE package_id = $1 AND updated_at = $2";
        match self.client.query_opt(ask, &[parcel, at]).await.context("ask for a change")? {
            Some(row) => drop(self.rows.insert(*parcel, row.get(0))),
            None => self.record.failed(*change),
        }
        self.unsure = None;
        Ok(())
    }

    /// Moves one parcel of `customer` to `step`; the first step of a parcel inserts its row. Committed on return; after an error
    /// perhaps, which [`resume`](Self::resume) finds out.
    pub async fn write(&mut self, customer: u32, parcel: i32, step: Step) -> Result<()> {
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros());
        let change = i64::try_from(now).unwrap_or(i64::MAX).max(self.last + 1);
        self.last = change;
        let at: SystemTime = UNIX_EPOCH + Duration::from_micros(change.unsigned_abs());
        let place = parcel.unsigned_abs() as usize % CITIES.len();
        let next = CITIES[(place + step as usize + 1) % CITIES.len()];
        self.record.wrote(change, customer, parcel);
        let outcome = match self.rows.get(&parcel) {
            Some(row) => self.client.execute(&self.update, &[row, &next, &step.name(), &at]).await.map(drop),
            None => {
                let customer_id = i32::try_from(customer).context("a customer's number fits the column")?;
                let row = (&parcel, &customer_id, CITIES[place]);
                let inserted =
                    self.client.query_one(&self.insert, &[row.0, row.1, &row.2, &next, &step.name(), &at]).await;
                inserted.map(|inserted| {
                    self.rows.insert(parcel, inserted.get(0));
                })
            }
        };
        if outcome.is_err() {
            self.unsure = Some(Unsure { change, at, parcel });
        }
        outcome.context("write a change")
    }
}

async fn prepare(client: &Client) -> Result<(Statement, Statement)> {
    let insert = "INSERT INTO package_status (package_id, customer_id, actual_address, next_address, status, updated_at) \
                  VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let update = "UPDATE package_status SET actual_address = next_address, next_address = $2, status = $3, updated_at = $4 \
                  WHERE id = $1";
    Ok((client.prepare(insert).await?, client.prepare(update).await?))
}
