//! Snapshots save time and decide nothing.

use aggregates::AccountId;
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{Store, StoreOptions};
use sqlx::PgPool;

use super::scene::{activate, charge, credits_of, one_lane, open, owner, package};
use crate::support::log::folded;
use crate::support::units::{account, balance_in, grant, spend, state_in, unit};
use crate::support::{database, eventually};

const EVERY: i64 = 3;

fn options() -> StoreOptions {
    StoreOptions { snapshot_every: EVERY, ..one_lane() }
}

/// Gives an account `n` events.
async fn grants(store: &Store, account: &AccountId, n: i64) {
    for _ in 0..n {
        store.execute(grant(account, 1)).await.expect("recorded");
    }
}

async fn snapshot_version(pool: &PgPool, account: &AccountId) -> i64 {
    let found = sqlx::query_scalar("SELECT version FROM ledger.snapshots WHERE aggregate_id = $1");
    found.bind(account.key().uuid()).fetch_optional(pool).await.expect("an answer").unwrap_or_default()
}

async fn snapshot_reaches(pool: &PgPool, account: &AccountId, version: i64) {
    eventually("a snapshot", async || (snapshot_version(pool, account).await >= version).then_some(())).await;
}

/// A database in which the account has ten credits and a snapshot of at least nine of them.
async fn with_snapshot(alice: &AccountId) -> (TestDatabase, PgPool) {
    let database = database().await;
    let pool = owner(&database).await;
    let store = open(&database, options()).await;
    grants(&store, alice, 10).await;
    snapshot_reaches(&pool, alice, 9).await;
    store.close().await;
    (database, pool)
}

async fn change_snapshots(pool: &PgPool, change: &'static str) {
    let changed = sqlx::query(change).execute(pool).await.expect("changed");
    assert_eq!(changed.rows_affected(), 1);
}

/// Without this the tests below would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cold_load_starts_from_the_snapshot() {
    let alice = account("alice");
    let (database, pool) = with_snapshot(&alice).await;
    let lie = "UPDATE ledger.snapshots SET version = 9, state = '{\"grants\": [], \"balance\": 1000}'";
    change_snapshots(&pool, lie).await;
    let store = open(&database, StoreOptions { snapshot_every: 1_000, ..options() }).await;
    // The tenth event says that the balance is ten, the grants before it come from the snapshot: none.
    let refused = store.execute(spend(&alice, 10)).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_schema_is_ignored_and_replaced() {
    let alice = account("alice");
    let (database, pool) = with_snapshot(&alice).await;
    let other = "UPDATE ledger.snapshots SET state_schema = state_schema + 1, state = '{\"other\": 1}'";
    change_snapshots(&pool, other).await;
    let store = open(&database, options()).await;
    store.execute(spend(&alice, 10)).await.expect("all ten are there");
    let current = "SELECT version FROM ledger.snapshots WHERE state_schema = $1";
    let schema = aggregates::State::schema(aggregates::AggregateKind::CreditAccount);
    let version = eventually("a snapshot of this schema", async || {
        sqlx::query_scalar::<_, i64>(current).bind(schema).fetch_optional(&pool).await.expect("an answer")
    })
    .await;
    assert_eq!(version, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_snapshot_everything_is_as_before() {
    let database = database().await;
    let pool = owner(&database).await;
    let store = open(&database, options()).await;
    let accounts: Vec<AccountId> = (0..5).map(|n| account(&format!("customer-{n}"))).collect();
    for (n, account) in (0..).zip(&accounts) {
        grants(&store, account, 4).await;
        store.execute(unit(account, vec![activate(package(n), 10, 3)])).await.expect("recorded");
        for _ in 0..4 {
            store.execute(unit(account, vec![charge(3)])).await.expect("recorded");
        }
        snapshot_reaches(&pool, account, 3).await;
    }
    store.close().await;
    let folded = folded(&pool).await;
    for delete in [false, true] {
        if delete {
            let gone = sqlx::query("DELETE FROM ledger.snapshots").execute(&pool).await.expect("deleted");
            assert!(gone.rows_affected() >= 10, "{gone:?}");
        }
        let store = open(&database, options()).await;
        for (n, account) in (0..).zip(&accounts) {
            for id in [credits_of(account), aggregates::AggregateId::user_package(package(n))] {
                assert_eq!(state_in(&store, account, id).await, folded[&id].state);
            }
        }
        store.close().await;
    }
}

/// Whatever was skipped, lost or deleted: a load that had to read many events sees to it that the next one has not.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_cold_load_the_next_one_reads_few_events() {
    let database = database().await;
    let pool = owner(&database).await;
    let alice = account("alice");
    let never = StoreOptions { snapshot_every: 1_000_000, ..options() };
    let store = open(&database, never).await;
    grants(&store, &alice, 50).await;
    store.close().await;
    assert_eq!(snapshot_version(&pool, &alice).await, 0);

    let store = open(&database, options()).await;
    assert_eq!(balance_in(&store, &alice).await, 50);
    snapshot_reaches(&pool, &alice, 50 - 2 * EVERY).await;
    // And while it is written to.
    for version in 51..=60 {
        grants(&store, &alice, 1).await;
        snapshot_reaches(&pool, &alice, version - 2 * EVERY).await;
    }
}

/// Two stores write snapshots of the same aggregate, in no particular order.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_never_goes_back() {
    let (alice, bob) = (account("alice"), account("bob"));
    let (database, pool) = with_snapshot(&alice).await;
    change_snapshots(&pool, "UPDATE ledger.snapshots SET version = 1000").await;
    let store = open(&database, options()).await;
    grants(&store, &alice, EVERY).await;
    // They are written one after the other: once this one is there, that of alice has been.
    grants(&store, &bob, EVERY).await;
    snapshot_reaches(&pool, &bob, EVERY).await;
    assert_eq!(snapshot_version(&pool, &alice).await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_two_stores_are_what_the_events_make() {
    let database = database().await;
    let pool = owner(&database).await;
    let alice = account("alice");
    let (here, there) = (open(&database, options()).await, open(&database, options()).await);
    for _ in 0..15 {
        grants(&here, &alice, 1).await;
        grants(&there, &alice, 1).await;
    }
    here.close().await;
    there.close().await;
    assert!(snapshot_version(&pool, &alice).await >= 30 - 2 * EVERY);
    // Compares every snapshot with the events up to it.
    folded(&pool).await;
}
