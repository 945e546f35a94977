//! A batch as one COPY in the binary format: what the table takes when no statement is in the way.

use anyhow::Context;
use sqlx::PgConnection;

use super::rows::Batch;

const COPY: &str = "COPY raw.events (position, version, leaf, log_part, schema_version, account, aggregate_id, \
     command_id, aggregate_type, event_type, payload, metadata) FROM STDIN (FORMAT binary)";
/// The signature, no flags, no extension.
const FILE_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const FILE_TRAILER: &[u8] = &(-1_i16).to_be_bytes();
const FIELDS: i16 = 12;
/// Roughly; it only saves growing.
const ROW_BYTES: usize = 384;

/// How many rows there are now that were not there before.
pub(super) async fn events(connection: &mut PgConnection, batch: &Batch<'_>) -> anyhow::Result<u64> {
    let bytes = encode(batch)?;
    let mut copy = connection.copy_in_raw(COPY).await?;
    copy.send(bytes).await?;
    Ok(copy.finish().await?)
}

fn encode(batch: &Batch<'_>) -> anyhow::Result<Vec<u8>> {
    let mut file = Vec::with_capacity(batch.position.len() * ROW_BYTES);
    file.extend_from_slice(FILE_HEADER);
    for row in 0..batch.position.len() {
        encode_row(&mut file, batch, row).with_context(|| format!("row {row} of a batch"))?;
    }
    file.extend_from_slice(FILE_TRAILER);
    Ok(file)
}

/// `None` where a column has no such row.
fn encode_row(file: &mut Vec<u8>, batch: &Batch<'_>, row: usize) -> Option<()> {
    file.extend_from_slice(&FIELDS.to_be_bytes());
    let mut field = |bytes: &[u8]| {
        file.extend_from_slice(&i32::try_from(bytes.len()).ok()?.to_be_bytes());
        file.extend_from_slice(bytes);
        Some(())
    };
    for column in [&batch.position, &batch.version, &batch.leaf] {
        field(&column.get(row)?.to_be_bytes())?;
    }
    for column in [&batch.log_part, &batch.schema_version] {
        field(&column.get(row)?.to_be_bytes())?;
    }
    for column in [&batch.account, &batch.aggregate_id, &batch.command_id] {
        field(column.get(row)?.as_bytes())?;
    }
    for text in [batch.aggregate_type.get(row)?, batch.event_type.get(row)?] {
        field(text.as_bytes())?;
    }
    for json in [batch.payload.get(row)?, batch.metadata.get(row)?] {
        field(json.as_bytes())?;
    }
    Some(())
}
