//! What has happened to a package, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::command::DayRule;
use crate::credits::Credits;
use crate::ids::ProductId;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserPackageEvent {
    Activated(Activated),
    Consumed(Consumed),
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

impl UserPackageEvent {
    /// Wire name and newest schema version of every variant.
    pub const TYPES: &[(&str, i16)] = &[("activated", 1), ("consumed", 1)];

    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Activated(_) => "activated",
            Self::Consumed(_) => "consumed",
        }
    }

    pub const fn schema_version(&self) -> i16 {
        match self {
            Self::Activated(_) | Self::Consumed(_) => 1,
        }
    }

    pub(crate) fn payload(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Activated(content) => serde_json::to_string(content),
            Self::Consumed(content) => serde_json::to_string(content),
        }
    }

    /// `None`: no such event. The payload must already have its newest shape.
    pub(crate) fn parse(event_type: &str, payload: &str) -> Option<Result<Self, serde_json::Error>> {
        match event_type {
            "activated" => Some(serde_json::from_str(payload).map(Self::Activated)),
            "consumed" => Some(serde_json::from_str(payload).map(Self::Consumed)),
            _ => None,
        }
    }
}

impl DomainEvent for UserPackageEvent {
    fn event_type(&self) -> String {
        self.event_type().to_owned()
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}
