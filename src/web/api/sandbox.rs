//! What only a sandbox has: a clock that is moved forward, so that a quota's next day and a package's end can be seen today;
//! faults, so that a provider's bad day can be seen; and what happens on the provider's own side.

use aggregates::{Currency, Money, YEAR_MAX};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Admin;
use super::super::decimal::PriceIn;
use super::super::json::{Body, OptionalBody};
use super::super::problem::{Problem, Reason};
use super::super::query::Named;
use super::super::values::Moment;
use super::checkout::sandbox;
use super::fresh::Api;
use super::{order_number, whole};
use crate::app::App;
use crate::providers::sandbox::{Faults, clock, pay_with};

/// A clock never goes back, so one that was moved to the end of the calendar would be of no more use.
const YEARS_AHEAD_MAX: i32 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(read, set))
        .routes(routes!(faults, set_faults))
        .routes(routes!(pay))
        .routes(routes!(give_back))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClockIn {
    /// A time that is already past changes nothing.
    #[schema(value_type = DateTime<Utc>)]
    now: Moment,
}

#[derive(Serialize, ToSchema)]
struct ClockOut {
    now: DateTime<Utc>,
}

/// What time it is for the business.
#[utoipa::path(get, path = "/api/v1/sandbox/clock", tag = "sandbox", responses((status = 200, body = ClockOut)))]
async fn read(_: Admin, State(app): State<App>) -> Json<ClockOut> {
    Json(ClockOut { now: app.clock.now() })
}

/// Moves the clock of the whole instance forward.
#[utoipa::path(
    put, path = "/api/v1/sandbox/clock", tag = "sandbox",
    request_body = ClockIn, responses((status = 200, body = ClockOut))
)]
async fn set(
    _: Admin,
    State(app): State<App>,
    Body(ClockIn { now: Moment(wanted) }): Body<ClockIn>,
) -> Result<Json<ClockOut>, Problem> {
    let last = YEAR_MAX.min(Utc::now().year().saturating_add(YEARS_AHEAD_MAX));
    if wanted.year() > last {
        return Err(Problem::field(Reason::BadValue, "/now", format!("has to be in the year {last} or before")));
    }
    let now = whole(async move { clock::move_to(&app.pool, &app.clock, wanted).await }).await?;
    Ok(Json(ClockOut { now }))
}

/// More would be no test of anything.
const DELAY_SECONDS_MAX: u32 = 3_600;
const TIMES_MAX: u32 = 100;

/// What goes wrong from now on; what is left out goes well.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FaultsIn {
    /// Notices come so much later.
    #[serde(default)]
    #[schema(maximum = 3600)]
    delay_seconds: u32,
    /// Notices come so many times more.
    #[serde(default)]
    #[schema(maximum = 100)]
    repeat: u32,
    /// Of two notices the second comes first.
    #[serde(default)]
    reorder: bool,
    /// No notices come.
    #[serde(default)]
    lose: bool,
    /// Customers pay this instead of what was asked for.
    wrong_amount: Option<PriceIn>,
    /// Each refund fails so many times first.
    #[serde(default)]
    #[schema(maximum = 100)]
    refunds_fail_first: u32,
    /// Refunds are executed, and the first answer gets lost.
    #[serde(default)]
    refund_outcome_unknown: bool,
    /// Nobody who asks about a payment or a refund is answered.
    #[serde(default)]
    silent_query: bool,
}

/// What goes wrong.
#[derive(Serialize, ToSchema)]
struct FaultsOut {
    delay_seconds: u32,
    repeat: u32,
    reorder: bool,
    lose: bool,
    wrong_amount: Option<String>,
    refunds_fail_first: u32,
    refund_outcome_unknown: bool,
    silent_query: bool,
}

impl FaultsIn {
    fn check(self, currency: Currency) -> Result<Faults, Problem> {
        let most = |value: u32, most: u32, pointer: &str| {
            let refused = || Problem::field(Reason::BadValue, pointer, format!("has to be {most} or less"));
            if value <= most { Ok(value) } else { Err(refused()) }
        };
        let wrong_amount = self.wrong_amount.map(|amount| amount.to_money(currency, "/wrong_amount")).transpose()?;
        Ok(Faults {
            delay_seconds: most(self.delay_seconds, DELAY_SECONDS_MAX, "/delay_seconds")?,
            repeat: most(self.repeat, TIMES_MAX, "/repeat")?,
            reorder: self.reorder,
            lose: self.lose,
            wrong_amount: wrong_amount.map(|amount| amount.minor()),
            refunds_fail_first: most(self.refunds_fail_first, TIMES_MAX, "/refunds_fail_first")?,
            refund_outcome_unknown: self.refund_outcome_unknown,
            silent_query: self.silent_query,
        })
    }
}

