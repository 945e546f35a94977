//! Their side: the API with its signatures both ways. With cards, what is told is the capture, as they do it by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};
use url::Url;

use super::signature::{self, CLIENT_ID, REQUEST_TIME, RESPONSE_TIME, SIGNATURE};
use super::wire::{CARDS, code, kind, outcome, status, transaction};
use crate::providers::rsa::{PrivateKey, PublicKey};
use crate::providers::settings::Values;
use crate::providers::simulator::{
    Call, Face, Happened, KeyFile, NewTrade, NoRefund, Outgoing, PaidThere, RefundThere, Sim, Simulated, Trade, header,
    json_bytes,
};

const CLIENT: &str = "SANDBOX_5X00000000SIMULATED";
const PATH: &str = "/ams/sandbox/api/v1/payments/";
/// What a trade is paid with, and what it is called before it is paid.
const METHOD: &str = "method";
const PAYMENT_ID: &str = "payment_id";

struct AntomFace(Arc<Keys>);

struct Keys {
    /// Theirs.
    antom: PrivateKey,
    merchant: PublicKey,
}

pub(super) fn simulate(keys: &mut KeyFile, base: &str) -> anyhow::Result<Simulated> {
    let (merchant_private, merchant_public) = keys.rsa("merchant")?;
    let (antom_private, antom_public) = keys.rsa("antom")?;
    let mut settings = Values::default();
    for (name, value) in
        [("client_id", CLIENT), ("private_key", &merchant_private), ("public_key", &antom_public), ("api_url", base)]
    {
        settings.set(name, value);
    }
    let keys = Keys { antom: PrivateKey::parse(&antom_private)?, merchant: PublicKey::parse(&merchant_public)? };
    Ok(Simulated { face: Arc::new(AntomFace(Arc::new(keys))), settings })
}

impl Face for AntomFace {
    fn api(&self, sim: Sim) -> Router {
        let server = Server { keys: self.0.clone(), sim };
        Router::new().route(&format!("{PATH}{{name}}"), post(call)).with_state(server)
    }

    fn call(&self, _method: &Method, uri: &Uri, _body: &[u8]) -> Call {
        match uri.path().strip_prefix(PATH) {
            Some("pay") => Call::Create,
            Some("refund") => Call::Refund,
            Some(_) => Call::Query,
            None => Call::Other,
        }
    }

    fn notification(&self, trade: &Trade, happened: &Happened, _event: &str) -> Option<Outgoing> {
        let told = match happened {
            Happened::Paid(paid) if is_card(trade) => capture_told(trade, paid),
            Happened::Paid(paid) => payment_told(trade, paid),
            Happened::Refunded(refund) => refund_told(trade, refund),
        };
        let body = json_bytes(&told).to_vec();
        let url = trade.notify_url.clone()?;
        let path = path_of(&url)?;
        let time = now();
        let signature = self.0.signature(&path, &time, &body)?;
        let headers = vec![
            ("content-type", "application/json; charset=UTF-8".to_owned()),
            (CLIENT_ID, CLIENT.to_owned()),
            (REQUEST_TIME, time),
            (SIGNATURE, signature),
        ];
        Some(Outgoing { method: Method::POST, url, headers, body })
    }

    fn is_acknowledged(&self, status: StatusCode, body: &[u8]) -> bool {
        let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
        status == StatusCode::OK && text(&said, "/result/resultStatus") == Some(outcome::SUCCESS)
    }
}

fn path_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

impl Keys {
    fn signature(&self, path: &str, time: &str, body: &[u8]) -> Option<String> {
        signature::sign(&self.antom, "1", &signature::message(path, CLIENT, time, body))
    }
}

#[derive(Clone)]
struct Server {
    keys: Arc<Keys>,
    sim: Sim,
}

