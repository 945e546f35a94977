//! Reads the log forward for the processes, and writes the jobs they ask for together with how far it has read.
//!
//! Any number of processes may do this at once: the checkpoints are compared and moved under their locks, in the
//! transaction that writes the jobs, so one of them answers each event. Positions are gapless and a commit becomes
//! visible as a whole, so what lies between two events of interest can be passed over without looking at it.
//!
//! An event that cannot be read is not passed over: its partition waits there for a release that can. The others go on.

use std::collections::HashMap;

use aggregates::{AccountId, AggregateKind, Event, EventError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::{Ask, Happened, asks_of};
use crate::jobs::{self, NewJob};

/// The condition is that of the index `process_events`, word for word.
const READ: &str = "
SELECT c.log_part, c.position AS checkpoint, e.position, e.schema_version, e.aggregate_type, e.event_type,
       e.aggregate_id, e.payload, a.account_id
  FROM jobs.process_checkpoints c
 CROSS JOIN LATERAL (
       SELECT e.position, e.schema_version, e.aggregate_type, e.event_type, e.aggregate_id, e.account,
              e.payload::text AS payload
         FROM ledger.events e
        WHERE e.log_part = c.log_part AND e.position > c.position
          AND (e.aggregate_type IN ('order', 'delivery', 'hold', 'subscription', 'customer')
               OR e.event_type IN ('activated', 'granted'))
        ORDER BY e.position LIMIT $1) e
  LEFT JOIN ledger.accounts a ON a.log_part = c.log_part AND a.account = e.account
 ORDER BY c.log_part, e.position";

/// Through the same index, and no further in a partition than it takes to be alarmed.
const LAG: &str = "
SELECT count(*)
  FROM jobs.process_checkpoints c
 CROSS JOIN LATERAL (
       SELECT 1
         FROM ledger.events e
        WHERE e.log_part = c.log_part AND e.position > c.position
          AND (e.aggregate_type IN ('order', 'delivery', 'hold', 'subscription', 'customer')
               OR e.event_type IN ('activated', 'granted'))
        ORDER BY e.position LIMIT 1000) e";

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Events of interest that could be read; none: everything that can be is answered.
    pub events: usize,
    /// Jobs and retries that were asked for.
    pub asks: usize,
    /// Partitions that stand still.
    pub stuck: Vec<Stuck>,
}

/// A partition whose next event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub log_part: i16,
    pub position: i64,
    pub why: String,
}

/// How many events the processes have not answered yet, up to a thousand of each partition.
///
/// # Errors
/// When the database cannot be asked.
pub async fn lag(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(LAG).fetch_one(pool).await
}

#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("{0}")]
    Corrupt(&'static str),
}

/// One partition's news.
#[derive(Default)]
struct News {
    checkpoint: i64,
    position: i64,
    asks: Vec<Ask>,
}

/// Answers up to `events_max` events of each partition.
///
/// # Errors
/// When the database is in trouble.
pub async fn advance(pool: &PgPool, events_max: i64) -> Result<Advanced, ProcessError> {
    let rows = sqlx::query(READ).bind(events_max).fetch_all(pool).await?;
    let mut advanced = Advanced::default();
    let mut news: HashMap<i16, News> = HashMap::new();
    for row in &rows {
        let (log_part, position) = (row.try_get("log_part")?, row.try_get("position")?);
        if advanced.stuck.last().is_some_and(|stuck| stuck.log_part == log_part) {
            continue;
        }
        match happened(row) {
            Ok(happened) => {
                let part = news.entry(log_part).or_default();
                part.checkpoint = row.try_get("checkpoint")?;
                part.position = position;
                part.asks.extend(asks_of(&happened));
                advanced.events += 1;
            }
            Err(ProcessError::Database(error)) => return Err(error.into()),
            Err(error) => advanced.stuck.push(Stuck { log_part, position, why: error.to_string() }),
        }
    }
    if news.is_empty() {
        return Ok(advanced);
    }
    // Cut off only where the database is silent: the pool closes a connection that comes back in a transaction.
    let mut transaction = pool.begin().await?;
    advanced.asks = answer(&mut transaction, &news).await?;
    transaction.commit().await?;
    Ok(advanced)
}

fn happened(row: &PgRow) -> Result<Happened, ProcessError> {
    let kind = AggregateKind::from_name(row.try_get("aggregate_type")?);
    let kind = kind.ok_or(ProcessError::Corrupt("an aggregate that this release does not know"))?;
    let event = Event::from_parts(
        kind,
        row.try_get("event_type")?,
        row.try_get("schema_version")?,
        row.try_get::<&str, _>("payload")?,
    )?;
    let account: Option<&str> = row.try_get("account_id")?;
    let account = account.and_then(|account| AccountId::try_new(account).ok());
    let account = account.ok_or(ProcessError::Corrupt("an account without a name"))?;
    Ok(Happened { account, aggregate: row.try_get("aggregate_id")?, event })
}

/// Moves the checkpoints that are still where they were read, and asks for what those partitions' news ask for.
async fn answer(connection: &mut PgConnection, news: &HashMap<i16, News>) -> Result<usize, sqlx::Error> {
    let parts: Vec<i16> = news.keys().copied().collect();
    let rows = sqlx::query_as::<_, (i16, i64)>(
        "SELECT log_part, position FROM jobs.process_checkpoints WHERE log_part = ANY ($1) ORDER BY log_part FOR UPDATE",
    );
    let now = rows.bind(&parts).fetch_all(&mut *connection).await?;
    let unmoved = |part: &i16, position: i64| news.get(part).is_some_and(|news| news.checkpoint == position);
    let ours: Vec<i16> = now.into_iter().filter(|(part, at)| unmoved(part, *at)).map(|(part, _)| part).collect();
    let positions: Vec<i64> = ours.iter().filter_map(|part| news.get(part)).map(|news| news.position).collect();
    sqlx::query(
        "UPDATE jobs.process_checkpoints c SET position = n.position
           FROM unnest($1::int2[], $2::int8[]) AS n (log_part, position) WHERE c.log_part = n.log_part",
    )
    .bind(&ours)
    .bind(&positions)
    .execute(&mut *connection)
    .await?;
    let asks: Vec<&Ask> = ours.iter().filter_map(|part| news.get(part)).flat_map(|news| &news.asks).collect();
    ask_for(connection, &asks).await?;
    Ok(asks.len())
}

async fn ask_for(connection: &mut PgConnection, asks: &[&Ask]) -> Result<(), sqlx::Error> {
    let new: Vec<NewJob> =
        asks.iter().filter_map(|ask| if let Ask::Do(job) = ask { Some(job.clone()) } else { None }).collect();
    jobs::enqueue_in_tx(&mut *connection, &new).await?;
    for ask in asks {
        if let Ask::RetryNow { kind, key } = ask {
            jobs::retry_now(&mut *connection, kind, key).await?;
        }
    }
    Ok(())
}
