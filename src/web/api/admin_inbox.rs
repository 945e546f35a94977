//! What payment providers have said, and what became of it; and what was refused because nobody could have signed it.

use aggregates::OrderNumber;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor};
use super::super::paging::{Cursor, Limit, Page, Row, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::fresh::Api;
use super::{order_filter, whole};
use crate::app::App;
use crate::inbox::{self, InboxFilter, NotificationState, NotificationView, RefusalCount, Refusals};
use crate::providers::spec;

/// Of those that were refused.
const SAMPLES_SHOWN: i64 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(refused)).routes(routes!(one)).routes(routes!(replay))
}

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InboxQuery {
    provider: Option<String>,
    state: Option<NotificationState>,
    /// What the provider calls what happened.
    event: Option<String>,
    /// About this order, once that is known.
    order_no: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

fn provider_filter(named: Option<String>) -> Result<Option<String>, Problem> {
    match named {
        Some(name) if spec(&name).is_none() => {
            Err(Problem::parameter(Reason::BadQuery, "provider", "is no payment provider"))
        }
        named => Ok(named),
    }
}

/// Notifications of all providers, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/inbox", tag = "admin", params(InboxQuery),
    responses((status = 200, content((Page<NotificationView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<InboxQuery>,
) -> Result<Response, Problem> {
    let InboxQuery { provider, state, event, order_no, limit, cursor } = query;
    let order: Option<OrderNumber> = order_filter(order_no.as_deref())?;
    if event.as_deref().is_some_and(|event| event.contains('\0')) {
        return Err(Problem::parameter(Reason::BadQuery, "event", "holds a zero byte"));
    }
    let filter = InboxFilter { provider: provider_filter(provider)?, state, order, event };
    let before: Option<i64> = cursor.map(|cursor| cursor.place()).transpose()?;
    let items = inbox::list(&app.pool, &filter, before, limit.and_one()).await?;
    Ok(Page::cut(items, limit, |last| last.id)?.answer(wants))
}

impl Row for NotificationView {
    const HEADER: &'static [&'static str] = &[
        "id",
        "provider",
        "event",
        "key",
        "state",
        "reason",
        "order_no",
        "received_at",
        "copies",
        "last_copy_at",
        "attempts",
        "settled_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.provider.clone(),
            self.event.clone(),
            self.key.clone(),
            self.state.as_str().to_owned(),
            self.reason.clone().unwrap_or_default(),
            self.order_no.clone().unwrap_or_default(),
            self.received_at.to_rfc3339(),
            self.copies.to_string(),
            self.last_copy_at.to_rfc3339(),
            self.attempts.to_string(),
            self.settled_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
        ]
    }
}

/// A notification, and how it arrived.
#[derive(Serialize, ToSchema)]
struct NotificationOut {
    #[serde(flatten)]
    notification: NotificationView,
    /// Signatures, secrets and people are hidden; nothing, where its customer was erased.
    #[schema(value_type = Option<Object>)]
    arrived: Option<inbox::Shown>,
}

/// One notification, with how it arrived.
#[utoipa::path(
    get, path = "/api/v1/admin/inbox/{id}", tag = "admin",
    params(("id" = i64, Path)), responses((status = 200, body = NotificationOut))
)]
async fn one(_: Auditor, State(app): State<App>, Named(id): Named<i64>) -> Result<Json<NotificationOut>, Problem> {
    let found = inbox::one(&app.pool, id).await?;
    let (notification, sealed) = found.ok_or_else(|| Problem::not_found("notification"))?;
    let arrived = match sealed {
        Some(sealed) => Some(app.refusals.opened(&sealed).await.map_err(Problem::from)?),
        None => None,
    };
    Ok(Json(NotificationOut { notification, arrived }))
}

#[derive(Serialize, ToSchema)]
struct ReplayedOut {
    id: i64,
    #[schema(example = "received")]
    state: NotificationState,
}

/// Reads a notification again and takes what it says, whatever became of it before. What it has done it does not do
/// twice.
#[utoipa::path(
    post, path = "/api/v1/admin/inbox/{id}/replay", tag = "admin",
    params(("id" = i64, Path)), responses((status = 202, body = ReplayedOut))
)]
async fn replay(
    _: Admin,
    State(app): State<App>,
    Named(id): Named<i64>,
) -> Result<(axum::http::StatusCode, Json<ReplayedOut>), Problem> {
    let (pool, arrivals) = (app.pool.clone(), app.arrivals.clone());
    if !whole(async move { inbox::replay(&pool, id).await }).await? {
        return Err(Problem::not_found("notification"));
    }
    arrivals.are_stored();
    Ok((axum::http::StatusCode::ACCEPTED, Json(ReplayedOut { id, state: NotificationState::Received })))
}

/// Which refused ones.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RefusedQuery {
    provider: Option<String>,
}

/// What could not have been signed by its provider: how many a day in the last month, and a few as they arrived. Those
/// are kept for a week.
#[derive(Serialize, ToSchema)]
struct RefusedOut {
    counts: Vec<RefusalCount>,
    #[schema(value_type = Vec<Object>)]
    kept: Vec<inbox::RefusedView>,
}

/// Notifications that were refused.
#[utoipa::path(
    get, path = "/api/v1/admin/inbox/refused", tag = "admin", params(RefusedQuery),
    responses((status = 200, body = RefusedOut))
)]
async fn refused(
    _: Auditor,
    State(app): State<App>,
    Params(RefusedQuery { provider }): Params<RefusedQuery>,
) -> Result<Json<RefusedOut>, Problem> {
    let provider = provider_filter(provider)?;
    let counts = Refusals::counts(&app.pool, provider.as_deref()).await?;
    let kept = app.refusals.kept(&app.pool, provider.as_deref(), SAMPLES_SHOWN).await?;
    Ok(Json(RefusedOut { counts, kept }))
}
