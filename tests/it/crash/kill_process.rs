//! A process is killed in the middle of its work, again and again.

use billing_ledger::bench::workload::{CHARGE_MICROS, Workload};

use crate::support::log::{all_stores_gone, assert_agrees, assert_recorded_once, folded, recorded_commands, taken};
use crate::support::process::{Worker, assert_verifies};
use crate::support::{database, open_store, plain_pool};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_acknowledged_is_recorded_once_and_what_it_did_not_at_most_once() {
    const KILLS: usize = 10;
    const ACCOUNTS: u64 = 50;
    const CALLERS: usize = 64;
    let db = database().await;
    let pool = plain_pool(db.connect_options()).await;
    let workload = Workload::new("killed", ACCOUNTS).unwrap();
    let setting_up = open_store(db.connect_options()).await;
    workload.set_up(&setting_up).await.unwrap();
    setting_up.close().await;

    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        let arguments = ["--set", "killed", "--accounts", "50", "--callers", "64", "--seconds", "600"];
        let mut worker = Worker::start(&db.url(), &arguments).await;
        worker.acknowledges(500).await;
        acknowledged.extend(worker.kill().await);
        assert_recorded_once(&pool, &acknowledged).await;
    }
    all_stores_gone(&pool).await;

    let charges = recorded_commands(&pool).await.len() - ACCOUNTS as usize;
    let unacknowledged = charges - acknowledged.len();
    assert!(unacknowledged <= KILLS * CALLERS, "{unacknowledged} charges that nobody was told of");
    assert_eq!(taken(&pool).await, charges as i64 * CHARGE_MICROS);
    let cold = open_store(db.connect_options()).await;
    assert_agrees(&cold, workload.accounts(), &folded(&pool).await).await;
    cold.close().await;
    assert_verifies(&db.url()).await;
}
