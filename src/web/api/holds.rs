//! Reservations: what a charge would take is set aside, and later charged or given back.

use aggregates::{AccountId, Hold, HoldId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use projections::holds::query::{self as holds, HoldState, HoldView};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::{Payer, Reader};
use super::super::decimal::CreditsIn;
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::{Body, OptionalBody};
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::fresh::{Api, Fresh};
use super::usage::{checked, refused};
use super::{actor, whole};
use crate::app::App;
use crate::dispatch::{DispatchError, Held, Reservation};

const HOLD_SECONDS_DEFAULT: u32 = 3_600;
/// The domain's own bound.
const HOLD_SECONDS_MAX: u32 = 365 * 86_400;
/// As exact as read models are, so that the same time looks the same everywhere.
const MICROS: u16 = 6;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(reserve))
        .routes(routes!(settle))
        .routes(routes!(release))
        .routes(routes!(list))
        .routes(routes!(one))
}

/// One use to come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReserveIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    amount: CreditsIn,
    /// Unique within the account, among charges too: the same one is reserved once.
    #[schema(example = "job-4711", min_length = 1, max_length = 128)]
    reference: Option<String>,
    /// What will be used.
    #[schema(example = "video", min_length = 1, max_length = 128)]
    meter: Option<String>,
    /// Kept with the reservation; at most 4 KiB. Numbers are kept as they are written, however large.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    metadata: Option<Box<RawValue>>,
    /// It comes back by itself unless it is settled by then.
    #[serde(default = "an_hour")]
    #[schema(minimum = 1, maximum = 31_536_000, default = 3_600)]
    expires_in_seconds: u32,
}

fn an_hour() -> u32 {
    HOLD_SECONDS_DEFAULT
}

/// What the work has come to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettleIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
    /// Up to what is held; the rest goes back.
    amount: CreditsIn,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseIn {
    /// Whose; a user's own unless given, and named by a service.
    #[schema(value_type = Option<String>, example = "alice")]
    account: Option<AccountId>,
}

/// Sets aside what a charge would take: packages first, credits second, or nothing at all.
///
/// A reference names the reservation within its account, for ever, and no charge has the same one. It is held for
/// `expires_in_seconds`, then it comes back by itself. What a service or an admin reserves, the customer neither settles
/// nor releases (403, E4088); what the customer reserves, a service or an admin may end too.
#[utoipa::path(
    post, path = "/api/v1/usage/reserve", tag = "usage", request_body = ReserveIn,
    responses((status = 201, body = HoldView))
)]
async fn reserve(
    payer: Payer,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(wanted): Body<ReserveIn>,
) -> Result<Written<HoldView>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    let ReserveIn { account: _, amount: CreditsIn(amount), reference, meter, metadata, expires_in_seconds } = wanted;
    let metadata = metadata.as_deref().map(checked).transpose()?;
    if !(1..=HOLD_SECONDS_MAX).contains(&expires_in_seconds) {
        let detail = format!("has to be from 1 to {HOLD_SECONDS_MAX}");
        return Err(Problem::field(Reason::BadValue, "/expires_in_seconds", detail));
    }
    let expires_in = TimeDelta::seconds(expires_in_seconds.into());
    let wanted = Reservation { amount, by: payer.party(), reference, meter, metadata, expires_in };
    let key = key.given(payer.caller.account.as_str());
    let has_reference = wanted.reference.is_some();
    let now = app.clock.now();
    let reserved = async move {
        let reserved = app.dispatch.reserve(&account, &actor(&payer.caller), key, wanted).await;
        reserved.map_err(|error| refused(error, has_reference))
    };
    let held = whole(reserved).await?;
    Ok(Written::created(&held.receipt, view(&held, now)?))
}

/// Charges up to what is held, to the day and the grants it was held from, whatever midnight has passed since; the rest
/// goes back. The same amount again answers the same; another one is refused (409). What a service or an admin reserved,
/// a customer's own token does not settle (403).
#[utoipa::path(
    post, path = "/api/v1/usage/{id}/settle", tag = "usage", params(("id" = Uuid, Path)), request_body = SettleIn,
    responses((status = 200, body = HoldView))
)]
async fn settle(
    payer: Payer,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<String>,
    Body(wanted): Body<SettleIn>,
) -> Result<Written<HoldView>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    let (hold, CreditsIn(amount)) = (hold_id(&id)?, wanted.amount);
    let (key, by) = (key.given(payer.caller.account.as_str()), payer.party());
    let now = app.clock.now();
    let settled = async move { app.dispatch.settle(&account, &actor(&payer.caller), key, hold, amount, by).await };
    answer(&whole::<_, DispatchError>(settled).await?, now)
}

