//! Crossmint: an order there is paid in a component of theirs in the customer's browser, by its name and a secret; their
//! notifications are signed by Svix and name only their own order.
//!
//! ```text
//! mod.rs      what can be set, and the trait    webhook.rs    what makes a notification genuine
//! client.rs   calls                             simulator.rs  their side of it
//! wire.rs     their words                       map.rs        into ours
//! ```
//!
//! An order is paid once there, so its name is also the payment's. There is no call that gives money back: what could not
//! be delivered goes back by itself, and everything else is for a person in their console.

mod client;
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

use self::client::Client;
use self::webhook::Keys;
use super::http::Http;
use super::settings::{BadSetting, Field, Site, Values};
use super::{
    Acknowledgement, Arrived, Built, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider,
    ProviderError, RefundRequest, RefundState, Spec, Webhook,
};
use crate::dispatch::{PaymentNotice, RefundNotice};

pub const NAME: &str = "crossmint";

const API_URL: &str = "https://www.crossmint.com/api";
const CURRENCY: &str = "USD";
const PAYMENT_METHOD: &str = "stripe-payment-element";

pub static SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "Crossmint",
    prefix: "CROSSMINT_",
    fields: &[
        Field::secret("server_api_key", "the server-side API key, sk_staging_… or sk_production_…"),
        Field::secret("webhook_secret", "the signing secret of the webhook endpoint, whsec_…"),
        Field::optional_secret("webhook_secret_previous", "the signing secret before it, while both are valid"),
        Field::required("collection_id", "the collection that is sold, by its id in the console"),
        Field::optional("api_url", "the address of the API; https://www.crossmint.com/api unless set"),
        Field::optional("currency", "what is collected; USD unless set"),
        Field::optional("payment_method", "how orders are paid; stripe-payment-element unless set"),
    ],
    webhooks: &[Webhook { path: "/webhooks/crossmint", methods: &[Method::POST] }],
    build,
    simulate: simulator::simulate,
};

fn build(values: &Values, _site: &Site) -> Built {
    Ok(Arc::new(Crossmint::try_new(values)?))
}

/// What an order consists of, beside its amount.
#[derive(Debug)]
struct Sale {
    collection: String,
    payment_method: String,
}

#[derive(Debug)]
pub struct Crossmint {
    client: Client,
    keys: Keys,
    currency: Currency,
    sale: Sale,
}

impl Crossmint {
    fn try_new(values: &Values) -> Result<Self, BadSetting> {
        let http = Http::try_new().map_err(|_| BadSetting::new("api_url", "cannot be called from here"))?;
        let client = Client::new(http, values.url("api_url", API_URL)?, values.secret("server_api_key")?);
        let sale = Sale {
            collection: values.required("collection_id")?.to_owned(),
            payment_method: values.optional("payment_method").unwrap_or(PAYMENT_METHOD).to_owned(),
        };
        Ok(Self { client, keys: Keys::try_new(values)?, currency: values.currency("currency", CURRENCY)?, sale })
    }

    /// What it has of an order under its own name for it; without one the customer cannot have paid.
    async fn order(&self, order: &OrderRef) -> Result<Option<wire::Order>, ProviderError> {
        match &order.reference {
            Some(reference) => self.client.order(reference).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Provider for Crossmint {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    /// It has no number of ours to know the same order by, so asked again it makes another one, whose secret nobody but
    /// whoever asked last can have.
    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let wire::Created { client_secret, order } = self.client.create(&map::create(request, &self.sale)).await?;
        let checkout = Checkout { url: None, qr: None, reference: Some(order.order_id) };
        Ok(Opened { checkout, client_secret: client_secret.map(Into::into) })
    }

    fn verify(&self, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(&self.keys, arrived, now)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        match map::heard(verified.body, self.currency)? {
            map::Heard::News(news) => Ok(news),
            // What a notification says of the amount is not documented, so the order itself is looked at.
            map::Heard::AmountUnknown(order_id) => {
                let found = self.client.order(&order_id).await;
                let found = found.map_err(|error| NoticeError::Unavailable(error.to_string()))?;
                let paid = found.as_ref().map(|found| map::paid(found, self.currency)).transpose();
                let paid = paid.map_err(NoticeError::malformed)?.flatten();
                let asked = || News::Ask(super::OrderName::Reference(order_id.clone()));
                Ok(vec![paid.map_or_else(asked, |paid| map::paid_news(&order_id, paid))])
            }
        }
    }

    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        let Some(found) = self.order(order).await? else { return Ok(Vec::new()) };
        Ok(map::payment(order, &found, self.currency)?.into_iter().collect())
    }

    /// What it gave back by itself.
    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        let Some(found) = self.order(order).await?.filter(|found| found.order_id == payment_id) else {
            return Ok(Vec::new());
        };
        Ok(map::refund(order, &found, self.currency).into_iter().collect())
    }

    async fn refund(&self, _request: &RefundRequest) -> Result<RefundState, ProviderError> {
        Ok(RefundState::Refused(
            "Crossmint cannot be asked for refunds: have it given back by their support, then record it here"
                .to_owned(),
        ))
    }

    async fn query_refund(&self, _request: &RefundRequest) -> Result<RefundState, ProviderError> {
        Ok(RefundState::Unknown)
    }

    /// It collects nothing by itself.
    async fn stop_collecting(&self, _order: &OrderRef, _stop: bool) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        self.client.check().await.map(|()| "Crossmint answers and takes the API key".to_owned())
    }

    fn acknowledge(&self) -> Acknowledgement {
        let body = r#"{"received":true}"#;
        Acknowledgement { status: StatusCode::OK, content_type: "application/json", body }
    }
}
