//! Samples computed with another tool, and what becomes of them when anything is changed.

mod simulated;

use aggregates::Money;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::providers::form::{self, Form};
use crate::providers::{OrderName, PaidNews};

const SAMPLES: &str = include_str!("../../../tests/vectors/linuxdo-credit.json");
const NUMBER: &str = "ORD202601050607090000beef";
const PID: &str = "9f2b6c1e000040008000000000000001";
const SECRET: &str = "c8b1f0a2d3e4f5061728394a5b6c7d8e";

fn samples() -> Vec<Value> {
    serde_json::from_str(SAMPLES).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn site() -> Site {
    Site { public_url: "https://ledger.example".parse().unwrap() }
}

fn values() -> Values {
    let mut values = Values::default();
    values.set("pid", PID);
    values.set("key", SECRET);
    // Nobody listens there.
    values.set("url", "http://127.0.0.1:1");
    values
}

fn credit(values: &Values) -> LinuxDoCredit {
    LinuxDoCredit::try_new(values, &site()).unwrap()
}

fn by_get(credit: &LinuxDoCredit, query: &str) -> Result<Genuine, NoticeError> {
    let headers = HeaderMap::new();
    let arrived = Arrived { method: &Method::GET, path: WEBHOOK, query: Some(query), headers: &headers, body: b"" };
    credit.verify(&arrived, Utc::now())
}

fn by_post(credit: &LinuxDoCredit, body: &[u8]) -> Result<Genuine, NoticeError> {
    let headers = HeaderMap::new();
    let arrived = Arrived { method: &Method::POST, path: WEBHOOK, query: None, headers: &headers, body };
    credit.verify(&arrived, Utc::now())
}

async fn read(credit: &LinuxDoCredit, query: &str) -> Result<Vec<News>, NoticeError> {
    let headers = HeaderMap::new();
    credit
        .read(&Arrived { method: &Method::GET, path: WEBHOOK, query: Some(query), headers: &headers, body: b"" })
        .await
}

fn form(pairs: &[(&str, &str)]) -> Form {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn signed(pairs: &[(&str, &str)]) -> String {
    let mut form = form(pairs);
    form.insert(wire::SIGN.to_owned(), wire::sign(&form, SECRET));
    form::encoded(form::pairs(&form))
}

fn paid() -> [(&'static str, &'static str); 7] {
    [
        ("pid", PID),
        ("trade_no", "2001234567890123456"),
        ("out_trade_no", NUMBER),
        ("type", "epay"),
        ("name", "月度会员 A&B=1 100%+"),
        ("money", "10.00"),
        ("trade_status", "TRADE_SUCCESS"),
    ]
}

fn credits(text: &str) -> Money {
    Money::parse(text, CURRENCY.parse().unwrap()).unwrap()
}

#[test]
fn every_sample_is_signed_as_others_sign_it() {
    for sample in samples() {
        let mut form: Form = serde_json::from_value(sample["params"].clone()).unwrap();
        let sign = form.remove(wire::SIGN).unwrap_or_else(|| text(&sample, "expected_signature").to_owned());
        let secret = text(&sample, "secret");
        assert_eq!(wire::signed(&form, secret), text(&sample, "signed_string").as_bytes());
        let signed = match sample["private_key_seed_base64"].as_str() {
            Some(seed) => {
                let key = PageKey::parse(seed).unwrap();
                assert_eq!(key.public_half(), text(&sample, "public_key_raw_base64"));
                key.sign(&form, secret)
            }
            None => wire::sign(&form, secret),
        };
        assert_eq!(signed == sign, sample["expect"] == "valid", "{}", sample["name"]);
    }
}

/// An Ed25519 signature is the same each time, so the page is, too.
#[test]
fn a_page_of_either_protocol_has_the_fields_of_its_sample() {
    let mut seen = 0;
    for sample in samples().iter().filter(|sample| text(sample, "name").starts_with("ldc-request")) {
        let mut values = values();
        values.set("key", text(sample, "secret"));
        if let Some(seed) = sample["private_key_seed_base64"].as_str() {
            values.set("page_key", seed);
        }
        let mut theirs = form::parse(text(sample, "body").as_bytes()).unwrap();
        let name = theirs.get("name").or(theirs.get("order_name")).unwrap().clone();
        let same = ["out_trade_no", "money", "notify_url", "return_url"];
        let same = same.map(|field| (field.to_owned(), theirs[field].clone()));
        let page = credit(&values).client.page(name, same.into_iter().collect());
        let mut ours = form::parse(page.split_once('?').unwrap().1.as_bytes()).unwrap();
        // They need not be told how it is signed.
        assert_eq!(ours.remove(wire::SIGN_TYPE).is_some(), !values.names().any(|name| name == "page_key"));
        theirs.remove(wire::SIGN_TYPE);
        assert_eq!(ours, theirs, "{}", sample["name"]);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_page_key_is_taken_however_it_is_written() {
    let seed = [7; 32];
    // RFC 8410: what OpenSSL writes.
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &seed].concat();
    let der = STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let by = |text: &str| PageKey::parse(text).map(|key| key.sign(&form(&paid()), SECRET));
    let signed = by(&STANDARD.encode(seed)).unwrap();
    for text in [der, pem.replace('\n', "\\n"), pem] {
        assert_eq!(by(&text).as_ref(), Ok(&signed));
    }
    for bad in ["", "nonsense", &STANDARD.encode([7; 31]), &crate::providers::rsa::new_pair().unwrap().private] {
        let mut values = values();
        values.set("page_key", bad);
        assert_eq!(LinuxDoCredit::try_new(&values, &site()).err().unwrap().field, "page_key");
    }
}

#[test]
fn every_sample_of_a_notification_gives_its_stated_result() {
    let credit = credit(&values());
    let mut seen = 0;
    for sample in samples().iter().filter(|sample| text(sample, "name").starts_with("ldc-notify")) {
        let (_, query) = text(sample, "url").split_once('?').unwrap();
        for verified in [by_get(&credit, query), by_post(&credit, query.as_bytes())] {
            assert_eq!(verified.is_ok(), sample["expect"] == "valid", "{}: {verified:?}", sample["name"]);
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_notification_with_any_byte_changed_is_refused() {
    let credit = credit(&values());
    let query = signed(&paid());
    let genuine = form::parse(query.as_bytes()).unwrap();
    for at in 0..query.len() {
        for bit in 0..8 {
            let mut changed = query.clone().into_bytes();
            changed[at] ^= 1 << bit;
            // The case of hexadecimal digits says nothing, in escapes as in the signature.
            let same = form::parse(&changed).is_some_and(|mut changed| {
                changed.entry(wire::SIGN.to_owned()).and_modify(|sign| sign.make_ascii_lowercase());
                changed == genuine
            });
            assert!(bit != 0 || !same);
            assert_eq!(by_post(&credit, &changed).is_ok(), same, "byte {at}, bit {bit}");
            if let Ok(query) = std::str::from_utf8(&changed) {
                assert_eq!(by_get(&credit, query).is_ok(), same, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn what_our_own_address_has_in_it_is_not_theirs() {
    let credit = credit(&values());
    let query = signed(&paid());
    assert!(by_get(&credit, &format!("shop=1&{query}")).is_ok());
    assert_eq!(by_get(&credit, &format!("money=1.00&{query}")), Err(NoticeError::BadSignature));
    let mut values = values();
    values.set("notify_url", "https://ledger.example/notify?money=1");
    assert_eq!(LinuxDoCredit::try_new(&values, &site()).err().unwrap().field, "notify_url");
    values.set("notify_url", &format!("https://ledger.example/{}", "n".repeat(100)));
    assert_eq!(LinuxDoCredit::try_new(&values, &site()).err().unwrap().field, "notify_url");
}

#[test]
fn fields_cannot_be_cut_otherwise_than_they_were_signed() {
    let credit = credit(&values());
    let query = signed(&paid());
    // The same text under the same signature: now `out_trade_no` is a part of the name.
    let escaped = form::encoded([("x", "月度会员 A&B=1 100%+")].into_iter()).trim_start_matches("x=").to_owned();
    let merged = query
        .replace(&format!("&out_trade_no={NUMBER}"), "")
        .replace(&escaped, &format!("{escaped}%26out_trade_no%3D{NUMBER}"));
    let same_text = |query: &str| wire::text(&form::parse(query.as_bytes()).unwrap());
    assert_eq!(same_text(&merged), same_text(&query));
    assert_eq!(by_get(&credit, &merged), Err(NoticeError::BadSignature));
}

#[test]
fn only_the_kind_of_signature_that_is_made_is_taken() {
    let credit = credit(&values());
    let query = signed(&paid());
    assert!(by_get(&credit, &format!("{query}&sign_type=MD5")).is_ok());
    assert!(by_get(&credit, &query.replace("sign=", "sign_type=&sign=")).is_ok());
    assert_eq!(by_get(&credit, &format!("{query}&sign_type=RSA")), Err(NoticeError::BadSignature));
    let headers = HeaderMap::new();
    let head = Arrived { method: &Method::HEAD, path: WEBHOOK, query: Some(&query), headers: &headers, body: b"" };
    assert_eq!(credit.verify(&head, Utc::now()), Err(NoticeError::BadSignature));
}

#[test]
fn both_secrets_hold_while_one_replaces_the_other() {
    let query = signed(&paid());
    let mut values = values();
    values.set("key", "another");
    assert_eq!(by_get(&credit(&values), &query), Err(NoticeError::BadSignature));
    values.set("key_previous", SECRET);
    assert!(by_get(&credit(&values), &query).is_ok());
}

#[test]
fn an_application_in_test_mode_is_refused() {
    let mut values = values();
    values.set("test_pid", PID);
    assert_eq!(LinuxDoCredit::try_new(&values, &site()).err().unwrap().field, "test_pid");
    values.set("test_pid", "test");
    let test: Vec<_> =
        paid().into_iter().map(|(name, value)| (name, if name == "pid" { "test" } else { value })).collect();
    assert_eq!(by_get(&credit(&values), &signed(&test)), Err(NoticeError::BadSignature));
    assert!(by_get(&credit(&values), &signed(&paid())).is_ok());
}

#[test]
fn a_payment_is_stored_under_its_trade() {
    let credit = credit(&values());
    let of = |trade: &str| {
        let pairs: Vec<_> = paid().into_iter().filter(|(name, _)| *name != "trade_no").collect();
        by_get(&credit, &signed(&[&pairs[..], &[("trade_no", trade)]].concat()))
    };
    let genuine = of("2001").unwrap();
    assert_eq!((&*genuine.key, &*genuine.event), ("TRADE_SUCCESS:2001", "TRADE_SUCCESS"));
    let long = of(&"é".repeat(300)).unwrap();
    assert!(long.key.len() <= 200);
    assert_ne!(long.key, of(&"é".repeat(301)).unwrap().key);
    assert_eq!(of("").unwrap().event, "unnamed");
}

#[test]
fn the_longest_key_has_200_bytes() {
    let credit = credit(&values());
    let (word, trade) = ("W".repeat(150), "7".repeat(100));
    for (trade, bytes) in [(&trade[1..], 200), (&trade[..], 172)] {
        let mut form = form(&paid());
        form.insert("trade_status".to_owned(), word.clone());
        form.insert("trade_no".to_owned(), trade.to_owned());
        form.insert(wire::SIGN.to_owned(), wire::sign(&form, SECRET));
        assert_eq!(by_get(&credit, &form::encoded(form::pairs(&form))).unwrap().key.len(), bytes);
    }
}

#[tokio::test]
async fn only_plain_success_is_a_payment_and_amounts_are_exact() {
    let credit = credit(&values());
    let with = |name: &str, value: &str| {
        let mut form = form(&paid());
        form.insert(name.to_owned(), value.to_owned());
        form::encoded(form::pairs(&form))
    };
    let order = OrderName::Number(NUMBER.parse().unwrap());
    let payment_id = "2001234567890123456".to_owned();
    let news = News::Paid(PaidNews { order, payment_id, amount: credits("10.00"), method: None });
    assert_eq!(read(&credit, &signed(&paid())).await, Ok(vec![news]));
    for (name, value) in [("trade_status", "TRADE_CLOSED"), ("out_trade_no", ""), ("out_trade_no", "M1")] {
        let news = read(&credit, &with(name, value)).await.unwrap();
        assert!(matches!(&news[..], [News::ForReview(_)]), "{name}: {news:?}");
    }
    for money in ["", "10.001", "1e1", "-10.00", "9999999999999999999"] {
        assert!(matches!(read(&credit, &with("money", money)).await, Err(NoticeError::Malformed { .. })), "{money}");
    }
}

#[test]
fn an_order_that_was_paid_and_is_not_is_neither_paid_nor_unpaid() {
    let order = |status, endtime: &str| wire::Order {
        trade_no: "1".to_owned(),
        out_trade_no: NUMBER.to_owned(),
        pid: PID.to_owned(),
        money: "10.00".to_owned(),
        status,
        endtime: endtime.to_owned(),
    };
    for (status, endtime, stands) in [
        (1, "2026-01-05 06:07:09", Stands::Paid),
        (0, "0001-01-01 00:00:00", Stands::NotPaid),
        (0, "", Stands::NotPaid),
        (0, "2026-01-05 06:07:09", Stands::NoLonger),
        (2, "2026-01-05 06:07:09", Stands::NoLonger),
    ] {
        assert_eq!(map::stands(&order(status, endtime)), stands);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_arrives_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..400), query in ".{0,200}") {
        let credit = credit(&values());
        prop_assert!(by_post(&credit, &body).is_err());
        prop_assert!(by_get(&credit, &query).is_err());
        drop(runtime().block_on(read(&credit, &query)));
    }

    #[test]
    fn nothing_genuine_that_was_changed_makes_it_panic(cut in 0..2000_usize, put in "[a-zA-Z&=%]{1,6}") {
        let credit = credit(&values());
        let query = signed(&paid());
        let at = cut % query.len();
        let changed = format!("{}{put}{}", &query[..at], &query[at..]);
        drop(by_get(&credit, &changed));
        drop(runtime().block_on(read(&credit, &changed)));
    }
}
