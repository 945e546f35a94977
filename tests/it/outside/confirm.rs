//! `POST /api/payments/confirm`, as the front end of its document asks it.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::Instance;
use super::http::{Answer, Caller};
use super::refunds::{credit_pack, faults, ordered};
use crate::support::eventually;

const CONFIRM: &str = "/api/payments/confirm";

async fn confirm(caller: &Caller, order: &str) -> Answer {
    caller.post(CONFIRM, json!({"orderId": order})).await
}

#[tokio::test]
async fn a_customer_hears_what_became_of_their_payment() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "carla", credit_pack("100")).await;
    let carla = ledger.user("carla").await;
    let pending = confirm(&carla, &order).await.expect(200).json();
    assert_eq!(
        pending,
        json!({"success": false, "status": "pending", "creditsAdded": 0, "message": "支付处理中，请稍候"})
    );
    ledger.pay(&order, "txn").await.ok();
    for _ in 0..3 {
        let answer = confirm(&carla, &order).await.expect(200);
        assert!(answer.text().contains(r#""creditsAdded":100,"#), "a number, and no float: {}", answer.text());
        let expected =
            json!({"success": true, "status": "completed", "creditsAdded": 100, "message": "支付成功，已到账"});
        assert_eq!(answer.json(), expected);
    }
    let english = ledger.token(&["--role", "user", "--sub", "carla", "--locale", "en"]).await;
    let said = confirm(&ledger.caller(&english), &order).await.expect(200).json();
    assert_eq!(said["message"], "The payment is complete, and what you bought is yours");
    assert_eq!(ledger.events_of("carla", "credit_account", "granted").await, 1, "asking grants nothing again");
}

#[tokio::test]
async fn credits_with_decimals_are_said_exactly() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "dec", credit_pack("0.123456")).await;
    ledger.pay(&order, "txn").await.ok();
    let answer = confirm(&ledger.user("dec").await, &order).await.expect(200);
    assert!(answer.text().contains(r#""creditsAdded":0.123456,"#), "{}", answer.text());
}

#[tokio::test]
async fn where_the_notice_is_lost_asking_finds_the_payment() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "late", credit_pack("5")).await;
    faults(&ledger, json!({"lose": true})).await;
    ledger.nobody().post_nothing(&format!("/sandbox/pay/{order}")).await.expect(200);
    let late = ledger.user("late").await;
    let answers = join_all((0..5).map(|_| confirm(&late, &order))).await;
    for answer in answers {
        let said = answer.expect(200).json();
        assert_eq!((&said["success"], &said["creditsAdded"]), (&json!(true), &json!(5)), "{said}");
    }
    assert_eq!(ledger.events_of("late", "credit_account", "granted").await, 1);
    // A provider that does not answer is no error of the customer's.
    let other = ordered(&ledger, "late", credit_pack("5")).await;
    faults(&ledger, json!({"silent_query": true})).await;
    assert_eq!(confirm(&late, &other).await.expect(200).json()["status"], "pending");
}

#[tokio::test]
async fn who_may_not_know_is_told_why_in_the_same_shape() {
    let ledger = Instance::start().await;
    let order = ordered(&ledger, "owner", credit_pack("5")).await;
    let stranger = ledger.user("stranger").await;
    for (answer, status, code, message) in [
        (confirm(&ledger.nobody(), &order).await, 401, "E2001", "请先登录"),
        (confirm(&ledger.caller("nonsense"), &order).await, 401, "E2002", "请先登录"),
        (confirm(&stranger, &order).await, 403, "E2006", "无权查看此订单"),
        (confirm(&stranger, "ORD20200101000000deadbeef").await, 404, "E3003", "订单不存在"),
        (confirm(&stranger, "x").await, 404, "E3003", "订单不存在"),
        (stranger.post(CONFIRM, json!({})).await, 422, "E1003", "请求无效"),
        (stranger.post(CONFIRM, json!({"orderId": 7})).await, 422, "E1004", "请求无效"),
        (stranger.post(CONFIRM, json!({"orderId": order, "credits": 1})).await, 422, "E1002", "请求无效"),
    ] {
        let problem = answer.refused(status, code).json();
        assert_eq!((&problem["success"], &problem["message"]), (&json!(false), &json!(message)), "{problem}");
        assert_eq!(problem["error"], problem["detail"], "{problem}");
    }
    let in_english = ledger.nobody().with("accept-language", "en-GB,en;q=0.9");
    assert_eq!(confirm(&in_english, &order).await.refused(401, "E2001").json()["message"], "Please sign in first");
}

