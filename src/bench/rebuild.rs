//! `billing-ledger bench rebuild`: how fast read models are made from a log, and in how much memory.
//!
//! The log is what a shop makes: customers buy a package (order, payment, package, delivery), get credits, and then use
//! both for a month, a few of them very much. Small daily quotas send part of every day's use to the credits.
//!
//! Memory is flat where the whole log needs little more of it than the first quarter. By then every batch is of its full
//! size; what is kept for each event would show fourfold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aggregates::{
    AccountId, Charge, Command, CommandId, CreditAccountCommand, Credits, DayRule, GrantId, GrantSource, Money,
    OrderCommand, OrderId, OrderNumber, PackageTerms, Payment, PlaceOrder, ProductId, ProductKind, TakePayment,
};
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use rand::distr::Distribution;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use crate::rebuild;
use crate::store::{self, ExecuteError, Store, StoreOptions, UnitOfWork};
use crate::workers::projections::catch_up;

const CALLERS: usize = 1_024;
const DAYS: i64 = 29;
const MICROS_PER_CENT: i64 = 10_000;
/// What must hold.
const EVENTS_PER_SECOND_REQUIRED: f64 = 100_000.0;
/// The peak of memory at the end, over the peak when a quarter was done.
const MEMORY_GROWTH_MAX: f64 = 1.5;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Events in the log.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    #[arg(long, default_value_t = 20_000)]
    pub accounts: u64,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub events: u64,
    pub rows: i64,
    /// From the first event to read models that are compared and swapped.
    pub rebuild_seconds: f64,
    pub rebuild_events_per_second: f64,
    /// The same by the live loop, batch by batch.
    pub live_seconds: f64,
    pub live_events_per_second: f64,
    /// Most memory this process held during the rebuild until a quarter was done, and until the end.
    pub peak_rss_megabytes_at_25_percent: u64,
    pub peak_rss_megabytes_at_end: u64,
}

impl Report {
    /// What is promised and does not hold, in words.
    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        // What is no number is not fast.
        let fast = self.rebuild_events_per_second >= EVENTS_PER_SECOND_REQUIRED;
        if !fast {
            let (measured, required) = (self.rebuild_events_per_second, EVENTS_PER_SECOND_REQUIRED);
            broken.push(format!("{measured:.0} events/s, and {required:.0} are promised"));
        }
        let (quarter, end) = (self.peak_rss_megabytes_at_25_percent, self.peak_rss_megabytes_at_end);
        if quarter == 0 || end as f64 > quarter as f64 * MEMORY_GROWTH_MAX {
            broken.push(format!("memory is not flat: {quarter} MB after a quarter, {end} MB at the end"));
        }
        broken
    }
}

/// Measures on a private PostgreSQL with durability on, prints what was measured, and says whether what is promised
/// holds.
///
/// # Errors
/// When there is no PostgreSQL to be had, or a step fails.
pub async fn run(options: &Options) -> anyhow::Result<bool> {
    let folder = super::folder()?;
    let postgres = super::private_postgres(folder.path()).await?;
    let measured = measure(options, &postgres.connect_options("postgres")).await;
    postgres.stop().await?;
    let report = measured?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report:#?}");
    }
    let broken = report.broken();
    broken.iter().for_each(|broken| eprintln!("does not hold: {broken}"));
    Ok(broken.is_empty())
}

async fn measure(options: &Options, connect: &PgConnectOptions) -> anyhow::Result<Report> {
    store::migrate(connect).await?;
    fill(options, connect).await?;
    tracing::info!("the log is filled");

    let begin = Instant::now();
    let live_events = catch_up(connect.clone()).await?;
    let live_seconds = begin.elapsed().as_secs_f64();
    tracing::info!(live_seconds, "the live read models are made");

    forget_peak()?;
    let mut at_quarter = None;
    let begin = Instant::now();
    let rebuilt = rebuild::run(connect, &rebuild::Options::default(), |done, total| {
        if at_quarter.is_none() && done * 4 >= total {
            at_quarter = peak_rss_megabytes().ok();
        }
    })
    .await?;
    let rebuild_seconds = begin.elapsed().as_secs_f64();
    anyhow::ensure!(rebuilt.is_same(), "the rebuilt rows differ: {rebuilt:?}");
    Ok(Report {
        events: rebuilt.events,
        rows: rebuilt.tables.iter().map(|table| table.rows).sum(),
        rebuild_seconds,
        rebuild_events_per_second: rebuilt.events as f64 / rebuild_seconds,
        live_seconds,
        live_events_per_second: live_events as f64 / live_seconds,
        peak_rss_megabytes_at_25_percent: at_quarter.context("no progress")?,
        peak_rss_megabytes_at_end: peak_rss_megabytes()?,
    })
}

