//! One partition: hashes, chain, head, and what stands beside the events.

use std::collections::{BTreeMap, HashSet};

use aggregates::{AccountKey, LogPart};
use sqlx::PgPool;
use uuid::Uuid;

use super::fold::Folds;
use super::{Verified, Wrong, column, short};
use crate::store::hash::{CommitHeader, Hash, chain, genesis, leaf_prefix, merkle_root};
use crate::store::stream::{Cursor, StoredCommit, Window, read_windows};
use crate::store::{Head, StoreError};

/// Events read in one go, and the rest of the last commit: what bounds the memory.
const EVENTS_MAX: i64 = 10_000;

/// Walks a partition from its genesis to `head`.
pub(super) async fn check(
    pool: &PgPool,
    log_part: LogPart,
    head: Head,
    mut progress: impl FnMut(u64),
) -> Result<Verified, Wrong> {
    let mut walk = Walk::begin(pool, log_part, head).await?;
    while walk.position < head.position {
        let commits = next_commits(pool, &walk).await?;
        if commits.is_empty() {
            return Err(walk.wrong(format!("the head is at {}, but no commit follows", head.position)));
        }
        let results = walk.results_of(pool, &commits).await?;
        for commit in &commits {
            walk.commit(commit, &results)?;
        }
        progress(walk.verified.events);
    }
    walk.end(pool).await
}

async fn next_commits(pool: &PgPool, walk: &Walk) -> Result<Vec<StoredCommit>, Wrong> {
    let cursor = Cursor { log_part: walk.log_part, position: walk.position };
    let read = match read_windows(pool, &[Window { cursor, events: EVENTS_MAX }]).await {
        Ok(commits) => commits,
        Err(StoreError::Hole { position, what, .. }) => return Err(Wrong::at(walk.log_part, position, what)),
        Err(error) => return Err(error.into()),
    };
    Ok(read.into_iter().filter(|commit| commit.first_position <= walk.head.position).collect())
}

/// First position to (account, command, number of events).
type Results = BTreeMap<i64, (AccountKey, Uuid, i16)>;

struct Walk {
    log_part: LogPart,
    head: Head,
    position: i64,
    committed_us: i64,
    chain: Hash,
    folds: Folds,
    accounts: HashSet<AccountKey>,
    types: HashSet<(String, String, i16)>,
    verified: Verified,
}

impl Walk {
    async fn begin(pool: &PgPool, log_part: LogPart, head: Head) -> Result<Self, Wrong> {
        Ok(Self {
            log_part,
            head,
            position: 0,
            committed_us: 0,
            chain: genesis(log_part),
            folds: Folds::begin(pool, log_part).await?,
            accounts: HashSet::new(),
            types: HashSet::new(),
            verified: Verified::default(),
        })
    }

