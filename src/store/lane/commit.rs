//! Appending a batch, settling what became of it, and answering.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregates::LogPart;
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::{BACK_OFF_MAX, BACK_OFF_MIN, LOOK_UP_BATCHES, Lane, Pending, Setback};
use crate::store::append::{Outcome, Sealed, append};
use crate::store::bench::{Bench, Decided, Verdict};
use crate::store::cache::Remembered;
use crate::store::connection::within;
use crate::store::stats::Stats;
use crate::store::unit::{ExecuteError, Receipt, StoreError};
use crate::store::{draft, fence, load};

impl Lane {
    /// Appends what was decided, and answers everybody whose partition is proved. The partitions that are not are the
    /// result; their benches stay behind.
    pub(super) async fn commit(
        &mut self,
        connection: &mut PgConnection,
        benches: &mut Vec<Bench>,
    ) -> Result<Vec<LogPart>, Setback> {
        let batch_id = Uuid::now_v7();
        let sealed = draft::seal(&self.parts, benches, batch_id, self.options.clock.now());
        let settled = if sealed.is_empty() {
            Vec::new()
        } else {
            match self.append(connection, batch_id, &sealed).await {
                Ok(outcomes) => self.won_and_lost(sealed, outcomes),
                Err(error) => self.settle_failure(connection, batch_id, sealed, error).await?,
            }
        };
        self.finish(connection, benches, settled).await
    }

    /// As [`Self::commit`], ending the transaction that holds the locks.
    pub(super) async fn commit_locked(
        &mut self,
        connection: &mut PgConnection,
        benches: &mut Vec<Bench>,
    ) -> Result<Vec<LogPart>, Setback> {
        let batch_id = Uuid::now_v7();
        let sealed = draft::seal(&self.parts, benches, batch_id, self.options.clock.now());
        let appended =
            if sealed.is_empty() { Ok(Vec::new()) } else { self.append(connection, batch_id, &sealed).await };
        let ended = match appended {
            Ok(outcomes) => self.say(connection, "COMMIT").await.map(|()| outcomes),
            Err(error) => Err(error),
        };
        let settled = match ended {
            Ok(outcomes) => self.won_and_lost(sealed, outcomes),
            Err(error) => {
                if !fence::is_unknown(&error) {
                    self.say(connection, "ROLLBACK").await?;
                }
                self.settle_failure(connection, batch_id, sealed, error).await?
            }
        };
        self.finish(connection, benches, settled).await
    }

    async fn say(&self, connection: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
        within(self.options.unit_wait, sqlx::raw_sql(statement).execute(connection)).await.map(drop)
    }

    /// Appends, and gives the last batch's answers meanwhile.
    async fn append(
        &mut self,
        connection: &mut PgConnection,
        batch_id: Uuid,
        sealed: &[Sealed],
    ) -> Result<Vec<Outcome>, sqlx::Error> {
        // In this order: the first poll sends the batch.
        let appending = within(self.options.unit_wait, append(connection, batch_id, sealed));
        let (appended, ()) = tokio::join!(biased; appending, async { self.answers.say() });
        appended
    }

    fn won_and_lost(&mut self, sealed: Vec<Sealed>, outcomes: Vec<Outcome>) -> Vec<(Sealed, Outcome)> {
        Stats::add(&self.stats.appends, usize::from(!sealed.is_empty()));
        self.batch_units = (self.batch_units * 2).min(self.options.batch_units);
        self.contradicted = false;
        sealed.into_iter().zip(outcomes).collect()
    }

    /// An append that did not answer: find out what became of it, or what to do about it.
    async fn settle_failure(
        &mut self,
        connection: &mut PgConnection,
        batch_id: Uuid,
        sealed: Vec<Sealed>,
        error: sqlx::Error,
    ) -> Result<Vec<(Sealed, Outcome)>, Setback> {
        if fence::is_unknown(&error) {
            tracing::warn!(%error, "the outcome of a commit is unknown; settling it");
            return Ok(self.settle(connection, batch_id, sealed).await);
        }
        let database = error.as_database_error();
        let constraint = database.and_then(|error| error.constraint()).unwrap_or_default();
        let code = database.and_then(|error| error.code()).unwrap_or_default().into_owned();
        let units: usize = sealed.iter().map(|sealed| sealed.draft.results.len()).sum();
        if constraint == "command_results_pkey" {
            self.look_up = LOOK_UP_BATCHES;
        } else if constraint.starts_with("events_") || constraint.starts_with("commits_") {
            // The heads allowed what the log refuses: what is in memory cannot be right. Start from what is stored; where
            // that does not help, halve as below.
            tracing::error!(%error, units, "a batch contradicts the log");
            if std::mem::replace(&mut self.contradicted, true) && units <= 1 {
                return Ok(sealed.into_iter().map(|sealed| (sealed, Outcome::Unrecordable)).collect());
            }
            self.batch_units = units.div_ceil(2);
            return Err(Setback::LostTrack(error.into()));
        } else if code != "40001" && code != "40P01" && code != "55P03" {
            tracing::error!(%error, units, "the database refused a batch");
            if units <= 1 {
                // 22: bad data. 23: a constraint. 54: over a limit.
                let permanent = ["22", "23", "54"].iter().any(|class| code.starts_with(class));
                let outcome = if permanent { Outcome::Unrecordable } else { Outcome::Refused };
                return Ok(sealed.into_iter().map(|sealed| (sealed, outcome)).collect());
            }
            // One unit may be the poison: halve until it is alone.
            self.batch_units = units.div_ceil(2);
        }
        Err(Setback::Again(sealed.iter().map(Sealed::log_part).collect()))
    }

