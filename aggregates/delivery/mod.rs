//! What happens outside after a package was bought: an API key is created, then mailed. Outcomes are events too.
//!
//! ```text
//!   (nothing) ── request ──► key wanted ── key created ──► mail wanted ── mail sent ──► delivered
//!                                └── attempt failed … give up ◄─┘  (then only a retry by hand goes on)
//!
//!   key wanted, mail wanted ── withdraw: what was bought was given back ──► withdrawn: nothing is done any more
//! ```
//!
//! What an attempt that was under way has done all the same is recorded still: a mail that has left delivers.
//!
//! Nothing here can undo the order it belongs to. The key itself is never in the log.

mod command;
mod decide;
mod error;
mod event;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::DeliveryCommand;
pub use self::error::DeliveryError;
pub use self::event::{
    AttemptFailed, DeliveryEvent, DeliveryStep, GivenUp, KeyCreated, MailSent, Requested, Retried, Withdrawn,
};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AggregateId, DeliveryId, OrderId, UserPackageId};
use crate::kinds::AggregateKind;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    #[default]
    NotRequested,
    Requested(Progress),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    pub order: OrderId,
    pub user_package: UserPackageId,
    /// What is to be done next; `None`: all is done, or it was withdrawn.
    pub next: Option<DeliveryStep>,
    pub key: Option<KeyCreated>,
    /// The number of the last attempt at `next` that failed, since it was last tried by hand.
    pub failed: u32,
    pub given_up: bool,
    /// What was bought was given back before all was done.
    pub withdrawn: bool,
}

impl Delivery {
    pub fn progress(&self) -> Result<&Progress, DeliveryError> {
        match self {
            Self::NotRequested => Err(DeliveryError::NotRequested),
            Self::Requested(progress) => Ok(progress),
        }
    }
}

impl Decider for Delivery {
    const KIND: AggregateKind = AggregateKind::Delivery;
    const SCHEMA: i32 = 2;

    type Command = DeliveryCommand;
    type Event = DeliveryEvent;
    type Error = DeliveryError;

    fn decide(&self, at: DateTime<Utc>, command: &DeliveryCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &DeliveryEvent) {
        match (self, event) {
            (delivery, DeliveryEvent::Requested(Requested { order, user_package, at: _ })) => {
                *delivery = Self::Requested(Progress {
                    order: *order,
                    user_package: *user_package,
                    next: Some(DeliveryStep::CreateKey),
                    key: None,
                    failed: 0,
                    given_up: false,
                    withdrawn: false,
                });
            }
            (Self::NotRequested, _) => {}
            (Self::Requested(progress), DeliveryEvent::KeyCreated(key)) => {
                progress.key = Some(key.clone());
                progress.go_on_to((!progress.withdrawn).then_some(DeliveryStep::SendMail));
            }
            (Self::Requested(progress), DeliveryEvent::MailSent(MailSent { message_id: _, at: _ })) => {
                progress.go_on_to(None);
                progress.withdrawn = false;
            }
            (Self::Requested(progress), DeliveryEvent::Withdrawn(Withdrawn { step: _, reason: _, at: _ })) => {
                progress.go_on_to(None);
                progress.withdrawn = true;
            }
            (Self::Requested(progress), DeliveryEvent::AttemptFailed(AttemptFailed { attempt, .. })) => {
                progress.failed = *attempt;
            }
            (Self::Requested(progress), DeliveryEvent::GivenUp(GivenUp { step: _, attempts: _, at: _ })) => {
                progress.given_up = true;
            }
            (Self::Requested(progress), DeliveryEvent::Retried(Retried { step, at: _ })) => {
                progress.go_on_to(Some(*step));
            }
        }
    }
}

impl Progress {
    fn go_on_to(&mut self, next: Option<DeliveryStep>) {
        self.next = next;
        self.failed = 0;
        self.given_up = false;
    }
}

cqrs_aggregate!(Delivery);

impl AggregateId {
    pub fn delivery(delivery: DeliveryId) -> Self {
        Self { kind: AggregateKind::Delivery, id: delivery.uuid() }
    }
}