    /// At the event after the last right one.
    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong::at(self.log_part, self.position + 1, what)
    }

    fn commit(&mut self, commit: &StoredCommit, results: &Results) -> Result<(), Wrong> {
        let leaves: Vec<Hash> = commit.events.iter().map(|event| event.bytes(self.log_part).leaf()).collect();
        for (event, leaf) in commit.events.iter().zip(&leaves) {
            if leaf_prefix(leaf) != event.leaf {
                let what = format!(
                    "event {}.{} (version {} of {}) is not what was written: its leaf hash is {}, and {} was stored",
                    event.aggregate_type,
                    event.event_type,
                    event.version,
                    event.aggregate_id,
                    short(leaf),
                    hex::encode(event.leaf.to_be_bytes())
                );
                return Err(Wrong::at(self.log_part, event.position, what));
            }
        }
        self.link(commit, &leaves)?;
        self.units(commit, results)?;
        for event in &commit.events {
            self.folds.event(self.log_part, event)?;
            self.accounts.insert(event.account);
            let kind = (event.aggregate_type.as_str(), event.event_type.as_str(), event.schema_version);
            if !self.types.iter().any(|(aggregate, name, schema)| (aggregate.as_str(), name.as_str(), *schema) == kind)
            {
                self.types.insert((kind.0.to_owned(), kind.1.to_owned(), kind.2));
            }
        }
        self.verified.commits += 1;
        self.verified.events += commit.events.len() as u64;
        Ok(())
    }

    /// Root, time and chain of a commit.
    fn link(&mut self, commit: &StoredCommit, leaves: &[Hash]) -> Result<(), Wrong> {
        let root = merkle_root(leaves);
        if root != commit.events_root {
            return Err(self.wrong(format!(
                "the commit's root is {}, its events give {}",
                short(&commit.events_root),
                short(&root)
            )));
        }
        if commit.prev_chain != self.chain {
            return Err(self.wrong(format!(
                "the commit goes on from chain {}, the one before ended at {}",
                short(&commit.prev_chain),
                short(&self.chain)
            )));
        }
        if commit.committed_us < self.committed_us {
            return Err(self.wrong("the commit is older than the one before it"));
        }
        let header = CommitHeader {
            log_part: self.log_part,
            first_position: commit.first_position,
            event_count: commit.event_count,
            committed_us: commit.committed_us,
            batch_id: commit.batch_id,
            events_root: root,
        };
        let link = chain(&self.chain, &header);
        if link != commit.chain {
            return Err(self.wrong(format!(
                "the commit's chain is {}, it should be {}",
                short(&commit.chain),
                short(&link)
            )));
        }
        self.chain = link;
        self.committed_us = commit.committed_us;
        self.position = commit.last_position();
        Ok(())
    }

    /// What `command_results` says about these commits; old ones may have been pruned.
    async fn results_of(&self, pool: &PgPool, commits: &[StoredCommit]) -> Result<Results, Wrong> {
        let events = commits.iter().flat_map(|commit| &commit.events);
        let mut ids: Vec<Uuid> = events.map(|event| event.command_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = sqlx::query(
            "SELECT first_position, account, command_id, event_count FROM ledger.command_results
              WHERE log_part = $1 AND command_id = ANY ($2)",
        )
        .bind(i16::from(self.log_part.number()))
        .bind(&ids)
        .fetch_all(pool)
        .await?;
        rows.iter()
            .map(|row| {
                let account = AccountKey::from_uuid(column(row, "account")?);
                Ok((column(row, "first_position")?, (account, column(row, "command_id")?, column(row, "event_count")?)))
            })
            .collect()
    }

    /// A command result names events of its own command and account, all of them in one commit.
    fn units(&mut self, commit: &StoredCommit, results: &Results) -> Result<(), Wrong> {
        for (first, (account, command, count)) in results.range(commit.first_position..=commit.last_position()) {
            let last = *first + i64::from(*count) - 1;
            let named = commit.events.iter().filter(|event| (*first..=last).contains(&event.position));
            let right = named.filter(|event| event.account == *account && event.command_id == *command).count();
            if i64::try_from(right).unwrap_or(-1) != i64::from(*count) {
                let what = format!("the result of command {command} names {count} events, {right} of them are its own");
                return Err(Wrong::at(self.log_part, *first, what));
            }
            self.verified.command_results += 1;
        }
        Ok(())
    }

    async fn end(mut self, pool: &PgPool) -> Result<Verified, Wrong> {
        if self.position != self.head.position
            || self.chain != self.head.chain
            || self.committed_us > self.head.committed_us
        {
            return Err(self.wrong(format!(
                "the head says position {} and chain {}, the log ends at {} with {}",
                self.head.position,
                short(&self.head.chain),
                self.position,
                short(&self.chain)
            )));
        }
        self.directories(pool).await?;
        let (aggregates, snapshots) = self.folds.end(pool, self.log_part).await?;
        self.verified.aggregates = aggregates;
        self.verified.snapshots = snapshots;
        Ok(self.verified)
    }

    /// Every account and every kind of event that occurs is listed.
    async fn directories(&self, pool: &PgPool) -> Result<(), Wrong> {
        let part = i16::from(self.log_part.number());
        let listed: Vec<Uuid> = sqlx::query_scalar("SELECT account FROM ledger.accounts WHERE log_part = $1")
            .bind(part)
            .fetch_all(pool)
            .await?;
        let listed: HashSet<AccountKey> = listed.into_iter().map(AccountKey::from_uuid).collect();
        if let Some(account) = self.accounts.difference(&listed).next() {
            return Err(self.wrong(format!("account {} has events but is not in the directory", account.uuid())));
        }
        let rows = sqlx::query(
            "SELECT aggregate_type, event_type, schema_version FROM ledger.event_types WHERE log_part = $1",
        )
        .bind(part)
        .fetch_all(pool)
        .await?;
        let registered: HashSet<(String, String, i16)> = rows
            .iter()
            .map(|row| Ok((column(row, "aggregate_type")?, column(row, "event_type")?, column(row, "schema_version")?)))
            .collect::<Result<_, StoreError>>()?;
        if let Some((aggregate_type, event_type, _)) = self.types.difference(&registered).next() {
            return Err(self.wrong(format!("events of type {aggregate_type}.{event_type} are not registered")));
        }
        Ok(())
    }
}
