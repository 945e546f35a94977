//! Reads that wait for what they must see.

use std::time::Duration;

use billing_ledger::workers::projections::{Loop, Options};
use billing_ledger::workers::read_gate::ReadGate;
use projections::balances;
use tokio_util::sync::CancellationToken;

use super::scene::{Scene, grant, time};
use crate::support::PATIENCE;
use crate::support::units::account;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_sees_the_write_whose_position_it_carries() {
    let scene = Scene::new().await;
    let shutdown = CancellationToken::new();
    let (runs, handle) = Loop::new(scene.database.connect_options(), Options::default());
    let running = tokio::spawn(runs.run(shutdown.clone()));
    let now = time("2026-01-05T06:00:00Z");
    let here = ReadGate::new(scene.pool.clone(), Some(handle));
    let elsewhere = ReadGate::new(scene.pool.clone(), None);
    for (n, gate) in (1..=10).flat_map(|n| [(2 * n, &here), (2 * n + 1, &elsewhere)]) {
        let account = account(&format!("reader-{n}"));
        let receipt = scene.tell(&account, now, vec![grant(1, "1.00", None)]).await;
        gate.wait(receipt.log_part, receipt.position, PATIENCE).await.expect("there in time");
        let view = balances::query::credits_of(&scene.pool, account.key(), now).await.expect("credits");
        assert_eq!(view.credits, "1.00");
    }
    shutdown.cancel();
    running.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_bounded_and_what_another_process_wrote_counts() {
    let scene = Scene::new().await;
    let now = time("2026-01-05T06:00:00Z");
    // A loop that is not run: this process has no idea.
    let (_idle, handle) = Loop::new(scene.database.connect_options(), Options::default());
    let gate = ReadGate::new(scene.pool.clone(), Some(handle));
    let receipt = scene.tell(&account("alice"), now, vec![grant(1, "1.00", None)]).await;
    let lagging =
        gate.wait(receipt.log_part, receipt.position, Duration::from_millis(30)).await.expect_err("nobody reads");
    assert_eq!((lagging.log_part, lagging.position), (receipt.log_part, receipt.position));
    assert!(lagging.trouble.is_none());
    scene.catch_up().await;
    gate.wait(receipt.log_part, receipt.position, PATIENCE).await.expect("the database knows");
    let beyond = gate.wait(receipt.log_part, receipt.position + 1, Duration::ZERO).await;
    assert!(beyond.is_err(), "nothing more is there");
}
