//! `billing-ledger rebuild`: read models made again from the first event. With `--check`, exit code 1 when the live ones
//! differ from what the log makes of them.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::Database;
use crate::rebuild::{self, Difference, Options, Rebuilt};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    database: Database,
    /// Only this projection; may be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Compare, and leave the live read models as they are.
    #[arg(long)]
    check: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let connect = arguments.database.connect_options()?;
    let bar = ProgressBar::no_length()
        .with_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events  {per_sec}  {eta}")?);
    let options = Options { only: arguments.only, check: arguments.check };
    let rebuilt = rebuild::run(&connect, &options, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await?;
    bar.finish_and_clear();
    print(&rebuilt, arguments.json)?;
    Ok(if options.check && !rebuilt.is_same() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(rebuilt: &Rebuilt, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(rebuilt)?);
        return Ok(());
    }
    for Difference { table, rows, missing, surplus } in &rebuilt.tables {
        match (missing, surplus) {
            (0, 0) => println!("{table:<16} {rows:>10} rows, the same"),
            _ => println!("{table:<16} {rows:>10} rows, {missing} were missing, {surplus} should not have been there"),
        }
    }
    let what = if rebuilt.swapped { "the read models are new" } else { "the read models were left as they are" };
    println!("{} events read; {what}", rebuilt.events);
    Ok(())
}
