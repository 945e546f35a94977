//! Every order.

use aggregates::{OrderStatus, ProductId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use projections::TermsType;
use projections::orders::query::{self as orders, OrderFilter, OrderView, ReviewFilter, ReviewView};
use projections::orders::refund_query::{self as refunds, RefundFilter, RefundView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Auditor;
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::Problem;
use super::super::query::{Named, Params};
use super::super::values::{Moment, Word};
use super::admin_accounts::EACH_MAX;
use super::fresh::{Api, Fresh};
use super::orders::{order_status, page_of_orders};
use super::{account_filter, order_filter, order_number};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersQuery {
    account: Option<String>,
    /// `pending`, `paid`, `fulfilled`, `expired`, `cancelled`, `failed`, `refunding`, `partially_refunded` or `refunded`.
    #[param(schema_with = order_status)]
    status: Option<OrderStatus>,
    order_no: Option<String>,
    /// The provider's name for the payment, also of one that is for review.
    #[param(value_type = Option<String>)]
    payment_id: Option<Word>,
    /// The number of its product in the catalogue.
    product: Option<u32>,
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TermsType>,
    #[param(value_type = Option<String>)]
    provider: Option<Word>,
    /// Paid after it had expired, been cancelled or failed.
    late: Option<bool>,
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

/// Orders of all customers, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/orders", tag = "admin", params(OrdersQuery),
    responses((status = 200, content((Page<OrderView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<OrdersQuery>,
) -> Result<Response, Problem> {
    let filter = OrderFilter {
        account: account_filter(query.account.as_deref())?,
        status: query.status,
        order: order_filter(query.order_no.as_deref())?,
        payment_id: query.payment_id.map(|Word(payment_id)| payment_id),
        product: query.product.map(ProductId::numbered),
        kind: query.kind,
        provider: query.provider.map(|Word(provider)| provider),
        late: query.late,
        from: query.from.map(|Moment(from)| from),
        to: query.to.map(|Moment(to)| to),
    };
    page_of_orders(&app, &filter, query.limit, query.cursor).await.map(|page| page.answer(wants))
}

/// An order, and what else there is about its money: the newest hundred of each.
#[derive(Serialize, ToSchema)]
struct OrderOut {
    #[serde(flatten)]
    order: OrderView,
    refunds: Vec<RefundView>,
    /// Payments that delivered nothing, whatever became of them.
    mismatches: Vec<ReviewView>,
}

/// One order of whichever customer, with its refunds and payments for review.
#[utoipa::path(
    get, path = "/api/v1/admin/orders/{order_no}", tag = "admin",
    params(("order_no" = String, Path)), responses((status = 200, body = OrderOut))
)]
async fn one(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    Named(number): Named<String>,
) -> Result<Json<OrderOut>, Problem> {
    let number = order_number(&number)?;
    let of_order = RefundFilter { order: Some(number.clone()), ..RefundFilter::default() };
    let about_it = ReviewFilter { order: Some(number.clone()), ..ReviewFilter::default() };
    let (order, refunds, mismatches) = tokio::try_join!(
        orders::by_number(&app.pool, &number),
        refunds::list(&app.pool, &of_order, None, EACH_MAX),
        orders::reviews(&app.pool, &about_it, None, EACH_MAX),
    )?;
    let order = order.ok_or_else(|| Problem::not_found("order"))?;
    Ok(Json(OrderOut { order, refunds, mismatches }))
}
