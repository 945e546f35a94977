//! The three ends of a hold and its beginning: each one unit of work over the hold, the packages and the credit account.

use chrono::TimeDelta;

use super::{HeldCredits, HeldQuota};
use super::{Hold, HoldError, HoldEvent, Party, Release, ReleaseReason, Released, Reserve, Reserved, Settle, Settled};
use crate::charge::{Share, in_all, shares};
use crate::credit_account::{CreditAccountEvent, Held};
use crate::credits::Credits;
use crate::desk::{Decide, Halt, View};
use crate::ids::{AggregateId, HoldId};
use crate::label::Labels;
use crate::user_package::UserPackageEvent;

/// Work that takes longer than this is not one use.
pub const HOLD_DAYS_MAX: i64 = 365;

impl Decide for Reserve {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::hold(self.hold);
        view.need([id, AggregateId::holdings(view.account())])?;
        if let Some(there) = view.read::<Hold>(id)?.reserved() {
            return if self.is_said_by(there) { Ok(()) } else { Err(HoldError::Exists.into()) };
        }
        if self.amount.is_zero() {
            return Err(HoldError::AmountIsZero.into());
        }
        Labels::try_new(&self.meter, &self.reference).map_err(HoldError::from)?;
        let latest = view.at().checked_add_signed(TimeDelta::days(HOLD_DAYS_MAX));
        if self.expires_at <= view.at() || latest.is_none_or(|latest| latest < self.expires_at) {
            return Err(HoldError::BadExpiry.into());
        }

        let (paying, missing) = shares(view, self.amount)?;
        let of_credits = match missing.is_zero() {
            true => None,
            false => Some(self.of_credits(view, missing)?),
        };

        let mut packages = Vec::with_capacity(paying.len());
        for Share { package, quota, amount } in paying {
            let held = quota.hold(self.hold, amount)?;
            packages.push(HeldQuota { package, day: held.day, amount });
            view.record(AggregateId::user_package(package), UserPackageEvent::Held(held).into())?;
        }
        let taken = of_credits.iter().flat_map(|held| &held.from);
        let credits = taken.map(|taken| HeldCredits { grant: taken.grant, amount: taken.amount }).collect();
        if let Some(held) = of_credits {
            let account = AggregateId::credit_account(view.account());
            view.record(account, CreditAccountEvent::Held(held).into())?;
        }
        let Self { hold: _, amount, by: reserved_by, expires_at, meter, reference } = self.clone();
        let reserved = Reserved { amount, reserved_by, packages, credits, expires_at, meter, reference, at: view.at() };
        view.record(id, HoldEvent::Reserved(reserved).into())
    }
}

impl Reserve {
    fn is_said_by(&self, there: &Reserved) -> bool {
        (self.amount, self.by, self.expires_at, &self.meter, &self.reference)
            == (there.amount, there.reserved_by, there.expires_at, &there.meter, &there.reference)
    }

    fn of_credits(&self, view: &View<'_>, missing: Credits) -> Result<Held, Halt> {
        let held = view.credit_account()?.hold(view.at(), self.hold, missing);
        let not_enough = |available| HoldError::NotEnough { needed: self.amount, available }.into();
        held.map_err(|error| in_all(&error, self.amount, missing).map_or_else(|| error.into(), not_enough))
    }
}

impl Decide for Settle {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::hold(self.hold);
        let reserved = match ended_by(view, id, self.by)? {
            Hold::NotReserved => return Err(HoldError::NotReserved.into()),
            Hold::Settled(_, settled) if settled.amount == self.amount => return Ok(()),
            Hold::Settled(_, settled) => return Err(HoldError::AlreadySettled { amount: settled.amount }.into()),
            Hold::Released(reserved, released) if released.timed_out => {
                return Err(HoldError::TimedOut { expires_at: reserved.expires_at }.into());
            }
            Hold::Released(..) => return Err(HoldError::AlreadyReleased.into()),
            Hold::Open(reserved) => reserved.clone(),
        };
        // Whether or not anybody has recorded that.
        if reserved.expires_at <= view.at() {
            return Err(HoldError::TimedOut { expires_at: reserved.expires_at }.into());
        }
        if self.amount > reserved.amount {
            return Err(HoldError::MoreThanHeld { held: reserved.amount, asked: self.amount }.into());
        }

        spend(view, self.hold, &reserved, self.amount)?;
        view.record(id, HoldEvent::Settled(Settled { amount: self.amount, at: view.at() }).into())
    }
}

impl Decide for Release {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let id = AggregateId::hold(self.hold);
        let hold = match self.why {
            ReleaseReason::Asked(by) => ended_by(view, id, by)?,
            ReleaseReason::TimedOut => view.read::<Hold>(id)?,
        };
        let reserved = match hold {
            Hold::NotReserved => return Err(HoldError::NotReserved.into()),
            Hold::Settled(_, settled) => return Err(HoldError::AlreadySettled { amount: settled.amount }.into()),
            Hold::Released(..) => return Ok(()),
            Hold::Open(reserved) => reserved.clone(),
        };
        let timed_out = reserved.expires_at <= view.at();
        if self.why == ReleaseReason::TimedOut && !timed_out {
            return Err(HoldError::NotTimedOut { expires_at: reserved.expires_at }.into());
        }

        spend(view, self.hold, &reserved, Credits::ZERO)?;
        view.record(id, HoldEvent::Released(Released { timed_out, at: view.at() }).into())
    }
}

/// The hold, for somebody who may end it: whatever has become of it, nobody else is told.
fn ended_by<'v>(view: &'v View<'_>, id: AggregateId, by: Party) -> Result<&'v Hold, Halt> {
    let hold = view.read::<Hold>(id)?;
    match hold.reserved() {
        Some(reserved) if !by.may_end(reserved.reserved_by) => Err(HoldError::NotTheirs.into()),
        _ => Ok(hold),
    }
}

/// Charges so much of what was set aside, in the order it was set aside in; all the rest goes back.
fn spend(view: &mut View<'_>, hold: HoldId, reserved: &Reserved, amount: Credits) -> Result<(), Halt> {
    let account = AggregateId::credit_account(view.account());
    let of_packages = reserved.packages.iter().map(|held| AggregateId::user_package(held.package));
    view.need(of_packages.chain((!reserved.credits.is_empty()).then_some(account)))?;
    let labels = Labels::try_new(&reserved.meter, &reserved.reference).map_err(HoldError::from)?;

    let mut unspent = amount;
    for HeldQuota { package, day, amount: held } in reserved.packages.iter().copied() {
        let spent = unspent.min(held);
        unspent = unspent.checked_sub(spent).unwrap_or_default();
        let settled = view.user_package(package)?.settle(hold, day, held, spent, labels)?;
        view.record(AggregateId::user_package(package), UserPackageEvent::Settled(settled).into())?;
    }
    if reserved.credits.is_empty() {
        return Ok(());
    }
    let settled = view.credit_account()?.settle(view.at(), hold, &reserved.credits, unspent, labels);
    settled.into_iter().try_for_each(|event| view.record(account, event.into()))
}
