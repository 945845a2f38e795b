//! `sluicegate status`: what a running process says of itself.

use super::{Exit, block_on};
use crate::admin::status::Status;
use crate::app::picture;
use crate::cli::out::{errln, outln};
use crate::config::{self, Mistakes};
use std::path::Path;
use std::time::Duration;

/// A process on loopback that does not answer within this time is stuck.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);
/// Lines of a picture that goes to a pipe or a tall terminal.
const LINES_MAX: usize = 2_000;

pub(super) fn status(dir: &Path, json: bool, watch: bool) -> Exit {
    let (host, mut mistakes) = match crate::app::read(dir) {
        Ok(plan) => (plan.host, None),
        // What runs goes on with what it read before, and answers as far as its address can be read.
        Err(mistakes) => (config::host_of(dir, &|name| std::env::var(name).ok()), Some(mistakes)),
    };
    let url = format!("http://{}/status", host.admin);
    let token = host.token.as_ref().map(|t| t.expose().to_owned());
    block_on(async {
        loop {
            let text = match ask(&url, token.as_deref()).await {
                Ok(text) => text,
                Err(reason) => {
                    if let Some(mistakes) = &mistakes {
                        errln!("{mistakes}");
                    }
                    errln!("{url} does not answer: {reason}; is `sluicegate run {}` running?", dir.display());
                    return if mistakes.is_some() { Exit::Usage } else { Exit::Failed };
                }
            };
            if json {
                mistakes.take().iter().for_each(|mistakes| not_taken(dir, Some(mistakes)));
                outln!("{text}");
            } else {
                match serde_json::from_str::<Status>(&text) {
                    Ok(status) => {
                        outln!("{}", picture(&status, &url, LINES_MAX).join("\n"));
                        // What the process says of it itself stands in the picture.
                        let is_said = status.config_error.is_some();
                        mistakes.take().iter().for_each(|m| not_taken(dir, (!is_said).then_some(m)));
                    }
                    Err(error) => {
                        errln!("{url} answers something else than a status: {error}; is it another program?");
                        return Exit::Failed;
                    }
                }
            }
            if !watch {
                return Exit::Done;
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
}

fn not_taken(dir: &Path, mistakes: Option<&Mistakes>) {
    if let Some(mistakes) = mistakes {
        errln!("{mistakes}");
    }
    errln!("what stands in {} now is not taken; what runs goes on with what it read before", dir.display());
}

pub(super) async fn ask(url: &str, token: Option<&str>) -> Result<String, String> {
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build().map_err(|e| chain(&e))?;
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|e| chain(&e))?;
    if !answer.status().is_success() {
        return Err(format!("it says {}", answer.status()));
    }
    answer.text().await.map_err(|e| chain(&e))
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
