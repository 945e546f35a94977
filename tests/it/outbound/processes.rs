//! Processes: each event is answered once, and what ends by itself ends.

use aggregates::UserPackageId;
use billing_ledger::processes::kinds::{EXPIRE_ORDER, EXPIRE_PACKAGE};
use billing_ledger::processes::{Advanced, advance, lag};
use billing_ledger::providers::{OrderRef, Provider};
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::scene::Scene;
use crate::support::eventually;

async fn jobs_of(scene: &Scene) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM jobs.jobs").fetch_one(&scene.pool).await.unwrap()
}

#[tokio::test]
async fn many_readers_answer_each_event_once() {
    let scene = Scene::set().await;
    let mut asks = 0;
    for round in 0..5 {
        for n in 0..4 {
            scene.buy(&format!("customer-{round}-{n}")).await;
        }
        for advanced in join_all((0..4).map(|_| advance(&scene.pool, 3))).await {
            asks += advanced.unwrap().asks;
        }
    }
    loop {
        let advanced = advance(&scene.pool, 3).await.unwrap();
        if advanced.events == 0 {
            break;
        }
        asks += advanced.asks;
    }
    // Each purchase: one order that will end and is asked about, one payment that is watched, one package that will end,
    // and one key to make.
    assert_eq!((asks, jobs_of(&scene).await), (20 * 5, 20 * 5));
    assert_eq!(advance(&scene.pool, 100).await.unwrap(), Advanced::default(), "nothing is answered twice");
    scene.end().await;
}

#[tokio::test]
async fn a_crash_before_the_commit_loses_nothing() {
    let scene = Scene::set().await;
    scene.buy("alice").await;
    // The jobs cannot be written, so the checkpoint does not move either.
    sqlx::query("ALTER TABLE jobs.jobs RENAME TO gone").execute(&owner(&scene).await).await.unwrap();
    assert!(advance(&scene.pool, 100).await.is_err());
    sqlx::query("ALTER TABLE jobs.gone RENAME TO jobs").execute(&owner(&scene).await).await.unwrap();
    assert_eq!(advance(&scene.pool, 100).await.unwrap().asks, 5);
    scene.end().await;
}

/// An event that a later release wrote, say.
#[tokio::test]
async fn an_event_that_cannot_be_read_holds_up_its_own_partition_only() {
    let scene = Scene::set().await;
    let alice = scene.buy("alice").await;
    let part = i16::from(alice.account.key().log_part().number());
    let unreadable = "UPDATE ledger.events SET schema_version = 99 WHERE log_part = $1 AND event_type = 'requested'";
    let mut owner_session = owner(&scene).await.acquire().await.unwrap();
    sqlx::query("SET session_replication_role = replica").execute(&mut *owner_session).await.unwrap();
    sqlx::query(unreadable).bind(part).execute(&mut *owner_session).await.unwrap();
    let others: Vec<String> = (0..5).map(|n| format!("customer-{n}")).collect();
    let elsewhere = |name: &&String| {
        let account = aggregates::AccountId::try_new(name.as_str()).unwrap();
        i16::from(account.key().log_part().number()) != part
    };
    let others: Vec<&String> = others.iter().filter(elsewhere).collect();
    for name in &others {
        scene.buy(name).await;
    }
    let first = advance(&scene.pool, 100).await.unwrap();
    // Of Alice's, what came before it: her order and her package will end, her order is asked about and her payment watched.
    assert_eq!(first.asks, 4 + others.len() * 5);
    let again = advance(&scene.pool, 100).await.unwrap();
    assert_eq!((again.events, again.asks), (0, 0), "nobody spins on it");
    assert_eq!(again.stuck.iter().map(|stuck| stuck.log_part).collect::<Vec<_>>(), [part]);
    assert!(lag(&scene.pool).await.unwrap() > 0);

    let readable = "UPDATE ledger.events SET schema_version = 1 WHERE log_part = $1 AND event_type = 'requested'";
    sqlx::query(readable).bind(part).execute(&mut *owner_session).await.unwrap();
    assert_eq!(advance(&scene.pool, 100).await.unwrap().asks, 1);
    assert_eq!(lag(&scene.pool).await.unwrap(), 0);
    scene.end().await;
}

async fn owner(scene: &Scene) -> sqlx::PgPool {
    crate::support::plain_pool(scene.connect_options()).await
}

