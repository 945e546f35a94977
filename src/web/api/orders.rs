//! Buying: an order is placed, looked at, cancelled.

use aggregates::{OrderId, OrderStatus, ProductId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use projections::MoneyView;
use projections::orders::query::{self as orders, OrderFilter, OrderView};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::User;
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::{Body, OptionalBody};
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::super::values::Moment;
use super::fresh::{Api, Fresh};
use super::{actor, order_number, profile, whole};
use crate::app::App;
use crate::dispatch::{Buyer, Purchase, Sale};

/// As exact as read models are, so that the same time looks the same everywhere.
const MICROS: u16 = 6;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(purchase))
        .routes(routes!(place, list))
        .routes(routes!(one))
        .routes(routes!(cancel))
}

/// How a package is paid.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PurchaseIn {
    /// The usual one unless named.
    #[schema(example = "sandbox")]
    provider: Option<String>,
}

/// What is bought, and how it is paid.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderIn {
    /// The code of a product, such as `basic`. Either this or `product_id`.
    #[schema(example = "basic")]
    product_type: Option<String>,
    /// The number of a product.
    #[schema(example = 1)]
    product_id: Option<u32>,
    /// The usual one unless named.
    #[schema(example = "sandbox")]
    provider: Option<String>,
    /// There are none yet: whatever is sent is refused.
    coupon: Option<String>,
}

/// An order that waits for its payment.
#[derive(Serialize, ToSchema)]
pub(super) struct PlacedOut {
    #[schema(example = "ORD20260105060000deadbeef")]
    order_no: String,
    #[schema(example = "pending")]
    status: &'static str,
    product_id: Option<u32>,
    name: String,
    price: MoneyView,
    provider: String,
    /// Where the customer pays.
    payment_url: Option<String>,
    /// What a QR code for the payment holds.
    qr_code: Option<String>,
    /// What the provider calls the order, where its own component in the browser is what pays…
    provider_reference: Option<String>,
    /// …and the secret that it pays with. Shown while the order waits, to its customer alone.
    client_secret: Option<String>,
    placed_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<&Sale> for PlacedOut {
    fn from(sale: &Sale) -> Self {
        let Sale { placed, checkout, client_secret, .. } = sale;
        Self {
            order_no: placed.number.to_string(),
            status: OrderStatus::Pending.as_str(),
            product_id: placed.product.number(),
            name: placed.name.clone(),
            price: placed.price.into(),
            provider: placed.provider.clone(),
            payment_url: checkout.url.clone(),
            qr_code: checkout.qr.clone(),
            provider_reference: checkout.reference.clone(),
            client_secret: client_secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
            placed_at: placed.placed_at.trunc_subsecs(MICROS),
            expires_at: placed.expires_at.trunc_subsecs(MICROS),
        }
    }
}

/// Buys a package: an order, and where to pay it.
#[utoipa::path(
    post, path = "/api/packages/{id}/purchase", tag = "packages",
    params(("id" = u32, Path)), request_body = Option<PurchaseIn>, responses((status = 201, body = PlacedOut))
)]
async fn purchase(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<u32>,
    OptionalBody(wanted): OptionalBody<PurchaseIn>,
) -> Result<Written<PlacedOut>, Problem> {
    let wanted = Purchase { product: ProductId::numbered(number), package: true, provider: wanted.provider };
    buy(app, user, key, wanted).await
}

/// Places an order.
#[utoipa::path(
    post, path = "/api/v1/payments/orders", tag = "orders",
    request_body = OrderIn, responses((status = 201, body = PlacedOut))
)]
async fn place(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(wanted): Body<OrderIn>,
) -> Result<Written<PlacedOut>, Problem> {
    let OrderIn { product_type, product_id, provider, coupon } = wanted;
    if coupon.is_some() {
        return Err(Problem::field(Reason::BadValue, "/coupon", "there is no such coupon"));
    }
    let product = wanted_product(&app, product_type, product_id).await?;
    buy(app, user, key, Purchase { product, package: false, provider }).await
}

/// A product is named by its code or by its number.
pub(super) async fn wanted_product(app: &App, code: Option<String>, number: Option<u32>) -> Result<ProductId, Problem> {
    match (code, number) {
        (None, Some(number)) => Ok(ProductId::numbered(number)),
        (Some(code), None) => product_called(app, &code).await,
        (None, None) => Err(Problem::field(Reason::MissingField, "/product_type", "is missing")),
        (Some(_), Some(_)) => {
            let detail = "send product_type or product_id, not both";
            Err(Problem::field(Reason::BadValue, "/product_id", detail))
        }
    }
}

/// What is no code names no product.
async fn product_called(app: &App, code: &str) -> Result<ProductId, Problem> {
    let found = match code.parse() {
        Ok(code) => app.dispatch.product_by_code(&code).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| Problem::not_found("product"))
}

