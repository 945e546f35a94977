//! What is on sale, and what the caller already has of it.

use aggregates::Currency;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use projections::MoneyView;
use projections::catalogue::query::{self as catalogue, ProductView};
use projections::packages::query::{self as packages, PackageView};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::User;
use super::super::paging::Page;
use super::super::problem::Problem;
use super::fresh::{Api, Fresh};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(packages_on_sale)).routes(routes!(products))
}

/// A package in the catalogue.
#[derive(Serialize, ToSchema)]
pub(super) struct PackageOut {
    #[schema(example = 1)]
    id: u32,
    name: String,
    description: String,
    /// In the usual currency, where it has a price in that.
    #[schema(example = "30.00")]
    price: Option<String>,
    #[schema(example = "CNY")]
    currency: Option<String>,
    /// In every currency it has a price in.
    prices: Vec<MoneyView>,
    duration_days: u32,
    #[schema(example = "5.00")]
    daily_limit: String,
    /// `calendar` or `anniversary`: when a new day's quota begins.
    #[schema(value_type = String)]
    day: aggregates::DayRule,
    sort_order: i32,
    on_sale: bool,
}

impl PackageOut {
    pub(super) fn new(product: ProductView, usual: Currency) -> Self {
        let in_usual = product.prices.iter().find(|price| price.currency == usual.code());
        Self {
            id: product.id,
            price: in_usual.map(|price| price.amount.clone()),
            currency: in_usual.map(|price| price.currency.clone()),
            name: product.name,
            description: product.description,
            prices: product.prices,
            duration_days: product.duration_days,
            daily_limit: product.daily_limit,
            day: product.day,
            sort_order: product.sort_order,
            on_sale: product.on_sale,
        }
    }
}

/// A package on sale, and what the caller has of it.
#[derive(Serialize, ToSchema)]
struct Offer {
    #[serde(flatten)]
    package: PackageOut,
    /// Whether the caller has one that is running now.
    active: bool,
    /// The caller's own, running and past.
    owned: Vec<Owned>,
}

/// A package that the caller bought.
#[derive(Serialize, ToSchema)]
struct Owned {
    id: Uuid,
    /// `active` or `expired`.
    status: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// What it will still pay in all.
    remaining: String,
}

impl Offer {
    fn new(product: ProductView, usual: Currency, held: &[PackageView]) -> Self {
        let of_this = held.iter().filter(|held| held.product == Some(product.id));
        let owned: Vec<Owned> = of_this
            .map(|held| Owned {
                id: held.id,
                status: held.status.clone(),
                starts_at: held.starts_at,
                ends_at: held.ends_at,
                remaining: held.remaining.clone(),
            })
            .collect();
        let active = owned.iter().any(|owned| owned.status == "active");
        Self { package: PackageOut::new(product, usual), active, owned }
    }
}

/// Packages on sale, with what the caller already has.
#[utoipa::path(get, path = "/api/packages", tag = "packages", responses((status = 200, body = Page<Offer>)))]
async fn packages_on_sale(user: User, _: Fresh, State(app): State<App>) -> Result<Json<Page<Offer>>, Problem> {
    let (on_sale, held) = tokio::try_join!(
        catalogue::on_sale(&app.pool),
        packages::of_account(&app.pool, user.account.key(), app.clock.now())
    )?;
    let packages = on_sale.into_iter().filter(|product| product.kind == "package");
    let items = packages.map(|product| Offer::new(product, app.currency, &held)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Everything on sale.
#[utoipa::path(get, path = "/api/v1/payments/products", tag = "orders", responses((status = 200, body = Page<ProductView>)))]
async fn products(_: User, _: Fresh, State(app): State<App>) -> Result<Json<Page<ProductView>>, Problem> {
    let items = catalogue::on_sale(&app.pool).await?;
    Ok(Json(Page { items, next_cursor: None }))
}
