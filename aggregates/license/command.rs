//! What may be asked of a license.

use serde::{Deserialize, Serialize};

use super::event::LicenseKey;
use crate::feature::{Feature, Features};
use crate::ids::{AccountKey, OrderId, ProductId, UseId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LicenseCommand {
    /// Once: an order's license keeps the key it was first issued with.
    Issue {
        order: OrderId,
        product: ProductId,
        key: LicenseKey,
        uses: u32,
        features: Features,
    },
    /// Refused for any account but the first.
    Bind {
        account: AccountKey,
    },
    /// All of the units or none. Binds a license that nobody has used. The same use again changes nothing.
    Consume {
        #[serde(rename = "use")]
        use_id: UseId,
        units: u32,
        by: AccountKey,
        #[serde(default)]
        feature: Option<Feature>,
        #[serde(default)]
        reference: Option<String>,
    },
    /// Leaves a use with `keep` units and puts the rest back. The same again changes nothing; more than before is refused.
    GiveBack {
        #[serde(rename = "use")]
        use_id: UseId,
        keep: u32,
        /// What came of the use, to be told again: it is recorded even where nothing goes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<String>,
    },
    Revoke {
        reason: String,
    },
    /// In the words of the owner, or of the buyer while nobody has used it.
    Annotate {
        by: AccountKey,
        sealed: Option<String>,
    },
}
