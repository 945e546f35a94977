//! Keys and secrets in the database.

use aggregates::AccountId;
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{as_writer, pool};
use billing_ledger::vault::{Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use uuid::Uuid;

use super::scene::MASTER_KEY;
use crate::support::database;

async fn writers(database: &TestDatabase) -> PgPool {
    pool(as_writer(database.connect_options()), 4).await.expect("a pool")
}

/// As another process would have it: nothing in memory.
fn vault(pool: &PgPool) -> Vault {
    Vault::try_new(MASTER_KEY, pool.clone()).expect("a vault")
}

fn key_of(name: &str) -> aggregates::AccountKey {
    AccountId::try_new(name).expect("an account").key()
}

#[tokio::test]
async fn processes_that_make_a_key_at_once_use_the_same_one() {
    let database = database().await;
    let pool = writers(&database).await;
    let account = key_of("alice");
    let sealing = (0..8).map(|n| {
        let vault = vault(&pool);
        async move { vault.seal(account, "p", &n.to_string()).await }
    });
    let sealed = futures_util::future::join_all(sealing).await;
    let reader = vault(&pool);
    for (n, sealed) in sealed.into_iter().enumerate() {
        let opened = reader.open(account, "p", &sealed.expect("sealed")).await.expect("opened");
        assert_eq!(opened.expose_secret(), n.to_string());
    }
    assert_eq!(vault(&pool).digest(account, "x").await.unwrap(), reader.digest(account, "x").await.unwrap());
    assert_ne!(reader.digest(key_of("bob"), "x").await.unwrap(), reader.digest(account, "x").await.unwrap());
}

#[tokio::test]
async fn another_account_purpose_or_master_key_opens_nothing() {
    let database = database().await;
    let pool = writers(&database).await;
    let (alice, bob) = (key_of("alice"), key_of("bob"));
    let sealed = vault(&pool).seal(alice, "profile", "wang@example.com").await.unwrap();
    vault(&pool).seal(bob, "profile", "x").await.unwrap();
    assert!(matches!(vault(&pool).open(bob, "profile", &sealed).await, Err(VaultError::DoesNotOpen)));
    assert!(matches!(vault(&pool).open(key_of("carol"), "profile", &sealed).await, Err(VaultError::DoesNotOpen)));
    assert!(matches!(vault(&pool).open(alice, "other", &sealed).await, Err(VaultError::DoesNotOpen)));
    let other = Vault::try_new([1; 32], pool.clone()).unwrap();
    assert!(matches!(other.open(alice, "profile", &sealed).await, Err(VaultError::WrongMasterKey)));
    assert!(matches!(other.seal(alice, "profile", "x").await, Err(VaultError::WrongMasterKey)));
    assert!(matches!(other.check_master_key().await, Err(VaultError::WrongMasterKey)));
    vault(&pool).check_master_key().await.unwrap();
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM vault.account_keys").fetch_one(&pool).await.unwrap();
    assert_eq!(keys, 2, "looking makes no key");
}

#[tokio::test]
async fn the_first_secret_of_an_id_is_kept_until_it_is_erased() {
    let database = database().await;
    let pool = writers(&database).await;
    let (vault, id, alice) = (vault(&pool), Uuid::from_u128(1), key_of("alice"));
    assert!(vault.peek(id, alice).await.unwrap().is_none());
    for secret in ["sk-first", "sk-second"] {
        let kept = vault.keep(id, alice, &SecretString::from(secret)).await.unwrap();
        assert_eq!(kept.expose_secret(), "sk-first");
    }
    assert!(vault.keep(id, key_of("bob"), &SecretString::from("sk-third")).await.is_err());
    assert!(vault.peek(id, key_of("bob")).await.is_err());
    let stored: String = sqlx::query_scalar("SELECT sealed FROM vault.secrets").fetch_one(&pool).await.unwrap();
    assert!(!stored.contains("sk-first"));
    vault.erase(id).await.unwrap();
    vault.erase(id).await.unwrap();
    assert!(vault.peek(id, alice).await.unwrap().is_none());
}

#[tokio::test]
async fn an_erased_account_stays_erased() {
    let database = database().await;
    let pool = writers(&database).await;
    let (vault, id, alice) = (vault(&pool), Uuid::from_u128(1), key_of("alice"));
    let sealed = vault.seal(alice, "profile", "wang@example.com").await.unwrap();
    vault.keep(id, alice, &SecretString::from("sk-first")).await.unwrap();
    vault.destroy(alice).await.unwrap();
    vault.destroy(alice).await.unwrap();
    assert!(matches!(vault.open(alice, "profile", &sealed).await, Err(VaultError::Erased)));
    assert!(matches!(vault.seal(alice, "profile", "again").await, Err(VaultError::Erased)));
    assert!(matches!(vault.digest(alice, "again").await, Err(VaultError::Erased)));
    let left = sqlx::query_scalar::<_, i64>(
        "SELECT (SELECT count(*) FROM vault.secrets) + (SELECT count(wrapped) FROM vault.account_keys)",
    );
    assert_eq!(left.fetch_one(&pool).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let database = database().await;
    let pool = writers(&database).await;
    let vault = vault(&pool);
    assert_eq!(format!("{vault:?}"), "Vault(…)");
    let error = vault.open(key_of("alice"), "p", "wang@example.com").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("wang"));
}
