//! `billing-ledger bench`: the store and the server under load.

use std::process::ExitCode;

use super::Database;
use crate::bench::{self, worker};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The store beside hand-written SQL and the raw insert rate, as one table.
    Store(bench::Options),
    /// Read models made from the first event: events per second, and memory; fails where either is not as promised.
    Rebuild(bench::rebuild::Options),
    /// The server over HTTP beside hand-written SQL; fails where the promised ratios do not hold.
    Http(bench::Options),
    /// Notifications of every payment provider over HTTP; fails where they are taken more slowly than promised.
    Notifications(bench::http::notifications::Options),
    /// One process of load against an existing database; what the benchmark and the crash tests start several of.
    #[command(hide = true)]
    Worker {
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        options: worker::Options,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let holds = match command {
        Command::Store(options) => bench::run(&options, Vec::new()).await.map(|()| true)?,
        Command::Rebuild(options) => bench::rebuild::run(&options).await?,
        Command::Http(options) => bench::http::run(&options).await?,
        Command::Notifications(options) => bench::http::notifications::run(&options).await?,
        Command::Worker { database, options } => {
            worker::run(database.connect_options()?, &options).await.map(|()| true)?
        }
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
