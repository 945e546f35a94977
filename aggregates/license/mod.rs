//! A key with a number of uses and a set of features.
//!
//! ```text
//!   (nothing) ── issue ──► active ── consume ──► active … exhausted      give back ──► active
//!                            │  the first account that uses it is the only one
//!                            └── revoke ──► revoked
//! ```
//!
//! It is kept in the account that bought it, whoever it is bound to. The key is never here in clear.

mod command;
mod error;
mod event;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::LicenseCommand;
pub use self::error::LicenseError;
pub use self::event::{Annotated, Bound, Consumed, GivenBack, Issued, LicenseEvent, LicenseKey, Revoked};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::kinds::AggregateKind;

pub const SEALED_BYTES_MAX: usize = 4_096;
/// Uses that units can still be given back to: the newest ones.
pub const USES_REMEMBERED_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum License {
    #[default]
    NotIssued,
}

impl Decider for License {
    const KIND: AggregateKind = AggregateKind::License;
    const SCHEMA: i32 = 1;

    type Command = LicenseCommand;
    type Event = LicenseEvent;
    type Error = LicenseError;

    fn decide(&self, _at: DateTime<Utc>, _command: &LicenseCommand) -> Result<Vec<Self::Event>, Self::Error> {
        Ok(vec![])
    }

    fn apply(&mut self, _event: &LicenseEvent) {}
}

cqrs_aggregate!(License);
