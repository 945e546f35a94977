//! `GET /api/v1/user/credits`.

use aggregates::{AccountKey, Credits, GrantSource};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{credits, from_word};

/// Grants in one answer; those that still pay before those that do not.
const GRANTS_MAX: i64 = 1_000;

/// What an account has in credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditsView {
    /// On the books, what has expired included.
    pub credits: String,
    /// What can be spent.
    pub available: String,
    pub frozen: String,
    pub shortfall: String,
    /// In the order they are spent in; those that have expired pay nothing. At most 1,000, those that still pay first.
    pub grants: Vec<GrantView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GrantView {
    pub id: Uuid,
    #[schema(value_type = String)]
    pub source: GrantSource,
    pub amount: String,
    pub remaining: String,
    pub expires_at: Option<DateTime<Utc>>,
    pub expired: bool,
}

/// An account that was never given credits has none, and is no error.
///
/// # Errors
/// When the database cannot be read.
pub async fn credits_of(pool: &PgPool, account: AccountKey, now: DateTime<Utc>) -> Result<CreditsView, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT coalesce(b.balance, 0) AS balance, g.id, g.source, g.amount, g.left_over, g.expires_at,
                (SELECT least(coalesce(sum(p.left_over), 0), 9223372036854775807)::int8 FROM read.grants p
                  WHERE p.account = $1 AND (p.expires_at IS NULL OR p.expires_at > $2)) AS available
           FROM (VALUES ($1::uuid)) AS a (account)
           LEFT JOIN read.balances b ON b.account = a.account
           LEFT JOIN LATERAL (SELECT * FROM read.grants o WHERE o.account = a.account
                               ORDER BY (o.left_over > 0 AND (o.expires_at IS NULL OR o.expires_at > $2)) DESC,
                                        o.expires_at NULLS LAST, o.position LIMIT $3) g ON true
          ORDER BY g.expires_at NULLS LAST, g.position",
    )
    .bind(account.uuid())
    .bind(now)
    .bind(GRANTS_MAX)
    .fetch_all(pool)
    .await?;
    let mut balance = Credits::ZERO;
    let mut available = Credits::ZERO;
    let mut grants = Vec::new();
    for row in &rows {
        balance = credits(row.try_get("balance")?)?;
        available = credits(row.try_get("available")?)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id")? else { continue };
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        let (amount, left) = (credits(row.try_get("amount")?)?, credits(row.try_get("left_over")?)?);
        let expired = expires_at.is_some_and(|expires_at| expires_at <= now);
        grants.push(GrantView {
            id,
            source: from_word(row.try_get("source")?)?,
            amount: amount.to_string(),
            remaining: left.to_string(),
            expires_at,
            expired,
        });
    }
    Ok(CreditsView {
        credits: balance.to_string(),
        available: available.to_string(),
        frozen: Credits::ZERO.to_string(),
        shortfall: Credits::ZERO.to_string(),
        grants,
    })
}
