//! The server is not hurt, and a connection that is dead is noticed: idle advance, a full intake, silence, one thread per source.

use crate::reader::{Reader, settings, settings_at, until};
use crate::server::{BOTH, Kind, Server};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[test]
fn transactions_of_other_tables_move_the_checkpoint() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("idle");
        sql.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)");
        let mut ours = settings(&server, "idle");
        ours.tables = Arc::new(|name| name == "idle.t");
        let mut reader = Reader::start(ours).streaming();
        let first = reader.batch().confirms.expect("a position at once");
        reader.confirm(Some(first.clone()));
        for id in 0..20 {
            sql.run(&format!("INSERT INTO other VALUES ({id})"));
        }
        let next = reader.batch();
        assert!(next.is_empty());
        let next = next.confirms.expect("a sign of life has a position");
        assert!(next.ordinal() > first.ordinal(), "{first} {next}");
        // Nobody has confirmed that yet: more of them must wait behind it.
        sql.run("INSERT INTO other VALUES (100)");
        std::thread::sleep(Duration::from_millis(1500));
        assert!(reader.batches.try_recv().is_err(), "a position that is not paid for is not followed by another");
        reader.confirm(Some(next.clone()));
        assert!(reader.batch().confirms.expect("a position").ordinal() > next.ordinal());
        reader.stop().expect("stops in order");
    }
}

#[test]
fn full_intake_holds_the_server_up_and_loses_nothing() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("held");
        sql.run("CREATE TABLE t (id int PRIMARY KEY, v varchar(1000))");
        let mut reader = Reader::start_with_room(settings(&server, "held"), 1).streaming();
        for id in 0..30 {
            sql.run(&format!("INSERT INTO t VALUES ({id}, REPEAT('x', 1000))"));
        }
        reader.wait_state("held");
        // Longer than two heartbeats: what is held is not taken for dead.
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(reader.stats.state.get().as_deref(), Some("held"));
        let rows = reader.rows(30);
        assert!(rows.iter().enumerate().all(|(id, row)| row.new["id"] == format!("Int({id})")));
        assert_eq!(reader.reconnects(), 0);
        reader.stop().expect("stops in order");
    }
}

#[test]
fn held_source_stops_at_once() {
    let server = Server::shared(Kind::Mysql);
    let sql = server.sql_in("stopped");
    sql.run("CREATE TABLE t (id int PRIMARY KEY)");
    let reader = Reader::start_with_room(settings(&server, "stopped"), 1).streaming();
    sql.run("INSERT INTO t VALUES (1)");
    reader.wait_state("held");
    let began = Instant::now();
    reader.stop().expect("stops in order");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn idle_connection_is_kept_by_heartbeats() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("beats");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let mut reader = Reader::start(settings(&server, "beats")).streaming();
        std::thread::sleep(Duration::from_secs(4));
        sql.run("INSERT INTO t VALUES (1)");
        reader.rows(1);
        assert_eq!(reader.reconnects(), 0, "{:?}", reader.stats.last_error.get());
        reader.stop().expect("stops in order");
    }
}

/// Stands between source and server; while `is_cut`, what was opened before carries nothing, in either direction, and says so to nobody.
struct Way {
    port: u16,
    is_cut: Arc<AtomicBool>,
}

impl Way {
    fn to(port: u16) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let way = Way { port: listener.local_addr().expect("bound").port(), is_cut: Arc::default() };
        let is_cut = way.is_cut.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
                let (near_too, far_too) = (near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
                // Only what is open at the moment of the cut is dead.
                let is_dead = Arc::new(AtomicBool::new(false));
                for (from, to) in [(near, far), (far_too, near_too)] {
                    let (is_cut, is_dead) = (is_cut.clone(), is_dead.clone());
                    std::thread::spawn(move || carry(from, to, &is_cut, &is_dead));
                }
            }
        });
        way
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool, is_dead: &AtomicBool) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if is_cut.load(Relaxed) {
            is_dead.store(true, Relaxed);
        }
        if !is_dead.load(Relaxed) && to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    if !is_dead.load(Relaxed) {
        let _ = to.shutdown(Shutdown::Both);
    }
}

#[test]
fn dead_connection_is_noticed_within_two_heartbeats() {
    for kind in BOTH {
        let server = Server::shared(kind);
        let sql = server.sql_in("silent");
        sql.run("CREATE TABLE t (id int PRIMARY KEY)");
        let way = Way::to(server.port());
        let ours = settings_at(&format!("mysql://root@127.0.0.1:{}", way.port), "silent");
        let heartbeat = ours.heartbeat;
        let mut reader = Reader::start(ours).streaming();
        sql.run("INSERT INTO t VALUES (1)");
        reader.rows(1);
        // A heartbeat has come through before the cut.
        std::thread::sleep(heartbeat * 3 / 2);
        way.is_cut.store(true, Relaxed);
        sql.run("INSERT INTO t VALUES (2)");
        let began = Instant::now();
        until("silence is noticed", || reader.reconnects() > 0);
        assert!(began.elapsed() < heartbeat * 5 / 2, "{:?}", began.elapsed());
        assert!(reader.stats.last_error.get().is_none_or(|e| e.contains("not even a heartbeat")));
        way.is_cut.store(false, Relaxed);
        assert_eq!(reader.rows(1)[0].new["id"], "Int(2)");
        reader.stop().expect("stops in order");
    }
}
