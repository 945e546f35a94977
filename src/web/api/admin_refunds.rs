//! Money that goes back: asked for, looked at, tried again; and payments that somebody has to decide about.

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Currency, OrderCommand, OrderId, OrderNumber, OrderStatus, RefundId,
    RefundStage, RequestRefund, State as Aggregate,
};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use projections::MoneyView;
use projections::orders::query::{self as orders, ReviewCursor, ReviewFilter, ReviewState, ReviewView};
use projections::orders::refund_query::{self as refunds, RefundFilter, RefundView};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::{Admin, Auditor};
use super::super::decimal::PriceIn;
use super::super::idempotency::{IdempotencyKey, LedgerPosition, Written};
use super::super::json::Body;
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::Problem;
use super::super::query::{Named, Params};
use super::super::values::{Moment, Word};
use super::fresh::{Api, Fresh};
use super::{account_filter, account_id, actor, order_filter, order_number, whole};
use crate::app::App;
use crate::dispatch::{Actor, Compared, DispatchError, Dispatcher, ReviewName, ids};
use crate::store::Receipt;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(request))
        .routes(routes!(reconcile))
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(retry))
        .routes(routes!(mismatches))
        .routes(routes!(resolve))
}

/// How much of an order's payment, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundIn {
    /// All that is left of the payment, unless said.
    amount: Option<PriceIn>,
    #[schema(example = "bought by mistake")]
    reason: String,
    /// Whether what was delivered goes back whole. Unless said: when nothing of the payment is left once it is done.
    revoke: Option<bool>,
}

/// A refund as it stands right after the request.
#[derive(Serialize, ToSchema)]
struct RefundOut {
    id: Uuid,
    order_no: String,
    /// `requested`, `failing`, `given_up`, `refused` or `done`.
    #[schema(example = "requested")]
    state: &'static str,
    amount: MoneyView,
    /// Whether what was delivered goes back whole. Null: that is decided when it is done.
    revoke: Option<bool>,
    /// Of the order.
    #[schema(example = "refunding")]
    order_status: &'static str,
}

/// Has money of an order go back. The provider is asked right afterwards; `GET /api/v1/admin/refunds/{id}` says what
/// became of it.
#[utoipa::path(
    post, path = "/api/v1/admin/orders/{order_no}/refund", tag = "admin",
    params(("order_no" = String, Path)), request_body = RefundIn, responses((status = 201, body = RefundOut))
)]
async fn request(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(order_no): Named<String>,
    Body(wanted): Body<RefundIn>,
) -> Result<Written<RefundOut>, Problem> {
    let place = Place::find(&app.dispatch, order_number(&order_no)?).await?;
    let id = key.command_id(admin.account.as_str());
    // Where nothing was paid it is refused, whatever the currency.
    let currency = place.currency(&app.dispatch).await?.unwrap_or(app.currency);
    let amount = wanted.amount.map(|amount| amount.to_money(currency, "/amount")).transpose()?;
    let RefundIn { reason, revoke, .. } = wanted;
    let ask =
        RequestRefund { refund: refund_id(id, place.order), provider: None, payment_id: None, amount, reason, revoke };
    let (receipt, out) = place.ask(app.dispatch.clone(), actor(&admin), id, ask).await?;
    Ok(Written::created(&receipt, out))
}

/// A client may use one key for several orders; what providers know a refund by is its own.
fn refund_id(command: CommandId, order: OrderId) -> RefundId {
    RefundId::from_uuid(ids::derived("refund_asked_for", &[&command.to_string(), &order.to_string()]).uuid())
}

/// An order, and where it lives.
struct Place {
    number: OrderNumber,
    account: AccountId,
    order: OrderId,
}

impl Place {
    async fn find(dispatch: &Dispatcher, number: OrderNumber) -> Result<Self, Problem> {
        let crate::dispatch::Named { account, order, .. } = dispatch.find_order(&number).await?;
        Ok(Self { number, account, order })
    }

    /// In which it was paid.
    async fn currency(&self, dispatch: &Dispatcher) -> Result<Option<Currency>, Problem> {
        match dispatch.look(&self.account, AggregateId::order(self.order)).await? {
            Aggregate::Order(order) => Ok(order.payment().map(|payment| payment.amount.currency())),
            _ => Ok(None),
        }
    }

    async fn ask(
        self,
        dispatch: Dispatcher,
        actor: Actor,
        id: CommandId,
        ask: RequestRefund,
    ) -> Result<(Receipt, RefundOut), Problem> {
        whole(async move {
            let refund = ask.refund;
            let receipt = dispatch.request_refund(&self.account, &actor, id, self.order, ask).await?;
            let out = self.refund(&dispatch, &receipt, refund).await?;
            Ok::<_, Problem>((receipt, out))
        })
        .await
    }

