//! From a message to a request. What can not become one is refused for good: no later attempt would differ.

use super::progress::noted;
use super::sign::signatures;
use super::{Auth, Body, HttpError, HttpSettings, Refusal, SigningSecret};
use crate::change::{Act, Message};
use crate::fault::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Url};
use std::time::{SystemTime, UNIX_EPOCH};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Names that the connection or the signature owns.
const OWNED: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "webhook-",
];

/// What all requests to one receiver have in common.
pub(super) struct Template {
    url: Url,
    headers: HeaderMap,
    sign: Vec<SigningSecret>,
}

impl Template {
    pub(super) fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        let mut url = parse("url", &settings.url)?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
        if let Some(credentials) = take_credentials(&mut url) {
            headers.insert(AUTHORIZATION, credentials);
        }
        for (name, value) in &settings.headers {
            let (name, mut value) = header(name, value).map_err(HttpError)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if let Some(credentials) = credentials(&settings.auth)? {
            headers.insert(AUTHORIZATION, credentials);
        }
        Ok(Self { url, headers, sign: settings.sign })
    }

    pub(super) fn address(&self) -> &Url {
        &self.url
    }

    /// Whether the body of `message` is encoded already.
    pub(super) fn is_encoded(&self, message: &Message) -> bool {
        let names = |name: &str| name.eq_ignore_ascii_case(CONTENT_ENCODING.as_str());
        self.headers.contains_key(CONTENT_ENCODING) || message.headers.iter().any(|(name, _)| names(name))
    }

    /// The request for `message`, signed as of `now`. The signature is over the bytes of `body`, as they go over the wire.
    pub(super) fn request(
        &self,
        message: &Message,
        body: &Body,
        authorization: Option<&HeaderValue>,
        now: SystemTime,
    ) -> Result<Request, Refusal> {
        let method = match &message.act {
            Act::Request { method: name } => {
                Method::from_bytes(name.as_bytes()).map_err(|_| poison("the method is not one of HTTP".into()))?
            }
            other => return Err(poison(format!("a message to {} can not be sent over HTTP", other.name()))),
        };
        let mut request = Request::new(method, self.url(&message.place).map_err(poison)?);
        let mut headers = self.headers(message, authorization)?;
        self.sign(message, body, now, &mut headers)?;
        *request.headers_mut() = headers;
        *request.body_mut() = Some(noted(body.bytes.clone()));
        Ok(request)
    }

    /// A question to a service: posted if it has a body.
    pub(super) fn question(
        &self,
        place: &str,
        body: Option<&Bytes>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Request, Refusal> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, self.url(place).map_err(poison)?);
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().extend(authorization.map(|value| (AUTHORIZATION, value.clone())));
        *request.body_mut() = body.map(|body| body.clone().into());
        Ok(request)
    }

    /// The address with `place` (a path, maybe a query) appended to its path with exactly one slash; both queries are kept.
    /// A place can not leave the address: dot segments come from row values and are refused.
    fn url(&self, place: &str) -> Result<Url, String> {
        if place.is_empty() {
            return Ok(self.url.clone());
        }
        if let Some(unsafe_byte) = place.bytes().find(|b| b.is_ascii_control() || b" #\\".contains(b)) {
            return Err(format!("the path holds the byte {unsafe_byte:#04x}, which must be percent-encoded"));
        }
        let (path, query) = place.split_once('?').map_or((place, None), |(path, query)| (path, Some(query)));
        if path.split('/').any(is_dot_segment) {
            return Err("the path holds a `.` or `..` segment, which would lead out of the address".into());
        }
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/');
        let joined = match path.trim_start_matches('/') {
            "" if path.is_empty() => url.path().to_owned(),
            path => format!("{base}/{path}"),
        };
        url.set_path(&joined);
        match (self.url.query(), query) {
            (Some(ours), Some(theirs)) => url.set_query(Some(&format!("{ours}&{theirs}"))),
            (None, Some(theirs)) => url.set_query(Some(theirs)),
            (_, None) => {}
        }
        Ok(url)
    }

    fn headers(&self, message: &Message, authorization: Option<&HeaderValue>) -> Result<HeaderMap, Refusal> {
        let mut headers = self.headers.clone();
        headers.extend(authorization.map(|value| (AUTHORIZATION, value.clone())));
        if !message.content_type.is_empty() {
            let value = HeaderValue::from_str(&message.content_type);
            headers.insert(CONTENT_TYPE, value.map_err(|_| poison("the content type is not a header value".into()))?);
        }
        let mut own = HeaderMap::new();
        for (name, value) in &message.headers {
            let (name, value) = header(name, value).map_err(poison)?;
            own.append(name, value);
        }
        for name in own.keys() {
            headers.remove(name);
        }
        // Extending replaces by name, and keeps several values of one name.
        headers.extend(own);
        Ok(headers)
    }

    fn sign(&self, message: &Message, body: &Body, now: SystemTime, headers: &mut HeaderMap) -> Result<(), Refusal> {
        let id = &*message.id.0;
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let id_value = HeaderValue::from_str(id).map_err(|_| poison("the id is not a header value".into()))?;
        headers.insert(WEBHOOK_ID, id_value);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
        if !self.sign.is_empty() {
            let signed = signatures(&self.sign, id, &seconds.to_string(), &body.bytes);
            headers.insert(WEBHOOK_SIGNATURE, HeaderValue::from_str(&signed).expect("base64 is a header value"));
        }
        headers.extend(body.encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding))));
        Ok(())
    }
}

