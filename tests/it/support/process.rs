//! The real binary, as processes that can be killed.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use billing_ledger::bench::worker::Counted;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_billing-ledger");

fn program(arguments: &[&str], database_url: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("DATABASE_URL", database_url).env("RUST_LOG", "error");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A running `bench worker`, and what it has acknowledged so far.
pub(crate) struct Worker {
    child: Child,
    said: Arc<Mutex<Said>>,
    listening: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Said {
    ready: bool,
    acknowledged: Vec<Uuid>,
    counted: Option<Counted>,
    complaints: Vec<String>,
}

impl Worker {
    /// Starts a worker that prints every acknowledgement, and waits until it is ready.
    pub(crate) async fn start(database_url: &str, arguments: &[&str]) -> Self {
        let arguments = [&["bench", "worker", "--acks"], arguments].concat();
        let mut child = program(&arguments, database_url).spawn().expect("the binary starts");
        let said = Arc::new(Mutex::new(Said::default()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let listening = [listen(out, said.clone(), hear), listen(err, said.clone(), complain)];
        let mut worker = Self { child, said, listening };
        eventually("a worker to be ready", async || {
            worker.assert_alive();
            worker.said.lock().expect("no panic").ready.then_some(())
        })
        .await;
        worker
    }

    pub(crate) fn acknowledged(&self) -> Vec<Uuid> {
        self.said.lock().expect("no panic").acknowledged.clone()
    }

    pub(crate) fn acknowledgements(&self) -> usize {
        self.said.lock().expect("no panic").acknowledged.len()
    }

    /// Waits for so many more acknowledgements.
    pub(crate) async fn acknowledges(&mut self, more: usize) {
        let enough = self.acknowledgements() + more;
        eventually("acknowledgements", async || {
            self.assert_alive();
            (self.acknowledgements() >= enough).then_some(())
        })
        .await;
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("the worker ended: {status}: {:?}", self.said.lock().expect("no panic").complaints);
        }
    }

    /// `kill -9`, and what it had acknowledged until then.
    pub(crate) async fn kill(mut self) -> Vec<Uuid> {
        self.assert_alive();
        self.child.kill().await.expect("killed");
        self.heard().await.acknowledged
    }

    /// Waits for its end: what it acknowledged, and what it counted.
    pub(crate) async fn finish(mut self) -> (Vec<Uuid>, Counted) {
        let status = self.child.wait().await.expect("a child");
        let Said { acknowledged, counted, complaints, .. } = self.heard().await;
        assert!(status.success(), "{status}: {complaints:?}");
        (acknowledged, counted.expect("its last line"))
    }

    /// Everything it said before it ended; a pipe is read to its end.
    async fn heard(self) -> Said {
        for listening in self.listening {
            listening.await.expect("no panic");
        }
        std::mem::take(&mut *self.said.lock().expect("no panic"))
    }
}

fn listen(
    from: impl AsyncRead + Unpin + Send + 'static,
    said: Arc<Mutex<Said>>,
    take_in: fn(&mut Said, String),
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            take_in(&mut said.lock().expect("no panic"), line);
        }
    })
}

fn hear(said: &mut Said, line: String) {
    // The last line of a killed process may be cut short: half an id acknowledges nothing.
    if let Some(Ok(id)) = line.strip_prefix("ack ").map(Uuid::parse_str) {
        said.acknowledged.push(id);
    } else if line == "ready" {
        said.ready = true;
    } else if let Ok(counted) = serde_json::from_str(&line) {
        said.counted = Some(counted);
    }
}

fn complain(said: &mut Said, line: String) {
    said.complaints.push(line);
}

/// `billing-ledger verify`: the log is what was written, down to every hash.
pub(crate) async fn assert_verifies(database_url: &str) {
    let output = verify(database_url, &[]).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

pub(crate) async fn verify(database_url: &str, arguments: &[&str]) -> std::process::Output {
    program(&[&["verify"], arguments].concat(), database_url).output().await.expect("the binary starts")
}

/// Any subcommand, to its end.
pub(crate) async fn run(database_url: &str, arguments: &[&str]) -> std::process::Output {
    program(arguments, database_url).output().await.expect("the binary starts")
}
