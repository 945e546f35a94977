//! What has happened to a customer, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Locale;
use crate::events::events;

events! {
    CustomerEvent {
        "described" v 1 => Described(Described),
        "erased" v 1 => Erased(Erased),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Name and e-mail, encrypted.
    pub sealed: String,
    /// Of name and e-mail, under a key of the account.
    pub digest: String,
    pub locale: Locale,
}

/// The account's key is destroyed: nothing that was sealed under it can be read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    pub reason: String,
    pub at: DateTime<Utc>,
}
