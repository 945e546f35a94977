//! `billing-ledger simulate`: stand-ins for the services around the ledger.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use url::Url;

use super::serve::stop_token;
use crate::forward::simulator::fault::Faults;
use crate::forward::simulator::{Simulator, SimulatorOptions};
use crate::providers::{self, Spec, simulator};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The forward service: issues API keys as the contract says, and misbehaves when told.
    Forward(Forward),
    /// Alipay: open gateway, QR codes and pages, notifications signed with RSA.
    Alipay(Payment),
    /// WeChat Pay v3: Native orders, notifications signed with RSA and encrypted.
    Wechat(Payment),
    /// Antom: payments by redirect, notifications signed with RSA.
    Antom(Payment),
    /// Crossmint: orders by client secret, notifications signed as Svix does.
    Crossmint(Payment),
    /// Creem: checkouts, subscriptions, notifications signed with HMAC.
    Creem(Payment),
    /// LINUX DO Credit: EasyPay, notifications signed with MD5.
    LinuxdoCredit(Payment),
}

#[derive(Debug, clap::Args)]
pub(super) struct Forward {
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Refuse requests without this bearer token.
    #[arg(long, env = "FORWARD_API_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<SecretString>,
    /// Refuse requests whose Standard Webhooks signature is not made with this secret.
    #[arg(long, env = "FORWARD_API_SIGNING_SECRET", hide_env_values = true)]
    signing_secret: Option<SecretString>,
    /// down, slow, 500, success-false, html, garbage, huge, lost-answer; each may end in x3 (for three requests).
    /// Several are separated by commas. Also at run time: curl -X PUT --data 500x3 …/faults
    #[arg(long, default_value = "")]
    fault: Faults,
    /// How late a slow answer is.
    #[arg(long, default_value_t = 60)]
    slow_seconds: u64,
}

/// A payment provider's side, with its real signatures. Prints the settings that the ledger takes it for the provider
/// with. Somebody pays: curl -X POST …/pay/ORDER. It misbehaves: curl -X PUT --data '{"repeat": 2}' …/faults
#[derive(Debug, clap::Args)]
pub(super) struct Payment {
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Holds its keys and secrets, made on first use.
    #[arg(long, default_value = "./data/simulators")]
    keys_dir: PathBuf,
    /// The address of the ledger: notifications go there, whatever host they were to be sent to.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    ledger: Url,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Forward(forward) => run_forward(forward).await,
        Command::Alipay(payment) => run_payment("alipay", payment).await,
        Command::Wechat(payment) => run_payment("wechat", payment).await,
        Command::Antom(payment) => run_payment("antom", payment).await,
        Command::Crossmint(payment) => run_payment("crossmint", payment).await,
        Command::Creem(payment) => run_payment("creem", payment).await,
        Command::LinuxdoCredit(payment) => run_payment("linuxdo_credit", payment).await,
    }
}

async fn run_forward(forward: Forward) -> anyhow::Result<ExitCode> {
    let options = SimulatorOptions {
        admin_token: forward.admin_token,
        signing_secret: forward.signing_secret,
        faults: forward.fault,
        slow: Duration::from_secs(forward.slow_seconds),
    };
    let simulator = Simulator::bind(forward.listen, options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}", simulator.address())?;
    out.flush()?;
    simulator.serve(stop_token()).await?;
    Ok(ExitCode::SUCCESS)
}

async fn run_payment(name: &str, payment: Payment) -> anyhow::Result<ExitCode> {
    let spec = providers::spec(name).context("there is no such payment provider")?;
    let simulator = simulator::Simulator::bind(spec, payment.listen, &payment.keys_dir).await?;
    simulator.sim().notify_at(payment.ledger);
    let mut out = std::io::stdout();
    for line in exports(spec, &simulator) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "listening on {}", simulator.base())?;
    out.flush()?;
    simulator.serve(stop_token()).await?;
    Ok(ExitCode::SUCCESS)
}

/// What the ledger is to be started with, for a shell.
pub(super) fn exports(spec: &Spec, simulator: &simulator::Simulator) -> Vec<String> {
    let settings = simulator.settings();
    settings
        .names()
        .filter_map(|name| Some(format!("export {}='{}'", spec.variable(name), settings.optional(name)?)))
        .collect()
}
