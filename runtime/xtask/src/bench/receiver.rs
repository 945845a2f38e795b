//! A customer that costs as little as a customer can: the machine it shares with us shall be ours. It counts what comes, checks the
//! order of each key, and is away or silent when it is told so.
//!
//! It knows the one body that these benches send, `{"id":7,"parcel":7,...`: ids ascend with the log, and a parcel is an id modulo
//! [`KEYS`], so that who knows the id knows everything.

use anyhow::{Context, Result};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Keys of the load.
pub(super) const KEYS: u64 = 500;
const LOOK: Duration = Duration::from_millis(5);
/// How long a connection waits for bytes before it looks whether it is still wanted.
const READ_LIMIT: Duration = Duration::from_millis(100);
const REQUEST_LEN_MAX: usize = 64 << 10;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// How often a port is asked for that somebody else uses for a moment.
const PORT_ATTEMPTS: u32 = 1_000;

/// What it does with who comes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(super) enum Mood {
    /// Answers at once.
    Well,
    /// Takes requests and never answers.
    Silent,
    /// Nobody listens.
    Away,
}

/// What it has seen so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Different ids.
    pub distinct: u64,
    pub doubled: u64,
    pub out_of_order: u64,
    /// Requests that it could not read.
    pub strange: u64,
    /// Requests with a signature.
    pub signed: u64,
    pub first_at: Option<Instant>,
    pub last_at: Option<Instant>,
    came: Vec<bool>,
    /// The newest id of each key.
    newest: Vec<u64>,
}

impl Seen {
    fn note(&mut self, Request { id, is_signed, .. }: Request) {
        let now = Instant::now();
        self.signed += u64::from(is_signed);
        self.first_at.get_or_insert(now);
        self.last_at = Some(now);
        let Some(id) = id else {
            self.strange += 1;
            return;
        };
        let index = id as usize;
        if self.came.len() <= index {
            self.came.resize((index + 1).next_power_of_two(), false);
        }
        if std::mem::replace(&mut self.came[index], true) {
            self.doubled += 1;
            return;
        }
        self.distinct += 1;
        self.newest.resize(KEYS as usize, 0);
        let newest = &mut self.newest[(id % KEYS) as usize];
        self.out_of_order += u64::from(id < *newest);
        *newest = id.max(*newest);
    }

    /// Different ids per second, from the first request to the last.
    pub(super) fn rate(&self) -> Option<f64> {
        let took = self.last_at?.duration_since(self.first_at?);
        (!took.is_zero()).then(|| self.distinct as f64 / took.as_secs_f64())
    }
}

/// A running receiver; gone on drop.
pub(super) struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    porter: Option<JoinHandle<()>>,
}

struct Shared {
    mood: AtomicU8,
    /// Raised when the receiver is dropped.
    ended: std::sync::atomic::AtomicBool,
    seen: Mutex<Seen>,
}

impl Receiver {
    pub(super) fn open(mood: Mood) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("open a receiver")?;
        let port = listener.local_addr().context("open a receiver")?.port();
        let shared = Arc::new(Shared { mood: AtomicU8::new(mood as u8), ended: false.into(), seen: Mutex::default() });
        let porter = thread::Builder::new().name("porter".to_owned());
        let porter = porter.spawn({
            let shared = shared.clone();
            move || keep_door(listener, port, &shared)
        });
        Ok(Self { port, shared, porter: Some(porter.context("start a thread")?) })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.shared.mood.store(mood as u8, Relaxed);
    }

    pub(super) fn distinct(&self) -> u64 {
        self.shared.seen.lock().expect("nobody panics while holding it").distinct
    }

    /// What it has seen since the last call.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.shared.seen.lock().expect("nobody panics while holding it"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        if let Some(porter) = self.porter.take() {
            // Its end is all that matters.
            let _ = porter.join();
        }
    }
}

