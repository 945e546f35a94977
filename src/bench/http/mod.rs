//! `billing-ledger bench http`: the whole server over HTTP, beside the transaction that one writes by hand.
//!
//! ```text
//! mod.rs     the run: the peer, the server under each load, what must hold
//! server.rs  `billing-ledger serve` as a process of its own
//! rows.rs    one load: throughput in a closed loop, latency in an open one
//! notifications.rs  another benchmark: what payment providers send
//! lag.rs     how far the read models are behind, and for how long
//! ```
//!
//! Server, workers, PostgreSQL and load generator share the machine's cores, as the peer shares them with pgbench. The
//! peer answers nobody over HTTP, identifies no caller, keeps no history and no read models.

mod lag;
pub mod notifications;
mod rows;
mod server;

use anyhow::Context;
use sqlx::Executor;

use self::rows::Bench;
use self::server::Server;
use super::report::{Hardware, Ratio, Report, Row};
use super::target::Target;
use super::workload::{ACCOUNTS, MANY, ONE_HOT, Workload};
use super::{Options, handwritten};
use crate::loadtest::Accounts;
use crate::store::{Store, StoreOptions};

const SYSTEM: &str = "billing-ledger over HTTP";
const WINDOWS: usize = 3;
const CONNECTIONS: [usize; 4] = [64, 128, 192, 256];
/// What must hold: the best of ours over the best of theirs.
const REQUIRED: [(&str, f64); 2] = [(MANY, 2.5), (ONE_HOT, 12.0)];

/// Measures everything on a private PostgreSQL with durability on, prints the table, and says whether what is promised
/// holds.
///
/// # Errors
/// When there is no PostgreSQL to be had, the server does not start, or a measurement fails.
pub async fn run(options: &Options) -> anyhow::Result<bool> {
    let folder = super::folder()?;
    let postgres = super::private_postgres(folder.path()).await?;
    let report = async {
        let (target, mut connection) = super::prepare(&postgres).await?;
        let mut rows = peer(&target, options.seconds).await?;
        connection.execute("CHECKPOINT").await?;
        tracing::info!("measured: hand-written SQL");
        let sets = [(MANY, Workload::new("many", ACCOUNTS)?), (ONE_HOT, Workload::new("hot", 1)?)];
        set_up(&target, &sets).await?;
        let server = Server::start(options.program.as_deref(), &postgres.url("postgres")).await?;
        rows.extend(ours(&target, &server, &sets, options.seconds).await?);
        server.stop().await?;
        let ratios = ratios(&rows);
        anyhow::Ok(Report { hardware: Hardware::read(postgres.version()), rows, ratios })
    };
    let report = report.await;
    postgres.stop().await?;
    let report = report?;
    super::publish(&report, options.json.as_deref())?;
    Ok(report.holds())
}

/// The peer's rows, the middle of so many windows each. Every window is the best of several numbers of clients.
async fn peer(target: &Target, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        windows.extend(handwritten::run(target, (seconds / 2).max(1)).await?);
    }
    let middle_of = |accounts| {
        let of = windows.iter().filter(|row| row.accounts == accounts);
        let all: Vec<_> = of.cloned().collect();
        let figures: Vec<_> = all.iter().map(|row| format!("{:.0}", row.per_second)).collect();
        let mut row = rows::middle(all, |row| row.per_second)?;
        row.note = format!("The middle of {WINDOWS} windows ({}). {}", figures.join(", "), row.note);
        anyhow::Ok(row)
    };
    Ok(vec![middle_of(MANY)?, middle_of(ONE_HOT)?])
}

/// Packages and credits, straight through the store: the same as in `bench store`.
async fn set_up(target: &Target, sets: &[(&str, Workload)]) -> anyhow::Result<()> {
    let store = Store::open(target.connect.clone(), StoreOptions::default()).await?;
    for (_, workload) in sets {
        workload.set_up(&store).await?;
    }
    store.close().await;
    Ok(())
}

async fn ours(target: &Target, server: &Server, sets: &[(&str, Workload)], seconds: u64) -> anyhow::Result<Vec<Row>> {
    let bench = Bench::new(target, server, seconds).await?;
    bench.caught_up().await.context("the read models of the accounts themselves")?;
    let mut rows = Vec::new();
    for (name, workload) in sets {
        let names = workload.accounts().iter().map(|account| account.id.clone()).collect();
        let accounts = Accounts::new(names, rows::charge()?)?;
        bench.warm_up(&accounts).await?;
        for connections in CONNECTIONS {
            rows.push(bench.row(name, &accounts, connections).await?);
            tracing::info!("measured: {name}, {connections} connections");
        }
    }
    Ok(rows)
}

fn ratios(rows: &[Row]) -> Vec<Ratio> {
    let best = |system: &str, accounts: &str| {
        let of = rows.iter().filter(|row| row.system == system && row.accounts == accounts);
        // Nothing measured compares with nothing, and so does not hold.
        of.map(|row| row.per_second).max_by(f64::total_cmp).unwrap_or(f64::NAN)
    };
    let required = REQUIRED.into_iter().map(|(accounts, required)| {
        let name = format!("over HTTP / hand-written SQL by pgbench, {accounts}");
        Ratio::new(name, best(SYSTEM, accounts), best(handwritten::SYSTEM, accounts), Some(required))
    });
    required.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, accounts: &str, per_second: f64) -> Row {
        let (system, accounts, note) = (system.to_owned(), accounts.to_owned(), String::new());
        Row { system, accounts, callers: 1, per_second, latency: None, conflicts: None, bytes_per_charge: None, note }
    }

    #[test]
    fn the_best_of_ours_is_held_against_the_best_of_theirs() {
        let peers = [row(handwritten::SYSTEM, MANY, 1_000.0), row(handwritten::SYSTEM, ONE_HOT, 100.0)];
        let ours = |many, hot| [row(SYSTEM, MANY, 1.0), row(SYSTEM, MANY, many), row(SYSTEM, ONE_HOT, hot)];
        let holds = |rows: &[Row]| ratios(rows).iter().map(|ratio| ratio.holds).collect::<Vec<_>>();
        assert_eq!(holds(&[&peers[..], &ours(2_500.0, 1_200.0)].concat()), [Some(true), Some(true)]);
        assert_eq!(holds(&[&peers[..], &ours(2_499.0, 1_199.0)].concat()), [Some(false), Some(false)]);
        assert_eq!(holds(&peers), [Some(false), Some(false)], "what was not measured does not hold");
    }
}
