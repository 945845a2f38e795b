//! How requests say who sends them: `basic`, `bearer` or `oauth2`, one of them.

use super::Secret;
use super::entry::Entry;
use super::http::{check_reach, read_url};
use super::section::Section;
use crate::address::{Author, Reach};
use ipnet::IpNet;
use reqwest::Url;
use reqwest::header::HeaderValue;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthPlan {
    /// By the url, by a header, or not at all.
    #[default]
    None,
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
    OAuth(OAuthPlan),
}

/// OAuth2 client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthPlan {
    pub token_url: Secret,
    /// Where it may lead.
    pub reach: Reach,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
    pub audience: Option<String>,
    pub client_auth: ClientAuthPlan,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthPlan {
    #[default]
    Basic,
    Post,
}

const KEYS: [&str; 3] = ["basic", "bearer", "oauth2"];
const CLIENT_AUTHS: [(&str, ClientAuthPlan); 2] =
    [("client_secret_basic", ClientAuthPlan::Basic), ("client_secret_post", ClientAuthPlan::Post)];

#[derive(Clone, Default)]
pub(super) enum AuthTerms {
    #[default]
    None,
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
    OAuth(OAuthTerms),
}

/// What the target says of it, and what a member says.
#[derive(Clone, Default)]
pub(super) struct OAuthTerms {
    token_url: Option<Secret>,
    author: Author,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    scope: Option<String>,
    audience: Option<String>,
    client_auth: ClientAuthPlan,
}

impl AuthTerms {
    pub fn overridden_by(self, section: &Section<'_>, author: Author) -> Self {
        let [basic, bearer, oauth2] = KEYS.map(|key| section.entry(key));
        let given: Vec<&Entry<'_>> = [&basic, &bearer, &oauth2].into_iter().flatten().collect();
        if let [first, second, ..] = given[..] {
            let rule = format!("requests are authorised in one way, and `{}` stands here too", first.key);
            second.page.mistake(&second.subject, second.key_at.clone(), rule, "keep one of basic, bearer, oauth2");
        }
        if let Some(basic) = basic.and_then(|_| section.section(KEYS[0])) {
            return read_basic(&basic).unwrap_or(self);
        }
        if let Some(bearer) = bearer {
            return read_bearer(&bearer).map_or(self, Self::Bearer);
        }
        let Some(oauth2) = oauth2.and_then(|_| section.section(KEYS[2])) else { return self };
        let before = if let Self::OAuth(terms) = self { terms } else { OAuthTerms::default() };
        Self::OAuth(before.overridden_by(&oauth2, author))
    }

    /// The key by which it is set.
    fn key(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Basic { .. } => KEYS[0],
            Self::Bearer(_) => KEYS[1],
            Self::OAuth(_) => KEYS[2],
        }
    }

    /// What `entry` says is `address`, if it is one. `allow` is what the receiver may lead to beside public addresses; `header` which of
    /// its headers authorises as well.
    pub fn plan(
        self,
        entry: &Entry<'_>,
        address: Option<&Secret>,
        allow: &[IpNet],
        header: Option<&str>,
    ) -> Option<AuthPlan> {
        let key = self.key();
        if let (false, Some(header)) = (key.is_empty(), header) {
            let rule = format!("the header {header} is made from `{key}`, and stands in `headers` as well");
            entry.mistake(rule, "remove one of the two");
        }
        if !key.is_empty() && address.is_some_and(names_a_user) {
            let rule = format!("requests are authorised by `{key}`, and this address has a user or password too");
            entry.mistake(rule, "remove one of the two");
        }
        let oauth = match self {
            Self::None => return Some(AuthPlan::None),
            Self::Basic { user, password } => return Some(AuthPlan::Basic { user, password }),
            Self::Bearer(token) => return Some(AuthPlan::Bearer(token)),
            Self::OAuth(terms) => terms,
        };
        let OAuthTerms { token_url, author, client_id, client_secret, scope, audience, client_auth } = oauth;
        let given = [("token_url", token_url.is_some()), ("client_id", client_id.is_some())];
        let given = given.into_iter().chain([("client_secret", client_secret.is_some())]);
        let missing: Vec<&str> = given.filter(|(_, is_there)| !is_there).map(|(key, _)| key).collect();
        if !missing.is_empty() {
            let remedy =
                "write oauth2 = { token_url = \"https://...\", client_id = \"...\", client_secret = \"${NAME}\" }";
            entry.mistake(format!("`oauth2` says no {} for this address", missing.join(", no ")), remedy);
        }
        let reach = Reach { author, allow: allow.to_vec() };
        let (token_url, client_id, client_secret) = (token_url?, client_id?, client_secret?);
        check_reach(entry, "of `oauth2.token_url`: ", &token_url, &reach);
        Some(AuthPlan::OAuth(OAuthPlan { token_url, reach, client_id, client_secret, scope, audience, client_auth }))
    }
}

impl OAuthTerms {
    fn overridden_by(mut self, section: &Section<'_>, author: Author) -> Self {
        if let Some(url) = section.entry("token_url").and_then(|entry| read_url(&entry)) {
            (self.token_url, self.author) = (Some(url), author);
        }
        self.client_id = section.entry("client_id").and_then(|entry| filled(&entry)).or(self.client_id);
        self.client_secret = section.entry("client_secret").and_then(|entry| entry.secret()).or(self.client_secret);
        self.scope = section.entry("scope").and_then(|entry| filled(&entry)).or(self.scope);
        self.audience = section.entry("audience").and_then(|entry| filled(&entry)).or(self.audience);
        let client_auth = section.entry("client_auth").and_then(|entry| entry.choice(&CLIENT_AUTHS, &[]));
        self.client_auth = client_auth.unwrap_or(self.client_auth);
        section.finish();
        self
    }
}

fn read_basic(section: &Section<'_>) -> Option<AuthTerms> {
    let remedy = "write basic = { user = \"...\", password = \"${NAME}\" }";
    let user = section.required("user", remedy);
    let password = section.required("password", remedy);
    section.finish();
    let user = user.and_then(|entry| {
        let user = entry.text()?;
        if user.contains(':') {
            entry.mistake("a user's name has no colon: it is what ends it", "remove it");
        }
        Some(user)
    });
    // Some services have a key for a user and no password.
    Some(AuthTerms::Basic { user: user?, password: Secret::new(password?.text()?) })
}

fn read_bearer(entry: &Entry<'_>) -> Option<Secret> {
    let token = entry.secret()?;
    if HeaderValue::from_str(token.expose()).is_err() {
        entry.mistake("a token is one line of visible characters", "remove line ends and control characters");
        return None;
    }
    Some(token)
}

fn names_a_user(address: &Secret) -> bool {
    Url::parse(address.expose()).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

fn filled(entry: &Entry<'_>) -> Option<String> {
    entry.secret().map(|text| text.expose().to_owned())
}
