//! Reading the log back: through our own reader, and through a published one that knows nothing of us.

use std::collections::{BTreeMap, HashMap};

use aggregates::{
    AccountId, AggregateId, AggregateKind, Command, CreditAccount, Credits, Event, Feature, HoldId, LicenseTerms,
    LogPart, Party, ProductKind, Recorded, Reserve, State, UserPackage,
};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::stream::{self, Cursor, StoredCommit};
use billing_ledger::store::{Receipt, Store, UnitOfWork};
use chrono::{TimeDelta, Utc};
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, EventStore};
use futures_util::future::join_all;
use postgres_es::PostgresEventRepository;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;
use uuid::Uuid;

use super::scene::{activate, bought, charge, consume, create_product, one_lane, open, owner, package, purchase};
use crate::support::database;
use crate::support::log::folded;
use crate::support::units::{account, grant, spend, state_in, unit};

const ACCOUNTS: u128 = 6;

fn customer(number: u128) -> AccountId {
    account(&format!("customer-{number}"))
}

fn any_unit(random: &mut impl Rng) -> UnitOfWork {
    let number = random.random_range(0..ACCOUNTS);
    let (account, package) = (customer(number), package(number * 2 + random.random_range(0..2)));
    match random.random_range(0..13) {
        0 | 1 => grant(&account, random.random_range(1..20)),
        2 => spend(&account, random.random_range(1..20)),
        3 => unit(&account, vec![activate(package, random.random_range(5..20), 3)]),
        4 => unit(&account, vec![consume(package, random.random_range(1..5))]),
        5 | 6 => unit(&account, vec![charge(random.random_range(1..9))]),
        7 => unit(&account, purchase(random.random(), random.random_range(5..20))),
        8 => create_product(random.random_range(1..50)),
        9 => {
            let features = [Feature::EmailVerify].into_iter().collect();
            let license = ProductKind::License(LicenseTerms { uses: random.random_range(1..9), features });
            unit(&account, bought(random.random(), license).1.to_vec())
        }
        10 => {
            let plan = serde_json::from_value(serde_json::json!({"period": {"days": 30}, "credits": 1_000_000}));
            unit(&account, bought(random.random(), ProductKind::Subscription(plan.expect("a plan"))).1.to_vec())
        }
        11 => {
            let reserve = Reserve {
                hold: HoldId::from_uuid(Uuid::from_u128(random.random())),
                amount: Credits::whole(random.random_range(1..5)),
                expires_at: Utc::now() + TimeDelta::hours(1),
                by: Party::Account,
                meter: None,
                reference: None,
            };
            unit(&account, vec![Command::Reserve(reserve)])
        }
        _ => {
            let both: Vec<Command> = vec![activate(package, 10, 3), charge(15)];
            unit(&account, both)
        }
    }
}

