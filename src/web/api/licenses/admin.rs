//! All licenses, revoked by hand; and who is locked out for trying keys.

use aggregates::{LicenseId, LicenseStatus, OrderId, OrderNumber};
use axum::extract::State;
use axum::response::Response;
use projections::licenses::query::{self as licenses, LicenseFilter, LicenseView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::super::auth::{Admin, Auditor};
use super::super::super::idempotency::{IdempotencyKey, Written};
use super::super::super::json::Body;
use super::super::super::paging::{Cursor, Limit, Page, Wants};
use super::super::super::problem::{Problem, Reason};
use super::super::super::query::{Named, Params};
use super::super::super::values::{Moment, Word};
use super::super::fresh::{Api, Fresh};
use super::super::{account_filter, actor, whole};
use crate::app::App;
use crate::lockouts::{self, LockoutView};

pub(in super::super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revoke)).routes(routes!(lockouts))
}

/// Which licenses.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LicensesQuery {
    /// Bought or used by it.
    account: Option<String>,
    /// The number of the order that bought it.
    order: Option<String>,
    /// `active`, `exhausted` or `revoked`.
    #[param(value_type = Option<String>)]
    status: Option<LicenseStatus>,
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Licenses of all customers, newest first. Their keys are shown to nobody but who bought or uses them.
#[utoipa::path(
    get, path = "/api/v1/admin/licenses", tag = "admin", params(LicensesQuery),
    responses((status = 200, content((Page<LicenseView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<LicensesQuery>,
) -> Result<Response, Problem> {
    let before: Option<(Moment, Uuid)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let before = before.map(|(Moment(at), id)| (at, LicenseId::from_uuid(id)));
    let order = query.order.as_deref().map(str::parse::<OrderNumber>).transpose();
    let order = order.map_err(|error| Problem::parameter(Reason::BadQuery, "order", error.to_string()))?;
    let filter = LicenseFilter {
        account: account_filter(query.account.as_deref())?,
        order: order.as_ref().map(OrderId::of_number),
        status: query.status,
    };
    let items = licenses::list(&app.pool, &filter, before, query.limit.and_one()).await?;
    let page = Page::cut(items, query.limit, |last| (last.view.issued_at, last.view.id))?;
    Ok(page.map(|license| license.view).answer(wants))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokeIn {
    /// In the log for ever.
    #[schema(example = "sold by a thief", min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct RevokedOut {
    id: Uuid,
    #[schema(example = "revoked")]
    status: &'static str,
}

/// Ends a license for good. Said again it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/admin/licenses/{id}/revoke", tag = "admin",
    params(("id" = Uuid, Path)), request_body = RevokeIn, responses((status = 200, body = RevokedOut))
)]
async fn revoke(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(id): Named<Uuid>,
    Body(RevokeIn { reason }): Body<RevokeIn>,
) -> Result<Written<RevokedOut>, Problem> {
    let license = LicenseId::from_uuid(id);
    let place = app.dispatch.find_license(license).await?.ok_or_else(|| Problem::not_found("license"))?;
    let command = key.command_id(admin.account.as_str());
    let revoked = async move { app.dispatch.revoke_license(&place, &actor(&admin), command, reason).await };
    let receipt = whole(revoked).await?;
    Ok(Written::ok(&receipt, RevokedOut { id, status: LicenseStatus::Revoked.as_str() }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LockoutsQuery {
    #[serde(default)]
    #[param(value_type = Option<Limit>)]
    limit: Limit,
    cursor: Option<Cursor>,
}

/// Who is locked out for trying keys that are not theirs, or was lately; those that last longest first.
#[utoipa::path(
    get, path = "/api/v1/admin/licenses/lockouts", tag = "admin", params(LockoutsQuery),
    responses((status = 200, content((Page<LockoutView> = "application/json"), (String = "text/csv"))))
)]
async fn lockouts(
    _: Auditor,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<LockoutsQuery>,
) -> Result<Response, Problem> {
    let after: Option<(Moment, Word, Word)> = query.cursor.map(|cursor| cursor.place()).transpose()?;
    let after = after.map(|(Moment(until), Word(kind), Word(subject))| (until, kind, subject));
    let items = lockouts::list(&app.pool, after.as_ref(), query.limit.and_one()).await?;
    let place = |last: &LockoutView| (last.locked_until, last.kind.clone(), last.subject.clone());
    Ok(Page::cut(items, query.limit, place)?.answer(wants))
}
