//! The one server that all test processes of this workspace share, and a database for each test.
//!
//! ```text
//! test_database("ledger-<hash of the migrations>", |options| migrate(options)).await?
//!
//! home.rs       the state folder and its locks: who is here, who may set things up
//! watchdog.rs   the small process that ends the server when the last test process has gone
//! databases.rs  template, clones, and their removal
//! ```
//!
//! It works the same whether a runner starts one process for all tests or one for each, because nothing is kept in
//! a process:
//!
//! * Each test process holds the file `lock` shared for its life. The kernel takes the lock back however the process
//!   ends, so a killed one counts as gone.
//! * Who arrives takes `setup` exclusively, starts server and watchdog where they are missing, and makes the template
//!   where it is missing. Data found without a running server is thrown away: with durability off it proves nothing.
//! * The watchdog gets `lock` exclusively when nobody is left, lingers, and removes server and folder.
//!
//! Statics are not dropped when a process exits, which is why no handle could do the watchdog's work.

mod databases;
mod home;
#[cfg(test)]
mod tests;
mod watchdog;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::postgres::PgConnectOptions;

use super::address::Address;
use super::cluster::Cluster;
use super::error::{Doing, EmbeddedPostgresError, Result};
use super::user::{ServerUser, remove_socket_folder};
use super::{Durability, Options};
use databases::Janitor;
use home::Home;

/// Where the server of a test run lives, instead of the system's temporary folder. Cloning is making some 300 files:
/// where the disk is slow at that, a folder in memory (below `/dev/shm`) is worth it.
const STATE_VARIABLE: &str = "BILLING_LEDGER_TEST_PG_DIR";
const CONNECTIONS_MAX: u32 = 300;
/// Longer than a process-per-test runner needs between two tests.
const LINGER_SECONDS: u32 = 2;
/// Read by the watchdog, who removes that folder with the server.
const SOCKET_DIR_FILE: &str = "socket-dir";

static SHARED: tokio::sync::OnceCell<Arc<Shared>> = tokio::sync::OnceCell::const_new();

/// A database of one's own, a copy of the template `identifier`. The first caller of all processes has the template
/// made by `migrate`, which gets an empty database; put a hash of the migrations into the identifier, and changed
/// migrations make another template.
///
/// Only clones taken here are used: `migrate` must not leave open connections of value behind.
pub async fn test_database<Migrate, Migrating, Failure>(identifier: &str, migrate: Migrate) -> Result<TestDatabase>
where
    Migrate: FnOnce(PgConnectOptions) -> Migrating,
    Migrating: Future<Output = std::result::Result<(), Failure>>,
    Failure: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let shared = SHARED.get_or_try_init(|| blocking(|| Shared::join(None, LINGER_SECONDS))).await?;
    shared.database(identifier, migrate).await
}

/// Removed in the background once dropped. What a process leaves behind, the next one to arrive removes.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    shared: Arc<Shared>,
}

impl TestDatabase {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn connect_options(&self) -> PgConnectOptions {
        self.shared.address.connect_options(&self.name)
    }

    /// For child processes. The server lives while a test process does: a child that outlives us loses it.
    pub fn url(&self) -> String {
        self.shared.address.url(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.shared.janitor.remove(std::mem::take(&mut self.name));
    }
}

#[derive(Debug)]
struct Shared {
    address: Address,
    janitor: Janitor,
    templates: Mutex<HashSet<String>>,
    home: Home,
}

impl Shared {
    /// Joins the server of `state`, starting it if nobody has. Blocks.
    fn join(state: Option<&Path>, linger_seconds: u32) -> Result<Arc<Self>> {
        let user = ServerUser::current()?;
        let installation = super::installation(&user, &mut |line| tracing::info!("{line}"))?;
        let state = match (state, std::env::var_os(STATE_VARIABLE).filter(|path| !path.is_empty())) {
            (Some(state), _) => state.to_path_buf(),
            (None, Some(state)) => PathBuf::from(state),
            (None, None) => home::default_state(&user, &installation.version.full),
        };
        let home = Home::join(&state)?;
        let setting_up = home.set_up()?;
        let cluster = Cluster::open(&home.server_folder(), user, installation)?;
        // First the watchdog: there is never a server that nobody would end.
        watchdog::ensure(&home, &cluster.data(), linger_seconds)?;
        let address = running_address(&cluster).map_or_else(|| start_anew(cluster), Ok)?;
        drop(setting_up);
        let janitor = Janitor::init(&address)?;
        Ok(Arc::new(Self { address, janitor, templates: Mutex::default(), home }))
    }

    async fn database<Migrate, Migrating, Failure>(
        self: &Arc<Self>,
        identifier: &str,
        migrate: Migrate,
    ) -> Result<TestDatabase>
    where
        Migrate: FnOnce(PgConnectOptions) -> Migrating,
        Migrating: Future<Output = std::result::Result<(), Failure>>,
        Failure: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let template = databases::template_name(identifier);
        if !self.known_templates().contains(&template) {
            let shared = Arc::clone(self);
            let setting_up = blocking(move || shared.home.set_up()).await?;
            databases::make_template(&self.address, identifier, &template, migrate).await?;
            drop(setting_up);
            self.known_templates().insert(template.clone());
        }
        let name = self.janitor.next_name();
        databases::clone_template(&self.address, &template, &name).await?;
        Ok(TestDatabase { name, shared: Arc::clone(self) })
    }

    fn known_templates(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who started the server may have been killed before it was ready; such a one has no users yet.
fn running_address(cluster: &Cluster) -> Option<Address> {
    let server = cluster.running().filter(|server| server.accepts_connections)?;
    Some(Address { socket_dir: PathBuf::from(server.socket_dir), port: server.port })
}

fn start_anew(cluster: Cluster) -> Result<Address> {
    cluster.kill()?;
    let note = cluster.folder.join(SOCKET_DIR_FILE);
    if let Ok(socket_dir) = std::fs::read_to_string(&note) {
        remove_socket_folder(Path::new(socket_dir.trim()));
    }
    std::fs::remove_dir_all(&cluster.folder).doing("clear", &cluster.folder)?;
    let Cluster { user, installation, folder } = cluster;
    let cluster = Cluster::open(&folder, user, installation)?;
    let options = Options {
        data_dir: folder,
        durability: Durability::Off,
        settings: vec![("max_connections".to_owned(), CONNECTIONS_MAX.to_string())],
        tcp: false,
    };
    cluster.initialise(options.durability)?;
    let address = Address::init(&cluster.user, options.tcp)?;
    let socket_dir = address.socket_dir.to_string_lossy();
    std::fs::write(&note, format!("{socket_dir}\n")).doing("write", &note)?;
    cluster.start(&options, &address.socket_dir, address.port)?;
    Ok(address)
}

/// File locks and child processes block; the caller's runtime may have one thread only.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| EmbeddedPostgresError::Thread(error.to_string()))?
}
