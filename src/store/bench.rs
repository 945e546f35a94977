//! One account's work within one batch: its aggregates on a desk, the units waiting, and what was decided so far.
//!
//! Nothing that is decided here is told to anybody before the partition's commit (or, where there is nothing to commit,
//! a look at its head) has proved that the aggregates were up to date.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use aggregates::{AccountKey, AggregateId, CommandId, Halt, Recorded};

use super::cache::{CachedAccount, Remembered};
use super::lane::Pending;
use super::unit::ExecuteError;
use super::{UNIT_BYTES_MAX, UNIT_EVENTS_MAX};

/// How many aggregates one unit of work may ask for.
const UNIT_AGGREGATES_MAX: usize = 1_000;

/// What was decided about a unit of work.
pub(super) enum Verdict {
    Record(Vec<Encoded>),
    /// Already so: nothing to record.
    Nothing,
    Refuse(ExecuteError),
    /// Recorded before: the first answer again.
    Replay(Remembered),
}

/// An event and its payload as it will be stored.
pub(super) struct Encoded {
    pub(super) recorded: Recorded,
    pub(super) payload: String,
}

pub(super) struct Decided {
    pub(super) pending: Pending,
    pub(super) verdict: Verdict,
}

impl Decided {
    fn records_nothing(&self) -> bool {
        matches!(self.verdict, Verdict::Nothing | Verdict::Refuse(_))
    }
}

pub(super) struct Bench {
    pub(super) account: AccountKey,
    pub(super) cached: CachedAccount,
    /// It was not in the cache: commands have to be looked up.
    pub(super) cold: bool,
    pub(super) waiting: VecDeque<Pending>,
    pub(super) decided: Vec<Decided>,
    /// Units that must wait for the next batch.
    pub(super) later: Vec<Pending>,
    /// Names that the unit's own aggregate holds already.
    pub(super) held: HashSet<(&'static str, String)>,
    commands: HashSet<CommandId>,
    found: HashMap<CommandId, Remembered>,
    /// All its commands have been looked up.
    pub(super) looked_up: bool,
    asked_for: usize,
}

impl Bench {
    pub(super) fn new(account: AccountKey, cached: Option<CachedAccount>) -> Self {
        let cold = cached.is_none();
        let cached = cached.unwrap_or_else(|| CachedAccount::new(account));
        Self {
            account,
            cached,
            cold,
            waiting: VecDeque::new(),
            decided: Vec::new(),
            later: Vec::new(),
            held: HashSet::new(),
            commands: HashSet::new(),
            found: HashMap::new(),
            looked_up: false,
            asked_for: 0,
        }
    }

    pub(super) fn put(&mut self, id: AggregateId, slot: aggregates::Slot) {
        self.cached.desk.put(id, slot);
    }

    pub(super) fn slot(&self, id: &AggregateId) -> Option<&aggregates::Slot> {
        self.cached.desk.slot(id)
    }

    /// Decides units in order until none is left, `bytes` are used up, or one needs aggregates that are not here: then
    /// they are the answer, and the unit waits for them.
    pub(super) fn run(&mut self, bytes: &mut usize) -> Option<Vec<AggregateId>> {
        while let Some(pending) = self.waiting.pop_front() {
            // A command that is in the batch twice waits for what becomes of the first.
            let only = self.waiting.is_empty() && self.commands.is_empty();
            if *bytes == 0 || (!only && !self.commands.insert(pending.unit.command_id)) {
                self.later.push(pending);
                continue;
            }
            if let Some(remembered) = self.recall(pending.unit.command_id) {
                let verdict = replay(&pending, remembered);
                self.decided.push(Decided { pending, verdict });
                continue;
            }
            match self.decide(&pending) {
                Ok(verdict) => {
                    if let Verdict::Record(events) = &verdict {
                        *bytes = bytes.saturating_sub(encoded_bytes(events));
                    }
                    self.decided.push(Decided { pending, verdict });
                    self.asked_for = 0;
                }
                Err(missing) => {
                    self.commands.remove(&pending.unit.command_id);
                    self.waiting.push_front(pending);
                    return Some(missing);
                }
            }
        }
        None
    }

    /// Notes that a waiting command was found among the recorded ones.
    pub(super) fn recorded_before(&mut self, command: CommandId, remembered: Remembered) {
        self.found.insert(command, remembered);
    }

