//! A plan, paid period by period: renewed, left unpaid, canceled, changed.

use aggregates::UpgradePolicy;
use chrono::{Months, TimeDelta, Utc};
use serde_json::{Value, json};

use super::harness::Instance;
use super::http::{Answer, Caller};
use super::journey::items;
use super::plans::{bought, monthly, put_on_sale, time};
use crate::support::eventually;
use crate::support::process::assert_verifies;

const ALICE: &str = "alice";
const BASIC: u32 = 101;
const PRO: u32 = 102;
const BEST: u32 = 103;
const SMALL: u32 = 104;
const IN_DOLLARS: u32 = 105;

/// Alice subscribes to the basic plan. Answers its id.
async fn subscribed(ledger: &Instance) -> String {
    put_on_sale(ledger, BASIC, "20.00 CNY", monthly(100, UpgradePolicy::NextCycle)).await;
    let paid = bought(ledger, ALICE, BASIC).await;
    let subscription = newest(&ledger.user(ALICE).await.after(&paid)).await;
    subscription["id"].as_str().expect("an id").to_owned()
}

async fn newest(caller: &Caller) -> Value {
    let list = caller.get("/api/v1/subscriptions").await.expect(200).json();
    items(&list).into_iter().next().unwrap_or_else(|| panic!("none: {list}"))
}

async fn renewed(ledger: &Instance, id: &str, transaction: Option<&str>) -> Answer {
    let body = transaction.map_or(json!({}), |transaction| json!({"transaction_id": transaction}));
    ledger.nobody().post(&format!("/sandbox/renew/{id}"), body).await
}

async fn credits(ledger: &Instance, after: &Answer) -> String {
    let credits = ledger.user(ALICE).await.after(after).get("/api/v1/user/credits").await.expect(200).json();
    credits["available"].as_str().unwrap_or_else(|| panic!("{credits}")).to_owned()
}

/// Once the timers have done their work.
async fn becomes(ledger: &Instance, status: &str) -> Value {
    let alice = ledger.user(ALICE).await;
    eventually("a status of a subscription", async || {
        Some(newest(&alice).await).filter(|subscription| subscription["status"] == status)
    })
    .await
}

#[tokio::test]
async fn a_plan_is_started_renewed_left_unpaid_and_expires_and_two_servers_record_each_once() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let id = subscribed(&ledger).await;
    let alice = ledger.user(ALICE).await;
    let first = newest(&alice).await;
    assert_eq!((&first["status"], &first["period"]), (&json!("active"), &json!(1)), "{first}");
    assert_eq!(time(&first["ends_at"]), time(&first["starts_at"]) + Months::new(1));

    // Ahead of time: one period more, and the same payment again is no further one.
    let ahead = renewed(&ledger, &id, Some("renewal-2")).await.expect(200);
    let again = renewed(&ledger, &id, Some("renewal-2")).await.expect(200);
    assert_eq!(ahead.json(), again.json());
    assert_eq!(credits(&ledger, &again).await, "200.00");
    let second = newest(&alice.after(&ahead)).await;
    assert_eq!((&second["period"], &second["starts_at"]), (&json!(2), &first["ends_at"]), "{second}");

    // Unpaid it is past due; paid in the grace, no day is lost and none is given.
    ledger.set_clock(time(&second["ends_at"]) + TimeDelta::days(1)).await;
    let due = becomes(&ledger, "past_due").await;
    assert_eq!(time(&due["expires_at"]), time(&second["ends_at"]) + TimeDelta::days(3));
    let late = renewed(&ledger, &id, None).await.expect(200);
    let third = newest(&alice.after(&late)).await;
    assert_eq!((&third["status"], &third["starts_at"]), (&json!("active"), &second["ends_at"]), "{third}");
    assert_eq!(credits(&ledger, &late).await, "300.00");

    // Nobody pays any more.
    ledger.set_clock(time(&third["ends_at"]) + TimeDelta::days(4)).await;
    let over = becomes(&ledger, "expired").await;
    assert_eq!(items(&over["periods"]).len(), 3, "{over}");
    for (event, times) in [("started", 1), ("renewed", 2), ("past_due", 2), ("ended", 1)] {
        assert_eq!(ledger.events_of(ALICE, "subscription", event).await, times, "subscription.{event}");
    }
    alice.post_nothing(&format!("/api/v1/subscriptions/{id}/cancel")).await.refused(422, "E4102");

    // Bought again it is another subscription.
    let anew = bought(&ledger, ALICE, BASIC).await;
    assert_ne!(newest(&alice.after(&anew)).await["id"], id.as_str());
    assert_verifies(&ledger.database.url()).await;
    ledger.command(&["rebuild", "--check"]).await;
    ledger.stop().await;
}

