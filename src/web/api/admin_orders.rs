//! Every order.

use aggregates::OrderStatus;
use axum::extract::State;
use axum::response::Response;
use projections::orders::query::{OrderFilter, OrderView};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Auditor;
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::Problem;
use super::super::query::Params;
use super::super::values::Moment;
use super::account_filter;
use super::fresh::{Api, Fresh};
use super::orders::{order_status, page_of_orders};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
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
    let OrdersQuery { account, status, from, to, limit, cursor } = query;
    let account = account_filter(account.as_deref())?;
    let (from, to) = (from.map(|Moment(from)| from), to.map(|Moment(to)| to));
    let filter = OrderFilter { account, status, from, to };
    page_of_orders(&app, &filter, limit, cursor).await.map(|page| page.answer(wants))
}
