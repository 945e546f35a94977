//! Whose words they are.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::providers::rsa::new_pair;

fn text<'a>(vector: &'a Value, pointer: &str) -> &'a str {
    vector.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn every_sample_gives_what_it_says() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../../tests/vectors/antom.json")).unwrap();
    assert_eq!(vectors.len(), 5);
    for vector in &vectors {
        let (name, path, body) = (text(vector, "/name"), text(vector, "/path"), text(vector, "/body"));
        let mut values = settings();
        values.set("client_id", text(vector, "/client_id"));
        values.set("public_key", text(vector, "/public_key_spki_base64"));
        let us = provider(&values);
        if text(vector, "/kind") == "request" {
            let made = us.client.signature(path, text(vector, "/headers/request-time"), body);
            assert_eq!(made.as_deref(), Some(text(vector, "/headers/signature")), "{name}");
            assert_eq!(us.client.path("pay"), path);
            continue;
        }
        let headers = vector["headers"].as_object().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let notice = Notice::new(path, headers, body.as_bytes());
        let signed_at = signature::time(text(vector, "/headers/request-time")).unwrap();
        let verified = us.verify(&notice.arrived(), signed_at);
        assert_eq!(verified.is_ok(), vector["expect"] == "valid", "{name}: {verified:?}");
        let Ok(genuine) = verified else { continue };
        let status = text(vector, "/name").contains("success");
        assert_eq!(genuine.event, if status { "PAYMENT_RESULT S" } else { "PAYMENT_RESULT F" });
        // Of an order that nobody here has.
        let news = us.read(&notice.arrived()).await.unwrap().remove(0);
        assert!(if status { matches!(news, News::ForReview(_)) } else { matches!(news, News::Nothing(_)) }, "{news:?}");
    }
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).map(|at| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    })
}

#[test]
fn one_other_bit_anywhere_is_refused() {
    let (us, genuine) = (provider(&settings()), notice(&paid()));
    let verify = |notice: &Notice| us.verify(&notice.arrived(), now());
    verify(&genuine).unwrap();
    for body in flips(&genuine.body) {
        assert_eq!(verify(&Notice { body, ..genuine.clone() }), Err(NoticeError::BadSignature));
    }
    for path in flips(genuine.path.as_bytes()) {
        let path = String::from_utf8(path).unwrap();
        assert_eq!(verify(&Notice { path, ..genuine.clone() }), Err(NoticeError::BadSignature));
    }
    for name in [signature::CLIENT_ID, signature::REQUEST_TIME, signature::SIGNATURE] {
        let told = genuine.headers[name].as_bytes();
        // Which version of their key it is, they do not sign.
        let version = told.windows(11).position(|window| window == b"keyVersion=").map(|at| at..at + 13);
        for (at, value) in flips(told).enumerate() {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            if version.as_ref().is_some_and(|version| version.contains(&at)) {
                continue;
            }
            let mut changed = genuine.clone();
            changed.headers.insert(name, value);
            assert_eq!(verify(&changed), Err(NoticeError::BadSignature), "{changed:?}");
        }
        let mut twice = genuine.clone();
        twice.headers.append(name, genuine.headers[name].clone());
        assert_eq!(verify(&twice), Err(NoticeError::BadSignature), "{name} twice");
        let mut without = genuine.clone();
        without.headers.remove(name);
        assert_eq!(verify(&without), Err(NoticeError::BadSignature), "without {name}");
    }
    assert_eq!(verify(&Notice { method: Method::PUT, ..genuine }), Err(NoticeError::BadSignature));
}

#[test]
fn the_header_may_be_written_loosely() {
    let us = provider(&settings());
    let mut genuine = notice(&paid());
    let told = genuine.headers[signature::SIGNATURE].to_str().unwrap().to_owned();
    let plain = told.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let lower = told.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d");
    for value in [told.replace(',', ", "), plain, lower] {
        genuine.headers.insert(signature::SIGNATURE, value.parse().unwrap());
        us.verify(&genuine.arrived(), now()).unwrap();
    }
    for value in [told.replace("RSA256", "RSA1"), told.replace("algorithm=RSA256,", ""), told.clone() + "," + &told] {
        genuine.headers.insert(signature::SIGNATURE, value.parse().unwrap());
        assert!(us.verify(&genuine.arrived(), now()).is_err(), "{value}");
    }
}

#[test]
fn a_query_may_be_signed_or_not() {
    let us = provider(&settings());
    for path in [WEBHOOK.to_owned(), format!("{WEBHOOK}?a=1")] {
        let mut notice = signed_over(&path, &key_texts().0, TIME, &paid().to_string());
        notice.query = Some("a=1".to_owned());
        us.verify(&notice.arrived(), now()).unwrap();
    }
    let mut other = signed_over(&format!("{WEBHOOK}?a=1"), &key_texts().0, TIME, &paid().to_string());
    assert!(us.verify(&other.arrived(), now()).is_err());
    other.query = Some("a=2".to_owned());
    assert!(us.verify(&other.arrived(), now()).is_err());
}

