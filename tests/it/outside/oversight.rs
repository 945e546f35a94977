//! What admins and auditors see: a customer whole, an order whole, and what the customer sees, but for what is theirs
//! alone. And lists, by what is asked of them.

use aggregates::UpgradePolicy;
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::Instance;
use super::http::{Answer, Caller};
use super::journey::items;
use super::plans::{monthly, put_on_sale};
use super::refunds::{bought, credit_pack};
use crate::support::eventually;

const ALICE: &str = "alice";
const PLAN: u32 = 101;

/// By the numbers of their orders.
struct Bought {
    package: String,
    pack: String,
    plan: String,
    /// The id of the license.
    license: String,
}

/// Alice has one of everything, has used some of it, and paid for her credits twice.
async fn set_up(ledger: &Instance) -> Bought {
    ledger.set_to_ten().await;
    let package = ledger.bought(ALICE).await;
    let pack = bought(ledger, ALICE, credit_pack("10")).await;
    put_on_sale(ledger, PLAN, "20.00 CNY", monthly(100, UpgradePolicy::NextCycle)).await;
    let plan = super::plans::ordered(ledger, ALICE, PLAN).await;
    ledger.pay(&plan, "the-plan").await.ok();
    let license = super::licenses::bought(ledger, ALICE).await;
    let alice = ledger.user(ALICE).await;
    let note = json!({"note": "for nobody else"});
    alice.put(&format!("/api/v1/keys/{license}/note"), note).await.expect(200);
    alice.post("/api/v1/usage", json!({"amount": "6.00", "reference": "job-1"})).await.expect(200);
    alice.post("/api/v1/usage/reserve", json!({"amount": "1.00", "reference": "job-2"})).await.expect(201);
    ledger.pay(&pack, "once-more").await.ok();
    eventually("what was paid twice to go back", async || {
        ledger.hurry().await;
        let back = seen(&ledger.admin().await, "/api/v1/admin/refunds?account=alice&state=done").await;
        (items(&back).len() == 1).then_some(())
    })
    .await;
    Bought { package, pack, plan, license }
}

async fn seen(caller: &Caller, path: &str) -> Value {
    caller.get(path).await.expect(200).json()
}

fn orders_of(list: &Value) -> Vec<String> {
    let numbers = items(list).into_iter().map(|item| item["order_no"].as_str().unwrap_or("none").to_owned());
    numbers.collect()
}

#[tokio::test]
async fn admins_and_auditors_see_what_a_customer_sees_but_no_keys_and_change_nothing() {
    let ledger = Instance::start().await;
    let Bought { license, .. } = set_up(&ledger).await;
    let alice = ledger.user(ALICE).await;
    let key = items(&seen(&alice, "/api/v1/keys").await)[0]["key_code"].as_str().expect("a key").to_owned();
    for overseer in [ledger.admin().await, ledger.auditor().await] {
        let overseer = overseer.with("x-account-id", ALICE);
        for path in [
            "/api/v1/user/transactions",
            "/api/user/daily-usage",
            "/api/v1/user/credits",
            "/api/v1/subscriptions",
            "/api/v1/usage/holds",
        ] {
            assert_eq!(seen(&overseer, path).await, seen(&alice, path).await, "{path}");
        }
        let (mut own, shown) = (seen(&alice, "/api/v1/keys").await, seen(&overseer, "/api/v1/keys").await);
        assert_eq!(own["items"][0]["note"], "for nobody else", "{own}");
        for alone in ["key_code", "note"] {
            own["items"][0][alone] = Value::Null;
        }
        assert_eq!(shown, own);
        let table = overseer.with("accept", "text/csv").get("/api/v1/keys").await.expect(200).text();
        assert!(table.contains(&license) && !table.contains(&key), "{table}");
        assert_eq!(items(&seen(&overseer, "/api/v1/usage/holds").await).len(), 1);
        refused_to_write(&overseer, &license).await;
    }
    // A back end that acts for her still sees her keys; another customer sees nothing.
    let service = ledger.service().await.with("x-account-id", ALICE);
    assert_eq!(seen(&service, "/api/v1/keys").await["items"][0]["key_code"], key.as_str());
    let bob = ledger.user("bob").await.with("x-account-id", ALICE);
    bob.get("/api/v1/keys").await.refused(403, "E2006");
    bob.get("/api/v1/user/transactions").await.refused(403, "E2006");
    // Without a customer's name it is their own.
    assert_eq!(items(&seen(&ledger.admin().await, "/api/v1/keys").await).len(), 0);
}

