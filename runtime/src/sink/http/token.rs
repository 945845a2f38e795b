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

use super::answer;
use super::client::SharedClient;
use super::progress;
use super::{HttpError, Refusal};
use crate::address::Reach;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How a client shows the token endpoint who it is, by the names of RFC 7591.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// User and password in the header; every server has to take it.
    #[default]
    Basic,
    /// In the body.
    Post,
}

/// A client of an authorization server. Has no `Debug`: most of it is secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OAuthSettings {
    pub token_url: String,
    /// The addresses that `token_url` may lead to.
    pub reach: Reach,
    pub client_id: String,
    pub client_secret: String,
    pub scope: Option<String>,
    pub audience: Option<String>,
    pub client_auth: ClientAuth,
}

/// One question to the token endpoint, from DNS to the last byte. The attempts that wait for it have deadlines of their own.
const REFRESH_TIME_MAX: Duration = Duration::from_secs(10);

/// A token is replaced when less than a tenth of its time is left, or this much of a long one.
const MARGIN_MAX: Duration = Duration::from_secs(60);

/// After a failure nobody asks again for this long: the failure is everybody's.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

const TOKEN_LEN_MAX: usize = 16 << 10;

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
    /// Tokens so far.
    count: u64,
}

pub(super) struct Tokens {
    endpoint: Arc<Endpoint>,
    state: Arc<Mutex<State>>,
}

struct Endpoint {
    client: SharedClient,
    settings: OAuthSettings,
}

impl Tokens {
    pub(super) fn new(settings: OAuthSettings, client: SharedClient) -> Self {
        Self { endpoint: Arc::new(Endpoint { client, settings }), state: Arc::default() }
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
            match &state.held {
                Some(held) if held.token.number != refused.number => return Ok(held.token.clone()),
                _ => state.held = None,
            }
            self.refresh(&mut state, Instant::now())?
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

/// What the endpoint gave.
struct Grant {
    header: HeaderValue,
    /// Until it is refused, if the endpoint does not say.
    lifetime: Option<Duration>,
}

#[derive(Deserialize)]
struct GrantBody {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl Endpoint {
    async fn ask(&self) -> Result<Grant, Refusal> {
        let make = || self.request().map_err(|error| refused(&error.to_string()));
        let response = self.client.exchange(make).await.map_err(|no| Refusal { reason: sentence(&no.reason), ..no })?;
        let status = response.status();
        let retry_after = answer::retry_after(response.headers(), SystemTime::now());
        let mut body = Vec::new();
        answer::read_to_end(response, &mut body, answer::ANSWER_BYTES_MAX).await;
        if !status.is_success() {
            return Err(Refusal { retry_after, ..refused(&explained(status, &body)) });
        }
        grant(&body).map_err(refused)
    }

    fn request(&self) -> Result<Request, HttpError> {
        let OAuthSettings { token_url, reach: _, client_id, client_secret, scope, audience, client_auth } =
            &self.settings;
        let url = super::request::parse("oauth2.token_url", token_url)?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(audience.as_deref().map(|audience| ("audience", audience)));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        match client_auth {
            ClientAuth::Post => form.extend([("client_id", &**client_id), ("client_secret", &**client_secret)]),
            ClientAuth::Basic => {
                // Both are encoded as a form is, before they become user and password (RFC 6749, 2.3.1).
                let pair = format!("{}:{}", form_encoded(client_id), form_encoded(client_secret));
                let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
                let mut value = value.expect("base64 is a header value");
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        let mut request = Request::new(Method::POST, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(encoded(&form).into());
        Ok(request)
    }
}

/// One value of it.
fn form_encoded(text: &str) -> String {
    encoded(&[("", text)]).trim_start_matches('=').to_owned()
}

/// As a form in a body is written.
fn encoded(pairs: &[(&str, &str)]) -> String {
    // A url's query is written the same way, and its serializer is at hand.
    let mut url = Url::parse("http://form/").expect("it is an address");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn grant(body: &[u8]) -> Result<Grant, &'static str> {
    let body: GrantBody = serde_json::from_slice(body).map_err(|_| "the answer holds no access_token")?;
    if body.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token is not of type Bearer");
    }
    if body.access_token.is_empty() || body.access_token.len() > TOKEN_LEN_MAX {
        return Err("the access_token is empty or too long");
    }
    let header = HeaderValue::from_str(&format!("Bearer {}", body.access_token));
    let mut header = header.map_err(|_| "the access_token is not a header value")?;
    header.set_sensitive(true);
    let lifetime =
        body.expires_in.map(|seconds| Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).unwrap_or_default());
    Ok(Grant { header, lifetime })
}

/// The status, and the code by which the endpoint says what was wrong (RFC 6749, 5.2). Its words may repeat what we sent.
fn explained(status: StatusCode, body: &[u8]) -> String {
    const CODES: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    let said = serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error);
    match CODES.iter().find(|code| said.as_deref() == Some(**code)) {
        Some(code) => format!("answered {status} ({code})"),
        None if status.is_redirection() => format!("answered {status}; redirects are never followed"),
        None => format!("answered {status}"),
    }
}

/// A secret that expired, a server that is down: all of it is repaired without us, so no message is lost to it.
fn refused(reason: &str) -> Refusal {
    answer::passing(sentence(reason))
}

fn sentence(reason: &str) -> String {
    format!("no token: the token endpoint: {reason}")
}
