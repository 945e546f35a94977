//! Plans that are paid period by period: looked at, canceled, resumed, changed. A sandbox can have one renewed.

use aggregates::order::PAYMENT_ID_BYTES_MAX;
use aggregates::{AggregateId, State as Aggregate, SubscriptionCommand, SubscriptionId, SubscriptionStatus};
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use projections::subscriptions::query::{self as subscriptions, PlanView, SubscriptionFilter, SubscriptionView};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::{Auditor, Reader, User};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::{Body, OptionalBody};
use super::super::paging::{Cursor, Limit, Page, Row, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::super::values::Moment;
use super::fresh::{Api, Fresh};
use super::lines::{or_empty, time};
use super::orders::{PlacedOut, wanted_product};
use super::{account_filter, account_id, actor, profile, whole};
use crate::app::App;
use crate::dispatch::{Buyer, PlanChange, Renewal};
use crate::providers::Provider;
use crate::store::Receipt;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(cancel))
        .routes(routes!(resume))
        .routes(routes!(change_plan))
        .routes(routes!(list_all))
}

/// What a sandbox's provider does by itself.
pub(super) fn sandbox_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(renew))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SubscriptionsQuery {
    /// `active`, `past_due`, `canceled` or `expired`.
    #[param(schema_with = subscription_status)]
    status: Option<SubscriptionStatus>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// The words there are for it.
fn subscription_status() -> Object {
    use SubscriptionStatus as S;
    let all = [S::Active, S::PastDue, S::Canceled, S::Expired];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.map(S::as_str))).build()
}

/// The caller's subscriptions, newest first; a customer's, for an admin or an auditor who names them.
#[utoipa::path(
    get, path = "/api/v1/subscriptions", tag = "subscriptions", params(SubscriptionsQuery),
    responses((status = 200, content((Page<SubscriptionView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    reader: Reader,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<SubscriptionsQuery>,
) -> Result<Response, Problem> {
    let SubscriptionsQuery { status, limit, cursor } = query;
    let filter = SubscriptionFilter { account: Some(reader.account.key()), status };
    Ok(page(&app, &filter, limit, cursor).await?.answer(wants))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AllSubscriptionsQuery {
    account: Option<String>,
    /// `active`, `past_due`, `canceled` or `expired`.
    #[param(schema_with = subscription_status)]
    status: Option<SubscriptionStatus>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Subscriptions of all customers, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/subscriptions", tag = "admin", params(AllSubscriptionsQuery),
    responses((status = 200, content((Page<SubscriptionView> = "application/json"), (String = "text/csv"))))
)]
async fn list_all(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<AllSubscriptionsQuery>,
) -> Result<Response, Problem> {
    let AllSubscriptionsQuery { account, status, limit, cursor } = query;
    let filter = SubscriptionFilter { account: account_filter(account.as_deref())?, status };
    Ok(page(&app, &filter, limit, cursor).await?.answer(wants))
}

async fn page(
    app: &App,
    filter: &SubscriptionFilter,
    limit: Limit,
    cursor: Option<Cursor>,
) -> Result<Page<SubscriptionView>, Problem> {
    let before: Option<(Moment, Uuid)> = cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, SubscriptionId::from_uuid(id)));
    let items = opened(app, filter, before, limit.and_one()).await?;
    Page::cut(items, limit, |last| (last.started_at, last.id))
}

/// With what customers said of it in clear, as long as they are not forgotten.
pub(super) async fn opened(
    app: &App,
    filter: &SubscriptionFilter,
    before: Option<(DateTime<Utc>, SubscriptionId)>,
    limit: i64,
) -> Result<Vec<SubscriptionView>, Problem> {
    let mut items = subscriptions::list(&app.pool, filter, before, limit).await?;
    let mut opening = app.dispatch.opening();
    for view in &mut items {
        if let Some(sealed) = view.sealed.take() {
            view.reason = opening.reason(account_id(&view.account)?.key(), &sealed).await?;
        }
    }
    Ok(items)
}

/// How a subscription is to end.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelIn {
    /// At once, instead of with the end of the paid period.
    #[serde(default)]
    now: bool,
    /// Encrypted wherever it is kept.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// How a subscription stands after this.
#[derive(Serialize, ToSchema)]
struct SubscriptionOut {
    id: Uuid,
    /// `active`, `past_due`, `canceled` or `expired`.
    #[schema(example = "active")]
    status: Option<&'static str>,
    /// Of the period that was paid for last.
    ends_at: Option<DateTime<Utc>>,
    cancel_at_period_end: bool,
}

/// Ends a subscription: with the period that was paid for, or at once.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/cancel", tag = "subscriptions",
    params(("id" = Uuid, Path)), request_body = Option<CancelIn>, responses((status = 200, body = SubscriptionOut))
)]
async fn cancel(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    OptionalBody(CancelIn { now, reason }): OptionalBody<CancelIn>,
) -> Result<Written<SubscriptionOut>, Problem> {
    let command_id = key.command_id(user.caller.account.as_str());
    let (subscription, dispatch) = (SubscriptionId::from_uuid(id), app.dispatch.clone());
    let (account, by) = (user.account.clone(), actor(&user.caller));
    let canceled = async move {
        dispatch.cancel_subscription(&account, &by, command_id, subscription, (now, reason.as_deref())).await
    };
    let receipt = whole(canceled).await?;
    Ok(Written::ok(&receipt, after(&app, &user, id, &receipt).await?))
}

