//! `GET /api/packages`, `GET /api/v1/payments/products`, and the admin's list.

use aggregates::{DayRule, Money, PackageTerms, ProductKind};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;

use crate::rows::{MoneyView, decode, from_json};

/// Products in one answer.
const PRODUCTS_MAX: i64 = 1_000;

/// Something in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProductView {
    /// Its number.
    pub id: u32,
    pub name: String,
    pub description: String,
    /// At most one per currency.
    pub prices: Vec<MoneyView>,
    pub sort_order: i32,
    pub on_sale: bool,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub duration_days: u32,
    pub daily_limit: String,
    #[schema(value_type = String)]
    pub day: DayRule,
}

const COLUMNS: &str = "number, name, description, prices, sort_order, kind, on_sale";

/// What can be bought, in the order it is shown.
///
/// # Errors
/// When the database cannot be read.
pub async fn on_sale(pool: &PgPool) -> Result<Vec<ProductView>, sqlx::Error> {
    list(pool, "WHERE on_sale AND number IS NOT NULL").await
}

/// Everything that was ever in the catalogue.
///
/// # Errors
/// When the database cannot be read.
pub async fn all(pool: &PgPool) -> Result<Vec<ProductView>, sqlx::Error> {
    list(pool, "WHERE number IS NOT NULL").await
}

/// One product, on sale or not.
///
/// # Errors
/// When the database cannot be read.
pub async fn one(pool: &PgPool, number: u32) -> Result<Option<ProductView>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM read.products WHERE number = $1");
    let row = sqlx::query(&sql).bind(i64::from(number)).fetch_optional(pool).await?;
    row.as_ref().map(view).transpose()
}

async fn list(pool: &PgPool, which: &'static str) -> Result<Vec<ProductView>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM read.products {which} ORDER BY sort_order, number LIMIT $1");
    sqlx::query(&sql).bind(PRODUCTS_MAX).fetch_all(pool).await?.iter().map(view).collect()
}

fn view(row: &PgRow) -> Result<ProductView, sqlx::Error> {
    let prices: Vec<Money> = from_json(row.try_get("prices")?)?;
    let ProductKind::Package(PackageTerms { duration_days, daily_limit, day }) = from_json(row.try_get("kind")?)?;
    Ok(ProductView {
        id: u32::try_from(row.try_get::<i64, _>("number")?).map_err(decode)?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        prices: prices.into_iter().map(MoneyView::from).collect(),
        sort_order: row.try_get("sort_order")?,
        on_sale: row.try_get("on_sale")?,
        kind: "package",
        duration_days,
        daily_limit: daily_limit.to_string(),
        day,
    })
}