impl Shared {
    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Relaxed) == mood as u8
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// Listens while the receiver is not away.
fn keep_door(listener: TcpListener, port: u16, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    while !shared.has_ended() {
        if shared.is(Mood::Away) {
            listener = None;
            thread::sleep(LOOK);
            continue;
        }
        let Some(door) = listener.as_ref() else {
            listener = again(port);
            continue;
        };
        if door.set_nonblocking(true).is_err() {
            return;
        }
        match door.accept() {
            Ok((stream, _)) => {
                let shared = shared.clone();
                // A connection that no thread can be had for is one that was cut.
                let _ = thread::Builder::new().stack_size(256 << 10).spawn(move || serve(stream, &shared));
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}

fn again(port: u16) -> Option<TcpListener> {
    (0..PORT_ATTEMPTS).find_map(|_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        if listener.is_none() {
            thread::sleep(LOOK);
        }
        listener
    })
}

/// One connection, until its end or until nobody may be here any more.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
    if ready.and_then(|()| stream.set_read_timeout(Some(READ_LIMIT))).is_err() {
        return;
    }
    let mut bytes = Vec::with_capacity(8 << 10);
    let mut chunk = vec![0; 8 << 10];
    while !shared.has_ended() && !shared.is(Mood::Away) && bytes.len() < REQUEST_LEN_MAX {
        while let Some(request) = request(&bytes) {
            bytes.drain(..request.len);
            while shared.is(Mood::Silent) {
                if shared.has_ended() {
                    return;
                }
                thread::sleep(READ_LIMIT);
                // Whoever asked has long given up, and what stands in the way of the next one goes with it.
                if !shared.is(Mood::Silent) {
                    return;
                }
            }
            shared.seen.lock().expect("nobody panics while holding it").note(request);
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
            Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Request {
    /// `None` if the body is none of ours.
    id: Option<u64>,
    is_signed: bool,
    /// In bytes, head and body.
    len: usize,
}

/// The first request of `bytes`; `None` until all of it is there.
fn request(bytes: &[u8]) -> Option<Request> {
    let head_len = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_len]).ok();
    let body_len = head.and_then(|head| {
        let line =
            head.lines().find(|line| line.get(..15).is_some_and(|n| n.eq_ignore_ascii_case("content-length:")))?;
        line[15..].trim().parse::<usize>().ok()
    });
    let len = head_len + body_len.unwrap_or(0);
    let body = bytes.get(head_len..len)?;
    let digits = body.strip_prefix(b"{\"id\":").unwrap_or_default();
    let digits_len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let id = std::str::from_utf8(&digits[..digits_len]).ok().and_then(|digits| digits.parse().ok());
    let is_signed = head.is_some_and(|head| head.lines().any(|line| line.starts_with("webhook-signature:")));
    Some(Request { id, is_signed, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other_and_only_when_whole() {
        let one = b"POST / HTTP/1.1\r\nContent-Length: 16\r\n\r\n{\"id\":7,\"way\":7}".to_vec();
        let seven = Request { id: Some(7), is_signed: false, len: one.len() };
        assert_eq!(request(&one), Some(seven));
        assert_eq!(request(&one[..one.len() - 1]), None);
        let two = [one.clone(), one.clone()].concat();
        assert_eq!(request(&two), Some(seven));
        let strange = b"POST / HTTP/1.1\r\nwebhook-signature: v1,x\r\ncontent-length: 2\r\n\r\n[]";
        assert_eq!(request(strange), Some(Request { id: None, is_signed: true, len: strange.len() }));
    }

    #[test]
    fn repeats_are_counted_and_what_was_overtaken_is_noticed() {
        let mut seen = Seen::default();
        for id in [1, 2, 1 + KEYS, 1, 2, 2 + 2 * KEYS, 2 + KEYS] {
            seen.note(Request { id: Some(id), is_signed: true, len: 100 });
        }
        assert_eq!((seen.distinct, seen.doubled, seen.out_of_order), (5, 2, 1));
    }

    #[test]
    fn who_is_away_refuses_and_who_comes_back_answers_at_the_same_port() -> Result<()> {
        let receiver = Receiver::open(Mood::Well)?;
        let post = || -> io::Result<usize> {
            let mut stream = TcpStream::connect(("127.0.0.1", receiver.port))?;
            stream.set_read_timeout(Some(Duration::from_millis(300)))?;
            stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 16\r\n\r\n{\"id\":7,\"way\":7}")?;
            stream.read(&mut [0; 64])
        };
        assert_eq!(post()?, ANSWER.len());
        receiver.set_mood(Mood::Away);
        thread::sleep(Duration::from_millis(300));
        assert!(post().is_err());
        receiver.set_mood(Mood::Well);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(post()?, ANSWER.len());
        receiver.set_mood(Mood::Silent);
        assert!(post().is_err(), "an answer from who is silent");
        assert_eq!(receiver.take().distinct, 1);
        Ok(())
    }
}