async fn refused_to_write(overseer: &Caller, license: &str) {
    let refused = |answer: Answer| {
        assert_eq!(answer.status, 403, "{}: {}", answer.asked, answer.text());
        answer.problem();
    };
    let note = json!({"note": "mine"});
    refused(overseer.put(&format!("/api/v1/keys/{license}/note"), note).await);
    refused(overseer.post_nothing("/api/v1/subscriptions/00000000-0000-0000-0000-000000000001/cancel").await);
    refused(overseer.post("/api/v1/payments/orders", json!({"product_id": PLAN})).await);
    refused(overseer.send(Method::POST, "/api/packages/1/purchase", None).await);
}

#[tokio::test]
async fn a_customer_and_an_order_are_shown_whole() {
    let ledger = Instance::start().await;
    let Bought { package, pack, .. } = set_up(&ledger).await;
    let (alice, auditor) = (ledger.user(ALICE).await, ledger.auditor().await);
    let whole = seen(&auditor, "/api/v1/admin/accounts/alice").await;
    let lines = seen(&alice, "/api/v1/user/transactions").await;
    assert_eq!(items(&whole["transactions"]), items(&lines));
    assert_eq!(whole["daily_usage"], seen(&alice, "/api/user/daily-usage").await["today"]);
    assert_eq!(whole["daily_usage"]["used"], "5.00", "{whole}");
    assert_eq!(
        (orders_of(&whole["refunds"]), orders_of(&whole["mismatches"])),
        (vec![pack.clone()], vec![pack.clone()])
    );
    assert_eq!(whole["mismatches"][0]["state"], "refunded", "{whole}");

    let order = seen(&auditor, &format!("/api/v1/admin/orders/{pack}")).await;
    assert_eq!(
        (&order["order_no"], &order["account"], &order["status"]),
        (&json!(pack), &json!(ALICE), &json!("fulfilled"))
    );
    assert_eq!((&order["refunds"], &order["mismatches"]), (&whole["refunds"], &whole["mismatches"]));
    let other = seen(&auditor, &format!("/api/v1/admin/orders/{package}")).await;
    assert_eq!((items(&other["refunds"]).len(), items(&other["mismatches"]).len()), (0, 0));
    alice.get(&format!("/api/v1/admin/orders/{pack}")).await.refused(403, "E2005");
    ledger.command(&["rebuild", "--check"]).await;
}

#[tokio::test]
async fn a_statement_names_the_orders_that_it_came_from_and_is_found_by_them() {
    let ledger = Instance::start().await;
    let Bought { pack, plan, .. } = set_up(&ledger).await;
    let (alice, admin) = (ledger.user(ALICE).await, ledger.admin().await);
    let back = json!({"amount": "15.00", "reason": "half of it"});
    let asked = admin.post(&format!("/api/v1/admin/orders/{pack}/refund"), back).await.expect(201);
    let id = asked.json()["id"].as_str().expect("an id").to_owned();
    eventually("half of it to go back", async || {
        ledger.hurry().await;
        let refund = admin.get(&format!("/api/v1/admin/refunds/{id}")).await;
        (refund.status == 200 && refund.json()["state"] == "done").then_some(())
    })
    .await;
    let told = |lines: Value| -> Vec<(String, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        items(&lines).iter().map(|line| (text(&line["type"]).expect("a type"), text(&line["order_no"]))).collect()
    };
    let line = |kind: &str, order: Option<&String>| (kind.to_owned(), order.cloned());
    let all = told(seen(&alice, "/api/v1/user/transactions").await);
    let expected =
        [("claw_back", Some(&pack)), ("hold", None), ("spend", None), ("grant", Some(&plan)), ("grant", Some(&pack))];
    assert_eq!(all, expected.map(|(kind, order)| line(kind, order)));

    let found = told(seen(&alice, &format!("/api/v1/user/transactions?order_no={pack}")).await);
    assert_eq!(found, [line("claw_back", Some(&pack)), line("grant", Some(&pack))]);
    let found = told(seen(&alice, &format!("/api/v1/user/transactions?order_no={plan}&type=grant")).await);
    assert_eq!(found, [line("grant", Some(&plan))]);
    let found = told(seen(&alice, "/api/v1/user/transactions?reference=job-1").await);
    assert_eq!(found, [line("spend", None)]);
    let none = told(seen(&alice, "/api/v1/user/transactions?reference=job").await);
    assert_eq!(none, []);
    let table = alice.with("accept", "text/csv").get("/api/v1/user/transactions").await.expect(200).text();
    assert!(table.contains(&pack) && table.contains(&plan), "{table}");
}

