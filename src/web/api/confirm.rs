//! `POST /api/payments/confirm`: a customer who comes back from paying asks what became of it. Where the notice is late, the
//! provider is asked, and the payment taken.
//!
//! The shape is that of the front end which asks: `{success, status, creditsAdded, message, error, code}`. A refusal has
//! those of its members that a problem has not: `status` and `code` are there what they are in every problem.
//!
//! Asking takes each payment once, however often and with whichever keys.

use std::time::Duration;

use aggregates::{CommandId, Credits, Locale, Order, OrderStatus};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Role, User};
use super::super::idempotency::{IdempotencyKey, LedgerPosition};
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::super::windows::Window;
use super::fresh::Api;
use super::whole;
use crate::app::App;
use crate::dispatch::{DispatchError, Named};
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
    /// The order's number, or what its provider calls it.
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
    /// For the customer, in their language.
    message: &'static str,
    /// Why nothing will come of it; there where `code` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// `ORDER_EXPIRED`, `ORDER_CANCELLED` or `ORDER_FAILED`; left out of every other answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// Says whether an order was paid, and what it brought. Where the notice is late, its provider is asked, and the payment
/// taken: once, however often this is asked. Up to ten times a minute for each customer.
///
/// A refusal is a problem like any other, with `success` (`false`), `message` (for the customer) and `error` beside its
/// own members. So `status` is a word (`expired`) in answers of 200 and the HTTP status, a number, in refusals; `code` is
/// `ORDER_EXPIRED` and the like in the former, and the problem's (`E3003`) in the latter.
///
/// An `Idempotency-Key` names the payment that this takes: sent again where another one would be taken it is refused
/// (409). It keeps no first answer, because what became of an order is what is asked.
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
    let (mut parts, body) = request.into_parts();
    let key = IdempotencyKey::from_request_parts(&mut parts, app).await?.given(user.caller.account.as_str());
    let Body(ConfirmIn { order_id }) = Body::from_request(Request::from_parts(parts, body), app).await?;
    let Named { account, order, number } = app.dispatch.order_by_any_name(&order_id).await?;
    if account != user.account {
        return Err(Problem::new(Reason::OthersAccount, "this order belongs to somebody else"));
    }
    let (mut state, mut receipt) = (app.dispatch.order(&account, order).await?, None);
    if state.payment().is_none() {
        receipt = ask_provider(app, number, key).await?;
        state = app.dispatch.order(&account, order).await?;
    }
    let mut response = Json(out(&state, user.caller.locale)?).into_response();
    if let Some(receipt) = receipt {
        LedgerPosition::from(&receipt).put_on(&mut response);
    }
    Ok(response)
}