#[test]
fn what_is_signed_and_no_notification_is_kept_for_a_person() {
    let us = provider(&settings());
    for body in ["", "[]", "null", "{\"result\":1}"] {
        let notice = signed_over(WEBHOOK, &key_texts().0, TIME, body);
        assert_eq!(us.verify(&notice.arrived(), now()), Ok(Genuine::unnamed(body.as_bytes())), "{body}");
    }
}

#[test]
fn a_time_is_good_for_two_days_either_way() {
    let (us, genuine) = (provider(&settings()), notice(&paid()));
    for (seconds, is_fine) in [(0, true), (172_800, true), (-172_800, true), (172_801, false), (-172_801, false)] {
        let verified = us.verify(&genuine.arrived(), now() + TimeDelta::seconds(seconds));
        assert_eq!(verified.is_ok(), is_fine, "{seconds}");
        assert!(is_fine || verified == Err(NoticeError::OtherTime), "{seconds}");
    }
    let millis = now().timestamp_millis().to_string();
    us.verify(&signed_over(WEBHOOK, &key_texts().0, &millis, &paid().to_string()).arrived(), now()).unwrap();
    // It is theirs, and counts once as any other: what it says must not get lost over how they write a time.
    for time in ["", "soon", "2026-01-01T00:00:00+0800", "99999999999999999999"] {
        let notice = signed_over(WEBHOOK, &key_texts().0, time, &paid().to_string());
        assert_eq!(us.verify(&notice.arrived(), now()), us.verify(&genuine.arrived(), now()), "{time}");
    }
}

#[test]
fn while_keys_change_both_are_good() {
    let other = new_pair().unwrap();
    let by = |private: &str| signed_over(WEBHOOK, private, TIME, &paid().to_string());
    let mut values = settings();
    assert!(provider(&values).verify(&by(&other.private).arrived(), now()).is_err());
    values.set("public_key_previous", &other.public);
    for private in [key_texts().0.as_str(), &other.private] {
        provider(&values).verify(&by(private).arrived(), now()).unwrap();
    }
}

#[test]
fn the_same_news_has_the_same_key_and_other_news_has_another() {
    let us = provider(&settings());
    let key = |body: &Value| us.verify(&notice(body).arrived(), now()).unwrap().key;
    assert_eq!(key(&paid()), "PAYMENT_RESULT/2026-1/S/SUCCESS");
    let mut later = paid();
    later["paymentTime"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(key(&paid()), key(&later));
    let dispute =
        |id: &str| json!({"disputeNotificationType": "DISPUTE_JUDGED", "disputeId": id, "paymentId": "2026-1"});
    let others = [
        paid(),
        with(paid(), "/result", result("F")),
        with(paid(), "/result/resultCode", json!("PAYMENT_IN_PROCESS")),
        with(paid(), "/paymentId", json!("2026-2")),
        with(paid(), "/paymentId", json!("2026/1")),
        with(paid(), "/paymentId", json!("x".repeat(500))),
        with(paid(), "/notifyType", json!("PAYMENT_PENDING")),
        refunded("SUCCESS"),
        refunded("FAIL"),
        json!({"notifyType": "CAPTURE_RESULT", "captureId": "2026-1", "result": result("S")}),
        json!({"notifyType": "UPDATE_AMOUNT_RESULT", "paymentId": "2026-1"}),
        dispute("d1"),
        dispute("d2"),
        json!({}),
    ];
    let keys: std::collections::BTreeSet<String> = others.iter().map(key).collect();
    assert_eq!(keys.len(), others.len(), "{keys:?}");
    assert!(keys.iter().all(|key| key.len() <= 200));
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    for (name, value) in [
        ("private_key", "nonsense"),
        ("public_key", "nonsense"),
        ("api_url", "nonsense"),
        ("currency", "nonsense"),
        ("key_version", "nonsense"),
    ] {
        let mut values = settings();
        values.set(name, value);
        let error = Antom::try_new(&values, &site()).err().unwrap();
        assert_eq!(error.field, name, "{value}");
    }
    for field in SPECIFICATION.fields.iter().filter(|field| field.required) {
        let mut values = settings();
        values.unset(field.name);
        assert_eq!(Antom::try_new(&values, &site()).err().unwrap().field, field.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        values in proptest::collection::vec("[ -~]{0,40}", 3),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let us = provider(&settings());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let names = [signature::CLIENT_ID, signature::REQUEST_TIME, signature::SIGNATURE];
        let any = Notice::new(WEBHOOK, names.into_iter().zip(values.iter().map(String::as_str)), &body);
        prop_assert!(us.verify(&any.arrived(), now()).is_err());
        drop(runtime.block_on(us.read(&any.arrived())));

        let mut mutated = notice(&paid());
        let at_byte = cut.index(mutated.body.len());
        let was = std::mem::replace(&mut mutated.body[at_byte], byte);
        prop_assert_eq!(us.verify(&mutated.arrived(), now()).is_ok(), was == byte);
        drop(runtime.block_on(us.read(&mutated.arrived())));
        mutated.body.truncate(at_byte);
        prop_assert!(us.verify(&mutated.arrived(), now()).is_err());
        drop(runtime.block_on(us.read(&mutated.arrived())));
    }
}