    /// Fences and looks, on a new connection, until the database answers. Everybody in the batch waits for it: whoever
    /// runs out of patience asks again with the same command id.
    async fn settle(
        &mut self,
        connection: &mut PgConnection,
        batch_id: Uuid,
        sealed: Vec<Sealed>,
    ) -> Vec<(Sealed, Outcome)> {
        let mut back_off = BACK_OFF_MIN;
        Stats::add(&self.stats.fences, 1);
        let give_up = Instant::now() + self.options.unit_wait;
        loop {
            let attempt = async {
                let mut fresh = self.connect().await?;
                let settled = fence::settle(&mut fresh, batch_id, &sealed).await?;
                Ok::<_, StoreError>((fresh, settled))
            };
            match within(self.options.unit_wait, attempt).await {
                Ok((fresh, settled)) => {
                    *connection = fresh;
                    let outcomes = settled.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>();
                    let settled = sealed.into_iter().zip(settled).map(|(mut sealed, (_, head))| {
                        sealed.next.epoch = head.epoch;
                        sealed
                    });
                    return settled.zip(outcomes).collect();
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot settle the outcome of a commit yet");
                    if Instant::now() >= give_up || self.closing.is_cancelled() {
                        return sealed.into_iter().map(|sealed| (sealed, Outcome::Unknown)).collect();
                    }
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    /// Takes in what a batch came to: answers, caches, and gives the partitions that lost.
    async fn finish(
        &mut self,
        connection: &mut PgConnection,
        benches: &mut Vec<Bench>,
        settled: Vec<(Sealed, Outcome)>,
    ) -> Result<Vec<LogPart>, Setback> {
        let mut proved: BTreeMap<LogPart, Result<i64, ExecuteError>> = BTreeMap::new();
        let mut lost = Vec::new();
        let mut lost_track = false;
        for (sealed, outcome) in settled {
            let part = sealed.log_part();
            match outcome {
                Outcome::Committed => {
                    Stats::add(&self.stats.commits, 1);
                    Stats::add(&self.stats.events, sealed.draft.events.len());
                    if let Some(known) = self.parts.get_mut(&part) {
                        known.head = sealed.next;
                        known.types.extend(sealed.draft.new_types);
                    }
                    proved.insert(part, Ok(sealed.base.position));
                }
                Outcome::Conflict | Outcome::Taken => {
                    Stats::add(&self.stats.conflicts, 1);
                    lost.push(part);
                }
                Outcome::Unrecordable => {
                    let reason = "the server's log says which of its rules it breaks".into();
                    proved.insert(part, Err(ExecuteError::Unrecordable(reason)));
                }
                Outcome::Refused => {
                    let error = StoreError::Corrupt("the commit was refused; the server's log says why".to_owned());
                    proved.insert(part, Err(ExecuteError::Trouble(Arc::new(error))));
                }
                Outcome::Unknown => {
                    lost_track = true;
                    proved.insert(part, Err(ExecuteError::Unknown));
                }
            }
        }
        if lost_track {
            self.answer_proved(benches, &mut proved, &mut Vec::new());
            let error = StoreError::Corrupt("a commit could not be settled in time".to_owned());
            return Err(Setback::LostTrack(error));
        }
        // First what is committed: from here on the heads have moved, and nothing may go wrong in between.
        let mut replays = Vec::new();
        self.answer_proved(benches, &mut proved, &mut replays);
        let mut unmoved = BTreeMap::new();
        let proving = self.prove_refusals(connection, benches, &mut unmoved, &mut lost).await;
        self.answer_proved(benches, &mut unmoved, &mut replays);
        self.replay(connection, replays).await?;
        proving?;
        Ok(lost)
    }

    /// Answers the accounts of proved partitions; the others stay behind.
    fn answer_proved(
        &mut self,
        benches: &mut Vec<Bench>,
        proved: &mut BTreeMap<LogPart, Result<i64, ExecuteError>>,
        replays: &mut Vec<Decided>,
    ) {
        for mut bench in std::mem::take(benches) {
            match proved.get_mut(&bench.account.log_part()) {
                None => benches.push(bench),
                Some(Ok(position)) => self.answer(bench, position, replays),
                Some(Err(error)) => {
                    for decided in bench.decided.drain(..) {
                        self.answers.push(decided.pending, Err(error.clone()));
                    }
                    // Nothing of it goes back to the cache.
                    bench.cold = true;
                    self.put_back(vec![bench]);
                }
            }
        }
    }

    /// A refusal (or nothing to do) is only true if nobody wrote meanwhile. Where the partition has a commit of ours in
    /// this batch, that proved it; elsewhere its head must still be where it was.
    async fn prove_refusals(
        &self,
        connection: &mut PgConnection,
        benches: &[Bench],
        proved: &mut BTreeMap<LogPart, Result<i64, ExecuteError>>,
        lost: &mut Vec<LogPart>,
    ) -> Result<(), Setback> {
        let parts: BTreeSet<LogPart> =
            benches.iter().map(|bench| bench.account.log_part()).filter(|part| !lost.contains(part)).collect();
        let known: Vec<_> = parts.iter().filter_map(|part| Some((*part, self.parts.get(part)?.head))).collect();
        if known.is_empty() {
            return Ok(());
        }
        if self.locking.is_some() {
            proved.extend(known.into_iter().map(|(part, head)| (part, Ok(head.position))));
            return Ok(());
        }
        for (part, now) in within(self.options.unit_wait, load::heads_now(connection, &known)).await? {
            let unmoved = known.iter().any(|(known, head)| {
                *known == part && head.position == now.head.position && head.chain == now.head.chain
            });
            if unmoved {
                proved.insert(part, Ok(now.head.position));
            } else {
                lost.push(part);
            }
        }
        Ok(())
    }

    /// Answers an account's units; `position` is the partition's last position before them, and moves on with them.
    fn answer(&mut self, mut bench: Bench, position: &mut i64, replays: &mut Vec<Decided>) {
        let log_part = bench.account.log_part();
        let recorded = bench.records();
        for Decided { pending, verdict } in std::mem::take(&mut bench.decided) {
            match verdict {
                Verdict::Record(events) => {
                    let first_position = *position + 1;
                    *position += i64::try_from(events.len()).unwrap_or(i64::MAX);
                    Stats::add(&self.stats.units, 1);
                    let remembered = Remembered {
                        request_hash: pending.unit.request_hash,
                        first_position,
                        event_count: i16::try_from(events.len()).unwrap_or(i16::MAX),
                    };
                    bench.cached.remember(pending.unit.command_id, remembered);
                    let events: Vec<_> = events.into_iter().map(|event| event.recorded).collect();
                    self.snapshots.after_commit(&bench, &events);
                    self.answers.push(pending, Ok(Receipt { log_part, position: *position, events, replayed: false }));
                }
                Verdict::Nothing => {
                    let events = Vec::new();
                    self.answers.push(pending, Ok(Receipt { log_part, position: *position, events, replayed: false }));
                }
                Verdict::Refuse(error) => self.answers.push(pending, Err(error)),
                Verdict::Replay(_) => replays.push(Decided { pending, verdict }),
            }
        }
        let unanswered: Vec<Pending> = bench.unanswered().collect();
        for pending in unanswered.into_iter().rev() {
            self.queue.put_back(bench.account, pending);
        }
        bench.cached.listed |= recorded;
        bench.cached.desk.confirm();
        self.cache.put(bench.account, bench.cached);
    }

    /// Gives first answers again, from the log.
    async fn replay(&mut self, connection: &mut PgConnection, replays: Vec<Decided>) -> Result<(), Setback> {
        let mut replays = replays.into_iter();
        while let Some(Decided { pending, verdict }) = replays.next() {
            let Verdict::Replay(remembered) = verdict else { continue };
            let log_part = pending.account.log_part();
            match within(self.options.unit_wait, load::events_at(connection, log_part, remembered)).await {
                Ok(events) => {
                    Stats::add(&self.stats.replays, 1);
                    let position = remembered.first_position + i64::from(remembered.event_count) - 1;
                    pending.answer(Ok(Receipt { log_part, position, events, replayed: true }));
                }
                // Unreadable events fail this answer; without the database there is none for anybody.
                Err(error) if !matches!(error, StoreError::Database(_)) => {
                    pending.answer(Err(ExecuteError::Trouble(Arc::new(error))));
                }
                Err(error) => {
                    for Decided { pending, .. } in std::iter::once(Decided { pending, verdict }).chain(replays) {
                        self.queue.put_back(pending.account, pending);
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}
