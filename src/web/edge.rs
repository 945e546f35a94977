//! The outermost layer: everything that is true of every answer.
//!
//! One function instead of a stack of layers: a request is given an id, its caller is identified and counted, the
//! handler runs, a panic becomes a 500, an answer without a body becomes a problem, and what came of it is logged and
//! measured. Logs name the route by its template: no query, no body, no path that may name a person.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::is_webhook;
use super::auth::{Authenticator, FirstSeen, Identity};
use super::client_address;
use super::compress::compressed;
use super::health;
use super::metrics::Meters;
use super::openapi::DOCS_PATH;
use super::problem::{Problem, Reason};
use super::rate_limit::RateLimiter;
use crate::config::Settings;

const ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
const ID_BYTES_MAX: usize = 128;
const BETWEEN_UPKEEPS: Duration = Duration::from_secs(5);
const NO_ROUTE: &str = "none";

const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// The viewer's scripts and styles are ours; it sets styles of elements and draws its icons from data.
const DOCS_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
);

/// What a request is called in answers and logs.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

struct Inner {
    authenticator: Authenticator,
    limiter: RateLimiter,
    meters: Meters,
    https: bool,
    trusted_proxies: Vec<IpNet>,
}

/// What the outermost layer needs; clones share it.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

impl Edge {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let inner = Inner {
            authenticator: Authenticator::new(&settings.tokens),
            limiter: RateLimiter::per_second(settings.rate_limit_per_second),
            meters: Meters::default(),
            https: settings.public_url.scheme() == "https",
            trusted_proxies: settings.trusted_proxies.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Keeps what is counted from growing, until `stop`.
    pub async fn upkeep(self, metrics: PrometheusHandle, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(BETWEEN_UPKEEPS)).await.is_some() {
            self.inner.limiter.tidy();
            metrics.run_upkeep();
        }
    }

    async fn answer(&self, mut request: Request, next: Next) -> Response {
        let (identity, first_seen) = self.inner.authenticator.identify(request.headers()).await;
        if let Err(problem) = self.limit(&request, &identity) {
            return problem.into_response();
        }
        if first_seen && let Ok(caller) = &identity {
            request.extensions_mut().insert(FirstSeen(caller.clone()));
        }
        request.extensions_mut().insert::<Identity>(identity);
        next.run(request).await
    }

    fn limit(&self, request: &Request, identity: &Identity) -> Result<(), Problem> {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        if route.is_some_and(|route| health::PATHS.contains(&route) || is_webhook(route)) {
            return Ok(());
        }
        let caller = identity.as_deref().ok();
        let address = || {
            let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
            Some(client_address::of(peer.ip(), request.headers(), &self.inner.trusted_proxies))
        };
        self.inner.limiter.check(caller, if caller.is_none() { address() } else { None })
    }
}

/// Set on every answer.
const HEADERS_OURS: usize = 8;

pub(super) async fn handle(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId(request_id(request.headers()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let accepted = (method == Method::GET).then(|| request.headers().get(header::ACCEPT_ENCODING).cloned()).flatten();
    let in_docs = request.uri().path().starts_with(DOCS_PATH);
    request.extensions_mut().insert(id.clone());

    let answered = AssertUnwindSafe(edge.answer(request, next)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Problem::internal("a handler panicked").into_response());

    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    if response.status().is_client_error() || response.status().is_server_error() {
        response = as_problem(response, &id.0, &method, route);
    }
    set_headers(response.headers_mut(), &id.0, in_docs, edge.inner.https);
    if let Some(accepted) = accepted {
        response = compressed(accepted, response).await;
    }
    let took = started.elapsed();
    edge.inner.meters.count(route, &method, response.status(), took);
    tracing::debug!(request_id = %id.0, %method, route, status = response.status().as_u16(), ?took, "answered");
    response
}

/// Completes a problem with the request's id and logs its cause. An answer that says nothing becomes a problem; one
/// that speaks for itself (a provider may want a literal word) stays as it is.
fn as_problem(mut response: Response, id: &str, method: &Method, route: &str) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let mut problem = match problem {
        Some(problem) => problem,
        None if response.headers().contains_key(header::CONTENT_TYPE) => return response,
        None => for_status(response.status()),
    };
    problem.set_request_id(id);
    match problem.cause() {
        Some(cause) if problem.status().is_server_error() => {
            tracing::error!(request_id = id, %method, route, code = problem.code(), cause, "failed");
        }
        Some(cause) => tracing::info!(request_id = id, %method, route, code = problem.code(), cause, "refused"),
        None => (),
    }
    let allow = response.headers_mut().remove(header::ALLOW);
    let mut response = problem.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn for_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Reason::NoSuchPath, "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Reason::NoSuchMethod, "the header Allow names what this path knows")
        }
        status if status.is_client_error() => Problem::new(Reason::BadRequest, "the request is malformed"),
        status => Problem::internal(format_args!("an answer of {status} without a body")),
    }
}

fn set_headers(headers: &mut HeaderMap, id: &str, in_docs: bool, https: bool) {
    // At once, or the map grows several times on its way.
    headers.reserve(HEADERS_OURS);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(ID_HEADER, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(if in_docs { DOCS_CSP } else { CSP });
    if !in_docs {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// The caller's own, if it is fit to be logged; otherwise a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let fit = |id: &&str| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match headers.get(ID_HEADER).and_then(|value| value.to_str().ok()).filter(fit) {
        Some(id) => id.into(),
        None => Uuid::now_v7().to_string().into(),
    }
}