/// Gives all of it back. Said again it answers the same. What a service or an admin reserved, a customer's own token does
/// not release (403): the work that it is for may have begun.
#[utoipa::path(
    post, path = "/api/v1/usage/{id}/release", tag = "usage", params(("id" = Uuid, Path)),
    request_body = Option<ReleaseIn>, responses((status = 200, body = HoldView))
)]
async fn release(
    payer: Payer,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<String>,
    OptionalBody(wanted): OptionalBody<ReleaseIn>,
) -> Result<Written<HoldView>, Problem> {
    let account = payer.account(wanted.account.as_ref())?;
    let hold = hold_id(&id)?;
    let (key, by) = (key.given(payer.caller.account.as_str()), payer.party());
    let now = app.clock.now();
    let released = async move { app.dispatch.release(&account, &actor(&payer.caller), key, hold, by).await };
    answer(&whole::<_, DispatchError>(released).await?, now)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HoldsQuery {
    #[param(inline)]
    state: Option<HoldState>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// The caller's reservations, newest first; a customer's, for an admin or an auditor who names them.
#[utoipa::path(
    get, path = "/api/v1/usage/holds", tag = "usage", params(HoldsQuery),
    responses((status = 200, content((Page<HoldView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(HoldsQuery { state, limit, cursor }): Params<HoldsQuery>,
) -> Result<Response, Problem> {
    let before: Option<(DateTime<Utc>, Uuid)> = cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(at, id)| (at, HoldId::from_uuid(id)));
    let now = app.clock.now();
    let items = holds::list(&app.pool, reader.account.key(), state, now, before, limit.and_one()).await?;
    Ok(Page::cut(items, limit, |last| (last.reserved_at, last.id))?.answer(wants))
}

/// One of the caller's reservations.
#[utoipa::path(
    get, path = "/api/v1/usage/holds/{id}", tag = "usage", params(("id" = Uuid, Path)),
    responses((status = 200, body = HoldView))
)]
async fn one(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<String>,
) -> Result<Json<HoldView>, Problem> {
    let found = holds::by_id(&app.pool, reader.account.key(), hold_id(&id)?, app.clock.now()).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("hold"))
}

/// What is no id names no hold.
fn hold_id(text: &str) -> Result<HoldId, Problem> {
    text.parse().map_err(|_| Problem::not_found("hold"))
}

fn answer(held: &Held, now: DateTime<Utc>) -> Result<Written<HoldView>, Problem> {
    Ok(Written::ok(&held.receipt, view(held, now)?))
}

/// As the read model shows it, without waiting for it.
fn view(held: &Held, now: DateTime<Utc>) -> Result<HoldView, Problem> {
    let reserved = held.state.reserved().ok_or_else(|| Problem::not_found("hold"))?;
    let (state, charged, finished_at) = match &held.state {
        Hold::NotReserved | Hold::Open(_) if reserved.expires_at <= now => (HoldState::TimedOut, None, None),
        Hold::NotReserved | Hold::Open(_) => (HoldState::Open, None, None),
        Hold::Settled(_, settled) => (HoldState::Settled, Some(settled.amount), Some(settled.at)),
        Hold::Released(_, released) if released.timed_out => {
            (HoldState::TimedOut, Some(aggregates::Credits::ZERO), Some(released.at))
        }
        Hold::Released(_, released) => (HoldState::Released, Some(aggregates::Credits::ZERO), Some(released.at)),
    };
    Ok(HoldView {
        id: held.id.uuid(),
        state,
        amount: reserved.amount.to_string(),
        charged: charged.map(|charged| charged.to_string()),
        packages: reserved.packages.iter().map(Into::into).collect(),
        credits: reserved.credits.iter().map(Into::into).collect(),
        meter: reserved.meter.clone(),
        reference: reserved.reference.clone(),
        reserved_at: reserved.at.trunc_subsecs(MICROS),
        expires_at: reserved.expires_at.trunc_subsecs(MICROS),
        finished_at: finished_at.map(|at| at.trunc_subsecs(MICROS)),
    })
}
