//! Their side: the API with its signatures both ways, and notifications encrypted with the APIv3 key.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header as names};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::keys::{self, Cipher, SCHEME, TOO_FAR_SECONDS};
use super::wire::{ALGORITHM, event, state};
use crate::providers::rsa::{PrivateKey, PublicKey};
use crate::providers::settings::Values;
use crate::providers::simulator::{
    Call, Face, Happened, KeyFile, NewTrade, NoRefund, Outgoing, PaidThere, RefundThere, Sim, Simulated, Trade, header,
    json_bytes,
};

const APP_ID: &str = "wx00000000simulated";
const MCH_ID: &str = "1900000001";
const SERIAL_NO: &str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000012026010100000000000001";

struct WeChatFace(Arc<Keys>);

struct Keys {
    /// Theirs.
    platform: PrivateKey,
    merchant: PublicKey,
    cipher: Cipher,
}

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let (merchant_private, merchant_public) = keys.rsa("merchant")?;
    let (platform_private, platform_public) = keys.rsa("platform")?;
    let api_v3_key = keys.secret("api_v3_key", "");
    let mut settings = Values::default();
    for (name, value) in [
        ("app_id", APP_ID),
        ("mch_id", MCH_ID),
        ("serial_no", SERIAL_NO),
        ("private_key", &merchant_private),
        ("api_v3_key", &api_v3_key),
        ("public_key_id", PUBLIC_KEY_ID),
        ("public_key", &platform_public),
        ("api_url", base),
    ] {
        settings.set(name, value);
    }
    let keys = Keys {
        platform: PrivateKey::parse(&platform_private)?,
        merchant: PublicKey::parse(&merchant_public)?,
        cipher: Cipher::parse(&api_v3_key).map_err(anyhow::Error::msg).context("the kept APIv3 key")?,
    };
    Ok(Simulated { face: Arc::new(WeChatFace(Arc::new(keys))), settings })
}

impl Face for WeChatFace {
    fn api(&self, sim: Sim) -> Router {
        let server = Server { keys: self.0.clone(), sim };
        Router::new()
            .route("/v3/pay/transactions/native", post(create))
            .route("/v3/pay/transactions/out-trade-no/{number}", get(query))
            .route("/v3/pay/transactions/id/{number}", get(query))
            .route("/v3/pay/transactions/out-trade-no/{number}/close", post(close))
            .route("/v3/refund/domestic/refunds", post(refund))
            .route("/v3/refund/domestic/refunds/{number}", get(query_refund))
            .with_state(server)
    }

    fn call(&self, method: &Method, uri: &Uri, _body: &[u8]) -> Call {
        match (method, uri.path()) {
            (&Method::POST, "/v3/pay/transactions/native") => Call::Create,
            (&Method::POST, "/v3/refund/domestic/refunds") => Call::Refund,
            (&Method::GET, path) if path.starts_with("/v3/") => Call::Query,
            _ => Call::Other,
        }
    }

    fn notification(&self, trade: &Trade, happened: &Happened, event: &str) -> Option<Outgoing> {
        let (event_type, original_type, plain) = match happened {
            Happened::Paid(paid) => (event::PAID, "transaction", transaction(trade, Some(paid), state::SUCCESS)),
            Happened::Refunded(refund) => (event::REFUNDED, "refund", refund_told(trade, refund)),
        };
        let nonce = hex::encode(rand::random::<[u8; 6]>());
        let ciphertext = self.0.cipher.seal(&nonce, original_type, plain.to_string().as_bytes())?;
        let body = json!({
            "id": event,
            "create_time": now(),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": event_type,
            "resource": {
                "original_type": original_type, "algorithm": ALGORITHM, "ciphertext": ciphertext,
                "associated_data": original_type, "nonce": nonce,
            },
        });
        let body = json_bytes(&body).to_vec();
        let mut headers = self.0.signed(&body)?;
        headers.push(("content-type", "application/json".to_owned()));
        Some(Outgoing { method: Method::POST, url: trade.notify_url.clone()?, headers, body })
    }

    fn is_acknowledged(&self, status: StatusCode, _body: &[u8]) -> bool {
        matches!(status, StatusCode::OK | StatusCode::NO_CONTENT)
    }
}

impl Keys {
    fn signed(&self, body: &[u8]) -> Option<Vec<(&'static str, String)>> {
        let (timestamp, nonce) = (Utc::now().timestamp().to_string(), hex::encode(rand::random::<[u8; 16]>()));
        let signature = self.platform.sign(&keys::message(&timestamp, &nonce, body))?;
        Some(vec![
            (keys::TIMESTAMP, timestamp),
            (keys::NONCE, nonce),
            (keys::SIGNATURE, signature),
            (keys::SERIAL, PUBLIC_KEY_ID.to_owned()),
            (keys::SIGNATURE_TYPE, SCHEME.to_owned()),
        ])
    }

