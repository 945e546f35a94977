//! One function per command.

use chrono::{DateTime, Utc};

use super::command::GrantSource;
use super::error::CreditAccountError;
use super::event::{CreditAccountEvent, Deducted, Granted, Spent, Taken};
use super::{CreditAccount, CreditAccountCommand, Grant};
use crate::credits::Credits;
use crate::ids::GrantId;
use crate::label::Labels;
use crate::reason::{self, BadReason};
use crate::time;

type Decision = Result<Vec<CreditAccountEvent>, CreditAccountError>;

impl CreditAccount {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &CreditAccountCommand) -> Decision {
        match command {
            CreditAccountCommand::Grant { grant, source, amount, expires_at, reason } => {
                self.grant(at, *grant, *source, *amount, *expires_at, reason.as_deref())
            }
            CreditAccountCommand::Spend { amount, meter, reference } => {
                let spent = self.spend(at, *amount, Labels::try_new(meter, reference)?)?;
                Ok(vec![CreditAccountEvent::Spent(spent)])
            }
            CreditAccountCommand::Deduct { amount, reason } => self.deduct(at, *amount, reason),
            CreditAccountCommand::Expire { .. } | CreditAccountCommand::ClawBack { .. } => Ok(vec![]),
        }
    }

    fn grant(
        &self,
        at: DateTime<Utc>,
        grant: GrantId,
        source: GrantSource,
        amount: Credits,
        expires_at: Option<DateTime<Utc>>,
        reason: Option<&str>,
    ) -> Decision {
        if let Some(known) = self.grants.iter().find(|known| known.id == grant) {
            return match (known.source, known.amount, known.expires_at) == (source, amount, expires_at) {
                true => Ok(vec![]),
                false => Err(CreditAccountError::GrantDiffers { grant }),
            };
        }
        if amount.is_zero() {
            return Err(CreditAccountError::AmountIsZero);
        }
        if let Some(expires_at) = expires_at {
            if expires_at <= at {
                return Err(CreditAccountError::ExpiresInThePast { expires_at });
            }
            if !time::is_writable(expires_at) {
                return Err(CreditAccountError::ExpiresTooLate);
            }
        }
        match reason {
            Some(reason) => reason::check(reason)?,
            None if source == GrantSource::Admin => return Err(BadReason.into()),
            None => {}
        }
        let balance = self.balance.checked_add(amount).ok_or(CreditAccountError::TooLarge)?;

        let reason = reason.map(str::to_owned);
        Ok(vec![CreditAccountEvent::Granted(Granted { grant, source, amount, expires_at, balance, reason })])
    }

    fn deduct(&self, at: DateTime<Utc>, amount: Credits, reason: &str) -> Decision {
        reason::check(reason)?;
        let (from, balance) = self.less(at, amount)?;
        let reason = reason.to_owned();
        Ok(vec![CreditAccountEvent::Deducted(Deducted { amount, from, balance, reason })])
    }

    /// Also what a charge calls for the part that packages did not pay.
    pub(crate) fn spend(
        &self,
        at: DateTime<Utc>,
        amount: Credits,
        labels: Labels<'_>,
    ) -> Result<Spent, CreditAccountError> {
        let (from, balance) = self.less(at, amount)?;
        Ok(Spent { amount, from, balance, meter: labels.meter(), reference: labels.reference() })
    }

    /// Which grants pay, and the balance after it.
    fn less(&self, at: DateTime<Utc>, amount: Credits) -> Result<(Vec<Taken>, Credits), CreditAccountError> {
        if amount.is_zero() {
            return Err(CreditAccountError::AmountIsZero);
        }
        let from = self.take(at, amount)?;
        let not_enough = CreditAccountError::NotEnough { needed: amount, available: self.balance };
        Ok((from, self.balance.checked_sub(amount).ok_or(not_enough)?))
    }

    /// Which grants pay how much. The list of grants is kept in the order they are spent in.
    fn take(&self, at: DateTime<Utc>, amount: Credits) -> Result<Vec<Taken>, CreditAccountError> {
        let mut missing = amount;
        let mut from = Vec::new();
        for Grant { id, left, .. } in self.grants.iter().filter(|grant| grant.pays_at(at)) {
            if missing.is_zero() {
                break;
            }
            let paid = missing.min(*left);
            // Both differences exist: `paid` is the smaller of the two.
            let (Some(still_missing), Some(left)) = (missing.checked_sub(paid), left.checked_sub(paid)) else {
                break;
            };
            missing = still_missing;
            from.push(Taken { grant: *id, amount: paid, left });
        }

        match amount.checked_sub(missing) {
            Some(paid) if paid == amount => Ok(from),
            paid => Err(CreditAccountError::NotEnough { needed: amount, available: paid.unwrap_or_default() }),
        }
    }
}
