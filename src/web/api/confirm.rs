//! `POST /api/payments/confirm`: a customer who comes back from paying asks what became of it. Where the notice is late, the
//! provider is asked, and the payment taken.
//!
//! The shape is that of the front end which asks: `{success, status, creditsAdded, message, error, code}`. A refusal has
//! those of its members that a problem has not: `status` and `code` are there what they are in every problem.

use std::time::Duration;

use aggregates::{AggregateId, Credits, Locale, Order, OrderId, OrderStatus, State as Aggregate};
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Role, User};
use super::super::idempotency::LedgerPosition;
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::super::windows::Window;
use super::fresh::Api;
use super::{order_number, whole};
use crate::app::App;
use crate::dispatch::DispatchError;
use crate::store::Receipt;

const WINDOW: Window = Window { purpose: "confirm", requests: 10, length: Duration::from_secs(60) };
/// What a customer waits for a provider that does not answer.
const PROVIDER_WAIT: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(confirm))
}

/// Which payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmIn {
    #[serde(rename = "orderId")]
    #[schema(example = "ORD20260105060000deadbeef")]
    order_id: String,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
struct ConfirmOut {
    /// It was paid and delivered.
    success: bool,
    /// `completed`, `pending`, `expired`, `cancelled`, `failed`, `refunding`, `partially_refunded` or `refunded`.
    #[schema(example = "completed")]
    status: &'static str,
    /// A number of at most six decimals; zero where the order was about other things.
    #[serde(rename = "creditsAdded")]
    #[schema(value_type = f64)]
    credits_added: Box<RawValue>,
    message: &'static str,
}

/// Says whether an order was paid, and what it brought.
#[utoipa::path(
    post, path = "/api/payments/confirm", tag = "orders",
    request_body = ConfirmIn, responses((status = 200, body = ConfirmOut))
)]
async fn confirm(user: Result<User, Problem>, State(app): State<App>, request: Request) -> Response {
    let spoken = user.as_ref().map_or_else(|_| accepted(request.headers()), |user| user.caller.locale);
    match user {
        Ok(user) => answer(&app, user, request).await.unwrap_or_else(|problem| refusal(problem, spoken)),
        Err(problem) => refusal(problem, spoken),
    }
}

async fn answer(app: &App, user: User, request: Request) -> Result<Response, Problem> {
    if !matches!(user.caller.role, Role::Service | Role::Admin) {
        WINDOW.check(&app.pool, user.account.key()).await?;
    }
    let Body(ConfirmIn { order_id }) = Body::from_request(request, app).await?;
    let number = order_number(&order_id)?;
    let (account, order) = app.dispatch.find_order(&number).await?;
    if account != user.account {
        return Err(Problem::new(Reason::OthersAccount, "this order belongs to somebody else"));
    }
    let (mut state, mut receipt) = (look(app, &user, order).await?, None);
    if state.payment().is_none() {
        receipt = ask_provider(app, number).await?;
        state = look(app, &user, order).await?;
    }
    let mut response = Json(out(&state, user.caller.locale)?).into_response();
    if let Some(receipt) = receipt {
        LedgerPosition::from(&receipt).put_on(&mut response);
    }
    Ok(response)
}

async fn look(app: &App, user: &User, order: OrderId) -> Result<Order, Problem> {
    match app.dispatch.look(&user.account, AggregateId::order(order)).await? {
        Aggregate::Order(order) => Ok(order),
        _ => Err(Problem::not_found("order")),
    }
}

/// A provider that does not answer now leaves the order as it is: the customer asks again.
async fn ask_provider(app: &App, number: aggregates::OrderNumber) -> Result<Option<Receipt>, Problem> {
    let app = app.clone();
    let asking = whole(async move {
        match app.dispatch.reconcile(&number).await {
            Ok(taken) => Ok::<_, DispatchError>(taken.map(|taken| taken.receipt)),
            Err(DispatchError::Provider { .. } | DispatchError::NoProvider(_)) => Ok(None),
            Err(error) => Err(error),
        }
    });
    tokio::time::timeout(PROVIDER_WAIT, asking).await.unwrap_or(Ok(None))
}

