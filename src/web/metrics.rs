//! What is counted about requests, for Prometheus.
//!
//! Routes are templates and statuses are codes, so there are as many series as there are routes. The handles of a
//! series are kept: looking them up by their labels costs more than counting.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "http_requests_total";
const SECONDS: &str = "http_request_duration_seconds";
const SECONDS_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The recorder of this process: a process has one, however many servers it runs.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder, once. Until then whatever is counted is counted nowhere.
///
/// # Errors
/// When another recorder is there.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    match PrometheusBuilder::new().set_buckets(SECONDS_BUCKETS)?.install_recorder() {
        Ok(handle) => {
            describe_counter!(REQUESTS, "Requests answered, by route, method and status.");
            describe_histogram!(SECONDS, "How long answers took, by route and method.");
            Ok(RECORDER.get_or_init(|| handle).clone())
        }
        // Two at once: one of them was first.
        Err(error) => RECORDER.get().cloned().ok_or(error),
    }
}

pub(super) fn render(handle: &PrometheusHandle) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

#[derive(Clone)]
struct Series {
    requests: Counter,
    seconds: Histogram,
}

/// By method and status.
type OfRoute = HashMap<(&'static str, u16), Series>;

#[derive(Default)]
pub(super) struct Meters {
    series: RwLock<HashMap<String, OfRoute>>,
}

impl Meters {
    pub(super) fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let series = self.series(route, name_of(method), status);
        series.requests.increment(1);
        series.seconds.record(took);
    }

    fn series(&self, route: &str, method: &'static str, status: StatusCode) -> Series {
        let key = (method, status.as_u16());
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(route).and_then(|of_route| of_route.get(&key)) {
            return series.clone();
        }
        drop(known);
        let series = Series {
            requests: counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => status.as_u16().to_string()),
            seconds: histogram!(SECONDS, "route" => route.to_owned(), "method" => method),
        };
        let mut known = self.series.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(route.to_owned()).or_default().insert(key, series.clone());
        series
    }
}

/// Anybody can make up methods.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
