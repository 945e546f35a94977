//! The command line: one file per subcommand. Results on stdout, logs on stderr, exit code 0 only on success.

mod bench;
mod demo;
mod dev;
mod loadtest;
mod rebuild;
mod replay;
mod serve;
mod simulate;
mod token;
mod verify;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// What the runtime itself reads.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// An event-sourced billing ledger on PostgreSQL.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine, with nothing to set up.
    Dev(dev::Arguments),
    /// Run on a database of one's own.
    Serve(serve::Arguments),
    /// Bring the database schema up to date.
    Migrate(Database),
    /// Prove that the log is what was written: every hash, chain and head, every aggregate, every snapshot.
    Verify(verify::Arguments),
    /// Make read models again from the first event, beside the live ones, then compare and swap.
    Rebuild(rebuild::Arguments),
    /// Print the events of the log, or what they make of each aggregate.
    Replay(replay::Arguments),
    /// Print a bearer token for an instance of one's own.
    Token(token::Arguments),
    /// Measure on this machine, on a private PostgreSQL with durability on.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Charge accounts over HTTP, as fast as the answers come back or at a fixed rate, and say how it went.
    Loadtest(loadtest::Arguments),
    /// Stand-ins for the services around the ledger.
    #[command(subcommand)]
    Simulate(simulate::Command),
}

/// Which database.
#[derive(Debug, clap::Args)]
struct Database {
    /// Where the ledger lives, as postgres://user@host/database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

impl Database {
    /// The address, or a sentence about the setting. The value itself may hold a password and is never repeated.
    fn connect_options(&self) -> anyhow::Result<sqlx::postgres::PgConnectOptions> {
        self.database_url.parse().map_err(|_| {
            anyhow::anyhow!("DATABASE_URL is not a PostgreSQL address such as postgres://user@host/database")
        })
    }
}

/// Runs a parsed command line.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    let outcome = runtime(&arguments.command)
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(dispatch(arguments.command)));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A server's lanes and read models have threads of their own, and PostgreSQL may be on the same machine: its sockets
/// get half of the cores, unless TOKIO_WORKER_THREADS says otherwise.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if matches!(command, Command::Dev(_) | Command::Serve(_)) && std::env::var_os(WORKER_THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        builder.worker_threads(cores.div_ceil(2));
    }
    builder.enable_all().build()
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Migrate(database) => {
            crate::store::migrate(&database.connect_options()?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(arguments) => verify::run(arguments).await,
        Command::Rebuild(arguments) => rebuild::run(arguments).await,
        Command::Replay(arguments) => replay::run(arguments).await,
        Command::Token(arguments) => token::run(arguments),
        Command::Bench(command) => bench::run(command).await,
        Command::Loadtest(arguments) => loadtest::run(arguments).await,
        Command::Simulate(command) => simulate::run(command).await,
    }
}
