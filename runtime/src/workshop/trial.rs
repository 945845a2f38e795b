//! All cases of a pipelines folder, played and told: what held, and of what did not, what was expected beside what came.

use super::build::put;
use super::case::{self, Difference, Found, Unplayed, blessed, differences};
use super::paint::Paint;
use super::slips;
use crate::app::Unready;
use crate::config::{CasePlan, Judged, PipelinePlan, Plan, load_case};
use crate::guest::HostSettings;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Further failed changes of one case are counted: the first ones say what is wrong.
const CHANGES_TOLD_MAX: usize = 10;
/// A value is shown up to here.
const VALUE_LEN_MAX: usize = 400;

/// What is done with a case that does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mend {
    #[default]
    Tell,
    /// What came is written into it.
    Bless,
}

/// What came of all cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub held: usize,
    pub failed: usize,
    pub blessed: usize,
}

/// Plays cases and tells of each.
pub struct Trial<'a> {
    pub plan: &'a Plan,
    pub host: &'a HostSettings,
    pub mend: Mend,
    pub paint: Paint,
    /// A folder with a folder of `.wasm` files for each pipeline that is not to be played with its own.
    pub staged: Option<&'a Path>,
}

/// What became of one case.
enum Outcome {
    Held,
    Blessed,
    /// With what is to be told.
    Failed(String),
}

impl Trial<'_> {
    /// The pipelines whose name is `only`, or all; `tell` gets a line or more for each case.
    pub async fn run(&self, only: Option<&str>, tell: &mut dyn FnMut(&str)) -> Tally {
        let mut tally = Tally::default();
        for pipeline in self.plan.pipelines.iter().filter(|p| only.is_none_or(|only| p.name == only)) {
            let files = match case::files(pipeline) {
                Ok(files) => files,
                Err(error) => {
                    tell(&format!("{} {}/cases can not be read: {error}", self.failed(), pipeline.folder.display()));
                    tally.failed += 1;
                    continue;
                }
            };
            if files.is_empty() {
                tell(&self.paint.faint(&format!("       {}: no cases", pipeline.name)));
            }
            for file in files {
                self.one(pipeline, &file, &mut tally, tell).await;
            }
        }
        tally
    }

    async fn one(&self, pipeline: &PipelinePlan, file: &Path, tally: &mut Tally, tell: &mut dyn FnMut(&str)) {
        let began = Instant::now();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}/{stem}", pipeline.name);
        let (outcome, changes) = match load_case(file) {
            Ok(case) => (self.case(pipeline, &case).await, case.changes.len()),
            Err(mistakes) => (Outcome::Failed(mistakes.to_string()), 0),
        };
        let took = self.paint.faint(&format!("{}, {}", counted(changes, "change"), shown_duration(began.elapsed())));
        match outcome {
            Outcome::Held => {
                tally.held += 1;
                tell(&format!("{}     {name}   {took}", self.paint.good("ok")));
            }
            Outcome::Blessed => {
                tally.blessed += 1;
                tell(&format!("{} {name}   {took}", self.paint.strong("blessed")));
            }
            Outcome::Failed(reason) => {
                tally.failed += 1;
                tell(&format!("{} {name}   {took}\n{reason}", self.failed()));
            }
        }
    }

    fn failed(&self) -> String {
        self.paint.bad("FAILED")
    }

    async fn case(&self, pipeline: &PipelinePlan, case: &CasePlan) -> Outcome {
        let staged = self.staged.map(|folder| folder.join(&pipeline.name)).filter(|folder| folder.is_dir());
        if let Some(missing) = missing_guest(pipeline).filter(|_| staged.is_none()) {
            return Outcome::Failed(missing);
        }
        let found = match case::play(case, (self.plan, pipeline), self.host, staged.as_deref()).await {
            Ok(found) => found,
            Err(unplayed) => {
                let said = why(&unplayed);
                return Outcome::Failed(format!("{said}{}", slips::of_columns(case, &said)));
            }
        };
        if self.mend == Mend::Bless {
            return bless(case, &found);
        }
        let mut told = tell_differences(case, &found, self.paint);
        if !told.is_empty() {
            let slips = case.changes.iter().zip(&found).filter_map(|(change, found)| {
                let slip = slips::of_table(change, found, pipeline)
                    .filter(|_| change.expected.verdict != Some(Judged::Unseen))?;
                Some(format!("  {}:{}  {slip}\n", case.path.display(), change.place.line))
            });
            told.extend(slips.take(CHANGES_TOLD_MAX));
        }
        if told.is_empty() { Outcome::Held } else { Outcome::Failed(told) }
    }
}

