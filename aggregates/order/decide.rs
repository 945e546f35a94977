//! One function per command, and those that `TakePayment`, `AcceptReview` and `TakeRefund` ask. What is about money that
//! goes back is in `refund.rs`, what is about payments for review in `review.rs`.

use chrono::{DateTime, Utc};

use super::command::{Checkout, OrderCommand, PlaceOrder};
use super::error::OrderError;
use super::event::{
    Cancelled, CheckoutOpened, Delivered, Expired, Failed, Fulfilled, OrderEvent, Paid, PaymentDuplicated,
    PaymentMismatched, Placed,
};
use super::payment::{self, Payment};
use super::refund::OwedBack;
use super::{Bought, Order, OrderStatus, REVIEWS_MAX};
use crate::credits::Credits;
use crate::take_refund::TakeRefund;
use crate::{product, reason, time};

pub(super) type Decision = Result<Vec<OrderEvent>, OrderError>;

impl Order {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &OrderCommand) -> Decision {
        match command {
            OrderCommand::Place(place) => self.place(at, place),
            OrderCommand::OpenCheckout(checkout) => self.bought()?.open_checkout(checkout),
            OrderCommand::Expire => self.bought()?.expire(at),
            OrderCommand::Cancel => self.bought()?.cancel(at),
            OrderCommand::Fail { reason } => self.bought()?.fail(at, reason),
            OrderCommand::RequestRefund(ask) => self.bought()?.request_refund(at, ask),
            OrderCommand::RefundFailed { refund, attempt, reason } => {
                self.bought()?.refund_failed(at, *refund, *attempt, reason)
            }
            OrderCommand::RefundRefused { refund, reason } => self.bought()?.refund_refused(at, *refund, reason),
            OrderCommand::GiveUpRefund { refund } => self.bought()?.give_up_refund(at, *refund),
            OrderCommand::RetryRefund { refund } => self.bought()?.retry_refund(at, *refund),
            OrderCommand::DismissReview { provider, payment_id, reason } => {
                self.bought()?.dismiss_review(at, provider, payment_id, reason)
            }
        }
    }

    fn place(&self, at: DateTime<Utc>, place: &PlaceOrder) -> Decision {
        let PlaceOrder { number, product, name, kind, time_zone, price, provider, expires_at } = place.clone();
        let placed = Placed { number, product, name, kind, time_zone, price, provider, placed_at: at, expires_at };
        if let Self::Placed(bought) = self {
            let same = Placed { placed_at: bought.placed.placed_at, ..placed } == bought.placed;
            return if same { Ok(vec![]) } else { Err(OrderError::Exists) };
        }
        if price.is_zero() || price.is_negative() {
            return Err(OrderError::PriceIsZero);
        }
        if expires_at <= at || !time::is_writable(at) || !time::is_writable(expires_at) {
            return Err(OrderError::BadExpiry);
        }
        if !payment::is_provider(&placed.provider) {
            return Err(OrderError::BadProvider);
        }
        // What could not be delivered must not be paid for.
        product::check_name(&placed.name)?;
        product::check_kind(&placed.kind)?;
        Ok(vec![OrderEvent::Placed(placed)])
    }

    /// What becomes of money that arrived: asked by `TakePayment` alone, which also delivers.
    pub(crate) fn pay(&self, at: DateTime<Utc>, payment: &Payment) -> Decision {
        self.bought()?.pay(at, payment)
    }

    /// A payment for review is the order's after all: asked by `AcceptReview` alone, which also delivers.
    pub(crate) fn accept(&self, at: DateTime<Utc>, provider: &str, payment_id: &str, reason: &str) -> Decision {
        self.bought()?.accept_review(at, provider, payment_id, reason)
    }

    /// The order has what was bought for it: recorded with the payment, by the units that take one.
    pub(crate) fn fulfil(&self, at: DateTime<Utc>, delivered: Delivered, credits: Option<Credits>) -> OrderEvent {
        OrderEvent::Fulfilled(Fulfilled { delivered, credits, at })
    }

    /// Money has gone back: asked by `TakeRefund` alone, which also takes back what it was for.
    pub(crate) fn give_back(&self, at: DateTime<Utc>, gone: &TakeRefund) -> Decision {
        self.bought()?.give_back(at, gone)
    }

    /// What has to be back by now.
    pub(crate) fn owed_back(&self) -> OwedBack {
        self.bought().map(Bought::owed_back).unwrap_or_default()
    }
}

impl Bought {
    fn open_checkout(&self, checkout: &Checkout) -> Decision {
        match &self.checkout {
            Some(open) if open == checkout => Ok(vec![]),
            Some(_) => Err(OrderError::CheckoutDiffers),
            None => {
                self.pending()?;
                checkout.check()?;
                Ok(vec![OrderEvent::CheckoutOpened(CheckoutOpened { checkout: checkout.clone() })])
            }
        }
    }

    fn pay(&self, at: DateTime<Utc>, payment: &Payment) -> Decision {
        payment.check()?;
        if let Some(known) = self.payments().find(|known| known.is_the_same_as(payment)) {
            return if known.amount == payment.amount { Ok(vec![]) } else { Err(OrderError::PaymentDiffers) };
        }
        let payment = payment.clone();
        let (is_duplicate, fits) = (self.payment.is_some(), payment.fits(&self.placed));
        if (is_duplicate || !fits) && self.reviews.len() >= REVIEWS_MAX {
            return Err(OrderError::TooManyReviews);
        }
        if is_duplicate {
            return Ok(vec![OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at })]);
        }
        if !fits {
            return Ok(vec![OrderEvent::PaymentMismatched(PaymentMismatched { payment, at })]);
        }
        let late = self.status != OrderStatus::Pending;
        Ok(vec![OrderEvent::Paid(Paid { payment, late, at })])
    }

    fn expire(&self, at: DateTime<Utc>) -> Decision {
        if self.status == OrderStatus::Expired {
            return Ok(vec![]);
        }
        self.pending()?;
        if at < self.placed.expires_at {
            return Err(OrderError::NotYetExpired { expires_at: self.placed.expires_at });
        }
        Ok(vec![OrderEvent::Expired(Expired { at })])
    }

    fn cancel(&self, at: DateTime<Utc>) -> Decision {
        if self.status == OrderStatus::Cancelled {
            return Ok(vec![]);
        }
        self.pending()?;
        Ok(vec![OrderEvent::Cancelled(Cancelled { at })])
    }

    fn fail(&self, at: DateTime<Utc>, reason: &str) -> Decision {
        if self.status == OrderStatus::Failed {
            return Ok(vec![]);
        }
        self.pending()?;
        reason::check(reason)?;
        Ok(vec![OrderEvent::Failed(Failed { reason: reason.to_owned(), at })])
    }

    fn pending(&self) -> Result<(), OrderError> {
        match self.status {
            OrderStatus::Pending => Ok(()),
            status => Err(OrderError::NotPending { status }),
        }
    }
}
