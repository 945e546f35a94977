//! What one decision sees of one account, and what it records.
//!
//! ```text
//!   put ──► slots ──► decide ──► View: read a state, record an event ──► Recorded, for the log
//!                        │                     (applied at once: what comes next sees it)
//!                        └─ refused, missing or unwinding ──► every slot as it was before
//! ```
//!
//! A unit of work is all or nothing. The first change a unit makes to an aggregate keeps the slot as it was; whatever
//! way the unit ends without success, a panic included, those slots are put back by the view's `Drop`.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::command::Command;
use crate::credit_account::CreditAccount;
use crate::event::Event;
use crate::holdings::Holdings;
use crate::ids::{AccountKey, AggregateId, UserPackageId};
use crate::kinds::InState;
use crate::refusal::Refusal;
use crate::state::State;
use crate::user_package::UserPackage;

/// An aggregate and how many events made it; 0: it never existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub version: i64,
    pub state: State,
}

/// An event, and the version its aggregate has after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub aggregate: AggregateId,
    pub version: i64,
    pub event: Event,
}

/// Why a unit of work recorded nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// These aggregates are not on the desk: load them, put them, decide again. More may turn out to be missing then.
    Missing(Vec<AggregateId>),
    Refused(Refusal),
}

/// A mistake of whoever asked: no customer's account holds a product, and the catalogue's holds nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the catalogue has an account of its own, and nothing else is kept there")]
pub struct WrongAccount;

impl WrongAccount {
    pub const fn code(&self) -> &'static str {
        "E4030"
    }
}

/// Something that can be decided over a desk, whole or not at all.
pub trait Decide {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt>;
}

#[derive(Debug)]
pub struct Desk {
    account: AccountKey,
    places: HashMap<AggregateId, Place>,
    /// Changed by the unit under way.
    changing: Vec<AggregateId>,
    /// Changed by units that succeeded.
    touched: Vec<AggregateId>,
}

#[derive(Debug)]
struct Place {
    slot: Slot,
    /// As it was before the unit under way, if that has changed it.
    before: Option<Slot>,
    /// As it was when it was put or last confirmed, if units have changed it since.
    baseline: Option<Slot>,
}

impl Desk {
    pub fn new(account: AccountKey) -> Self {
        Self { account, places: HashMap::new(), changing: Vec::new(), touched: Vec::new() }
    }

    pub fn account(&self) -> AccountKey {
        self.account
    }

    /// Places an aggregate as the log has it. What was there under this id is forgotten, and counts as untouched.
    pub fn put(&mut self, id: AggregateId, slot: Slot) {
        debug_assert_eq!(id.kind, slot.state.kind(), "a slot lies under an id of its own kind");
        let replaced = self.places.insert(id, Place { slot, before: None, baseline: None });
        if replaced.is_some_and(|place| place.baseline.is_some()) {
            self.touched.retain(|touched| *touched != id);
        }
    }

    pub fn has(&self, id: &AggregateId) -> bool {
        self.places.contains_key(id)
    }

    pub fn slot(&self, id: &AggregateId) -> Option<&Slot> {
        self.places.get(id).map(|place| &place.slot)
    }

    /// The aggregates that units have changed since they were put here, in the order they were first changed.
    pub fn touched(&self) -> impl Iterator<Item = AggregateId> {
        self.touched.iter().copied()
    }

    /// Decides all commands as one unit, each seeing what the ones before it recorded.
    pub fn decide(&mut self, at: DateTime<Utc>, commands: &[Command]) -> Result<Vec<Recorded>, Halt> {
        self.decide_with(at, &commands)
    }

    /// What the decision recorded, already applied here; or a desk exactly as it was before.
    pub fn decide_with(&mut self, at: DateTime<Utc>, decision: &dyn Decide) -> Result<Vec<Recorded>, Halt> {
        match self.decide_if(at, decision, Ok::<_, Infallible>)? {
            Ok(recorded) => Ok(recorded),
        }
    }

    /// As [`Desk::decide_with`], for a caller that has the last word: where `accept` does not take what was recorded,
    /// the desk is exactly as it was before.
    pub fn decide_if<T, E>(
        &mut self,
        at: DateTime<Utc>,
        decision: &dyn Decide,
        accept: impl FnOnce(Vec<Recorded>) -> Result<T, E>,
    ) -> Result<Result<T, E>, Halt> {
        let mut view = View { desk: self, at, recorded: Vec::new() };
        decision.decide(&mut view)?;
        let accepted = accept(std::mem::take(&mut view.recorded));
        if accepted.is_ok() {
            view.keep();
        }
        Ok(accepted)
    }

    /// Undoes a unit that was left half-way. A view does so when it goes; this is for whoever catches a panic and
    /// wants to be certain. Without such a unit it does nothing.
    pub fn roll_back(&mut self) {
        for id in self.changing.drain(..) {
            if let Some(place) = self.places.get_mut(&id)
                && let Some(before) = place.before.take()
            {
                place.slot = before;
            }
        }
    }

