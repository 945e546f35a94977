//! The vault: personal data and secrets, readable only while their account's key exists.
//!
//! ```text
//! keys.rs         the keys: master key -> wrapped account key -> one subkey to seal, one to digest
//! secrets.rs      API keys between creation and delivery
//! license_key.rs  what customers type in: made, read, looked up by
//! mod.rs          seal, open, digest, destroy; keys come from the table and stay in a bounded cache
//! ```
//!
//! Every account has a random key of its own (AES-256-GCM), stored wrapped by `LEDGER_MASTER_KEY`. What is sealed names
//! its account and purpose as associated data: moved elsewhere it does not open. Destroying an account's key makes all
//! of its sealed data unreadable at once, in the log too; the log stays whole. A process that has the key in memory
//! forgets it within [`REMEMBERED`].

mod keys;
mod license_key;
mod secrets;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aggregates::AccountKey;
use hashlink::LruCache;
use secrecy::SecretString;
use sqlx::PgPool;

use keys::{AccountKeys, MasterKey};
pub use license_key::{LicenseCode, NoLicenseCode};

/// Unwrapped keys in memory.
const CACHED_KEYS_MAX: usize = 10_000;
/// How long a key may stay in a process's memory after another process destroyed it.
pub const REMEMBERED: Duration = Duration::from_secs(60);

/// Why the vault did not answer. None of these sentences repeats what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the vault's table: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the account's key is wrapped by another LEDGER_MASTER_KEY, or was changed")]
    WrongMasterKey,
    #[error("this was sealed for another account or purpose, or was changed")]
    DoesNotOpen,
    #[error("this is not something the vault has sealed")]
    NotSealed,
    #[error("the account was erased, and its key with it")]
    Erased,
    #[error("the cryptographic library refused")]
    Crypto,
}

/// A handle on the vault; clones share it.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    master: MasterKey,
    pool: PgPool,
    cache: Mutex<LruCache<AccountKey, Remembered>>,
}

struct Remembered {
    keys: Arc<AccountKeys>,
    since: Instant,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// # Errors
    /// When the cryptographic library refuses the key.
    pub fn try_new(master_key: [u8; 32], pool: PgPool) -> Result<Self, VaultError> {
        let master = MasterKey::try_new(master_key)?;
        let cache = Mutex::new(LruCache::new(CACHED_KEYS_MAX));
        Ok(Self { inner: Arc::new(Inner { master, pool, cache }) })
    }

    /// Whether the master key opens what is here: one account's key stands for all. A vault that is empty takes any.
    ///
    /// # Errors
    /// When it does not, or the database cannot be asked.
    pub async fn check_master_key(&self) -> Result<(), VaultError> {
        let any: Option<(uuid::Uuid, Vec<u8>)> =
            sqlx::query_as("SELECT account, wrapped FROM vault.account_keys WHERE wrapped IS NOT NULL LIMIT 1")
                .fetch_optional(&self.inner.pool)
                .await?;
        let Some((account, wrapped)) = any else { return Ok(()) };
        self.inner.master.unwrap(AccountKey::from_uuid(account), &wrapped).map(drop)
    }

    /// Encrypts `plaintext` for this account and purpose; only the same two open it.
    ///
    /// # Errors
    /// When the account was erased, or its key cannot be read or made.
    pub async fn seal(&self, account: AccountKey, purpose: &str, plaintext: &str) -> Result<String, VaultError> {
        self.keys(account).await?.seal(account, purpose, plaintext)
    }

    /// # Errors
    /// When it was sealed for something else, was changed, or the account was erased.
    pub async fn open(&self, account: AccountKey, purpose: &str, sealed: &str) -> Result<SecretString, VaultError> {
        // An account without a key has sealed nothing: looking must not make one.
        let keys = self.existing_keys(account).await?.ok_or(VaultError::DoesNotOpen)?;
        keys.open(account, purpose, sealed)
    }

    /// A fingerprint by which the same text of the same account is recognised, and nothing else is learnt.
    ///
    /// # Errors
    /// When the account was erased, or its key cannot be read or made.
    pub async fn digest(&self, account: AccountKey, text: &str) -> Result<String, VaultError> {
        Ok(self.keys(account).await?.digest(text))
    }

    /// Destroys the account's key and its kept secrets. What was sealed stays sealed for ever, and nothing more is.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn destroy(&self, account: AccountKey) -> Result<(), VaultError> {
        // One statement, so that a dropped future leaves no transaction behind.
        sqlx::query(
            "WITH gone AS (DELETE FROM vault.secrets WHERE account = $1)
             INSERT INTO vault.account_keys (account, wrapped, destroyed_at) VALUES ($1, NULL, clock_timestamp())
             ON CONFLICT (account) DO UPDATE
                SET wrapped = NULL, destroyed_at = coalesce(account_keys.destroyed_at, clock_timestamp())",
        )
        .bind(account.uuid())
        .execute(&self.inner.pool)
        .await?;
        self.cache().remove(&account);
        Ok(())
    }

    async fn keys(&self, account: AccountKey) -> Result<Arc<AccountKeys>, VaultError> {
        if let Some(keys) = self.existing_keys(account).await? {
            return Ok(keys);
        }
        // Two processes may arrive here at once: one inserts, and both read what was inserted.
        sqlx::query("INSERT INTO vault.account_keys (account, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(account.uuid())
            .bind(self.inner.master.new_wrapped(account)?)
            .execute(&self.inner.pool)
            .await?;
        self.existing_keys(account).await?.ok_or(VaultError::Crypto)
    }

    async fn existing_keys(&self, account: AccountKey) -> Result<Option<Arc<AccountKeys>>, VaultError> {
        if let Some(keys) = self.remembered(account) {
            return Ok(Some(keys));
        }
        let stored =
            sqlx::query_scalar::<_, Option<Vec<u8>>>("SELECT wrapped FROM vault.account_keys WHERE account = $1")
                .bind(account.uuid())
                .fetch_optional(&self.inner.pool)
                .await?;
        let Some(wrapped) = stored else { return Ok(None) };
        let keys = Arc::new(self.inner.master.unwrap(account, &wrapped.ok_or(VaultError::Erased)?)?);
        self.cache().insert(account, Remembered { keys: keys.clone(), since: Instant::now() });
        Ok(Some(keys))
    }

    fn remembered(&self, account: AccountKey) -> Option<Arc<AccountKeys>> {
        let mut cache = self.cache();
        let remembered = cache.get(&account)?;
        if remembered.since.elapsed() < REMEMBERED {
            return Some(remembered.keys.clone());
        }
        cache.remove(&account);
        None
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<AccountKey, Remembered>> {
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
