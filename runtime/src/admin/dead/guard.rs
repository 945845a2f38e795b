//! Keeps a browser's foreign pages away from the desk: they can reach loopback, where no token is asked for.
//!
//! Two ways are open to a page that somebody on call happens to look at. It can send a form here: so what changes something must carry
//! what no form can, a header of ours or a JSON content type; for these a browser asks first whether it may (CORS), and is never told
//! that it may. And its own name can be made to lead here (DNS rebinding), so that the browser takes us for it and lets it read: so
//! without a token we answer only to addresses and to `localhost`.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

const OWN_HEADER: &str = "x-sluicegate";

/// Lets through what changes nothing, and what no form can have sent.
pub async fn no_forms(request: Request, next: Next) -> Response {
    let changes_nothing = matches!(*request.method(), Method::GET | Method::HEAD);
    if changes_nothing || is_marked(request.headers()) {
        return next.run(request).await;
    }
    let remedy = "this needs the header `X-Sluicegate: 1`, or `Content-Type: application/json`: a page in somebody's browser \
                  could send it otherwise\n";
    (StatusCode::FORBIDDEN, remedy).into_response()
}

/// Lets through what was sent to a name that nobody else can have.
pub async fn no_foreign_names(request: Request, next: Next) -> Response {
    if is_own_name(request.headers()) {
        return next.run(request).await;
    }
    let remedy = "without host.token this answers to addresses and to localhost only: a page whose name is made to lead here \
                  could read your rows otherwise\n";
    (StatusCode::FORBIDDEN, remedy).into_response()
}

fn is_marked(headers: &HeaderMap) -> bool {
    let is_json =
        |value: &str| value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    headers.contains_key(OWN_HEADER) || given.is_some_and(is_json)
}

/// A browser always says where it sends to.
fn is_own_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header's value"))])
    }

    #[test]
    fn only_what_no_form_can_send_counts_as_marked() {
        for form in
            ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain;application/json"]
        {
            assert!(!is_marked(&headers(header::CONTENT_TYPE, form)), "{form}");
        }
        assert!(is_marked(&headers(header::CONTENT_TYPE, "Application/JSON; charset=utf-8")));
        assert!(is_marked(&headers(header::HeaderName::from_static(OWN_HEADER), "1")));
        assert!(!is_marked(&HeaderMap::new()));
    }

    #[test]
    fn name_that_somebody_can_point_here_is_not_ours() {
        for own in ["127.0.0.1:8900", "127.0.0.1", "[::1]:8900", "[::1]", "LocalHost:8900"] {
            assert!(is_own_name(&headers(header::HOST, own)), "{own}");
        }
        for foreign in ["evil.example:8900", "localhost.evil.example", "127.0.0.1.evil.example:80", ""] {
            assert!(!is_own_name(&headers(header::HOST, foreign)), "{foreign}");
        }
    }
}
