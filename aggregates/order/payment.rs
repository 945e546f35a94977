//! Money that a provider says has arrived.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::money::Money;

pub const PROVIDER_BYTES_MAX: usize = 32;
pub const PAYMENT_ID_BYTES_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a payment names its provider (1 to {PROVIDER_BYTES_MAX} bytes), its id there (1 to {PAYMENT_ID_BYTES_MAX} bytes), \
     neither with control characters, and an amount that is not negative"
)]
pub struct BadPayment;

/// Provider and `payment_id` together name it: the same two are the same money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub provider: String,
    pub payment_id: String,
    pub amount: Money,
    /// How it was paid, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

impl Payment {
    pub(super) fn check(&self) -> Result<(), BadPayment> {
        let fine = |text: &str, max| (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
        let method = self.method.as_deref().is_none_or(|method| fine(method, PAYMENT_ID_BYTES_MAX));
        let named = fine(&self.provider, PROVIDER_BYTES_MAX) && fine(&self.payment_id, PAYMENT_ID_BYTES_MAX);
        if named && method && !self.amount.is_negative() { Ok(()) } else { Err(BadPayment) }
    }

    pub(super) fn is(&self, provider: &str, payment_id: &str) -> bool {
        self.provider == provider && self.payment_id == payment_id
    }
}
