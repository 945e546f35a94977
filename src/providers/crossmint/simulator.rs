//! Crossmint's side: its orders API with a key, and notifications that Svix would sign. What a card pays is what was
//! quoted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde_json::{Value, json};

use super::{SPECIFICATION, webhook};
use crate::forward::sign::SigningKey;
use crate::providers::settings::Values;
use crate::providers::simulator::{
    Call, Face, Happened, KeyFile, NewTrade, Outgoing, Sim, Simulated, Trade, header, json_bytes,
};
use aggregates::{Currency, Money};

const COLLECTION: &str = "c0111ec7-0000-4000-8000-000000000001";

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let api_key = keys.secret("server_api_key", "sk_staging_");
    let webhook_secret = keys.webhook_secret("webhook_secret");
    let mut settings = Values::default();
    settings.set("server_api_key", &api_key);
    settings.set("webhook_secret", &webhook_secret);
    settings.set("collection_id", COLLECTION);
    settings.set("api_url", &format!("{base}/api"));
    Ok(Simulated { face: Arc::new(Crossmint { api_key, key: webhook::key(&webhook_secret)? }), settings })
}

struct Crossmint {
    api_key: String,
    key: SigningKey,
}

#[derive(Clone)]
struct Api {
    sim: Sim,
    api_key: Arc<str>,
}

impl Face for Crossmint {
    fn api(&self, sim: Sim) -> Router {
        Router::new()
            .route("/api/2022-06-09/orders", post(create))
            .route("/api/2022-06-09/orders/{order_id}", get(find))
            .with_state(Api { sim, api_key: self.api_key.as_str().into() })
    }

    fn call(&self, method: &Method, uri: &Uri, _body: &[u8]) -> Call {
        match *method {
            Method::POST if uri.path().ends_with("/orders") => Call::Create,
            Method::GET if uri.path().contains("/orders/") => Call::Query,
            _ => Call::Other,
        }
    }

    /// Nothing is told of refunds.
    fn notification(&self, trade: &Trade, happened: &Happened, event: &str) -> Option<Outgoing> {
        let Happened::Paid(paid) = happened else { return None };
        let body = json!({
            "type": "orders.payment.succeeded",
            "actionId": trade.reference,
            "data": order(trade, Some(paid.amount)),
        });
        let body = json_bytes(&body);
        let (id, now) = (format!("msg_{event}"), Utc::now().timestamp());
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            (webhook::SIGNATURE_HEADER, self.key.sign(&id, now, &body)),
            (webhook::TIMESTAMP_HEADER, now.to_string()),
            (webhook::ID_HEADER, id),
        ];
        let url = SPECIFICATION.webhooks.first().map(|webhook| webhook.path.to_owned())?;
        Some(Outgoing { method: Method::POST, url, headers, body: body.to_vec() })
    }

    fn is_acknowledged(&self, status: StatusCode, _body: &[u8]) -> bool {
        status.is_success()
    }
}

fn no(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": true, "message": message}))).into_response()
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

async fn create(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    if header(&headers, "x-api-key") != &*api.api_key {
        return no(StatusCode::FORBIDDEN, "Malformed API key");
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return no(StatusCode::BAD_REQUEST, "the body is not JSON");
    };
    let Some(new) = new_trade(&asked) else { return no(StatusCode::BAD_REQUEST, "lineItems or payment are invalid") };
    let secret = format!("_cs_{}", hex::encode(rand::random::<[u8; 16]>()));
    let trade = api.sim.books().open(new, true);
    (StatusCode::CREATED, Json(json!({"clientSecret": secret, "order": order(&trade, None)}))).into_response()
}

fn new_trade(asked: &Value) -> Option<NewTrade> {
    let locator = text(asked, "/lineItems/0/collectionLocator")?;
    let method = text(asked, "/payment/method")?;
    let currency = text(asked, "/payment/currency").filter(|currency| *currency == currency.to_ascii_lowercase())?;
    let parsed: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let amount = Money::parse(text(asked, "/lineItems/0/callData/totalPrice")?, parsed).ok()?;
    let locator = locator.strip_prefix("crossmint:").filter(|collection| *collection == COLLECTION)?;
    let order_id = uuid::Uuid::new_v4().to_string();
    Some(NewTrade {
        number: order_id.clone(),
        reference: Some(order_id),
        subject: locator.to_owned(),
        amount: Some(amount.minor()).filter(|amount| *amount > 0)?,
        currency: currency.to_owned(),
        notify_url: None,
        more: BTreeMap::from([("method".to_owned(), method.to_owned())]),
    })
}

async fn find(State(api): State<Api>, Path(order_id): Path<String>, headers: HeaderMap) -> Response {
    if header(&headers, "x-api-key") != &*api.api_key {
        return no(StatusCode::FORBIDDEN, "Malformed API key");
    }
    let found = api.sim.books().trade(&order_id).cloned();
    match found {
        Some(trade) => Json(order(&trade, trade.payment().map(|paid| paid.amount))).into_response(),
        None => no(StatusCode::NOT_FOUND, "Order not found"),
    }
}

fn order(trade: &Trade, paid: Option<i64>) -> Value {
    let currency = trade.currency.to_ascii_uppercase().parse::<Currency>().ok();
    let price = |minor: i64| {
        let amount = currency.map(|currency| Money::from_minor(minor, currency).to_string());
        json!({"amount": amount.unwrap_or_default(), "currency": trade.currency})
    };
    let back = trade.refunds.iter().fold(0, |sum: i64, refund| sum.saturating_add(refund.amount));
    let mut payment = json!({
        "status": if paid.is_some() { "completed" } else { "awaiting-payment" },
        "method": trade.more.get("method"),
        "currency": trade.currency,
    });
    if let Value::Object(members) = &mut payment {
        members.extend(paid.map(|paid| ("received".to_owned(), price(paid))));
        members.extend((back > 0).then(|| ("refunded".to_owned(), price(back))));
    }
    json!({
        "orderId": trade.reference,
        "phase": if paid.is_some() { "delivery" } else { "payment" },
        "locale": "en-US",
        "lineItems": [{
            "chain": "base-sepolia",
            "quantity": 1,
            "metadata": {"name": trade.subject},
            "quote": {"status": "valid", "totalPrice": price(trade.amount)},
            "delivery": {"status": "awaiting-payment"},
        }],
        "quote": {"status": "valid", "quotedAt": trade.created_at, "totalPrice": price(trade.amount)},
        "payment": payment,
    })
}
