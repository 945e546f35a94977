//! Whose words they are.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::providers::rsa::{PublicKey, new_pair};
use crate::providers::wechat::wire::Resource;

fn text<'a>(vector: &'a Value, pointer: &str) -> &'a str {
    vector.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The published notification has a key of 16 bytes, as no merchant has.
fn cipher_of(vector: &Value) -> Cipher {
    let key = text(vector, "/api_v3_key").as_bytes();
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    Cipher::of(algorithm, key).unwrap()
}

#[test]
fn every_sample_gives_what_it_says() {
    let mut seen = 0;
    for vector in vectors() {
        let (name, is_valid) = (text(&vector, "/name"), vector["expect"] == "valid");
        if vector.get("method").is_some() {
            request(&vector);
        } else if let Some(resource) = vector.get("resource") {
            let resource: Resource = serde_json::from_value(
                serde_json::json!({"algorithm": "AEAD_AES_256_GCM", "ciphertext": resource["ciphertext"],
                    "associated_data": resource["associated_data"], "nonce": resource["nonce"]}),
            )
            .unwrap();
            let plain = cipher_of(&vector).open(&resource);
            let expected = is_valid.then(|| text(&vector, "/expected_plaintext").as_bytes().to_vec());
            assert_eq!(plain, expected, "{name}");
        } else if vector.get("now").is_some() {
            notification(&vector, is_valid);
        } else {
            let (private, public) = key_texts();
            let message = text(&vector, "/signed_string").as_bytes();
            let signature = text(&vector, "/expected_signature");
            assert_eq!(PrivateKey::parse(&private).unwrap().sign(message).as_deref(), Some(signature), "{name}");
            assert!(PublicKey::parse(&public).unwrap().verifies(message, signature), "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 9);
}

fn request(vector: &Value) {
    let told = text(vector, "/headers/authorization");
    let value = |name: &str| {
        let rest = told.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0
    };
    let us = provider(&settings());
    let (method, path, body) = (text(vector, "/method"), text(vector, "/path"), text(vector, "/body"));
    let made = us.client.authorization(method, path, value("timestamp"), value("nonce_str"), body);
    assert_eq!(made.as_deref(), Some(told), "{}", text(vector, "/name"));
    assert!(told.contains(text(vector, "/expected_signature")));
}

fn notification(vector: &Value, is_valid: bool) {
    let name = text(vector, "/name");
    let headers = vector["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let notice = Notice::new(headers, text(vector, "/body").as_bytes());
    let now = at(vector["now"].as_i64().unwrap());
    let keys = [text(vector, "/public_key_spki_base64"), text(vector, "/platform_certificate_pem")];
    for key in keys.into_iter().filter(|key| !key.is_empty()) {
        let mut values = settings();
        values.set("public_key", key);
        values.set("public_key_id", text(vector, "/public_key_id"));
        let us = provider(&values);
        let verified = us.verify(&notice.arrived(), now);
        assert_eq!(verified.is_ok(), is_valid, "{name}: {verified:?}");
        if let Ok(genuine) = verified {
            let envelope = webhook::envelope(&notice.body).unwrap();
            assert_eq!((genuine.key, genuine.event), (envelope.id, envelope.event_type), "{name}");
            let plain = cipher_of(vector).open(&envelope.resource);
            assert_eq!(plain.as_deref(), Some(text(vector, "/expected_plaintext").as_bytes()), "{name}");
        }
    }
}

#[tokio::test]
async fn the_samples_are_of_orders_that_nobody_here_has() {
    for vector in vectors().iter().filter(|vector| text(vector, "/api_v3_key") == API_V3_KEY) {
        if vector.get("now").is_none() {
            continue;
        }
        let notice = Notice::new([], text(vector, "/body").as_bytes());
        let news = provider(&settings()).read(&notice.arrived()).await.unwrap();
        assert!(matches!(news.as_slice(), [News::ForReview(_)]), "{news:?}");
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
    let (us, genuine) = (provider(&settings()), notice("TRANSACTION.SUCCESS", &paid()));
    let verify = |notice: &Notice| us.verify(&notice.arrived(), at(NOW));
    verify(&genuine).unwrap();
    for body in flips(&genuine.body) {
        let changed = Notice { body, ..genuine.clone() };
        assert_eq!(verify(&changed), Err(NoticeError::BadSignature));
    }
    let names = [keys::TIMESTAMP, keys::NONCE, keys::SERIAL, keys::SIGNATURE, keys::SIGNATURE_TYPE];
    for name in names {
        for value in flips(genuine.headers[name].as_bytes()) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            let mut changed = genuine.clone();
            changed.headers.insert(name, value);
            assert_eq!(verify(&changed), Err(NoticeError::BadSignature), "{name}: {changed:?}");
        }
        let mut twice = genuine.clone();
        twice.headers.append(name, genuine.headers[name].clone());
        assert_eq!(verify(&twice), Err(NoticeError::BadSignature), "{name} twice");
        let mut without = genuine.clone();
        without.headers.remove(name);
        assert_eq!(verify(&without).is_ok(), name == keys::SIGNATURE_TYPE, "without {name}");
    }
}

#[test]
fn a_signature_that_is_meant_to_fail_fails() {
    let mut probe = notice("TRANSACTION.SUCCESS", &paid());
    let real = probe.headers[keys::SIGNATURE].to_str().unwrap().to_owned();
    for signature in ["WECHATPAY/SIGNTEST/".to_owned() + &real, "WECHATPAY/SIGNTEST/abc".to_owned(), String::new()] {
        probe.headers.insert(keys::SIGNATURE, signature.parse().unwrap());
        let verified = provider(&settings()).verify(&probe.arrived(), at(NOW));
        assert_eq!(verified, Err(NoticeError::BadSignature), "{signature}");
    }
}

#[test]
fn a_signature_is_good_for_less_than_five_minutes_either_way() {
    let (us, genuine) = (provider(&settings()), notice("TRANSACTION.SUCCESS", &paid()));
    for (off, is_fine) in [(0, true), (299, true), (-299, true), (300, false), (-300, false), (86_400, false)] {
        let verified = us.verify(&genuine.arrived(), at(NOW + off));
        assert_eq!(verified.is_ok(), is_fine, "{off}");
        assert!(is_fine || verified == Err(NoticeError::OtherTime), "{off}");
    }
}

#[tokio::test]
async fn while_keys_change_both_are_good_each_under_its_own_id() {
    let (other, old_secret) = (new_pair().unwrap(), "0123456789abcdef0123456789abcdef");
    let mut values = settings();
    values.set("public_key_previous", &other.public);
    let missing = PlatformKeys::try_new(&values).unwrap_err();
    assert_eq!(missing.field, "public_key_id_previous");
    values.set("public_key_id_previous", "OLD");
    values.set("api_v3_key_previous", old_secret);
    let us = provider(&values);
    for (id, private, is_fine) in [
        (KEY_ID, key_texts().0, true),
        ("OLD", other.private.to_string(), true),
        ("OLD", key_texts().0, false),
        (KEY_ID, other.private.to_string(), false),
        ("NEW", key_texts().0, false),
    ] {
        for secret in [API_V3_KEY, old_secret] {
            let notice = signed(id, &private, secret, "TRANSACTION.SUCCESS", &paid());
            assert_eq!(us.verify(&notice.arrived(), at(NOW)).is_ok(), is_fine, "{id}");
            assert!(matches!(us.read(&notice.arrived()).await.unwrap().as_slice(), [News::Paid(_)]));
        }
    }
    let foreign = signed(KEY_ID, &key_texts().0, &"x".repeat(32), "TRANSACTION.SUCCESS", &paid());
    let read = us.read(&foreign.arrived()).await;
    assert!(matches!(read, Err(NoticeError::Unavailable(_))), "{read:?}");
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    for (name, value) in [
        ("api_v3_key", "testMchAPIv3Key0"),
        ("api_v3_key", "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gbx"),
        ("private_key", "nonsense"),
        ("public_key", "nonsense"),
        ("api_url", "nonsense"),
    ] {
        let mut values = settings();
        values.set(name, value);
        let error = WeChat::try_new(&values, &site()).err().unwrap();
        assert_eq!(error.field, name, "{value}");
        assert!(!error.problem.contains(value), "{error}");
    }
    for field in SPECIFICATION.fields.iter().filter(|field| field.required) {
        let mut values = settings();
        values.unset(field.name);
        assert_eq!(WeChat::try_new(&values, &site()).err().unwrap().field, field.name);
    }
}

#[test]
fn a_signed_envelope_has_to_be_one() {
    let us = provider(&settings());
    let private = PrivateKey::parse(&key_texts().0).unwrap();
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"id":1}"#,
        r#"{"id":"","event_type":"a","resource":{"algorithm":"","ciphertext":"","nonce":""}}"#,
    ] {
        let time = NOW.to_string();
        let signature = private.sign(&keys::message(&time, "n", body.as_bytes())).unwrap();
        let headers = [
            (keys::TIMESTAMP, time.as_str()),
            (keys::NONCE, "n"),
            (keys::SERIAL, KEY_ID),
            (keys::SIGNATURE, &signature),
        ];
        let verified = us.verify(&Notice::new(headers, body.as_bytes()).arrived(), at(NOW));
        assert_eq!(verified, Ok(Genuine::unnamed(body.as_bytes())), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        values in proptest::collection::vec("[ -~]{0,40}", 5),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let us = provider(&settings());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let names = [keys::TIMESTAMP, keys::NONCE, keys::SERIAL, keys::SIGNATURE, keys::SIGNATURE_TYPE];
        let headers = names.into_iter().zip(values.iter().map(String::as_str));
        let any = Notice::new(headers, &body);
        prop_assert!(us.verify(&any.arrived(), at(NOW)).is_err());
        drop(runtime.block_on(us.read(&any.arrived())));

        let mut mutated = notice("TRANSACTION.SUCCESS", &paid());
        let at_byte = cut.index(mutated.body.len());
        let was = std::mem::replace(&mut mutated.body[at_byte], byte);
        prop_assert_eq!(us.verify(&mutated.arrived(), at(NOW)).is_ok(), was == byte);
        drop(runtime.block_on(us.read(&mutated.arrived())));
        mutated.body.truncate(at_byte);
        prop_assert!(us.verify(&mutated.arrived(), at(NOW)).is_err());
        drop(runtime.block_on(us.read(&mutated.arrived())));
    }
}