/// The question of `processes/runner.rs` reads through an index that charges do not enter.
#[tokio::test]
async fn a_flood_of_charges_is_not_read() {
    let scene = Scene::set().await;
    scene.buy("alice").await;
    while advance(&scene.pool, 100).await.unwrap().events > 0 {}
    scene.flood("alice", 500).await;
    sqlx::query("ANALYZE ledger.events").execute(&owner(&scene).await).await.unwrap();
    assert_eq!(advance(&scene.pool, 100).await.unwrap(), Advanced::default());
    let used = "SELECT coalesce(idx_tup_read, 0) FROM pg_stat_user_indexes WHERE indexrelname = 'process_events'";
    let size = "SELECT pg_relation_size('ledger.process_events') / 8192";
    let pages: i64 = sqlx::query_scalar(size).fetch_one(&scene.pool).await.unwrap();
    assert!(pages <= 4, "charges are not in the index: {pages} pages");
    eventually("the index to be used", async || {
        advance(&scene.pool, 100).await.unwrap();
        let read: i64 = sqlx::query_scalar(used).fetch_one(&scene.pool).await.unwrap();
        (read > 0).then_some(())
    })
    .await;
    scene.end().await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_expires_at_its_time_and_not_before() {
    let scene = Scene::at_work().await;
    let bought = scene.order("alice").await;
    let key = bought.order.to_string();
    let timer = || scene.job_state(EXPIRE_ORDER, &key);
    eventually("a timer", async || timer().await).await;
    scene.clock.advance(TimeDelta::minutes(14));
    assert_eq!(timer().await.as_deref(), Some("queued"));
    assert!(!scene.event_types(bought.order.uuid()).await.contains(&"expired".to_owned()));
    scene.clock.advance(TimeDelta::minutes(2));
    eventually("the end", async || (timer().await.as_deref() == Some("done")).then_some(())).await;
    assert_eq!(scene.event_types(bought.order.uuid()).await.last().map(String::as_str), Some("expired"));

    // Late money is still money.
    scene.pay(&bought).await;
    assert_eq!(scene.event_types(bought.order.uuid()).await.last().map(String::as_str), Some("fulfilled"));
    scene.end().await;
}

#[tokio::test]
async fn the_provider_is_asked_before_an_order_expires() {
    let scene = Scene::at_work().await;
    let bought = scene.order("alice").await;
    // Paid there, and the notice got lost.
    scene.sandbox.pay(&bought.number.parse().unwrap(), "alipay").await.unwrap().unwrap();
    scene.clock.advance(TimeDelta::minutes(16));
    scene.delivers(&bought).await;
    let types = scene.event_types(bought.order.uuid()).await;
    assert!(types.contains(&"fulfilled".to_owned()) && !types.contains(&"expired".to_owned()), "{types:?}");
    scene.end().await;
}

#[tokio::test]
async fn two_clicks_at_once_pay_once_and_the_right_amount_counts() {
    let scene = Scene::set().await;
    let bought = scene.order("alice").await;
    let number = bought.number.parse().unwrap();
    // Something odd came first.
    let odd = format!(r#"{{"order_no":"{number}","transaction_id":"odd","payment_method":"x","amount":"0.01"}}"#);
    scene.sandbox.hear(odd.as_bytes()).await.unwrap();
    let clicks = join_all((0..8).map(|_| scene.sandbox.pay(&number, "alipay"))).await;
    let mut payments: Vec<_> = clicks.into_iter().map(|paid| paid.unwrap().unwrap().payment).collect();
    payments.dedup();
    assert_eq!(payments.len(), 1, "{payments:?}");
    assert_eq!(payments[0].amount.to_string(), "30.00");
    let asked = OrderRef { number, reference: None, price: payments[0].amount };
    let known = scene.sandbox.payments(&asked).await.unwrap();
    assert_eq!(known[0].payment, payments[0]);
    scene.end().await;
}

#[tokio::test]
async fn a_paid_order_never_expires() {
    let scene = Scene::at_work().await;
    let bought = scene.buy("alice").await;
    scene.clock.advance(TimeDelta::minutes(16));
    let key = bought.order.to_string();
    eventually("the timer", async || {
        (scene.job_state(EXPIRE_ORDER, &key).await.as_deref() == Some("done")).then_some(())
    })
    .await;
    assert!(!scene.event_types(bought.order.uuid()).await.contains(&"expired".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn a_package_expires_once_when_its_days_are_over() {
    let scene = Scene::at_work().await;
    scene.work();
    let bought = scene.buy("alice").await;
    let package = UserPackageId::of_order(bought.order).uuid();
    let key = package.to_string();
    let state = || scene.job_state(EXPIRE_PACKAGE, &key);
    eventually("a timer", async || state().await).await;
    scene.clock.advance(TimeDelta::days(30) - TimeDelta::minutes(1));
    assert_eq!(scene.event_types(package).await, ["activated"]);
    scene.clock.advance(TimeDelta::minutes(1));
    eventually("the end", async || (state().await.as_deref() == Some("done")).then_some(())).await;
    assert_eq!(scene.event_types(package).await, ["activated", "expired"]);
    scene.end().await;
}
