//! `billing-ledger serve`: production, on a database of one's own.

use std::path::PathBuf;
use std::process::ExitCode;

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
    announce(&server);
    stop_asked_for().await?;
    tracing::info!("stopping");
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The one line that says it is ready, for people and for whoever started it.
pub(super) fn announce(server: &Server) {
    match server.address() {
        Some(address) => println!("listening on http://{address}"),
        None => println!("working"),
    }
}

/// Ctrl-C, or what a service manager sends.
pub(super) async fn stop_asked_for() -> anyhow::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
