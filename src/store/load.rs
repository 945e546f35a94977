//! What a lane reads before it decides: cold aggregates, what others wrote, earlier answers, taken names. Everything of
//! a batch in one query of each kind.

use std::collections::{HashMap, HashSet};

use aggregates::{AccountId, AccountKey, AggregateId, AggregateKind, CommandId, Event, LogPart, Recorded, Slot, State};
use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::cache::Remembered;
use super::head::{Head, head_of, known_type, log_part};
use super::unit::{RequestHash, StoreError};

/// An aggregate that has to come from the database.
pub(super) type Want = (AccountKey, AggregateId);

/// A loaded aggregate, and how many events were folded on top of its snapshot.
pub(super) struct Loaded {
    pub(super) slot: Slot,
    pub(super) tail: i64,
}

const LOAD: &str = "
WITH want AS (
    SELECT w.n, w.log_part, w.account, w.aggregate_type, w.aggregate_id, s.version, s.state
      FROM unnest($1::int2[], $2::uuid[], $3::text[], $4::uuid[], $5::int4[])
           WITH ORDINALITY AS w (log_part, account, aggregate_type, aggregate_id, schema, n)
      LEFT JOIN ledger.snapshots s
        ON s.log_part = w.log_part AND s.aggregate_id = w.aggregate_id AND s.aggregate_type = w.aggregate_type
       AND s.state_schema = w.schema
       AND EXISTS (SELECT FROM ledger.events o
                    WHERE o.log_part = s.log_part AND o.aggregate_id = s.aggregate_id AND o.version = s.version
                      AND o.account = w.account))
SELECT n, version, NULL AS event_type, 0::int2 AS schema_version, state::text AS body FROM want WHERE version IS NOT NULL
UNION ALL
SELECT want.n, e.version, e.event_type, e.schema_version, e.payload::text
  FROM want JOIN ledger.events e
    ON e.log_part = want.log_part AND e.aggregate_id = want.aggregate_id AND e.version > coalesce(want.version, 0)
   AND e.account = want.account AND e.aggregate_type = want.aggregate_type
 ORDER BY 1, 2";

/// Why something that is in the log cannot be understood.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// This build does not know its type.
    Newer(String),
    Broken(StoreError),
}

/// Loads aggregates from their snapshot and the events after it; one that has no event yet is empty. Ids arrive from
/// outside: under the id of another account's aggregate, or of another kind, there is nothing.
pub(super) async fn aggregates(
    connection: &mut PgConnection,
    wants: &[Want],
) -> Result<Vec<Result<Loaded, Unreadable>>, StoreError> {
    let parts: Vec<i16> = wants.iter().map(|(account, _)| i16::from(account.log_part().number())).collect();
    let accounts: Vec<Uuid> = wants.iter().map(|(account, _)| account.uuid()).collect();
    let types: Vec<&str> = wants.iter().map(|(_, aggregate)| aggregate.kind.as_str()).collect();
    let ids: Vec<Uuid> = wants.iter().map(|(_, aggregate)| aggregate.id).collect();
    let schemas: Vec<i32> = wants.iter().map(|(_, aggregate)| State::schema(aggregate.kind)).collect();
    let mut loaded: Vec<Result<Loaded, Unreadable>> = wants
        .iter()
        .map(|(_, aggregate)| Ok(Loaded { slot: Slot { version: 0, state: State::empty(aggregate.kind) }, tail: 0 }))
        .collect();
    let rows = sqlx::query(LOAD).bind(&parts).bind(&accounts).bind(&types).bind(&ids).bind(&schemas);
    let mut rows = rows.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let n: i64 = row.try_get("n")?;
        let index = usize::try_from(n - 1).map_err(|_| StoreError::Corrupt(format!("ordinality {n}")))?;
        let (Some((_, aggregate)), Some(target)) = (wants.get(index), loaded.get_mut(index)) else {
            return Err(StoreError::Corrupt(format!("ordinality {n}")));
        };
        if let Ok(so_far) = target
            && let Err(unreadable) = fold_row(*aggregate, so_far, &row)
        {
            *target = Err(unreadable);
        }
    }
    Ok(loaded)
}