    /// How many aggregates lie here.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place of an aggregate, for what was recorded elsewhere. Counts as untouched.
    pub fn slot_mut(&mut self, id: &AggregateId) -> Option<&mut Slot> {
        self.places.get_mut(id).map(|place| &mut place.slot)
    }

    /// What the units recorded has come to pass: nothing is touched any more.
    pub fn confirm(&mut self) {
        self.roll_back();
        for id in self.touched.drain(..) {
            if let Some(place) = self.places.get_mut(&id) {
                place.baseline = None;
            }
        }
    }

    /// What the units recorded since the last [`Desk::confirm`] did not come to pass: every aggregate is as it was.
    pub fn rewind(&mut self) {
        self.roll_back();
        for id in self.touched.drain(..) {
            if let Some(place) = self.places.get_mut(&id)
                && let Some(baseline) = place.baseline.take()
            {
                place.slot = baseline;
            }
        }
    }
}

/// The desk as one unit of work sees it.
#[derive(Debug)]
pub struct View<'d> {
    desk: &'d mut Desk,
    at: DateTime<Utc>,
    recorded: Vec<Recorded>,
}

impl View<'_> {
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    pub fn account(&self) -> AccountKey {
        self.desk.account
    }

    /// So far, in this unit.
    pub(crate) fn recorded(&self) -> &[Recorded] {
        &self.recorded
    }

    /// One aggregate as it is now, whatever its kind.
    pub fn state(&self, id: AggregateId) -> Result<&State, Halt> {
        self.desk.slot(&id).map(|slot| &slot.state).ok_or_else(|| Halt::missing(id))
    }

    /// One aggregate as it is now.
    pub fn read<A: InState>(&self, id: AggregateId) -> Result<&A, Halt> {
        self.desk.slot(&id).and_then(|slot| A::of(&slot.state)).ok_or_else(|| Halt::missing(id))
    }

    /// Goes on if all of these are here, and otherwise asks for those that are not, in one go: whoever knows beforehand
    /// what it will read saves a load for each.
    pub fn need(&self, ids: impl IntoIterator<Item = AggregateId>) -> Result<(), Halt> {
        let missing: Vec<_> = ids.into_iter().filter(|id| !self.desk.has(id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Halt::Missing(missing)) }
    }

    pub fn credit_account(&self) -> Result<&CreditAccount, Halt> {
        self.read(AggregateId::credit_account(self.desk.account))
    }

    pub fn holdings(&self) -> Result<&Holdings, Halt> {
        self.read(AggregateId::holdings(self.desk.account))
    }

    pub fn user_package(&self, package: UserPackageId) -> Result<&UserPackage, Halt> {
        self.read(AggregateId::user_package(package))
    }

    /// Asks one aggregate and records what it says.
    pub fn ask<A: InState>(&mut self, id: AggregateId, command: &A::Command) -> Result<(), Halt>
    where
        Refusal: From<A::Error>,
    {
        let decided = self.read::<A>(id)?.decide(self.at, command);
        for event in decided.map_err(|error| Halt::Refused(error.into()))? {
            self.record(id, event.into())?;
        }
        Ok(())
    }

    /// The event happens, unless the unit comes to nothing.
    pub fn record(&mut self, aggregate: AggregateId, event: Event) -> Result<(), Halt> {
        if aggregate.kind.is_of_the_system() != (self.desk.account == AccountKey::SYSTEM) {
            return Err(WrongAccount.into());
        }
        let place = self.desk.places.get_mut(&aggregate).ok_or_else(|| Halt::missing(aggregate))?;
        if place.before.is_none() {
            // In this order: an id in `changing` without a `before` does no harm, the reverse would be lost.
            self.desk.changing.push(aggregate);
            place.before = Some(place.slot.clone());
        }
        // Another kind of event under this id belongs to an aggregate that is not here.
        place
            .slot
            .state
            .apply(&event)
            .map_err(|mismatch| Halt::missing(AggregateId { kind: mismatch.event, id: aggregate.id }))?;
        // It cannot get that far, and if it did the log would refuse a version it already has.
        place.slot.version = place.slot.version.saturating_add(1);
        self.recorded.push(Recorded { aggregate, version: place.slot.version, event });
        Ok(())
    }

    fn keep(self) {
        let Desk { places, changing, touched, .. } = &mut *self.desk;
        for id in changing.drain(..) {
            let Some(place) = places.get_mut(&id) else { continue };
            let before = place.before.take();
            if place.baseline.is_none() {
                place.baseline = before;
                touched.push(id);
            }
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        self.desk.roll_back();
    }
}

impl Decide for [Command] {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        self.iter().try_for_each(|command| command.decide(view))
    }
}

impl Decide for &[Command] {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        (**self).decide(view)
    }
}

impl Decide for Vec<Command> {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        self.as_slice().decide(view)
    }
}

impl Halt {
    fn missing(id: AggregateId) -> Self {
        Self::Missing(vec![id])
    }
}
