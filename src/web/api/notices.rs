//! Payments that the sandbox simulates. Only where it is on; there is nothing to prove, so nobody has to say who they
//! are.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::decimal::PriceIn;
use super::super::idempotency::LedgerPosition;
use super::super::json;
use super::super::problem::Problem;
use super::fresh::Api;
use super::whole;
use crate::app::App;
use crate::providers::Provider;
use crate::providers::sandbox::Notice;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(notify))
}

/// What a provider would send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the provider reads it; this is what the document says of it")]
struct NoticeIn {
    #[schema(example = "ORD20260105060000deadbeef")]
    order_no: String,
    #[schema(example = "TXN1234567890")]
    transaction_id: String,
    #[schema(example = "alipay")]
    payment_method: Option<String>,
    /// Where it is to differ from what was asked for.
    amount: Option<PriceIn>,
    /// One of the test cards: `4242 4242 4242 4242` pays, `4000 0000 0000 0002` is declined, `4000 0000 0000 9995` has
    /// not enough money. It is never kept.
    #[schema(example = "4242 4242 4242 4242")]
    card_number: Option<String>,
    /// The number of a refund in the sandbox's books: money of that transaction went back, and nothing was paid.
    refund_no: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AcknowledgedOut {
    success: bool,
}

/// Simulates a payment by Alipay or WeChat.
#[utoipa::path(
    post, path = "/api/v1/payments/notify", tag = "sandbox", security(()),
    request_body = NoticeIn, responses((status = 200, body = AcknowledgedOut))
)]
async fn notify(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Some(sandbox) = app.sandbox.clone() else {
        return Err(Problem::not_found("path"));
    };
    json::check_content_type(request.headers())?;
    let body = json::read(request, &app).await?;
    // Only to name what is wrong with it as precisely as everywhere else.
    json::parse::<NoticeIn>(&body)?;
    let acknowledgement = sandbox.acknowledge();
    let notified = async move {
        match sandbox.hear(&body).await? {
            Notice::Paid(notice) => Ok::<_, Problem>(app.dispatch.take_payment(notice).await?.receipt),
            Notice::Refunded(notice) => Ok(app.dispatch.take_refund(notice).await?),
        }
    };
    let receipt = whole(notified).await?;
    let mut response = ([(header::CONTENT_TYPE, acknowledgement.content_type)], acknowledgement.body).into_response();
    LedgerPosition::from(&receipt).put_on(&mut response);
    Ok(response)
}
