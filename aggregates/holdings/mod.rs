//! Which packages an account has: what a charge looks through. There is one per account.
//!
//! ```text
//!   (nothing) ── add package ──► packages, soonest end first ── add package ──► those that ended by then are dropped
//! ```
//!
//! So the list stays as long as what a customer really has at a time, without anybody cleaning up.

mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::event::{HoldingsEvent, PackageAdded};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AccountKey, AggregateId, ProductId, UserPackageId};
use crate::kinds::AggregateKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdings {
    /// Soonest end first.
    packages: Vec<HeldPackage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldPackage {
    pub package: UserPackageId,
    pub product: ProductId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldingsCommand {
    /// Said again it changes nothing.
    AddPackage(HeldPackage),
}

/// Nothing that happened is ever refused here: a package that was paid for must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HoldingsError {}

impl HoldingsError {
    pub const fn code(&self) -> &'static str {
        match *self {}
    }
}

impl Holdings {
    /// The packages that run at this moment, soonest end first.
    pub fn running(&self, at: DateTime<Utc>) -> impl Iterator<Item = &HeldPackage> {
        self.packages.iter().filter(move |held| held.starts_at <= at && at < held.ends_at)
    }

    fn has(&self, package: UserPackageId) -> bool {
        self.packages.iter().any(|held| held.package == package)
    }
}

impl Decider for Holdings {
    const KIND: AggregateKind = AggregateKind::Holdings;
    const SCHEMA: i32 = 1;

    type Command = HoldingsCommand;
    type Event = HoldingsEvent;
    type Error = HoldingsError;

    fn decide(&self, _at: DateTime<Utc>, command: &HoldingsCommand) -> Result<Vec<Self::Event>, Self::Error> {
        let HoldingsCommand::AddPackage(held) = command;
        if self.has(held.package) {
            return Ok(vec![]);
        }
        let HeldPackage { package, product, starts_at, ends_at } = *held;
        Ok(vec![HoldingsEvent::PackageAdded(PackageAdded { package, product, starts_at, ends_at })])
    }

    fn apply(&mut self, event: &HoldingsEvent) {
        let HoldingsEvent::PackageAdded(PackageAdded { package, product, starts_at, ends_at }) = *event;
        // A package starts when it is added, so this is also the time.
        self.packages.retain(|held| held.ends_at > starts_at);
        let place = self.packages.partition_point(|held| (held.ends_at, held.package) <= (ends_at, package));
        self.packages.insert(place, HeldPackage { package, product, starts_at, ends_at });
    }
}

cqrs_aggregate!(Holdings);

impl AggregateId {
    pub fn holdings(account: AccountKey) -> Self {
        Self { kind: AggregateKind::Holdings, id: account.derived("holdings") }
    }
}
