//! What an order delivered leaves its account's hands: one function per kind of it. Credits are not here: they go back in
//! proportion to the money.

use crate::command::{ask_package, ask_subscription};
use crate::desk::{Halt, View};
use crate::holdings::{Holdings, HoldingsCommand};
use crate::ids::{AggregateId, LicenseId, OrderId};
use crate::license::{License, LicenseCommand};
use crate::order::Delivered;
use crate::subscription::SubscriptionCommand;
use crate::user_package::UserPackageCommand;

pub(super) fn take_back(view: &mut View<'_>, order: OrderId, delivered: Delivered, reason: &str) -> Result<(), Halt> {
    let reason = reason.to_owned();
    match delivered {
        Delivered::UserPackage(package) => ask_package(view, package, &UserPackageCommand::TakeBack { order, reason }),
        Delivered::License(license_id) => license(view, license_id, reason),
        Delivered::Grant(_) => Ok(()),
        Delivered::Subscription(subscription) | Delivered::PlanChange(subscription) => {
            ask_subscription(view, subscription, &SubscriptionCommand::TakeBack { order, reason })
        }
    }
}

/// Where it was the one that the account uses, it uses none until its owner chooses.
fn license(view: &mut View<'_>, license: LicenseId, reason: String) -> Result<(), Halt> {
    let (id, holdings) = (AggregateId::license(license), AggregateId::holdings(view.account()));
    view.need([id, holdings])?;
    view.ask::<License>(id, &LicenseCommand::Revoke { reason })?;
    view.ask::<Holdings>(holdings, &HoldingsCommand::RemoveLicense { license })
}
