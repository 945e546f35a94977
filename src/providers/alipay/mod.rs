//! Alipay: a QR code to scan, and a page to open, for the same trade.
//!
//! ```text
//!   create_payment ──► precreate ──► QR code        the trade exists once somebody scans it, or opens the page;
//!                 └──► page.pay, signed ──► page    until then a query knows nothing of it
//!   paid ──► notification ──► read ──► paid         a part refunded ──► notification ──► how much is asked for
//!   all refunded ──► no notification: the query says that a trade is closed which was paid
//! ```
//!
//! ```text
//! mod.rs     what can be set, and the trait     client.rs   calls, signed both ways
//! wire.rs    their forms and JSON               map.rs      into ours
//! webhook.rs what makes a notification genuine  simulator.rs their side of it
//! ```
//!
//! A refund goes by the merchant's number (`out_request_no`, in notifications `out_biz_no`): under one number money goes
//! back once, also where it was given back in Alipay's console.

mod client;
mod map;
mod simulator;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::sync::Arc;

use aggregates::{Currency, Money, OrderNumber};
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};

use self::client::{Client, Said, time};
use self::map::Told;
use self::wire::{Content, Precreated, RefundFound, Refunded, Trade};
use super::http::Http;
use super::rsa::{PrivateKey, PublicKey};
use super::settings::{BadSetting, Field, Site, Values};
use super::{
    Acknowledgement, Arrived, Built, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider,
    ProviderError, RefundRequest, RefundState, Spec, Webhook, form,
};
use crate::dispatch::{PaymentNotice, RefundNotice};

pub const NAME: &str = "alipay";
const GATEWAY: &str = "https://openapi.alipay.com/gateway.do";
const CURRENCY: &str = "CNY";
const WEBHOOK: &str = "/webhooks/alipay";
const CERTIFICATES: [&str; 2] = ["app_cert_sn", "alipay_root_cert_sn"];
/// Of no order there will ever be.
const NO_ORDER: &str = "CHECK";

pub const SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "Alipay",
    prefix: "ALIPAY_",
    fields: &[
        Field::required("app_id", "the number of the app in Alipay's console"),
        Field::secret("private_key", "the app's private key, which calls are signed with"),
        Field::required("public_key", "Alipay's public key (not the app's), or its certificate"),
        Field::optional("public_key_previous", "the one before it, while both are valid"),
        Field::optional("seller_id", "who has to be the seller in notifications, from 2088; anybody unless set"),
        Field::optional("app_cert_sn", "the serial number of the app's certificate, where keys are in certificates"),
        Field::optional("alipay_root_cert_sn", "the serial number of Alipay's root certificate, likewise"),
        Field::optional("gateway", "where calls go: https://openapi.alipay.com/gateway.do unless set"),
    ],
    webhooks: &[Webhook { path: WEBHOOK, methods: &[Method::POST] }],
    build,
    simulate: simulator::simulate,
};

struct Alipay {
    client: Client,
    currency: Currency,
    seller_id: Option<String>,
    notify_url: String,
}

fn build(values: &Values, site: &Site) -> Built {
    Ok(Arc::new(Alipay::try_new(values, site)?))
}

impl Alipay {
    fn try_new(values: &Values, site: &Site) -> Result<Self, BadSetting> {
        let key = PrivateKey::parse(values.required("private_key")?);
        let unusable = |field: &'static str| move |problem: String| BadSetting::new(field, problem);
        let client = Client {
            http: Http::try_new().map_err(|error| unusable("gateway")(error.to_string()))?,
            gateway: values.url("gateway", GATEWAY)?,
            app_id: values.required("app_id")?.to_owned(),
            key: key.map_err(|error| unusable("private_key")(error.to_string()))?,
            theirs: values.rotated("public_key", PublicKey::parse)?,
            certificates: CERTIFICATES
                .iter()
                .filter_map(|name| Some((*name, values.optional(name)?.to_owned())))
                .collect(),
        };
        if client.certificates.len() == 1 {
            return Err(BadSetting::new("app_cert_sn", "and alipay_root_cert_sn go together"));
        }
        Ok(Self {
            client,
            currency: Currency::iso(CURRENCY).map_err(|error| unusable("gateway")(error.to_string()))?,
            seller_id: values.optional("seller_id").map(str::to_owned),
            notify_url: site.at(WEBHOOK),
        })
    }

    async fn trade(&self, order: &OrderNumber) -> Result<Option<Trade>, ProviderError> {
        let content = Content { out_trade_no: order.as_str(), ..Content::default() };
        match self.client.call::<Trade>(wire::QUERY, None, &content).await? {
            Said::Yes(trade) if trade.out_trade_no == order.as_str() => Ok(Some(trade)),
            Said::Yes(_) => Err(of_another()),
            Said::No(code) if code == wire::TRADE_NOT_EXIST => Ok(None),
            Said::No(code) => Err(ProviderError::Refused(map::refusal(&code))),
        }
    }

