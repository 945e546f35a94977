//! The union of all commands: the list of what can be asked of an account.

use serde::{Deserialize, Serialize};

use crate::charge::Charge;
use crate::credit_account::CreditAccountCommand;
use crate::decider::Decider;
use crate::desk::{Decide, Halt, View};
use crate::ids::{AccountKey, AggregateId, UserPackageId};
use crate::refusal::Refusal;
use crate::user_package::UserPackageCommand;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    CreditAccount(CreditAccountCommand),
    UserPackage(UserPackageId, UserPackageCommand),
    Charge(Charge),
}

impl Command {
    /// The aggregates it will probably look at, so that they can be loaded together beforehand. A hint: what turns
    /// out to be missing is asked for by `Halt::Missing`.
    pub fn aggregates(&self, account: AccountKey) -> impl Iterator<Item = AggregateId> {
        let (packages, credits) = match self {
            Self::CreditAccount(_) => (&[][..], true),
            Self::UserPackage(package, _) => (std::slice::from_ref(package), false),
            Self::Charge(charge) => (charge.packages.as_slice(), true),
        };
        let packages = packages.iter().copied().map(AggregateId::user_package);
        packages.chain(credits.then(|| AggregateId::credit_account(account)))
    }
}

impl Decide for Command {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        match self {
            Self::CreditAccount(command) => {
                let id = AggregateId::credit_account(view.account());
                let decided = view.credit_account()?.decide(view.at(), command);
                record_all(view, id, decided)
            }
            Self::UserPackage(package, command) => {
                let decided = view.user_package(*package)?.decide(view.at(), command);
                record_all(view, AggregateId::user_package(*package), decided)
            }
            Self::Charge(charge) => charge.decide(view),
        }
    }
}

fn record_all<E, R>(view: &mut View<'_>, id: AggregateId, decided: Result<Vec<E>, R>) -> Result<(), Halt>
where
    E: Into<crate::event::Event>,
    R: Into<Refusal>,
{
    for event in decided.map_err(|error| Halt::Refused(error.into()))? {
        view.record(id, event.into())?;
    }
    Ok(())
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
