//! A read that sends a write's `Ledger-Position` back sees that write, on any server; the same request again changes
//! nothing and says so; another request under the same name is refused.

use reqwest::Method;
use serde_json::{Value, json};

use super::harness::{Instance, SEED_PACKAGE, order_no};
use super::http::{Answer, Caller};
use super::journey::items;
use super::mail::MailFault;
use crate::support::eventually;

/// Often enough that a read which does not wait would be caught.
const ROUNDS: usize = 20;

#[tokio::test]
async fn every_write_is_seen_by_the_read_that_sends_its_position_on_any_server() {
    let mut ledger = Instance::start().await;
    ledger.set_to_ten().await;
    ledger.add_server().await;
    let (admin, alice) = (ledger.admin().await, ledger.user("alice").await);
    let token = alice_token(&ledger).await;
    let elsewhere = ledger.caller_at(1, Some(&token));
    let root = ledger.token(&["--role", "admin", "--sub", "root"]).await;
    let admin_elsewhere = ledger.caller_at(1, Some(&root));

    let created = ledger.create_package().await;
    let number = created.json()["id"].clone();
    for reader in [&alice, &elsewhere] {
        let seen = reader.after(&created).get("/api/packages").await.expect(200).json();
        assert!(items(&seen).iter().any(|offer| offer["id"] == number), "{seen}");
    }
    let changed = SEED_PACKAGE.replace("30.00", "31.00").into_bytes();
    let changed = admin.send(Method::PUT, &format!("/api/admin/packages/{number}"), Some(changed)).await.expect(200);
    let seen = admin_elsewhere.after(&changed).get(&format!("/api/admin/packages/{number}")).await.expect(200).json();
    assert_eq!(seen["price"], "31.00", "{seen}");

    let bought = alice.post_nothing(&format!("/api/packages/{number}/purchase")).await.expect(201);
    let path = format!("/api/v1/payments/orders/{}", order_no(&bought));
    let seen = elsewhere.after(&bought).get(&path).await.expect(200).json();
    assert_eq!(seen["status"], "pending");
    assert!(seen["checkout_url"].is_string(), "{seen}");
    assert_eq!(seen["checkout_url"], bought.json()["payment_url"], "where to pay is seen, too");
    let paid = ledger.pay(&order_no(&bought), "t-1").await.expect(200);
    assert_eq!(elsewhere.after(&paid).get(&path).await.expect(200).json()["status"], "fulfilled");
    let second = alice.post_nothing(&format!("/api/packages/{number}/purchase")).await.expect(201);
    let path = format!("/api/v1/payments/orders/{}", order_no(&second));
    let cancelled = alice.post_nothing(&format!("{path}/cancel")).await.expect(200);
    assert_eq!(elsewhere.after(&cancelled).get(&path).await.expect(200).json()["status"], "cancelled");

    for round in 1..=ROUNDS {
        let given = adjust(&admin, json!({"amount": "1", "reason": "round"})).await.expect(200);
        let seen = elsewhere.after(&given).get("/api/v1/user/credits").await.expect(200).json();
        assert_eq!(seen["available"], format!("{round}.00"), "{seen}");
        let charged = alice.post("/api/v1/usage", json!({"amount": "0.01"})).await.expect(200);
        let seen = elsewhere.after(&charged).get("/api/user/daily-usage").await.expect(200).json();
        assert_eq!(seen["today"]["used"], format!("0.{round:02}"), "{seen}");
    }

    let off = admin.delete(&format!("/api/admin/packages/{number}")).await.expect(200);
    let seen = elsewhere.after(&off).get("/api/packages").await.expect(200).json();
    assert!(items(&seen).iter().all(|offer| offer["id"] != number), "{seen}");
    alice.post_nothing(&format!("/api/packages/{number}/purchase")).await.refused(409, "E4043");
}

async fn alice_token(ledger: &Instance) -> String {
    ledger.token(&["--role", "user", "--sub", "alice"]).await
}

async fn adjust(admin: &Caller, body: Value) -> Answer {
    admin.post("/api/v1/admin/accounts/alice/credits/adjust", body).await
}

