//! What the built-in timers do, at once, for an operator's own timer: the same jobs, each still done once.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::{Problem, Reason};
use super::fresh::Api;
use super::whole;
use crate::app::App;
use crate::processes;
use crate::workers::jobs::{JobOptions, JobRunner, Ran};

/// Of each kind, in one request.
const JOBS_MAX: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(expire_credits))
}

/// Whoever knows `CRON_SECRET`. Where there is none, nobody.
struct Cron;

impl FromRequestParts<Api> for Cron {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Some(secret) = &api.app.cron_secret else {
            return Err(Problem::new(Reason::WrongRole, "CRON_SECRET is not set here, so nobody may ask"));
        };
        let mut sent = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(sent), None) = (sent.next(), sent.next()) else {
            return Err(Problem::new(Reason::NoToken, "send Authorization: Bearer with the secret, once"));
        };
        let expected = format!("Bearer {}", secret.expose_secret());
        // In a time that says nothing about how much of it was right.
        aws_lc_rs::constant_time::verify_slices_are_equal(sent.as_bytes(), expected.as_bytes())
            .map(|()| Self)
            .map_err(|_| Problem::new(Reason::BadToken, "this is not the secret"))
    }
}

/// What was due, and what became of it.
#[derive(Serialize, ToSchema)]
struct RanOut {
    /// Grants whose end has come.
    expire_grant: CountOut,
    /// Holds that nobody has settled in time.
    release_hold: CountOut,
    /// There may be more that is due: ask again.
    more: bool,
}

#[derive(Serialize, ToSchema)]
struct CountOut {
    /// Done, or no longer needed.
    done: u32,
    /// To be tried again later.
    again: u32,
}

impl RanOut {
    fn new(ran: &Ran) -> Self {
        let count = |kind| {
            let (done, again) = ran.of(kind);
            CountOut { done, again }
        };
        Self {
            expire_grant: count(processes::kinds::EXPIRE_GRANT),
            release_hold: count(processes::kinds::RELEASE_HOLD),
            more: ran.more,
        }
    }
}

/// Ends grants whose time has come, and releases holds that nobody has settled in time. The server does so by itself;
/// what it is doing at the moment is not counted.
#[utoipa::path(
    get, path = "/api/cron/expire-credits", tag = "operations", security(("cron" = [])),
    responses((status = 200, body = RanOut))
)]
async fn expire_credits(_: Cron, State(app): State<App>) -> Result<Json<RanOut>, Problem> {
    let runner = JobRunner::new(
        app.pool.clone(),
        app.clock.clone(),
        processes::timers_of_credits(&app.dispatch),
        JobOptions::default(),
    );
    let ran = whole(async move { runner.run_due(JOBS_MAX).await }).await?;
    Ok(Json(RanOut::new(&ran)))
}
