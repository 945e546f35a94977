//! Our store's rows of the table.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use uuid::Uuid;

use super::load::{Arrivals, Measured, charge};
use super::report::{Ratio, Row};
use super::size::Baseline;
use super::target::Target;
use super::worker::Counted;
use super::workload::{ACCOUNTS, MANY, ONE_HOT, Workload};
use super::{Options, handwritten, ratio, raw};
use crate::embedded_postgres::EmbeddedPostgres;
use crate::store::{Store, StoreOptions};

const OURS: &str = "billing-ledger";
/// Latency is measured at this share of the throughput: a system at its limit only shows the length of its queue.
const OFFERED: f64 = 0.6;
const WINDOWS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const LONG_HISTORY: u64 = 1_000_000;
const SHORT_HISTORY: u64 = 100;
const HISTORY_CALLERS: usize = 256;
const HISTORY_ROUNDS: usize = 5;
const TWO_PROCESSES_CALLERS: &str = "512";

pub(super) struct Ours {
    pub(super) rows: Vec<Row>,
    pub(super) ratios: Vec<Ratio>,
}

pub(super) async fn run(target: &Target, postgres: &EmbeddedPostgres, options: &Options) -> anyhow::Result<Ours> {
    let store = Store::open(target.connect.clone(), StoreOptions::default()).await?;
    let many = Workload::new("many", ACCOUNTS)?;
    many.set_up(&store).await?;
    let hot = Workload::new("hot", 1)?;
    hot.set_up(&store).await?;
    charge(&store, &many, 256, WARM_UP, Arrivals::Closed).await?;

    let mut rows = Vec::new();
    let time = Duration::from_secs(options.seconds);
    // The most callers first: like every other system, on tables that are not full of the measurements before.
    for (workload, accounts, callers) in [
        (&many, MANY, 1024),
        (&hot, ONE_HOT, 1024),
        (&many, MANY, 256),
        (&many, MANY, 64),
        (&many, MANY, 16),
        (&many, MANY, 1),
        (&hot, ONE_HOT, 64),
        (&many, MANY, 1024),
    ] {
        rows.push(row(&store, workload, accounts, callers, time).await?);
        sqlx::query("CHECKPOINT").execute(&owner(target).await?).await?;
    }
    let mut ratios = histories(target, &store).await?;
    store.close().await;
    ratios.extend(two_processes(postgres, options).await?);
    Ok(Ours { rows, ratios })
}

async fn owner(target: &Target) -> anyhow::Result<PgPool> {
    Ok(PgPool::connect_with(target.connect.clone()).await?)
}

/// Throughput in a closed loop; latency in an open one, at a share of that.
async fn row(
    store: &Store,
    workload: &Workload,
    accounts: &str,
    callers: usize,
    time: Duration,
) -> anyhow::Result<Row> {
    let conflicts = || store.stats().conflicts.load(std::sync::atomic::Ordering::Relaxed);
    let before = conflicts();
    let size = Baseline::take(store.pool(), "ledger").await?;
    let log: i64 =
        sqlx::query_scalar("SELECT sum(position)::int8 FROM ledger.log_heads").fetch_one(store.pool()).await?;
    let closed = windows(store, workload, callers, time, Arrivals::Closed).await?;
    let charges = closed.iter().map(|window| window.charges).sum();
    let bytes_per_charge = size.bytes_per_charge(store.pool(), charges).await?;
    let closed_all = list(closed.iter().map(|window| window.per_second / 1000.0));
    let closed = middle(closed, |window| window.per_second)?;
    let per_second = closed.per_second * OFFERED;
    let open = windows(store, workload, callers, time, Arrivals::Open { per_second }).await?;
    let open_all = list(open.iter().map(|window| window.latency.p99_us as f64 / 1000.0));
    let open = middle(open, |window| window.latency.p99_us as f64)?;
    Ok(Row {
        system: OURS.to_owned(),
        accounts: accounts.to_owned(),
        callers,
        per_second: closed.per_second,
        latency: Some(open.latency),
        conflicts: Some(conflicts() - before),
        bytes_per_charge,
        note: format!(
            "With {:.1} million events in the log. The middle of {WINDOWS} windows each; thousands a second {closed_all}; \
             p99 in ms {open_all}.",
            log as f64 / 1e6,
        ),
    })
}

