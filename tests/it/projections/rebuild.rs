//! Read models made again: the same rows, found where they are not, swapped under whoever reads and writes.

use aggregates::DayRule;
use billing_ledger::rebuild::{self, Options, RebuildError};
use billing_ledger::store::stream::{Cursor, Window, read_windows};
use billing_ledger::store::{as_writer, pool};
use billing_ledger::workers::projections::{Loop, Options as LoopOptions};
use billing_ledger::workers::read_gate::ReadGate;
use chrono::TimeDelta;
use projections::{balances, daily_usage, orders, packages};
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use super::agree::assert_agree;
use super::scene::{
    Scene, activate, charge, create_product, credits, grant, monthly_card, package, pay, place, spend, time,
};
use crate::support::log::waiting_for_locks;
use crate::support::units::account;
use crate::support::{PATIENCE, eventually, process};

async fn a_bit_of_everything() -> Scene {
    let scene = Scene::new().await;
    let now = time("2026-01-05T06:00:00Z");
    scene.tell(&aggregates::AccountId::system(), now, vec![create_product(1, monthly_card("月卡", 1))]).await;
    for n in 0..12_u32 {
        let account = account(&format!("user-{n}"));
        let number = aggregates::OrderNumber::new(now, n);
        let (order, placed) = place(&number, now);
        scene.tell(&account, now, vec![placed, pay(order, "wrong", 1), pay(order, "right", 3_000)]).await;
        let extra = activate(package(u128::from(n) + 1), "0.50", 3, DayRule::Anniversary);
        scene.tell(&account, now, vec![extra, grant(1, "5.00", None), grant(2, "0.20", None)]).await;
        for day in 0..4 {
            scene.tell(&account, now + TimeDelta::days(day), vec![charge(credits("5.40")), spend("0.10")]).await;
        }
    }
    scene.catch_up().await;
    scene
}

