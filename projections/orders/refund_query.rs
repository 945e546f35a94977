//! Money that goes back, and one payment for review.

use aggregates::{AccountKey, OrderNumber, RefundId, RefundStage};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::ORDERS_MAX;
use crate::rows::{MoneyView, decode, from_json, from_word, money, word};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefundView {
    pub id: Uuid,
    pub order_no: String,
    /// The customer's own name.
    pub account: String,
    pub provider: String,
    pub payment_id: String,
    pub amount: MoneyView,
    /// None: the provider gave it back of its own.
    pub reason: Option<String>,
    /// What the order delivered goes back whole with it. None: not decided before it is done.
    pub revoke: Option<bool>,
    #[schema(value_type = String)]
    pub state: RefundStage,
    /// Those that failed, oldest first.
    pub attempts: Vec<RefundAttemptView>,
    /// The provider's own name for it.
    pub provider_refund: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub done_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundAttemptView {
    /// None: the plain no that ended it.
    #[serde(default)]
    pub attempt: Option<u32>,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// Which refunds; everything that is `None` matches.
#[derive(Clone, Debug, Default)]
pub struct RefundFilter {
    pub account: Option<AccountKey>,
    pub state: Option<RefundStage>,
    pub order: Option<OrderNumber>,
}

const SELECT: &str = "
SELECT r.id, r.provider, r.payment_id, r.amount_minor, r.amount_currency, r.reason,
       CASE WHEN r.revoke OR r.state = 'done' THEN r.revoke END AS revoke, r.state, r.attempts,
       r.provider_refund, r.requested_at, r.changed_at, r.done_at, a.account_id, o.number
  FROM read.refunds r
  JOIN read.orders o ON o.id = r.order_id
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(r.account), 1)::int2 AND a.account = r.account";

/// # Errors
/// When the database cannot be read.
pub async fn by_id(pool: &PgPool, id: RefundId) -> Result<Option<RefundView>, sqlx::Error> {
    let sql = format!("{SELECT} WHERE r.id = $1 ORDER BY r.requested_at LIMIT 1");
    let row = sqlx::query(&sql).bind(id.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Up to `limit` refunds asked for before the one named by `before` (its time and id), or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    filter: &RefundFilter,
    before: Option<(DateTime<Utc>, RefundId)>,
    limit: i64,
) -> Result<Vec<RefundView>, sqlx::Error> {
    let mut sql = sqlx::QueryBuilder::new(SELECT);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND r.account = ").push_bind(account.uuid());
    }
    if let Some(state) = filter.state {
        sql.push(" AND r.state = ").push_bind(word(&state).map_err(decode)?);
    }
    if let Some(order) = &filter.order {
        sql.push(" AND o.number = ").push_bind(order.as_str().to_owned());
    }
    if let Some((at, id)) = before {
        sql.push(" AND (r.requested_at, r.id) < (").push_bind(at).push(", ").push_bind(id.uuid()).push(")");
    }
    sql.push(" ORDER BY r.requested_at DESC, r.id DESC LIMIT ").push_bind(limit.clamp(0, ORDERS_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<RefundView, sqlx::Error> {
    Ok(RefundView {
        id: row.try_get("id")?,
        order_no: row.try_get("number")?,
        account: row.try_get("account_id")?,
        provider: row.try_get("provider")?,
        payment_id: row.try_get("payment_id")?,
        amount: money(row.try_get("amount_minor")?, row.try_get("amount_currency")?)?.into(),
        reason: row.try_get("reason")?,
        revoke: row.try_get("revoke")?,
        state: from_word(row.try_get("state")?)?,
        attempts: from_json(row.try_get("attempts")?)?,
        provider_refund: row.try_get("provider_refund")?,
        requested_at: row.try_get("requested_at")?,
        changed_at: row.try_get("changed_at")?,
        done_at: row.try_get("done_at")?,
    })
}
