//! A database of the first release is brought up to date: what it passed over is asked for, and its read models refill.

use aggregates::OrderNumber;
use billing_ledger::embedded_postgres::shared::test_database;
use billing_ledger::processes::advance;
use billing_ledger::rebuild::{self, Options};
use billing_ledger::store::{MIGRATOR, StoreError, check_migrated, migrate};
use chrono::TimeDelta;
use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::{Executor, PgPool};

use super::agree::assert_agree;
use super::scene::{Scene, grant, pay, place, spend, time};
use crate::support::units::account;
use crate::support::{open_store, plain_pool};

const FIRST_RELEASE: i64 = 8;
const KINDS: [&str; 2] = ["expire_grant", "refund_duplicate"];

/// With the migrations up to this one, and no other.
async fn migrated_to(version: i64) -> Scene {
    let database = test_database("empty", async |_| Ok::<_, StoreError>(())).await.expect("a database");
    let pool = plain_pool(database.connect_options()).await;
    let known = MIGRATOR.iter().filter(|migration| migration.version <= version).cloned().collect::<Vec<_>>();
    Migrator { migrations: std::borrow::Cow::Owned(known), ..Migrator::DEFAULT }.run(&pool).await.expect("migrations");
    let store = open_store(database.connect_options()).await;
    Scene { database, store, pool }
}

/// Kind, key, account, payload, and when: for a timer.
async fn jobs(pool: &PgPool) -> Vec<(String, String, String, Value, Option<String>)> {
    sqlx::query_as(
        "SELECT kind, key, account_id, payload::jsonb, CASE WHEN by_business_clock THEN run_at::text END
           FROM jobs.jobs WHERE kind = ANY ($1) ORDER BY kind, key",
    )
    .bind(KINDS)
    .fetch_all(pool)
    .await
    .expect("the job table")
}

/// Grants that end, grants that do not, an order that is paid twice; and everybody has read all of it.
async fn used_by_the_first_release() -> Scene {
    let scene = migrated_to(FIRST_RELEASE).await;
    let now = time("2026-01-05T06:00:00.123456Z");
    for n in 0..5_u32 {
        let account = account(&format!("user-{n}"));
        let (order, placed) = place(&OrderNumber::new(now, n), now);
        let ends = |days| Some(now + TimeDelta::days(days));
        scene.tell(&account, now, vec![grant(1, "5", ends(3)), grant(2, "1", None), grant(3, "2", ends(30))]).await;
        scene.tell(&account, now, vec![placed, pay(order, "first", 3_000), pay(order, "第二笔", 3_000)]).await;
        scene.tell(&account, now, vec![spend("1.50")]).await;
    }
    for table in ["jobs.process_checkpoints", "read.checkpoints"] {
        let caught_up =
            format!("UPDATE {table} c SET position = h.position FROM ledger.log_heads h WHERE h.log_part = c.log_part");
        scene.pool.execute(&*caught_up).await.expect("checkpoints");
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_release_passed_over_is_asked_for_and_its_read_models_refill() {
    let mut scene = used_by_the_first_release().await;
    let connect = scene.database.connect_options();
    scene.store.close().await;
    // Two at once wait for each other, and one of them does it.
    let (one, other) = tokio::join!(migrate(&connect), migrate(&connect));
    one.and(other).expect("migrated");
    let asked = jobs(&scene.pool).await;
    assert_eq!(asked.len(), 5 * (2 + 1), "{asked:?}");

    // The very jobs that today's processes make of those events.
    scene.pool.execute("DELETE FROM jobs.jobs; UPDATE jobs.process_checkpoints SET position = 0").await.expect("reset");
    while advance(&scene.pool, 100).await.expect("processes").events > 0 {}
    assert_eq!(jobs(&scene.pool).await, asked);

    scene.store = open_store(connect.clone()).await;
    assert!(scene.catch_up().await > 0);
    assert_agree(&scene).await;
    let check = Options { check: true, ..Options::default() };
    let rebuilt = rebuild::run(&connect, &check, |_, _| ()).await.expect("rebuilt");
    assert!(rebuilt.is_same() && !rebuilt.swapped, "{rebuilt:?}");
}

#[tokio::test]
async fn a_server_does_not_start_where_one_of_the_migrations_is_missing() {
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().expect("migrations");
    for version in [FIRST_RELEASE, newest - 1] {
        let scene = migrated_to(version).await;
        assert!(matches!(check_migrated(&scene.pool).await, Err(StoreError::NotMigrated)), "{version}");
        migrate(&scene.database.connect_options()).await.expect("migrated");
        check_migrated(&scene.pool).await.expect("up to date");
    }
}

/// A migration was cut off while it made an index: what is left of it is of no use.
#[tokio::test]
async fn an_index_that_was_half_made_is_made_anew() {
    let scene = migrated_to(13).await;
    let half = "CREATE INDEX process_events ON ledger.events (log_part);
                UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ledger.process_events'::regclass";
    scene.pool.execute(half).await.expect("half an index");
    migrate(&scene.database.connect_options()).await.expect("migrated");
    let made: Vec<(String, bool)> = sqlx::query_as(
        "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index
          WHERE indexrelid IN (to_regclass('ledger.process_events'), to_regclass('ledger.events_for_processes'))",
    )
    .fetch_all(&scene.pool)
    .await
    .expect("indexes");
    assert!(matches!(&*made, [(index, true)] if index.contains("'granted'")), "{made:?}");
}
