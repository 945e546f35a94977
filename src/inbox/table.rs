//! The rows: claimed by one worker at a time, settled once, looked at, replayed, forgotten.

use std::time::Duration;

use aggregates::{AccountKey, OrderNumber};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

/// How long what could not be told whose it is can be looked at and worked off again.
const NOBODYS_KEPT_DAYS: f64 = 90.0;
/// An erasure takes with it what is settled; what is worked off at the same moment is settled moments later.
const ERASED_LOOKED_FOR_DAYS: f64 = 7.0;

/// What has become of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    Received,
    /// Something that it is about is not there yet, or could not be asked: again later.
    Waiting,
    Done,
    /// There was nothing to do.
    Nothing,
    /// A person has to look.
    Review,
}

impl NotificationState {
    pub const ALL: [Self; 5] = [Self::Received, Self::Waiting, Self::Done, Self::Nothing, Self::Review];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::Review => "review",
        }
    }

    fn read(text: &str) -> Result<Self, sqlx::Error> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| sqlx::Error::Decode(format!("{text:?} is no state of a notification").into()))
    }
}

/// One that is being worked on.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: i64,
    pub provider: String,
    pub key: String,
    pub sealed: Option<String>,
    pub received_at: DateTime<Utc>,
    /// This one included.
    pub attempts: i32,
    turn: i64,
}

#[cfg(test)]
impl Claimed {
    pub(crate) fn example(provider: &str) -> Self {
        let provider = provider.to_owned();
        Self { id: 1, provider, key: "k".to_owned(), sealed: None, received_at: Utc::now(), attempts: 1, turn: 1 }
    }
}

/// How it ended, or when it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub state: NotificationState,
    pub reason: Option<String>,
    /// Which order it was about, where that is known.
    pub order: Option<(OrderNumber, AccountKey)>,
    /// Where it waits.
    pub again_in: Duration,
    /// Nothing of it is to be kept: its customer was erased.
    pub forget: bool,
}

/// A verdict, and what it is about.
#[derive(Debug, Clone)]
pub struct Settled {
    pub claimed: Claimed,
    pub verdict: Verdict,
}

/// Takes up to `most` that are due; nobody else gets them for as long as `lease`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn claim(pool: &PgPool, most: usize, lease: Duration) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE inbox.notifications n
            SET due_at = clock_timestamp() + $2 * interval '1 second',
                leased_until = clock_timestamp() + $2 * interval '1 second', attempts = n.attempts + 1, turn = n.turn + 1
          WHERE id IN (SELECT id FROM inbox.notifications
                        WHERE state IN ('received', 'waiting') AND due_at <= clock_timestamp()
                        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, provider, key, sealed, received_at, attempts, turn",
    )
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .bind(lease.as_secs_f64())
    .fetch_all(pool)
    .await?;
    let claimed = |row: &PgRow| {
        Ok(Claimed {
            id: row.try_get("id")?,
            provider: row.try_get("provider")?,
            key: row.try_get("key")?,
            sealed: row.try_get("sealed")?,
            received_at: row.try_get("received_at")?,
            attempts: row.try_get("attempts")?,
            turn: row.try_get("turn")?,
        })
    };
    rows.iter().map(claimed).collect()
}

/// Those that somebody else has taken meanwhile are left to them. It does not wait for the disk: what is lost of it with
/// the database is due again, and done again to the same effect.
///
/// # Errors
/// When the database cannot be asked.
pub async fn settle(pool: &PgPool, settled: &[Settled]) -> Result<(), sqlx::Error> {
    let order = |it: &Settled| it.verdict.order.clone();
    sqlx::query(
        "UPDATE inbox.notifications n
            SET state = s.state, leased_until = NULL, reason = s.reason, order_number = coalesce(s.order_number, n.order_number),
                account = coalesce(s.account, n.account), due_at = clock_timestamp() + s.again_in * interval '1 second',
                settled_at = CASE WHEN s.state = 'waiting' THEN NULL ELSE clock_timestamp() END,
                sealed = CASE WHEN s.forget THEN NULL ELSE n.sealed END
           FROM unnest($1::int8[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::float8[], $8::bool[])
                AS s (id, turn, state, reason, order_number, account, again_in, forget)
          WHERE n.id = s.id AND n.turn = s.turn
            AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL",
    )
    .bind(settled.iter().map(|it| it.claimed.id).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| it.claimed.turn).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| it.verdict.state.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| it.verdict.reason.as_deref()).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| order(it).map(|(number, _)| number.to_string())).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| order(it).map(|(_, account)| account.uuid())).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| it.verdict.again_in.as_secs_f64()).collect::<Vec<_>>())
    .bind(settled.iter().map(|it| it.verdict.forget).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// What came for a customer who was erased is not kept; what is not worked off yet goes once it is.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget(pool: &PgPool, account: AccountKey) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE inbox.notifications SET sealed = NULL
          WHERE account = $1 AND sealed IS NOT NULL AND state NOT IN ('received', 'waiting')",
    )
    .bind(account.uuid())
    .execute(pool)
    .await?;
    Ok(())
}

