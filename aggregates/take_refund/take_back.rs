//! What an order delivered leaves its account's hands. Credits are not here: they go back in proportion to the money.

use crate::command::{ask_package, ask_subscription, revoke_license};
use crate::desk::{Halt, View};
use crate::ids::OrderId;
use crate::order::Delivered;
use crate::subscription::SubscriptionCommand;
use crate::user_package::UserPackageCommand;

pub(super) fn take_back(view: &mut View<'_>, order: OrderId, delivered: Delivered, reason: &str) -> Result<(), Halt> {
    let why = reason.to_owned();
    match delivered {
        Delivered::UserPackage(package) => {
            ask_package(view, package, &UserPackageCommand::TakeBack { order, reason: why })
        }
        Delivered::License(license) => revoke_license(view, license, reason),
        Delivered::Grant(_) => Ok(()),
        Delivered::Subscription(subscription) | Delivered::PlanChange(subscription) => {
            ask_subscription(view, subscription, &SubscriptionCommand::TakeBack { order, reason: why })
        }
    }
}
