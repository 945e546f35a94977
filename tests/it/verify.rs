//! Whatever is changed in the log by somebody who can write to the tables, `verify` finds, and names the place.

use aggregates::{AccountId, LogPart};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::hash::{CommitHeader, EventBytes, chain, leaf_prefix, merkle_root};
use billing_ledger::store::stream::{Cursor, read};
use billing_ledger::store::{Store, StoreOptions};
use billing_ledger::verify::{self, Finding, Verified};
use sqlx::{Executor, PgPool};

use crate::support::process;
use crate::support::units::{account, grant, insist, part_of, spend};
use crate::support::{database, eventually, open_store, plain_pool};

/// One event per commit at positions 1 to 10 of the account's partition, and a snapshot at version 9.
const EVENTS: i64 = 10;
const SNAPSHOT_EVERY: i64 = 9;

struct Scene {
    database: TestDatabase,
    pool: PgPool,
    account: AccountId,
}

impl Scene {
    async fn new() -> Self {
        let database = database().await;
        let options = StoreOptions { snapshot_every: SNAPSHOT_EVERY, ..StoreOptions::default() };
        let store = Store::open(database.connect_options(), options).await.expect("a store");
        let account = account("verified");
        insist(&store, &grant(&account, 1_000_000)).await.expect("granted");
        for _ in 1..EVENTS {
            insist(&store, &spend(&account, 1_000)).await.expect("spent");
        }
        store.close().await;
        let pool = plain_pool(database.connect_options()).await;
        let scene = Self { database, pool, account };
        eventually("the snapshot", async || {
            let count: i64 =
                sqlx::query_scalar("SELECT count(*) FROM ledger.snapshots").fetch_one(&scene.pool).await.unwrap();
            (count == 1).then_some(())
        })
        .await;
        scene.keep().await;
        scene
    }

    fn part(&self) -> LogPart {
        part_of(&self.account)
    }

    /// Copies of all tables, and nothing in the way of whoever wants to change them.
    async fn keep(&self) {
        for table in TABLES {
            let copy = format!("CREATE TABLE keep_{table} AS TABLE ledger.{table}");
            self.pool.execute(copy.as_str()).await.expect("kept");
        }
        self.pool.execute("ALTER TABLE ledger.commits DROP CONSTRAINT commits_chain_check").await.expect("dropped");
    }

