//! What was recorded before, for who has to know without asking for it again.

use aggregates::{AccountKey, AggregateId, CommandId, Slot, State};
use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};

use super::load::{decode, events_at, fold, recorded_commands, understood};
use super::unit::{First, Receipt, StoreError};

/// What one command has recorded, if anything.
pub(super) async fn first(
    connection: &mut PgConnection,
    account: AccountKey,
    command: CommandId,
) -> Result<Option<First>, StoreError> {
    let found = recorded_commands(connection, &[(account, command)]).await?;
    let Some(remembered) = found.into_values().next() else {
        return Ok(None);
    };
    let log_part = account.log_part();
    let position = remembered.first_position + i64::from(remembered.event_count) - 1;
    let events = events_at(connection, log_part, remembered).await?;
    let receipt = Receipt { log_part, position, events, replayed: true };
    Ok(Some(First { request_hash: remembered.request_hash, receipt }))
}

/// An aggregate after its `version`th event.
pub(super) async fn as_of(
    connection: &mut PgConnection,
    account: AccountKey,
    aggregate: AggregateId,
    version: i64,
) -> Result<State, StoreError> {
    let log_part = account.log_part();
    let mut slot = Slot { version: 0, state: State::empty(aggregate.kind) };
    let mut rows = sqlx::query(
        "SELECT position, version, aggregate_type, aggregate_id, event_type, schema_version, payload::text AS payload
           FROM ledger.events
          WHERE log_part = $1 AND aggregate_id = $2 AND version <= $3 AND account = $4 AND aggregate_type = $5
          ORDER BY version",
    )
    .bind(i16::from(log_part.number()))
    .bind(aggregate.id)
    .bind(version)
    .bind(account.uuid())
    .bind(aggregate.kind.as_str())
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (_, event) = understood(log_part, decode(log_part, &row)?)?;
        fold(aggregate, &mut slot, row.try_get("version")?, &event)?;
    }
    if slot.version == version {
        return Ok(slot.state);
    }
    Err(StoreError::Aggregate { aggregate, reason: format!("ends at version {}, before {version}", slot.version) })
}
