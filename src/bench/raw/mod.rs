//! The ceiling: the rows of the log, inserted in batches, and nothing else. No decision, no hash, no head, no answer.
//!
//! ```text
//!   rows.rs      what would be in the log: accounts by Zipf's law, gapless positions, a real payload
//!   insert.rs    a batch as one statement of `unnest`ed arrays
//!   copy.rs      a batch as one COPY in the binary format
//! ```
//!
//! Like the lanes of the store, every connection has its own share of the partitions and sends a batch in partition
//! order. Each variant starts with empty tables; short trials find the best one, which is then measured.

mod copy;
mod insert;
mod rows;

use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::rows::Generator;
use super::report::Row;
use super::size::Baseline;
use super::target::Target;
use super::workload::MANY;

/// The name in the table of what a charge writes, without the commit; the rows of a batch follow.
pub const EVENTS_AND_RESULTS: &str = "raw INSERT, event + result row, by";
const SCHEMA: &str = "DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw; \
     CREATE TABLE raw.events (LIKE ledger.events INCLUDING ALL); \
     CREATE TABLE raw.command_results (LIKE ledger.command_results INCLUDING ALL)";
const CONNECTIONS_TRIED: [u8; 3] = [1, 2, 4];
/// A batch as the store sends them under load, and one for those who can wait.
const BATCH_ROWS: usize = 200;
const BIG_BATCH_ROWS: usize = 1_000;
const COPY_ROWS: usize = 10_000;
/// A trial takes this share of a measurement, and at least a second.
const TRIAL_SHARE: u64 = 5;
/// A batch that takes longer hangs.
const BATCH_WAIT: Duration = Duration::from_secs(30);

/// What is written of every charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Events,
    EventsAndResults,
    CopiedEvents,
}

#[derive(Clone, Copy, Debug)]
struct Variant {
    what: What,
    connections: u8,
    batch_rows: usize,
}

struct Measured {
    variant: Variant,
    per_second: f64,
    bytes_per_charge: Option<f64>,
}

/// Events alone, events with their results, and events by COPY: a row each.
///
/// # Errors
/// When the database fails.
pub async fn run(postgres: &Target, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(postgres.connect.clone()).await?;
    pool.execute(SCHEMA).await.context("the raw schema")?;
    let mut rows = Vec::new();
    for (what, batch_rows) in [
        (What::Events, BATCH_ROWS),
        (What::EventsAndResults, BATCH_ROWS),
        (What::EventsAndResults, BIG_BATCH_ROWS),
        (What::CopiedEvents, COPY_ROWS),
    ] {
        let row = best(postgres, &pool, what, batch_rows, seconds).await;
        rows.push(row.with_context(|| format!("{what:?} by {batch_rows}"))?);
    }
    pool.execute("DROP SCHEMA raw CASCADE").await?;
    pool.close().await;
    Ok(rows)
}

impl What {
    fn system(self, batch_rows: usize) -> String {
        match self {
            Self::Events => format!("raw INSERT, event row, by {batch_rows}"),
            Self::EventsAndResults => format!("{EVENTS_AND_RESULTS} {batch_rows}"),
            Self::CopiedEvents => format!("raw COPY, event row, by {batch_rows}"),
        }
    }

    async fn write(self, connection: &mut PgConnection, generator: &mut Generator, rows: usize) -> anyhow::Result<u64> {
        let batch = generator.batch(rows);
        match self {
            Self::Events => insert::events(connection, &batch).await,
            Self::EventsAndResults => insert::events_and_results(connection, &batch).await,
            Self::CopiedEvents => copy::events(connection, &batch).await,
        }
    }
}

async fn best(postgres: &Target, pool: &PgPool, what: What, batch_rows: usize, seconds: u64) -> anyhow::Result<Row> {
    let trial = Duration::from_secs((seconds / TRIAL_SHARE).max(1));
    let mut trials = Vec::new();
    for connections in CONNECTIONS_TRIED {
        trials.push(measure(postgres, pool, Variant { what, connections, batch_rows }, trial).await?);
    }
    let winner = trials.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second)).context("no trial")?.variant;
    let measured = measure(postgres, pool, winner, Duration::from_secs(seconds)).await?;
    Ok(Row {
        system: what.system(batch_rows),
        accounts: MANY.to_owned(),
        callers: usize::from(winner.connections),
        per_second: measured.per_second,
        latency: None,
        conflicts: None,
        bytes_per_charge: measured.bytes_per_charge,
        note: note(&trials),
    })
}

fn note(trials: &[Measured]) -> String {
    let tried: Vec<_> = trials
        .iter()
        .map(|trial| format!("{} connections {:.0}/s", trial.variant.connections, trial.per_second))
        .collect();
    format!(
        "A ceiling, not a ledger: no decision, hash or answer. Durable commits; the best of these short trials: {}.",
        tried.join(", ")
    )
}

/// Runs one variant on empty tables until `duration` is over; what is under way then still counts, and its time too.
async fn measure(postgres: &Target, pool: &PgPool, variant: Variant, duration: Duration) -> anyhow::Result<Measured> {
    pool.execute("TRUNCATE raw.events, raw.command_results").await?;
    let before = Baseline::take(pool, "raw").await?;
    let mut writers = Vec::new();
    for share in 0..variant.connections {
        let generator = Generator::new(share, variant.connections)?;
        let connect = postgres.connect.clone().disable_statement_logging();
        writers.push((generator, PgConnection::connect_with(&connect).await?));
    }

    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (generator, connection) in writers {
        tasks.spawn(write_until(begin + duration, variant, generator, connection));
    }
    let mut rows = 0;
    let mut connections = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (written, connection) = done.context("a writer")??;
        rows += written;
        connections.push(connection);
    }
    let per_second = rows as f64 / begin.elapsed().as_secs_f64();
    for connection in connections {
        connection.close().await?;
    }
    let bytes_per_charge = before.bytes_per_charge(pool, rows).await?;
    Ok(Measured { variant, per_second, bytes_per_charge })
}

async fn write_until(
    end: Instant,
    variant: Variant,
    mut generator: Generator,
    mut connection: PgConnection,
) -> anyhow::Result<(u64, PgConnection)> {
    let mut rows = 0;
    while Instant::now() < end {
        let writing = variant.what.write(&mut connection, &mut generator, variant.batch_rows);
        rows += timeout(BATCH_WAIT, writing).await.context("a batch did not end in time")??;
    }
    Ok((rows, connection))
}
