//! The prepaid credits of one account, and what it owes.
//!
//! ```text
//!   (nothing) ── grant ──► grants with something left ── spend, deduct, claw back, expire ──► fewer, smaller grants
//!                                   │      ▲
//!                                 hold   settle: some of it is spent, the rest is back
//!                                   ▼      │
//!                                 frozen in its grant
//!
//!   shortfall: what a charge was allowed to overdraw and what a claw-back did not find. All that comes in and can be
//!   spent repays it first.
//! ```
//!
//! There is one per account and it has no end. Spending takes the earliest expiry first, then the oldest grant; a
//! grant is worth nothing from the moment it expires, whether or not anybody has recorded that. `balance` counts what
//! is on the books, frozen and expired included; `available` is what can be spent. `shortfall` and `available` are never
//! both above zero.
//!
//! What is frozen is counted per grant and not per hold: a hold knows its own parts, so an account with a thousand open
//! holds is as small as one with none. An expired grant waits for its holds; the last of them records its end.
//!
//! What expired of an order's or a period's grant is remembered for a while, the newest: a refund does not ask for what
//! nobody has used.
//!
//! The state holds only grants that have something left or frozen; those that expired with something left stay among
//! them until that is recorded. That bounds what `grant` can recognise as said before: a grant that is used up is
//! forgotten here, and from then on the repeat is stopped by the log's record of command results, or by the order or
//! period that asked for it. A claw-back is not recognised here at all: the order asks for it once.

mod command;
mod decide;
mod error;
mod event;
mod hold;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::{CreditAccountCommand, GrantSource};
pub use self::error::CreditAccountError;
pub use self::event::{
    ClawedBack, CreditAccountEvent, Deducted, Expired, Granted, Held, Overdrawn, Repaid, Settled, SettledPart, Spent,
    Taken,
};
use crate::credits::Credits;
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::GrantId;
use crate::kinds::AggregateKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditAccount {
    /// In the order they are spent in: earliest expiry first, those without one last, older before younger.
    grants: Vec<Grant>,
    balance: Credits,
    /// Of the balance: set aside by holds.
    frozen: Credits,
    /// What is owed.
    shortfall: Credits,
    /// How many grants there ever were: the next one's number.
    granted: u64,
    /// What expired of grants that somebody paid for, newest last.
    lapsed: Vec<Lapsed>,
}

/// What expired of a grant that a refund may ask back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lapsed {
    grant: GrantId,
    expired: Credits,
    /// So much of it refunds have not asked for, or of what was still to expire.
    spared: Credits,
}

/// How many grants that expired are remembered; the oldest is forgotten first.
const LAPSED_MAX: usize = 256;

/// A grant with something left or frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    id: GrantId,
    source: GrantSource,
    amount: Credits,
    /// What is frozen of it is not counted.
    left: Credits,
    frozen: Credits,
    expires_at: Option<DateTime<Utc>>,
    /// Younger grants have higher ones.
    number: u64,
}

impl Grant {
    fn pays_at(&self, at: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|expires_at| at < expires_at)
    }

    fn is_used_up(&self) -> bool {
        self.left.is_zero() && self.frozen.is_zero()
    }
}

impl CreditAccount {
    /// What is on the books.
    pub fn balance(&self) -> Credits {
        self.balance
    }

    /// Of the balance, what holds have set aside.
    pub fn frozen(&self) -> Credits {
        self.frozen
    }

    /// What is owed.
    pub fn shortfall(&self) -> Credits {
        self.shortfall
    }

    /// What can be spent: the balance less what has expired and what is frozen.
    pub fn available(&self, at: DateTime<Utc>) -> Credits {
        let paying = self.grants.iter().filter(|grant| grant.pays_at(at));
        paying.fold(Credits::ZERO, |sum, grant| sum.checked_add(grant.left).unwrap_or(Credits::MAX))
    }

    /// What is left and what is frozen of a grant that is not used up.
    pub fn left_and_frozen(&self, grant: GrantId) -> Option<(Credits, Credits)> {
        self.known(grant).map(|known| (known.left, known.frozen))
    }

    /// When a grant that is not used up ends; `None` also where it never does.
    pub fn expiry(&self, grant: GrantId) -> Option<DateTime<Utc>> {
        self.known(grant).and_then(|known| known.expires_at)
    }

