//! The databases on the shared server.
//!
//! ```text
//! tmpl_<hash>_building     being migrated; a killed builder leaves it to the next, who throws it away
//! tmpl_<hash>              complete, because it got this name last; nobody may connect to it
//! test_<owner>_<number>    one test's copy
//! ```
//!
//! An owner is a test process. It is present on the server with one connection that bears its name, from before its
//! first database is made; a database whose owner is not present is removed by whoever arrives next. At eight
//! megabytes each, a long run with a process per test would otherwise fill the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::address::Address;
use super::super::error::{EmbeddedPostgresError, Result};

const PRESENCE: &str = "tests-";
/// The last connections of a migration end a moment after it has returned.
const STRAGGLER_SECONDS_MAX: u64 = 10;

pub(super) fn template_name(identifier: &str) -> String {
    let hash = hex::encode(Sha256::digest(identifier.as_bytes()));
    format!("tmpl_{}", hash.chars().take(16).collect::<String>())
}

/// Makes the template unless it is there. The caller holds the set-up lock.
pub(super) async fn make_template<Migrate, Migrating, Failure>(
    address: &Address,
    identifier: &str,
    template: &str,
    migrate: Migrate,
) -> Result<()>
where
    Migrate: FnOnce(PgConnectOptions) -> Migrating,
    Migrating: Future<Output = std::result::Result<(), Failure>>,
    Failure: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut admin = connect(address.connect_options("postgres")).await?;
    let known = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
    if known.bind(template).fetch_one(&mut admin).await.map_err(refused("look for the template"))? {
        return Ok(());
    }
    let building = format!("{template}_building");
    run(&mut admin, &format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)"), "drop an unfinished template").await?;
    run(&mut admin, &format!("CREATE DATABASE {building}"), "create the template").await?;
    migrate(address.connect_options(&building))
        .await
        .map_err(|error| EmbeddedPostgresError::Template { identifier: identifier.to_owned(), source: error.into() })?;
    run(&mut admin, &format!("ALTER DATABASE {building} ALLOW_CONNECTIONS false"), "close the template").await?;
    rename_when_unused(&mut admin, &building, template).await
}

async fn rename_when_unused(admin: &mut PgConnection, from: &str, to: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(STRAGGLER_SECONDS_MAX);
    loop {
        let stragglers = sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1");
        stragglers.bind(from).execute(&mut *admin).await.map_err(refused("end the connections to the template"))?;
        match run(admin, &format!("ALTER DATABASE {from} RENAME TO {to}"), "rename the template").await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(10)).await,
            renamed_or_too_late => return renamed_or_too_late,
        }
    }
}

pub(super) async fn clone_template(address: &Address, template: &str, name: &str) -> Result<()> {
    let mut admin = connect(address.connect_options("postgres")).await?;
    run(&mut admin, &format!("CREATE DATABASE {name} TEMPLATE {template}"), "copy the template").await?;
    admin.close().await.map_err(refused("end a connection"))
}

/// This process on the server: its name, and the thread that removes its databases and those of the dead.
#[derive(Debug)]
pub(super) struct Janitor {
    owner: String,
    made: AtomicU64,
    to_remove: UnboundedSender<String>,
}

impl Janitor {
    /// Returns once this process is present on the server. Blocks.
    pub(super) fn init(address: &Address) -> Result<Self> {
        let owner: String = uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect();
        let presence = address.connect_options("postgres").application_name(&format!("{PRESENCE}{owner}"));
        let (to_remove, removals) = unbounded_channel();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        // A thread of its own, with a runtime of its own: each test's runtime ends with the test.
        let thread = std::thread::Builder::new().name("test-databases".to_owned());
        let lost = |error: &dyn std::error::Error| EmbeddedPostgresError::Thread(error.to_string());
        thread.spawn(move || work(presence, removals, &tell)).map_err(|error| lost(&error))?;
        told.recv().map_err(|error| lost(&error))??;
        Ok(Self { owner, made: AtomicU64::new(0), to_remove })
    }

    pub(super) fn next_name(&self) -> String {
        format!("test_{}_{}", self.owner, self.made.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn remove(&self, name: String) {
        if let Err(error) = self.to_remove.send(name) {
            tracing::debug!(database = error.0, "the database stays until another test process arrives");
        }
    }
}

type Told = std::sync::mpsc::SyncSender<Result<()>>;

fn work(presence: PgConnectOptions, removals: UnboundedReceiver<String>, tell: &Told) {
    let told = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Err(error) => tell.send(Err(EmbeddedPostgresError::Thread(error.to_string()))),
        Ok(runtime) => match runtime.block_on(connect(presence)) {
            Err(error) => tell.send(Err(error)),
            Ok(connection) => {
                let told = tell.send(Ok(()));
                runtime.block_on(keep_clean(connection, removals));
                told
            }
        },
    };
    if told.is_err() {
        tracing::debug!("nobody waits for the test databases any more");
    }
}

async fn keep_clean(mut connection: PgConnection, mut removals: UnboundedReceiver<String>) {
    // The owners are read after the databases' snapshot was taken, and an owner is there before its databases: one
    // that is missing is gone. Asked the other way round, a newcomer's database could be taken for an orphan.
    let orphans = "SELECT datname FROM pg_database d WHERE datname LIKE 'test\\_%' AND NOT EXISTS (SELECT FROM \
                   pg_stat_activity WHERE application_name = 'tests-' || split_part(d.datname, '_', 2))";
    let orphans = sqlx::query_scalar::<_, String>(orphans).fetch_all(&mut connection).await.unwrap_or_default();
    for name in orphans {
        drop_database(&mut connection, &name).await;
    }
    while let Some(name) = removals.recv().await {
        drop_database(&mut connection, &name).await;
    }
}

/// Two processes may drop the same orphan; the loser's error means what it wanted has happened.
async fn drop_database(connection: &mut PgConnection, name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", name.replace('"', "\"\""));
    if let Err(error) = run(connection, &sql, "drop a test database").await {
        tracing::debug!(database = name, %error, "a test database stays");
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgConnection> {
    options.disable_statement_logging().connect().await.map_err(refused("let us in"))
}

/// The names in these statements are made of our own letters, digits and underscores.
async fn run(connection: &mut PgConnection, sql: &str, doing: &'static str) -> Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ()).map_err(refused(doing))
}

fn refused(doing: &'static str) -> impl FnOnce(sqlx::Error) -> EmbeddedPostgresError {
    move |source| EmbeddedPostgresError::Database { doing, source }
}
