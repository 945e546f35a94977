//! One order, lists of them, and payments for review. A list is newest first; the number of its last order is where the
//! next page goes on.

use aggregates::{AccountKey, OrderNumber, OrderStatus, ProductId, ProductKind};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::{MoneyView, from_json, from_word, money};
use crate::{TermsType, TermsView};

/// Orders in one answer.
pub const ORDERS_MAX: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderView {
    pub order_no: String,
    /// The customer's own name.
    pub account: String,
    /// The number of its product in the catalogue.
    pub product: Option<u32>,
    pub name: String,
    pub price: MoneyView,
    /// As they were when it was placed.
    #[serde(flatten)]
    pub terms: TermsView,
    pub provider: String,
    #[schema(value_type = String)]
    pub status: OrderStatus,
    /// Paid after it had expired, been cancelled or failed.
    pub late: bool,
    pub checkout_url: Option<String>,
    pub checkout_qr: Option<String>,
    pub payment_id: Option<String>,
    pub payment_method: Option<String>,
    /// What went back of what was paid.
    pub refunded: Option<MoneyView>,
    /// The package that it delivered, or made longer.
    pub user_package: Option<Uuid>,
    /// The license that it delivered.
    pub license: Option<Uuid>,
    /// The grant of the credits that it delivered.
    pub grant: Option<Uuid>,
    /// The subscription that it started, renewed or changed.
    pub subscription: Option<Uuid>,
    pub placed_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub fulfilled_at: Option<DateTime<Utc>>,
    /// When it expired, was cancelled or failed.
    pub closed_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
}

/// Which orders; everything that is `None` matches.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    pub account: Option<AccountKey>,
    pub status: Option<OrderStatus>,
    pub order: Option<OrderNumber>,
    /// Paid with it, or it is for review: whoever holds a provider's receipt finds the order.
    pub payment_id: Option<String>,
    pub product: Option<ProductId>,
    pub kind: Option<TermsType>,
    pub provider: Option<String>,
    pub late: Option<bool>,
    /// Placed at or after…
    pub from: Option<DateTime<Utc>>,
    /// …and before.
    pub to: Option<DateTime<Utc>>,
}

const SELECT: &str = "
SELECT o.number, o.product, o.name, o.kind, o.price_minor, o.price_currency, o.provider, o.status, o.late, o.checkout_url,
       o.checkout_qr, o.payment_id, o.payment_method, o.delivered_kind, o.delivered_id, o.placed_at, o.expires_at, o.paid_at,
       o.fulfilled_at, o.closed_at, o.reason, o.paid_currency, o.refunded_minor, a.account_id
  FROM read.orders o
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(o.account), 1)::int2 AND a.account = o.account";