async fn call(
    State(server): State<Server>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let (client, time) = (header(&headers, CLIENT_ID), header(&headers, REQUEST_TIME));
    let message = signature::message(&path, client, time, &body);
    let merchant = std::slice::from_ref(&server.keys.merchant);
    let is_theirs = client == CLIENT && signature::is_by(merchant, header(&headers, SIGNATURE), &[message]);
    if !is_theirs || signature::time(time).is_none() {
        // Not signed: they do not know whom they talk to.
        let told = json!({"result": result(outcome::FAILURE, "SIGNATURE_INVALID")});
        return json_bytes(&told).into_response();
    }
    let asked = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let told = match name.as_str() {
        "pay" => pay(&server.sim, &asked),
        "inquiryPayment" => inquiry(&server.sim, &asked),
        "refund" => refund(&server.sim, &asked),
        "inquiryRefund" => inquiry_of_refund(&server.sim, &asked),
        _ => failure("NO_INTERFACE_DEF"),
    };
    let (body, time) = (json_bytes(&told), now());
    let Some(signature) = server.keys.signature(&path, &time, &body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [(CLIENT_ID, CLIENT.to_owned()), (RESPONSE_TIME, time), (SIGNATURE, signature)];
    (headers, body).into_response()
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn result(status: &str, code: &str) -> Value {
    json!({"resultCode": code, "resultStatus": status, "resultMessage": "simulated"})
}

fn failure(code: &str) -> Value {
    json!({"result": result(outcome::FAILURE, code)})
}

fn amount(minor: i64, currency: &str) -> Value {
    json!({"currency": currency, "value": minor.to_string()})
}

fn minor(value: &Value, pointer: &str) -> Option<i64> {
    text(value, &format!("{pointer}/value"))?.parse().ok().filter(|minor| *minor > 0)
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn is_card(trade: &Trade) -> bool {
    trade.more.get(METHOD).is_some_and(|method| CARDS.contains(&method.as_str()))
}

fn pay(sim: &Sim, asked: &Value) -> Value {
    let Some(mut new) = new_trade(asked) else { return failure("PARAM_ILLEGAL") };
    let mut books = sim.books();
    new.more.insert(PAYMENT_ID.to_owned(), books.name("pm"));
    let (total, currency) = (new.amount, new.currency.clone());
    let trade = books.open(new, false);
    if (trade.amount, &trade.currency) != (total, &currency) {
        return failure("REPEAT_REQ_INCONSISTENT");
    }
    if !trade.paid.is_empty() {
        return failure("ORDER_IS_CLOSED");
    }
    json!({
        "result": result(outcome::UNKNOWN, "PAYMENT_IN_PROCESS"),
        "paymentRequestId": trade.number,
        // A real one is kept when it is paid; here a payment gets its name then.
        "paymentId": trade.more.get(PAYMENT_ID),
        "paymentAmount": amount(trade.amount, &trade.currency),
        "paymentCreateTime": now(),
        "normalUrl": format!("{}/pay/{}", sim.base(), trade.number),
    })
}

fn new_trade(asked: &Value) -> Option<NewTrade> {
    let number = text(asked, "/paymentRequestId").filter(|number| (1..=64).contains(&number.len()))?;
    let method = text(asked, "/paymentMethod/paymentMethodType")?;
    let is_whole = ["/order/referenceOrderId", "/paymentRedirectUrl", "/env/terminalType"]
        .into_iter()
        .all(|pointer| text(asked, pointer).is_some_and(|text| !text.is_empty()));
    let is_cashier = text(asked, "/productCode") == Some("CASHIER_PAYMENT");
    let total = minor(asked, "/paymentAmount")?;
    let fits = minor(asked, "/order/orderAmount") == Some(total);
    (is_whole && is_cashier && fits).then(|| NewTrade {
        number: number.to_owned(),
        subject: text(asked, "/order/orderDescription").unwrap_or_default().to_owned(),
        amount: total,
        currency: text(asked, "/paymentAmount/currency").unwrap_or_default().to_owned(),
        notify_url: text(asked, "/paymentNotifyUrl").map(str::to_owned),
        more: BTreeMap::from([(METHOD.to_owned(), method.to_owned())]),
        ..NewTrade::default()
    })
}

fn inquiry(sim: &Sim, asked: &Value) -> Value {
    let books = sim.books();
    let by_payment = text(asked, "/paymentId");
    let trade = match by_payment {
        Some(payment) => books.of_payment(payment),
        None => text(asked, "/paymentRequestId").and_then(|number| books.trade(number)),
    };
    let Some(trade) = trade else { return failure(code::NO_ORDER) };
    let named = |payment: &str| trade.paid.iter().find(|paid| paid.payment_id == payment);
    let paid = by_payment.map_or_else(|| trade.payment(), named);
    let mut told = json!({
        "result": result(outcome::SUCCESS, code::SUCCESS),
        "paymentRequestId": trade.number,
        "paymentId": paid.map_or(trade.more.get(PAYMENT_ID), |paid| Some(&paid.payment_id)),
        "paymentStatus": if paid.is_some() { status::SUCCESS } else { status::PROCESSING },
        "paymentAmount": amount(paid.map_or(trade.amount, |paid| paid.amount), &trade.currency),
        "paymentMethodType": trade.more.get(METHOD),
    });
    if let (Some(paid), Some(members)) = (paid, told.as_object_mut()) {
        members.insert("transactions".to_owned(), transactions(trade, paid));
    }
    told
}

fn transactions(trade: &Trade, paid: &PaidThere) -> Value {
    let told = |kind: &str, (id, number): (String, &str), minor: i64, pending: bool, at: &chrono::DateTime<Utc>| {
        json!({
            "transactionType": kind, "transactionId": id, "transactionRequestId": number,
            "transactionStatus": if pending { status::PROCESSING } else { status::SUCCESS },
            "transactionAmount": amount(minor, &trade.currency),
            "transactionTime": at.to_rfc3339_opts(SecondsFormat::Secs, true),
        })
    };
    let captured = is_card(trade).then(|| {
        let names = (format!("cap{}", paid.payment_id), paid.payment_id.as_str());
        told(transaction::CAPTURE, names, paid.amount, false, &paid.at)
    });
    let refunds = trade.refunds.iter().filter(|refund| refund.payment_id == paid.payment_id).map(|refund| {
        let names = (refund.refund_id.clone(), refund.refund_no.as_str());
        told(transaction::REFUND, names, refund.amount, refund.pending, &refund.at)
    });
    captured.into_iter().chain(refunds).collect()
}

fn refund(sim: &Sim, asked: &Value) -> Value {
    let (payment, number) = (text(asked, "/paymentId"), text(asked, "/refundRequestId"));
    let (Some(payment), Some(number), Some(wanted)) = (payment, number, minor(asked, "/refundAmount")) else {
        return failure("PARAM_ILLEGAL");
    };
    let pending = sim.faults().refunds_pending;
    let given = sim.books().give_back(payment, number, Some(wanted), pending);
    match given {
        Ok((trade, refund, is_new)) => {
            if is_new && !refund.pending {
                sim.tell(&trade, Happened::Refunded(refund.clone()));
            }
            let result = match refund.pending {
                true => result(outcome::UNKNOWN, "REFUND_IN_PROCESS"),
                false => result(outcome::SUCCESS, code::SUCCESS),
            };
            json!({
                "result": result, "refundRequestId": refund.refund_no, "refundId": refund.refund_id,
                "paymentId": refund.payment_id, "refundAmount": amount(refund.amount, &trade.currency),
                "refundTime": now(),
            })
        }
        Err(NoRefund::NoSuchPayment) => failure(code::NO_ORDER),
        Err(NoRefund::NumberTaken) => failure("REPEAT_REQ_INCONSISTENT"),
        Err(NoRefund::MoreThanIsLeft) => failure("REFUND_AMOUNT_EXCEED"),
    }
}

fn inquiry_of_refund(sim: &Sim, asked: &Value) -> Value {
    let books = sim.books();
    let name = text(asked, "/refundRequestId").or_else(|| text(asked, "/refundId"));
    let Some((trade, refund)) = name.and_then(|name| books.of_refund(name)) else {
        return failure(code::NO_REFUND[0]);
    };
    json!({
        "result": result(outcome::SUCCESS, code::SUCCESS),
        "refundStatus": if refund.pending { status::PROCESSING } else { status::SUCCESS },
        "refundRequestId": refund.refund_no, "refundId": refund.refund_id,
        "refundAmount": amount(refund.amount, &trade.currency),
    })
}

fn payment_told(trade: &Trade, paid: &PaidThere) -> Value {
    json!({
        "notifyType": kind::PAYMENT,
        "result": result(outcome::SUCCESS, code::SUCCESS),
        "paymentRequestId": trade.number, "paymentId": paid.payment_id,
        "paymentAmount": amount(paid.amount, &trade.currency),
        "paymentMethodType": trade.more.get(METHOD),
        "paymentCreateTime": trade.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "paymentTime": paid.at.to_rfc3339_opts(SecondsFormat::Secs, true),
    })
}

fn capture_told(trade: &Trade, paid: &PaidThere) -> Value {
    json!({
        "notifyType": kind::CAPTURE,
        "result": result(outcome::SUCCESS, code::SUCCESS),
        "captureRequestId": paid.payment_id, "captureId": format!("cap{}", paid.payment_id),
        "paymentId": paid.payment_id,
        "captureAmount": amount(paid.amount, &trade.currency),
        "captureTime": paid.at.to_rfc3339_opts(SecondsFormat::Secs, true),
    })
}

fn refund_told(trade: &Trade, refund: &RefundThere) -> Value {
    json!({
        "notifyType": kind::REFUND,
        "result": result(outcome::SUCCESS, code::SUCCESS),
        "refundStatus": status::SUCCESS,
        "refundRequestId": refund.refund_no, "refundId": refund.refund_id,
        "refundAmount": amount(refund.amount, &trade.currency),
        "refundTime": refund.at.to_rfc3339_opts(SecondsFormat::Secs, true),
    })
}
