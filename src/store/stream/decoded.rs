//! The events themselves, without what only proofs need.

use aggregates::{AccountKey, AggregateId, AggregateKind, Event, LogPart};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::super::hash::Hash;
use super::super::head::{hash_of, log_part};
use super::{Columns, Cursor, StoreError, Window, next_positions};

/// A commit as readers that fold it want it: its link in the chain and its events, without what only proofs need.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    pub log_part: LogPart,
    pub first_position: i64,
    pub event_count: i32,
    pub at: DateTime<Utc>,
    pub prev_chain: Hash,
    pub chain: Hash,
    pub events: Vec<CommittedEvent>,
}

/// An event, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedEvent {
    pub position: i64,
    pub version: i64,
    pub account: AccountKey,
    pub aggregate: AggregateId,
    pub event: Event,
}

impl Committed {
    #[must_use]
    pub fn last_position(&self) -> i64 {
        self.first_position + i64::from(self.event_count) - 1
    }
}

const LINKS: &str = "
SELECT c.log_part, c.first_position, c.event_count, c.committed_us, c.prev_chain, c.chain
  FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS w (log_part, position, events)
 CROSS JOIN LATERAL (SELECT * FROM ledger.commits c
                      WHERE c.log_part = w.log_part AND c.first_position > w.position
                        AND c.first_position <= w.position + w.events
                      ORDER BY c.first_position) c";

const EVENTS: &str = "
SELECT e.log_part, e.position, e.version, e.schema_version, e.account, e.aggregate_id, e.aggregate_type, e.event_type, e.payload
  FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS w (log_part, position, last_position)
 CROSS JOIN LATERAL (SELECT * FROM ledger.events e
                      WHERE e.log_part = w.log_part AND e.position > w.position AND e.position <= w.last_position
                      ORDER BY e.position) e";

/// Reads whole commits, each partition's in order. Every window must have something to read.
///
/// # Errors
/// When the database cannot be read, the log has a hole, or holds an event that this build does not know.
pub async fn read_decoded(connection: &mut PgConnection, windows: &[Window]) -> Result<Vec<Committed>, StoreError> {
    let mut commits = read_links(connection, windows).await?;
    let (mut parts, mut positions, mut last_positions) = (Vec::new(), Vec::new(), Vec::new());
    for of_part in commits.chunk_by(|a, b| a.log_part == b.log_part) {
        if let [first, ..] = of_part {
            parts.push(i16::from(first.log_part.number()));
            positions.push(first.first_position - 1);
            last_positions.push(of_part.last().unwrap_or(first).last_position());
        }
    }
    let mut rows = sqlx::query(EVENTS).bind(&parts).bind(&positions).bind(&last_positions).fetch(connection);
    // Both come by partition and position, so the events of a commit are the next ones.
    for commit in &mut commits {
        for position in commit.first_position..=commit.last_position() {
            let row = rows.try_next().await?;
            let found = row.as_ref().map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
            let (Some(row), true) = (row, found == Some((i16::from(commit.log_part.number()), position))) else {
                let what = "a hole: an event of the commit is missing".to_owned();
                return Err(StoreError::Hole { log_part: commit.log_part, position, what });
            };
            commit.events.push(decoded(&row, commit.log_part, position)?);
        }
    }
    Ok(commits)
}

async fn read_links(connection: &mut PgConnection, windows: &[Window]) -> Result<Vec<Committed>, StoreError> {
    let Columns { parts, positions, events } = Columns::of(windows);
    let rows = sqlx::query(LINKS).bind(&parts).bind(&positions).bind(&events).fetch_all(connection).await?;
    let mut next = next_positions(windows);
    let mut commits = Vec::with_capacity(rows.len());
    for row in &rows {
        let commit = link(row)?;
        let expected = next.insert(commit.log_part, commit.last_position() + 1);
        if expected != Some(commit.first_position) {
            let position = expected.unwrap_or(commit.first_position);
            let what = format!("a hole: the next commit starts at {}", commit.first_position);
            return Err(StoreError::Hole { log_part: commit.log_part, position, what });
        }
        commits.push(commit);
    }
    let missing =
        windows.iter().find(|window| next.get(&window.cursor.log_part) == Some(&(window.cursor.position + 1)));
    match missing {
        Some(Window { cursor: Cursor { log_part, position }, .. }) => {
            let what = "a hole: the head is further, but no commit follows".to_owned();
            Err(StoreError::Hole { log_part: *log_part, position: position + 1, what })
        }
        None => Ok(commits),
    }
}

fn link(row: &PgRow) -> Result<Committed, StoreError> {
    let committed_us: i64 = row.try_get(3)?;
    let event_count: i32 = row.try_get(2)?;
    Ok(Committed {
        log_part: log_part(row.try_get(0)?)?,
        first_position: row.try_get(1)?,
        event_count,
        at: DateTime::from_timestamp_micros(committed_us)
            .ok_or_else(|| StoreError::Corrupt(format!("a commit at {committed_us} µs")))?,
        prev_chain: hash_of(row.try_get(4)?)?,
        chain: hash_of(row.try_get(5)?)?,
        events: Vec::with_capacity(usize::try_from(event_count).unwrap_or_default()),
    })
}

fn decoded(row: &PgRow, log_part: LogPart, position: i64) -> Result<CommittedEvent, StoreError> {
    let (aggregate_type, event_type): (&str, &str) = (row.try_get(6)?, row.try_get(7)?);
    let kind = AggregateKind::from_name(aggregate_type)
        .ok_or_else(|| StoreError::Corrupt(format!("this build knows no aggregate {aggregate_type:?}")))?;
    // JSON travels as its text: nothing for the server to convert.
    let payload: &str = row.try_get_unchecked(8)?;
    Ok(CommittedEvent {
        position,
        version: row.try_get(2)?,
        account: AccountKey::from_uuid(row.try_get(4)?),
        aggregate: AggregateId { kind, id: row.try_get(5)? },
        event: Event::from_parts(kind, event_type, row.try_get(3)?, payload).map_err(|source| StoreError::Event {
            log_part,
            position,
            source,
        })?,
    })
}
