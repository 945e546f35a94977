//! Whom the server runs as. PostgreSQL refuses root, so as root its programs run as `postgres`, else `nobody`;
//! everybody else runs them as themselves.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{Doing, EmbeddedPostgresError, Result};

/// `sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// The longest name PostgreSQL gives its socket.
const SOCKET_NAME: &str = ".s.PGSQL.65535";
/// Part of every socket folder's name, so that a folder is only ever removed when it is one of ours.
pub(super) const SOCKET_FOLDER_PREFIX: &str = "blpg-";

#[derive(Clone, Debug)]
pub(super) struct ServerUser {
    name: String,
    uid: u32,
    gid: u32,
    /// We are root and step down to this user.
    steps_down: bool,
}

impl ServerUser {
    pub(super) fn current() -> Result<Self> {
        let me = nix::unistd::geteuid();
        if !me.is_root() {
            let gid = nix::unistd::getegid().as_raw();
            return Ok(Self { name: "this user".to_owned(), uid: me.as_raw(), gid, steps_down: false });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| nix::unistd::User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), steps_down: true })
            .ok_or(EmbeddedPostgresError::NoServerUser)
    }

    /// A program to run as this user, away from whatever the caller's environment says about databases.
    ///
    /// `PGDATA`, `PGOPTIONS` and their like would silently change what the programs do. The working folder is one
    /// that everybody may read: `initdb` fails in a folder its user cannot read, such as root's home.
    pub(super) fn command(&self, program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_postgres_variable(name)) {
            command.env_remove(name);
        }
        command.env("HOME", home).env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        if self.steps_down {
            // The standard library drops the supplementary groups itself when root changes the user.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    pub(super) fn make_owner_of(&self, path: &Path) -> Result<()> {
        if self.steps_down {
            chown(path, Some(self.uid), Some(self.gid)).doing("hand over", path)?;
        }
        Ok(())
    }

    /// Refuses a folder that this user cannot reach, and names the parent that is closed.
    pub(super) fn check_can_enter(&self, folder: &Path) -> Result<()> {
        match self.steps_down.then(|| folder.ancestors().skip(1).find(|parent| !self.may_enter(parent))).flatten() {
            None => Ok(()),
            Some(closed) => Err(EmbeddedPostgresError::NotTraversable {
                folder: folder.to_path_buf(),
                closed: closed.to_path_buf(),
                user: self.name.clone(),
            }),
        }
    }

    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(metadata) = folder.metadata() else { return false };
        let execute = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        metadata.mode() & execute != 0
    }

    /// The system's folder for temporary files, or `/tmp` where the server's user may not enter that.
    pub(super) fn temporary_folder(&self) -> PathBuf {
        let own = std::env::temp_dir();
        let own = own.canonicalize().unwrap_or(own);
        let usable = own.is_absolute() && own.join("x").ancestors().skip(1).all(|parent| self.may_enter(parent));
        if usable || !self.steps_down { own } else { PathBuf::from("/tmp") }
    }

    /// A fresh folder for one server's socket. It is private (0700), which is what makes `trust` on the socket
    /// safe, and short, because a socket's path has room for about a hundred bytes.
    pub(super) fn make_socket_folder(&self) -> Result<PathBuf> {
        let parent = self.temporary_folder();
        let sample = parent.join(format!("{SOCKET_FOLDER_PREFIX}123456")).join(SOCKET_NAME);
        let length = sample.as_os_str().len();
        let parent = if length > SOCKET_PATH_BYTES_MAX { PathBuf::from("/tmp") } else { parent };
        let folder = tempfile::Builder::new()
            .prefix(SOCKET_FOLDER_PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .doing("make a folder for the socket in", &parent)?
            .keep();
        self.make_owner_of(&folder)?;
        let length = folder.join(SOCKET_NAME).as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            return Err(EmbeddedPostgresError::SocketPathTooLong { folder, length, longest: SOCKET_PATH_BYTES_MAX });
        }
        Ok(folder)
    }
}

fn is_postgres_variable(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("PG"))
}

/// Removes a socket folder that has served, and nothing else whatever path it is given.
pub(super) fn remove_socket_folder(folder: &Path) {
    let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SOCKET_FOLDER_PREFIX));
    if ours && let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::debug!(folder = %folder.display(), %error, "the socket folder stays");
    }
}
