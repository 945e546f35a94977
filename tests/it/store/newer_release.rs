//! A partition that holds what this build does not know is not written by it: decisions on half-understood state would
//! be wrong. Other partitions go on.

use aggregates::AccountId;
use billing_ledger::store::{ExecuteError, Store};
use sqlx::{ConnectOptions, PgConnection};

use super::by_hand::Written;
use super::scene::{ask, events_in_log, neighbours, one_lane, open};
use crate::support::database;
use crate::support::units::{account_in, balance_in, grant, part_of, spend};

/// Of an aggregate we know, in a shape we know of an event we do not, and of an aggregate we do not.
fn newer(account: &AccountId, version: i64) -> [Written; 3] {
    let minted = Written::on_credits_of(account, version, "minted", r#"{"amount": 5}"#);
    let granted = Written { event_type: "granted", schema_version: 2, ..minted.clone() };
    let made = Written {
        aggregate_type: "wish",
        aggregate_id: uuid::Uuid::from_u128(77),
        version: 1,
        event_type: "made",
        ..minted.clone()
    };
    [minted, granted, made]
}

async fn write(database: &billing_ledger::embedded_postgres::shared::TestDatabase, written: &Written) {
    let mut connection: PgConnection = database.connect_options().connect().await.expect("a connection");
    assert_eq!(written.append(&mut connection).await.expect("an outcome"), "committed");
}

/// Whatever is asked of that partition is refused, whoever asks; another one takes it.
async fn assert_refused_there_only(store: &Store, written: &Written, neighbour: &AccountId) {
    let before = events_in_log(store.pool()).await;
    for unit in [grant(&written.account, 1), spend(&written.account, 1), grant(neighbour, 1), spend(neighbour, 9_999)] {
        match store.execute(unit).await {
            Err(ExecuteError::NewerRelease { log_part, event }) => {
                assert_eq!(log_part, part_of(&written.account));
                assert!(event.contains(written.event_type), "{event}");
            }
            other => panic!("{written:?}: {other:?}"),
        }
    }
    assert_eq!(events_in_log(store.pool()).await, before);
    let elsewhere = account_in("elsewhere", |part| part != part_of(&written.account));
    let balance = balance_in(store, &elsewhere).await;
    store.execute(grant(&elsewhere, 1)).await.expect("recorded");
    assert_eq!(balance_in(store, &elsewhere).await, balance + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_store_opened_is_respected() {
    let [alice, neighbour] = neighbours();
    for written in newer(&alice, 2) {
        let database = database().await;
        let store = open(&database, one_lane()).await;
        store.execute(grant(&alice, 10)).await.expect("recorded");
        store.close().await;
        write(&database, &written).await;
        assert_refused_there_only(&open(&database, one_lane()).await, &written, &neighbour).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_appears_while_the_store_runs_is_respected_by_an_account_in_memory() {
    let [alice, neighbour] = neighbours();
    for written in newer(&alice, 2) {
        let database = database().await;
        let store = open(&database, one_lane()).await;
        store.execute(grant(&alice, 10)).await.expect("recorded");
        write(&database, &written).await;
        assert_refused_there_only(&store, &written, &neighbour).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_appears_while_the_store_runs_is_respected_by_an_account_that_is_not() {
    let [alice, neighbour] = neighbours();
    for written in newer(&alice, 1) {
        let database = database().await;
        let store = open(&database, one_lane()).await;
        store.execute(grant(&neighbour, 10)).await.expect("recorded");
        write(&database, &written).await;
        assert_refused_there_only(&store, &written, &neighbour).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_given_on_half_understood_state() {
    let [alice, _] = neighbours();
    let database = database().await;
    let store = open(&database, one_lane()).await;
    store.execute(grant(&alice, 10)).await.expect("recorded");
    let [minted, ..] = newer(&alice, 2);
    write(&database, &minted).await;
    // Fifteen might be there by now: this build cannot say.
    let answer = ask(&store, spend(&alice, 15)).await.await;
    assert!(matches!(answer, Err(ExecuteError::NewerRelease { .. })), "{answer:?}");
}
