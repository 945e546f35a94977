//! `billing-ledger serve` as a process of its own, as it runs in production, and what it says about itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use url::Url;

use crate::loadtest;
use crate::web::auth::{Claims, Role, mint};

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const TOKEN_SECONDS: u32 = 24 * 60 * 60;
/// Nothing here sends mail, but a server wants to know where it would go.
const NO_MAIL: &str = "smtp://127.0.0.1:9";
/// Linux counts a process's time in these.
const TICK_MICROS: u64 = 10_000;
/// What the server counts of its store.
const UNITS: &str = "ledger_store_units_total";
const APPENDS: &str = "ledger_store_appends_total";

/// A running server; it is killed when this is dropped.
pub(super) struct Server {
    child: Child,
    /// Held, so that the server can go on speaking.
    _said: Lines<BufReader<ChildStdout>>,
    pid: u32,
    url: Url,
    token: SecretString,
    client: reqwest::Client,
}

impl Server {
    /// `program`, or this one, on any port; with secrets of its own and nothing of our environment.
    pub(super) async fn start(program: Option<&Path>, database_url: &str) -> anyhow::Result<Self> {
        Self::start_with(program, database_url, &[]).await
    }

    /// With more settings.
    pub(super) async fn start_with(
        program: Option<&Path>,
        database_url: &str,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let program = match program {
            Some(program) => program.to_owned(),
            None => std::env::current_exe()?,
        };
        let mut random = rand::rng();
        let (secret, master_key) = (hex::encode(random.random::<[u8; 32]>()), hex::encode(random.random::<[u8; 32]>()));
        let mut command = Command::new(&program);
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear();
        command
            .envs(std::env::vars_os().filter(|(name, _)| ["PATH", "HOME", "RUST_LOG"].iter().any(|kept| name == kept)));
        command.env("DATABASE_URL", database_url).env("JWT_SECRET", &secret).env("LEDGER_MASTER_KEY", &master_key);
        command.env("SMTP_URL", NO_MAIL).envs(settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().context("the server ended at once")?;
        let mut said = BufReader::new(child.stdout.take().context("no output")?).lines();
        let url = timeout(READY_WITHIN, address(&mut said)).await.context("the server did not get ready")??;
        let claims = Claims { sub: "load".to_owned(), role: Role::Service, ..Claims::default() };
        let token = mint(secret.as_bytes(), &claims, TOKEN_SECONDS, None, None)?.into();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        Ok(Self { child, _said: said, pid, url, token, client })
    }

    /// As the load generator has to know it.
    pub(super) fn under_load(&self) -> anyhow::Result<loadtest::Server> {
        Ok(loadtest::Server { url: self.url.clone(), token: self.token.clone(), allow_remote: false })
    }

    /// Asks it to stop, and waits until it has.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid)?), Signal::SIGTERM).context("stopping the server")?;
        let status = timeout(STOPPED_WITHIN, self.child.wait()).await.context("the server did not stop")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// What it and the load generator have used so far.
    pub(super) async fn cost(&self) -> anyhow::Result<Cost> {
        let metrics = self.client.get(self.url.join("/metrics")?).send().await?.error_for_status()?.text().await?;
        Ok(Cost {
            server_micros: cpu_micros(&self.pid.to_string())?,
            generator_micros: cpu_micros("self")?,
            units: counted(&metrics, UNITS),
            appends: counted(&metrics, APPENDS),
        })
    }
}

async fn address(said: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Url> {
    while let Some(line) = said.next_line().await? {
        if let Some(url) = line.strip_prefix("listening on ") {
            return url.trim().parse().context("the address that the server said");
        }
    }
    anyhow::bail!("the server ended before it was ready")
}

/// What a load used: processor time on both sides, and appends to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    server_micros: u64,
    generator_micros: u64,
    units: Option<f64>,
    appends: Option<f64>,
}

impl Cost {
    pub(super) fn since(self, before: Self) -> Self {
        let less = |now: Option<f64>, then: Option<f64>| Some(now? - then.unwrap_or_default());
        Self {
            server_micros: self.server_micros.saturating_sub(before.server_micros),
            generator_micros: self.generator_micros.saturating_sub(before.generator_micros),
            units: less(self.units, before.units),
            appends: less(self.appends, before.appends),
        }
    }

    /// In a sentence.
    pub(super) fn per_charge(&self, charges: u64) -> String {
        let each = |micros: u64| micros as f64 / charges.max(1) as f64;
        let (server, generator) = (each(self.server_micros), each(self.generator_micros));
        let mut said =
            format!("A charge took {server:.1} µs of the server's processors and {generator:.1} µs of the generator's");
        if let (Some(units), Some(appends)) = (self.units, self.appends) {
            said.push_str(&format!("; {:.0} shared an append", units / appends.max(1.0)));
        }
        said.push('.');
        said
    }
}

/// Of all threads of a process, in the kernel and out of it.
fn cpu_micros(process: &str) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).context("reading a process's time")?;
    ticks(&stat).map(|ticks| ticks * TICK_MICROS).context("a process's time")
}

/// The 14th and the 15th word; the second is a name, which may hold anything, in brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// The sum of a counter over its labels; `None` where the server does not count it.
fn counted(metrics: &str, name: &str) -> Option<f64> {
    let of_name = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    of_name.fold(None, |sum, value| Some(sum.unwrap_or_default() + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels_and_not_mixed_with_another() {
        let metrics =
            "# TYPE a_total counter\na_total{lane=\"0\"} 3\na_total{lane=\"1\"} 4\na_total_more 9\nb_total 1\n";
        assert_eq!(counted(metrics, "a_total"), Some(7.0));
        assert_eq!(counted(metrics, "b_total"), Some(1.0));
        assert_eq!(counted(metrics, "c_total"), None);
    }

    #[test]
    fn the_time_of_a_process_is_read_whatever_its_name() {
        assert_eq!(ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0"), Some(154));
        assert_eq!(ticks("7 (short) S 1 2"), None);
        assert!(cpu_micros("self").is_ok());
    }

    #[test]
    fn a_cost_is_shared_among_the_charges() {
        let before = Cost { server_micros: 5, ..Cost::default() };
        let after = Cost { server_micros: 1_005, generator_micros: 500, units: Some(100.0), appends: Some(4.0) };
        let said = after.since(before).per_charge(100);
        assert!(
            said.contains("10.0 µs of the server's")
                && said.contains("5.0 µs of the gen")
                && said.contains("25 shared")
        );
        assert!(!Cost::default().since(before).per_charge(0).contains("append"));
    }
}
