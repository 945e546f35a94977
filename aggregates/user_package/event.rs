//! What has happened to a package, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::DayRule;
use crate::credits::Credits;
use crate::events::events;
use crate::ids::{HoldId, OrderId, ProductId};

events! {
    UserPackageEvent {
        "activated" v 1 => Activated(Activated),
        "consumed" v 1 => Consumed(Consumed),
        "expired" v 1 => Expired(Expired),
        "extended" v 1 => Extended(Extended),
        "shortened" v 1 => Shortened(Shortened),
        "moved" v 1 => Moved(Moved),
        "revoked" v 1 => Revoked(Revoked),
        "held" v 1 => Held(Held),
        "settled" v 1 => Settled(Settled),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activated {
    pub product: ProductId,
    pub daily_limit: Credits,
    pub duration_days: u32,
    pub time_zone: Tz,
    pub day: DayRule,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// Of the whole package: all it will ever pay.
    pub left: Credits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumed {
    pub amount: Credits,
    /// Whose quota it was.
    pub day: NaiveDate,
    /// Of that day, after this.
    pub day_left: Credits,
    /// Of the whole package, after this.
    pub left: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A fact for readers: what has ended pays nothing, recorded or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    pub at: DateTime<Utc>,
}

/// Bought again while it had not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extended {
    pub order: OrderId,
    pub days: u32,
    pub ends_at: DateTime<Utc>,
    /// Of the whole package, after this.
    pub left: Credits,
}

/// An order that it was bought or extended with was given back, and others were not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortened {
    pub order: OrderId,
    pub days: u32,
    pub ends_at: DateTime<Utc>,
    /// Of the whole package, after this.
    pub left: Credits,
}

/// What it waited for has ended early: it runs at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Pays nothing any more; what was held before can still be settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// Set aside: it counts as used until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub hold: HoldId,
    pub amount: Credits,
    /// Whose quota it is.
    pub day: NaiveDate,
    /// Of that day, after this.
    pub day_left: Credits,
    /// Of the whole package, after this.
    pub left: Credits,
}

/// A hold was charged, or let go (`amount` is zero).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub hold: HoldId,
    /// Used of what was held.
    pub amount: Credits,
    /// Back in the package.
    pub returned: Credits,
    /// That it was held from. What comes back to a day that is over can be used on none.
    pub day: NaiveDate,
    /// Of that day, after this.
    pub day_left: Credits,
    /// Of the whole package, after this.
    pub left: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
