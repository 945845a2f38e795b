//! The items: as the tables have them, as Redis has them, and the two side by side.

use crate::servers;
use anyhow::{Context, Result, bail};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio_postgres::SimpleQueryMessage;

const ITEMS: &str = "SELECT id, name, CAST(price AS CHAR(12)), stock FROM items";
/// How many keys one step of a scan looks at.
const SCAN: usize = 500;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub name: String,
    /// With two decimals, as the tables have it.
    pub price: String,
    pub stock: i64,
}

/// Items by their number.
pub type Items = BTreeMap<i64, Item>;

/// One of the two databases, with the name that its source has.
pub enum Database {
    Erp(tokio_postgres::Client),
    Shop(mysql_async::Conn),
}

/// Where a database is reached; a connection that broke is made anew from it.
#[derive(Clone, Debug)]
pub enum Address {
    Erp(String),
    Shop(String),
}

impl Address {
    /// The source's name, and the prefix of its keys.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Erp(_) => "erp",
            Self::Shop(_) => "shop",
        }
    }

    /// As people write the database's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Erp(_) => "postgres",
            Self::Shop(_) => "mariadb",
        }
    }

    /// The statement that makes the table.
    pub fn table(&self) -> &'static str {
        match self {
            Self::Erp(_) => include_str!("../../../../pipelines/cache/erp.sql"),
            Self::Shop(_) => include_str!("../../../../pipelines/cache/shop.sql"),
        }
    }
}

impl Database {
    pub async fn connect(address: &Address) -> Result<Self> {
        match address {
            Address::Erp(url) => Ok(Self::Erp(servers::connect_postgres(url).await?)),
            Address::Shop(url) => {
                let options = Opts::from_url(url).context("read MariaDB's address")?;
                Ok(Self::Shop(Conn::new(options).await.context("connect to MariaDB")?))
            }
        }
    }

    /// The source's name, and the prefix of its keys.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Erp(_) => "erp",
            Self::Shop(_) => "shop",
        }
    }

    /// Runs one statement in a transaction of its own.
    pub async fn run(&mut self, statement: &str) -> Result<()> {
        match self {
            Self::Erp(client) => client.batch_execute(statement).await.context("write to PostgreSQL"),
            Self::Shop(connection) => connection.query_drop(statement).await.context("write to MariaDB"),
        }
    }

    /// The stock of one item; `None` if there is none.
    pub async fn stock(&mut self, id: i64) -> Result<Option<i64>> {
        let stock = format!("SELECT stock FROM items WHERE id = {id}");
        match self {
            Self::Erp(client) => {
                let rows = client.simple_query(&stock).await.context("ask PostgreSQL for an item")?;
                let found = rows.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0),
                    _ => None,
                });
                found.map(|stock| stock.parse().context("a stock is a number")).transpose()
            }
            Self::Shop(connection) => connection.query_first(stock).await.context("ask MariaDB for an item"),
        }
    }

    /// The whole table.
    pub async fn items(&mut self) -> Result<Items> {
        let mut items = Items::new();
        match self {
            Self::Erp(client) => {
                for message in client.simple_query(ITEMS).await.context("read PostgreSQL's table")? {
                    if let SimpleQueryMessage::Row(row) = message {
                        let text = |column| row.get(column).context("a row has four columns, none of them null");
                        let item = Item { name: text(1)?.to_owned(), price: price(text(2)?), stock: text(3)?.parse()? };
                        items.insert(text(0)?.parse()?, item);
                    }
                }
            }
            Self::Shop(connection) => {
                let rows: Vec<(i64, String, String, i64)> =
                    connection.query(ITEMS).await.context("read MariaDB's table")?;
                let row = |(id, name, cost, stock): (_, _, String, _)| (id, Item { name, price: price(&cost), stock });
                items.extend(rows.into_iter().map(row));
            }
        }
        Ok(items)
    }
}

fn price(text: &str) -> String {
    text.trim().to_owned()
}

