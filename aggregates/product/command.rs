//! What may be asked of a product, and what one is.

use serde::{Deserialize, Serialize};

use crate::credits::Credits;
use crate::money::{Currency, Money};
use crate::user_package::DayRule;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProductCommand {
    /// Said again with the same content it changes nothing.
    Create(ProductContent),
    /// The whole content anew; what a product is (its kind) stays.
    Change(ProductContent),
    TakeOffSale,
    PutOnSale,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductContent {
    pub name: String,
    pub description: String,
    /// At most one per currency; an order takes the one its provider collects.
    pub prices: Vec<Money>,
    /// Smaller numbers are shown first.
    pub sort_order: i32,
    pub kind: ProductKind,
}

impl ProductContent {
    pub fn price_in(&self, currency: Currency) -> Option<Money> {
        self.prices.iter().copied().find(|price| price.currency() == currency)
    }
}

/// What is sold, with the terms that an order copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    Package(PackageTerms),
}

/// So many days of a daily quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageTerms {
    pub duration_days: u32,
    pub daily_limit: Credits,
    #[serde(default)]
    pub day: DayRule,
}
