//! Random work through two stores on one database, against sums that are kept by hand.
//!
//! ```text
//! ledger.rs   the books: grants, quotas, and what each command was answered
//! asks.rs     what is asked, of books and store alike
//! mod.rs      asking, crashing, and comparing
//! ```
//!
//! What is asked at once may be recorded in any order. The positions in the answers say in which it was; in that order
//! the books must come to the same, and everything that was not recorded must be right at some moment in between.

mod asks;
mod ledger;

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use aggregates::{AccountId, AggregateId, State};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{ExecuteError, Receipt, Store, StoreOptions};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use sqlx::PgPool;
use tokio::runtime::Runtime;

use super::scene::{ask, neighbours, owner};
use crate::support::database;
use crate::support::log::folded;
use crate::support::units::{account, state_in};
use asks::{ACCOUNTS, Ask, Line, PACKAGES, Unit, lines_of, moment, package_of};
use ledger::{Account, Answer};

const CASES: u32 = 24;
const SHRINKS: u32 = 300;

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn two_stores_that_come_and_go_keep_the_books(sequential 10..60 => System);
}

/// The variables of proptest work as everywhere; the seed of a run is printed, and shown if it fails.
fn config() -> Config {
    static SEED: OnceLock<RngSeed> = OnceLock::new();
    let default = Config { failure_persistence: None, ..Config::default() };
    let unless_said = |name, said, usual| if std::env::var_os(name).is_some() { said } else { usual };
    let cases = unless_said("PROPTEST_CASES", default.cases, CASES);
    let max_shrink_iters = unless_said("PROPTEST_MAX_SHRINK_ITERS", default.max_shrink_iters, SHRINKS);
    let rng_seed = *SEED.get_or_init(|| match default.rng_seed {
        RngSeed::Random => {
            let seed = rand::random();
            println!("PROPTEST_RNG_SEED={seed}");
            RngSeed::Fixed(seed)
        }
        fixed @ RngSeed::Fixed(_) => fixed,
    });
    Config { cases, max_shrink_iters, rng_seed, ..default }
}

/// What the next transition is made from.
#[derive(Debug, Clone)]
struct Outline {
    options: Settings,
    now: i64,
    next_command: u32,
    asked: Vec<Unit>,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    lanes: usize,
    cache_aggregates: usize,
    snapshot_every: i64,
    batch_units: usize,
}

#[derive(Debug, Clone)]
enum Transition {
    /// All at once, each through one of the stores; `cut` breaks all their connections meanwhile.
    Ask {
        units: Vec<(usize, Unit)>,
        cut: bool,
    },
    /// The store goes while these are on their way, and their callers with it; another takes its place, and is asked
    /// what became of them.
    Crash {
        store: usize,
        in_flight: Vec<Unit>,
    },
    Restart {
        store: usize,
    },
}