/// A log with a random history, written by two stores at once, and what they said they recorded.
async fn a_history(seed: u64) -> (TestDatabase, Vec<(UnitOfWork, Receipt)>) {
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let database = database().await;
    let stores: [Store; 2] = [open(&database, one_lane()).await, open(&database, one_lane()).await];
    let mut recorded = Vec::new();
    for _ in 0..60 {
        let units: Vec<(usize, UnitOfWork)> =
            (0..random.random_range(1..12)).map(|_| (random.random_range(0..2), any_unit(&mut random))).collect();
        let answers = join_all(units.iter().map(|(store, unit)| stores[*store].execute(unit.clone()))).await;
        for ((_, unit), answer) in units.into_iter().zip(answers) {
            match answer {
                Ok(receipt) if receipt.events.is_empty() => {}
                Ok(receipt) => recorded.push((unit, receipt)),
                Err(billing_ledger::store::ExecuteError::Refused(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    for store in stores {
        store.close().await;
    }
    assert!(recorded.len() > 100, "a history worth reading");
    (database, recorded)
}

/// What the receipts say is in the log, by partition and in order.
fn promised(recorded: &[(UnitOfWork, Receipt)]) -> BTreeMap<LogPart, Vec<(i64, AccountId, uuid::Uuid, Recorded)>> {
    let mut promised: BTreeMap<LogPart, Vec<_>> = BTreeMap::new();
    for (unit, receipt) in recorded {
        let first = receipt.position - i64::try_from(receipt.events.len()).expect("few") + 1;
        for (position, event) in (first..).zip(&receipt.events) {
            let entry = (position, unit.account.clone(), unit.command_id.uuid(), event.clone());
            promised.entry(receipt.log_part).or_default().push(entry);
        }
    }
    promised.values_mut().for_each(|events| events.sort_by_key(|(position, ..)| *position));
    promised
}

fn from_the_start() -> Vec<Cursor> {
    LogPart::all().map(|log_part| Cursor { log_part, position: 0 }).collect()
}

/// Everything after these cursors, a few commits at a time.
async fn read_on(pool: &PgPool, mut cursors: Vec<Cursor>, commits_max: i64) -> Vec<StoredCommit> {
    let mut all = Vec::new();
    loop {
        let commits = stream::read(pool, &cursors, commits_max).await.expect("commits");
        if commits.is_empty() {
            all.sort_by_key(|commit: &StoredCommit| (commit.log_part, commit.first_position));
            return all;
        }
        let mut read: HashMap<LogPart, i64> = HashMap::new();
        for commit in &commits {
            *read.entry(commit.log_part).or_default() += 1;
            let cursor = cursors.iter_mut().find(|cursor| cursor.log_part == commit.log_part).expect("asked for");
            assert_eq!(commit.first_position, cursor.position + 1);
            cursor.position = commit.last_position();
        }
        assert!(read.values().all(|commits| *commits <= commits_max));
        all.extend(commits);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_gives_what_was_recorded_in_order_and_nothing_else() {
    let (database, recorded) = a_history(1).await;
    let pool = owner(&database).await;
    let promised = promised(&recorded);
    let mut stored: BTreeMap<LogPart, Vec<_>> = BTreeMap::new();
    for commit in read_on(&pool, from_the_start(), 3).await {
        assert_eq!(i64::from(commit.event_count), i64::try_from(commit.events.len()).expect("few"), "a whole commit");
        for event in commit.events {
            let kind = AggregateKind::from_name(&event.aggregate_type).expect("known");
            let read = Event::from_parts(kind, &event.event_type, event.schema_version, &event.payload).expect("known");
            let aggregate = AggregateId { kind, id: event.aggregate_id };
            let mut accounts = (0..ACCOUNTS).map(customer).chain([AccountId::system()]);
            let account = accounts.find(|account| account.key() == event.account).expect("ours");
            let recorded = Recorded { aggregate, version: event.version, event: read };
            stored.entry(commit.log_part).or_default().push((event.position, account, event.command_id, recorded));
        }
    }
    assert_eq!(stored, promised);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_can_go_on_from_the_end_of_any_commit_and_from_nowhere_else() {
    let (database, _) = a_history(2).await;
    let pool = owner(&database).await;
    let all = read_on(&pool, from_the_start(), 1_000).await;
    let mut inside = 0;
    for (n, commit) in all.iter().enumerate() {
        let log_part = commit.log_part;
        let rest = read_on(&pool, vec![Cursor { log_part, position: commit.last_position() }], 2).await;
        let expected: Vec<StoredCommit> =
            all[n + 1..].iter().filter(|later| later.log_part == log_part).cloned().collect();
        assert_eq!(rest, expected);
        // From within a commit there is no going on, unless nothing is left.
        for position in commit.first_position..commit.last_position() {
            inside += 1;
            let read = stream::read(&pool, &[Cursor { log_part, position }], 2).await;
            assert!(read.is_err() || expected.is_empty(), "{read:?}");
        }
    }
    assert!(inside > 0, "some commits have several events");
    let ends: Vec<Cursor> = from_the_start()
        .into_iter()
        .map(|Cursor { log_part, .. }| Cursor {
            log_part,
            position: all
                .iter()
                .filter(|commit| commit.log_part == log_part)
                .map(StoredCommit::last_position)
                .max()
                .unwrap_or(0),
        })
        .collect();
    assert!(stream::read(&pool, &ends, 10).await.expect("nothing").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_an_error_and_not_a_skip() {
    for missing in [
        "DELETE FROM ledger.events WHERE (log_part, position) IN (SELECT log_part, first_position FROM victim)",
        "DELETE FROM ledger.events e USING victim v WHERE e.log_part = v.log_part
            AND e.position = v.first_position + v.event_count - 1",
        "DELETE FROM ledger.events e USING victim v WHERE e.log_part = v.log_part
            AND e.position BETWEEN v.first_position AND v.first_position + v.event_count - 1",
        "DELETE FROM ledger.commits WHERE (log_part, first_position) IN (SELECT log_part, first_position FROM victim)",
    ] {
        let database = database().await;
        let store = open(&database, one_lane()).await;
        let alice = account("alice");
        for _ in 0..5 {
            let [first, second] = [0, 1].map(|_| package(uuid::Uuid::now_v7().as_u128()));
            store.execute(unit(&alice, vec![activate(first, 5, 1), activate(second, 5, 1)])).await.expect("recorded");
            store.execute(grant(&alice, 1)).await.expect("recorded");
        }
        store.close().await;
        let pool = owner(&database).await;
        let whole = read_on(&pool, from_the_start(), 100).await;
        let (victim, rest) = (&whole[4], &whole[5..]);
        let mut connection = pool.acquire().await.expect("a connection");
        let vandalise = format!(
            "SET session_replication_role = replica;
             CREATE TEMP TABLE victim AS SELECT * FROM ledger.commits WHERE first_position = {};
             {missing};
             SET session_replication_role = DEFAULT",
            victim.first_position
        );
        sqlx::raw_sql(&vandalise).execute(&mut *connection).await.expect("vandalised");

        let log_part = victim.log_part;
        let read = stream::read(&pool, &[Cursor { log_part, position: 0 }], 100).await;
        let error = read.expect_err("a hole").to_string();
        assert!(error.contains(&format!("partition {log_part}, position {}", victim.first_position)), "{error}");
        // What lies before it and after it can still be read.
        let before = stream::read(&pool, &[Cursor { log_part, position: 0 }], 4).await.expect("whole");
        assert_eq!(before, whole[..4]);
        let after = stream::read(&pool, &[Cursor { log_part, position: victim.last_position() }], 100).await;
        assert_eq!(after.expect("whole"), rest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_kept_with_every_event_as_it_was_said() {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    let alice = account("alice");
    let said = serde_json::json!({"by": "admin \"root\" \u{1F600}", "because": "a\nb"});
    let both = unit(&alice, vec![activate(package(1), 5, 1), activate(package(2), 5, 1)]);
    store.execute(both.with_metadata(said.as_object().expect("an object"))).await.expect("recorded");
    let commits = stream::read(store.pool(), &from_the_start(), 10).await.expect("commits");
    let text = said.to_string();
    assert_eq!(commits[0].events.len(), 4);
    assert!(commits[0].events.iter().all(|event| event.metadata == text));
    // The published reader has metadata of texts.
    let published = published::<UserPackage>(store.pool()).load_events(&package(2).uuid().to_string()).await;
    let published = published.expect("events");
    assert_eq!(published[0].metadata["because"], "a\nb");
}

fn published<A: Aggregate>(pool: &PgPool) -> PersistedEventStore<PostgresEventRepository, A> {
    let upcasters = aggregates::upcast::for_cqrs_es();
    PersistedEventStore::new_event_store(PostgresEventRepository::new(pool.clone())).with_upcasters(upcasters)
}

async fn as_published<A: Aggregate>(pool: &PgPool, id: AggregateId, state: fn(A) -> State) -> (State, usize) {
    let loaded = published::<A>(pool).load_aggregate(&id.id.to_string()).await.expect("loaded");
    (state(loaded.aggregate), loaded.current_sequence)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_reader_sees_the_same_aggregates_at_the_same_versions() {
    let (database, recorded) = a_history(3).await;
    let pool = owner(&database).await;
    let fresh = open(&database, one_lane()).await;
    let folded = folded(&pool).await;
    let owners: HashMap<AggregateId, AccountId> = recorded
        .iter()
        .flat_map(|(unit, receipt)| receipt.events.iter().map(|event| (event.aggregate, unit.account.clone())))
        .collect();
    assert_eq!(owners.len(), folded.len());
    for kind in AggregateKind::ALL {
        assert!(owners.keys().any(|id| id.kind == *kind), "a {kind} is in the history");
    }
    for (id, account) in owners {
        let (state, version) = match id.kind {
            AggregateKind::CreditAccount => as_published(&pool, id, State::CreditAccount).await,
            AggregateKind::UserPackage => as_published(&pool, id, State::UserPackage).await,
            AggregateKind::Holdings => as_published(&pool, id, State::Holdings).await,
            AggregateKind::Product => as_published(&pool, id, State::Product).await,
            AggregateKind::Order => as_published(&pool, id, State::Order).await,
            AggregateKind::Delivery => as_published(&pool, id, State::Delivery).await,
            AggregateKind::Customer => as_published(&pool, id, State::Customer).await,
            AggregateKind::Hold => as_published(&pool, id, State::Hold).await,
            AggregateKind::License => as_published(&pool, id, State::License).await,
            AggregateKind::ProviderSettings => as_published(&pool, id, State::ProviderSettings).await,
            AggregateKind::Subscription => as_published(&pool, id, State::Subscription).await,
        };
        assert_eq!(state, state_in(&fresh, &account, id).await, "{id}");
        assert_eq!(state, folded[&id].state, "{id}");
        assert_eq!(i64::try_from(version).expect("small"), folded[&id].version, "{id}");
    }
    // And the next event of ours has the version after the one that it sees.
    let next = fresh.execute(grant(&customer(0), 1)).await.expect("recorded");
    let seen = published::<CreditAccount>(&pool).load_aggregate(&customer(0).key().to_string()).await.expect("loaded");
    assert_eq!(i64::try_from(seen.current_sequence).expect("small"), next.events[0].version);
}
