//! cqrs-es with postgres-es, as published: the event store without snapshots, its own table layout, its default pool.
//!
//! A charge is `consume` on a package of its account, decided by the same aggregate as in the ledger. Every charge loads
//! the whole history of the package first, so charges slow down as histories grow: the figure belongs to its duration.
//! Of two charges on one package at the same time one is refused by the primary key. It is made again after a random
//! wait, which published postgres-es leaves to its user; without the wait both figures halve.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::user_package::DEFAULT_TIME_ZONE;
use aggregates::{At, Credits, DayRule, ProductId, UserPackage, UserPackageCommand};
use anyhow::{Context, anyhow};
use billing_ledger::bench::report::{Latency, Row};
use billing_ledger::bench::size::Baseline;
use billing_ledger::bench::target::{Peer, PeerRun, Target};
use billing_ledger::bench::workload::{
    ACCOUNTS, CHARGE_MICROS, DAILY_LIMIT_MICROS, DURATION_DAYS, MANY, ONE_HOT, Workload,
};
use cqrs_es::AggregateError;
use hdrhistogram::Histogram;
use postgres_es::{PostgresCqrs, postgres_cqrs};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The layout that postgres-es reads and writes: its table, its primary key, and no other index.
const SCHEMA: &str = "DROP SCHEMA IF EXISTS postgres_es CASCADE; CREATE SCHEMA postgres_es; \
     CREATE TABLE postgres_es.events ( \
         aggregate_type text   NOT NULL, \
         aggregate_id   text   NOT NULL, \
         sequence       bigint NOT NULL CHECK (sequence >= 0), \
         event_type     text   NOT NULL, \
         event_version  text   NOT NULL, \
         payload        json   NOT NULL, \
         metadata       json   NOT NULL, \
         PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
const CALLERS: usize = 64;
/// What `default_postgress_pool` opens.
const CONNECTIONS: u32 = 10;
/// Who loses a race waits for a random part of this, doubled with every further loss…
const BACK_OFF: Duration = Duration::from_millis(10);
/// …up to this.
const BACK_OFF_MAX: Duration = Duration::from_millis(200);
/// A minute in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

pub(crate) struct PostgresEs;

impl Peer for PostgresEs {
    fn name(&self) -> &str {
        "cqrs-es + postgres-es"
    }

    fn run<'a>(&'a self, target: &'a Target, seconds: u64) -> PeerRun<'a> {
        Box::pin(async move {
            let duration = Duration::from_secs(seconds);
            let pool = connect(target).await?;
            let rows = vec![
                row(self.name(), &pool, MANY, ACCOUNTS, duration).await?,
                row(self.name(), &pool, ONE_HOT, 1, duration).await?,
            ];
            pool.execute("DROP SCHEMA postgres_es CASCADE").await?;
            pool.close().await;
            Ok(rows)
        })
    }
}

/// As `default_postgress_pool` does it, which takes only a URL; and its tables in a schema of their own.
async fn connect(target: &Target) -> anyhow::Result<PgPool> {
    let options = target.connect.clone().options([("search_path", "postgres_es")]).disable_statement_logging();
    PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.context("connecting postgres-es")
}

async fn row(name: &str, pool: &PgPool, accounts: &str, count: u64, duration: Duration) -> anyhow::Result<Row> {
    pool.execute(SCHEMA).await.context("the schema of postgres-es")?;
    let bench = Bench::new(pool.clone(), count)?;
    bench.activate_all().await.context("activating packages")?;
    pool.execute("VACUUM ANALYZE postgres_es.events").await?;

    let before = Baseline::take(pool, "postgres_es").await?;
    let measured = bench.charge(duration).await?;
    let charges = measured.latencies.len();
    Ok(Row {
        system: name.to_owned(),
        accounts: accounts.to_owned(),
        callers: CALLERS,
        per_second: charges as f64 / measured.seconds,
        latency: Some(Latency::of(&measured.latencies, None)),
        conflicts: Some(measured.conflicts),
        bytes_per_charge: before.bytes_per_charge(pool, charges).await?,
        note: format!(
            "As published: event store without snapshots, {CONNECTIONS} connections. Every history began with one event \
             and is loaded whole for each charge, so the figure falls with time. Conflicts are tried again after a \
             random wait; the rows they leave dead count as bytes."
        ),
    })
}

