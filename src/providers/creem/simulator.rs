//! Creem's side: checkouts, transactions, subscriptions and refunds with a key, and signed notifications. There is no tax
//! here.
//!
//! A product whose name is `prod_sub_` and a number is a subscription at that price, in minor units of the currency;
//! whoever pays one again pays for its next period. All others are sold once, at the price that is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde_json::{Value, json};

use super::{SPECIFICATION, webhook};
use crate::providers::settings::Values;
use crate::providers::simulator::{
    Books, Call, Face, Happened, KeyFile, NewTrade, NoRefund, Outgoing, PaidThere, RefundThere, Sim, Simulated, Trade,
    header, json_bytes,
};

const ONE_TIME: &str = "prod_any_price";
const SUBSCRIPTION_PREFIX: &str = "prod_sub_";
/// The subscriptions of a new ledger's catalogue.
const PRODUCTS: &str = "plan_basic=prod_sub_350, plan_pro=prod_sub_1050";
const CURRENCY: &str = "USD";

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let api_key = keys.secret("api_key", "creem_test_");
    let webhook_secret = keys.secret("webhook_secret", "whsec_");
    let mut settings = Values::default();
    settings.set("api_key", &api_key);
    settings.set("webhook_secret", &webhook_secret);
    settings.set("product_id", ONE_TIME);
    settings.set("product_ids", PRODUCTS);
    settings.set("api_url", base);
    Ok(Simulated { face: Arc::new(Creem { api_key, key: webhook::key(&webhook_secret) }), settings })
}

struct Creem {
    api_key: String,
    key: hmac::Key,
}

#[derive(Clone)]
struct Api {
    sim: Sim,
    api_key: Arc<str>,
}

impl Face for Creem {
    fn api(&self, sim: Sim) -> Router {
        let api = Api { sim, api_key: self.api_key.as_str().into() };
        Router::new()
            .route("/v1/checkouts", post(create).get(checkout))
            .route("/v1/transactions", get(transaction))
            .route("/v1/transactions/search", get(search))
            .route("/v1/subscriptions", get(subscription))
            .route("/v1/subscriptions/{id}/{what}", post(change))
            .route("/v1/refunds", post(refund))
            .route_layer(axum::middleware::from_fn_with_state(api.clone(), authenticate))
            .with_state(api)
    }

    fn call(&self, method: &Method, uri: &Uri, _body: &[u8]) -> Call {
        match (method, uri.path()) {
            (&Method::POST, "/v1/checkouts") => Call::Create,
            (&Method::POST, "/v1/refunds") => Call::Refund,
            (&Method::GET, _) => Call::Query,
            _ => Call::Other,
        }
    }

    fn notification(&self, trade: &Trade, happened: &Happened, event: &str) -> Option<Outgoing> {
        let (kind, object) = match happened {
            Happened::Paid(paid) if subscription_of(trade).is_some() => {
                ("subscription.paid", subscription_json(trade, Some(paid)))
            }
            Happened::Paid(paid) => ("checkout.completed", checkout_json(trade, Some(paid))),
            Happened::Refunded(refund) => ("refund.created", refund_json(trade, refund)?),
        };
        let body = json!({
            "id": format!("evt_{event}"), "eventType": kind, "created_at": Utc::now().timestamp_millis(), "object": object,
        });
        let body = json_bytes(&body);
        let signature = hex::encode(hmac::sign(&self.key, &body));
        let headers = vec![("content-type", "application/json".to_owned()), (webhook::SIGNATURE_HEADER, signature)];
        let url = SPECIFICATION.webhooks.first().map(|webhook| webhook.path.to_owned())?;
        Some(Outgoing { method: Method::POST, url, headers, body: body.to_vec() })
    }

    fn is_acknowledged(&self, status: StatusCode, _body: &[u8]) -> bool {
        status == StatusCode::OK
    }
}

fn no(status: StatusCode, message: &str) -> Response {
    let body = json!({"trace_id": uuid::Uuid::new_v4(), "status": status.as_u16(), "message": [message]});
    (status, Json(body)).into_response()
}

async fn authenticate(
    State(api): State<Api>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    if header(request.headers(), "x-api-key") != &*api.api_key {
        return no(StatusCode::FORBIDDEN, "API key is invalid");
    }
    next.run(request).await
}

fn subscription_of(trade: &Trade) -> Option<&str> {
    trade.more.get("subscription").map(String::as_str)
}