    fn known(&self, grant: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|known| known.id == grant)
    }

    /// What expired of a grant, recorded or not, and was not spared before.
    fn lapsed(&self, at: DateTime<Utc>, grant: GrantId) -> Credits {
        let over = self.known(grant).filter(|known| !known.pays_at(at)).map(|known| known.left);
        let lapsed = self.lapsed.iter().find(|lapsed| lapsed.grant == grant);
        let recorded = lapsed.map(|lapsed| lapsed.expired).unwrap_or_default();
        let spared = lapsed.map(|lapsed| lapsed.spared).unwrap_or_default();
        let expired = recorded.checked_add(over.unwrap_or_default()).unwrap_or(Credits::MAX);
        expired.checked_sub(spared).unwrap_or_default()
    }

    fn lapse(&mut self, grant: GrantId, change: impl FnOnce(&mut Lapsed)) {
        let place = self.lapsed.iter().position(|lapsed| lapsed.grant == grant);
        let known = place.map(|place| self.lapsed.remove(place));
        let mut lapsed = known.unwrap_or(Lapsed { grant, expired: Credits::ZERO, spared: Credits::ZERO });
        change(&mut lapsed);
        self.lapsed.push(lapsed);
        let too_many = self.lapsed.len().saturating_sub(LAPSED_MAX);
        self.lapsed.drain(..too_many);
    }

    fn expired(&mut self, expired: &Expired) {
        let source = self.known(expired.grant).map(|known| known.source);
        if matches!(source, Some(GrantSource::Order | GrantSource::SubscriptionPeriod)) {
            self.lapse(expired.grant, |lapsed| {
                lapsed.expired = lapsed.expired.checked_add(expired.amount).unwrap_or(Credits::MAX);
            });
        }
        self.change([(expired.grant, ())], |known, ()| known.left = Credits::ZERO);
        self.balance = expired.balance;
    }

    fn clawed_back(&mut self, clawed_back: &ClawedBack) {
        if !clawed_back.expired.is_zero() {
            self.lapse(GrantId::of_order(clawed_back.order), |lapsed| {
                lapsed.spared = lapsed.spared.checked_add(clawed_back.expired).unwrap_or(Credits::MAX);
            });
        }
        self.take_out(&clawed_back.from, clawed_back.balance);
        self.shortfall = clawed_back.shortfall;
    }

    fn add(&mut self, granted: &Granted) {
        let Granted { grant, source, amount, expires_at, balance, reason: _ } = *granted;
        let turn = |expires_at: Option<DateTime<Utc>>| (expires_at.is_none(), expires_at);
        let place = self.grants.partition_point(|other| turn(other.expires_at) <= turn(expires_at));
        let (left, frozen, number) = (amount, Credits::ZERO, self.granted);
        self.grants.insert(place, Grant { id: grant, source, amount, left, frozen, expires_at, number });
        self.granted = self.granted.saturating_add(1);
        self.balance = balance;
    }

    fn take_out(&mut self, from_grants: &[Taken], balance: Credits) {
        self.change(from_grants.iter().map(|taken| (taken.grant, taken)), |known, taken| known.left = taken.left);
        self.balance = balance;
    }

    fn set_aside(&mut self, held: &Held) {
        self.change(held.from.iter().map(|taken| (taken.grant, taken)), |known, taken| {
            known.left = taken.left;
            known.frozen = known.frozen.checked_add(taken.amount).unwrap_or(Credits::MAX);
        });
        self.frozen = held.frozen;
    }

    fn let_go(&mut self, settled: &Settled) {
        self.change(settled.parts.iter().map(|part| (part.grant, part)), |known, part| {
            known.left = part.left;
            known.frozen = part.still_held(known.frozen);
        });
        self.balance = settled.balance;
        self.frozen = settled.frozen;
    }

    /// Grants are named in spending order, so each search goes on where the last one ended; it starts over because an
    /// event must find its grants even if the order of spending is decided otherwise one day.
    fn change<T>(&mut self, named: impl IntoIterator<Item = (GrantId, T)>, change: impl Fn(&mut Grant, T)) {
        let mut used_up = false;
        let mut next = 0;
        for (grant, part) in named {
            let from = |place: usize| self.grants.iter().enumerate().skip(place);
            let Some((place, _)) = from(next).chain(from(0)).find(|(_, known)| known.id == grant) else {
                continue;
            };
            if let Some(known) = self.grants.get_mut(place) {
                change(known, part);
                used_up |= known.is_used_up();
            }
            next = place;
        }
        if used_up {
            self.grants.retain(|grant| !grant.is_used_up());
        }
    }
}

impl Decider for CreditAccount {
    const KIND: AggregateKind = AggregateKind::CreditAccount;
    const SCHEMA: i32 = 3;

    type Command = CreditAccountCommand;
    type Event = CreditAccountEvent;
    type Error = CreditAccountError;

    fn decide(&self, at: DateTime<Utc>, command: &CreditAccountCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &CreditAccountEvent) {
        match event {
            CreditAccountEvent::Granted(granted) => self.add(granted),
            CreditAccountEvent::Spent(spent) => self.take_out(&spent.from, spent.balance),
            CreditAccountEvent::Deducted(deducted) => self.take_out(&deducted.from, deducted.balance),
            // The balance stays: what there was has been spent before.
            CreditAccountEvent::Overdrawn(overdrawn) => self.shortfall = overdrawn.shortfall,
            CreditAccountEvent::Repaid(repaid) => {
                self.take_out(&repaid.from, repaid.balance);
                self.shortfall = repaid.shortfall;
            }
            CreditAccountEvent::Held(held) => self.set_aside(held),
            CreditAccountEvent::Settled(settled) => self.let_go(settled),
            CreditAccountEvent::Expired(expired) => self.expired(expired),
            CreditAccountEvent::ClawedBack(clawed_back) => self.clawed_back(clawed_back),
        }
    }
}

cqrs_aggregate!(CreditAccount);
