//! The job table without a runner: claims, timers, retries by hand, what is kept.

use std::time::Duration;

use billing_ledger::jobs::{self, Room, Settled, When};
use chrono::{TimeDelta, Utc};

use super::jobs::{House, KIND, LEASE};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn two_claims_at_once_never_hold_the_same_job() {
    let house = House::open().await;
    for n in 0..40 {
        house.enqueue(&n.to_string(), When::Now).await;
    }
    let claims = futures_util::future::join_all((0..8).map(|_| house.claim(10))).await;
    let mut ids: Vec<i64> = claims.iter().flatten().map(|claimed| claimed.job.id).collect();
    let held = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), held);
}

#[tokio::test]
async fn a_retry_asked_for_while_it_runs_is_not_lost() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let claimed = house.claim(1).await.remove(0);
    assert!(jobs::retry_now(&house.pool, KIND, "a").await.unwrap());
    assert_eq!(house.row("a").await.0, "running");
    assert!(jobs::settle(&house.pool, claimed.lease, Settled::Dead { reason: "r".to_owned() }).await.unwrap());
    assert_eq!(house.row("a").await.0, "queued");
    let again = house.claim(1).await.remove(0);
    assert_eq!((again.job.attempt, again.job.tries), (2, 1));
    let later = Settled::Again { after: LONG, reason: "r".to_owned() };
    assert!(jobs::settle(&house.pool, again.lease, later).await.unwrap());
    assert!(house.claim(1).await.is_empty(), "what was asked for once is tried once");
    assert!(jobs::retry_now(&house.pool, KIND, "a").await.unwrap());
    assert_eq!(house.claim(1).await.len(), 1, "and a pause is cut short");
}

#[tokio::test]
async fn a_timer_goes_by_the_business_clock_and_being_early_is_no_attempt() {
    let house = House::open().await;
    let due = Utc::now() + TimeDelta::days(30);
    house.enqueue("a", When::At(due)).await;
    assert!(house.claim(1).await.is_empty());
    house.clock.advance(TimeDelta::days(31));
    let early = house.claim(1).await.remove(0);
    let moved = due + TimeDelta::days(10);
    assert!(jobs::settle(&house.pool, early.lease, Settled::NotBefore(moved)).await.unwrap());
    assert_eq!(house.row("a").await.2, 0, "it was no try");
    assert!(house.claim(1).await.is_empty());
    house.clock.advance(TimeDelta::days(10));
    let late = house.claim(1).await.remove(0);
    assert_eq!((late.job.attempt, late.job.tries), (2, 1), "no number comes twice");
    assert!(late.trying_for < TimeDelta::minutes(1), "waiting is not trying");
    // A failure of a timer pauses by the clock that nobody moves.
    let again = Settled::Again { after: LONG, reason: "r".to_owned() };
    assert!(jobs::settle(&house.pool, late.lease, again).await.unwrap());
    house.clock.advance(TimeDelta::days(100));
    assert!(house.claim(1).await.is_empty());
}

#[tokio::test]
async fn jobs_of_kinds_that_nobody_here_knows_stay_for_others() {
    let house = House::open().await;
    house.enqueue("a", When::Now).await;
    let rooms = [Room { kind: "other", places: 10 }];
    let others = jobs::claim(&house.pool, &rooms, "me", LEASE, Utc::now()).await.unwrap();
    assert!(others.is_empty());
    assert_eq!(house.claim(10).await.len(), 1);
}

#[tokio::test]
async fn what_was_done_long_ago_is_removed_and_nothing_else() {
    let house = House::open().await;
    for (key, settled) in [("done", Settled::Done), ("dead", Settled::Dead { reason: "r".to_owned() })] {
        house.enqueue(key, When::Now).await;
        let claimed = house.claim(1).await.remove(0);
        assert!(jobs::settle(&house.pool, claimed.lease, settled).await.unwrap());
    }
    house.enqueue("queued", When::Now).await;
    assert_eq!(jobs::prune_done(&house.pool, Utc::now() - TimeDelta::days(1), 10).await.unwrap(), 0);
    assert_eq!(jobs::prune_done(&house.pool, Utc::now() + TimeDelta::days(1), 10).await.unwrap(), 1);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs.jobs").fetch_one(&house.pool).await.unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn timers_that_are_due_come_before_what_is_ready_and_no_kind_takes_more_than_its_places() {
    let house = House::open().await;
    for n in 0..3 {
        house.enqueue(&format!("ready-{n}"), When::Now).await;
        house.enqueue_kind("other", &format!("other-{n}"), When::Now).await;
    }
    for n in 0..2 {
        house.enqueue(&format!("due-{n}"), When::At(Utc::now())).await;
    }
    let rooms = [Room { kind: KIND, places: 3 }, Room { kind: "other", places: 1 }];
    let claimed = jobs::claim(&house.pool, &rooms, "me", LEASE, Utc::now() + TimeDelta::minutes(1)).await.unwrap();
    let mut keys: Vec<&str> = claimed.iter().map(|claimed| claimed.job.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["due-0", "due-1", "other-0", "ready-0"]);
}
