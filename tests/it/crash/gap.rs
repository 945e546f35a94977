//! The known recipe for a reader that skips an event: hold back one commit while later ones are made. Here a commit
//! holds its partition's head from its first row to its end, so in that partition there are no later ones.

use billing_ledger::store::Store;
use sqlx::{Executor, PgPool};
use tokio::task::JoinSet;

use crate::support::follower::{Followers, Reader, Way, log_grows};
use crate::support::hold::Hold;
use crate::support::units::{account_in, grant, insist, part_of};
use crate::support::{database, open_store, plain_pool};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_after_a_commit_that_is_held_back_can_be_seen_before_it() {
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    // Three stores, because one lane appends one thing at a time.
    let (first, second, others) = tokio::join!(
        open_store(db.connect_options()),
        open_store(db.connect_options()),
        open_store(db.connect_options())
    );
    let held = account_in("held", |_| true);
    let here = part_of(&held);
    let behind = account_in("behind", |part| part == here);
    let followers = Followers::start(&pool);
    let mut hold = Hold::of(db.connect_options(), &pool, &held).await;

    hold.hold().await;
    let held = tokio::spawn(execute(first.clone(), grant(&held, 1)));
    hold.has_caught_one().await;
    let behind = tokio::spawn(execute(second.clone(), grant(&behind, 1)));
    hold.makes_wait("append_batch", 2).await;
    for n in 0..50 {
        let elsewhere = account_in(&format!("elsewhere-{n}"), |part| part != here);
        execute(others.clone(), grant(&elsewhere, 1)).await;
    }
    followers.assert_content();
    assert!(!held.is_finished(), "the first commit is still held back");
    assert!(!behind.is_finished(), "nobody passes it in its own partition");
    assert_eq!(positions(&pool, here.number()).await, Vec::<i64>::new());

    hold.release().await;
    assert_eq!(held.await.unwrap(), 1);
    assert_eq!(behind.await.unwrap(), 2);
    followers.assert_saw_everything().await;
    assert_eq!(positions(&pool, here.number()).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_never_shown_a_hole_while_commits_are_held_back_and_let_go_under_load() {
    const CYCLES: usize = 20;
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    let stores = [open_store(db.connect_options()).await, open_store(db.connect_options()).await];
    // Few partitions, so that there is always somebody behind the one that is held back; of both lanes of each store,
    // so that there is always somebody who goes on.
    let accounts: Vec<_> = (0..24).map(|n| account_in(&format!("busy-{n}"), |part| part.number() < 6)).collect();
    let mut hold = Hold::of(db.connect_options(), &pool, &accounts[0]).await;
    let followers = Followers::start(&pool);
    let mut callers = JoinSet::new();
    for n in 0..48 {
        let (store, account) = (stores[n % 2].clone(), accounts[n / 2].clone());
        callers.spawn(async move {
            loop {
                insist(&store, &grant(&account, 1)).await.unwrap();
            }
        });
    }
    for _ in 0..CYCLES {
        hold.hold().await;
        hold.has_caught_one().await;
        log_grows(&pool, 20).await;
        hold.release().await;
        followers.assert_content();
    }
    callers.shutdown().await;
    for store in stores {
        store.close().await;
    }
    followers.assert_saw_everything().await;
}

/// What the two tests above stand on: such readers do notice.
#[tokio::test]
async fn a_log_that_numbered_its_events_before_committing_them_would_be_caught() {
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    let mut early = pool.begin().await.unwrap();
    early.execute(sqlx::raw_sql(&numbered(1))).await.unwrap();
    pool.execute(sqlx::raw_sql(&numbered(2))).await.unwrap();
    for way in [Way::Stream, Way::Naive] {
        let shown = Reader::new(pool.clone(), way).read().await;
        assert!(shown.is_err(), "{way:?} was shown {shown:?} events");
    }
    early.commit().await.unwrap();
    for way in [Way::Stream, Way::Naive] {
        assert_eq!(Reader::new(pool.clone(), way).read().await, Ok(2));
    }
}

/// A commit at this position of partition 0, without asking its head.
fn numbered(position: i64) -> String {
    format!(
        "INSERT INTO ledger.commits
         SELECT {position}, 0, 1, 0, batch, root, prev, sha256('ledger-chain-v1'::bytea || prev || int2send(0::int2)
                || int8send({position}) || int4send(1) || int8send(0) || uuid_send(batch) || root)
           FROM (SELECT gen_random_uuid() AS batch, sha256('root') AS root, sha256('prev') AS prev) AS made_up;
         INSERT INTO ledger.events
         SELECT {position}, 1, 0, 0, 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'credit_account',
                'granted', '{{}}', '{{}}';"
    )
}

async fn execute(store: Store, unit: billing_ledger::store::UnitOfWork) -> i64 {
    insist(&store, &unit).await.unwrap().position
}

async fn positions(pool: &PgPool, part: u8) -> Vec<i64> {
    sqlx::query_scalar("SELECT position FROM ledger.events WHERE log_part = $1 ORDER BY position")
        .bind(i16::from(part))
        .fetch_all(pool)
        .await
        .unwrap()
}
