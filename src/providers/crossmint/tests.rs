use aggregates::{Currency, Money};
use axum::http::{HeaderMap, HeaderName, Method};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::forward::sign::SigningKey;
use crate::providers::{OrderName, PaidNews};

mod simulated;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const NOW: i64 = 1_767_225_600;
const ORDER_ID: &str = "b2959ca5-65e4-466a-bd26-1bd05cb4f837";

fn values(changes: &[(&str, &str)]) -> Values {
    let mut values = Values::default();
    for (name, value) in [
        ("server_api_key", "sk_staging_1"),
        ("webhook_secret", SECRET),
        ("collection_id", "c"),
        ("api_url", "http://127.0.0.1:1"),
    ] {
        values.set(name, value);
    }
    changes.iter().for_each(|(name, value)| values.set(name, value));
    values
}

fn crossmint(secret: &str) -> Crossmint {
    Crossmint::try_new(&values(&[("webhook_secret", secret)])).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn usd(text: &str) -> Money {
    Money::parse(text, Currency::iso("USD").unwrap()).unwrap()
}

/// A notification, to be changed.
#[derive(Debug, Clone)]
struct Sample {
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sample {
    fn of(vector: &Value) -> Self {
        let headers = vector["headers"].as_object().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect();
        Self { headers, body: vector["body"].as_str().unwrap().into() }
    }

    fn signed(body: &[u8], id: &str, signed_at: i64) -> Self {
        let signature = webhook::key(SECRET).unwrap().sign(id, signed_at, body);
        let headers = [
            (webhook::ID_HEADER, id.to_owned()),
            (webhook::TIMESTAMP_HEADER, signed_at.to_string()),
            (webhook::SIGNATURE_HEADER, signature),
        ];
        Self { headers: headers.map(|(name, value)| (name.to_owned(), value.into())).into(), body: body.to_vec() }
    }

    fn header_map(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>().unwrap(), axum::http::HeaderValue::from_bytes(value).ok()?);
        }
        Some(headers)
    }

    /// What cannot be a header cannot arrive.
    fn verify(&self, provider: &Crossmint, now: i64) -> Result<Genuine, NoticeError> {
        let headers = self.header_map().ok_or(NoticeError::BadSignature)?;
        provider.verify(&arrived(&headers, &self.body), at(now))
    }
}

fn arrived<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Arrived<'a> {
    Arrived { method: &Method::POST, path: "/webhooks/crossmint", query: None, headers, body }
}

async fn read(provider: &dyn Provider, body: &[u8]) -> Result<Vec<News>, NoticeError> {
    provider.read(&arrived(&HeaderMap::new(), body)).await
}

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn crossmint_vectors() -> Vec<Value> {
    vectors(include_str!("../../../tests/vectors/crossmint.json"))
}

fn sample() -> Sample {
    Sample::of(&crossmint_vectors()[0])
}

