//! A provider that takes no money: for development, demonstrations and tests. It keeps books of its own, like any
//! provider, so that asking it finds a payment whose notice was lost.
//!
//! ```text
//! mod.rs     the provider                        wire.rs    what its notices look like
//! books.rs   what was paid and given back there  notices.rs on their way to the ledger
//! card.rs    the test cards                      faults.rs  what goes wrong, as it was set
//! clock.rs   moves the whole instance forward in time
//! ```

mod books;
mod card;
pub mod clock;
mod faults;
mod notices;
mod wire;

use aggregates::order::Placed;
use aggregates::{Checkout, Currency, Money, OrderNumber, Payment};
use async_trait::async_trait;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    Acknowledgement, Arrived, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider, ProviderError,
    RefundRequest, RefundState,
};
use crate::dispatch::{PaymentNotice, RefundNotice};

pub use books::OpenPayment;
use books::{GivenBack, NoRefund};
pub(crate) use card::pay_with;
pub use faults::Faults;
pub use notices::send;

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

    /// # Errors
    /// When the books cannot be read.
    pub async fn is_paid(&self, order: &OrderNumber) -> Result<bool, sqlx::Error> {
        Ok(self.books.paid(order).await?.is_some())
    }

    /// The customer pays on the checkout page: it is in the books before its notice is on its way. `None`: no such order.
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
        let faults = faults::load(self.books.pool()).await?;
        let wrong = faults.wrong_amount.map(|minor| Money::from_minor(minor, open.amount.currency()));
        let wrong = wrong.filter(|wrong| *wrong != open.amount);
        // Of two clicks on the button the first one pays, also where they come at once: they make the same payment.
        let payment_id = if wrong.is_some() { format!("SBX-{order}-ODD") } else { format!("SBX-{order}") };
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id,
            amount: wrong.unwrap_or(open.amount),
            method: Some(method.to_owned()),
        };
        let notice = PaymentNotice { order: order.clone(), payment };
        if self.books.enter(&notice).await? {
            let body = wire::paid(&notice);
            notices::queue(self.books.pool(), &body, &faults).await?;
        }
        Ok(Some(notice))
    }

    /// As the merchant would in the provider's own console: money goes back, and a notice says so. `None`: all that is
    /// left of the payment.
    ///
    /// # Errors
    /// When there is no such payment, nothing is left of it, or the books cannot be written.
    pub async fn give_back(
        &self,
        order: &OrderNumber,
        payment_id: Option<&str>,
        amount: Option<Money>,
        reason: Option<&str>,
    ) -> Result<RefundNotice, ProviderError> {
        let refused = |why: &str| ProviderError::Refused(why.to_owned());
        let payment_id = match payment_id {
            Some(payment_id) => payment_id.to_owned(),
            None => {
                let paid = self.books.paid(order).await.map_err(unreachable)?;
                paid.ok_or_else(|| refused("nothing was paid"))?.payment.payment_id
            }
        };
        let refund_no = format!("SBXRF{}", uuid::Uuid::new_v4().simple());
        let back = self.books.give_back(&refund_no, order, &payment_id, amount).await.map_err(|error| match error {
            NoRefund::Refused(why) => refused(why),
            NoRefund::Database(error) => unreachable(error),
        })?;
        let notice = refund_notice(order, refund_no, back, reason.map(str::to_owned));
        let faults = self.faults().await.map_err(unreachable)?;
        notices::queue(self.books.pool(), &wire::refunded(&notice), &faults).await.map_err(unreachable)?;
        Ok(notice)
    }

    /// What goes wrong here.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn faults(&self) -> Result<Faults, sqlx::Error> {
        faults::load(self.books.pool()).await
    }

    /// # Errors
    /// When the database cannot be written.
    pub async fn set_faults(&self, faults: &Faults) -> Result<(), sqlx::Error> {
        faults::store(self.books.pool(), faults).await
    }

    async fn check_answers(&self) -> Result<(), ProviderError> {
        let silent = self.faults().await.map_err(unreachable)?.silent_query;
        if silent { Err(ProviderError::Unreachable("the sandbox does not answer".to_owned())) } else { Ok(()) }
    }
}

fn unreachable(error: sqlx::Error) -> ProviderError {
    ProviderError::Unreachable(error.to_string())
}

fn refund_notice(order: &OrderNumber, refund: String, back: GivenBack, reason: Option<String>) -> RefundNotice {
    let GivenBack { payment_id, amount } = back;
    let (provider, order, provider_refund) = (NAME.to_owned(), order.clone(), Some(refund.clone()));
    RefundNotice { order, provider, payment_id, refund, amount, provider_refund, reason }
}

