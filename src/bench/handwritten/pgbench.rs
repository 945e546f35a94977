//! Runs `pgbench` and reads what it says.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use tokio::process::Command;

use crate::bench::report::Latency;
use crate::bench::target::Target;

/// Enough to connect, to finish what is under way and to write the log; a run that takes longer hangs.
const GRACE: Duration = Duration::from_secs(60);
const THREADS: &str = "2";
const LOG_PREFIX: &str = "transactions";
/// A minute in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

pub(super) struct Pgbench<'a> {
    pub(super) postgres: &'a Target,
    pub(super) script: &'a Path,
    /// Where the per-transaction logs go while they are needed.
    pub(super) logs: &'a Path,
    pub(super) seconds: u64,
}

pub(super) struct Measured {
    pub(super) clients: usize,
    pub(super) transactions: u64,
    /// Without the time it took to connect.
    pub(super) per_second: f64,
    pub(super) latency: Latency,
}

impl Pgbench<'_> {
    pub(super) async fn run(&self, clients: usize) -> anyhow::Result<Measured> {
        let running = self.command(clients).output();
        let output = tokio::time::timeout(Duration::from_secs(self.seconds) + GRACE, running)
            .await
            .context("pgbench did not end in time")?
            .with_context(|| format!("starting {}", self.postgres.pgbench.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let latency = Latency::of(&self.take_logs().await?, None);
        parse(&said, clients, latency).with_context(|| format!("pgbench said: {said}"))
    }

    fn command(&self, clients: usize) -> Command {
        let mut prefix = OsString::from("--log-prefix=");
        prefix.push(self.logs.join(LOG_PREFIX));
        let mut command = Command::new(&self.postgres.pgbench);
        command
            .args(["-n", "-M", "prepared", "-j", THREADS, "-l"])
            .arg(prefix)
            .args(["-c", &clients.to_string(), "-T", &self.seconds.to_string()])
            .arg("-f")
            .arg(self.script)
            .arg("-h")
            .arg(&self.postgres.socket_dir)
            .args(["-p", &self.postgres.port.to_string(), "-U", self.postgres.connect.get_username()])
            .arg(&self.postgres.database)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Reads and removes the logs: a line for every transaction, its third word the microseconds it took.
    async fn take_logs(&self) -> anyhow::Result<Histogram<u64>> {
        let mut histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        let mut entries = tokio::fs::read_dir(self.logs).await?;
        while let Some(entry) = entries.next_entry().await? {
            if !entry.file_name().to_string_lossy().starts_with(LOG_PREFIX) {
                continue;
            }
            let log = tokio::fs::read_to_string(entry.path()).await?;
            for line in log.lines() {
                let took = line.split(' ').nth(2).and_then(|us| us.parse().ok());
                histogram.saturating_record(took.with_context(|| format!("a line of pgbench's log: {line}"))?);
            }
            tokio::fs::remove_file(entry.path()).await?;
        }
        Ok(histogram)
    }
}

fn parse(said: &str, clients: usize, latency: Latency) -> anyhow::Result<Measured> {
    let failed = after(said, "number of failed transactions: ").context("no number of failed transactions")?;
    if failed != "0" {
        bail!("{failed} transactions failed");
    }
    let transactions = after(said, "number of transactions actually processed: ").context("no transactions")?;
    let per_second = after(said, "tps = ").context("no transactions per second")?;
    Ok(Measured { clients, transactions: transactions.parse()?, per_second: per_second.parse()?, latency })
}

/// The word after `label`.
fn after<'a>(said: &'a str, label: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
transaction type: charge.sql
scaling factor: 1
query mode: prepared
number of clients: 16
number of threads: 2
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 33456
number of failed transactions: 0 (0.000%)
latency average = 2.391 ms
initial connection time = 21.554 ms
tps = 6691.204863 (without initial connection time)
";
    const NONE: Latency = Latency { p50_us: 0, p99_us: 0, p999_us: 0, open_loop_rate: None };

    #[test]
    fn figures_are_read() {
        let measured = parse(SAID, 16, NONE).unwrap();
        assert_eq!(measured.transactions, 33_456);
        assert_eq!(measured.per_second, 6_691.204_863);
    }

    #[test]
    fn a_failed_transaction_is_no_result() {
        assert!(parse(&SAID.replace("transactions: 0", "transactions: 3"), 16, NONE).is_err());
        assert!(parse("", 16, NONE).is_err());
    }
}
