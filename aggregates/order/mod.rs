//! One attempt to buy one product, by one account, through one payment provider.
//!
//! ```text
//!   (nothing) ── place ──► pending ── payment ──► paid, fulfilled          (one step, with what was bought)
//!                             ├── expire ──► expired    ┐
//!                             ├── cancel ──► cancelled  ├── payment ──► paid late, fulfilled
//!                             └── fail ────► failed     ┘
//! ```
//!
//! Money decides: a payment of exactly the price, through the order's provider, is taken whatever became of the order
//! meanwhile. Anything else is a mismatch, and whatever comes after the order was paid is a duplicate, to be given back:
//! both are recorded for somebody to look at, and neither delivers anything. The same payment said again changes
//! nothing; said again with another amount it is refused, because one of the two was not true.

mod command;
mod decide;
mod error;
mod event;
mod number;
mod payment;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::{CHECKOUT_BYTES_MAX, Checkout, OrderCommand, PlaceOrder};
pub use self::error::OrderError;
pub use self::event::{
    Cancelled, CheckoutOpened, Delivered, Expired, Failed, Fulfilled, OrderEvent, Paid, PaymentDuplicated,
    PaymentMismatched, Placed, RefundFailed, RefundGivenUp, RefundRefused, RefundRequested, RefundRetried, Refunded,
    ReviewClosed, ReviewOutcome,
};
pub use self::number::{BadOrderNumber, OrderNumber};
pub use self::payment::{BadPayment, PAYMENT_ID_BYTES_MAX, PROVIDER_BYTES_MAX, Payment};
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AggregateId, OrderId};
use crate::kinds::AggregateKind;

/// Mismatches and duplicates of one order; more of them than this are refused. The right payment never is.
pub const REVIEWS_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    NotPlaced,
    Placed(Box<Bought>),
}

/// The order once it was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bought {
    placed: Placed,
    checkout: Option<Checkout>,
    status: OrderStatus,
    payment: Option<Payment>,
    /// Mismatches and duplicates.
    reviews: Vec<Payment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    Pending,
    Paid,
    Fulfilled,
    Expired,
    Cancelled,
    Failed,
    /// Money is on its way back.
    Refunding,
    PartiallyRefunded,
    Refunded,
}

impl Order {
    pub fn placed(&self) -> Result<&Placed, OrderError> {
        self.bought().map(|bought| &bought.placed)
    }

    pub fn checkout(&self) -> Option<&Checkout> {
        self.bought().ok()?.checkout.as_ref()
    }

    pub fn status(&self) -> Result<OrderStatus, OrderError> {
        self.bought().map(|bought| bought.status)
    }

    fn bought(&self) -> Result<&Bought, OrderError> {
        match self {
            Self::NotPlaced => Err(OrderError::NotPlaced),
            Self::Placed(bought) => Ok(bought),
        }
    }
}

impl Decider for Order {
    const KIND: AggregateKind = AggregateKind::Order;
    const SCHEMA: i32 = 1;

    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderError;

    fn decide(&self, at: DateTime<Utc>, command: &OrderCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &OrderEvent) {
        match (self, event) {
            (order, OrderEvent::Placed(placed)) => {
                let placed = placed.clone();
                let status = OrderStatus::Pending;
                *order =
                    Self::Placed(Box::new(Bought { placed, checkout: None, status, payment: None, reviews: vec![] }));
            }
            (Self::Placed(bought), event) => bought.apply(event),
            (Self::NotPlaced, _) => {}
        }
    }
}

impl Bought {
    fn apply(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Placed(_) => {}
            OrderEvent::CheckoutOpened(CheckoutOpened { checkout }) => self.checkout = Some(checkout.clone()),
            OrderEvent::Paid(Paid { payment, late: _, at: _ }) => {
                self.payment = Some(payment.clone());
                self.status = OrderStatus::Paid;
            }
            OrderEvent::Fulfilled(Fulfilled { delivered: _, at: _ }) => self.status = OrderStatus::Fulfilled,
            OrderEvent::Expired(Expired { at: _ }) => self.status = OrderStatus::Expired,
            OrderEvent::Cancelled(Cancelled { at: _ }) => self.status = OrderStatus::Cancelled,
            OrderEvent::Failed(Failed { reason: _, at: _ }) => self.status = OrderStatus::Failed,
            OrderEvent::PaymentMismatched(PaymentMismatched { payment, at: _ })
            | OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at: _ }) => {
                self.reviews.push(payment.clone());
            }
            OrderEvent::ReviewClosed(_)
            | OrderEvent::RefundRequested(_)
            | OrderEvent::RefundFailed(_)
            | OrderEvent::RefundRefused(_)
            | OrderEvent::RefundGivenUp(_)
            | OrderEvent::RefundRetried(_)
            | OrderEvent::Refunded(_) => {}
        }
    }
}

cqrs_aggregate!(Order);

impl AggregateId {
    pub fn order(order: OrderId) -> Self {
        Self { kind: AggregateKind::Order, id: order.uuid() }
    }
}