async fn create(State(api): State<Api>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut books = api.sim.books();
    let Some(new) = new_trade(&mut books, &asked) else {
        return no(StatusCode::BAD_REQUEST, "product_id, request_id or custom_price is invalid");
    };
    let trade = books.open(new, true);
    drop(books);
    let mut body = checkout_json(&trade, None);
    if let Value::Object(members) = &mut body {
        members.insert("checkout_url".to_owned(), json!(format!("{}/pay/{}", api.sim.base(), trade.reference)));
    }
    Json(body).into_response()
}

fn new_trade(books: &mut Books, asked: &Value) -> Option<NewTrade> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    let (product, number) = (text("product_id")?, text("request_id")?);
    let custom_price = asked.get("custom_price").map(|price| price.as_i64().unwrap_or_default());
    let mut more = BTreeMap::from([
        ("product".to_owned(), product.to_owned()),
        ("metadata".to_owned(), asked.get("metadata").cloned().unwrap_or_default().to_string()),
    ]);
    let amount = match (product.strip_prefix(SUBSCRIPTION_PREFIX), custom_price) {
        (Some(price), None) => {
            more.insert("subscription".to_owned(), books.name("sub_"));
            price.parse().ok()
        }
        (None, Some(price)) if product == ONE_TIME => Some(price),
        _ => None,
    };
    Some(NewTrade {
        number: number.to_owned(),
        reference: Some(books.name("ch_")),
        subject: product.to_owned(),
        amount: amount.filter(|amount| *amount > 0)?,
        currency: CURRENCY.to_owned(),
        notify_url: None,
        more,
    })
}

type Named = Query<BTreeMap<String, String>>;

fn found(found: Option<Value>) -> Response {
    found.map_or_else(|| no(StatusCode::NOT_FOUND, "there is none"), |found| Json(found).into_response())
}

async fn checkout(State(api): State<Api>, Query(query): Named) -> Response {
    let books = api.sim.books();
    let trade =
        query.get("checkout_id").and_then(|id| books.trade(id)).filter(|trade| trade.reference.starts_with("ch_"));
    found(trade.map(|trade| checkout_json(trade, paid_first(trade))))
}

async fn transaction(State(api): State<Api>, Query(query): Named) -> Response {
    let books = api.sim.books();
    let of = query.get("transaction_id").and_then(|id| Some((id, books.of_payment(id)?)));
    let paid = of.and_then(|(id, trade)| Some((trade, trade.paid.iter().find(|paid| paid.payment_id == *id)?)));
    found(paid.map(|(trade, paid)| transaction_json(trade, paid)))
}

async fn search(State(api): State<Api>, Query(query): Named) -> Response {
    let trades = api.sim.books().trades();
    let paid = trades.iter().flat_map(|trade| trade.paid.iter().map(move |paid| (trade, paid)));
    let wanted = paid.filter(|(_, paid)| query.get("order_id").is_none_or(|order| *order == order_of(paid)));
    let mut items: Vec<Value> = wanted.map(|(trade, paid)| transaction_json(trade, paid)).collect();
    items.reverse();
    items.truncate(query.get("page_size").and_then(|size| size.parse().ok()).unwrap_or(10));
    Json(json!({"items": items, "pagination": {"current_page": 1}})).into_response()
}

async fn subscription(State(api): State<Api>, Query(query): Named) -> Response {
    let trades = api.sim.books().trades();
    let wanted = query.get("subscription_id").map(String::as_str);
    let trade = trades.iter().find(|trade| wanted.is_some() && subscription_of(trade) == wanted);
    found(trade.map(|trade| subscription_json(trade, trade.paid.last())))
}

async fn change(State(api): State<Api>, Path((id, what)): Path<(String, String)>) -> Response {
    let trades = api.sim.books().trades();
    let Some(trade) = trades.iter().find(|trade| subscription_of(trade) == Some(&*id)) else {
        return no(StatusCode::NOT_FOUND, "there is no such subscription");
    };
    let ends = trade.more.contains_key("ends");
    let edited = match (what.as_str(), ends) {
        ("cancel", false) => api.sim.books().edit(&trade.reference, |trade| {
            trade.more.insert("ends".to_owned(), "at its period's end".to_owned());
        }),
        ("resume", true) => api.sim.books().edit(&trade.reference, |trade| {
            trade.more.remove("ends");
        }),
        _ => None,
    };
    match edited {
        Some(trade) => Json(subscription_json(&trade, trade.paid.last())).into_response(),
        None => no(StatusCode::BAD_REQUEST, "the subscription is in another state"),
    }
}