impl ReferenceStateMachine for Outline {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        let sizes = (1..=2_usize, prop::sample::select(vec![2, 6, 1_000]));
        let more = (prop::sample::select(vec![1, 3, 100]), prop::sample::select(vec![2, 1_024]));
        (sizes, more)
            .prop_map(|((lanes, cache_aggregates), (snapshot_every, batch_units))| Self {
                options: Settings { lanes, cache_aggregates, snapshot_every, batch_units },
                now: 0,
                next_command: 0,
                asked: Vec::new(),
            })
            .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        let one = units(state, 1..2);
        let several = units(state, 2..9);
        let stores = || prop::collection::vec(0..2_usize, 8);
        let through = |(units, stores): (Vec<Unit>, Vec<usize>), cut| Transition::Ask {
            units: stores.into_iter().zip(units).collect(),
            cut,
        };
        prop_oneof![
            8 => (one, stores()).prop_map(move |asked| through(asked, false)),
            6 => (several.clone(), stores()).prop_map(move |asked| through(asked, false)),
            1 => (several.clone(), stores()).prop_map(move |asked| through(asked, true)),
            1 => (0..2_usize, several).prop_map(|(store, in_flight)| Transition::Crash { store, in_flight }),
            1 => (0..2_usize).prop_map(|store| Transition::Restart { store }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        let units: Vec<&Unit> = match transition {
            Transition::Ask { units, .. } => units.iter().map(|(_, unit)| unit).collect(),
            Transition::Crash { in_flight, .. } => in_flight.iter().collect(),
            Transition::Restart { .. } => Vec::new(),
        };
        for unit in units {
            state.now = unit.at;
            state.next_command = state.next_command.max(unit.command + 1);
            state.asked.push(unit.clone());
        }
        state
    }
}

/// New commands for the most part; some are asked again, and some ids are used again for something else.
fn units(state: &Outline, how_many: std::ops::Range<usize>) -> BoxedStrategy<Vec<Unit>> {
    let (asked, now, next) = (state.asked.clone(), state.now, state.next_command);
    let one = (asks::any_unit(), 0..10_u8, any::<prop::sample::Index>());
    prop::collection::vec(one, how_many)
        .prop_map(move |drafts| {
            let mut asked = asked.clone();
            let mut units = Vec::new();
            for (n, (mut unit, kind, which)) in (next..).zip(drafts) {
                unit.shift(now);
                unit.command = n;
                let earlier = (!asked.is_empty()).then(|| which.get(&asked).clone());
                match (kind, earlier) {
                    (0 | 1, Some(earlier)) => unit = Unit { at: unit.at, ..earlier },
                    (2, Some(earlier)) => {
                        unit.command = earlier.command;
                        unit.account = earlier.account;
                    }
                    _ => {}
                }
                asked.push(unit.clone());
                units.push(unit);
            }
            units
        })
        .boxed()
}

/// The stores, and the books of what they said.
struct System {
    runtime: Runtime,
    world: World,
}

struct World {
    database: TestDatabase,
    pool: PgPool,
    options: Settings,
    stores: [Store; 2],
    accounts: Vec<AccountId>,
    books: Vec<Account>,
    /// What was recorded of each account, in order.
    lines: Vec<Vec<Line>>,
    fillers: u32,
}

type Answered = (Unit, Result<Receipt, ExecuteError>);

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Outline;

    fn init_test(outline: &Outline) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let world = runtime.block_on(World::new(outline.options));
        Self { runtime, world }
    }

    fn apply(mut system: Self, _: &Outline, transition: Transition) -> Self {
        system.runtime.block_on(system.world.go_through(transition));
        system
    }

    fn teardown(system: Self, outline: Outline) {
        system.runtime.block_on(system.world.close_the_books(outline.now));
    }
}

impl World {
    async fn new(options: Settings) -> Self {
        let database = database().await;
        let pool = owner(&database).await;
        let stores = [open(&database, options).await, open(&database, options).await];
        // Two accounts share a partition.
        let accounts = [neighbours::<2>().to_vec(), vec![account("carol"), account("dora")]].concat();
        assert_eq!(accounts.len(), ACCOUNTS);
        let (books, lines) = (vec![Account::default(); ACCOUNTS], vec![Vec::new(); ACCOUNTS]);
        Self { database, pool, options, stores, accounts, books, lines, fillers: 0 }
    }

    async fn go_through(&mut self, transition: Transition) {
        match transition {
            Transition::Ask { units, cut } => {
                let asked = units.iter().map(|(store, unit)| self.ask(*store, unit));
                let (answers, ()) = tokio::join!(join_all(asked), async {
                    if cut {
                        cut_connections(&self.pool).await;
                    }
                });
                let answered: Vec<Answered> = units.into_iter().map(|(_, unit)| unit).zip(answers).collect();
                self.enter(answered, !cut);
            }
            Transition::Crash { store, in_flight } => {
                for unit in &in_flight {
                    drop(ask(&self.stores[store], unit.of_work(&self.accounts)).await);
                }
                self.stores[store] = open(&self.database, self.options).await;
                let mut answered = Vec::new();
                for (n, unit) in in_flight.into_iter().enumerate() {
                    self.find_out((store + n) % 2, unit, &mut answered).await;
                }
                self.enter(answered, false);
            }
            Transition::Restart { store } => {
                self.stores[store].close().await;
                self.stores[store] = open(&self.database, self.options).await;
            }
        }
    }

