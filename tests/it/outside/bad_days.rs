//! A payment provider with a bad day: its notices come late, again and again, out of order, wrong or never; its cards do
//! not pay; it does not answer. Whatever it does, each payment ends in the right state and delivers once.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::harness::{Instance, payment};
use super::journey::items;
use super::refunds::{bought, credit_pack, faults, given_back, ordered, waiting_notices};
use crate::support::eventually;
use crate::support::process::assert_verifies;

const NOTIFY: &str = "/api/v1/payments/notify";

async fn pay(ledger: &Instance, order: &str) -> Value {
    ledger.nobody().post_nothing(&format!("/sandbox/pay/{order}")).await.expect(200).json()
}

async fn came_once(ledger: &Instance, sub: &str, order: &str) {
    ledger.order_is(sub, order, "fulfilled").await;
    assert_eq!(ledger.events_of(sub, "credit_account", "granted").await, 1, "{sub}");
    assert_eq!(ledger.events_of(sub, "order", "paid").await, 1, "{sub}");
}

/// Lets the time pass that notices wait for.
async fn let_notices_come(ledger: &Instance) {
    sqlx::query("UPDATE sandbox.notices SET send_at = clock_timestamp() WHERE send_at > clock_timestamp()")
        .execute(&ledger.pool)
        .await
        .expect("the sandbox's notices");
}

#[tokio::test]
async fn on_a_good_day_a_notice_comes_over_http_and_the_order_is_delivered() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "good", credit_pack("5")).await;
    let paid = pay(&ledger, &order).await;
    assert_eq!(paid["amount"], "30.00");
    came_once(&ledger, "good", &order).await;
    assert_eq!(pay(&ledger, &order).await, paid, "paid again it is the same payment");
    eventually("the notices to be gone", async || (waiting_notices(&ledger).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_notice_that_comes_late_still_delivers() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "slow", credit_pack("5")).await;
    faults(&ledger, json!({"delay_seconds": 3600})).await;
    pay(&ledger, &order).await;
    assert_eq!(waiting_notices(&ledger).await, 1);
    assert_eq!(ledger.order("slow", &order).await["status"], "pending");
    // Its time is over meanwhile, and the provider could not be asked.
    faults(&ledger, json!({"silent_query": true})).await;
    ledger.set_clock(Utc::now() + TimeDelta::minutes(16)).await;
    eventually("the order to expire", async || {
        ledger.hurry().await;
        Some(ledger.order("slow", &order).await).filter(|order| order["status"] == "expired")
    })
    .await;
    let_notices_come(&ledger).await;
    came_once(&ledger, "slow", &order).await;
    assert_eq!(ledger.order("slow", &order).await["late"], true);
}

#[tokio::test]
async fn a_notice_that_comes_again_and_again_delivers_once() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    faults(&ledger, json!({"repeat": 20})).await;
    let order = ordered(&ledger, "rep", credit_pack("5")).await;
    pay(&ledger, &order).await;
    eventually("all of them to have come", async || (waiting_notices(&ledger).await == 0).then_some(())).await;
    came_once(&ledger, "rep", &order).await;
    assert_eq!(ledger.events_of("rep", "order", "payment_duplicated").await, 0);
}

#[tokio::test]
async fn notices_out_of_order_come_to_the_same() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "ooo", credit_pack("6")).await;
    faults(&ledger, json!({"reorder": true, "delay_seconds": 3600})).await;
    pay(&ledger, &order).await;
    // The refund's notice overtakes the payment's: it is heard only once the payment is known.
    let back = json!({"amount": "10.00"});
    ledger.admin().await.post(&format!("/sandbox/refund/{order}"), back).await.expect(200);
    sqlx::query(
        "UPDATE sandbox.notices SET send_at = send_at - interval '1 hour'
          WHERE id = (SELECT id FROM sandbox.notices ORDER BY send_at LIMIT 1) AND body LIKE '%refund_no%'",
    )
    .execute(&ledger.pool)
    .await
    .expect("the sandbox's notices");
    eventually("the refund not to have been heard", async || {
        let tried: i64 = sqlx::query_scalar("SELECT count(*) FROM sandbox.notices WHERE attempts > 0")
            .fetch_one(&ledger.pool)
            .await
            .expect("the sandbox's notices");
        (tried == 1).then_some(())
    })
    .await;
    assert_eq!(ledger.order("ooo", &order).await["status"], "pending");
    eventually("both to have been heard", async || {
        let_notices_come(&ledger).await;
        (waiting_notices(&ledger).await == 0).then_some(())
    })
    .await;
    ledger.order_is("ooo", &order, "partially_refunded").await;
    assert_eq!(ledger.events_of("ooo", "credit_account", "clawed_back").await, 1);
    assert_eq!(ledger.events_of("ooo", "order", "paid").await, 1);
}

