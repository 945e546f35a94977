//! What may be asked of a hold.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Party;
use crate::credits::Credits;
use crate::ids::HoldId;

/// Nothing of the hold alone: see [`Reserve`], [`Settle`], [`Release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldCommand {}

/// Decides as a charge does, and sets aside what it would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    pub hold: HoldId,
    pub amount: Credits,
    pub by: Party,
    pub expires_at: DateTime<Utc>,
    #[serde(default)]
    pub meter: Option<String>,
    #[serde(default)]
    pub reference: Option<String>,
}

/// Charges up to what was set aside. The same amount again changes nothing; another one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    pub hold: HoldId,
    pub amount: Credits,
    pub by: Party,
}

/// Gives all of it back. Said again it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub hold: HoldId,
    pub why: ReleaseReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    Asked(Party),
    /// Refused before its time.
    TimedOut,
}
