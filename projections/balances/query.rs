//! `GET /api/v1/user/credits`.

use aggregates::{AccountKey, Credits, GrantSource};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{credits, from_word};

/// What an account has in credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditsView {
    /// On the books, what has expired included.
    pub credits: String,
    /// What can be spent.
    pub available: String,
    pub frozen: String,
    pub shortfall: String,
    /// In the order they are spent in; those that have expired pay nothing.
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
        "SELECT coalesce(b.balance, 0) AS balance, g.id, g.source, g.amount, g.left_over, g.expires_at
           FROM (VALUES ($1::uuid)) AS a (account)
           LEFT JOIN read.balances b ON b.account = a.account
           LEFT JOIN read.grants g ON g.account = a.account
          ORDER BY g.expires_at NULLS LAST, g.position",
    )
    .bind(account.uuid())
    .fetch_all(pool)
    .await?;
    let mut balance = Credits::ZERO;
    let mut available = Credits::ZERO;
    let mut grants = Vec::new();
    for row in &rows {
        balance = credits(row.try_get("balance")?)?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id")? else { continue };
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        let (amount, left) = (credits(row.try_get("amount")?)?, credits(row.try_get("left_over")?)?);
        let expired = expires_at.is_some_and(|expires_at| expires_at <= now);
        if !expired {
            available = available.checked_add(left).unwrap_or(Credits::MAX);
        }
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
