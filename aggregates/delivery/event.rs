//! What has happened to a delivery, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::events::events;
use crate::ids::{OrderId, UserPackageId};

events! {
    DeliveryEvent {
        "requested" v 1 => Requested(Requested),
        "key_created" v 1 => KeyCreated(KeyCreated),
        "mail_sent" v 1 => MailSent(MailSent),
        "attempt_failed" v 1 => AttemptFailed(AttemptFailed),
        "given_up" v 1 => GivenUp(GivenUp),
        "retried" v 1 => Retried(Retried),
        "withdrawn" v 1 => Withdrawn(Withdrawn),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStep {
    CreateKey,
    SendMail,
}

impl DeliveryStep {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create_key",
            Self::SendMail => "send_mail",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    pub order: OrderId,
    pub user_package: UserPackageId,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCreated {
    /// The key's name at the service that made it.
    pub key_id: String,
    /// All of the key that is ever written down.
    pub last_four: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSent {
    pub message_id: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptFailed {
    pub step: DeliveryStep,
    pub attempt: u32,
    pub reason: String,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    pub step: DeliveryStep,
    /// The number of the last one that failed.
    pub attempts: u32,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retried {
    pub step: DeliveryStep,
    pub at: DateTime<Utc>,
}

/// What was bought was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// That was to be done next.
    pub step: DeliveryStep,
    pub reason: String,
    pub at: DateTime<Utc>,
}
