//! OAuth2 client credentials (RFC 6749, 4.4): an access token that all lanes of a client share.
//!
//! ```text
//!   attempts ─▶ get ─▶ fresh enough ──────────────▶ token
//!                 ├─▶ soon to expire ─▶ token, and one refresh begins behind it
//!                 └─▶ none, or expired ─▶ wait for the one refresh, whoever began it
//!   401 ─▶ replace(token) ─▶ another one by now? that one : one refresh
//! ```
//!
//! A refresh is a task of its own: attempts that are late or given up leave it alone, and the next finds what it brought.

use super::Refusal;
use super::answer;
use super::endpoint::{Endpoint, Grant, refused};
use super::progress;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// One question to the token endpoint, from DNS to the last byte. The attempts that wait for it have deadlines of their own.
const REFRESH_TIME_MAX: Duration = Duration::from_secs(10);

/// A token is replaced when less than a tenth of its time is left, or this much of a long one.
const MARGIN_MAX: Duration = Duration::from_secs(60);

/// After a failure nobody asks again for this long: the failure is everybody's.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A token that replaces a refused one is not replaced itself for this long: a receiver that takes none would have the endpoint asked
/// for every message.
const PAUSE_AFTER_REPLACING: Duration = Duration::from_secs(10);

/// As a header, with what tells it from the one before.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    number: u64,
}

struct Held {
    token: Token,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
}

type Refresh = Shared<BoxFuture<'static, Result<Token, Refusal>>>;

#[derive(Default)]
struct State {
    held: Option<Held>,
    refreshing: Option<Refresh>,
    failed: Option<(Instant, Refusal)>,
    /// When a token was last replaced because a receiver did not take it.
    replaced: Option<Instant>,
    /// Tokens so far.
    count: u64,
}

pub(super) struct Tokens {
    endpoint: Arc<Endpoint>,
    state: Arc<Mutex<State>>,
}

impl Tokens {
    pub(super) fn of(endpoint: Endpoint) -> Self {
        Self { endpoint: Arc::new(endpoint), state: Arc::default() }
    }

    /// A token that has not expired.
    pub(super) async fn get(&self) -> Result<Token, Refusal> {
        let waiting = {
            let mut state = self.state.lock().expect(UNBROKEN);
            let now = Instant::now();
            let usable = |held: &&Held| held.expires_at.is_none_or(|at| now < at);
            let held = state.held.as_ref().filter(usable).map(|held| (held.token.clone(), held.refresh_at));
            match held {
                Some((token, refresh_at)) if refresh_at.is_none_or(|at| now < at) => return Ok(token),
                Some((token, _)) => {
                    // Nobody waits for it, and a failure is no reason to stop while this one holds.
                    let _begun = self.refresh(&mut state, now);
                    return Ok(token);
                }
                None => self.refresh(&mut state, now)?,
            }
        };
        waiting.await
    }

    /// A token in place of one that the receiver did not take. Whoever comes second gets what the first has brought.
    pub(super) async fn replace(&self, refused: &Token) -> Result<Token, Refusal> {
        let waiting = {
            let mut state = self.state.lock().expect(UNBROKEN);
            let now = Instant::now();
            match &state.held {
                Some(held) if held.token.number != refused.number => return Ok(held.token.clone()),
                Some(_) if state.replaced.is_some_and(|at| now < at + PAUSE_AFTER_REPLACING) => {
                    return Err(answer::passing(format!(
                        "answered {UNAUTHORIZED}, though its token has just been replaced"
                    )));
                }
                Some(_) => (state.held, state.replaced) = (None, Some(now)),
                None => {}
            }
            self.refresh(&mut state, now)?
        };
        waiting.await
    }

    /// The refresh that is under way, or a new one.
    fn refresh(&self, state: &mut State, now: Instant) -> Result<Refresh, Refusal> {
        // One that has ended and is still here has panicked.
        if let Some(refreshing) = state.refreshing.as_ref().filter(|refreshing| refreshing.peek().is_none()) {
            return Ok(refreshing.clone());
        }
        if let Some((_, refusal)) = state.failed.as_ref().filter(|(at, _)| now < *at + PAUSE_AFTER_FAILURE) {
            return Err(refusal.clone());
        }
        let (endpoint, shared) = (self.endpoint.clone(), self.state.clone());
        let task = tokio::spawn(progress::followed(async move {
            let granted = tokio::time::timeout(REFRESH_TIME_MAX, endpoint.ask()).await;
            let granted = granted.unwrap_or_else(|_| Err(refused(&format!("no answer within {REFRESH_TIME_MAX:?}"))));
            shared.lock().expect(UNBROKEN).take_in(granted)
        }));
        let stopped = |_| Err(refused("the process stops"));
        let refreshing = task.map(move |ended| ended.unwrap_or_else(stopped)).boxed().shared();
        state.refreshing = Some(refreshing.clone());
        Ok(refreshing)
    }
}

const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

const UNBROKEN: &str = "no panic while the token is looked at";

impl State {
    fn take_in(&mut self, granted: Result<Grant, Refusal>) -> Result<Token, Refusal> {
        self.refreshing = None;
        let now = Instant::now();
        let grant = match granted {
            Ok(grant) => grant,
            Err(refusal) => {
                self.failed = Some((now, refusal.clone()));
                return Err(refusal);
            }
        };
        self.count += 1;
        let token = Token { header: grant.header, number: self.count };
        let lifetime = grant.lifetime;
        self.held = Some(Held {
            token: token.clone(),
            refresh_at: lifetime.map(|lifetime| now + lifetime - (lifetime / 10).min(MARGIN_MAX)),
            expires_at: lifetime.map(|lifetime| now + lifetime),
        });
        self.failed = None;
        Ok(token)
    }
}
