//! Deciding a batch: commands that were recorded before are looked up, aggregates that are not in memory are loaded, for
//! all accounts of the batch at once, and every unit gets its verdict.

use std::collections::HashMap;
use std::sync::Arc;

use aggregates::{AccountKey, AggregateId};
use sqlx::PgConnection;

use super::{Lane, Setback};
use crate::store::bench::Bench;
use crate::store::draft;
use crate::store::load::{self, Loaded, Unreadable, Want};
use crate::store::stats::Stats;
use crate::store::unit::ExecuteError;

impl Lane {
    /// Decides every unit of the batch, loading what it turns out to need.
    pub(super) async fn decide(&mut self, connection: &mut PgConnection, benches: &mut [Bench]) -> Result<(), Setback> {
        self.look_up(connection, benches).await?;
        draft::refuse_taken_keys(connection, benches).await?;
        let mut bytes = self.options.batch_bytes;
        let mut running: Vec<usize> = (0..benches.len()).collect();
        loop {
            let mut wants: Vec<Want> = Vec::new();
            let mut asking = Vec::new();
            for at in running {
                let Some(bench) = benches.get_mut(at) else { continue };
                if let Some(missing) = bench.run(&mut bytes) {
                    asking.push((at, missing.len()));
                    wants.extend(missing.into_iter().map(|id| (bench.account, id)));
                }
            }
            if wants.is_empty() {
                return self.look_up_unrecorded(connection, benches).await;
            }
            self.answers.say();
            Stats::add(&self.stats.loads, 1);
            let mut loaded = load::aggregates(connection, &wants).await?.into_iter();
            let mut wants = wants.iter();
            for (at, count) in &asking {
                let ids = wants.by_ref().take(*count).map(|(_, id)| *id);
                let loaded = ids.zip(loaded.by_ref().take(*count)).collect();
                if let Some(bench) = benches.get_mut(*at) {
                    self.fill(bench, loaded);
                }
            }
            running = asking.into_iter().map(|(at, _)| at).collect();
        }
    }

    /// Gives a bench what its first unit asked for.
    fn fill(&mut self, bench: &mut Bench, loaded: Vec<(AggregateId, Result<Loaded, Unreadable>)>) {
        let mut cannot_be_had = None;
        for (id, loaded) in loaded {
            match loaded {
                Ok(loaded) => {
                    self.snapshots.after_load(bench.account, id, &loaded);
                    bench.put(id, loaded.slot);
                }
                Err(unreadable) => cannot_be_had = cannot_be_had.or(Some(unreadable)),
            }
        }
        if let Some(unreadable) = cannot_be_had {
            self.refuse_first(bench, unreadable);
        }
    }

    /// An aggregate that cannot be understood fails the unit that asked for it, and nobody else's.
    fn refuse_first(&mut self, bench: &mut Bench, unreadable: Unreadable) {
        let log_part = bench.account.log_part();
        let error = match unreadable {
            Unreadable::Broken(error) => {
                tracing::error!(%error, "an aggregate cannot be loaded");
                ExecuteError::Trouble(Arc::new(error))
            }
            Unreadable::Newer(event) => {
                self.stop_writing(log_part, event.clone());
                ExecuteError::NewerRelease { log_part, event }
            }
        };
        if let Some(pending) = bench.give_up_first() {
            pending.answer(Err(error));
        }
    }

    /// What is about to be answered without recording anything ("refused", "nothing to do") may have been recorded
    /// before: by another process, or longer ago than the lane remembers. Then that is the answer.
    async fn look_up_unrecorded(&self, connection: &mut PgConnection, benches: &mut [Bench]) -> Result<(), Setback> {
        let asked: Vec<_> = benches
            .iter()
            .filter(|bench| !bench.looked_up)
            .flat_map(|bench| bench.unrecorded().map(|command| (bench.account, command)))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let recorded = load::recorded_commands(connection, &asked).await?;
        benches.iter_mut().for_each(|bench| bench.replay_found(&recorded));
        Ok(())
    }

    /// Commands that may have been recorded before, and accounts that may be new.
    async fn look_up(&mut self, connection: &mut PgConnection, benches: &mut [Bench]) -> Result<(), Setback> {
        let everybody = self.look_up > 0;
        self.look_up = self.look_up.saturating_sub(1);
        let asked: Vec<_> = benches
            .iter()
            .filter(|bench| bench.cold || everybody)
            .flat_map(|bench| bench.waiting.iter().map(|pending| (bench.account, pending.unit.command_id)))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let recorded = load::recorded_commands(connection, &asked).await?;
        let cold: Vec<AccountKey> = benches.iter().filter(|bench| bench.cold).map(|bench| bench.account).collect();
        let listed = load::listed(connection, &cold).await?;
        let mut found: HashMap<AccountKey, Vec<_>> = HashMap::new();
        for ((account, command), remembered) in recorded {
            found.entry(account).or_default().push((command, remembered));
        }
        for bench in benches {
            bench.cached.listed |= listed.contains(&bench.account);
            bench.looked_up = bench.cold || everybody;
            for (command, remembered) in found.remove(&bench.account).unwrap_or_default() {
                bench.recorded_before(command, remembered);
            }
        }
        Ok(())
    }
}
