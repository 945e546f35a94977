//! The peer that everybody has: the charge as one hand-written SQL transaction, through `pgbench`.
//!
//! ```text
//!   schema.sql   packages, daily usage, balances, a log of what was used
//!   charge.sql   lock the package, use what today's quota has, take the rest from the balance, write the log row
//!   pgbench.rs   the program: run it, read what it says
//! ```
//!
//! Everything a careful engineer would do for speed is done: prepared statements, the balance left alone where nothing
//! is taken from it, few indexes, room for HOT updates, fresh statistics, the best of several numbers of clients.
//! It keeps no idempotency key and no history that could be verified. The package row is locked in a statement of its
//! own: the next statement's snapshot then sees what the previous holder of the lock did, as a join would not.

mod pgbench;

use anyhow::{Context, ensure};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use tempfile::TempDir;

use self::pgbench::{Measured, Pgbench};
use super::report::Row;
use super::size::Baseline;
use super::target::Target;
use super::workload::{ACCOUNTS, CHARGE_MICROS, DAILY_LIMIT_MICROS, MANY, ONE_HOT};

const SCHEMA: &str = include_str!("schema.sql");
const CHARGE: &str = include_str!("charge.sql");
/// Its name in the table.
pub const SYSTEM: &str = "hand-written SQL, pgbench";
const CLIENTS_TRIED: [usize; 4] = [8, 16, 32, 64];
/// pgbench wants an exponent above 1.
const ZIPF_EXPONENT: &str = "1.001";

/// One row for all accounts and one for a hot one; `seconds` for each number of clients.
///
/// # Errors
/// When the database or pgbench fails.
pub async fn run(postgres: &Target, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(postgres.connect.clone()).await?;
    pool.execute(SCHEMA).await.context("the hand-written schema")?;
    load(&pool).await.context("the hand-written accounts")?;

    let many = format!("random_zipfian(1, {ACCOUNTS}, {ZIPF_EXPONENT})");
    let rows =
        vec![best(postgres, &pool, &many, MANY, seconds).await?, best(postgres, &pool, "1", ONE_HOT, seconds).await?];
    check(&pool).await?;
    pool.execute("DROP SCHEMA handwritten CASCADE").await?;
    pool.close().await;
    Ok(rows)
}

/// The same accounts as everywhere else: a package nobody can use up in a day, and credits.
async fn load(pool: &PgPool) -> anyhow::Result<()> {
    let accounts = i64::try_from(ACCOUNTS)?;
    sqlx::query(
        "INSERT INTO handwritten.user_packages (account_id, daily_limit, ends_at) \
         SELECT n, $2, now() + interval '365 days' FROM generate_series(1, $1) AS n",
    )
    .bind(accounts)
    .bind(DAILY_LIMIT_MICROS)
    .execute(pool)
    .await?;
    sqlx::query("INSERT INTO handwritten.balances SELECT n, $2 FROM generate_series(1, $1) AS n")
        .bind(accounts)
        .bind(DAILY_LIMIT_MICROS)
        .execute(pool)
        .await?;
    pool.execute("VACUUM ANALYZE handwritten.user_packages, handwritten.balances").await?;
    Ok(())
}

/// A peer that loses money would be no peer.
async fn check(pool: &PgPool) -> anyhow::Result<()> {
    let adds_up: bool = sqlx::query_scalar(
        "SELECT coalesce(sum(from_package), 0) = (SELECT coalesce(sum(used), 0) FROM handwritten.daily_usage) \
         FROM handwritten.usage_log",
    )
    .fetch_one(pool)
    .await?;
    ensure!(adds_up, "the hand-written log and its daily usage do not add up");
    Ok(())
}

async fn best(postgres: &Target, pool: &PgPool, account: &str, accounts: &str, seconds: u64) -> anyhow::Result<Row> {
    let folder = TempDir::new().context("a folder for pgbench")?;
    let script = folder.path().join("charge.sql");
    tokio::fs::write(&script, format!("\\set account {account}\n\\set amount {CHARGE_MICROS}\n{CHARGE}")).await?;
    let program = Pgbench { postgres, script: &script, logs: folder.path(), seconds };

    let before = Baseline::take(pool, "handwritten").await?;
    let mut runs = Vec::new();
    for clients in CLIENTS_TRIED {
        pool.execute("VACUUM ANALYZE handwritten.daily_usage, handwritten.balances").await?;
        runs.push(program.run(clients).await.with_context(|| format!("pgbench with {clients} clients"))?);
    }
    let charges = runs.iter().map(|run| run.transactions).sum();
    let bytes_per_charge = before.bytes_per_charge(pool, charges).await?;
    let best = runs.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second)).context("no run of pgbench")?;
    Ok(Row {
        system: SYSTEM.to_owned(),
        accounts: accounts.to_owned(),
        callers: best.clients,
        per_second: best.per_second,
        latency: Some(best.latency),
        conflicts: None,
        bytes_per_charge,
        note: note(&runs),
    })
}

fn note(runs: &[Measured]) -> String {
    let tried: Vec<_> = runs.iter().map(|run| format!("{} clients {:.0}/s", run.clients, run.per_second)).collect();
    format!(
        "The best of {}. Prepared statements, Zipf exponent {ZIPF_EXPONENT}; no idempotency key, no history to verify.",
        tried.join(", ")
    )
}
