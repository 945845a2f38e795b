//! How fast rows leave MySQL and MariaDB: through one filter guest with the messages discarded, beside a plain loop of `mysql_async`
//! that reads every row and discards it.
//!
//! The readers take turns, so that both see the machine's good and bad moments.

use super::{Bench, Figure, median};
use crate::servers::{Mariadb, Mysql, MysqlOptions};
use anyhow::{Context, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Deserialize;
use std::path::Path;

const ROUNDS: usize = 3;
/// Of what the library reads and throws away.
const GOAL: f64 = 0.9;

const TABLE: &str = "CREATE TABLE capture (
    id bigint PRIMARY KEY, package_id integer, customer_id integer, status varchar(40), actual_address varchar(100),
    next_address varchar(100), weight_kg numeric(10, 3), price double, insured boolean, posted_on date,
    updated_at timestamp(6) NULL, note text
)";
/// Ten times ten times ten ... rows to select from.
const DIGITS: &str = "CREATE TABLE digits (d integer PRIMARY KEY)";

struct Case {
    name: &'static str,
    transactions: u64,
    rows_each: u64,
}

const CASES: [Case; 2] = [
    Case { name: "100-row transactions", transactions: 5_000, rows_each: 100 },
    Case { name: "1-row transactions", transactions: 100_000, rows_each: 1 },
];

#[derive(Deserialize)]
struct Measured {
    rows: u64,
    seconds: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let wasm = bench.guest("filter", &[]).await?;
    let mut figures = Vec::new();
    // What the server keeps in memory is not to be flushed in the middle of a run.
    let options = || MysqlOptions { fsync: false, args: vec!["--innodb-buffer-pool-size=512M".to_owned()] };
    let mariadb = Mariadb::start(options()).await?;
    figures.extend(measure(bench, "mariadb", &mariadb.url(), mariadb.connect().await?, &wasm).await?);
    drop(mariadb);
    let mysql = Mysql::start(options()).await?;
    figures.extend(measure(bench, "mysql", &mysql.url(), mysql.connect().await?, &wasm).await?);
    Ok(figures)
}

async fn measure(bench: &Bench, server: &str, url: &str, mut sql: Conn, wasm: &Path) -> Result<Vec<Figure>> {
    // The guest of the benches asks for a table of this name.
    for statement in [
        "CREATE DATABASE public",
        "USE public",
        TABLE,
        DIGITS,
        "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
    ] {
        sql.query_drop(statement).await.context("make the tables")?;
    }
    let mut figures = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let from = position(&mut sql).await?;
        write(&mut sql, case, number).await?;
        let (rows, transactions) = (case.transactions * case.rows_each, case.transactions);
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (mode, rates) in ["ours", "bare"].into_iter().zip(&mut rates) {
                let (rows_text, transactions) = (rows.to_string(), transactions.to_string());
                let wasm = wasm.to_string_lossy();
                let arguments = ["binlog", "--url", url, "--from", &from, "--mode", mode, "--rows", &rows_text];
                let more = ["--transactions", &transactions, "--wasm", &wasm];
                let arguments: Vec<&str> = arguments.iter().chain(&more).copied().collect();
                let measured: Vec<Measured> = bench.probe(&arguments).await?;
                // The bare reader counts the rows of other tables in the same transactions as well.
                ensure!(measured[0].rows >= rows, "the reader `{mode}` saw {} of {rows} rows", measured[0].rows);
                rates.push(rows as f64 / measured[0].seconds);
            }
        }
        let [ours, bare] = rates.map(median);
        let figure = Figure::at_most("binlog", format!("{server}, {}", case.name), "rows/s", ours, 0.0);
        figures.push(figure.times("a bare mysql_async loop", bare, GOAL));
    }
    Ok(figures)
}

/// Where the log ends now, as a checkpoint says it. A server that nobody else uses has one run of transactions.
async fn position(sql: &mut Conn) -> Result<String> {
    let version: String = sql.query_first("SELECT VERSION()").await?.context("a version")?;
    let (status, gtids) = match version.contains("MariaDB") {
        true => ("SHOW MASTER STATUS", "SELECT @@gtid_binlog_pos"),
        false => ("SHOW BINARY LOG STATUS", "SELECT REPLACE(@@gtid_executed, '\\n', '')"),
    };
    let row: mysql_async::Row = sql.query_first(status).await?.context("a binary log")?;
    let (file, offset): (String, u64) = (row.get(0).context("a file")?, row.get(1).context("an offset")?);
    let gtids: String = sql.query_first(gtids).await?.context("GTIDs")?;
    let last = gtids.rsplit('-').next().context("a last transaction")?;
    Ok(format!("{last} {file} {offset} {gtids}"))
}

async fn write(sql: &mut Conn, case: &Case, number: usize) -> Result<()> {
    sql.query_drop("DROP PROCEDURE IF EXISTS fill").await?;
    let Case { transactions, rows_each, .. } = case;
    let procedure = format!(
        "CREATE PROCEDURE fill() BEGIN DECLARE t BIGINT DEFAULT 0; WHILE t < {transactions} DO
            INSERT INTO capture SELECT {number} * 1000000000 + t * {rows_each} + r, r, r % 3 + 1,
                ELT(r % 3 + 1, 'Package Posted', 'In Transit', 'Package Delivered'), 'Rua do Ouro 12, Lisboa',
                'Avenida da Liberdade 110, Porto', r * 0.125, r * 1.5, r % 2 = 0, DATE_ADD('2026-01-01', INTERVAL r % 300 DAY),
                NOW(6), 'leave it with the neighbour'
            FROM (SELECT a.d * 10 + b.d + 1 AS r FROM digits a JOIN digits b) AS numbers WHERE r <= {rows_each};
            SET t = t + 1; END WHILE; END"
    );
    sql.query_drop(procedure).await.context("make a procedure")?;
    sql.query_drop("CALL fill()").await.context("write the rows")
}
