//! One batch as the arguments of `ledger.append_batch`, and the answers to it.

use std::sync::Arc;

use aggregates::{AccountId, AccountKey, AggregateId, CommandId, LogPart};
use sqlx::PgConnection;
use uuid::Uuid;

use super::hash::{self, CommitHeader, EventBytes, Hash};
use super::head::Head;
use super::unit::RequestHash;

/// What became of one partition of a batch; see `append_batch` in the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    Conflict,
    Taken,
    /// The database will never have it as it is.
    Unrecordable,
    /// The database could not take it, and there is nobody else in the batch to blame.
    Refused,
    /// Nobody can say, and the wait for an answer is over.
    Unknown,
}

/// An event that has been decided and has its place, but is not in the log yet.
#[derive(Debug)]
pub(super) struct DraftEvent {
    pub(super) account: AccountKey,
    pub(super) aggregate: AggregateId,
    pub(super) version: i64,
    pub(super) command_id: CommandId,
    pub(super) event_type: &'static str,
    pub(super) schema_version: i16,
    pub(super) payload: String,
    pub(super) metadata: Arc<str>,
}

#[derive(Debug)]
pub(super) struct DraftResult {
    pub(super) first_position: i64,
    pub(super) event_count: i16,
    pub(super) account: AccountKey,
    pub(super) command_id: CommandId,
    pub(super) request_hash: RequestHash,
}

#[derive(Debug)]
pub(super) struct DraftClaim {
    pub(super) kind: &'static str,
    pub(super) key: String,
    pub(super) account: AccountKey,
    pub(super) aggregate_id: Uuid,
}

/// Everything one partition gets from one batch.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) log_part: LogPart,
    pub(super) events: Vec<DraftEvent>,
    pub(super) results: Vec<DraftResult>,
    pub(super) claims: Vec<DraftClaim>,
    pub(super) new_accounts: Vec<(AccountKey, AccountId)>,
    pub(super) new_types: Vec<(&'static str, &'static str, i16)>,
}

impl Draft {
    pub(super) fn new(log_part: LogPart) -> Self {
        Self {
            log_part,
            events: Vec::new(),
            results: Vec::new(),
            claims: Vec::new(),
            new_accounts: Vec::new(),
            new_types: Vec::new(),
        }
    }
}

/// A draft with its hashes: where the head stands now, and where it will.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) draft: Draft,
    pub(super) base: Head,
    pub(super) next: Head,
    root: Hash,
    leaves: Vec<i64>,
}

impl Sealed {
    /// Hashes a draft that goes on top of `base`.
    pub(super) fn new(draft: Draft, base: Head, batch_id: Uuid, now_us: i64) -> Self {
        let mut leaves = Vec::with_capacity(draft.events.len());
        for (position, event) in (base.position + 1..).zip(&draft.events) {
            leaves.push(
                EventBytes {
                    log_part: draft.log_part,
                    position,
                    version: event.version,
                    schema_version: event.schema_version,
                    account: event.account,
                    aggregate_id: event.aggregate.id,
                    command_id: event.command_id.uuid(),
                    aggregate_type: event.aggregate.kind.as_str(),
                    event_type: event.event_type,
                    payload: &event.payload,
                    metadata: &event.metadata,
                }
                .leaf(),
            );
        }
        let root = hash::merkle_root(&leaves);
        let event_count = i32::try_from(draft.events.len()).unwrap_or(i32::MAX);
        let committed_us = now_us.max(base.committed_us);
        let header = CommitHeader {
            log_part: draft.log_part,
            first_position: base.position + 1,
            event_count,
            committed_us,
            batch_id,
            events_root: root,
        };
        let next = Head {
            position: base.position + i64::from(event_count),
            epoch: base.epoch,
            committed_us,
            chain: hash::chain(&base.chain, &header),
        };
        Self { draft, base, next, root, leaves: leaves.iter().map(hash::leaf_prefix).collect() }
    }

    pub(super) fn log_part(&self) -> LogPart {
        self.draft.log_part
    }
}

