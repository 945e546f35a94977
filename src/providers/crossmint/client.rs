//! Calls to Crossmint. A key is all that proves who asks; answers are signed by nothing but TLS.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::wire::{CreateOrder, Created, Order};
use crate::providers::ProviderError;
use crate::providers::http::{Answer, Http, send};

const VERSION: &str = "2022-06-09";
const KEY_HEADER: &str = "x-api-key";
/// No order has this name.
const NO_ORDER: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    base: String,
    key: SecretString,
}

impl Client {
    pub(super) fn new(http: Http, base: String, key: SecretString) -> Self {
        Self { http, base, key }
    }

    pub(super) async fn create(&self, order: &CreateOrder<'_>) -> Result<Created, ProviderError> {
        let call = self.http.post(&format!("{}/{VERSION}/orders", self.base)).json(order);
        let answer = send(call.header(KEY_HEADER, self.key.expose_secret())).await?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => answer.json(),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(ProviderError::Refused(format!("it takes no such order (HTTP {})", answer.status.as_u16())))
            }
            _ => Err(trouble(&answer)),
        }
    }

    /// `None`: it knows no such order.
    pub(super) async fn order(&self, order_id: &str) -> Result<Option<Order>, ProviderError> {
        // It becomes part of a path, and it may be what a stored notification says.
        if order_id.is_empty() || !order_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(None);
        }
        let answer = self.get(order_id).await?;
        match answer.status {
            StatusCode::OK => {
                let order: Order = answer.json()?;
                if order.order_id != order_id {
                    return Err(ProviderError::Unreachable("it answered with another order".to_owned()));
                }
                Ok(Some(order))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(trouble(&answer)),
        }
    }

    /// Whoever may ask is told that there is no such order.
    pub(super) async fn check(&self) -> Result<(), ProviderError> {
        let answer = self.get(NO_ORDER).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(trouble(&answer)),
        }
    }

    async fn get(&self, order_id: &str) -> Result<Answer, ProviderError> {
        let call = self.http.get(&format!("{}/{VERSION}/orders/{order_id}", self.base));
        send(call.header(KEY_HEADER, self.key.expose_secret())).await
    }
}

/// A key that is not taken may be set right, so nothing is over.
fn trouble(answer: &Answer) -> ProviderError {
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let status = answer.status.as_u16();
            ProviderError::Unreachable(format!(
                "it does not take the API key, or the key may not do this (HTTP {status})"
            ))
        }
        _ => answer.unexpected(),
    }
}
