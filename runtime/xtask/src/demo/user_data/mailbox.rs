//! The service that sends e-mails, as far as the story needs one: it takes each request and shows what it would send.

use crate::demo::picture::duration;
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde::Deserialize;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What the guest asks for.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub user: i64,
    pub to: String,
    pub before: Addresses,
    pub after: Addresses,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    pub email_address: String,
    pub address: String,
}

/// The running service; it stops listening on drop.
pub struct Mailbox {
    desk: Arc<Desk>,
    url: String,
    server: AbortHandle,
}

struct Desk {
    /// When the change was written that the next e-mails are about.
    changed_at: Mutex<Instant>,
    /// Every mail with the id of its request, in order of arrival.
    mails: Mutex<Vec<(String, Mail)>>,
}

impl Mailbox {
    pub async fn open() -> Result<Self> {
        let desk = Arc::new(Desk { changed_at: Mutex::new(Instant::now()), mails: Mutex::default() });
        let routes = Router::new().route("/mail", post(receive)).with_state(desk.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open the mailbox")?;
        let url = format!("http://{}/mail", listener.local_addr().context("open the mailbox")?);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Ok(Self { desk, url, server })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on e-mails are about a change that is written now.
    pub fn expect(&self) {
        *self.desk.changed_at.lock().expect("nobody panics while holding a time") = Instant::now();
    }

    /// What has come so far; one that came twice under the same id counts once.
    pub fn mails(&self) -> Vec<Mail> {
        let mut seen = Vec::new();
        let mails = self.desk.mails.lock().expect("nobody panics while holding the mails");
        let fresh = |(id, mail): &(String, Mail)| {
            let is_new = !seen.contains(id);
            seen.push(id.clone());
            is_new.then(|| mail.clone())
        };
        mails.iter().filter_map(fresh).collect()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, Json(mail): Json<Mail>) -> StatusCode {
    let Some(id) = headers.get("webhook-id").and_then(|id| id.to_str().ok()) else { return StatusCode::BAD_REQUEST };
    let changed_at = *desk.changed_at.lock().expect("nobody panics while holding a time");
    println!("    {:>8}   {}", duration(changed_at.elapsed()), line_of(&mail));
    desk.mails.lock().expect("nobody panics while holding the mails").push((id.to_owned(), mail));
    StatusCode::NO_CONTENT
}

/// `to ana@example.org: you moved from Rua Velha 1 to Rua Nova 2`
fn line_of(mail: &Mail) -> String {
    let Mail { to, before, after, .. } = mail;
    let moved = before.address != after.address;
    let renamed = before.email_address != after.email_address;
    let changes = [
        moved.then(|| format!("you moved from {} to {}", before.address, after.address)),
        renamed.then(|| format!("we write to you here, no longer to {}", before.email_address)),
    ];
    format!("✉ {to}: {}", changes.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = r#"{"user":1,"to":"ana@example.org","before":{"email_address":"a@example.org","address":"Rua 1"},
        "after":{"email_address":"ana@example.org","address":"Rua 2"}}"#;

    #[test]
    fn a_mail_says_what_changed_and_nothing_else() {
        let mut mail: Mail = serde_json::from_str(MAIL).expect("a mail");
        let both = "✉ ana@example.org: you moved from Rua 1 to Rua 2; we write to you here, no longer to a@example.org";
        assert_eq!(line_of(&mail), both);
        mail.before.address = "Rua 2".to_owned();
        assert_eq!(line_of(&mail), "✉ ana@example.org: we write to you here, no longer to a@example.org");
    }

    #[tokio::test]
    async fn a_repeated_mail_counts_once_and_one_with_more_in_it_is_refused() -> Result<()> {
        crate::host::install_tls();
        let mailbox = Mailbox::open().await?;
        let client = reqwest::Client::new();
        let send = |id: &'static str, body: String| {
            let request =
                client.post(mailbox.url()).header("webhook-id", id).header("content-type", "application/json");
            async move { anyhow::Ok(request.body(body).send().await?.status().as_u16()) }
        };
        for id in ["m1", "m1", "m2"] {
            assert_eq!(send(id, MAIL.to_owned()).await?, 204);
        }
        assert_eq!(send("m3", MAIL.replacen('{', "{\"phone\":\"1\",", 1)).await?, 422);
        assert_eq!(mailbox.mails().len(), 2);
        Ok(())
    }
}
