//! Creem: a checkout there is paid on a page of theirs, once or for every period; notifications are signed over their
//! body and tell our number for the order.
//!
//! ```text
//! mod.rs      what can be set, and the trait    webhook.rs    what makes a notification genuine
//! client.rs   calls                             redirect.rs   what a returning browser brings along
//! wire.rs     their words                       simulator.rs  their side of it
//! map.rs      into ours
//! ```
//!
//! ```text
//!   one-time      checkout.completed ──► paid
//!   subscription  checkout.completed ──► nothing; subscription.paid ──► a period is paid, the first one too
//!   refund        refund.created ──► went back; it can be asked for only as a whole, and knows no number of ours
//! ```

mod client;
mod map;
pub mod redirect;
mod simulator;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregates::{Checkout, Currency, Payment};
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use self::client::{Asked, Client};
use self::map::Heard;
use self::webhook::{Keys, Mode};
use self::wire::{Linked, Subscription, Transaction};
use super::http::Http;
use super::settings::{BadSetting, Field, Site, Values};
use super::{
    Acknowledgement, Arrived, Built, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider,
    ProviderError, RefundRequest, RefundState, Spec, Webhook,
};
use crate::dispatch::{PaymentNotice, RefundNotice};

pub const NAME: &str = "creem";

const API_URL: &str = "https://api.creem.io";
const CURRENCY: &str = "USD";
const POST: &[Method] = &[Method::POST];

pub static SPECIFICATION: Spec = Spec {
    name: NAME,
    title: "Creem",
    prefix: "CREEM_",
    fields: &[
        Field::secret("api_key", "the API key, creem_… or creem_test_…"),
        Field::secret("webhook_secret", "the signing secret of the webhook endpoint, taken as it is written"),
        Field::optional_secret("webhook_secret_previous", "the signing secret before it, while both are valid"),
        Field::optional("product_ids", "which of our products is which there, such as plan_pro=prod_1, 5=prod_2"),
        Field::optional("product_id", "their one-time product for all that are in no pair, at our price"),
        Field::optional("api_url", "the address of the API; https://api.creem.io unless set"),
        Field::optional("currency", "what is collected; USD unless set"),
        Field::optional("success_url", "where the browser returns after paying"),
    ],
    webhooks: &[
        Webhook { path: "/api/auth/creem/webhook", methods: POST },
        Webhook { path: "/api/webhooks/creem", methods: POST },
    ],
    build,
    simulate: simulator::simulate,
};

fn build(values: &Values, _site: &Site) -> Built {
    Ok(Arc::new(Creem::try_new(values)?))
}

/// What is sold there, and where the browser goes afterwards.
#[derive(Debug)]
struct Sale {
    /// By our code or number.
    products: BTreeMap<String, String>,
    otherwise: Option<String>,
    success_url: Option<String>,
}

impl Sale {
    fn product(&self, request: &PaymentRequest) -> Option<&str> {
        let code = request.product_code.as_ref().map(|code| code.as_str().to_owned());
        let number = request.product.number().map(|number| number.to_string());
        let paired = [code, number].into_iter().flatten().find_map(|name| self.products.get(&name));
        // What is sold once at any price is no subscription.
        paired.or(self.otherwise.as_ref().filter(|_| !request.recurring)).map(String::as_str)
    }
}

#[derive(Debug)]
pub struct Creem {
    client: Client,
    keys: Keys,
    mode: Mode,
    currency: Currency,
    sale: Sale,
}

impl Creem {
    fn try_new(values: &Values) -> Result<Self, BadSetting> {
        let http = Http::try_new().map_err(|_| BadSetting::new("api_url", "cannot be called from here"))?;
        let api_url = values.url("api_url", API_URL)?;
        let success_url = values.optional("success_url").map(|url| values.url("success_url", url)).transpose()?;
        Ok(Self {
            mode: Mode::of(&api_url),
            client: Client::new(http, api_url, values.secret("api_key")?),
            keys: Keys::try_new(values)?,
            currency: values.currency("currency", CURRENCY)?,
            sale: Sale {
                products: values.pairs("product_ids")?,
                otherwise: values.optional("product_id").map(str::to_owned),
                success_url,
            },
        })
    }

    /// `None`: no checkout, or nothing is known of one.
    async fn checkout(&self, order: &OrderRef) -> Result<Option<wire::Checkout>, ProviderError> {
        match &order.reference {
            Some(reference) => self.client.checkout(reference).await,
            None => Ok(None),
        }
    }

