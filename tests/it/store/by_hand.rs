//! Another writer: one event at a time through `ledger.append_batch`, with whatever names and shapes a test likes.

use aggregates::AccountId;
use billing_ledger::store::hash::{self, CommitHeader, EventBytes, Hash};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::support::units::part_of;

/// An event as another release might write it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) account: AccountId,
    pub(super) aggregate_type: &'static str,
    pub(super) aggregate_id: Uuid,
    pub(super) version: i64,
    pub(super) event_type: &'static str,
    pub(super) schema_version: i16,
    pub(super) payload: &'static str,
    /// What is stored as the account's own name.
    pub(super) account_id: String,
    /// Changes the chain after it was computed.
    pub(super) forge: fn(Hash) -> Hash,
}

impl Written {
    pub(super) fn on_credits_of(
        account: &AccountId,
        version: i64,
        event_type: &'static str,
        payload: &'static str,
    ) -> Self {
        Self {
            account: account.clone(),
            aggregate_type: "credit_account",
            aggregate_id: account.key().uuid(),
            version,
            event_type,
            schema_version: 1,
            payload,
            account_id: account.as_str().to_owned(),
            forge: |chain| chain,
        }
    }

    /// Appends it on top of the partition's head; gives the outcome.
    pub(super) async fn append(&self, connection: &mut PgConnection) -> Result<String, sqlx::Error> {
        let part = part_of(&self.account);
        let number = i16::from(part.number());
        let head = sqlx::query("SELECT position, epoch, committed_us, chain FROM ledger.log_heads WHERE log_part = $1")
            .bind(number)
            .fetch_one(&mut *connection)
            .await?;
        let (position, epoch, committed_us): (i64, i64, i64) = (head.get(0), head.get(1), head.get(2));
        let prev: Hash = head.get::<Vec<u8>, _>(3).try_into().expect("32 bytes");
        let (batch_id, command_id) = (Uuid::now_v7(), Uuid::now_v7());
        let leaf = EventBytes {
            log_part: part,
            position: position + 1,
            version: self.version,
            schema_version: self.schema_version,
            account: self.account.key(),
            aggregate_id: self.aggregate_id,
            command_id,
            aggregate_type: self.aggregate_type,
            event_type: self.event_type,
            payload: self.payload,
            metadata: "{}",
        }
        .leaf();
        let root = hash::merkle_root(&[leaf]);
        let committed_us = chrono::Utc::now().timestamp_micros().max(committed_us);
        let header = CommitHeader {
            log_part: part,
            first_position: position + 1,
            event_count: 1,
            committed_us,
            batch_id,
            events_root: root,
        };
        let chain = (self.forge)(hash::chain(&prev, &header));
        let outcomes: Vec<String> = sqlx::query_scalar(
            "SELECT ledger.append_batch($1,
                 ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[$5], ARRAY[$6], ARRAY[1], ARRAY[$7], ARRAY[$8],
                 ARRAY[$2], ARRAY[$3 + 1], ARRAY[$9], ARRAY[$10], ARRAY[$11], ARRAY[$12], ARRAY[$13], ARRAY[$14],
                 ARRAY[$15], ARRAY[$16], ARRAY[$17], ARRAY['{}'],
                 ARRAY[$2], ARRAY[$3 + 1], ARRAY[1::int2], ARRAY[$12], ARRAY[$14], ARRAY[$18],
                 ARRAY[$2], ARRAY[$12], ARRAY[$19],
                 ARRAY[$2], ARRAY[$15], ARRAY[$16], ARRAY[$11],
                 '{}', '{}', '{}', '{}', '{}')",
        )
        .bind(batch_id)
        .bind(number)
        .bind(position)
        .bind(epoch)
        .bind(prev.as_slice())
        .bind(committed_us)
        .bind(root.as_slice())
        .bind(chain.as_slice())
        .bind(self.version)
        .bind(hash::leaf_prefix(&leaf))
        .bind(self.schema_version)
        .bind(self.account.key().uuid())
        .bind(self.aggregate_id)
        .bind(command_id)
        .bind(self.aggregate_type)
        .bind(self.event_type)
        .bind(self.payload)
        .bind([0u8; 16].as_slice())
        .bind(&self.account_id)
        .fetch_one(connection)
        .await?;
        Ok(outcomes.concat())
    }
}