fn fold_row(aggregate: AggregateId, target: &mut Loaded, row: &sqlx::postgres::PgRow) -> Result<(), Unreadable> {
    let version: i64 = row.try_get("version")?;
    let body: &str = row.try_get("body")?;
    match row.try_get::<Option<&str>, _>("event_type")? {
        None => {
            let state = State::from_json(aggregate.kind, body)
                .map_err(|error| StoreError::Aggregate { aggregate, reason: format!("snapshot: {error}") })?;
            target.slot = Slot { version, state };
        }
        Some(event_type) => {
            let schema_version: i16 = row.try_get("schema_version")?;
            let event =
                Event::from_parts(aggregate.kind, event_type, schema_version, body).map_err(
                    |error| match known_type(aggregate.kind.as_str(), event_type, schema_version) {
                        Some(_) => Unreadable::Broken(StoreError::Aggregate { aggregate, reason: error.to_string() }),
                        None => Unreadable::Newer(type_name(aggregate.kind.as_str(), event_type, schema_version)),
                    },
                )?;
            fold(aggregate, &mut target.slot, version, &event)?;
            target.tail += 1;
        }
    }
    Ok(())
}

impl<E: Into<StoreError>> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Applies the next event of an aggregate.
pub(super) fn fold(aggregate: AggregateId, slot: &mut Slot, version: i64, event: &Event) -> Result<(), StoreError> {
    let reason = |reason: String| StoreError::Aggregate { aggregate, reason };
    if version != slot.version + 1 {
        return Err(reason(format!("version {version} after {}", slot.version)));
    }
    slot.state.apply(event).map_err(|error| reason(error.to_string()))?;
    slot.version = version;
    Ok(())
}

/// The name that an account's key is the digest of.
pub(super) async fn account_id(pool: &sqlx::PgPool, account: AccountKey) -> Result<Option<AccountId>, StoreError> {
    let name: Option<String> =
        sqlx::query_scalar("SELECT account_id FROM ledger.accounts WHERE log_part = $1 AND account = $2")
            .bind(i16::from(account.log_part().number()))
            .bind(account.uuid())
            .fetch_optional(pool)
            .await?;
    name.map(|name| named(&name)).transpose()
}

/// The account of an aggregate's first event, wherever it is.
pub(super) async fn home_of(pool: &sqlx::PgPool, aggregate: AggregateId) -> Result<Option<AccountKey>, StoreError> {
    // With every partition named, the index on aggregates answers.
    let parts: Vec<i16> = LogPart::all().map(|part| i16::from(part.number())).collect();
    let home: Option<Uuid> = sqlx::query_scalar(
        "SELECT account FROM ledger.events
          WHERE log_part = ANY ($1) AND aggregate_id = $2 AND version = 1 AND aggregate_type = $3",
    )
    .bind(parts)
    .bind(aggregate.id)
    .bind(aggregate.kind.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(home.map(AccountKey::from_uuid))
}

/// Which of these accounts have a row in the directory.
pub(super) async fn listed(
    connection: &mut PgConnection,
    accounts: &[AccountKey],
) -> Result<HashSet<AccountKey>, StoreError> {
    let parts: Vec<i16> = accounts.iter().map(|account| i16::from(account.log_part().number())).collect();
    let keys: Vec<Uuid> = accounts.iter().map(AccountKey::uuid).collect();
    let known: Vec<Uuid> = sqlx::query_scalar(
        "SELECT a.account FROM unnest($1::int2[], $2::uuid[]) AS w (log_part, account)
           JOIN ledger.accounts a ON a.log_part = w.log_part AND a.account = w.account",
    )
    .bind(&parts)
    .bind(&keys)
    .fetch_all(connection)
    .await?;
    Ok(known.into_iter().map(AccountKey::from_uuid).collect())
}

/// What is recorded of these commands.
pub(super) async fn recorded_commands(
    connection: &mut PgConnection,
    asked: &[(AccountKey, CommandId)],
) -> Result<HashMap<(AccountKey, CommandId), Remembered>, StoreError> {
    let parts: Vec<i16> = asked.iter().map(|(account, _)| i16::from(account.log_part().number())).collect();
    let accounts: Vec<Uuid> = asked.iter().map(|(account, _)| account.uuid()).collect();
    let commands: Vec<Uuid> = asked.iter().map(|(_, command)| command.uuid()).collect();
    let rows = sqlx::query(
        "SELECT r.account, r.command_id, r.request_hash, r.first_position, r.event_count
           FROM unnest($1::int2[], $2::uuid[], $3::uuid[]) AS w (log_part, account, command_id)
           JOIN ledger.command_results r
             ON r.log_part = w.log_part AND r.account = w.account AND r.command_id = w.command_id",
    )
    .bind(&parts)
    .bind(&accounts)
    .bind(&commands)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let hash: Vec<u8> = row.try_get("request_hash")?;
            let hash = <[u8; 16]>::try_from(hash.as_slice())
                .map_err(|_| StoreError::Corrupt("a request hash that is not 16 bytes".to_owned()))?;
            let remembered = Remembered {
                request_hash: RequestHash(hash),
                first_position: row.try_get("first_position")?,
                event_count: row.try_get("event_count")?,
            };
            let account = AccountKey::from_uuid(row.try_get("account")?);
            Ok(((account, CommandId::from_uuid(row.try_get("command_id")?)), remembered))
        })
        .collect()
}

