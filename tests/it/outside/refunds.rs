//! Money goes back: once, in parts, after failures, by the provider's own doing; and what was bought goes back with it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::barrier::{Barrier, Write};
use super::harness::{Instance, order_no, payment};
use super::http::Answer;
use super::journey::items;
use crate::support::eventually;
use crate::support::process::assert_verifies;

const AT_ONCE: usize = 50;
const NOTIFY: &str = "/api/v1/payments/notify";

/// A product of ¥30.00 that `sub` has bought and paid: the number of the order.
pub(super) async fn bought(ledger: &Instance, sub: &str, product: Value) -> String {
    let order = ordered(ledger, sub, product).await;
    ledger.pay(&order, &format!("txn-{order}")).await.ok();
    order
}

pub(super) async fn ordered(ledger: &Instance, sub: &str, mut product: Value) -> String {
    product["name"] = json!("n");
    product["price"] = json!("30.00");
    let made = ledger.admin().await.post("/api/v1/admin/products", product).await.expect(201).json();
    let wanted = json!({"product_id": made["id"]});
    order_no(&ledger.user(sub).await.post("/api/v1/payments/orders", wanted).await.expect(201))
}

pub(super) fn credit_pack(credits: &str) -> Value {
    json!({"type": "credit_pack", "credits": credits})
}

pub(super) async fn faults(ledger: &Instance, faults: Value) {
    ledger.admin().await.put("/sandbox/faults", faults).await.expect(200);
}

async fn refund(ledger: &Instance, order: &str, body: Value) -> Answer {
    ledger.admin().await.post(&format!("/api/v1/admin/orders/{order}/refund"), body).await
}

/// Waits until a refund has a state, without waiting for the pauses between attempts.
async fn refund_is(ledger: &Instance, id: &Value, state: &str) -> Value {
    let path = format!("/api/v1/admin/refunds/{}", id.as_str().expect("an id"));
    eventually("a state of a refund", async || {
        ledger.hurry().await;
        let answer = ledger.admin().await.get(&path).await;
        Some(answer).filter(|answer| answer.status == 200).map(|answer| answer.json()).filter(|it| it["state"] == state)
    })
    .await
}

/// The log is whole, and the read models are what it makes of them however it is read.
async fn books_are_right(ledger: &Instance) {
    assert_verifies(&ledger.database.url()).await;
    ledger.command(&["rebuild", "--check"]).await;
}

/// What the sandbox's books say went back of a customer's order: how often, and how much in all.
pub(super) async fn given_back(ledger: &Instance, order: &str) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(*), coalesce(sum(r.amount_minor), 0)::int8
           FROM sandbox.refunds r JOIN sandbox.payments p USING (payment_id) WHERE p.order_number = $1",
    )
    .bind(order)
    .fetch_one(&ledger.pool)
    .await
    .expect("the sandbox's books")
}

async fn credits(ledger: &Instance, sub: &str) -> (String, String) {
    let credits = ledger.user(sub).await.get("/api/v1/user/credits").await.expect(200).json();
    let said = |name: &str| credits[name].as_str().unwrap_or_else(|| panic!("{credits}")).to_owned();
    (said("available"), said("shortfall"))
}

#[tokio::test]
async fn fifty_refunds_of_one_order_at_once_on_two_servers_give_the_money_back_once() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let order = ledger.bought("fifty").await;
    let token = ledger.token(&["--role", "admin", "--sub", "root"]).await;
    let path = format!("/api/v1/admin/orders/{order}/refund");
    let callers = (0..AT_ONCE).map(|n| ledger.caller_at(n % ledger.servers(), Some(&token)));
    let body = json!({"reason": "bought by mistake"});
    let answers = join_all(callers.map(|caller| caller_posts(caller, &path, &body))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(taken.len(), 1);
    for answer in refused {
        answer.refused(422, "E4065");
    }
    refund_is(&ledger, &taken[0].json()["id"], "done").await;
    let seen = ledger.order_is("fifty", &order, "refunded").await;
    assert_eq!(seen["refunded"], json!({"amount": "30.00", "currency": "CNY"}), "{seen}");
    assert_eq!(given_back(&ledger, &order).await, (1, 3_000));
    for (aggregate, event) in [("order", "refund_requested"), ("order", "refunded"), ("user_package", "revoked")] {
        assert_eq!(ledger.events_of("fifty", aggregate, event).await, 1, "{aggregate}.{event}");
    }
    books_are_right(&ledger).await;
}

async fn caller_posts(caller: super::http::Caller, path: &str, body: &Value) -> Answer {
    caller.post(path, body.clone()).await
}

