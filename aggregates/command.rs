//! The union of all commands: the list of what can be asked of an account.

use serde::{Deserialize, Serialize};

use crate::charge::Charge;
use crate::credit_account::{CreditAccount, CreditAccountCommand};
use crate::customer::{Customer, CustomerCommand};
use crate::delivery::{Delivery, DeliveryCommand};
use crate::desk::{Decide, Halt, View};
use crate::holdings::{HeldPackage, Holdings, HoldingsCommand};
use crate::ids::{AccountKey, AggregateId, DeliveryId, OrderId, ProductId, UserPackageId};
use crate::order::{Order, OrderCommand};
use crate::product::{Product, ProductCommand};
use crate::take_payment::TakePayment;
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
    TakePayment(TakePayment),
}

impl Command {
    /// The aggregates it will probably look at, so that they can be loaded together beforehand. A hint: what turns
    /// out to be missing is asked for by `Halt::Missing`.
    pub fn aggregates(&self, account: AccountKey) -> impl Iterator<Item = AggregateId> {
        let credits = || AggregateId::credit_account(account);
        let holdings = || AggregateId::holdings(account);
        let (first, second) = match self {
            Self::CreditAccount(_) => (credits(), None),
            Self::UserPackage(package, _) => (AggregateId::user_package(*package), Some(holdings())),
            Self::Product(product, _) => (AggregateId::product(*product), None),
            Self::Order(order, _) => (AggregateId::order(*order), None),
            Self::Delivery(delivery, _) => (AggregateId::delivery(*delivery), None),
            Self::Customer(_) => (AggregateId::customer(account), None),
            Self::Charge(_) => (holdings(), Some(credits())),
            Self::TakePayment(payment) => (AggregateId::order(payment.order), Some(holdings())),
        };
        std::iter::once(first).chain(second)
    }
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
            Self::TakePayment(payment) => payment.decide(view),
        }
    }
}

/// A package that has been activated is one of the account's holdings, in the same unit of work.
pub(crate) fn ask_package(
    view: &mut View<'_>,
    package: UserPackageId,
    command: &UserPackageCommand,
) -> Result<(), Halt> {
    let id = AggregateId::user_package(package);
    view.ask::<UserPackage>(id, command)?;
    if !matches!(command, UserPackageCommand::Activate { .. }) {
        return Ok(());
    }
    let Some((product, starts_at, ends_at)) = view.read::<UserPackage>(id)?.run() else {
        return Ok(());
    };
    let held = HeldPackage { package, product, starts_at, ends_at };
    view.ask::<Holdings>(AggregateId::holdings(view.account()), &HoldingsCommand::AddPackage(held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credits::Credits;
    use crate::spec::{ACCOUNT, id};

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
            r#"{"charge":{"packages":[],"amount":1,"overdraft":true}}"#,
        ] {
            let message = serde_json::from_str::<Command>(json).unwrap_err().to_string();
            assert!(message.contains("unknown field `overdraft`"), "{message}");
        }
    }

    #[test]
    fn a_charge_says_which_aggregates_to_have_ready() {
        let package = id(3, UserPackageId::from_uuid);
        let charge = Charge { packages: vec![package], amount: Credits::whole(1), meter: None, reference: None };
        let expected = [AggregateId::user_package(package), AggregateId::credit_account(ACCOUNT)];
        assert!(Command::Charge(charge).aggregates(ACCOUNT).eq(expected));
    }
}