fn out(order: &Order, locale: Locale) -> Result<ConfirmOut, Problem> {
    let status = order.status().map_err(|_| Problem::not_found("order"))?;
    let completed = status == OrderStatus::Fulfilled;
    let added = order.granted().unwrap_or_default();
    Ok(ConfirmOut {
        success: completed,
        status: if completed { "completed" } else { status.as_str() },
        credits_added: number(added)?,
        message: message(status, locale),
    })
}

/// `100`, `0.25`: the digits as they are, never through a float.
fn number(credits: Credits) -> Result<Box<RawValue>, Problem> {
    let text = credits.to_string();
    RawValue::from_string(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        .or_else(|_| RawValue::from_string(text))
        .map_err(Problem::internal)
}

const fn message(status: OrderStatus, locale: Locale) -> &'static str {
    use OrderStatus as S;
    match (status, locale) {
        (S::Fulfilled, Locale::ZhCn) => "支付成功，已到账",
        (S::Fulfilled, Locale::En) => "The payment is complete, and what you bought is yours",
        (S::Pending | S::Paid, Locale::ZhCn) => "支付处理中，请稍候",
        (S::Pending | S::Paid, Locale::En) => "The payment has not arrived yet; please wait a moment",
        (S::Expired, Locale::ZhCn) => "订单已过期",
        (S::Expired, Locale::En) => "The order has expired",
        (S::Cancelled, Locale::ZhCn) => "订单已取消",
        (S::Cancelled, Locale::En) => "The order was cancelled",
        (S::Failed, Locale::ZhCn) => "支付失败",
        (S::Failed, Locale::En) => "The payment failed",
        (S::Refunding, Locale::ZhCn) => "退款处理中",
        (S::Refunding, Locale::En) => "The money is on its way back",
        (S::PartiallyRefunded, Locale::ZhCn) => "已部分退款",
        (S::PartiallyRefunded, Locale::En) => "A part of the money was given back",
        (S::Refunded, Locale::ZhCn) => "已退款",
        (S::Refunded, Locale::En) => "The money was given back",
    }
}

/// A problem with the members that the front end looks for.
fn refusal(problem: Problem, locale: Locale) -> Response {
    let message = match (problem.status(), locale) {
        (StatusCode::UNAUTHORIZED, Locale::ZhCn) => "请先登录",
        (StatusCode::UNAUTHORIZED, Locale::En) => "Please sign in first",
        (StatusCode::FORBIDDEN, Locale::ZhCn) => "无权查看此订单",
        (StatusCode::FORBIDDEN, Locale::En) => "This order is not yours",
        (StatusCode::NOT_FOUND, Locale::ZhCn) => "订单不存在",
        (StatusCode::NOT_FOUND, Locale::En) => "There is no such order",
        (StatusCode::TOO_MANY_REQUESTS, Locale::ZhCn) => "请求过于频繁，请稍后再试",
        (StatusCode::TOO_MANY_REQUESTS, Locale::En) => "Too many requests; please try again later",
        (status, Locale::ZhCn) if status.is_client_error() => "请求无效",
        (status, Locale::En) if status.is_client_error() => "This request cannot be understood",
        (_, Locale::ZhCn) => "暂时无法确认支付，请稍后再试",
        (_, Locale::En) => "The payment cannot be confirmed at the moment; please try again later",
    };
    let error = problem.detail().to_owned();
    problem.with_member("success", false).with_member("message", message).with_member("error", error).into_response()
}

/// For somebody whose token does not say it.
fn accepted(headers: &HeaderMap) -> Locale {
    let said = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if said.trim_start().to_ascii_lowercase().starts_with("en") { Locale::En } else { Locale::ZhCn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_a_number_without_a_float() {
        for (credits, text) in [
            ("100.00", "100"),
            ("0.25", "0.25"),
            ("0", "0"),
            ("10", "10"),
            ("9223372036854.775807", "9223372036854.775807"),
        ] {
            assert_eq!(number(credits.parse().unwrap()).unwrap().get(), text);
        }
    }

    #[test]
    fn every_status_has_a_message_in_both_languages() {
        use OrderStatus as S;
        for status in
            [S::Pending, S::Paid, S::Fulfilled, S::Expired, S::Cancelled, S::Failed, S::Refunding, S::Refunded]
        {
            assert_ne!(message(status, Locale::ZhCn), message(status, Locale::En));
        }
    }
}
