//! What may be asked of a product, and what one is.

use serde::{Deserialize, Serialize};

use super::code::ProductCode;
use crate::credits::Credits;
use crate::feature::Features;
use crate::ids::{ProductId, SubscriptionId};
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
    /// What integrators call it; it never changes, and no two products have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ProductCode>,
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
    License(LicenseTerms),
    CreditPack(CreditPackTerms),
    Subscription(PlanTerms),
    /// Never on sale by itself: what an order buys that moves a subscription to a better plan at once.
    PlanChange(PlanChangeTerms),
    /// Never on sale by itself: what an order buys that its provider placed for a further period of one subscription.
    Renewal(RenewalTerms),
}

/// So many days of a daily quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageTerms {
    pub duration_days: u32,
    pub daily_limit: Credits,
    #[serde(default)]
    pub day: DayRule,
    #[serde(default)]
    pub again: Again,
}

/// What buying the same package again does while one of them has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// The end and the total move out.
    #[default]
    Extend,
    /// Both run.
    Parallel,
    /// The new one starts when the other ends.
    Queue,
}

/// So many uses of some features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseTerms {
    pub uses: u32,
    pub features: Features,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditPackTerms {
    pub credits: Credits,
    /// Days of 24 hours from the payment; none: they never expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u32>,
}

/// Credits for each paid period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanTerms {
    pub period: Period,
    pub credits: Credits,
    /// Days of 24 hours from when a period's credits are granted; none: they never expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u32>,
    /// When somebody comes to this plan from another one.
    #[serde(default)]
    pub upgrade_policy: UpgradePolicy,
    /// How long a period may stay unpaid before the subscription expires.
    #[serde(default = "default_grace_days")]
    pub grace_days: u32,
}

pub const DEFAULT_GRACE_DAYS: u32 = 3;

const fn default_grace_days() -> u32 {
    DEFAULT_GRACE_DAYS
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Of 24 hours each.
    Days(u32),
    /// Of the calendar, in UTC: from the 31st to the last day of a shorter month, and back to the 31st after it.
    Months(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalTerms {
    pub subscription: SubscriptionId,
    /// The product of the plan is that of the order.
    pub plan: PlanTerms,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradePolicy {
    /// The next period is the first one of the new plan.
    #[default]
    NextCycle,
    /// A better plan begins at once, for the difference in price; a smaller one begins at once, and this period's
    /// credits stay.
    Immediate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChangeTerms {
    pub subscription: SubscriptionId,
    /// The product of the new plan is that of the order.
    pub plan: PlanTerms,
    /// What a period of the new plan costs.
    pub price: Money,
    /// Of the plan that it replaces.
    pub from: ProductId,
    /// What the new plan had more of when this was sold. Paid for, it is granted, whatever plan is there by then.
    pub credits: Credits,
}
