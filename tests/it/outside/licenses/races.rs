use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use super::*;

const ACCOUNTS: usize = 100;
const PAYMENTS: usize = 20;

/// Of two servers on one database.
async fn two() -> Instance {
    let mut ledger = shop().await;
    ledger.add_server().await;
    ledger
}

fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    answers.iter().fold(BTreeMap::new(), |mut counted, answer| {
        *counted.entry(answer.status.as_u16()).or_default() += 1;
        counted
    })
}

#[tokio::test]
async fn of_many_who_want_the_last_use_on_two_servers_one_gets_it() {
    let ledger = two().await;
    let token = ledger.token(&["--role", "service", "--sub", "gateway"]).await;
    let servers = [ledger.caller_at(0, Some(&token)), ledger.caller_at(1, Some(&token))];
    for round in 0..5 {
        let owner = format!("owner-{round}");
        buy(&ledger, &owner, SINGLE).await;
        let wants = (0..20).map(|n| {
            let body = json!({"account": owner, "reference": format!("r-{n}")});
            let server = &servers[n % 2];
            async move { server.post(CONSUME, body).await }
        });
        let answers = join_all(wants).await;
        assert_eq!(statuses(&answers), BTreeMap::from([(200, 1), (402, 19)]));
        assert_eq!(ledger.events_of(&owner, "license", "consumed").await, 1);
    }
}

#[tokio::test]
async fn of_a_hundred_accounts_that_use_a_key_first_one_binds_it() {
    let ledger = two().await;
    let bought = buy(&ledger, "alice", BASIC).await;
    let token = ledger.token(&["--role", "service", "--sub", "gateway"]).await;
    let servers = [ledger.caller_at(0, Some(&token)), ledger.caller_at(1, Some(&token))];
    let wants = (0..ACCOUNTS).map(|n| {
        let body = json!({"account": format!("c-{n}"), "key_code": bought.key, "reference": "first"});
        let server = &servers[n % 2];
        async move { server.post(CONSUME, body).await }
    });
    let answers = join_all(wants).await;
    assert_eq!(statuses(&answers), BTreeMap::from([(200, 1), (404, ACCOUNTS - 1)]));
    assert!(answers.iter().filter(|it| it.status == 404).all(|it| it.problem()["code"] == "E3003"));
    let of_alice = async |event: &str| ledger.events_of("alice", "license", event).await;
    assert_eq!((of_alice("bound").await, of_alice("consumed").await), (1, 1));
    // It is the winner's own from now on, and their current one.
    let winner = answers.iter().find(|answer| answer.status == 200).expect("a winner").json();
    let asked = json!({"account": winner["account"], "feature": "email_verify", "units": 99});
    let entitled = servers[0].post(ENTITLED, asked).await.expect(200).json();
    assert_eq!((&entitled["entitled"], &entitled["license"]), (&json!(true), &json!(bought.id)));
}

#[tokio::test]
async fn one_reference_on_two_servers_at_once_is_one_use() {
    let ledger = two().await;
    buy(&ledger, "alice", BASIC).await;
    let token = ledger.token(&["--role", "service", "--sub", "gateway"]).await;
    let servers = [ledger.caller_at(0, Some(&token)), ledger.caller_at(1, Some(&token))];
    let wants = (0..20).map(|n| {
        let server = &servers[n % 2];
        async move { server.post(CONSUME, json!({"account": "alice", "units": 7, "reference": "same"})).await }
    });
    let answers = join_all(wants).await;
    assert!(answers.iter().all(|answer| answer.json()["remaining"] == 93), "{:?}", statuses(&answers));
    assert_eq!(ledger.events_of("alice", "license", "consumed").await, 1);
}

#[tokio::test]
async fn one_payment_however_often_it_is_told_issues_one_license_with_one_key() {
    let ledger = two().await;
    let alice = ledger.user("alice").await;
    let ordered = alice.post("/api/v1/payments/orders", json!({"product_type": BASIC.code})).await.expect(201);
    let order = order_no(&ordered);
    let servers = [ledger.caller_at(0, None), ledger.caller_at(1, None)];
    let told = (0..PAYMENTS).map(|n| {
        let notice = super::super::harness::payment(&order, "one-transaction");
        let server = &servers[n % 2];
        async move { server.post("/api/v1/payments/notify", notice).await }
    });
    let answers = join_all(told).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()), "{:?}", statuses(&answers));
    // A second payment of another name is for review, and is no key.
    let twice = ledger.pay(&order, "another-transaction").await.ok();
    assert_eq!(keys_of(&alice.after(&twice)).await.len(), 1);
    assert_eq!(ledger.events_of("alice", "license", "issued").await, 1);
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger.unique_keys WHERE kind = 'license_key'")
        .fetch_one(&ledger.pool)
        .await
        .expect("a count");
    assert_eq!(keys, 1);
}
