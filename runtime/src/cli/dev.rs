//! `sluicegate dev`: build, test and swap at every change of a source, with the rows that pass below.

use super::out::{self, errln};
use super::run::stop_signal;
use super::status::ask;
use super::{Exit, Scratch};
use crate::admin::PipelineRows;
use crate::config::Plan;
use crate::guest::{Engine, HostSettings, this_program};
use crate::workshop::dev::{self, Turn, look, watched};
use crate::workshop::trial::{counted, cut};
use crate::workshop::{self, LOOK_EVERY, Paint, Snapshot};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

#[derive(clap::Args)]
pub struct Dev {
    /// The pipelines folder.
    #[arg(default_value = "pipelines")]
    dir: PathBuf,
}

/// Lines of the host that wait to be shown.
const LINES_MAX: usize = 1_000;

struct Desk {
    dir: PathBuf,
    paint: Paint,
    guests: HostSettings,
    /// For code that no case has held for yet.
    staging: Scratch,
    /// Whether all cases have held once: nothing is started before.
    is_tried: bool,
    /// What must stay on the screen; rows are not shown below it.
    broken: bool,
    /// Rows that were not shown.
    meanwhile: u64,
    /// Nobody reads what is said any more.
    is_unread: bool,
    /// The host that was started here; it ends with us.
    host: Option<Child>,
    lines: mpsc::Receiver<String>,
    heard: mpsc::Sender<String>,
    /// The number of the last row that was shown, by pipeline.
    shown: HashMap<String, u64>,
    /// What was said of the host last, so that it is not said again.
    told: String,
}

pub(super) fn run(arguments: &Dev) -> Exit {
    let plan = match workshop::plan(&arguments.dir) {
        Ok(plan) => plan,
        Err(mistakes) => {
            errln!("{mistakes}");
            return Exit::Usage;
        }
    };
    let engine = match Engine::new() {
        Ok(engine) => engine,
        Err(reason) => {
            errln!("{reason}");
            return Exit::Failed;
        }
    };
    let staging = match Scratch::new("dev") {
        Ok(staging) => staging,
        Err(error) => {
            errln!("a folder for new code can not be made: {error}");
            return Exit::Failed;
        }
    };
    let guests = HostSettings { engine, state_dir: plan.host.state.clone(), componentizer: this_program() };
    let is_unread = super::block_on_all(async {
        let (heard, lines) = mpsc::channel(LINES_MAX);
        let mut desk = Desk {
            dir: arguments.dir.clone(),
            paint: Paint::of_stdout(),
            guests,
            staging,
            is_tried: false,
            broken: false,
            meanwhile: 0,
            is_unread: false,
            host: None,
            lines,
            heard,
            shown: HashMap::new(),
            told: String::new(),
        };
        tokio::select! {
            () = desk.work(plan) => {}
            // Whoever ends it by either signal ends its host too: a host that is left behind holds the slot.
            () = stop_signal() => {}
        }
        desk.close().await;
        desk.is_unread
    });
    if is_unread {
        out::end();
    }
    Exit::Done
}

impl Desk {
    /// Turn after turn, as long as somebody looks.
    async fn work(&mut self, mut plan: Plan) {
        while !self.is_unread {
            let before = look(&watched(&self.dir, Some(&plan)));
            self.turn(&plan).await;
            if let Some(edited) = self.edited(&plan, before).await {
                plan = edited;
            }
        }
    }

    /// Waits until something is edited, and the configuration has no mistake.
    async fn edited(&mut self, plan: &Plan, mut seen: Snapshot) -> Option<Plan> {
        let paths = watched(&self.dir, Some(plan));
        while !self.is_unread {
            self.look_at_host(plan).await;
            tokio::time::sleep(LOOK_EVERY).await;
            let now = look(&paths);
            if now == seen {
                continue;
            }
            // An editor writes several files; the turn begins when they are still.
            seen = now;
            tokio::time::sleep(LOOK_EVERY).await;
            if look(&paths) != seen {
                continue;
            }
            match workshop::plan(&self.dir) {
                Ok(edited) => return Some(edited),
                // It stays on the screen: what runs goes on with what was there before.
                Err(mistakes) => self.leave(&mistakes.to_string()),
            }
        }
        None
    }

    async fn turn(&mut self, plan: &Plan) {
        self.clear();
        // A host that ended gets another chance.
        self.told.clear();
        let Self { guests: host, paint, staging, is_unread, .. } = self;
        let desk = dev::Desk { plan, host, paint: *paint, staging: &staging.0 };
        let turned = desk.turn(&mut |line| *is_unread |= !out::is_read(line)).await;
        // Rows that came while cargo was busy belong to the code that was there before.
        self.look_at_host(plan).await;
        match turned {
            Turn::Good => self.go_on(),
            Turn::Failed(kept_out) => self.keep_out(&kept_out),
            Turn::Broken(text) => self.leave(&text),
        }
    }

