//! The indicators of a range of days.
//!
//! Sums of money are exact and never cross currencies; a ratio has four digits, rounded half up from whole numbers.

use std::collections::BTreeMap;

use aggregates::{Currency, Money, ProductId};
use chrono::{Datelike, NaiveDate};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::MoneyView;
use crate::rows::decode;

/// What happened to orders of one product and currency on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    day: NaiveDate,
    product: ProductId,
    name: Option<String>,
    currency: Currency,
    count: Count,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    placed: i128,
    converted: i128,
    expired: i128,
    paid: i128,
    revenue: i128,
    refunds: i128,
    refunded: i128,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.placed += other.placed;
        self.converted += other.converted;
        self.expired += other.expired;
        self.paid += other.paid;
        self.revenue += other.revenue;
        self.refunds += other.refunds;
        self.refunded += other.refunded;
    }
}

/// The indicators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatsView {
    pub from: NaiveDate,
    /// The last day; it belongs to the range.
    pub to: NaiveDate,
    pub orders: OrdersView,
    pub revenue: Vec<RevenueView>,
    pub by_product: Vec<ShareView>,
    pub buyers: BuyersView,
    /// As they are now, whatever the range.
    pub keys: KeysView,
    /// As they are now, whatever the range.
    pub packages: PackagesView,
    /// Oldest first; days without orders or money are not there.
    pub days: Vec<SalesView>,
    pub months: Vec<SalesView>,
}

/// Orders that were placed in the range, renewals that providers collected by themselves apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrdersView {
    pub placed: String,
    /// Of those, paid by now.
    pub converted: String,
    /// Converted, of the placed ones.
    #[schema(example = "0.7500")]
    pub conversion_rate: String,
    /// Of those, expired unpaid by now.
    pub expired: String,
    pub expiry_rate: String,
    /// Placed, by all days of the range.
    pub per_day: String,
}

/// Money of one currency that came and went in the range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RevenueView {
    /// What came in.
    pub revenue: MoneyView,
    /// Orders that it paid.
    pub paid: String,
    /// Revenue by paid orders, rounded half up.
    pub average: MoneyView,
    pub refunded: MoneyView,
    /// Revenue less refunds.
    pub net: MoneyView,
}

/// What a product has of its currency's revenue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShareView {
    pub product_id: Option<u32>,
    pub name: Option<String>,
    pub paid: String,
    pub revenue: MoneyView,
    #[schema(example = "0.2500")]
    pub share: String,
}

/// Accounts that paid for an order in the range, such renewals apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BuyersView {
    pub buyers: i64,
    /// Of those, for two orders or more.
    pub repeated: i64,
    pub repurchase_rate: String,
}

/// Licenses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeysView {
    pub issued: i64,
    /// With uses left, and not revoked.
    pub active: i64,
    /// Used up, and not revoked.
    pub exhausted: i64,
    pub revoked: i64,
    /// The mean of what was used of each key that was not revoked.
    pub mean_use: String,
    /// Exhausted, of those not revoked.
    pub expiry_rate: String,
}

/// Packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackagesView {
    pub activated: i64,
    /// Whose end was recorded.
    pub expired: i64,
    pub expiry_rate: String,
}

/// One product and currency on one day, or in one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SalesView {
    /// A day (`2026-01-05`) or a month (`2026-01`).
    #[schema(example = "2026-01-05")]
    pub when: String,
    pub product_id: Option<u32>,
    pub name: Option<String>,
    pub placed: String,
    pub converted: String,
    pub expired: String,
    pub paid: String,
    pub revenue: MoneyView,
    pub refunds: String,
    pub refunded: MoneyView,
}