#[tokio::test]
async fn a_cancellation_waits_for_the_end_of_the_period_and_can_be_taken_back_until_then() {
    let ledger = Instance::start().await;
    let id = subscribed(&ledger).await;
    let (alice, bob) = (ledger.user(ALICE).await, ledger.user("bob").await);
    let ask = |verb: &str| format!("/api/v1/subscriptions/{id}/{verb}");
    bob.post_nothing(&ask("cancel")).await.refused(404, "E4100");

    let canceled = alice.post(&ask("cancel"), json!({"reason": "太贵"})).await.expect(200);
    assert_eq!(
        (&canceled.json()["status"], &canceled.json()["cancel_at_period_end"]),
        (&json!("active"), &json!(true))
    );
    let resumed = alice.post_nothing(&ask("resume")).await.expect(200);
    assert_eq!(resumed.json()["cancel_at_period_end"], false);
    assert_eq!(newest(&alice.after(&resumed)).await["cancel_at_period_end"], false);

    let again = alice.with("idempotency-key", "once").post_nothing(&ask("cancel")).await.expect(200);
    let replay = alice.with("idempotency-key", "once").post_nothing(&ask("cancel")).await.expect(200);
    assert!(replay.is_replay() && replay.json() == again.json(), "{}", replay.text());
    let ends_at = time(&newest(&alice.after(&again)).await["ends_at"]);
    ledger.set_clock(ends_at + TimeDelta::minutes(1)).await;
    becomes(&ledger, "canceled").await;
    assert_eq!(ledger.events_of(ALICE, "subscription", "past_due").await, 0);

    let id = bought(&ledger, ALICE, BASIC).await;
    let id = newest(&alice.after(&id)).await["id"].as_str().expect("an id").to_owned();
    let now = alice.post(&format!("/api/v1/subscriptions/{id}/cancel"), json!({"now": true})).await.expect(200);
    assert_eq!(now.json()["status"], "canceled");
}

#[tokio::test]
async fn a_better_plan_at_once_costs_the_difference_and_brings_its_credits_once() {
    let ledger = Instance::start().await;
    let id = subscribed(&ledger).await;
    put_on_sale(&ledger, PRO, "50.00 CNY", monthly(300, UpgradePolicy::Immediate)).await;
    put_on_sale(&ledger, SMALL, "10.00 CNY", monthly(50, UpgradePolicy::Immediate)).await;
    let alice = ledger.user(ALICE).await;
    let path = format!("/api/v1/subscriptions/{id}/change-plan");
    let wish = || json!({"product_id": PRO});
    let wanted = alice.with("idempotency-key", "up").post(&path, wish()).await.expect(200);
    let again = alice.with("idempotency-key", "up").post(&path, wish()).await.expect(200);
    assert!(again.is_replay(), "{}", again.text());
    let (said, order) = (wanted.json(), wanted.json()["order"]["order_no"].as_str().expect("an order").to_owned());
    assert_eq!((&said["when"], &said["order"]["price"]["amount"]), (&json!("unpaid"), &json!("30.00")), "{said}");
    assert_eq!(again.json()["order"]["order_no"], order.as_str());
    assert_eq!(newest(&alice.after(&wanted)).await["plan"]["product_id"], BASIC);

    for _ in 0..2 {
        let paid = ledger.pay(&order, "the-difference").await.ok();
        assert_eq!(credits(&ledger, &paid).await, "300.00");
        let better = newest(&alice.after(&paid)).await;
        assert_eq!((&better["plan"]["product_id"], &better["period"]), (&json!(PRO), &json!(1)), "{better}");
    }

    // A smaller one at once costs nothing, and what was granted stays.
    let smaller = alice.post(&path, json!({"product_id": SMALL})).await.expect(200);
    assert_eq!(smaller.json()["when"], "immediate");
    assert_eq!(credits(&ledger, &smaller).await, "300.00");
    assert_eq!(newest(&alice.after(&smaller)).await["plan"]["product_id"], SMALL);
}