async fn buy(app: App, user: User, key: IdempotencyKey, wanted: Purchase) -> Result<Written<PlacedOut>, Problem> {
    let id = key.command_id(user.caller.account.as_str());
    let buyer =
        Buyer { profile: profile(&user.caller, &user.account), actor: actor(&user.caller), account: user.account };
    let sale = whole(async move { app.dispatch.purchase(&buyer, id, wanted).await }).await?;
    Ok(Written::created(&sale.receipt, PlacedOut::from(&sale)))
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersQuery {
    /// `pending`, `paid`, `fulfilled`, `expired`, `cancelled`, `failed`, `refunding`, `partially_refunded` or `refunded`.
    #[param(schema_with = order_status)]
    status: Option<OrderStatus>,
    /// Placed at or after this time…
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Moment>,
    /// …and before this one.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Moment>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// The words there are for it.
pub(super) fn order_status() -> Object {
    use OrderStatus as S;
    let all = [
        S::Pending,
        S::Paid,
        S::Fulfilled,
        S::Expired,
        S::Cancelled,
        S::Failed,
        S::Refunding,
        S::PartiallyRefunded,
        S::Refunded,
    ];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.map(OrderStatus::as_str))).build()
}

/// The caller's orders, newest first.
#[utoipa::path(
    get, path = "/api/v1/payments/orders", tag = "orders", params(OrdersQuery),
    responses((status = 200, content((Page<OrderView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    user: User,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<OrdersQuery>,
) -> Result<Response, Problem> {
    let OrdersQuery { status, from, to, limit, cursor } = query;
    let (from, to) = (from.map(|Moment(from)| from), to.map(|Moment(to)| to));
    let filter = OrderFilter { account: Some(user.account.key()), status, from, to, ..OrderFilter::default() };
    page_of_orders(&app, &filter, limit, cursor).await.map(|page| page.answer(wants))
}

pub(super) async fn page_of_orders(
    app: &App,
    filter: &OrderFilter,
    limit: Limit,
    cursor: Option<Cursor>,
) -> Result<Page<OrderView>, Problem> {
    let before = cursor.map(|cursor| cursor.place()).transpose()?;
    let items = orders::list(&app.pool, filter, before.as_ref(), limit.and_one()).await?;
    Page::cut(items, limit, |last| last.order_no.clone())
}

/// An order, and what it is paid with where it still waits.
#[derive(Serialize, ToSchema)]
struct OrderOut {
    #[serde(flatten)]
    order: OrderView,
    /// What the provider calls the order, where its own component in the browser is what pays…
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_reference: Option<String>,
    /// …and the secret that it pays with.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// One of the caller's orders: its state, and what it delivered.
#[utoipa::path(
    get, path = "/api/v1/payments/orders/{order_no}", tag = "orders",
    params(("order_no" = String, Path)), responses((status = 200, body = OrderOut))
)]
async fn one(
    user: User,
    _: Fresh,
    State(app): State<App>,
    Named(number): Named<String>,
) -> Result<Json<OrderOut>, Problem> {
    let number = order_number(&number)?;
    let order = orders::by_number(&app.pool, &number).await?;
    let own = order.filter(|order| order.account == user.account.as_str());
    let order = own.ok_or_else(|| Problem::not_found("order"))?;
    if order.status != OrderStatus::Pending {
        return Ok(Json(OrderOut { order, provider_reference: None, client_secret: None }));
    }
    let state = app.dispatch.order(&user.account, OrderId::of_number(&number)).await?;
    let client_secret = match state.checkout() {
        Some(checkout) => app.dispatch.client_secret(&user.account, &number, checkout).await?,
        None => None,
    };
    let provider_reference = state.checkout().and_then(|checkout| checkout.reference.clone());
    let client_secret = client_secret.map(|secret| secret.expose_secret().to_owned());
    Ok(Json(OrderOut { order, provider_reference, client_secret }))
}

/// What became of an order.
#[derive(Serialize, ToSchema)]
struct CancelledOut {
    order_no: String,
    #[schema(example = "cancelled")]
    status: &'static str,
}

/// Cancels an order that was not paid.
#[utoipa::path(
    post, path = "/api/v1/payments/orders/{order_no}/cancel", tag = "orders",
    params(("order_no" = String, Path)), responses((status = 200, body = CancelledOut))
)]
async fn cancel(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<String>,
) -> Result<Written<CancelledOut>, Problem> {
    let number = order_number(&number)?;
    let (id, order) = (key.command_id(user.caller.account.as_str()), OrderId::of_number(&number));
    // Somebody else's order is none in this account.
    let cancelled = async move { app.dispatch.cancel_order(&user.account, &actor(&user.caller), id, order).await };
    let receipt = whole(cancelled).await?;
    let out = CancelledOut { order_no: number.to_string(), status: OrderStatus::Cancelled.as_str() };
    Ok(Written::ok(&receipt, out))
}
