//! Reservations from the outside: set aside, charged, given back; raced for on two servers; over by themselves.

use std::collections::BTreeMap;

use aggregates::Credits;
use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::books;
use super::harness::Instance;
use super::http::{Answer, Caller};
use super::journey::items;
use crate::support::eventually;
use crate::support::process::assert_verifies;

async fn adjust(ledger: &Instance, sub: &str, body: Value) -> Answer {
    ledger.admin().await.post(&format!("/api/v1/admin/accounts/{sub}/credits/adjust"), body).await.expect(200)
}

async fn give(ledger: &Instance, sub: &str, amount: &str) -> Answer {
    adjust(ledger, sub, json!({"amount": amount, "reason": "to have some"})).await
}

fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {}", answer.text())).to_owned()
}

/// On the books, available, held, owed.
async fn credits(user: &Caller, after: &Answer) -> [String; 4] {
    let shown = user.after(after).get("/api/v1/user/credits").await.expect(200).json();
    ["credits", "available", "frozen", "shortfall"].map(|name| shown[name].as_str().expect("an amount").to_owned())
}

/// The same caller at every server.
async fn everywhere(ledger: &Instance, role: &str, sub: &str) -> Vec<Caller> {
    let token = ledger.token(&["--role", role, "--sub", sub]).await;
    (0..ledger.servers()).map(|server| ledger.caller_at(server, Some(&token))).collect()
}

#[tokio::test]
async fn what_is_reserved_is_charged_or_comes_back() {
    let ledger = Instance::start().await;
    ledger.set_to_ten().await;
    ledger.bought("alice").await;
    give(&ledger, "alice", "10").await;
    let alice = ledger.user("alice").await;

    let wanted = json!({"amount": "7.00", "reference": "job-1", "meter": "video", "metadata": {"clip": 7}});
    let reserved = alice.post("/api/v1/usage/reserve", wanted.clone()).await.expect(201);
    let hold = reserved.json();
    assert_eq!((&hold["state"], &hold["amount"], &hold["charged"]), (&json!("open"), &json!("7.00"), &Value::Null));
    assert_eq!((&hold["packages"][0]["amount"], &hold["credits"][0]["amount"]), (&json!("5.00"), &json!("2.00")));
    assert_eq!(credits(&alice, &reserved).await, ["10.00", "8.00", "2.00", "0.00"]);
    // The same again is the same hold; nothing else has its reference.
    let again = alice.post("/api/v1/usage/reserve", wanted.clone()).await.expect(201);
    assert!(again.is_replay());
    assert_eq!(again.json(), hold);
    let other = json!({"amount": "1.00", "reference": "job-1"});
    alice.post("/api/v1/usage/reserve", other.clone()).await.refused(409, "E3007");
    alice.post("/api/v1/usage", other).await.refused(409, "E3007");
    alice.post("/api/v1/usage", json!({"amount": "1.00", "reference": "charge-1"})).await.expect(200);
    let taken = json!({"amount": "1.00", "reference": "charge-1"});
    alice.post("/api/v1/usage/reserve", taken).await.refused(409, "E3007");

    let path = format!("/api/v1/usage/{}", id_of(&reserved));
    alice.post(&format!("{path}/settle"), json!({"amount": "7.000001"})).await.refused(422, "E4082");
    let settled = alice.post(&format!("{path}/settle"), json!({"amount": "6.00"})).await.expect(200);
    assert_eq!((&settled.json()["state"], &settled.json()["charged"]), (&json!("settled"), &json!("6.00")));
    assert_eq!(credits(&alice, &settled).await, ["8.00", "8.00", "0.00", "0.00"]);
    let again = alice.post(&format!("{path}/settle"), json!({"amount": "6.00"})).await.expect(200);
    assert_eq!((again.is_replay(), again.json()), (true, settled.json()));
    // By another name it is still the same.
    let keyed = alice.with("idempotency-key", "k-1");
    let same = keyed.post(&format!("{path}/settle"), json!({"amount": "6.00"})).await.expect(200);
    assert_eq!(same.json(), settled.json());
    alice.post(&format!("{path}/settle"), json!({"amount": "5.00"})).await.refused(409, "E4083");
    alice.post_nothing(&format!("{path}/release")).await.refused(409, "E4083");

    let second = alice.post("/api/v1/usage/reserve", json!({"amount": "3.00"})).await.expect(201);
    let path = format!("/api/v1/usage/{}", id_of(&second));
    let released = alice.post_nothing(&format!("{path}/release")).await.expect(200);
    assert_eq!(released.json()["state"], "released");
    assert_eq!(alice.post_nothing(&format!("{path}/release")).await.expect(200).json(), released.json());
    alice.post(&format!("{path}/settle"), json!({"amount": "1.00"})).await.refused(409, "E4084");
    assert_eq!(credits(&alice, &released).await, ["8.00", "8.00", "0.00", "0.00"]);

    // The read model says what the writes answered.
    let shown = alice.after(&released).get("/api/v1/usage/holds").await.expect(200).json();
    assert_eq!(items(&shown), [released.json(), settled.json()]);
    let one = alice.after(&released).get(&format!("/api/v1/usage/holds/{}", id_of(&second))).await.expect(200);
    assert_eq!(one.json(), released.json());
    let open = alice.get("/api/v1/usage/holds?state=open").await.expect(200).json();
    assert_eq!(items(&open), Vec::<Value>::new());
    let table = alice.with("accept", "text/csv").get("/api/v1/usage/holds?state=settled").await.expect(200).text();
    assert_eq!((table.lines().count(), table.contains("job-1")), (2, true), "{table}");
    assert_verifies(&ledger.database.url()).await;
}

