//! When the connection is lost in a commit, nobody knows whether it happened, and the old backend may still be about to
//! do it. So first a write that makes a late arrival fail (`fence_heads`), then a look for the batch. Never a guess.

use std::collections::HashMap;

use aggregates::LogPart;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::append::{Outcome, Sealed};
use super::head::{Head, head_of, log_part, part_numbers};
use super::unit::StoreError;

/// Whether a failed append may be in the log all the same. Only an error that the server itself gave for the statement
/// means that it is not: then the server has rolled it back.
pub(super) fn is_unknown(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            // 08: connection trouble. 57P: shutdown or crash of the server. 40003: completion unknown.
            code.starts_with("08") || code.starts_with("57P") || code == "40003"
        }
        _ => true,
    }
}

/// Settles a batch whose outcome is unknown: per partition, whether it is in the log, and the fenced head.
pub(super) async fn settle(
    connection: &mut PgConnection,
    batch_id: Uuid,
    batch: &[Sealed],
) -> Result<Vec<(Outcome, Head)>, StoreError> {
    let parts: Vec<LogPart> = batch.iter().map(Sealed::log_part).collect();
    let numbers = part_numbers(&parts);
    let fenced = sqlx::query("SELECT * FROM ledger.fence_heads($1)").bind(&numbers).fetch_all(&mut *connection).await?;
    let heads: HashMap<LogPart, Head> = fenced.iter().map(head_of).collect::<Result<_, _>>()?;

    let firsts: Vec<i64> = batch.iter().map(|sealed| sealed.base.position + 1).collect();
    let rows = sqlx::query(
        "SELECT c.log_part FROM unnest($1::int2[], $2::int8[]) AS w (log_part, first_position)
           JOIN ledger.commits c ON c.log_part = w.log_part AND c.first_position = w.first_position
          WHERE c.batch_id = $3",
    )
    .bind(&numbers)
    .bind(&firsts)
    .bind(batch_id)
    .fetch_all(connection)
    .await?;
    let mut committed = std::collections::HashSet::new();
    for row in &rows {
        committed.insert(log_part(row.try_get("log_part")?)?);
    }
    parts
        .iter()
        .map(|part| {
            let head = heads.get(part).ok_or_else(|| StoreError::Corrupt(format!("no head of partition {part}")))?;
            Ok((if committed.contains(part) { Outcome::Committed } else { Outcome::Conflict }, *head))
        })
        .collect()
}
