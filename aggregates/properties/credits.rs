//! The books of one account's credits: every micro-credit that was ever granted is in exactly one place.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::micros;
use crate::credit_account::{CreditAccount, CreditAccountEvent, Held, Settled, Taken};
use crate::credits::Credits;
use crate::ids::{GrantId, HoldId};

/// Where what was granted has gone.
#[derive(Default)]
pub(super) struct CreditBooks {
    granted: i128,
    spent: i128,
    deducted: i128,
    expired: i128,
    clawed_back: i128,
    repaid: i128,
    /// What was ever owed: overdrawn, and not found by a claw-back.
    owed: i128,
    grants: BTreeMap<GrantId, Own>,
    /// What each hold has of which grant, until it is let go.
    pub(super) holds: BTreeMap<HoldId, Vec<(GrantId, i128)>>,
}

#[derive(Default)]
struct Own {
    left: i128,
    frozen: i128,
}

type Checked = Result<(), TestCaseError>;

impl CreditBooks {
    pub(super) fn enter(&mut self, event: &CreditAccountEvent) -> Checked {
        match event {
            CreditAccountEvent::Granted(granted) => {
                self.granted += micros(granted.amount);
                self.grants.entry(granted.grant).or_default().left += micros(granted.amount);
                self.balance_is(granted.balance)
            }
            CreditAccountEvent::Spent(spent) => {
                self.spent += self.take(spent.amount, &spent.from)?;
                self.balance_is(spent.balance)
            }
            CreditAccountEvent::Deducted(deducted) => {
                self.deducted += self.take(deducted.amount, &deducted.from)?;
                self.balance_is(deducted.balance)
            }
            CreditAccountEvent::Overdrawn(overdrawn) => {
                self.owed += micros(overdrawn.amount);
                prop_assert_eq!(micros(overdrawn.shortfall), self.shortfall());
                self.balance_is(overdrawn.balance)
            }
            CreditAccountEvent::Repaid(repaid) => {
                self.repaid += self.take(repaid.amount, &repaid.from)?;
                prop_assert_eq!(micros(repaid.shortfall), self.shortfall());
                self.balance_is(repaid.balance)
            }
            CreditAccountEvent::ClawedBack(clawed) => {
                self.clawed_back += self.take(clawed.amount, &clawed.from)?;
                self.owed += micros(clawed.missing);
                prop_assert_eq!(micros(clawed.shortfall), self.shortfall());
                self.balance_is(clawed.balance)
            }
            CreditAccountEvent::Expired(expired) => {
                let own = self.grants.get_mut(&expired.grant).unwrap();
                prop_assert_eq!((micros(expired.amount), 0), (own.left, own.frozen), "nothing of it is held");
                self.expired += std::mem::take(&mut own.left);
                self.balance_is(expired.balance)
            }
            CreditAccountEvent::Held(held) => self.hold(held),
            CreditAccountEvent::Settled(settled) => self.settle(settled),
        }
    }

    fn hold(&mut self, held: &Held) -> Checked {
        self.take(held.amount, &held.from)?;
        for taken in &held.from {
            self.grants.get_mut(&taken.grant).unwrap().frozen += micros(taken.amount);
        }
        let parts = held.from.iter().map(|taken| (taken.grant, micros(taken.amount))).collect();
        prop_assert!(self.holds.insert(held.hold, parts).is_none(), "held twice");
        prop_assert_eq!(micros(held.frozen), self.frozen());
        self.balance_is(held.balance)
    }

    fn settle(&mut self, settled: &Settled) -> Checked {
        let held = self.holds.remove(&settled.hold);
        let parts: Vec<_> =
            settled.parts.iter().map(|part| (part.grant, micros(part.spent) + micros(part.returned))).collect();
        prop_assert_eq!(Some(parts), held, "each part goes back to where it came from, once");
        let mut still_charging = true;
        for part in &settled.parts {
            let own = self.grants.get_mut(&part.grant).unwrap();
            own.frozen -= micros(part.spent) + micros(part.returned);
            own.left += micros(part.returned);
            prop_assert!(own.frozen >= 0);
            prop_assert_eq!(own.left, micros(part.left));
            prop_assert!(still_charging || part.spent.is_zero(), "the earliest part is spent first");
            still_charging = part.returned.is_zero();
        }
        let sum = |amount: fn(&crate::credit_account::SettledPart) -> Credits| -> i128 {
            settled.parts.iter().map(|part| micros(amount(part))).sum()
        };
        prop_assert_eq!(sum(|part| part.spent), micros(settled.amount));
        prop_assert_eq!(sum(|part| part.returned), micros(settled.returned));
        self.spent += micros(settled.amount);
        prop_assert_eq!(micros(settled.frozen), self.frozen());
        self.balance_is(settled.balance)
    }

    /// Takes it out of the grants; where it goes is the caller's.
    fn take(&mut self, amount: Credits, from: &[Taken]) -> Result<i128, TestCaseError> {
        let parts: i128 = from.iter().map(|taken| micros(taken.amount)).sum();
        prop_assert_eq!(parts, micros(amount), "the parts are the whole");
        for taken in from {
            let own = self.grants.entry(taken.grant).or_default();
            own.left -= micros(taken.amount);
            prop_assert!(own.left >= 0, "a grant paid more than it had");
            prop_assert!(!taken.amount.is_zero(), "a grant that pays nothing is not named");
            prop_assert_eq!(own.left, micros(taken.left));
        }
        Ok(parts)
    }

    fn frozen(&self) -> i128 {
        self.grants.values().map(|own| own.frozen).sum()
    }

    fn shortfall(&self) -> i128 {
        self.owed - self.repaid
    }

    fn balance_is(&self, balance: Credits) -> Checked {
        let on_the_books: i128 = self.grants.values().map(|own| own.left + own.frozen).sum();
        prop_assert_eq!(micros(balance), on_the_books);
        let gone = self.spent + self.deducted + self.expired + self.clawed_back + self.repaid;
        prop_assert_eq!(self.granted, on_the_books + gone, "granted = on the books + gone");
        prop_assert!(self.shortfall() >= 0, "no more is repaid than is owed");
        Ok(())
    }

    /// Once a unit of work is whole. Of a clock that also goes back, `latest` is the latest it ever said: what has
    /// expired by then counts as available no more.
    pub(super) fn check(&self, account: &CreditAccount, latest: chrono::DateTime<chrono::Utc>) -> Checked {
        self.balance_is(account.balance())?;
        prop_assert_eq!(micros(account.frozen()), self.frozen());
        prop_assert_eq!(micros(account.shortfall()), self.shortfall());
        prop_assert!(
            account.shortfall().is_zero() || account.available(latest).is_zero(),
            "what is owed is repaid first"
        );
        let held: i128 = self.holds.values().flatten().map(|(_, amount)| amount).sum();
        prop_assert_eq!(held, self.frozen(), "what is frozen belongs to a hold");
        for (grant, own) in &self.grants {
            let known = account.left_and_frozen(*grant).map(|(left, frozen)| (micros(left), micros(frozen)));
            let expected = (own.left + own.frozen > 0).then_some((own.left, own.frozen));
            prop_assert_eq!(known, expected, "the state remembers what is not used up, and nothing else");
        }
        Ok(())
    }
}
