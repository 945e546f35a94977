//! `billing-ledger replay`: what is in the log, and what it makes. One line for each event or aggregate.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use aggregates::{AccountId, AccountKey, AggregateId, LogPart, State};
use chrono::{DateTime, SecondsFormat};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Database;
use crate::replay::{self, Folded, Range};
use crate::store::stream::{StoredCommit, StoredEvent};
use crate::store::{as_writer, pool};

const CONNECTIONS: u32 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    database: Database,
    /// Only of this account.
    #[arg(long, value_name = "ACCOUNT", conflicts_with_all = ["part", "from", "to"])]
    account: Option<AccountId>,
    /// Only of this partition, 0 to 255.
    #[arg(long, value_name = "N")]
    part: Option<u8>,
    /// From this position of the partition…
    #[arg(long, value_name = "P", requires = "part", conflicts_with = "fold")]
    from: Option<i64>,
    /// …to this one.
    #[arg(long, value_name = "P", requires = "part")]
    to: Option<i64>,
    /// Fold the events, and print each aggregate as it then is.
    #[arg(long)]
    fold: bool,
    /// Print JSON, one object on a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = pool(as_writer(arguments.database.connect_options()?), CONNECTIONS).await?;
    let range = Range {
        account: arguments.account,
        log_part: arguments.part.map(LogPart::new),
        from: arguments.from,
        to: arguments.to,
    };
    let bar = ProgressBar::no_length()
        .with_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events  {per_sec}  {eta}")?);
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.fold {
        replay::fold(&pool, &range, progress, |_, aggregates| {
            let mut lines = aggregates.iter();
            lines.try_for_each(|((account, id), folded)| aggregate(&mut out, arguments.json, *account, *id, folded))
        })
        .await?;
    } else {
        replay::events(&pool, &range, progress, |commit, it| event(&mut out, arguments.json, commit, it)).await?;
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

/// An event as JSON; payload and metadata character by character as they are stored.
#[derive(Serialize)]
struct EventLine<'a> {
    log_part: LogPart,
    position: i64,
    at: String,
    account: AccountKey,
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    version: i64,
    event_type: &'a str,
    schema_version: i16,
    command_id: Uuid,
    payload: &'a RawValue,
    metadata: &'a RawValue,
}

#[derive(Serialize)]
struct AggregateLine<'a> {
    account: AccountKey,
    aggregate_type: &'a str,
    aggregate_id: Uuid,
    version: i64,
    state: &'a RawValue,
}

fn event(out: &mut impl Write, json: bool, commit: &StoredCommit, event: &StoredEvent) -> anyhow::Result<()> {
    let at = DateTime::from_timestamp_micros(commit.committed_us).unwrap_or_default();
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let StoredEvent { position, version, account, aggregate_id, aggregate_type, event_type, payload, .. } = event;
    if !json {
        let place = format!("{}.{position}", commit.log_part);
        writeln!(
            out,
            "{place:<12} {at}  {account}  {aggregate_type}.{event_type} {aggregate_id} v{version}  {payload}"
        )?;
        return Ok(());
    }
    let line = EventLine {
        log_part: commit.log_part,
        position: *position,
        at,
        account: *account,
        aggregate_type,
        aggregate_id: *aggregate_id,
        version: *version,
        event_type,
        schema_version: event.schema_version,
        command_id: event.command_id,
        payload: serde_json::from_str(payload)?,
        metadata: serde_json::from_str(&event.metadata)?,
    };
    Ok(writeln!(out, "{}", serde_json::to_string(&line)?)?)
}

fn aggregate(
    out: &mut impl Write,
    json: bool,
    account: AccountKey,
    AggregateId { kind, id }: AggregateId,
    Folded { version, state, .. }: &Folded,
) -> anyhow::Result<()> {
    let content = state.to_json()?;
    if json {
        let state = serde_json::from_str(&content)?;
        let line = AggregateLine { account, aggregate_type: kind.as_str(), aggregate_id: id, version: *version, state };
        return Ok(writeln!(out, "{}", serde_json::to_string(&line)?)?);
    }
    write!(out, "{account}  {kind} {id} v{version}  ")?;
    if let State::CreditAccount(credits) = state {
        write!(out, "balance {}  ", credits.balance())?;
    }
    Ok(writeln!(out, "{content}")?)
}
