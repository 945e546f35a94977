//! The real binary as child processes: what they say, and every way to end them.

use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_billing-ledger");
const LISTENING: &str = "listening on ";
/// Longer than any clean end takes.
const END_MAX: Duration = Duration::from_secs(60);
/// What a child keeps of our environment: nothing that is a setting.
/// The last one is where a build that measures coverage writes it to.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LANG", PROFILE];
const PROFILE: &str = "LLVM_PROFILE_FILE";
const MEASURED_END_MAX: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

pub(crate) type Env = Vec<(&'static str, String)>;

/// A running child.
pub(crate) struct Program {
    child: Child,
    said: Arc<Mutex<Said>>,
    reading: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Said {
    out: Vec<String>,
    err: Vec<String>,
}

fn command(arguments: &[&str], env: &Env) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear();
    command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn run(arguments: &[&str], env: &Env) -> Output {
    let running = tokio::time::timeout(END_MAX, command(arguments, env).output());
    running.await.expect("an end in time").expect("the binary starts")
}

/// Runs it to its end, which has to be a good one: what it printed.
pub(crate) async fn run_well(arguments: &[&str], env: &Env) -> String {
    let output = run(arguments, env).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

impl Program {
    pub(crate) fn spawn(arguments: &[&str], env: &Env) -> Self {
        let mut child = command(arguments, env).spawn().expect("the binary starts");
        let said = Arc::new(Mutex::new(Said::default()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let reading =
            vec![read(out, said.clone(), |said| &mut said.out), read(err, said.clone(), |said| &mut said.err)];
        Self { child, said, reading }
    }

    /// Waits until it says where it listens.
    pub(crate) async fn listening(&mut self) -> String {
        eventually("a server to listen", async || {
            let found = self.out().lines().find_map(|line| line.strip_prefix(LISTENING).map(str::to_owned));
            if found.is_none()
                && let Some(status) = self.child.try_wait().expect("a child")
            {
                panic!("it ended: {status}: {}", self.err());
            }
            found
        })
        .await
        .trim_end_matches('/')
        .to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("running")
    }

    pub(crate) fn out(&self) -> String {
        self.said.lock().expect("no panic").out.join("\n")
    }

    pub(crate) fn err(&self) -> String {
        self.said.lock().expect("no panic").err.join("\n")
    }

    /// `kill -9`, and everything it had logged.
    pub(crate) async fn kill(mut self) -> String {
        self.child.kill().await.expect("killed");
        self.logged().await
    }

    /// Asks it to end, and waits until it has: how, and everything it had logged.
    pub(crate) async fn end(mut self, how: Signal) -> (ExitStatus, String) {
        let id = i32::try_from(self.id()).expect("a process id");
        signal::kill(Pid::from_raw(id), how).expect("signalled");
        let waited = tokio::time::timeout(END_MAX, self.child.wait()).await;
        let status = waited.unwrap_or_else(|_| panic!("no end after {how}: {}", self.err())).expect("a child");
        (status, self.logged().await)
    }

    /// A pipe is read to its end.
    async fn logged(&mut self) -> String {
        for reading in self.reading.drain(..) {
            reading.await.expect("no panic");
        }
        self.err()
    }
}

/// Usually it is killed, as what nobody waits for. What it ran is written down at a clean end alone, so where that is
/// measured it gets a moment for one.
impl Drop for Program {
    fn drop(&mut self) {
        let measured = std::env::var_os(PROFILE).is_some();
        let Some(id) = self.child.id().filter(|_| measured).and_then(|id| i32::try_from(id).ok()) else { return };
        let ending = signal::kill(Pid::from_raw(id), Signal::SIGTERM).is_ok();
        let deadline = Instant::now() + MEASURED_END_MAX;
        while ending && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

fn read(
    from: impl AsyncRead + Unpin + Send + 'static,
    said: Arc<Mutex<Said>>,
    into: fn(&mut Said) -> &mut Vec<String>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            into(&mut said.lock().expect("no panic")).push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}