    /// What pays for a paid order of theirs: it names its transaction, or is named by it.
    async fn transaction_of(&self, order: &wire::Order) -> Result<Transaction, ProviderError> {
        if let Some(id) = map::transaction_of(order) {
            return self.known_transaction(id).await;
        }
        let found = self.client.transactions_of(&order.id).await?;
        let mut of_order = found.into_iter().filter(|found| found.order.as_deref().is_none_or(|of| of == order.id));
        // The newest is first, as it seems, and what began a subscription is the oldest.
        let found = of_order.rfind(Transaction::was_paid);
        found.ok_or_else(|| ProviderError::Unreachable("it names no transaction for what was paid".to_owned()))
    }

    async fn known_transaction(&self, id: &str) -> Result<Transaction, ProviderError> {
        let found = self.client.transaction(id).await?;
        found.ok_or_else(|| ProviderError::Unreachable("it does not know a transaction that it named".to_owned()))
    }

    /// The one to read notifications with.
    async fn told_transaction(&self, id: &str) -> Result<Transaction, NoticeError> {
        self.known_transaction(id).await.map_err(|error| NoticeError::Unavailable(error.to_string()))
    }

    async fn subscription(&self, order: &OrderRef) -> Result<Option<Subscription>, ProviderError> {
        let checkout = self.checkout(order).await?;
        match checkout.as_ref().and_then(|checkout| checkout.subscription.as_ref()).map(Linked::id) {
            Some(id) => self.client.subscription(id).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Provider for Creem {
    fn name(&self) -> &'static str {
        NAME
    }

    fn currency(&self) -> Currency {
        self.currency
    }

    /// Asked again it may open a second checkout; both tell the same order of ours.
    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        let product_id = self.sale.product(request).ok_or_else(|| {
            let (what, setting) = if request.recurring {
                ("subscription", "CREEM_PRODUCT_IDS")
            } else {
                ("product", "CREEM_PRODUCT_IDS or CREEM_PRODUCT_ID")
            };
            ProviderError::Refused(format!("this {what} is not sold at Creem yet: name its product there in {setting}"))
        })?;
        let order_no = request.order.as_str();
        let wanted = wire::CreateCheckout {
            product_id,
            request_id: order_no,
            custom_price: (!request.recurring).then(|| request.amount.minor()),
            customer: request.email.as_ref().map(|email| wire::Customer { email: email.expose_secret() }),
            success_url: self.sale.success_url.as_deref(),
            metadata: wire::NewMetadata { order_no },
        };
        let opened = self.client.create(&wanted).await?;
        let (Some(reference), Some(url)) = (opened.id, opened.checkout_url) else {
            return Err(ProviderError::Unreachable("it does not say where its checkout is".to_owned()));
        };
        Ok(Checkout { url: Some(url), qr: None, reference: Some(reference) }.into())
    }

    fn verify(&self, arrived: &Arrived<'_>, _now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        webhook::verify(&self.keys, self.mode, arrived)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        let news = match map::heard(verified.body)? {
            Heard::News(news) => news,
            Heard::Period { order, transaction } => {
                map::period_news(order, &self.told_transaction(&transaction).await?)?
            }
            Heard::Back { refund, transaction } => match &refund.transaction {
                Linked::Whole(transaction) => map::back_news(&refund, transaction),
                Linked::Name(_) => map::back_news(&refund, &self.told_transaction(&transaction).await?),
            },
        };
        Ok(vec![news])
    }

    /// Of a subscription only what pays for its first period: the others are not more money for the same thing.
    async fn payments(&self, order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        let Some(checkout) = self.checkout(order).await? else { return Ok(Vec::new()) };
        let Some(found) = checkout.order.as_ref().filter(|order| order.status.as_deref() == Some("paid")) else {
            return Ok(Vec::new());
        };
        let transaction = self.transaction_of(found).await?;
        // Nothing is delivered for it. What was refunded is told by its own notification, and was paid before.
        if transaction.is_charged_back() {
            let why = "it was paid, and went back there: see its dashboard";
            return Err(ProviderError::Unreachable(why.to_owned()));
        }
        // As its notification says it: of the order, and of a period what its transaction says.
        let charged = if map::is_recurring(&checkout) { transaction.charged() } else { found.charged() };
        let amount =
            charged.ok_or_else(|| ProviderError::Unreachable("it was paid in money that is not known".to_owned()))?;
        let payment = Payment { provider: NAME.to_owned(), payment_id: transaction.id, amount, method: None };
        let notice = PaymentNotice { order: order.number.clone(), payment };
        Ok(Some(notice).filter(|notice| !notice.payment.amount.is_zero()).into_iter().collect())
    }

