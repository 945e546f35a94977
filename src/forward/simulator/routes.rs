//! The stand-in over HTTP.

use std::sync::Arc;

use aws_lc_rs::constant_time;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::{IDEMPOTENCY_KEY, sign};
use super::Shared;
use super::fault::{Fault, Faults};
use crate::cut::Line;

const BODY_BYTES_MAX: usize = 64 << 10;
/// Requests that `GET /requests` remembers.
const RECEIVED_MAX: usize = 1_000;
const HUGE_BYTES: usize = 4 << 20;

/// What the stand-in got. It holds what was sent, personal data included: it is for development and tests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Received {
    pub idempotency_key: Option<String>,
    pub authorized: bool,
    /// `None` where no secret is configured, or nothing was signed.
    pub signature_valid: Option<bool>,
    pub content_type: Option<String>,
    pub webhook_id: Option<String>,
    pub webhook_timestamp: Option<String>,
    pub webhook_signature: Option<String>,
    /// As it was sent.
    pub body: String,
    /// How it was misbehaved, if it was.
    pub fault: Option<String>,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/admin/create-apikey", post(create))
        .route("/requests", get(requests))
        .route("/faults", get(faults).put(set_faults))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut received = shared.received(&headers, &body);
    let fault = shared.state().faults.next();
    received.fault = fault.map(|fault| format!("{fault:?}"));
    let refused = shared.refusal(&received);
    shared.remember(received);
    match fault {
        Some(Fault::Down) => {
            line.cut();
            return StatusCode::NO_CONTENT.into_response();
        }
        Some(Fault::Http500) => {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        }
        Some(Fault::SuccessFalse) => return failure(StatusCode::OK, "创建 API Key 失败"),
        Some(Fault::Html) => return Html("<!doctype html><title>Welcome to nginx!</title>").into_response(),
        Some(Fault::Garbage) => return Json(json!({"success": true, "apiKey": {}, "keyId": ""})).into_response(),
        Some(Fault::Huge) => return Json(json!({"success": true, "apiKey": "k".repeat(HUGE_BYTES)})).into_response(),
        Some(Fault::Slow) => tokio::time::sleep(shared.slow).await,
        Some(Fault::LostAnswer) | None => {}
    }
    if let Some(refused) = refused {
        return refused;
    }
    let answer = shared.issue(&headers, &body);
    if fault == Some(Fault::LostAnswer) {
        line.cut();
    }
    answer
}

async fn requests(State(shared): State<Arc<Shared>>) -> Json<Vec<Received>> {
    Json(shared.state().received.iter().cloned().collect())
}

async fn faults(State(shared): State<Arc<Shared>>) -> String {
    shared.state().faults.to_string()
}

async fn set_faults(State(shared): State<Arc<Shared>>, body: String) -> Response {
    match body.parse::<Faults>() {
        Ok(faults) => {
            shared.state().faults = faults;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// Of what is asked only the user matters; the rest may be missing, as in the contract's curl.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    user_id: String,
}

impl Shared {
    fn received(&self, headers: &HeaderMap, body: &[u8]) -> Received {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (id, timestamp) = (header(sign::ID_HEADER), header(sign::TIMESTAMP_HEADER));
        let signature = header(sign::SIGNATURE_HEADER);
        let signature_valid = match (&self.signing, &id, &timestamp, &signature) {
            (Some(key), Some(id), Some(timestamp), Some(signature)) => {
                Some(key.verifies(id, timestamp, signature, body, chrono::Utc::now().timestamp()))
            }
            _ => None,
        };
        let authorized = self.admin_token.as_ref().is_none_or(|token| {
            headers.get(header::AUTHORIZATION).is_some_and(|given| is_bearer(given.as_bytes(), token))
        });
        Received {
            idempotency_key: header(IDEMPOTENCY_KEY),
            authorized,
            signature_valid,
            content_type: header(header::CONTENT_TYPE.as_str()),
            webhook_id: id,
            webhook_timestamp: timestamp,
            webhook_signature: signature,
            body: String::from_utf8_lossy(body).into_owned(),
            fault: None,
        }
    }

    fn refusal(&self, received: &Received) -> Option<Response> {
        if !received.authorized {
            return Some(failure(StatusCode::UNAUTHORIZED, "admin token required"));
        }
        if self.signing.is_some() && received.signature_valid != Some(true) {
            return Some(failure(StatusCode::UNAUTHORIZED, "invalid signature"));
        }
        None
    }

    fn remember(&self, received: Received) {
        let mut state = self.state();
        if state.received.len() >= RECEIVED_MAX {
            state.received.pop_front();
        }
        state.received.push_back(received);
    }

    fn issue(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let asked = serde_json::from_slice::<Asked>(body).ok().filter(|asked| !asked.user_id.is_empty());
        let Some(asked) = asked else { return failure(StatusCode::BAD_REQUEST, "userId is required") };
        let request = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
        let key = self.state().keys.issue(&asked.user_id, request);
        Json(json!({"success": true, "apiKey": key.key, "keyId": key.key_id})).into_response()
    }
}

fn is_bearer(given: &[u8], token: &SecretString) -> bool {
    let expected = format!("Bearer {}", token.expose_secret());
    constant_time::verify_slices_are_equal(given, expected.as_bytes()).is_ok()
}

fn failure(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"success": false, "error": error}))).into_response()
}
