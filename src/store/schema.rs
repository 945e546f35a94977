//! The schema: brought up to date, and known to be.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};

use super::StoreError;
use super::connection;

/// Of a session that migrates: "ledger" in ASCII.
const MIGRATION_LOCK: i64 = 0x6c65_6467_6572;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);

/// The numbered SQL of `migrations/`.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Brings the schema up to date. One process at a time does so; the others wait, and find it done.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn migrate(connect: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connection::connect(connect).await?;
    // Whoever waits inside of a statement is waited for by an index that is made concurrently: so nobody does.
    while !sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .fetch_one(&mut connection)
        .await?
    {
        tokio::time::sleep(MIGRATION_PAUSE).await;
    }
    drop_half_made_indexes(&mut connection).await?;
    let mut migrator = Migrator { migrations: MIGRATOR.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_locking(false).run_direct(&mut connection).await?;
    // The lock goes with the connection.
    Ok(connection.close().await?)
}

/// An index whose making was cut off stays behind, under its name and of no use.
async fn drop_half_made_indexes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let half_made = sqlx::query_scalar::<_, String>(
        "SELECT format('%I.%I', n.nspname, c.relname)
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'ledger' AND NOT i.indisvalid",
    );
    for index in half_made.fetch_all(&mut *connection).await? {
        sqlx::query(&format!("DROP INDEX CONCURRENTLY {index}")).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether the schema is the one that this build was made for.
///
/// # Errors
/// A sentence that says what to do, or that the database cannot be asked.
pub async fn check_migrated(pool: &PgPool) -> Result<(), StoreError> {
    let newest = MIGRATOR.iter().map(|migration| migration.version).max();
    let there: Result<Option<i64>, _> =
        sqlx::query_scalar("SELECT max(version) FROM public._sqlx_migrations WHERE success").fetch_one(pool).await;
    match there {
        Ok(there) if there >= newest => Ok(()),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() != Some("42P01") => {
            Err(sqlx::Error::Database(error).into())
        }
        Ok(_) | Err(sqlx::Error::Database(_)) => Err(StoreError::NotMigrated),
        Err(error) => Err(error.into()),
    }
}
