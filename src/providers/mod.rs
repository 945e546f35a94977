//! Payment providers: one trait, one folder each, one line in the registry.
//!
//! ```text
//!   order ──► create_payment ──► where the customer pays
//!   notice ──► verify ──► what it says, or a refusal ──► acknowledge, once that is in the log
//!   doubt ──► query, payments, refunds ──► what the provider knows
//!   money back ──► refund, under a number that never changes ──► done, refused, or query_refund while nobody knows
//! ```
//!
//! Only plain success is a payment. Everything a provider says that is neither plain success nor plain failure means
//! that the order is still pending.

mod registry;
pub mod sandbox;

use aggregates::{Checkout, Currency, Money, OrderNumber};
use async_trait::async_trait;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};

pub use registry::Providers;

use crate::dispatch::{PaymentNotice, RefundNotice};

/// What a provider is asked to collect.
#[derive(Debug, Clone)]
pub struct PaymentRequest {
    pub order: OrderNumber,
    /// What the customer reads when paying.
    pub subject: String,
    pub amount: Money,
    pub expires_at: DateTime<Utc>,
}

/// What a provider says when it is asked about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentState {
    /// Not paid, or not known to be.
    Pending,
    Paid(PaymentNotice),
}

/// Money that a provider is to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    pub order: OrderNumber,
    /// Of what it gives back.
    pub payment_id: String,
    /// The same at every attempt: under one number money goes back once.
    pub refund: String,
    pub amount: Money,
    pub reason: String,
}

/// What a provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundState {
    /// It has never heard of it.
    Unknown,
    /// It will see to it.
    Pending,
    Done {
        /// Its own name for it.
        provider_refund: Option<String>,
    },
    /// A plain no: no money went back, nor will.
    Refused(String),
}

/// What a verified notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Paid(PaymentNotice),
    /// Money went back, asked for here or not.
    Refunded(RefundNotice),
    /// Nothing to do: an event of no interest, or an attempt that failed and may be made again.
    Ignored,
}

/// What the provider wants to hear so that it stops repeating itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    pub content_type: &'static str,
    pub body: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// A plain no: asking again changes nothing.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// Anything else: whether something happened there is not known.
    #[error("the provider could not be asked: {0}")]
    Unreachable(String),
}

#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    #[error("the signature is not that of the provider")]
    BadSignature,
    #[error("{detail}")]
    Malformed {
        /// The field at fault, as a JSON pointer.
        pointer: Option<String>,
        detail: String,
    },
    #[error("the provider has no payment for this order")]
    UnknownOrder,
    #[error("{0}")]
    Declined(Decline),
    #[error("the notice cannot be checked now: {0}")]
    Unavailable(String),
}

/// Why a card did not pay. The order waits for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Decline {
    #[error("the card was declined; the order can be paid otherwise")]
    Card,
    #[error("there is not enough money on the card; the order can be paid otherwise")]
    InsufficientFunds,
}

#[async_trait]
pub trait Provider: Send + Sync {
    /// As orders and settings name it.
    fn name(&self) -> &'static str;

    /// What it collects.
    fn currency(&self) -> Currency;

    /// Asked again for the same order, it answers with the same payment.
    async fn create_payment(&self, request: &PaymentRequest) -> Result<Checkout, ProviderError>;

    /// The only way from bytes to a notice; there is no default that says yes.
    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notice, NoticeError>;

    async fn query(&self, order: &OrderNumber) -> Result<PaymentState, ProviderError>;

    /// All money that it has for an order; what pays for it before all other.
    async fn payments(&self, order: &OrderNumber) -> Result<Vec<PaymentNotice>, ProviderError>;

    /// All that went back of a payment, asked for here or not, oldest first.
    async fn refunds(&self, order: &OrderNumber, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError>;

    /// Asked again under the same number, it gives back nothing more.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError>;

    /// What became of a refund that was asked for.
    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError>;

    fn acknowledge(&self) -> Acknowledgement;
}
