//! What the provider makes of their words. `genuine.rs`: whose they are. `calls.rs`: calls over a socket.

mod calls;
mod genuine;

use aggregates::{Currency, Money, OrderNumber};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::signature;
use super::*;
use crate::providers::rsa::PrivateKey;
use crate::providers::{OrderName, PaidNews, RefundedNews};

const CLIENT: &str = "SANDBOX_5X00000000000001";
const NUMBER: &str = "ORD20260105060000deadbeef";
const TIME: &str = "2026-01-01T08:01:00+08:00";

fn key_texts() -> (String, String) {
    let keys: Value = serde_json::from_str(include_str!("../../../tests/vectors/keys.json")).unwrap();
    let text = |name: &str| keys[0][name].as_str().unwrap().to_owned();
    (text("private_key_pkcs8_base64"), text("public_key_spki_base64"))
}

fn settings() -> Values {
    let (private, public) = key_texts();
    let mut values = Values::default();
    // Nobody listens there.
    let api = ("api_url", "http://127.0.0.1:9");
    for (name, value) in [("client_id", CLIENT), ("private_key", &private), ("public_key", &public), api] {
        values.set(name, value);
    }
    values
}

fn site() -> Site {
    Site { public_url: Url::parse("https://ledger.example.test").unwrap() }
}

fn provider(values: &Values) -> Antom {
    Antom::try_new(values, &site()).unwrap()
}

fn now() -> DateTime<Utc> {
    signature::time(TIME).unwrap()
}

fn number() -> OrderNumber {
    NUMBER.parse().unwrap()
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("USD").unwrap())
}

/// A notification as bytes.
#[derive(Debug, Clone)]
struct Notice {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Notice {
    fn new<'a>(path: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: &[u8]) -> Self {
        let headers = headers.into_iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let (headers, body) = (headers.collect(), body.to_vec());
        Self { method: Method::POST, path: path.to_owned(), query: None, headers, body }
    }

    fn arrived(&self) -> Arrived<'_> {
        let Self { method, path, query, headers, body } = self;
        Arrived { method, path, query: query.as_deref(), headers, body }
    }
}

fn signed_over(path: &str, private: &str, time: &str, body: &str) -> Notice {
    let key = PrivateKey::parse(private).unwrap();
    let signature = signature::sign(&key, "1", &signature::message(path, CLIENT, time, body.as_bytes())).unwrap();
    let headers =
        [(signature::CLIENT_ID, CLIENT), (signature::REQUEST_TIME, time), (signature::SIGNATURE, signature.as_str())];
    Notice::new(WEBHOOK, headers, body.as_bytes())
}

fn notice(body: &Value) -> Notice {
    signed_over(WEBHOOK, &key_texts().0, TIME, &body.to_string())
}

fn result(status: &str) -> Value {
    let code = if status == "S" { "SUCCESS" } else { "ORDER_IS_CLOSED" };
    json!({"resultCode": code, "resultStatus": status, "resultMessage": "told"})
}

fn paid() -> Value {
    json!({
        "notifyType": "PAYMENT_RESULT", "result": result("S"), "paymentRequestId": NUMBER, "paymentId": "2026-1",
        "paymentAmount": {"currency": "USD", "value": "2999"}, "paymentMethodType": "ALIPAY_CN",
        "pspCustomerInfo": {"pspCustomerId": "customer-1"},
    })
}

fn refunded(status: &str) -> Value {
    json!({
        "notifyType": "REFUND_RESULT", "result": result("S"), "refundStatus": status, "refundRequestId": "RF1",
        "refundId": "2026-2", "refundAmount": {"currency": "USD", "value": "1000"},
    })
}

fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

async fn read(body: &Value) -> Result<News, NoticeError> {
    read_by(&provider(&settings()), body).await
}

async fn read_by(us: &Antom, body: &Value) -> Result<News, NoticeError> {
    Ok(us.read(&notice(body).arrived()).await?.remove(0))
}

#[tokio::test]
async fn a_wallet_has_paid_once_it_says_so() {
    let news = |amount: i64| {
        News::Paid(PaidNews {
            order: OrderName::Number(number()),
            payment_id: "2026-1".to_owned(),
            amount: usd(amount),
            method: Some("ALIPAY_CN".to_owned()),
        })
    };
    assert_eq!(read(&paid()).await.unwrap(), news(2999));
    assert_eq!(read(&with(paid(), "/paymentAmount/value", json!("1"))).await.unwrap(), news(1));
}

#[tokio::test]
async fn a_card_has_only_been_authorised() {
    let ask = News::Ask(OrderName::Number(number()));
    for method in ["CARD", "APPLEPAY", "GOOGLEPAY"] {
        assert_eq!(read(&with(paid(), "/paymentMethodType", json!(method))).await.unwrap(), ask, "{method}");
    }
    let mut values = settings();
    values.set("payment_method", "CARD");
    let us = provider(&values);
    assert_eq!(read_by(&us, &with(paid(), "/paymentMethodType", json!(null))).await.unwrap(), ask);
    assert!(matches!(read_by(&us, &paid()).await.unwrap(), News::Paid(_)));
}