/// Who holds these names: `(kind, key)` to `(account, aggregate id)`.
pub(super) async fn key_holders(
    connection: &mut PgConnection,
    kinds: &[&str],
    keys: &[&str],
) -> Result<HashMap<(String, String), (AccountKey, Uuid)>, StoreError> {
    let rows = sqlx::query(
        "SELECT u.kind, u.key, u.account, u.aggregate_id FROM unnest($1::text[], $2::text[]) AS w (kind, key)
           JOIN ledger.unique_keys u ON u.kind = w.kind AND u.key = w.key",
    )
    .bind(kinds)
    .bind(keys)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let holder = (AccountKey::from_uuid(row.try_get("account")?), row.try_get("aggregate_id")?);
            Ok(((row.try_get("kind")?, row.try_get("key")?), holder))
        })
        .collect()
}

/// Who holds this name: the account, and the aggregate's id.
pub(super) async fn key_holder(
    pool: &sqlx::PgPool,
    kind: &str,
    key: &str,
) -> Result<Option<(AccountId, Uuid)>, StoreError> {
    let row = sqlx::query(
        "SELECT a.account_id, u.aggregate_id
           FROM ledger.unique_keys u JOIN ledger.accounts a ON a.log_part = u.log_part AND a.account = u.account
          WHERE u.kind = $1 AND u.key = $2",
    )
    .bind(kind)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok((named(row.try_get("account_id")?)?, row.try_get("aggregate_id")?))).transpose()
}

fn named(account: &str) -> Result<AccountId, StoreError> {
    AccountId::try_new(account).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The events at `first..first + count` of a partition, as a receipt carries them.
pub(super) async fn events_at(
    connection: &mut PgConnection,
    part: LogPart,
    remembered: Remembered,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = sqlx::query(
        "SELECT position, aggregate_type, aggregate_id, version, event_type, schema_version, payload::text AS payload
           FROM ledger.events WHERE log_part = $1 AND position >= $2 AND position < $2 + $3 ORDER BY position",
    )
    .bind(i16::from(part.number()))
    .bind(remembered.first_position)
    .bind(i64::from(remembered.event_count))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let (aggregate, event) = understood(part, decode(part, row)?)?;
            Ok(Recorded { aggregate, version: row.try_get("version")?, event })
        })
        .collect()
}

/// What a reader who needs every event makes of one that it does not know.
pub(super) fn understood(
    log_part: LogPart,
    event: Result<(AggregateId, Event), Unreadable>,
) -> Result<(AggregateId, Event), StoreError> {
    event.map_err(|unreadable| match unreadable {
        Unreadable::Newer(event) => {
            StoreError::Corrupt(format!("partition {log_part} holds {event}, which is unknown"))
        }
        Unreadable::Broken(error) => error,
    })
}

