//! LINUX DO Credit: credits of a forum, through a gateway that speaks the EasyPay protocol. They are a currency of their
//! own, not money.
//!
//! ```text
//!   create_payment ──► the signed address of a page; nobody is called, the order exists once the page is opened
//!   paid ──► notification: a GET of ours ──► read ──► paid
//!   refunded, disputed, expired ──► nothing is sent, and a query only says that the order is not paid
//! ```
//!
//! ```text
//! mod.rs     what can be set, and the trait     client.rs    calls
//! wire.rs    their words, their signature       map.rs       into ours
//! webhook.rs what makes a notification genuine  page_key.rs  signs pages in the second protocol
//!                                               simulator.rs their side of it
//! ```
//!
//! An application in test mode signs like any other and has nothing moved: tests have an application of their own.

mod client;
mod map;
mod page_key;
mod simulator;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use aggregates::{Checkout, Currency};
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use self::client::Client;
use self::map::Stands;
use self::page_key::PageKey;
use super::http::Http;
use super::settings::{BadSetting, Field, Site, Values};
use super::{
    Acknowledgement, Arrived, Built, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider,
    ProviderError, RefundRequest, RefundState, Spec, Webhook,
};
use crate::dispatch::{PaymentNotice, RefundNotice};

pub const NAME: &str = "linuxdo_credit";
const CURRENCY: &str = "LDC/2";
const SITE: &str = "https://credit.linux.do";
const WEBHOOK: &str = "/api/payment/credit/notify";
const RETURN: &str = "/packages";
const ADDRESS_BYTES_MAX: usize = 100;
/// Of no order there will ever be.
const NO_ORDER: &str = "CHECK";

pub const SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "LINUX DO Credit",
    prefix: "LINUXDO_CREDIT_",
    fields: &[
        Field::required("pid", "the client id of the application there"),
        Field::secret("key", "the client secret of the application there"),
        Field::optional_secret("key_previous", "the one before it, while notifications signed with it may come"),
        Field::optional_secret(
            "page_key",
            "an Ed25519 private key whose public half the application there has: payment pages are then signed with it \
             (`ldcpay`)",
        ),
        Field::optional("url", "where it is: https://credit.linux.do unless set"),
        Field::optional("notify_url", "where notifications are sent; this ledger's own address for them unless set"),
        Field::optional("return_url", "where the customer goes after paying; /packages of this site unless set"),
        Field::optional("test_pid", "the client id of an application in test mode, which is refused here"),
    ],
    webhooks: &[Webhook { path: WEBHOOK, methods: &[Method::GET, Method::POST] }],
    build,
    simulate: simulator::simulate,
};

struct LinuxDoCredit {
    client: Client,
    currency: Currency,
    notify_url: String,
    return_url: String,
    test_pid: Option<String>,
}

fn build(values: &Values, site: &Site) -> Built {
    Ok(Arc::new(LinuxDoCredit::try_new(values, site)?))
}

impl LinuxDoCredit {
    fn try_new(values: &Values, site: &Site) -> Result<Self, BadSetting> {
        let pid = values.required("pid")?.to_owned();
        let test_pid = values.optional("test_pid").map(str::to_owned);
        if test_pid.as_ref() == Some(&pid) {
            return Err(BadSetting::new("test_pid", "is pid itself: an application in test mode moves no credits"));
        }
        let client = Client {
            http: Http::try_new().map_err(|error| BadSetting::new("url", error.to_string()))?,
            url: values.url("url", SITE)?,
            pid,
            keys: values.rotated("key", |text| Ok::<_, Infallible>(SecretString::from(text)))?,
            page_key: values
                .optional("page_key")
                .map(PageKey::parse)
                .transpose()
                .map_err(|error| BadSetting::new("page_key", error.to_string()))?,
        };
        Ok(Self {
            client,
            currency: CURRENCY.parse().map_err(|_| BadSetting::new("url", "has no currency"))?,
            notify_url: address(values, "notify_url", &site.at(WEBHOOK))?,
            return_url: address(values, "return_url", &site.at(RETURN))?,
            test_pid,
        })
    }
}

