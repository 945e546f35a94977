//! What may be asked of a delivery.

use serde::{Deserialize, Serialize};

use super::event::DeliveryStep;
use crate::ids::{OrderId, UserPackageId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeliveryCommand {
    Request {
        order: OrderId,
        user_package: UserPackageId,
    },
    KeyCreated {
        key_id: String,
        last_four: String,
    },
    MailSent {
        message_id: String,
    },
    /// `attempt` counts from 1 over the whole life of a step, retries by hand included; numbers may be missing. One that
    /// is known already changes nothing.
    AttemptFailed {
        step: DeliveryStep,
        attempt: u32,
        reason: String,
    },
    GiveUp {
        step: DeliveryStep,
    },
    /// By hand: what has failed is tried again now. Before anything has failed it changes nothing.
    Retry,
    /// What was bought was given back: what is not done yet is not done any more, and not by hand either. Afterwards, and
    /// where there is no delivery, it changes nothing.
    Withdraw {
        reason: String,
    },
}
