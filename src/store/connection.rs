//! Connections: the lanes' own, and the pool that everybody else reads with.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

/// Whoever holds a transaction open longer than this, doing nothing, loses it.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "10s";
const LOCK_TIMEOUT: &str = "10s";
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of every connection to the log: the writer's role, which may add but not change, and bounded waits.
#[must_use]
pub fn as_writer(connect: PgConnectOptions) -> PgConnectOptions {
    connect
        .options([
            ("role", "ledger_writer"),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("client_connection_check_interval", "5s"),
            ("jit", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        ])
        .application_name("billing-ledger")
        .disable_statement_logging()
}

/// A lane's own connection. It is in no pool, so nobody can inherit what a broken-off call left on it.
pub(super) async fn connect(connect: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(connect).await
}

/// Gives up on a server that has fallen silent, or a way to it that swallows what is sent: nobody would ever tell. What
/// was asked may have been done all the same, and the connection is of no more use.
pub(super) async fn within<T, E: From<sqlx::Error>>(
    limit: Duration,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}

/// A pool that never hands out a connection with somebody else's transaction open on it.
///
/// sqlx 0.8's `Pool::begin` is not cancel-safe: a future dropped while `BEGIN` is under way puts a connection with an
/// open transaction back, and what its next borrower writes never commits. So every connection is asked on its way
/// back: in an open transaction `now()` is older than the statement, and in an aborted one the question itself fails;
/// in both cases the pool closes the connection.
///
/// # Errors
/// When no first connection can be made.
pub async fn pool(connect: PgConnectOptions, max_connections: u32) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_release(|connection, _| {
            Box::pin(async move {
                let row = connection.fetch_one(sqlx::raw_sql("SELECT now() = statement_timestamp()")).await?;
                sqlx::Row::try_get::<bool, _>(&row, 0)
            })
        })
        .connect_with(connect)
        .await
}
