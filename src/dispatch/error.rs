//! Why something that was asked for did not come to pass.

use aggregates::{Refusal, order::OrderError, product::ProductError};

use crate::providers::ProviderError;
use crate::store::{ExecuteError, StoreError};
use crate::vault::VaultError;

#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("there is no payment provider {0:?} here; leave it out for the usual one")]
    NoProvider(String),
    #[error("the product has no price in {currency}, which is what {provider} collects")]
    NoPrice { provider: String, currency: String },
    #[error("the payment provider did not answer; the order {order} waits, ask again with the same Idempotency-Key")]
    Provider {
        order: String,
        #[source]
        source: ProviderError,
    },
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<Refusal> for DispatchError {
    fn from(refusal: Refusal) -> Self {
        Self::Execute(refusal.into())
    }
}

impl From<OrderError> for DispatchError {
    fn from(error: OrderError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<ProductError> for DispatchError {
    fn from(error: ProductError) -> Self {
        Refusal::from(error).into()
    }
}