/// Their fields come behind those that an address has already, so it must have none that are called the same.
fn address(values: &Values, name: &str, otherwise: &str) -> Result<String, BadSetting> {
    let address = values.url(name, otherwise)?;
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(BadSetting::new(name, format!("is longer than {ADDRESS_BYTES_MAX} bytes")));
    }
    let url = Url::parse(&address).map_err(|_| BadSetting::new(name, "is no address"))?;
    if url.query_pairs().any(|(field, _)| wire::NOTIFIED.contains(&&*field)) {
        return Err(BadSetting::new(name, "has a field in it that is called like one of a notification"));
    }
    Ok(address)
}

impl LinuxDoCredit {
    async fn is_no_longer_paid(&self, request: &RefundRequest) -> Result<bool, ProviderError> {
        let found = self.client.order(request.order.as_str()).await?;
        let found = found.filter(|found| found.trade_no == request.payment_id);
        Ok(found.is_some_and(|found| map::stands(&found) == Stands::NoLonger))
    }
}

#[async_trait]
impl Provider for LinuxDoCredit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let PaymentRequest { order, subject, amount, .. } = request;
        if amount.currency() != self.currency || amount.minor() <= 0 {
            return Err(ProviderError::Refused(
                "LINUX DO Credit collects credits (LDC), and more than none".to_owned(),
            ));
        }
        let fields = [
            ("out_trade_no", order.to_string()),
            ("money", amount.to_string()),
            ("notify_url", self.notify_url.clone()),
            ("return_url", self.return_url.clone()),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let page = self.client.page(map::name(subject), fields);
        Ok(Checkout { qr: Some(page.clone()), url: Some(page), reference: None }.into())
    }

    fn verify(&self, arrived: &Arrived<'_>, _now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(self, arrived)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        let form = webhook::fields(verified).ok_or_else(|| NoticeError::malformed("it holds no fields"))?;
        Ok(vec![map::news(&form, self.currency)?])
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        let found = self.client.order(order.number.as_str()).await?;
        found.map_or(Ok(vec![]), |found| map::payments(order, &found, self.currency))
    }

    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        let found = self.client.order(order.number.as_str()).await?;
        match found.filter(|found| found.trade_no == payment_id) {
            Some(found) if map::stands(&found) == Stands::NoLonger => Err(map::no_longer()),
            _ => Ok(vec![]),
        }
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let RefundRequest { order, payment_id, amount, paid, .. } = request;
        if amount != paid {
            return Ok(only_whole(request));
        }
        if self.client.refund(payment_id, order.as_str(), &amount.to_string()).await? {
            // It has no name for it; there can only be one of each payment.
            return Ok(RefundState::Done { provider_refund: Some(format!("refund:{payment_id}")) });
        }
        // The no is the same whether it cannot be done or has been done.
        if self.is_no_longer_paid(request).await? {
            let why = "LINUX DO Credit does not have the order as paid any more: it was refunded there or is disputed, \
                       which only its own pages tell";
            return Ok(RefundState::Refused(why.to_owned()));
        }
        let why = "LINUX DO Credit did not give it back: there may not be enough credits left there";
        Ok(RefundState::Refused(why.to_owned()))
    }

    /// What went back cannot be asked for: only whether the order is still paid. Once it was asked to give the credits back
    /// and the order is not, they are with the buyer: by the refund whose answer was lost, or else by a dispute.
    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        if request.amount != request.paid {
            return Ok(only_whole(request));
        }
        match self.is_no_longer_paid(request).await? {
            true => Ok(RefundState::Done { provider_refund: Some(format!("refund:{}", request.payment_id)) }),
            false => Ok(RefundState::Unknown),
        }
    }

    /// Each period is an order of its own.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        self.client.order(NO_ORDER).await?;
        let known = "LINUX DO Credit answered, and knows the application and its secret";
        // Whether it knows the key cannot be asked.
        Ok(match &self.client.page_key {
            Some(key) => format!("{known}; its public key there has to be {}", key.public_half()),
            None => known.to_owned(),
        })
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { status: StatusCode::OK, content_type: "text/plain", body: wire::SUCCESS }
    }
}

fn only_whole(request: &RefundRequest) -> RefundState {
    RefundState::Refused(format!("LINUX DO Credit gives back a payment whole or not at all: ask for {}", request.paid))
}
