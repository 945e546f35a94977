//! One function per command.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::command::GrantSource;
use super::error::CreditAccountError;
use super::event::{ClawedBack, CreditAccountEvent, Deducted, Expired, Granted, Overdrawn, Repaid, Spent, Taken};
use super::{CreditAccount, CreditAccountCommand, Grant};
use crate::credits::Credits;
use crate::ids::{GrantId, OrderId, RefundId};
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
            CreditAccountCommand::Expire { grant } => self.expire(at, *grant),
            CreditAccountCommand::ClawBack { order, refund, amount } => self.claw_back(at, *order, *refund, *amount),
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
        if let Some(known) = self.known(grant) {
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
        let granted = Granted { grant, source, amount, expires_at, balance, reason };
        let repaid = self.repay(balance, [(grant, amount, amount)]);
        Ok([CreditAccountEvent::Granted(granted)].into_iter().chain(repaid.map(CreditAccountEvent::Repaid)).collect())
    }

    /// What is owed is paid from what has come into these grants; with it comes what each of them has left in all.
    pub(super) fn repay(
        &self,
        balance: Credits,
        came_in: impl IntoIterator<Item = (GrantId, Credits, Credits)>,
    ) -> Option<Repaid> {
        let mut owed = self.shortfall;
        let mut from = Vec::new();
        for (grant, came, left) in came_in {
            let amount = owed.min(came);
            // Neither is more than what it is taken from.
            owed = owed.checked_sub(amount).unwrap_or_default();
            let left = left.checked_sub(amount).unwrap_or_default();
            if !amount.is_zero() {
                from.push(Taken { grant, amount, left });
            }
        }
        let amount = self.shortfall.checked_sub(owed).unwrap_or_default();
        let balance = balance.checked_sub(amount).unwrap_or_default();
        (!amount.is_zero()).then_some(Repaid { amount, from, balance, shortfall: owed })
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

    /// For a charge that may: all there is is spent, and the rest is owed.
    pub(crate) fn overdraw(&self, at: DateTime<Utc>, amount: Credits, labels: Labels<'_>) -> Decision {
        let available = amount.min(self.available(at));
        let owed = amount.checked_sub(available).unwrap_or_default();
        let shortfall = self.shortfall.checked_add(owed).ok_or(CreditAccountError::TooLarge)?;

        let mut events = Vec::new();
        let mut balance = self.balance;
        if !available.is_zero() {
            let spent = self.spend(at, available, labels)?;
            balance = spent.balance;
            events.push(CreditAccountEvent::Spent(spent));
        }
        if !owed.is_zero() {
            let (meter, reference) = (labels.meter(), labels.reference());
            events.push(CreditAccountEvent::Overdrawn(Overdrawn {
                amount: owed,
                balance,
                shortfall,
                meter,
                reference,
            }));
        }
        Ok(events)
    }

    /// The last hold of an expired grant records its end: until then it is waited for.
    fn expire(&self, at: DateTime<Utc>, grant: GrantId) -> Decision {
        match self.known(grant) {
            Some(known) if known.pays_at(at) => Err(CreditAccountError::NotExpired { grant }),
            Some(known) if known.frozen.is_zero() => {
                let balance = self.balance.checked_sub(known.left).unwrap_or_default();
                Ok(vec![CreditAccountEvent::Expired(Expired { grant, amount: known.left, balance })])
            }
            Some(_) | None => Ok(vec![]),
        }
    }

    /// What has expired is worth nothing and what is frozen has a purpose: neither is taken. What expired of the order's
    /// own grant was never used, so it is not owed either.
    fn claw_back(&self, at: DateTime<Utc>, order: OrderId, refund: RefundId, amount: Credits) -> Decision {
        if amount.is_zero() {
            return Ok(vec![]);
        }
        let own = GrantId::of_order(order);
        let expired = amount.min(self.lapsed(at, own));
        let amount = amount.checked_sub(expired).unwrap_or_default();
        let mut newest_first: Vec<&Grant> = self.grants.iter().filter(|grant| grant.pays_at(at)).collect();
        newest_first.sort_unstable_by_key(|grant| (grant.id != own, Reverse(grant.number)));

        let (from, missing) = take_from(newest_first, amount);
        let amount = amount.checked_sub(missing).unwrap_or_default();
        let balance = self.balance.checked_sub(amount).unwrap_or_default();
        let shortfall = self.shortfall.checked_add(missing).ok_or(CreditAccountError::TooLarge)?;
        let clawed_back = ClawedBack { order, refund, amount, from, missing, expired, balance, shortfall };
        Ok(vec![CreditAccountEvent::ClawedBack(clawed_back)])
    }

    /// Which grants pay, and the balance after it.
    fn less(&self, at: DateTime<Utc>, amount: Credits) -> Result<(Vec<Taken>, Credits), CreditAccountError> {
        let from = self.take(at, amount)?;
        let not_enough = CreditAccountError::NotEnough { needed: amount, available: self.balance };
        Ok((from, self.balance.checked_sub(amount).ok_or(not_enough)?))
    }

    /// Which grants pay how much. The list of grants is kept in the order they are spent in.
    pub(super) fn take(&self, at: DateTime<Utc>, amount: Credits) -> Result<Vec<Taken>, CreditAccountError> {
        if amount.is_zero() {
            return Err(CreditAccountError::AmountIsZero);
        }
        let (from, missing) = take_from(self.grants.iter().filter(|grant| grant.pays_at(at)), amount);
        match missing.is_zero() {
            true => Ok(from),
            false => {
                let available = amount.checked_sub(missing).unwrap_or_default();
                Err(CreditAccountError::NotEnough { needed: amount, available })
            }
        }
    }
}

/// What each of these grants pays, in their order, and what none of them does.
fn take_from<'g>(grants: impl IntoIterator<Item = &'g Grant>, amount: Credits) -> (Vec<Taken>, Credits) {
    let mut missing = amount;
    let mut from = Vec::new();
    for Grant { id, left, .. } in grants {
        if missing.is_zero() {
            break;
        }
        let paid = missing.min(*left);
        if paid.is_zero() {
            continue;
        }
        // Both differences exist: `paid` is the smaller of the two.
        missing = missing.checked_sub(paid).unwrap_or_default();
        from.push(Taken { grant: *id, amount: paid, left: left.checked_sub(paid).unwrap_or_default() });
    }
    (from, missing)
}
