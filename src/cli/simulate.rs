//! `billing-ledger simulate`: stand-ins for the services around the ledger.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use secrecy::SecretString;

use super::serve::stop_token;
use crate::forward::simulator::fault::Faults;
use crate::forward::simulator::{Simulator, SimulatorOptions};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The forward service: issues API keys as the contract says, and misbehaves when told.
    Forward(Forward),
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

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Forward(forward) = command;
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
