//! The books of holds: each is settled or released once, for what was set aside and no more.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;

use super::micros;
use crate::hold::{HoldEvent, Reserved};
use crate::ids::{AggregateId, GrantId, HoldId};
use crate::user_package;

#[derive(Default)]
pub(super) struct HoldBooks {
    holds: BTreeMap<HoldId, Booked>,
    /// What each hold has of which package and day, until it is let go.
    of_packages: BTreeMap<(HoldId, AggregateId), (NaiveDate, i128)>,
    /// What was charged to packages and credits for each hold.
    charged: BTreeMap<HoldId, i128>,
}

struct Booked {
    amount: i128,
    open: bool,
}

type Checked = Result<(), TestCaseError>;

impl HoldBooks {
    pub(super) fn hold_quota(&mut self, package: AggregateId, held: &user_package::Held) -> Checked {
        let place = (held.hold, package);
        prop_assert!(self.of_packages.insert(place, (held.day, micros(held.amount))).is_none(), "held twice");
        Ok(())
    }

    pub(super) fn settle_quota(&mut self, package: AggregateId, settled: &user_package::Settled) -> Checked {
        let whole = micros(settled.amount) + micros(settled.returned);
        let held = self.of_packages.remove(&(settled.hold, package));
        prop_assert_eq!(held, Some((settled.day, whole)), "it goes back to where it came from, once");
        self.charge(settled.hold, micros(settled.amount));
        Ok(())
    }

    pub(super) fn charge(&mut self, hold: HoldId, amount: i128) {
        *self.charged.entry(hold).or_default() += amount;
    }

    /// `of_credits`: what each open hold has of which grant.
    pub(super) fn enter(
        &mut self,
        hold: HoldId,
        event: &HoldEvent,
        of_credits: &BTreeMap<HoldId, Vec<(GrantId, i128)>>,
    ) -> Checked {
        match event {
            HoldEvent::Reserved(reserved) => self.reserve(hold, reserved, of_credits),
            HoldEvent::Settled(settled) => self.end(hold, micros(settled.amount)),
            HoldEvent::Released(_) => self.end(hold, 0),
        }
    }

    fn reserve(
        &mut self,
        hold: HoldId,
        reserved: &Reserved,
        of_credits: &BTreeMap<HoldId, Vec<(GrantId, i128)>>,
    ) -> Checked {
        let credits: Vec<_> = reserved.credits.iter().map(|held| (held.grant, micros(held.amount))).collect();
        prop_assert_eq!(
            &credits,
            &of_credits.get(&hold).cloned().unwrap_or_default(),
            "what it says is what was set aside"
        );
        for held in &reserved.packages {
            let place = (hold, AggregateId::user_package(held.package));
            prop_assert_eq!(self.of_packages.get(&place), Some(&(held.day, micros(held.amount))));
        }
        let parts = credits.iter().map(|(_, amount)| *amount);
        let parts: i128 = parts.chain(reserved.packages.iter().map(|held| micros(held.amount))).sum();
        prop_assert_eq!(parts, micros(reserved.amount), "the parts are the whole");
        let booked = Booked { amount: parts, open: true };
        prop_assert!(self.holds.insert(hold, booked).is_none(), "reserved twice");
        Ok(())
    }

    fn end(&mut self, hold: HoldId, amount: i128) -> Checked {
        let booked = self.holds.get_mut(&hold).unwrap();
        prop_assert!(std::mem::replace(&mut booked.open, false), "a hold ends once");
        prop_assert!(amount <= booked.amount, "more was charged than was held");
        prop_assert_eq!(
            self.charged.get(&hold).copied().unwrap_or_default(),
            amount,
            "what it says is what was charged"
        );
        Ok(())
    }

    /// Once a unit of work is whole.
    pub(super) fn check(&self, of_credits: &BTreeMap<HoldId, Vec<(GrantId, i128)>>) -> Checked {
        let holding = self.of_packages.keys().map(|(hold, _)| hold).chain(of_credits.keys());
        for hold in holding {
            prop_assert!(self.holds.get(hold).is_some_and(|booked| booked.open), "what is set aside has an open hold");
        }
        Ok(())
    }
}