    async fn refund(&self, dispatch: &Dispatcher, receipt: &Receipt, refund: RefundId) -> Result<RefundOut, Problem> {
        let missing = || Problem::not_found("refund");
        let state = dispatch.look_after(&self.account, AggregateId::order(self.order), receipt).await?;
        let Aggregate::Order(order) = state else { return Err(missing()) };
        let known = order.refund(refund).map_err(|_| missing())?;
        Ok(RefundOut {
            id: refund.uuid(),
            order_no: self.number.to_string(),
            state: known.stage.as_str(),
            amount: known.amount.into(),
            revoke: known.revoke,
            order_status: order.status().map(OrderStatus::as_str).map_err(|_| missing())?,
        })
    }
}

/// What the provider says.
#[derive(Serialize, ToSchema)]
struct ReconciledOut {
    order_no: String,
    /// Of the order, now.
    #[schema(example = "fulfilled")]
    status: &'static str,
    /// Something was found that had not been heard of.
    found: bool,
    /// How many payments: what did not pay for the order is for review, or goes back.
    payments: usize,
    /// How many refunds.
    refunds: usize,
}

/// Asks the provider of an order now for all that was paid for it and that went back, and takes what is missing: once, however
/// often this is asked.
///
/// An `Idempotency-Key` names the order whose payments this takes: sent again where those of another one would be taken it
/// is refused (409).
#[utoipa::path(
    post, path = "/api/v1/admin/orders/{order_no}/reconcile", tag = "admin",
    params(("order_no" = String, Path)), responses((status = 200, body = ReconciledOut))
)]
async fn reconcile(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(order_no): Named<String>,
) -> Result<Response, Problem> {
    let place = Place::find(&app.dispatch, order_number(&order_no)?).await?;
    let (dispatch, number, key) = (app.dispatch.clone(), place.number.clone(), key.given(admin.account.as_str()));
    let Compared { payments, refunds } = whole(async move { dispatch.compare(&number, key).await }).await?;
    let order = app.dispatch.order(&place.account, place.order).await?;
    let status = order.status().map(OrderStatus::as_str).map_err(|_| Problem::not_found("order"))?;
    let (found, last) = (!(payments.is_empty() && refunds.is_empty()), refunds.last().or(payments.last()));
    let out = ReconciledOut { order_no, status, found, payments: payments.len(), refunds: refunds.len() };
    let mut response = Json(out).into_response();
    if let Some(last) = last {
        LedgerPosition::from(last).put_on(&mut response);
    }
    Ok(response)
}

/// Which refunds.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RefundsQuery {
    account: Option<String>,
    order_no: Option<String>,
    /// `requested`, `failing`, `given_up`, `refused` or `done`.
    #[param(schema_with = refund_stage)]
    state: Option<RefundStage>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

fn refund_stage() -> Object {
    use RefundStage as S;
    let all = [S::Requested, S::Failing, S::GivenUp, S::Refused, S::Done];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.map(RefundStage::as_str))).build()
}