/// Takes back a cancellation that waits for the end of the period.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/resume", tag = "subscriptions",
    params(("id" = Uuid, Path)), responses((status = 200, body = SubscriptionOut))
)]
async fn resume(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Written<SubscriptionOut>, Problem> {
    ask(app, user, key, id, SubscriptionCommand::WithdrawCancel).await
}

/// Somebody else's subscription is none in this account.
async fn ask(
    app: App,
    user: User,
    key: IdempotencyKey,
    id: Uuid,
    command: SubscriptionCommand,
) -> Result<Written<SubscriptionOut>, Problem> {
    let command_id = key.command_id(user.caller.account.as_str());
    let (subscription, dispatch) = (SubscriptionId::from_uuid(id), app.dispatch.clone());
    let (account, by) = (user.account.clone(), actor(&user.caller));
    let asked = async move { dispatch.ask_subscription(&account, &by, command_id, subscription, command).await };
    let receipt = whole(asked).await?;
    Ok(Written::ok(&receipt, after(&app, &user, id, &receipt).await?))
}

async fn after(app: &App, user: &User, id: Uuid, receipt: &Receipt) -> Result<SubscriptionOut, Problem> {
    let aggregate = AggregateId::subscription(SubscriptionId::from_uuid(id));
    let Aggregate::Subscription(state) = app.dispatch.look_after(&user.account, aggregate, receipt).await? else {
        return Err(Problem::not_found("subscription"));
    };
    Ok(SubscriptionOut {
        id,
        status: state.status().map(aggregates::SubscriptionStatus::as_str),
        ends_at: state.period().map(|period| period.ends_at),
        cancel_at_period_end: state.is_cancel_scheduled(),
    })
}

/// The plan that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePlanIn {
    /// Its code…
    #[schema(example = "plan_pro")]
    product_type: Option<String>,
    /// …or its number.
    product_id: Option<u32>,
}

/// What becomes of the wish.
#[derive(Serialize, ToSchema)]
struct PlanChangeOut {
    subscription: SubscriptionOut,
    /// `next_cycle`: with the next period. `immediate`: done. `unpaid`: once the order is paid.
    #[schema(example = "unpaid")]
    when: &'static str,
    /// Of the difference in price.
    order: Option<PlacedOut>,
}

