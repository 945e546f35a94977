//! The union of all commands: the list of what can be asked of an account.

use serde::{Deserialize, Serialize};

use crate::charge::Charge;
use crate::credit_account::{CreditAccount, CreditAccountCommand};
use crate::customer::{Customer, CustomerCommand};
use crate::delivery::{Delivery, DeliveryCommand};
use crate::desk::{Decide, Halt, View};
use crate::hold::{Release, Reserve, Settle};
use crate::holdings::{HeldPackage, Holdings, HoldingsCommand, LicenseChosen};
use crate::ids::{AggregateId, DeliveryId, LicenseId, OrderId, ProductId, SubscriptionId, UserPackageId};
use crate::license::{License, LicenseCommand};
use crate::order::{Order, OrderCommand};
use crate::product::{Product, ProductCommand};
use crate::subscription::{Subscription, SubscriptionCommand};
use crate::take_payment::{AcceptReview, TakePayment};
use crate::take_refund::TakeRefund;
use crate::user_package::{UserPackage, UserPackageCommand};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    CreditAccount(CreditAccountCommand),
    /// What activates a package also makes charges find it.
    UserPackage(UserPackageId, UserPackageCommand),
    Product(ProductId, ProductCommand),
    Order(OrderId, OrderCommand),
    Delivery(DeliveryId, DeliveryCommand),
    Customer(CustomerCommand),
    Charge(Charge),
    /// Sets aside what a charge would take.
    Reserve(Reserve),
    Settle(Settle),
    Release(Release),
    License(LicenseId, LicenseCommand),
    /// Which license the account uses where it names none.
    ChooseLicense(LicenseChosen),
    /// What ends a subscription also takes it out of the account's holdings.
    Subscription(SubscriptionId, SubscriptionCommand),
    /// Money is never taken without delivering what it is for.
    TakePayment(TakePayment),
    AcceptReview(AcceptReview),
    /// Money never goes back without taking back what it was for.
    TakeRefund(TakeRefund),
}

impl Decide for Command {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        match self {
            Self::CreditAccount(command) => {
                view.ask::<CreditAccount>(AggregateId::credit_account(view.account()), command)
            }
            Self::UserPackage(package, command) => ask_package(view, *package, command),
            Self::Product(product, command) => view.ask::<Product>(AggregateId::product(*product), command),
            Self::Order(order, command) => view.ask::<Order>(AggregateId::order(*order), command),
            Self::Delivery(delivery, command) => view.ask::<Delivery>(AggregateId::delivery(*delivery), command),
            Self::Customer(command) => view.ask::<Customer>(AggregateId::customer(view.account()), command),
            Self::Charge(charge) => charge.decide(view),
            Self::Reserve(reserve) => reserve.decide(view),
            Self::Settle(settle) => settle.decide(view),
            Self::Release(release) => release.decide(view),
            Self::License(license, command) => view.ask::<License>(AggregateId::license(*license), command),
            Self::ChooseLicense(chosen) => {
                let holdings = AggregateId::holdings(view.account());
                view.ask::<Holdings>(holdings, &HoldingsCommand::ChooseLicense(*chosen))
            }
            Self::Subscription(subscription, command) => ask_subscription(view, *subscription, command),
            Self::TakePayment(payment) => payment.decide(view),
            Self::AcceptReview(accept) => accept.decide(view),
            Self::TakeRefund(refund) => refund.decide(view),
        }
    }
}

/// Where a package runs is also one of the account's holdings, in the same unit of work.
pub(crate) fn ask_package(
    view: &mut View<'_>,
    package: UserPackageId,
    command: &UserPackageCommand,
) -> Result<(), Halt> {
    let id = AggregateId::user_package(package);
    match command {
        UserPackageCommand::Consume { .. } | UserPackageCommand::Expire => return view.ask::<UserPackage>(id, command),
        UserPackageCommand::Activate { .. }
        | UserPackageCommand::Extend { .. }
        | UserPackageCommand::TakeBack { .. }
        | UserPackageCommand::Move { .. }
        | UserPackageCommand::Revoke { .. } => {}
    }
    let holdings = AggregateId::holdings(view.account());
    view.need([id, holdings])?;
    // Said again, it is not held anew: holdings forget what has ended.
    let is_new = view.user_package(package)?.run().is_none();
    view.ask::<UserPackage>(id, command)?;
    let state = view.user_package(package)?;
    let hold = match state.run() {
        None => return Ok(()),
        Some(_) if state.is_revoked() => HoldingsCommand::RemovePackage { package },
        Some((product, starts_at, ends_at)) if is_new => {
            HoldingsCommand::AddPackage(HeldPackage { package, product, starts_at, ends_at })
        }
        Some((_, starts_at, ends_at)) => HoldingsCommand::MovePackage { package, starts_at, ends_at },
    };
    view.ask::<Holdings>(holdings, &hold)
}

/// A subscription that has ended is no holding any more, in the same unit of work.
pub(crate) fn ask_subscription(
    view: &mut View<'_>,
    subscription: SubscriptionId,
    command: &SubscriptionCommand,
) -> Result<(), Halt> {
    let id = AggregateId::subscription(subscription);
    let holdings = AggregateId::holdings(view.account());
    view.need([id, holdings])?;
    view.ask::<Subscription>(id, command)?;
    let command = match view.read::<Subscription>(id)?.is_live() {
        true => HoldingsCommand::AddSubscription { subscription },
        false => HoldingsCommand::RemoveSubscription { subscription },
    };
    view.ask::<Holdings>(holdings, &command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credits::Credits;
    use crate::spec::id;

    #[test]
    fn a_command_survives_json() {
        let package = id(3, UserPackageId::from_uuid);
        let command = Command::UserPackage(
            package,
            UserPackageCommand::Consume { amount: Credits::whole(1), meter: None, reference: Some("r".to_owned()) },
        );
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        for json in [
            r#"{"credit_account":{"spend":{"amount":1,"overdraft":true}}}"#,
            r#"{"charge":{"amount":1,"overdraft":true}}"#,
        ] {
            let message = serde_json::from_str::<Command>(json).unwrap_err().to_string();
            assert!(message.contains("unknown field `overdraft`"), "{message}");
        }
    }
}
