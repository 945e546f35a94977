//! A batch as one statement: arrays in, rows out, one durable commit.

use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::rows::Batch;

const EVENTS: &str = "INSERT INTO raw.events (position, version, leaf, log_part, schema_version, account, aggregate_id, \
         command_id, aggregate_type, event_type, payload, metadata) \
     SELECT e.position, e.version, e.leaf, e.part, e.schema, e.account, e.aggregate, e.command, e.aggregate_type, \
         e.type, e.payload::json, e.metadata::json \
     FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int2[], $5::int2[], $6::uuid[], $7::uuid[], $8::uuid[], \
         $9::text[], $10::text[], $11::text[], $12::text[]) \
         AS e (position, version, leaf, part, schema, account, aggregate, command, aggregate_type, type, payload, \
               metadata)";

/// Both inserts in one statement: a transaction of two would only add journeys between client and server.
const RESULTS: &str = "INSERT INTO raw.command_results (first_position, event_count, log_part, account, command_id, \
         request_hash) \
     SELECT r.first, r.n, r.part, r.account, r.command, r.hash \
     FROM unnest($1::int8[], $13::int2[], $4::int2[], $6::uuid[], $8::uuid[], $14::bytea[]) \
         AS r (first, n, part, account, command, hash)";

/// How many rows there are now that were not there before.
pub(super) async fn events(connection: &mut PgConnection, batch: &Batch<'_>) -> anyhow::Result<u64> {
    Ok(bind(EVENTS, batch).execute(connection).await?.rows_affected())
}

/// As [`events`]; of both rows of a charge, one counts.
pub(super) async fn events_and_results(connection: &mut PgConnection, batch: &Batch<'_>) -> anyhow::Result<u64> {
    let hashes: Vec<&[u8]> = batch.request_hash.iter().map(<[u8; 16]>::as_slice).collect();
    let statement = format!("WITH events AS ({EVENTS}) {RESULTS}");
    let both = bind(&statement, batch).bind(&batch.event_count).bind(hashes);
    Ok(both.execute(connection).await?.rows_affected())
}

fn bind<'q>(statement: &'q str, batch: &'q Batch<'_>) -> Query<'q, sqlx::Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(&batch.position)
        .bind(&batch.version)
        .bind(&batch.leaf)
        .bind(&batch.log_part)
        .bind(&batch.schema_version)
        .bind(&batch.account)
        .bind(&batch.aggregate_id)
        .bind(&batch.command_id)
        .bind(&batch.aggregate_type)
        .bind(&batch.event_type)
        .bind(&batch.payload)
        .bind(&batch.metadata)
}
