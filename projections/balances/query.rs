//! `GET /api/v1/user/credits`.

use aggregates::{AccountKey, GrantSource};
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
    /// On the books, what is held and what has expired included.
    pub credits: String,
    /// What can be spent.
    pub available: String,
    /// Held for work in progress.
    pub frozen: String,
    /// Owed: repaid first from whatever comes in.
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
    /// What is held of it is not counted.
    pub remaining: String,
    pub frozen: String,
    pub expires_at: Option<DateTime<Utc>>,
    pub expired: bool,
}

/// An account that was never given credits has none, and is no error.
///
/// # Errors
/// When the database cannot be read.
pub async fn credits_of(pool: &PgPool, account: AccountKey, now: DateTime<Utc>) -> Result<CreditsView, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT coalesce(b.balance, 0) AS balance, coalesce(b.frozen, 0) AS held, coalesce(b.shortfall, 0) AS shortfall,
                g.id, g.source, g.amount, g.left_over, g.frozen, g.expires_at,
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
    // There is always a row: the account itself.
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let of_account = |column| Ok::<_, sqlx::Error>(credits(first.try_get(column)?)?.to_string());
    let mut grants = Vec::new();
    for row in &rows {
        let Some(id) = row.try_get::<Option<Uuid>, _>("id")? else { continue };
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        let (amount, left) = (credits(row.try_get("amount")?)?, credits(row.try_get("left_over")?)?);
        let expired = expires_at.is_some_and(|expires_at| expires_at <= now);
        grants.push(GrantView {
            id,
            source: from_word(row.try_get("source")?)?,
            amount: amount.to_string(),
            remaining: left.to_string(),
            frozen: credits(row.try_get("frozen")?)?.to_string(),
            expires_at,
            expired,
        });
    }
    Ok(CreditsView {
        credits: of_account("balance")?,
        available: of_account("available")?,
        frozen: of_account("held")?,
        shortfall: of_account("shortfall")?,
        grants,
    })
}