#[tokio::test]
async fn one_idempotency_key_is_one_refund_on_however_many_servers() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let order = ledger.bought("key").await;
    let token = ledger.token(&["--role", "admin", "--sub", "root"]).await;
    let path = format!("/api/v1/admin/orders/{order}/refund");
    let body = json!({"amount": "10.00", "reason": "a kindness"});
    let callers =
        (0..AT_ONCE).map(|n| ledger.caller_at(n % ledger.servers(), Some(&token)).with("idempotency-key", "k"));
    let answers = join_all(callers.map(|caller| caller_posts(caller, &path, &body))).await;
    let ids: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201).json()["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    refund_is(&ledger, &ids[0], "done").await;
    assert_eq!(given_back(&ledger, &order).await, (1, 1_000));
    let other = json!({"amount": "10.01", "reason": "a kindness"});
    ledger.admin().await.with("idempotency-key", "k").post(&path, other).await.refused(409, "E3005");
}

#[tokio::test]
async fn a_part_takes_back_its_part_of_the_credits_and_the_rest_takes_the_rest() {
    let ledger = Instance::start().await;
    let order = bought(&ledger, "pat", credit_pack("100")).await;
    let part = refund(&ledger, &order, json!({"amount": 10.00, "reason": "a part"})).await.expect(201).json();
    assert_eq!(
        (&part["state"], &part["revoke"], &part["order_status"]),
        (&json!("requested"), &json!(null), &json!("refunding"))
    );
    refund_is(&ledger, &part["id"], "done").await;
    ledger.order_is("pat", &order, "partially_refunded").await;
    assert_eq!(credits(&ledger, "pat").await, ("66.666667".to_owned(), "0.00".to_owned()));
    // What is spent meanwhile is owed.
    let spend = json!({"account": "pat", "amount": "50", "reference": "r"});
    ledger.service().await.post("/api/v1/usage", spend).await.ok();
    let rest = refund(&ledger, &order, json!({"reason": "the rest"})).await.expect(201).json();
    assert_eq!((&rest["amount"]["amount"], &rest["revoke"]), (&json!("20.00"), &json!(null)));
    refund_is(&ledger, &rest["id"], "done").await;
    ledger.order_is("pat", &order, "refunded").await;
    assert_eq!(credits(&ledger, "pat").await, ("0.00".to_owned(), "50.00".to_owned()));
    assert_eq!(given_back(&ledger, &order).await, (2, 3_000));
    refund(&ledger, &order, json!({"reason": "more"})).await.refused(422, "E4065");
    let listed = ledger.admin().await.get(&format!("/api/v1/admin/refunds?order_no={order}")).await.expect(200).json();
    let revoked: Vec<_> = items(&listed).iter().map(|refund| refund["revoke"].clone()).collect();
    assert_eq!(revoked, [json!(true), json!(false)], "newest first: {listed}");
    books_are_right(&ledger).await;
}

#[tokio::test]
async fn what_each_kind_of_product_delivered_goes_back_with_the_money() {
    let ledger = Instance::start().await;
    for (kind, product, gone) in [
        ("l", json!({"type": "license", "uses": 100, "features": ["email_verify"]}), ("license", "revoked")),
        ("s", json!({"type": "subscription", "credits": "10", "period": {"months": 1}}), ("subscription", "ended")),
        ("c", credit_pack("10"), ("credit_account", "clawed_back")),
        ("p", json!({"type": "package", "duration_days": 30, "daily_limit": "5"}), ("user_package", "revoked")),
    ] {
        let order = bought(&ledger, kind, product).await;
        let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
        refund_is(&ledger, &asked["id"], "done").await;
        ledger.order_is(kind, &order, "refunded").await;
        assert_eq!(ledger.events_of(kind, gone.0, gone.1).await, 1, "{}.{}", gone.0, gone.1);
        assert_eq!(credits(&ledger, kind).await, ("0.00".to_owned(), "0.00".to_owned()), "{kind}");
    }
    books_are_right(&ledger).await;
}

#[tokio::test]
async fn a_refund_that_fails_first_recovers_by_itself() {
    let ledger = Instance::start().await;
    let order = ledger.bought("rec").await;
    faults(&ledger, json!({"refunds_fail_first": 2})).await;
    let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
    let done = refund_is(&ledger, &asked["id"], "done").await;
    assert_eq!(done["attempts"].as_array().map(Vec::len), Some(2), "{done}");
    assert_eq!(given_back(&ledger, &order).await, (1, 3_000));
    ledger.order_is("rec", &order, "refunded").await;
}