/// Both days belong to the range.
///
/// # Errors
/// When the database cannot be read.
pub async fn stats(pool: &PgPool, from: NaiveDate, to: NaiveDate) -> Result<StatsView, sqlx::Error> {
    let cells = cells(pool, from, to).await?;
    let mut total = Count::default();
    cells.iter().for_each(|cell| total.add(cell.count));
    let days = i128::from(to.signed_duration_since(from).num_days()) + 1;
    Ok(StatsView {
        from,
        to,
        orders: OrdersView {
            placed: total.placed.to_string(),
            converted: total.converted.to_string(),
            conversion_rate: ratio(total.converted, total.placed),
            expired: total.expired.to_string(),
            expiry_rate: ratio(total.expired, total.placed),
            per_day: ratio(total.placed, days),
        },
        revenue: revenue(&cells)?,
        by_product: shares(&cells)?,
        buyers: buyers(pool, from, to).await?,
        keys: keys(pool).await?,
        packages: packages(pool).await?,
        days: cells.iter().map(|cell| sales(cell.day.to_string(), cell)).collect::<Result<_, _>>()?,
        months: months(&cells)?,
    })
}

/// A part of a whole, with four digits, rounded half up; of nothing it is nothing.
pub(super) fn ratio(part: i128, whole: i128) -> String {
    const UNIT: i128 = 10_000;
    let scaled = part.checked_mul(2 * UNIT).and_then(|twice| twice.checked_add(whole));
    let rounded = scaled.zip(whole.checked_mul(2)).and_then(|(above, below)| above.checked_div(below));
    let rounded = rounded.unwrap_or_default();
    format!("{}.{:04}", rounded / UNIT, rounded % UNIT)
}

/// A sum of minor units as money; more than money can be is an error, not another number.
fn money(minor: i128, currency: Currency) -> Result<MoneyView, sqlx::Error> {
    Ok(Money::from_minor(i64::try_from(minor).map_err(decode)?, currency).into())
}

async fn cells(pool: &PgPool, from: NaiveDate, to: NaiveDate) -> Result<Vec<Cell>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.day, s.product, s.currency, s.placed, s.converted, s.expired, s.paid, s.refunds,
                s.revenue::text AS revenue, s.refunded::text AS refunded, p.name
           FROM read.sales s LEFT JOIN read.products p ON p.product = s.product
          WHERE s.day BETWEEN $1 AND $2 ORDER BY s.day, p.number, s.product, s.currency",
    );
    rows.bind(from).bind(to).fetch_all(pool).await?.iter().map(cell).collect()
}

fn cell(row: &PgRow) -> Result<Cell, sqlx::Error> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i128::from);
    let sum = |name: &str| row.try_get::<&str, _>(name)?.parse::<i128>().map_err(decode);
    Ok(Cell {
        day: row.try_get("day")?,
        product: ProductId::from_uuid(row.try_get::<Uuid, _>("product")?),
        name: row.try_get("name")?,
        currency: Currency::try_from(row.try_get::<String, _>("currency")?).map_err(decode)?,
        count: Count {
            placed: count("placed")?,
            converted: count("converted")?,
            expired: count("expired")?,
            paid: count("paid")?,
            revenue: sum("revenue")?,
            refunds: count("refunds")?,
            refunded: sum("refunded")?,
        },
    })
}

fn revenue(cells: &[Cell]) -> Result<Vec<RevenueView>, sqlx::Error> {
    let mut by_currency: BTreeMap<Currency, Count> = BTreeMap::new();
    for cell in cells {
        by_currency.entry(cell.currency).or_default().add(cell.count);
    }
    let money_moved = by_currency.into_iter().filter(|(_, count)| count.paid > 0 || count.refunds > 0);
    let view = |(currency, count): (Currency, Count)| {
        let twice = count.revenue.checked_mul(2).and_then(|twice| twice.checked_add(count.paid));
        let average = twice.zip(count.paid.checked_mul(2)).and_then(|(above, below)| above.checked_div(below));
        Ok(RevenueView {
            revenue: money(count.revenue, currency)?,
            paid: count.paid.to_string(),
            average: money(average.unwrap_or_default(), currency)?,
            refunded: money(count.refunded, currency)?,
            net: money(count.revenue - count.refunded, currency)?,
        })
    };
    money_moved.map(view).collect()
}