#[tokio::test]
async fn a_hold_is_known_to_its_account_and_its_services_alone() {
    let ledger = Instance::start().await;
    give(&ledger, "alice", "10").await;
    let (alice, bob, service) = (ledger.user("alice").await, ledger.user("bob").await, ledger.service().await);
    let wanted = json!({"account": "alice", "amount": "2.00", "reference": "r"});
    let reserved = service.post("/api/v1/usage/reserve", wanted).await.expect(201);
    let path = format!("/api/v1/usage/{}", id_of(&reserved));
    let shown = format!("/api/v1/usage/holds/{}", id_of(&reserved));
    bob.post(&format!("{path}/settle"), json!({"amount": "1.00"})).await.refused(404, "E4080");
    bob.post_nothing(&format!("{path}/release")).await.refused(404, "E4080");
    bob.get(&shown).await.refused(404, "E3003");
    bob.post(&format!("{path}/settle"), json!({"account": "alice", "amount": "1.00"})).await.refused(403, "E2006");
    service.post(&format!("{path}/settle"), json!({"amount": "1.00"})).await.refused(422, "E1003");
    ledger.auditor().await.post(&format!("{path}/settle"), json!({"amount": "1.00"})).await.refused(403, "E2005");
    assert_eq!(alice.after(&reserved).get(&shown).await.expect(200).json()["state"], "open");
    let acting = service.with("x-account-id", "alice");
    acting.get(&shown).await.expect(200);
    acting.post_nothing(&format!("{path}/release")).await.expect(200);
    let named = json!({"account": "alice"}).to_string().into_bytes();
    service.send(Method::POST, &format!("{path}/release"), Some(named)).await.expect(200);
}

