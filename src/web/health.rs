//! Is it alive, is it ready, what has it counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::{BoxFuture, join_all};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{FieldError, Problem, Reason};

/// Asked for by operators' machines, often, and all from one address.
pub(super) const PATHS: &[&str] = &["/healthz", "/readyz", "/metrics"];

const CHECK_WAIT: Duration = Duration::from_secs(3);
const RETRY_SECONDS: u32 = 2;

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What has to hold before this server should be sent requests.
#[derive(Clone)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    stopping: CancellationToken,
}

impl Readiness {
    /// Not ready any more once `stopping` is cancelled.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> Self {
        Self { checks: Vec::new(), stopping }
    }

    /// `check` says in a sentence what does not hold; anybody may read it.
    #[must_use]
    pub fn with<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Each check runs in a task of its own, so that giving up on one cuts nothing off half-way.
    async fn failures(&self) -> Vec<FieldError> {
        let runs = self.checks.iter().map(|(name, check)| async {
            let run = tokio::time::timeout(CHECK_WAIT, tokio::spawn(check()));
            let detail = match run.await {
                Ok(Ok(Ok(()))) => return None,
                Ok(Ok(Err(detail))) => detail,
                Ok(Err(_)) => "the check failed".to_owned(),
                Err(_) => format!("no answer within {} s", CHECK_WAIT.as_secs()),
            };
            Some(FieldError { pointer: None, parameter: Some((*name).to_owned()), detail })
        });
        let mut failures: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
        if self.stopping.is_cancelled() {
            let detail = "this server is shutting down".to_owned();
            failures.push(FieldError { pointer: None, parameter: Some("server".to_owned()), detail });
        }
        failures
    }
}

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: PrometheusHandle,
}

pub(super) fn routes(readiness: Readiness, metrics: PrometheusHandle) -> OpenApiRouter {
    let health = Health { readiness, metrics };
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(metrics_text)).with_state(health)
}

#[derive(Serialize, ToSchema)]
struct Live {
    #[schema(example = "live")]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    /// Each check by name.
    checks: BTreeMap<&'static str, &'static str>,
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, body = Live)))]
async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

/// Should it be sent requests?
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses((status = 200, body = Ready)))]
async fn ready(State(health): State<Health>) -> Result<Json<Ready>, Problem> {
    let failures = health.readiness.failures().await;
    if failures.is_empty() {
        let checks = health.readiness.checks.iter().map(|(name, _)| (*name, "ok")).collect();
        return Ok(Json(Ready { status: "ready", checks }));
    }
    let names: Vec<_> = failures.iter().filter_map(|failure| failure.parameter.as_deref()).collect();
    let problem = Problem::new(Reason::NotReady, format!("not ready: {}", names.join(", ")));
    Err(failures.into_iter().fold(problem, Problem::with_error).retry_after(RETRY_SECONDS))
}

/// What has been counted, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, content_type = "text/plain", body = String))
)]
async fn metrics_text(State(health): State<Health>) -> Response {
    super::metrics::render(&health.metrics)
}
