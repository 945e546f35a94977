//! The whole story of one customer, as the customer, the operator and the auditor see it.

use chrono::{DateTime, Days, TimeDelta, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};

use super::harness::{
    ADMIN_TOKEN, Instance, JWT_SECRET, PUBLIC_URL, SEED_PACKAGE, SIGNING_SECRET, email_of, name_of, order_no,
};
use super::http::{Answer, Caller};
use super::{books, secrets};
use crate::support::eventually;
use crate::support::process::assert_verifies;

const ALICE: &str = "alice";

#[tokio::test]
async fn a_package_is_bought_paid_delivered_used_up_renewed_at_midnight_and_expires() {
    let mut ledger = Instance::start().await;
    let morning = ledger.set_to_ten().await;
    let alice = ledger.user(ALICE).await;

    // An admin puts the package of the contract's curl on sale, and everybody sees it.
    let created = ledger.create_package().await.expect(201);
    let package = created.json()["id"].as_u64().expect("a number");
    let on_sale = alice.after(&created).get("/api/packages").await.expect(200).json();
    let offer = items(&on_sale).into_iter().find(|offer| offer["id"] == package).expect("it is on sale");
    assert_eq!((&offer["name"], &offer["daily_limit"]), (&json!("基础套餐"), &json!("5.00")));

    // Alice buys it. Nothing is hers before it is paid.
    let bought = alice.post_nothing(&format!("/api/packages/{package}/purchase")).await.expect(201);
    let order = order_no(&bought);
    let pending = alice.after(&bought).get(&format!("/api/v1/payments/orders/{order}")).await.expect(200).json();
    assert_eq!(pending["status"], "pending", "{pending}");
    assert_eq!(used_today(&alice, &bought).await, ("0.00".to_owned(), "0.00".to_owned()));

    // The sandbox says that it was paid: in one step the order is fulfilled and the package runs.
    let paid = ledger.pay(&order, "2026-transaction-1").await.expect(200);
    let fulfilled = alice.after(&paid).get(&format!("/api/v1/payments/orders/{order}")).await.expect(200).json();
    assert_eq!(fulfilled["status"], "fulfilled", "{fulfilled}");
    assert_eq!(used_today(&alice, &paid).await, ("0.00".to_owned(), "5.00".to_owned()));

    let key = key_was_made_and_mailed(&ledger, &order).await;
    let spent = quota_then_credits_then_nothing(&ledger, &alice).await;

    // At local midnight the quota is back; the credits are not.
    ledger.set_clock(midnight_after(morning)).await;
    assert_eq!(used_today(&alice, &spent).await, ("0.00".to_owned(), "5.00".to_owned()));
    let charged = charge(&ledger, "5.00", "next-day").await.expect(200);
    charge(&ledger, "0.01", "next-day-more").await.refused(402, "E4001");
    assert_eq!(used_today(&alice, &charged).await, ("5.00".to_owned(), "0.00".to_owned()));

    // Thirty days after it was bought it pays nothing, and its timer writes that down.
    ledger.set_clock(morning + TimeDelta::days(30) + TimeDelta::minutes(1)).await;
    charge(&ledger, "0.01", "after-the-end").await.refused(402, "E4001");
    eventually("the end of the package to be recorded", async || {
        (ledger.events_of(ALICE, "user_package", "expired").await == 1).then_some(())
    })
    .await;

    books::agree(&ledger, &[ALICE]).await;
    assert_verifies(&ledger.database.url()).await;
    ledger.stop().await;
    let settings = [ADMIN_TOKEN, SIGNING_SECRET, JWT_SECRET].map(str::to_owned);
    let forbidden: Vec<String> = [key, email_of(ALICE), name_of(ALICE)].into_iter().chain(settings).collect();
    secrets::assert_nowhere(&ledger, &forbidden).await;
}

