//! Money has arrived for an order: taking it and delivering what was bought are one decision.
//!
//! ```text
//!   payment ──► order: paid? ──► what was bought, in hand (deliver.rs) ──► the order fulfilled
//!                  └── mismatch, duplicate, said before ──► nothing is delivered
//!   accepted review ──► paid, and delivered the same way
//! ```

mod deliver;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::credit_account::CreditAccountEvent;
use crate::credits::Credits;
use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, DeliveryId, GrantId, OrderId, UserPackageId};
use crate::kinds::Event;
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
        if view.state(id).is_err() {
            // Nobody knows yet what it bought; most buy a package, and loading in vain costs less than loading twice.
            let (package, delivery) = (UserPackageId::of_order(self.order), DeliveryId::of_order(self.order));
            let (package, delivery) = (AggregateId::user_package(package), AggregateId::delivery(delivery));
            return view.need([id, AggregateId::holdings(view.account()), package, delivery]);
        }
        for event in view.read::<Order>(id)?.pay(view.at(), &self.payment)? {
            view.record(id, event.into())?;
        }
        deliver_if_paid(view, self.order, self.license_key.as_ref())
    }
}

/// An admin takes a payment of another amount for the order's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptReview {
    pub order: OrderId,
    pub provider: String,
    pub payment_id: String,
    pub reason: String,
    /// As with `TakePayment`.
    #[serde(default)]
    pub license_key: Option<LicenseKey>,
}

impl Decide for AcceptReview {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::order(self.order);
        let accepted = view.read::<Order>(id)?.accept(view.at(), &self.provider, &self.payment_id, &self.reason)?;
        for event in accepted {
            view.record(id, event.into())?;
        }
        deliver_if_paid(view, self.order, self.license_key.as_ref())
    }
}

fn deliver_if_paid(view: &mut View<'_>, order: OrderId, license_key: Option<&LicenseKey>) -> Result<(), Halt> {
    let id = AggregateId::order(order);
    if view.read::<Order>(id)?.status()? != OrderStatus::Paid {
        return Ok(());
    }
    let placed = view.read::<Order>(id)?.placed()?.clone();
    let delivered = deliver::deliver(view, order, &placed, license_key)?;
    let fulfilled = view.read::<Order>(id)?.fulfil(view.at(), delivered, granted(view, order));
    view.record(id, fulfilled.into())
}

/// Credits that delivering the order has granted just now.
fn granted(view: &View<'_>, order: OrderId) -> Option<Credits> {
    view.recorded().iter().find_map(|recorded| match &recorded.event {
        Event::CreditAccount(CreditAccountEvent::Granted(granted)) if granted.grant == GrantId::of_order(order) => {
            Some(granted.amount)
        }
        _ => None,
    })
}
