//! Read models made again from the first event, beside the live ones.
//!
//! ```text
//!   tables.rs   read_next: empty copies ──────────────────────────────► swap: they become `read`
//!   source.rs   the log, read ahead ──► fold ──► read_next, in big batches ──► catch up ──► compare
//!                                                                             (live checkpoints held)
//! ```
//!
//! It aims at where the live read models are, not at the end of the log: both generations are then of the same moment
//! and can be compared row by row. The live loop goes on meanwhile. It is held up once for the last stretch and the
//! comparison, which reads both copies of every table twice; queries are only held up for the swap itself, which gives way
//! to a query that takes long, and comes back: the live loop goes on in between and is then held up for the locks alone.

mod source;
mod tables;

use std::time::Duration;

use aggregates::LogPart;
use projections::{Checkpoints, Generation, Projection, Runner, RunnerError, Written, load_checkpoints};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::store::StoreError;
use crate::workers::projections::fold;
use source::Source;
pub use tables::Difference;

/// Events folded for one transaction. What is folded is kept in memory, row by row.
const FOLD_EVENTS_MAX: usize = 100_000;
/// The live read models are held up once no more than this is missing…
const LAST_STRETCH_EVENTS: i64 = 5_000;
/// …or after so many rounds of going after them.
const ROUNDS_MAX: u32 = 10;
/// A query that takes long comes first so many times.
const SWAPS_MAX: u32 = 30;
const BETWEEN_SWAPS: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of projections; all of them where this is empty.
    pub only: Vec<String>,
    /// Compare, and leave the live read models as they are.
    pub check: bool,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    pub events: u64,
    pub tables: Vec<Difference>,
    pub swapped: bool,
}

impl Rebuilt {
    /// Whether the live rows were what the log makes of them.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.tables.iter().all(Difference::is_none)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no projection {0:?}")]
    Unknown(String),
    #[error("another rebuild is under way")]
    UnderWay,
    #[error(
        "the live read models were made of another log, or not of all of it: partition {0} differs at its checkpoint"
    )]
    OtherLog(LogPart),
    #[error("queries held the tables for too long; try again")]
    Busy,
    #[error(transparent)]
    Log(#[from] StoreError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Rebuilds as the owner of the tables: `connect` must not become the writer. `progress` hears of events done and
/// events in all.
///
/// # Errors
/// See [`RebuildError`]. The live read models are then as they were.
pub async fn run(
    connect: &PgConnectOptions,
    options: &Options,
    mut progress: impl FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    let chosen = select(&options.only)?;
    let mut connection = PgConnection::connect_with(connect).await?;
    tables::claim(&mut connection).await?;
    let rebuilt = claimed(connect, &mut connection, options, chosen, &mut progress).await;
    // The server may take a moment to notice that a connection is gone, and the claim with it.
    let released = tables::release(&mut connection).await;
    let rebuilt = rebuilt?;
    released?;
    connection.close().await?;
    Ok(rebuilt)
}

async fn claimed(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    options: &Options,
    chosen: Vec<Box<dyn Projection>>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    let names: Vec<&str> = chosen.iter().flat_map(|projection| projection.tables()).copied().collect();
    tables::prepare(connection, &names).await?;
    let events = fill(connect, connection, chosen, progress).await?;
    tables::add_indexes(connection, &names).await?;
    let (tables, late) = finish(connect, connection, options, &names).await?;
    tables::discard(connection).await?;
    Ok(Rebuilt { events: events + late, tables, swapped: !options.check })
}

fn select(only: &[String]) -> Result<Vec<Box<dyn Projection>>, RebuildError> {
    projections::select(only).map_err(RebuildError::Unknown)
}

/// Replays the log until the live read models are near.
async fn fill(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    chosen: Vec<Box<dyn Projection>>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<u64, RebuildError> {
    let mut runner = Runner::load(connection, Generation::Next, chosen).await?;
    let mut done = 0;
    for _ in 0..ROUNDS_MAX {
        let target = load_checkpoints(connection).await?;
        let missing = missing(runner.written(), &target);
        if done > 0 && missing <= LAST_STRETCH_EVENTS {
            break;
        }
        let total = done + missing.unsigned_abs();
        let mut source = Source::start(connect.clone(), runner.written(), &target);
        while let Some(commits) = source.next().await? {
            for commit in &commits {
                fold(&mut runner, commit)?;
                done += commit.events.len() as u64;
            }
            progress(done, total);
            if runner.pending() >= FOLD_EVENTS_MAX {
                write(&mut runner, connection).await?;
            }
        }
        write(&mut runner, connection).await?;
    }
    Ok(done)
}

/// Nobody else writes this generation.
async fn write(runner: &mut Runner, connection: &mut PgConnection) -> Result<(), RebuildError> {
    match runner.write(connection).await? {
        Written::Moved => Ok(()),
        Written::Overtaken => Err(RebuildError::UnderWay),
    }
}

fn missing(from: &Checkpoints, to: &Checkpoints) -> i64 {
    let missing = to.iter().map(|(log_part, to)| to.position - from.get(log_part).map_or(0, |from| from.position));
    missing.map(|events| events.max(0)).sum()
}

/// Until the swap gets through, or there was nothing to swap. The rows are compared once, at the first try; whoever feeds
/// the live read models goes on between two tries, and at a later one waits for little more than the locks are waited for.
async fn finish(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
    options: &Options,
    names: &[&str],
) -> Result<(Vec<Difference>, u64), RebuildError> {
    let (mut compared, mut late) = (None, 0);
    for _ in 0..SWAPS_MAX {
        let mut tx = connection.begin().await?;
        late += catch_up(connect, &mut tx, options).await?;
        let differences = match compared.take() {
            Some(differences) => differences,
            None => tables::compare(&mut tx, names).await?,
        };
        if options.check {
            tx.rollback().await?;
            return Ok((differences, late));
        }
        let swapped = tables::swap(&mut tx, names).await?;
        // Not swapped, what was caught up is kept, and the next try has only to do the rest.
        tx.commit().await?;
        if swapped {
            return Ok((differences, late));
        }
        compared = Some(differences);
        tokio::time::sleep(BETWEEN_SWAPS).await;
    }
    Err(RebuildError::Busy)
}

/// Brings the next generation to exactly where the live one is, and answers how many events that took. Holds the live
/// checkpoints, and with them every writer of the live tables, until the transaction ends.
async fn catch_up(connect: &PgConnectOptions, tx: &mut PgConnection, options: &Options) -> Result<u64, RebuildError> {
    tables::hold_live(tx).await?;
    let target = load_checkpoints(tx).await?;
    let mut runner = Runner::load(tx, Generation::Next, select(&options.only)?).await?;
    let mut source = Source::start(connect.clone(), runner.written(), &target);
    let mut late = 0;
    while let Some(commits) = source.next().await? {
        for commit in &commits {
            fold(&mut runner, commit)?;
            late += commit.events.len() as u64;
        }
        if runner.write_in_tx(tx).await? == Written::Overtaken {
            return Err(RebuildError::UnderWay);
        }
    }
    match target.iter().find(|(log_part, at)| runner.written().get(log_part) != Some(at)) {
        Some((log_part, _)) => Err(RebuildError::OtherLog(*log_part)),
        None => Ok(late),
    }
}
