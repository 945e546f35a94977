//! WeChat Pay, API v3: a QR code that the WeChat app pays (Native).
//!
//! ```text
//! mod.rs     what can be set, and the provider       map.rs        their words into ours
//! client.rs  calls, signed and their answers checked webhook.rs    what makes a notification genuine
//! keys.rs    whose signature is it, and the cipher   simulator.rs  their side of it
//! wire.rs    their JSON
//! ```
//!
//! An order goes there by its own number; a payment is named by their `transaction_id`. What a notification says is
//! encrypted inside of what they sign, so whose payment it is shows only when it is read.

mod client;
mod keys;
mod map;
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
use client::{Client, Said};
use keys::{Cipher, PlatformKeys};
use wire::code;

pub const NAME: &str = "wechat";
const WEBHOOK: &str = "/webhooks/wechat";
const API: &str = "https://api.mch.weixin.qq.com";
/// No order has this number: it does not look like one.
const NO_ORDER: &str = "CHECK-OF-SETTINGS";

pub static SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "WeChat Pay",
    prefix: "WECHAT_",
    fields: &[
        Field::required("app_id", "the app or official account that is bound to the merchant number"),
        Field::required("mch_id", "the merchant number"),
        Field::required("serial_no", "the serial number of our merchant certificate"),
        Field::secret("private_key", "the private key of our merchant certificate (apiclient_key.pem)"),
        Field::secret("api_v3_key", "the APIv3 key of 32 characters, which notifications are encrypted with"),
        Field::optional_secret(
            "api_v3_key_previous",
            "the APIv3 key before it, while notifications still come with it",
        ),
        Field::required(
            "public_key_id",
            "the id of WeChat Pay's public key (PUB_KEY_ID_…), or its certificate's serial",
        ),
        Field::required("public_key", "WeChat Pay's public key, or its platform certificate"),
        Field::optional("public_key_id_previous", "the id of the key before it, while both are valid"),
        Field::optional("public_key_previous", "the key before it, while both are valid"),
        Field::optional("api_url", "where the API is; https://api.mch.weixin.qq.com unless set"),
    ],
    webhooks: &[Webhook { path: WEBHOOK, methods: &[Method::POST] }],
    build,
    simulate: simulator::simulate,
};

fn build(values: &Values, site: &Site) -> Built {
    Ok(Arc::new(WeChat::try_new(values, site)?))
}

pub struct WeChat {
    app_id: String,
    mch_id: String,
    currency: Currency,
    platform: Arc<PlatformKeys>,
    ciphers: Vec<Cipher>,
    client: Client,
    notify_url: String,
}

impl WeChat {
    /// # Errors
    /// When a setting is missing or is not what it should be.
    pub fn try_new(values: &Values, site: &Site) -> Result<Self, BadSetting> {
        let platform = Arc::new(PlatformKeys::try_new(values)?);
        Ok(Self {
            app_id: values.required("app_id")?.to_owned(),
            mch_id: values.required("mch_id")?.to_owned(),
            currency: Currency::iso("CNY").map_err(|error| BadSetting::new("app_id", error.to_string()))?,
            ciphers: values.rotated("api_v3_key", Cipher::parse)?,
            client: Client::try_new(values, platform.clone())?,
            platform,
            notify_url: site.at(WEBHOOK),
        })
    }

    fn order_path(&self, number: &str) -> String {
        // Merchant numbers are digits, but a setting may be anything.
        let query = serde_urlencoded::to_string([("mchid", &self.mch_id)]).unwrap_or_default();
        format!("/v3/pay/transactions/out-trade-no/{number}?{query}")
    }
}

#[async_trait]
impl Provider for WeChat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let body = map::native_order(self, request)?;
        match self.client.post("/v3/pay/transactions/native", &body).await? {
            Said::Yes(answer) => {
                let wire::CodeUrl { code_url } = answer.json()?;
                Ok(Checkout { url: None, qr: Some(code_url), reference: None }.into())
            }
            Said::No { code, .. } => Err(ProviderError::Refused(code)),
        }
    }

    fn verify(&self, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(&self.platform, arrived, now)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        map::read(self, verified.body).map(|news| vec![news])
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        match self.client.get(&self.order_path(order.number.as_str())).await? {
            Said::Yes(answer) => map::payments(self, order, answer.json()?),
            Said::No { code, .. } if code::NO_ORDER.contains(&code.as_str()) => Ok(Vec::new()),
            Said::No { code, .. } => Err(ProviderError::Refused(code)),
        }
    }

    /// They have no list of an order's refunds, only the word that there are some. One that was asked for here is asked
    /// about by its number; one that somebody gave in their console comes as a notification, or not at all.
    async fn refunds(&self, _order: &OrderRef, _payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        Ok(Vec::new())
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        if request.amount.currency() != self.currency {
            return Ok(RefundState::Refused(
                "it gives back nothing but CNY: see to it in the merchant console".to_owned(),
            ));
        }
        let body = map::refund(self, request);
        match self.client.post("/v3/refund/domestic/refunds", &body).await? {
            Said::Yes(answer) => map::refund_state(request, &answer.json()?),
            // A no may be about a second attempt: what became of the first one counts.
            Said::No { code, .. } => match self.query_refund(request).await? {
                RefundState::Unknown => Ok(RefundState::Refused(map::refund_refused(&code))),
                known => Ok(known),
            },
        }
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        match self.client.get(&format!("/v3/refund/domestic/refunds/{}", request.refund)).await? {
            Said::Yes(answer) => map::refund_state(request, &answer.json()?),
            Said::No { status: StatusCode::NOT_FOUND, code } if code == code::NO_REFUND => Ok(RefundState::Unknown),
            Said::No { code, .. } => Err(ProviderError::Unreachable(format!("it answered {code}"))),
        }
    }

    /// They collect nothing by themselves.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        match self.client.get(&self.order_path(NO_ORDER)).await? {
            Said::No { code, .. } if code::NO_ORDER.contains(&code.as_str()) => {
                Ok("it takes our signature, and its own is that of a key that is set here".to_owned())
            }
            Said::No { code, .. } => Err(ProviderError::Refused(code)),
            Said::Yes(_) => Err(ProviderError::Unreachable("it knows an order that cannot exist".to_owned())),
        }
    }

    fn acknowledge(&self) -> Acknowledgement {
        Acknowledgement { status: StatusCode::OK, content_type: "application/json", body: r#"{"code":"SUCCESS"}"# }
    }

    fn refuse(&self, status: StatusCode) -> Option<Acknowledgement> {
        let body = r#"{"code":"FAIL","message":"the notification was not taken"}"#;
        Some(Acknowledgement { status, content_type: "application/json", body })
    }
}