/// The address under `key`.
pub(super) fn parse(key: &str, text: &str) -> Result<Url, HttpError> {
    let example = "give one such as https://example.com/hook";
    let mut url =
        Url::parse(text).map_err(|error| HttpError(format!("`{key}` is not an address ({error}); {example}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(HttpError(format!("`{key}` must begin with http:// or https:// and name a host; {example}")));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Takes user and password out of the address, or they would be seen wherever it is shown.
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let value = basic(&percent_decoded(url.username()), &percent_decoded(url.password().unwrap_or_default()));
    url.set_username("").and_then(|()| url.set_password(None)).expect("an http address can have credentials");
    Some(value)
}

/// What goes with every request; a token that expires does not.
fn credentials(auth: &Auth) -> Result<Option<HeaderValue>, HttpError> {
    match auth {
        Auth::None | Auth::OAuth(_) => Ok(None),
        Auth::Basic { user, password } => Ok(Some(basic(user.as_bytes(), password.as_bytes()))),
        Auth::Bearer(token) => {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let wrong = |_| HttpError("`bearer` holds bytes that a header can not carry; copy the token again".into());
            let mut value = value.map_err(wrong)?;
            value.set_sensitive(true);
            Ok(Some(value))
        }
    }
}

/// RFC 7617.
fn basic(user: &[u8], password: &[u8]) -> HeaderValue {
    let encoded = format!("Basic {}", STANDARD.encode([user, b":", password].concat()));
    let mut value = HeaderValue::from_str(&encoded).expect("base64 is a header value");
    value.set_sensitive(true);
    value
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header name"))?;
    let lower = parsed.as_str();
    if OWNED.iter().any(|owned| lower == *owned || owned.ends_with('-') && lower.starts_with(owned)) {
        return Err(format!("the header {lower} is not yours to set; leave it out"));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of the header {lower} holds bytes that a header can not carry"))?;
    Ok((parsed, value))
}

/// As a URL parser sees them, escaped or not.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

fn poison(reason: String) -> Refusal {
    Refusal::new(Fault::Poison, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Content, MessageId, Origin};
    use bytes::Bytes;
    use std::time::Duration;

    fn template(url: &str, headers: &[(&str, &str)]) -> Result<Template, HttpError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Template::new(HttpSettings { headers, ..HttpSettings::new(url, Duration::from_secs(1)) })
    }

    fn request(template: &Template, message: &Message, now: SystemTime) -> Result<Request, Refusal> {
        template.request(message, &Body::plain(message.body.clone()), None, now)
    }

    fn message(place: &str, headers: &[(&str, &str)]) -> Message {
        let content = Content {
            body: Bytes::from_static(b"{}"),
            content_type: "application/json".into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect(),
            place: place.into(),
            act: Act::Request { method: "PUT".into() },
            ..Content::new(MessageId("m-1".into()), Bytes::new(), Origin::default())
        };
        content.into()
    }

    #[test]
    fn place_is_appended_with_exactly_one_slash() {
        for (url, place, expected) in [
            ("http://a", "", "http://a/"),
            ("http://a/hook", "", "http://a/hook"),
            ("http://a/hook/", "", "http://a/hook/"),
            ("http://a/hook", "/7", "http://a/hook/7"),
            ("http://a/hook/", "7", "http://a/hook/7"),
            ("http://a/hook/", "//7", "http://a/hook/7"),
            ("http://a", "7/", "http://a/7/"),
            ("http://a/hook", "/a%2Fb", "http://a/hook/a%2Fb"),
            ("http://a/hook?k=1", "/7?x=2", "http://a/hook/7?k=1&x=2"),
            ("http://a/hook?k=1", "/7", "http://a/hook/7?k=1"),
            ("http://a/hook", "?x=2", "http://a/hook?x=2"),
            ("http://a/hook", "/..%2e/x", "http://a/hook/..%2e/x"),
        ] {
            let url = template(url, &[]).expect("a template").url(place);
            assert_eq!(url.as_ref().map(Url::as_str), Ok(expected));
        }
    }

    #[test]
    fn place_made_of_row_values_can_not_leave_the_address() {
        let template = template("http://a/hooks/7", &[]).expect("a template");
        for place in ["/..", "/../8", "/%2e%2E/8", "x/./y", "/..?a", "/a b", "/a#b", "/a\\..\\b", "/a\r\nb"] {
            let refusal = request(&template, &message(place, &[]), UNIX_EPOCH).expect_err("a refusal");
            assert_eq!(refusal.fault, Fault::Poison, "{place}");
        }
    }

    #[test]
    fn request_carries_the_messages_own_before_the_members() {
        let template = template("http://user:p%40ss@a/", &[("X-Team", "blue"), ("X-Kept", "1")]).expect("a template");
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        let request =
            request(&template, &message("", &[("x-team", "red"), ("x-team", "green")]), now).expect("a request");
        let all = |name: &str| -> Vec<&str> {
            request.headers().get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
        };
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.url().as_str(), "http://a/");
        assert_eq!(all("x-team"), ["red", "green"]);
        assert_eq!(all("x-kept"), ["1"]);
        assert_eq!(all("authorization"), ["Basic dXNlcjpwQHNz"]);
        assert_eq!(all("content-type"), ["application/json"]);
        assert_eq!(all("webhook-id"), ["m-1"]);
        assert_eq!(all("webhook-timestamp"), ["1700000000"]);
        assert!(all("webhook-signature").is_empty());
        assert!(all("user-agent")[0].starts_with("sluicegate/"));
    }

    #[test]
    fn request_says_who_sends_it_in_the_way_that_is_set() {
        let of = |auth: Auth, authorization: Option<&'static str>| {
            let settings = HttpSettings { auth, ..HttpSettings::new("http://a/", Duration::from_secs(1)) };
            let template = Template::new(settings).expect("a template");
            let message = message("", &[]);
            let authorization = authorization.map(HeaderValue::from_static);
            let body = Body::plain(message.body.clone());
            let request = template.request(&message, &body, authorization.as_ref(), UNIX_EPOCH).expect("a request");
            let value = request.headers().get(AUTHORIZATION).cloned()?;
            assert!(value.is_sensitive() || authorization.is_some());
            Some(value.to_str().expect("text").to_owned())
        };
        let basic = Auth::Basic { user: "user".into(), password: "p@ss".into() };
        assert_eq!(of(basic, None).as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(of(Auth::Bearer("abc".into()), None).as_deref(), Some("Bearer abc"));
        assert_eq!(of(Auth::None, Some("Bearer xyz")).as_deref(), Some("Bearer xyz"));
        assert_eq!(of(Auth::None, None), None);
        let wrong =
            HttpSettings { auth: Auth::Bearer("x\ny".into()), ..HttpSettings::new("http://a/", Duration::ZERO) };
        assert!(Template::new(wrong).err().expect("an error").to_string().starts_with("`bearer` "));
    }

    #[test]
    fn headers_that_are_not_theirs_are_refused_without_their_values() {
        for name in ["Content-Length", "transfer-encoding", "Webhook-Id", "webhook-anything", "bad name", "connection"]
        {
            let error = template("http://a", &[(name, "hidden")]).err().expect("an error").to_string();
            assert!(!error.contains("hidden"), "{error}");
            let template = template("http://a", &[]).expect("a template");
            let refusal = request(&template, &message("", &[(name, "hidden")]), UNIX_EPOCH).expect_err("a refusal");
            assert_eq!(refusal.fault, Fault::Poison);
        }
        let error = template("http://a", &[("x-token", "line\nbreak")]).err().expect("an error").to_string();
        assert!(!error.contains("break"), "{error}");
    }

    #[test]
    fn address_that_can_not_work_says_what_to_write() {
        for url in ["", "example.com", "ftp://a/", "http://", "unix:/x"] {
            let error = template(url, &[]).err().expect("an error").to_string();
            assert!(error.contains("give one such as"), "{error}");
        }
    }
}
