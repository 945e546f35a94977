//! Reading the log forward, by partition and position, in batches that end at commits.
//!
//! Positions are gapless and a commit becomes visible as a whole, so `position > mine` can hide nothing: whoever sees
//! position n + 1 has seen n. The batch is checked for it all the same; a hole is an error, not a skip.
//!
//! ```text
//! read             everything that is stored, byte for byte: for proofs and audits
//! behind ─► share ─► read_decoded    who is behind, how much of each partition, the events themselves: for read models
//! ```

use aggregates::{AccountKey, AggregateId, AggregateKind, Event, LogPart};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::hash::{EventBytes, Hash};
use super::head::{hash_of, log_part};
use super::unit::StoreError;

/// Where a reader is in one partition: it has seen everything up to `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub log_part: LogPart,
    pub position: i64,
}

/// An event as the log keeps it. The payload is text as stored; `aggregates::Event::from_parts` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub position: i64,
    pub version: i64,
    /// The first eight bytes of its leaf hash, as stored.
    pub leaf: i64,
    pub schema_version: i16,
    pub account: AccountKey,
    pub aggregate_id: Uuid,
    pub command_id: Uuid,
    pub aggregate_type: String,
    pub event_type: String,
    pub payload: String,
    pub metadata: String,
}

impl StoredEvent {
    /// The columns that its leaf hash covers.
    #[must_use]
    pub fn bytes(&self, log_part: LogPart) -> EventBytes<'_> {
        EventBytes {
            log_part,
            position: self.position,
            version: self.version,
            schema_version: self.schema_version,
            account: self.account,
            aggregate_id: self.aggregate_id,
            command_id: self.command_id,
            aggregate_type: &self.aggregate_type,
            event_type: &self.event_type,
            payload: &self.payload,
            metadata: &self.metadata,
        }
    }
}

/// A commit with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommit {
    pub log_part: LogPart,
    pub first_position: i64,
    pub event_count: i32,
    /// Microseconds since the Unix epoch.
    pub committed_us: i64,
    pub batch_id: Uuid,
    pub events_root: Hash,
    pub prev_chain: Hash,
    pub chain: Hash,
    pub events: Vec<StoredEvent>,
}

impl StoredCommit {
    #[must_use]
    pub fn last_position(&self) -> i64 {
        self.first_position + i64::from(self.event_count) - 1
    }
}

const READ: &str = "
SELECT c.log_part, c.first_position, c.event_count, c.committed_us, c.batch_id, c.events_root, c.prev_chain, c.chain,
       e.position, e.version, e.leaf, e.schema_version, e.account, e.aggregate_id, e.command_id, e.aggregate_type,
       e.event_type, e.payload::text AS payload, e.metadata::text AS metadata
  FROM unnest($1::int2[], $2::int8[]) AS w (log_part, position)
 CROSS JOIN LATERAL (SELECT * FROM ledger.commits c
                      WHERE c.log_part = w.log_part AND c.first_position > w.position
                      ORDER BY c.first_position LIMIT $3) c
  LEFT JOIN ledger.events e
    ON e.log_part = c.log_part AND e.position >= c.first_position AND e.position < c.first_position + c.event_count
 ORDER BY c.log_part, c.first_position, e.position";

/// Reads up to `commits_max` commits of each partition after its cursor, in one round trip; ordered by partition and
/// position.
///
/// # Errors
/// When the database cannot be read, or the log has a hole.
pub async fn read(pool: &PgPool, cursors: &[Cursor], commits_max: i64) -> Result<Vec<StoredCommit>, StoreError> {
    let parts: Vec<i16> = cursors.iter().map(|cursor| i16::from(cursor.log_part.number())).collect();
    let positions: Vec<i64> = cursors.iter().map(|cursor| cursor.position).collect();
    let rows = sqlx::query(READ).bind(&parts).bind(&positions).bind(commits_max).fetch_all(pool).await?;
    let mut commits: Vec<StoredCommit> = Vec::new();
    for row in &rows {
        let (part, first_position) = (log_part(row.try_get("log_part")?)?, row.try_get("first_position")?);
        let commit = match commits.last_mut() {
            Some(last) if last.log_part == part && last.first_position == first_position => last,
            _ => {
                commits.push(commit_of(row, part, first_position)?);
                commits.last_mut().ok_or_else(|| StoreError::Corrupt("no commit".to_owned()))?
            }
        };
        if row.try_get::<Option<i64>, _>("position")?.is_some() {
            commit.events.push(event_of(row)?);
        }
    }
    check_whole(cursors, &commits)?;
    Ok(commits)
}

fn commit_of(row: &PgRow, log_part: LogPart, first_position: i64) -> Result<StoredCommit, StoreError> {
    Ok(StoredCommit {
        log_part,
        first_position,
        event_count: row.try_get("event_count")?,
        committed_us: row.try_get("committed_us")?,
        batch_id: row.try_get("batch_id")?,
        events_root: hash_of(row.try_get("events_root")?)?,
        prev_chain: hash_of(row.try_get("prev_chain")?)?,
        chain: hash_of(row.try_get("chain")?)?,
        events: Vec::new(),
    })
}

fn event_of(row: &PgRow) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        position: row.try_get("position")?,
        version: row.try_get("version")?,
        leaf: row.try_get("leaf")?,
        schema_version: row.try_get("schema_version")?,
        account: AccountKey::from_uuid(row.try_get("account")?),
        aggregate_id: row.try_get("aggregate_id")?,
        command_id: row.try_get("command_id")?,
        aggregate_type: row.try_get("aggregate_type")?,
        event_type: row.try_get("event_type")?,
        payload: row.try_get("payload")?,
        metadata: row.try_get("metadata")?,
    })
}

/// Every partition's commits go on where its cursor is, and every commit has all its events.
fn check_whole(cursors: &[Cursor], commits: &[StoredCommit]) -> Result<(), StoreError> {
    let mut expected: std::collections::HashMap<LogPart, i64> =
        cursors.iter().map(|cursor| (cursor.log_part, cursor.position + 1)).collect();
    for commit in commits {
        let next = expected.entry(commit.log_part).or_insert(1);
        let positions = commit.events.iter().map(|event| event.position);
        if commit.first_position != *next || !positions.eq(commit.first_position..=commit.last_position()) {
            let what = format!(
                "a hole: the next commit starts at {} and holds {} of its {} events",
                commit.first_position,
                commit.events.len(),
                commit.event_count
            );
            return Err(StoreError::Hole { log_part: commit.log_part, position: *next, what });
        }
        *next = commit.last_position() + 1;
    }
    Ok(())
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
    let parts: Vec<i16> = windows.iter().map(|window| i16::from(window.cursor.log_part.number())).collect();
    let positions: Vec<i64> = windows.iter().map(|window| window.cursor.position).collect();
    let events: Vec<i64> = windows.iter().map(|window| window.events).collect();
    let rows = sqlx::query(LINKS).bind(&parts).bind(&positions).bind(&events).fetch_all(connection).await?;
    let mut next: std::collections::HashMap<LogPart, i64> =
        windows.iter().map(|window| (window.cursor.log_part, window.cursor.position + 1)).collect();
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
