//! A name belongs to one aggregate of the whole ledger; a taken one refuses the unit that claims it, and nobody else's.

use aggregates::{AccountId, AggregateId};
use billing_ledger::store::{Claim, ExecuteError, Store, UnitOfWork};
use futures_util::future::join_all;

use super::scene::{
    HeldLane, activate, ask, credits_of, events_in_log, lock_head, neighbours, one_lane, open, owner, package,
    waiting_for_locks,
};
use crate::support::units::{account, account_in, balance_in, grant, part_of, spend, unit};
use crate::support::{database, eventually};

fn order(key: &str, account: &AccountId) -> Claim {
    Claim { kind: "order_number", key: key.to_owned(), aggregate: credits_of(account) }
}

fn grant_for_order(account: &AccountId, key: &str) -> UnitOfWork {
    grant(account, 1).claiming(order(key, account))
}

fn assert_taken<T: std::fmt::Debug>(answer: Result<T, ExecuteError>, taken: &str) {
    let Err(ExecuteError::KeyTaken { kind: "order_number", key }) = &answer else { panic!("{answer:?}") };
    assert_eq!(key, taken);
}

async fn assert_held_by(store: &Store, key: &str, account: &AccountId) {
    let holder = store.find_key("order_number", key).await.expect("an answer");
    assert_eq!(holder, Some((account.clone(), credits_of(account).id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_name_is_found_at_once_and_only_under_its_kind() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    assert_eq!(store.find_key("order_number", "1").await.expect("an answer"), None);
    store.execute(grant_for_order(&alice, "1")).await.expect("recorded");
    assert_held_by(&store, "1", &alice).await;
    assert_eq!(store.find_key("license_digest", "1").await.expect("an answer"), None);
    assert_eq!(store.find_key("order_number", "2").await.expect("an answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_refuses_that_unit_alone() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, bob, carol] = neighbours();
    let dora = account_in("dora", |part| part != part_of(&alice));
    store.execute(grant_for_order(&alice, "1")).await.expect("recorded");

    let lane = HeldLane::hold(&database, &store).await;
    let before = lane.ask(grant(&bob, 5)).await;
    let taken = lane.ask(grant_for_order(&bob, "1")).await;
    let after = lane.ask(spend(&bob, 2)).await;
    let neighbour = lane.ask(grant(&carol, 3)).await;
    let stranger = lane.ask(grant_for_order(&dora, "2")).await;
    lane.let_go().await;

    before.await.expect("recorded");
    assert_taken(taken.await, "1");
    after.await.expect("recorded");
    neighbour.await.expect("recorded");
    stranger.await.expect("recorded");
    assert_eq!(balance_in(&store, &bob).await, 3);
    assert_held_by(&store, "1", &alice).await;
    assert_held_by(&store, "2", &dora).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_taken_while_the_batch_was_decided_refuses_that_unit_alone() {
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let alice = account("alice");
    let [bob, carol] = [0, 1].map(|n| account_in(&format!("other-{n}"), |part| part != part_of(&alice)));

    // The look-up finds the name free; then the append waits for bob's head while alice gets the name elsewhere.
    let mut head = lock_head(&database, &bob).await;
    let looking = owner(&database).await;
    let late = ask(&here, grant_for_order(&bob, "1")).await;
    let neighbour = ask(&here, grant(&carol, 3)).await;
    eventually("the append to wait", async || (waiting_for_locks(&looking).await > 0).then_some(())).await;
    there.execute(grant_for_order(&alice, "1")).await.expect("recorded");
    sqlx::raw_sql("ROLLBACK").execute(&mut head).await.expect("unlocked");

    assert_taken(late.await, "1");
    neighbour.await.expect("recorded");
    assert_held_by(&here, "1", &alice).await;
    assert_eq!(balance_in(&here, &bob).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_units_of_one_batch_that_claim_one_name_have_one_winner() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, bob] = neighbours();
    let carol = account_in("carol", |part| part != part_of(&alice));
    for (key, pair) in [("1", [&alice, &bob]), ("2", [&alice, &carol])] {
        let lane = HeldLane::hold(&database, &store).await;
        let first = lane.ask(grant_for_order(pair[0], key)).await;
        let second = lane.ask(grant_for_order(pair[1], key)).await;
        lane.let_go().await;
        first.await.expect("recorded");
        assert_taken(second.await, key);
        assert_held_by(&store, key, pair[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_whose_first_claimant_was_refused_goes_to_the_next() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let [alice, bob] = neighbours();
    let lane = HeldLane::hold(&database, &store).await;
    let poor = lane.ask(spend(&alice, 1).claiming(order("1", &alice))).await;
    let next = lane.ask(grant_for_order(&bob, "1")).await;
    lane.let_go().await;
    assert!(matches!(poor.await, Err(ExecuteError::Refused(_))));
    next.await.expect("recorded");
    assert_held_by(&store, "1", &bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_may_claim_its_own_name_again() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    store.execute(grant_for_order(&alice, "1")).await.expect("recorded");
    store.execute(grant_for_order(&alice, "1")).await.expect("recorded");
    let (first, second) =
        tokio::join!(store.execute(grant_for_order(&alice, "2")), store.execute(grant_for_order(&alice, "2")));
    first.expect("recorded");
    second.expect("recorded");
    assert_eq!(balance_in(&store, &alice).await, 4);
    // Another aggregate of the same account is another holder.
    let other = Claim { aggregate: AggregateId::user_package(package(1)), ..order("1", &alice) };
    assert_taken(store.execute(unit(&alice, vec![activate(package(1), 1, 1)]).claiming(other)).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_may_name_the_same_claim_twice_but_not_for_two_aggregates() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    store.execute(grant_for_order(&alice, "1").claiming(order("1", &alice))).await.expect("recorded");
    assert_held_by(&store, "1", &alice).await;

    let other = Claim { aggregate: AggregateId::user_package(package(1)), ..order("2", &alice) };
    assert_taken(store.execute(grant_for_order(&alice, "2").claiming(other)).await, "2");
    assert_eq!(store.find_key("order_number", "2").await.expect("an answer"), None);
    assert_eq!(balance_in(&store, &alice).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_stores_racing_for_a_name_one_wins_and_the_other_hears_so() {
    const RACES: usize = 200;
    let database = database().await;
    let (here, there) = (open(&database, one_lane()).await, open(&database, one_lane()).await);
    let accounts: Vec<AccountId> = (0..7).map(|n| account(&format!("racer-{n}"))).collect();
    // Eight races at a time, so that batches hold winners and losers together.
    for races in (0..RACES).collect::<Vec<_>>().chunks(8) {
        let raced = races.iter().map(async |race| {
            let key = format!("order-{race}");
            let (a, b) = (&accounts[race % 7], &accounts[(race + 1 + race / 7 % 6) % 7]);
            let units = (grant_for_order(a, &key), grant_for_order(b, &key));
            match tokio::join!(here.execute(units.0), there.execute(units.1)) {
                (Ok(_), lost) => {
                    assert_taken(lost, &key);
                    assert_held_by(&there, &key, a).await;
                }
                (lost, Ok(_)) => {
                    assert_taken(lost, &key);
                    assert_held_by(&here, &key, b).await;
                }
                neither => panic!("{neither:?}"),
            }
        });
        join_all(raced).await;
    }
    assert_eq!(events_in_log(here.pool()).await, 200);
}