    async fn ask(&self, store: usize, unit: &Unit) -> Result<Receipt, ExecuteError> {
        self.stores[store].execute(unit.of_work(&self.accounts)).await
    }

    /// Asks again until it is certain what became of a unit whose caller and store are gone. A refusal is not: the old
    /// store may still be about to record it. Then its id is used up for something that is never refused.
    async fn find_out(&mut self, store: usize, unit: Unit, answered: &mut Vec<Answered>) {
        loop {
            let answer = self.ask(store, &unit).await;
            let settled = match &answer {
                Ok(receipt) => !receipt.events.is_empty(),
                Err(error) => matches!(error, ExecuteError::CommandReused(_)),
            };
            answered.push((unit.clone(), answer));
            if settled {
                return;
            }
            self.fillers += 1;
            let filler = Unit { asks: vec![Ask::filler(self.fillers)], ..unit.clone() };
            match self.ask(store, &filler).await {
                Err(ExecuteError::CommandReused(_)) => {}
                recorded => {
                    answered.push((filler, recorded));
                    return;
                }
            }
        }
    }

    /// Takes the answers of units that were asked at once into the books. `alone`: nobody else asked for them, so one
    /// of those that were answered alike is the first.
    fn enter(&mut self, answered: Vec<Answered>, alone: bool) {
        let mut of_accounts: BTreeMap<usize, Vec<Answered>> = BTreeMap::new();
        for answer in answered {
            of_accounts.entry(answer.0.account).or_default().push(answer);
        }
        for (number, answered) in of_accounts {
            let mut moments = vec![self.books[number].clone()];
            let mut new: BTreeMap<i64, Vec<(&Unit, &Receipt)>> = BTreeMap::new();
            for (unit, answer) in &answered {
                match answer {
                    Ok(receipt) if receipt.events.is_empty() => assert!(!receipt.replayed),
                    Ok(receipt) if moments[0].has(unit.command) => assert!(receipt.replayed, "{receipt:?}"),
                    Ok(receipt) => new.entry(receipt.position).or_default().push((unit, receipt)),
                    Err(_) => {}
                }
            }
            for alike in new.into_values() {
                let first: Vec<&Unit> =
                    alike.iter().filter(|(_, receipt)| !receipt.replayed).map(|(unit, _)| *unit).collect();
                assert!(first.len() == 1 || (first.is_empty() && !alone), "not recorded once: {alike:?}");
                let (command, receipt) = (alike[0].0.command, alike[0].1);
                let lines = lines_of(number, receipt);
                // The same command may have been asked at different times. If nobody was there to hear the first answer,
                // any of them may have been the first.
                let asked = answered.iter().map(|(unit, _)| unit).filter(|unit| unit.command == command);
                let mut asked = asked.filter(|unit| first.is_empty() || first.contains(unit)).map(|unit| {
                    let mut books = moments.last().expect("one").clone();
                    (books.take(unit), books)
                });
                let recorded = Answer::Recorded(lines.clone());
                let right = asked.find(|(answer, _)| *answer == recorded);
                let Some((_, mut books)) = right else { panic!("{alike:?}; the books: {moments:#?}") };
                books.count_versions(receipt);
                self.lines[number].extend(lines);
                moments.push(books);
            }
            for (unit, answer) in &answered {
                let given = said(number, answer);
                let right = moments.iter().any(|books| given.agrees_with(&books.clone().take(unit)));
                assert!(right, "{unit:?} was answered {given:?}; the books: {moments:#?}");
            }
            self.books[number] = moments.pop().expect("one");
        }
    }

