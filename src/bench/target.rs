//! The database that all systems in the table share, and what a system needs to be in it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use sqlx::postgres::PgConnectOptions;

use super::report::Row;

/// One running PostgreSQL, migrated. Every system keeps its tables in a schema of its own and drops it when it is done,
/// so that no autovacuum of one disturbs the figures of the next.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the owner of the database, over the socket.
    pub connect: PgConnectOptions,
    pub socket_dir: PathBuf,
    pub port: u16,
    pub database: String,
    /// The `pgbench` program of the server's own version.
    pub pgbench: PathBuf,
}

/// What a peer is doing; it may borrow the peer and the target.
pub type PeerRun<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Row>>> + 'a>>;

/// A system that needs crates the ledger itself does without, and so is handed in from `benches/`.
pub trait Peer {
    fn name(&self) -> &str;

    /// Measures for about `seconds` per row, plus its set-up.
    fn run<'a>(&'a self, target: &'a Target, seconds: u64) -> PeerRun<'a>;
}
