//! An operator's own timer: it needs the secret, and what it does is done once, however many ask.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Instance, JWT_SECRET};
use crate::support::eventually;
use crate::support::process::assert_verifies;

const PATH: &str = "/api/cron/expire-credits";
const SECRET: &str = "cron-secret-0123456789-0123456789";
/// With holds, and as many without.
const CUSTOMERS: i64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_done_once_however_many_ask() {
    let mut ledger = with_cron().await;
    ledger.add_server().await;
    let morning = Utc::now();
    let subs = timers_are_set(&ledger, morning).await;
    ledger.set_clock(morning + TimeDelta::days(2)).await;

    let ran = ask_ten_times(&ledger).await;
    assert!(count(&ran, "release_hold", "done") <= CUSTOMERS, "each is done once: {ran:?}");
    assert!(count(&ran, "expire_grant", "done") <= 2 * CUSTOMERS, "each is done once: {ran:?}");
    // What cron did not do the servers' own timers did; a grant that was held when its time came ends with its hold.
    for (sub, holds) in &subs {
        eventually("the end of a hold and of a grant", async || {
            let (released, expired) = ends_of(&ledger, sub).await;
            assert!(released <= *holds && expired <= 1, "{sub}: {released} and {expired}");
            (released == *holds && expired == 1).then_some(())
        })
        .await;
    }
    let nothing = ledger.caller_at(1, Some(SECRET)).get(PATH).await.expect(200).json();
    assert_eq!((&nothing["more"], &nothing["release_hold"]["done"]), (&json!(false), &json!(0)));
    assert_verifies(&ledger.database.url()).await;
}

/// So nobody else can have done it.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_workers_run_all_that_is_due_is_done_by_asking() {
    let mut ledger = with_cron().await;
    let morning = Utc::now();
    let subs = timers_are_set(&ledger, morning).await;
    ledger.stop().await;
    ledger.add_web_server().await;
    ledger.set_clock(morning + TimeDelta::days(2)).await;
    // It begins with the clock as it is.
    ledger.add_web_server().await;

    let ran = ask_ten_times(&ledger).await;
    assert_eq!(count(&ran, "release_hold", "done"), CUSTOMERS, "each is done once: {ran:?}");
    // A grant that is still held when it is its turn has to wait.
    let [done, again] = ["done", "again"].map(|what| count(&ran, "expire_grant", what));
    assert!(done >= CUSTOMERS && done + again == 2 * CUSTOMERS, "each is done once: {ran:?}");
    for (sub, holds) in &subs {
        assert_eq!(ends_of(&ledger, sub).await, (*holds, 1), "{sub}");
    }
    assert_verifies(&ledger.database.url()).await;
}

async fn with_cron() -> Instance {
    Instance::with(vec![("CRON_SECRET", SECRET.to_owned())]).await
}

/// Customers with a grant that ends tomorrow, and how many holds on it each has that end today: one, or none.
async fn timers_are_set(ledger: &Instance, morning: DateTime<Utc>) -> Vec<(String, i64)> {
    let (admin, service) = (ledger.admin().await, ledger.service().await);
    let tomorrow = (morning + TimeDelta::days(1)).to_rfc3339();
    let subs: Vec<_> = (0..2 * CUSTOMERS).map(|number| (format!("customer-{number}"), number % 2)).collect();
    for (sub, holds) in &subs {
        let path = format!("/api/v1/admin/accounts/{sub}/credits/adjust");
        admin.post(&path, json!({"amount": "5", "reason": "for a day", "expires_at": tomorrow})).await.expect(200);
        if *holds == 0 {
            continue;
        }
        admin.post(&path, json!({"amount": "5", "reason": "for good"})).await.expect(200);
        let reserve = json!({"account": sub, "amount": "7", "expires_in_seconds": 600});
        service.post("/api/v1/usage/reserve", reserve).await.expect(201);
    }
    // A timer each for the grants that end and the holds.
    eventually("the timers to be set", async || {
        let jobs: i64 =
            sqlx::query_scalar("SELECT count(*) FROM jobs.jobs").fetch_one(&ledger.pool).await.expect("jobs");
        (jobs == 3 * CUSTOMERS).then_some(())
    })
    .await;
    subs
}

/// All at once, on all servers in turn.
async fn ask_ten_times(ledger: &Instance) -> Vec<Value> {
    let asks = (0..10).map(|number| {
        let caller = ledger.caller_at(number % ledger.servers(), Some(SECRET));
        async move { caller.get(PATH).await.expect(200).json() }
    });
    join_all(asks).await
}

fn count(ran: &[Value], kind: &str, what: &str) -> i64 {
    ran.iter().map(|ran| ran[kind][what].as_i64().expect("a number")).sum()
}

/// Of a customer's hold and grant.
async fn ends_of(ledger: &Instance, sub: &str) -> (i64, i64) {
    (ledger.events_of(sub, "hold", "released").await, ledger.events_of(sub, "credit_account", "expired").await)
}

#[tokio::test]
async fn nobody_asks_without_the_secret() {
    let ledger = Instance::with(vec![("CRON_SECRET", SECRET.to_owned())]).await;
    ledger.nobody().get(PATH).await.refused(401, "E2001");
    for wrong in [&SECRET[1..], "cron-secret-0123456780", &format!("{SECRET}x"), JWT_SECRET] {
        ledger.caller(wrong).get(PATH).await.refused(401, "E2002");
    }
    ledger.admin().await.get(PATH).await.refused(401, "E2002");
    ledger.nobody().with("authorization", SECRET).get(PATH).await.refused(401, "E2002");
    let twice = ledger.caller(SECRET).with("authorization", format!("Bearer {SECRET}"));
    twice.get(PATH).await.refused(401, "E2001");
    ledger.caller(SECRET).post_nothing(PATH).await.refused(405, "E3002");
    ledger.caller(SECRET).get(PATH).await.expect(200);
    assert!(!ledger.log().contains(SECRET));
}

#[tokio::test]
async fn where_no_secret_is_set_nobody_asks() {
    let ledger = Instance::start().await;
    ledger.nobody().get(PATH).await.refused(403, "E2005");
    for token in ["", "null", "undefined"] {
        ledger.nobody().with("authorization", format!("Bearer {token}")).get(PATH).await.refused(403, "E2005");
    }
    ledger.admin().await.get(PATH).await.refused(403, "E2005");
}
