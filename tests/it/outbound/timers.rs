//! Grants and holds end by themselves: early, in time, held, used up, and asked for twice.

use aggregates::{AccountId, AggregateId, Command, CreditAccountCommand, GrantId, GrantSource, HoldId, State};
use billing_ledger::dispatch::{Actor, Reservation, ids};
use billing_ledger::jobs::{Job, Outcome};
use billing_ledger::processes::kinds::{EXPIRE_GRANT, RELEASE_HOLD};
use billing_ledger::workers::jobs::{JobOptions, JobRunner};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::scene::Scene;
use crate::support::eventually;

const GRANT: GrantId = GrantId::from_uuid(Uuid::from_u128(1));

fn alice() -> AccountId {
    AccountId::try_new("alice").expect("an account")
}

fn actor() -> Actor {
    Actor::new("alice", "user")
}

/// Ten credits for a day; when they end.
async fn granted(scene: &Scene, grant: GrantId) -> DateTime<Utc> {
    let expires_at = (scene.clock.now() + TimeDelta::days(1)).trunc_subsecs(6);
    let (source, amount) = (GrantSource::Promotion, "10".parse().expect("credits"));
    let grant = CreditAccountCommand::Grant { grant, source, amount, expires_at: Some(expires_at), reason: None };
    let commands = vec![Command::CreditAccount(grant)];
    scene.dispatcher.execute(&alice(), &actor(), ids::fresh(), commands).await.expect("granted");
    expires_at
}

async fn reserved(scene: &Scene, amount: &str, expires_in: TimeDelta) -> HoldId {
    let amount = amount.parse().expect("credits");
    let wanted = Reservation {
        amount,
        reference: None,
        meter: None,
        by: aggregates::Party::Account,
        metadata: None,
        expires_in,
    };
    scene.dispatcher.reserve(&alice(), &actor(), None, wanted).await.expect("reserved").id
}

fn job(kind: &str, key: String, attempt: i32) -> Job {
    let (account_id, payload) = (Some("alice".to_owned()), json!({"grant": GRANT}));
    Job { id: 1, kind: kind.to_owned(), key, account_id, payload, attempt, tries: 1, last_error: None }
}

/// How the timer of the grant ends, and what the account's credits have been through.
async fn expire(scene: &Scene, attempt: i32) -> (Outcome, Vec<String>) {
    let outcome = scene.handler(EXPIRE_GRANT).run(&job(EXPIRE_GRANT, "a grant".to_owned(), attempt)).await;
    (outcome, scene.event_types(AggregateId::credit_account(alice().key()).id).await)
}

async fn release(scene: &Scene, hold: HoldId) -> (Outcome, Vec<String>) {
    let outcome = scene.handler(RELEASE_HOLD).run(&job(RELEASE_HOLD, hold.to_string(), 1)).await;
    (outcome, scene.event_types(hold.uuid()).await)
}

#[tokio::test]
async fn a_grant_is_ended_once_and_not_before_its_time() {
    let scene = Scene::set().await;
    assert_eq!(expire(&scene, 1).await.0, Outcome::Done, "there is no such grant");
    let expires_at = granted(&scene, GRANT).await;
    assert_eq!(expire(&scene, 2).await, (Outcome::NotBefore(expires_at), vec!["granted".to_owned()]));
    scene.clock.advance(TimeDelta::days(1));
    let over = ["granted", "expired"].map(str::to_owned).to_vec();
    assert_eq!(expire(&scene, 3).await, (Outcome::Done, over.clone()));
    assert_eq!(expire(&scene, 4).await, (Outcome::Done, over));
    scene.end().await;
}

#[tokio::test]
async fn a_grant_of_which_something_is_held_is_looked_at_again_later() {
    let scene = Scene::set().await;
    granted(&scene, GRANT).await;
    let hold = reserved(&scene, "4", TimeDelta::days(2)).await;
    scene.clock.advance(TimeDelta::days(1));
    let (outcome, history) = expire(&scene, 1).await;
    let Outcome::NotBefore(later) = outcome else { panic!("{outcome:?}") };
    assert!(later > scene.clock.now() + TimeDelta::minutes(50), "{later}");
    assert_eq!(history, ["granted", "held"]);
    scene.dispatcher.release(&alice(), &actor(), None, hold, aggregates::Party::Account).await.expect("released");
    assert_eq!(
        expire(&scene, 2).await,
        (Outcome::Done, ["granted", "held", "settled", "expired"].map(str::to_owned).to_vec())
    );
    scene.end().await;
}