/// # Errors
/// When the database cannot be read.
pub async fn by_number(pool: &PgPool, number: &OrderNumber) -> Result<Option<OrderView>, sqlx::Error> {
    let sql = format!("{SELECT} WHERE o.number = $1");
    let row = sqlx::query(&sql).bind(number.as_str()).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

/// Up to `limit` orders older than the one numbered `before`, or the newest ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    filter: &OrderFilter,
    before: Option<&OrderNumber>,
    limit: i64,
) -> Result<Vec<OrderView>, sqlx::Error> {
    // A number begins with its time, so numbers are in the order of time.
    let mut sql = sqlx::QueryBuilder::new(SELECT);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND o.account = ").push_bind(account.uuid());
    }
    if let Some(status) = filter.status {
        sql.push(" AND o.status = ").push_bind(crate::rows::word(&status).map_err(crate::rows::decode)?);
    }
    if let Some(order) = &filter.order {
        sql.push(" AND o.number = ").push_bind(order.as_str().to_owned());
    }
    if let Some(payment_id) = &filter.payment_id {
        sql.push(" AND (o.payment_id = ").push_bind(payment_id);
        sql.push(" OR o.id IN (SELECT r.order_id FROM read.payment_reviews r WHERE r.payment_id = ");
        sql.push_bind(payment_id).push("))");
    }
    if let Some(product) = filter.product {
        sql.push(" AND o.product = ").push_bind(product.uuid());
    }
    if let Some(kind) = filter.kind {
        sql.push(" AND o.kind ? ").push_bind(kind.as_str());
    }
    if let Some(provider) = &filter.provider {
        sql.push(" AND o.provider = ").push_bind(provider);
    }
    if let Some(late) = filter.late {
        sql.push(" AND o.late = ").push_bind(late);
    }
    if let Some(from) = filter.from {
        sql.push(" AND o.placed_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        sql.push(" AND o.placed_at < ").push_bind(to);
    }
    if let Some(before) = before {
        sql.push(" AND o.number < ").push_bind(before.as_str().to_owned());
    }
    sql.push(" ORDER BY o.number DESC LIMIT ").push_bind(limit.clamp(0, ORDERS_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<OrderView, sqlx::Error> {
    let kind: ProductKind = from_json(row.try_get("kind")?)?;
    let (what, which): (Option<String>, Option<Uuid>) = (row.try_get("delivered_kind")?, row.try_get("delivered_id")?);
    let delivered = |kinds: &[&str]| which.filter(|_| what.as_deref().is_some_and(|what| kinds.contains(&what)));
    Ok(OrderView {
        order_no: row.try_get("number")?,
        account: row.try_get("account_id")?,
        product: ProductId::from_uuid(row.try_get("product")?).number(),
        name: row.try_get("name")?,
        price: money(row.try_get("price_minor")?, row.try_get("price_currency")?)?.into(),
        terms: (&kind).into(),
        provider: row.try_get("provider")?,
        status: from_word(row.try_get("status")?)?,
        late: row.try_get("late")?,
        checkout_url: row.try_get("checkout_url")?,
        checkout_qr: row.try_get("checkout_qr")?,
        payment_id: row.try_get("payment_id")?,
        payment_method: row.try_get("payment_method")?,
        refunded: refunded(row)?,
        user_package: delivered(&["user_package"]),
        license: delivered(&["license"]),
        grant: delivered(&["grant"]),
        subscription: delivered(&["subscription", "plan_change"]),
        placed_at: row.try_get("placed_at")?,
        expires_at: row.try_get("expires_at")?,
        paid_at: row.try_get("paid_at")?,
        fulfilled_at: row.try_get("fulfilled_at")?,
        closed_at: row.try_get("closed_at")?,
        reason: row.try_get("reason")?,
    })
}

fn refunded(row: &PgRow) -> Result<Option<MoneyView>, sqlx::Error> {
    let minor: i64 = row.try_get("refunded_minor")?;
    let currency: Option<String> = row.try_get("paid_currency")?;
    currency.filter(|_| minor != 0).map(|currency| money(minor, currency).map(MoneyView::from)).transpose()
}

/// What became of a payment for review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// For somebody to decide.
    Waiting,
    /// Money is on its way back.
    Refunding,
    /// Money went back.
    Refunded,
    /// It pays for the order after all.
    Accepted,
    /// It was settled elsewhere.
    Dismissed,
}

/// A payment that delivered nothing: of another amount (`mismatch`), or the second one (`duplicate`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewView {
    pub id: Uuid,
    pub order_no: String,
    pub account: String,
    pub kind: String,
    pub state: ReviewState,
    pub provider: String,
    pub payment_id: String,
    pub paid: MoneyView,
    pub expected: MoneyView,
    pub method: Option<String>,
    pub at: DateTime<Utc>,
    /// Why it was accepted or dismissed.
    pub reason: Option<String>,
}

/// Which payments for review; everything that is `None` matches.
#[derive(Clone, Debug, Default)]
pub struct ReviewFilter {
    pub account: Option<AccountKey>,
    pub order: Option<OrderNumber>,
    pub state: Option<ReviewState>,
}

const REVIEWS: &str = "
SELECT * FROM (
SELECT r.id, o.number, o.account, a.account_id, r.kind, r.provider, r.payment_id, r.amount_minor, r.amount_currency, r.method, r.at,
       r.closed_because, o.price_minor, o.price_currency,
       coalesce(r.outcome, CASE WHEN b.is_open THEN 'refunding' WHEN b.is_done THEN 'refunded' ELSE 'waiting' END) AS state
  FROM read.payment_reviews r
  JOIN read.orders o ON o.id = r.order_id
  JOIN ledger.accounts a ON a.log_part = get_byte(uuid_send(o.account), 1)::int2 AND a.account = o.account
 CROSS JOIN LATERAL (
       SELECT bool_or(f.state IN ('requested', 'failing', 'given_up')) AS is_open, bool_or(f.state = 'done') AS is_done
         FROM read.refunds f
        WHERE f.order_id = r.order_id AND f.provider = r.provider AND f.payment_id = r.payment_id) b) reviews";

/// Up to `limit` payments for review that came before `before`, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn reviews(
    pool: &PgPool,
    filter: &ReviewFilter,
    before: Option<&ReviewCursor>,
    limit: i64,
) -> Result<Vec<ReviewView>, sqlx::Error> {
    let mut sql = sqlx::QueryBuilder::new(REVIEWS);
    sql.push(" WHERE true");
    if let Some(account) = filter.account {
        sql.push(" AND account = ").push_bind(account.uuid());
    }
    if let Some(order) = &filter.order {
        sql.push(" AND number = ").push_bind(order.as_str().to_owned());
    }
    if let Some(state) = filter.state {
        sql.push(" AND state = ").push_bind(crate::rows::word(&state).map_err(crate::rows::decode)?);
    }
    if let Some(ReviewCursor { at, provider, payment_id }) = before {
        sql.push(" AND (at, provider, payment_id) < (").push_bind(at);
        sql.push(", ").push_bind(provider).push(", ").push_bind(payment_id).push(")");
    }
    sql.push(" ORDER BY at DESC, provider DESC, payment_id DESC LIMIT ").push_bind(limit.clamp(0, ORDERS_MAX));
    sql.build().fetch_all(pool).await?.iter().map(review).collect()
}

/// # Errors
/// When the database cannot be read.
pub async fn review_by_id(pool: &PgPool, id: Uuid) -> Result<Option<ReviewView>, sqlx::Error> {
    let row = sqlx::query(&format!("{REVIEWS} WHERE id = $1")).bind(id).fetch_optional(pool).await?;
    row.as_ref().map(review).transpose()
}

fn review(row: &PgRow) -> Result<ReviewView, sqlx::Error> {
    Ok(ReviewView {
        id: row.try_get("id")?,
        order_no: row.try_get("number")?,
        account: row.try_get("account_id")?,
        kind: row.try_get("kind")?,
        state: from_word(row.try_get("state")?)?,
        provider: row.try_get("provider")?,
        payment_id: row.try_get("payment_id")?,
        paid: money(row.try_get("amount_minor")?, row.try_get("amount_currency")?)?.into(),
        expected: money(row.try_get("price_minor")?, row.try_get("price_currency")?)?.into(),
        method: row.try_get("method")?,
        at: row.try_get("at")?,
        reason: row.try_get("closed_because")?,
    })
}

/// Where the next page of reviews goes on: after this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewCursor {
    pub at: DateTime<Utc>,
    pub provider: String,
    pub payment_id: String,
}

impl From<&ReviewView> for ReviewCursor {
    fn from(last: &ReviewView) -> Self {
        Self { at: last.at, provider: last.provider.clone(), payment_id: last.payment_id.clone() }
    }
}
