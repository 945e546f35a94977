//! Packages made, changed, taken off sale.

use aggregates::{
    AccountId, AggregateId, Currency, DayRule, Event, Money, PackageTerms, Product, ProductCommand, ProductContent,
    ProductEvent, ProductId, ProductKind, State as Aggregate,
};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use projections::MoneyView;
use projections::catalogue::query::{self as catalogue, ProductView, Shown};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor};
use super::super::decimal::{CreditsIn, PriceIn};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::paging::{Page, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::catalogue::{PackageOut, ProductsQuery, page_of_products};
use super::fresh::{Api, Fresh};
use super::{actor, whole};
use crate::app::App;
use crate::store::Receipt;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, take_off_sale))
}

/// A package as an admin writes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PackageIn {
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
    /// Only when changing: puts it on sale, or takes it off.
    on_sale: Option<bool>,
}

/// An amount of money.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AmountIn {
    amount: PriceIn,
    #[schema(example = "CNY")]
    currency: String,
}

impl PackageIn {
    fn content(&self, usual: Currency) -> Result<ProductContent, Problem> {
        let terms = PackageTerms {
            duration_days: self.duration_days,
            daily_limit: self.daily_limit.0,
            day: self.day,
            again: aggregates::Again::Extend,
        };
        Ok(ProductContent {
            code: None,
            name: self.name.clone(),
            description: self.description.clone(),
            prices: self.prices(usual)?,
            sort_order: self.sort_order,
            kind: ProductKind::Package(terms),
        })
    }

    fn prices(&self, usual: Currency) -> Result<Vec<Money>, Problem> {
        match (&self.price, self.prices.as_slice()) {
            (Some(price), []) => Ok(vec![price.to_money(usual, "/price")?]),
            (None, []) => Err(Problem::field(Reason::MissingField, "/price", "is missing")),
            (Some(_), _) => Err(Problem::field(Reason::BadValue, "/prices", "send price or prices, not both")),
            (None, prices) => prices.iter().enumerate().map(|(at, price)| price.to_money(at, usual)).collect(),
        }
    }
}

impl AmountIn {
    fn to_money(&self, at: usize, usual: Currency) -> Result<Money, Problem> {
        // A declared unit is known by its code here; its decimals are in the settings.
        let currency = if self.currency == usual.code() { Ok(usual) } else { Currency::iso(&self.currency) };
        let currency = currency
            .map_err(|error| Problem::field(Reason::BadValue, format!("/prices/{at}/currency"), error.to_string()))?;
        self.amount.to_money(currency, &format!("/prices/{at}/amount"))
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
    let page = page_of_products(&app, Shown::All, query).await?;
    Ok(page.map(|product| PackageOut::new(product, app.currency)).answer(wants))
}

/// One package, on sale or not.
#[utoipa::path(
    get, path = "/api/admin/packages/{id}", tag = "packages",
    params(("id" = u32, Path)), responses((status = 200, body = PackageOut))
)]
async fn one(_: Auditor, _: Fresh, State(app): State<App>, Named(id): Named<u32>) -> Result<Json<PackageOut>, Problem> {
    let product = catalogue::one(&app.pool, id).await?.ok_or_else(|| Problem::not_found("package"))?;
    Ok(Json(PackageOut::new(product, app.currency)))
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
    if package.on_sale == Some(false) {
        return Err(Problem::field(Reason::BadValue, "/on_sale", "a new package is on sale"));
    }
    let content = package.content(app.currency)?;
    let next = catalogue::newest(&app.pool).await?.saturating_add(1);
    let id = key.command_id(admin.account.as_str());
    let dispatch = app.dispatch.clone();
    let receipt = whole(async move { dispatch.create_product(&actor(&admin), id, next, content).await }).await?;
    let (number, content) = created(&receipt).ok_or_else(|| Problem::internal("a product without its event"))?;
    Ok(Written::created(&receipt, package_out(number, content, true, app.currency)?))
}

/// Replaces what a package is. Orders that were placed before keep what they bought.
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
    let sale = package.on_sale.map(|on_sale| match on_sale {
        true => ProductCommand::PutOnSale,
        false => ProductCommand::TakeOffSale,
    });
    let commands = [ProductCommand::Change(package.content(app.currency)?)].into_iter().chain(sale).collect();
    change(&app, admin, key, number, commands).await
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
    change(&app, admin, key, number, vec![ProductCommand::TakeOffSale]).await
}

async fn change(
    app: &App,
    admin: std::sync::Arc<super::super::auth::Caller>,
    key: IdempotencyKey,
    number: u32,
    commands: Vec<ProductCommand>,
) -> Result<Written<PackageOut>, Problem> {
    let (id, product) = (key.command_id(admin.account.as_str()), ProductId::numbered(number));
    let dispatch = app.dispatch.clone();
    let receipt = whole(async move { dispatch.change_product(&actor(&admin), id, product, commands).await }).await?;
    let aggregate = AggregateId::product(product);
    let state = app.dispatch.look_after(&AccountId::system(), aggregate, &receipt).await?;
    let Aggregate::Product(Product::Created { content, on_sale }) = state else {
        return Err(Problem::not_found("package"));
    };
    Ok(Written::ok(&receipt, package_out(number, &content, on_sale, app.currency)?))
}

fn created(receipt: &Receipt) -> Option<(u32, &ProductContent)> {
    receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::Product(ProductEvent::Created(content)) => {
            Some((ProductId::from_uuid(recorded.aggregate.id).number()?, content))
        }
        _ => None,
    })
}

fn package_out(number: u32, content: &ProductContent, on_sale: bool, usual: Currency) -> Result<PackageOut, Problem> {
    let ProductKind::Package(terms) = content.kind else {
        return Err(Problem::not_found("package"));
    };
    let view = ProductView {
        id: number,
        name: content.name.clone(),
        description: content.description.clone(),
        prices: content.prices.iter().copied().map(MoneyView::from).collect(),
        sort_order: content.sort_order,
        on_sale,
        kind: "package",
        duration_days: terms.duration_days,
        daily_limit: terms.daily_limit.to_string(),
        day: terms.day,
    };
    Ok(PackageOut::new(view, usual))
}
