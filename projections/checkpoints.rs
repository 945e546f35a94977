//! How far the log has been read: one position and one chain per partition, shared by all projections of a generation.

use std::collections::BTreeMap;

use aggregates::{LOG_PARTS, LogPart};
use sqlx::{PgConnection, Row};

/// A link of a partition's chain.
pub type Hash = [u8; 32];

/// Everything up to `position` is in the rows, and the chain of the log was `chain` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub position: i64,
    pub chain: Hash,
}

/// One checkpoint for each partition.
pub type Checkpoints = BTreeMap<LogPart, Checkpoint>;

/// Reads them from the schema that `search_path` finds first.
///
/// # Errors
/// When the table cannot be read or does not hold one row for each partition.
pub(crate) async fn load(connection: &mut PgConnection, schema: &str) -> Result<Checkpoints, sqlx::Error> {
    let sql = format!("SELECT log_part, position, chain FROM {schema}.checkpoints");
    checkpoints_of(&sqlx::query(&sql).fetch_all(connection).await?)
}

/// The live ones.
///
/// # Errors
/// When the table cannot be read or does not hold one row for each partition.
pub async fn load_checkpoints(connection: &mut PgConnection) -> Result<Checkpoints, sqlx::Error> {
    load(connection, "read").await
}

fn checkpoints_of(rows: &[sqlx::postgres::PgRow]) -> Result<Checkpoints, sqlx::Error> {
    let mut all = Checkpoints::new();
    for row in rows {
        let log_part = u8::try_from(row.try_get::<i16, _>("log_part")?).map(LogPart::new);
        let chain = Hash::try_from(row.try_get::<Vec<u8>, _>("chain")?.as_slice());
        let checkpoint = Checkpoint {
            position: row.try_get("position")?,
            chain: chain.map_err(|error| sqlx::Error::Decode(error.into()))?,
        };
        all.insert(log_part.map_err(|error| sqlx::Error::Decode(error.into()))?, checkpoint);
    }
    if all.len() != usize::from(LOG_PARTS) {
        return Err(sqlx::Error::Decode(format!("{} checkpoints instead of {LOG_PARTS}", all.len()).into()));
    }
    Ok(all)
}
