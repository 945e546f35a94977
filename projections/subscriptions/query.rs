//! Subscriptions as they are shown.

use aggregates::subscription::Plan;
use aggregates::{AccountKey, Period, ProductId, SubscriptionId, SubscriptionStatus};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::MoneyView;
use crate::rows::{from_json, from_word};

pub const SUBSCRIPTIONS_MAX: i64 = 1_000;

/// A plan, as a subscription has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanView {
    pub product_id: Option<u32>,
    /// Of one period.
    pub price: MoneyView,
    /// Granted for each paid period.
    #[schema(example = "100.00")]
    pub credits: String,
    /// How long these credits last, in days from the payment; for ever, where it does not say.
    pub valid_days: Option<u32>,
    #[schema(value_type = PeriodView)]
    pub period: Period,
    pub grace_days: u32,
}

/// How long a period is: so many days of 24 hours, or so many months of the calendar.
#[derive(ToSchema)]
#[schema(example = json!({"months": 1}))]
#[schema(rename_all = "snake_case")]
pub enum PeriodView {
    Days(u32),
    Months(u32),
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        Self {
            product_id: plan.product.number(),
            price: plan.price.into(),
            credits: plan.terms.credits.to_string(),
            valid_days: plan.terms.valid_days,
            period: plan.terms.period,
            grace_days: plan.terms.grace_days,
        }
    }
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubscriptionView {
    pub id: Uuid,
    pub account: String,
    #[schema(value_type = String, example = "active")]
    pub status: SubscriptionStatus,
    pub plan: PlanView,
    /// That takes over with the next period.
    pub next_plan: Option<PlanView>,
    /// The number of the last paid period, from 1…
    pub period: i64,
    /// …and its time.
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// Past due: when the subscription expires unless it is paid for.
    pub expires_at: Option<DateTime<Utc>>,
    pub cancel_at_period_end: bool,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended, or is to end.
    pub reason: Option<String>,
    /// The customer's own words, as they are kept: to be opened into `reason`.
    #[serde(skip)]
    pub sealed: Option<String>,
    /// Oldest first.
    pub periods: Vec<PeriodPaidView>,
}

/// One paid period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeriodPaidView {
    pub number: i64,
    pub order_no: Option<String>,
    pub product_id: Option<u32>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

const SELECT: &str = "
SELECT s.*, a.account_id,
       (SELECT coalesce(json_agg(json_build_array(p.number, o.number, p.product, p.starts_at, p.ends_at)
                                 ORDER BY p.number), '[]')
          FROM read.subscription_periods p LEFT JOIN read.orders o ON o.id = p.order_id
         WHERE p.subscription = s.id) AS periods
  FROM read.subscriptions s
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(s.account), 1)::int2 AND a.account = s.account";

/// # Errors
/// When the database cannot be read.
pub async fn by_id(pool: &PgPool, id: SubscriptionId) -> Result<Option<SubscriptionView>, sqlx::Error> {
    let row = sqlx::query(&format!("{SELECT} WHERE s.id = $1")).bind(id.uuid()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Which subscriptions; everything that is `None` matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscriptionFilter {
    pub account: Option<AccountKey>,
    pub status: Option<SubscriptionStatus>,
}

/// Up to `limit` subscriptions older than `before`, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    filter: &SubscriptionFilter,
    before: Option<(DateTime<Utc>, SubscriptionId)>,
    limit: i64,
) -> Result<Vec<SubscriptionView>, sqlx::Error> {
    let mut sql = sqlx::QueryBuilder::new(SELECT);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND s.account = ").push_bind(account.uuid());
    }
    if let Some(status) = filter.status {
        sql.push(" AND s.status = ").push_bind(status.as_str());
    }
    if let Some((at, id)) = before {
        sql.push(" AND (s.started_at, s.id) < (").push_bind(at).push(", ").push_bind(id.uuid()).push(")");
    }
    sql.push(" ORDER BY s.started_at DESC, s.id DESC LIMIT ").push_bind(limit.clamp(0, SUBSCRIPTIONS_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<SubscriptionView, sqlx::Error> {
    let plan = |value: Value| Ok::<_, sqlx::Error>(PlanView::from(&from_json::<Plan>(value)?));
    type Paid = (i64, Option<String>, Uuid, DateTime<Utc>, DateTime<Utc>);
    let periods: Vec<Paid> = from_json(row.try_get("periods")?)?;
    let paid = |(number, order_no, product, starts_at, ends_at): Paid| PeriodPaidView {
        number,
        order_no,
        product_id: ProductId::from_uuid(product).number(),
        starts_at,
        ends_at,
    };
    Ok(SubscriptionView {
        id: row.try_get("id")?,
        account: row.try_get("account_id")?,
        status: from_word(row.try_get("status")?)?,
        plan: plan(row.try_get("plan")?)?,
        next_plan: row.try_get::<Option<Value>, _>("next_plan")?.map(plan).transpose()?,
        period: row.try_get("period_number")?,
        starts_at: row.try_get("starts_at")?,
        ends_at: row.try_get("ends_at")?,
        expires_at: row.try_get("expires_at")?,
        cancel_at_period_end: row.try_get("cancel_at_end")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        reason: row.try_get("reason")?,
        sealed: row.try_get("sealed")?,
        periods: periods.into_iter().map(paid).collect(),
    })
}
