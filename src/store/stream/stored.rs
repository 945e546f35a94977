//! Everything that is stored, byte for byte.

use aggregates::{AccountKey, LogPart};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::super::hash::{EventBytes, Hash};
use super::super::head::{hash_of, log_part};
use super::{Columns, Cursor, StoreError, Window, next_positions};

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
  FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS w (log_part, position, events)
 CROSS JOIN LATERAL (SELECT * FROM ledger.commits c
                      WHERE c.log_part = w.log_part AND c.first_position > w.position
                        AND c.first_position <= w.position + w.events
                      ORDER BY c.first_position LIMIT $4) c
  LEFT JOIN ledger.events e
    ON e.log_part = c.log_part AND e.position >= c.first_position AND e.position < c.first_position + c.event_count
 ORDER BY c.log_part, c.first_position, e.position";

/// More events than any log has, and less than overflows when it is added to a position.
const ALL_EVENTS: i64 = i64::MAX / 2;

/// Reads up to `commits_max` commits of each partition after its cursor, in one round trip; ordered by partition and
/// position. A commit may have a thousand events: who has no use for so many at once asks for [`read_windows`].
///
/// # Errors
/// When the database cannot be read, or the log has a hole.
pub async fn read(pool: &PgPool, cursors: &[Cursor], commits_max: i64) -> Result<Vec<StoredCommit>, StoreError> {
    let windows: Vec<Window> = cursors.iter().map(|cursor| Window { cursor: *cursor, events: ALL_EVENTS }).collect();
    read_stored(pool, &windows, Some(commits_max)).await
}

/// As [`read`], bounded by events.
///
/// # Errors
/// When the database cannot be read, or the log has a hole.
pub async fn read_windows(pool: &PgPool, windows: &[Window]) -> Result<Vec<StoredCommit>, StoreError> {
    read_stored(pool, windows, None).await
}

async fn read_stored(
    pool: &PgPool,
    windows: &[Window],
    commits_max: Option<i64>,
) -> Result<Vec<StoredCommit>, StoreError> {
    let Columns { parts, positions, events } = Columns::of(windows);
    let rows = sqlx::query(READ).bind(&parts).bind(&positions).bind(&events).bind(commits_max).fetch_all(pool).await?;
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
    check_whole(windows, &commits)?;
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
fn check_whole(windows: &[Window], commits: &[StoredCommit]) -> Result<(), StoreError> {
    let mut expected = next_positions(windows);
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
