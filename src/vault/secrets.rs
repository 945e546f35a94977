//! Secrets on their way to their owner: kept sealed from the moment they exist until they are delivered.

use aggregates::AccountKey;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Vault, VaultError};

impl Vault {
    /// Keeps `secret` under `id`. The first one wins: said again, also with another secret, it answers what is kept.
    ///
    /// # Errors
    /// When the account was erased, `id` belongs to another account, or the database cannot be asked.
    pub async fn keep(&self, id: Uuid, account: AccountKey, secret: &SecretString) -> Result<SecretString, VaultError> {
        let sealed = self.seal(account, &purpose(id), secret.expose_secret()).await?;
        sqlx::query("INSERT INTO vault.secrets (id, account, sealed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(account.uuid())
            .bind(sealed)
            .execute(&self.inner.pool)
            .await?;
        self.peek(id, account).await?.ok_or(VaultError::DoesNotOpen)
    }

    /// What is kept under `id`, if anything (still) is.
    ///
    /// # Errors
    /// When it does not open for this account, or the database cannot be asked.
    pub async fn peek(&self, id: Uuid, account: AccountKey) -> Result<Option<SecretString>, VaultError> {
        let sealed = sqlx::query_scalar::<_, String>("SELECT sealed FROM vault.secrets WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.inner.pool)
            .await?;
        match sealed {
            Some(sealed) => self.open(account, &purpose(id), &sealed).await.map(Some),
            None => Ok(None),
        }
    }

    /// Forgets what is kept under `id`; also when there is nothing.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn erase(&self, id: Uuid) -> Result<(), VaultError> {
        sqlx::query("DELETE FROM vault.secrets WHERE id = $1").bind(id).execute(&self.inner.pool).await?;
        Ok(())
    }
}

/// A sealed secret that is moved to another id does not open there.
fn purpose(id: Uuid) -> String {
    format!("secret {id}")
}
