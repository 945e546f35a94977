//! What has happened to a package, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::DayRule;
use crate::credits::Credits;
use crate::events::events;
use crate::ids::ProductId;

events! {
    UserPackageEvent {
        "activated" v 1 => Activated(Activated),
        "consumed" v 1 => Consumed(Consumed),
        "expired" v 1 => Expired(Expired),
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
