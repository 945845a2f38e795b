//! What one sees while the demo runs: a block that redraws on a terminal, plain lines elsewhere.

use super::cast::{Cast, Change, Group};
use crate::audit::{Arrival, Record};
use crossterm::{cursor, execute, style::Print, terminal};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const REDRAW: Duration = Duration::from_millis(100);
/// Up to here every delivery gets a plain line; beyond it one line a second sums them up.
const LINES_MAX: usize = 60;
const SUM_UP: Duration = Duration::from_secs(1);
const BAR_LEN: usize = 30;

/// The task that draws; ends with [`Live::end`].
pub struct Live {
    enough: oneshot::Sender<()>,
    drawing: JoinHandle<()>,
}

struct Screen {
    record: Arc<Record>,
    groups: Vec<Group>,
    /// Changes per group.
    totals: Vec<usize>,
    begun: Instant,
}

impl Live {
    pub fn begin(cast: &Cast, schedule: &[Change], record: Arc<Record>) -> Self {
        let groups = cast.groups();
        let total = |group: &Group| schedule.iter().filter(|change| group.holds(change.customer)).count();
        let totals = groups.iter().map(total).collect();
        let screen = Screen { record, groups, totals, begun: Instant::now() };
        let (enough, ended) = oneshot::channel();
        let drawing = if stdout().is_terminal() {
            tokio::spawn(screen.redraw(ended))
        } else if schedule.len() <= LINES_MAX {
            tokio::spawn(screen.print_each(ended))
        } else {
            tokio::spawn(screen.print_sums(ended))
        };
        Self { enough, drawing }
    }

    /// Draws a last time.
    pub async fn end(self) {
        // The drawing task may have ended with its terminal; the demo goes on without it.
        let _ = self.enough.send(());
        let _ = self.drawing.await;
    }
}

impl Screen {
    async fn redraw(self, mut ended: oneshot::Receiver<()>) {
        let _cursor = HiddenCursor::hide();
        let mut drawn = 0;
        loop {
            let finished = finished_after(&mut ended, REDRAW).await;
            let lines = self.lines();
            let up = cursor::MoveToPreviousLine(drawn);
            let clear = terminal::Clear(terminal::ClearType::FromCursorDown);
            let moved = if drawn > 0 { execute!(stdout(), up, clear) } else { Ok(()) };
            if moved.and_then(|()| execute!(stdout(), Print(lines.join("\n")), Print("\n"))).is_err() || finished {
                return;
            }
            drawn = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        }
    }

    async fn print_each(self, mut ended: oneshot::Receiver<()>) {
        let mut seen = HashSet::new();
        loop {
            let finished = finished_after(&mut ended, REDRAW).await;
            let mut fresh = self.record.look(<[Arrival]>::to_vec);
            fresh.retain(|arrival| arrival.answered_at.is_some() && seen.insert((arrival.message.clone(), arrival.at)));
            fresh.sort_by_key(|arrival| arrival.answered_at);
            for arrival in fresh {
                println!("{}", self.line_of(&arrival));
            }
            if finished {
                return;
            }
        }
    }

    async fn print_sums(self, mut ended: oneshot::Receiver<()>) {
        loop {
            let finished = finished_after(&mut ended, SUM_UP).await;
            let mut line = format!("{:7.1} s ", self.begun.elapsed().as_secs_f64());
            for (number, (group, (done, _))) in self.groups.iter().zip(self.progress()).enumerate() {
                write!(line, "  {}: {done} of {}", group.name, self.totals[number]).expect("a String takes everything");
            }
            println!("{line}");
            if finished {
                return;
            }
        }
    }

    fn line_of(&self, arrival: &Arrival) -> String {
        let answered_at = arrival.answered_at.unwrap_or(arrival.at);
        format!(
            "{:7.2} s   customer {}   parcel {:<4} {:<18} answered in {:>7}{}",
            answered_at.saturating_duration_since(self.begun).as_secs_f64(),
            arrival.customer,
            arrival.parcel,
            arrival.status,
            super::picture::duration(answered_at - arrival.at),
            if arrival.marked { "   through the new guest" } else { "" },
        )
    }

    /// Per group: how many changes were answered, and how long the last answer took.
    fn progress(&self) -> Vec<(usize, Option<Duration>)> {
        let mut changes: Vec<HashSet<i64>> = vec![HashSet::new(); self.groups.len()];
        let mut last = vec![None; self.groups.len()];
        self.record.look(|arrivals| {
            for arrival in arrivals {
                let Some(answered_at) = arrival.answered_at else { continue };
                if let Some(group) = self.groups.iter().position(|group| group.holds(arrival.customer)) {
                    changes[group].insert(arrival.change);
                    last[group] = Some(answered_at - arrival.at);
                }
            }
        });
        changes.into_iter().map(|set| set.len()).zip(last).collect()
    }

    fn lines(&self) -> Vec<String> {
        let marked = self.record.look(|arrivals| arrivals.iter().filter(|arrival| arrival.marked).count());
        let guest = if marked == 0 { String::new() } else { format!("   {marked} rows through the new guest") };
        let elapsed = self.begun.elapsed().as_secs_f64();
        let mut lines = vec![format!("{elapsed:6.1} s   {} changes written{guest}", self.record.written())];
        for ((group, total), (done, last)) in self.groups.iter().zip(&self.totals).zip(self.progress()) {
            let filled = (done * BAR_LEN).checked_div(*total).unwrap_or(0).min(BAR_LEN);
            let bar = "█".repeat(filled) + &"░".repeat(BAR_LEN - filled);
            let last = last.map_or(String::new(), |last| format!("   last answer {}", super::picture::duration(last)));
            lines.push(format!("  customer {:<8} {bar} {done:>6} of {total}{last}", group.name));
        }
        lines
    }
}

/// Whether the end came before `pause` was over.
async fn finished_after(ended: &mut oneshot::Receiver<()>, pause: Duration) -> bool {
    tokio::time::timeout(pause, ended).await.is_ok()
}

/// The cursor comes back however we leave.
struct HiddenCursor;

impl HiddenCursor {
    fn hide() -> Self {
        // A terminal that cannot hide its cursor shows it; nothing is lost.
        let _ = execute!(stdout(), cursor::Hide);
        Self
    }
}

impl Drop for HiddenCursor {
    fn drop(&mut self) {
        let _ = execute!(stdout(), cursor::Show);
    }
}
