//! `GET /api/v1/usage/holds`.

use aggregates::hold::{HeldCredits, HeldQuota};
use aggregates::{AccountKey, HoldId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{credits, from_json, from_word};

/// Holds in one answer.
pub const HOLDS_MAX: i64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// To be settled or released.
    Open,
    /// Charged; the rest of it went back.
    Settled,
    /// All of it went back.
    Released,
    /// Nobody settled it in time: all of it goes back.
    TimedOut,
}

/// Credits and quota set aside for work in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HoldView {
    pub id: Uuid,
    pub state: HoldState,
    #[schema(example = "2.00")]
    pub amount: String,
    /// Of the amount; none while it is open.
    pub charged: Option<String>,
    /// Where it was set aside, in the order it is charged in: packages first…
    pub packages: Vec<HeldQuotaView>,
    /// …then credits.
    pub credits: Vec<HeldCreditsView>,
    pub meter: Option<String>,
    pub reference: Option<String>,
    pub reserved_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldQuotaView {
    pub package: Uuid,
    /// Whose quota.
    pub day: NaiveDate,
    pub amount: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldCreditsView {
    pub grant: Uuid,
    pub amount: String,
}

impl From<&HeldQuota> for HeldQuotaView {
    fn from(held: &HeldQuota) -> Self {
        Self { package: held.package.uuid(), day: held.day, amount: held.amount.to_string() }
    }
}

impl From<&HeldCredits> for HeldCreditsView {
    fn from(held: &HeldCredits) -> Self {
        Self { grant: held.grant.uuid(), amount: held.amount.to_string() }
    }
}

/// What has timed out is so from that moment, whether or not that has been recorded.
const SELECT: &str = "
SELECT id, amount, packages, credits, meter, reference, reserved_at, expires_at, charged, finished_at,
       CASE WHEN state = 'open' AND expires_at <= $2 THEN 'timed_out' ELSE state END AS state
  FROM read.holds
 WHERE account = $1";

/// One hold of an account, as of `now`.
///
/// # Errors
/// When the database cannot be read.
pub async fn by_id(
    pool: &PgPool,
    account: AccountKey,
    hold: HoldId,
    now: DateTime<Utc>,
) -> Result<Option<HoldView>, sqlx::Error> {
    let sql = format!("{SELECT} AND id = $3");
    let row = sqlx::query(&sql).bind(account.uuid()).bind(now).bind(hold.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Up to `limit` holds reserved before the one named by `before` (its time and id), or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    account: AccountKey,
    state: Option<HoldState>,
    now: DateTime<Utc>,
    before: Option<(DateTime<Utc>, HoldId)>,
    limit: i64,
) -> Result<Vec<HoldView>, sqlx::Error> {
    let condition = match state {
        None => "",
        Some(HoldState::Open) => " AND state = 'open' AND expires_at > $2",
        Some(HoldState::Settled) => " AND state = 'settled'",
        Some(HoldState::Released) => " AND state = 'released'",
        Some(HoldState::TimedOut) => " AND (state = 'timed_out' OR state = 'open' AND expires_at <= $2)",
    };
    let sql = format!(
        "{SELECT}{condition} AND ($3::timestamptz IS NULL OR (reserved_at, id) < ($3, $4))
          ORDER BY reserved_at DESC, id DESC LIMIT $5"
    );
    let (at, id) = before.map(|(at, id)| (at, id.uuid())).unzip();
    let rows = sqlx::query(&sql).bind(account.uuid()).bind(now).bind(at).bind(id).bind(limit.clamp(0, HOLDS_MAX));
    rows.fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<HoldView, sqlx::Error> {
    let packages: Vec<HeldQuota> = from_json(row.try_get("packages")?)?;
    let of_credits: Vec<HeldCredits> = from_json(row.try_get("credits")?)?;
    let charged: Option<i64> = row.try_get("charged")?;
    Ok(HoldView {
        id: row.try_get("id")?,
        state: from_word(row.try_get("state")?)?,
        amount: credits(row.try_get("amount")?)?.to_string(),
        charged: charged.map(credits).transpose()?.map(|charged| charged.to_string()),
        packages: packages.iter().map(HeldQuotaView::from).collect(),
        credits: of_credits.iter().map(HeldCreditsView::from).collect(),
        meter: row.try_get("meter")?,
        reference: row.try_get("reference")?,
        reserved_at: row.try_get("reserved_at")?,
        expires_at: row.try_get("expires_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}
