//! The guide, word by word, by somebody who has the program, Rust and a PostgreSQL, and nothing else; with a clock in the hand.

use crate::postgres::{Server, Sql};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Of which compiling is most; on a machine that does ten other things as well.
const ALL_MAX: Duration = Duration::from_secs(300);
const DELIVERY_MAX: Duration = Duration::from_secs(60);
/// From a saved change to its code at work, without what cargo takes: well under three seconds on a machine that does nothing else.
const SWAP_MAX: Duration = Duration::from_secs(30);

pub struct Stranger {
    pub folder: TempDir,
    pub database_url: String,
}

/// A program in a terminal of its own, closed with it.
pub struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

impl Stranger {
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(arguments).env("DB_URL", &self.database_url).env("NO_COLOR", "1");
        // The stranger has no workspace around, and nothing compiled before.
        command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        command
    }

    pub fn sluicegate(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command(env!("CARGO_BIN_EXE_sluicegate"), arguments).output().expect("the program starts");
        let out = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), out)
    }

    pub fn done(&self, arguments: &[&str]) -> String {
        let (good, out) = self.sluicegate(arguments);
        assert!(good, "sluicegate {}: {out}", arguments.join(" "));
        out
    }

    pub fn edit(&self, file: &str, edit: impl FnOnce(String) -> String) {
        let path = self.folder.path().join(file);
        let text = edit(fs::read_to_string(&path).expect("it was written"));
        fs::write(path, text).expect("it can be written");
    }

    /// Starts a program and gives the lines that it writes.
    pub fn terminal(&self, arguments: &[&str]) -> (Terminal, Receiver<String>) {
        let mut command = self.command(env!("CARGO_BIN_EXE_sluicegate"), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the program starts");
        let out = child.stdout.take().expect("it is piped");
        let (lines, heard) = channel();
        std::thread::spawn(move || {
            // The other end goes when the test ends.
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| lines.send(line.clone()).is_ok())
                .count()
        });
        (Terminal(child), heard)
    }
}

/// The code blocks of the guide that an author pastes: the whole upper part of the file, and the test.
fn pasted() -> (String, String) {
    let guide = guide();
    let block = |fence: &str| {
        let from = guide.find(fence).expect("the guide has such a block") + fence.len();
        guide[from..].split("```").next().expect("it ends").to_owned()
    };
    (block("```rust\n"), block("```rs\n"))
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[test]
fn stranger_gets_the_first_own_row_within_five_minutes() {
    let server = Server::start(&[]);
    let sql = server.sql("postgres");
    sql.run(
        "CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, note text)",
    );
    sql.run("INSERT INTO orders (customer_id, status, note) VALUES (7, 'new', NULL), (7, 'paid', ' ring twice ')");
    let stranger = Stranger { folder: TempDir::new().expect("a folder"), database_url: server.url("postgres") };
    let began = Instant::now();
    let out = stranger.done(&["new", "orders", "--source", &stranger.database_url, "--table", "public.orders"]);
    assert!(out.contains("pipelines/orders/cases/first.toml") && !out.contains(&stranger.database_url), "{out}");

    let (code, test) = pasted();
    stranger.edit("guests/orders/src/lib.rs", |text| {
        let end = text.find("\n}\n").expect("the function ends") + "\n}\n".len();
        let from = text.find("    #[test]").expect("a test");
        let to = from + text[from..].find("    }\n").expect("it ends") + "    }\n".len();
        format!("{code}{}{test}{}", &text[end..from], &text[to..])
    });
    let tested =
        stranger.command("cargo", &["test", "--manifest-path", "guests/orders/Cargo.toml"]).output().expect("cargo");
    let out = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success() && out.contains("1 passed"), "{out}{}", String::from_utf8_lossy(&tested.stderr));
    let after_test = began.elapsed();

    stranger.done(&["build"]);
    let after_build = began.elapsed();
    let (good, out) = stranger.sluicegate(&["test"]);
    assert!(!good && out.contains("      - pass\n      + drop\n"), "{out}");
    stranger.done(&["test", "--bless"]);
    stranger.done(&["test"]);

    // The guide's ports may be taken on the machine of a test.
    let (listening, admin) = (free_port(), free_port());
    stranger.edit("pipelines/orders/pipeline.toml", |text| text.replace(":8099/", &format!(":{listening}/")));
    stranger.edit("pipelines/sluicegate.toml", |text| text.replace("127.0.0.1:8900", &format!("127.0.0.1:{admin}")));
    let (_listening, delivered) = stranger.terminal(&["listen", &format!("127.0.0.1:{listening}")]);
    let hello = delivered.recv_timeout(DELIVERY_MAX).expect("it says where it listens");
    assert!(hello.contains("listening on"), "{hello}");
    let (running, _) = stranger.terminal(&["run"]);
    until_slot_is(&sql, "t");
    sql.run(
        "INSERT INTO orders (customer_id, status, note) VALUES (8, 'new', NULL), (8, 'paid', ' leave at the door ')",
    );
    let line = delivered.recv_timeout(DELIVERY_MAX).expect("the row is delivered");
    let all = began.elapsed();
    assert!(line.contains("\"note\":\"leave at the door\"") && line.contains("\"id\":4"), "{line}");
    println!("new to own test: {after_test:?}, to built: {after_build:?}, to the first row delivered: {all:?}");
    assert!(all < ALL_MAX, "it took {all:?}");

    drop(running);
    until_slot_is(&sql, "f");
    all_in_one(&stranger, &sql, admin);
    until_slot_is(&sql, "f");
    take_away(&stranger, &sql);
}

