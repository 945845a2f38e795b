//! A customer: takes requests on loopback, writes them down, and answers as it is told.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Longer than anything here takes on a busy machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 8101;
/// A request's body is read up to here.
const BODY_LEN_MAX: usize = 1 << 20;

/// How a customer answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    Says(u16),
    /// 204, but only after this long.
    After(Duration),
    /// Takes the request and stays silent, until its manner changes or the connection goes.
    Silent,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Whether it was answered with a 2xx.
    pub accepted: bool,
}

impl Arrival {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no header {name}: {:?}", self.headers))
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn row(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the flat body is JSON")
    }

    /// A column that holds a number.
    pub fn number(&self, column: &str) -> i64 {
        let row = self.row();
        row[column].as_i64().unwrap_or_else(|| panic!("{column} is no number: {row}"))
    }
}

pub struct Receiver {
    desk: Arc<Desk>,
    address: Ipv4Addr,
    _runtime: tokio::runtime::Runtime,
}

struct Desk {
    arrivals: Mutex<Vec<Arrival>>,
    manner: watch::Sender<Manner>,
}

impl Receiver {
    pub fn open(manner: Manner) -> Receiver {
        Self::open_at(crate::house::own_address(), manner)
    }

    /// At an address that is known before.
    pub fn open_at(address: Ipv4Addr, manner: Manner) -> Receiver {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let desk = Arc::new(Desk { arrivals: Mutex::default(), manner: watch::channel(manner).0 });
        let listener = runtime.block_on(tokio::net::TcpListener::bind((address, PORT))).expect("nobody else is there");
        let routes = Router::new().fallback(receive).with_state(desk.clone());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Receiver { desk, address, _runtime: runtime }
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        url_at(self.address)
    }

    pub fn set(&self, manner: Manner) {
        self.desk.manner.send_replace(manner);
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.desk.arrivals.lock().expect("no panic at the desk").clone()
    }

    pub fn count(&self) -> usize {
        self.desk.arrivals.lock().expect("no panic at the desk").len()
    }

    /// Waits for as many requests, and gives all that are there.
    pub fn wait_for(&self, count: usize) -> Vec<Arrival> {
        self.wait_until(count, |_| true)
    }

    /// Waits for as many requests that were accepted, and gives those.
    pub fn wait_for_accepted(&self, count: usize) -> Vec<Arrival> {
        self.wait_until(count, |arrival| arrival.accepted)
    }

    fn wait_until(&self, count: usize, counts: impl Fn(&Arrival) -> bool) -> Vec<Arrival> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let there = self.desk.arrivals.lock().expect("no panic at the desk").iter().filter(|a| counts(a)).count();
            if there >= count {
                return self.arrivals().into_iter().filter(&counts).collect();
            }
            assert!(Instant::now() < deadline, "{there} of {count} requests came within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The address of a customer, with a secret in it as many have.
pub fn url_at(address: Ipv4Addr) -> String {
    format!("http://{address}:{PORT}/packages?token={}", crate::house::URL_TOKEN)
}

async fn receive(State(desk): State<Arc<Desk>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LEN_MAX).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let arrival = Arrival {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(header).collect(),
        body,
        accepted: false,
    };
    let number = {
        let mut arrivals = desk.arrivals.lock().expect("no panic at the desk");
        arrivals.push(arrival);
        arrivals.len() - 1
    };
    let mut manners = desk.manner.subscribe();
    let speaks = manners.wait_for(|manner| *manner != Manner::Silent).await.map(|manner| *manner);
    let status = match speaks.expect("the desk outlives its requests") {
        Manner::Says(status) => status,
        Manner::After(pause) => {
            tokio::time::sleep(pause).await;
            204
        }
        Manner::Silent => unreachable!("it was waited for another manner"),
    };
    if (200..300).contains(&status) {
        desk.arrivals.lock().expect("no panic at the desk")[number].accepted = true;
    }
    StatusCode::from_u16(status).expect("a status of three digits")
}
