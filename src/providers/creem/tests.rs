use std::net::Ipv4Addr;

use aggregates::{Money, OrderNumber, ProductId};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::providers::{OrderName, PaidNews, RefundedNews};

mod news;
mod simulated;

const SECRET: &str = "whsec_test_0123456789abcdef";
const TEST_API: &str = "https://test-api.creem.io";
const TRANSACTION: &str = "tran_5yMaWzAl3jxuGJMCOrYWwk";
const CHECKOUT: &str = "ch_4l0N34kxo16AhRKUHFUuXr";

fn values(changes: &[(&str, &str)]) -> Values {
    let mut values = Values::default();
    for (name, value) in [("api_key", "creem_test_1"), ("webhook_secret", SECRET), ("api_url", TEST_API)] {
        values.set(name, value);
    }
    changes.iter().for_each(|(name, value)| values.set(name, value));
    values
}

fn creem(changes: &[(&str, &str)]) -> Creem {
    Creem::try_new(&values(changes)).unwrap()
}

fn money(text: &str, currency: &str) -> Money {
    Money::parse(text, Currency::iso(currency).unwrap()).unwrap()
}

fn order_no() -> OrderNumber {
    OrderNumber::new(DateTime::from_timestamp(1_767_225_600, 0).unwrap(), 7)
}

fn arrived<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Arrived<'a> {
    Arrived { method: &Method::POST, path: "/api/webhooks/creem", query: None, headers, body }
}

