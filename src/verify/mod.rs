//! Proof that the log is what was written. It believes nothing that is stored beside the bytes themselves:
//!
//! ```text
//! events           ─► leaves ─► Merkle roots ─► chain ─► heads      part.rs, nothing skipped, nothing changed
//!                  └► folded, aggregate by aggregate ─► snapshots   fold.rs
//! command_results  ─► the events they name
//! accounts, event_types  ─► every account and kind of event is listed
//! ```
//!
//! It reads the log up to where the heads stood when it began, so it may run beside a server that writes. It shows that
//! the log is consistent with its heads; that the heads themselves were not replaced together with everything before
//! them is for whoever keeps a copy of them elsewhere.

mod fold;
mod part;

use aggregates::LogPart;
use serde::Serialize;
use sqlx::{PgPool, Row};

use crate::store::hash::Hash;
use crate::store::{Head, StoreError};

/// What was checked and found right.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub partitions: u64,
    pub commits: u64,
    pub events: u64,
    pub aggregates: u64,
    pub snapshots: u64,
    pub command_results: u64,
}

/// The first place where the log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub log_part: u8,
    /// The event, or the first event of the commit; after the last one for a head that is wrong.
    pub position: i64,
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "partition {}, position {}: {}", self.log_part, self.position, self.what)
    }
}

/// Why a partition was not found right.
enum Wrong {
    Log(Finding),
    Database(StoreError),
}

impl<E: Into<StoreError>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl Wrong {
    fn at(log_part: LogPart, position: i64, what: impl Into<String>) -> Self {
        Self::Log(Finding { log_part: log_part.number(), position, what: what.into() })
    }
}

/// Checks the whole log, partition by partition; `progress` hears of events done and events in all.
///
/// # Errors
/// When the database cannot be read. A log that is wrong is not an error but the inner result.
pub async fn run(pool: &PgPool, mut progress: impl FnMut(u64, u64)) -> Result<Result<Verified, Finding>, StoreError> {
    let heads = heads(pool).await?;
    let total: u64 = heads.iter().map(|(_, head)| head.position.unsigned_abs()).sum();
    let mut verified = Verified::default();
    for (log_part, head) in heads {
        let before = verified.events;
        let part = part::check(pool, log_part, head, |events| progress(before + events, total)).await;
        match part {
            Ok(part) => {
                verified.partitions += 1;
                verified.commits += part.commits;
                verified.events += part.events;
                verified.aggregates += part.aggregates;
                verified.snapshots += part.snapshots;
                verified.command_results += part.command_results;
            }
            Err(Wrong::Log(finding)) => return Ok(Err(finding)),
            Err(Wrong::Database(error)) => return Err(error),
        }
    }
    Ok(Ok(verified))
}

/// All 256 heads as of one moment.
async fn heads(pool: &PgPool) -> Result<Vec<(LogPart, Head)>, StoreError> {
    let rows =
        sqlx::query("SELECT log_part, position, epoch, committed_us, chain FROM ledger.log_heads ORDER BY log_part")
            .fetch_all(pool)
            .await?;
    let heads: Vec<(LogPart, Head)> = rows.iter().map(crate::store::head_of).collect::<Result<_, _>>()?;
    if heads.len() != usize::from(aggregates::LOG_PARTS) {
        return Err(StoreError::Corrupt(format!("{} heads instead of {}", heads.len(), aggregates::LOG_PARTS)));
    }
    Ok(heads)
}

fn short(hash: &Hash) -> String {
    hex::encode(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// A column of the first row, for the small look-ups of a check.
fn column<'r, T>(row: &'r sqlx::postgres::PgRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    Ok(row.try_get(name)?)
}