async fn refund(State(api): State<Api>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(payment_id) = asked.get("transaction_id").and_then(Value::as_str) else {
        return no(StatusCode::BAD_REQUEST, "transaction_id should not be empty");
    };
    let pending = api.sim.faults().refunds_pending;
    let entered = {
        let mut books = api.sim.books();
        let refund_no = books.name("ref_");
        books.give_back(payment_id, &refund_no, None, pending)
    };
    match entered {
        Ok((trade, refund, _)) => {
            if !pending {
                api.sim.tell(&trade, Happened::Refunded(refund));
            }
            Json(json!({"status": if pending { "pending" } else { "succeeded" }})).into_response()
        }
        Err(NoRefund::NoSuchPayment) => no(StatusCode::NOT_FOUND, "there is no such transaction"),
        Err(_) => no(StatusCode::BAD_REQUEST, "nothing is left to refund"),
    }
}

/// Whoever pays a second time pays for another period, or for something that is paid already.
fn paid_first(trade: &Trade) -> Option<&PaidThere> {
    if subscription_of(trade).is_some() { trade.paid.first() } else { trade.payment() }
}

fn order_of(paid: &PaidThere) -> String {
    format!("ord_{}", paid.payment_id)
}

fn metadata(trade: &Trade) -> Value {
    trade.more.get("metadata").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn checkout_json(trade: &Trade, paid: Option<&PaidThere>) -> Value {
    let mut checkout = json!({
        "id": trade.reference,
        "object": "checkout",
        "request_id": trade.number,
        "status": if paid.is_some() { "completed" } else { "pending" },
        "product": trade.more.get("product"),
        "units": 1,
        "metadata": metadata(trade),
        "mode": "test",
    });
    if let (Value::Object(members), Some(paid)) = (&mut checkout, paid) {
        members.insert("order".to_owned(), order_json(trade, paid));
        members.extend(subscription_of(trade).map(|id| ("subscription".to_owned(), json!(id))));
    }
    checkout
}

fn order_json(trade: &Trade, paid: &PaidThere) -> Value {
    json!({
        "object": "order",
        "id": order_of(paid),
        "product": trade.more.get("product"),
        "amount": paid.amount,
        "sub_total": paid.amount,
        "tax_amount": 0,
        "amount_due": paid.amount,
        "amount_paid": paid.amount,
        "currency": trade.currency,
        "status": "paid",
        "type": if subscription_of(trade).is_some() { "recurring" } else { "onetime" },
        "transaction": paid.payment_id,
        "created_at": trade.created_at,
        "updated_at": paid.at,
        "mode": "test",
    })
}

fn transaction_json(trade: &Trade, paid: &PaidThere) -> Value {
    let back = trade.given_back(&paid.payment_id);
    let status = match back {
        0 => "paid",
        back if back < paid.amount => "partialRefund",
        _ => "refunded",
    };
    json!({
        "id": paid.payment_id,
        "object": "transaction",
        "amount": paid.amount,
        "amount_paid": paid.amount,
        "currency": trade.currency,
        "type": if subscription_of(trade).is_some() { "invoice" } else { "payment" },
        "tax_country": null,
        "tax_amount": 0,
        "status": status,
        "refunded_amount": (back > 0).then_some(back),
        "order": order_of(paid),
        "subscription": subscription_of(trade),
        "created_at": paid.at.timestamp_millis(),
        "mode": "test",
    })
}

fn subscription_json(trade: &Trade, last: Option<&PaidThere>) -> Value {
    json!({
        "id": subscription_of(trade),
        "object": "subscription",
        "product": {"id": trade.more.get("product"), "object": "product", "price": trade.amount, "mode": "test"},
        "collection_method": "charge_automatically",
        "status": if trade.more.contains_key("ends") { "scheduled_cancel" } else { "active" },
        "last_transaction_id": last.map(|paid| &paid.payment_id),
        "last_transaction_date": last.map(|paid| paid.at),
        "metadata": metadata(trade),
        "created_at": trade.created_at,
        "updated_at": trade.created_at,
        "mode": "test",
    })
}

fn refund_json(trade: &Trade, refund: &RefundThere) -> Option<Value> {
    let paid = trade.paid.iter().find(|paid| paid.payment_id == refund.payment_id)?;
    Some(json!({
        "id": refund.refund_id,
        "object": "refund",
        "status": "succeeded",
        "refund_amount": refund.amount,
        "refund_currency": trade.currency,
        "reason": "requested_by_customer",
        "transaction": transaction_json(trade, paid),
        "checkout": checkout_json(trade, Some(paid)),
        "order": order_json(trade, paid),
        "created_at": refund.at.timestamp_millis(),
        "mode": "test",
    }))
}
