//! What may be asked of a credit account.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::credits::Credits;
use crate::ids::{GrantId, OrderId, RefundId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CreditAccountCommand {
    /// The same grant said again with the same content changes nothing.
    Grant {
        grant: GrantId,
        source: GrantSource,
        amount: Credits,
        #[serde(default)]
        expires_at: Option<DateTime<Utc>>,
        /// An admin must say why.
        #[serde(default)]
        reason: Option<String>,
    },
    Spend {
        amount: Credits,
        #[serde(default)]
        meter: Option<String>,
        #[serde(default)]
        reference: Option<String>,
    },
    /// An admin takes credits back.
    Deduct { amount: Credits, reason: String },
    /// Records that a grant is over; what is held of it is waited for. Refused before its time.
    Expire { grant: GrantId },
    /// A refund takes back what an order had granted: from that order's grant first, then the newest. What merely expired
    /// of that grant is gone already.
    ClawBack { order: OrderId, refund: RefundId, amount: Credits },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantSource {
    Order,
    SubscriptionPeriod,
    Admin,
    Promotion,
}
