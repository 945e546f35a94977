//! The server's processes as the system sees them: is it alive, who are its children, end them all.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{EmbeddedPostgresError, Result};

const GONE_SECONDS_MAX: u64 = 10;
const POLL: Duration = Duration::from_millis(5);

/// The first lines of `postmaster.pid`, which the server writes when it starts and removes when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: i32,
    pub(super) port: u16,
    pub(super) socket_dir: String,
    pub(super) accepts_connections: bool,
}

impl PidFile {
    pub(super) fn read(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
        let mut after_start_time = lines.skip(2);
        let port = after_start_time.next().and_then(|port| port.trim().parse().ok()).unwrap_or_default();
        let socket_dir = after_start_time.next().map(str::trim).unwrap_or_default().to_owned();
        let accepts_connections = text.lines().nth(7).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, port, socket_dir, accepts_connections })
    }

    /// The server that is running on this data, if one is. A pid alone proves nothing: after a crash the file stays
    /// and the number may belong to anybody, and we are about to send it signals.
    pub(super) fn of_running_server(data: &Path) -> Option<Self> {
        Self::read(data).filter(|file| is_alive(file.pid) && works_in(file.pid, data))
    }
}

/// Alive, and not a zombie: in a container whose first process reaps nobody, zombies stay for ever.
pub(super) fn is_alive(pid: i32) -> bool {
    let exists = !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH));
    exists && status_of(pid).is_none_or(|(state, _)| state != 'Z')
}

/// A postmaster's working folder is its data folder. Where the system does not tell, its name has to do.
fn works_in(pid: i32, data: &Path) -> bool {
    if Path::new("/proc/self/cwd").exists() {
        return std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    }
    let output = std::process::Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("postgres"))
}

/// Ends the server as a power cut would: no process of it runs another instruction.
///
/// Children are in process groups of their own, so there is no one group to kill. The postmaster is stopped first,
/// for it would start new children while we end the old ones.
pub(super) fn kill_server(postmaster: i32) -> Result<()> {
    signal(postmaster, Signal::SIGSTOP);
    let mut children = children_of(postmaster);
    // A stop takes effect a moment after it is sent: a child may have been born in between.
    loop {
        let again = children_of(postmaster);
        if again == children {
            break;
        }
        children = again;
    }
    signal(postmaster, Signal::SIGKILL);
    for child in &children {
        signal(*child, Signal::SIGKILL);
    }
    wait_until_gone(std::iter::once(postmaster).chain(children))
}

fn wait_until_gone(pids: impl Iterator<Item = i32>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(GONE_SECONDS_MAX);
    for pid in pids {
        while is_alive(pid) {
            if Instant::now() > deadline {
                return Err(EmbeddedPostgresError::Stop { pid, seconds: GONE_SECONDS_MAX });
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}

/// A process that has ended meanwhile is what we wanted.
fn signal(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(pid, %signal, %error, "the process was not there to signal");
    }
}

fn children_of(parent: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return children_by_ps(parent);
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut children: Vec<i32> =
        pids.filter(|pid| status_of(*pid).is_some_and(|(_, of_parent)| of_parent == parent)).collect();
    children.sort_unstable();
    children
}

/// State and parent from `/proc/<pid>/stat`. The name before them may itself hold spaces and brackets.
fn status_of(pid: i32) -> Option<(char, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children_by_ps(parent: i32) -> Vec<i32> {
    let Ok(output) = std::process::Command::new("ps").args(["-axo", "pid=,ppid="]).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<i32>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    });
    pairs.filter(|(_, of_parent)| *of_parent == parent).map(|(pid, _)| pid).collect()
}
