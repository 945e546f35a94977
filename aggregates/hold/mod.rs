//! Credits and quota set aside for work in progress, and charged or given back when it is over.
//!
//! ```text
//!   (nothing) ── reserve ──► open ── settle ──► settled: charged up to what was set aside, the rest went back
//!                             ├── release ───► released: all of it went back
//!                             └── time-out ──► released, the same
//! ```
//!
//! What was reserved from a day and a grant is charged to them, whatever midnight, expiry or revocation has come since.
//! What a back end reserved for its work, the customer neither settles nor releases; what the customer reserved, both do.
//! Each of the three ends is one unit of work over the hold, the packages and the credit account.

mod command;
mod error;
mod event;
#[cfg(test)]
mod tests;
mod units;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::{HoldCommand, Release, ReleaseReason, Reserve, Settle};
pub use self::error::HoldError;
pub use self::event::{HeldCredits, HeldQuota, HoldEvent, Party, Released, Reserved, Settled};
pub use self::units::HOLD_DAYS_MAX;
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::kinds::AggregateKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    #[default]
    NotReserved,
    Open(Reserved),
    Settled(Reserved, Settled),
    Released(Reserved, Released),
}

impl Hold {
    /// What was set aside, whatever has become of it; `None` before.
    pub fn reserved(&self) -> Option<&Reserved> {
        match self {
            Self::NotReserved => None,
            Self::Open(reserved) | Self::Settled(reserved, _) | Self::Released(reserved, _) => Some(reserved),
        }
    }
}

impl Decider for Hold {
    const KIND: AggregateKind = AggregateKind::Hold;
    const SCHEMA: i32 = 2;

    type Command = HoldCommand;
    type Event = HoldEvent;
    type Error = HoldError;

    fn decide(&self, _at: DateTime<Utc>, command: &HoldCommand) -> Result<Vec<Self::Event>, Self::Error> {
        match *command {}
    }

    fn apply(&mut self, event: &HoldEvent) {
        *self = match (std::mem::take(self), event) {
            (_, HoldEvent::Reserved(reserved)) => Self::Open(reserved.clone()),
            (Self::Open(reserved), HoldEvent::Settled(settled)) => Self::Settled(reserved, *settled),
            (Self::Open(reserved), HoldEvent::Released(released)) => Self::Released(reserved, *released),
            (state, HoldEvent::Settled(_) | HoldEvent::Released(_)) => state,
        };
    }
}

cqrs_aggregate!(Hold);
