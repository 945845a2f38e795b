//! `sluicegate status`: what a running process says of itself.

use super::caller::{ANSWER_MAX, Caller};
use super::{Exit, block_on, load};
use crate::admin::status::Status;
use crate::app::picture;
use crate::config::Plan;
use std::path::Path;
use std::time::Duration;

const AGAIN: Duration = Duration::from_millis(500);
/// Lines of a picture that goes to a pipe or a tall terminal.
const LINES_MAX: usize = 2_000;

pub(super) fn status(dir: &Path, json: bool, watch: bool) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let url = format!("http://{}/status", plan.host.admin);
    block_on(async {
        loop {
            let text = match ask(&plan).await {
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

async fn ask(plan: &Plan) -> Result<String, String> {
    let caller = Caller::new(plan, ANSWER_MAX).map_err(|silence| silence.reason)?;
    let answer = caller.get("/status").await.map_err(|silence| silence.reason)?;
    if answer.status == 200 { Ok(answer.text) } else { Err(format!("it says {}", answer.status)) }
}