/// The same measurement a few times: a hiccup of a shared machine is seen and does not decide.
async fn windows(
    store: &Store,
    workload: &Workload,
    callers: usize,
    time: Duration,
    arrivals: Arrivals,
) -> anyhow::Result<Vec<Measured>> {
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        windows.push(charge(store, workload, callers, time / 2, arrivals).await?);
    }
    Ok(windows)
}

fn middle(mut windows: Vec<Measured>, by: impl Fn(&Measured) -> f64) -> anyhow::Result<Measured> {
    windows.sort_by(|a, b| by(a).total_cmp(&by(b)));
    let middle = windows.len() / 2;
    windows.into_iter().nth(middle).context("no windows")
}

fn list(figures: impl Iterator<Item = f64>) -> String {
    figures.map(|figure| format!("{figure:.1}")).collect::<Vec<_>>().join(", ")
}

/// What a long history costs: warm, beside an account with a short one; and cold, from a snapshot.
async fn histories(target: &Target, store: &Store) -> anyhow::Result<Vec<Ratio>> {
    let long = Workload::new("long", 1)?;
    let short = Workload::new("short", 1)?;
    long.set_up(store).await?;
    short.set_up(store).await?;
    let mut events = 0;
    while events < LONG_HISTORY {
        events += charge(store, &long, 1024, Duration::from_secs(2), Arrivals::Closed).await?.charges;
    }
    let mut pairs = Vec::new();
    for round in 0..HISTORY_ROUNDS {
        // A short history that stays one: a new account each round, warmed up like the long one.
        let fresh = Workload::new(&format!("short-{round}"), 1)?;
        fresh.set_up(store).await?;
        for _ in 0..SHORT_HISTORY {
            store.execute(fresh.charge(0, Uuid::now_v7())?).await?;
        }
        let (long, short) = (warm_cost(store, &long).await?, warm_cost(store, &fresh).await?);
        pairs.push(short / long);
    }
    pairs.sort_by(f64::total_cmp);
    let warm = pairs.get(pairs.len() / 2).copied().context("no rounds")?;

    let cold = Store::open(target.connect.clone(), StoreOptions::default()).await?;
    // The connections and the lanes are there; the account is not.
    cold.execute(short.charge(0, Uuid::now_v7())?).await?;
    let other = same_lane(&cold, &long).await?;
    let begin = Instant::now();
    cold.execute(long.charge(0, Uuid::now_v7())?).await?;
    let cold_ms = begin.elapsed().as_secs_f64() * 1000.0;
    cold.close().await;
    drop(other);
    Ok(vec![
        ratio("warm charge after 100 events / after 1,000,000 events (time)", warm, 0.9),
        Ratio {
            name: "cold charge on an account of 1,000,000 events, ms (at most 20)".to_owned(),
            value: cold_ms,
            required: Some(20.0),
            holds: Some(cold_ms <= 20.0),
        },
    ])
}

/// Makes the lane of an account connect and prepare its statements, by a charge on a neighbour of its partition.
async fn same_lane(store: &Store, of: &Workload) -> anyhow::Result<Workload> {
    let part = of.accounts().first().context("no account")?.id.key().log_part();
    for n in 0..u64::MAX {
        let neighbour = Workload::new(&format!("neighbour-{n}"), 1)?;
        if neighbour.accounts().first().is_some_and(|account| account.id.key().log_part() == part) {
            neighbour.set_up(store).await?;
            store.execute(neighbour.charge(0, Uuid::now_v7())?).await?;
            return Ok(neighbour);
        }
    }
    anyhow::bail!("no neighbour")
}

