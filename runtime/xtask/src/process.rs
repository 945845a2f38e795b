//! Child processes that never outlive us.
//!
//! Every child gets a process group of its own, so that Ctrl-C in a terminal reaches us alone and we stop the children in
//! order. It is stopped when its [`Process`] is dropped, panics included, and on Linux the kernel ends it when we are killed.
//!
//! The kernel sends that signal when the *thread* that forked ends, and a runtime's worker threads come and go. So one
//! thread, which lives as long as we do, starts all children.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

/// How often a stopping child is asked whether it is gone.
const POLL: Duration = Duration::from_millis(5);
/// A process that waits for the disk dies only when that has answered, and holds its files until then.
const KILLED_LIMIT: Duration = Duration::from_secs(60);

/// A child process with its own process group.
pub struct Process {
    name: &'static str,
    child: Child,
    exit: Option<ExitStatus>,
    /// Sent first when dropped; `SIGKILL` follows.
    farewell: (Signal, Duration),
}

impl Process {
    /// Starts `command`. When dropped, the child gets the signal `farewell.0` and has `farewell.1` to end before it is killed.
    pub fn spawn(name: &'static str, mut command: Command, farewell: (Signal, Duration)) -> Result<Self> {
        command.process_group(0);
        die_with_parent(&mut command, farewell.0);
        let (answer, answered) = mpsc::sync_channel(1);
        keeper().send((command, answer)).ok().context("the thread that starts children is gone")?;
        let child = answered.recv().context("the thread that starts children is gone")?;
        let child = child.with_context(|| format!("start {name}"))?;
        Ok(Self { name, child, exit: None, farewell })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().ok().flatten();
        }
        self.exit
    }

    /// Sends `signal` to the process itself, not to its children.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // The child is not reaped yet, so its id still is its own.
            let _ = kill(self.group(), signal);
        }
    }

    /// `SIGKILL` to the whole group, and waits until the kernel has cleared it away.
    pub fn kill9(&mut self) {
        if self.ended().is_none() {
            let _ = killpg(self.group(), Signal::SIGKILL);
            self.wait_blocking(KILLED_LIMIT);
        }
    }

    /// Waits for the end, at most `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while self.ended().is_none() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.exit
    }

    /// Sends each signal in turn and gives the process its time to end; at last kills it.
    pub async fn stop(&mut self, steps: &[(Signal, Duration)]) -> Option<ExitStatus> {
        for (signal, limit) in steps {
            self.signal(*signal);
            if self.wait(*limit).await.is_some() {
                return self.exit;
            }
            eprintln!("{} did not stop within {:.0} s of {signal}", self.name, limit.as_secs_f64());
        }
        self.kill9();
        self.exit
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits i32"))
    }

    fn wait_blocking(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let (signal, limit) = self.farewell;
        if signal != Signal::SIGKILL {
            self.signal(signal);
            self.wait_blocking(limit);
        }
        self.kill9();
    }
}

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

fn keeper() -> &'static mpsc::Sender<Order> {
    static KEEPER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    KEEPER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        let thread = std::thread::Builder::new().name("keeper".into());
        thread
            .spawn(move || {
                for (mut command, answer) in inbox {
                    // Whoever asked may have given up; the child is then dropped unwatched, which `spawn` never does.
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a process that cannot start one thread cannot do anything else either");
        orders
    })
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = nix::unistd::getpid();
    let tie = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing. It runs after the change of
    // user, which would clear the setting.
    unsafe {
        command.pre_exec(tie);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command, _: Signal) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::spawn("sleep", command, (Signal::SIGTERM, Duration::from_secs(5))).expect("sleep exists")
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let mut process = sleeper();
        let pid = process.group();
        assert!(process.ended().is_none());
        drop(process);
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }

    #[test]
    fn a_child_is_stopped_when_its_owner_panics() {
        let process = sleeper();
        let pid = process.group();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _owned = process;
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err());
        assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut process = std::thread::spawn(sleeper).join().expect("no panic");
        std::thread::sleep(Duration::from_millis(50));
        assert!(process.ended().is_none(), "the child died with a thread that was not its keeper");
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_first_signal_is_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo; while :; do sleep 0.05; done"]);
        let mut process = Process::spawn("sh", command, (Signal::SIGKILL, Duration::ZERO)).expect("sh exists");
        tokio::time::sleep(Duration::from_millis(100)).await;
        process.stop(&[(Signal::SIGTERM, Duration::from_millis(100))]).await;
        assert!(process.ended().is_some());
    }
}
