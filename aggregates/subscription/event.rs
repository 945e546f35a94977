//! What has happened to a subscription, with wire names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::events::events;
use crate::ids::{OrderId, ProductId};
use crate::money::Money;
use crate::product::PlanTerms;

events! {
    SubscriptionEvent {
        "started" v 1 => Started(Started),
        "renewed" v 1 => Renewed(Renewed),
        "past_due" v 1 => PastDue(PastDue),
        "cancel_scheduled" v 1 => CancelScheduled(CancelScheduled),
        "cancel_withdrawn" v 1 => CancelWithdrawn(CancelWithdrawn),
        "plan_change_scheduled" v 1 => PlanChangeScheduled(PlanChangeScheduled),
        "plan_changed" v 1 => PlanChanged(PlanChanged),
        "ended" v 1 => Ended(Ended),
    }
}

/// What is paid for, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub product: ProductId,
    pub terms: PlanTerms,
    /// Of one period.
    pub price: Money,
}

/// One paid stretch of time; the first is number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaidPeriod {
    pub number: u32,
    pub order: OrderId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    pub plan: Plan,
    pub period: PaidPeriod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewed {
    pub plan: Plan,
    pub period: PaidPeriod,
}

/// The last paid period is over, and nobody has paid for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastDue {
    /// When the subscription expires unless it is paid for.
    pub expires_at: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

/// It ends with its period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelScheduled {
    /// Why, in the customer's own words: encrypted under the key of their account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelWithdrawn {
    pub at: DateTime<Utc>,
}

/// From the next period on. The present plan again takes a scheduled change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChangeScheduled {
    pub plan: Plan,
    pub at: DateTime<Utc>,
}

/// At once; the period stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChanged {
    pub plan: Plan,
    /// That paid the difference; none: there was none to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// The order of an earlier change that was given back: the plan before it is here again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<OrderId>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub how: SubscriptionEnd,
    /// Why the money went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the customer canceled it, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionEnd {
    /// Somebody wanted it to end, or the money went back.
    Canceled,
    /// Nobody paid.
    Expired,
}
