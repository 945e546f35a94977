//! One database cluster on disk and the programs that make, start and stop it.
//!
//! ```text
//! <folder>/lock         held by the handle that runs the server (mod.rs)
//!          server.log   what the server says
//!          data/        the cluster; appears complete or not at all
//!          data.new/    a cluster being made; what an interrupted start leaves is thrown away by the next
//! ```

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Doing, EmbeddedPostgresError, Result};
use super::find::{BIN_VARIABLE, Installation};
use super::processes::{self, PidFile};
use super::user::{ServerUser, remove_socket_folder};
use super::{Durability, Options, settings};

/// Recovery after a crash counts as starting, so this is far more than a start needs.
const START_SECONDS_MAX: u64 = 120;
const STOP_SECONDS_MAX: u64 = 30;
const LOG_TAIL_BYTES_MAX: u64 = 4_000;

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) user: ServerUser,
    pub(super) installation: Installation,
    pub(super) folder: PathBuf,
}

impl Cluster {
    /// Makes the folder, reachable by and belonging to the server's user.
    pub(super) fn open(folder: &Path, user: ServerUser, installation: Installation) -> Result<Self> {
        std::fs::create_dir_all(folder).doing("make the folder", folder)?;
        let folder = folder.canonicalize().doing("find", folder)?;
        // `initdb` and `pg_ctl` start the server through `sh -c` with the path in double quotes.
        if let Some(character) = folder.to_string_lossy().chars().find(|c| "\"$`\\".contains(*c) || c.is_control()) {
            return Err(EmbeddedPostgresError::UnsafePath { folder, character });
        }
        user.check_can_enter(&folder)?;
        user.make_owner_of(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).doing("protect", &folder)?;
        Ok(Self { user, installation, folder })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(super) fn bin(&self, program: &str) -> PathBuf {
        self.installation.bin.join(program)
    }

    pub(super) fn running(&self) -> Option<PidFile> {
        PidFile::of_running_server(&self.data())
    }

    /// Makes the cluster unless it is there, and refuses one of another major version.
    pub(super) fn initialise(&self, durability: Durability) -> Result<bool> {
        let data = self.data();
        if data.exists() {
            return self.check_version(&data).map(|()| false);
        }
        let unfinished = self.folder.join("data.new");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).doing("remove the unfinished", &unfinished)?;
        }
        let mut initdb = self.user.command(&self.bin("initdb"), &self.folder);
        initdb.arg("--pgdata").arg(&unfinished);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"]);
        if matches!(durability, Durability::Off) {
            initdb.arg("--no-sync");
        }
        run(initdb, "initdb")?;
        // The generated file only restates defaults and guesses from this machine; ours says what we mean.
        let configuration = unfinished.join("postgresql.conf");
        let include = format!("include = '{}'\n", settings::SETTINGS_FILE);
        std::fs::write(&configuration, include).doing("write", &configuration)?;
        std::fs::rename(&unfinished, &data).doing("put into place", &data)?;
        Ok(true)
    }

    fn check_version(&self, data: &Path) -> Result<()> {
        let file = data.join("PG_VERSION");
        let made_by = std::fs::read_to_string(&file).doing("read", &file)?.trim().to_owned();
        if made_by == self.installation.version.major.to_string() {
            return Ok(());
        }
        Err(EmbeddedPostgresError::WrongVersion {
            folder: self.folder.clone(),
            data: made_by,
            binaries: self.installation.version.major,
            bin: self.installation.bin.clone(),
            variable: BIN_VARIABLE,
        })
    }

    /// Starts the server and returns when it answers. The caller has made sure that none is running.
    pub(super) fn start(&self, options: &Options, socket_dir: &Path, port: u16) -> Result<()> {
        self.forget_stale_pid_file();
        settings::write(&self.user, &self.data(), options, socket_dir, port)?;
        let log_begins_at = self.log().metadata().map(|log| log.len()).unwrap_or_default();
        let mut start = self.pg_ctl("start");
        // Without `-l` the server would inherit our pipe, and reading it to its end would wait for the server's end.
        start.arg("-l").arg(self.log()).arg("-t").arg(START_SECONDS_MAX.to_string());
        run(start, "pg_ctl start").map_err(|error| {
            if let Some(half_started) = self.running()
                && let Err(error) = processes::kill_server(half_started.pid)
            {
                tracing::warn!(%error, "a server that did not start in time is still there");
            }
            let tail = self.log_tail(log_begins_at);
            EmbeddedPostgresError::Start { output: error.to_string(), log: self.log(), tail }
        })
    }

    /// The server deals with a pid file whose process is gone. One whose number meanwhile belongs to another process
    /// of the same user, or to a zombie nobody collects, would keep it from starting.
    fn forget_stale_pid_file(&self) {
        let stale = PidFile::read(&self.data()).is_some() && self.running().is_none();
        let file = self.data().join("postmaster.pid");
        if stale && let Err(error) = std::fs::remove_file(&file) {
            tracing::warn!(file = %file.display(), %error, "a stale pid file stays");
        }
    }

    /// Fast: open transactions are rolled back, what is committed is written. By force when that takes too long.
    pub(super) fn stop(&self) -> Result<()> {
        let Some(server) = self.running() else { return Ok(()) };
        let mut stop = self.pg_ctl("stop");
        stop.args(["-m", "fast", "-t", &STOP_SECONDS_MAX.to_string()]);
        if let Err(error) = run(stop, "pg_ctl stop") {
            tracing::warn!(%error, "the server is ended by force; it will recover at its next start");
            return self.kill();
        }
        remove_socket_folder(Path::new(&server.socket_dir));
        Ok(())
    }

    pub(super) fn kill(&self) -> Result<()> {
        self.running().map_or(Ok(()), |server| processes::kill_server(server.pid))
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.user.command(&self.bin("pg_ctl"), &self.folder);
        command.arg(action).arg("-D").arg(self.data()).args(["-w", "-s"]);
        command
    }

    fn log_tail(&self, begins_at: u64) -> String {
        let read = || -> std::io::Result<String> {
            let mut log = std::fs::File::open(self.log())?;
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(begins_at.max(length.saturating_sub(LOG_TAIL_BYTES_MAX))))?;
            let mut tail = Vec::new();
            log.read_to_end(&mut tail)?;
            Ok(String::from_utf8_lossy(&tail).trim_end().to_owned())
        };
        read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
    }
}

fn run(mut command: Command, program: &str) -> Result<()> {
    let path = PathBuf::from(command.get_program());
    let output = command.output().doing("run", &path)?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(EmbeddedPostgresError::Program {
        program: program.to_owned(),
        status: output.status.to_string(),
        output: said.trim().to_owned(),
    })
}