    fn recall(&self, command: CommandId) -> Option<Remembered> {
        self.found.get(&command).copied().or_else(|| self.cached.recall(command))
    }

    fn decide(&mut self, pending: &Pending) -> Result<Verdict, Vec<AggregateId>> {
        let unit = &pending.unit;
        let desk = &mut self.cached.desk;
        let decided = catch_unwind(AssertUnwindSafe(|| desk.decide_if(unit.at, &*unit.decision, encode)));
        Ok(match decided {
            Ok(Ok(Ok(events))) if events.is_empty() => Verdict::Nothing,
            Ok(Ok(Ok(events))) => Verdict::Record(events),
            Ok(Ok(Err(error))) => Verdict::Refuse(error),
            Ok(Err(Halt::Refused(refusal))) => Verdict::Refuse(ExecuteError::Refused(refusal)),
            Ok(Err(Halt::Missing(ids))) => {
                self.asked_for += ids.len();
                // What asks for nothing would ask for ever.
                if !ids.is_empty() && self.asked_for <= UNIT_AGGREGATES_MAX {
                    return Err(ids);
                }
                Verdict::Refuse(TOO_LARGE)
            }
            Err(_) => {
                self.cached.desk.roll_back();
                tracing::error!(command = %unit.command_id, "a decision panicked");
                Verdict::Refuse(ExecuteError::Panicked)
            }
        })
    }

    /// Commands that would be answered without recording anything: they may have been recorded before.
    pub(super) fn unrecorded(&self) -> impl Iterator<Item = CommandId> {
        let unrecorded = self.decided.iter().filter(|decided| decided.records_nothing());
        unrecorded.map(|decided| decided.pending.unit.command_id)
    }

    /// Answers those of them that were found with their first answer. What follows was decided as if they had done
    /// nothing, and so they have.
    pub(super) fn replay_found(&mut self, found: &HashMap<(AccountKey, CommandId), Remembered>) {
        for decided in self.decided.iter_mut().filter(|decided| decided.records_nothing()) {
            if let Some(remembered) = found.get(&(self.account, decided.pending.unit.command_id)) {
                decided.verdict = replay(&decided.pending, *remembered);
            }
        }
    }

    /// The unit that asked for an aggregate which cannot be had.
    pub(super) fn give_up_first(&mut self) -> Option<Pending> {
        self.asked_for = 0;
        self.waiting.pop_front()
    }

    /// Every unit that is not answered yet, in order.
    pub(super) fn unanswered(&mut self) -> impl Iterator<Item = Pending> + use<'_> {
        let decided = self.decided.drain(..).map(|decided| decided.pending);
        decided.chain(self.waiting.drain(..)).chain(self.later.drain(..))
    }

    /// Whether a commit of this account's partition is needed.
    pub(super) fn records(&self) -> bool {
        self.decided.iter().any(|decided| matches!(decided.verdict, Verdict::Record(_)))
    }
}

const TOO_LARGE: ExecuteError = ExecuteError::TooLarge { max: UNIT_EVENTS_MAX, max_bytes: UNIT_BYTES_MAX };

fn replay(pending: &Pending, remembered: Remembered) -> Verdict {
    if remembered.request_hash == pending.unit.request_hash {
        Verdict::Replay(remembered)
    } else {
        Verdict::Refuse(ExecuteError::CommandReused(pending.unit.command_id))
    }
}

/// What was decided, as it will be stored; too much of it is refused.
fn encode(recorded: Vec<Recorded>) -> Result<Vec<Encoded>, ExecuteError> {
    let events: Vec<Encoded> = recorded
        .into_iter()
        .map(|recorded| Ok(Encoded { payload: recorded.event.payload()?, recorded }))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| {
            tracing::error!(%error, "an event could not be written as JSON");
            ExecuteError::Panicked
        })?;
    if events.len() > UNIT_EVENTS_MAX || encoded_bytes(&events) > UNIT_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    Ok(events)
}

fn encoded_bytes(events: &[Encoded]) -> usize {
    /// Columns other than the payload, roughly.
    const ROW_BYTES: usize = 160;
    events.iter().map(|event| event.payload.len() + ROW_BYTES).sum()
}
