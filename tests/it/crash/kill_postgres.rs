//! The server is killed under a working process, as by a power cut, again and again.

use billing_ledger::bench::workload::{CHARGE_MICROS, Workload};

use crate::support::log::{all_stores_gone, assert_agrees, assert_recorded_once, folded, recorded_commands, taken};
use crate::support::process::{Worker, assert_verifies};
use crate::support::{Server, open_store, plain_pool};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_outlives_its_server_and_loses_and_doubles_nothing() {
    const KILLS: usize = 10;
    const ACCOUNTS: u64 = 50;
    const CALLERS: usize = 64;
    let mut server = Server::start().await;
    let workload = Workload::new("outage", ACCOUNTS).unwrap();
    let setting_up = open_store(server.connect_options()).await;
    workload.set_up(&setting_up).await.unwrap();
    setting_up.close().await;

    // One process from beginning to end; its callers ask for the same command ids until they are answered.
    let arguments = ["--set", "outage", "--accounts", "50", "--callers", "64", "--seconds", "600"];
    let mut worker = Worker::start(&server.url(), &arguments).await;
    for _ in 0..KILLS {
        worker.acknowledges(300).await;
        server.kill_and_restart().await;
        let pool = plain_pool(server.connect_options()).await;
        assert_recorded_once(&pool, &worker.acknowledged()).await;
        pool.close().await;
    }
    worker.acknowledges(300).await;
    let acknowledged = worker.kill().await;

    let pool = plain_pool(server.connect_options()).await;
    all_stores_gone(&pool).await;
    assert_recorded_once(&pool, &acknowledged).await;
    let charges = recorded_commands(&pool).await.len() - ACCOUNTS as usize;
    let unacknowledged = charges - acknowledged.len();
    // Not ten times as many: whatever an outage left open, its caller has settled since.
    assert!(unacknowledged <= CALLERS, "{unacknowledged} charges that nobody was told of");
    assert_eq!(taken(&pool).await, charges as i64 * CHARGE_MICROS);
    let cold = open_store(server.connect_options()).await;
    assert_agrees(&cold, workload.accounts(), &folded(&pool).await).await;
    cold.close().await;
    assert_verifies(&server.url()).await;
}
