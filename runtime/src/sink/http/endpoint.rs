//! The token endpoint of an authorization server: what it is asked (RFC 6749, 4.4.2), and what it answers (5.1, 5.2).

use super::answer;
use super::client::SharedClient;
use super::{HttpError, Refusal};
use crate::address::Reach;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, SystemTime};

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

const TOKEN_LEN_MAX: usize = 16 << 10;

pub(super) struct Endpoint {
    pub(super) client: SharedClient,
    pub(super) settings: OAuthSettings,
}

/// What the endpoint gave.
pub(super) struct Grant {
    pub(super) header: HeaderValue,
    /// Until it is refused, if the endpoint does not say.
    pub(super) lifetime: Option<Duration>,
}

#[derive(Deserialize)]
struct GrantBody {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    /// Seconds; some servers write them as text.
    #[serde(default)]
    expires_in: Value,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl Endpoint {
    pub(super) async fn ask(&self) -> Result<Grant, Refusal> {
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
    let seconds = body.expires_in.as_f64().or_else(|| body.expires_in.as_str()?.parse().ok());
    let lifetime = seconds.map(|seconds| Duration::try_from_secs_f64(seconds.clamp(0.0, 1e9)).unwrap_or_default());
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
pub(super) fn refused(reason: &str) -> Refusal {
    answer::passing(sentence(reason))
}

fn sentence(reason: &str) -> String {
    format!("no token: the token endpoint: {reason}")
}
