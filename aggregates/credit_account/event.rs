//! What has happened to a credit account, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::command::GrantSource;
use crate::credits::Credits;
use crate::ids::GrantId;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditAccountEvent {
    Granted(Granted),
    Spent(Spent),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    pub grant: GrantId,
    pub source: GrantSource,
    pub amount: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Of the account, after this.
    pub balance: Credits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account, after this.
    pub balance: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub grant: GrantId,
    pub amount: Credits,
    /// Of this grant, after this.
    pub left: Credits,
}

impl CreditAccountEvent {
    /// Wire name and newest schema version of every variant.
    pub const TYPES: &[(&str, i16)] = &[("granted", 1), ("spent", 1)];

    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Spent(_) => "spent",
        }
    }

    pub const fn schema_version(&self) -> i16 {
        match self {
            Self::Granted(_) | Self::Spent(_) => 1,
        }
    }

    pub(crate) fn payload(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Granted(content) => serde_json::to_string(content),
            Self::Spent(content) => serde_json::to_string(content),
        }
    }

    /// `None`: no such event. The payload must already have its newest shape.
    pub(crate) fn parse(event_type: &str, payload: &str) -> Option<Result<Self, serde_json::Error>> {
        match event_type {
            "granted" => Some(serde_json::from_str(payload).map(Self::Granted)),
            "spent" => Some(serde_json::from_str(payload).map(Self::Spent)),
            _ => None,
        }
    }
}

impl DomainEvent for CreditAccountEvent {
    fn event_type(&self) -> String {
        self.event_type().to_owned()
    }

    fn event_version(&self) -> String {
        self.schema_version().to_string()
    }
}
