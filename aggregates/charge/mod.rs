//! One unit of metered use, paid in one decision from everything the account has.
//!
//! ```text
//!   charge ──► the account's packages that are running now, soonest end first, each up to what is left of its day
//!          ──► credits, for what is still missing
//!          ──► or a refusal, and nothing is taken; where an overdraft is allowed, all there is, and the rest is owed
//! ```
//!
//! It records at most one event per aggregate, and one more for what is owed. The credit account is not looked at while packages cover the amount.

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

        let (paying, missing) = shares(view, self.amount)?;
        let of_credits = match missing.is_zero() {
            true => vec![],
            false => self.of_credits(view, missing, labels)?,
        };

        for Share { package, quota, amount } in paying {
            let consumed = quota.consume(amount, labels)?;
            view.record(AggregateId::user_package(package), UserPackageEvent::Consumed(consumed).into())?;
        }
        let credits = AggregateId::credit_account(view.account());
        of_credits.into_iter().try_for_each(|event| view.record(credits, event.into()))
    }
}

impl Charge {
    /// What credits pay of it, and what is owed where that is allowed.
    fn of_credits(
        &self,
        view: &View<'_>,
        missing: Credits,
        labels: Labels<'_>,
    ) -> Result<Vec<CreditAccountEvent>, Halt> {
        let account = view.credit_account()?;
        let decided = match self.overdraft {
            Overdraft::Refuse => {
                account.spend(view.at(), missing, labels).map(|spent| vec![CreditAccountEvent::Spent(spent)])
            }
            Overdraft::Allow => account.overdraw(view.at(), missing, labels),
        };
        decided.map_err(|error| match in_all(&error, self.amount, missing) {
            Some(available) => ChargeError::NotEnough { needed: self.amount, available }.into(),
            None => error.into(),
        })
    }
}

/// What one package pays of an amount, not zero.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) package: UserPackageId,
    pub(crate) quota: Quota,
    pub(crate) amount: Credits,
}

/// What each package pays, and what none of them does.
pub(crate) fn shares(view: &View<'_>, amount: Credits) -> Result<(Vec<Share>, Credits), Halt> {
    let mut shares = Vec::new();
    let mut missing = amount;
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

/// What there was of packages and credits, where that was not enough: the customer asked for the whole amount, so that
/// is what the answer speaks of.
pub(crate) fn in_all(error: &CreditAccountError, amount: Credits, missing: Credits) -> Option<Credits> {
    let CreditAccountError::NotEnough { available, .. } = error else {
        return None;
    };
    let covered = amount.checked_sub(missing).unwrap_or_default();
    Some(covered.checked_add(*available).unwrap_or(Credits::MAX))
}