    /// How much went back under this number; `None`: nothing, as far as Alipay knows.
    async fn given_back(
        &self,
        order: &OrderNumber,
        trade_no: &str,
        refund: &str,
    ) -> Result<Option<Money>, ProviderError> {
        let content = Content {
            out_trade_no: order.as_str(),
            trade_no: Some(trade_no),
            out_request_no: Some(refund),
            ..Content::default()
        };
        match self.client.call::<RefundFound>(wire::REFUND_QUERY, None, &content).await? {
            Said::Yes(found) => {
                let names = [
                    (&found.out_trade_no, order.as_str()),
                    (&found.trade_no, trade_no),
                    (&found.out_request_no, refund),
                ];
                if names.into_iter().any(|(told, asked)| told.as_deref().is_some_and(|told| told != asked)) {
                    return Err(of_another());
                }
                map::found(&found, self.currency)
            }
            Said::No(code) if code == wire::TRADE_NOT_EXIST => Ok(None),
            Said::No(code) => Err(ProviderError::Unreachable(map::refusal(&code))),
        }
    }

    async fn state_of(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let RefundRequest { order, payment_id, refund, amount, paid, .. } = request;
        let back = self.given_back(order, payment_id, refund).await?;
        map::refund_state(back, *amount, map::their_name(refund, payment_id, *amount, *paid))
    }
}

fn of_another() -> ProviderError {
    ProviderError::Unreachable("its answer is about something else than was asked for".to_owned())
}

#[async_trait]
impl Provider for Alipay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let PaymentRequest { order, subject, amount, expires_at, .. } = request;
        if amount.currency() != self.currency {
            return Err(ProviderError::Refused("Alipay collects yuan".to_owned()));
        }
        let subject = map::subject(subject);
        let content = |product_code| Content {
            out_trade_no: order.as_str(),
            total_amount: Some(amount.to_string()),
            subject: Some(&subject),
            product_code,
            time_expire: Some(time(*expires_at)),
            ..Content::default()
        };
        let notify_url = Some(self.notify_url.as_str());
        let page = content(Some("FAST_INSTANT_TRADE_PAY"));
        let page = self.client.page(wire::PAGE_PAY, notify_url, &page, Utc::now())?;
        match self.client.call::<Precreated>(wire::PRECREATE, notify_url, &content(None)).await? {
            Said::Yes(made) if made.out_trade_no == order.as_str() => Ok(map::checkout(page, made.qr_code).into()),
            Said::Yes(_) => Err(of_another()),
            Said::No(code) => Err(ProviderError::Refused(map::refusal(&code))),
        }
    }

    fn verify(&self, arrived: &Arrived<'_>, _now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(self, arrived)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        let form = form::parse(verified.body).ok_or_else(|| NoticeError::malformed("it is no form"))?;
        match map::told(&form, self.currency)? {
            Told::News(news) => Ok(news),
            Told::Refund(mut news, one) => {
                let asked = self.given_back(&one.order, &one.trade_no, &one.refund).await;
                let back = asked.map_err(|error| NoticeError::Unavailable(error.to_string()))?;
                let unknown = || NoticeError::Unavailable("the refund is not to be found there yet".to_owned());
                news.push(map::refunded(one, back.ok_or_else(unknown)?));
                Ok(news)
            }
        }
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        let trade = self.trade(&order.number).await?;
        trade.map_or(Ok(vec![]), |trade| map::payments(order, &trade, self.currency))
    }

    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        let trade = self.trade(&order.number).await?;
        trade.map_or(Ok(vec![]), |trade| map::refunds(order, payment_id, &trade, self.currency))
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let RefundRequest { order, payment_id, refund, amount, paid, reason, .. } = request;
        let content = Content {
            out_trade_no: order.as_str(),
            trade_no: Some(payment_id),
            refund_amount: Some(amount.to_string()),
            out_request_no: Some(refund),
            refund_reason: Some(reason),
            ..Content::default()
        };
        match self.client.call::<Refunded>(wire::REFUND, None, &content).await? {
            Said::Yes(done) if (&done.out_trade_no, &done.trade_no) != (&order.to_string(), payment_id) => {
                Err(of_another())
            }
            Said::Yes(done) if done.fund_change.as_deref() == Some("Y") => {
                let name = map::their_name(refund, payment_id, *amount, *paid);
                Ok(RefundState::Done { provider_refund: Some(name) })
            }
            // Not with this call: perhaps with an earlier one, perhaps later.
            Said::Yes(_) => match self.state_of(request).await? {
                RefundState::Unknown => Ok(RefundState::Pending),
                state => Ok(state),
            },
            // The no may be to this call, after an earlier one did it.
            Said::No(code) => match self.state_of(request).await? {
                RefundState::Unknown => Ok(RefundState::Refused(map::refusal(&code))),
                state => Ok(state),
            },
        }
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.state_of(request).await
    }

    /// Each period is a trade of its own.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        let content = Content { out_trade_no: NO_ORDER, ..Content::default() };
        match self.client.call::<Trade>(wire::QUERY, None, &content).await? {
            Said::Yes(_) => Ok("Alipay answered, and both signatures are right".to_owned()),
            Said::No(code) if code == wire::TRADE_NOT_EXIST => {
                Ok("Alipay answered, and both signatures are right".to_owned())
            }
            Said::No(code) => Err(ProviderError::Refused(map::refusal(&code))),
        }
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { status: StatusCode::OK, content_type: "text/plain", body: wire::SUCCESS }
    }

    fn refuse(&self, status: StatusCode) -> Option<Acknowledgement> {
        Some(Acknowledgement { status, content_type: "text/plain", body: wire::FAIL })
    }
}
