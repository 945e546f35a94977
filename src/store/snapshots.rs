//! Snapshots: disposable copies of aggregate state, so that an aggregate with a million events loads as fast as one with
//! a hundred. Written beside the log by a task of their own; one that is not written costs time, never truth.

use std::collections::HashMap;

use aggregates::{AccountKey, AggregateId, Recorded, Slot, State};
use sqlx::PgPool;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::bench::Bench;
use super::load::Loaded;

const WAITING_MAX: usize = 4_096;
const BATCH_MAX: usize = 256;

pub(super) struct Snapshot {
    log_part: i16,
    aggregate: AggregateId,
    version: i64,
    state: String,
}

/// A lane's end of the line to the snapshot task.
#[derive(Clone)]
pub(super) struct Snapshots {
    every: i64,
    line: mpsc::Sender<Snapshot>,
}

impl Snapshots {
    /// The line, and the task that writes until every lane has let go of it.
    pub(super) fn new(pool: PgPool, every: i64) -> (Self, impl Future<Output = ()> + Send) {
        let (line, waiting) = mpsc::channel(WAITING_MAX);
        (Self { every, line }, write_all(pool, waiting))
    }

    /// Copies each aggregate that has passed another `every` events.
    pub(super) fn after_commit(&self, bench: &Bench, events: &[Recorded]) {
        for event in events {
            if event.version % self.every == 0
                && let Some(slot) = bench.slot(&event.aggregate)
            {
                self.offer(bench.account, event.aggregate, slot);
            }
        }
    }

    /// Copies an aggregate that took many events to load.
    pub(super) fn after_load(&self, account: AccountKey, aggregate: AggregateId, loaded: &Loaded) {
        if loaded.tail >= self.every {
            self.offer(account, aggregate, &loaded.slot);
        }
    }

    fn offer(&self, account: AccountKey, aggregate: AggregateId, slot: &Slot) {
        // No room in the line: the next snapshot will do.
        let Ok(place) = self.line.try_reserve() else { return };
        match slot.state.to_json() {
            Ok(state) => {
                let log_part = i16::from(account.log_part().number());
                place.send(Snapshot { log_part, aggregate, version: slot.version, state });
            }
            Err(error) => tracing::error!(aggregate = %aggregate.id, %error, "a state could not be written as JSON"),
        }
    }
}

async fn write_all(pool: PgPool, mut waiting: mpsc::Receiver<Snapshot>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut newest: HashMap<AggregateId, Snapshot> = HashMap::new();
        for snapshot in batch.drain(..) {
            match newest.get(&snapshot.aggregate) {
                Some(known) if known.version >= snapshot.version => {}
                _ => {
                    newest.insert(snapshot.aggregate, snapshot);
                }
            }
        }
        if let Err(error) = write(&pool, newest.into_values().collect()).await {
            tracing::warn!(%error, "snapshots were not written");
        }
    }
}

async fn write(pool: &PgPool, snapshots: Vec<Snapshot>) -> Result<(), sqlx::Error> {
    let parts: Vec<i16> = snapshots.iter().map(|snapshot| snapshot.log_part).collect();
    let ids: Vec<Uuid> = snapshots.iter().map(|snapshot| snapshot.aggregate.id).collect();
    let types: Vec<&str> = snapshots.iter().map(|snapshot| snapshot.aggregate.kind.as_str()).collect();
    let schemas: Vec<i32> = snapshots.iter().map(|snapshot| State::schema(snapshot.aggregate.kind)).collect();
    let versions: Vec<i64> = snapshots.iter().map(|snapshot| snapshot.version).collect();
    let states: Vec<&str> = snapshots.iter().map(|snapshot| snapshot.state.as_str()).collect();
    sqlx::query(
        "INSERT INTO ledger.snapshots AS s (log_part, aggregate_id, aggregate_type, state_schema, version, state)
         SELECT n.part, n.id, n.type, n.schema, n.version, n.state::json
           FROM unnest($1::int2[], $2::uuid[], $3::text[], $4::int4[], $5::int8[], $6::text[])
                AS n (part, id, type, schema, version, state)
          ORDER BY n.part, n.id
         ON CONFLICT (log_part, aggregate_id) DO UPDATE
            SET state_schema = excluded.state_schema, version = excluded.version, state = excluded.state
          WHERE s.version < excluded.version OR s.state_schema <> excluded.state_schema",
    )
    .bind(&parts)
    .bind(&ids)
    .bind(&types)
    .bind(&schemas)
    .bind(&versions)
    .bind(&states)
    .execute(pool)
    .await?;
    Ok(())
}
