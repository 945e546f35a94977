//! What has happened to the settings of a provider, with wire names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Setting;
use crate::events::events;

events! {
    ProviderEvent {
        "configured" v 1 => Configured(Configured),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    /// What has changed, by name; what is not named stays as it was.
    pub set: BTreeMap<String, Setting>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<String>,
    pub at: DateTime<Utc>,
}