/// What is still kept of customers who were erased while it was worked off is not kept any longer. Answers how many that
/// were, of `most` at once; another process passes over them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_erased(pool: &PgPool, most: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query(
        "UPDATE inbox.notifications SET sealed = NULL WHERE id IN (
             SELECT n.id FROM inbox.notifications n JOIN vault.account_keys k ON k.account = n.account
              WHERE n.account IS NOT NULL AND n.sealed IS NOT NULL AND k.destroyed_at IS NOT NULL
                AND n.settled_at > clock_timestamp() - $2 * interval '1 day'
              LIMIT $1 FOR UPDATE OF n SKIP LOCKED)",
    )
    .bind(most)
    .bind(ERASED_LOOKED_FOR_DAYS)
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

/// The same of what nobody could be found for, and nobody has to look at, once it is old.
///
/// # Errors
/// When the database cannot be asked.
pub async fn forget_nobodys(pool: &PgPool, most: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query(
        "UPDATE inbox.notifications SET sealed = NULL WHERE id IN (
             SELECT id FROM inbox.notifications
              WHERE account IS NULL AND sealed IS NOT NULL AND settled_at < clock_timestamp() - $2 * interval '1 day'
                AND state NOT IN ('received', 'waiting', 'review')
              LIMIT $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind(most)
    .bind(NOBODYS_KEPT_DAYS)
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

/// It is read and worked on again, whatever became of it before: what it has done it does not do twice. `false`: there is
/// none, or nothing of it was kept.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replay(pool: &PgPool, id: i64) -> Result<bool, sqlx::Error> {
    let replayed = sqlx::query(
        "UPDATE inbox.notifications
            SET state = 'received', due_at = clock_timestamp(), leased_until = NULL, reason = NULL,
                settled_at = NULL, turn = turn + 1
          WHERE id = $1 AND sealed IS NOT NULL",
    )
    .bind(id)
    .execute(pool)
    .await?;
    Ok(replayed.rows_affected() == 1)
}

/// A notification as admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NotificationView {
    pub id: i64,
    #[schema(example = "alipay")]
    pub provider: String,
    /// What the provider calls what happened.
    #[schema(example = "TRADE_SUCCESS")]
    pub event: String,
    /// The same notification again has the same key.
    pub key: String,
    pub state: NotificationState,
    /// Why it waits, why there was nothing to do, or what somebody has to look at.
    pub reason: Option<String>,
    pub order_no: Option<String>,
    pub received_at: DateTime<Utc>,
    /// How often it came.
    pub copies: i32,
    pub last_copy_at: DateTime<Utc>,
    pub attempts: i32,
    pub settled_at: Option<DateTime<Utc>>,
}

/// Which ones.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    pub provider: Option<String>,
    pub state: Option<NotificationState>,
    pub order: Option<OrderNumber>,
    pub event: Option<String>,
}

const COLUMNS: &str =
    "id, provider, event, key, state, reason, order_number, received_at, copies, last_copy_at, attempts, settled_at";

/// Newest first; `before`: only older ones than this.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(
    pool: &PgPool,
    filter: &InboxFilter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<NotificationView>, sqlx::Error> {
    let rows = sqlx::query(&format!(
        "SELECT {COLUMNS} FROM inbox.notifications
          WHERE ($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR state = $2)
            AND ($3::text IS NULL OR order_number = $3) AND ($4::text IS NULL OR event = $4)
            AND ($5::int8 IS NULL OR id < $5)
          ORDER BY id DESC LIMIT $6"
    ))
    .bind(&filter.provider)
    .bind(filter.state.map(NotificationState::as_str))
    .bind(filter.order.as_ref().map(OrderNumber::as_str))
    .bind(&filter.event)
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(view).collect()
}

/// With how it arrived, sealed.
///
/// # Errors
/// When the database cannot be asked.
pub async fn one(pool: &PgPool, id: i64) -> Result<Option<(NotificationView, Option<String>)>, sqlx::Error> {
    let row = sqlx::query(&format!("SELECT {COLUMNS}, sealed FROM inbox.notifications WHERE id = $1"))
        .bind(id)
        .fetch_optional(pool)
        .await?;
    row.map(|row| Ok((view(&row)?, row.try_get("sealed")?))).transpose()
}

fn view(row: &PgRow) -> Result<NotificationView, sqlx::Error> {
    Ok(NotificationView {
        id: row.try_get("id")?,
        provider: row.try_get("provider")?,
        event: row.try_get("event")?,
        key: row.try_get("key")?,
        state: NotificationState::read(row.try_get("state")?)?,
        reason: row.try_get("reason")?,
        order_no: row.try_get("order_number")?,
        received_at: row.try_get("received_at")?,
        copies: row.try_get("copies")?,
        last_copy_at: row.try_get("last_copy_at")?,
        attempts: row.try_get("attempts")?,
        settled_at: row.try_get("settled_at")?,
    })
}
