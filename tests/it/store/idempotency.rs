//! Asked twice, recorded once, and answered the same each time: a command id is the caller's only way to find out what
//! became of what it asked.
//!
//! The commands here would be answered differently if they were decided again: spent already (a refusal), granted
//! already (nothing to do), or affordable twice (a second spend).

use std::collections::HashSet;

use aggregates::{AccountId, Recorded};
use billing_ledger::store::{ExecuteError, Receipt, Store, StoreOptions, UnitOfWork};
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::scene::{activate, events_in_log, neighbours, one_lane, open, owner, package, reusing};
use crate::support::database;
use crate::support::units::{account, account_in, balance_in, grant, part_of, spend, unit};

type Answered = Vec<(UnitOfWork, Receipt)>;

async fn answered(store: &Store, units: impl IntoIterator<Item = UnitOfWork>) -> Answered {
    let mut answered = Vec::new();
    for unit in units {
        let receipt = store.execute(unit.clone()).await.expect("recorded");
        assert!(!receipt.replayed && !receipt.events.is_empty());
        answered.push((unit, receipt));
    }
    answered
}

fn commands(account: &AccountId) -> Vec<UnitOfWork> {
    vec![grant(account, 100), spend(account, 30), spend(account, 60), grant(account, 5), spend(account, 15)]
}

/// Every one of them gets its first answer again, and its id cannot be used for anything else. Nothing is recorded.
async fn assert_remembered(store: &Store, answered: &Answered) {
    let before = events_in_log(store.pool()).await;
    for (unit, first) in answered {
        let again = store.execute(unit.clone()).await.expect("the first answer again");
        assert_eq!(again, Receipt { replayed: true, ..first.clone() });
        for other in [grant(&unit.account, 7), spend(&unit.account, 1_000)] {
            let refused = store.execute(reusing(&other, unit.clone())).await;
            assert!(matches!(refused, Err(ExecuteError::CommandReused(id)) if id == unit.command_id), "{refused:?}");
        }
    }
    assert_eq!(events_in_log(store.pool()).await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_repeat_gets_the_first_answer_again() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let answered = answered(&store, commands(&account("alice"))).await;
    assert_remembered(&store, &answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_many_other_commands_gets_the_first_answer_again() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    let early = answered(&store, commands(&alice)).await;
    // More than a lane remembers of an account that stays in memory all the time.
    answered(&store, (0..40).map(|n| unit(&alice, vec![activate(package(n), 1, 1)]))).await;
    // First the one that could not be done again: the log would not stop it, because nothing would be recorded.
    let unaffordable = vec![early[4].clone()];
    assert_remembered(&store, &unaffordable).await;
    assert_remembered(&store, &early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_the_account_left_the_memory_gets_the_first_answer_again() {
    let database = database().await;
    let store = open(&database, StoreOptions { cache_aggregates: 2, ..one_lane() }).await;
    let early = answered(&store, commands(&account("alice"))).await;
    answered(&store, (0..10).map(|n| grant(&account(&format!("other-{n}")), 1))).await;
    assert_remembered(&store, &early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_restart_gets_the_first_answer_again() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let answered = answered(&store, commands(&account("alice"))).await;
    store.close().await;
    assert_remembered(&open(&database, one_lane()).await, &answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_through_another_store_gets_the_first_answer_again() {
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let (alice, bob) = (account("alice"), account("bob"));
    // There, alice is in memory and bob is not.
    assert_eq!(balance_in(&there, &alice).await, 0);
    let answered = answered(&here, [commands(&alice), commands(&bob)].concat()).await;
    assert_remembered(&there, &answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_store_recorded_is_not_refused_here_although_it_cannot_be_done_twice() {
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let alice = account("alice");
    here.execute(grant(&alice, 10)).await.expect("granted");
    assert_eq!(balance_in(&there, &alice).await, 10);
    // Nothing else happens between the two: there, the account is in memory and as it was before.
    let everything = spend(&alice, 10);
    let first = here.execute(everything.clone()).await.expect("spent");
    let again = there.execute(everything).await.expect("the first answer, not a refusal");
    assert_eq!(again, Receipt { replayed: true, ..first });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_the_same_request_whenever_it_is_asked() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let mut answered = answered(&store, commands(&account("alice"))).await;
    for (unit, _) in &mut answered {
        unit.at += TimeDelta::days(400);
    }
    assert_remembered(&store, &answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_recorded_once_and_answered_alike() {
    let database = database().await;
    let stores = [open(&database, StoreOptions::default()).await, open(&database, StoreOptions::default()).await];
    for round in 0..10 {
        let alice = account(&format!("alice-{round}"));
        stores[0].execute(grant(&alice, 10)).await.expect("granted");
        // Even rounds through one store, odd ones through both; the account can pay once.
        let spend = spend(&alice, 10);
        let asked = (0..50).map(|n| stores[n % (1 + round % 2)].execute(spend.clone()));
        let answers: Vec<Receipt> =
            join_all(asked).await.into_iter().map(|answer| answer.expect("an answer")).collect();
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "recorded once");
        let different: Vec<&[Recorded]> = answers.iter().map(|answer| answer.events.as_slice()).collect();
        assert!(different.iter().all(|events| events.len() == 1 && *events == different[0]), "{different:?}");
        assert_eq!(answers.iter().map(|answer| answer.position).collect::<HashSet<_>>().len(), 1);
        assert_eq!(balance_in(&stores[1], &alice).await, 0);
    }
    assert_eq!(events_in_log(&owner(&database).await).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_in_two_accounts_is_two_commands() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, neighbour] = neighbours();
    let stranger = account_in("stranger", |part| part != part_of(&alice));
    let first = grant(&alice, 10);
    let mut recorded = answered(&store, [first.clone()]).await;
    for other in [neighbour, stranger] {
        let unit = UnitOfWork { account: other, ..first.clone() };
        recorded.extend(answered(&store, [unit]).await);
    }
    assert_remembered(&store, &recorded).await;
    store.close().await;
    assert_remembered(&open(&database, one_lane()).await, &recorded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_may_be_asked_again_and_then_be_recorded() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    let spend = spend(&alice, 10);
    assert!(matches!(store.execute(spend.clone()).await, Err(ExecuteError::Refused(_))));
    store.execute(grant(&alice, 10)).await.expect("granted");
    let receipt = store.execute(spend).await.expect("spent");
    assert!(!receipt.replayed);
}
