//! One process of load. Prints `ready`, then (if asked to) one line `ack <command id>` per acknowledged charge, and at
//! its end one line of JSON with what it counted.
//!
//! Every charge is asked for until it is answered, with the same command id: a lost connection, a killed database or a
//! full queue cost time and nothing else.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aggregates::AccountKey;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use tokio::time::Instant;
use uuid::Uuid;

use super::workload::{Account, Workload};
use crate::store::{ExecuteError, Store, StoreOptions};

const PAUSE_BETWEEN_TRIES: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Name of the set of accounts.
    #[arg(long, default_value = "bench")]
    pub set: String,
    #[arg(long, default_value_t = super::workload::ACCOUNTS)]
    pub accounts: u64,
    /// Callers at once.
    #[arg(long, default_value_t = 256)]
    pub callers: usize,
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Seconds of load before the ones that count: accounts have to be loaded once.
    #[arg(long, default_value_t = 0)]
    pub warm_up: u64,
    /// Print every acknowledged command id.
    #[arg(long)]
    pub acks: bool,
    /// Charge only accounts of this share of the partitions, as `i/n`: what a router by account would send here.
    #[arg(long, value_parser = share)]
    pub share: Option<(u8, u8)>,
    #[arg(long, default_value_t = 2)]
    pub lanes: usize,
}

fn share(text: &str) -> Result<(u8, u8), String> {
    let (index, of) = text.split_once('/').ok_or("a share is written i/n")?;
    let parse = |number: &str| number.parse::<u8>().map_err(|error| error.to_string());
    let (index, of) = (parse(index)?, parse(of)?);
    if index < of { Ok((index, of)) } else { Err("i must be less than n".to_owned()) }
}

/// What a worker counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    pub charges: u64,
    pub refused: u64,
    pub seconds: f64,
    pub stats: std::collections::BTreeMap<String, u64>,
}

impl Counted {
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.charges as f64 / self.seconds
    }
}

/// Charges for the asked time; the accounts must have been set up.
///
/// # Errors
/// When the database cannot be reached at the start, or a charge fails for a reason that trying again does not change.
pub async fn run(connect: PgConnectOptions, options: &Options) -> anyhow::Result<()> {
    let workload = Workload::new(&options.set, options.accounts)?;
    let store_options = StoreOptions { lanes: options.lanes, ..StoreOptions::default() };
    let store = Store::open(connect, store_options).await?;
    say("ready")?;
    let begin = Instant::now() + Duration::from_secs(options.warm_up);
    let end = begin + Duration::from_secs(options.seconds);
    let (charges, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let silent = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..options.callers {
        let (store, workload, options) = (store.clone(), workload.clone(), options.clone());
        let (charges, refused, silent) = (charges.clone(), refused.clone(), silent.clone());
        tasks.spawn(async move {
            let mut picker = workload.picker(u64::from(std::process::id()) << 32 | caller as u64)?;
            while Instant::now() < end && !silent.load(Ordering::Relaxed) {
                let index = picker.pick();
                let Some(account) = workload.accounts().get(index) else { continue };
                if !is_mine(account, &options) {
                    continue;
                }
                let command_id = Uuid::now_v7();
                if charge(&store, &workload, index, command_id).await? {
                    charges.fetch_add(u64::from(Instant::now() >= begin), Ordering::Relaxed);
                    // Nobody reads any more: the one who asked for acknowledgements is gone.
                    if options.acks && say(&format!("ack {command_id}")).is_err() {
                        silent.store(true, Ordering::Relaxed);
                    }
                } else {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a caller")??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let stats = store.stats().read().into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    store.close().await;
    let (charges, refused) = (charges.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    say(&serde_json::to_string(&Counted { charges, refused, seconds, stats })?)
}

/// Lanes share the partitions by their number too: dividing it first leaves every process work for all its lanes.
fn is_mine(account: &Account, options: &Options) -> bool {
    let part = |key: AccountKey| usize::from(key.log_part().number()) / options.lanes.max(1);
    options.share.is_none_or(|(index, of)| part(account.id.key()) % usize::from(of) == usize::from(index))
}

/// Whether the charge was recorded; `false` where the account has not enough.
async fn charge(store: &Store, workload: &Workload, account: usize, command_id: Uuid) -> anyhow::Result<bool> {
    let unit = workload.charge(account, command_id)?;
    loop {
        match store.execute(unit.clone()).await {
            Ok(_) => return Ok(true),
            Err(ExecuteError::Refused(_)) => return Ok(false),
            Err(error) if error.is_transient() => tokio::time::sleep(PAUSE_BETWEEN_TRIES).await,
            Err(error) => return Err(error.into()),
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
