//! Calls to providers: bounded in time and size, without redirects, and with errors that repeat no address, since some
//! providers want secrets in theirs.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

use super::ProviderError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last byte received.
const TIMEOUT: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Clones share its connections.
#[derive(Debug, Clone)]
pub struct Http(reqwest::Client);

/// What came back, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Http {
    /// # Errors
    /// When the library cannot be set up.
    pub fn try_new() -> Result<Self, reqwest::Error> {
        // A redirect would take secrets, and what a customer pays, to somebody else.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("billing-ledger/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    pub fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.get(url)
    }

    pub fn post(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.post(url)
    }
}

/// # Errors
/// When no whole answer came: what happened there is not known then.
pub async fn send(call: reqwest::RequestBuilder) -> Result<Answer, ProviderError> {
    let mut response = call.send().await.map_err(|error| trouble(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(ProviderError::Unreachable(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.into() })
}

/// Only the kind: the library's own text names the address.
fn trouble(error: &reqwest::Error) -> ProviderError {
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke before its answer was complete"
    };
    ProviderError::Unreachable(what.to_owned())
}

impl Answer {
    /// Any status but 2xx, as something that may pass.
    #[must_use]
    pub fn unexpected(&self) -> ProviderError {
        ProviderError::Unreachable(format!("it answered HTTP {}", self.status.as_u16()))
    }

    /// # Errors
    /// When the body is not JSON of this shape: what happened there is not known then.
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let status = self.status.as_u16();
            ProviderError::Unreachable(format!("its answer (HTTP {status}) cannot be understood"))
        })
    }
}
