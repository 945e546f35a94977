//! Money has gone back: taking back what it paid for is one decision with recording it.

use serde::{Deserialize, Serialize};

use crate::desk::{Decide, Halt, View};
use crate::ids::{OrderId, RefundId};
use crate::money::Money;

/// A refund that was asked for here and has been executed, or one that the provider announces of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeRefund {
    pub order: OrderId,
    pub refund: RefundId,
    pub payment_id: String,
    pub amount: Money,
    /// The provider's own name for it.
    pub provider_refund: Option<String>,
    /// In the provider's words, where it announced it.
    pub reason: Option<String>,
}

impl Decide for TakeRefund {
    fn decide(&self, _view: &mut View<'_>) -> Result<(), Halt> {
        Ok(())
    }
}