/// Refunds of all customers, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/refunds", tag = "admin", params(RefundsQuery),
    responses((status = 200, content((Page<RefundView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<RefundsQuery>,
) -> Result<Response, Problem> {
    let account = account_filter(query.account.as_deref())?;
    let order = order_filter(query.order_no.as_deref())?;
    let filter = RefundFilter { account, state: query.state, order };
    let before: Option<(Moment, Uuid)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, RefundId::from_uuid(id)));
    let items = refunds::list(&app.pool, &filter, before, query.limit.and_one()).await?;
    Ok(Page::cut(items, query.limit, |last| (last.requested_at, last.id))?.answer(wants))
}

/// One refund, with every attempt that failed.
#[utoipa::path(
    get, path = "/api/v1/admin/refunds/{id}", tag = "admin",
    params(("id" = Uuid, Path)), responses((status = 200, body = RefundView))
)]
async fn one(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Json<RefundView>, Problem> {
    find(&app, id).await.map(Json)
}

async fn find(app: &App, id: Uuid) -> Result<RefundView, Problem> {
    let found = refunds::by_id(&app.pool, RefundId::from_uuid(id)).await?;
    found.ok_or_else(|| Problem::not_found("refund"))
}

/// Tries a refund again now that was given up or waits for its time.
#[utoipa::path(
    post, path = "/api/v1/admin/refunds/{id}/retry", tag = "admin",
    params(("id" = Uuid, Path)), responses((status = 200, body = RefundOut))
)]
async fn retry(
    Admin(admin): Admin,
    key: IdempotencyKey,
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Written<RefundOut>, Problem> {
    let known = find(&app, id).await?;
    let (account, number) = (account_id(&known.account)?, order_number(&known.order_no)?);
    let place = Place { order: OrderId::of_number(&number), number, account };
    let (command_id, refund) = (key.command_id(admin.account.as_str()), RefundId::from_uuid(id));
    let dispatch = app.dispatch.clone();
    let retried = async move {
        let commands = vec![Command::Order(place.order, OrderCommand::RetryRefund { refund })];
        let receipt = dispatch.execute(&place.account, &actor(&admin), command_id, commands).await?;
        let out = place.refund(&dispatch, &receipt, refund).await?;
        Ok::<_, Problem>((receipt, out))
    };
    let (receipt, out) = whole(retried).await?;
    Ok(Written::ok(&receipt, out))
}

/// Which payments for review.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReviewsQuery {
    account: Option<String>,
    order_no: Option<String>,
    state: Option<ReviewState>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Payments that delivered nothing, because their amount was another or because the order was paid already.
#[utoipa::path(
    get, path = "/api/v1/admin/orders/mismatches", tag = "admin", params(ReviewsQuery),
    responses((status = 200, content((Page<ReviewView> = "application/json"), (String = "text/csv"))))
)]
async fn mismatches(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<ReviewsQuery>,
) -> Result<Response, Problem> {
    let before: Option<(Moment, Word, Word)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), Word(provider), Word(payment_id))| ReviewCursor { at, provider, payment_id });
    let account = account_filter(query.account.as_deref())?;
    let order = order_filter(query.order_no.as_deref())?;
    let filter = ReviewFilter { account, order, state: query.state };
    let items = orders::reviews(&app.pool, &filter, before.as_ref(), query.limit.and_one()).await?;
    let page = Page::cut(items, query.limit, |last| (last.at, last.provider.clone(), last.payment_id.clone()))?;
    Ok(page.answer(wants))
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReviewAction {
    /// The money goes back.
    Refund,
    /// It pays for the order after all, which is delivered.
    Accept,
    /// It was settled elsewhere.
    Dismiss,
}

/// What becomes of a payment for review.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResolveIn {
    action: ReviewAction,
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct ResolvedOut {
    id: Uuid,
    order_no: String,
    /// `refunding`, `accepted` or `dismissed`.
    state: &'static str,
    /// The refund that was asked for.
    refund: Option<Uuid>,
}

/// Decides about a payment for review.
#[utoipa::path(
    post, path = "/api/v1/admin/orders/mismatches/{id}/resolve", tag = "admin",
    params(("id" = Uuid, Path)), request_body = ResolveIn, responses((status = 200, body = ResolvedOut))
)]
async fn resolve(
    Admin(admin): Admin,
    key: IdempotencyKey,
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    Body(ResolveIn { action, reason }): Body<ResolveIn>,
) -> Result<Written<ResolvedOut>, Problem> {
    let review = orders::review_by_id(&app.pool, id).await?.ok_or_else(|| Problem::not_found("mismatch"))?;
    let order = order_number(&review.order_no)?;
    let name =
        ReviewName { order: order.clone(), provider: review.provider.clone(), payment_id: review.payment_id.clone() };
    let (account, command_id) = (account_id(&review.account)?, key.command_id(admin.account.as_str()));
    let (dispatch, actor) = (app.dispatch.clone(), actor(&admin));
    let resolving = Resolving { account, actor, id: command_id, name, reason };
    let (state, refund) = match action {
        ReviewAction::Refund => ("refunding", Some(refund_id(command_id, OrderId::of_number(&order)).uuid())),
        ReviewAction::Accept => ("accepted", None),
        ReviewAction::Dismiss => ("dismissed", None),
    };
    let receipt = whole(async move { resolving.resolve(&dispatch, action).await }).await?;
    Ok(Written::ok(&receipt, ResolvedOut { id, order_no: review.order_no, state, refund }))
}

struct Resolving {
    account: AccountId,
    actor: Actor,
    id: CommandId,
    name: ReviewName,
    reason: String,
}

impl Resolving {
    async fn resolve(self, dispatch: &Dispatcher, action: ReviewAction) -> Result<Receipt, DispatchError> {
        let Self { account, actor, id, name, reason } = self;
        let order = OrderId::of_number(&name.order);
        match action {
            ReviewAction::Accept => dispatch.accept_review(&actor, id, &name, &reason).await,
            ReviewAction::Dismiss => {
                let ReviewName { provider, payment_id, .. } = name;
                let dismiss = OrderCommand::DismissReview { provider, payment_id, reason };
                dispatch.execute(&account, &actor, id, vec![Command::Order(order, dismiss)]).await
            }
            ReviewAction::Refund => {
                let ask = RequestRefund {
                    refund: refund_id(id, order),
                    provider: Some(name.provider),
                    payment_id: Some(name.payment_id),
                    amount: None,
                    reason,
                    revoke: None,
                };
                dispatch.request_refund(&account, &actor, id, order, ask).await
            }
        }
    }
}
