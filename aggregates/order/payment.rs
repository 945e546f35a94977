//! Money that a provider says has arrived.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::Placed;
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
        let method = self.method.as_deref().is_none_or(|method| fine(method, PAYMENT_ID_BYTES_MAX));
        let named = is_provider(&self.provider) && fine(&self.payment_id, PAYMENT_ID_BYTES_MAX);
        if named && method && !self.amount.is_negative() { Ok(()) } else { Err(BadPayment) }
    }

    pub(super) fn is_the_same_as(&self, other: &Self) -> bool {
        (&self.provider, &self.payment_id) == (&other.provider, &other.payment_id)
    }

    /// Without a provider, the id alone names it.
    pub(super) fn is_called(&self, provider: Option<&str>, payment_id: &str) -> bool {
        provider.is_none_or(|provider| provider == self.provider) && self.payment_id == payment_id
    }

    /// It is what the order asked for, through whom it was asked for.
    pub(super) fn fits(&self, placed: &Placed) -> bool {
        self.amount == placed.price && self.provider == placed.provider
    }
}

pub(super) fn is_provider(name: &str) -> bool {
    fine(name, PROVIDER_BYTES_MAX)
}

fn fine(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}
