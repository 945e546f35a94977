//! What the provider makes of their words. `genuine.rs`: whose they are. `calls.rs`: calls over a socket.

mod calls;
mod genuine;

use aggregates::{Currency, Money, OrderNumber};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::Url;

use super::keys::{self, Cipher};
use super::*;
use crate::providers::rsa::PrivateKey;
use crate::providers::{OrderName, PaidNews, RefundedNews};

const API_V3_KEY: &str = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb";
const KEY_ID: &str = "PUB_KEY_ID_0112300001092026010100000000000001";
const NUMBER: &str = "ORD20260105060000deadbeef";
/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600;

fn key_texts() -> (String, String) {
    let keys: Value = serde_json::from_str(include_str!("../../../tests/vectors/keys.json")).unwrap();
    let text = |name: &str| keys[0][name].as_str().unwrap().to_owned();
    (text("private_key_pkcs8_base64"), text("public_key_spki_base64"))
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/vectors/wechatpay.json")).unwrap()
}

fn settings() -> Values {
    let (private, public) = key_texts();
    let mut values = Values::default();
    for (name, value) in [
        ("app_id", "wxd678efh567hg6787"),
        ("mch_id", "1230000109"),
        ("serial_no", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"),
        ("private_key", &private),
        ("api_v3_key", API_V3_KEY),
        ("public_key_id", KEY_ID),
        ("public_key", &public),
    ] {
        values.set(name, value);
    }
    values
}

fn site() -> Site {
    Site { public_url: Url::parse("https://ledger.example.test").unwrap() }
}

fn provider(values: &Values) -> WeChat {
    WeChat::try_new(values, &site()).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn number() -> OrderNumber {
    NUMBER.parse().unwrap()
}

fn cny(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").unwrap())
}

/// A notification as bytes.
#[derive(Debug, Clone)]
struct Notice {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Notice {
    fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: &[u8]) -> Self {
        let headers = headers.into_iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Self { method: Method::POST, path: WEBHOOK.to_owned(), headers: headers.collect(), body: body.to_vec() }
    }

    fn arrived(&self) -> Arrived<'_> {
        let Self { method, path, headers, body } = self;
        Arrived { method, path, query: None, headers, body }
    }
}

/// Signed and encrypted as they do it.
fn signed(key_id: &str, private: &str, api_v3_key: &str, event: &str, plain: &Value) -> Notice {
    let cipher = Cipher::parse(api_v3_key).unwrap();
    let ciphertext = cipher.seal("0123456789ab", "transaction", plain.to_string().as_bytes()).unwrap();
    let body = json!({
        "id": "EV-1", "create_time": "2026-01-01T08:00:00+08:00", "resource_type": "encrypt-resource",
        "event_type": event, "summary": "simulated",
        "resource": {
            "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext,
            "associated_data": "transaction", "nonce": "0123456789ab",
        },
    });
    let (body, time) = (body.to_string(), NOW.to_string());
    let message = keys::message(&time, "a-nonce", body.as_bytes());
    let signature = PrivateKey::parse(private).unwrap().sign(&message).unwrap();
    let headers = [
        (keys::TIMESTAMP, time.as_str()),
        (keys::NONCE, "a-nonce"),
        (keys::SERIAL, key_id),
        (keys::SIGNATURE, &signature),
        (keys::SIGNATURE_TYPE, keys::SCHEME),
    ];
    Notice::new(headers, body.as_bytes())
}

fn notice(event: &str, plain: &Value) -> Notice {
    signed(KEY_ID, &key_texts().0, API_V3_KEY, event, plain)
}

fn paid() -> Value {
    json!({
        "mchid": "1230000109", "appid": "wxd678efh567hg6787", "out_trade_no": NUMBER, "transaction_id": "4200000001",
        "trade_type": "NATIVE", "trade_state": "SUCCESS", "payer": {"openid": "o-1"},
        "amount": {"total": 2999, "payer_total": 2000, "currency": "CNY", "payer_currency": "CNY"},
    })
}

fn refunded(status: &str) -> Value {
    json!({
        "mchid": "1230000109", "out_trade_no": NUMBER, "transaction_id": "4200000001", "out_refund_no": "RF1",
        "refund_id": "5000000001", "refund_status": status, "user_received_account": "a bank card",
        "amount": {"total": 2999, "refund": 1000, "payer_total": 2999, "payer_refund": 1000},
    })
}

fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

async fn read(event: &str, plain: &Value) -> Result<News, NoticeError> {
    let news = provider(&settings()).read(&notice(event, plain).arrived()).await?;
    Ok(news.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_plain_success_is_a_payment_of_what_was_paid() {
    let news = |amount: i64| {
        News::Paid(PaidNews {
            order: OrderName::Number(number()),
            payment_id: "4200000001".to_owned(),
            amount: cny(amount),
            method: Some("NATIVE".to_owned()),
        })
    };
    assert_eq!(read("TRANSACTION.SUCCESS", &paid()).await.unwrap(), news(2999));
    let less = with(paid(), "/amount/total", json!(1));
    assert_eq!(read("TRANSACTION.SUCCESS", &less).await.unwrap(), news(1));
}

#[tokio::test]
async fn whatever_is_not_plain_success_is_no_payment() {
    for state in ["NOTPAY", "REFUND", "CLOSED", "PAYERROR", "", "success"] {
        let plain = with(paid(), "/trade_state", json!(state));
        assert_eq!(
            read("TRANSACTION.SUCCESS", &plain).await.unwrap(),
            News::Ask(OrderName::Number(number())),
            "{state}"
        );
    }
    for (pointer, value) in [("/mchid", "1"), ("/appid", "1"), ("/out_trade_no", "ORD20260101000003")] {
        let news = read("TRANSACTION.SUCCESS", &with(paid(), pointer, json!(value))).await.unwrap();
        assert!(matches!(news, News::ForReview(_)), "{pointer}: {news:?}");
    }
    for (pointer, value) in [
        ("/amount/total", json!(-1)),
        ("/amount/total", json!(29.99)),
        ("/amount/total", json!(2999.0)),
        ("/amount/total", json!("2999")),
        ("/amount/total", json!(u64::MAX)),
        ("/amount/currency", json!("LDC")),
        ("/amount", json!(null)),
        ("/transaction_id", json!("")),
        ("/transaction_id", json!("a\u{0}")),
        ("/transaction_id", json!(null)),
    ] {
        let read = read("TRANSACTION.SUCCESS", &with(paid(), pointer, value.clone())).await;
        assert!(matches!(read, Err(NoticeError::Malformed { .. })), "{pointer} {value}: {read:?}");
    }
}

#[tokio::test]
async fn another_currency_is_told_as_it_is() {
    let plain = with(paid(), "/amount/currency", json!("JPY"));
    let News::Paid(news) = read("TRANSACTION.SUCCESS", &plain).await.unwrap() else { panic!("it was paid") };
    assert_eq!(news.amount, Money::from_minor(2999, Currency::iso("JPY").unwrap()));
}

#[tokio::test]
async fn money_that_went_back_names_its_payment_and_our_number() {
    let news = News::Refunded(RefundedNews {
        order: OrderName::Number(number()),
        payment_id: Some("4200000001".to_owned()),
        refund: "RF1".to_owned(),
        amount: cny(1000),
        provider_refund: Some("5000000001".to_owned()),
        reason: None,
    });
    assert_eq!(read("REFUND.SUCCESS", &refunded("SUCCESS")).await.unwrap(), news);
    let closed = read("REFUND.CLOSED", &refunded("CLOSED")).await.unwrap();
    assert!(matches!(closed, News::RefundFailed { ref refund, .. } if refund == "RF1"), "{closed:?}");
    for (event, status) in [("REFUND.SUCCESS", "ABNORMAL"), ("REFUND.CLOSED", "SUCCESS"), ("REFUND.SUCCESS", "NEW")] {
        let news = read(event, &refunded(status)).await.unwrap();
        assert!(matches!(news, News::ForReview(_)), "{event} {status}: {news:?}");
    }
}

#[tokio::test]
async fn a_refund_that_is_stuck_is_for_a_person_and_has_not_failed() {
    let news = read("REFUND.ABNORMAL", &refunded("ABNORMAL")).await.unwrap();
    let what = "refund RF1 is stuck: finish it in WeChat Pay's merchant console";
    assert_eq!(news, News::ForReview(what.to_owned()));
}

#[tokio::test]
async fn what_is_not_known_is_for_a_person_to_look_at() {
    let news = read("COMPLAINT.CREATE\n", &json!({})).await.unwrap();
    assert_eq!(news, News::ForReview("a notification that is not known here: COMPLAINT.CREATE".to_owned()));
}

#[tokio::test]
async fn no_news_and_no_error_names_who_paid() {
    let mut plain = paid();
    plain["amount"] = json!("o-1");
    let error = read("TRANSACTION.SUCCESS", &plain).await.unwrap_err();
    assert!(!format!("{error:?}").contains("o-1"), "{error:?}");
}

#[test]
fn of_a_refund_only_plain_words_decide() {
    let request = RefundRequest {
        order: number(),
        reference: None,
        payment_id: "4200000001".to_owned(),
        paid: cny(2999),
        refund: "RF1".to_owned(),
        amount: cny(1000),
        reason: String::new(),
    };
    let state = |status: &str, refund: &str, minor: i64| {
        let told = json!({
            "refund_id": "5000000001", "out_refund_no": refund, "transaction_id": "4200000001", "status": status,
            "amount": {"refund": minor, "total": 2999, "currency": "CNY"},
        });
        map::refund_state(&request, &serde_json::from_value(told).unwrap())
    };
    let done = RefundState::Done { provider_refund: Some("5000000001".to_owned()) };
    assert_eq!(state("SUCCESS", "RF1", 1000).unwrap(), done);
    assert!(matches!(state("CLOSED", "RF1", 1000), Ok(RefundState::Refused(_))));
    for status in ["PROCESSING", "ABNORMAL", "", "success"] {
        assert_eq!(state(status, "RF1", 1000).unwrap(), RefundState::Pending, "{status}");
    }
    assert!(state("SUCCESS", "RF2", 1000).is_err());
    assert!(state("SUCCESS", "RF1", 999).is_err());
}

#[test]
fn what_is_sent_fits_their_fields() {
    let us = provider(&settings());
    let request = PaymentRequest {
        order: number(),
        product: aggregates::ProductId::from_uuid(uuid::Uuid::nil()),
        product_code: None,
        recurring: false,
        subject: "积".repeat(100),
        amount: cny(2999),
        expires_at: at(NOW),
        email: None,
    };
    let body = serde_json::to_value(map::native_order(&us, &request).unwrap()).unwrap();
    assert_eq!(body["description"], json!("积".repeat(42)));
    assert_eq!(body["time_expire"], json!("2026-01-01T08:00:00+08:00"));
    assert_eq!(body["amount"], json!({"total": 2999, "currency": "CNY"}));
    assert_eq!(body["notify_url"], json!("https://ledger.example.test/webhooks/wechat"));
    let dollars = Money::from_minor(1, Currency::iso("USD").unwrap());
    assert!(map::native_order(&us, &PaymentRequest { amount: dollars, ..request }).is_err());
}

#[test]
fn what_they_want_to_hear() {
    let us = provider(&settings());
    assert_eq!(us.acknowledge().status, StatusCode::OK);
    let refused = us.refuse(StatusCode::UNAUTHORIZED).unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(serde_json::from_str::<Value>(refused.body).unwrap()["code"], json!("FAIL"));
}
