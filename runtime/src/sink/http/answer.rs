//! What an answer means, or the lack of one.

use super::Refusal;
use super::progress::Stage;
use crate::fault::Fault;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::error::Error;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// What is read of an answer's body; a longer one costs the connection, not the message.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What is kept of an answer, status line and body, for whoever looks at a dead letter.
pub const ANSWER_KEPT_MAX: usize = 16 << 10;

/// A reason is shown in one line.
const REASON_CHARS_MAX: usize = 200;

/// The meaning of an answer that has begun. However its body ends, the status stands.
pub(super) async fn judge(response: Response, deadline: Instant) -> Result<(), Refusal> {
    let verdict = verdict(response.status(), response.headers(), SystemTime::now());
    let status_line = format!("{:?} {}\n\n", response.version(), response.status());
    let mut body = Vec::new();
    let kept_max = if verdict.is_ok() { 0 } else { ANSWER_KEPT_MAX };
    let reading = read_to_end(response, &mut body, kept_max);
    let _unfinished = tokio::time::timeout_at(deadline, reading).await;
    verdict.map_err(|refusal| Refusal { answer: Some(shown(status_line, &body)), ..refusal })
}

/// As text, whatever it is; nothing in it is looked at.
fn shown(mut status_line: String, body: &[u8]) -> Box<str> {
    status_line.push_str(&String::from_utf8_lossy(body));
    // Replacement characters are longer than what they stand for.
    status_line.truncate(status_line.floor_char_boundary(ANSWER_KEPT_MAX));
    status_line.into()
}

/// The meaning of a status.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<(), Refusal> {
    let answered = || format!("answered {status}");
    let refusal = |fault, reason| Err(Refusal::new(fault, reason));
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 => refusal(
            Fault::Poison,
            format!("{}; redirects are never followed: put the final address into `url`", answered()),
        ),
        408 | 425 | 429 | 500..=599 => Err(Refusal { retry_after: retry_after(headers, now), ..passing(answered()) }),
        410 => refusal(
            Fault::Fatal,
            format!("{}: the receiver wants no more; remove the member, or change its `url`", answered()),
        ),
        _ => refusal(Fault::Poison, answered()),
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3). One that can not be read counts as none.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads the body away, so that the connection can be used again, and keeps its beginning; gives up on a long one.
pub(super) async fn read_to_end(mut response: Response, kept: &mut Vec<u8>, kept_max: usize) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = kept_max.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

pub(super) fn unanswered(timeout: Duration, stage: Stage) -> Refusal {
    let waited_for = match stage {
        Stage::Answer => "",
        Stage::Token => ": the token endpoint has not answered",
        Stage::Name => ": no name server has answered",
        Stage::Connection => ": no connection came about",
    };
    passing(format!("no answer within {} ms{waited_for}", timeout.as_millis()))
}

pub(super) fn network(error: &reqwest::Error) -> Refusal {
    let what = if error.is_connect() { "can not connect" } else { "connection broke" };
    passing(format!("{what}: {}", cause(error)))
}

/// The innermost cause: the outer ones say that something failed, and repeat the address, which may hold a secret.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "the request can not be made".into();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(REASON_CHARS_MAX).collect()
}

pub(super) fn passing(reason: String) -> Refusal {
    Refusal::new(Fault::Passing, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::time::UNIX_EPOCH;

    fn fault(status: u16) -> Option<Fault> {
        let status = StatusCode::from_u16(status).expect("a status");
        verdict(status, &HeaderMap::new(), UNIX_EPOCH).err().map(|refusal| refusal.fault)
    }

    #[test]
    fn every_status_asks_for_one_thing() {
        for status in 100..=999 {
            let expected = match status {
                200..=299 => None,
                410 => Some(Fault::Fatal),
                408 | 425 | 429 | 500..=599 => Some(Fault::Passing),
                _ => Some(Fault::Poison),
            };
            assert_eq!(fault(status), expected, "{status}");
        }
    }

    #[test]
    fn answer_that_is_kept_is_text_of_a_bounded_length() {
        let line = || "HTTP/1.1 500 Internal Server Error\n\n".to_owned();
        assert_eq!(
            &*shown(line(), b"out of \xff order"),
            "HTTP/1.1 500 Internal Server Error\n\nout of \u{fffd} order"
        );
        for body in [&b"\xff"[..], "\u{20ac}".as_bytes(), b"x"] {
            let kept = shown(line(), &body.repeat(ANSWER_KEPT_MAX));
            assert!(kept.len() <= ANSWER_KEPT_MAX && kept.len() > ANSWER_KEPT_MAX - 4, "{}", kept.len());
        }
    }

    /// Refusals are moved from hand to hand, one for each failed attempt.
    #[test]
    fn refusal_stays_small_and_does_not_show_the_answer() {
        assert!(size_of::<Refusal>() <= 64, "{}", size_of::<Refusal>());
        let refusal = Refusal { answer: Some("secret".into()), ..passing("answered 500".into()) };
        assert!(!format!("{refusal} {refusal:?} {refusal:#?}").contains("secret"));
    }

    #[test]
    fn redirect_says_what_to_do() {
        let refusal = verdict(StatusCode::FOUND, &HeaderMap::new(), UNIX_EPOCH).expect_err("a refusal");
        assert_eq!(
            refusal.reason,
            "answered 302 Found; redirects are never followed: put the final address into `url`"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_an_error() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").expect("a date");
        for (text, expected_s) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Wed, 21 Oct 2015 07:29:30 GMT", Some(90)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("-5", None),
            ("", None),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            let refusal = verdict(StatusCode::TOO_MANY_REQUESTS, &headers, now).expect_err("a refusal");
            assert_eq!(refusal.retry_after, expected_s.map(Duration::from_secs), "{text:?}");
        }
    }
}