#[tokio::test]
async fn a_customer_asks_ten_times_a_minute_on_however_many_servers() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    let order = ordered(&ledger, "often", credit_pack("5")).await;
    let token = ledger.token(&["--role", "user", "--sub", "often"]).await;
    let callers: Vec<Caller> = (0..30).map(|n| ledger.caller_at(n % ledger.servers(), Some(&token))).collect();
    let answers = join_all(callers.iter().map(|caller| confirm(caller, &order))).await;
    let (heard, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((heard.len(), refused.len()), (10, 20));
    for answer in refused {
        let answer = answer.refused(429, "E4290");
        let wait: u32 = answer.header("retry-after").expect("when to come back").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(answer.json()["success"], Value::Bool(false));
    }
    confirm(&ledger.user("other").await, &order).await.refused(403, "E2006");
    sqlx::query("UPDATE edge.windows SET began_at = began_at - interval '1 minute'")
        .execute(&ledger.pool)
        .await
        .expect("a minute passes");
    eventually("a new window", async || Some(confirm(&callers[0], &order).await).filter(|it| it.status == 200)).await;
}

#[tokio::test]
async fn an_order_of_which_nothing_will_come_says_why_in_a_word() {
    let ledger = Instance::start().await;
    let (cancelled, expired) =
        (ordered(&ledger, "ann", credit_pack("5")).await, ordered(&ledger, "ann", credit_pack("5")).await);
    let ann = ledger.user("ann").await;
    ann.post_nothing(&format!("/api/v1/payments/orders/{cancelled}/cancel")).await.ok();
    ledger.set_clock(Utc::now() + TimeDelta::minutes(16)).await;
    ledger.order_is("ann", &expired, "expired").await;
    for (order, status, code, message) in [
        (&cancelled, "cancelled", "ORDER_CANCELLED", "订单已取消"),
        (&expired, "expired", "ORDER_EXPIRED", "订单已过期"),
    ] {
        let said = confirm(&ann, order).await.expect(200).json();
        assert_eq!((&said["success"], &said["creditsAdded"]), (&json!(false), &json!(0)), "{said}");
        assert_eq!((&said["status"], &said["code"], &said["message"]), (&json!(status), &json!(code), &json!(message)));
        assert!(said["error"].as_str().is_some_and(|why| !why.is_empty()), "{said}");
    }
    // Late money is still money, and then nothing is wrong any more.
    ledger.pay(&expired, "late").await.ok();
    let said = confirm(&ann, &expired).await.expect(200).json();
    assert_eq!(said["status"], "completed");
    assert!(said.get("error").is_none() && said.get("code").is_none(), "{said}");
}

