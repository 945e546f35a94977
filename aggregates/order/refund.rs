//! Money that goes back: asked for, tried, given up or refused, done.
//!
//! ```text
//!   request ──► requested ── failed ──► failing ── give up ──► given up        (retry: requested)
//!                  │                      ├── refused ──► refused: the amount is free again
//!                  └──────────────────────┴── money went back ──► done         (also without a request)
//! ```
//!
//! Of each payment, what has gone back and what may still go back never come to more than was paid. Money that went back
//! is a fact: a request that finds no room beside it any more is refused with it, the newest first. Whether what was
//! delivered goes back whole is decided with that fact too, unless whoever asked has said so: what else is still open then
//! may never come about.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::RequestRefund;
use super::decide::Decision;
use super::error::OrderError;
use super::event::{OrderEvent, RefundFailed, RefundGivenUp, RefundRefused, RefundRequested, RefundRetried, Refunded};
use super::payment::Payment;
use super::{Bought, OrderStatus, REFUNDS_MAX};
use crate::credits::Credits;
use crate::ids::RefundId;
use crate::money::Money;
use crate::reason;
use crate::take_refund::TakeRefund;

const NO_ROOM: &str = "the money went back otherwise";
const ANNOUNCED: &str = "the money went back under another number";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    pub id: RefundId,
    pub provider: String,
    pub payment_id: String,
    pub amount: Money,
    /// None: nobody asked for it here.
    pub reason: Option<String>,
    /// What was delivered goes back whole with it. None: that is decided once it is done.
    pub revoke: Option<bool>,
    pub stage: RefundStage,
    /// That failed, over its whole life.
    pub attempts: u32,
    /// The provider's own name for it.
    pub provider_refund: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStage {
    Requested,
    Failing,
    /// Whether money went back is not known; somebody has to look.
    GivenUp,
    Refused,
    Done,
}

/// What has to be back in the seller's hands by now, for the money that has gone back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwedBack {
    pub(crate) credits: Credits,
    /// All that was delivered.
    pub(crate) whole: bool,
}

impl RefundStage {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Failing => "failing",
            Self::GivenUp => "given_up",
            Self::Refused => "refused",
            Self::Done => "done",
        }
    }

    /// The provider may still be asked for it, or asked what became of it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Failing | Self::GivenUp)
    }
}

impl std::fmt::Display for RefundStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refund {
    pub(super) fn is_of(&self, payment: &Payment) -> bool {
        (&self.provider, &self.payment_id) == (&payment.provider, &payment.payment_id)
    }

    /// What was left open when it was asked for may be left open again.
    fn was_asked_by(&self, ask: &RequestRefund) -> bool {
        let RequestRefund { refund: _, provider, payment_id, amount, reason, revoke } = ask;
        provider.as_ref().is_none_or(|provider| *provider == self.provider)
            && payment_id.as_ref().is_none_or(|payment_id| *payment_id == self.payment_id)
            && amount.is_none_or(|amount| amount == self.amount)
            && self.reason.as_ref() == Some(reason)
            && (revoke.is_none() || *revoke == self.revoke)
    }

    fn refused(&self, at: DateTime<Utc>, reason: &str) -> OrderEvent {
        OrderEvent::RefundRefused(RefundRefused { refund: self.id, reason: reason.to_owned(), at })
    }
}

impl Bought {
    pub(super) fn refund(&self, refund: RefundId) -> Result<&Refund, OrderError> {
        self.refunds.iter().find(|known| known.id == refund).ok_or(OrderError::NoSuchRefund)
    }

    pub(super) fn request_refund(&self, at: DateTime<Utc>, ask: &RequestRefund) -> Decision {
        if let Ok(known) = self.refund(ask.refund) {
            return if known.was_asked_by(ask) { Ok(vec![]) } else { Err(OrderError::RefundDiffers) };
        }
        let RequestRefund { refund, provider, payment_id, amount, reason, revoke } = ask;
        reason::check(reason)?;
        let payment = match payment_id {
            None => self.payment.as_ref(),
            Some(payment_id) => self.refundable(provider.as_deref(), payment_id),
        };
        let payment = payment.ok_or(OrderError::NoSuchPayment)?;
        let left = self.left_of(payment, |stage| stage != RefundStage::Refused);
        let amount = match amount {
            None if left.is_zero() => return Err(OrderError::RefundTooMuch { left }),
            amount => amount.unwrap_or(left),
        };
        check_amount(amount, left)?;
        self.check_room()?;
        Ok(vec![OrderEvent::RefundRequested(RefundRequested {
            refund: *refund,
            provider: payment.provider.clone(),
            payment_id: payment.payment_id.clone(),
            amount,
            reason: reason.clone(),
            revoke: *revoke,
            at,
        })])
    }

