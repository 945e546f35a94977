//! One load on the server: throughput in a closed loop, latency in an open one, and what it cost on both sides.

use std::time::Duration;

use aggregates::Credits;
use anyhow::{Context, ensure};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::lag::{Lag, lag, wait_until_caught_up};
use super::server::Server;
use super::{SYSTEM, WINDOWS};
use crate::bench::report::{Latency, Row};
use crate::bench::size::Baseline;
use crate::bench::target::Target;
use crate::bench::workload::CHARGE_MICROS;
use crate::loadtest::{self, Accounts, Load, Report};

/// Latency is measured at this share of the throughput: a system at its limit only shows the length of its queue.
const OFFERED: f64 = 0.6;
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_CONNECTIONS: usize = 256;

pub(super) struct Bench<'a> {
    server: &'a Server,
    pool: PgPool,
    window: Duration,
}

/// What one charge takes, here as with the peer.
pub(super) fn charge() -> anyhow::Result<Credits> {
    Credits::from_micros(CHARGE_MICROS).context("an amount of credits")
}

impl<'a> Bench<'a> {
    pub(super) async fn new(target: &Target, server: &'a Server, seconds: u64) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(target.connect.clone()).await?;
        Ok(Self { server, pool, window: Duration::from_secs(seconds) / 2 })
    }

    pub(super) async fn caught_up(&self) -> anyhow::Result<Duration> {
        wait_until_caught_up(&self.pool).await
    }

    /// Every account is loaded once, and the server has seen what it will see.
    pub(super) async fn warm_up(&self, accounts: &Accounts) -> anyhow::Result<()> {
        self.load(accounts, WARM_UP_CONNECTIONS, WARM_UP, None).await?;
        self.caught_up().await?;
        Ok(())
    }

    pub(super) async fn row(&self, name: &str, accounts: &Accounts, connections: usize) -> anyhow::Result<Row> {
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        let size = Baseline::take(&self.pool, "ledger").await?;
        let before = self.server.cost().await?;
        let closed = self.windows(accounts, connections, None).await?;
        let behind = lag(&self.pool).await?;
        let cost = self.server.cost().await?.since(before);
        let charges = closed.iter().map(|window| window.charges).sum();
        let caught_up = self.caught_up().await?;
        let bytes_per_charge = size.bytes_per_charge(&self.pool, charges).await?;
        let closed_all = list(closed.iter().map(|window| window.per_second / 1000.0));
        let full = middle(closed, |window| window.per_second)?;

        let open = self.windows(accounts, connections, Some(full.per_second * OFFERED)).await?;
        let open_all = list(open.iter().map(p99_ms));
        let calm = middle(open, p99_ms)?;
        self.caught_up().await?;
        Ok(Row {
            system: SYSTEM.to_owned(),
            accounts: name.to_owned(),
            callers: connections,
            per_second: full.per_second,
            latency: latency(&calm),
            conflicts: None,
            bytes_per_charge,
            note: format!(
                "The middle of {WINDOWS} windows each; thousands a second {closed_all}; p99 in ms {open_all}. At full \
                 load p50 {} ms, p99 {} ms. {} {}",
                milliseconds(latency(&full), |latency| latency.p50_us),
                milliseconds(latency(&full), |latency| latency.p99_us),
                cost.per_charge(charges),
                said(behind, caught_up),
            ),
        })
    }

    async fn windows(
        &self,
        accounts: &Accounts,
        connections: usize,
        per_second: Option<f64>,
    ) -> anyhow::Result<Vec<Report>> {
        let mut windows = Vec::new();
        for _ in 0..WINDOWS {
            windows.push(self.load(accounts, connections, self.window, per_second).await?);
        }
        Ok(windows)
    }

    /// Every request is answered, and with a charge: these accounts have enough, and the server is asked by few.
    async fn load(
        &self,
        accounts: &Accounts,
        connections: usize,
        duration: Duration,
        per_second: Option<f64>,
    ) -> anyhow::Result<Report> {
        let load = Load { connections, duration, per_second, threads: 1 };
        let (server, accounts) = (self.server.under_load()?, accounts.clone());
        let running = tokio::task::spawn_blocking(move || loadtest::run(&server, &accounts, &load));
        let report = running.await.context("the load generator")??;
        let refused = report.statuses.keys().any(|status| !(200..300).contains(status));
        ensure!(report.is_sound() && !refused, "not every charge was recorded: {report}");
        Ok(report)
    }
}

pub(super) fn middle<T>(mut windows: Vec<T>, by: impl Fn(&T) -> f64) -> anyhow::Result<T> {
    windows.sort_by(|a, b| by(a).total_cmp(&by(b)));
    let middle = windows.len() / 2;
    windows.into_iter().nth(middle).context("no windows")
}

fn latency(report: &Report) -> Option<Latency> {
    report.latency.map(|latency| Latency {
        p50_us: latency.p50_us,
        p99_us: latency.p99_us,
        p999_us: latency.p999_us,
        open_loop_rate: report.offered_per_second,
    })
}

fn p99_ms(report: &Report) -> f64 {
    report.latency.map_or(f64::INFINITY, |latency| latency.p99_us as f64 / 1000.0)
}

fn milliseconds(latency: Option<Latency>, pick: impl Fn(Latency) -> u64) -> String {
    latency.map_or_else(|| "?".to_owned(), |latency| format!("{:.1}", pick(latency) as f64 / 1000.0))
}

fn list(figures: impl Iterator<Item = f64>) -> String {
    figures.map(|figure| format!("{figure:.1}")).collect::<Vec<_>>().join(", ")
}

fn said(behind: Lag, caught_up: Duration) -> String {
    let Lag { events } = behind;
    format!(
        "At its end the read models were {events} events behind, and caught up within {:.1} s.",
        caught_up.as_secs_f64()
    )
}
