//! The forward service, where API keys are made: our side of `POST {FORWARD_API_URL}/api/admin/create-apikey`.
//!
//! ```text
//! mod.rs       the call: one key for one delivery, however often it is asked for
//! wire.rs      their JSON, and what of it we believe
//! sign.rs      Standard Webhooks signatures
//! error.rs     what can go wrong, in short sentences an admin may read
//! simulator/   a stand-in for the service that issues keys and misbehaves on command
//! ```
//!
//! Every call carries the delivery's id as idempotency key: asked again, the service answers with the key it made.
//! Use `https://` in production; the admin token and the customer's address travel in the request.

mod error;
pub mod sign;
pub mod simulator;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

pub use error::ForwardError;
use sign::SigningKey;
use wire::CreateApiKey;

const PATH: &str = "api/admin/create-apikey";
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where the service is and how to speak to it.
#[derive(Debug, Clone)]
pub struct ForwardOptions {
    /// `FORWARD_API_URL`; may have a path.
    pub url: Url,
    pub admin_token: Option<SecretString>,
    /// `whsec_<base64>`, or the bytes of any other text.
    pub signing_secret: Option<SecretString>,
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte received.
    pub timeout: Duration,
}

impl ForwardOptions {
    #[must_use]
    pub fn new(url: Url) -> Self {
        let (connect_timeout, timeout) = (Duration::from_secs(5), Duration::from_secs(20));
        Self { url, admin_token: None, signing_secret: None, connect_timeout, timeout }
    }
}

/// Whose key is asked for. `Debug` shows nothing of the person.
#[derive(Clone)]
pub struct KeyRequest<'a> {
    /// The delivery: the same one gets the same key.
    pub delivery: Uuid,
    pub user_id: &'a str,
    pub username: &'a str,
    pub email: &'a str,
}

impl std::fmt::Debug for KeyRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRequest").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// A key that the service made.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    pub key_id: String,
    pub key: SecretString,
}

impl IssuedKey {
    /// What may be shown of it later.
    #[must_use]
    pub fn last_four(&self) -> String {
        last_four(&self.key)
    }
}

/// The last four characters of a key: all that is ever shown of it again.
#[must_use]
pub fn last_four(key: &SecretString) -> String {
    let characters: Vec<char> = key.expose_secret().chars().rev().take(4).collect();
    characters.into_iter().rev().collect()
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ForwardSetupError {
    #[error("FORWARD_API_URL must be an http:// or https:// address")]
    Url,
    #[error("FORWARD_API_ADMIN_TOKEN cannot be sent in a header")]
    Token,
    #[error("FORWARD_API_SIGNING_SECRET starts with whsec_ but goes on with something that is not base64, or is empty")]
    SigningSecret,
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Speaks to the forward service; clones share its connections.
#[derive(Clone)]
pub struct ForwardClient {
    http: reqwest::Client,
    url: Url,
    authorization: Option<HeaderValue>,
    signing: Option<SigningKey>,
}

impl std::fmt::Debug for ForwardClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForwardClient").finish_non_exhaustive()
    }
}

impl ForwardClient {
    /// # Errors
    /// Names the setting that is wrong, without its value.
    pub fn try_new(options: &ForwardOptions) -> Result<Self, ForwardSetupError> {
        if !matches!(options.url.scheme(), "http" | "https") || options.url.host().is_none() {
            return Err(ForwardSetupError::Url);
        }
        let url = format!("{}/{PATH}", options.url.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| ForwardSetupError::Url)?;
        let authorization = options.admin_token.as_ref().map(bearer).transpose()?;
        let signing = options.signing_secret.as_ref().map(SigningKey::try_new).transpose();
        let signing = signing.map_err(|_| ForwardSetupError::SigningSecret)?;
        // A redirect would take the token and the customer's address to somebody else.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .user_agent(concat!("billing-ledger/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, url, authorization, signing })
    }

    /// Asks for the key of a delivery. Safe to repeat.
    ///
    /// # Errors
    /// See [`ForwardError`]; whatever it is, the service may have made the key all the same.
    pub async fn create_api_key(&self, request: &KeyRequest<'_>) -> Result<IssuedKey, ForwardError> {
        let body = CreateApiKey::of(request).to_json()?;
        let headers = self.headers(request.delivery, Utc::now(), body.as_bytes())?;
        let call = self.http.post(self.url.clone()).headers(headers).body(body);
        let response = call.send().await.map_err(ForwardError::of_call)?;
        let status = response.status();
        let answer = bounded_body(response).await?;
        wire::read(status, &answer, request)
    }

    fn headers(&self, delivery: Uuid, at: DateTime<Utc>, body: &[u8]) -> Result<HeaderMap, ForwardError> {
        let id = delivery.to_string();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| ForwardError::Request);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_KEY, value(&id)?);
        headers.insert(sign::ID_HEADER, value(&id)?);
        headers.insert(sign::TIMESTAMP_HEADER, value(&at.timestamp().to_string())?);
        if let Some(key) = &self.signing {
            headers.insert(sign::SIGNATURE_HEADER, value(&key.sign(&id, at.timestamp(), body))?);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(headers)
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, ForwardSetupError> {
    let value = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::from_str(&value).map_err(|_| ForwardSetupError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn bounded_body(mut response: reqwest::Response) -> Result<Vec<u8>, ForwardError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ForwardError::of_call)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(ForwardError::TooLarge { max_kib: ANSWER_BYTES_MAX >> 10 });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
