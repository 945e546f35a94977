//! What is asked of the store, and what it answers.

use std::sync::Arc;

use aggregates::{AccountId, AggregateId, Command, CommandId, Decide, LogPart, Recorded, Refusal};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// A fingerprint of what the caller asked: the same command id with another one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash(pub [u8; 16]);

impl RequestHash {
    /// The first sixteen bytes of the request's SHA-256.
    #[must_use]
    pub fn of(request: &[u8]) -> Self {
        let digest = Sha256::digest(request);
        let mut hash = [0; 16];
        hash.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(hash)
    }
}

/// Reserves a name for one aggregate of the whole ledger, in the commit that records the unit of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the name names: `order_number`, `license_digest`, …
    pub kind: &'static str,
    pub key: String,
    pub aggregate: AggregateId,
}

/// Commands on aggregates of one account that are recorded together or not at all.
///
/// `command_id` makes it safe to ask twice: the caller makes it before the first attempt and keeps it for every retry.
#[derive(Clone)]
pub struct UnitOfWork {
    pub account: AccountId,
    pub command_id: CommandId,
    pub request_hash: RequestHash,
    /// When it was asked; decisions know no other clock.
    pub at: DateTime<Utc>,
    pub decision: Arc<dyn Decide + Send + Sync>,
    pub claims: Vec<Claim>,
    /// A JSON object kept with every event: who asked, on whose behalf, because of what.
    pub metadata: Arc<str>,
}

impl std::fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnitOfWork").field("account", &self.account).field("command_id", &self.command_id).finish()
    }
}

impl UnitOfWork {
    /// `commands` in order, each seeing what the ones before it did. The request hash covers the commands and not `at`,
    /// so a retry a minute later is the same request.
    ///
    /// # Errors
    /// When the commands cannot be written as JSON.
    pub fn new(
        account: AccountId,
        command_id: CommandId,
        at: DateTime<Utc>,
        commands: Vec<Command>,
    ) -> Result<Self, serde_json::Error> {
        let request_hash = RequestHash::of(&serde_json::to_vec(&commands)?);
        Ok(Self::deciding(account, command_id, at, request_hash, Arc::new(commands)))
    }

    /// As [`UnitOfWork::new`], for a decision that is not a list of commands.
    pub fn deciding(
        account: AccountId,
        command_id: CommandId,
        at: DateTime<Utc>,
        request_hash: RequestHash,
        decision: Arc<dyn Decide + Send + Sync>,
    ) -> Self {
        Self { account, command_id, request_hash, at, decision, claims: Vec::new(), metadata: Arc::from("{}") }
    }

    /// Only to see: it records nothing, so its id is never looked for.
    pub(super) fn looking(account: AccountId, look: super::Look) -> Self {
        let command_id = CommandId::from_uuid(uuid::Uuid::now_v7());
        Self::deciding(account, command_id, Utc::now(), RequestHash::of(b"look"), Arc::new(look))
    }

    /// Adds a unique name to reserve.
    #[must_use]
    pub fn claiming(mut self, claim: Claim) -> Self {
        self.claims.push(claim);
        self
    }

    /// Keeps `metadata` with every event of the unit.
    #[must_use]
    pub fn with_metadata(mut self, metadata: &serde_json::Map<String, serde_json::Value>) -> Self {
        self.metadata = serde_json::Value::Object(metadata.clone()).to_string().into();
        self
    }
}

/// What a unit of work recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub log_part: LogPart,
    /// Where the account's partition stood once this was decided: read this far and you see it. Of the unit's last
    /// event where it recorded any.
    pub position: i64,
    /// In order; empty when there was nothing to do.
    pub events: Vec<Recorded>,
    /// The command had been recorded before, and this is the first answer again.
    pub replayed: bool,
}

/// A command that was recorded, and what it was asked with.
#[derive(Debug, Clone, PartialEq)]
pub struct First {
    pub request_hash: RequestHash,
    /// As a repeat is answered.
    pub receipt: Receipt,
}

/// Why a unit of work was not recorded. Except for [`ExecuteError::Unknown`], nothing of it is in the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the {kind} {key:?} already belongs to something else")]
    KeyTaken { kind: &'static str, key: String },
    #[error("command {0} was used before for another request; use a new id for a new request")]
    CommandReused(CommandId),
    #[error("too much work is waiting; try again in a moment")]
    Busy,
    #[error("this waited for its turn too long; try again")]
    Contended,
    #[error("partition {log_part} holds events of a newer release ({event}); this one must not write there")]
    NewerRelease { log_part: LogPart, event: String },
    #[error("the decision failed unexpectedly and was not recorded")]
    Panicked,
    #[error("a unit of work may record at most {max} events and {max_bytes} bytes")]
    TooLarge { max: usize, max_bytes: usize },
    #[error("the store is shutting down")]
    Closed,
    /// Asking again with the same command id settles it.
    #[error("the database could not say in time whether this was recorded; ask again with the same id")]
    Unknown,
    /// No retry changes this: a name that is too long or has a NUL in it, metadata that is no JSON, an aggregate id
    /// that is in use.
    #[error("this cannot be recorded as it is: {0}")]
    Unrecordable(Arc<str>),
    #[error("the database is in trouble: {0}")]
    Trouble(Arc<StoreError>),
}

impl ExecuteError {
    /// Whether the same request may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Contended | Self::Closed | Self::Unknown | Self::Trouble(_))
    }
}

/// Trouble with the log itself or the way to it; never the customer's doing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database's schema is older than this build; run `billing-ledger migrate`")]
    NotMigrated,
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("partition {log_part}, position {position}: {source}")]
    Event { log_part: LogPart, position: i64, source: aggregates::EventError },
    #[error("{} {}: {reason}", aggregate.kind.as_str(), aggregate.id)]
    Aggregate { aggregate: AggregateId, reason: String },
    #[error("partition {log_part}, position {position}: {what}")]
    Hole { log_part: LogPart, position: i64, what: String },
    #[error("a value in the log is out of its range: {0}")]
    Corrupt(String),
}
