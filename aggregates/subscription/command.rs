//! What may be asked of a subscription.

use serde::{Deserialize, Serialize};

use super::event::Plan;
use crate::ids::OrderId;

/// Periods that are paid for come with their order: `Start`, `Renew` and a `ChangePlan` that costs something are asked by
/// `TakePayment`, which also grants the credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SubscriptionCommand {
    Start {
        order: OrderId,
        plan: Plan,
    },
    /// Once per order. A cancellation that waits for the end of the period stays.
    Renew {
        order: OrderId,
        plan: Plan,
    },
    /// At once; a change that waits is dropped. Once per order.
    ChangePlan {
        order: Option<OrderId>,
        plan: Plan,
    },
    /// From the next period on. The present plan takes a change that waits back.
    ScheduleChange {
        plan: Plan,
    },
    /// With the end of the period, unless `now`.
    Cancel {
        now: bool,
        /// Why, in the customer's own words: encrypted under the key of their account.
        sealed: Option<String>,
    },
    WithdrawCancel,
    /// Records that the paid period, or the grace after it, is over. Refused before its time.
    PeriodOver,
    /// An order was given back: one of a plan change is undone while its period is the last, one of a period ends the
    /// subscription unless a later period has begun.
    TakeBack {
        order: OrderId,
        reason: String,
    },
}