#[tokio::test]
async fn a_refund_whose_outcome_is_unknown_is_asked_about_and_never_paid_twice() {
    let ledger = Instance::start().await;
    let order = ledger.bought("unk").await;
    faults(&ledger, json!({"refund_outcome_unknown": true})).await;
    let asked = refund(&ledger, &order, json!({"amount": "10", "reason": "误购"})).await.expect(201).json();
    let done = refund_is(&ledger, &asked["id"], "done").await;
    assert_eq!(done["attempts"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!(given_back(&ledger, &order).await, (1, 1_000));
    let times: i64 = sqlx::query_scalar("SELECT sum(times) FROM sandbox.refund_requests")
        .fetch_one(&ledger.pool)
        .await
        .expect("the sandbox's books");
    assert_eq!(times, 1, "it was asked about, and not asked for again");
}

#[tokio::test]
async fn a_refund_that_was_given_up_is_tried_again_by_hand() {
    let ledger = Instance::start().await;
    let order = ledger.bought("hand").await;
    faults(&ledger, json!({"refunds_fail_first": 100})).await;
    let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
    refund_is(&ledger, &asked["id"], "failing").await;
    // A day of failures has passed.
    sqlx::query("UPDATE jobs.jobs SET round_began_at = round_began_at - interval '2 days' WHERE kind = 'refund'")
        .execute(&ledger.pool)
        .await
        .expect("the job table");
    let given_up = refund_is(&ledger, &asked["id"], "given_up").await;
    assert_eq!(ledger.order("hand", &order).await["status"], "refunding");
    faults(&ledger, json!({})).await;
    let id = given_up["id"].as_str().expect("an id");
    ledger.admin().await.post_nothing(&format!("/api/v1/admin/refunds/{id}/retry")).await.expect(200);
    refund_is(&ledger, &asked["id"], "done").await;
    assert_eq!(given_back(&ledger, &order).await, (1, 3_000));
    ledger.admin().await.post_nothing(&format!("/api/v1/admin/refunds/{id}/retry")).await.refused(409, "E4069");
    books_are_right(&ledger).await;
}

#[tokio::test]
async fn a_plain_no_of_the_provider_frees_the_amount() {
    let ledger = Instance::start().await;
    let order = ledger.bought("no").await;
    // The provider has lost its books.
    sqlx::query("DELETE FROM sandbox.payments").execute(&ledger.pool).await.expect("the sandbox's books");
    let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
    refund_is(&ledger, &asked["id"], "refused").await;
    ledger.order_is("no", &order, "fulfilled").await;
    books_are_right(&ledger).await;
}

/// Given back on the other side, and nobody was told: so the provider has too little left to give.
#[tokio::test]
async fn a_refund_whose_notice_was_lost_is_taken_when_the_provider_refuses_ours() {
    let ledger = Instance::start().await;
    // All of it goes back only once, so that is what was asked for; of a part the rest was, and is refused.
    for (customer, back, becomes, status, minor) in [
        ("all", json!({}), "done", "refunded", 3_000),
        ("part", json!({"amount": "10.00"}), "refused", "partially_refunded", 1_000),
    ] {
        faults(&ledger, json!({})).await;
        let order = ledger.bought(customer).await;
        faults(&ledger, json!({"lose": true})).await;
        ledger.admin().await.post(&format!("/sandbox/refund/{order}"), back).await.expect(200);
        let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
        refund_is(&ledger, &asked["id"], becomes).await;
        let seen = ledger.order_is(customer, &order, status).await;
        assert_eq!(given_back(&ledger, &order).await, (1, minor));
        assert_eq!(seen["refunded"]["amount"], format!("{}.00", minor / 100), "{seen}");
        let revoked = i64::from(status == "refunded");
        assert_eq!(ledger.events_of(customer, "user_package", "revoked").await, revoked);
    }
    books_are_right(&ledger).await;
}

#[tokio::test]
async fn money_that_the_provider_gives_back_of_its_own_takes_back_what_was_bought() {
    let ledger = Instance::start().await;
    let order = bought(&ledger, "own", credit_pack("9")).await;
    faults(&ledger, json!({"repeat": 3})).await;
    for (amount, left, status) in [("10.00", "6.00", "partially_refunded"), ("20.00", "0.00", "refunded")] {
        let back = json!({"amount": amount, "reason": "chargeback"});
        ledger.admin().await.post(&format!("/sandbox/refund/{order}"), back).await.expect(200);
        ledger.order_is("own", &order, status).await;
        assert_eq!(credits(&ledger, "own").await.0, left);
    }
    ledger.admin().await.post_nothing(&format!("/sandbox/refund/{order}")).await.refused(409, "E3007");
    eventually("all notices to have been heard", async || (waiting_notices(&ledger).await == 0).then_some(())).await;
    assert_eq!(ledger.events_of("own", "order", "refunded").await, 2);
}

pub(super) async fn waiting_notices(ledger: &Instance) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM sandbox.notices").fetch_one(&ledger.pool).await.expect("notices")
}

#[tokio::test]
async fn a_second_payment_goes_back_by_itself() {
    let ledger = Instance::start().await;
    let order = ledger.bought("twice").await;
    ledger.pay(&order, "another-channel").await.ok();
    let refund = eventually("a refund", async || {
        let list = ledger.admin().await.get("/api/v1/admin/refunds?account=twice&state=done").await.expect(200).json();
        items(&list).into_iter().next()
    })
    .await;
    assert_eq!((&refund["payment_id"], &refund["amount"]["amount"]), (&json!("another-channel"), &json!("30.00")));
    assert_eq!(given_back(&ledger, &order).await, (1, 3_000));
    assert_eq!(ledger.order("twice", &order).await["status"], "fulfilled");
    let reviews = ledger.admin().await.get("/api/v1/admin/orders/mismatches?state=refunded").await.expect(200).json();
    assert_eq!(items(&reviews).len(), 1, "{reviews}");
}

#[tokio::test]
async fn an_admin_accepts_dismisses_or_gives_back_a_payment_of_another_amount() {
    let ledger = Instance::start().await;
    for (action, state, status) in
        [("accept", "accepted", "fulfilled"), ("dismiss", "dismissed", "pending"), ("refund", "refunded", "pending")]
    {
        let order = ledger.ordered(action).await;
        let mut odd = payment(&order, &format!("odd-{action}"));
        odd["amount"] = json!("29.99");
        let told = ledger.nobody().post(NOTIFY, odd.clone()).await.expect(200);
        let admin = ledger.admin().await;
        let waiting = admin.after(&told).get("/api/v1/admin/orders/mismatches?state=waiting").await.expect(200).json();
        let review = items(&waiting).into_iter().find(|review| review["order_no"] == order).expect("it waits");
        let path = format!("/api/v1/admin/orders/mismatches/{}/resolve", review["id"].as_str().expect("an id"));
        let resolved = admin.post(&path, json!({"action": action, "reason": "as agreed"})).await.expect(200);
        assert_eq!(resolved.json()["order_no"], json!(order));
        eventually("a payment to be settled", async || {
            let list = admin.get(&format!("/api/v1/admin/orders/mismatches?state={state}")).await.expect(200).json();
            items(&list).into_iter().find(|review| review["order_no"] == order)
        })
        .await;
        ledger.order_is(action, &order, status).await;
        let again = json!({"action": "dismiss", "reason": "twice"});
        if action != "dismiss" {
            admin.post(&path, again).await.refused(409, "E4063");
        }
    }
    assert_eq!(ledger.events_of("accept", "user_package", "activated").await, 1);
    assert_eq!(ledger.events_of("dismiss", "user_package", "activated").await, 0);
    books_are_right(&ledger).await;
}

/// A kill before anything of it is written, and one after the provider has done it and before the ledger knows.
#[tokio::test]
async fn killed_around_a_refund_the_money_goes_back_once() {
    let mut ledger = Instance::start().await;
    for (n, (moment, write)) in [
        ("asked for, not claimed", update("NEW.kind = 'refund' AND NEW.state = 'running'")),
        (
            "executed, and not recorded",
            Write { table: "ledger.events", operation: "INSERT", rows: "NEW.event_type = 'refunded'" },
        ),
        ("recorded, job not done", update("NEW.kind = 'refund' AND NEW.state = 'done'")),
    ]
    .into_iter()
    .enumerate()
    {
        eprintln!("killed when: {moment}");
        let customer = format!("killed{n}");
        let order = ledger.bought(&customer).await;
        let barrier = Barrier::before(ledger.database.connect_options(), &ledger.pool, write).await;
        let asked = refund(&ledger, &order, json!({"reason": "误购"})).await.expect(201).json();
        barrier.has_caught_one().await;
        ledger.kill().await;
        barrier.cut_and_open().await;
        ledger.add_server().await;
        refund_is(&ledger, &asked["id"], "done").await;
        ledger.order_is(&customer, &order, "refunded").await;
        assert_eq!(given_back(&ledger, &order).await, (1, 3_000), "{moment}");
        assert_eq!(ledger.events_of(&customer, "order", "refunded").await, 1, "{moment}");
        assert_eq!(ledger.events_of(&customer, "user_package", "revoked").await, 1, "{moment}");
    }
    books_are_right(&ledger).await;
}

const fn update(rows: &'static str) -> Write {
    Write { table: "jobs.jobs", operation: "UPDATE", rows }
}
