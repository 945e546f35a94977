//! One server for many processes, and none when they are gone. Here the players; the tests are in the two modules.

mod databases;
mod processes;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::super::processes::PidFile;
use super::super::tests::folder;
use super::*;

const MEMBER_VARIABLE: &str = "BILLING_LEDGER_TEST_MEMBER_OF";
const LINGER_VARIABLE: &str = "BILLING_LEDGER_TEST_LINGER_SECONDS";
const DEADLINE: Duration = Duration::from_secs(30);

async fn migrate(options: PgConnectOptions) -> std::result::Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql("CREATE TABLE entries (word text)").execute(&mut connection).await?;
    connection.close().await
}

async fn join(state: &Path) -> Arc<Shared> {
    let state = state.to_path_buf();
    blocking(move || Shared::join(Some(&state), 0)).await.unwrap()
}

/// A state folder of one test, which waits at its end until the watchdog has removed it.
struct State {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl State {
    fn new() -> Self {
        let folder = folder();
        Self { path: folder.path().join("state"), _folder: folder }
    }
}

impl std::ops::Deref for State {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            until("the watchdog has removed the folder", || !self.path.exists());
        }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn postmaster(state: &Path) -> Option<i32> {
    PidFile::of_running_server(&state.canonicalize().ok()?.join("server/data")).map(|server| server.pid)
}

/// This test binary again, as another process with a database on the server of `state`.
struct Member {
    process: Child,
    postmaster: i32,
    database: String,
}

impl Member {
    fn arrives(state: &Path, linger_seconds: u32) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded_postgres::shared::tests::processes::another_process", "--nocapture"])
            .env(MEMBER_VARIABLE, state)
            .env(LINGER_VARIABLE, linger_seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        let ready = lines.find_map(|line| line.split_once("ready: ").map(|(_, rest)| rest.to_owned())).unwrap();
        let (postmaster, database) = ready.split_once(' ').unwrap();
        Self { process, postmaster: postmaster.parse().unwrap(), database: database.to_owned() }
    }

    /// As `kill -9` does: nothing of it runs any more, no drop and no exit handler.
    fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
