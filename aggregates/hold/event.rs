//! What has happened to a hold, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::credits::Credits;
use crate::events::events;
use crate::ids::{GrantId, UserPackageId};

events! {
    HoldEvent {
        "reserved" v 1 => Reserved(Reserved),
        "settled" v 1 => Settled(Settled),
        "released" v 1 => Released(Released),
    }
}

/// On whose word a hold begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The customer.
    Account,
    /// Whoever does the work that is paid for: a service, or an admin.
    BackEnd,
}

impl Party {
    /// What the back end set aside for its work, the customer does not take away from under it.
    pub const fn may_end(self, reserved_by: Self) -> bool {
        matches!((self, reserved_by), (Self::BackEnd, _) | (Self::Account, Self::Account))
    }
}

/// Where each part of it was set aside, in the order it will be charged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    pub amount: Credits,
    pub reserved_by: Party,
    pub packages: Vec<HeldQuota>,
    pub credits: Vec<HeldCredits>,
    pub expires_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldQuota {
    pub package: UserPackageId,
    pub day: NaiveDate,
    pub amount: Credits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldCredits {
    pub grant: GrantId,
    pub amount: Credits,
}

/// Charged; the rest of it went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub amount: Credits,
    pub at: DateTime<Utc>,
}

/// All of it went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// Nobody settled it in time.
    pub timed_out: bool,
    pub at: DateTime<Utc>,
}
