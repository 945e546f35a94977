//! Older shapes of events. How they are raised is proved where it is done (`aggregates::upcast`, `aggregates::event`);
//! no shape has been retired yet, so from out here one thing can be seen: a shape without a step up is not guessed at.

use aggregates::Event;
use billing_ledger::store::ExecuteError;
use sqlx::ConnectOptions;

use super::by_hand::Written;
use super::scene::{neighbours, one_lane, open};
use crate::support::database;
use crate::support::units::{balance_in, grant};

#[tokio::test(flavor = "multi_thread")]
async fn an_older_shape_without_a_step_up_fails_its_own_account_and_no_other() {
    const GRANTED: &str =
        r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":10,"balance":10}"#;
    let database = database().await;
    let [alice, bob] = neighbours();
    let old = Written { schema_version: 0, ..Written::on_credits_of(&alice, 1, "granted", GRANTED) };
    let read = Event::from_parts(aggregates::AggregateKind::CreditAccount, "granted", 0, GRANTED);
    assert!(read.is_err(), "this test needs a shape that nobody can raise");

    let mut connection = database.connect_options().connect().await.expect("a connection");
    assert_eq!(old.append(&mut connection).await.expect("an outcome"), "committed");
    let store = open(&database, one_lane()).await;
    for _ in 0..2 {
        let answer = store.execute(grant(&alice, 1)).await;
        assert!(matches!(answer, Err(ExecuteError::Trouble(_))), "{answer:?}");
        store.execute(grant(&bob, 1)).await.expect("recorded");
    }
    assert_eq!(balance_in(&store, &bob).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_of_anothers_account_holds_up_nobody() {
    let database = database().await;
    let [alice, bob] = neighbours();
    let store = open(&database, one_lane()).await;
    store.execute(grant(&alice, 1)).await.expect("recorded");
    store.execute(grant(&bob, 1)).await.expect("recorded");
    // Written while the store runs, known by name and version, and not readable: the store comes across it while it
    // catches up.
    let torn = Written::on_credits_of(&alice, 2, "granted", r#"{"no": "grant"}"#);
    let mut connection = database.connect_options().connect().await.expect("a connection");
    assert_eq!(torn.append(&mut connection).await.expect("an outcome"), "committed");
    store.execute(grant(&bob, 1)).await.expect("recorded");
    let answer = store.execute(grant(&alice, 1)).await;
    assert!(matches!(answer, Err(ExecuteError::Trouble(_))), "{answer:?}");
    assert_eq!(balance_in(&store, &bob).await, 2);
}
