//! A private PostgreSQL for `dev`, tests and benchmarks: nothing to install by hand, nothing to configure.
//!
//! ```text
//! find.rs      where the programs are; the order of the search
//! download.rs  the last resort (feature `dev-postgres`)
//! user.rs      whom the server runs as, and which folders that user can reach
//! cluster.rs   initdb, pg_ctl: a cluster made, started, stopped
//! settings.rs  its settings and who may connect
//! processes.rs is it alive; ending it like a power cut
//! shared/      the one server all test processes share
//! error.rs     what can go wrong
//! ```
//!
//! A handle owns its folder through a file lock. A process that was killed loses the lock but leaves its server
//! running; whoever takes the folder next stops that server and starts its own, so two never meet. Everything here
//! blocks for up to a second or so: from async code, call it in `spawn_blocking`.
//!
//! Not used: the parent-death signal. It fires when the *thread* that spawned the server ends, and test threads end
//! early.

mod address;
mod cluster;
#[cfg(feature = "dev-postgres")]
mod download;
mod error;
mod find;
mod processes;
mod settings;
pub mod shared;
#[cfg(test)]
mod tests;
mod user;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnectOptions;

use address::Address;
use cluster::Cluster;
pub use error::EmbeddedPostgresError;
use error::{Doing, Result};
use find::{Installation, ThisMachine};
use user::{ServerUser, remove_socket_folder};

const LOCK_FILE: &str = "lock";
/// Another program may take a free port between our looking and the server's listening.
const PORT_ATTEMPTS_MAX: usize = 3;

#[derive(Clone, Debug)]
pub struct Options {
    /// Made when it is not there; holds the cluster, its log and its lock, and nothing else may be in it.
    pub data_dir: PathBuf,
    pub durability: Durability,
    /// More `postgresql.conf` settings; they win over ours.
    pub settings: Vec<(String, String)>,
    /// Also listen on 127.0.0.1, on a free port. Logging in there needs a password: set one over the socket.
    pub tcp: bool,
}

/// A benchmark with durability off is not a result; a test with durability on is a slow test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    On,
    Off,
}

/// A running server. Dropping the handle stops it; its data stays.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    cluster: Cluster,
    options: Options,
    address: Address,
    /// The killed server's data needs no stopping, and its handle still has a socket folder to remove.
    stopped: AtomicBool,
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts a server on `options.data_dir`, making the database first if the folder is new.
    pub fn start(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let user = ServerUser::current()?;
        let installation = installation(&user, progress)?;
        progress(&format!("PostgreSQL {} from {}", installation.version.full, installation.bin.display()));
        refuse_foreign_folder(&options.data_dir)?;
        let cluster = Cluster::open(&options.data_dir, user, installation)?;
        let lock = take_folder(&cluster.folder)?;
        if cluster.running().is_some() {
            progress("stopping the server that a killed process left behind");
            cluster.stop()?;
        }
        if cluster.initialise(options.durability)? {
            progress(&format!("made a new database in {}", cluster.folder.display()));
        }
        let address = start_somewhere(&cluster, options)?;
        progress(&format!("the server is ready at {}", address.socket_dir.display()));
        Ok(Self { cluster, options: options.clone(), address, stopped: AtomicBool::new(false), _lock: lock })
    }

    /// Over the socket, as the superuser `postgres`, whatever `PG*` variables say.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.address.connect_options(database)
    }

    /// The same for child processes and `DATABASE_URL`; sqlx, `psql` and `pgbench` understand it.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    pub fn socket_dir(&self) -> &Path {
        &self.address.socket_dir
    }

    /// With `Options::tcp` also the TCP port; without it only part of the socket's name.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// A program of the server's own version: `pgbench`, `psql`, `pg_dump`. Nothing checks that it is installed.
    pub fn bin(&self, program: &str) -> PathBuf {
        self.cluster.bin(program)
    }

    /// `15.18`
    pub fn version(&self) -> &str {
        &self.cluster.installation.version.full
    }

    pub fn log_file(&self) -> PathBuf {
        self.cluster.log()
    }

    pub fn postmaster_pid(&self) -> Option<i32> {
        self.cluster.running().map(|server| server.pid)
    }

    /// Ends every process of the server at once, as a power cut would, and returns when they are gone.
    pub fn kill(&self) -> Result<()> {
        self.cluster.kill()
    }

    /// Starts the server again after `kill` or `stop_now`, at the same address with the same data, recovering if it
    /// must. A running server is stopped first.
    pub fn restart(&self) -> Result<()> {
        self.cluster.stop()?;
        self.address.renew_socket_folder(&self.cluster.user)?;
        self.cluster.start(&self.options, &self.address.socket_dir, self.address.port)?;
        self.stopped.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Stops the server and returns when it is down: open transactions are rolled back. Blocks.
    pub fn stop_now(&self) -> Result<()> {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let stopped = self.cluster.stop();
        remove_socket_folder(&self.address.socket_dir);
        stopped
    }

    /// `stop_now` for async code.
    pub async fn stop(self) -> Result<()> {
        tokio::task::spawn_blocking(move || self.stop_now())
            .await
            .map_err(|error| EmbeddedPostgresError::Thread(error.to_string()))?
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop_now() {
            tracing::warn!(%error, "the database server is left running");
        }
    }
}

/// Nothing but our own folders is started, chowned or locked: a mistyped path must not harm what it names.
fn refuse_foreign_folder(folder: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    if entries.next().is_some() && !folder.join(LOCK_FILE).exists() {
        return Err(EmbeddedPostgresError::ForeignFolder { folder: folder.to_path_buf() });
    }
    Ok(())
}

fn take_folder(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).doing("open", &path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(EmbeddedPostgresError::InUse { folder: folder.to_path_buf() }),
        Err(std::fs::TryLockError::Error(source)) => Err(source).doing("lock", &path),
    }
}

fn start_somewhere(cluster: &Cluster, options: &Options) -> Result<Address> {
    let mut attempts_left = PORT_ATTEMPTS_MAX;
    loop {
        let address = Address::init(&cluster.user, options.tcp)?;
        attempts_left = attempts_left.saturating_sub(1);
        match cluster.start(options, &address.socket_dir, address.port) {
            Ok(()) => return Ok(address),
            Err(error) => {
                remove_socket_folder(&address.socket_dir);
                let port_was_taken = options.tcp && error.to_string().contains("Address already in use");
                if !port_was_taken || attempts_left == 0 {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(feature = "dev-postgres")]
fn installation(user: &ServerUser, progress: &mut dyn FnMut(&str)) -> Result<Installation> {
    download::find_or_download(&ThisMachine { user }, download::SOURCE, progress)
}

#[cfg(not(feature = "dev-postgres"))]
fn installation(user: &ServerUser, _progress: &mut dyn FnMut(&str)) -> Result<Installation> {
    find::find(&ThisMachine { user })
}
