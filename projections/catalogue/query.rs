//! `GET /api/packages`, `GET /api/v1/payments/products`, and the admin's list.

use aggregates::{Money, ProductContent, ProductKind};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;

use crate::rows::{MoneyView, decode, from_json};
use crate::{TermsType, TermsView};

/// Products in one answer.
const PRODUCTS_MAX: i64 = 1_000;

/// Something in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProductView {
    /// Its number.
    pub id: u32,
    /// What integrators call it: `{"product_type": "basic"}`.
    #[schema(example = "basic")]
    pub code: Option<String>,
    pub name: String,
    pub description: String,
    /// At most one per currency.
    pub prices: Vec<MoneyView>,
    pub sort_order: i32,
    pub on_sale: bool,
    #[serde(flatten)]
    pub terms: TermsView,
}

const COLUMNS: &str = "number, code, name, description, prices, sort_order, kind, on_sale";

/// Which products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What can be bought, or everything that was ever in the catalogue.
    pub on_sale: bool,
    /// Products of one type, or of every type.
    pub of_type: Option<TermsType>,
}

impl Shown {
    pub const ON_SALE: Self = Self { on_sale: true, of_type: None };
    pub const PACKAGES_ON_SALE: Self = Self { on_sale: true, of_type: Some(TermsType::Package) };
    pub const ALL: Self = Self { on_sale: false, of_type: None };
    pub const ALL_PACKAGES: Self = Self { on_sale: false, of_type: Some(TermsType::Package) };
}

/// Where the next page of products goes on: after the one of this order and number.
pub type Place = (i32, u32);

impl ProductView {
    /// As it is right after a change, before any row says so.
    #[must_use]
    pub fn of(number: u32, content: &ProductContent, on_sale: bool) -> Self {
        Self {
            id: number,
            code: content.code.as_ref().map(ToString::to_string),
            name: content.name.clone(),
            description: content.description.clone(),
            prices: content.prices.iter().copied().map(MoneyView::from).collect(),
            sort_order: content.sort_order,
            on_sale,
            terms: (&content.kind).into(),
        }
    }

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
    if shown.on_sale {
        sql.push(" AND on_sale");
    }
    if let Some(of_type) = shown.of_type {
        sql.push(" AND kind ? ").push_bind(of_type.as_str());
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
    let kind: ProductKind = from_json(row.try_get("kind")?)?;
    Ok(ProductView {
        id: u32::try_from(row.try_get::<i64, _>("number")?).map_err(decode)?,
        code: row.try_get("code")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        prices: prices.into_iter().map(MoneyView::from).collect(),
        sort_order: row.try_get("sort_order")?,
        on_sale: row.try_get("on_sale")?,
        terms: (&kind).into(),
    })
}