#[derive(Clone)]
struct Bench {
    cqrs: Arc<PostgresCqrs<UserPackage>>,
    workload: Workload,
    metadata: HashMap<String, String>,
}

struct Measured {
    seconds: f64,
    conflicts: u64,
    /// Of charges that succeeded in time, their lost races included.
    latencies: Histogram<u64>,
}

impl Bench {
    fn new(pool: PgPool, accounts: u64) -> anyhow::Result<Self> {
        let workload = Workload::new("postgres-es", accounts)?;
        let metadata = serde_json::from_str(&workload.charge(0, Uuid::nil())?.metadata)?;
        Ok(Self { cqrs: Arc::new(postgres_cqrs(pool, vec![], ())), workload, metadata })
    }

    async fn activate_all(&self) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            let bench = self.clone();
            tasks.spawn(async move {
                for account in (caller..bench.workload.accounts().len()).step_by(CALLERS) {
                    bench.execute(account, activate()?).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn charge(&self, duration: Duration) -> anyhow::Result<Measured> {
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            tasks.spawn(self.clone().charge_until(begin + duration, u64::try_from(caller)?));
        }
        let mut all = Measured { seconds: duration.as_secs_f64(), conflicts: 0, latencies: histogram()? };
        while let Some(done) = tasks.join_next().await {
            let (conflicts, latencies) = done.context("a caller")??;
            all.conflicts += conflicts;
            all.latencies.add(latencies)?;
        }
        Ok(all)
    }

    /// What succeeds after `end` does not count.
    async fn charge_until(self, end: Instant, seed: u64) -> anyhow::Result<(u64, Histogram<u64>)> {
        let mut picker = self.workload.picker(seed)?;
        let mut latencies = histogram()?;
        let mut conflicts = 0;
        while Instant::now() < end {
            let start = Instant::now();
            let account = picker.pick();
            let mut lost = 0;
            while !self.execute(account, consume()?).await? && Instant::now() < end {
                tokio::time::sleep(back_off(lost)).await;
                lost += 1;
            }
            conflicts += u64::from(lost);
            let done = Instant::now();
            if done < end {
                latencies.saturating_record(u64::try_from(done.duration_since(start).as_micros())?);
            }
        }
        Ok((conflicts, latencies))
    }

    /// `false`: another charge was faster.
    async fn execute(&self, account: usize, command: UserPackageCommand) -> anyhow::Result<bool> {
        let package = self.workload.accounts().get(account).context("no such account")?.package.to_string();
        let command = At { at: self.workload.at, command };
        match self.cqrs.execute_with_metadata(&package, command, self.metadata.clone()).await {
            Ok(()) => Ok(true),
            Err(AggregateError::AggregateConflict) => Ok(false),
            Err(error) => Err(anyhow!("{error}")),
        }
    }
}

fn back_off(lost: u32) -> Duration {
    let longest = BACK_OFF.saturating_mul(2_u32.saturating_pow(lost)).min(BACK_OFF_MAX);
    longest.mul_f64(rand::random())
}

fn activate() -> anyhow::Result<UserPackageCommand> {
    Ok(UserPackageCommand::Activate {
        product: ProductId::from_uuid(Uuid::nil()),
        daily_limit: Credits::from_micros(DAILY_LIMIT_MICROS)?,
        duration_days: DURATION_DAYS,
        time_zone: DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: None,
    })
}

fn consume() -> anyhow::Result<UserPackageCommand> {
    Ok(UserPackageCommand::Consume { amount: Credits::from_micros(CHARGE_MICROS)?, meter: None, reference: None })
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?)
}
