//! One unit of metered use, paid in one decision from everything the account has.
//!
//! ```text
//!   charge ──► the account's packages that are running now, soonest end first, each up to what is left of its day
//!          ──► credits, for what is still missing
//!          ──► or a refusal, and nothing is taken
//! ```
//!
//! It records at most one event per aggregate. The credit account is not looked at while packages cover the amount.

mod error;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::error::ChargeError;
use crate::credit_account::{CreditAccountError, CreditAccountEvent};
use crate::credits::Credits;
use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, UserPackageId};
use crate::label::Labels;
use crate::refusal::Refusal;
use crate::user_package::{Quota, UserPackageEvent};

/// Of an account with many packages, so many are looked at before the next ones are loaded: the soonest to end may
/// well pay for all of it.
pub const PACKAGES_AT_ONCE: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    pub amount: Credits,
    #[serde(default)]
    pub meter: Option<String>,
    #[serde(default)]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Overdraft::is_refused")]
    pub overdraft: Overdraft,
}

/// What becomes of a charge that is more than there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overdraft {
    #[default]
    Refuse,
    /// All there is is taken, and the rest is owed.
    Allow,
}

impl Overdraft {
    fn is_refused(&self) -> bool {
        *self == Self::Refuse
    }
}

impl Decide for Charge {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        if self.amount.is_zero() {
            return Err(ChargeError::AmountIsZero.into());
        }
        let labels = Labels::try_new(&self.meter, &self.reference).map_err(ChargeError::from)?;

        let (paying, missing) = self.shares(view)?;
        let spent = match missing.is_zero() {
            true => None,
            false => {
                let spent = view.credit_account()?.spend(view.at(), missing, labels);
                Some(spent.map_err(|error| self.refusal(error, missing))?)
            }
        };

        for Share { package, quota, amount } in paying {
            let consumed = quota.consume(amount, labels).map_err(Refusal::from)?;
            view.record(AggregateId::user_package(package), UserPackageEvent::Consumed(consumed).into())?;
        }
        if let Some(spent) = spent {
            let credits = AggregateId::credit_account(view.account());
            view.record(credits, CreditAccountEvent::Spent(spent).into())?;
        }
        Ok(())
    }
}

struct Share {
    package: UserPackageId,
    quota: Quota,
    amount: Credits,
}

impl Charge {
    /// What each package pays, and what none of them does.
    fn shares(&self, view: &View<'_>) -> Result<(Vec<Share>, Credits), Halt> {
        let mut shares = Vec::new();
        let mut missing = self.amount;
        let running: Vec<UserPackageId> = view.holdings()?.running(view.at()).map(|held| held.package).collect();
        for packages in running.chunks(PACKAGES_AT_ONCE) {
            if missing.is_zero() {
                break;
            }
            view.need(packages.iter().copied().map(AggregateId::user_package))?;
            for package in packages.iter().copied() {
                let Ok(quota) = view.user_package(package)?.quota(view.at()) else { continue };
                let amount = missing.min(quota.left());
                missing = missing.checked_sub(amount).unwrap_or_default();
                if !amount.is_zero() {
                    shares.push(Share { package, quota, amount });
                }
            }
        }
        Ok((shares, missing))
    }

    /// The customer asked for the whole amount, so that is what the answer speaks of.
    fn refusal(&self, error: CreditAccountError, missing: Credits) -> Refusal {
        let CreditAccountError::NotEnough { available, .. } = error else {
            return error.into();
        };
        let covered = self.amount.checked_sub(missing).unwrap_or_default();
        let available = covered.checked_add(available).unwrap_or(Credits::MAX);
        ChargeError::NotEnough { needed: self.amount, available }.into()
    }
}