    /// Whether the merchant has signed this call, now.
    fn takes(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(told) = header(headers, names::AUTHORIZATION.as_str()).strip_prefix(SCHEME) else { return false };
        let told: Vec<(&str, &str)> = told.split(',').filter_map(|pair| pair.trim().split_once('=')).collect();
        let value = |name: &str| {
            let found = told.iter().find(|(told, _)| *told == name);
            found.map(|(_, value)| value.trim_matches('"')).unwrap_or_default()
        };
        let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let (timestamp, nonce) = (value("timestamp"), value("nonce_str"));
        let message = [format!("{method}\n{path}\n{timestamp}\n{nonce}\n").as_bytes(), body, b"\n"].concat();
        let is_now = timestamp
            .parse::<i64>()
            .is_ok_and(|signed_at| signed_at.abs_diff(Utc::now().timestamp()) < TOO_FAR_SECONDS);
        is_now
            && (value("mchid"), value("serial_no")) == (MCH_ID, SERIAL_NO)
            && self.merchant.verifies(&message, value("signature"))
    }
}

#[derive(Clone)]
struct Server {
    keys: Arc<Keys>,
    sim: Sim,
}

/// A status, and what is said with it; nothing with 204.
type Told = (StatusCode, Value);

impl Server {
    fn answer(
        &self,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        body: &[u8],
        told: impl FnOnce(&Sim) -> Told,
    ) -> Response {
        if !self.keys.takes(method, uri, headers, body) {
            // Not signed: they do not know whom they talk to.
            let body = json_bytes(&json!({"code": "SIGN_ERROR", "message": "the signature is wrong"}));
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
        let (status, value) = told(&self.sim);
        let body = if status == StatusCode::NO_CONTENT { Bytes::new() } else { json_bytes(&value) };
        let Some(signed) = self.keys.signed(&body) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (status, body).into_response();
        for (name, value) in signed {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn no(status: StatusCode, code: &str) -> Told {
    (status, json!({"code": code, "message": "simulated"}))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

async fn create(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    server.answer((&method, &uri, &headers), &body, |sim| {
        let Some(new) = new_trade(&body) else { return no(StatusCode::BAD_REQUEST, "PARAM_ERROR") };
        let trade = sim.books().open(new, false);
        if !trade.paid.is_empty() {
            return no(StatusCode::BAD_REQUEST, "ORDERPAID");
        }
        if trade.closed {
            return no(StatusCode::BAD_REQUEST, "ORDER_CLOSED");
        }
        // A real one is weixin://wxpay/bizpayurl?pr=…, which only their app opens.
        (StatusCode::OK, json!({"code_url": format!("{}/pay/{}", sim.base(), trade.number)}))
    })
}

fn new_trade(body: &[u8]) -> Option<NewTrade> {
    let told: Value = serde_json::from_slice(body).ok()?;
    let is_ours = text(&told, "/appid")? == APP_ID && text(&told, "/mchid")? == MCH_ID;
    let number = text(&told, "/out_trade_no")?;
    let is_number = |byte: u8| byte.is_ascii_alphanumeric() || b"_-|*".contains(&byte);
    let fine = (6..=32).contains(&number.len()) && number.bytes().all(is_number);
    let amount = told.pointer("/amount/total")?.as_i64().filter(|total| *total > 0)?;
    let subject = text(&told, "/description").filter(|subject| (1..=127).contains(&subject.len()))?;
    chrono::DateTime::parse_from_rfc3339(text(&told, "/time_expire")?).ok()?;
    (is_ours && fine && text(&told, "/amount/currency")? == "CNY").then(|| NewTrade {
        number: number.to_owned(),
        subject: subject.to_owned(),
        amount,
        currency: "CNY".to_owned(),
        notify_url: text(&told, "/notify_url").map(str::to_owned),
        ..NewTrade::default()
    })
}

async fn query(
    State(server): State<Server>,
    Path(number): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    server.answer((&method, &uri, &headers), b"", |sim| {
        if uri.query() != Some(&format!("mchid={MCH_ID}")) {
            return no(StatusCode::BAD_REQUEST, "PARAM_ERROR");
        }
        let books = sim.books();
        let Some(trade) = books.trade(&number).or_else(|| books.of_payment(&number)) else {
            return no(StatusCode::NOT_FOUND, "ORDER_NOT_EXIST");
        };
        let state = match (trade.payment(), trade.closed) {
            (Some(_), _) if !trade.refunds.is_empty() => state::REFUND,
            (Some(_), _) => state::SUCCESS,
            (None, true) => state::CLOSED,
            (None, false) => "NOTPAY",
        };
        (StatusCode::OK, transaction(trade, trade.payment(), state))
    })
}

async fn close(
    State(server): State<Server>,
    Path(number): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    server.answer((&method, &uri, &headers), &body, |sim| {
        let closed = sim.books().edit(&number, |trade| trade.closed = trade.paid.is_empty());
        match closed {
            Some(trade) if trade.closed => (StatusCode::NO_CONTENT, Value::Null),
            Some(_) => no(StatusCode::BAD_REQUEST, "ORDERPAID"),
            None => no(StatusCode::NOT_FOUND, "ORDER_NOT_EXIST"),
        }
    })
}

async fn refund(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    server.answer((&method, &uri, &headers), &body, |sim| {
        let asked = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let number = |pointer: &str| asked.pointer(pointer).and_then(Value::as_i64);
        let (payment, refund_no) = (text(&asked, "/transaction_id"), text(&asked, "/out_refund_no"));
        let (Some(payment), Some(refund_no), Some(amount), Some(total)) =
            (payment, refund_no, number("/amount/refund"), number("/amount/total"))
        else {
            return no(StatusCode::BAD_REQUEST, "PARAM_ERROR");
        };
        let pending = sim.faults().refunds_pending;
        let mut books = sim.books();
        let paid = books.of_payment(payment).and_then(|trade| trade.paid.iter().find(|it| it.payment_id == payment));
        if paid.is_some_and(|paid| paid.amount != total) {
            return no(StatusCode::BAD_REQUEST, "INVALID_REQUEST");
        }
        let given = books.give_back(payment, refund_no, Some(amount), pending);
        drop(books);
        match given {
            Ok((trade, refund, is_new)) => {
                if is_new && !refund.pending {
                    sim.tell(&trade, Happened::Refunded(refund.clone()));
                }
                (StatusCode::OK, refund_asked(&trade, &refund))
            }
            Err(NoRefund::NoSuchPayment) => no(StatusCode::NOT_FOUND, "RESOURCE_NOT_EXISTS"),
            Err(NoRefund::NumberTaken | NoRefund::MoreThanIsLeft) => no(StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
        }
    })
}

async fn query_refund(
    State(server): State<Server>,
    Path(number): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    server.answer((&method, &uri, &headers), b"", |sim| match sim.books().of_refund(&number) {
        Some((trade, refund)) => (StatusCode::OK, refund_asked(trade, refund)),
        None => no(StatusCode::NOT_FOUND, "RESOURCE_NOT_EXISTS"),
    })
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn transaction(trade: &Trade, paid: Option<&PaidThere>, state: &str) -> Value {
    let amount = paid.map_or(trade.amount, |paid| paid.amount);
    let mut told = json!({
        "mchid": MCH_ID, "appid": APP_ID, "out_trade_no": trade.number, "trade_state": state,
        "trade_state_desc": state, "amount": {"total": amount, "currency": "CNY"},
    });
    if let (Some(paid), Some(members)) = (paid, told.as_object_mut()) {
        let payer = json!({"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"});
        let at = paid.at.to_rfc3339_opts(SecondsFormat::Secs, false);
        let amount = json!({"total": amount, "payer_total": amount, "currency": "CNY", "payer_currency": "CNY"});
        for (name, value) in [
            ("transaction_id", json!(paid.payment_id)),
            ("trade_type", json!("NATIVE")),
            ("success_time", json!(at)),
            ("payer", payer),
            ("amount", amount),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    told
}

fn amounts(trade: &Trade, refund: &RefundThere) -> Value {
    let paid = trade.paid.iter().find(|paid| paid.payment_id == refund.payment_id);
    let total = paid.map_or(trade.amount, |paid| paid.amount);
    json!({"total": total, "refund": refund.amount, "payer_total": total, "payer_refund": refund.amount})
}

fn refund_told(trade: &Trade, refund: &RefundThere) -> Value {
    json!({
        "mchid": MCH_ID, "out_trade_no": trade.number, "transaction_id": refund.payment_id,
        "out_refund_no": refund.refund_no, "refund_id": refund.refund_id, "refund_status": state::SUCCESS,
        "success_time": now(), "user_received_account": "simulated", "amount": amounts(trade, refund),
    })
}

fn refund_asked(trade: &Trade, refund: &RefundThere) -> Value {
    let status = if refund.pending { state::PROCESSING } else { state::SUCCESS };
    let mut amount = amounts(trade, refund);
    if let Some(members) = amount.as_object_mut() {
        members.insert("currency".to_owned(), json!("CNY"));
    }
    json!({
        "refund_id": refund.refund_id, "out_refund_no": refund.refund_no, "transaction_id": refund.payment_id,
        "out_trade_no": trade.number, "status": status, "create_time": now(), "amount": amount,
    })
}
