//! Packages made, changed, taken off sale. What is true of every product is in `admin_products.rs`.

use aggregates::{Again, Currency, DayRule, PackageTerms, ProductCommand, ProductContent, ProductKind};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use projections::TermsView;
use projections::catalogue::query::{self as catalogue, Shown};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor};
use super::super::decimal::{CreditsIn, PriceIn};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::paging::{Page, Wants};
use super::super::problem::Problem;
use super::super::query::{Named, Params};
use super::admin_products::{AmountIn, changed, code, created, known, prices, replacing};
use super::catalogue::{PackageOut, ProductsQuery, page_of_products};
use super::fresh::{Api, Fresh};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, take_off_sale))
}

/// A package as an admin writes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PackageIn {
    /// What integrators call it. No two products have the same, and it never changes; left out when changing, it stays.
    #[schema(example = "monthly", max_length = 32)]
    code: Option<String>,
    #[schema(example = "基础套餐", min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(example = "适合轻度使用", max_length = 4000)]
    description: String,
    /// In the usual currency. Either this or `prices`.
    price: Option<PriceIn>,
    /// One for each currency it is sold in.
    #[serde(default)]
    prices: Vec<AmountIn>,
    #[schema(example = 30, minimum = 1)]
    duration_days: u32,
    daily_limit: CreditsIn,
    /// Smaller numbers are shown first.
    #[serde(default)]
    #[schema(example = 1)]
    sort_order: i32,
    /// When a new day's quota begins: at midnight of the billing time zone, or every 24 hours from activation.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "calendar")]
    day: DayRule,
    /// What buying it again does while one has not ended: `extend` moves its end and total out, with `parallel` both run,
    /// with `queue` the new one starts when the other ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "extend")]
    again: Again,
    /// Only when changing: puts it on sale, or takes it off.
    on_sale: Option<bool>,
}

impl PackageIn {
    fn content(&self, usual: Currency) -> Result<ProductContent, Problem> {
        let terms = PackageTerms {
            duration_days: self.duration_days,
            daily_limit: self.daily_limit.0,
            day: self.day,
            again: self.again,
        };
        Ok(ProductContent {
            code: code(self.code.as_deref())?,
            name: self.name.clone(),
            description: self.description.clone(),
            prices: prices(self.price.as_ref(), &self.prices, usual)?,
            sort_order: self.sort_order,
            kind: ProductKind::Package(terms),
        })
    }
}

/// Every package there ever was, in the order they are shown in.
#[utoipa::path(
    get, path = "/api/admin/packages", tag = "packages", params(ProductsQuery),
    responses((status = 200, content((Page<PackageOut> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<ProductsQuery>,
) -> Result<Response, Problem> {
    let page = page_of_products(&app, Shown::ALL_PACKAGES, query).await?;
    Ok(page.map(|product| PackageOut::new(product, app.currency)).answer(wants))
}

/// One package, on sale or not.
#[utoipa::path(
    get, path = "/api/admin/packages/{id}", tag = "packages",
    params(("id" = u32, Path)), responses((status = 200, body = PackageOut))
)]
async fn one(_: Auditor, _: Fresh, State(app): State<App>, Named(id): Named<u32>) -> Result<Json<PackageOut>, Problem> {
    let product = catalogue::one(&app.pool, id).await?;
    let package = product.filter(|product| matches!(product.terms, TermsView::Package { .. }));
    let package = package.ok_or_else(|| Problem::not_found("package"))?;
    Ok(Json(PackageOut::new(package, app.currency)))
}

/// Creates a package, on sale at once.
#[utoipa::path(
    post, path = "/api/admin/packages", tag = "packages",
    request_body = PackageIn, responses((status = 201, body = PackageOut))
)]
async fn create(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(package): Body<PackageIn>,
) -> Result<Written<PackageOut>, Problem> {
    let content = package.content(app.currency)?;
    let (receipt, view) = created(&app, admin, &key, package.on_sale, content).await?;
    Ok(Written::created(&receipt, PackageOut::new(view, app.currency)))
}

/// Replaces what a package is; its code stays. Orders that were placed before keep what they bought.
#[utoipa::path(
    put, path = "/api/admin/packages/{id}", tag = "packages",
    params(("id" = u32, Path)), request_body = PackageIn, responses((status = 200, body = PackageOut))
)]
async fn replace(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<u32>,
    Body(package): Body<PackageIn>,
) -> Result<Written<PackageOut>, Problem> {
    let before = known_package(&app, number).await?;
    let commands = replacing(&before, package.content(app.currency)?, package.on_sale);
    let (receipt, view) = changed(&app, admin, &key, number, commands).await?;
    Ok(Written::ok(&receipt, PackageOut::new(view, app.currency)))
}

/// Takes a package off sale. Who has it keeps it.
#[utoipa::path(
    delete, path = "/api/admin/packages/{id}", tag = "packages",
    params(("id" = u32, Path)), responses((status = 200, body = PackageOut))
)]
async fn take_off_sale(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<u32>,
) -> Result<Written<PackageOut>, Problem> {
    known_package(&app, number).await?;
    let (receipt, view) = changed(&app, admin, &key, number, vec![ProductCommand::TakeOffSale]).await?;
    Ok(Written::ok(&receipt, PackageOut::new(view, app.currency)))
}

/// A product of another type is no package.
async fn known_package(app: &App, number: u32) -> Result<ProductContent, Problem> {
    let content = known(app, number).await?;
    match content.kind {
        ProductKind::Package(_) => Ok(content),
        _ => Err(Problem::not_found("package")),
    }
}
