//! `sluicegate run`: start, draw or log, and stop when asked.

use super::{Exit, LogForm, load};
use crate::admin::Registry;
use crate::admin::status::Status;
use crate::app::{App, Ending, Ground, Screen};
use crate::cli::out::errln;
use crate::config::Plan;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// How often the picture is drawn again.
const REDRAW: Duration = Duration::from_millis(500);

/// Unless `RUST_LOG` says otherwise. What name servers send that can not be used is told as the reason why an attempt failed, once.
const LOGGED: &str = "info,hickory_resolver=off,hickory_net=off,hickory_proto=off";

/// Whether the admin address shows rows, with their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Hidden,
    Shown,
}

pub(super) fn run(dir: &Path, log: LogForm, rows: Rows) -> Exit {
    let plan = match load(dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let screen = (log == LogForm::Text && Screen::is_terminal()).then(Screen::default);
    start_log(log, screen.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("sluicegate").build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            errln!("threads can not be started: {error}");
            return Exit::Failed;
        }
    };
    let title = format!("{}   http://{}", dir.display(), plan.host.admin);
    let exit = runtime.block_on(async move {
        // First of all: a signal that comes while the house starts is no reason to fall over.
        let asked = stop_signal();
        let ground = match Ground::open(dir, &plan).await {
            Ok(ground) if rows == Rows::Shown => ground.showing_rows(),
            Ok(ground) => ground,
            Err(ending) => return say(&ending),
        };
        let drawing = screen.map(|screen| tokio::spawn(draw(screen, ground.registry(), title)));
        let ending = until_asked(&ground, plan, asked).await;
        if let Some(drawing) = drawing {
            drawing.abort();
        }
        say(&ending)
    });
    // A guest in its last milliseconds or a resolver must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

/// One plan after the other, as they are edited.
async fn until_asked(ground: &Ground, mut plan: Plan, asked: impl Future<Output = ()>) -> Ending {
    tokio::pin!(asked);
    let mut before: Option<Plan> = None;
    loop {
        let ending = match App::start(ground, plan.clone()).await {
            Ok(app) => app.run_until(ground, &mut asked).await,
            // An edit that only shows now that it can not work is no reason to stop delivering.
            Err(ending) => match before.take() {
                Some(old) => {
                    ground.refuse(&ending);
                    plan = old;
                    continue;
                }
                None => ending,
            },
        };
        match ending {
            Ending::Edited(edited) => before = Some(std::mem::replace(&mut plan, *edited)),
            ending => return ending,
        }
    }
}

fn say(ending: &Ending) -> Exit {
    match ending {
        Ending::Asked | Ending::Edited(_) => Exit::Done,
        Ending::Failed { message, loss, usage } => {
            tracing::error!("{message}");
            match (loss, usage) {
                (true, _) => Exit::Loss,
                (_, true) => Exit::Usage,
                _ => Exit::Failed,
            }
        }
    }
}

/// Listens from the call on, not from the first poll.
pub(super) fn stop_signal() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async {
        let [terminate, interrupt] = signals.map(async |listening| match listening {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        });
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

async fn draw(screen: Screen, registry: watch::Receiver<Arc<Registry>>, title: String) {
    let mut tick = tokio::time::interval(REDRAW);
    loop {
        tick.tick().await;
        // A terminal that went away is no reason to stop delivering.
        let status = Status::read(&registry.borrow());
        if screen.draw(&status, &title).is_err() {
            return;
        }
    }
}

fn start_log(log: LogForm, screen: Option<Screen>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let form = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match (log, screen) {
        (LogForm::Json, _) => form.json().with_writer(std::io::stderr).init(),
        (LogForm::Text, Some(screen)) => form.with_writer(screen).init(),
        (LogForm::Text, None) => form.with_ansi(false).with_writer(std::io::stderr).init(),
    }
}
