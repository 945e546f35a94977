//! What payment providers do: say it fifty times at once, say it again after a restart, say the wrong amount, say it too
//! late, and collect twice.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::deliveries::came_once;
use super::harness::{Instance, payment};
use super::journey::items;
use crate::support::eventually;

const AT_ONCE: usize = 50;
const NOTIFY: &str = "/api/v1/payments/notify";

#[tokio::test]
async fn fifty_notifications_at_once_on_two_servers_and_fifty_after_a_restart_deliver_once() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let order = ledger.ordered("fifty").await;
    let body = payment(&order, "the-one-payment");
    fifty(&ledger, &body).await;
    came_once(&ledger, "fifty", &order).await;
    ledger.stop().await;
    ledger.add_server().await;
    ledger.add_server().await;
    fifty(&ledger, &body).await;
    came_once(&ledger, "fifty", &order).await;
    for event in ["paid", "fulfilled", "placed"] {
        assert_eq!(ledger.events_of("fifty", "order", event).await, 1, "order.{event}");
    }
    assert_eq!(ledger.events_of("fifty", "holdings", "package_added").await, 1);
    assert_eq!(ledger.events_of("fifty", "order", "payment_duplicated").await, 0, "it was one payment all the time");
    assert_eq!(ledger.mail_to("fifty").len(), 1);
    assert_eq!(ledger.forwarded("fifty").await.len(), 1);
}

/// Each of them hears yes.
async fn fifty(ledger: &Instance, body: &Value) {
    let callers = (0..AT_ONCE).map(|n| ledger.caller_at(n % ledger.servers(), None));
    let answers = join_all(callers.map(|caller| async move { caller.post(NOTIFY, body.clone()).await })).await;
    for answer in answers {
        answer.ok();
    }
}

#[tokio::test]
async fn a_wrong_amount_delivers_nothing_and_waits_for_an_admin() {
    let ledger = Instance::start().await;
    let order = ledger.ordered("mia").await;
    for amount in [json!("29.99"), json!(30.01)] {
        let mut body = payment(&order, &format!("wrong-{amount}").replace('"', ""));
        body["amount"] = amount;
        // The same news again is no second entry.
        ledger.nobody().post(NOTIFY, body.clone()).await.ok();
        ledger.nobody().post(NOTIFY, body).await.ok();
    }
    let listed = eventually("entries for review", async || {
        let list = ledger.admin().await.get("/api/v1/admin/orders/mismatches").await.expect(200).json();
        Some(items(&list)).filter(|items| items.len() >= 2)
    })
    .await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    for entry in &listed {
        assert_eq!((&entry["order_no"], &entry["account"]), (&json!(order), &json!("mia")), "{entry}");
    }
    assert_eq!(ledger.order("mia", &order).await["status"], "pending");
    assert_eq!(ledger.events_of("mia", "user_package", "activated").await, 0);
    assert_eq!(ledger.events_of("mia", "delivery", "requested").await, 0);
    assert_eq!(ledger.events_of("mia", "order", "payment_mismatched").await, 2);
    // The right amount still does it.
    ledger.pay(&order, "right").await.ok();
    came_once(&ledger, "mia", &order).await;
}

#[tokio::test]
async fn money_after_expiry_or_cancellation_is_still_money() {
    let ledger = Instance::start().await;
    let expired = ledger.ordered("eve").await;
    ledger.set_clock(Utc::now() + TimeDelta::minutes(16)).await;
    ledger.order_is("eve", &expired, "expired").await;
    let cancelled = ledger.ordered("carl").await;
    let path = format!("/api/v1/payments/orders/{cancelled}/cancel");
    ledger.user("carl").await.post_nothing(&path).await.ok();
    ledger.order_is("carl", &cancelled, "cancelled").await;
    for (customer, order) in [("eve", expired), ("carl", cancelled)] {
        ledger.pay(&order, &format!("late-{order}")).await.ok();
        let paid = ledger.order_is(customer, &order, "fulfilled").await;
        assert_eq!(paid["late"], true, "{paid}");
        came_once(&ledger, customer, &order).await;
    }
    let in_time = ledger.bought("ida").await;
    assert_eq!(ledger.order_is("ida", &in_time, "fulfilled").await["late"], false);
}

/// The timer asks the provider once more before it gives up: a notice that was lost costs nobody their package.
#[tokio::test]
async fn a_payment_nobody_told_us_about_is_found_before_the_order_expires() {
    let ledger = Instance::start().await;
    let order = ledger.ordered("lost").await;
    sqlx::query(
        "INSERT INTO sandbox.payments (payment_id, order_number, amount_minor, currency, method)
         SELECT 'never-told', order_number, amount_minor, currency, 'alipay' FROM sandbox.orders WHERE order_number = $1",
    )
    .bind(&order)
    .execute(&ledger.pool)
    .await
    .expect("the provider's books");
    ledger.set_clock(Utc::now() + TimeDelta::minutes(16)).await;
    ledger.order_is("lost", &order, "fulfilled").await;
    came_once(&ledger, "lost", &order).await;
    assert_eq!(ledger.events_of("lost", "order", "expired").await, 0);
}

#[tokio::test]
async fn a_second_payment_of_a_paid_order_is_recorded_and_delivers_nothing() {
    let ledger = Instance::start().await;
    let order = ledger.bought("dup").await;
    ledger.pay(&order, "another-channel").await.ok();
    ledger.pay(&order, "another-channel").await.ok();
    came_once(&ledger, "dup", &order).await;
    assert_eq!(ledger.events_of("dup", "order", "payment_duplicated").await, 1);
    assert_eq!(ledger.events_of("dup", "order", "paid").await, 1);
    let listed = eventually("an entry for review", async || {
        let list = ledger.admin().await.get("/api/v1/admin/orders/mismatches").await.expect(200).json();
        Some(items(&list)).filter(|items| !items.is_empty())
    })
    .await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["payment_id"], "another-channel", "{listed:?}");
}
