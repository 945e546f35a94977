//! The table of `billing-ledger bench store` with the peers that need crates of their own. One run, one private
//! PostgreSQL with durability on, one table.
//!
//! ```text
//! cargo bench --bench peers -- --seconds 10 --json peers.json
//!
//!   postgres_es.rs   cqrs-es + postgres-es as published
//! ```

// Throughput is a float; money never is.
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss)]

mod postgres_es;

use billing_ledger::bench::{self, target::Peer};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Measures the store beside its peers.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: bench::Options,
    /// What `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    let Arguments { mut options, bench: _ } = Arguments::parse();
    // This program is not the one that can be started as a worker.
    options.program.get_or_insert_with(|| env!("CARGO_BIN_EXE_billing-ledger").into());
    let peers: Vec<Box<dyn Peer>> = vec![Box::new(postgres_es::PostgresEs)];
    bench::run(&options, peers).await
}