/// Method, path, body, and a body that differs.
fn writes() -> Vec<(&'static str, String, Value, Value)> {
    let package: Value = serde_json::from_str(SEED_PACKAGE).expect("JSON");
    let mut other = package.clone();
    other["name"] = json!("专业套餐");
    let charge = json!({"account": "alice", "amount": "0.25"});
    let more = json!({"account": "alice", "amount": "0.26"});
    let given = json!({"amount": "2", "reason": "again"});
    let less = json!({"amount": "1", "reason": "again"});
    let adjust = "/api/v1/admin/accounts/alice/credits/adjust".to_owned();
    vec![
        ("admin", "/api/admin/packages".to_owned(), package, other),
        ("admin", adjust, given, less),
        ("service", "/api/v1/usage".to_owned(), charge, more),
        ("user", "/api/packages/1/purchase".to_owned(), json!({}), json!({"provider": "sandbox"})),
        ("user", "/api/v1/payments/orders".to_owned(), json!({"product_id": 1}), json!({"product_id": 2})),
    ]
}

#[tokio::test]
async fn the_same_key_and_body_replays_the_first_answer_and_another_body_is_refused() {
    let mut ledger = Instance::start().await;
    ledger.create_package().await;
    ledger.create_package().await;
    adjust(&ledger.admin().await, json!({"amount": "10", "reason": "to have some"})).await.ok();
    let mut first = Vec::new();
    for (n, (who, path, body, other)) in writes().into_iter().enumerate() {
        let caller = by(&ledger, who).await.with("idempotency-key", format!("key-{n}"));
        let answer = caller.post(&path, body.clone()).await.ok();
        assert!(!answer.is_replay(), "{path}");
        let events = length(&ledger).await;
        let again = caller.post(&path, body.clone()).await.ok();
        assert_replay(&answer, &again);
        caller.post(&path, other).await.refused(409, "E3005");
        assert_eq!(length(&ledger).await, events, "{path}: a repeat records nothing");
        first.push((caller, path, body, answer));
    }
    // Another process knows it too.
    ledger.kill().await;
    ledger.add_server().await;
    let events = length(&ledger).await;
    for (n, (who, path, body, _)) in writes().into_iter().enumerate() {
        let caller = by(&ledger, who).await.with("idempotency-key", format!("key-{n}"));
        assert_replay(&first[n].3, &caller.post(&path, body).await.ok());
    }
    assert_eq!(length(&ledger).await, events);
    // A key is its owner's: Bob's is another.
    let bobs = ledger.user("bob").await.with("idempotency-key", "key-3");
    assert!(!bobs.post("/api/packages/1/purchase", json!({})).await.expect(201).is_replay());
}

/// Whatever has happened to it since: what the first request was answered is answered again.
#[tokio::test]
async fn a_repeat_answers_what_was_true_the_first_time() {
    let ledger = Instance::start().await;
    ledger.create_package().await;
    let keyed = |caller: Caller, key: &str| caller.with("idempotency-key", key);
    let (admin, alice) = (ledger.admin().await, ledger.user("alice").await);
    let path = "/api/admin/packages/1";
    let (dearer, dearest) = (SEED_PACKAGE.replace("30.00", "31.00"), SEED_PACKAGE.replace("30.00", "32.00"));
    let put = async |key: &str, body: &str| {
        keyed(admin.clone(), key).send(Method::PUT, path, Some(body.as_bytes().to_vec())).await.expect(200)
    };
    let bought = keyed(alice.clone(), "buy").post_nothing("/api/packages/1/purchase").await.expect(201);
    let changed = put("put", &dearer).await;
    let off = keyed(admin.clone(), "off").delete(path).await.expect(200);
    let order = format!("/api/v1/payments/orders/{}/cancel", order_no(&bought));
    let cancelled = keyed(alice.clone(), "cancel").post_nothing(&order).await.expect(200);

    // It is off sale, cancelled, and costs something else again.
    let again = keyed(alice.clone(), "buy").post_nothing("/api/packages/1/purchase").await.expect(201);
    assert_replay(&bought, &again);
    put("put-again", &dearest).await;
    assert_replay(&changed, &put("put", &dearer).await);
    assert_eq!(changed.json()["price"], "31.00");
    keyed(admin.clone(), "put").send(Method::PUT, path, Some(dearest.into_bytes())).await.refused(409, "E3005");
    let on = SEED_PACKAGE.replacen('{', "{\"on_sale\": true,", 1);
    put("on", &on).await;
    assert_replay(&off, &keyed(admin.clone(), "off").delete(path).await.expect(200));
    assert_eq!(off.json()["on_sale"], false);
    assert_eq!(admin.get(path).await.expect(200).json()["on_sale"], true);
    // Money for a cancelled order is still money: it is fulfilled when the cancelling is asked for again.
    ledger.pay(&order_no(&bought), "late").await.expect(200);
    assert_replay(&cancelled, &keyed(alice.clone(), "cancel").post_nothing(&order).await.expect(200));
}

