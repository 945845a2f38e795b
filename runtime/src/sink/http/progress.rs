//! How far an attempt has come, so that one that is late can say where it was waiting.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll};

tokio::task_local! {
    /// Of the attempt that this task makes.
    static PROGRESS: Arc<Progress>;
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The receiver has the request, or a part of it; it reads, or thinks.
    #[default]
    Answer,
    Token,
    Name,
    /// TCP, then TLS.
    Connection,
}

const STAGES: [Stage; 4] = [Stage::Answer, Stage::Token, Stage::Name, Stage::Connection];

#[derive(Default)]
struct Progress {
    /// Of [`STAGES`].
    stage: AtomicU8,
    /// Whether the request that is being sent has opened the connection it runs on.
    opened: AtomicBool,
}

/// Runs an attempt; what is noted in it belongs to it alone.
pub(super) async fn followed<T>(attempt: impl Future<Output = T>) -> T {
    PROGRESS.scope(Arc::default(), attempt).await
}

/// Notes what is waited for from here on. Also called from connections that go on in a task of their own, because another request's
/// connection became free first: those belong to no attempt.
pub(super) fn waits_for(stage: Stage) {
    let _elsewhere = PROGRESS.try_with(|progress| progress.stage.store(stage as u8, Relaxed));
}

pub(super) fn stage() -> Stage {
    let stage = PROGRESS.try_with(|progress| progress.stage.load(Relaxed)).unwrap_or_default();
    STAGES.get(usize::from(stage)).copied().unwrap_or_default()
}

/// Notes that a new connection is there, or that a request begins and has none yet.
pub(super) fn set_opened(opened: bool) {
    let _elsewhere = PROGRESS.try_with(|progress| progress.opened.store(opened, Relaxed));
}

pub(super) fn has_opened() -> bool {
    PROGRESS.try_with(|progress| progress.opened.load(Relaxed)).unwrap_or_default()
}

/// A body that notes when the first of it is sent: a request that began to connect may get a connection that another has opened,
/// and nobody else tells.
pub(super) fn noted(bytes: Bytes) -> reqwest::Body {
    match PROGRESS.try_with(Arc::clone) {
        Ok(progress) => reqwest::Body::wrap(Noted { bytes, progress }),
        Err(_) => bytes.into(),
    }
}

/// Empty when it was sent.
struct Noted {
    bytes: Bytes,
    progress: Arc<Progress>,
}

impl http_body::Body for Noted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.progress.stage.store(Stage::Answer as u8, Relaxed);
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