/// All items below the prefix of `source`. An error when a key holds no item.
pub async fn cached(redis: &mut MultiplexedConnection, source: &str) -> Result<Items> {
    let prefix = format!("{source}:item:");
    let (mut keys, mut cursor) = (Vec::<String>::new(), 0_u64);
    loop {
        let scan = redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(SCAN).take();
        let (next, found): (u64, Vec<String>) = scan.query_async(redis).await.context("look through Redis")?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    if keys.is_empty() {
        return Ok(Items::new());
    }
    let values: Vec<Option<String>> = redis.mget(&keys).await.context("read Redis")?;
    let mut items = Items::new();
    for (key, value) in keys.iter().zip(values) {
        let id = key.trim_start_matches(&prefix).parse().with_context(|| format!("the key {key} is none of ours"))?;
        // Deleted between the two questions.
        let Some(value) = value else { continue };
        items.insert(id, item_of(&value).with_context(|| format!("the key {key} holds no item: {value}"))?);
    }
    Ok(items)
}

/// The row in a flat JSON object; a decimal may be a text or a number.
pub fn item_of(json: &str) -> Result<Item> {
    let row: Value = serde_json::from_str(json)?;
    item_in(&row)
}

/// The same of JSON that has been read.
pub fn item_in(row: &Value) -> Result<Item> {
    let price = match &row["price"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => bail!("there is no price"),
    };
    let name = row["name"].as_str().context("there is no name")?.to_owned();
    Ok(Item { name, price, stock: row["stock"].as_i64().context("there is no stock")? })
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<6} {:>7} {:>5}", self.name, self.price, self.stock)
    }
}

/// One database beside its part of the cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair {
    pub table: Items,
    pub cache: Items,
}

impl Pair {
    pub fn is_equal(&self) -> bool {
        self.table == self.cache
    }

    /// How many items are not as the table has them.
    pub fn differences(&self) -> usize {
        let ids: BTreeSet<&i64> = self.table.keys().chain(self.cache.keys()).collect();
        ids.into_iter().filter(|id| self.table.get(id) != self.cache.get(id)).count()
    }
}

/// Both pairs, a line per item: what each table holds beside what Redis holds, and whether that is the same.
pub fn side_by_side(titles: [&str; 2], pairs: &[Pair; 2]) -> String {
    let width = Item { name: String::new(), price: String::new(), stock: 0 }.to_string().chars().count();
    let mut text = format!("    {:>3}", "id");
    for title in titles {
        text += &format!("   {title:<width$}   {:<width$}", "Redis");
    }
    text = text.trim_end().to_owned() + "\n";
    let last = pairs.iter().flat_map(|pair| pair.table.keys().chain(pair.cache.keys())).max().copied().unwrap_or(0);
    for id in 1..=last {
        text += &format!("    {id:>3}");
        for pair in pairs {
            let (table, cache) = (pair.table.get(&id), pair.cache.get(&id));
            let sign = if table == cache { "=" } else { "≠" };
            let shown = |item: Option<&Item>| item.map_or("·".to_owned(), Item::to_string);
            text += &format!("   {:<width$} {sign} {:<width$}", shown(table), shown(cache));
        }
        text = text.trim_end().to_owned() + "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, stock: i64) -> Item {
        Item { name: name.to_owned(), price: "49.90".to_owned(), stock }
    }

    #[test]
    fn a_price_is_read_as_text_and_as_number() {
        let text = item_of(r#"{"id":1,"name":"chair","price":"49.90","stock":12}"#).expect("an item");
        assert_eq!(text, item("chair", 12));
        assert_eq!(item_of(r#"{"name":"chair","price":49.5,"stock":12}"#).expect("an item").price, "49.5");
        assert!(item_of(r#"{"name":"chair","stock":12}"#).is_err());
        assert!(item_of("[]").is_err());
    }

    #[test]
    fn what_differs_is_marked_on_its_line() {
        let equal = Pair { table: [(1, item("chair", 12))].into(), cache: [(1, item("chair", 12))].into() };
        let behind = Pair { table: [(2, item("desk", 3))].into(), cache: [(2, item("desk", 2))].into() };
        assert!(equal.is_equal() && !behind.is_equal());
        assert_eq!((equal.differences(), behind.differences()), (0, 1));
        let expected = "     id   PostgreSQL             Redis                  MariaDB                Redis\n      \
                        1   chair    49.90    12 = chair    49.90    12   ·                    = ·\n      \
                        2   ·                    = ·                      desk     49.90     3 ≠ desk     49.90     2\n";
        assert_eq!(side_by_side(["PostgreSQL", "MariaDB"], &[equal, behind]), expected);
    }
}