    /// Changes the log as its owner could, past triggers and constraints.
    async fn tamper(&self, sql: &str) {
        let sql = sql.replace("$part", &self.part().number().to_string());
        let script = format!("BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT");
        self.pool.execute(script.as_str()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn restore(&self) {
        for table in TABLES {
            let sql = format!("TRUNCATE ledger.{table}; INSERT INTO ledger.{table} SELECT * FROM keep_{table}");
            self.tamper(&sql).await;
        }
    }

    async fn verify(&self) -> Result<Verified, Finding> {
        verify::run(&self.pool, |_, _| ()).await.expect("a database")
    }
}

const TABLES: [&str; 7] = ["log_heads", "commits", "events", "command_results", "accounts", "event_types", "snapshots"];

/// What is done to the log, where it must be found, and a word of what must be said.
const TAMPERINGS: &[(&str, i64, &str)] = &[
    (
        "UPDATE ledger.events SET payload = replace(payload::text, '1000', '1001')::json WHERE position = 4",
        4,
        "not what was written",
    ),
    ("UPDATE ledger.events SET payload = (payload::text || ' ')::json WHERE position = 4", 4, "not what was written"),
    (r#"UPDATE ledger.events SET metadata = '{"actor":"somebody"}' WHERE position = 5"#, 5, "not what was written"),
    ("UPDATE ledger.events SET account = gen_random_uuid() WHERE position = 6", 6, "not what was written"),
    ("UPDATE ledger.events SET command_id = gen_random_uuid() WHERE position = 7", 7, "not what was written"),
    ("UPDATE ledger.events SET aggregate_id = gen_random_uuid() WHERE position = 7", 7, "not what was written"),
    ("UPDATE ledger.events SET version = version + 100 WHERE position = 10", 10, "not what was written"),
    ("UPDATE ledger.events SET schema_version = 2 WHERE position = 2", 2, "not what was written"),
    ("UPDATE ledger.events SET event_type = 'granted' WHERE position = 2", 2, "not what was written"),
    ("UPDATE ledger.events SET leaf = leaf + 1 WHERE position = 3", 3, "not what was written"),
    ("UPDATE ledger.events SET position = 11 WHERE position = 10", 10, "hole"),
    ("DELETE FROM ledger.events WHERE position = 4", 4, "hole"),
    ("DELETE FROM ledger.events WHERE position = 4; DELETE FROM ledger.commits WHERE first_position = 4", 4, "hole"),
    (
        "DELETE FROM ledger.events WHERE position = 10; DELETE FROM ledger.commits WHERE first_position = 10",
        10,
        "no commit follows",
    ),
    ("UPDATE ledger.commits SET events_root = sha256('x') WHERE first_position = 5", 5, "root"),
    ("UPDATE ledger.commits SET chain = sha256('x') WHERE first_position = 5", 5, "chain"),
    ("UPDATE ledger.commits SET prev_chain = sha256('x') WHERE first_position = 5", 5, "chain"),
    ("UPDATE ledger.commits SET committed_us = committed_us + 1 WHERE first_position = 5", 5, "chain"),
    ("UPDATE ledger.commits SET committed_us = 0 WHERE first_position = 5", 5, "older"),
    ("UPDATE ledger.commits SET batch_id = gen_random_uuid() WHERE first_position = 5", 5, "chain"),
    ("UPDATE ledger.log_heads SET chain = sha256('x') WHERE log_part = $part", 11, "head"),
    ("UPDATE ledger.log_heads SET position = 9 WHERE log_part = $part", 10, "head"),
    ("UPDATE ledger.log_heads SET position = 1 WHERE log_part = ($part + 1) % 256", 1, "no commit follows"),
    ("UPDATE ledger.snapshots SET state = replace(state::text, '992000', '992001')::json", 9, "snapshot"),
    ("UPDATE ledger.snapshots SET version = 8", 8, "snapshot"),
    ("UPDATE ledger.snapshots SET version = 12", 10, "snapshot"),
    ("UPDATE ledger.command_results SET first_position = 3 WHERE first_position = 4", 3, "result of command"),
    ("UPDATE ledger.command_results SET event_count = 2 WHERE first_position = 6", 6, "result of command"),
    ("DELETE FROM ledger.accounts", 11, "directory"),
    ("DELETE FROM ledger.event_types WHERE event_type = 'spent'", 11, "registered"),
];

#[tokio::test]
async fn every_change_of_the_log_is_found_at_its_place() {
    let scene = Scene::new().await;
    let whole = scene.verify().await.expect("an untouched log is whole");
    assert_eq!(
        (whole.events, whole.commits, whole.aggregates, whole.snapshots, whole.command_results),
        (10, 10, 1, 1, 10)
    );
    for (sql, position, word) in TAMPERINGS {
        scene.tamper(sql).await;
        let finding = scene.verify().await.expect_err(sql);
        assert_eq!(finding.position, *position, "{sql}: {finding}");
        assert!(finding.what.contains(word), "{sql}: {finding}");
        scene.restore().await;
    }
    assert_eq!(scene.verify().await, Ok(whole), "restored");
}

#[tokio::test]
async fn history_rewritten_with_new_hashes_breaks_the_chain_at_the_next_commit() {
    let scene = Scene::new().await;
    let cursor = Cursor { log_part: scene.part(), position: 3 };
    let commit = read(&scene.pool, &[cursor], 1).await.expect("readable").remove(0);
    let event = &commit.events[0];
    let payload = event.payload.replace("1000", "1001");
    assert_ne!(payload, event.payload);
    let leaf = EventBytes { payload: &payload, ..event.bytes(scene.part()) }.leaf();
    let header = CommitHeader {
        log_part: scene.part(),
        first_position: commit.first_position,
        event_count: commit.event_count,
        committed_us: commit.committed_us,
        batch_id: commit.batch_id,
        events_root: merkle_root(&[leaf]),
    };
    let link = chain(&commit.prev_chain, &header);
    let (root, link) = (hex::encode(header.events_root), hex::encode(link));
    scene
        .tamper(&format!(
            "UPDATE ledger.events SET payload = '{payload}', leaf = {} WHERE position = 4;
             UPDATE ledger.commits SET events_root = '\\x{root}', chain = '\\x{link}' WHERE first_position = 4",
            leaf_prefix(&leaf)
        ))
        .await;
    let finding = scene.verify().await.expect_err("rewritten");
    assert_eq!(finding.position, 5, "{finding}");
    assert!(finding.what.contains("goes on from chain"), "{finding}");
}

#[tokio::test]
async fn the_command_says_where_and_exits_with_1() {
    let scene = Scene::new().await;
    let whole = process::verify(&scene.database.url(), &[]).await;
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    assert!(String::from_utf8_lossy(&whole.stdout).contains("the log is whole: 10 events"), "{whole:?}");

    scene
        .tamper("UPDATE ledger.events SET payload = replace(payload::text, '1000', '1001')::json WHERE position = 4")
        .await;
    let place = format!("partition {}, position 4", scene.part().number());
    let wrong = process::verify(&scene.database.url(), &[]).await;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stdout).contains(&place), "{wrong:?}");
    let json = process::verify(&scene.database.url(), &["--json"]).await;
    let finding: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (finding["log_part"].as_u64(), finding["position"].as_i64()),
        (Some(scene.part().number().into()), Some(4))
    );
}

#[tokio::test]
async fn a_log_that_is_being_written_is_verified_up_to_where_it_was() {
    let database = database().await;
    let store = open_store(database.connect_options()).await;
    let pool = plain_pool(database.connect_options()).await;
    let account = account("busy");
    insist(&store, &grant(&account, 1_000_000)).await.expect("granted");
    let stop = tokio_util::sync::CancellationToken::new();
    let writer = tokio::spawn({
        let (store, account, stop) = (store.clone(), account.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                insist(&store, &spend(&account, 1)).await.expect("spent");
            }
        }
    });
    let mut events = 0;
    while events < 200 {
        let verified = verify::run(&pool, |_, _| ()).await.expect("a database").expect("whole");
        assert!(verified.events >= events, "the log only grows");
        events = verified.events;
    }
    stop.cancel();
    writer.await.expect("no panic");
    store.close().await;
}
