//! One unit's trouble is its own: whatever goes wrong with it, its neighbours in the batch are recorded, its account is
//! as it was, and nothing of it is in the log.

use std::sync::Arc;

use aggregates::credit_account::{CreditAccountEvent, Granted, Spent};
use aggregates::{AccountId, AggregateId, Credits, Decide, GrantId, GrantSource, Halt, State, UserPackageId, View};
use billing_ledger::store::{
    Claim, ExecuteError, RequestHash, Store, StoreOptions, UNIT_BYTES_MAX, UNIT_EVENTS_MAX, UnitOfWork,
};
use chrono::Utc;
use futures_util::future::{join_all, poll_immediate};
use rand::Rng;
use uuid::Uuid;

use super::scene::{
    HeldLane, activate, charge, consume, credits_of, events_in_log, neighbours, one_lane, open, owner, package,
};
use crate::support::log::folded;
use crate::support::units::{
    account, account_in, balance_in, command_id, grant, micros, part_of, spend, state_in, unit,
};
use crate::support::{database, eventually};

/// A decision that is code.
struct Deciding<F>(F);

impl<F: Fn(&mut View<'_>) -> Result<(), Halt>> Decide for Deciding<F> {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        (self.0)(view)
    }
}

fn deciding(
    account: &AccountId,
    decide: impl Fn(&mut View<'_>) -> Result<(), Halt> + Send + Sync + 'static,
) -> UnitOfWork {
    let decision = Arc::new(Deciding(decide));
    UnitOfWork::deciding(account.clone(), command_id(), Utc::now(), RequestHash::of(b"deciding"), decision)
}

/// Records a grant past the account's own rules.
fn record_grant(view: &mut View<'_>, amount: i64) -> Result<(), Halt> {
    let balance = view.credit_account()?.balance().checked_add(micros(amount)).expect("small");
    let granted = Granted {
        grant: GrantId::from_uuid(Uuid::now_v7()),
        source: GrantSource::Admin,
        amount: micros(amount),
        expires_at: None,
        balance,
        reason: None,
    };
    let id = AggregateId::credit_account(view.account());
    view.record(id, CreditAccountEvent::Granted(granted).into())
}

/// Asks for `poison` amid work for its account, its partition, and another partition; gives its error.
async fn amid_others(poison: impl FnOnce(&AccountId) -> UnitOfWork) -> ExecuteError {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, bob] = neighbours();
    let carol = account_in("carol", |part| part != part_of(&alice));
    let poison = poison(&alice);

    let lane = HeldLane::hold(&database, &store).await;
    let mut around = vec![lane.ask(grant(&alice, 10)).await, lane.ask(grant(&bob, 20)).await];
    let poisoned = lane.ask(poison.clone()).await;
    for unit in [spend(&alice, 4), spend(&bob, 5), grant(&carol, 30)] {
        around.push(lane.ask(unit).await);
    }
    lane.let_go().await;
    for answer in join_all(around).await {
        answer.expect("recorded");
    }
    let error = poisoned.await.expect_err("refused");

    let pool = owner(&database).await;
    let folded = folded(&pool).await;
    let fresh = open(&database, one_lane()).await;
    for (account, balance) in [(&alice, 6), (&bob, 15), (&carol, 30)] {
        let in_memory = state_in(&store, account, credits_of(account)).await;
        assert_eq!(in_memory, folded[&credits_of(account)].state, "memory is what the log says");
        assert_eq!(in_memory, state_in(&fresh, account, credits_of(account)).await);
        assert_eq!(balance_in(&store, account).await, balance);
    }
    let traces: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM ledger.events WHERE command_id = $1)
              + (SELECT count(*) FROM ledger.command_results WHERE command_id = $1)
              + (SELECT count(*) FROM ledger.unique_keys)",
    )
    .bind(poison.command_id.uuid())
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(traces, 0, "nothing of it is in the log");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_panics_harms_nobody_else() {
    let error = amid_others(|alice| {
        deciding(alice, |view| {
            record_grant(view, 1_000)?;
            // A panic like any other, except that it does not report itself to the test's output.
            std::panic::resume_unwind(Box::new("a mistake in a decision"))
        })
    })
    .await;
    assert!(matches!(error, ExecuteError::Panicked), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_refused_half_way_leaves_nothing() {
    let error = amid_others(|alice| {
        let halves = [grant(alice, 1), spend(alice, 1_000)];
        deciding(alice, move |view| halves.iter().try_for_each(|half| half.decision.decide(view)))
    })
    .await;
    assert!(matches!(error, ExecuteError::Refused(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_too_many_events_leaves_nothing() {
    let error =
        amid_others(|alice| deciding(alice, |view| (0..=UNIT_EVENTS_MAX).try_for_each(|_| record_grant(view, 1))))
            .await;
    assert!(matches!(error, ExecuteError::TooLarge { max: UNIT_EVENTS_MAX, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_too_many_bytes_leaves_nothing() {
    let error = amid_others(|alice| {
        deciding(alice, |view| {
            let id = AggregateId::credit_account(view.account());
            let balance = view.credit_account()?.balance();
            let meter = Some("x".repeat(UNIT_BYTES_MAX));
            let spent = Spent { amount: Credits::ZERO, from: Vec::new(), balance, meter, reference: None };
            view.record(id, CreditAccountEvent::Spent(spent).into())
        })
    })
    .await;
    assert!(matches!(error, ExecuteError::TooLarge { max_bytes: UNIT_BYTES_MAX, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_as_many_events_as_are_allowed_is_recorded() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    let unit = deciding(&alice, |view| (0..UNIT_EVENTS_MAX).try_for_each(|_| record_grant(view, 1)));
    let first = store.execute(unit.clone()).await.expect("recorded");
    assert_eq!(first.events.len(), UNIT_EVENTS_MAX);
    let again = store.execute(unit).await.expect("the first answer again");
    assert_eq!((again.events, again.replayed), (first.events, true));
}

fn claiming(account: &AccountId, key: String) -> UnitOfWork {
    grant(account, 1_000).claiming(Claim { kind: "order_number", key, aggregate: credits_of(account) })
}

/// What the store itself has nothing against, but PostgreSQL has: such a unit has to be found among its neighbours.
#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_the_database_refuses_is_found_and_refused_alone() {
    // Too long for an index, and too random to be compressed.
    let mut random = rand::rng();
    let long: String = (0..20_000).map(|_| char::from(random.random_range(b'0'..=b'z'))).collect();
    let error = amid_others(|alice| claiming(alice, long)).await;
    assert!(matches!(error, ExecuteError::Unrecordable(_)), "{error:?}");

    let error = amid_others(|alice| UnitOfWork { metadata: "not JSON".into(), ..grant(alice, 1_000) }).await;
    assert!(matches!(error, ExecuteError::Unrecordable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_database_cannot_spell_is_refused_alone() {
    let error = amid_others(|alice| claiming(alice, "a\0b".to_owned())).await;
    assert!(matches!(error, ExecuteError::Unrecordable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_needs_an_aggregate_which_cannot_be_read_fails_alone() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, bob] = neighbours();
    // The snapshot says it is of this build's schema, and is not.
    store.execute(unit(&alice, vec![activate(package(1), 5, 1)])).await.expect("recorded");
    store.close().await;
    let pool = owner(&database).await;
    sqlx::query(
        "INSERT INTO ledger.snapshots (log_part, aggregate_id, aggregate_type, state_schema, version, state)
         VALUES ($1, $2, 'user_package', $3, 1, '{\"no\": \"state\"}')",
    )
    .bind(i16::from(part_of(&alice).number()))
    .bind(package(1).uuid())
    .bind(State::schema(aggregates::AggregateKind::UserPackage))
    .execute(&pool)
    .await
    .expect("a snapshot");

    let store = open(&database, one_lane()).await;
    let lane = HeldLane::hold(&database, &store).await;
    let around = [
        lane.ask(grant(&alice, 10)).await,
        lane.ask(grant(&bob, 10)).await,
        lane.ask(spend(&alice, 4)).await,
        lane.ask(unit(&alice, vec![activate(package(2), 5, 1)])).await,
    ];
    let unreadable = lane.ask(unit(&alice, vec![consume(package(1), 1)])).await;
    let after = lane.ask(spend(&alice, 2)).await;
    lane.let_go().await;
    for answer in join_all(around).await {
        answer.expect("recorded");
    }
    let error = unreadable.await.expect_err("unreadable");
    assert!(matches!(error, ExecuteError::Trouble(_)), "{error:?}");
    after.await.expect("a unit of the same account that does not need it is recorded");
    assert_eq!(balance_in(&store, &alice).await, 4);
}

/// Package ids arrive from outside. In one partition, two accounts' aggregates lie side by side.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_of_another_account_pays_nothing() {
    for other_part in [false, true] {
        let database = database().await;
        let store = open(&database, StoreOptions { snapshot_every: 1, ..one_lane() }).await;
        let [alice, neighbour] = neighbours();
        let thief = if other_part { account_in("thief", |part| part != part_of(&alice)) } else { neighbour };
        store.execute(unit(&alice, vec![activate(package(1), 10, 2)])).await.expect("recorded");
        store.execute(unit(&alice, vec![consume(package(1), 1)])).await.expect("recorded");
        let pool = owner(&database).await;
        eventually("a snapshot", async || {
            let found = sqlx::query_scalar::<_, i64>("SELECT version FROM ledger.snapshots WHERE version = 2");
            found.fetch_optional(&pool).await.expect("an answer")
        })
        .await;

        for store in [&store, &open(&database, one_lane()).await] {
            let stolen = store.execute(unit(&thief, vec![consume(package(1), 3)])).await;
            assert!(matches!(stolen, Err(ExecuteError::Refused(_))), "{stolen:?}");
            let stolen = store.execute(unit(&thief, vec![charge(3)])).await;
            assert!(matches!(stolen, Err(ExecuteError::Refused(_))), "{stolen:?}");
        }
        store.execute(unit(&alice, vec![consume(package(1), 9)])).await.expect("all that is left of today is hers");
    }
}

/// In one partition an aggregate's id is there once: whoever tries to begin another one under it is refused, alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_another_aggregate_has_cannot_be_taken() {
    let error = amid_others(|alice| {
        // That of her own credit account, for a package.
        let taken = UserPackageId::from_uuid(alice.key().uuid());
        unit(alice, vec![activate(taken, 5, 1)])
    })
    .await;
    assert!(matches!(error, ExecuteError::Unrecordable(_)), "{error:?}");
    let error = amid_others(|alice| {
        let [_, neighbour] = neighbours();
        unit(alice, vec![activate(UserPackageId::from_uuid(neighbour.key().uuid()), 5, 1)])
    })
    .await;
    assert!(matches!(error, ExecuteError::Unrecordable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_never_based_on_what_used_to_be() {
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let alice = account("alice");
    for _ in 0..20 {
        assert_eq!(balance_in(&here, &alice).await, 0, "in memory here");
        there.execute(grant(&alice, 10)).await.expect("granted there");
        here.execute(spend(&alice, 10)).await.expect("can be spent here");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_spent_that_was_spent_elsewhere() {
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let alice = account("alice");
    for _ in 0..20 {
        here.execute(grant(&alice, 10)).await.expect("granted");
        assert_eq!(balance_in(&there, &alice).await, 10);
        here.execute(spend(&alice, 10)).await.expect("spent");
        let twice = there.execute(spend(&alice, 10)).await;
        assert!(matches!(twice, Err(ExecuteError::Refused(_))), "{twice:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_hear_busy_at_once_when_the_queue_is_full_and_are_served_when_it_is_not() {
    let database = database().await;
    let store = open(&database, StoreOptions { queue_units: 3, ..one_lane() }).await;
    let lane = HeldLane::hold(&database, &store).await;
    // The lane is held up in a unit that has one of the three places.
    let waiting = [lane.ask(grant(&account("alice"), 1)).await, lane.ask(grant(&account("bob"), 1)).await];
    for n in 0..50 {
        let turned_away = poll_immediate(lane.ask(grant(&account(&format!("late-{n}")), 1)).await).await;
        assert!(matches!(turned_away, Some(Err(ExecuteError::Busy))), "{turned_away:?}");
    }
    lane.let_go().await;
    for answer in join_all(waiting).await {
        answer.expect("recorded");
    }
    for n in 0..10 {
        store.execute(grant(&account(&format!("late-{n}")), 1)).await.expect("recorded");
    }
    assert_eq!(events_in_log(store.pool()).await, 13);
    assert_eq!(store.stats().busy.load(std::sync::atomic::Ordering::Relaxed), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_answers_what_was_accepted_and_takes_no_more() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let lane = HeldLane::hold(&database, &store).await;
    let mut accepted = Vec::new();
    for n in 0..30 {
        accepted.push(lane.ask(grant(&account(&format!("customer-{n}")), 1)).await);
    }
    let mut closing = Box::pin(store.close());
    assert!(poll_immediate(&mut closing).await.is_none(), "work is waiting");
    let late = poll_immediate(store.execute(grant(&account("late"), 1))).await;
    assert!(matches!(late, Some(Err(ExecuteError::Closed))), "{late:?}");
    lane.let_go().await;
    for answer in join_all(accepted).await {
        answer.expect("recorded");
    }
    closing.await;
    let late = store.execute(grant(&account("late"), 1)).await;
    assert!(matches!(late, Err(ExecuteError::Closed)), "{late:?}");
    assert_eq!(events_in_log(&owner(&database).await).await, 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_dropped_still_records_what_it_had_accepted() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let lane = HeldLane::hold(&database, &store).await;
    for n in 0..30 {
        drop(lane.ask(grant(&account(&format!("customer-{n}")), 1)).await);
    }
    lane.let_go().await;
    let pool = owner(&database).await;
    drop::<Store>(store);
    eventually("all of it to be recorded", async || (events_in_log(&pool).await == 31).then_some(())).await;
}