#[tokio::test]
async fn what_a_back_end_reserved_the_customer_cannot_take_away() {
    let ledger = Instance::start().await;
    give(&ledger, "alice", "10").await;
    let (alice, admin) = (ledger.user("alice").await, ledger.admin().await);
    let service = ledger.service().await.with("x-account-id", "alice");
    let admin = admin.with("x-account-id", "alice");
    let path = |reserved: &Answer| format!("/api/v1/usage/{}", id_of(reserved));
    let wanted = json!({"amount": "2.00"});
    for back_end in [&service, &admin] {
        let reserved = back_end.post("/api/v1/usage/reserve", wanted.clone()).await.expect(201);
        alice.post(&format!("{}/settle", path(&reserved)), json!({"amount": "0"})).await.refused(403, "E4088");
        alice.post_nothing(&format!("{}/release", path(&reserved))).await.refused(403, "E4088");
        // Whichever of them.
        let settle = format!("{}/settle", path(&reserved));
        let settled = service.post(&settle, json!({"amount": "1.00"})).await.expect(200);
        assert_eq!(admin.post(&settle, json!({"amount": "1.00"})).await.expect(200).json(), settled.json());
        alice.post(&settle, json!({"amount": "1.00"})).await.refused(403, "E4088");
        let reserved = back_end.post("/api/v1/usage/reserve", wanted.clone()).await.expect(201);
        admin.post_nothing(&format!("{}/release", path(&reserved))).await.expect(200);
    }
    // What the customer reserved, both may end.
    let reserved = alice.post("/api/v1/usage/reserve", wanted.clone()).await.expect(201);
    service.post(&format!("{}/settle", path(&reserved)), json!({"amount": "1.00"})).await.expect(200);
    let reserved = alice.post("/api/v1/usage/reserve", wanted).await.expect(201);
    let released = admin.post_nothing(&format!("{}/release", path(&reserved))).await.expect(200);
    assert_eq!(credits(&alice, &released).await, ["7.00", "7.00", "0.00", "0.00"]);
    // The same reference from the other party is another request.
    let named = json!({"amount": "1.00", "reference": "job-1"});
    service.post("/api/v1/usage/reserve", named.clone()).await.expect(201);
    alice.post("/api/v1/usage/reserve", named).await.refused(409, "E3007");
    assert_verifies(&ledger.database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_settle_one_hold_on_two_servers_and_one_wins() {
    let mut ledger = Instance::start().await;
    ledger.add_server().await;
    give(&ledger, "alice", "500").await;
    let callers = everywhere(&ledger, "user", "alice").await;
    let reserved = callers[0].post("/api/v1/usage/reserve", json!({"amount": "200"})).await.expect(201);
    let path = format!("/api/v1/usage/{}/settle", id_of(&reserved));
    let settles = (1..=100_usize).map(|amount| {
        let (caller, path) = (callers[amount % callers.len()].clone(), path.clone());
        async move { caller.post(&path, json!({"amount": amount.to_string()})).await }
    });
    let answers = join_all(settles).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 99));
    for answer in lost {
        answer.refused(409, "E4083");
    }
    let charged: Credits = won[0].json()["charged"].as_str().expect("an amount").parse().expect("credits");
    let left = Credits::whole(500).checked_sub(charged).expect("no more than was given").to_string();
    assert_eq!(credits(&callers[1], &won[0]).await, [&*left, &*left, "0.00", "0.00"].map(str::to_owned));
    assert_eq!(ledger.events_of("alice", "hold", "settled").await, 1);
    assert_eq!(ledger.events_of("alice", "credit_account", "settled").await, 1);

    // The same amount from everybody is one settlement, and everybody is told of it.
    let reserved = callers[0].post("/api/v1/usage/reserve", json!({"amount": "2"})).await.expect(201);
    let path = format!("/api/v1/usage/{}/settle", id_of(&reserved));
    let settles = (0..100_usize).map(|number| {
        let caller = callers[number % callers.len()].with("idempotency-key", format!("k-{number}"));
        let path = path.clone();
        async move { caller.post(&path, json!({"amount": "1"})).await.expect(200) }
    });
    for answer in join_all(settles).await {
        assert_eq!(answer.json()["charged"], "1.00");
    }
    assert_eq!(ledger.events_of("alice", "hold", "settled").await, 2);
    assert_verifies(&ledger.database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reserve_what_is_there_for_a_hundred() {
    let mut ledger = Instance::start().await;
    ledger.set_to_ten().await;
    ledger.add_server().await;
    // 5.00 of quota and 5.00 of credits, for a hundred reservations of 0.10.
    ledger.bought("alice").await;
    give(&ledger, "alice", "5").await;
    let callers = everywhere(&ledger, "service", "gateway").await;
    let reservations = (0..1_000_usize).map(|number| {
        let caller = callers[number % callers.len()].clone();
        let wanted = json!({"account": "alice", "amount": "0.10", "reference": format!("job-{number}")});
        async move { caller.post("/api/v1/usage/reserve", wanted).await }
    });
    let answers = join_all(reservations).await;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in &answers {
        *statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(201, 100), (402, 900)]));
    assert_eq!(ledger.events_of("alice", "hold", "reserved").await, 100);

    // Half of them are charged and half come back, on whichever server; then exactly what came back is there.
    let held: Vec<String> = answers.iter().filter(|answer| answer.status == 201).map(id_of).collect();
    let ends = held.iter().enumerate().map(|(number, id)| {
        let (caller, acting) = (callers[number % callers.len()].clone(), "x-account-id");
        let caller = caller.with(acting, "alice");
        async move {
            match number % 2 {
                0 => caller.post(&format!("/api/v1/usage/{id}/settle"), json!({"amount": "0.10"})).await,
                _ => caller.post_nothing(&format!("/api/v1/usage/{id}/release")).await,
            }
        }
    });
    for answer in join_all(ends).await {
        answer.expect(200);
    }
    let charge = |amount: &str| json!({"account": "alice", "amount": amount});
    callers[0].post("/api/v1/usage", charge("5.000001")).await.refused(402, "E4001");
    let charged = callers[1].post("/api/v1/usage", charge("5.00")).await.expect(200);
    let alice = ledger.user("alice").await;
    assert_eq!(credits(&alice, &charged).await, ["0.00", "0.00", "0.00", "0.00"]);
    assert_verifies(&ledger.database.url()).await;
}

