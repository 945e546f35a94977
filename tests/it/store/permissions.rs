//! What the database itself refuses, whatever the code in front of it does.

use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::as_writer;
use sqlx::postgres::PgDatabaseError;
use sqlx::{ConnectOptions, PgConnection};

use super::by_hand::Written;
use super::scene::{events_in_log, one_lane, open, owner};
use crate::support::database;
use crate::support::units::{account, grant};

const INSUFFICIENT_PRIVILEGE: &str = "42501";
const CHECK_VIOLATION: &str = "23514";
const GRANTED: &str = r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":10,"balance":10}"#;

async fn a_log_with_an_event() -> TestDatabase {
    let database = database().await;
    let store = open(&database, one_lane()).await;
    store.execute(grant(&account("alice"), 10)).await.expect("recorded");
    store.close().await;
    database
}

async fn writer(database: &TestDatabase) -> PgConnection {
    as_writer(database.connect_options()).connect().await.expect("a connection")
}

async fn refused_with(connection: &mut PgConnection, statement: &str) -> (String, String) {
    let error = sqlx::raw_sql(statement).execute(connection).await.map(|_| statement).expect_err("must be refused");
    let database = error.into_database_error().expect("an answer of the server");
    let database = database.downcast::<PgDatabaseError>();
    (database.code().to_owned(), database.message().to_owned())
}

/// Every way to change what a table says.
fn changes(table: &str) -> [String; 3] {
    [
        format!("UPDATE ledger.{table} SET log_part = log_part"),
        format!("DELETE FROM ledger.{table}"),
        format!("TRUNCATE ledger.{table}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_can_add_but_not_change() {
    let database = a_log_with_an_event().await;
    let mut writer = writer(&database).await;
    for table in ["events", "commits", "command_results", "unique_keys", "accounts", "event_types"] {
        for change in changes(table) {
            let (code, message) = refused_with(&mut writer, &change).await;
            assert_eq!(code, INSUFFICIENT_PRIVILEGE, "{change}: {message}");
            assert!(message.contains("permission denied"), "{change}: {message}");
        }
    }
    assert_eq!(events_in_log(&owner(&database).await).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_can_move_a_head_but_not_make_or_remove_one() {
    let database = a_log_with_an_event().await;
    let mut writer = writer(&database).await;
    for statement in [
        "DELETE FROM ledger.log_heads",
        "TRUNCATE ledger.log_heads",
        "INSERT INTO ledger.log_heads (log_part, chain) VALUES (1, sha256(''))",
    ] {
        assert_eq!(refused_with(&mut writer, statement).await.0, INSUFFICIENT_PRIVILEGE, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_cannot_lift_its_own_limits() {
    let database = a_log_with_an_event().await;
    let mut writer = writer(&database).await;
    for statement in [
        "ALTER TABLE ledger.events DISABLE TRIGGER append_only",
        "ALTER TABLE ledger.commits DROP CONSTRAINT commits_chain_check",
        "DROP TRIGGER append_only ON ledger.events",
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE ledger.mine (id int)",
        "DROP SCHEMA ledger CASCADE",
        "SET session_replication_role = replica",
    ] {
        assert_eq!(refused_with(&mut writer, statement).await.0, INSUFFICIENT_PRIVILEGE, "{statement}");
    }
    // PostgreSQL only warns that nothing was granted.
    let grant = "GRANT UPDATE, DELETE ON ledger.events TO ledger_writer";
    sqlx::raw_sql(grant).execute(&mut writer).await.expect("a warning");
    let (code, _) = refused_with(&mut writer, "DELETE FROM ledger.events").await;
    assert_eq!(code, INSUFFICIENT_PRIVILEGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn even_the_owner_is_refused_to_change_events_and_commits() {
    let database = a_log_with_an_event().await;
    let mut owning = database.connect_options().connect().await.expect("a connection");
    for table in ["events", "commits"] {
        for change in changes(table) {
            let (code, message) = refused_with(&mut owning, &change).await;
            assert_eq!(code, INSUFFICIENT_PRIVILEGE, "{change}: {message}");
            assert!(message.contains("append-only"), "{change}: {message}");
        }
    }
    assert_eq!(events_in_log(&owner(&database).await).await, 1);
}

async fn assert_check_refuses(written: Written, constraint: &str) {
    let database = a_log_with_an_event().await;
    let pool = owner(&database).await;
    let heads = "SELECT array_agg(h.*::text ORDER BY log_part) FROM ledger.log_heads h";
    let before: Vec<String> = sqlx::query_scalar(heads).fetch_one(&pool).await.expect("heads");
    let error = written.append(&mut writer(&database).await).await.expect_err("must be refused");
    let error = error.into_database_error().expect("an answer of the server").downcast::<PgDatabaseError>();
    assert_eq!((error.code(), error.constraint()), (CHECK_VIOLATION, Some(constraint)));
    assert_eq!(events_in_log(&pool).await, 1);
    let after: Vec<String> = sqlx::query_scalar(heads).fetch_one(&pool).await.expect("heads");
    assert_eq!(after, before, "no head has moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_a_wrong_chain_is_refused() {
    let forged = Written {
        forge: |mut chain| {
            chain[31] ^= 1;
            chain
        },
        ..Written::on_credits_of(&account("alice"), 2, "granted", GRANTED)
    };
    assert_check_refuses(forged, "commits_chain_check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_a_key_that_is_not_its_digest_is_refused() {
    let bob = account("bob");
    let wrong = Written { account_id: "mallory".to_owned(), ..Written::on_credits_of(&bob, 1, "granted", GRANTED) };
    assert_check_refuses(wrong, "accounts_check").await;
}

/// The control: the same by the same role, with nothing wrong about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_nothing_wrong_is_taken() {
    let database = a_log_with_an_event().await;
    let fine = Written::on_credits_of(&account("bob"), 1, "granted", GRANTED);
    assert_eq!(fine.append(&mut writer(&database).await).await.expect("an outcome"), "committed");
    let store = open(&database, one_lane()).await;
    assert_eq!(crate::support::units::balance_in(&store, &account("bob")).await, 10);
}
