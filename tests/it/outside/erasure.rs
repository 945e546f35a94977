//! A customer is forgotten: what they bought and paid stays and still verifies, who they were is gone for ever.

use aggregates::{Command, CustomerCommand, UpgradePolicy};
use chrono::Utc;
use serde_json::{Value, json};

use super::harness::{Instance, email_of, name_of, payment};
use super::http::{Answer, Caller};
use super::journey::items;
use super::plans::{bought, license, monthly, ordered, put_on_sale, tell};
use super::refunds::given_back;
use super::secrets;
use crate::support::eventually;
use crate::support::process::assert_verifies;
use crate::support::units::account;

const LICENSE: u32 = 101;
const PLAN: u32 = 102;
/// Of a customer who cancels.
const WORDS: &str = "I-am-moving-to-Elbe-Street-12";

async fn erase(ledger: &Instance, sub: &str) {
    let why = json!({"reason": "asked for by the customer"});
    ledger.admin().await.post(&format!("/api/v1/admin/accounts/{sub}/erase"), why).await.expect(200);
}

async fn seen(ledger: &Instance, sub: &str) -> Value {
    ledger.auditor().await.get(&format!("/api/v1/admin/accounts/{sub}")).await.expect(200).json()
}

/// A destroyed key leaves a row behind, so that none is made anew.
async fn has_key(ledger: &Instance, sub: &str) -> bool {
    sqlx::query_scalar("SELECT count(*) FROM vault.account_keys WHERE account = $1 AND wrapped IS NOT NULL")
        .bind(account(sub).key().uuid())
        .fetch_one(&ledger.pool)
        .await
        .map(|keys: i64| keys > 0)
        .expect("the vault")
}

/// Of a license that is bought and paid.
async fn license_key(ledger: &Instance, sub: &str) -> String {
    let user = ledger.user(sub).await;
    put_on_sale(ledger, LICENSE, "10.00 CNY", license()).await;
    let paid = bought(ledger, sub, LICENSE).await;
    let keys = user.after(&paid).get("/api/v1/keys").await.expect(200).json();
    items(&keys)[0]["key_code"].as_str().unwrap_or_else(|| panic!("{keys}")).to_owned()
}

/// A plan that is canceled again, for a reason that its customer and an admin read.
async fn canceled(ledger: &Instance, sub: &str) {
    put_on_sale(ledger, PLAN, "20.00 CNY", monthly(100, UpgradePolicy::NextCycle)).await;
    let (user, paid) = (ledger.user(sub).await, bought(ledger, sub, PLAN).await);
    let list = user.after(&paid).get("/api/v1/subscriptions").await.expect(200).json();
    let path = format!("/api/v1/subscriptions/{}/cancel", items(&list)[0]["id"].as_str().expect("an id"));
    let cancel =
        async |reason: &str| user.with("idempotency-key", "goodbye").post(&path, json!({"reason": reason})).await;
    let canceled = cancel(WORDS).await.expect(200);
    assert!(cancel(WORDS).await.expect(200).is_replay());
    cancel("something else").await.refused(409, "E3005");
    let all = format!("/api/v1/admin/subscriptions?account={sub}");
    for (reader, path) in [(user, "/api/v1/subscriptions"), (ledger.auditor().await, &all)] {
        let list = reader.after(&canceled).get(path).await.expect(200).json();
        assert_eq!(items(&list)[0]["reason"], WORDS, "{list}");
    }
}