#[tokio::test]
async fn a_delivery_that_was_tried_again_says_so_after_it_has_arrived() {
    let ledger = Instance::start().await;
    ledger.mail.misbehave(MailFault::Refuse, None);
    let order = ledger.bought("alice").await;
    let delivery = eventually("it to be given up", async || {
        ledger.hurry().await;
        ledger.delivery(&order).await.filter(|delivery| delivery["state"] == "given_up")
    })
    .await;
    ledger.mail.behave();
    let path = format!("/api/v1/admin/deliveries/{}/retry", delivery["id"].as_str().expect("an id"));
    let admin = ledger.admin().await.with("idempotency-key", "again");
    let retried = admin.post_nothing(&path).await.expect(200);
    assert_eq!(retried.json()["step"], "send_mail");
    ledger.delivered(&order).await;
    assert_replay(&retried, &admin.post_nothing(&path).await.expect(200));
}

/// One key, one charge: whatever else names it, and whosever account it is.
#[tokio::test]
async fn a_key_names_one_charge_with_a_reference_or_without() {
    let ledger = Instance::start().await;
    for sub in ["alice", "bob"] {
        adjust_for(&ledger, sub).await;
    }
    let service = ledger.service().await;
    let charge = async |key: &str, account: &str, reference: Option<&str>| {
        let mut usage = json!({"account": account, "amount": "1"});
        if let Some(reference) = reference {
            usage["reference"] = json!(reference);
        }
        service.with("idempotency-key", key).post("/api/v1/usage", usage).await
    };
    let first = charge("k", "alice", Some("r1")).await.expect(200);
    assert_replay(&first, &charge("k", "alice", Some("r1")).await.expect(200));
    charge("k", "alice", Some("r2")).await.refused(409, "E3005");
    charge("k", "alice", None).await.refused(409, "E3005");
    charge("k", "bob", None).await.refused(409, "E3005");
    // The reference alone has named it already.
    assert_replay(&first, &charge("other", "alice", Some("r1")).await.expect(200));
    let keyed = charge("l", "alice", None).await.expect(200);
    assert_replay(&keyed, &charge("l", "alice", None).await.expect(200));
    charge("l", "alice", Some("r3")).await.refused(409, "E3005");
    let seen = ledger.user("alice").await.after(&keyed).get("/api/v1/user/credits").await.expect(200).json();
    assert_eq!(seen["available"], "8.00", "{seen}");
}

#[tokio::test]
async fn a_key_of_somebody_who_acts_for_many_names_one_of_them() {
    let ledger = Instance::start().await;
    ledger.create_package().await;
    let admin = ledger.admin().await.with("idempotency-key", "k");
    let (given, path) = (json!({"amount": "1", "reason": "r"}), "/api/v1/admin/accounts");
    let first = admin.post(&format!("{path}/alice/credits/adjust"), given.clone()).await.expect(200);
    admin.post(&format!("{path}/bob/credits/adjust"), given.clone()).await.refused(409, "E3005");
    assert_replay(&first, &admin.post(&format!("{path}/alice/credits/adjust"), given).await.expect(200));

    let service = ledger.service().await.with("idempotency-key", "k");
    let buy =
        async |account: &str| service.with("x-account-id", account).post_nothing("/api/packages/1/purchase").await;
    let bought = buy("alice").await.expect(201);
    buy("bob").await.refused(409, "E3005");
    assert_replay(&bought, &buy("alice").await.expect(201));
}