#[test]
fn every_published_and_generated_sample_gives_its_result() {
    let svix = vectors(include_str!("../../../tests/vectors/svix.json"));
    let mut seen = 0;
    for vector in svix.iter().chain(&crossmint_vectors()) {
        let (name, now) = (vector["name"].as_str().unwrap(), vector["now"].as_i64().unwrap());
        let provider = crossmint(vector["secret"].as_str().unwrap());
        let verified = Sample::of(vector).verify(&provider, now);
        match vector["expect"].as_str().unwrap() {
            // Those of Svix itself say nothing of an order.
            "valid" if vector["provider"] == "svix" => {
                assert_eq!(verified.map(|it| it.event).as_deref(), Ok("unnamed"), "{name}");
            }
            "valid" => assert_eq!(verified.unwrap().key, vector["headers"]["svix-id"].as_str().unwrap(), "{name}"),
            _ => assert!(
                matches!(verified, Err(NoticeError::BadSignature | NoticeError::OtherTime)),
                "{name}: {verified:?}"
            ),
        }
        let signed = vector["signed_string"].as_str().unwrap();
        let (id, rest) = signed.split_once('.').unwrap();
        let (time, body) = rest.split_once('.').unwrap();
        let key: SigningKey = webhook::key(vector["secret"].as_str().unwrap()).unwrap();
        let signature = key.sign(id, time.parse().unwrap(), body.as_bytes());
        assert_eq!(signature, vector["expected_signature"].as_str().unwrap(), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn a_notification_is_known_by_its_id_and_tells_its_event() {
    let genuine = sample().verify(&crossmint(SECRET), NOW).unwrap();
    let (key, event) = ("msg_2crossmint00000000000000000000", "orders.payment.succeeded");
    assert_eq!(genuine, Genuine { key: key.to_owned(), event: event.to_owned() });
}

#[test]
fn no_byte_can_be_changed() {
    let (provider, genuine) = (crossmint(SECRET), sample());
    let refused = |changed: Sample, what: &str| {
        let verified = changed.verify(&provider, NOW);
        assert!(matches!(verified, Err(NoticeError::BadSignature)), "{what}: {verified:?}");
    };
    for at in 0..genuine.body.len() {
        let mut changed = genuine.clone();
        changed.body[at] ^= 1;
        refused(changed, &format!("body {at}"));
    }
    for header in 0..genuine.headers.len() {
        let name = genuine.headers[header].0.clone();
        if name == "content-type" {
            continue;
        }
        for at in 0..genuine.headers[header].1.len() {
            let mut changed = genuine.clone();
            changed.headers[header].1[at] ^= 1;
            refused(changed, &format!("{name} {at}"));
        }
        let mut without = genuine.clone();
        without.headers.remove(header);
        refused(without, &format!("without {name}"));
        let mut twice = genuine.clone();
        twice.headers.push(genuine.headers[header].clone());
        refused(twice, &format!("two of {name}"));
    }
}

#[test]
fn its_time_may_be_off_by_five_minutes_and_no_more() {
    let provider = crossmint(SECRET);
    for off in [-300, 0, 300] {
        assert!(sample().verify(&provider, NOW + off).is_ok(), "{off}");
    }
    for off in [-301, 301, 86_400, i64::from(i32::MAX)] {
        assert_eq!(sample().verify(&provider, NOW + off), Err(NoticeError::OtherTime), "{off}");
    }
}

#[test]
fn two_secrets_are_valid_while_one_takes_over_from_the_other() {
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let rotating =
        Crossmint::try_new(&values(&[("webhook_secret", other), ("webhook_secret_previous", SECRET)])).unwrap();
    assert!(sample().verify(&rotating, NOW).is_ok());
    assert_eq!(sample().verify(&crossmint(other), NOW), Err(NoticeError::BadSignature));
    let bare = crossmint(SECRET.strip_prefix("whsec_").unwrap());
    assert!(sample().verify(&bare, NOW).is_ok());
}

#[test]
fn settings_are_checked_and_no_secret_is_shown() {
    for (name, bad) in [("webhook_secret", "whsec_***"), ("api_url", "crossmint"), ("currency", "dollars")] {
        assert_eq!(Crossmint::try_new(&values(&[(name, bad)])).unwrap_err().field, name);
    }
    let mut without = values(&[]);
    without.unset("collection_id");
    assert_eq!(Crossmint::try_new(&without).unwrap_err().field, "collection_id");
    let shown = format!("{:?}", crossmint(SECRET));
    assert!(!shown.contains("sk_staging_1") && !shown.contains("AAECAwQF"), "{shown}");
}

#[test]
fn what_is_signed_and_no_notification_is_kept_once_for_a_person() {
    let provider = crossmint(SECRET);
    let kept = |body: &[u8], id: &str| {
        let genuine = Sample::signed(body, id, NOW).verify(&provider, NOW).unwrap();
        assert_eq!(genuine.event, "unnamed", "{body:?} {id:?}");
        genuine.key
    };
    for body in [&b"{}"[..], b"", b"[]", b"{\"type\":\"\"}", b"{\"type\":\"a\\nb\"}", b"\xff"] {
        assert_eq!(kept(body, "msg_1"), kept(body, "msg_1"));
        assert_ne!(kept(body, "msg_1"), kept(body, "msg_2"));
    }
    for id in ["", "a b", &"x".repeat(129)] {
        assert!(kept(b"{\"type\":\"order.paid\"}", id).len() < 100);
    }
}

fn paid(amount: &str) -> News {
    News::Paid(PaidNews {
        order: OrderName::Reference(ORDER_ID.to_owned()),
        payment_id: ORDER_ID.to_owned(),
        amount: usd(amount),
        method: Some("card".to_owned()),
    })
}

fn ask() -> News {
    News::Ask(OrderName::Reference(ORDER_ID.to_owned()))
}

#[tokio::test]
async fn each_event_becomes_its_news() {
    let provider = crossmint(SECRET);
    let read = async |kind: &str| {
        let mut body: Value = serde_json::from_slice(&sample().body).unwrap();
        body["type"] = json!(kind);
        read(&provider, body.to_string().as_bytes()).await.unwrap()
    };
    assert_eq!(read("orders.payment.succeeded").await, [paid("1.00")]);
    assert_eq!(read("order.paid").await, [paid("1.00")]);
    for kind in
        ["orders.payment.failed", "order.failed", "order.cancelled", "orders.quote.created", "orders.quote.updated"]
    {
        assert!(matches!(read(kind).await[..], [News::Nothing(_)]), "{kind}");
    }
    for kind in ["orders.delivery.initiated", "orders.delivery.completed"] {
        assert_eq!(read(kind).await, [ask()], "{kind}");
    }
    let failed = read("orders.delivery.failed").await;
    assert_eq!(failed[0], ask());
    assert!(matches!(failed[1..], [News::ForReview(_)]), "{failed:?}");
    for kind in ["", "orders.payment.disputed", "a\nb"] {
        assert!(matches!(&read(kind).await[..], [News::ForReview(what)] if !what.contains('\n')), "{kind}");
    }
}

#[tokio::test]
async fn the_amount_is_what_was_received_or_else_what_was_quoted() {
    let provider = crossmint(SECRET);
    let news = async |received: Value, quoted: Value, status: Value| {
        let data = json!({
            "orderId": ORDER_ID,
            "quote": {"totalPrice": quoted},
            "payment": {"status": status, "method": "card", "received": received},
        });
        read(&provider, json!({"type": "orders.payment.succeeded", "data": data}).to_string().as_bytes()).await
    };
    let price = |amount: Value, currency: &str| json!({"amount": amount, "currency": currency});
    let (one, done) = (price(json!("1.00"), "usd"), json!("completed"));
    for (amount, means) in [
        (json!("2.5"), "2.50"),
        (json!("2.500000"), "2.50"),
        (json!("2"), "2.00"),
        (json!(2.5), "2.50"),
        (json!("20.00"), "20.00"),
    ] {
        assert_eq!(news(price(amount, "usd"), one.clone(), done.clone()).await, Ok(vec![paid(means)]));
    }
    assert_eq!(news(price(json!("0.0004"), "eth"), one.clone(), done.clone()).await, Ok(vec![paid("1.00")]));
    assert_eq!(news(Value::Null, one.clone(), Value::Null).await, Ok(vec![paid("1.00")]));
    assert_eq!(news(Value::Null, one, json!("in-progress")).await, Ok(vec![ask()]));
    for odd in ["1.001", "-1.00", "0.00", "1e3", "", "one"] {
        // No quote stands for what was received.
        let unreadable = news(price(json!(odd), "usd"), price(json!("1.00"), "usd"), done.clone()).await;
        assert!(matches!(unreadable, Err(NoticeError::Malformed { .. })), "{odd}: {unreadable:?}");
        // Then it is asked for, and here nobody answers.
        let unknown = news(Value::Null, price(json!(odd), "usd"), done.clone()).await;
        assert!(matches!(unknown, Err(NoticeError::Unavailable(_))), "{odd}: {unknown:?}");
    }
}

#[tokio::test]
async fn a_notification_without_an_order_is_malformed() {
    let provider = crossmint(SECRET);
    for data in [json!(null), json!({}), json!({"orderId": 1}), json!({"orderId": ""}), json!({"orderId": "a\nb"})] {
        let body = json!({"type": "orders.payment.succeeded", "data": data}).to_string();
        assert!(matches!(read(&provider, body.as_bytes()).await, Err(NoticeError::Malformed { .. })), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_may_arrive(body: Vec<u8>, id in "\\PC{0,20}", time in "[+0-9-]{0,20}", signature in "(v1,)?[A-Za-z0-9+/= ]{0,60}") {
        let provider = crossmint(SECRET);
        let headers = [(webhook::ID_HEADER, id), (webhook::TIMESTAMP_HEADER, time), (webhook::SIGNATURE_HEADER, signature)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).into();
        let stranger = Sample { headers, body: body.clone() };
        prop_assert!(stranger.verify(&provider, NOW).is_err());
        // Signed all the same, it is malformed at worst.
        drop(Sample::signed(&body, "msg_1", NOW).verify(&provider, NOW));
        drop(map::heard(&body, usd("1").currency()));
    }

    #[test]
    fn a_genuine_one_may_be_changed_anywhere(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut changed = sample();
        let at = at.index(changed.body.len());
        changed.body[at] = byte;
        changed.body.truncate(cut.index(changed.body.len()).max(at + 1));
        drop(map::heard(&changed.body, usd("1").currency()));
        if changed.body != sample().body {
            prop_assert!(changed.verify(&crossmint(SECRET), NOW).is_err());
        }
    }
}
