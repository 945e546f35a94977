//! What may be asked of a package that a customer bought.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::credits::Credits;
use crate::ids::{OrderId, ProductId};

pub const DEFAULT_TIME_ZONE: Tz = Tz::Asia__Shanghai;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UserPackageCommand {
    /// Said again with the same content it changes nothing.
    Activate {
        product: ProductId,
        daily_limit: Credits,
        duration_days: u32,
        #[serde(default = "default_time_zone")]
        time_zone: Tz,
        #[serde(default)]
        day: DayRule,
        /// None: now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts_at: Option<DateTime<Utc>>,
    },
    /// The end and the total move out by what the package has per day. Once per order.
    Extend {
        order: OrderId,
        days: u32,
    },
    /// Takes back what an order bought: the days it added, or all of it where nothing else is left. `order` is the one
    /// that activated the package, or one that extended it.
    TakeBack {
        order: OrderId,
        reason: String,
    },
    /// It starts earlier than it was to; refused once it runs.
    Move {
        starts_at: DateTime<Utc>,
    },
    Revoke {
        reason: String,
    },
    /// All of it from today's quota, or nothing.
    Consume {
        amount: Credits,
        #[serde(default)]
        meter: Option<String>,
        #[serde(default)]
        reference: Option<String>,
    },
    /// Records that the run is over; refused before it is.
    Expire,
}

/// When a new day's quota begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayRule {
    /// At midnight in the package's time zone.
    #[default]
    Calendar,
    /// Every 24 hours from activation.
    Anniversary,
}

const fn default_time_zone() -> Tz {
    DEFAULT_TIME_ZONE
}
