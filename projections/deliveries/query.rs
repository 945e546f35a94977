//! `GET /api/v1/admin/deliveries`, and what a customer sees of their own.

use aggregates::{AccountKey, DeliveryId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{decode, from_json, from_word, word};

/// Deliveries in one answer.
pub const DELIVERIES_MAX: i64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// The key is to be made.
    Requested,
    /// The mail is to be sent.
    KeyCreated,
    Delivered,
    /// Somebody has to look at it.
    GivenUp,
    /// What was bought was given back before.
    Withdrawn,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryView {
    pub id: Uuid,
    /// The customer's own name.
    pub account: String,
    pub order_no: Option<String>,
    pub user_package: Uuid,
    pub state: DeliveryState,
    /// What is or was to be done last.
    pub step: String,
    /// Those that failed, oldest first; last, why it was withdrawn.
    pub attempts: Vec<AttemptView>,
    pub key_id: Option<String>,
    pub last_four: Option<String>,
    pub message_id: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub step: String,
    /// None: it was withdrawn.
    #[serde(default)]
    pub attempt: Option<u32>,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// Which deliveries; everything that is `None` matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFilter {
    pub account: Option<AccountKey>,
    pub state: Option<DeliveryState>,
}

const SELECT: &str = "
SELECT d.id, d.user_package, d.state, d.step, d.attempts, d.key_id, d.last_four, d.message_id, d.requested_at, d.changed_at,
       a.account_id, o.number AS order_no
  FROM read.deliveries d
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(d.account), 1)::int2 AND a.account = d.account
  LEFT JOIN read.orders o ON o.id = d.order_id";

/// # Errors
/// When the database cannot be read.
pub async fn by_id(pool: &PgPool, id: DeliveryId) -> Result<Option<DeliveryView>, sqlx::Error> {
    let sql = format!("{SELECT} WHERE d.id = $1");
    let row = sqlx::query(&sql).bind(id.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Up to `limit` deliveries requested before the one named by `before` (its time and id), or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    filter: &DeliveryFilter,
    before: Option<(DateTime<Utc>, DeliveryId)>,
    limit: i64,
) -> Result<Vec<DeliveryView>, sqlx::Error> {
    let mut sql = sqlx::QueryBuilder::new(SELECT);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND d.account = ").push_bind(account.uuid());
    }
    if let Some(state) = filter.state {
        sql.push(" AND d.state = ").push_bind(word(&state).map_err(decode)?);
    }
    if let Some((at, id)) = before {
        sql.push(" AND (d.requested_at, d.id) < (").push_bind(at).push(", ").push_bind(id.uuid()).push(")");
    }
    sql.push(" ORDER BY d.requested_at DESC, d.id DESC LIMIT ").push_bind(limit.clamp(0, DELIVERIES_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<DeliveryView, sqlx::Error> {
    Ok(DeliveryView {
        id: row.try_get("id")?,
        account: row.try_get("account_id")?,
        order_no: row.try_get("order_no")?,
        user_package: row.try_get("user_package")?,
        state: from_word(row.try_get("state")?)?,
        step: row.try_get("step")?,
        attempts: from_json(row.try_get("attempts")?)?,
        key_id: row.try_get("key_id")?,
        last_four: row.try_get("last_four")?,
        message_id: row.try_get("message_id")?,
        requested_at: row.try_get("requested_at")?,
        changed_at: row.try_get("changed_at")?,
    })
}
