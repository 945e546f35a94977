//! Payments that delivered nothing: of another amount than the order's, or the second one. Each waits until somebody takes
//! it for the order, gives it back, or says that it was settled elsewhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Bought;
use super::OrderStatus;
use super::decide::Decision;
use super::error::OrderError;
use super::event::{OrderEvent, Paid, ReviewClosed, ReviewOutcome};
use super::payment::Payment;
use super::refund::RefundStage;
use crate::reason;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    pub payment: Payment,
    pub closed: Option<ReviewOutcome>,
}

impl Bought {
    pub(super) fn dismiss_review(&self, at: DateTime<Utc>, provider: &str, payment_id: &str, why: &str) -> Decision {
        let review = self.review(provider, payment_id)?;
        if review.closed == Some(ReviewOutcome::Dismissed) {
            return Ok(vec![]);
        }
        self.check_waits(review)?;
        reason::check(why)?;
        Ok(vec![closed(at, &review.payment, ReviewOutcome::Dismissed, why)])
    }

    /// The payment is taken for the order's, whatever its amount.
    pub(super) fn accept_review(&self, at: DateTime<Utc>, provider: &str, payment_id: &str, why: &str) -> Decision {
        let review = self.review(provider, payment_id)?;
        if review.closed == Some(ReviewOutcome::Accepted) {
            return Ok(vec![]);
        }
        self.check_waits(review)?;
        if self.payment.is_some() {
            return Err(OrderError::NotPending { status: self.status });
        }
        reason::check(why)?;
        let payment = review.payment.clone();
        let accepted = closed(at, &payment, ReviewOutcome::Accepted, why);
        Ok(vec![accepted, OrderEvent::Paid(Paid { payment, late: self.status != OrderStatus::Pending, at })])
    }

    fn review(&self, provider: &str, payment_id: &str) -> Result<&Review, OrderError> {
        let review = self.reviews.iter().find(|review| review.payment.is_called(Some(provider), payment_id));
        review.ok_or(OrderError::NoSuchPayment)
    }

    /// What is on its way back, or has gone back in part, does not wait any more.
    fn check_waits(&self, review: &Review) -> Result<(), OrderError> {
        let untouched = self.left_of(&review.payment, |stage| stage != RefundStage::Refused) == review.payment.amount;
        if review.closed.is_none() && untouched { Ok(()) } else { Err(OrderError::NoSuchPayment) }
    }
}

fn closed(at: DateTime<Utc>, payment: &Payment, outcome: ReviewOutcome, reason: &str) -> OrderEvent {
    let (provider, payment_id) = (payment.provider.clone(), payment.payment_id.clone());
    OrderEvent::ReviewClosed(ReviewClosed { provider, payment_id, outcome, reason: reason.to_owned(), at })
}
