//! From decided benches to the batch that is appended: events in their partitions, claims, accounts and kinds of event
//! seen for the first time.

use std::collections::{BTreeMap, HashMap, HashSet};

use aggregates::LogPart;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::append::{Draft, DraftClaim, DraftEvent, DraftResult, Sealed};
use super::bench::{Bench, Decided, Verdict};
use super::head::Part;
use super::load;
use super::unit::{Claim, ExecuteError, StoreError};

/// Puts what was decided on top of the heads, in ascending order of partitions.
pub(super) fn seal(
    parts: &BTreeMap<LogPart, Part>,
    benches: &mut [Bench],
    batch_id: Uuid,
    now: DateTime<Utc>,
) -> Vec<Sealed> {
    let now_us = now.timestamp_micros();
    let mut drafts: BTreeMap<LogPart, Draft> = BTreeMap::new();
    for bench in benches.iter_mut().filter(|bench| bench.records()) {
        let log_part = bench.account.log_part();
        let Some(part) = parts.get(&log_part) else { continue };
        let draft = drafts.entry(log_part).or_insert_with(|| Draft::new(log_part));
        add(draft, part, bench);
    }
    drafts
        .into_values()
        .filter_map(|draft| {
            let base = parts.get(&draft.log_part)?.head;
            Some(Sealed::new(draft, base, batch_id, now_us))
        })
        .collect()
}

fn add(draft: &mut Draft, part: &Part, bench: &mut Bench) {
    let account = bench.account;
    let mut position = part.head.position + i64::try_from(draft.events.len()).unwrap_or(i64::MAX);
    let mut listed = bench.cached.listed;
    for Decided { pending, verdict } in &mut bench.decided {
        let Verdict::Record(events) = verdict else { continue };
        let unit = &pending.unit;
        if !listed {
            draft.new_accounts.push((account, unit.account.clone()));
            listed = true;
        }
        draft.results.push(DraftResult {
            first_position: position + 1,
            event_count: i16::try_from(events.len()).unwrap_or(i16::MAX),
            account,
            command_id: unit.command_id,
            request_hash: unit.request_hash,
        });
        position += i64::try_from(events.len()).unwrap_or(i64::MAX);
        for (n, claim) in unit.claims.iter().enumerate() {
            let (kind, key) = (claim.kind, claim.key.clone());
            let said_before = unit.claims.iter().take(n).any(|earlier| earlier == claim);
            if !said_before && !bench.held.contains(&(kind, key.clone())) {
                draft.claims.push(DraftClaim { kind, key, account, aggregate_id: claim.aggregate.id });
            }
        }
        for event in events {
            let recorded = &event.recorded;
            let (event_type, schema_version) = (recorded.event.event_type(), recorded.event.schema_version());
            let kind = (recorded.aggregate.kind.as_str(), event_type, schema_version);
            if !part.types.contains(&kind) && !draft.new_types.contains(&kind) {
                draft.new_types.push(kind);
            }
            draft.events.push(DraftEvent {
                account,
                aggregate: recorded.aggregate,
                version: recorded.version,
                command_id: unit.command_id,
                event_type,
                schema_version,
                payload: std::mem::take(&mut event.payload),
                metadata: unit.metadata.clone(),
            });
        }
    }
}

/// Refuses waiting units that claim a name of somebody else's. Of two that claim the same one, the second waits for the
/// next batch, and so for the first one's fate.
pub(super) async fn refuse_taken_keys(connection: &mut PgConnection, benches: &mut [Bench]) -> Result<(), StoreError> {
    let claims: Vec<(&str, &str)> = benches
        .iter()
        .flat_map(|bench| bench.waiting.iter())
        .flat_map(|pending| pending.unit.claims.iter().map(|claim| (claim.kind, claim.key.as_str())))
        .collect();
    if claims.is_empty() {
        return Ok(());
    }
    let (kinds, keys): (Vec<&str>, Vec<&str>) = claims.into_iter().filter(|(_, key)| can_be_stored(key)).unzip();
    let holders = load::key_holders(connection, &kinds, &keys).await?;
    let mut claimed: HashSet<(&'static str, String)> = HashSet::new();
    for bench in benches {
        for pending in std::mem::take(&mut bench.waiting) {
            let mut refused = None;
            let mut names: HashMap<(&'static str, String), Uuid> = HashMap::new();
            for Claim { kind, key, aggregate } in &pending.unit.claims {
                let name = (*kind, key.clone());
                match holders.get(&((*kind).to_owned(), key.clone())) {
                    _ if !can_be_stored(key) => refused = Some(cannot_be_stored(key)),
                    Some(holder) if *holder == (bench.account, aggregate.id) => {
                        bench.held.insert(name);
                    }
                    Some(_) => refused = Some(ExecuteError::KeyTaken { kind, key: key.clone() }),
                    None => {
                        // Twice for the same aggregate is once.
                        if *names.entry(name).or_insert(aggregate.id) != aggregate.id {
                            refused = Some(ExecuteError::KeyTaken { kind, key: key.clone() });
                        }
                    }
                }
            }
            if let Some(error) = refused {
                bench.decided.push(Decided { pending, verdict: Verdict::Refuse(error) });
                continue;
            }
            let contested = names.keys().any(|name| claimed.contains(name));
            claimed.extend(names.into_keys());
            if contested {
                bench.later.push(pending);
            } else {
                bench.waiting.push_back(pending);
            }
        }
    }
    Ok(())
}

/// Names come from outside. PostgreSQL has no text with a NUL in it, and would refuse the whole batch.
pub(super) fn can_be_stored(key: &str) -> bool {
    !key.contains('\0')
}

fn cannot_be_stored(key: &str) -> ExecuteError {
    ExecuteError::Unrecordable(format!("the name {key:?} has a NUL in it").into())
}
