//! What others wrote to a lane's partitions, taken into its memory. Heads and cache move together or not at all.

use aggregates::LogPart;
use sqlx::PgConnection;

use super::Lane;
use crate::store::head::{self, Part};
use crate::store::load::{self, Foreign, Unreadable};
use crate::store::unit::StoreError;

/// Further behind than this in all, a lane forgets what it knows of a partition instead of reading what it missed.
const CATCH_UP_EVENTS_MAX: i64 = 20_000;

impl Lane {
    /// Reads what others wrote to these partitions and applies it to what is cached. Gives the number of partitions
    /// that had moved.
    pub(super) async fn catch_up(
        &mut self,
        connection: &mut PgConnection,
        parts: &[LogPart],
    ) -> Result<usize, StoreError> {
        let known: Vec<_> = parts.iter().filter_map(|part| Some((*part, self.parts.get(part)?.head))).collect();
        let mut ranges = Vec::new();
        let mut reopen = Vec::new();
        let mut heads = Vec::new();
        let mut to_read = CATCH_UP_EVENTS_MAX;
        for (part, now) in load::heads_now(connection, &known).await? {
            let Some(Part { head, .. }) = self.parts.get(&part) else { continue };
            let behind = now.head.position - head.position;
            if !now.continues || behind > to_read {
                reopen.push(part);
            } else if now.head != *head {
                to_read -= behind;
                ranges.push((part, head.position, now.head.position));
                heads.push((part, now.head));
            }
        }
        let moved = reopen.len() + heads.len();
        if !reopen.is_empty() {
            let opened = head::open(connection, &reopen).await?;
            for part in &reopen {
                self.cache.forget_part(*part);
            }
            self.parts.extend(opened);
        }
        if !ranges.is_empty() {
            let foreign = load::events_between(connection, &ranges).await?;
            // From here on nothing can fail: heads and cache move together.
            foreign.into_iter().for_each(|foreign| self.take_in(foreign));
            for (part, head) in heads {
                if let Some(known) = self.parts.get_mut(&part) {
                    known.head = head;
                }
            }
        }
        Ok(moved)
    }

    /// Applies an event that somebody else wrote to what is cached.
    fn take_in(&mut self, foreign: Foreign) {
        match foreign.event {
            Ok((id, event)) => {
                let Some(slot) = self.cache.slot_mut(foreign.account, id) else { return };
                // Loaded after the other's commit, it may have this event already.
                if foreign.version > slot.version && load::fold(id, slot, foreign.version, &event).is_err() {
                    self.cache.forget_account(foreign.account);
                }
            }
            Err(Unreadable::Newer(event)) => self.stop_writing(foreign.log_part, event),
            Err(Unreadable::Broken(error)) => {
                // Whoever needs that aggregate will hear of it; nobody else has to wait for it to be mended.
                tracing::error!(%error, "an event that somebody else wrote cannot be read");
                self.cache.forget_account(foreign.account);
            }
        }
    }

    pub(super) fn stop_writing(&mut self, log_part: LogPart, event: String) {
        tracing::error!(part = %log_part, event, "a newer release writes here; refusing to");
        if let Some(part) = self.parts.get_mut(&log_part) {
            part.newer = Some(event);
        }
    }
}