impl FaultsOut {
    fn of(faults: &Faults, currency: Currency) -> Self {
        let Faults { delay_seconds, repeat, reorder, lose, wrong_amount, refunds_fail_first, .. } = *faults;
        Self {
            delay_seconds,
            repeat,
            reorder,
            lose,
            wrong_amount: wrong_amount.map(|minor| Money::from_minor(minor, currency).to_string()),
            refunds_fail_first,
            refund_outcome_unknown: faults.refund_outcome_unknown,
            silent_query: faults.silent_query,
        }
    }
}

/// What goes wrong in the sandbox.
#[utoipa::path(get, path = "/sandbox/faults", tag = "sandbox", responses((status = 200, body = FaultsOut)))]
async fn faults(_: Admin, State(app): State<App>) -> Result<Json<FaultsOut>, Problem> {
    let faults = sandbox(&app)?.faults().await?;
    Ok(Json(FaultsOut::of(&faults, app.currency)))
}

/// Gives the sandbox a bad day, or with `{}` a good one: for payments on its checkout page, and for refunds.
#[utoipa::path(
    put, path = "/sandbox/faults", tag = "sandbox",
    request_body = FaultsIn, responses((status = 200, body = FaultsOut))
)]
async fn set_faults(
    _: Admin,
    State(app): State<App>,
    Body(wanted): Body<FaultsIn>,
) -> Result<Json<FaultsOut>, Problem> {
    let (sandbox, faults) = (sandbox(&app)?.clone(), wanted.check(app.currency)?);
    let out = FaultsOut::of(&faults, app.currency);
    whole(async move { sandbox.set_faults(&faults).await }).await?;
    Ok(Json(out))
}

/// As on the checkout page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayIn {
    #[schema(example = "4242 4242 4242 4242")]
    card_number: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PaidOut {
    order_no: String,
    transaction_id: String,
    #[schema(example = "30.00")]
    amount: String,
}

/// Pays an order as its customer would on the checkout page: the notice is on its way then.
#[utoipa::path(
    post, path = "/sandbox/pay/{order_no}", tag = "sandbox", security(()),
    params(("order_no" = String, Path)), request_body = PayIn, responses((status = 200, body = PaidOut))
)]
async fn pay(
    State(app): State<App>,
    Named(order_no): Named<String>,
    OptionalBody(PayIn { card_number }): OptionalBody<PayIn>,
) -> Result<Json<PaidOut>, Problem> {
    let (sandbox, number) = (sandbox(&app)?.clone(), order_number(&order_no)?);
    card_number.map_or(Ok(()), |number| pay_with("/card_number", &number))?;
    let paid = whole(async move { sandbox.pay(&number, "sandbox").await }).await?;
    let payment = paid.ok_or_else(|| Problem::not_found("order"))?.payment;
    Ok(Json(PaidOut { order_no, transaction_id: payment.payment_id, amount: payment.amount.to_string() }))
}

/// What the merchant gives back in the provider's own console.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveBackIn {
    /// The one that paid, unless named.
    transaction_id: Option<String>,
    /// All that is left, unless said.
    amount: Option<PriceIn>,
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct GivenBackOut {
    order_no: String,
    transaction_id: String,
    refund_no: String,
    amount: String,
}

/// Gives money back on the provider's side, where nobody asked for it here; a notice says so.
#[utoipa::path(
    post, path = "/sandbox/refund/{order_no}", tag = "sandbox",
    params(("order_no" = String, Path)), request_body = GiveBackIn, responses((status = 200, body = GivenBackOut))
)]
async fn give_back(
    _: Admin,
    State(app): State<App>,
    Named(order_no): Named<String>,
    OptionalBody(wanted): OptionalBody<GiveBackIn>,
) -> Result<Json<GivenBackOut>, Problem> {
    let (sandbox, number) = (sandbox(&app)?.clone(), order_number(&order_no)?);
    let amount = wanted.amount.map(|amount| amount.to_money(app.currency, "/amount")).transpose()?;
    for (pointer, text) in [("/transaction_id", &wanted.transaction_id), ("/reason", &wanted.reason)] {
        if text.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(Problem::field(Reason::BadValue, pointer, "must not hold control characters"));
        }
    }
    let GiveBackIn { transaction_id, reason, .. } = wanted;
    let back = async move {
        sandbox.give_back(&number, transaction_id.as_deref(), amount, reason.as_deref()).await.map_err(Problem::from)
    };
    let notice = whole(back).await?;
    Ok(Json(GivenBackOut {
        order_no,
        transaction_id: notice.payment_id,
        refund_no: notice.refund,
        amount: notice.amount.to_string(),
    }))
}
