//! Two processes on one database: together on the same accounts, and each on its own share of them.

use billing_ledger::bench::workload::{CHARGE_MICROS, Workload};
use sqlx::PgPool;

use crate::support::follower::Followers;
use crate::support::log::{all_stores_gone, assert_agrees, assert_recorded_once, folded, recorded_commands, taken};
use crate::support::process::{Worker, assert_verifies};
use crate::support::{database, open_store, plain_pool};

const ACCOUNTS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_the_same_accounts_record_every_charge_once_and_neither_starves() {
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    let workload = Workload::new("shared", ACCOUNTS).unwrap();
    let setting_up = open_store(db.connect_options()).await;
    workload.set_up(&setting_up).await.unwrap();
    setting_up.close().await;

    let followers = Followers::start(&pool);
    let arguments = ["--set", "shared", "--accounts", "50", "--callers", "64", "--seconds", "20"];
    let url = db.url();
    let (one, other) = tokio::join!(Worker::start(&url, &arguments), Worker::start(&url, &arguments));
    let ((mut acknowledged, one), (others, other)) = tokio::join!(one.finish(), other.finish());
    acknowledged.extend(others);
    all_stores_gone(&pool).await;
    followers.assert_saw_everything().await;

    assert_eq!(acknowledged.len() as u64, one.charges + other.charges);
    let fair = acknowledged.len() as u64 / 20;
    assert!(one.charges.min(other.charges) >= fair, "{} and {} charges", one.charges, other.charges);
    assert_recorded_once(&pool, &acknowledged).await;
    let recorded = recorded_commands(&pool).await;
    assert_eq!(recorded.len() as u64, acknowledged.len() as u64 + ACCOUNTS, "both processes ended in peace");
    assert_eq!(taken(&pool).await, acknowledged.len() as i64 * CHARGE_MICROS);
    let cold = open_store(db.connect_options()).await;
    assert_agrees(&cold, workload.accounts(), &folded(&pool).await).await;
    cold.close().await;
    assert_eq!(deadlocks(&pool).await, 0);
    assert!(one.stats["conflicts"] + other.stats["conflicts"] > 0, "they did meet");
    assert_verifies(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_each_get_their_share_never_meet() {
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    let workload = Workload::new("routed", ACCOUNTS).unwrap();
    let setting_up = open_store(db.connect_options()).await;
    workload.set_up(&setting_up).await.unwrap();
    setting_up.close().await;

    let share = |share| ["--set", "routed", "--accounts", "50", "--callers", "64", "--seconds", "5", "--share", share];
    let url = db.url();
    let (even, odd) = (share("0/2"), share("1/2"));
    let (even, odd) = tokio::join!(Worker::start(&url, &even), Worker::start(&url, &odd));
    let ((mut acknowledged, even), (others, odd)) = tokio::join!(even.finish(), odd.finish());
    acknowledged.extend(others);
    for counted in [even, odd] {
        assert!(counted.charges > 0);
        assert_eq!((counted.stats["conflicts"], counted.stats["locked_batches"]), (0, 0));
    }
    assert_recorded_once(&pool, &acknowledged).await;
    assert_eq!(taken(&pool).await, acknowledged.len() as i64 * CHARGE_MICROS);
}

async fn deadlocks(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        .fetch_one(pool)
        .await
        .unwrap()
}