#[tokio::test]
async fn a_key_names_one_payment_that_asking_takes() {
    let ledger = Instance::start().await;
    faults(&ledger, json!({"lose": true})).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let order = ordered(&ledger, "kim", credit_pack("5")).await;
        ledger.nobody().post_nothing(&format!("/sandbox/pay/{order}")).await.expect(200);
        orders.push(order);
    }
    let (kim, admin) = (ledger.user("kim").await, ledger.admin().await);
    let keyed = kim.with("idempotency-key", "k-1");
    for _ in 0..2 {
        assert_eq!(confirm(&keyed, &orders[0]).await.expect(200).json()["status"], "completed");
    }
    let refused = confirm(&keyed, &orders[1]).await.refused(409, "E3005").json();
    assert_eq!((&refused["success"], &refused["message"]), (&json!(false), &json!("请求无效")));
    let malformed = confirm(&kim.with("idempotency-key", "two words"), &orders[1]).await;
    assert_eq!(malformed.refused(400, "E1013").json()["success"], json!(false));
    assert_eq!(ledger.events_of("kim", "credit_account", "granted").await, 1);

    // An admin's is another one's key, and names one payment just so.
    let reconcile = |order: &str| format!("/api/v1/admin/orders/{order}/reconcile");
    let keyed = admin.with("idempotency-key", "k-1");
    assert_eq!(keyed.post_nothing(&reconcile(&orders[1])).await.expect(200).json()["found"], json!(true));
    assert_eq!(keyed.post_nothing(&reconcile(&orders[1])).await.expect(200).json()["found"], json!(false));
    keyed.post_nothing(&reconcile(&orders[2])).await.refused(409, "E3005");
    admin.with("idempotency-key", "").post_nothing(&reconcile(&orders[2])).await.refused(400, "E1013");
    assert_eq!(confirm(&kim, &orders[2]).await.expect(200).json()["status"], "completed");
    assert_eq!(ledger.events_of("kim", "credit_account", "granted").await, 3);
}

/// Seed 003 from top to bottom: its data flow, its test plan, and what it asks for safety.
#[tokio::test]
async fn the_document_reads_true() {
    let ledger = Instance::start().await;
    let (dora, other) = (ledger.user("dora").await, ledger.user("other").await);
    let credits = async || dora.get("/api/v1/user/credits").await.expect(200).json()["credits"].clone();

    // 1. createOrder(); nothing is paid yet, so confirming adds nothing.
    let order = ordered(&ledger, "dora", credit_pack("100")).await;
    let said = confirm(&dora, &order).await.expect(200).json();
    assert_eq!(
        (&said["success"], &said["status"], &said["creditsAdded"]),
        (&json!(false), &json!("pending"), &json!(0))
    );
    // 3. The customer pays at the checkout; 4.-6. the webhook takes the payment and adds the credits.
    ledger.nobody().post_nothing(&format!("/sandbox/pay/{order}")).await.expect(200);
    ledger.order_is("dora", &order, "fulfilled").await;
    // 7. confirmPayment() hears of it; 8., 9. the front end refreshes the balance.
    let said = confirm(&dora, &order).await.expect(200).json();
    let expected = json!({"success": true, "status": "completed", "creditsAdded": 100, "message": "支付成功，已到账"});
    assert_eq!(said, expected);
    assert_eq!(credits().await, "100.00");

    // 重复确认同一订单, and the webhook again: the same answer, and no credits more.
    assert_eq!(confirm(&dora, &order).await.expect(200).json(), expected);
    ledger.nobody().post_nothing(&format!("/sandbox/pay/{order}")).await.expect(200);
    assert_eq!(ledger.events_of("dora", "credit_account", "granted").await, 1);

    // 无权限、订单不存在
    confirm(&ledger.nobody(), &order).await.refused(401, "E2001");
    confirm(&other, &order).await.refused(403, "E2006");
    confirm(&other, "ORD20200101000000deadbeef").await.refused(404, "E3003");

    // 10 requests/minute per user: three so far.
    for _ in 3..10 {
        confirm(&dora, &order).await.expect(200);
    }
    let eleventh = confirm(&dora, &order).await.refused(429, "E4290").json();
    assert_eq!((&eleventh["success"], &eleventh["message"]), (&json!(false), &json!("请求过于频繁，请稍后再试")));
    assert_eq!((&eleventh["error"], &eleventh["status"]), (&eleventh["detail"], &json!(429)), "a problem document");
    // Others are not kept out for it, and the balance can be looked at.
    confirm(&other, &order).await.refused(403, "E2006");
    assert_eq!(credits().await, "100.00");
}
