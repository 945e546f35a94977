//! What has happened to a license, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::events::events;
use crate::feature::{Feature, Features};
use crate::ids::{AccountKey, OrderId, ProductId, UseId};

events! {
    LicenseEvent {
        "issued" v 1 => Issued(Issued),
        "bound" v 1 => Bound(Bound),
        "consumed" v 1 => Consumed(Consumed),
        "given_back" v 1 => GivenBack(GivenBack),
        "revoked" v 1 => Revoked(Revoked),
        "annotated" v 1 => Annotated(Annotated),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    pub order: OrderId,
    pub product: ProductId,
    pub key: LicenseKey,
    pub uses: u32,
    pub features: Features,
    pub at: DateTime<Utc>,
}

/// The key itself, as far as the log may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseKey {
    /// Encrypted under the key of the account that bought it.
    pub sealed: String,
    /// Under a key of the whole ledger: what it is looked up by.
    pub digest: String,
}

/// To the first account that used it, and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    pub account: AccountKey,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumed {
    #[serde(rename = "use")]
    pub use_id: UseId,
    pub units: u32,
    /// After this; none: the license is exhausted.
    pub left: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub at: DateTime<Utc>,
}

/// Units of a use that came to nothing; none of them, where only what came of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenBack {
    #[serde(rename = "use")]
    pub use_id: UseId,
    pub units: u32,
    /// After this.
    pub left: u32,
    /// What came of the use, encrypted under the key of the account that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// In somebody's words, encrypted under the key of their account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annotated {
    pub by: AccountKey,
    /// None: the note was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}
