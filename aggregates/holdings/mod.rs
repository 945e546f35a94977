//! What an account has now: the packages that a charge looks through, its licenses with the current one last, the
//! subscriptions that can be renewed. There is one per account.
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

pub use self::event::{
    HoldingsEvent, LicenseChosen, LicenseRemoved, PackageAdded, PackageMoved, PackageRemoved, SubscriptionAdded,
    SubscriptionRemoved,
};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AccountKey, AggregateId, LicenseId, ProductId, SubscriptionId, UserPackageId};
use crate::kinds::AggregateKind;

/// Of an account; the one chosen longest ago is forgotten first.
const LICENSES_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdings {
    /// Soonest end first.
    packages: Vec<HeldPackage>,
    /// Newest chosen last, which is the current one.
    licenses: Vec<LicenseChosen>,
    /// Oldest first.
    subscriptions: Vec<SubscriptionId>,
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
    /// A package runs at another time; one that is not here any more is left alone.
    MovePackage {
        package: UserPackageId,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
    },
    RemovePackage {
        package: UserPackageId,
    },
    ChooseLicense(LicenseChosen),
    /// Of the others, the one that was chosen last is the current one then. One that is not here changes nothing.
    RemoveLicense {
        license: LicenseId,
    },
    AddSubscription {
        subscription: SubscriptionId,
    },
    RemoveSubscription {
        subscription: SubscriptionId,
    },
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

    /// The packages of a product that run at this moment or later, soonest end first.
    pub fn unended(&self, product: ProductId, at: DateTime<Utc>) -> impl Iterator<Item = &HeldPackage> {
        self.packages.iter().filter(move |held| held.product == product && at < held.ends_at)
    }

    pub fn has_package(&self, package: UserPackageId) -> bool {
        self.held(package).is_some()
    }

    pub fn current_license(&self) -> Option<LicenseChosen> {
        self.licenses.last().copied()
    }

    /// Those that have not ended, oldest first.
    pub fn subscriptions(&self) -> &[SubscriptionId] {
        &self.subscriptions
    }

    fn held(&self, package: UserPackageId) -> Option<&HeldPackage> {
        self.packages.iter().find(|held| held.package == package)
    }

    fn remove_license(&mut self, license: LicenseId) {
        self.licenses.retain(|known| known.license != license);
    }

    fn insert(&mut self, held: HeldPackage) {
        let turn = |held: &HeldPackage| (held.ends_at, held.package);
        let place = self.packages.partition_point(|other| turn(other) <= turn(&held));
        self.packages.insert(place, held);
    }

    fn answer(&self, at: DateTime<Utc>, command: &HoldingsCommand) -> Option<HoldingsEvent> {
        match *command {
            HoldingsCommand::AddPackage(HeldPackage { package, product, starts_at, ends_at }) => {
                let added = PackageAdded { package, product, starts_at, ends_at, at };
                self.held(package).is_none().then_some(HoldingsEvent::PackageAdded(added))
            }
            HoldingsCommand::MovePackage { package, starts_at, ends_at } => {
                let held = self.held(package)?;
                let moved = (held.starts_at, held.ends_at) != (starts_at, ends_at);
                moved.then_some(HoldingsEvent::PackageMoved(PackageMoved { package, starts_at, ends_at }))
            }
            HoldingsCommand::RemovePackage { package } => {
                self.held(package).map(|_| HoldingsEvent::PackageRemoved(PackageRemoved { package }))
            }
            HoldingsCommand::ChooseLicense(chosen) => {
                (self.current_license() != Some(chosen)).then_some(HoldingsEvent::LicenseChosen(chosen))
            }
            HoldingsCommand::RemoveLicense { license } => {
                let is_here = self.licenses.iter().any(|known| known.license == license);
                is_here.then_some(HoldingsEvent::LicenseRemoved(LicenseRemoved { license }))
            }
            HoldingsCommand::AddSubscription { subscription } => (!self.subscriptions.contains(&subscription))
                .then_some(HoldingsEvent::SubscriptionAdded(SubscriptionAdded { subscription })),
            HoldingsCommand::RemoveSubscription { subscription } => self
                .subscriptions
                .contains(&subscription)
                .then_some(HoldingsEvent::SubscriptionRemoved(SubscriptionRemoved { subscription })),
        }
    }
}

impl Decider for Holdings {
    const KIND: AggregateKind = AggregateKind::Holdings;
    const SCHEMA: i32 = 3;

    type Command = HoldingsCommand;
    type Event = HoldingsEvent;
    type Error = HoldingsError;

    fn decide(&self, at: DateTime<Utc>, command: &HoldingsCommand) -> Result<Vec<Self::Event>, Self::Error> {
        Ok(self.answer(at, command).into_iter().collect())
    }

    fn apply(&mut self, event: &HoldingsEvent) {
        match *event {
            HoldingsEvent::PackageAdded(PackageAdded { package, product, starts_at, ends_at, at }) => {
                self.packages.retain(|held| held.ends_at > at);
                self.insert(HeldPackage { package, product, starts_at, ends_at });
            }
            HoldingsEvent::PackageMoved(PackageMoved { package, starts_at, ends_at }) => {
                if let Some(place) = self.packages.iter().position(|held| held.package == package) {
                    let held = self.packages.remove(place);
                    self.insert(HeldPackage { starts_at, ends_at, ..held });
                }
            }
            HoldingsEvent::PackageRemoved(PackageRemoved { package }) => {
                self.packages.retain(|held| held.package != package);
            }
            HoldingsEvent::LicenseChosen(chosen) => {
                self.remove_license(chosen.license);
                self.licenses.push(chosen);
                let too_many = self.licenses.len().saturating_sub(LICENSES_MAX);
                self.licenses.drain(..too_many);
            }
            HoldingsEvent::LicenseRemoved(LicenseRemoved { license }) => self.remove_license(license),
            HoldingsEvent::SubscriptionAdded(SubscriptionAdded { subscription }) => {
                self.subscriptions.push(subscription);
            }
            HoldingsEvent::SubscriptionRemoved(SubscriptionRemoved { subscription }) => {
                self.subscriptions.retain(|known| *known != subscription);
            }
        }
    }
}

cqrs_aggregate!(Holdings);

impl AggregateId {
    pub fn holdings(account: AccountKey) -> Self {
        Self { kind: AggregateKind::Holdings, id: account.derived("holdings") }
    }
}
