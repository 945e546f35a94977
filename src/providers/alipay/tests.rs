//! Samples signed by others, and what becomes of them when anything is changed.

mod simulated;

use axum::http::HeaderMap;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::providers::form::Form;
use crate::providers::rsa::{NewPair, new_pair};
use crate::providers::{OrderName, PaidNews, RefundedNews};

const SAMPLES: &str = include_str!("../../../tests/vectors/alipay.json");
const KEYS: &str = include_str!("../../../tests/vectors/keys.json");
const NUMBER: &str = "ORD202601050607090000beef";
static POST: Method = Method::POST;

fn samples() -> Vec<Value> {
    serde_json::from_str(SAMPLES).unwrap()
}

fn sample(name: &str) -> Value {
    samples().into_iter().find(|sample| sample["name"] == name).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn test_key(field: &str) -> String {
    text(&serde_json::from_str::<Value>(KEYS).unwrap()[0], field).to_owned()
}

fn site() -> Site {
    Site { public_url: "https://ledger.example".parse().unwrap() }
}

fn values(app_id: &str, public_key: &str) -> Values {
    let mut values = Values::default();
    values.set("app_id", app_id);
    values.set("private_key", &test_key("private_key_pkcs1_base64"));
    values.set("public_key", public_key);
    // Nobody listens there.
    values.set("gateway", "http://127.0.0.1:1/gateway.do");
    values
}

fn alipay(values: &Values) -> Alipay {
    Alipay::try_new(values, &site()).unwrap()
}

fn arrived<'a>(body: &'a [u8], headers: &'a HeaderMap) -> Arrived<'a> {
    Arrived { method: &POST, path: WEBHOOK, query: None, headers, body }
}

fn verify(alipay: &Alipay, body: &[u8]) -> Result<Genuine, NoticeError> {
    alipay.verify(&arrived(body, &HeaderMap::new()), Utc::now())
}

/// Signed by who has the key of the samples.
fn signed(pairs: &[(&str, &str)], with_sign_type: bool) -> Vec<u8> {
    let mut form: Form = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    form.insert(wire::SIGN_TYPE.to_owned(), wire::RSA2.to_owned());
    let key = PrivateKey::parse(&test_key("private_key_pkcs8_base64")).unwrap();
    let sign = key.sign(wire::notified(&form, with_sign_type).as_bytes()).unwrap();
    form.insert(wire::SIGN.to_owned(), sign);
    form::encoded(form::pairs(&form)).into_bytes()
}

fn ours() -> Alipay {
    alipay(&values("2021", &test_key("public_key_spki_base64")))
}

fn is_notification(sample: &Value) -> bool {
    sample.get("params").is_some() && sample.get("url").is_none()
}

#[test]
fn every_sample_of_a_notification_gives_its_stated_result() {
    let mut seen = 0;
    for sample in samples().iter().filter(|sample| is_notification(sample)) {
        let app_id = text(&sample["params"], "app_id");
        let mut values = values(app_id, text(sample, "public_key_spki_base64"));
        if let Some(seller) = sample["params"]["seller_id"].as_str() {
            values.set("seller_id", seller);
        }
        let body = text(sample, "body").as_bytes();
        let with = sample["sign_type_in_signed_string"] == true;
        assert_eq!(wire::notified(&form::parse(body).unwrap(), with), text(sample, "signed_string"));
        let verified = verify(&alipay(&values), body);
        assert_eq!(verified.is_ok(), sample["expect"] == "valid", "{}: {verified:?}", sample["name"]);
        values.set("app_id", "2021000000009999");
        assert_eq!(verify(&alipay(&values), body), Err(NoticeError::BadSignature));
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn every_sample_of_an_answer_is_accepted_and_none_with_a_changed_byte() {
    let mut seen = 0;
    for sample in samples().iter().filter(|sample| sample.get("response_key").is_some()) {
        let method = text(sample, "response_key").trim_end_matches("_response").replace('_', ".");
        let alipay = alipay(&values("2021", text(sample, "public_key_spki_base64")));
        let body = text(sample, "body").as_bytes();
        let said = alipay.client.answered::<Value>(&method, body).unwrap();
        let refused = matches!(&said, Said::No(code) if code == wire::TRADE_NOT_EXIST);
        assert_eq!(refused, text(sample, "name").contains("not-exist"), "{said:?}");
        for at in 0..body.len() {
            let mut body = body.to_vec();
            body[at] ^= 1;
            let changed = alipay.client.answered::<Value>(&method, &body);
            assert!(matches!(changed, Err(ProviderError::Unreachable(_))), "byte {at}: {changed:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn every_sample_of_a_call_is_signed_as_others_sign_it() {
    let alipay = ours();
    let mut seen = 0;
    for sample in samples().iter().filter(|sample| sample.get("url").is_some()) {
        let form: Form = serde_json::from_value(sample["params"].clone()).unwrap();
        assert_eq!(wire::asked(&form), text(sample, "signed_string"));
        assert_eq!(alipay.client.sign(&form).unwrap(), text(sample, "expected_signature"));
        assert_eq!(form::parse(text(sample, "body").as_bytes()), Some(form));
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_notification_with_any_byte_changed_is_refused() {
    let sample = sample("alipay-notify-trade-success-generated");
    let alipay = alipay(&values(text(&sample["params"], "app_id"), text(&sample, "public_key_spki_base64")));
    let body = text(&sample, "body").as_bytes();
    let genuine = form::parse(body);
    for at in 0..body.len() {
        for bit in 0..8 {
            let mut body = body.to_vec();
            body[at] ^= 1 << bit;
            // The case of hexadecimal digits says nothing: %2f is %2F.
            let same = form::parse(&body) == genuine;
            assert!(bit != 0 || !same);
            assert_eq!(verify(&alipay, &body).is_ok(), same, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn fields_cannot_be_cut_otherwise_than_they_were_signed() {
    let alipay = ours();
    let whole =
        signed(&[("app_id", "2021"), ("notify_id", "1"), ("trade_no", "T"), ("trade_status", "TRADE_SUCCESS")], false);
    assert!(verify(&alipay, &whole).is_ok());
    // The same text under the same signature: now `trade_no` holds the state, and there is none.
    let text = String::from_utf8(whole).unwrap();
    let merged = text.replace("trade_no=T&trade_status=TRADE_SUCCESS", "trade_no=T%26trade_status%3DTRADE_SUCCESS");
    assert_ne!(merged, text);
    assert_eq!(verify(&alipay, merged.as_bytes()), Err(NoticeError::BadSignature));
    let twice = format!("{text}&app_id=2021");
    assert_eq!(verify(&alipay, twice.as_bytes()), Err(NoticeError::BadSignature));
}

#[test]
fn only_messages_about_other_things_have_the_kind_of_signature_signed() {
    let alipay = ours();
    let message = [("app_id", "2021"), ("method", "alipay.open.servicemarket.order.notify"), ("notify_id", "7")];
    assert!(verify(&alipay, &signed(&message, true)).is_ok());
    assert!(verify(&alipay, &signed(&message, false)).is_ok());
    let trade = [("app_id", "2021"), ("trade_no", "T"), ("trade_status", "TRADE_SUCCESS")];
    assert!(verify(&alipay, &signed(&trade, false)).is_ok());
    assert_eq!(verify(&alipay, &signed(&trade, true)), Err(NoticeError::BadSignature));
}

#[test]
fn both_keys_hold_while_one_replaces_the_other() {
    let NewPair { public, .. } = new_pair().unwrap();
    let known = test_key("public_key_spki_base64");
    let body = signed(&[("app_id", "2021"), ("notify_id", "1")], false);
    let mut values = values("2021", &public);
    assert_eq!(verify(&alipay(&values), &body), Err(NoticeError::BadSignature));
    values.set("public_key_previous", &known);
    assert!(verify(&alipay(&values), &body).is_ok());
    values.set("public_key_previous", "no key");
    assert_eq!(Alipay::try_new(&values, &site()).err().unwrap().field, "public_key_previous");
}

#[test]
fn another_seller_is_refused() {
    let mut values = values("2021", &test_key("public_key_spki_base64"));
    values.set("seller_id", "2088");
    let of =
        |seller| signed(&[("app_id", "2021"), ("seller_id", seller), ("trade_no", "T"), ("trade_status", "X")], false);
    assert!(verify(&alipay(&values), &of("2088")).is_ok());
    assert_eq!(verify(&alipay(&values), &of("2089")), Err(NoticeError::BadSignature));
}

#[test]
fn each_state_and_each_refund_of_a_trade_has_its_own_key() {
    let alipay = ours();
    let key = |more: &[(&str, &str)]| {
        let trade = [("app_id", "2021"), ("trade_no", "T")];
        let genuine = verify(&alipay, &signed(&[&trade, more].concat(), false)).unwrap();
        assert!(genuine.key.len() <= 200 && genuine.event.len() <= 100);
        genuine.key
    };
    let success = ("trade_status", "TRADE_SUCCESS");
    let long = "é".repeat(300);
    let keys = [
        key(&[success, ("notify_time", "1")]),
        key(&[("trade_status", "TRADE_CLOSED")]),
        key(&[success, ("refund_fee", "1.00")]),
        key(&[success, ("refund_fee", "1.00"), ("out_biz_no", "RF1")]),
        key(&[success, ("refund_fee", "2.00"), ("out_biz_no", "RF2")]),
        key(&[success, ("out_biz_no", "a:b")]),
        key(&[success, ("out_biz_no", &long)]),
        key(&[("notify_id", "9")]),
        key(&[]),
    ];
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
    assert_eq!(keys[0], key(&[success, ("notify_time", "2")]));
    assert_eq!(keys[4], key(&[success, ("refund_fee", "3.00"), ("out_biz_no", "RF2")]));
}

fn yuan(text: &str) -> Money {
    Money::parse(text, Currency::iso("CNY").unwrap()).unwrap()
}

fn told(pairs: &[(&str, &str)]) -> Result<Told, NoticeError> {
    let trade = [("trade_no", "T"), ("out_trade_no", NUMBER), ("total_amount", "88.80")];
    let all = trade.iter().filter(|(name, _)| !pairs.iter().any(|(other, _)| other == name)).chain(pairs);
    let form = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    map::told(&form, Currency::iso("CNY").unwrap())
}

fn name() -> OrderName {
    OrderName::Number(NUMBER.parse().unwrap())
}

fn paid() -> News {
    News::Paid(PaidNews { order: name(), payment_id: "T".to_owned(), amount: yuan("88.80"), method: None })
}

#[test]
fn only_plain_success_is_a_payment() {
    for status in ["TRADE_SUCCESS", "TRADE_FINISHED"] {
        assert_eq!(told(&[("trade_status", status)]), Ok(Told::News(vec![paid()])));
    }
    for status in ["WAIT_BUYER_PAY", "TRADE_CLOSED"] {
        assert!(
            matches!(told(&[("trade_status", status)]), Ok(Told::News(news)) if matches!(news[..], [News::Nothing(_)]))
        );
    }
    for pairs in [[("trade_status", "TRADE_PENDING")], [("notify_type", "dispute")]] {
        assert!(matches!(told(&pairs), Ok(Told::News(news)) if matches!(news[..], [News::ForReview(_)])));
    }
    let foreign = told(&[("trade_status", "TRADE_SUCCESS"), ("out_trade_no", "20190815155618536-564-57")]);
    assert!(matches!(foreign, Ok(Told::News(news)) if matches!(news[..], [News::ForReview(_)])));
}

#[test]
fn amounts_are_exact_or_nothing() {
    for bad in ["", "88.801", "1e2", "-1.00", "88,80", "99999999999999999999"] {
        let told = told(&[("trade_status", "TRADE_SUCCESS"), ("total_amount", bad)]);
        assert!(matches!(told, Err(NoticeError::Malformed { .. })), "{bad}: {told:?}");
    }
}

#[test]
fn a_refund_is_told_under_its_number_with_its_own_amount() {
    let part = [("trade_status", "TRADE_SUCCESS"), ("refund_fee", "50.00"), ("out_biz_no", "RF2")];
    let Ok(Told::Refund(news, one)) = told(&part) else { panic!() };
    assert_eq!(news, [paid()]);
    let News::Refunded(refunded) = map::refunded(one, yuan("20.00")) else { panic!() };
    let expected = RefundedNews {
        order: name(),
        payment_id: Some("T".to_owned()),
        refund: "RF2".to_owned(),
        amount: yuan("20.00"),
        provider_refund: Some("RF2".to_owned()),
        reason: None,
    };
    assert_eq!(refunded, expected);
    let Ok(Told::Refund(_, one)) = told(&part) else { panic!() };
    assert!(matches!(map::refunded(one, yuan("50.01")), News::ForReview(_)));

    let all = [("trade_status", "TRADE_CLOSED"), ("refund_fee", "88.80"), ("out_biz_no", "RF1")];
    let Ok(Told::Refund(news, one)) = told(&all) else { panic!() };
    let News::Refunded(refunded) = map::refunded(one, yuan("88.80")) else { panic!() };
    assert_eq!((news, refunded.provider_refund), (vec![], Some("closed:T".to_owned())));
}

#[test]
fn a_refund_without_a_number_is_never_guessed() {
    let part = told(&[("trade_status", "TRADE_SUCCESS"), ("refund_fee", "50.00")]).unwrap();
    assert!(matches!(part, Told::News(news) if matches!(news[..], [News::Paid(_), News::ForReview(_)])));
    for more in [("refund_fee", "88.80"), ("gmt_payment", "2026-01-01 08:00:00")] {
        assert_eq!(told(&[("trade_status", "TRADE_CLOSED"), more]), Ok(Told::News(vec![News::Ask(name())])));
    }
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let good = values("2021", &test_key("public_key_spki_base64"));
    for (field, value) in
        [("private_key", "x"), ("public_key", "x"), ("gateway", "x"), ("app_cert_sn", "only one of the two")]
    {
        let mut values = good.clone();
        values.set(field, value);
        let error = Alipay::try_new(&values, &site()).err().unwrap();
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains("only one of"));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_arrives_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let alipay = ours();
        prop_assert!(verify(&alipay, &body).is_err());
        let headers = HeaderMap::new();
        drop(runtime().block_on(alipay.read(&arrived(&body, &headers))));
    }

    #[test]
    fn nothing_genuine_that_was_changed_makes_it_panic(cut in 0..2000_usize, bytes in prop::collection::vec(any::<u8>(), 0..6)) {
        let sample = sample("alipay-notify-trade-closed-after-full-refund-generated");
        let alipay = alipay(&values(text(&sample["params"], "app_id"), &test_key("public_key_spki_base64")));
        let genuine = text(&sample, "body").as_bytes();
        let mut body = genuine.to_vec();
        let at = cut % body.len();
        body.splice(at..(at + bytes.len()).min(genuine.len()), bytes);
        prop_assert_eq!(verify(&alipay, &body).is_ok(), form::parse(&body) == form::parse(genuine));
        // Of an order of ours: the refund is asked about.
        let body = String::from_utf8_lossy(&body).replace(text(&sample["params"], "out_trade_no"), NUMBER);
        let headers = HeaderMap::new();
        drop(runtime().block_on(alipay.read(&arrived(body.as_bytes(), &headers))));
    }
}
