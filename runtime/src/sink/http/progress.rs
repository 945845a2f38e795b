//! How far an attempt has come, so that one that is late can say where it was waiting.

use std::cell::Cell;

tokio::task_local! {
    /// Of the attempt that this task makes.
    static PROGRESS: Progress;
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The receiver has the connection; it reads, or thinks.
    #[default]
    Answer,
    Token,
    Name,
    /// TCP, then TLS. Also said by a request that began to connect and then got a connection that another had opened: nobody
    /// tells when that happens.
    Connection,
}

#[derive(Default)]
struct Progress {
    stage: Cell<Stage>,
    /// Whether the request that is being sent has opened the connection it runs on.
    opened: Cell<bool>,
}

/// Runs an attempt; what is noted in it belongs to it alone.
pub(super) async fn followed<T>(attempt: impl Future<Output = T>) -> T {
    PROGRESS.scope(Progress::default(), attempt).await
}

/// Notes what is waited for from here on. Also called from connections that go on in a task of their own, because another request's
/// connection became free first: those belong to no attempt.
pub(super) fn waits_for(stage: Stage) {
    let _elsewhere = PROGRESS.try_with(|progress| progress.stage.set(stage));
}

pub(super) fn stage() -> Stage {
    PROGRESS.try_with(|progress| progress.stage.get()).unwrap_or_default()
}

/// Notes that a new connection is there, or that a request begins and has none yet.
pub(super) fn set_opened(opened: bool) {
    let _elsewhere = PROGRESS.try_with(|progress| progress.opened.set(opened));
}

pub(super) fn has_opened() -> bool {
    PROGRESS.try_with(|progress| progress.opened.get()).unwrap_or_default()
}
