//! Databases to test on.

use std::os::unix::fs::PermissionsExt;

use billing_ledger::embedded_postgres::shared::{TestDatabase, test_database};
use billing_ledger::embedded_postgres::{Durability, EmbeddedPostgres, Options};
use billing_ledger::store::{MIGRATOR, Store, StoreOptions, migrate};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// A migrated database of one's own, on the server that all tests share.
pub(crate) async fn database() -> TestDatabase {
    test_database(&identifier(), async |connect| migrate(&connect).await).await.expect("a database")
}

/// Other migrations make another template.
fn identifier() -> String {
    let mut digest = Sha256::new();
    for migration in MIGRATOR.iter() {
        digest.update(&migration.checksum);
    }
    format!("ledger-{}", hex::encode(digest.finalize()))
}

pub(crate) async fn open_store(connect: PgConnectOptions) -> Store {
    Store::open(connect, StoreOptions::default()).await.expect("a store")
}

/// Connections as the owner of the database, past everything the store adds to its own.
pub(crate) async fn plain_pool(connect: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect_with(connect).await.expect("a pool")
}

/// A migrated server of one's own, with durability on, that a test may kill.
pub(crate) struct Server {
    postgres: Option<EmbeddedPostgres>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        // Unlike the private folder that `tempfile` makes by itself, the server's user may enter this one.
        let mut folder = tempfile::Builder::new();
        let folder = folder.permissions(std::fs::Permissions::from_mode(0o755)).tempdir().expect("a folder");
        let options = Options {
            data_dir: folder.path().join("postgres"),
            durability: Durability::On,
            settings: Vec::new(),
            tcp: false,
        };
        let postgres = blocking(move || EmbeddedPostgres::start(&options, &mut |_| ()).expect("a server")).await;
        migrate(&postgres.connect_options("postgres")).await.expect("migrations");
        Self { postgres: Some(postgres), _folder: folder }
    }

    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.postgres().connect_options("postgres")
    }

    pub(crate) fn url(&self) -> String {
        self.postgres().url("postgres")
    }

    /// Every process of the server ends at once, as in a power cut; then it starts again and recovers.
    pub(crate) async fn kill_and_restart(&mut self) {
        let postgres = self.postgres.take().expect("running");
        let restarted = blocking(move || {
            postgres.kill().expect("killed");
            postgres.restart().expect("restarted");
            postgres
        });
        self.postgres = Some(restarted.await);
    }

    fn postgres(&self) -> &EmbeddedPostgres {
        self.postgres.as_ref().expect("running")
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}
