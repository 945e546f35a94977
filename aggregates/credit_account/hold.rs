//! Setting credits aside and letting them go: what the units of `hold/` ask for. The hold knows which parts are its own.

use chrono::{DateTime, Utc};

use super::error::CreditAccountError;
use super::event::{CreditAccountEvent, Expired, Held, Repaid, Settled, SettledPart};
use super::{CreditAccount, Grant};
use crate::credits::Credits;
use crate::hold::HeldCredits;
use crate::ids::HoldId;
use crate::label::Labels;

impl CreditAccount {
    /// Takes as spending does, and keeps it on the books.
    pub(crate) fn hold(&self, at: DateTime<Utc>, hold: HoldId, amount: Credits) -> Result<Held, CreditAccountError> {
        let from = self.take(at, amount)?;
        // Whatever is frozen is part of the balance, so it can be counted as well.
        let frozen = self.frozen.checked_add(amount).ok_or(CreditAccountError::TooLarge)?;
        Ok(Held { hold, amount, from, balance: self.balance, frozen })
    }

    /// Spends so much of what a hold has, its earliest part first, and gives the rest back: what is owed is repaid from
    /// that. What comes back to an expired grant repays nothing, for it is worth nothing: it is over with all that the
    /// grant has then, once no other hold has any of it.
    pub(crate) fn settle(
        &self,
        at: DateTime<Utc>,
        hold: HoldId,
        held: &[HeldCredits],
        amount: Credits,
        labels: Labels<'_>,
    ) -> Vec<CreditAccountEvent> {
        let settled = self.settled(hold, held, amount, labels);
        let pays = |part: &&SettledPart| self.known(part.grant).is_some_and(|known| known.pays_at(at));
        let came_back = settled.parts.iter().filter(pays).map(|part| (part.grant, part.returned, part.left));
        let repaid = self.repay(settled.balance, came_back);
        let expired = self.over(at, &settled, repaid.as_ref());

        let mut events = vec![CreditAccountEvent::Settled(settled)];
        events.extend(repaid.map(CreditAccountEvent::Repaid));
        events.extend(expired.into_iter().map(CreditAccountEvent::Expired));
        events
    }

    fn settled(&self, hold: HoldId, held: &[HeldCredits], amount: Credits, labels: Labels<'_>) -> Settled {
        let mut unspent = amount;
        let mut returned_in_all = Credits::ZERO;
        let mut frozen = self.frozen;
        let mut parts = Vec::with_capacity(held.len());
        for HeldCredits { grant, amount } in held.iter().copied() {
            let spent = unspent.min(amount);
            // No part is more than the whole it comes from, and no sum more than what was granted.
            unspent = unspent.checked_sub(spent).unwrap_or_default();
            let returned = amount.checked_sub(spent).unwrap_or_default();
            returned_in_all = returned_in_all.checked_add(returned).unwrap_or(Credits::MAX);
            frozen = frozen.checked_sub(amount).unwrap_or_default();
            let left = self.known(grant).map(|known| known.left).unwrap_or_default();
            let left = left.checked_add(returned).unwrap_or(Credits::MAX);
            parts.push(SettledPart { grant, spent, returned, left });
        }
        Settled {
            hold,
            amount,
            returned: returned_in_all,
            parts,
            balance: self.balance.checked_sub(amount).unwrap_or_default(),
            frozen,
            meter: labels.meter(),
            reference: labels.reference(),
        }
    }

    /// The grants whose end was waiting for this hold.
    fn over(&self, at: DateTime<Utc>, settled: &Settled, repaid: Option<&Repaid>) -> Vec<Expired> {
        let mut balance = repaid.map_or(settled.balance, |repaid| repaid.balance);
        let mut over = Vec::new();
        for part in &settled.parts {
            let waits = |known: &&Grant| !known.pays_at(at) && part.still_held(known.frozen).is_zero();
            if self.known(part.grant).filter(waits).is_none() {
                continue;
            }
            if !part.left.is_zero() {
                balance = balance.checked_sub(part.left).unwrap_or_default();
                over.push(Expired { grant: part.grant, amount: part.left, balance });
            }
        }
        over
    }
}
