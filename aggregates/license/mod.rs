//! A key with a number of uses and a set of features.
//!
//! ```text
//!   (nothing) ── issue ──► active ── consume ──► active … exhausted      give back ──► active
//!                            │  the first account that uses it is the only one
//!                            └── revoke ──► revoked
//! ```
//!
//! It is kept in the account that bought it, whoever it is bound to. The key is never here in clear, nor is the note.
//! Uses are told apart by id; the newest [`USES_REMEMBERED_MAX`] are remembered, so the state stays small. Beyond that
//! the id of the command tells what was said before.

mod command;
mod decide;
mod error;
mod event;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::LicenseCommand;
pub use self::error::LicenseError;
pub use self::event::{Annotated, Bound, Consumed, GivenBack, Issued, LicenseEvent, LicenseKey, Revoked};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::feature::{Feature, Features};
use crate::ids::{AccountKey, OrderId, ProductId, UseId};
use crate::kinds::AggregateKind;

pub const SEALED_BYTES_MAX: usize = 4_096;
pub const DIGEST_BYTES_MAX: usize = 64;
/// Of what came of one use.
pub const OUTCOME_BYTES_MAX: usize = 512 * 1_024;
/// Uses that units can still be given back to: the newest ones.
pub const USES_REMEMBERED_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum License {
    #[default]
    NotIssued,
    Issued(Held),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub order: OrderId,
    pub product: ProductId,
    pub uses: u32,
    pub features: Features,
    pub left: u32,
    /// The first account that used it, and the only one.
    pub owner: Option<AccountKey>,
    pub revoked: bool,
    /// Whether there is a note; what it says is for nobody to decide by.
    noted: bool,
    /// Oldest first, at most [`USES_REMEMBERED_MAX`].
    recent: VecDeque<Use>,
}

/// One use, as long as units of it can be given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    #[serde(rename = "use")]
    use_id: UseId,
    /// As it was asked for.
    units: u32,
    /// Without those that were given back.
    kept: u32,
    feature: Option<Feature>,
    reference: Option<String>,
}

/// As people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenseStatus {
    Active,
    Exhausted,
    Revoked,
}

impl LicenseStatus {
    pub const fn of(revoked: bool, left: u32) -> Self {
        match (revoked, left) {
            (true, _) => Self::Revoked,
            (false, 0) => Self::Exhausted,
            (false, _) => Self::Active,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exhausted => "exhausted",
            Self::Revoked => "revoked",
        }
    }
}

impl License {
    pub fn held(&self) -> Result<&Held, LicenseError> {
        match self {
            Self::NotIssued => Err(LicenseError::NotIssued),
            Self::Issued(held) => Ok(held),
        }
    }
}

impl Held {
    pub const fn status(&self) -> LicenseStatus {
        LicenseStatus::of(self.revoked, self.left)
    }

    /// Whether this account can have it as its current one: not revoked, and not bound to another.
    pub fn can_be_current_for(&self, account: AccountKey) -> bool {
        !self.revoked && self.owner.is_none_or(|owner| owner == account)
    }

    fn apply(&mut self, event: &LicenseEvent) {
        match event {
            // Once.
            LicenseEvent::Issued(_) => {}
            LicenseEvent::Bound(Bound { account, at: _ }) => self.owner = Some(*account),
            LicenseEvent::Consumed(consumed) => {
                self.left = consumed.left;
                self.remember(consumed);
            }
            LicenseEvent::GivenBack(GivenBack { use_id, units, left, outcome: _, at: _ }) => {
                self.left = *left;
                if let Some(known) = self.recent.iter_mut().rev().find(|known| known.use_id == *use_id) {
                    known.kept = known.kept.saturating_sub(*units);
                }
            }
            LicenseEvent::Revoked(Revoked { reason: _, at: _ }) => self.revoked = true,
            LicenseEvent::Annotated(Annotated { by: _, sealed }) => self.noted = sealed.is_some(),
        }
    }

    fn remember(&mut self, consumed: &Consumed) {
        if self.recent.len() >= USES_REMEMBERED_MAX {
            self.recent.pop_front();
        }
        let Consumed { use_id, units, left: _, feature, ref reference, at: _ } = *consumed;
        self.recent.push_back(Use { use_id, units, kept: units, feature, reference: reference.clone() });
    }
}

impl Decider for License {
    const KIND: AggregateKind = AggregateKind::License;
    const SCHEMA: i32 = 1;

    type Command = LicenseCommand;
    type Event = LicenseEvent;
    type Error = LicenseError;

    fn decide(&self, at: DateTime<Utc>, command: &LicenseCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &LicenseEvent) {
        match (self, event) {
            (license @ Self::NotIssued, LicenseEvent::Issued(issued)) => {
                let Issued { order, product, key: _, uses, features, at: _ } = *issued;
                *license = Self::Issued(Held {
                    order,
                    product,
                    uses,
                    features,
                    left: uses,
                    owner: None,
                    revoked: false,
                    noted: false,
                    recent: VecDeque::new(),
                });
            }
            (Self::Issued(held), event) => held.apply(event),
            (Self::NotIssued, _) => {}
        }
    }
}

cqrs_aggregate!(License);
