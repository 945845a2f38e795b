//! A receiver to try a pipeline with: takes every request, shows it, and answers that all is well.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A body that is longer is refused, as a receiver may.
const BODY_LEN_MAX: usize = 16 << 20;

/// Gets a line for each request.
pub type Show = Arc<dyn Fn(&str) + Send + Sync>;

/// Answers until the task is dropped.
///
/// # Errors
/// If the connections can not be taken any more.
pub async fn listen(listener: TcpListener, show: Show) -> io::Result<()> {
    axum::serve(listener, Router::new().fallback(take).with_state(show)).await
}

async fn take(State(show): State<Show>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LEN_MAX).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let text = String::from_utf8_lossy(&body);
    let shown: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    show(&format!("{} {}  {}", head.method, head.uri.path(), shown.trim_end()));
    StatusCode::NO_CONTENT
}
