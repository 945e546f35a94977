//! `billing-ledger verify`: exit code 1 and the place of the first wrong byte when the log is not what was written.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::Database;
use crate::store::{as_writer, pool};
use crate::verify::{self, Finding, Verified};

const CONNECTIONS: u32 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    database: Database,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = pool(as_writer(arguments.database.connect_options()?), CONNECTIONS).await?;
    let bar = ProgressBar::no_length()
        .with_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events  {per_sec}  {eta}")?);
    let outcome = verify::run(&pool, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await?;
    bar.finish_and_clear();
    print(&outcome, arguments.json)?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(outcome: &Result<Verified, Finding>, json: bool) -> anyhow::Result<()> {
    match outcome {
        Ok(verified) if json => println!("{}", serde_json::to_string(verified)?),
        Ok(verified) => println!(
            "the log is whole: {} events in {} commits of {} partitions, {} aggregates, {} snapshots",
            verified.events, verified.commits, verified.partitions, verified.aggregates, verified.snapshots
        ),
        Err(finding) if json => println!("{}", serde_json::to_string(finding)?),
        Err(finding) => println!("the log is wrong at {finding}"),
    }
    Ok(())
}
