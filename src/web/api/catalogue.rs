//! What is on sale, and what the caller already has of it.

use aggregates::Currency;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::TermsType;
use projections::catalogue::query::{self as catalogue, ProductView, Shown};
use projections::packages::query::{self as packages, PackageView};
use projections::{MoneyView, TermsView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::User;
use super::super::paging::{Cursor, Limit, Page, Row, Wants};
use super::super::problem::Problem;
use super::super::query::Params;
use super::fresh::{Api, Fresh};
use super::lines::{or_empty, terms_cells};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(packages_on_sale)).routes(routes!(products))
}

/// A package in the catalogue.
#[derive(Serialize, ToSchema)]
pub(super) struct PackageOut {
    #[schema(example = 1)]
    id: u32,
    /// What integrators call it.
    code: Option<String>,
    name: String,
    description: String,
    /// In the usual currency, where it has a price in that.
    #[schema(example = "30.00")]
    price: Option<String>,
    #[schema(example = "CNY")]
    currency: Option<String>,
    /// In every currency it has a price in.
    prices: Vec<MoneyView>,
    #[serde(flatten)]
    terms: TermsView,
    sort_order: i32,
    on_sale: bool,
}

impl PackageOut {
    pub(super) fn new(product: ProductView, usual: Currency) -> Self {
        let in_usual = product.prices.iter().find(|price| price.currency == usual.code());
        Self {
            id: product.id,
            code: product.code,
            price: in_usual.map(|price| price.amount.clone()),
            currency: in_usual.map(|price| price.currency.clone()),
            name: product.name,
            description: product.description,
            prices: product.prices,
            terms: product.terms,
            sort_order: product.sort_order,
            on_sale: product.on_sale,
        }
    }
}

/// Who may be paid for it, in the order in which they are offered: `provider` of an order.
fn providers(app: &App, product: &ProductView) -> Vec<&'static str> {
    let has_price_in = |currency: &str| product.prices.iter().any(|price| price.currency == currency);
    app.dispatch.providers().payable(product.id, product.code.as_deref(), has_price_in)
}

/// A product on sale.
#[derive(Serialize, ToSchema)]
struct OnSale {
    #[serde(flatten)]
    product: ProductView,
    /// Who may be paid for it, the one that is taken if none is asked for first.
    #[schema(example = json!(["alipay", "wechat"]))]
    providers: Vec<&'static str>,
}

impl OnSale {
    fn new(app: &App, product: ProductView) -> Self {
        Self { providers: providers(app, &product), product }
    }
}

/// A package on sale, and what the caller has of it.
#[derive(Serialize, ToSchema)]
struct Offer {
    #[serde(flatten)]
    package: PackageOut,
    /// Who may be paid for it, the one that is taken if none is asked for first.
    #[schema(example = json!(["alipay", "wechat"]))]
    providers: Vec<&'static str>,
    /// Whether the caller has one that is running now.
    active: bool,
    /// The caller's own, running and past.
    owned: Vec<Owned>,
}

/// A package that the caller bought.
#[derive(Serialize, ToSchema)]
struct Owned {
    id: Uuid,
    /// `waiting`, `active`, `expired` or `revoked`.
    status: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// What it will still pay in all.
    remaining: String,
}

impl Offer {
    fn new(app: &App, product: ProductView, held: &[PackageView]) -> Self {
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
        let providers = providers(app, &product);
        Self { package: PackageOut::new(product, app.currency), providers, active, owned }
    }
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProductsQuery {
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Which products, and which page of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TypedProductsQuery {
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TermsType>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// A page of the catalogue, of one type where one is asked for.
pub(super) async fn page_of_type(
    app: &App,
    shown: Shown,
    TypedProductsQuery { kind, limit, cursor }: TypedProductsQuery,
) -> Result<Page<ProductView>, Problem> {
    page_of_products(app, Shown { of_type: kind, ..shown }, ProductsQuery { limit, cursor }).await
}

/// A page of the catalogue.
pub(super) async fn page_of_products(
    app: &App,
    shown: Shown,
    query: ProductsQuery,
) -> Result<Page<ProductView>, Problem> {
    let after = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let items = catalogue::list(&app.pool, shown, after, query.limit.and_one()).await?;
    Page::cut(items, query.limit, ProductView::place)
}

/// Packages on sale, in the order they are shown in, with what the caller already has.
#[utoipa::path(
    get, path = "/api/packages", tag = "packages", params(ProductsQuery),
    responses((status = 200, content((Page<Offer> = "application/json"), (String = "text/csv"))))
)]
async fn packages_on_sale(
    user: User,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<ProductsQuery>,
) -> Result<Response, Problem> {
    let page = page_of_products(&app, Shown::PACKAGES_ON_SALE, query).await?;
    let held = packages::of_account(&app.pool, user.account.key(), app.clock.now()).await?;
    Ok(page.map(|product| Offer::new(&app, product, &held)).answer(wants))
}

/// Everything on sale, in the order it is shown in.
#[utoipa::path(
    get, path = "/api/v1/payments/products", tag = "orders", params(TypedProductsQuery),
    responses((status = 200, content((Page<OnSale> = "application/json"), (String = "text/csv"))))
)]
async fn products(
    _: User,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<TypedProductsQuery>,
) -> Result<Response, Problem> {
    let page = page_of_type(&app, Shown::ON_SALE, query).await?;
    Ok(page.map(|product| OnSale::new(&app, product)).answer(wants))
}

impl PackageOut {
    fn columns(&self) -> [String; 12] {
        let [duration_days, daily_limit, day, again, ..] = terms_cells(&self.terms);
        [
            self.id.to_string(),
            or_empty(&self.code),
            self.name.clone(),
            self.description.clone(),
            or_empty(&self.price),
            or_empty(&self.currency),
            duration_days,
            daily_limit,
            day,
            again,
            self.sort_order.to_string(),
            self.on_sale.to_string(),
        ]
    }
}

impl Row for PackageOut {
    const HEADER: &'static [&'static str] = &[
        "id",
        "code",
        "name",
        "description",
        "price",
        "currency",
        "duration_days",
        "daily_limit",
        "day",
        "again",
        "sort_order",
        "on_sale",
    ];

    fn cells(&self) -> Vec<String> {
        self.columns().into()
    }
}

impl Row for OnSale {
    const HEADER: &'static [&'static str] = ProductView::HEADER;
    const MORE: &'static [&'static str] = &["providers"];

    fn cells(&self) -> Vec<String> {
        self.product.cells().into_iter().chain([self.providers.join("; ")]).collect()
    }
}

impl Row for Offer {
    const HEADER: &'static [&'static str] = PackageOut::HEADER;
    const MORE: &'static [&'static str] = &["active", "providers"];

    fn cells(&self) -> Vec<String> {
        let own = [self.active.to_string(), self.providers.join("; ")];
        self.package.columns().into_iter().chain(own).collect()
    }
}