#[tokio::test]
async fn a_payment_whose_notice_was_lost_is_found_while_the_order_waits() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    faults(&ledger, json!({"lose": true})).await;
    let order = ordered(&ledger, "lost", credit_pack("5")).await;
    pay(&ledger, &order).await;
    assert_eq!(ledger.order("lost", &order).await["status"], "pending");
    ledger.set_clock(Utc::now() + TimeDelta::seconds(31)).await;
    came_once(&ledger, "lost", &order).await;
}

#[tokio::test]
async fn a_payment_whose_notice_was_lost_is_found_after_the_order_has_ended() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "gone", credit_pack("5")).await;
    let cancelled = ledger.user("gone").await.post_nothing(&format!("/api/v1/payments/orders/{order}/cancel")).await;
    cancelled.ok();
    faults(&ledger, json!({"lose": true, "silent_query": true})).await;
    pay(&ledger, &order).await;
    ledger.set_clock(Utc::now() + TimeDelta::minutes(25)).await;
    eventually("the provider to have been asked in vain", async || {
        let run_at: Option<chrono::DateTime<Utc>> = sqlx::query_scalar(
            "SELECT run_at FROM jobs.jobs WHERE kind = 'reconcile' AND state = 'queued' AND attempts > 0",
        )
        .fetch_optional(&ledger.pool)
        .await
        .expect("the job table");
        run_at.filter(|run_at| *run_at > Utc::now() + TimeDelta::minutes(25))
    })
    .await;
    faults(&ledger, json!({"lose": true})).await;
    ledger.set_clock(Utc::now() + TimeDelta::minutes(16 + 61)).await;
    came_once(&ledger, "gone", &order).await;
    assert_eq!(ledger.order("gone", &order).await["late"], true);
}

#[tokio::test]
async fn an_admin_asks_the_provider_now() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "now", credit_pack("5")).await;
    let path = format!("/api/v1/admin/orders/{order}/reconcile");
    let admin = ledger.admin().await;
    let nothing = admin.post_nothing(&path).await.expect(200).json();
    assert_eq!((&nothing["status"], &nothing["found"]), (&json!("pending"), &json!(false)));
    faults(&ledger, json!({"lose": true})).await;
    pay(&ledger, &order).await;
    let found = admin.post_nothing(&path).await.expect(200).json();
    assert_eq!((&found["status"], &found["found"]), (&json!("fulfilled"), &json!(true)));
    came_once(&ledger, "now", &order).await;
    assert_eq!(admin.post_nothing(&path).await.expect(200).json()["found"], json!(false));
    let silent = ordered(&ledger, "now", credit_pack("5")).await;
    faults(&ledger, json!({"silent_query": true})).await;
    admin.post_nothing(&format!("/api/v1/admin/orders/{silent}/reconcile")).await.refused(503, "E5107");
}

/// A second payment and a refund whose notices were lost, of an order that is paid already.
#[tokio::test]
async fn an_admin_compares_a_paid_order_with_what_its_provider_knows() {
    let ledger = Instance::start().await;
    let order = ledger.bought("both").await;
    let second = "INSERT INTO sandbox.payments (payment_id, order_number, amount_minor, currency)
                  VALUES ('unheard-of', $1, 3000, 'CNY')";
    sqlx::query(second).bind(&order).execute(&ledger.pool).await.expect("the sandbox's books");
    faults(&ledger, json!({"lose": true})).await;
    let admin = ledger.admin().await;
    let own = json!({"amount": "10.00"});
    admin.post(&format!("/sandbox/refund/{order}"), own).await.expect(200);

    let path = format!("/api/v1/admin/orders/{order}/reconcile");
    let found = admin.post_nothing(&path).await.expect(200).json();
    assert_eq!((&found["payments"], &found["refunds"], &found["found"]), (&json!(1), &json!(1), &json!(true)));
    ledger.order_is("both", &order, "partially_refunded").await;
    // What came twice goes back by itself, and nothing is found again.
    eventually("the second payment to go back", async || {
        (given_back(&ledger, &order).await == (2, 4_000)).then_some(())
    })
    .await;
    eventually("both to be recorded", async || {
        (ledger.events_of("both", "order", "refunded").await == 2).then_some(())
    })
    .await;
    let again = admin.post_nothing(&path).await.expect(200).json();
    assert_eq!((&again["payments"], &again["refunds"], &again["found"]), (&json!(0), &json!(0), &json!(false)));
    assert_eq!(ledger.events_of("both", "order", "payment_duplicated").await, 1);
    assert_verifies(&ledger.database.url()).await;
    ledger.command(&["rebuild", "--check"]).await;
}