    fn go_on(&mut self) {
        self.broken = false;
        self.is_tried = true;
        if self.meanwhile > 0 {
            let rows = counted(std::mem::take(&mut self.meanwhile) as usize, "row");
            self.say(&format!("{rows} passed meanwhile, through the code that was there before"));
        }
        self.say(&self.paint.faint("waiting for rows and changes (Ctrl-C ends it)"));
    }

    /// The cases that do not hold stand above.
    fn keep_out(&mut self, new: &[String]) {
        self.broken = true;
        for name in new {
            self.say(&format!(
                "{} {name}: a case failed, so it is not put into its pipeline",
                self.paint.bad("kept out")
            ));
        }
        if !self.is_tried && self.host.is_none() {
            self.say("nothing is started before all cases have held once");
        }
        self.say_mend();
    }

    /// Shows what has to be mended, and nothing else until it is.
    fn leave(&mut self, text: &str) {
        self.broken = true;
        self.clear();
        self.say(text);
        self.say_mend();
    }

    fn say_mend(&mut self) {
        self.say(&self.paint.bad("waiting for a change that mends it (Ctrl-C ends it)"));
    }

    fn say(&mut self, text: &str) {
        self.is_unread |= !out::is_read(text);
    }

    fn clear(&self) {
        if std::io::stdout().is_terminal() {
            // A terminal that went away shows nothing.
            let _ = std::io::stdout().write_all(b"\x1b[2J\x1b[H");
        }
    }

    /// Sees that a host runs, and shows what it says and which rows pass.
    async fn look_at_host(&mut self, plan: &Plan) {
        while let Ok(line) = self.lines.try_recv() {
            if !self.broken {
                self.say(&format!("{} {line}", self.paint.faint("run  |")));
            }
        }
        if let Some(host) = &mut self.host
            && let Ok(Some(status)) = host.try_wait()
        {
            self.host = None;
            self.tell(&format!("the host ended ({status}); it is started again at the next change"));
            return;
        }
        let token = plan.host.token.as_ref().map(|token| token.expose().to_owned());
        match ask(&format!("http://{}/rows", plan.host.admin), token.as_deref()).await {
            Ok(rows) => self.show(&rows),
            Err(reason) if reason.contains("404") => {
                self.tell(
                    "the host that runs shows no rows: start it with --show-rows, or stop it and leave it to dev",
                );
            }
            Err(_) if self.is_tried && self.host.is_none() && self.told.is_empty() => self.start(),
            // It is still starting, or was told of.
            Err(_) => {}
        }
    }

    fn start(&mut self) {
        let mut command = Command::new(this_program());
        command.arg("run").arg(&self.dir).arg("--show-rows").stdin(Stdio::null()).stdout(Stdio::null());
        match command.stderr(Stdio::piped()).kill_on_drop(true).spawn() {
            Ok(mut host) => {
                if let Some(stderr) = host.stderr.take() {
                    let heard = self.heard.clone();
                    tokio::spawn(async move {
                        let mut lines = BufReader::new(stderr).lines();
                        while let Ok(Some(line)) = lines.next_line().await {
                            // Nobody listens any more at the end.
                            let _ = heard.try_send(line);
                        }
                    });
                }
                self.host = Some(host);
            }
            Err(error) => self.tell(&format!("the host can not be started: {error}")),
        }
    }

    fn tell(&mut self, text: &str) {
        if self.told != text {
            self.say(&self.paint.bad(text));
            text.clone_into(&mut self.told);
        }
    }

    fn show(&mut self, rows: &str) {
        let Ok(pipelines) = serde_json::from_str::<Vec<PipelineRows>>(rows) else { return };
        self.told.clear();
        for PipelineRows { pipeline, rows } in pipelines {
            let before = self.shown.get(&pipeline).copied();
            // A host that was started anew counts from the beginning.
            let before = before.filter(|before| rows.last().is_none_or(|last| last.number >= *before));
            for row in rows.iter().filter(|row| before.is_none_or(|before| row.number > before)) {
                if self.broken {
                    self.meanwhile += 1;
                    continue;
                }
                let way = format!("{}, {} out", row.verdict, row.messages);
                let way = if row.verdict.starts_with("reject") { self.paint.bad(&cut(&way)) } else { cut(&way) };
                self.say(&format!("{:<8} {} {}   {way}", row.op, row.table, cut(&row.key)));
            }
            if let Some(last) = rows.last() {
                self.shown.insert(pipeline, last.number);
            }
        }
    }

    /// Asks the host to stop as Ctrl-C would, and waits for it.
    async fn close(&mut self) {
        let Some(mut host) = self.host.take() else { return };
        if let Some(pid) = host.id().and_then(|id| rustix::process::Pid::from_raw(id as i32)) {
            // It may have ended by itself in this moment.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        // After its own drain it ends; what does not is killed when it is dropped.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(15), host.wait()).await;
    }
}