fn shares(cells: &[Cell]) -> Result<Vec<ShareView>, sqlx::Error> {
    let mut of_currency: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut of_product: BTreeMap<(Currency, ProductId), (Option<String>, Count)> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.count.paid > 0) {
        *of_currency.entry(cell.currency).or_default() += cell.count.revenue;
        let (_, count) =
            of_product.entry((cell.currency, cell.product)).or_insert((cell.name.clone(), Count::default()));
        count.add(cell.count);
    }
    let view = |((currency, product), (name, count)): ((Currency, ProductId), (Option<String>, Count))| {
        Ok(ShareView {
            product_id: product.number(),
            name,
            paid: count.paid.to_string(),
            revenue: money(count.revenue, currency)?,
            share: ratio(count.revenue, of_currency.get(&currency).copied().unwrap_or_default()),
        })
    };
    of_product.into_iter().map(view).collect()
}

fn months(cells: &[Cell]) -> Result<Vec<SalesView>, sqlx::Error> {
    let mut months: BTreeMap<(i32, u32, ProductId, Currency), Cell> = BTreeMap::new();
    for cell in cells {
        let month = (cell.day.year(), cell.day.month(), cell.product, cell.currency);
        let sum = months.entry(month).or_insert_with(|| Cell { count: Count::default(), ..cell.clone() });
        sum.count.add(cell.count);
    }
    months.into_iter().map(|((year, month, ..), cell)| sales(format!("{year:04}-{month:02}"), &cell)).collect()
}

fn sales(when: String, cell: &Cell) -> Result<SalesView, sqlx::Error> {
    let Cell { product, name, currency, count, .. } = cell;
    Ok(SalesView {
        when,
        product_id: product.number(),
        name: name.clone(),
        placed: count.placed.to_string(),
        converted: count.converted.to_string(),
        expired: count.expired.to_string(),
        paid: count.paid.to_string(),
        revenue: money(count.revenue, *currency)?,
        refunds: count.refunds.to_string(),
        refunded: money(count.refunded, *currency)?,
    })
}

async fn buyers(pool: &PgPool, from: NaiveDate, to: NaiveDate) -> Result<BuyersView, sqlx::Error> {
    let (buyers, repeated): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE paid > 1)
           FROM (SELECT count(*) AS paid FROM read.sold
                  WHERE paid_day BETWEEN $1 AND $2 AND NOT renewal GROUP BY account) AS buyers",
    )
    .bind(from)
    .bind(to)
    .fetch_one(pool)
    .await?;
    Ok(BuyersView { buyers, repeated, repurchase_rate: ratio(repeated.into(), buyers.into()) })
}

async fn keys(pool: &PgPool) -> Result<KeysView, sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) AS issued, count(*) FILTER (WHERE revoked) AS revoked,
                count(*) FILTER (WHERE NOT revoked AND unused > 0) AS active,
                count(*) FILTER (WHERE NOT revoked AND unused = 0) AS exhausted,
                coalesce(round(avg((uses - unused)::numeric / nullif(uses, 0)) FILTER (WHERE NOT revoked), 4), 0.0000)::text AS mean
           FROM read.keys_sold",
    )
    .fetch_one(pool)
    .await?;
    let (issued, revoked): (i64, i64) = (row.try_get("issued")?, row.try_get("revoked")?);
    let exhausted: i64 = row.try_get("exhausted")?;
    Ok(KeysView {
        issued,
        active: row.try_get("active")?,
        exhausted,
        revoked,
        mean_use: row.try_get("mean")?,
        expiry_rate: ratio(exhausted.into(), i128::from(issued) - i128::from(revoked)),
    })
}

async fn packages(pool: &PgPool) -> Result<PackagesView, sqlx::Error> {
    let (activated, expired): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE status = 'expired') FROM read.packages")
            .fetch_one(pool)
            .await?;
    Ok(PackagesView { activated, expired, expiry_rate: ratio(expired.into(), activated.into()) })
}