#[tokio::test]
async fn an_erased_customer_is_nowhere_in_clear_and_the_log_still_verifies() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let order = ledger.bought("alice").await;
    ledger.delivered(&order).await;
    ledger.bought("bob").await;
    let mail = ledger.mail_to("alice");
    let key = mail[0].text.split_whitespace().find(|word| word.starts_with("sk-")).expect("a key").to_owned();
    let license = license_key(&ledger, "alice").await;
    canceled(&ledger, "alice").await;
    let before = seen(&ledger, "alice").await;
    assert_eq!(
        (&before["erased"], &before["profile"]["email"]),
        (&json!(false), &json!(email_of("alice"))),
        "{before}"
    );
    let bought = items(&before["orders"]);
    let product = bought.iter().find(|it| it["order_no"] == order.as_str()).expect("the order")["product"].clone();
    assert_eq!(items(&before["licenses"]).len(), 1);
    assert_eq!(before["subscriptions"][0]["reason"], WORDS, "{before}");

    erase(&ledger, "alice").await;
    erase(&ledger, "alice").await;
    assert_eq!(ledger.events_of("alice", "customer", "erased").await, 1);
    assert!(!has_key(&ledger, "alice").await && has_key(&ledger, "bob").await);
    let after = seen(&ledger, "alice").await;
    assert_eq!((&after["erased"], &after["profile"]), (&json!(true), &Value::Null), "{after}");
    for kept in ["orders", "packages", "licenses", "credits", "deliveries"] {
        assert_eq!(after[kept], before[kept], "what was sold stays");
    }
    let ended = &after["subscriptions"][0];
    assert_eq!((&ended["cancel_at_period_end"], &ended["reason"]), (&json!(true), &Value::Null), "{ended}");
    let keys = ledger.user("alice").await.get("/api/v1/keys").await.expect(200).json();
    assert_eq!(items(&keys)[0]["key_code"], Value::Null, "shown as gone: {keys}");

    // On both servers, also on the one that still remembers the key.
    for server in 0..2 {
        let token = ["--role", "user", "--sub", "alice", "--email", &email_of("alice"), "--name", &name_of("alice")];
        let token = ledger.token(&token).await;
        let alice = ledger.caller_at(server, Some(&token));
        let again = json!({"product_id": product});
        alice.post("/api/v1/payments/orders", again.clone()).await.refused(410, "E4076");
        alice.get("/api/v1/payments/orders").await.expect(200);
        let nameless = ledger.token(&["--role", "user", "--sub", "alice"]).await;
        let nameless = ledger.caller_at(server, Some(&nameless));
        nameless.post("/api/v1/payments/orders", again).await.refused(410, "E4076");
    }
    ledger.ordered("bob").await;

    assert_verifies(&ledger.database.url()).await;
    ledger.command(&["rebuild", "--check"]).await;
    ledger.command(&["replay"]).await;
    ledger.stop().await;
    secrets::assert_nowhere(&ledger, &[name_of("alice"), email_of("alice"), key, license, WORDS.to_owned()]).await;
}

/// A server may have the key in memory that another one has destroyed.
#[tokio::test]
async fn what_a_server_has_just_shown_it_shows_no_more_once_another_one_has_erased_its_customer() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    license_key(&ledger, "alice").await;
    let paid = bought(&ledger, "alice", LICENSE).await;
    let [alice, bob] = [ledger.user("alice").await, ledger.user("bob").await];
    let keys = items(&alice.after(&paid).get("/api/v1/keys").await.expect(200).json());
    let [own, given] = [&keys[0], &keys[1]].map(|key| json!({"key_code": key["key_code"]}));
    bob.post("/api/v1/keys/activate", given.clone()).await.expect(200);
    alice.post("/api/v1/keys/activate", own.clone()).await.expect(200);
    let note = |key: &Value| format!("/api/v1/keys/{}/note", key["id"].as_str().expect("an id"));
    alice.put(&note(&keys[0]), json!({"note": "of alice"})).await.expect(200);
    let noted = bob.put(&note(&keys[1]), json!({"note": "of bob"})).await.expect(200);
    let mut elsewhere = Vec::new();
    for sub in ["alice", "bob"] {
        let token = ledger.token(&["--role", "user", "--sub", sub]).await;
        elsewhere.push(ledger.caller_at(1, Some(&token)).after(&noted));
    }
    let [alice, bob] = elsewhere.try_into().ok().expect("two");
    let seen = async |caller: &Caller| {
        let list = items(&caller.get("/api/v1/keys").await.expect(200).json());
        list.iter().map(|key| json!([key["key_code"], key["note"]])).collect::<Vec<_>>()
    };
    let verify = json!({"mail": ["test@gmail.com"], "method": "smtp"});
    let verified = async || alice.with("idempotency-key", "v").post("/api/v1/emails/verify", verify.clone()).await;
    let (own, given) = (&own["key_code"], &given["key_code"]);
    assert_eq!(seen(&alice).await, [json!([own, "of alice"]), json!([given, null])]);
    assert_eq!(seen(&bob).await, [json!([given, "of bob"])]);
    verified().await.expect(200);
    assert!(verified().await.expect(200).is_replay());

    erase(&ledger, "alice").await;
    assert_eq!(seen(&alice).await, [json!([null, null]), json!([null, null])]);
    assert_eq!(seen(&bob).await, [json!([null, "of bob"])], "what bob said stays his");
    verified().await.refused(410, "E4076");
}

