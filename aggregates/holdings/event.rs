//! What has happened to an account's holdings, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::events::events;
use crate::ids::{AccountKey, LicenseId, ProductId, SubscriptionId, UserPackageId};

events! {
    #[derive(Copy)]
    HoldingsEvent {
        "package_added" v 2 => PackageAdded(PackageAdded),
        "package_moved" v 1 => PackageMoved(PackageMoved),
        "package_removed" v 1 => PackageRemoved(PackageRemoved),
        "license_chosen" v 1 => LicenseChosen(LicenseChosen),
        "license_removed" v 1 => LicenseRemoved(LicenseRemoved),
        "subscription_added" v 1 => SubscriptionAdded(SubscriptionAdded),
        "subscription_removed" v 1 => SubscriptionRemoved(SubscriptionRemoved),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageAdded {
    pub package: UserPackageId,
    pub product: ProductId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// What has ended by then is dropped.
    pub at: DateTime<Utc>,
}

/// It runs at another time than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageMoved {
    pub package: UserPackageId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRemoved {
    pub package: UserPackageId,
}

/// The account's current license, before those that were chosen earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseChosen {
    pub license: LicenseId,
    /// The account that bought it, where it is kept.
    pub home: AccountKey,
}

/// It can be the current one no more; if it was, the one that was chosen before it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseRemoved {
    pub license: LicenseId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionAdded {
    pub subscription: SubscriptionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRemoved {
    pub subscription: SubscriptionId,
}