#[tokio::test]
async fn a_hold_is_released_once_and_not_before_its_time() {
    let scene = Scene::set().await;
    granted(&scene, GRANT).await;
    let hold = reserved(&scene, "4", TimeDelta::hours(1)).await;
    let (early, history) = release(&scene, hold).await;
    assert!(matches!(early, Outcome::NotBefore(at) if at > scene.clock.now()), "{early:?}");
    assert_eq!(history, ["reserved"]);
    scene.clock.advance(TimeDelta::hours(1));
    let over = ["reserved", "released"].map(str::to_owned).to_vec();
    assert_eq!(release(&scene, hold).await, (Outcome::Done, over.clone()));
    assert_eq!(release(&scene, hold).await, (Outcome::Done, over));

    let settled = reserved(&scene, "4", TimeDelta::hours(1)).await;
    let amount = "1".parse().expect("credits");
    scene
        .dispatcher
        .settle(&alice(), &actor(), None, settled, amount, aggregates::Party::Account)
        .await
        .expect("settled");
    scene.clock.advance(TimeDelta::hours(1));
    assert_eq!(release(&scene, settled).await, (Outcome::Done, ["reserved", "settled"].map(str::to_owned).to_vec()));
    scene.end().await;
}

#[tokio::test]
async fn what_is_due_is_run_to_its_end_and_no_more_than_asked_for() {
    let scene = Scene::set().await;
    granted(&scene, GRANT).await;
    for _ in 0..7 {
        reserved(&scene, "1", TimeDelta::hours(1)).await;
    }
    // The timers of another process set themselves and end nothing: nobody runs jobs here but us.
    while billing_ledger::processes::advance(&scene.pool, 1_000).await.expect("processes").events > 0 {}
    let runner = || {
        let timers = billing_ledger::processes::timers_of_credits(&scene.dispatcher);
        JobRunner::new(scene.pool.clone(), scene.clock.clone(), timers, JobOptions::default())
    };
    let ran = runner().run_due(100).await.expect("run");
    assert_eq!((ran.of(EXPIRE_GRANT), ran.of(RELEASE_HOLD), ran.more), ((0, 0), (0, 0), false), "nothing is due");
    scene.clock.advance(TimeDelta::hours(2));
    let ran = runner().run_due(5).await.expect("run");
    assert_eq!((ran.of(RELEASE_HOLD), ran.more), ((5, 0), true));
    let ran = runner().run_due(5).await.expect("run");
    assert_eq!((ran.of(RELEASE_HOLD), ran.more), ((2, 0), false));
    scene.clock.advance(TimeDelta::days(1));
    let ran = runner().run_due(5).await.expect("run");
    assert_eq!((ran.of(EXPIRE_GRANT), ran.of(RELEASE_HOLD)), ((1, 0), (0, 0)));
    let State::CreditAccount(state) =
        scene.dispatcher.look(&alice(), AggregateId::credit_account(alice().key())).await.expect("a state")
    else {
        panic!("a credit account")
    };
    assert!(state.balance().is_zero() && state.frozen().is_zero());
    scene.end().await;
}

#[tokio::test]
async fn workers_end_what_is_over() {
    let scene = Scene::at_work().await;
    granted(&scene, GRANT).await;
    let hold = reserved(&scene, "4", TimeDelta::hours(1)).await;
    scene.clock.advance(TimeDelta::days(1));
    eventually("the ends", async || {
        let ended = scene.event_types(hold.uuid()).await.contains(&"released".to_owned());
        let history = scene.event_types(AggregateId::credit_account(alice().key()).id).await;
        (ended && history.contains(&"expired".to_owned())).then_some(())
    })
    .await;
    scene.end().await;
}
