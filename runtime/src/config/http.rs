//! What only `kind = "http"` knows: signatures, headers, authorities.

use super::entry::Entry;
use super::pem::Pem;
use super::section::Section;
use super::{HttpPlan, Secret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use std::path::PathBuf;

/// How Standard Webhooks marks a secret that is base64.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";

#[derive(Clone, Default)]
pub(super) struct HttpTerms {
    sign: Vec<Secret>,
    headers: Vec<(String, Secret)>,
    ca: Option<PathBuf>,
}

impl HttpTerms {
    pub fn overridden_by(mut self, section: &Section<'_>) -> Self {
        if let Some(sign) = section.entry("sign") {
            self.sign = read_sign(&sign);
        }
        if let Some(headers) = section.section("headers") {
            read_headers(&headers, &mut self.headers);
        }
        self.ca = section.pem("ca", Pem::Certificate).or(self.ca);
        self
    }

    pub fn plan(self, url: &Entry<'_>) -> Option<HttpPlan> {
        let Self { sign, headers, ca } = self;
        Some(HttpPlan { url: read_url(url)?, sign, headers, ca })
    }
}

fn read_url(entry: &Entry<'_>) -> Option<Secret> {
    let text = entry.address("http://HOST/")?;
    let rule = match Url::parse(&text) {
        Err(error) => format!("this is no address: {error}"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "an address begins with http:// or https://".into(),
        Ok(url) if url.fragment().is_some() => "an address has no # in it; nobody would send what follows".into(),
        Ok(_) => return Some(Secret::new(text)),
    };
    entry.mistake(rule, "write url = \"https://host/path\"");
    None
}

/// One secret, or several while one is replaced by another.
fn read_sign(entry: &Entry<'_>) -> Vec<Secret> {
    let entries = if entry.is_list() { entry.elements().unwrap_or_default() } else { vec![entry.clone()] };
    let mut secrets = Vec::new();
    for entry in entries {
        let Some(secret) = entry.secret() else { continue };
        let encoded = secret.expose().strip_prefix(WEBHOOK_SECRET_PREFIX);
        if encoded.is_some_and(|text| text.is_empty() || BASE64_STANDARD.decode(text).is_err()) {
            entry.mistake("what follows whsec_ is not base64", "copy the secret again; = at its end belongs to it");
        }
        secrets.push(secret);
    }
    secrets
}

/// Adds headers; one that is there already is replaced.
fn read_headers(section: &Section<'_>, headers: &mut Vec<(String, Secret)>) {
    for entry in section.entries() {
        let name = header_name(&entry);
        let (Some(name), Some(value)) = (name, entry.text()) else { continue };
        if HeaderValue::from_str(&value).is_err() {
            entry.mistake(
                "a header's value is one line of visible characters",
                "remove line ends and control characters",
            );
            continue;
        }
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, Secret::new(value)));
    }
}

/// The key of an entry as the name of a header.
pub(super) fn header_name(entry: &Entry<'_>) -> Option<String> {
    /// They follow from the connection, the body or the message.
    const OURS: [&str; 10] = [
        "host",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
        "upgrade",
        "te",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    let (rule, remedy) = match HeaderName::from_bytes(entry.key.as_bytes()) {
        Ok(name) if OURS.contains(&name.as_str()) => ("this header is made for every message", "remove it"),
        Ok(_) => return Some(entry.key.to_owned()),
        Err(_) => ("this is no name of a header", "letters, digits and -, as in X-Api-Version"),
    };
    entry.page.mistake(&entry.subject, entry.key_at.clone(), rule, remedy);
    None
}