/// Moves a subscription to another plan, as that plan says: with the next period, or at once; a dearer one at once costs
/// the difference.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{id}/change-plan", tag = "subscriptions",
    params(("id" = Uuid, Path)), request_body = ChangePlanIn, responses((status = 200, body = PlanChangeOut))
)]
async fn change_plan(
    user: User,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    Body(ChangePlanIn { product_type, product_id }): Body<ChangePlanIn>,
) -> Result<Written<PlanChangeOut>, Problem> {
    let command_id = key.command_id(user.caller.account.as_str());
    let buyer = Buyer {
        profile: profile(&user.caller, &user.account),
        actor: actor(&user.caller),
        account: user.account.clone(),
    };
    let product = wanted_product(&app, product_type, product_id).await?;
    let subscription = SubscriptionId::from_uuid(id);
    let dispatch = app.dispatch.clone();
    let changed = async move { dispatch.change_plan(&buyer, command_id, subscription, product).await };
    let (receipt, when, order) = match whole(changed).await? {
        PlanChange::NextCycle(receipt) => (receipt, "next_cycle", None),
        PlanChange::Immediate(receipt) => (receipt, "immediate", None),
        PlanChange::Unpaid(sale) => (sale.receipt.clone(), "unpaid", Some(PlacedOut::from(&*sale))),
    };
    let subscription = after(&app, &user, id, &receipt).await?;
    Ok(Written::ok(&receipt, PlanChangeOut { subscription, when, order }))
}

/// What a provider would say of it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RenewIn {
    /// The same one again is the same payment; unless given, each period has one of its own.
    #[schema(min_length = 1, max_length = 128)]
    transaction_id: Option<String>,
}

/// The order of the further period.
#[derive(Serialize, ToSchema)]
struct RenewedOut {
    order_no: String,
}

/// Simulates that a provider collects the next period's price.
#[utoipa::path(
    post, path = "/sandbox/renew/{subscription}", tag = "sandbox", security(()),
    params(("subscription" = Uuid, Path)), request_body = Option<RenewIn>,
    responses((status = 200, body = RenewedOut))
)]
async fn renew(
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    OptionalBody(RenewIn { transaction_id }): OptionalBody<RenewIn>,
) -> Result<Written<RenewedOut>, Problem> {
    let sandbox = app.sandbox.clone().ok_or_else(|| Problem::not_found("path"))?;
    if transaction_id.as_deref().is_some_and(|id| !is_payment_id(id)) {
        let detail = format!("has 1 to {PAYMENT_ID_BYTES_MAX} bytes and no control characters");
        return Err(Problem::field(Reason::BadValue, "/transaction_id", detail));
    }
    let subscription = SubscriptionId::from_uuid(id);
    let found = subscriptions::by_id(&app.pool, subscription).await?;
    let found = found.ok_or_else(|| Problem::not_found("subscription"))?;
    let account = account_id(&found.account)?;
    let payment_id = transaction_id.unwrap_or_else(|| format!("SBX-{id}-{}", found.period.saturating_add(1)));
    let renewal = Renewal { provider: sandbox.name().to_owned(), payment_id };
    let renewed = async move {
        let placed = app.dispatch.place_renewal(&account, subscription, &renewal).await?;
        // First in the provider's books, then its notice: like any provider.
        let notice = sandbox.collect(&placed, &renewal.payment_id).await.map_err(Problem::internal)?;
        let taken = app.dispatch.take_payment(notice).await?;
        Ok::<_, Problem>((taken.receipt, placed.number.to_string()))
    };
    let (receipt, order_no) = whole(renewed).await?;
    Ok(Written::ok(&receipt, RenewedOut { order_no }))
}

/// The books take what they are told, so what the ledger would refuse is refused before it gets there.
fn is_payment_id(text: &str) -> bool {
    (1..=PAYMENT_ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Row for SubscriptionView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "account",
        "status",
        "product",
        "price",
        "currency",
        "credits",
        "next_product",
        "period",
        "starts_at",
        "ends_at",
        "expires_at",
        "cancel_at_period_end",
        "started_at",
        "ended_at",
        "reason",
    ];

    fn cells(&self) -> Vec<String> {
        let product = |plan: &PlanView| plan.product_id.map(|number| number.to_string()).unwrap_or_default();
        vec![
            self.id.to_string(),
            self.account.clone(),
            self.status.as_str().to_owned(),
            product(&self.plan),
            self.plan.price.amount.clone(),
            self.plan.price.currency.clone(),
            self.plan.credits.clone(),
            self.next_plan.as_ref().map(product).unwrap_or_default(),
            self.period.to_string(),
            time(self.starts_at),
            time(self.ends_at),
            self.expires_at.map(time).unwrap_or_default(),
            self.cancel_at_period_end.to_string(),
            time(self.started_at),
            self.ended_at.map(time).unwrap_or_default(),
            or_empty(&self.reason),
        ]
    }
}
