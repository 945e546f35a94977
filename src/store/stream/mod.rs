//! Reading the log forward, by partition and position, in batches that end at commits.
//!
//! Positions are gapless and a commit becomes visible as a whole, so `position > mine` can hide nothing: whoever sees
//! position n + 1 has seen n. The batch is checked for it all the same; a hole is an error, not a skip.
//!
//! ```text
//! mod.rs       who is behind, and how much to read of each partition: behind ─► share
//! stored.rs    everything that is stored, byte for byte: for proofs and audits
//! decoded.rs   the events themselves: for read models
//! ```

mod decoded;
mod stored;

use std::collections::HashMap;

use aggregates::LogPart;
use sqlx::{PgConnection, Row};

use super::head::log_part;
use super::unit::StoreError;

pub use decoded::{Committed, CommittedEvent, read_decoded};
pub use stored::{StoredCommit, StoredEvent, read, read_windows};

/// Where a reader is in one partition: it has seen everything up to `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub log_part: LogPart,
    pub position: i64,
}

/// A partition that has more than a reader has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    pub cursor: Cursor,
    pub head: i64,
}

impl Behind {
    #[must_use]
    pub fn events(&self) -> i64 {
        self.head - self.cursor.position
    }
}

/// The partitions of `cursors` whose heads are further. An answer of no rows while nothing happens.
///
/// # Errors
/// When the database cannot be read.
pub async fn behind(connection: &mut PgConnection, cursors: &[Cursor]) -> Result<Vec<Behind>, StoreError> {
    let parts: Vec<i16> = cursors.iter().map(|cursor| i16::from(cursor.log_part.number())).collect();
    let positions: Vec<i64> = cursors.iter().map(|cursor| cursor.position).collect();
    let rows = sqlx::query(
        "SELECT h.log_part, w.position AS seen, h.position
           FROM unnest($1::int2[], $2::int8[]) AS w (log_part, position)
           JOIN ledger.log_heads h ON h.log_part = w.log_part
          WHERE h.position > w.position ORDER BY h.log_part",
    )
    .bind(&parts)
    .bind(&positions)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let cursor = Cursor { log_part: log_part(row.try_get(0)?)?, position: row.try_get(1)? };
            Ok(Behind { cursor, head: row.try_get(2)? })
        })
        .collect()
}

/// How much to read of one partition: the commits that begin within `events` after the cursor, to their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub cursor: Cursor,
    pub events: i64,
}

/// Windows as `unnest` takes them.
struct Columns {
    parts: Vec<i16>,
    positions: Vec<i64>,
    events: Vec<i64>,
}

impl Columns {
    fn of(windows: &[Window]) -> Self {
        Self {
            parts: windows.iter().map(|window| i16::from(window.cursor.log_part.number())).collect(),
            positions: windows.iter().map(|window| window.cursor.position).collect(),
            events: windows.iter().map(|window| window.events).collect(),
        }
    }
}

/// The first position that each window must bring.
fn next_positions(windows: &[Window]) -> HashMap<LogPart, i64> {
    windows.iter().map(|window| (window.cursor.log_part, window.cursor.position + 1)).collect()
}

/// Shares out `events_max` (and what the last commits have more) in proportion to what is left to read. So all partitions
/// come to their ends together, and the log is read about in the order in which it lies on the disk.
#[must_use]
pub fn share(behind: &[Behind], events_max: i64) -> Vec<Window> {
    let left: i64 = behind.iter().map(Behind::events).sum();
    let window = |behind: &Behind| {
        let all = behind.events();
        // Neither factor is large enough in any real log to leave 128 bits.
        let fair = i128::from(all) * i128::from(events_max) / i128::from(left.max(1));
        let events = if left <= events_max { all } else { i64::try_from(fair).unwrap_or(events_max).max(1) };
        Window { cursor: behind.cursor, events }
    };
    behind.iter().map(window).collect()
}