/// Tables, indexes, constraints and rights, by name.
async fn shape(scene: &Scene) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname || ' ' || coalesce(pg_get_indexdef(i.indexrelid), array_to_string(c.reloptions, ','), '') || ' '
                || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a), '')
           FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
          WHERE c.relnamespace = 'read'::regnamespace AND c.relkind IN ('r', 'i')
         UNION ALL
         SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'read'::regnamespace
          ORDER BY 1",
    )
    .fetch_all(&scene.pool)
    .await
    .expect("a catalogue")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_makes_the_same_rows_in_tables_of_the_same_shape() {
    let scene = a_bit_of_everything().await;
    let before = shape(&scene).await;
    let mut progress = Vec::new();
    let rebuilt = rebuild::run(&scene.database.connect_options(), &Options::default(), |done, total| {
        progress.push((done, total));
    })
    .await
    .expect("rebuilt");
    assert!(rebuilt.is_same() && rebuilt.swapped, "{rebuilt:?}");
    let rows = |name: &str| rebuilt.tables.iter().find(|it| it.table == name).map(|it| it.rows);
    assert_eq!((rows("balances"), rows("packages"), rows("orders")), (Some(12), Some(24), Some(12)));
    assert_eq!((rows("payment_reviews"), rows("products"), rows("deliveries")), (Some(12), Some(1), Some(12)));
    assert!(rows("daily_usage") > Some(12), "{rebuilt:?}");
    assert_eq!(progress.last(), Some(&(rebuilt.events, rebuilt.events)));
    assert_eq!(shape(&scene).await, before);
    let gone: bool = sqlx::query_scalar("SELECT to_regnamespace('read_next') IS NULL")
        .fetch_one(&scene.pool)
        .await
        .expect("an answer");
    assert!(gone);
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_wrong_is_found_by_a_check_and_put_right_by_a_rebuild() {
    let scene = a_bit_of_everything().await;
    let (url, victim) = (scene.database.url(), account("user-3").key().uuid());
    let right = process::run(&url, &["rebuild", "--check"]).await;
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    sqlx::query("UPDATE read.balances SET balance = balance + 1 WHERE account = $1")
        .bind(victim)
        .execute(&scene.pool)
        .await
        .expect("changed");
    scene.pool.execute("DELETE FROM read.orders WHERE number LIKE '%00000005'").await.expect("deleted");

    let wrong = process::run(&url, &["rebuild", "--check", "--json"]).await;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let said: serde_json::Value = serde_json::from_slice(&wrong.stdout).expect("JSON");
    let of = |name: &str| {
        let tables = said["tables"].as_array().expect("tables");
        let table = tables.iter().find(|table| table["table"] == name).expect("known");
        (table["missing"].as_i64(), table["surplus"].as_i64())
    };
    assert_eq!(
        (of("balances"), of("orders"), of("packages")),
        ((Some(1), Some(1)), (Some(1), Some(0)), (Some(0), Some(0)))
    );

    let only = process::run(&url, &["rebuild", "--only", "balances"]).await;
    assert_eq!(only.status.code(), Some(0), "{only:?}");
    let still = process::run(&url, &["rebuild", "--check"]).await;
    assert_eq!(still.status.code(), Some(1), "only the balances are right: {still:?}");
    let all = process::run(&url, &["rebuild"]).await;
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    let right = process::run(&url, &["rebuild", "--check"]).await;
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_loop_and_prepared_queries_do_not_notice_a_swap() {
    let scene = a_bit_of_everything().await;
    let now = time("2026-01-05T06:00:00Z");
    let shutdown = CancellationToken::new();
    let (runs, handle) = Loop::new(scene.database.connect_options(), LoopOptions::default());
    let running = tokio::spawn(runs.run(shutdown.clone()));
    // As the server reads: one connection, with all its statements prepared before the first swap.
    let readers = pool(as_writer(scene.database.connect_options()), 1).await.expect("a pool");
    let gate = ReadGate::new(readers.clone(), Some(handle));
    let stop = CancellationToken::new();
    let writer = {
        let (store, stop) = (scene.store.clone(), stop.clone());
        tokio::spawn(async move {
            let mut written = 0_u32;
            while !stop.is_cancelled() {
                let account = account(&format!("user-{}", written % 12));
                let receipt = crate::support::units::insist(&store, &crate::support::units::grant(&account, 1)).await;
                let receipt = receipt.expect("recorded");
                gate.wait(receipt.log_part, receipt.position, PATIENCE).await.expect("the loop lives");
                let key = account.key();
                balances::query::credits_of(&readers, key, now).await.expect("credits");
                daily_usage::query::today(&readers, key, now).await.expect("today");
                packages::query::of_account(&readers, key, now).await.expect("packages");
                orders::query::list(&readers, &orders::query::OrderFilter::default(), None, 5).await.expect("orders");
                written += 1;
            }
            written
        })
    };
    for _ in 0..5 {
        let rebuilt = rebuild::run(&scene.database.connect_options(), &Options::default(), |_, _| ()).await;
        let rebuilt = rebuilt.expect("rebuilt");
        assert!(rebuilt.is_same(), "{rebuilt:?}");
    }
    stop.cancel();
    assert!(writer.await.expect("no panic") > 0);
    shutdown.cancel();
    running.await.expect("no panic");
    scene.catch_up().await;
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_long_comes_first_and_the_live_read_models_go_on_meanwhile() {
    let scene = a_bit_of_everything().await;
    let mut query = scene.pool.begin().await.expect("begun");
    query.execute("SELECT FROM read.balances").await.expect("rows");
    let connect = scene.database.connect_options();
    let rebuilding =
        tokio::spawn(async move { rebuild::run(&connect, &Options::default(), |_, _| ()).await.expect("rebuilt") });
    let gives_way = async || {
        eventually("the swap to wait for the query", async || {
            (waiting_for_locks(&scene.pool, "LOCK TABLE").await > 0).then_some(())
        })
        .await;
    };
    gives_way().await;
    let now = time("2026-01-05T06:00:00Z");
    scene.tell(&account("user-1"), now, vec![grant(77, "0.07", None)]).await;
    assert_eq!(scene.catch_up().await, 1, "nobody holds the checkpoints between two tries");
    gives_way().await;
    query.rollback().await.expect("done");
    let rebuilt = rebuilding.await.expect("no panic");
    assert!(rebuilt.is_same() && rebuilt.swapped, "{rebuilt:?}");
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ledger.events").fetch_one(&scene.pool).await.expect("a count");
    assert_eq!(i64::try_from(rebuilt.events), Ok(events), "every event is read once, however often it tries");
    assert_agree(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_log_and_a_name_that_nothing_has_are_refused() {
    let scene = a_bit_of_everything().await;
    let unknown = Options { only: vec!["balance".to_owned()], check: false };
    let refused = rebuild::run(&scene.database.connect_options(), &unknown, |_, _| ()).await;
    assert!(matches!(&refused, Err(RebuildError::Unknown(name)) if name == "balance"), "{refused:?}");
    scene
        .pool
        .execute("UPDATE read.checkpoints SET chain = sha256('another log') WHERE position > 0")
        .await
        .expect("changed");
    let refused = rebuild::run(&scene.database.connect_options(), &Options::default(), |_, _| ()).await;
    assert!(matches!(refused, Err(RebuildError::OtherLog(_))), "{refused:?}");
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM read.balances").fetch_one(&scene.pool).await.expect("a count");
    assert_eq!(rows, 12, "the live rows are as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_reads_commits_to_their_ends_and_none_that_begins_beyond_its_window() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    for n in 0..3 {
        scene.tell(&alice, now, (0..3).map(|m| grant(n * 3 + m, "0.01", None)).collect()).await;
    }
    let read = async |position, events| -> Vec<i64> {
        let window = Window { cursor: Cursor { log_part: alice.key().log_part(), position }, events };
        let commits = read_windows(&scene.pool, &[window]).await.expect("commits");
        commits.iter().flat_map(|commit| commit.events.iter().map(|event| event.position)).collect()
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(0, 4).await, [1, 2, 3, 4, 5, 6], "the one that begins within");
    assert_eq!(read(6, 1_000).await, [7, 8, 9]);
    assert!(read(9, 1_000).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_prints_events_and_what_they_make() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    scene.tell(&alice, now, vec![grant(1, "10.00", None), spend("2.50")]).await;
    scene.tell(&account("bob"), now, vec![grant(1, "1.00", None)]).await;
    let url = scene.database.url();
    let lines = async |arguments: &[&str]| {
        let output = process::run(&url, &[&["replay"], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&[]).await.len(), 3);
    let of_alice = lines(&["--account", "alice", "--json"]).await;
    let events: Vec<serde_json::Value> =
        of_alice.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&events[0]["event_type"], &events[1]["event_type"]), (&"granted".into(), &"spent".into()));
    assert_eq!(events[1]["payload"]["balance"], 7_500_000);
    let part = alice.key().log_part().number().to_string();
    let second = lines(&["--part", &part, "--from", "2", "--to", "2", "--json"]).await;
    assert_eq!(second, of_alice[1..], "a range may begin within a commit");
    let folded = lines(&["--account", "alice", "--fold"]).await;
    assert!(folded.iter().any(|line| line.contains("credit_account") && line.contains("balance 7.50")), "{folded:?}");
}
