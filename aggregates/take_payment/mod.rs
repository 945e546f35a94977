//! Money has arrived for an order: taking it and delivering what was bought are one decision.
//!
//! ```text
//!   payment ──► order: paid? ──► the package activated, held, the order fulfilled, its delivery asked for
//!                  └── mismatch, duplicate, said before ──► nothing is delivered
//! ```

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::command::ask_package;
use crate::delivery::{Delivery, DeliveryCommand};
use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, DeliveryId, OrderId, UserPackageId};
use crate::order::{Delivered, Order, OrderStatus, Payment};
use crate::product::{PackageTerms, ProductKind};
use crate::user_package::UserPackageCommand;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakePayment {
    pub order: OrderId,
    pub payment: Payment,
}

impl Decide for TakePayment {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::order(self.order);
        let package = UserPackageId::of_order(self.order);
        let delivery = AggregateId::delivery(DeliveryId::of_order(self.order));
        view.need([id, AggregateId::user_package(package), AggregateId::holdings(view.account()), delivery])?;
        for event in view.read::<Order>(id)?.pay(view.at(), &self.payment)? {
            view.record(id, event.into())?;
        }

        let order = view.read::<Order>(id)?;
        if order.status()? != OrderStatus::Paid {
            return Ok(());
        }
        let placed = order.placed()?;
        let (product, kind, time_zone) = (placed.product, placed.kind, placed.time_zone);
        let delivered = match kind {
            ProductKind::Package(PackageTerms { duration_days, daily_limit, day }) => {
                let activate = UserPackageCommand::Activate { product, daily_limit, duration_days, time_zone, day };
                ask_package(view, package, &activate)?;
                Delivered::UserPackage(package)
            }
        };
        let fulfilled = view.read::<Order>(id)?.fulfil(view.at(), delivered);
        view.record(id, fulfilled.into())?;
        let Delivered::UserPackage(user_package) = delivered;
        let request = DeliveryCommand::Request { order: self.order, user_package };
        view.ask::<Delivery>(delivery, &request)
    }
}