/// The event of a row, where it can be understood.
pub(super) fn decode(
    log_part: LogPart,
    row: &sqlx::postgres::PgRow,
) -> Result<Result<(AggregateId, Event), Unreadable>, StoreError> {
    let (aggregate_type, event_type): (&str, &str) = (row.try_get("aggregate_type")?, row.try_get("event_type")?);
    let schema_version: i16 = row.try_get("schema_version")?;
    let position: i64 = row.try_get("position")?;
    let newer = || Unreadable::Newer(type_name(aggregate_type, event_type, schema_version));
    let Some(kind) = AggregateKind::from_name(aggregate_type) else { return Ok(Err(newer())) };
    let id = AggregateId { kind, id: row.try_get("aggregate_id")? };
    let event = Event::from_parts(kind, event_type, schema_version, row.try_get("payload")?);
    Ok(event.map(|event| (id, event)).map_err(|source| match known_type(aggregate_type, event_type, schema_version) {
        Some(_) => Unreadable::Broken(StoreError::Event { log_part, position, source }),
        None => newer(),
    }))
}

/// A partition's head now, and whether its history goes on from the one that was asked about.
pub(super) struct HeadNow {
    pub(super) head: Head,
    pub(super) continues: bool,
}

/// Reads heads, each beside the position and chain that the lane believes in.
pub(super) async fn heads_now(
    connection: &mut PgConnection,
    known: &[(LogPart, Head)],
) -> Result<Vec<(LogPart, HeadNow)>, StoreError> {
    let parts: Vec<i16> = known.iter().map(|(part, _)| i16::from(part.number())).collect();
    let positions: Vec<i64> = known.iter().map(|(_, head)| head.position).collect();
    let rows = sqlx::query(
        "SELECT h.log_part, h.position, h.epoch, h.committed_us, h.chain,
                (SELECT c.prev_chain FROM ledger.commits c
                  WHERE c.log_part = h.log_part AND c.first_position = w.position + 1) AS chain_then
           FROM unnest($1::int2[], $2::int8[]) AS w (log_part, position)
           JOIN ledger.log_heads h ON h.log_part = w.log_part",
    )
    .bind(&parts)
    .bind(&positions)
    .fetch_all(connection)
    .await?;
    let known: HashMap<LogPart, Head> = known.iter().copied().collect();
    rows.iter()
        .map(|row| {
            let (part, head) = head_of(row)?;
            let chain_then: Option<Vec<u8>> = row.try_get("chain_then")?;
            let continues = known.get(&part).is_some_and(|was| {
                (head.position == was.position && head.chain == was.chain)
                    || (head.position > was.position && chain_then.as_deref() == Some(was.chain.as_slice()))
            });
            Ok((part, HeadNow { head, continues }))
        })
        .collect()
}

/// Locks heads, in ascending order, until the end of the transaction.
pub(super) async fn lock_heads(connection: &mut PgConnection, parts: &[i16]) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM ledger.log_heads WHERE log_part = ANY ($1) ORDER BY log_part FOR UPDATE")
        .bind(parts)
        .execute(connection)
        .await?;
    Ok(())
}

/// An event that somebody else wrote.
pub(super) struct Foreign {
    pub(super) log_part: LogPart,
    pub(super) account: AccountKey,
    pub(super) version: i64,
    pub(super) event: Result<(AggregateId, Event), Unreadable>,
}

/// Events after `from` up to and including `to`, of several partitions.
pub(super) async fn events_between(
    connection: &mut PgConnection,
    ranges: &[(LogPart, i64, i64)],
) -> Result<Vec<Foreign>, StoreError> {
    let parts: Vec<i16> = ranges.iter().map(|(part, _, _)| i16::from(part.number())).collect();
    let from: Vec<i64> = ranges.iter().map(|(_, from, _)| *from).collect();
    let to: Vec<i64> = ranges.iter().map(|(_, _, to)| *to).collect();
    let rows = sqlx::query(
        "SELECT e.log_part, e.position, e.account, e.aggregate_type, e.aggregate_id, e.version, e.event_type,
                e.schema_version, e.payload::text AS payload
           FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS w (log_part, after, upto)
           JOIN ledger.events e ON e.log_part = w.log_part AND e.position > w.after AND e.position <= w.upto
          ORDER BY e.log_part, e.position",
    )
    .bind(&parts)
    .bind(&from)
    .bind(&to)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let part = log_part(row.try_get("log_part")?)?;
            let event = decode(part, row)?;
            let account = AccountKey::from_uuid(row.try_get("account")?);
            Ok(Foreign { log_part: part, account, version: row.try_get("version")?, event })
        })
        .collect()
}

fn type_name(aggregate_type: &str, event_type: &str, schema_version: i16) -> String {
    format!("{aggregate_type}.{event_type} v{schema_version}")
}
