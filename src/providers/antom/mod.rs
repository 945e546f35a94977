//! Antom (Alipay+ for merchants): a page of theirs, where a wallet or a card pays.
//!
//! ```text
//! mod.rs        what can be set, and the provider       map.rs        their words into ours
//! client.rs     calls, signed and their answers checked webhook.rs    what makes a notification genuine
//! signature.rs  how either side signs                   simulator.rs  their side of it
//! wire.rs       their JSON
//! ```
//!
//! An order goes there as `paymentRequestId`, by its own number; a payment is named by their `paymentId`. A wallet has paid
//! once it says so. A card has only been authorised then: what it paid is what was captured.

mod client;
mod map;
mod signature;
mod simulator;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::sync::Arc;

use aggregates::{Checkout, Currency};
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};

use super::settings::{BadSetting, Field, Site, Values};
use super::{
    Acknowledgement, Arrived, Built, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider,
    ProviderError, RefundRequest, RefundState, Spec, Webhook,
};
use crate::dispatch::{PaymentNotice, RefundNotice};
use client::Client;
use wire::{Inquiry, Payment, code, outcome};

pub const NAME: &str = "antom";
const WEBHOOK: &str = "/api/orders/pay/antom/notify";
const API: &str = "https://open-sea-global.alipay.com";
/// No order has this number: it does not look like one.
const NO_ORDER: &str = "CHECK-OF-SETTINGS";

pub static SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "Antom",
    prefix: "ANTOM_",
    fields: &[
        Field::required("client_id", "the client id; one that begins with SANDBOX_ pays in their sandbox"),
        Field::secret("private_key", "our private key, whose public half is in their console"),
        Field::required("public_key", "Antom's public key, from their console"),
        Field::optional("public_key_previous", "the key before it, while both are valid"),
        Field::optional("api_url", "where the API is; https://open-sea-global.alipay.com unless set"),
        Field::optional("currency", "what it collects; USD unless set"),
        Field::optional("payment_method", "what customers pay with, in Antom's words; ALIPAY_CN unless set"),
        Field::optional("settlement_currency", "what they settle in; what is collected unless set"),
        Field::optional("key_version", "the version of our key in their console; 1 unless set"),
    ],
    webhooks: &[Webhook { path: WEBHOOK, methods: &[Method::POST] }],
    build,
    simulate: simulator::simulate,
};

fn build(values: &Values, site: &Site) -> Built {
    Ok(Arc::new(Antom::try_new(values, site)?))
}

pub struct Antom {
    currency: Currency,
    settlement_currency: String,
    payment_method: String,
    client: Client,
    notify_url: String,
    /// Where a customer comes back to.
    return_url: String,
}

impl Antom {
    /// # Errors
    /// When a setting is missing or is not what it should be.
    pub fn try_new(values: &Values, site: &Site) -> Result<Self, BadSetting> {
        let currency = values.currency("currency", "USD")?;
        Ok(Self {
            currency,
            settlement_currency: values.optional("settlement_currency").unwrap_or(currency.code()).to_owned(),
            payment_method: values.optional("payment_method").unwrap_or("ALIPAY_CN").to_owned(),
            client: Client::try_new(values)?,
            notify_url: site.at(WEBHOOK),
            return_url: site.at("/"),
        })
    }

    /// `None`: they know of no such payment.
    async fn inquire(&self, which: Payment<'_>) -> Result<Option<Inquiry>, ProviderError> {
        let it: Inquiry = self.client.call("inquiryPayment", &which).await?;
        match it.result.result_status.as_str() {
            outcome::SUCCESS => Ok(Some(it)),
            outcome::FAILURE if it.result.result_code == code::NO_ORDER => Ok(None),
            outcome::FAILURE => Err(ProviderError::Refused(it.result.code())),
            _ => Err(ProviderError::Unreachable(format!("it does not say, but {}", it.result.code()))),
        }
    }
}

#[async_trait]
impl Provider for Antom {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let answer: wire::Paying = self.client.call("pay", &map::pay(self, request)?).await?;
        if answer.result.result_status == outcome::FAILURE {
            return Err(ProviderError::Refused(answer.result.code()));
        }
        if answer.payment_request_id.is_some_and(|number| number != request.order.as_str()) {
            return Err(ProviderError::Unreachable("its answer is about another order".to_owned()));
        }
        // One that is unknown is under way: that is the usual answer.
        let url = answer.normal_url.filter(|url| !url.is_empty()).ok_or_else(|| {
            ProviderError::Unreachable(format!("it names no page to pay on, but {}", answer.result.code()))
        })?;
        Ok(Checkout { url: Some(url), qr: None, reference: None }.into())
    }

    fn verify(&self, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(&self.client, arrived, now)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        let it = webhook::parse(verified.body)?;
        let capture = map::names_capture(&it)?;
        let news = match capture {
            // A capture names a payment; which order that paid, and what was captured of it in all, are asked for.
            Some(payment_id) => {
                let found = self.inquire(Payment::by_id(&payment_id)).await;
                let found = found.map_err(|error| NoticeError::Unavailable(error.to_string()))?;
                map::captured(self, &payment_id, it.capture_amount.as_ref(), found)?
            }
            None => map::read(self, it)?,
        };
        Ok(vec![news])
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        match self.inquire(Payment::by_request(order.number.as_str())).await? {
            Some(found) => map::payments(self, order, &found),
            None => Ok(Vec::new()),
        }
    }

    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        match self.inquire(Payment::by_id(payment_id)).await? {
            Some(found) => map::refunds(order, payment_id, &found),
            None => Ok(Vec::new()),
        }
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let it: wire::Refunding = self.client.call("refund", &map::refund(self, request)).await?;
        match it.result.result_status.as_str() {
            outcome::SUCCESS => map::refund_done(request, it),
            // A no may be about a second attempt: what became of the first one counts.
            outcome::FAILURE => match self.query_refund(request).await? {
                RefundState::Unknown => Ok(RefundState::Refused(map::refund_refused(&it.result))),
                known => Ok(known),
            },
            _ => Ok(RefundState::Pending),
        }
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let asked = wire::RefundName { refund_request_id: &request.refund };
        let it: wire::RefundInquiry = self.client.call("inquiryRefund", &asked).await?;
        match it.result.result_status.as_str() {
            outcome::SUCCESS => map::refund_state(request, it),
            outcome::FAILURE if code::NO_REFUND.contains(&it.result.result_code.as_str()) => Ok(RefundState::Unknown),
            _ => Err(ProviderError::Unreachable(format!("it answered {}", it.result.code()))),
        }
    }

    /// They collect nothing by themselves.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        match self.inquire(Payment::by_request(NO_ORDER)).await? {
            None => Ok("it takes our signature, and its own is that of a key that is set here".to_owned()),
            Some(_) => Err(ProviderError::Unreachable("it knows an order that cannot exist".to_owned())),
        }
    }

    fn acknowledge(&self) -> Acknowledgement {
        let body = r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#;
        Acknowledgement { status: StatusCode::OK, content_type: "application/json", body }
    }
}
