//! The prepaid credits of one account.
//!
//! ```text
//!   (nothing) ── grant ──► grants with something left ── spend, deduct ──► fewer, smaller grants
//! ```
//!
//! There is one per account and it has no end. Spending takes the earliest expiry first, then the oldest grant; a
//! grant is worth nothing from the moment it expires, whether or not anybody has recorded that. `balance` counts what
//! is on the books, expired grants included; `available` is what can be spent.
//!
//! The state holds only grants that have something left; those that expired with something left stay among them. That
//! bounds what `grant` can recognise as said before: a grant that is used up is forgotten here, and from then on the
//! repeat is stopped by the log's record of command results, or by the order or period that asked for it.

mod command;
mod decide;
mod error;
mod event;
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
}

/// A grant with something left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    id: GrantId,
    source: GrantSource,
    amount: Credits,
    left: Credits,
    expires_at: Option<DateTime<Utc>>,
}

impl Grant {
    fn pays_at(&self, at: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|expires_at| at < expires_at)
    }
}

impl CreditAccount {
    /// What is on the books.
    pub fn balance(&self) -> Credits {
        self.balance
    }

    /// What can be spent: the balance less what has expired.
    pub fn available(&self, at: DateTime<Utc>) -> Credits {
        let paying = self.grants.iter().filter(|grant| grant.pays_at(at));
        paying.fold(Credits::ZERO, |sum, grant| sum.checked_add(grant.left).unwrap_or(Credits::MAX))
    }

    fn add(&mut self, granted: &Granted) {
        let Granted { grant, source, amount, expires_at, balance, reason: _ } = *granted;
        let turn = |expires_at: Option<DateTime<Utc>>| (expires_at.is_none(), expires_at);
        let place = self.grants.partition_point(|other| turn(other.expires_at) <= turn(expires_at));
        self.grants.insert(place, Grant { id: grant, source, amount, left: amount, expires_at });
        self.balance = balance;
    }

    fn take_out(&mut self, from_grants: &[Taken], balance: Credits) {
        let mut used_up = false;
        let mut next = 0;
        for Taken { grant, left, .. } in from_grants {
            // Grants are listed in spending order, so each search goes on where the last one ended; it starts over
            // because an event must be found its grants even if the order of spending is decided otherwise one day.
            let from = |place: usize| self.grants.iter().enumerate().skip(place);
            let Some((place, _)) = from(next).chain(from(0)).find(|(_, known)| known.id == *grant) else {
                continue;
            };
            if let Some(known) = self.grants.get_mut(place) {
                known.left = *left;
                used_up |= left.is_zero();
            }
            next = place;
        }
        if used_up {
            self.grants.retain(|grant| !grant.left.is_zero());
        }
        self.balance = balance;
    }
}

impl Decider for CreditAccount {
    const KIND: AggregateKind = AggregateKind::CreditAccount;
    const SCHEMA: i32 = 1;

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
            CreditAccountEvent::Overdrawn(_)
            | CreditAccountEvent::Repaid(_)
            | CreditAccountEvent::Held(_)
            | CreditAccountEvent::Settled(_)
            | CreditAccountEvent::Expired(_)
            | CreditAccountEvent::ClawedBack(_) => {}
        }
    }
}

cqrs_aggregate!(CreditAccount);
