//! The clock of a sandbox: moved forward, so that a quota's next day and a package's end can be seen today.

use aggregates::YEAR_MAX;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::Admin;
use super::super::json::Body;
use super::super::problem::{Problem, Reason};
use super::super::values::Moment;
use super::fresh::Api;
use super::whole;
use crate::app::App;
use crate::providers::sandbox::clock;

/// A clock never goes back, so one that was moved to the end of the calendar would be of no more use.
const YEARS_AHEAD_MAX: i32 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read, set))
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
