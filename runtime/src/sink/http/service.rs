//! A service that a sink asks before it can deliver, such as a registry of schemas: questions and answers, each within one deadline.

use super::answer;
use super::client::{Clients, SharedClient};
use super::progress;
use super::request::Template;
use super::token::Tokens;
use super::{Auth, HttpError, HttpSettings, Refusal, reach_of};
use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(in crate::sink) struct Service {
    template: Template,
    client: SharedClient,
    tokens: Option<Arc<Tokens>>,
    timeout: Duration,
}

/// What came back.
pub(in crate::sink) struct Answer {
    pub status: StatusCode,
    /// As much of it as was asked for.
    pub body: Vec<u8>,
    pub retry_after: Option<Duration>,
}

impl Service {
    /// # Errors
    /// If the url, a header, a certificate or a key can not be used, or the url is an address that may not be gone to.
    pub(in crate::sink) fn new(settings: HttpSettings, clients: &Clients) -> Result<Self, HttpError> {
        let timeout = settings.timeout;
        let tokens = match &settings.auth {
            Auth::OAuth(oauth) => Some(clients.tokens(oauth, &settings.trust)?),
            _ => None,
        };
        let (trust, reach) = (settings.trust.clone(), settings.reach.clone());
        let template = Template::new(settings)?;
        let client = clients.get(&trust, &reach_of(template.address(), &reach)?)?;
        Ok(Self { template, client, tokens, timeout })
    }

    /// Asks at `place` behind the service's address: posts the question, or gets without one. Of the answer at most `bytes_max` are
    /// kept.
    ///
    /// # Errors
    /// If no answer comes, which is passing. What an answer means is for whoever asked.
    pub(in crate::sink) async fn ask(
        &self,
        place: &str,
        question: Option<&Bytes>,
        bytes_max: usize,
    ) -> Result<Answer, Refusal> {
        let asked = progress::followed(async {
            let asking = tokio::time::timeout(self.timeout, self.exchange(place, question, bytes_max));
            asking.await.unwrap_or_else(|_| Err(answer::unanswered(self.timeout, progress::stage())))
        });
        asked.await
    }

    async fn exchange(&self, place: &str, question: Option<&Bytes>, bytes_max: usize) -> Result<Answer, Refusal> {
        let mut response = match &self.tokens {
            None => self.send(place, question, None).await?,
            Some(tokens) => {
                let token = tokens.get().await?;
                let response = self.send(place, question, Some(&token.header)).await?;
                if response.status() == StatusCode::UNAUTHORIZED {
                    drop(response);
                    let token = tokens.replace(&token).await?;
                    self.send(place, question, Some(&token.header)).await?
                } else {
                    response
                }
            }
        };
        let retry_after = answer::retry_after(response.headers(), SystemTime::now());
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| answer::network(&error))? {
            let room = bytes_max.saturating_sub(body.len());
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if room <= chunk.len() {
                break;
            }
        }
        Ok(Answer { status, body, retry_after })
    }

    async fn send(
        &self,
        place: &str,
        question: Option<&Bytes>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Refusal> {
        self.client.exchange(|| self.template.question(place, question, authorization)).await
    }
}
