//! What has happened to a credit account, with wire names. Amounts are integer micro-credits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::GrantSource;
use crate::credits::Credits;
use crate::events::events;
use crate::ids::{GrantId, HoldId, OrderId, RefundId};

events! {
    CreditAccountEvent {
        "granted" v 1 => Granted(Granted),
        "spent" v 1 => Spent(Spent),
        "deducted" v 1 => Deducted(Deducted),
        "overdrawn" v 1 => Overdrawn(Overdrawn),
        "repaid" v 1 => Repaid(Repaid),
        "held" v 1 => Held(Held),
        "settled" v 1 => Settled(Settled),
        "expired" v 1 => Expired(Expired),
        "clawed_back" v 1 => ClawedBack(ClawedBack),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    pub grant: GrantId,
    pub source: GrantSource,
    pub amount: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Of the account, after this.
    pub balance: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account, after this.
    pub balance: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub grant: GrantId,
    pub amount: Credits,
    /// Of this grant, after this; what is held of it is not counted.
    pub left: Credits,
}

/// Taken back by an admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deducted {
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account, after this.
    pub balance: Credits,
    pub reason: String,
}

/// A charge that may took more than there was: the rest is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overdrawn {
    pub amount: Credits,
    /// Of the account, after this.
    pub balance: Credits,
    /// Of the account, after this.
    pub shortfall: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What was owed is paid from what has just come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repaid {
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account, after this.
    pub balance: Credits,
    /// Of the account, after this.
    pub shortfall: Credits,
}

/// Set aside: still on the books, and for nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub hold: HoldId,
    pub amount: Credits,
    /// In the order they will be spent in; the sum is `amount`.
    pub from: Vec<Taken>,
    /// Of the account: as before, what is held is still on the books.
    pub balance: Credits,
    /// Of the account, after this.
    pub frozen: Credits,
}

/// A hold was charged, or let go (`amount` is zero).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub hold: HoldId,
    /// Spent of what was held.
    pub amount: Credits,
    /// Back in the grants.
    pub returned: Credits,
    pub parts: Vec<SettledPart>,
    /// Of the account, after this.
    pub balance: Credits,
    /// Of the account, after this.
    pub frozen: Credits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettledPart {
    pub grant: GrantId,
    pub spent: Credits,
    pub returned: Credits,
    /// Of this grant, after this; what other holds have of it is not counted.
    pub left: Credits,
}

impl SettledPart {
    /// Of what was frozen of the grant before, what other holds have.
    pub(super) fn still_held(&self, frozen: Credits) -> Credits {
        let without = frozen.checked_sub(self.spent).and_then(|frozen| frozen.checked_sub(self.returned));
        without.unwrap_or_default()
    }
}

/// A grant's end, once nothing of it is held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expired {
    pub grant: GrantId,
    /// What it still had.
    pub amount: Credits,
    /// Of the account, after this.
    pub balance: Credits,
}

/// Taken back because the money went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClawedBack {
    pub order: OrderId,
    pub refund: RefundId,
    /// What there was to take.
    pub amount: Credits,
    /// In the order taken; the sum is `amount`.
    pub from: Vec<Taken>,
    /// What was spent or held already: owed from now on.
    pub missing: Credits,
    /// Of the order's own grant, what had expired: neither taken nor owed.
    pub expired: Credits,
    /// Of the account, after this.
    pub balance: Credits,
    /// Of the account, after this.
    pub shortfall: Credits,
}
