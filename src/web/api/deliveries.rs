//! API keys and mails after a purchase: how far they are, why they failed, and trying again.

use aggregates::{AggregateId, Command, DeliveryCommand, DeliveryId, State as Aggregate};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use projections::deliveries::query::{self as deliveries, DeliveryFilter, DeliveryState, DeliveryView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::auth::{Admin, Auditor};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::problem::Problem;
use super::super::query::{Named, Params};
use super::super::values::Moment;
use super::fresh::{Api, Fresh};
use super::{account_filter, account_id, actor, whole};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(retry))
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeliveriesQuery {
    account: Option<String>,
    state: Option<DeliveryState>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Deliveries of all customers, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/deliveries", tag = "admin", params(DeliveriesQuery),
    responses((status = 200, content((Page<DeliveryView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<DeliveriesQuery>,
) -> Result<Response, Problem> {
    let account = account_filter(query.account.as_deref())?;
    let filter = DeliveryFilter { account, state: query.state };
    let before: Option<(Moment, Uuid)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, DeliveryId::from_uuid(id)));
    let items = deliveries::list(&app.pool, &filter, before, query.limit.and_one()).await?;
    Ok(Page::cut(items, query.limit, |last| (last.requested_at, last.id))?.answer(wants))
}

/// One delivery, with every attempt that failed.
#[utoipa::path(
    get, path = "/api/v1/admin/deliveries/{id}", tag = "admin",
    params(("id" = Uuid, Path)), responses((status = 200, body = DeliveryView))
)]
async fn one(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Json<DeliveryView>, Problem> {
    find(&app, id).await.map(Json)
}

async fn find(app: &App, id: Uuid) -> Result<DeliveryView, Problem> {
    let found = deliveries::by_id(&app.pool, DeliveryId::from_uuid(id)).await?;
    found.ok_or_else(|| Problem::not_found("delivery"))
}

/// What is tried again.
#[derive(Serialize, ToSchema)]
struct RetriedOut {
    id: Uuid,
    /// `create_key` or `send_mail`.
    step: Option<String>,
}

/// Tries again now what comes next, whether it was given up or waits for its time.
#[utoipa::path(
    post, path = "/api/v1/admin/deliveries/{id}/retry", tag = "admin",
    params(("id" = Uuid, Path)), responses((status = 200, body = RetriedOut))
)]
async fn retry(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
) -> Result<Written<RetriedOut>, Problem> {
    let account = account_id(&find(&app, id).await?.account)?;
    let delivery = DeliveryId::from_uuid(id);
    let (command_id, customer) = (key.command_id(admin.account.as_str()), account.clone());
    let dispatch = app.dispatch.clone();
    let commands = vec![Command::Delivery(delivery, DeliveryCommand::Retry)];
    let receipt = whole(async move { dispatch.execute(&customer, &actor(&admin), command_id, commands).await }).await?;
    let step = match app.dispatch.look_after(&account, AggregateId::delivery(delivery), &receipt).await? {
        Aggregate::Delivery(delivery) => delivery.progress().ok().and_then(|progress| progress.next),
        _ => None,
    };
    Ok(Written::ok(&receipt, RetriedOut { id, step: step.map(|step| step.as_str().to_owned()) }))
}