async fn fill(options: &Options, connect: &PgConnectOptions) -> anyhow::Result<()> {
    let store = Store::open(connect.clone(), StoreOptions::default()).await?;
    let shop = Arc::new(Shop { accounts: options.accounts.max(2), opens: Utc::now() - TimeDelta::days(DAYS + 1) });
    let recorded = Arc::new(AtomicU64::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (store, shop, recorded, next) = (store.clone(), shop.clone(), recorded.clone(), next.clone());
        let events = options.events;
        callers.spawn(async move {
            loop {
                let account = next.fetch_add(1, Ordering::Relaxed);
                if account >= shop.accounts {
                    break;
                }
                recorded.fetch_add(execute(&store, shop.opening(account)?).await?, Ordering::Relaxed);
            }
            let mut random = SmallRng::seed_from_u64(caller as u64);
            let popular = Zipf::new(shop.accounts as f64, 1.0)?;
            loop {
                let done = recorded.load(Ordering::Relaxed);
                if done >= events {
                    return anyhow::Ok(());
                }
                let account = (popular.sample(&mut random) as u64).saturating_sub(1);
                let unit = shop.charge(account, done as f64 / events as f64, &mut random)?;
                recorded.fetch_add(execute(&store, unit).await?, Ordering::Relaxed);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.context("a caller")??;
    }
    store.close().await;
    Ok(())
}

async fn execute(store: &Store, unit: UnitOfWork) -> anyhow::Result<u64> {
    loop {
        match store.execute(unit.clone()).await {
            Ok(receipt) => return Ok(receipt.events.len() as u64),
            Err(ExecuteError::Busy) => tokio::task::yield_now().await,
            // The end of a month is a good time to have nothing left.
            Err(ExecuteError::Refused(_)) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

struct Shop {
    accounts: u64,
    opens: DateTime<Utc>,
}

impl Shop {
    fn account(account: u64) -> anyhow::Result<AccountId> {
        Ok(AccountId::try_new(&format!("customer-{account:06}"))?)
    }

    /// Buys and pays for a package, and gets credits.
    fn opening(&self, account: u64) -> anyhow::Result<UnitOfWork> {
        let yuan = "CNY".parse()?;
        let number = OrderNumber::new(self.opens, u32::try_from(account)?);
        let order = OrderId::of_number(&number);
        let kind = ProductKind::Package(PackageTerms {
            duration_days: 30,
            daily_limit: Credits::from_micros(100 * MICROS_PER_CENT)?,
            day: DayRule::Calendar,
            again: aggregates::Again::Extend,
        });
        let place = PlaceOrder {
            number,
            product: ProductId::numbered(1),
            name: "monthly card".to_owned(),
            kind,
            time_zone: chrono_tz::Asia::Shanghai,
            price: Money::from_minor(3_000, yuan),
            provider: "sandbox".to_owned(),
            expires_at: self.opens + TimeDelta::minutes(15),
        };
        let payment = Payment {
            provider: "sandbox".to_owned(),
            payment_id: format!("payment-{account}"),
            amount: Money::from_minor(3_000, yuan),
            method: None,
        };
        let grant = CreditAccountCommand::Grant {
            grant: GrantId::from_uuid(Uuid::now_v7()),
            source: GrantSource::Promotion,
            amount: Credits::whole(1_000_000),
            expires_at: None,
            reason: None,
        };
        let commands = vec![
            Command::Order(order, OrderCommand::Place(place)),
            Command::TakePayment(TakePayment { order, payment, license_key: None }),
            Command::CreditAccount(grant),
        ];
        Ok(UnitOfWork::new(Self::account(account)?, CommandId::from_uuid(Uuid::now_v7()), self.opens, commands)?)
    }

    /// One use, `progress` of the month after the opening.
    fn charge(&self, account: u64, progress: f64, random: &mut SmallRng) -> anyhow::Result<UnitOfWork> {
        let seconds = (progress * (DAYS * 86_400) as f64) as i64;
        let amount = Credits::from_micros(random.random_range(1..=20) * MICROS_PER_CENT)?;
        let command = Command::Charge(Charge {
            amount,
            meter: Some("letters".to_owned()),
            reference: None,
            overdraft: aggregates::Overdraft::Refuse,
        });
        let at = self.opens + TimeDelta::seconds(seconds);
        let millis = u64::try_from(Utc::now().timestamp_millis())?;
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random.random()).into_uuid();
        Ok(UnitOfWork::new(Self::account(account)?, CommandId::from_uuid(id), at, vec![command])?)
    }
}

/// Linux keeps the peak until it is told to begin again.
fn forget_peak() -> anyhow::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("forgetting the peak of memory")
}

fn peak_rss_megabytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: u64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rebuild_and_one_whose_memory_grows_do_not_hold() {
        let broken = |events_per_second, quarter, end| {
            let report = Report {
                events: 1,
                rows: 1,
                rebuild_seconds: 1.0,
                rebuild_events_per_second: events_per_second,
                live_seconds: 1.0,
                live_events_per_second: 1.0,
                peak_rss_megabytes_at_25_percent: quarter,
                peak_rss_megabytes_at_end: end,
            };
            report.broken().len()
        };
        assert_eq!(broken(100_000.0, 100, 150), 0);
        assert_eq!(broken(99_999.0, 100, 150), 1);
        assert_eq!(broken(100_000.0, 100, 151), 1);
        assert_eq!(
            (broken(f64::NAN, 100, 100), broken(100_000.0, 0, 0)),
            (1, 1),
            "what was not measured does not hold"
        );
    }
}
