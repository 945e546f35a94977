//! The tour of the README is run as it stands there, against `dev` as it starts there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const README: &str = include_str!("../../README.md");
const PATIENCE: Duration = Duration::from_secs(120);

struct Dev {
    child: Child,
    /// Kept open: what it says later must find a reader.
    _out: Lines<BufReader<ChildStdout>>,
    /// The `export` lines that a reader is told to paste.
    exports: String,
}

impl Dev {
    async fn start(data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billing-ledger"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).env("RUST_LOG", "error");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut exports = String::new();
        let listening = async {
            while let Some(line) = out.next_line().await.expect("text") {
                match line.split_once(' ') {
                    Some(("export", _)) => exports.push_str(&(line + "\n")),
                    Some(("listening", _)) => return,
                    _ => {}
                }
            }
            panic!("dev ended before it was listening");
        };
        timeout(PATIENCE, listening).await.expect("dev to be listening");
        Self { child, _out: out, exports }
    }

    async fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().expect("running")).expect("a pid"));
        kill(pid, Signal::SIGINT).expect("interrupted");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("dev to stop").expect("a child");
        assert!(status.success(), "{status}");
    }
}

/// The commands of the tour, in order.
fn tour() -> String {
    let blocks = README.split("```sh tour\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("an end")).collect::<Vec<_>>().join("\necho\n")
}

#[tokio::test]
async fn the_tour_works_as_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    // The database's user has to get through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let dev = Dev::start(&folder.path().join("data")).await;
    let script = format!("set -euo pipefail\n{}{}", dev.exports, tour());
    let bash = Command::new("bash").arg("-c").arg(&script).kill_on_drop(true).output();
    let output = timeout(PATIENCE, bash).await.expect("the tour to end").expect("bash");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    for (part, what) in [
        (r#""name":"Pro""#, "the new package"),
        (r#""name":"基础套餐""#, "what is on sale"),
        ("ORD", "the order's number"),
        (r#""status":"fulfilled""#, "the paid order"),
        (r#""state":""#, "the delivery"),
        (r#""used":"5.00","remaining":"0.00""#, "today's quota, used up"),
        (r#""available":"8.50""#, "credits, after the rest"),
        (r#""reference":"call-1""#, "the statement"),
        (r#""used":"0.00","remaining":"5.00""#, "tomorrow's quota"),
    ] {
        assert!(said.contains(part), "{what} is not in what the tour shows:\n{said}");
    }
    dev.stop().await;
}
