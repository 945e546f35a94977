//! What an order delivered leaves its account's hands. Credits are not here: they go back in proportion to the money.

use crate::command::{ask_package, ask_subscription, revoke_license};
use crate::delivery::{Delivery, DeliveryCommand};
use crate::desk::{Halt, View};
use crate::ids::{AggregateId, DeliveryId, OrderId};
use crate::order::Delivered;
use crate::subscription::SubscriptionCommand;
use crate::user_package::UserPackageCommand;

pub(super) fn take_back(view: &mut View<'_>, order: OrderId, delivered: Delivered, reason: &str) -> Result<(), Halt> {
    let why = reason.to_owned();
    match delivered {
        Delivered::UserPackage(package) => {
            let delivery = AggregateId::delivery(DeliveryId::of_order(order));
            view.need([delivery, AggregateId::user_package(package)])?;
            // Nobody gets a key for what they have not any more.
            view.ask::<Delivery>(delivery, &DeliveryCommand::Withdraw { reason: why.clone() })?;
            ask_package(view, package, &UserPackageCommand::TakeBack { order, reason: why })
        }
        Delivered::License(license) => revoke_license(view, license, reason),
        Delivered::Grant(_) => Ok(()),
        Delivered::Subscription(subscription) | Delivered::PlanChange(subscription) => {
            ask_subscription(view, subscription, &SubscriptionCommand::TakeBack { order, reason: why })
        }
    }
}
