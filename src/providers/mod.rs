//! Payment providers: one trait, one folder each, one line in the registry.
//!
//! ```text
//!   order ──► create_payment ──► where the customer pays
//!   notification ──► verify ──► inbox ──► acknowledged … read ──► news ──► commands
//!   doubt ──► payments, refunds ──► what the provider knows
//!   money back ──► refund, under a number that never changes ──► done, refused, or query_refund while nobody knows
//! ```
//!
//! A provider's folder: `mod.rs` (what can be set, and the trait), `client.rs` (calls), `wire.rs` (their words),
//! `map.rs` (into ours), `webhook.rs` (what makes a notification genuine), `simulator.rs` (their side of it).
//!
//! ```text
//! registry.rs   the list, and which of them are set up      http.rs       calls, bounded, that tell no address
//! settings.rs   what can be set, checked                    pem.rs        keys as they come from consoles
//! setup.rs      what is set, by the environment and admins   rsa.rs        what most of them sign with
//! sandbox/      simulated payments, without a provider      simulator/    what all simulators have in common
//! ```
//!
//! Only plain success is a payment. Everything a provider says that is neither plain success nor plain failure means
//! that the order is still pending.

pub mod alipay;
pub mod antom;
pub mod creem;
pub mod crossmint;
pub mod form;
pub mod http;
pub mod linuxdo_credit;
mod pem;
mod registry;
pub mod rsa;
pub mod sandbox;
pub mod settings;
mod setup;
pub mod simulator;
pub mod wechat;

use aggregates::{Checkout, Currency, Money, OrderNumber, ProductCode, ProductId};
use async_trait::async_trait;
use axum::http::{HeaderMap, Method, StatusCode};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

pub use registry::{Built, COMMON, Configured, ENABLED, PRODUCTS, Providers, SPECS, Spec, Webhook, spec};

pub use setup::{BadVariable, Setup};

use crate::dispatch::{PaymentNotice, RefundNotice};

/// What a provider is asked to collect.
#[derive(Debug, Clone)]
pub struct PaymentRequest {
    pub order: OrderNumber,
    pub product: ProductId,
    pub product_code: Option<ProductCode>,
    /// It is collected again for every period, by a provider that can.
    pub recurring: bool,
    /// What the customer reads when paying.
    pub subject: String,
    pub amount: Money,
    pub expires_at: DateTime<Utc>,
    /// Of the customer, for a provider that asks for it.
    pub email: Option<SecretString>,
}

/// Where an order is paid.
#[derive(Debug, Clone)]
pub struct Opened {
    pub checkout: Checkout,
    /// What the provider's own component in a browser pays with. Never in the log: it is kept in the vault.
    pub client_secret: Option<SecretString>,
}

impl From<Checkout> for Opened {
    fn from(checkout: Checkout) -> Self {
        Self { checkout, client_secret: None }
    }
}

/// An order as its provider can be asked about it.
#[derive(Debug, Clone)]
pub struct OrderRef {
    pub number: OrderNumber,
    /// The provider's own name for it, where creating the payment told one.
    pub reference: Option<String>,
    pub price: Money,
}

/// Money that a provider is to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    pub order: OrderNumber,
    /// The provider's own name for the order, where creating the payment told one.
    pub reference: Option<String>,
    /// Of what it gives back.
    pub payment_id: String,
    /// All that was paid under that name.
    pub paid: Money,
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

/// A notification as it arrived. Signatures are over these bytes and no others.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    pub method: &'a Method,
    /// As it was asked for, before any router took it apart.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl<'a> Arrived<'a> {
    /// The one header of this name; several are none, since it could not be said which of them was signed.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }
}

/// What is known of a notification once its signature has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    /// The same notification again has the same key, and other news has another one.
    pub key: String,
    /// What the provider calls what happened.
    pub event: String,
}

impl Genuine {
    /// Signed, and without what names it: known by what was signed. Whether it says anything all the same is for
    /// [`Provider::read`] to tell; what does not is for a person.
    #[must_use]
    pub fn unnamed(signed: &[u8]) -> Self {
        Self { key: format!("bytes:{}", hex::encode(Sha256::digest(signed))), event: "unnamed".to_owned() }
    }
}

