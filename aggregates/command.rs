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
use crate::provider::{ProviderCommand, ProviderSettings};
use crate::subscription::{Subscription, SubscriptionCommand};
use crate::take_payment::{AcceptReview, TakePayment};
use crate::take_refund::TakeRefund;
use crate::user_package::{UserPackage, UserPackageCommand, UserPackageError, move_up_waiting};

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
    /// Of the provider of this name.
    Provider(String, ProviderCommand),
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
            Self::License(license, command) => ask_license(view, *license, command),
            Self::ChooseLicense(chosen) => {
                let holdings = AggregateId::holdings(view.account());
                view.ask::<Holdings>(holdings, &HoldingsCommand::ChooseLicense(*chosen))
            }
            Self::Subscription(subscription, command) => ask_subscription(view, *subscription, command),
            Self::TakePayment(payment) => payment.decide(view),
            Self::AcceptReview(accept) => accept.decide(view),
            Self::TakeRefund(refund) => refund.decide(view),
            Self::Provider(name, command) => {
                view.ask::<ProviderSettings>(AggregateId::provider_settings(name), command)
            }
        }
    }
}

/// Where a package runs is also one of the account's holdings, in the same unit of work; and what waits for it to end
/// moves up when it ends early.
pub(crate) fn ask_package(
    view: &mut View<'_>,
    package: UserPackageId,
    command: &UserPackageCommand,
) -> Result<(), Halt> {
    let id = AggregateId::user_package(package);
    let ends_early = match command {
        UserPackageCommand::Consume { .. } | UserPackageCommand::Expire => return view.ask::<UserPackage>(id, command),
        UserPackageCommand::Activate { .. } | UserPackageCommand::Extend { .. } | UserPackageCommand::Move { .. } => {
            false
        }
        UserPackageCommand::TakeBack { .. } | UserPackageCommand::Revoke { .. } => true,
    };
    let holdings = AggregateId::holdings(view.account());
    view.need([id, holdings])?;
    let before = view.user_package(package)?;
    // The package itself does not know its name, and so not which order activated it.
    if let UserPackageCommand::TakeBack { order, reason: _ } = command
        && UserPackageId::of_order(*order) != package
        && !before.was_extended_by(*order)
    {
        return Err(UserPackageError::NotItsOrder.into());
    }
    let before = before.run();
    view.ask::<UserPackage>(id, command)?;
    let state = view.user_package(package)?;
    let Some((product, starts_at, ends_at)) = state.run() else { return Ok(()) };
    let hold = if state.is_revoked() {
        HoldingsCommand::RemovePackage { package }
    } else if before == Some((product, starts_at, ends_at)) {
        // Said again, it is not held anew: holdings forget what has ended.
        return Ok(());
    } else if (before.is_none() || view.at() < ends_at) && !view.holdings()?.has_package(package) {
        HoldingsCommand::AddPackage(HeldPackage { package, product, starts_at, ends_at })
    } else {
        HoldingsCommand::MovePackage { package, starts_at, ends_at }
    };
    view.ask::<Holdings>(holdings, &hold)?;
    if ends_early { move_up_waiting(view, product) } else { Ok(()) }
}

/// A license that was revoked, or that another account has bound, is not the current one of the account that bought it
/// any more, in the same unit of work. What other accounts have chosen they find out when they use it.
pub(crate) fn ask_license(view: &mut View<'_>, license: LicenseId, command: &LicenseCommand) -> Result<(), Halt> {
    let id = AggregateId::license(license);
    match command {
        LicenseCommand::Issue { .. } | LicenseCommand::GiveBack { .. } | LicenseCommand::Annotate { .. } => {
            return view.ask::<License>(id, command);
        }
        LicenseCommand::Bind { .. } | LicenseCommand::Consume { .. } | LicenseCommand::Revoke { .. } => {}
    }
    let holdings = AggregateId::holdings(view.account());
    view.need([id, holdings])?;
    view.ask::<License>(id, command)?;
    if view.read::<License>(id)?.held()?.can_be_current_for(view.account()) {
        return Ok(());
    }
    view.ask::<Holdings>(holdings, &HoldingsCommand::RemoveLicense { license })
}

/// For whoever takes back what was bought. Said again it changes nothing.
pub(crate) fn revoke_license(view: &mut View<'_>, license: LicenseId, reason: &str) -> Result<(), Halt> {
    ask_license(view, license, &LicenseCommand::Revoke { reason: reason.to_owned() })
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
    use crate::delivery::DeliveryError;
    use crate::desk::{Desk, Slot};
    use crate::spec::{ACCOUNT, id, time};
    use crate::state::State;

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
    fn customers_and_deliveries_are_asked_by_their_commands() {
        let delivery = id(4, DeliveryId::from_uuid);
        let mut desk = Desk::new(ACCOUNT);
        for id in [AggregateId::customer(ACCOUNT), AggregateId::delivery(delivery)] {
            desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
        }
        let at = time("2026-01-05T06:00:00Z");
        let erase = Command::Customer(CustomerCommand::Erase { reason: "asked for".to_owned() });
        let recorded = desk.decide(at, &[erase]).unwrap();
        assert_eq!(recorded.iter().map(|recorded| recorded.event.event_type()).collect::<Vec<_>>(), ["erased"]);
        let refused = desk.decide(at, &[Command::Delivery(delivery, DeliveryCommand::Retry)]);
        assert_eq!(refused, Err(DeliveryError::NotRequested.into()));
    }

    #[test]
    fn a_provider_is_set_up_in_the_account_of_the_system_alone() {
        let configure = ProviderCommand::Configure {
            checked: ProviderSettings::default(),
            set: [("pid".to_owned(), crate::provider::Setting::Plain("1".to_owned()))].into(),
            remove: [].into(),
        };
        let command = Command::Provider("linuxdo_credit".to_owned(), configure);
        let asked = |account| {
            let mut desk = Desk::new(account);
            let id = AggregateId::provider_settings("linuxdo_credit");
            desk.put(id, Slot { version: 0, state: State::empty(id.kind) });
            desk.decide(time("2026-01-05T06:00:00Z"), std::slice::from_ref(&command))
        };
        let recorded = asked(crate::ids::AccountKey::SYSTEM).unwrap();
        assert_eq!(recorded.iter().map(|it| it.event.event_type()).collect::<Vec<_>>(), ["configured"]);
        assert_eq!(asked(ACCOUNT), Err(crate::desk::WrongAccount.into()));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        for json in [
            r#"{"credit_account":{"spend":{"amount":1,"overdraft":true}}}"#,
            r#"{"reserve":{"hold":"00000000-0000-0000-0000-000000000001","amount":1,"expires_at":"2026-01-05T06:00:00Z","overdraft":"allow"}}"#,
        ] {
            let message = serde_json::from_str::<Command>(json).unwrap_err().to_string();
            assert!(message.contains("unknown field `overdraft`"), "{message}");
        }
    }
}