async fn by(ledger: &Instance, who: &str) -> Caller {
    match who {
        "admin" => ledger.admin().await,
        "service" => ledger.service().await,
        _ => ledger.user("alice").await,
    }
}

#[track_caller]
fn assert_replay(first: &Answer, again: &Answer) {
    assert!(again.is_replay(), "{}", again.asked);
    assert_eq!((again.status, again.position()), (first.status, first.position()), "{}", again.asked);
    // A charge also says in its body whether it is one; everything else is word for word the same.
    let same = |answer: &Answer| answer.text().replace("\"replayed\":true", "\"replayed\":false");
    assert_eq!(same(again), same(first), "{}", again.asked);
}

#[tokio::test]
async fn a_reference_is_charged_once_and_other_content_under_it_is_refused() {
    let ledger = Instance::start().await;
    adjust(&ledger.admin().await, json!({"amount": "10", "reason": "to have some"})).await.ok();
    let service = ledger.service().await;
    let usage =
        json!({"account": "alice", "amount": "1.5", "reference": "r-1", "meter": "tokens", "metadata": {"model": "m"}});
    let first = service.post("/api/v1/usage", usage.clone()).await.expect(200);
    let again = service.post("/api/v1/usage", usage.clone()).await.expect(200);
    assert_replay(&first, &again);
    // The same thing in other words.
    let mut spelled = usage.clone();
    spelled["amount"] = json!(1.5);
    assert_replay(&first, &service.post("/api/v1/usage", spelled).await.expect(200));
    for (field, value) in [("amount", json!("1.6")), ("meter", json!("images")), ("metadata", json!({"model": "n"}))] {
        let mut other = usage.clone();
        other[field] = value;
        let refused = service.post("/api/v1/usage", other).await.expect(409);
        assert!(
            refused.problem()["detail"].as_str().is_some_and(|detail| detail.contains("reference")),
            "{}",
            refused.text()
        );
    }
    // In another account it is another reference.
    adjust_for(&ledger, "bob").await;
    let mut bobs = usage;
    bobs["account"] = json!("bob");
    assert!(!service.post("/api/v1/usage", bobs).await.expect(200).is_replay());
    let seen = ledger.user("alice").await.after(&first).get("/api/v1/user/credits").await.expect(200).json();
    assert_eq!(seen["available"], "8.50", "{seen}");
}

async fn adjust_for(ledger: &Instance, sub: &str) {
    let path = format!("/api/v1/admin/accounts/{sub}/credits/adjust");
    ledger.admin().await.post(&path, json!({"amount": "10", "reason": "to have some"})).await.ok();
}

/// Each item has its own result, in order; one that is refused leaves the others alone.
#[tokio::test]
async fn a_batch_charges_each_for_itself_in_order() {
    let ledger = Instance::start().await;
    adjust(&ledger.admin().await, json!({"amount": "1", "reason": "to have some"})).await.ok();
    let items: Vec<Value> = ["0.6", "0.6", "0.4", "0.1"]
        .iter()
        .enumerate()
        .map(|(n, amount)| json!({"account": "alice", "amount": amount, "reference": format!("b-{n}")}))
        .collect();
    let service = ledger.service().await;
    // What the first leaves is what the second finds, and so on: 1 - 0.6 leaves too little for 0.6 and just enough for 0.4.
    for replayed in [false, true] {
        let answer = service.post("/api/v1/usage/batch", json!({"items": items})).await.expect(200).json();
        let results = answer["results"].as_array().expect("results");
        let status: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap_or_default()).collect();
        assert_eq!(status, [200, 402, 200, 402], "{answer}");
        assert_eq!(results[0]["charge"]["replayed"], replayed, "{answer}");
        let left = |at: usize| results[at]["charge"]["credits"]["balance"].clone();
        assert_eq!((left(0), left(2)), (json!("0.40"), json!("0.00")), "{answer}");
        assert_eq!(results[1]["problem"]["code"], "E4001", "{answer}");
    }
}

async fn length(ledger: &Instance) -> i64 {
    let length = sqlx::query_scalar("SELECT sum(position)::int8 FROM ledger.log_heads").fetch_one(&ledger.pool).await;
    length.expect("the log")
}
