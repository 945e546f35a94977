//! `POST /api/payments/confirm`, as the front end of its document asks it.

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