/// The forward service was asked once, as seed 000 says, and one mail says everything seed 000 lists. Answers the key.
async fn key_was_made_and_mailed(ledger: &Instance, order: &str) -> String {
    let delivery = ledger.delivered(order).await;
    assert_eq!(delivery["attempts"], json!([]), "it worked the first time: {delivery}");
    let requests = ledger.forward.requests().await;
    let [request] = requests.as_slice() else { panic!("one request: {requests:?}") };
    let body = request["body"].as_str().expect("text");
    let asked: Value = serde_json::from_str(body).expect("JSON");
    let seed = json!({
        "userId": ALICE, "username": name_of(ALICE), "email": email_of(ALICE),
        "name": "Auto-generated on package purchase",
        "initialBalance": {"packageTokens": 0, "independentTokens": 0},
    });
    assert_eq!(asked, seed);
    // The stand-in was started with the admin token and says whether it came.
    assert_eq!((&request["authorized"], &request["content_type"]), (&json!(true), &json!("application/json")));
    assert!(request["idempotency_key"].as_str().is_some_and(|key| !key.is_empty()), "{request}");
    signature_is_valid(request, body);

    let mail = ledger.mail_to(ALICE);
    let [mail] = mail.as_slice() else { panic!("one mail: {mail:?}") };
    let key = mail.text.split_whitespace().find(|word| word.starts_with("sk-")).expect("a key").to_owned();
    assert_eq!(delivery["last_four"], key[key.len() - 4..], "{delivery}");
    let curl = format!("Authorization: Bearer {key}");
    let expected = [
        order,
        "基础套餐",
        "5.00",
        "30 天",
        "安全提示",
        "仅在本邮件中显示一次",
        "快速开始",
        "curl ",
        &curl,
        PUBLIC_URL,
        "/dashboard",
    ];
    let page = mail.html.replace("&#x2f;", "/");
    for part in expected {
        assert!(mail.text.contains(part), "no {part:?} in {}", mail.text);
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    assert!(mail.subject.contains("基础套餐"), "{}", mail.subject);
    key
}

/// As the reference implementation of the Standard Webhooks specification sees it.
fn signature_is_valid(request: &Value, body: &str) {
    let mut headers = axum::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = request[name.replace('-', "_")].as_str().unwrap_or_else(|| panic!("no {name}: {request}"));
        headers.insert(name, value.parse().expect("a header"));
    }
    let webhook = standardwebhooks::Webhook::new(SIGNING_SECRET).expect("a secret");
    webhook.verify(body.as_bytes(), &headers).expect("a valid signature");
    assert!(webhook.verify(format!("{body} ").as_bytes(), &headers).is_err(), "and valid for nothing else");
}

/// The package pays first, credits the rest, and then there is nothing. Answers the last charge.
async fn quota_then_credits_then_nothing(ledger: &Instance, alice: &Caller) -> Answer {
    let admin = ledger.admin().await;
    let given = json!({"amount": "3.00", "reason": "welcome"});
    let given = admin.post(&format!("/api/v1/admin/accounts/{ALICE}/credits/adjust"), given).await.ok();
    assert_eq!(available(alice, &given).await, "3.00");
    charge(ledger, "4.50", "a").await.expect(200);
    let split = charge(ledger, "1.50", "b").await.expect(200);
    assert_eq!(used_today(alice, &split).await, ("5.00".to_owned(), "0.00".to_owned()));
    assert_eq!(available(alice, &split).await, "2.00");
    // All or nothing: what is too much takes nothing.
    charge(ledger, "2.000001", "c").await.refused(402, "E4001");
    let last = charge(ledger, "2.00", "d").await.expect(200);
    assert_eq!(available(alice, &last).await, "0.00");
    charge(ledger, "0.000001", "e").await.refused(402, "E4001");
    last
}

/// The gateway charges for what Alice uses.
async fn charge(ledger: &Instance, amount: &str, reference: &str) -> Answer {
    let usage = json!({"account": ALICE, "amount": amount, "reference": reference, "meter": "tokens"});
    ledger.service().await.post("/api/v1/usage", usage).await
}

/// Used and remaining of today's quota.
async fn used_today(caller: &Caller, after: &Answer) -> (String, String) {
    let daily = caller.after(after).get("/api/user/daily-usage").await.expect(200).json();
    let today = daily.get("today").unwrap_or(&daily);
    let text = |name: &str| today[name].as_str().unwrap_or_else(|| panic!("no {name}: {daily}")).to_owned();
    (text("used"), text("remaining"))
}

async fn available(caller: &Caller, after: &Answer) -> String {
    let credits = caller.after(after).get("/api/v1/user/credits").await.expect(200).json();
    credits["available"].as_str().unwrap_or_else(|| panic!("{credits}")).to_owned()
}

/// A list, whether it comes as a page or bare.
pub(super) fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().or(list.as_array()).unwrap_or_else(|| panic!("no list: {list}")).clone()
}

fn midnight_after(time: DateTime<Utc>) -> DateTime<Utc> {
    let next = time.with_timezone(&Shanghai).date_naive() + Days::new(1);
    let midnight = next.and_hms_opt(0, 0, 0).expect("a time");
    Shanghai.from_local_datetime(&midnight).single().expect("a time").to_utc()
}

/// What the other tests rest on: the body of the contract is sent as it stands there.
#[test]
fn the_package_is_the_one_of_the_contract() {
    let seed: Value = serde_json::from_str(SEED_PACKAGE).expect("JSON");
    assert_eq!((seed["price"].as_f64(), seed["daily_limit"].as_f64()), (Some(30.0), Some(5.0)));
}
