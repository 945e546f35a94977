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

/// Which products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What can be bought.
    OnSale,
    /// Everything that was ever in the catalogue.
    All,
}

/// Where the next page of products goes on: after the one of this order and number.
pub type Place = (i32, u32);

impl ProductView {
    #[must_use]
    pub fn place(&self) -> Place {
        (self.sort_order, self.id)
    }
}

/// Up to `limit` products after `after`, in the order they are shown in.
///
/// # Errors
/// When the database cannot be read.
pub async fn list(
    pool: &PgPool,
    shown: Shown,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<ProductView>, sqlx::Error> {
    let mut sql = sqlx::QueryBuilder::new(format!("SELECT {COLUMNS} FROM read.products WHERE number IS NOT NULL"));
    if shown == Shown::OnSale {
        sql.push(" AND on_sale");
    }
    if let Some((sort_order, number)) = after {
        sql.push(" AND (sort_order, number) > (").push_bind(sort_order);
        sql.push(", ").push_bind(i64::from(number)).push(")");
    }
    sql.push(" ORDER BY sort_order, number LIMIT ").push_bind(limit.clamp(0, PRODUCTS_MAX));
    sql.build().fetch_all(pool).await?.iter().map(view).collect()
}

/// The largest number that a product has; 0 where there is none.
///
/// # Errors
/// When the database cannot be read.
pub async fn newest(pool: &PgPool) -> Result<u32, sqlx::Error> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM read.products").fetch_one(pool).await?;
    u32::try_from(newest.unwrap_or(0)).map_err(decode)
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

fn view(row: &PgRow) -> Result<ProductView, sqlx::Error> {
    let prices: Vec<Money> = from_json(row.try_get("prices")?)?;
    let ProductKind::Package(PackageTerms { duration_days, daily_limit, day, again: _ }) =
        from_json(row.try_get("kind")?)?
    else {
        return Err(crate::rows::decode(crate::Unfit("a kind of product that is not shown yet")));
    };
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
