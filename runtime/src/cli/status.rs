//! `sluicegate status`: what a running process says of itself.

use super::{Exit, block_on, load};
use crate::admin::status::Status;
use crate::app::picture;
use std::path::Path;
use std::time::Duration;

/// A process on loopback that does not answer within this time is stuck.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);
/// Lines of a picture that goes to a pipe or a tall terminal.
const LINES_MAX: usize = 2_000;

pub(super) fn status(dir: &Path, json: bool, watch: bool) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let url = format!("http://{}/status", plan.host.admin);
    let token = plan.host.token.as_ref().map(|t| t.expose().to_owned());
    block_on(async {
        loop {
            let text = match ask(&url, token.as_deref()).await {
                Ok(text) => text,
                Err(reason) => {
                    eprintln!("{url} does not answer: {reason}; is `sluicegate run {}` running?", dir.display());
                    return Exit::Failed;
                }
            };
            if json {
                println!("{text}");
            } else {
                match serde_json::from_str::<Status>(&text) {
                    Ok(status) => println!("{}", picture(&status, &url, LINES_MAX).join("\n")),
                    Err(error) => {
                        eprintln!("{url} answers something else than a status: {error}; is it another program?");
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