/// A provider that does not answer now leaves the order as it is: the customer asks again.
async fn ask_provider(
    app: &App,
    number: aggregates::OrderNumber,
    key: Option<CommandId>,
) -> Result<Option<Receipt>, Problem> {
    let app = app.clone();
    let asking = whole(async move {
        match app.dispatch.reconcile(&number, key).await {
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
    let (code, error) = trouble(status).unzip();
    Ok(ConfirmOut {
        success: completed,
        status: if completed { "completed" } else { status.as_str() },
        credits_added: number(added)?,
        message: message(status, locale),
        error,
        code,
    })
}

/// `100`, `0.25`: the digits as they are, never through a float.
fn number(credits: Credits) -> Result<Box<RawValue>, Problem> {
    // Credits have decimals in every text, so no zero of the whole part goes.
    let text = credits.to_string();
    RawValue::from_string(text.trim_end_matches('0').trim_end_matches('.').to_owned()).map_err(Problem::internal)
}

/// A word for programs, and the same for who reads their logs.
const fn trouble(status: OrderStatus) -> Option<(&'static str, &'static str)> {
    match status {
        OrderStatus::Expired => Some(("ORDER_EXPIRED", "the order was not paid in time")),
        OrderStatus::Cancelled => Some(("ORDER_CANCELLED", "the order was cancelled before it was paid")),
        OrderStatus::Failed => Some(("ORDER_FAILED", "the payment failed")),
        OrderStatus::Pending
        | OrderStatus::Paid
        | OrderStatus::Fulfilled
        | OrderStatus::Refunding
        | OrderStatus::PartiallyRefunded
        | OrderStatus::Refunded => None,
    }
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

    const STATUSES: [OrderStatus; 9] = [
        OrderStatus::Pending,
        OrderStatus::Paid,
        OrderStatus::Fulfilled,
        OrderStatus::Expired,
        OrderStatus::Cancelled,
        OrderStatus::Failed,
        OrderStatus::Refunding,
        OrderStatus::PartiallyRefunded,
        OrderStatus::Refunded,
    ];

    fn is_english(text: &str) -> bool {
        text.is_ascii()
    }

    #[test]
    fn every_status_has_a_message_in_both_languages_and_few_share_one() {
        for locale in [Locale::ZhCn, Locale::En] {
            let said = STATUSES.map(|status| message(status, locale));
            assert!(said.iter().all(|text| is_english(text) == (locale == Locale::En)), "{said:?}");
            let different: std::collections::BTreeSet<_> = said.into_iter().collect();
            assert_eq!(different.len(), STATUSES.len() - 1, "what was paid and not delivered is still on its way");
        }
    }

    #[test]
    fn an_order_of_which_nothing_will_come_says_so_in_a_word() {
        let said = STATUSES.map(|status| trouble(status).map(|(code, _)| (status.as_str(), code)));
        let said: Vec<_> = said.into_iter().flatten().collect();
        let expected = [("expired", "ORDER_EXPIRED"), ("cancelled", "ORDER_CANCELLED"), ("failed", "ORDER_FAILED")];
        assert_eq!(said, expected);
    }

    async fn refused(problem: Problem, locale: Locale) -> serde_json::Value {
        let body = refusal(problem, locale).into_body();
        serde_json::from_slice(&axum::body::to_bytes(body, usize::MAX).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn every_refusal_says_why_in_both_languages() {
        for (reason, zh, en) in [
            (Reason::NoToken, "请先登录", "Please sign in first"),
            (Reason::ExpiredToken, "请先登录", "Please sign in first"),
            (Reason::OthersAccount, "无权查看此订单", "This order is not yours"),
            (Reason::NotFound, "订单不存在", "There is no such order"),
            (Reason::TooManyRequests, "请求过于频繁，请稍后再试", "Too many requests; please try again later"),
            (Reason::MissingField, "请求无效", "This request cannot be understood"),
            (Reason::KeyReused, "请求无效", "This request cannot be understood"),
            (
                Reason::NoDatabase,
                "暂时无法确认支付，请稍后再试",
                "The payment cannot be confirmed at the moment; please try again later",
            ),
            (
                Reason::Internal,
                "暂时无法确认支付，请稍后再试",
                "The payment cannot be confirmed at the moment; please try again later",
            ),
        ] {
            for (locale, message) in [(Locale::ZhCn, zh), (Locale::En, en)] {
                let said = refused(Problem::new(reason, "why"), locale).await;
                assert_eq!(
                    (&said["success"], &said["message"], &said["error"]),
                    (&false.into(), &message.into(), &"why".into())
                );
                assert_eq!((&said["status"], &said["code"]), (&reason.status().as_u16().into(), &reason.code().into()));
            }
        }
    }

    #[test]
    fn who_has_no_token_is_spoken_to_in_the_language_of_their_browser() {
        for (said, locale) in [
            (None, Locale::ZhCn),
            (Some("en"), Locale::En),
            (Some(" EN-gb,en;q=0.9"), Locale::En),
            (Some("zh-CN,en;q=0.5"), Locale::ZhCn),
            (Some("de"), Locale::ZhCn),
        ] {
            let said = said.map(|said| (header::ACCEPT_LANGUAGE, said.parse().unwrap()));
            assert_eq!(accepted(&HeaderMap::from_iter(said)), locale);
        }
    }
}