/// Seconds per charge.
async fn warm_cost(store: &Store, workload: &Workload) -> anyhow::Result<f64> {
    let measured = charge(store, workload, HISTORY_CALLERS, Duration::from_secs(1), Arrivals::Closed).await?;
    Ok(1.0 / measured.per_second)
}

/// One process, two that share every account, two with the accounts routed between them.
async fn two_processes(postgres: &EmbeddedPostgres, options: &Options) -> anyhow::Result<Vec<Ratio>> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?,
    };
    let url = postgres.url("postgres");
    let seconds = options.seconds.to_string();
    let together = async |shares: &[Option<&str>]| -> anyhow::Result<f64> {
        let mut workers = Vec::new();
        for share in shares {
            workers.push(start_worker(&program, &url, &seconds, *share)?);
        }
        let mut sum = 0.0;
        for worker in workers {
            sum += finish_worker(worker).await?.per_second();
        }
        Ok(sum)
    };
    let one = together(&[None]).await?;
    let shared = together(&[None, None]).await?;
    let routed = together(&[Some("0/2"), Some("1/2")]).await?;
    Ok(vec![
        Ratio { name: "one process, charges/s".to_owned(), value: one, required: None, holds: None },
        ratio("two processes, every account shared / one process", shared / one, 0.3),
        ratio("two processes, routed by account / one process", routed / one, 0.9),
    ])
}

fn start_worker(program: &PathBuf, url: &str, seconds: &str, share: Option<&str>) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.args(["bench", "worker", "--set", "many", "--callers", TWO_PROCESSES_CALLERS]);
    command.args(["--warm-up", "2", "--seconds", seconds]);
    command.args(share.iter().flat_map(|share| ["--share", share]));
    command.env("DATABASE_URL", url).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().with_context(|| format!("starting {}", program.display()))
}

async fn finish_worker(mut worker: Child) -> anyhow::Result<Counted> {
    let mut lines = BufReader::new(worker.stdout.take().context("no output")?).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await? {
        last = line;
    }
    anyhow::ensure!(worker.wait().await?.success(), "a worker failed");
    serde_json::from_str(&last).with_context(|| format!("the worker's last line was {last:?}"))
}

/// How our rows stand to the others', with what must hold.
pub(super) fn against_peers(rows: &[Row]) -> Vec<Ratio> {
    let best = |system: &str, accounts: &str| {
        let of = rows.iter().filter(|row| row.system == system && row.accounts == accounts);
        of.map(|row| row.per_second).max_by(f64::total_cmp)
    };
    let ours = |accounts: &str, callers: usize| {
        rows.iter().find(|row| row.system == OURS && row.accounts == accounts && row.callers == callers)
    };
    let mut ratios = Vec::new();
    let mut compare = |name: &str, ours: Option<&Row>, theirs: Option<f64>, required: Option<f64>| {
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            ratios.push(Ratio::new(name, ours.per_second, theirs, required));
        }
    };
    compare(
        "1,024 callers / hand-written SQL, 10,000 accounts",
        ours(MANY, 1024),
        best(handwritten::SYSTEM, MANY),
        Some(8.0),
    );
    compare(
        "1,024 callers / hand-written SQL, one hot account",
        ours(ONE_HOT, 1024),
        best(handwritten::SYSTEM, ONE_HOT),
        Some(25.0),
    );
    for (batch_rows, required) in [(200, Some(0.4)), (1000, None)] {
        let raw = best(&format!("{} {batch_rows}", raw::EVENTS_AND_RESULTS), MANY);
        let name = format!("1,024 callers / raw inserts of the same rows by {batch_rows}");
        compare(&name, ours(MANY, 1024), raw, required);
    }
    if let Some(latency) = ours(MANY, 64).and_then(|row| row.latency.as_ref()) {
        let p99_ms = latency.p99_us as f64 / 1000.0;
        ratios.push(Ratio {
            name: "p99 at 64 callers, open loop, ms (at most 10)".to_owned(),
            value: p99_ms,
            required: Some(10.0),
            holds: Some(p99_ms <= 10.0),
        });
    }
    ratios
}
