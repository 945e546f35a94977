//! One attempt to buy one product, by one account, through one payment provider.
//!
//! ```text
//!   (nothing) ── place ──► pending ── payment ──► paid, fulfilled          (one step, with what was bought)
//!                             ├── expire ──► expired    ┐
//!                             ├── cancel ──► cancelled  ├── payment ──► paid late, fulfilled
//!                             └── fail ────► failed     ┘
//!   fulfilled ── refund asked for ──► refunding ──► refunded, partially refunded, or as before
//! ```
//!
//! Money decides: a payment of exactly the price, through the order's provider, is taken whatever became of the order
//! meanwhile. Anything else is a mismatch, and whatever comes after the order was paid is a duplicate, to be given back:
//! both are recorded for somebody to look at (`review.rs`), and neither delivers anything. How money goes back is in
//! `refund.rs`. The same payment said again changes
//! nothing; said again with another amount it is refused, because one of the two was not true.

mod command;
mod decide;
mod error;
mod event;
mod number;
mod payment;
mod refund;
mod review;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::command::{CHECKOUT_BYTES_MAX, Checkout, OrderCommand, PlaceOrder, RequestRefund};
pub use self::error::OrderError;
pub use self::event::{
    Cancelled, CheckoutOpened, Delivered, Expired, Failed, Fulfilled, OrderEvent, Paid, PaymentDuplicated,
    PaymentMismatched, Placed, RefundFailed, RefundGivenUp, RefundRefused, RefundRequested, RefundRetried, Refunded,
    ReviewClosed, ReviewOutcome,
};
pub use self::number::{BadOrderNumber, OrderNumber};
pub use self::payment::{BadPayment, PAYMENT_ID_BYTES_MAX, PROVIDER_BYTES_MAX, Payment};
pub use self::refund::{Refund, RefundStage};
pub use self::review::Review;
use crate::credits::Credits;
use crate::decider::Decider;
use crate::events::cqrs_aggregate;
use crate::ids::{AggregateId, OrderId, RefundId};
use crate::kinds::AggregateKind;

/// Mismatches and duplicates of one order; more of them than this are refused. The right payment never is.
pub const REVIEWS_MAX: usize = 64;
/// Of one order, whatever became of them.
pub const REFUNDS_MAX: usize = 64;

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
    delivered: Option<Delivered>,
    /// Credits that were granted with it.
    granted: Option<Credits>,
    /// Mismatches and duplicates.
    reviews: Vec<Review>,
    /// Oldest first.
    refunds: Vec<Refund>,
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

    /// That pays for it.
    pub fn payment(&self) -> Option<&Payment> {
        self.bought().ok()?.payment.as_ref()
    }

    pub fn delivered(&self) -> Option<Delivered> {
        self.bought().ok()?.delivered
    }

    /// Credits that were granted with what it delivered.
    pub fn granted(&self) -> Option<Credits> {
        self.bought().ok()?.granted
    }

    pub fn refund(&self, refund: RefundId) -> Result<&Refund, OrderError> {
        self.bought()?.refund(refund)
    }

    /// All money that was ever reported for it, the order's own first.
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.bought().into_iter().flat_map(Bought::payments)
    }

    /// Oldest first.
    pub fn refunds(&self) -> &[Refund] {
        self.bought().map(|bought| bought.refunds.as_slice()).unwrap_or_default()
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
    const SCHEMA: i32 = 4;

    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderError;

    fn decide(&self, at: DateTime<Utc>, command: &OrderCommand) -> Result<Vec<Self::Event>, Self::Error> {
        self.answer(at, command)
    }

    fn apply(&mut self, event: &OrderEvent) {
        match (self, event) {
            (order @ Self::NotPlaced, OrderEvent::Placed(placed)) => {
                *order = Self::Placed(Box::new(Bought::new(placed.clone())));
            }
            (Self::Placed(bought), event) => bought.apply(event),
            (Self::NotPlaced, _) => {}
        }
    }
}

impl Bought {
    fn new(placed: Placed) -> Self {
        Self {
            placed,
            checkout: None,
            status: OrderStatus::Pending,
            payment: None,
            delivered: None,
            granted: None,
            reviews: vec![],
            refunds: vec![],
        }
    }

    /// All that were ever reported, the order's own first.
    fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payment.iter().chain(self.reviews.iter().map(|review| &review.payment))
    }

    fn apply(&mut self, event: &OrderEvent) {
        match event {
            // Once.
            OrderEvent::Placed(_) => {}
            OrderEvent::CheckoutOpened(CheckoutOpened { checkout }) => self.checkout = Some(checkout.clone()),
            OrderEvent::Paid(Paid { payment, late: _, at: _ }) => {
                self.payment = Some(payment.clone());
                self.status = OrderStatus::Paid;
            }
            OrderEvent::Fulfilled(Fulfilled { delivered, credits, at: _ }) => {
                self.status = OrderStatus::Fulfilled;
                self.delivered = Some(*delivered);
                self.granted = *credits;
            }
            OrderEvent::Expired(Expired { at: _ }) => self.status = OrderStatus::Expired,
            OrderEvent::Cancelled(Cancelled { at: _ }) => self.status = OrderStatus::Cancelled,
            OrderEvent::Failed(Failed { reason: _, at: _ }) => self.status = OrderStatus::Failed,
            OrderEvent::PaymentMismatched(PaymentMismatched { payment, at: _ })
            | OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at: _ }) => {
                self.reviews.push(Review { payment: payment.clone(), closed: None });
            }
            OrderEvent::ReviewClosed(ReviewClosed { provider, payment_id, outcome, reason: _, at: _ }) => {
                let named = |review: &&mut Review| review.payment.is_called(Some(provider), payment_id);
                self.reviews.iter_mut().filter(named).for_each(|review| review.closed = Some(*outcome));
            }
            OrderEvent::RefundRequested(requested) => {
                self.refunds.push(requested.into());
                self.status = self.status_after_refunds();
            }
            OrderEvent::RefundFailed(RefundFailed { refund, attempt, reason: _, at: _ }) => {
                self.apply_refund(*refund, |known| (known.stage, known.attempts) = (RefundStage::Failing, *attempt));
            }
            OrderEvent::RefundRefused(RefundRefused { refund, reason: _, at: _ }) => {
                self.apply_refund(*refund, |known| known.stage = RefundStage::Refused);
            }
            OrderEvent::RefundGivenUp(RefundGivenUp { refund, attempts: _, at: _ }) => {
                self.apply_refund(*refund, |known| known.stage = RefundStage::GivenUp);
            }
            OrderEvent::RefundRetried(RefundRetried { refund, at: _ }) => {
                self.apply_refund(*refund, |known| known.stage = RefundStage::Requested);
            }
            OrderEvent::Refunded(refunded) => {
                if self.refund(refunded.refund).is_err() {
                    self.refunds.push(refunded.into());
                }
                self.apply_refund(refunded.refund, |known| {
                    (known.stage, known.revoke) = (RefundStage::Done, Some(refunded.revoke));
                    known.provider_refund.clone_from(&refunded.provider_refund);
                });
            }
        }
    }
}

cqrs_aggregate!(Order);

impl AggregateId {
    pub fn order(order: OrderId) -> Self {
        Self { kind: AggregateKind::Order, id: order.uuid() }
    }
}
