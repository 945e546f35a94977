//! The log, read from the front: its events one by one, or what they make of each aggregate.
//!
//! It reads as a proof does, byte for byte, and folds with the domain alone: no read model, no snapshot, no cache has a
//! say. So it is what read models are measured against.

use std::collections::BTreeMap;

use aggregates::{AccountId, AccountKey, AggregateId, AggregateKind, Event, LogPart, State};
use sqlx::{PgPool, Row};

use crate::store::StoreError;
use crate::store::stream::{Cursor, StoredCommit, StoredEvent, Window, read_windows};

/// Events read at once, and what the last commit has more: a hot partition puts a thousand into one.
const EVENTS_MAX: i64 = 10_000;

/// What to read. `None`: all there is.
#[derive(Debug, Clone, Default)]
pub struct Range {
    pub account: Option<AccountId>,
    pub log_part: Option<LogPart>,
    /// The first position…
    pub from: Option<i64>,
    /// …and the last one.
    pub to: Option<i64>,
}

impl Range {
    fn includes(&self, event: &StoredEvent) -> bool {
        self.from.is_none_or(|from| from <= event.position)
            && self.to.is_none_or(|to| event.position <= to)
            && self.account.as_ref().is_none_or(|account| account.key() == event.account)
    }
}

/// An aggregate as its events make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    pub account: AccountKey,
    pub version: i64,
    pub state: State,
}

/// Every aggregate of one partition.
pub type Aggregates = BTreeMap<(AccountKey, AggregateId), Folded>;

/// Shows every event of the range with its commit; `progress` hears of events read and events in all.
///
/// # Errors
/// When the log cannot be read or has a hole, or `show` fails.
pub async fn events<E: From<StoreError>>(
    pool: &PgPool,
    range: &Range,
    mut progress: impl FnMut(u64, u64),
    mut show: impl FnMut(&StoredCommit, &StoredEvent) -> Result<(), E>,
) -> Result<(), E> {
    let parts = parts(pool, range).await?;
    let total = parts.iter().map(|part| (part.to - part.cursor.position).max(0).unsigned_abs()).sum();
    let mut done = 0;
    for Part { mut cursor, to } in parts {
        while cursor.position < to {
            let commits = read_windows(pool, &[Window { cursor, events: EVENTS_MAX }]).await?;
            if commits.is_empty() {
                let what = format!("a hole: the head is at {to}, but no commit follows");
                return Err(StoreError::Hole { log_part: cursor.log_part, position: cursor.position + 1, what }.into());
            }
            for commit in &commits {
                commit.events.iter().filter(|event| range.includes(event)).try_for_each(|event| show(commit, event))?;
                cursor.position = commit.last_position();
                done += commit.events.len() as u64;
            }
            progress(done, total);
        }
    }
    Ok(())
}

/// Folds the range, and shows the aggregates of one partition after the other. It starts at the first event whatever
/// `range.from` says: states are made of all that came before.
///
/// # Errors
/// When the log cannot be read, has a hole, or holds an event that this build does not know; or `show` fails.
pub async fn fold<E: From<StoreError>>(
    pool: &PgPool,
    range: &Range,
    progress: impl FnMut(u64, u64),
    mut show: impl FnMut(LogPart, Aggregates) -> Result<(), E>,
) -> Result<(), E> {
    let range = Range { from: None, ..range.clone() };
    let mut current: Option<(LogPart, Aggregates)> = None;
    events(pool, &range, progress, |commit, event| {
        if let Some((log_part, aggregates)) = current.take_if(|(log_part, _)| *log_part != commit.log_part) {
            show(log_part, aggregates)?;
        }
        let (_, aggregates) = current.get_or_insert_with(|| (commit.log_part, Aggregates::new()));
        Ok::<_, E>(apply(aggregates, commit.log_part, event)?)
    })
    .await?;
    current.map_or(Ok(()), |(log_part, aggregates)| show(log_part, aggregates))
}

fn apply(aggregates: &mut Aggregates, log_part: LogPart, stored: &StoredEvent) -> Result<(), StoreError> {
    let kind = AggregateKind::from_name(&stored.aggregate_type)
        .ok_or_else(|| StoreError::Corrupt(format!("this build knows no aggregate {:?}", stored.aggregate_type)))?;
    let event = Event::from_parts(kind, &stored.event_type, stored.schema_version, &stored.payload)
        .map_err(|source| StoreError::Event { log_part, position: stored.position, source })?;
    let id = AggregateId { kind, id: stored.aggregate_id };
    let empty = || Folded { account: stored.account, version: 0, state: State::empty(kind) };
    let folded = aggregates.entry((stored.account, id)).or_insert_with(empty);
    if stored.version != folded.version + 1 {
        let reason = format!("version {} follows {}", stored.version, folded.version);
        return Err(StoreError::Aggregate { aggregate: id, reason });
    }
    folded.state.apply(&event).map_err(|error| StoreError::Aggregate { aggregate: id, reason: error.to_string() })?;
    folded.version = stored.version;
    Ok(())
}

/// From the end of which commit to which position.
struct Part {
    cursor: Cursor,
    to: i64,
}

/// The partitions of the range, each from the beginning of the commit that its first event is in to its head.
async fn parts(pool: &PgPool, range: &Range) -> Result<Vec<Part>, StoreError> {
    let only = range.account.as_ref().map(|account| account.key().log_part()).or(range.log_part);
    let rows = sqlx::query(
        "SELECT h.log_part, h.position,
                coalesce((SELECT max(c.first_position) FROM ledger.commits c
                           WHERE c.log_part = h.log_part AND c.first_position <= $2), 1) AS first
           FROM ledger.log_heads h WHERE $1::int2 IS NULL OR h.log_part = $1 ORDER BY h.log_part",
    )
    .bind(only.map(|log_part| i16::from(log_part.number())))
    .bind(range.from.unwrap_or(1))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let (log_part, head, first): (i16, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let log_part = u8::try_from(log_part).map_err(|_| StoreError::Corrupt(format!("log_part {log_part}")))?;
            let cursor = Cursor { log_part: LogPart::new(log_part), position: first - 1 };
            Ok(Part { cursor, to: head.min(range.to.unwrap_or(i64::MAX)) })
        })
        .collect()
}