/// The guide's last page: nothing of ours stays in the server.
fn take_away(stranger: &Stranger, sql: &Sql) {
    for statement in said_to_psql("**9. ") {
        sql.run(&statement);
    }
    let left = "(SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)";
    assert_eq!(sql.one(&format!("SELECT {left}")), "0");
    assert!(stranger.folder.path().join("pipelines/.sluicegate").is_dir(), "the guide removes a folder that is there");
}

/// What one step of the guide has psql do.
fn said_to_psql(step: &str) -> Vec<String> {
    let guide = guide();
    let step = &guide[guide.find(step).expect("the guide has this step")..];
    let block = step.split("```").nth(1).expect("it has commands");
    let statement = |line: &str| Some(line.strip_prefix("psql \"$DB_URL\" -c \"")?.strip_suffix('"')?.to_owned());
    let statements: Vec<String> = block.lines().filter_map(statement).collect();
    assert!(statements.len() > 1, "{block}");
    statements
}

fn guide() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/writing-guests.md")).expect("the guide")
}

/// The next line that holds these words.
fn line_with(heard: &Receiver<String>, words: &str) -> String {
    let mut seen = Vec::new();
    while let Ok(line) = heard.recv_timeout(DELIVERY_MAX) {
        if line.contains(words) {
            return line;
        }
        seen.push(line);
    }
    panic!("{words:?} is not in {seen:#?}");
}

/// The guide's step before the last: `dev` starts the host, shows rows, leaves a compiler's error on the screen, and goes on when it is mended.
fn all_in_one(stranger: &Stranger, sql: &Sql, admin: u16) {
    let (_dev, heard) = stranger.terminal(&["dev"]);
    let until = |words: &str| line_with(&heard, words);
    until("waiting for rows and changes");
    until_slot_is(sql, "t");
    sql.run("INSERT INTO orders (customer_id, status, note) VALUES (9, 'paid', NULL)");
    assert_eq!(until("insert "), "insert   public.orders 5   pass, 1 out");
    let source = "guests/orders/src/lib.rs";
    stranger.edit(source, |text| text + "fn slip() -> u8 {\n    \"text\"\n}\n");
    until("mismatched types");
    until("waiting for a change that mends it");
    stranger.edit(source, |text| text.replace("fn slip() -> u8 {\n    \"text\"\n}\n", ""));
    until("built  orders/orders.wasm");
    until("waiting for rows and changes");
    slips(stranger, sql, admin, &heard);

    // A small change, from the moment that it is saved to the moment that its code judges rows.
    let before = generation(admin);
    stranger.edit(source, |text| text.replacen("    Ok(pass())", "    cx.counter(\"passed\", 1);\n    Ok(pass())", 1));
    let saved = Instant::now();
    while generation(admin) == before {
        assert!(saved.elapsed() < DELIVERY_MAX, "the change never took over");
        std::thread::sleep(Duration::from_millis(10));
    }
    let all = saved.elapsed();
    let built = until("built  orders/orders.wasm in ");
    let compiler = seconds(built.split(" in ").nth(1).expect("it says how long"));
    let rest = all.saturating_sub(compiler);
    println!("a small change, saved to swapped: {all:?}, of which cargo {compiler:?} and the rest {rest:?}");
    assert!(rest < SWAP_MAX, "it took {all:?}, cargo {compiler:?} of it");
}

/// What `dev` keeps away from the host, and leaves on the screen: code that a case fails with, and a mistake in the configuration.
fn slips(stranger: &Stranger, sql: &Sql, admin: u16, heard: &Receiver<String>) {
    let until = |words: &str| line_with(heard, words);
    let (source, before) = ("guests/orders/src/lib.rs", generation(admin));
    stranger.edit(source, |text| text.replacen("Ok(drop_row())", "Ok(pass() /* slip */)", 1));
    until("FAILED orders/first");
    until("kept out orders/orders.wasm: a case failed");
    until("waiting for a change that mends it");
    sql.run("INSERT INTO orders (customer_id, status, note) VALUES (9, 'new', NULL)");
    assert_eq!(generation(admin), before, "code that a case fails with judges no row");
    stranger.edit(source, |text| text.replacen("Ok(pass() /* slip */)", "Ok(drop_row())", 1));
    until("1 row passed meanwhile");
    until("waiting for rows and changes");

    let pipeline = "pipelines/orders/pipeline.toml";
    stranger.edit(pipeline, |text| text.replace("body = \"flat\"", "boddy = \"flat\""));
    until("boddy");
    until("waiting for a change that mends it");
    let after = heard.recv_timeout(Duration::from_secs(2));
    assert!(after.is_err(), "the mistake does not stay on the screen: {after:?}");
    stranger.edit(pipeline, |text| text.replace("boddy", "body"));
    until("waiting for rows and changes");
}

/// Which code of the only guest judges rows; nothing while nobody answers.
fn generation(admin: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
    stream.set_read_timeout(Some(DELIVERY_MAX)).ok()?;
    stream.write_all(b"GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    status["guests"][0]["generation"].as_str().map(str::to_owned)
}

/// `104 ms` or `1.2 s`, with anything behind it.
fn seconds(text: &str) -> Duration {
    let mut words = text.split([' ', ',']);
    let number: f64 = words.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no time: {text}"));
    Duration::from_secs_f64(if words.next() == Some("ms") { number / 1000.0 } else { number })
}

fn until_slot_is(sql: &Sql, active: &str) {
    let until = Instant::now() + DELIVERY_MAX;
    while sql.one("SELECT active FROM pg_replication_slots") != active {
        assert!(Instant::now() < until, "the slot is active: {active}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