#[tokio::test]
async fn what_waits_for_an_erased_customers_data_is_given_up_for_all_to_see() {
    let ledger = Instance::start().await;
    ledger.forward.misbehave("500x100").await;
    let order = ledger.bought("carol").await;
    eventually("a first attempt", async || {
        ledger.delivery(&order).await.filter(|delivery| !items(&delivery["attempts"]).is_empty())
    })
    .await;
    erase(&ledger, "carol").await;
    let given_up = eventually("the delivery to be given up", async || {
        ledger.delivery(&order).await.filter(|delivery| delivery["state"] == "given_up")
    })
    .await;
    let attempts = items(&given_up["attempts"]);
    assert_eq!(attempts.last().map(|last| &last["reason"]), Some(&json!("the account was erased")), "{given_up}");
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_after_it_was_recorded_is_finished() {
    let ledger = Instance::start().await;
    ledger.ordered("dave").await;
    assert!(has_key(&ledger, "dave").await);
    let erase = Command::Customer(CustomerCommand::Erase { reason: "asked for".to_owned() });
    tell(&ledger, &account("dave"), Utc::now(), vec![erase]).await;
    eventually("the key to be destroyed", async || (!has_key(&ledger, "dave").await).then_some(())).await;
    assert_eq!(seen(&ledger, "dave").await["erased"], true);
}

/// Nobody can be shown its key any more: the money is recorded, and goes back.
#[tokio::test]
async fn a_license_that_is_paid_after_its_buyer_was_erased_is_recorded_and_its_money_goes_back() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    put_on_sale(&ledger, LICENSE, "10.00 CNY", license()).await;
    // Either server may have the key in memory; the erasure is heard of by one.
    let (paid, odd) = (ordered(&ledger, "erin", LICENSE).await, ordered(&ledger, "erin", LICENSE).await);
    erase(&ledger, "erin").await;
    for _ in 0..2 {
        ledger.pay(&paid, "late").await.ok();
    }
    ledger.order_is("erin", &paid, "refunded").await;
    assert_eq!(given_back(&ledger, &paid).await, (1, 1_000));

    // An admin takes another amount for it: the same.
    let mut notice = payment(&odd, "odd");
    notice["amount"] = json!("9.00");
    let told = ledger.nobody().post("/api/v1/payments/notify", notice).await.expect(200);
    accept(&ledger, &told, &odd).await;
    ledger.order_is("erin", &odd, "refunded").await;
    assert_eq!(given_back(&ledger, &odd).await, (1, 900));
    for (event, times) in [("issued", 2), ("revoked", 2)] {
        assert_eq!(ledger.events_of("erin", "license", event).await, times, "license.{event}");
    }
    let keys = ledger.user("erin").await.get("/api/v1/keys").await.expect(200).json();
    assert!(items(&keys).iter().all(|key| key["key_code"] == Value::Null && key["status"] == "revoked"), "{keys}");
    assert_verifies(&ledger.database.url()).await;
    ledger.command(&["rebuild", "--check"]).await;
}

async fn accept(ledger: &Instance, told: &Answer, order: &str) {
    let admin = ledger.admin().await;
    let waiting = admin.after(told).get("/api/v1/admin/orders/mismatches?state=waiting").await.expect(200).json();
    let review = items(&waiting).into_iter().find(|review| review["order_no"] == order).expect("it waits");
    let path = format!("/api/v1/admin/orders/mismatches/{}/resolve", review["id"].as_str().expect("an id"));
    admin.post(&path, json!({"action": "accept", "reason": "as agreed"})).await.expect(200);
}
