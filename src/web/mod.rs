//! The HTTP edge: requests in, commands and queries on, answers out.
//!
//! ```text
//! edge.rs         the outermost layer: request id, caller, rate limit, panics, headers, logs, measures
//! compress.rs     long answers, made shorter
//! api/            the routes, one file per resource
//! auth/           bearer tokens, and authority as extractors
//! problem.rs      every answer that is not a success, and its code      trouble.rs  what it comes from
//! json.rs         bodies      query.rs   queries and paths      decimal.rs   amounts      values.rs  times, days, words
//! idempotency.rs  asking twice, positions      paging.rs   lists, cursors, CSV
//! rate_limit.rs   how often       client_address.rs  who that is, behind a proxy      windows.rs  over all processes
//! openapi.rs      the document and its viewer
//! health.rs       alive, ready, counted        metrics.rs  what is counted
//! server.rs       sockets
//! ```
//!
//! A handler parses into types, asks for one thing, and renders the answer. No timeout stands around a write: giving up
//! on one does not undo it.

pub mod api;
pub mod auth;
mod client_address;
mod compress;
pub mod decimal;
mod edge;
mod health;
pub mod idempotency;
pub mod json;
pub mod metrics;
mod openapi;
pub mod paging;
pub mod problem;
pub mod query;
pub mod rate_limit;
mod server;
mod trouble;
pub mod values;
pub mod windows;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::ServiceBuilder;
use utoipa_axum::router::OpenApiRouter;

pub use edge::{Edge, RequestId};
pub use health::Readiness;
pub use problem::{Problem, Reason};
pub use server::serve;

/// All routes: those of `api`, with their document, and those that every server has.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn assemble(
    api: OpenApiRouter,
    edge: Edge,
    readiness: Readiness,
    metrics: PrometheusHandle,
) -> Result<Router, serde_json::Error> {
    let api = OpenApiRouter::with_openapi(openapi::document()).merge(health::routes(readiness, metrics)).merge(api);
    let (router, mut document) = api.split_for_parts();
    openapi::complete(&mut document);
    Ok(router
        .merge(openapi::routes(&document)?)
        // One layer of the router, because each boxes every request's future.
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(edge, edge::handle))
                .layer(DefaultBodyLimit::max(json::BODY_BYTES_MAX)),
        ))
}