    pub(super) fn refund_failed(&self, at: DateTime<Utc>, refund: RefundId, attempt: u32, reason: &str) -> Decision {
        let known = self.refund(refund)?;
        if !matches!(known.stage, RefundStage::Requested | RefundStage::Failing) || attempt <= known.attempts {
            return Ok(vec![]);
        }
        reason::check(reason)?;
        Ok(vec![OrderEvent::RefundFailed(RefundFailed { refund, attempt, reason: reason.to_owned(), at })])
    }

    pub(super) fn refund_refused(&self, at: DateTime<Utc>, refund: RefundId, reason: &str) -> Decision {
        let known = self.refund(refund)?;
        if !known.stage.is_open() {
            return Ok(vec![]);
        }
        reason::check(reason)?;
        Ok(vec![known.refused(at, reason)])
    }

    pub(super) fn give_up_refund(&self, at: DateTime<Utc>, refund: RefundId) -> Decision {
        let known = self.refund(refund)?;
        if !matches!(known.stage, RefundStage::Requested | RefundStage::Failing) {
            return Ok(vec![]);
        }
        Ok(vec![OrderEvent::RefundGivenUp(RefundGivenUp { refund, attempts: known.attempts, at })])
    }

    pub(super) fn retry_refund(&self, at: DateTime<Utc>, refund: RefundId) -> Decision {
        match self.refund(refund)?.stage {
            RefundStage::Requested => Ok(vec![]),
            RefundStage::Failing | RefundStage::GivenUp => {
                Ok(vec![OrderEvent::RefundRetried(RefundRetried { refund, at })])
            }
            stage @ (RefundStage::Refused | RefundStage::Done) => Err(OrderError::RefundEnded { stage }),
        }
    }

    /// Money went back, whoever asked for it.
    pub(super) fn give_back(&self, at: DateTime<Utc>, gone: &TakeRefund) -> Decision {
        let TakeRefund { order: _, refund, provider, payment_id, amount, provider_refund, reason: _ } = gone;
        if self.was_announced(gone) {
            let asked = self.refund(*refund).ok().filter(|asked| asked.stage.is_open());
            return Ok(asked.map(|asked| asked.refused(at, ANNOUNCED)).into_iter().collect());
        }
        let known =
            self.refund(*refund).ok().or_else(|| self.refund_named(provider.as_deref(), provider_refund.as_deref()?));
        if let Some(known) = known {
            let elsewhere = provider.as_ref().is_some_and(|provider| *provider != known.provider);
            if elsewhere || (&known.payment_id, known.amount) != (payment_id, *amount) {
                return Err(OrderError::RefundDiffers);
            }
            if known.stage == RefundStage::Done {
                return Ok(vec![]);
            }
        } else {
            self.check_room()?;
        }
        let provider = known.map(|known| known.provider.as_str()).or(provider.as_deref());
        let payment = self.known_payment(provider, payment_id).ok_or(OrderError::NoSuchPayment)?;
        let left = self.left_of(payment, |stage| stage == RefundStage::Done);
        check_amount(*amount, left)?;
        let is_own = self.payment.as_ref() == Some(payment);
        let refunded = OrderEvent::Refunded(Refunded {
            refund: known.map_or(*refund, |known| known.id),
            provider: payment.provider.clone(),
            payment_id: payment_id.clone(),
            amount: *amount,
            provider_refund: provider_refund.clone(),
            revoke: known.and_then(|known| known.revoke).unwrap_or(is_own && *amount == left),
            at,
        });
        let remaining = left.minor().saturating_sub(amount.minor());
        let crowded_out = self.crowded_out(payment, known.map(|known| known.id), remaining);
        Ok(crowded_out.map(|open| open.refused(at, NO_ROOM)).chain([refunded]).collect())
    }

    /// The open requests of a payment that can no longer be executed, once only so much of it is left.
    fn crowded_out(&self, payment: &Payment, but: Option<RefundId>, remaining: i64) -> impl Iterator<Item = &Refund> {
        let open = self
            .refunds
            .iter()
            .filter(move |refund| refund.stage.is_open() && refund.is_of(payment) && Some(refund.id) != but);
        open.scan(remaining, |left, refund| {
            let fits = refund.amount.minor() <= *left;
            *left = if fits { left.saturating_sub(refund.amount.minor()) } else { *left };
            Some((!fits).then_some(refund))
        })
        .flatten()
    }

    /// What is left of a payment beside its refunds at these stages.
    pub(super) fn left_of(&self, payment: &Payment, counts: impl Fn(RefundStage) -> bool) -> Money {
        let gone = self.refunds.iter().filter(|refund| refund.is_of(payment) && counts(refund.stage));
        let left = gone.fold(payment.amount.minor(), |left, refund| left.saturating_sub(refund.amount.minor()));
        Money::from_minor(left, payment.amount.currency())
    }

