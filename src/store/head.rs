//! Where each partition ends, as a lane knows it.

use std::collections::HashSet;

use aggregates::{AggregateKind, LogPart, known_event_types};
use sqlx::{PgConnection, Row};

use super::hash::Hash;
use super::unit::StoreError;

/// The end of a partition: what the next commit must be on top of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub position: i64,
    pub epoch: i64,
    pub committed_us: i64,
    pub chain: Hash,
}

/// What a lane keeps of a partition.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) head: Head,
    /// Kinds of event the partition holds already.
    pub(super) types: HashSet<(&'static str, &'static str, i16)>,
    /// A kind of event this build does not know: it must not write here.
    pub(super) newer: Option<String>,
}

/// The names of a kind of event, where this build knows it.
pub(super) fn known_type(
    aggregate_type: &str,
    event_type: &str,
    schema_version: i16,
) -> Option<(&'static str, &'static str, i16)> {
    let kind = AggregateKind::from_name(aggregate_type)?;
    known_event_types()
        .find(|(known, name, newest)| *known == kind && *name == event_type && schema_version <= *newest)
        .map(|(_, name, _)| (kind.as_str(), name, schema_version))
}

pub(super) fn part_numbers(parts: &[LogPart]) -> Vec<i16> {
    parts.iter().map(|part| i16::from(part.number())).collect()
}

pub(super) fn log_part(number: i16) -> Result<LogPart, StoreError> {
    u8::try_from(number).map(LogPart::new).map_err(|_| StoreError::Corrupt(format!("log_part {number}")))
}

pub(crate) fn head_of(row: &sqlx::postgres::PgRow) -> Result<(LogPart, Head), StoreError> {
    let chain: Vec<u8> = row.try_get("chain")?;
    let head = Head {
        position: row.try_get("position")?,
        epoch: row.try_get("epoch")?,
        committed_us: row.try_get("committed_us")?,
        chain: hash_of(&chain)?,
    };
    Ok((log_part(row.try_get("log_part")?)?, head))
}

pub(super) fn hash_of(bytes: &[u8]) -> Result<Hash, StoreError> {
    Hash::try_from(bytes).map_err(|_| StoreError::Corrupt(format!("a hash of {} bytes", bytes.len())))
}

/// Reads heads and the kinds of event their partitions hold.
pub(super) async fn open(connection: &mut PgConnection, parts: &[LogPart]) -> Result<Vec<(LogPart, Part)>, StoreError> {
    let numbers = part_numbers(parts);
    let heads = sqlx::query(
        "SELECT log_part, position, epoch, committed_us, chain FROM ledger.log_heads WHERE log_part = ANY ($1)",
    )
    .bind(&numbers)
    .fetch_all(&mut *connection)
    .await?;
    // After the heads: a kind that is registered in between is one too many here, never one too few.
    let types = sqlx::query(
        "SELECT log_part, aggregate_type, event_type, schema_version FROM ledger.event_types WHERE log_part = ANY ($1)",
    )
    .bind(&numbers)
    .fetch_all(&mut *connection)
    .await?;
    let mut opened = std::collections::BTreeMap::new();
    for row in &heads {
        let (part, head) = head_of(row)?;
        opened.insert(part, Part { head, types: HashSet::new(), newer: None });
    }
    for row in &types {
        let part = log_part(row.try_get("log_part")?)?;
        let Some(opened) = opened.get_mut(&part) else { continue };
        let (aggregate_type, event_type): (String, String) =
            (row.try_get("aggregate_type")?, row.try_get("event_type")?);
        let schema_version: i16 = row.try_get("schema_version")?;
        match known_type(&aggregate_type, &event_type, schema_version) {
            Some(known) => {
                opened.types.insert(known);
            }
            None => opened.newer = Some(format!("{aggregate_type}.{event_type} v{schema_version}")),
        }
    }
    Ok(opened.into_iter().collect())
}
