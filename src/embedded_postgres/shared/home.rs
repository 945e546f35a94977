//! The state folder and its locks.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::error::{Doing, EmbeddedPostgresError, Result};
use super::super::user::ServerUser;

/// Each attempt fails only if a watchdog removed the folder under our hands, which it does once per life.
const JOIN_ATTEMPTS_MAX: usize = 50;

/// While this lives, the server lives.
#[derive(Debug)]
pub(super) struct Home {
    state: PathBuf,
    _presence: File,
}

impl Home {
    /// Waits while a watchdog is clearing the folder away, then begins again in a new one.
    pub(super) fn join(state: &Path) -> Result<Self> {
        let path = state.join("lock");
        for _ in 0..JOIN_ATTEMPTS_MAX {
            make_private_folder(state)?;
            let mut presence = match open_lock(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                opened_or_failed => opened_or_failed.doing("open", &path)?,
            };
            presence.lock_shared().doing("lock", &path)?;
            if is_still_at(&presence, &path) {
                // The watchdog lingers anew after each arrival, and knows one by this line having changed.
                let arrival = format!("{}\n", uuid::Uuid::new_v4());
                presence.write_all(arrival.as_bytes()).doing("write", &path)?;
                let state = state.canonicalize().doing("find", state)?;
                return Ok(Self { state, _presence: presence });
            }
        }
        Err(EmbeddedPostgresError::InUse { folder: state.to_path_buf() })
    }

    /// One process at a time sets things up. Dropping the file ends its turn, and so does dying.
    pub(super) fn set_up(&self) -> Result<File> {
        let path = self.state.join("setup");
        let setup = open_lock(&path).doing("open", &path)?;
        setup.lock().doing("lock", &path)?;
        Ok(setup)
    }

    /// The lock a living watchdog holds, if none does.
    pub(super) fn watchdog_post(&self) -> Result<Option<File>> {
        let path = self.state.join("watchdog");
        let post = open_lock(&path).doing("open", &path)?;
        match post.try_lock() {
            Ok(()) => Ok(Some(post)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(source)) => Err(source).doing("lock", &path),
        }
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn server_folder(&self) -> PathBuf {
        self.state.join("server")
    }
}

/// One server per checkout, user and server version; they never share one by accident.
pub(super) fn default_state(user: &ServerUser, server_version: &str) -> PathBuf {
    let me = nix::unistd::geteuid();
    let key = format!("{}\0{me}\0{server_version}", env!("CARGO_MANIFEST_DIR"));
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    user.temporary_folder().join(format!("billing-ledger-tests-{}", hash.chars().take(16).collect::<String>()))
}

/// The name is predictable and the temporary folder belongs to everybody: whoever made it first must have been us.
/// As root, others may pass through (the server's user has to) and see nothing.
fn make_private_folder(folder: &Path) -> Result<()> {
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).doing("make the folder", parent)?;
    }
    let me = nix::unistd::geteuid();
    let mode = if me.is_root() { 0o711 } else { 0o700 };
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made_or_failed => {
            made_or_failed.doing("make the folder", folder)?;
            let opened = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode));
            return ignore_missing(opened).doing("protect", folder);
        }
    }
    match folder.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).doing("look at", folder),
        Ok(found) if found.is_dir() && found.uid() == me.as_raw() => Ok(()),
        Ok(_) => Err(EmbeddedPostgresError::ForeignFolder { folder: folder.to_path_buf() }),
    }
}

fn ignore_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

/// A lock on a file that was removed meanwhile is a lock on nothing.
fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}
