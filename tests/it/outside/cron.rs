//! An operator's own timer: it needs the secret, and what it does is done once, however many ask.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Instance, JWT_SECRET};
use crate::support::eventually;
use crate::support::process::assert_verifies;

const PATH: &str = "/api/cron/expire-credits";
const SECRET: &str = "cron-secret-0123456789-0123456789";
const CUSTOMERS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_done_once_however_many_ask() {
    let mut ledger = Instance::with(vec![("CRON_SECRET", SECRET.to_owned())]).await;
    ledger.add_server().await;
    let morning = Utc::now();
    let (admin, service) = (ledger.admin().await, ledger.service().await);
    let tomorrow = (morning + TimeDelta::days(1)).to_rfc3339();
    let subs: Vec<String> = (0..CUSTOMERS).map(|number| format!("customer-{number}")).collect();
    for sub in &subs {
        let path = format!("/api/v1/admin/accounts/{sub}/credits/adjust");
        admin.post(&path, json!({"amount": "5", "reason": "for a day", "expires_at": tomorrow})).await.expect(200);
        admin.post(&path, json!({"amount": "5", "reason": "for good"})).await.expect(200);
        let reserve = json!({"account": sub, "amount": "7", "expires_in_seconds": 600});
        service.post("/api/v1/usage/reserve", reserve).await.expect(201);
    }
    // A timer each for the grant that ends and the hold.
    eventually("the timers to be set", async || {
        let jobs: i64 =
            sqlx::query_scalar("SELECT count(*) FROM jobs.jobs").fetch_one(&ledger.pool).await.expect("jobs");
        (jobs == 2 * CUSTOMERS as i64).then_some(())
    })
    .await;
    ledger.set_clock(morning + TimeDelta::days(2)).await;

    let asks = (0..10).map(|number| {
        let caller = ledger.caller_at(number % ledger.servers(), Some(SECRET));
        async move { caller.get(PATH).await.expect(200).json() }
    });
    let ran: Vec<Value> = join_all(asks).await;
    let done = |kind: &str| ran.iter().map(|ran| ran[kind]["done"].as_u64().expect("a number")).sum::<u64>();
    for kind in ["expire_grant", "release_hold"] {
        assert!(done(kind) <= CUSTOMERS as u64, "each is done once: {ran:?}");
    }
    // What cron did not do the servers' own timers did; a grant that was held when its time came ends with its hold.
    for sub in &subs {
        eventually("the end of a hold and of a grant", async || {
            let (released, expired) = (
                ledger.events_of(sub, "hold", "released").await,
                ledger.events_of(sub, "credit_account", "expired").await,
            );
            assert!(released <= 1 && expired <= 1, "{sub}: {released} and {expired}");
            (released == 1 && expired == 1).then_some(())
        })
        .await;
    }
    let nothing = ledger.caller_at(1, Some(SECRET)).get(PATH).await.expect(200).json();
    assert_eq!((&nothing["more"], &nothing["release_hold"]["done"]), (&json!(false), &json!(0)));
    assert_verifies(&ledger.database.url()).await;
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
