//! What has happened to a credit account, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::GrantSource;
use crate::credits::Credits;
use crate::events::events;
use crate::ids::GrantId;

events! {
    CreditAccountEvent {
        "granted" v 1 => Granted(Granted),
        "spent" v 1 => Spent(Spent),
        "deducted" v 1 => Deducted(Deducted),
    }
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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

/// Taken back by an admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deducted {
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account, after this.
    pub balance: Credits,
    pub reason: String,
}