/// What news is about, by whichever name a provider has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderName {
    Number(OrderNumber),
    /// What creating the payment was answered with.
    Reference(String),
    /// A payment that was taken for it.
    Payment(String),
    /// A refund of it that was asked for here.
    Refund(String),
}

/// What a provider says has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Paid(PaidNews),
    /// Money went back, asked for here or not.
    Refunded(RefundedNews),
    /// A refund that was asked for here did not happen, and will not without somebody's help.
    RefundFailed {
        order: OrderName,
        refund: String,
        reason: String,
    },
    /// A further period was paid, or the first one: by whichever comes first the order is paid.
    PeriodPaid(PaidNews),
    /// The provider collects no further periods.
    CollectsNoMore(OrderName),
    /// The notification is not the whole story: the provider is to be asked about the order.
    Ask(OrderName),
    /// Nothing to do, and why.
    Nothing(&'static str),
    /// For a person to look at, and why.
    ForReview(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidNews {
    pub order: OrderName,
    pub payment_id: String,
    pub amount: Money,
    pub method: Option<String>,
}

/// Names a refund by our number where it was asked for here, otherwise by one of the provider's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundedNews {
    pub order: OrderName,
    /// `None`: what the order was paid with.
    pub payment_id: Option<String>,
    pub refund: String,
    pub amount: Money,
    pub provider_refund: Option<String>,
    pub reason: Option<String>,
}

/// What the provider wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    pub status: StatusCode,
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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Of all ways in which it can be wrong none is told: who cannot sign is owed no help.
    #[error("the signature is not that of the provider")]
    BadSignature,
    #[error("the signature is of another time")]
    OtherTime,
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

impl NoticeError {
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { pointer: None, detail: detail.into() }
    }
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

    /// Asked again for the same order, it answers with a payment of the same order.
    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError>;

    /// The only way from bytes to the inbox; there is no default that says yes. `now` is the machine's time.
    ///
    /// # Errors
    /// When it is not the provider's, or cannot be what it says it is.
    fn verify(&self, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError>;

    /// What a notification says. Only for one that was verified; its signature may be of an old key by now. Where it does
    /// not say enough (how much was paid), the provider is asked.
    ///
    /// # Errors
    /// When it says nothing that can be understood, or the provider does not answer.
    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError>;

    /// All money that it has for an order; what pays for it before all other. Empty: not paid, or not known to be.
    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError>;

    /// All that it can tell of what went back of a payment, asked for here or not, oldest first.
    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError>;

    /// Asked again under the same number, it gives back nothing more.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError>;

    /// What became of a refund that was asked for.
    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError>;

    /// Whether it tells of a refund that was asked for here by the number that it was asked under.
    fn refunds_by_our_number(&self) -> bool {
        true
    }

    /// It is to collect no further periods of what this order began (or, with `false`, to go on). Providers that collect
    /// each period only when they are asked have nothing to do.
    async fn stop_collecting(&self, order: &OrderRef, stop: bool) -> Result<(), ProviderError>;

    /// Whether it collects the periods after the first by itself.
    fn collects(&self) -> bool {
        false
    }

    /// The last period that it has collected by itself of what this order began, unless all of it went back. Providers
    /// that collect each period only when they are asked know of none.
    async fn last_period(&self, order: &OrderRef) -> Result<Option<PaymentNotice>, ProviderError> {
        let _ = order;
        Ok(None)
    }

    /// Whether it answers, and takes these settings: a call that changes nothing. What it said, for an admin.
    async fn check(&self) -> Result<String, ProviderError>;

    /// What it wants to hear so that it stops repeating itself.
    fn acknowledge(&self) -> Acknowledgement;

    /// What it wants to hear so that it comes again. Any other answer but success will do, unless it has words for it.
    fn refuse(&self, status: StatusCode) -> Option<Acknowledgement> {
        let _ = status;
        None
    }
}