#[tokio::test]
async fn two_better_plans_that_are_both_paid_bring_what_each_was_sold_for_and_each_takes_back_its_own() {
    let ledger = Instance::start().await;
    let id = subscribed(&ledger).await;
    put_on_sale(&ledger, PRO, "50.00 CNY", monthly(300, UpgradePolicy::Immediate)).await;
    put_on_sale(&ledger, BEST, "80.00 CNY", monthly(500, UpgradePolicy::Immediate)).await;
    let (alice, admin) = (ledger.user(ALICE).await, ledger.admin().await);
    let mut orders = Vec::new();
    for (product, sold) in [(PRO, "200.00"), (BEST, "400.00")] {
        let path = format!("/api/v1/subscriptions/{id}/change-plan");
        let wanted = alice.post(&path, json!({"product_id": product})).await.expect(200);
        let order = wanted.json()["order"]["order_no"].as_str().expect("an order").to_owned();
        let path = format!("/api/v1/payments/orders/{order}");
        assert_eq!(alice.after(&wanted).get(&path).await.expect(200).json()["extra_credits"], sold);
        orders.push(order);
    }
    for (order, available) in orders.iter().zip(["300.00", "700.00"]) {
        let paid = ledger.pay(order, &format!("txn-{order}")).await.ok();
        assert_eq!(credits(&ledger, &paid).await, available);
    }
    for (order, available) in orders.iter().zip(["500.00", "100.00"]) {
        let path = format!("/api/v1/admin/orders/{order}/refund");
        let asked = admin.post(&path, json!({"reason": "too much"})).await.expect(201);
        eventually("the credits to go back", async || {
            ledger.hurry().await;
            (credits(&ledger, &asked).await == available).then_some(())
        })
        .await;
    }
    ledger.command(&["rebuild", "--check"]).await;
}

#[tokio::test]
async fn a_plan_of_the_next_cycle_takes_over_when_it_is_paid() {
    let ledger = Instance::start().await;
    let id = subscribed(&ledger).await;
    put_on_sale(&ledger, BEST, "80.00 CNY", monthly(500, UpgradePolicy::NextCycle)).await;
    put_on_sale(&ledger, IN_DOLLARS, "5.00 USD", monthly(500, UpgradePolicy::NextCycle)).await;
    let alice = ledger.user(ALICE).await;
    let path = format!("/api/v1/subscriptions/{id}/change-plan");
    let change = async |product| alice.post(&path, json!({"product_id": product})).await;
    change(IN_DOLLARS).await.refused(422, "E4105");
    change(999).await.refused(404, "E3003");

    let next = |of: Value| of["next_plan"]["product_id"].clone();
    let wanted = change(BEST).await.expect(200);
    assert_eq!(wanted.json()["when"], "next_cycle");
    assert_eq!(next(newest(&alice.after(&wanted)).await), BEST);
    // The present plan again takes it back.
    let back = change(BASIC).await.expect(200);
    assert_eq!(next(newest(&alice.after(&back)).await), Value::Null);
    change(BEST).await.expect(200);

    let paid = renewed(&ledger, &id, None).await.expect(200);
    let over = newest(&alice.after(&paid)).await;
    assert_eq!((&over["plan"]["product_id"], &over["next_plan"]), (&json!(BEST), &Value::Null), "{over}");
    assert_eq!(credits(&ledger, &paid).await, "600.00");
    let all = ledger.admin().await.get("/api/v1/admin/subscriptions?account=alice").await.expect(200).json();
    assert_eq!(items(&all).len(), 1);
    let table = alice.with("accept", "text/csv").get("/api/v1/subscriptions").await.expect(200).text();
    assert!(table.starts_with("id,account,status,") && table.contains(",active,103,80.00,CNY,500.00,"), "{table}");
    assert!(time(&over["started_at"]) <= Utc::now() + TimeDelta::minutes(1));
}
