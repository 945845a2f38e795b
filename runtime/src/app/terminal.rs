//! `run` on a terminal: one line per source, guest and lane, redrawn twice a second, with log lines scrolling by above.

use crate::admin::status::{LaneStatus, Status};
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{cursor, queue};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Lines kept free for the prompt and the head.
const LINES_RESERVED: usize = 4;

/// A terminal that says it has fewer columns is not believed.
const NARROWEST: usize = 20;
/// What belongs to the line above begins here.
const INDENT: &str = "        ";

/// The terminal, shared by the picture and the log: whoever writes first takes the picture away.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<Drawn>>);

#[derive(Default)]
struct Drawn {
    lines: u16,
    picture: String,
}

impl Screen {
    /// Whether standard error is a terminal that a picture can be drawn on.
    pub fn is_terminal() -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().expect("no panic while drawing")
    }

    /// Draws the status in place of the last one.
    pub fn draw(&self, status: &Status, title: &str) -> io::Result<()> {
        let (width, height) = terminal::size().unwrap_or((100, 30));
        let room = usize::from(height).saturating_sub(LINES_RESERVED).max(8);
        let width = usize::from(width).saturating_sub(1).max(NARROWEST);
        let mut picture: Vec<String> =
            picture(status, title, room).iter().flat_map(|line| wrapped(line, width)).collect();
        // What scrolled away can not be drawn over.
        picture.truncate(usize::from(height).saturating_sub(1).max(8));
        let mut drawn = self.drawn();
        let mut out = io::stderr().lock();
        drawn.erase(&mut out)?;
        drawn.lines = picture.len() as u16;
        drawn.picture = picture.join("\n") + "\n";
        out.write_all(drawn.picture.as_bytes())?;
        out.flush()
    }
}

impl Drawn {
    fn erase(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.lines > 0 {
            queue!(out, cursor::MoveUp(self.lines), cursor::MoveToColumn(0), Clear(ClearType::FromCursorDown))?;
            self.lines = 0;
        }
        Ok(())
    }
}

/// A log line's way onto the screen: above the picture.
pub struct LogLine(Screen);

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut drawn = self.0.drawn();
        let mut out = io::stderr().lock();
        let lines = drawn.lines;
        drawn.erase(&mut out)?;
        out.write_all(line)?;
        out.write_all(drawn.picture.as_bytes())?;
        if lines > 0 {
            drawn.lines = lines;
        }
        out.flush()?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.clone())
    }
}

/// The lines of a status, at most `room` of them; of more lanes than fit, the worst come first.
pub fn picture(status: &Status, title: &str, room: usize) -> Vec<String> {
    let mut lines = vec![format!("sluicegate {}   {title}", status.version)];
    lines.extend(status.config_error.iter().flat_map(|e| e.lines()).map(str::to_owned));
    for s in &status.sources {
        let server = s.server.as_deref().unwrap_or(&s.kind);
        lines.push(format!(
            "source  {:<20} {server:<18} {:<11} {:>12} rows   lag {}, {} ms",
            s.name,
            // Why it is so stands on a line of its own.
            s.state.split(':').next().unwrap_or_default(),
            thousands(s.rows_total),
            bytes(s.lag_bytes),
            s.lag_ms
        ));
        lines.extend(s.last_error.iter().filter(|_| s.state != "streaming").map(|e| format!("        {e}")));
        lines.extend(s.lost.iter().map(|what| format!("        LOST  {what}")));
        lines.extend(s.state_error.iter().map(|e| format!("        its position can not be written: {e}")));
    }
    for g in &status.guests {
        let generation = g.generation.as_deref().unwrap_or("-");
        lines.push(format!(
            "guest   {:<20} {generation:<18} {:<11} {:>6} ns/row   {} dropped   {} rejected",
            g.file,
            g.state,
            g.ns_per_row,
            thousands(g.dropped_total),
            thousands(g.rejected_total)
        ));
        lines.extend(g.last_error.iter().filter(|_| g.state != "running").map(|e| format!("        {e}")));
    }
    for p in &status.pipelines {
        lines.extend(p.halted.iter().map(|reason| format!("HALTED  {:<20} {reason}", p.name)));
        if p.unroutable_total > 0 {
            lines.push(format!("        {:<20} {} messages without a receiver", p.name, thousands(p.unroutable_total)));
        }
    }
    if status.dead_letters > 0 {
        lines.push(format!("dead    {} letters: `sluicegate dead list`", thousands(status.dead_letters)));
    }
    let mut lanes: Vec<&LaneStatus> = status.lanes.iter().collect();
    let mut fit = room.saturating_sub(lines.len()).max(1);
    if lanes.iter().map(|l| 1 + usize::from(reason(l).is_some())).sum::<usize>() > fit {
        // Nobody takes care of those that were removed.
        lanes.sort_by_key(|l| std::cmp::Reverse((l.state == "removed", l.oldest_ms, l.parked, l.waiting)));
    }
    let width = lanes.iter().map(|l| lane_name(l).chars().count()).max().unwrap_or(0).clamp(20, 40);
    let mut shown = 0;
    for lane in &lanes {
        let own = lane_lines(lane, width);
        if own.len() > fit {
            break;
        }
        fit -= own.len();
        lines.extend(own);
        shown += 1;
    }
    if lanes.len() > shown {
        lines.push(format!("        and {} lanes that are better off", lanes.len() - shown));
    }
    lines
}

