//! Holds back an append in the middle: its heads are locked, some of it is written, and nothing is committed.

use aggregates::AccountId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::eventually;
use super::log::waiting_for_locks;

const KEY: i64 = 4711;

/// While it is held, inserts of events of one account wait.
pub(crate) struct Hold {
    holder: PgConnection,
    watching: PgPool,
}

impl Hold {
    /// Puts up the barrier, open. In a database of one's own: it stays there.
    pub(crate) async fn of(connect: PgConnectOptions, pool: &PgPool, account: &AccountId) -> Self {
        // Its own lock timeout: the appending connection's would end the wait after ten seconds.
        let sql = format!(
            "CREATE FUNCTION public.hold_back() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
             BEGIN
                 PERFORM pg_advisory_xact_lock_shared({KEY});
                 RETURN NEW;
             END $$;
             CREATE TRIGGER hold_back BEFORE INSERT ON ledger.events FOR EACH ROW
               WHEN (NEW.account = '{}') EXECUTE FUNCTION public.hold_back();",
            account.key().uuid()
        );
        pool.execute(sqlx::raw_sql(&sql)).await.expect("a trigger");
        let holder = PgConnection::connect_with(&connect).await.expect("a connection");
        Self { holder, watching: pool.clone() }
    }

    pub(crate) async fn hold(&mut self) {
        self.say("SELECT pg_advisory_lock").await;
    }

    pub(crate) async fn release(&mut self) {
        self.say("SELECT pg_advisory_unlock").await;
    }

    async fn say(&mut self, function: &str) {
        let sql = format!("{function}({KEY})");
        self.holder.execute(sqlx::raw_sql(&sql)).await.expect("the lock");
    }

    /// Waits until an append is held back here.
    pub(crate) async fn has_caught_one(&self) -> i32 {
        eventually("an append to be held back", async || {
            sqlx::query_scalar(
                "SELECT pid FROM pg_locks
                  WHERE locktype = 'advisory' AND objid = $1::int8::oid AND NOT granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
            )
            .bind(KEY)
            .fetch_optional(&self.watching)
            .await
            .expect("locks")
        })
        .await
    }

    /// Waits until so many statements like this wait for locks, whoever holds them.
    pub(crate) async fn makes_wait(&self, statement: &str, connections: i64) {
        eventually("others to wait", async || {
            (waiting_for_locks(&self.watching, statement).await >= connections).then_some(())
        })
        .await;
    }
}