    fn collects(&self) -> bool {
        true
    }

    async fn last_period(&self, order: &OrderRef) -> Result<Option<PaymentNotice>, ProviderError> {
        let Some(subscription) = self.subscription(order).await? else { return Ok(None) };
        let Some(id) = map::last_transaction(&subscription) else { return Ok(None) };
        let transaction = self.known_transaction(&id).await?;
        let payment =
            |amount| Payment { provider: NAME.to_owned(), payment_id: transaction.id.clone(), amount, method: None };
        let paid = map::of_period(&transaction).map(payment);
        Ok(paid.map(|payment| PaymentNotice { order: order.number.clone(), payment }))
    }

    /// It can tell only how much went back of a transaction in all, not which refunds that was: each is told when it
    /// happens, under a number of theirs, and a sum beside them would be the same money again.
    async fn refunds(&self, _order: &OrderRef, _payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        Ok(Vec::new())
    }

    /// It gives back whatever is left, and would do so again for a second call; so what went back is looked at first.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let refused = |why: &str| Ok(RefundState::Refused(why.to_owned()));
        let Some(transaction) = self.client.transaction(&request.payment_id).await? else {
            return refused("Creem knows no such transaction");
        };
        if transaction.is_refunded() {
            // A part of what went back would be told twice: here, and by its own notification.
            return if transaction.charged() == Some(request.amount) {
                Ok(RefundState::Done { provider_refund: None })
            } else {
                refused("all of this payment went back at Creem already, which its notifications tell")
            };
        }
        if !matches!(transaction.status.as_str(), "paid" | "partialRefund") {
            return refused("Creem gives back only what is paid, and this transaction is in another state there");
        }
        if transaction.left() != Some(request.amount) {
            return refused(
                "Creem can be asked only for all that is left of a payment: give a part back in its dashboard, and it is \
                 recorded when Creem says so",
            );
        }
        match self.client.refund(&transaction.id).await? {
            Asked::Taken(answer) => Ok(match answer.status.as_str() {
                "succeeded" => RefundState::Done { provider_refund: answer.id },
                "failed" | "canceled" => RefundState::Refused("Creem tried the refund, and it failed".to_owned()),
                _ => RefundState::Pending,
            }),
            Asked::NoSuchTransaction => refused("Creem knows no such transaction"),
            // One that is under way is not taken twice either, so this is no plain no.
            Asked::NotTaken => Err(ProviderError::Unreachable(
                "it does not take the refund now; one may be under way there".to_owned(),
            )),
        }
    }

    /// By its transaction. Where nothing went back yet it may be asked again: `refund` looks first.
    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        let transaction = self.client.transaction(&request.payment_id).await?;
        let is_it = |transaction: &Transaction| transaction.charged() == Some(request.amount);
        let is_done = transaction.is_some_and(|transaction| transaction.is_refunded() && is_it(&transaction));
        Ok(if is_done { RefundState::Done { provider_refund: None } } else { RefundState::Unknown })
    }

    /// It has never heard of them.
    fn refunds_by_our_number(&self) -> bool {
        false
    }

    /// What was paid for lasts until its end either way.
    async fn stop_collecting(&self, order: &OrderRef, stop: bool) -> Result<(), ProviderError> {
        let Some(subscription) = self.subscription(order).await? else { return Ok(()) };
        match (stop, subscription.status.as_deref()) {
            (true, Some("scheduled_cancel" | "canceled")) => Ok(()),
            (true, _) => self.client.cancel(&subscription).await,
            (false, Some("scheduled_cancel" | "paused")) => self.client.resume(&subscription).await,
            (false, Some("canceled")) => Err(ProviderError::Refused(
                "the subscription has ended at Creem; it can only be bought again".to_owned(),
            )),
            (false, _) => Ok(()),
        }
    }

    async fn check(&self) -> Result<String, ProviderError> {
        self.client.check().await?;
        Ok(match self.mode {
            Mode::Test => "Creem answers and takes the API key, in test mode".to_owned(),
            Mode::Production => "Creem answers and takes the API key".to_owned(),
        })
    }

    fn acknowledge(&self) -> Acknowledgement {
        let body = r#"{"message":"Webhook received"}"#;
        Acknowledgement { status: StatusCode::OK, content_type: "application/json", body }
    }
}
