//! Money has gone back: taking back what it paid for is one decision with recording it.
//!
//! ```text
//!   money back ──► order: whose payment, how much of it? ──► all of what was delivered, or credits in proportion
//!                     └── said before, or a payment that delivered nothing ──► nothing is taken
//! ```
//!
//! A part of the money takes back the same part of the credits, and nothing else; a refund that revokes takes all that
//! was delivered. What the customer has used meanwhile never stands in the way: money that went back is a fact.

mod take_back;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::credit_account::{CreditAccount, CreditAccountCommand};
use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, OrderId, RefundId};
use crate::money::Money;
use crate::order::Order;
use crate::reason;

const NO_REASON: &str = "the money went back";

/// A refund that was asked for here and has been executed, or one that the provider announces of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeRefund {
    pub order: OrderId,
    pub refund: RefundId,
    /// Says whose `payment_id` it is, where several providers use the same one.
    #[serde(default)]
    pub provider: Option<String>,
    pub payment_id: String,
    pub amount: Money,
    /// The provider's own name for it.
    pub provider_refund: Option<String>,
    /// In the provider's words, where it announced it.
    pub reason: Option<String>,
}

impl Decide for TakeRefund {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::order(self.order);
        let order = view.read::<Order>(id)?;
        let (before, events) = (order.owed_back(), order.give_back(view.at(), self)?);
        for event in events {
            view.record(id, event.into())?;
        }
        let order = view.read::<Order>(id)?;
        let (after, delivered) = (order.owed_back(), order.delivered());
        if after.whole && !before.whole {
            let reason = self.why(order);
            delivered.map_or(Ok(()), |delivered| take_back::take_back(view, self.order, delivered, &reason))?;
        }
        let amount = after.credits.checked_sub(before.credits).unwrap_or_default();
        if amount.is_zero() {
            return Ok(());
        }
        let claw_back = CreditAccountCommand::ClawBack { order: self.order, refund: self.refund, amount };
        view.ask::<CreditAccount>(AggregateId::credit_account(view.account()), &claw_back)
    }
}

impl TakeRefund {
    fn why(&self, order: &Order) -> String {
        let asked = order.refund(self.refund).ok().and_then(|refund| refund.reason.as_deref());
        reason::from_outside(asked.or(self.reason.as_deref()).unwrap_or(NO_REASON))
    }
}
