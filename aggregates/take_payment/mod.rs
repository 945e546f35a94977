//! Money has arrived for an order: taking it and delivering what was bought are one decision.
//!
//! ```text
//!   payment ──► order: paid? ──► what was bought, in hand (deliver.rs) ──► the order fulfilled
//!                  └── mismatch, duplicate, said before ──► nothing is delivered
//! ```

mod deliver;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, OrderId};
use crate::license::LicenseKey;
use crate::order::{Order, OrderStatus, Payment};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakePayment {
    pub order: OrderId,
    pub payment: Payment,
    /// For an order of a license: the key it is issued with, should this pay for it.
    #[serde(default)]
    pub license_key: Option<LicenseKey>,
}

impl Decide for TakePayment {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::order(self.order);
        for event in view.read::<Order>(id)?.pay(view.at(), &self.payment)? {
            view.record(id, event.into())?;
        }
        if view.read::<Order>(id)?.status()? != OrderStatus::Paid {
            return Ok(());
        }
        let placed = view.read::<Order>(id)?.placed()?.clone();
        let delivered = deliver::deliver(view, self.order, &placed, self.license_key.as_ref())?;
        let fulfilled = view.read::<Order>(id)?.fulfil(view.at(), delivered);
        view.record(id, fulfilled.into())
    }
}
