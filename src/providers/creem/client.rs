//! Calls to Creem. A key is all that proves who asks; answers are signed by nothing but TLS.
//!
//! That a subscription is cancelled and resumed under its own path is from their API description (`openapi.json` of their
//! SDK, of April 2026), as is that a resumed one may be paused or about to end.

use axum::http::StatusCode;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};

use super::wire::{
    CancelSubscription, Checkout, CreateCheckout, CreateRefund, RefundAsked, Subscription, Transaction, Transactions,
};
use crate::providers::ProviderError;
use crate::providers::http::{Answer, Http, send};

const KEY_HEADER: &str = "x-api-key";
/// Of an order there is one transaction, or one for each period.
const TRANSACTIONS_MAX: &str = "50";

#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    base: String,
    key: SecretString,
}

/// What became of a refund that was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Taken(RefundAsked),
    NoSuchTransaction,
    /// Not now; nothing says why.
    NotTaken,
}

impl Client {
    pub(super) fn new(http: Http, base: String, key: SecretString) -> Self {
        Self { http, base, key }
    }

    pub(super) async fn create(&self, checkout: &CreateCheckout<'_>) -> Result<Checkout, ProviderError> {
        let answer = self.call(self.http.post(&self.at("/v1/checkouts")).json(checkout)).await?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => answer.json(),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(ProviderError::Refused(format!("it takes no such checkout (HTTP {})", answer.status.as_u16())))
            }
            _ => Err(answer.unexpected()),
        }
    }

    pub(super) async fn checkout(&self, id: &str) -> Result<Option<Checkout>, ProviderError> {
        let found: Option<Checkout> = self.find("/v1/checkouts", "checkout_id", id).await?;
        match found {
            Some(other) if other.id.as_deref() != Some(id) => {
                Err(ProviderError::Unreachable("it answered with another checkout".to_owned()))
            }
            found => Ok(found),
        }
    }

    pub(super) async fn transaction(&self, id: &str) -> Result<Option<Transaction>, ProviderError> {
        let found: Option<Transaction> = self.find("/v1/transactions", "transaction_id", id).await?;
        match found {
            Some(other) if other.id != id => {
                Err(ProviderError::Unreachable("it answered with another transaction".to_owned()))
            }
            found => Ok(found),
        }
    }

    pub(super) async fn transactions_of(&self, order_id: &str) -> Result<Vec<Transaction>, ProviderError> {
        let query = [("order_id", order_id), ("page_number", "1"), ("page_size", TRANSACTIONS_MAX)];
        let answer = self.call(self.http.get(&self.at("/v1/transactions/search")).query(&query)).await?;
        match answer.status {
            StatusCode::OK => answer.json().map(|found: Transactions| found.items),
            StatusCode::NOT_FOUND => Ok(Vec::new()),
            _ => Err(answer.unexpected()),
        }
    }

    pub(super) async fn subscription(&self, id: &str) -> Result<Option<Subscription>, ProviderError> {
        self.find("/v1/subscriptions", "subscription_id", id).await
    }

    pub(super) async fn cancel(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        let call = self.http.post(&self.of(subscription, "cancel")?);
        let how = CancelSubscription { mode: "scheduled", on_execute: "cancel" };
        self.change(call.json(&how)).await
    }

    pub(super) async fn resume(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        self.change(self.http.post(&self.of(subscription, "resume")?)).await
    }

    pub(super) async fn refund(&self, transaction_id: &str) -> Result<Asked, ProviderError> {
        let asked = CreateRefund { transaction_id };
        let answer = self.call(self.http.post(&self.at("/v1/refunds")).json(&asked)).await?;
        match answer.status {
            status if status.is_success() => answer.json().map(Asked::Taken),
            StatusCode::NOT_FOUND => Ok(Asked::NoSuchTransaction),
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Ok(Asked::NotTaken),
            _ => Err(answer.unexpected()),
        }
    }

    pub(super) async fn check(&self) -> Result<(), ProviderError> {
        let query = [("page_number", "1"), ("page_size", "1")];
        let answer = self.call(self.http.get(&self.at("/v1/transactions/search")).query(&query)).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.unexpected()) }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn of(&self, subscription: &Subscription, what: &str) -> Result<String, ProviderError> {
        let id = &subscription.id;
        // It becomes part of a path.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Err(ProviderError::Unreachable("its subscription has a name that cannot be asked for".to_owned()));
        }
        Ok(self.at(&format!("/v1/subscriptions/{id}/{what}")))
    }

    /// `None`: it knows nothing of this name.
    async fn find<T: for<'a> serde::Deserialize<'a>>(
        &self,
        path: &str,
        name: &str,
        id: &str,
    ) -> Result<Option<T>, ProviderError> {
        let answer = self.call(self.http.get(&self.at(path)).query(&[(name, id)])).await?;
        match answer.status {
            StatusCode::OK => answer.json().map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.unexpected()),
        }
    }

    async fn change(&self, call: RequestBuilder) -> Result<(), ProviderError> {
        let answer = self.call(call).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                let status = answer.status.as_u16();
                Err(ProviderError::Refused(format!("it does not change the subscription (HTTP {status})")))
            }
            _ => Err(answer.unexpected()),
        }
    }

    /// A key that is not taken may be set right, so nothing is over.
    async fn call(&self, call: RequestBuilder) -> Result<Answer, ProviderError> {
        let answer = send(call.header(KEY_HEADER, self.key.expose_secret())).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let status = answer.status.as_u16();
                Err(ProviderError::Unreachable(format!("it does not take the API key here (HTTP {status})")))
            }
            _ => Ok(answer),
        }
    }
}
