//! What a lane believes after its connection was lost between one statement and the next. Decisions are made on memory,
//! and a commit only proves that the *head* is where the lane believes it to be: the two must never come apart.

use billing_ledger::store::{ExecuteError, Store};
use sqlx::PgPool;

use super::scene::{HeldLane, ask, neighbours, one_lane, open, owner};
use crate::support::log::folded;
use crate::support::proxy::{Moment, Proxy};
use crate::support::units::{account, account_in, balance_in, grant, part_of, spend};
use crate::support::{database, eventually};

const READ_WHAT_OTHERS_WROTE: &str = "JOIN ledger.events e ON e.log_part = w.log_part AND e.position > w.after";
const LOOK_AT_HEADS: &str = "JOIN ledger.log_heads h ON h.log_part = w.log_part";

#[tokio::test(flavor = "multi_thread")]
async fn events_that_could_not_be_read_are_not_taken_as_read() {
    let database = database().await;
    let proxy = Proxy::start(&database.connect_options()).await;
    let here = Store::open(proxy.connect_options(), one_lane()).await.expect("a store");
    let there = open(&database, one_lane()).await;
    let alice = account("alice");
    here.execute(grant(&alice, 1)).await.expect("granted");
    there.execute(grant(&alice, 10)).await.expect("granted");

    let cut = proxy.trap(READ_WHAT_OTHERS_WROTE, Moment::BeforeForwarding);
    let spending = ask(&here, spend(&alice, 11)).await;
    let (answer, ()) = tokio::join!(spending, async { cut.sprung().await.cut() });
    answer.expect("there are credits enough");
    assert_eq!(balance_in(&here, &alice).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_stays_known_although_a_neighbour_could_not_be_answered() {
    let database = database().await;
    let proxy = Proxy::start(&database.connect_options()).await;
    let store = Store::open(proxy.connect_options(), one_lane()).await.expect("a store");
    let alice = account("alice");
    let bob = account_in("bob", |part| part != part_of(&alice));
    store.execute(grant(&alice, 1)).await.expect("granted");

    // One batch: a grant that commits, and a refusal that has to look at its head afterwards. That look is cut off.
    let lane = HeldLane::hold(&database, &store).await;
    let granted = lane.ask(grant(&alice, 10)).await;
    let refused = lane.ask(spend(&bob, 1)).await;
    let spent = lane.ask(spend(&alice, 11)).await;
    let cut = proxy.trap(LOOK_AT_HEADS, Moment::BeforeForwarding);
    let (granted, refused, spent, (), ()) =
        tokio::join!(granted, refused, spent, lane.let_go(), async { cut.sprung().await.cut() });
    granted.expect("granted");
    spent.expect("spent");
    assert!(matches!(refused, Err(ExecuteError::Refused(_))), "{refused:?}");
    assert_memory_is_the_log(&store, &owner(&database).await, &alice).await;
}

/// As above, with the grant alone in that batch and the spend after it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_the_cut_can_be_spent_after_it() {
    let database = database().await;
    let proxy = Proxy::start(&database.connect_options()).await;
    let store = Store::open(proxy.connect_options(), one_lane()).await.expect("a store");
    let [alice, _] = neighbours();
    let bob = account_in("bob", |part| part != part_of(&alice));
    store.execute(grant(&alice, 1)).await.expect("granted");

    let lane = HeldLane::hold(&database, &store).await;
    let granted = lane.ask(grant(&alice, 10)).await;
    let refused = lane.ask(spend(&bob, 1)).await;
    let sprung = proxy.trap(LOOK_AT_HEADS, Moment::BeforeForwarding);
    let pool = owner(&database).await;
    lane.let_go().await;
    let sprung = sprung.sprung().await;
    let spent = ask(&store, spend(&alice, 11)).await;
    sprung.cut();
    granted.await.expect("granted");
    spent.await.expect("spent");
    assert!(matches!(refused.await, Err(ExecuteError::Refused(_))));
    assert_memory_is_the_log(&store, &pool, &alice).await;
}

async fn assert_memory_is_the_log(store: &Store, pool: &PgPool, account: &aggregates::AccountId) {
    let in_memory = balance_in(store, account).await;
    assert_eq!(in_memory, 0);
    let id = super::scene::credits_of(account);
    let aggregates::State::CreditAccount(logged) = folded(pool).await[&id].state.clone() else { panic!("credits") };
    assert_eq!(logged.balance().micros(), in_memory);
    eventually("the lane to go on", async || store.execute(grant(account, 1)).await.ok()).await;
}