#[tokio::test]
async fn lists_are_found_by_what_is_asked_of_them() {
    let ledger = Instance::start().await;
    let Bought { package, pack, plan, license } = set_up(&ledger).await;
    ledger.ordered("bob").await;
    let (alice, admin) = (ledger.user(ALICE).await, ledger.admin().await);
    let first = seen(&admin, &format!("/api/v1/admin/orders/{package}")).await;
    let (payment, product) = (first["payment_id"].as_str().expect("a payment"), &first["product"]);
    for (query, found) in [
        (format!("order_no={pack}"), vec![&pack]),
        (format!("payment_id={payment}"), vec![&package]),
        // For review, and gone back: whoever has the receipt finds the order.
        ("payment_id=once-more".to_owned(), vec![&pack]),
        (format!("account=alice&product={product}"), vec![&package]),
        ("type=subscription".to_owned(), vec![&plan]),
        ("type=credit_pack&provider=sandbox&late=false".to_owned(), vec![&pack]),
        ("late=true".to_owned(), vec![]),
        ("type=plan_change".to_owned(), vec![]),
        ("provider=nobody".to_owned(), vec![]),
    ] {
        let list = seen(&admin, &format!("/api/v1/admin/orders?{query}")).await;
        assert_eq!(orders_of(&list).iter().collect::<Vec<_>>(), found, "{query}");
    }
    for (path, found) in [
        ("/api/v1/admin/orders/mismatches?account=alice", 1),
        ("/api/v1/admin/orders/mismatches?account=bob", 0),
        (&*format!("/api/v1/admin/orders/mismatches?order_no={pack}&state=refunded"), 1),
        (&*format!("/api/v1/admin/orders/mismatches?order_no={plan}"), 0),
        (&*format!("/api/v1/admin/refunds?account=alice&order_no={pack}"), 1),
        (&*format!("/api/v1/admin/refunds?order_no={plan}"), 0),
        ("/api/v1/admin/subscriptions?account=alice&status=active", 1),
        ("/api/v1/admin/subscriptions?status=past_due", 0),
        ("/api/v1/admin/products?type=subscription", 1),
        ("/api/v1/admin/products?type=plan_change", 0),
        ("/api/v1/payments/products?type=credit_pack", 1),
    ] {
        assert_eq!(items(&seen(&admin, path).await).len(), found, "{path}");
    }
    assert_eq!(items(&seen(&alice, "/api/v1/subscriptions?status=active").await).len(), 1);
    assert_eq!(items(&seen(&alice, "/api/v1/subscriptions?status=canceled").await).len(), 0);

    let verify = json!({"mail": ["test@gmail.com"], "method": "smtp"});
    alice.post("/api/v1/emails/verify", verify).await.ok();
    let usage = |query: &str| format!("/api/v1/keys/{license}/usage{query}");
    let uses = eventually("a use to be seen", async || {
        Some(items(&seen(&alice, &usage("")).await)).filter(|uses| uses.len() == 1)
    })
    .await;
    let at = uses[0]["at"].as_str().expect("a time");
    for (query, found) in
        [(format!("?from={at}"), 1), (format!("?to={at}"), 0), ("?to=2020-01-01T00:00:00Z".to_owned(), 0)]
    {
        assert_eq!(items(&seen(&alice, &usage(&query)).await).len(), found, "{query}");
    }

    let table = alice.with("accept", "text/csv").get("/api/user/daily-usage").await.expect(200).text();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows.len(), rows[0]), (2, "day,user_package,product,name,limit,used,remaining,held"), "{table}");
    assert!(rows[1].ends_with(",5.00,5.00,0.00,0.00"), "{table}");
}