fn bless(case: &CasePlan, found: &[Found]) -> Outcome {
    let path = &case.path;
    let failed = |reason: String| Outcome::Failed(format!("  {} can not be blessed: {reason}\n", path.display()));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return failed(error.to_string()),
    };
    match blessed(&text, case, found) {
        Ok(None) => Outcome::Held,
        Ok(Some(text)) => match put(path, text.as_bytes()) {
            Ok(()) => Outcome::Blessed,
            Err(error) => failed(error.to_string()),
        },
        Err(reason) => failed(reason),
    }
}

/// A sentence if a guest that has a crate was not built yet.
fn missing_guest(pipeline: &PipelinePlan) -> Option<String> {
    let built = pipeline.guests.iter().filter(|guest| guest.crate_folder.is_some());
    let places = built.map(|guest| pipeline.folder.join(format!("{}.wasm", guest.stem)));
    let missing: Vec<PathBuf> = places.filter(|place| !place.exists()).collect();
    let first = missing.first()?;
    let folder = pipeline.folder.parent().unwrap_or(&pipeline.folder);
    Some(format!("  {} is not there; make it: sluicegate build {}\n", first.display(), folder.display()))
}

/// Why a case was not played, for people.
pub fn why(unplayed: &Unplayed) -> String {
    match unplayed {
        Unplayed::Mistaken(mistake) => mistake.to_string(),
        Unplayed::Unready(Unready(reasons)) => {
            let lines = reasons.iter().map(|(file, reason)| format!("  {file}: {reason}\n"));
            lines.collect()
        }
    }
}

/// Everything that is not as a case says; empty if all of it is.
pub fn tell_differences(case: &CasePlan, found: &[Found], paint: Paint) -> String {
    let mut text = String::new();
    let mut more = 0;
    let mut told = 0;
    for (nth, (change, found)) in case.changes.iter().zip(found).enumerate() {
        let list = differences(&change.expected, found);
        if list.is_empty() {
            continue;
        }
        if told == CHANGES_TOLD_MAX {
            more += 1;
            continue;
        }
        told += 1;
        let (line, op) = (change.place.line, change.op.name());
        let place = format!("{}:{line}", case.path.display());
        writeln!(text, "  {}  change {}: {op} {}", paint.strong(&place), nth + 1, change.table).expect(TAKES_ALL);
        list.iter().for_each(|difference| tell_one(&mut text, difference, paint));
        let backtrace = found.rejection.as_ref().and_then(|rejection| rejection.backtrace.as_ref());
        for line in backtrace.iter().flat_map(|b| b.lines()).filter(|line| !line.trim().is_empty()) {
            writeln!(text, "      {}", paint.faint(line.trim_end())).expect(TAKES_ALL);
        }
    }
    if more > 0 {
        writeln!(text, "  ... and {more} more changes").expect(TAKES_ALL);
    }
    text
}

const TAKES_ALL: &str = "a string takes any length";

fn tell_one(text: &mut String, Difference { what, expected, found }: &Difference, paint: Paint) {
    writeln!(text, "    {what}").expect(TAKES_ALL);
    writeln!(text, "      {}", paint.bad(&format!("- {}", cut(expected)))).expect(TAKES_ALL);
    writeln!(text, "      {}", paint.good(&format!("+ {}", cut(found)))).expect(TAKES_ALL);
}

/// At most a few lines of a value, and nothing that a terminal would obey.
pub fn cut(value: &str) -> String {
    let end = value.floor_char_boundary(VALUE_LEN_MAX);
    let shown: String = value[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < value.len() { format!("{shown}…") } else { shown }
}

/// `1 change`, `2 changes`.
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `12 ms`, `3.1 s`.
pub fn shown_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
