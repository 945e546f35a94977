//! A provider that takes no money: for development, demonstrations and tests. It keeps books of its own, like any
//! provider, so that asking it finds a payment whose notice was lost.
//!
//! ```text
//! mod.rs   the provider             wire.rs   what its notices look like
//! books.rs what was paid there      clock.rs  moves the whole instance forward in time
//! ```

mod books;
pub mod clock;
mod wire;

use aggregates::order::Placed;
use aggregates::{Checkout, Currency, OrderNumber, Payment};
use async_trait::async_trait;
use axum::http::HeaderMap;
use sqlx::PgPool;

use super::{Acknowledgement, Notice, NoticeError, PaymentRequest, PaymentState, Provider, ProviderError};
use crate::dispatch::PaymentNotice;

pub use books::OpenPayment;

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

    /// The customer pays on the checkout page: it is in the books before anybody hears of it. `None`: no such order.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn pay(&self, order: &OrderNumber, method: &str) -> Result<Option<PaymentNotice>, sqlx::Error> {
        let Some(open) = self.books.open_payment(order).await? else {
            return Ok(None);
        };
        if let Some(paid) = self.books.paid(order).await?.filter(|paid| paid.payment.amount == open.amount) {
            return Ok(Some(paid));
        }
        // Of two clicks on the button the first one pays, also where they come at once: they make the same payment.
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id: format!("SBX-{order}"),
            amount: open.amount,
            method: Some(method.to_owned()),
        };
        self.books.enter(&PaymentNotice { order: order.clone(), payment }).await?;
        self.books.paid(order).await
    }
}

impl Sandbox {
    /// It collects the price of an order by itself, as a provider that renews: in its books before anybody hears of it.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn collect(&self, placed: &Placed, payment_id: &str) -> Result<PaymentNotice, sqlx::Error> {
        let request = PaymentRequest {
            order: placed.number.clone(),
            subject: placed.name.clone(),
            amount: placed.price,
            expires_at: placed.expires_at,
        };
        self.books.open(&request).await?;
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id: payment_id.to_owned(),
            amount: placed.price,
            method: None,
        };
        let notice = PaymentNotice { order: request.order, payment };
        self.books.enter(&notice).await?;
        Ok(notice)
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

    /// There is nothing to prove: whoever can reach a sandbox may pay in it. A notice that names no amount pays what was
    /// asked for.
    async fn verify(&self, _headers: &HeaderMap, body: &[u8]) -> Result<Notice, NoticeError> {
        let said = wire::read(body, self.currency)?;
        let unavailable = |error: sqlx::Error| NoticeError::Unavailable(error.to_string());
        let open = self.books.open_payment(&said.order).await.map_err(unavailable)?;
        let open = open.ok_or(NoticeError::UnknownOrder)?;
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id: said.payment_id,
            amount: said.amount.unwrap_or(open.amount),
            method: said.method,
        };
        let notice = PaymentNotice { order: said.order, payment };
        self.books.enter(&notice).await.map_err(unavailable)?;
        Ok(Notice::Paid(notice))
    }

    async fn query(&self, order: &OrderNumber) -> Result<PaymentState, ProviderError> {
        let paid = self.books.paid(order).await.map_err(|error| ProviderError::Unreachable(error.to_string()))?;
        Ok(paid.map_or(PaymentState::Pending, PaymentState::Paid))
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { content_type: "application/json", body: r#"{"success":true}"# }
    }
}