impl Sandbox {
    /// It collects the price of an order by itself, as a provider that renews: in its books before anybody hears of it.
    ///
    /// # Errors
    /// When the books cannot be written.
    pub async fn collect(&self, placed: &Placed, payment_id: &str) -> Result<PaymentNotice, sqlx::Error> {
        self.books.open(&placed.number, &placed.name, placed.price, placed.expires_at).await?;
        let payment = Payment {
            provider: NAME.to_owned(),
            payment_id: payment_id.to_owned(),
            amount: placed.price,
            method: None,
        };
        let notice = PaymentNotice { order: placed.number.clone(), payment };
        self.books.enter(&notice).await?;
        Ok(notice)
    }

    /// What a notice says. There is nothing to prove: whoever can reach a sandbox may pay in it, so its notices have a
    /// route of their own and are in no inbox. One that names no amount pays what was asked for.
    ///
    /// # Errors
    /// When it is none, or the books do not know what it is about.
    pub async fn hear(&self, body: &[u8]) -> Result<Notice, NoticeError> {
        let said = wire::read(body, self.currency)?;
        let unavailable = |error: sqlx::Error| NoticeError::Unavailable(error.to_string());
        let open = self.books.open_payment(&said.order).await.map_err(unavailable)?;
        let open = open.ok_or(NoticeError::UnknownOrder)?;
        if let Some(refund_no) = said.refund_no {
            let back = self.books.given_back(&refund_no).await.map_err(unavailable)?;
            let back = back.filter(|back| back.payment_id == said.payment_id);
            let back = back.ok_or_else(|| wire::at("/refund_no", "there is no such refund".to_owned()))?;
            return Ok(Notice::Refunded(refund_notice(&said.order, refund_no, back, said.reason)));
        }
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
}

/// What a notice of the sandbox is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Paid(PaymentNotice),
    /// Money went back, asked for here or not.
    Refunded(RefundNotice),
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let PaymentRequest { order, subject, amount, expires_at, .. } = request;
        self.books.open(order, subject, *amount, *expires_at).await.map_err(unreachable)?;
        let url = format!("{}/sandbox/checkout/{order}", self.public_url);
        Ok(Checkout { qr: Some(url.clone()), url: Some(url), reference: None }.into())
    }

    fn verify(&self, _arrived: &Arrived<'_>, _now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        Err(NoticeError::BadSignature)
    }

    async fn read(&self, _verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        Err(NoticeError::BadSignature)
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        self.check_answers().await?;
        self.books.payments(&order.number).await.map_err(unreachable)
    }

    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        self.check_answers().await?;
        let refunds = self.books.refunds(payment_id).await.map_err(unreachable)?;
        let notice = |(refund_no, back)| refund_notice(&order.number, refund_no, back, None);
        Ok(refunds.into_iter().map(notice).collect())
    }

    /// Under the number that it was asked with, however often.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let RefundRequest { order, payment_id, refund, amount, .. } = request;
        let faults = self.faults().await.map_err(unreachable)?;
        let times = self.books.asked_for(refund).await.map_err(unreachable)?;
        if times <= faults.refunds_fail_first {
            return Err(ProviderError::Unreachable("HTTP 500 from the sandbox".to_owned()));
        }
        let provider_refund = Some(refund.clone());
        let state = match self.books.give_back(refund, order, payment_id, Some(*amount)).await {
            Ok(_) => RefundState::Done { provider_refund },
            Err(NoRefund::Refused(why)) => RefundState::Refused(why.to_owned()),
            Err(NoRefund::Database(error)) => return Err(unreachable(error)),
        };
        if faults.refund_outcome_unknown && times == faults.refunds_fail_first.saturating_add(1) {
            return Err(ProviderError::Unreachable("the answer of the sandbox did not arrive".to_owned()));
        }
        Ok(state)
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.check_answers().await?;
        let back = self.books.given_back(&request.refund).await.map_err(unreachable)?;
        let done = RefundState::Done { provider_refund: Some(request.refund.clone()) };
        Ok(back.map_or(RefundState::Unknown, |_| done))
    }

    /// The next period is collected where somebody asks for it.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        self.check_answers().await.map(|()| "the sandbox answers".to_owned())
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { status: StatusCode::OK, content_type: "application/json", body: r#"{"success":true}"# }
    }
}