    /// The same money, by its provider's name for it, has been recorded as another refund than this one.
    fn was_announced(&self, gone: &TakeRefund) -> bool {
        let TakeRefund { order: _, refund, provider, payment_id, amount, provider_refund, reason: _ } = gone;
        let named = provider_refund.as_deref().and_then(|name| self.refund_named(provider.as_deref(), name));
        named.is_some_and(|known| known.id != *refund && (&known.payment_id, known.amount) == (payment_id, *amount))
    }

    /// Done, by the name that its provider has for it.
    fn refund_named(&self, provider: Option<&str>, provider_refund: &str) -> Option<&Refund> {
        let named = |known: &&Refund| known.provider_refund.as_deref() == Some(provider_refund);
        self.refunds.iter().filter(named).find(|known| provider.is_none_or(|provider| known.provider == provider))
    }

    fn check_room(&self) -> Result<(), OrderError> {
        if self.refunds.len() < REFUNDS_MAX { Ok(()) } else { Err(OrderError::TooManyRefunds) }
    }

    /// Money that can be asked back: the order's own, or what waits for review.
    fn refundable(&self, provider: Option<&str>, payment_id: &str) -> Option<&Payment> {
        let reviews = self.reviews.iter().filter(|review| review.closed.is_none()).map(|review| &review.payment);
        self.payment.iter().chain(reviews).find(|payment| payment.is_called(provider, payment_id))
    }

    /// Any money that was ever reported.
    fn known_payment(&self, provider: Option<&str>, payment_id: &str) -> Option<&Payment> {
        self.payments().find(|payment| payment.is_called(provider, payment_id))
    }

    /// For the order's own money: nothing was delivered for any other.
    pub(super) fn owed_back(&self) -> OwedBack {
        let Some(payment) = &self.payment else { return OwedBack::default() };
        let left = self.left_of(payment, |stage| stage == RefundStage::Done).minor();
        let done = |refund: &&Refund| refund.stage == RefundStage::Done && refund.is_of(payment);
        let whole = self.refunds.iter().filter(done).any(|refund| refund.revoke == Some(true));
        let granted = self.granted.unwrap_or_default();
        let credits = if whole { granted } else { share(granted, payment.amount.minor(), left) };
        OwedBack { credits, whole }
    }

    /// Where an order stands that was paid and delivered.
    pub(super) fn status_after_refunds(&self) -> OrderStatus {
        let Some(payment) = &self.payment else { return self.status };
        if self.refunds.iter().any(|refund| refund.stage.is_open() && refund.is_of(payment)) {
            return OrderStatus::Refunding;
        }
        let left = self.left_of(payment, |stage| stage == RefundStage::Done);
        match (left == payment.amount, left.is_zero()) {
            (true, _) => OrderStatus::Fulfilled,
            (false, true) => OrderStatus::Refunded,
            (false, false) => OrderStatus::PartiallyRefunded,
        }
    }

    pub(super) fn apply_refund(&mut self, refund: RefundId, change: impl FnMut(&mut Refund)) {
        self.refunds.iter_mut().find(|known| known.id == refund).into_iter().for_each(change);
        self.status = self.status_after_refunds();
    }
}

/// What the credits of an order are worth of the money that went back, rounded down.
fn share(granted: Credits, paid: i64, left: i64) -> Credits {
    let (granted, paid) = (i128::from(granted.micros()), i128::from(paid));
    let back = granted.saturating_mul(paid.saturating_sub(left.into())).checked_div(paid).unwrap_or_default();
    i64::try_from(back).ok().and_then(|micros| Credits::from_micros(micros).ok()).unwrap_or_default()
}

fn check_amount(amount: Money, left: Money) -> Result<(), OrderError> {
    if amount.currency() != left.currency() {
        return Err(OrderError::RefundCurrency { currency: left.currency() });
    }
    if amount.is_zero() || amount.is_negative() {
        return Err(OrderError::RefundIsZero);
    }
    if amount.minor() > left.minor() {
        return Err(OrderError::RefundTooMuch { left });
    }
    Ok(())
}

impl From<&RefundRequested> for Refund {
    fn from(requested: &RefundRequested) -> Self {
        let RefundRequested { refund, provider, payment_id, amount, reason, revoke, at: _ } = requested.clone();
        let (reason, stage) = (Some(reason), RefundStage::Requested);
        Self { id: refund, provider, payment_id, amount, reason, revoke, stage, attempts: 0, provider_refund: None }
    }
}

impl From<&Refunded> for Refund {
    fn from(refunded: &Refunded) -> Self {
        let Refunded { refund, provider, payment_id, amount, provider_refund, revoke, at: _ } = refunded.clone();
        let (revoke, stage) = (Some(revoke), RefundStage::Done);
        Self { id: refund, provider, payment_id, amount, reason: None, revoke, stage, attempts: 0, provider_refund }
    }
}