#[tokio::test]
async fn whatever_is_not_plain_success_is_no_payment() {
    for status in ["F", "U"] {
        let news = read(&with(paid(), "/result", result(status))).await.unwrap();
        assert!(matches!(news, News::Nothing(_)), "{status}: {news:?}");
    }
    let half = with(paid(), "/result/resultCode", json!("PAYMENT_IN_PROCESS"));
    assert_eq!(read(&half).await.unwrap(), News::Ask(OrderName::Number(number())));
    for (pointer, value) in [("/result/resultStatus", "s"), ("/paymentRequestId", "PR20260101000001")] {
        let news = read(&with(paid(), pointer, json!(value))).await.unwrap();
        assert!(matches!(news, News::ForReview(_)), "{pointer}: {news:?}");
    }
    for (pointer, value) in [
        ("/paymentAmount/value", json!("-1")),
        ("/paymentAmount/value", json!("+1")),
        ("/paymentAmount/value", json!("29.99")),
        ("/paymentAmount/value", json!("")),
        ("/paymentAmount/value", json!(2999)),
        ("/paymentAmount/value", json!("9223372036854775808")),
        ("/paymentAmount/currency", json!("LDC")),
        ("/paymentAmount", json!(null)),
        ("/paymentId", json!("")),
        ("/paymentId", json!("a\u{0}")),
        ("/paymentRequestId", json!(null)),
        ("/result", json!(null)),
    ] {
        let read = read(&with(paid(), pointer, value.clone())).await;
        assert!(matches!(read, Err(NoticeError::Malformed { .. })), "{pointer} {value}: {read:?}");
    }
}

#[tokio::test]
async fn money_that_went_back_is_named_by_our_number() {
    let told = |order, payment_id| {
        News::Refunded(RefundedNews {
            order,
            payment_id,
            refund: "RF1".to_owned(),
            amount: usd(1000),
            provider_refund: Some("2026-2".to_owned()),
            reason: None,
        })
    };
    let by_number = told(OrderName::Refund("RF1".to_owned()), None);
    assert_eq!(read(&refunded("SUCCESS")).await.unwrap(), by_number);
    let mut named = refunded("SUCCESS");
    named["paymentId"] = json!("2026-1");
    let by_payment = told(OrderName::Payment("2026-1".to_owned()), Some("2026-1".to_owned()));
    assert_eq!(read(&named).await.unwrap(), by_payment);
    let failed = read(&refunded("FAIL")).await.unwrap();
    assert!(matches!(failed, News::RefundFailed { ref refund, .. } if refund == "RF1"), "{failed:?}");
    assert!(matches!(read(&refunded("PROCESSING")).await.unwrap(), News::Nothing(_)));
    assert!(matches!(read(&refunded("success")).await.unwrap(), News::ForReview(_)));
}

#[tokio::test]
async fn of_the_rest_some_is_for_a_person_and_some_for_nobody() {
    for (body, is_for_review) in [
        (json!({"disputeNotificationType": "DISPUTE_CREATED", "disputeId": "d", "paymentId": "2026-1"}), true),
        (json!({"notifyType": "DISPUTE", "disputeNotificationType": "DISPUTE_JUDGED", "disputeId": "d"}), true),
        (json!({"notifyType": "NEWS_OF_TOMORROW"}), true),
        (json!({}), true),
        (json!({"notifyType": "PAYMENT_PENDING", "result": result("U")}), false),
        (json!({"notifyType": "UPDATE_AMOUNT_RESULT"}), false),
        (json!({"notifyType": "OFFLINE_PAYMENT_CODE"}), false),
        (json!({"subscriptionNotificationType": "CREATE"}), false),
        (json!({"notifyType": "CAPTURE_RESULT", "paymentId": "2026-1", "result": result("F")}), false),
    ] {
        let news = read(&body).await.unwrap();
        let fits = if is_for_review { matches!(news, News::ForReview(_)) } else { matches!(news, News::Nothing(_)) };
        assert!(fits, "{body}: {news:?}");
    }
    let capture = json!({"notifyType": "CAPTURE_RESULT", "paymentId": "2026-1", "result": result("S")});
    let unasked = read(&capture).await;
    assert!(matches!(unasked, Err(NoticeError::Unavailable(_))), "{unasked:?}");
}

fn inquiry(method: &str, status: &str, transactions: &Value) -> Inquiry {
    let told = json!({
        "result": result("S"), "paymentStatus": status, "paymentRequestId": NUMBER, "paymentId": "2026-1",
        "paymentAmount": {"currency": "USD", "value": "2999"}, "paymentMethodType": method,
        "transactions": transactions,
    });
    serde_json::from_value(told).unwrap()
}

fn transaction(kind: &str, status: &str, number: &str, value: &str, time: &str) -> Value {
    json!({
        "transactionType": kind, "transactionStatus": status, "transactionId": format!("t-{number}"),
        "transactionRequestId": number, "transactionTime": time,
        "transactionAmount": {"currency": "USD", "value": value},
    })
}

