//! One function per command, and two for `TakePayment`.

use chrono::{DateTime, Utc};

use super::command::{Checkout, OrderCommand, PlaceOrder};
use super::error::OrderError;
use super::event::{
    Cancelled, CheckoutOpened, Delivered, Expired, Failed, Fulfilled, OrderEvent, Paid, PaymentDuplicated,
    PaymentMismatched, Placed,
};
use super::payment::{self, Payment};
use super::{Bought, Order, OrderStatus, REVIEWS_MAX};
use crate::{product, reason, time};

type Decision = Result<Vec<OrderEvent>, OrderError>;

impl Order {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &OrderCommand) -> Decision {
        match command {
            OrderCommand::Place(place) => self.place(at, place),
            OrderCommand::OpenCheckout(checkout) => self.bought()?.open_checkout(checkout),
            OrderCommand::Expire => self.bought()?.expire(at),
            OrderCommand::Cancel => self.bought()?.cancel(at),
            OrderCommand::Fail { reason } => self.bought()?.fail(at, reason),
            OrderCommand::RequestRefund { .. }
            | OrderCommand::RefundFailed { .. }
            | OrderCommand::RefundRefused { .. }
            | OrderCommand::GiveUpRefund { .. }
            | OrderCommand::RetryRefund { .. }
            | OrderCommand::DismissReview { .. } => Ok(vec![]),
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

    /// The order has what was bought for it: recorded with the payment, by `TakePayment` alone.
    pub(crate) fn fulfil(&self, at: DateTime<Utc>, delivered: Delivered) -> OrderEvent {
        OrderEvent::Fulfilled(Fulfilled { delivered, at })
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
        if let Some(known) = self.payment.iter().chain(&self.reviews).find(|known| known.is_the_same_as(payment)) {
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