fn headers(pairs: &[(&str, &[u8])]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// What cannot be a header cannot arrive.
fn verify(provider: &Creem, signature: &[u8], body: &[u8]) -> Result<Genuine, NoticeError> {
    let headers = headers(&[(webhook::SIGNATURE_HEADER, signature)]).ok_or(NoticeError::BadSignature)?;
    provider.verify(&arrived(&headers, body), Utc::now())
}

fn signed(body: &[u8]) -> Vec<u8> {
    hex::encode(aws_lc_rs::hmac::sign(&webhook::key(SECRET), body)).into_bytes()
}

async fn read(provider: &dyn Provider, body: &[u8]) -> Result<Vec<News>, NoticeError> {
    provider.read(&arrived(&HeaderMap::new(), body)).await
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/vectors/creem.json")).unwrap()
}

/// Signature and body.
fn sample(name: &str) -> (Vec<u8>, Vec<u8>) {
    let vector = vectors().into_iter().find(|vector| vector["name"] == name).unwrap();
    (vector["headers"]["creem-signature"].as_str().unwrap().into(), vector["body"].as_str().unwrap().into())
}

fn completed() -> (Vec<u8>, Vec<u8>) {
    sample("creem-checkout-completed-generated")
}

#[test]
fn every_generated_sample_gives_its_result() {
    let mut seen = 0;
    for vector in vectors().iter().filter(|vector| vector.get("query").is_none()) {
        let (name, text) = (vector["name"].as_str().unwrap(), |name: &str| vector[name].as_str().unwrap());
        assert_eq!(text("secret"), SECRET);
        let verified = verify(
            &creem(&[]),
            vector["headers"]["creem-signature"].as_str().unwrap().as_bytes(),
            text("body").as_bytes(),
        );
        match text("expect") {
            "valid" => {
                let expected = Genuine { key: text("event_id").to_owned(), event: text("event_type").to_owned() };
                assert_eq!(verified, Ok(expected), "{name}");
                assert_eq!(signed(text("signed_string").as_bytes()), text("expected_signature").as_bytes(), "{name}");
            }
            _ => assert_eq!(verified, Err(NoticeError::BadSignature), "{name}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_returning_browser_is_believed_only_what_is_signed() {
    let vector = vectors().into_iter().find(|vector| vector["name"] == "creem-redirect-signature-computed").unwrap();
    let query = vector["query"].as_str().unwrap();
    let key = vector["secret"].as_str().unwrap().into();
    assert!(redirect::is_genuine(query, &key));
    assert!(redirect::is_genuine(&query.replace("subscription_id=&", "subscription_id=null&"), &key));
    assert!(!redirect::is_genuine(query, &"creem_test_other".into()));
    assert!(!redirect::is_genuine(&format!("{query}&signature=0"), &key));
    let joined = query.replacen("&order_id", "|order_id", 1);
    assert!(!redirect::is_genuine(&joined, &key) && !redirect::is_genuine("", &key));
    // What says nothing is not signed, by whatever name it says it.
    let nothing = query.find("subscription_id").unwrap();
    let nothing = nothing..nothing + "subscription_id=".len();
    for at in (0..query.len()).filter(|at| !nothing.contains(at)) {
        let mut changed = query.as_bytes().to_vec();
        changed[at] ^= 1;
        assert!(!redirect::is_genuine(&String::from_utf8(changed).unwrap(), &key), "{at}");
    }
}

#[test]
fn no_byte_can_be_changed() {
    let provider = creem(&[]);
    let (signature, body) = completed();
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert_eq!(verify(&provider, &signature, &changed), Err(NoticeError::BadSignature), "body {at}");
    }
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert_eq!(verify(&provider, &changed, &body), Err(NoticeError::BadSignature), "signature {at}");
        let cut = signature[..at].to_vec();
        assert_eq!(verify(&provider, &cut, &body), Err(NoticeError::BadSignature), "signature of {at}");
    }
    let twice = [(webhook::SIGNATURE_HEADER, &*signature), (webhook::SIGNATURE_HEADER, &*signature)];
    for headers in [headers(&[]), headers(&twice)] {
        let verified = provider.verify(&arrived(&headers.unwrap(), &body), Utc::now());
        assert_eq!(verified, Err(NoticeError::BadSignature));
    }
}

#[test]
fn a_signature_has_more_than_one_spelling() {
    let provider = creem(&[]);
    let (signature, body) = completed();
    let text = String::from_utf8(signature).unwrap();
    for spelling in [text.to_uppercase(), format!("sha256={text}"), format!("sha256={}", text.to_uppercase())] {
        assert!(verify(&provider, spelling.as_bytes(), &body).is_ok(), "{spelling}");
        let other = headers(&[("x-creem-signature", spelling.as_bytes())]).unwrap();
        assert!(provider.verify(&arrived(&other, &body), Utc::now()).is_ok(), "{spelling}");
    }
    for spelling in [format!("sha256=sha256={text}"), format!("sha1={text}"), format!(" {text}"), format!("{text}00")] {
        assert_eq!(verify(&provider, spelling.as_bytes(), &body), Err(NoticeError::BadSignature), "{spelling}");
    }
}

#[test]
fn two_secrets_are_valid_while_one_takes_over_from_the_other() {
    let (signature, body) = completed();
    let rotating = creem(&[("webhook_secret", "another"), ("webhook_secret_previous", SECRET)]);
    assert!(verify(&rotating, &signature, &body).is_ok());
    let other = creem(&[("webhook_secret", "another")]);
    assert_eq!(verify(&other, &signature, &body), Err(NoticeError::BadSignature));
}

#[test]
fn what_happened_in_another_mode_is_not_kept() {
    for (api_url, mode) in [
        ("https://test-api.creem.io", Mode::Test),
        ("http://127.0.0.1:4010", Mode::Test),
        ("http://[::1]:4010", Mode::Test),
        ("http://localhost:4010", Mode::Test),
        ("https://api.creem.io", Mode::Production),
        ("https://creem.example", Mode::Production),
    ] {
        let provider = creem(&[("api_url", api_url)]);
        assert_eq!(provider.mode, mode, "{api_url}");
        for (said, is) in
            [("test", Mode::Test), ("sandbox", Mode::Test), ("local", Mode::Test), ("prod", Mode::Production)]
        {
            let body = json!({"id": "evt_1", "eventType": "checkout.completed", "object": {"mode": said}}).to_string();
            let verified = verify(&provider, &signed(body.as_bytes()), body.as_bytes());
            assert_eq!(verified.is_ok(), is == mode, "{api_url} {said}: {verified:?}");
        }
        let odd = br#"{"eventType":"checkout.completed","object":{"mode":"live"}}"#;
        assert!(matches!(verify(&provider, &signed(odd), odd), Err(NoticeError::Malformed { .. })));
    }
}

#[test]
fn a_notification_without_an_id_is_known_by_what_it_says() {
    let provider = creem(&[]);
    let key = |body: &str| verify(&provider, &signed(body.as_bytes()), body.as_bytes()).unwrap().key;
    let (one, other) = (r#"{"type":"payment.completed","data":{}}"#, r#"{"type":"payment.completed","data":{"a":1}}"#);
    assert_eq!((key(one).len(), key(one) == key(one), key(one) == key(other)), (64, true, false));
    let long = json!({"id": "x".repeat(129), "eventType": "e"}).to_string();
    assert_eq!(key(&long).len(), 64);
    for body in [&b"{}"[..], b"", b"[]", b"{\"eventType\":\"\"}", b"{\"eventType\":\"a\\nb\"}", b"\xff"] {
        assert_eq!(verify(&provider, &signed(body), body), Ok(Genuine::unnamed(body)), "{body:?}");
    }
}

#[test]
fn settings_are_checked_and_no_secret_is_shown() {
    for (name, bad) in
        [("api_url", "creem"), ("success_url", "thanks"), ("currency", "dollars"), ("product_ids", "basic")]
    {
        assert_eq!(Creem::try_new(&values(&[(name, bad)])).unwrap_err().field, name);
    }
    let shown = format!("{:?}", creem(&[]));
    assert!(!shown.contains("creem_test_1") && !shown.contains(SECRET), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_may_arrive(body: Vec<u8>, signature in "(sha256=)?[0-9a-fA-F]{0,70}") {
        let provider = creem(&[]);
        prop_assert!(verify(&provider, signature.as_bytes(), &body).is_err());
        // Signed all the same, it is malformed at worst.
        drop(verify(&provider, &signed(&body), &body));
        drop(map::heard(&body));
    }

    #[test]
    fn a_genuine_one_may_be_changed_anywhere(which in 0..3_usize, at: prop::sample::Index, byte: u8) {
        let (signature, body) = sample([
            "creem-checkout-completed-generated",
            "creem-subscription-canceled-generated",
            "creem-refund-created-generated",
        ][which]);
        let mut changed = body.clone();
        changed[at.index(body.len())] = byte;
        drop(map::heard(&changed));
        prop_assert_eq!(verify(&creem(&[]), &signature, &changed).is_ok(), changed == body);
    }

    #[test]
    fn any_amounts_may_be_told(amount: i64, paid: Option<i64>, tax: Option<i64>, back: Option<i64>, gross: i64) {
        let transaction = json!({
            "id": "tran_1", "amount": amount, "amount_paid": paid, "tax_amount": tax, "currency": "USD",
            "status": "paid", "refunded_amount": back,
        });
        let body = json!({"eventType": "refund.created", "object": {
            "id": "ref_1", "status": "succeeded", "refund_amount": gross, "refund_currency": "USD",
            "transaction": transaction,
        }});
        let Ok(Heard::Back { refund, .. }) = map::heard(body.to_string().as_bytes()) else { panic!() };
        let Linked::Whole(transaction) = &refund.transaction else { panic!() };
        drop((transaction.left(), map::period_news(OrderName::Number(order_no()), transaction)));
        if let News::Refunded(back) = map::back_news(&refund, transaction) {
            prop_assert!(back.amount.minor() > 0 && back.amount.minor() <= gross);
        }
    }

    #[test]
    fn parts_that_go_back_add_up_to_what_was_recorded(price in 1_i64..100_000, tax in 0_i64..50_000, cuts in prop::collection::vec(1_i64..40_000, 0..6)) {
        let paid = price + tax;
        let (mut so_far, mut recorded) = (0, 0);
        for gross in cuts.into_iter().chain([i64::MAX]) {
            let gross = gross.min(paid - so_far);
            if gross == 0 {
                break;
            }
            so_far += gross;
            let body = json!({"eventType": "refund.created", "object": {
                "id": "ref_1", "status": "succeeded", "refund_amount": gross, "refund_currency": "EUR",
                "transaction": {
                    "id": "tran_1", "amount": price, "amount_paid": paid, "tax_amount": tax, "currency": "EUR",
                    "status": "partialRefund", "refunded_amount": so_far,
                },
            }});
            let Ok(Heard::Back { refund, .. }) = map::heard(body.to_string().as_bytes()) else { panic!() };
            let Linked::Whole(transaction) = &refund.transaction else { panic!() };
            if let News::Refunded(back) = map::back_news(&refund, transaction) {
                recorded += back.amount.minor();
            }
        }
        prop_assert_eq!((so_far, recorded), (paid, price));
    }
}
