//! `billing-ledger bench`: the store and the server under load, beside what people use today, in one run on one
//! PostgreSQL.
//!
//! ```text
//! workload.rs      the accounts and the charge that every system does
//! load.rs          callers against our store: closed loop for throughput, open loop for latency
//! ours.rs          our store's rows: callers, one hot account, long histories, two processes
//! worker.rs        one process of load, for two of them at once and for the crash tests
//! http/            `bench http`: the whole server under load, over HTTP
//! handwritten/     the SQL transaction that one writes by hand, through pgbench
//! raw/             the ceiling: the same rows inserted in batches, and nothing else
//! size.rs          bytes on disk
//! report.rs        the table and its JSON
//! rebuild.rs       another benchmark: read models made from a log
//! target.rs        the database all of them share
//! ```

// Throughput and time are floats; money never is.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod handwritten;
pub mod http;
pub mod load;
mod ours;
pub mod raw;
pub mod rebuild;
pub mod report;
pub mod size;
pub mod target;
pub mod worker;
pub mod workload;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sqlx::{Connection, Executor, PgConnection};

use crate::embedded_postgres::{self, Durability, EmbeddedPostgres};
use crate::store;
use report::{Hardware, Ratio, Report, Row};
use target::{Peer, Target};

/// What is written ahead of the measurements, so that no system pays for creating the files of the write-ahead log: in
/// a server that has run for a while they are recycled.
const WARM_WAL_MEGABYTES: i32 = 3_000;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 8)]
    pub seconds: u64,
    /// Also write the report as JSON into this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// The program whose `bench worker` or `serve` is started for measurements of whole processes.
    #[arg(long, hide = true)]
    pub program: Option<PathBuf>,
}

/// Measures everything on a private PostgreSQL with durability on, and prints the table.
///
/// # Errors
/// When there is no PostgreSQL to be had, or a measurement fails.
pub async fn run(options: &Options, peers: Vec<Box<dyn Peer>>) -> anyhow::Result<()> {
    let folder = folder()?;
    let postgres = private_postgres(folder.path()).await?;
    let measured = measure(options, &postgres, peers).await;
    postgres.stop().await?;
    publish(&measured?, options.json.as_deref())
}

/// Prints the table, and writes the JSON where it is wanted.
fn publish(report: &Report, json: Option<&Path>) -> anyhow::Result<()> {
    println!("{report}");
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_string_pretty(report)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A server of one's own in `folder`, with durability on.
async fn private_postgres(folder: &Path) -> anyhow::Result<EmbeddedPostgres> {
    let start = embedded_postgres::Options {
        data_dir: folder.join("postgres"),
        durability: Durability::On,
        settings: settings(),
        tcp: false,
    };
    let starting = move || EmbeddedPostgres::start(&start, &mut |line| tracing::info!("{line}"));
    Ok(tokio::task::spawn_blocking(starting).await??)
}

fn folder() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    // The server's user has to get through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// As one would set a server of this size; durability stays on.
fn settings() -> Vec<(String, String)> {
    [
        ("shared_buffers", "2GB"),
        ("min_wal_size", "4GB"),
        ("max_wal_size", "16GB"),
        ("checkpoint_timeout", "30min"),
        ("wal_buffers", "64MB"),
        ("max_connections", "200"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Migrated, and warm.
async fn prepare(postgres: &EmbeddedPostgres) -> anyhow::Result<(Target, PgConnection)> {
    let connect = postgres.connect_options("postgres");
    store::migrate(&connect).await?;
    let mut connection = PgConnection::connect_with(&connect).await?;
    warm_wal(&mut connection).await?;
    let target = Target {
        connect,
        socket_dir: postgres.socket_dir().to_owned(),
        port: postgres.port(),
        database: "postgres".to_owned(),
        pgbench: postgres.bin("pgbench"),
    };
    Ok((target, connection))
}

async fn measure(options: &Options, postgres: &EmbeddedPostgres, peers: Vec<Box<dyn Peer>>) -> anyhow::Result<Report> {
    let (target, mut connection) = prepare(postgres).await?;
    let mut rows = Vec::new();
    let mut done = async |rows: &mut Vec<Row>, what: &str, more: Vec<Row>| -> anyhow::Result<()> {
        rows.extend(more);
        connection.execute("CHECKPOINT").await?;
        tracing::info!("measured: {what}");
        Ok(())
    };
    done(&mut rows, "hand-written SQL", handwritten::run(&target, options.seconds).await?).await?;
    done(&mut rows, "raw inserts", raw::run(&target, options.seconds).await?).await?;
    let ours = ours::run(&target, postgres, options).await?;
    done(&mut rows, "our store", ours.rows).await?;
    for peer in peers {
        let more = peer.run(&target, options.seconds).await?;
        done(&mut rows, peer.name(), more).await?;
    }
    let mut ratios = ours::against_peers(&rows);
    ratios.extend(ours.ratios);
    Ok(Report { hardware: Hardware::read(postgres.version()), rows, ratios })
}

async fn warm_wal(connection: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query(
        "SELECT count(pg_logical_emit_message(false, 'warm', repeat('x', 1000000))) FROM generate_series(1, $1)",
    )
    .bind(WARM_WAL_MEGABYTES)
    .execute(&mut *connection)
    .await?;
    connection.execute("CHECKPOINT").await?;
    Ok(())
}

fn ratio(name: &str, value: f64, required: f64) -> Ratio {
    Ratio { name: name.to_owned(), value, required: Some(required), holds: Some(value >= required) }
}
