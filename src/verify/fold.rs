//! Every aggregate of a partition, folded from its first event; and every snapshot against the fold.

use std::collections::HashMap;

use aggregates::{AggregateId, AggregateKind, Event, LogPart, Slot, State};
use futures_util::TryStreamExt;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Wrong, column};
use crate::store::StoreError;
use crate::store::stream::StoredEvent;

struct Snapshot {
    kind: String,
    schema: i32,
    version: i64,
    state: String,
}

pub(super) struct Folds {
    slots: HashMap<AggregateId, Slot>,
    /// Not met yet in the walk.
    snapshots: HashMap<Uuid, Snapshot>,
    snapshots_right: u64,
}

impl Folds {
    pub(super) async fn begin(pool: &PgPool, log_part: LogPart) -> Result<Self, StoreError> {
        let mut rows = sqlx::query(
            "SELECT aggregate_id, aggregate_type, state_schema, version, state::text AS state FROM ledger.snapshots
              WHERE log_part = $1",
        )
        .bind(i16::from(log_part.number()))
        .fetch(pool);
        let mut snapshots = HashMap::new();
        while let Some(row) = rows.try_next().await? {
            let snapshot = Snapshot {
                kind: column(&row, "aggregate_type")?,
                schema: column(&row, "state_schema")?,
                version: column(&row, "version")?,
                state: column(&row, "state")?,
            };
            snapshots.insert(column(&row, "aggregate_id")?, snapshot);
        }
        Ok(Self { slots: HashMap::new(), snapshots, snapshots_right: 0 })
    }

    /// Folds an event, and compares the snapshot that was taken right after it.
    pub(super) fn event(&mut self, log_part: LogPart, event: &StoredEvent) -> Result<(), Wrong> {
        let wrong = |what: String| Wrong::at(log_part, event.position, what);
        let kind = AggregateKind::from_name(&event.aggregate_type)
            .ok_or_else(|| wrong(format!("this build knows no aggregate {:?}", event.aggregate_type)))?;
        let fact = Event::from_parts(kind, &event.event_type, event.schema_version, &event.payload)
            .map_err(|error| wrong(error.to_string()))?;
        let id = AggregateId { kind, id: event.aggregate_id };
        let slot = self.slots.entry(id).or_insert_with(|| Slot { version: 0, state: State::empty(kind) });
        if event.version != slot.version + 1 {
            return Err(wrong(format!("version {} of {} follows {}", event.version, event.aggregate_id, slot.version)));
        }
        slot.state.apply(&fact).map_err(|error| wrong(error.to_string()))?;
        slot.version = event.version;
        match self.snapshots.get(&event.aggregate_id) {
            Some(snapshot) if snapshot.version == event.version => {
                let right = same(kind, snapshot, &slot.state).map_err(wrong)?;
                self.snapshots_right += u64::from(right);
                self.snapshots.remove(&event.aggregate_id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How many aggregates and snapshots were right. A snapshot that was not met is of events newer than the walk, or of
    /// none.
    pub(super) async fn end(self, pool: &PgPool, log_part: LogPart) -> Result<(u64, u64), Wrong> {
        for (id, snapshot) in &self.snapshots {
            let last: Option<(i64, i64)> = sqlx::query_as(
                "SELECT version, position FROM ledger.events WHERE log_part = $1 AND aggregate_id = $2
                  ORDER BY version DESC LIMIT 1",
            )
            .bind(i16::from(log_part.number()))
            .bind(id)
            .fetch_optional(pool)
            .await?;
            let (version, position) = last.unwrap_or((0, 0));
            if version < snapshot.version {
                let what =
                    format!("the snapshot of {id} claims version {}, the log ends at {version}", snapshot.version);
                return Err(Wrong::at(log_part, position, what));
            }
        }
        Ok((self.slots.len() as u64, self.snapshots_right))
    }
}

/// Whether a snapshot of this build's schema is the fold; one of another schema is nobody's business.
fn same(kind: AggregateKind, snapshot: &Snapshot, folded: &State) -> Result<bool, String> {
    if snapshot.kind != kind.as_str() {
        return Err(format!("the snapshot is of a {}, the events are of a {}", snapshot.kind, kind.as_str()));
    }
    if snapshot.schema != State::schema(kind) {
        return Ok(false);
    }
    let state =
        State::from_json(kind, &snapshot.state).map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    if state != *folded {
        return Err(format!("the snapshot at version {} is not the fold of the events", snapshot.version));
    }
    Ok(true)
}
