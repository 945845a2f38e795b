//! Dead letters for people: a table that fits 100 columns, and one letter over a page.

use crate::admin::dead::{Body, Letter, Packed, Page, RemovedLane, Summary};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const WIDTH: usize = 100;
/// What stands before the reason is no wider, so that most of a reason is seen.
const WHERE_WIDTH_MAX: usize = 26;
const TABLE_WIDTH_MAX: usize = 24;

pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What a receiver or a row said must not move the cursor of whoever reads it.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn age(us: i64, now_us: i64) -> String {
    let seconds = now_us.saturating_sub(us).max(0) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} m", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Its lane, or the pipeline that could make no message of it.
fn place(letter: &Summary) -> String {
    let Summary { pipeline, target, member, .. } = letter;
    let parts = [pipeline, target, member].into_iter().filter(|part| !part.is_empty());
    one_line(&parts.map(String::as_str).collect::<Vec<_>>().join("/"))
}

/// A line for each letter, and how to go on.
pub(super) fn table(page: &Page, now_us: i64) -> String {
    if page.letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let head = ["ID", "AGE", "WHERE", "TABLE", "TRIES"].map(str::to_owned);
    let row = |letter: &Summary| {
        [
            letter.id.to_string(),
            age(letter.died_us, now_us),
            cut(&place(letter), WHERE_WIDTH_MAX),
            cut(&one_line(&letter.table), TABLE_WIDTH_MAX),
            letter.attempts.to_string(),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(page.letters.iter().map(row)).collect();
    let mut widths = [0; 5];
    for (at, width) in widths.iter_mut().enumerate() {
        *width = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    }
    let taken: usize = widths.iter().map(|width| width + 2).sum();
    let reason = |letter: &Summary| {
        let mark = if letter.superseded { "superseded; " } else { "" };
        cut(&format!("{mark}{}", one_line(&letter.reason)), WIDTH.saturating_sub(taken))
    };
    let reasons = std::iter::once("REASON".to_owned()).chain(page.letters.iter().map(reason));
    let mut out = String::new();
    for ([id, age, place, table, tries], reason) in rows.iter().zip(reasons) {
        let [a, b, c, d, e] = widths;
        let line = format!("{id:>a$}  {age:>b$}  {place:<c$}  {table:<d$}  {tries:>e$}  {reason}\n");
        out.push_str(&line);
    }
    if let Some(next) = page.next {
        out.push_str(&format!("there are more: --before {next}"));
    }
    out.trim_end().to_owned()
}

fn time(us: i64) -> String {
    let since = Duration::from_micros(u64::try_from(us).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// Text under a heading, each line of it set in.
fn block(out: &mut String, heading: &str, text: &str) {
    out.push_str(heading);
    out.push('\n');
    for line in harmless(text).lines() {
        out.push_str("    ");
        out.push_str(line);
        out.push('\n');
    }
}

/// One letter over a page.
pub(super) fn whole(letter: &Letter, now_us: i64) -> String {
    let of = &letter.summary;
    let mut out = format!("dead letter {}, a {} of {}\n", of.id, of.kind, place(of));
    let tries = if of.attempts == 1 { "attempt" } else { "attempts" };
    let mut line = |name: &str, value: &str| {
        out.push_str(&format!("{name:<11} {}\n", one_line(value)));
    };
    line("died", &format!("{}, {} ago, after {} {tries}", time(of.died_us), age(of.died_us, now_us), of.attempts));
    line("came", &time(of.arrived_us));
    line("reason", &of.reason);
    line("table", &of.table);
    line("name", &of.name);
    if of.superseded {
        line(
            "superseded",
            "something newer of its key was delivered since: sent again, it puts an older state over that",
        );
    }
    if let Some(guest) = &letter.guest {
        line("guest", &format!("{guest}, generation {}", of.generation.as_deref().unwrap_or("-")));
    }
    if let Some(answer) = &letter.last_answer {
        block(&mut out, "last answer", answer);
    }
    if let Some(backtrace) = &letter.backtrace {
        block(&mut out, "backtrace", backtrace);
    }
    if let Some(message) = &letter.message {
        packed(&mut out, message);
    }
    if let Some(row) = &letter.row {
        block(&mut out, "row", row.get());
    }
    out.trim_end().to_owned()
}

fn packed(out: &mut String, message: &Packed) {
    let Packed { key, to, place, content_type, headers, body, committed_us } = message;
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:<11} {}\n", one_line(value)));
    line("committed", &time(*committed_us));
    line("to", &if place.is_empty() { format!("{to}, at the address of its target") } else { format!("{to} {place}") });
    let (Body::Text(shown) | Body::Base64(shown)) = key;
    // A row's own key is its parts, with what no text holds between them.
    line("key", &shown.replace('\0', "/"));
    for (name, value) in headers {
        line("header", &format!("{name}: {value}"));
    }
    let (form, text) = match body {
        Body::Text(text) => ("text", text),
        Body::Base64(text) => ("base64", text),
    };
    block(out, &format!("body, {content_type}, {form}"), text);
}

/// Lanes whose members are gone, and what can be done.
pub(super) fn lanes(lanes: &[RemovedLane]) -> String {
    if lanes.is_empty() {
        return "nothing waits for a member that is gone".to_owned();
    }
    let name = |lane: &RemovedLane| {
        let parts = [&lane.pipeline, &lane.target, &lane.member].into_iter().filter(|part| !part.is_empty());
        one_line(&parts.map(String::as_str).collect::<Vec<_>>().join("/"))
    };
    let width = lanes.iter().map(|lane| name(lane).chars().count()).max().unwrap_or(0).max(4);
    let mut out = format!("{:<width$}  {:>10}  {:>12}  {:>6}\n", "LANE", "WAITING", "BYTES", "DEAD");
    for lane in lanes {
        let RemovedLane { parked, parked_bytes, dead, .. } = lane;
        out.push_str(&format!("{:<width$}  {parked:>10}  {parked_bytes:>12}  {dead:>6}\n", name(lane)));
    }
    out + "put the member back and they are delivered, in order; or `sluicegate dead take LANE` makes dead letters of them"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(id: i64) -> Summary {
        Summary {
            id,
            pipeline: "a-pipeline-with-a-long-name".into(),
            target: "customers-in-the-north".into(),
            member: "2".into(),
            kind: "message".into(),
            table: "public.a_table_with_quite_a_long_name".into(),
            reason: "answered 422 Unprocessable Content, and what it said was long, too long for one line of this"
                .into(),
            attempts: 12,
            died_us: 1_000_000,
            ..Summary::default()
        }
    }

    #[test]
    fn table_fits_a_hundred_columns_and_says_where_it_goes_on() {
        let page = Page { letters: vec![letter(1_234_567_890), letter(3)], next: Some(3) };
        let shown = table(&page, 700_000_000_000);
        for line in shown.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(shown.contains("8 d") && shown.contains("answered 422"), "{shown}");
        assert!(shown.ends_with("there are more: --before 3"), "{shown}");
        assert_eq!(table(&Page::default(), 0), "no dead letters");
    }

    #[test]
    fn what_a_receiver_said_moves_no_cursor() {
        let mut summary = letter(1);
        summary.reason = "\u{1b}[2Jgone".into();
        let answer = Some("HTTP/1.1 422\n\u{1b}]0;owned\u{7}\n\tindented".to_owned());
        let shown = whole(
            &Letter {
                summary: summary.clone(),
                last_answer: answer,
                guest: None,
                backtrace: None,
                message: None,
                row: None,
            },
            2_000_000,
        );
        let listed = table(&Page { letters: vec![summary], next: None }, 2_000_000);
        for text in [&shown, &listed] {
            assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
        }
        assert!(shown.contains("\n    \tindented") && shown.contains("\\u{1b}]0;owned"), "{shown}");
    }
}
