//! `billing-ledger loadtest`: charges over HTTP.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aggregates::Credits;
use anyhow::Context;
use secrecy::SecretString;
use url::Url;

use crate::loadtest::{self, Accounts, Load, Report, Server};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The server: plain HTTP, without a path.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// A service's token, which charges.
    #[arg(long, env = "LOADTEST_TOKEN", hide_env_values = true)]
    token: SecretString,
    /// An admin's token: gives every account credits before the load, once. Without it the accounts must have some.
    #[arg(long, env = "LOADTEST_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<SecretString>,
    /// What each account is given.
    #[arg(long, default_value = "1000.00")]
    credits: Credits,
    /// Accounts that share the load by Zipf's law.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: u32,
    /// One account bears all of the load.
    #[arg(long, conflicts_with = "accounts")]
    hot: bool,
    /// What the names of the accounts begin with.
    #[arg(long, default_value = "load-")]
    prefix: String,
    /// What one charge takes.
    #[arg(long, default_value = "0.000001")]
    amount: Credits,
    /// Give each charge a reference of its own, which the ledger charges once.
    #[arg(long)]
    references: bool,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Charges a second, however long the answers take; latency then counts from when a charge was due. Without it,
    /// each connection asks again as soon as it has its answer.
    #[arg(long)]
    rate: Option<f64>,
    /// Threads of the generator; on a machine that it shares with the server, one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Load a server on another machine.
    #[arg(long)]
    allow_remote: bool,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let json = arguments.json;
    let report = tokio::task::spawn_blocking(move || load(arguments)).await.context("the load generator")??;
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => write!(out, "{report}")?,
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(arguments: Arguments) -> anyhow::Result<Report> {
    let Arguments { url, token, allow_remote, .. } = arguments;
    let count = if arguments.hot { 1 } else { usize::try_from(arguments.accounts)? };
    let mut accounts = Accounts::numbered(&arguments.prefix, count, arguments.amount)?;
    if arguments.references {
        accounts = accounts.with_references();
    }
    if let Some(token) = arguments.admin_token {
        let admin = Server { url: url.clone(), token, allow_remote };
        loadtest::set_up(&admin, &accounts, arguments.credits)?;
        tracing::info!(accounts = count, "the accounts have their credits");
    }
    let load = Load {
        connections: arguments.connections,
        duration: Duration::from_secs(arguments.seconds),
        per_second: arguments.rate,
        threads: arguments.threads,
    };
    loadtest::run(&Server { url, token, allow_remote }, &accounts, &load)
}