    async fn close_the_books(self, now: i64) {
        let fresh = open(&self.database, self.options).await;
        let folded = folded(&self.pool).await;
        for (number, (account, books)) in self.accounts.iter().zip(&self.books).enumerate() {
            let singles = [AggregateId::credit_account(account.key()), AggregateId::holdings(account.key())];
            let packages = (0..PACKAGES).map(|n| AggregateId::user_package(package_of(number, n)));
            for (id, version) in packages.chain(singles).map(|id| (id, books.version(id))) {
                let logged = folded.get(&id).map_or_else(|| State::empty(id.kind), |slot| slot.state.clone());
                assert_eq!(folded.get(&id).map_or(0, |slot| slot.version), version, "{id}");
                for store in [&fresh, &self.stores[0], &self.stores[1]] {
                    assert_eq!(state_in(store, account, id).await, logged, "{id}");
                }
                match logged {
                    State::CreditAccount(credits) => {
                        assert_eq!(credits.balance().micros(), books.balance());
                        assert_eq!(credits.available(moment(now)).micros(), books.available(now));
                        assert_eq!(books.granted - books.spent, books.balance(), "credits are conserved");
                    }
                    State::UserPackage(package) => {
                        let left = (0..PACKAGES).find(|n| AggregateId::user_package(package_of(number, *n)) == id);
                        let left = books.left_today(left.expect("one of ours"), now);
                        assert_eq!(package.left_today(moment(now)).micros(), left);
                    }
                    State::Holdings(holdings) => {
                        let running: Vec<_> = holdings.running(moment(now)).map(|held| held.package).collect();
                        let found = books.found_by_charges(now).into_iter().map(|n| package_of(number, n));
                        assert_eq!(running, found.collect::<Vec<_>>());
                    }
                    other => panic!("nobody asked for {other:?}"),
                }
            }
            assert_eq!(self.lines_in_log(number).await, self.lines[number]);
        }
        let (recorded, results) = self.counts().await;
        assert_eq!(recorded, results, "every recorded command is remembered once");
        for store in self.stores.into_iter().chain([fresh]) {
            store.close().await;
        }
    }

    async fn lines_in_log(&self, number: usize) -> Vec<Line> {
        let rows: Vec<(String, uuid::Uuid, String, i16, String)> = sqlx::query_as(
            "SELECT aggregate_type, aggregate_id, event_type, schema_version, payload::text FROM ledger.events
              WHERE account = $1 ORDER BY position",
        )
        .bind(self.accounts[number].key().uuid())
        .fetch_all(&self.pool)
        .await
        .expect("events");
        rows.iter().map(|row| asks::line_of_row(number, row)).collect()
    }

    async fn counts(&self) -> (usize, usize) {
        let results = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM ledger.command_results");
        let results = results.fetch_one(&self.pool).await.expect("a count");
        (self.books.iter().map(Account::commands).sum(), usize::try_from(results).expect("few"))
    }
}

async fn open(database: &TestDatabase, settings: Settings) -> Store {
    let Settings { lanes, cache_aggregates, snapshot_every, batch_units } = settings;
    let options =
        StoreOptions { lanes, cache_aggregates, snapshot_every, batch_units, readers: 1, ..Default::default() };
    super::scene::open(database, options).await
}

async fn cut_connections(pool: &PgPool) {
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'billing-ledger'";
    sqlx::query(cut).execute(pool).await.expect("cut");
}

/// An answer in the words of the books.
fn said(number: usize, answer: &Result<Receipt, ExecuteError>) -> Answer {
    match answer {
        Ok(receipt) if receipt.events.is_empty() => Answer::Nothing,
        Ok(receipt) if receipt.replayed => Answer::Repeated(lines_of(number, receipt)),
        Ok(receipt) => Answer::Recorded(lines_of(number, receipt)),
        Err(ExecuteError::Refused(refusal)) => Answer::Refused(refusal.code()),
        Err(ExecuteError::CommandReused(_)) => Answer::Reused,
        Err(error) => panic!("{error:?}"),
    }
}

/// Version of each aggregate, counted.
type Versions = HashMap<AggregateId, i64>;
