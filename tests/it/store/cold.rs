//! Loading what is not in memory: few round trips, and one that cannot be had is not everybody's trouble.

use std::sync::atomic::Ordering;

use aggregates::{AggregateKind, State};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{ExecuteError, Store};

use super::scene::{activate, charge, one_lane, open, owner, package, purchase};
use crate::support::database;
use crate::support::units::{account, grant, part_of, spend, unit};

const PACKAGES: u128 = 64;

/// A store that has nothing in memory, on a log in which alice has many packages of one credit a day each.
async fn cold_store() -> (TestDatabase, Store) {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let all = (0..PACKAGES).map(|number| activate(package(number), 1, 30)).collect();
    store.execute(unit(&account("alice"), all)).await.expect("recorded");
    store.close().await;
    let cold = open(&database, one_lane()).await;
    (database, cold)
}

fn loads(store: &Store) -> u64 {
    store.stats().loads.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_of_many_cold_packages_takes_two_loads_and_not_one_for_each() {
    let (_database, store) = cold_store().await;
    let alice = account("alice");
    let receipt = store.execute(unit(&alice, vec![charge(64)])).await.expect("recorded");
    assert_eq!(receipt.events.len(), 64);
    assert_eq!(loads(&store), 2, "what the account holds, then the packages");
    store.execute(unit(&alice, vec![charge(1)])).await.expect_err("all is used up");
    assert_eq!(loads(&store), 3, "credits, which were not needed before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_takes_one_load() {
    let database = database().await;
    let (alice, mut commands) = (account("alice"), purchase(1, 5));
    let follow_ups = commands.split_off(2);
    let pay = commands.split_off(1);
    let store = open(&database, one_lane()).await;
    store.execute(unit(&alice, commands)).await.expect("placed");
    store.close().await;
    let store = open(&database, one_lane()).await;
    assert_eq!(store.execute(unit(&alice, pay)).await.expect("paid").events.len(), 5);
    assert_eq!(loads(&store), 1);
    store.execute(unit(&alice, follow_ups)).await.expect("recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_are_loaded_together_a_broken_one_fails_only_who_needs_it() {
    let (database, store) = cold_store().await;
    let alice = account("alice");
    for broken in [3, 4] {
        let lie = sqlx::query(
            "INSERT INTO ledger.snapshots (log_part, aggregate_id, aggregate_type, state_schema, version, state)
             VALUES ($1, $2, 'user_package', $3, 1, '{\"no\": \"state\"}')",
        );
        let lie = lie.bind(i16::from(part_of(&alice).number())).bind(package(broken).uuid());
        let lie = lie.bind(State::schema(AggregateKind::UserPackage));
        lie.execute(&owner(&database).await).await.expect("a snapshot");
    }
    let charge = unit(&alice, vec![charge(64)]);
    let (charged, granted, spent) =
        tokio::join!(store.execute(charge), store.execute(grant(&alice, 2)), store.execute(spend(&alice, 1)));
    assert!(matches!(charged, Err(ExecuteError::Trouble(_))), "{charged:?}");
    granted.expect("recorded");
    spent.expect("recorded");
}
