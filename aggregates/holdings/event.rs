//! What has happened to an account's holdings, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::events::events;
use crate::ids::{ProductId, UserPackageId};

events! {
    #[derive(Copy)]
    HoldingsEvent {
        "package_added" v 1 => PackageAdded(PackageAdded),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageAdded {
    pub package: UserPackageId,
    pub product: ProductId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}