#[tokio::test]
async fn a_hold_that_nobody_settles_comes_back_by_itself() {
    let ledger = Instance::start().await;
    give(&ledger, "alice", "10").await;
    let alice = ledger.user("alice").await;
    let morning = Utc::now();
    let wanted = json!({"amount": "4.00", "expires_in_seconds": 600});
    let reserved = alice.post("/api/v1/usage/reserve", wanted).await.expect(201);
    let path = format!("/api/v1/usage/{}", id_of(&reserved));
    assert_eq!(credits(&alice, &reserved).await, ["10.00", "6.00", "4.00", "0.00"]);

    ledger.set_clock(morning + TimeDelta::minutes(11)).await;
    // From its moment on, whether or not the timer has been there.
    alice.post(&format!("{path}/settle"), json!({"amount": "4.00"})).await.refused(410, "E4085");
    eventually("the hold to be released", async || {
        (ledger.events_of("alice", "hold", "released").await == 1).then_some(())
    })
    .await;
    alice.post(&format!("{path}/settle"), json!({"amount": "4.00"})).await.refused(410, "E4085");
    eventually("the credits to be back", async || {
        let shown = alice.get("/api/v1/user/credits").await.expect(200).json();
        (shown["available"] == "10.00" && shown["frozen"] == "0.00").then_some(())
    })
    .await;
    let shown = alice.get(&format!("/api/v1/usage/holds/{}", id_of(&reserved))).await.expect(200).json();
    assert_eq!((&shown["state"], &shown["charged"]), (&json!("timed_out"), &json!("0.00")));
    assert_eq!(alice.post_nothing(&format!("{path}/release")).await.expect(200).json()["state"], "timed_out");
    books::agree(&ledger, &["alice"]).await;
}

