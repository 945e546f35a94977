//! What customers hold.

use aggregates::{AccountKey, DayRule, ProductId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{credits, from_word};

/// Packages of one account in one answer.
const PACKAGES_MAX: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageView {
    pub id: Uuid,
    /// The number of its product in the catalogue.
    pub product: Option<u32>,
    pub name: Option<String>,
    /// `waiting` until it starts, `active`, `expired` or `revoked`; one that has ended pays nothing even before that is
    /// recorded.
    pub status: String,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub daily_limit: String,
    /// Those that were bought with every order for it.
    pub duration_days: i32,
    /// What it will still pay in all.
    pub remaining: String,
    /// Set aside, and not in `remaining` while it is.
    pub held: String,
    pub time_zone: String,
    #[schema(value_type = String)]
    pub day: DayRule,
}

/// Everything an account holds or held, the one that ends last first.
///
/// # Errors
/// When the database cannot be read.
pub async fn of_account(
    pool: &PgPool,
    account: AccountKey,
    now: DateTime<Utc>,
) -> Result<Vec<PackageView>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT p.package, p.product, c.name, p.starts_at, p.ends_at, p.daily_limit, p.duration_days, p.left_over,
                p.held, p.time_zone, p.day_rule,
                CASE WHEN p.status <> 'active' THEN p.status WHEN p.ends_at <= $2 THEN 'expired'
                     WHEN p.starts_at > $2 THEN 'waiting' ELSE p.status END AS status
           FROM read.packages p
           LEFT JOIN read.products c ON c.product = p.product
          WHERE p.account = $1
          ORDER BY p.ends_at DESC, p.package LIMIT $3",
    )
    .bind(account.uuid())
    .bind(now)
    .bind(PACKAGES_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PackageView {
                id: row.try_get("package")?,
                product: ProductId::from_uuid(row.try_get("product")?).number(),
                name: row.try_get("name")?,
                status: row.try_get("status")?,
                starts_at: row.try_get("starts_at")?,
                ends_at: row.try_get("ends_at")?,
                daily_limit: credits(row.try_get("daily_limit")?)?.to_string(),
                duration_days: row.try_get("duration_days")?,
                remaining: credits(row.try_get("left_over")?)?.to_string(),
                held: credits(row.try_get("held")?)?.to_string(),
                time_zone: row.try_get("time_zone")?,
                day: from_word(row.try_get("day_rule")?)?,
            })
        })
        .collect()
}
