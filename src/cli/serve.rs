//! `billing-ledger serve`: production, on a database of one's own.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::server::{Mailbox, Part, Server};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Settings as TOML; the environment wins over it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Instead of LISTEN; port 0 picks one.
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// Do only this part of the work, in this process.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut layers = Settings::layers(arguments.config.as_deref())?;
    layers.over("LISTEN", arguments.listen.map(|address| address.to_string()));
    let settings = Settings::for_serve(&layers)?;
    let server = Server::start(settings, Mailbox::None, arguments.only).await?;
    warn_about_payments(&server);
    announce(&server);
    stop_asked_for().await?;
    tracing::info!("stopping");
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Both are fine for a trial, and neither is for a business.
fn warn_about_payments(server: &Server) {
    if server.app().sandbox.is_some() {
        tracing::warn!("SANDBOX is on: whoever reaches this server can pay without money and move its clock");
    } else if server.app().dispatch.providers().names().is_empty() {
        tracing::warn!("no payment provider is configured: nothing can be bought here");
    }
}

/// The one line that says it is ready, for people and for whoever started it.
pub(super) fn announce(server: &Server) {
    if let Some(address) = server.address() {
        println!("listening on http://{address}");
    }
}

/// Cancelled by [`stop_asked_for`].
pub(super) fn stop_token() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        if let Err(error) = stop_asked_for().await {
            tracing::error!(%error, "signals cannot be heard");
        }
        asked.cancel();
    });
    stop
}

/// Ctrl-C, or what a service manager sends.
async fn stop_asked_for() -> anyhow::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