#[tokio::test]
async fn a_grant_ends_by_itself_and_waits_for_what_is_held_of_it() {
    let ledger = Instance::start().await;
    let morning = Utc::now();
    let tomorrow = (morning + TimeDelta::days(1)).to_rfc3339();
    for (sub, amount) in [("alice", "10"), ("bob", "10")] {
        adjust(&ledger, sub, json!({"amount": amount, "reason": "for a day", "expires_at": tomorrow})).await;
    }
    let bob = ledger.user("bob").await;
    let wanted = json!({"amount": "4.00", "expires_in_seconds": 30 * 86_400});
    let reserved = bob.post("/api/v1/usage/reserve", wanted).await.expect(201);

    ledger.set_clock(morning + TimeDelta::days(2)).await;
    eventually("alice's grant to end", async || {
        (ledger.events_of("alice", "credit_account", "expired").await == 1).then_some(())
    })
    .await;
    assert_eq!(ledger.events_of("bob", "credit_account", "expired").await, 0, "something of it is held");
    let shown = bob.get("/api/v1/user/credits").await.expect(200).json();
    assert_eq!(
        (&shown["credits"], &shown["available"], &shown["frozen"]),
        (&json!("10.00"), &json!("0.00"), &json!("4.00"))
    );

    let path = format!("/api/v1/usage/{}/settle", id_of(&reserved));
    let settled = bob.post(&path, json!({"amount": "3.00"})).await.expect(200);
    assert_eq!(credits(&bob, &settled).await, ["0.00", "0.00", "0.00", "0.00"]);
    let lines = items(&bob.after(&settled).get("/api/v1/user/transactions").await.expect(200).json());
    let told: Vec<_> = lines.iter().map(|line| (line["type"].as_str(), line["amount"].as_str())).collect();
    let expected = [("expire", "-7.00"), ("settle", "-3.00"), ("hold", "0.00"), ("grant", "10.00")];
    assert_eq!(told, expected.map(|(kind, amount)| (Some(kind), Some(amount))));
    books::agree(&ledger, &["alice", "bob"]).await;
}

#[tokio::test]
async fn an_overdraft_happens_where_a_charge_allows_it_and_is_repaid_first() {
    let ledger = Instance::start().await;
    give(&ledger, "alice", "2").await;
    let alice = ledger.user("alice").await;
    alice.post("/api/v1/usage", json!({"amount": "5.00"})).await.refused(402, "E4001");
    alice.post("/api/v1/usage", json!({"amount": "5.00", "overdraft": "refuse"})).await.refused(402, "E4001");
    let allowed = json!({"amount": "5.00", "overdraft": "allow", "reference": "late"});
    alice.post("/api/v1/usage", allowed.clone()).await.refused(403, "E2005");
    let service = ledger.service().await.with("x-account-id", "alice");
    let charged = service.post("/api/v1/usage", allowed.clone()).await.expect(200);
    assert_eq!(charged.json()["credits"]["amount"], "2.00");
    assert_eq!(charged.json()["owed"], json!({"amount": "3.00", "shortfall": "3.00"}));
    let again = service.post("/api/v1/usage", allowed).await.expect(200);
    assert_eq!((again.is_replay(), &again.json()["owed"]), (true, &charged.json()["owed"]));
    // What is allowed is part of what was asked.
    alice.post("/api/v1/usage", json!({"amount": "5.00", "reference": "late"})).await.refused(409, "E3007");
    assert_eq!(credits(&alice, &charged).await, ["0.00", "0.00", "0.00", "3.00"]);
    let reserve = json!({"amount": "1.00", "overdraft": "allow"});
    alice.post("/api/v1/usage/reserve", reserve).await.refused(422, "E1002");

    let given = give(&ledger, "alice", "10").await;
    assert_eq!(given.json()["balance"], "7.00");
    assert_eq!(credits(&alice, &given).await, ["7.00", "7.00", "0.00", "0.00"]);
    let lines = items(&alice.after(&given).get("/api/v1/user/transactions").await.expect(200).json());
    let told: Vec<_> = lines.iter().map(|line| (line["type"].as_str(), line["balance_after"].as_str())).collect();
    let expected = [("repay", "7.00"), ("grant", "10.00"), ("overdraft", "0.00"), ("spend", "0.00"), ("grant", "2.00")];
    assert_eq!(told, expected.map(|(kind, balance)| (Some(kind), Some(balance))));
    let owed = items(&alice.get("/api/v1/user/transactions?type=overdraft").await.expect(200).json());
    assert_eq!((owed.len(), &owed[0]["moved"], &owed[0]["shortfall_after"]), (1, &json!("3.00"), &json!("3.00")));
    books::agree(&ledger, &["alice"]).await;
}
