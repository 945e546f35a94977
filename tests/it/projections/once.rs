//! Exactly once: whatever is cut off, and however many read the same log.

use aggregates::{AccountId, DayRule};
use billing_ledger::store::stream::{Window, behind, read_decoded, share};
use billing_ledger::workers::projections::{Follower, Loop, Options, Turn, cursors, fold};
use projections::{Generation, Runner, RunnerError, Written};
use sqlx::{Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;

use super::agree::assert_agree;
use super::scene::{Scene, activate, charge, credits, grant, package, time};
use crate::support::eventually;
use crate::support::units::account;

async fn some_use(scene: &Scene, accounts: u32) -> Vec<AccountId> {
    let now = time("2026-01-05T06:00:00Z");
    let mut told = Vec::new();
    for n in 0..accounts {
        let account = account(&format!("user-{n}"));
        let commands =
            vec![activate(package(u128::from(n) + 1), "1.00", 30, DayRule::Calendar), grant(1, "5.00", None)];
        scene.tell(&account, now, commands).await;
        for _ in 0..5 {
            scene.tell(&account, now, vec![charge(credits("0.30"))]).await;
        }
        told.push(account);
    }
    told
}

struct Hand {
    connection: PgConnection,
    runner: Runner,
}

impl Hand {
    async fn new(scene: &Scene) -> Self {
        let mut connection = PgConnection::connect_with(&scene.database.connect_options()).await.expect("connected");
        let runner = Runner::load(&mut connection, Generation::Live, projections::all()).await.expect("checkpoints");
        Self { connection, runner }
    }

    async fn fold(&mut self) -> Result<(), RunnerError> {
        let behind = behind(&mut self.connection, &cursors(self.runner.written())).await.expect("heads");
        let windows: Vec<Window> = share(&behind, 1_000_000);
        for commit in read_decoded(&mut self.connection, &windows).await.expect("commits") {
            fold(&mut self.runner, &commit)?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_read_the_same_events_write_them_once() {
    let scene = Scene::new().await;
    some_use(&scene, 10).await;
    let (mut first, mut second) = (Hand::new(&scene).await, Hand::new(&scene).await);
    first.fold().await.expect("folded");
    second.fold().await.expect("folded");
    let (won, lost) =
        tokio::join!(first.runner.write(&mut first.connection), second.runner.write(&mut second.connection));
    let mut outcomes = [won.expect("written"), lost.expect("overtaken")];
    outcomes.sort_unstable_by_key(|outcome| *outcome == Written::Overtaken);
    assert_eq!(outcomes, [Written::Moved, Written::Overtaken]);
    assert_agree(&scene).await;
    // Whoever was overtaken stands where the other got to, and can go on.
    assert_eq!(first.runner.written(), second.runner.written());
    second.fold().await.expect("nothing is left");
    assert_eq!(second.runner.pending(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_cut_off_leaves_nothing_and_is_done_again() {
    let scene = Scene::new().await;
    some_use(&scene, 5).await;
    let mut hand = Hand::new(&scene).await;
    hand.fold().await.expect("folded");
    let mut tx = hand.connection.begin().await.expect("begun");
    assert_eq!(hand.runner.write_in_tx(&mut tx).await.expect("written"), Written::Moved);
    tx.rollback().await.expect("cut off");
    let rows: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM read.balances) + (SELECT count(*) FROM read.checkpoints WHERE position > 0)",
    )
    .fetch_one(&scene.pool)
    .await
    .expect("a count");
    assert_eq!(rows, 0, "rows and checkpoints go together");
    scene.catch_up().await;
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_one_the_rows_were_made_of_is_refused() {
    let scene = Scene::new().await;
    let told = some_use(&scene, 1).await;
    scene.catch_up().await;
    let before = checkpoint_positions(&scene).await;
    scene.pool.execute("UPDATE read.checkpoints SET chain = sha256('another log')").await.expect("changed");
    scene.tell(&told[0], time("2026-01-05T06:00:00Z"), vec![charge(credits("0.10"))]).await;
    let mut hand = Hand::new(&scene).await;
    let refused = hand.fold().await.expect_err("another chain");
    assert!(matches!(&refused, RunnerError::Broken { what, .. } if what.contains("another log")), "{refused}");
    assert_eq!(hand.runner.pending(), 0, "given up");
    assert_eq!(checkpoint_positions(&scene).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_follow_is_refused() {
    let scene = Scene::new().await;
    some_use(&scene, 1).await;
    let mut hand = Hand::new(&scene).await;
    let behind = behind(&mut hand.connection, &cursors(hand.runner.written())).await.expect("heads");
    let commits = read_decoded(&mut hand.connection, &share(&behind, 1_000)).await.expect("commits");
    let refused = fold(&mut hand.runner, &commits[1]).expect_err("the first one is missing");
    assert!(matches!(refused, RunnerError::Broken { .. }), "{refused}");
    fold(&mut hand.runner, &commits[0]).expect("the first one");
    assert!(fold(&mut hand.runner, &commits[0]).is_err(), "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_reads_nothing_while_another_is_at_work_and_takes_over_once_it_is_not() {
    let scene = Scene::new().await;
    let told = some_use(&scene, 3).await;
    let now = time("2026-01-05T06:00:00Z");
    let follower = async || Follower::connect(&scene.database.connect_options(), Options::default()).await;
    let (mut first, mut second) = (follower().await.expect("connected"), follower().await.expect("connected"));
    for round in 0..20 {
        scene.tell(&told[round % told.len()], now, vec![grant(100 + round as u128, "0.01", None)]).await;
        assert_eq!(first.turn().await.expect("written"), Turn::Done);
        // New events or none: what counts is whether the checkpoints have moved.
        if round % 2 == 0 {
            scene.tell(&told[0], now, vec![grant(200 + round as u128, "0.01", None)]).await;
        }
        assert_eq!(second.turn().await.expect("looked"), Turn::StandBy, "round {round}");
        let known: Vec<i64> = second.written().values().map(|checkpoint| checkpoint.position).collect();
        assert_eq!(known, checkpoint_positions(&scene).await, "it knows how far the other one is");
    }
    // Nobody is at work any more.
    scene.tell(&told[0], now, vec![grant(300, "0.01", None)]).await;
    assert_eq!(second.turn().await.expect("written"), Turn::Done);
    assert_agree(&scene).await;
    // The first one could not know: it reads once for nothing, and then stands by.
    scene.tell(&told[0], now, vec![grant(301, "0.01", None)]).await;
    assert_eq!(first.turn().await.expect("overtaken"), Turn::Overtaken);
    assert_eq!(second.turn().await.expect("written"), Turn::Done);
    scene.tell(&told[0], now, vec![grant(302, "0.01", None)]).await;
    assert_eq!(first.turn().await.expect("looked"), Turn::StandBy);
    assert_eq!(second.turn().await.expect("written"), Turn::Done);
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_says_whether_waiting_could_make_the_next_batch_any_bigger() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    for n in 0..5 {
        scene.tell(&alice, now, vec![grant(n, "0.01", None)]).await;
    }
    let options = Options { events_max: 2, ..Options::default() };
    let mut follower = Follower::connect(&scene.database.connect_options(), options).await.expect("connected");
    for expected in [Turn::FullBatch, Turn::More, Turn::Done, Turn::Done] {
        assert_eq!(follower.turn().await.expect("written"), expected);
    }
    assert_agree(&scene).await;
}

async fn checkpoint_positions(scene: &Scene) -> Vec<i64> {
    sqlx::query_scalar("SELECT position FROM read.checkpoints ORDER BY log_part")
        .fetch_all(&scene.pool)
        .await
        .expect("checkpoints")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_loops_beside_writers_come_to_what_the_log_folds_to() {
    let scene = Scene::new().await;
    let shutdown = CancellationToken::new();
    let loops: Vec<_> = (0..3)
        .map(|_| {
            let (runs, handle) = Loop::new(scene.database.connect_options(), Options::default());
            (tokio::spawn(runs.run(shutdown.clone())), handle)
        })
        .collect();
    some_use(&scene, 30).await;
    let heads: Vec<i64> = sqlx::query_scalar("SELECT position FROM ledger.log_heads ORDER BY log_part")
        .fetch_all(&scene.pool)
        .await
        .expect("heads");
    for (_, handle) in &loops {
        let positions = handle.positions();
        eventually("every loop to know the end", async || (*positions.borrow() == heads).then_some(())).await;
    }
    assert_agree(&scene).await;
    shutdown.cancel();
    for (running, _) in loops {
        running.await.expect("no panic");
    }
}
