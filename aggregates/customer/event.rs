//! What has happened to a customer, with wire names.

use serde::{Deserialize, Serialize};

use super::Locale;
use crate::events::events;

events! {
    CustomerEvent {
        "described" v 1 => Described(Described),
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