/// A line that is too long for the screen goes on below, rather than without its end.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = lines.last_mut().expect("it has one from the beginning");
        if last.chars().count() + word.trim_end().chars().count() <= width {
            last.push_str(word);
            continue;
        }
        let room = width - INDENT.len();
        let letters: Vec<char> = word.chars().collect();
        lines.extend(letters.chunks(room).map(|part| format!("{INDENT}{}", part.iter().collect::<String>())));
    }
    lines
}

/// `orders/customers/2`: several pipelines may have targets of one name.
fn lane_name(l: &LaneStatus) -> String {
    let parts = [&l.pipeline, &l.target, &l.member].into_iter().filter(|part| !part.is_empty());
    parts.map(String::as_str).collect::<Vec<_>>().join("/")
}

fn reason(l: &LaneStatus) -> Option<&String> {
    l.last_error.as_ref().filter(|_| l.oldest_ms >= 1000 || l.state == "removed")
}

fn lane_lines(l: &LaneStatus, width: usize) -> Vec<String> {
    let mut lines = vec![lane_line(l, width)];
    lines.extend(reason(l).map(|reason| format!("{INDENT}{reason}")));
    lines
}

fn lane_line(l: &LaneStatus, width: usize) -> String {
    let name = lane_name(l);
    let mut line = format!("lane    {name:<width$} {:<8} {:>12} delivered   ", l.state, thousands(l.delivered_total));
    line += &match l.p50_ms {
        Some(ms) if ms >= 1000.0 => format!("p50 {:>6.1} s ", ms / 1000.0),
        Some(ms) => format!("p50 {ms:>6.0} ms"),
        None => "p50      - ".to_owned(),
    };
    line += &format!(" {:>8} waiting", thousands(l.waiting + l.in_flight));
    if l.parked > 0 {
        line += &format!("   {} on disk", thousands(l.parked));
    }
    if l.oldest_ms >= 1000 {
        line += &format!("   oldest {:.0} s", l.oldest_ms as f64 / 1000.0);
    }
    if l.dead_total > 0 {
        line += &format!("   {} refused for good", l.dead_total);
    }
    line
}

/// `1204` as `1 204`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{} KiB", n / 1024),
        _ => format!("{} MiB", n / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_lanes_come_first_when_the_screen_is_small() {
        let lane = |member: &str, oldest_ms| LaneStatus { member: member.into(), oldest_ms, ..Default::default() };
        let mut lanes: Vec<LaneStatus> = (0..50).map(|n| lane(&n.to_string(), n)).collect();
        lanes.push(lane("worst", 99_000));
        let lines = picture(&Status { lanes, ..Default::default() }, "", 10);
        assert_eq!(lines.len(), 11);
        assert!(lines[1].contains("worst"), "{}", lines[1]);
        assert!(lines[10].contains("and 42 lanes"), "{}", lines[10]);
    }

    #[test]
    fn lane_says_what_waits_on_disk_and_that_its_member_is_gone() {
        let parked = LaneStatus {
            pipeline: "parcels".into(),
            target: "customers".into(),
            member: "2".into(),
            state: "parked".into(),
            waiting: 61,
            parked: 1_204,
            oldest_ms: 41_000,
            ..Default::default()
        };
        let line = lane_line(&parked, 20);
        assert!(
            line.contains("parcels/customers/2")
                && line.contains("parked")
                && line.ends_with("61 waiting   1 204 on disk   oldest 41 s"),
            "{line}"
        );
        let last_error = Some("its member is not in the configuration".into());
        let removed = LaneStatus { state: "removed".into(), parked: 3, last_error, ..Default::default() };
        let lines = lane_lines(&removed, 20);
        assert!(lines[0].contains("removed") && lines[0].ends_with("3 on disk"), "{lines:?}");
        assert_eq!(lines[1], "        its member is not in the configuration");
    }

    #[test]
    fn narrow_screen_shows_every_word() {
        let line = "lane    orders/receiver      parked   12 delivered   p50  304 ms   61 waiting   answered 503";
        let lines = wrapped(line, 40);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 41), "{lines:?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines.join(" ")), words(line));
        assert_eq!(wrapped("short", 40), ["short"]);
    }

    #[test]
    fn why_a_source_is_not_there_is_said_once_and_below() {
        let reason = "nothing listens at 127.0.0.1:5432";
        let source = crate::admin::status::SourceStatus {
            name: "erp".into(),
            state: format!("connecting: {reason}"),
            last_error: Some(reason.into()),
            ..Default::default()
        };
        let lines = picture(&Status { sources: vec![source], ..Default::default() }, "", 10);
        assert!(lines[1].contains("connecting ") && !lines[1].contains(reason), "{lines:?}");
        assert_eq!(lines[2].trim(), reason);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(42_310), "42 310");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000_000), "1 000 000");
    }
}
