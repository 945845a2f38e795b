//! How verbs talk to a sluicegate that runs: over its admin address, with the token of the folder.

use super::status::{ANSWER_MAX, chain};
use crate::config::Plan;
use std::time::Duration;

/// The admin address of a folder.
pub(super) struct Caller {
    base: String,
    token: Option<String>,
    client: reqwest::Client,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

/// Why nothing came back.
pub(super) struct Silence {
    pub(super) reason: String,
    /// Nobody listens there.
    pub(super) is_nobody: bool,
}

impl Caller {
    pub(super) fn new(plan: &Plan, patience: Duration) -> Result<Self, Silence> {
        let client = reqwest::Client::builder().timeout(patience).no_proxy().build().map_err(silence)?;
        let token = plan.host.token.as_ref().map(|t| t.expose().to_owned());
        Ok(Self { base: format!("http://{}", plan.host.admin), token, client })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Silence> {
        self.send(self.client.get(self.url(path))).await
    }

    /// Whether somebody is there; who is answers this at once.
    pub(super) async fn live(&self) -> Result<(), Silence> {
        self.send(self.client.get(self.url("/live")).timeout(ANSWER_MAX)).await.map(drop)
    }

    /// With values that may hold anything.
    pub(super) async fn get_with(&self, path: &str, values: &[(&str, String)]) -> Result<Answer, Silence> {
        let url = reqwest::Url::parse_with_params(&self.url(path), values);
        let url = url.map_err(|e| Silence { reason: e.to_string(), is_nobody: false })?;
        self.send(self.client.get(url)).await
    }

    pub(super) async fn post(&self, path: &str, body: String) -> Result<Answer, Silence> {
        let request = self.client.post(self.url(path)).header("content-type", "application/json").body(body);
        self.send(request).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Silence> {
        self.send(self.client.delete(self.url(path)).header("x-sluicegate", "1")).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, Silence> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(silence)?;
        let status = answer.status().as_u16();
        Ok(Answer { status, text: answer.text().await.map_err(silence)? })
    }
}

fn silence(error: reqwest::Error) -> Silence {
    Silence { is_nobody: error.is_connect(), reason: chain(&error) }
}
