//! What only `kind = "http"` knows: signatures, headers, authorities, and where a url may lead.

use super::auth::AuthTerms;
use super::entry::Entry;
use super::pem::Pem;
use super::section::Section;
use super::{HttpPlan, Secret};
use crate::address::{Author, Reach, parse_net};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ring::signature::Ed25519KeyPair;
use std::path::PathBuf;

/// How Standard Webhooks marks a secret that is base64, an ed25519 private key, and a public one.
const SHARED_PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";
/// Of a private key: its seed; behind it may stand the public key.
const SEED_LEN: usize = 32;

#[derive(Clone, Default)]
pub(super) struct HttpTerms {
    /// Of what is read next.
    author: Author,
    sign: Vec<Secret>,
    headers: Vec<(String, Secret)>,
    auth: AuthTerms,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    cert_key: Option<PathBuf>,
    allow: Vec<IpNet>,
    gzip: bool,
}

impl HttpTerms {
    pub fn overridden_by(mut self, section: &Section<'_>) -> Self {
        if let Some(sign) = section.entry("sign") {
            self.sign = read_sign(&sign);
        }
        if let Some(headers) = section.section("headers") {
            read_headers(&headers, &mut self.headers);
        }
        self.auth = self.auth.overridden_by(section, self.author);
        self.ca = section.pem("ca", Pem::Certificate).or(self.ca);
        self.cert = section.pem("cert", Pem::Certificate).or(self.cert);
        self.cert_key = section.pem("cert_key", Pem::Key).or(self.cert_key);
        if section.entry("cert").is_some() != section.entry("cert_key").is_some() {
            section.mistake("a certificate and its key belong together", "set both `cert` and `cert_key`, or none");
        }
        if let Some(allow) = section.entry("allow") {
            self.allow = read_allow(&allow);
        }
        let compress =
            section.entry("compress").and_then(|entry| entry.choice(&[("gzip", true), ("none", false)], &[]));
        self.gzip = compress.unwrap_or(self.gzip);
        self
    }

    /// What follows stands in a file of members.
    pub fn of_customers(self) -> Self {
        Self { author: Author::Customer, ..self }
    }

    pub fn plan(self, entry: &Entry<'_>) -> Option<HttpPlan> {
        let Self { author, sign, headers, auth, ca, cert, cert_key, allow, gzip } = self;
        let authorises = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
        let url = read_url(entry);
        let auth = auth.plan(entry, url.as_ref(), &allow, authorises.map(|(name, _)| name.as_str()));
        let url = url?;
        let reach = Reach { author, allow };
        check_reach(entry, "", &url, &reach);
        Some(HttpPlan { url, sign, headers, auth: auth?, ca, cert, cert_key, reach, gzip })
    }
}

pub(super) fn read_url(entry: &Entry<'_>) -> Option<Secret> {
    let text = entry.address("http://HOST/")?;
    let rule = match Url::parse(&text) {
        Err(error) => format!("this is no address: {error}"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "an address begins with http:// or https://".into(),
        Ok(url) if url.fragment().is_some() => "an address has no # in it; nobody would send what follows".into(),
        Ok(_) => return Some(Secret::new(text)),
    };
    entry.mistake(rule, format!("write {} = \"https://host/path\"", entry.key));
    None
}

/// A literal address is looked at here; where a name leads is seen when it is resolved. `what` stands before the sentence.
pub(super) fn check_reach(entry: &Entry<'_>, what: &str, url: &Secret, reach: &Reach) {
    let Ok(url) = Url::parse(url.expose()) else { return };
    if let Err(refused) = reach.admits_host(url.host_str().unwrap_or_default()) {
        let rule = format!("{what}{} is no public address ({})", refused.address, refused.kind);
        let remedy = format!("if that is meant, allow it, here or for the target: allow = [\"{}\"]", refused.address);
        entry.mistake(rule, remedy);
    }
}

fn read_allow(entry: &Entry<'_>) -> Vec<IpNet> {
    let mut nets = Vec::new();
    for (text, entry) in entry.texts().unwrap_or_default() {
        match parse_net(&text) {
            Ok(net) => nets.push(net),
            Err(rule) => entry.mistake(rule, "write allow = [\"10.0.0.0/8\", \"127.0.0.1\", \"::1\"]"),
        }
    }
    nets
}

/// One secret, or several while one is replaced by another.
fn read_sign(entry: &Entry<'_>) -> Vec<Secret> {
    let entries = if entry.is_list() { entry.elements().unwrap_or_default() } else { vec![entry.clone()] };
    let mut secrets = Vec::new();
    for entry in entries {
        let Some(secret) = entry.secret() else { continue };
        if let Err((rule, remedy)) = check_secret(secret.expose()) {
            entry.mistake(rule, remedy);
        }
        secrets.push(secret);
    }
    secrets
}

/// Rule and remedy, if it can not sign.
fn check_secret(text: &str) -> Result<(), (&'static str, &'static str)> {
    const AGAIN: &str = "copy the secret again; = at its end belongs to it";
    if text.starts_with(PUBLIC_PREFIX) {
        return Err(("this is a public key", "give the private one, whsk_...; the public one is for the receiver"));
    }
    if let Some(encoded) = text.strip_prefix(SHARED_PREFIX) {
        let wrong = encoded.is_empty() || BASE64_STANDARD.decode(encoded).is_err();
        return if wrong { Err(("what follows whsec_ is not base64", AGAIN)) } else { Ok(()) };
    }
    let Some(encoded) = text.strip_prefix(PRIVATE_PREFIX) else { return Ok(()) };
    let Ok(decoded) = BASE64_STANDARD.decode(encoded) else { return Err(("what follows whsk_ is not base64", AGAIN)) };
    match decoded.split_at_checked(SEED_LEN) {
        Some((_, [])) => Ok(()),
        Some((seed, public)) if Ed25519KeyPair::from_seed_and_public_key(seed, public).is_ok() => Ok(()),
        _ => Err(("what follows whsk_ is no ed25519 private key", AGAIN)),
    }
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
