//! What a product or an order is of, as it is shown.

use aggregates::{
    Again, CreditPackTerms, DayRule, LicenseTerms, PackageTerms, Period, PlanChangeTerms, PlanTerms, ProductKind,
    RenewalTerms, UpgradePolicy,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rows::MoneyView;

/// What is sold, with the terms of its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TermsView {
    /// So many days of a daily quota.
    Package {
        #[schema(example = 30)]
        duration_days: u32,
        #[schema(example = "5.00")]
        daily_limit: String,
        /// `calendar` or `anniversary`: when a new day's quota begins.
        #[schema(value_type = String)]
        day: DayRule,
        /// `extend`, `parallel` or `queue`: what buying it again does while one has not ended.
        #[schema(value_type = String)]
        again: Again,
    },
    /// So many uses of some features.
    License {
        #[schema(example = 100)]
        uses: u32,
        #[schema(example = json!(["email_verify"]))]
        features: Vec<&'static str>,
    },
    CreditPack {
        #[schema(example = "10.00")]
        credits: String,
        /// `null`: they never expire.
        valid_days: Option<u32>,
    },
    /// Credits for each paid period.
    Subscription {
        #[serde(flatten)]
        plan: PlanTermsView,
    },
    /// A better plan for the rest of a subscription's period: bought by an order, never on sale.
    PlanChange {
        changed_subscription: Uuid,
        /// The number of the product of the plan that it replaces.
        from_product: Option<u32>,
        /// What a period of the new plan costs.
        plan_price: MoneyView,
        /// What the order itself brings: what the new plan had more of when it was ordered.
        #[schema(example = "200.00")]
        extra_credits: String,
        #[serde(flatten)]
        plan: PlanTermsView,
    },
    /// A further period of one subscription: placed when its provider announces the payment, never on sale.
    Renewal {
        renewed_subscription: Uuid,
        #[serde(flatten)]
        plan: PlanTermsView,
    },
}

/// The types there are, as lists are filtered by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TermsType {
    Package,
    License,
    CreditPack,
    Subscription,
    PlanChange,
    Renewal,
}

impl TermsType {
    /// As in JSON, here and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::License => "license",
            Self::CreditPack => "credit_pack",
            Self::Subscription => "subscription",
            Self::PlanChange => "plan_change",
            Self::Renewal => "renewal",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanTermsView {
    /// `{"months": 1}` or `{"days": 30}`.
    #[schema(value_type = Object, example = json!({"months": 1}))]
    pub period: Period,
    /// For each period.
    pub credits: String,
    /// `null`: they never expire.
    pub valid_days: Option<u32>,
    /// `next_cycle` or `immediate`: when somebody comes to this plan from another one.
    #[schema(value_type = String)]
    pub upgrade_policy: UpgradePolicy,
    /// How many days a period may stay unpaid before the subscription expires.
    pub grace_days: u32,
}

impl TermsView {
    /// The word for the type, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        let of_type = match self {
            Self::Package { .. } => TermsType::Package,
            Self::License { .. } => TermsType::License,
            Self::CreditPack { .. } => TermsType::CreditPack,
            Self::Subscription { .. } => TermsType::Subscription,
            Self::PlanChange { .. } => TermsType::PlanChange,
            Self::Renewal { .. } => TermsType::Renewal,
        };
        of_type.as_str()
    }
}

impl From<&ProductKind> for TermsView {
    fn from(kind: &ProductKind) -> Self {
        match kind {
            ProductKind::Package(PackageTerms { duration_days, daily_limit, day, again }) => Self::Package {
                duration_days: *duration_days,
                daily_limit: daily_limit.to_string(),
                day: *day,
                again: *again,
            },
            ProductKind::License(LicenseTerms { uses, features }) => {
                Self::License { uses: *uses, features: features.iter().map(aggregates::Feature::as_str).collect() }
            }
            ProductKind::CreditPack(CreditPackTerms { credits, valid_days }) => {
                Self::CreditPack { credits: credits.to_string(), valid_days: *valid_days }
            }
            ProductKind::Subscription(plan) => Self::Subscription { plan: plan.into() },
            ProductKind::PlanChange(PlanChangeTerms { subscription, plan, price, from, credits }) => Self::PlanChange {
                changed_subscription: subscription.uuid(),
                from_product: from.number(),
                plan_price: (*price).into(),
                extra_credits: credits.to_string(),
                plan: plan.into(),
            },
            ProductKind::Renewal(RenewalTerms { subscription, plan }) => {
                Self::Renewal { renewed_subscription: subscription.uuid(), plan: plan.into() }
            }
        }
    }
}

impl From<&PlanTerms> for PlanTermsView {
    fn from(plan: &PlanTerms) -> Self {
        let PlanTerms { period, credits, valid_days, upgrade_policy, grace_days } = *plan;
        Self { period, credits: credits.to_string(), valid_days, upgrade_policy, grace_days }
    }
}

#[cfg(test)]
mod tests {
    use aggregates::{Credits, Feature, ProductId, SubscriptionId};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_shown_with_its_own_terms() {
        let plan = PlanTerms {
            period: Period::Months(1),
            credits: Credits::whole(10),
            valid_days: Some(30),
            upgrade_policy: UpgradePolicy::Immediate,
            grace_days: 3,
        };
        let change = PlanChangeTerms {
            subscription: SubscriptionId::from_uuid(Uuid::nil()),
            plan,
            price: aggregates::Money::from_minor(3_000, "CNY".parse().expect("a currency")),
            from: ProductId::numbered(6),
            credits: Credits::whole(4),
        };
        let package = PackageTerms {
            duration_days: 30,
            daily_limit: Credits::whole(5),
            day: DayRule::Calendar,
            again: Again::Queue,
        };
        let features = [Feature::EmailVerify].into_iter().collect();
        let pack = CreditPackTerms { credits: Credits::whole(10), valid_days: None };
        for (kind, shown) in [
            (
                ProductKind::Package(package),
                json!({
                    "type": "package", "duration_days": 30, "daily_limit": "5.00", "day": "calendar", "again": "queue",
                }),
            ),
            (
                ProductKind::License(LicenseTerms { uses: 100, features }),
                json!({ "type": "license", "uses": 100, "features": ["email_verify"] }),
            ),
            (ProductKind::CreditPack(pack), json!({ "type": "credit_pack", "credits": "10.00", "valid_days": null })),
            (
                ProductKind::Subscription(plan),
                json!({
                    "type": "subscription", "period": { "months": 1 }, "credits": "10.00", "valid_days": 30,
                    "upgrade_policy": "immediate", "grace_days": 3,
                }),
            ),
            (
                ProductKind::Renewal(RenewalTerms { subscription: change.subscription, plan }),
                json!({
                    "type": "renewal", "period": { "months": 1 }, "credits": "10.00", "valid_days": 30,
                    "upgrade_policy": "immediate", "grace_days": 3, "renewed_subscription": Uuid::nil(),
                }),
            ),
            (
                ProductKind::PlanChange(change),
                json!({
                    "type": "plan_change", "period": { "months": 1 }, "credits": "10.00", "valid_days": 30,
                    "upgrade_policy": "immediate", "grace_days": 3, "from_product": 6,
                    "changed_subscription": Uuid::nil(), "plan_price": { "amount": "30.00", "currency": "CNY" },
                    "extra_credits": "4.00",
                }),
            ),
        ] {
            let view = TermsView::from(&kind);
            let json = serde_json::to_value(&view).expect("JSON");
            assert_eq!(json, shown);
            assert_eq!(json["type"], view.name());
        }
    }
}