#[tokio::test]
async fn a_wrong_amount_waits_for_an_admin_and_the_right_one_still_pays() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "odd", credit_pack("5")).await;
    faults(&ledger, json!({"wrong_amount": "29.99", "repeat": 2})).await;
    assert_eq!(pay(&ledger, &order).await["amount"], "29.99");
    eventually("an entry for review", async || {
        let list = ledger.admin().await.get("/api/v1/admin/orders/mismatches?state=waiting").await.expect(200).json();
        items(&list).into_iter().next()
    })
    .await;
    assert_eq!(ledger.order("odd", &order).await["status"], "pending");
    faults(&ledger, json!({})).await;
    pay(&ledger, &order).await;
    came_once(&ledger, "odd", &order).await;
    assert_eq!(ledger.events_of("odd", "order", "payment_mismatched").await, 1);
}

#[tokio::test]
async fn a_card_that_does_not_pay_leaves_the_order_to_be_paid_by_another_one() {
    let mut ledger = Instance::start().await;
    let order = ordered(&ledger, "card", credit_pack("5")).await;
    let with = |number: &str| {
        let mut body = payment(&order, "by-card");
        body["card_number"] = json!(number);
        body
    };
    let nobody = ledger.nobody();
    for (number, code) in
        [("4000 0000 0000 0002", "E4281"), ("4000000000000002", "E4281"), ("4000 0000 0000 9995", "E4282")]
    {
        nobody.post(NOTIFY, with(number)).await.refused(402, code);
        let at_checkout = json!({"card_number": number});
        nobody.post(&format!("/sandbox/pay/{order}"), at_checkout).await.refused(402, code);
        let form = nobody.with("content-type", "application/x-www-form-urlencoded");
        let form_body = format!("card_number={}", number.replace(' ', "+"));
        let page = format!("/sandbox/checkout/{order}");
        form.send(reqwest::Method::POST, &page, Some(form_body.into())).await.refused(402, code);
    }
    nobody.post(NOTIFY, with("4111 1111 1111 1111")).await.refused(422, "E1005");
    assert_eq!(ledger.order("card", &order).await["status"], "pending");
    nobody.post(NOTIFY, with("4242 4242 4242 4242")).await.expect(200);
    came_once(&ledger, "card", &order).await;
    ledger.stop().await;
    for number in ["4242424242424242", "4242 4242 4242 4242", "4000000000000002", "4000 0000 0000 9995", "4111 1111"] {
        assert!(!ledger.log().contains(number), "{number} was logged");
    }
}

#[tokio::test]
async fn the_checkout_page_pays_with_a_press_of_its_button() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "page", credit_pack("5")).await;
    let page = format!("/sandbox/checkout/{order}");
    ledger.nobody().post_nothing(&page).await.expect(303);
    assert!(ledger.nobody().get(&page).await.expect(200).text().contains("Paid"));
    came_once(&ledger, "page", &order).await;
}

/// A payment of a delivered order that is told only after a restart changes nothing.
#[tokio::test]
async fn notices_that_wait_outlive_the_server() {
    let mut ledger = Instance::start().await;
    let order = bought(&ledger, "out", credit_pack("5")).await;
    let waiting = ordered(&ledger, "later", credit_pack("5")).await;
    faults(&ledger, json!({"delay_seconds": 3600})).await;
    pay(&ledger, &waiting).await;
    ledger.kill().await;
    let_notices_come(&ledger).await;
    ledger.add_server().await;
    came_once(&ledger, "later", &waiting).await;
    came_once(&ledger, "out", &order).await;
}