/// Column by column, as the function takes them.
#[derive(Default)]
struct Columns<'a> {
    c_part: Vec<i16>,
    c_position: Vec<i64>,
    c_epoch: Vec<i64>,
    c_prev: Vec<&'a [u8]>,
    c_time: Vec<i64>,
    c_count: Vec<i32>,
    c_root: Vec<&'a [u8]>,
    c_chain: Vec<&'a [u8]>,
    e_part: Vec<i16>,
    e_position: Vec<i64>,
    e_version: Vec<i64>,
    e_leaf: Vec<i64>,
    e_schema: Vec<i16>,
    e_account: Vec<Uuid>,
    e_aggregate: Vec<Uuid>,
    e_command: Vec<Uuid>,
    e_aggregate_type: Vec<&'a str>,
    e_type: Vec<&'a str>,
    e_payload: Vec<&'a str>,
    e_metadata: Vec<&'a str>,
    r_part: Vec<i16>,
    r_first: Vec<i64>,
    r_count: Vec<i16>,
    r_account: Vec<Uuid>,
    r_command: Vec<Uuid>,
    r_hash: Vec<&'a [u8]>,
    a_part: Vec<i16>,
    a_account: Vec<Uuid>,
    a_id: Vec<&'a str>,
    t_part: Vec<i16>,
    t_aggregate_type: Vec<&'a str>,
    t_type: Vec<&'a str>,
    t_schema: Vec<i16>,
    k_part: Vec<i16>,
    k_kind: Vec<&'a str>,
    k_key: Vec<&'a str>,
    k_account: Vec<Uuid>,
    k_aggregate: Vec<Uuid>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, sealed: &'a Sealed) {
        let part = i16::from(sealed.draft.log_part.number());
        self.add_commit(part, sealed);
        for ((position, event), leaf) in (sealed.base.position + 1..).zip(&sealed.draft.events).zip(&sealed.leaves) {
            self.add_event(part, position, *leaf, event);
        }
        for result in &sealed.draft.results {
            self.r_part.push(part);
            self.r_first.push(result.first_position);
            self.r_count.push(result.event_count);
            self.r_account.push(result.account.uuid());
            self.r_command.push(result.command_id.uuid());
            self.r_hash.push(&result.request_hash.0);
        }
        for (account, id) in &sealed.draft.new_accounts {
            self.a_part.push(part);
            self.a_account.push(account.uuid());
            self.a_id.push(id.as_str());
        }
        for (aggregate_type, event_type, schema_version) in &sealed.draft.new_types {
            self.t_part.push(part);
            self.t_aggregate_type.push(aggregate_type);
            self.t_type.push(event_type);
            self.t_schema.push(*schema_version);
        }
        for claim in &sealed.draft.claims {
            self.k_part.push(part);
            self.k_kind.push(claim.kind);
            self.k_key.push(&claim.key);
            self.k_account.push(claim.account.uuid());
            self.k_aggregate.push(claim.aggregate_id);
        }
    }

    fn add_commit(&mut self, part: i16, sealed: &'a Sealed) {
        self.c_part.push(part);
        self.c_position.push(sealed.base.position);
        self.c_epoch.push(sealed.base.epoch);
        self.c_prev.push(&sealed.base.chain);
        self.c_time.push(sealed.next.committed_us);
        self.c_count.push(i32::try_from(sealed.draft.events.len()).unwrap_or(i32::MAX));
        self.c_root.push(&sealed.root);
        self.c_chain.push(&sealed.next.chain);
    }

    fn add_event(&mut self, part: i16, position: i64, leaf: i64, event: &'a DraftEvent) {
        self.e_part.push(part);
        self.e_position.push(position);
        self.e_version.push(event.version);
        self.e_leaf.push(leaf);
        self.e_schema.push(event.schema_version);
        self.e_account.push(event.account.uuid());
        self.e_aggregate.push(event.aggregate.id);
        self.e_command.push(event.command_id.uuid());
        self.e_aggregate_type.push(event.aggregate.kind.as_str());
        self.e_type.push(event.event_type);
        self.e_payload.push(&event.payload);
        self.e_metadata.push(&event.metadata);
    }
}

const APPEND: &str = "SELECT ledger.append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
     $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39)";

/// Commits a batch: one statement, one commit. `batch` must be in ascending order of partitions.
///
/// # Errors
/// Whatever the database or the way to it answers; [`super::fence::is_unknown`] tells whether it may have happened.
pub(super) async fn append(
    connection: &mut PgConnection,
    batch_id: Uuid,
    batch: &[Sealed],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut columns = Columns::default();
    for sealed in batch {
        columns.add(sealed);
    }
    let c = &columns;
    let outcomes: Vec<String> = sqlx::query_scalar(APPEND)
        .bind(batch_id)
        .bind(&c.c_part)
        .bind(&c.c_position)
        .bind(&c.c_epoch)
        .bind(&c.c_prev)
        .bind(&c.c_time)
        .bind(&c.c_count)
        .bind(&c.c_root)
        .bind(&c.c_chain)
        .bind(&c.e_part)
        .bind(&c.e_position)
        .bind(&c.e_version)
        .bind(&c.e_leaf)
        .bind(&c.e_schema)
        .bind(&c.e_account)
        .bind(&c.e_aggregate)
        .bind(&c.e_command)
        .bind(&c.e_aggregate_type)
        .bind(&c.e_type)
        .bind(&c.e_payload)
        .bind(&c.e_metadata)
        .bind(&c.r_part)
        .bind(&c.r_first)
        .bind(&c.r_count)
        .bind(&c.r_account)
        .bind(&c.r_command)
        .bind(&c.r_hash)
        .bind(&c.a_part)
        .bind(&c.a_account)
        .bind(&c.a_id)
        .bind(&c.t_part)
        .bind(&c.t_aggregate_type)
        .bind(&c.t_type)
        .bind(&c.t_schema)
        .bind(&c.k_part)
        .bind(&c.k_kind)
        .bind(&c.k_key)
        .bind(&c.k_account)
        .bind(&c.k_aggregate)
        .fetch_one(connection)
        .await?;
    if outcomes.len() != batch.len() {
        return Err(sqlx::Error::Protocol(format!("{} outcomes for {} partitions", outcomes.len(), batch.len())));
    }
    outcomes.iter().map(|outcome| parse(outcome)).collect()
}

fn parse(outcome: &str) -> Result<Outcome, sqlx::Error> {
    match outcome {
        "committed" | "already" => Ok(Outcome::Committed),
        "conflict" | "fenced" => Ok(Outcome::Conflict),
        "taken" => Ok(Outcome::Taken),
        other => Err(sqlx::Error::Protocol(format!("append_batch answered {other:?}"))),
    }
}