fn order() -> OrderRef {
    OrderRef { number: number(), reference: None, price: usd(2999) }
}

#[test]
fn what_a_question_says_is_paid_is_what_was_captured_of_a_card() {
    let us = provider(&settings());
    let amount = |found: &Inquiry| {
        map::payments(&us, &order(), found).unwrap().first().map(|notice| notice.payment.amount.minor())
    };
    let none = json!(null);
    assert_eq!(amount(&inquiry("ALIPAY_CN", "SUCCESS", &none)), Some(2999));
    for status in ["FAIL", "PROCESSING", "CANCELLED", "PENDING", "AUTHORIZED", ""] {
        assert_eq!(amount(&inquiry("ALIPAY_CN", status, &none)), None, "{status}");
    }
    assert_eq!(amount(&inquiry("CARD", "SUCCESS", &none)), None);
    let some = json!([
        transaction("CAPTURE", "SUCCESS", "c1", "1000", TIME),
        transaction("CAPTURE", "PROCESSING", "c2", "500", TIME),
        transaction("AUTHORIZATION", "SUCCESS", "a1", "2999", TIME),
        transaction("CAPTURE", "SUCCESS", "c3", "999", TIME),
        transaction("REFUND", "SUCCESS", "RF1", "999", TIME),
    ]);
    assert_eq!(amount(&inquiry("CARD", "SUCCESS", &some)), Some(1999));
    let other = OrderRef { number: "ORD20260105060000deadbee0".parse().unwrap(), ..order() };
    assert!(map::payments(&us, &other, &inquiry("ALIPAY_CN", "SUCCESS", &none)).is_err());
}

#[test]
fn a_capture_is_paid_with_all_that_was_captured_or_with_itself() {
    let us = provider(&settings());
    let capture = wire::Amount { currency: "USD".to_owned(), value: "500".to_owned() };
    let captured = |found: Option<Inquiry>| map::captured(&us, "2026-1", Some(&capture), found);
    let amount = |found: Inquiry| match captured(Some(found)) {
        Ok(News::Paid(news)) if news.order == OrderName::Number(number()) => news.amount.minor(),
        other => panic!("{other:?}"),
    };
    let both = json!([
        transaction("CAPTURE", "SUCCESS", "c1", "500", TIME),
        transaction("CAPTURE", "SUCCESS", "c2", "2499", TIME),
    ]);
    assert_eq!(amount(inquiry("CARD", "SUCCESS", &both)), 2999);
    assert_eq!(amount(inquiry("CARD", "SUCCESS", &json!(null))), 500);
    for status in ["FAIL", "CANCELLED"] {
        let news = captured(Some(inquiry("CARD", status, &both)));
        assert!(matches!(&news, Ok(News::ForReview(what)) if what.ends_with(status)), "{status}: {news:?}");
    }
    for status in ["PROCESSING", "PENDING", "AUTHORIZED", "success", ""] {
        let news = captured(Some(inquiry("CARD", status, &both)));
        assert!(matches!(news, Err(NoticeError::Unavailable(_))), "{status}: {news:?}");
    }
    assert!(matches!(captured(None), Err(NoticeError::Unavailable(_))));
    let other = Inquiry { payment_id: Some("2026-9".to_owned()), ..inquiry("CARD", "SUCCESS", &both) };
    assert!(matches!(captured(Some(other)), Err(NoticeError::Unavailable(_))));
    let foreign = Inquiry { payment_request_id: Some("PR1".to_owned()), ..inquiry("CARD", "SUCCESS", &both) };
    assert!(matches!(captured(Some(foreign)), Ok(News::ForReview(_))));
}

#[test]
fn refunds_are_told_oldest_first_and_only_those_that_are_done() {
    let found = inquiry(
        "ALIPAY_CN",
        "SUCCESS",
        &json!([
            transaction("REFUND", "SUCCESS", "RF2", "2", "2026-01-02T00:00:00Z"),
            transaction("REFUND", "FAIL", "RF3", "4", "2026-01-01T00:00:00Z"),
            transaction("REFUND", "SUCCESS", "RF1", "1", "2026-01-02T00:00:00+08:00"),
        ]),
    );
    let told = map::refunds(&order(), "2026-1", &found).unwrap();
    let told: Vec<_> = told.iter().map(|notice| (notice.refund.as_str(), notice.amount.minor())).collect();
    assert_eq!(told, [("RF1", 1), ("RF2", 2)]);
    assert!(map::refunds(&order(), "2026-9", &found).is_err());
}

#[test]
fn what_they_want_to_hear() {
    let told = provider(&settings()).acknowledge();
    assert_eq!((told.status, told.content_type), (StatusCode::OK, "application/json"));
    assert_eq!(told.body, r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#);
}

#[test]
fn only_a_sandbox_client_is_served_by_the_sandbox() {
    assert_eq!(provider(&settings()).client.path("pay"), "/ams/sandbox/api/v1/payments/pay");
    let mut values = settings();
    values.set("client_id", "5X00000000000001");
    assert_eq!(provider(&values).client.path("pay"), "/ams/api/v1/payments/pay");
}
