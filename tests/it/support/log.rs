//! The log as plain SQL has it, past the store: what is recorded, and what it folds to.

use std::collections::{HashMap, HashSet};

use aggregates::{AggregateId, AggregateKind, Event, Slot, State};
use billing_ledger::bench::workload::Account;
use billing_ledger::store::Store;
use sqlx::PgPool;
use uuid::Uuid;

use super::eventually;
use super::units::state_in;

/// Every aggregate, as folded from the log.
pub(crate) type Folded = HashMap<AggregateId, Slot>;

/// Every recorded command id, after a look that none is there twice, and that commands and events belong together one
/// to one: each command has exactly its events, and there is no event without its command.
pub(crate) async fn recorded_commands(pool: &PgPool) -> HashSet<Uuid> {
    // One statement each, so that they may run while others write.
    let torn: Vec<Uuid> = sqlx::query_scalar(
        "SELECT r.command_id FROM ledger.command_results r
          WHERE r.event_count <> (SELECT count(*) FROM ledger.events e
                                   WHERE e.log_part = r.log_part AND e.position >= r.first_position
                                     AND e.position < r.first_position + r.event_count
                                     AND e.account = r.account AND e.command_id = r.command_id)",
    )
    .fetch_all(pool)
    .await
    .expect("command results");
    assert!(torn.is_empty(), "commands without all their events: {torn:?}");
    let (events, promised): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ledger.events), (SELECT coalesce(sum(event_count), 0)::int8 FROM ledger.command_results)",
    )
    .fetch_one(pool)
    .await
    .expect("counts");
    assert_eq!(events, promised, "events, and events that commands recorded");
    let all: Vec<Uuid> =
        sqlx::query_scalar("SELECT command_id FROM ledger.command_results").fetch_all(pool).await.expect("commands");
    let once: HashSet<Uuid> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "commands that are recorded, and rows that record them");
    once
}

/// Each of these is recorded once, with its events once.
pub(crate) async fn assert_recorded_once(pool: &PgPool, acknowledged: &[Uuid]) {
    let recorded = recorded_commands(pool).await;
    let lost: Vec<&Uuid> = acknowledged.iter().filter(|id| !recorded.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged commands are lost: {lost:?}", lost.len(), acknowledged.len());
}

/// How often this command is recorded: in `command_results`, and as events.
pub(crate) async fn times_recorded(pool: &PgPool, command: Uuid) -> (i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM ledger.command_results WHERE command_id = $1),
                (SELECT count(*) FROM ledger.events WHERE command_id = $1)",
    )
    .bind(command)
    .fetch_one(pool)
    .await
    .expect("counts")
}

/// Folds the whole log. Versions of an aggregate have no gap, positions of a partition neither, and every snapshot on
/// the way is what the events up to it make.
pub(crate) async fn folded(pool: &PgPool) -> Folded {
    let snapshots = snapshots(pool).await;
    let mut compared = 0;
    let mut folded = Folded::new();
    let mut ends: HashMap<i16, i64> = HashMap::new();
    for row in rows(pool).await {
        let end = ends.entry(row.log_part).or_default();
        *end += 1;
        assert_eq!(row.position, *end, "the next position of partition {}", row.log_part);
        let kind = AggregateKind::from_name(&row.aggregate_type).expect("a known aggregate");
        let id = AggregateId { kind, id: row.aggregate_id };
        let event = Event::from_parts(kind, &row.event_type, row.schema_version, &row.payload).expect("a known event");
        let slot = folded.entry(id).or_insert_with(|| Slot { version: 0, state: State::empty(kind) });
        slot.version += 1;
        assert_eq!(row.version, slot.version, "the next version of {id:?}");
        slot.state.apply(&event).expect("an event of its kind");
        if let Some(snapshot) = snapshots.get(&(row.aggregate_id, row.version)) {
            assert_eq!(State::from_json(kind, snapshot).expect("a state"), slot.state, "snapshot {id:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, snapshots.len(), "every snapshot is of a version that the log has");
    folded
}

/// What a store decides on is what the log folds to.
pub(crate) async fn assert_agrees(store: &Store, accounts: &[Account], folded: &Folded) {
    for account in accounts {
        for id in [AggregateId::credit_account(account.id.key()), AggregateId::user_package(account.package)] {
            assert_eq!(state_in(store, &account.id, id).await, folded[&id].state, "{} {id:?}", account.id.as_str());
        }
    }
}

/// The sum of everything that was ever taken from packages and credits, in micro-credits.
pub(crate) async fn taken(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum((payload->>'amount')::int8), 0)::int8 FROM ledger.events
          WHERE event_type IN ('consumed', 'spent')",
    )
    .fetch_one(pool)
    .await
    .expect("a sum")
}

/// Waits until no connection of a store is left: what a dead process had under way has been settled.
pub(crate) async fn all_stores_gone(pool: &PgPool) {
    eventually("the last connections of the stores to end", async || {
        let stores: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'billing-ledger'",
        )
        .fetch_one(pool)
        .await
        .expect("activity");
        (stores == 0).then_some(())
    })
    .await;
}

/// How many connections wait for a lock while they run a statement that contains `statement`.
pub(crate) async fn waiting_for_locks(pool: &PgPool, statement: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'",
    )
    .bind(statement)
    .fetch_one(pool)
    .await
    .expect("activity")
}

#[derive(sqlx::FromRow)]
struct Row {
    log_part: i16,
    position: i64,
    aggregate_type: String,
    aggregate_id: Uuid,
    version: i64,
    event_type: String,
    schema_version: i16,
    payload: String,
}

async fn rows(pool: &PgPool) -> Vec<Row> {
    sqlx::query_as(
        "SELECT log_part, position, aggregate_type, aggregate_id, version, event_type, schema_version,
                payload::text AS payload
           FROM ledger.events ORDER BY log_part, position",
    )
    .fetch_all(pool)
    .await
    .expect("events")
}

async fn snapshots(pool: &PgPool) -> HashMap<(Uuid, i64), String> {
    let rows: Vec<(Uuid, i64, String)> =
        sqlx::query_as("SELECT aggregate_id, version, state::text FROM ledger.snapshots")
            .fetch_all(pool)
            .await
            .expect("snapshots");
    rows.into_iter().map(|(id, version, state)| ((id, version), state)).collect()
}
