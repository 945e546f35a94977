//! Where the server's programs are.
//!
//! The order, first hit wins: `BILLING_LEDGER_PG_BIN` → `pg_config --bindir` → Debian's versioned folders, newest
//! first (they are not on the search path there) → Homebrew and Postgres.app → the search path → the user's cache of
//! an earlier download. A download is the caller's last resort (`download.rs`).
//!
//! The search asks a `Machine` and touches nothing else, so its order is a unit test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::{EmbeddedPostgresError, Result};
use super::user::ServerUser;

pub(super) const BIN_VARIABLE: &str = "BILLING_LEDGER_PG_BIN";
/// Older ones are skipped: they have no `client_connection_check_interval`, with which a connection of the store frees
/// its locks when its process has died, and no security fixes any more.
pub(super) const OLDEST_MAJOR: u32 = 14;
pub(super) const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) major: u32,
    /// As the server says it: `15.18`.
    pub(super) full: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installation {
    pub(super) bin: PathBuf,
    pub(super) version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Server(Version),
    /// The folder does not hold the programs.
    Absent,
    /// It does, but they do not run for us.
    Unusable(String),
}

pub(super) trait Machine {
    fn variable(&self, name: &str) -> Option<OsString>;
    fn folders_in(&self, folder: &Path) -> Vec<PathBuf>;
    fn pg_config_bindir(&self) -> Option<PathBuf>;
    fn probe(&self, bin: &Path) -> Probe;
    fn cache(&self) -> PathBuf;
}

pub(super) fn find(machine: &dyn Machine) -> Result<Installation> {
    if let Some(folder) = machine.variable(BIN_VARIABLE).filter(|folder| !folder.is_empty()) {
        return explicit(machine, PathBuf::from(folder));
    }
    let mut looked_at = Vec::new();
    for bin in candidates(machine) {
        match judge(machine.probe(&bin)) {
            Ok(version) => return Ok(Installation { bin, version }),
            Err(reason) => looked_at.push(format!("{} ({reason})", bin.display())),
        }
    }
    Err(EmbeddedPostgresError::NotInstalled {
        oldest: OLDEST_MAJOR,
        variable: BIN_VARIABLE,
        looked_at: if looked_at.is_empty() { "no folder there is".to_owned() } else { looked_at.join(", ") },
    })
}

/// Somebody who names a folder wants that one: a silent fallback would benchmark the wrong server.
fn explicit(machine: &dyn Machine, folder: PathBuf) -> Result<Installation> {
    match judge(machine.probe(&folder)) {
        Ok(version) => Ok(Installation { bin: folder, version }),
        Err(reason) => Err(EmbeddedPostgresError::ExplicitBinaries { variable: BIN_VARIABLE, folder, reason }),
    }
}

fn judge(probe: Probe) -> std::result::Result<Version, String> {
    match probe {
        Probe::Server(version) if version.major < OLDEST_MAJOR => {
            Err(format!("version {} is older than {OLDEST_MAJOR}", version.full))
        }
        Probe::Server(version) => Ok(version),
        Probe::Absent => Err(format!("it does not hold all of {}", PROGRAMS.join(", "))),
        Probe::Unusable(reason) => Err(reason),
    }
}

fn candidates(machine: &dyn Machine) -> Vec<PathBuf> {
    let newest_first = |parent: &str| newest_first(machine.folders_in(Path::new(parent)));
    let mut found: Vec<PathBuf> = machine.pg_config_bindir().into_iter().collect();
    found.extend(newest_first("/usr/lib/postgresql").into_iter().map(|folder| folder.join("bin")));
    for homebrew in ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"] {
        let formulas = newest_first(homebrew).into_iter().filter(|folder| name_of(folder).starts_with("postgresql"));
        found.extend(formulas.map(|folder| folder.join("bin")));
    }
    let app = newest_first("/Applications/Postgres.app/Contents/Versions");
    found.extend(app.into_iter().map(|folder| folder.join("bin")));
    if let Some(path) = machine.variable("PATH") {
        let on_path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        // A search path is long and mostly irrelevant: only folders that hold the server are worth a word.
        found.extend(on_path.filter(|folder| machine.probe(folder) != Probe::Absent));
    }
    found.extend(newest_first(&machine.cache().to_string_lossy()).into_iter().map(|folder| folder.join("bin")));
    found
}

fn newest_first(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    folders.sort_by_key(|folder| std::cmp::Reverse(numbers_in(&name_of(folder))));
    folders
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `17.6.0` as numbers: compared as text, 9 would be newer than 17.
fn numbers_in(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; betas say `19beta1`.
pub(super) fn parse_version(answer: &str) -> Option<Version> {
    let full = answer.split_once("(PostgreSQL)")?.1.split_whitespace().next()?.to_owned();
    let major = full.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(Version { major, full })
}

pub(super) struct ThisMachine<'a> {
    pub(super) user: &'a ServerUser,
}

impl Machine for ThisMachine<'_> {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn folders_in(&self, folder: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    fn pg_config_bindir(&self) -> Option<PathBuf> {
        let output = std::process::Command::new("pg_config").arg("--bindir").output().ok()?;
        let bindir = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !bindir.is_empty()).then(|| PathBuf::from(bindir))
    }

    /// Asks as the server's user, so that a folder in root's home counts as what it is: out of reach.
    fn probe(&self, bin: &Path) -> Probe {
        if !PROGRAMS.iter().all(|program| bin.join(program).is_file()) {
            return Probe::Absent;
        }
        match self.user.command(&bin.join("postgres"), Path::new("/")).arg("--version").output() {
            Err(error) => Probe::Unusable(format!("`postgres --version` does not run for the server's user: {error}")),
            Ok(output) => match parse_version(&String::from_utf8_lossy(&output.stdout)) {
                Some(version) => Probe::Server(version),
                None => Probe::Unusable("`postgres --version` gives no version".to_owned()),
            },
        }
    }

    /// As root the server runs as another user, who could not enter root's home.
    fn cache(&self) -> PathBuf {
        let root = nix::unistd::geteuid().is_root();
        let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_else(|| self.user.temporary_folder());
        let base = match std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
            _ if root => PathBuf::from("/var/cache"),
            Some(base) => base,
            None if cfg!(target_os = "macos") => home().join("Library/Caches"),
            None => home().join(".cache"),
        };
        base.join("billing-ledger").join("postgresql")
    }
}
