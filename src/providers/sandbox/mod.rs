//! A provider that takes no money: for development, demonstrations and tests. It keeps books of its own, like any
//! provider, so that asking it finds a payment whose notice was lost.
//!
//! ```text
//! mod.rs   the provider        wire.rs  what its notices look like        books.rs  what was paid there
//! ```

mod books;
mod wire;

use aggregates::{Checkout, Currency, OrderNumber};
use async_trait::async_trait;
use axum::http::HeaderMap;
use sqlx::PgPool;

use super::{
    Acknowledgement, Notice, NoticeError, PaymentRequest, PaymentState, Provider, ProviderError,
};
use crate::dispatch::PaymentNotice;

pub use books::{Charge, OpenPayment};

pub const NAME: &str = "sandbox";

/// Clones share the books.
#[derive(Clone)]
pub struct Sandbox {
    books: books::Books,
    currency: Currency,
    /// Where its checkout page is served.
    public_url: String,
}

impl Sandbox {
    #[must_use]
    pub fn new(pool: PgPool, currency: Currency, public_url: &str) -> Self {
        Self { books: books::Books::new(pool), currency, public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// What is asked of the customer on the checkout page.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub async fn open_payment(&self, order: &OrderNumber) -> Result<Option<OpenPayment>, sqlx::Error> {
        self.books.open_payment(order).await
    }

    /// The customer pays: first it is in the books, then the notice goes out.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn pay(&self, order: &OrderNumber, charge: Charge) -> Result<Option<PaymentNotice>, sqlx::Error> {
        self.books.pay(order, charge).await
    }

    /// A notice names an amount only where it is not the order's.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub async fn complete(&self, notice: wire::SimulatedNotice) -> Result<Option<PaymentNotice>, sqlx::Error> {
        let Some(open) = self.books.open_payment(&notice.order).await? else {
            return Ok(None);
        };
        let charge = Charge {
            payment_id: notice.payment_id,
            amount: notice.amount.unwrap_or(open.amount),
            method: notice.method,
        };
        self.books.pay(&notice.order, charge).await
    }

    /// # Errors
    /// When it is not a notice of the sandbox.
    pub fn read(&self, body: &[u8]) -> Result<wire::SimulatedNotice, NoticeError> {
        wire::read(body, self.currency)
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Checkout, ProviderError> {
        let opened = self.books.open(request).await;
        opened.map_err(|error| ProviderError::Unreachable(error.to_string()))?;
        let url = format!("{}/sandbox/checkout/{}", self.public_url, request.order);
        Ok(Checkout { qr: Some(url.clone()), url: Some(url) })
    }

    fn verify(&self, _headers: &HeaderMap, body: &[u8]) -> Result<Notice, NoticeError> {
        let notice = self.read(body)?;
        let Some(amount) = notice.amount else {
            return Ok(Notice::Ignored);
        };
        let payment = aggregates::Payment {
            provider: NAME.to_owned(),
            payment_id: notice.payment_id,
            amount,
            method: notice.method,
        };
        Ok(Notice::Paid(PaymentNotice { order: notice.order, payment }))
    }

    async fn query(&self, order: &OrderNumber) -> Result<PaymentState, ProviderError> {
        let paid = self.books.paid(order).await.map_err(|error| ProviderError::Unreachable(error.to_string()))?;
        Ok(paid.map_or(PaymentState::Pending, PaymentState::Paid))
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { content_type: "application/json", body: r#"{"success":true}"# }
    }
}
