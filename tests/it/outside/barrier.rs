//! Stops a server at a chosen write: its statement stands still in the database, before it has changed anything.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};

use crate::support::eventually;

/// One at a time in a database.
const KEY: i64 = 1_174_711;

/// A write: its table, what is done to it, and which rows (`NEW` and `OLD`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) table: &'static str,
    /// `INSERT`, `UPDATE` or `DELETE`
    pub(crate) operation: &'static str,
    pub(crate) rows: &'static str,
}

pub(crate) struct Barrier {
    holder: PgConnection,
    watching: PgPool,
    table: &'static str,
}

impl Barrier {
    /// From now on such writes stand still.
    pub(crate) async fn before(connect: PgConnectOptions, watching: &PgPool, write: Write) -> Self {
        let mut holder = PgConnection::connect_with(&connect).await.expect("a connection");
        holder.execute(sqlx::raw_sql(&format!("SELECT pg_advisory_lock({KEY})"))).await.expect("the lock");
        let Write { table, operation, rows } = write;
        let row = if operation == "DELETE" { "OLD" } else { "NEW" };
        let sql = format!(
            "CREATE FUNCTION public.barrier() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
             BEGIN
                 PERFORM pg_advisory_xact_lock_shared({KEY});
                 RETURN {row};
             END $$;
             CREATE TRIGGER barrier BEFORE {operation} ON {table} FOR EACH ROW WHEN ({rows})
               EXECUTE FUNCTION public.barrier();"
        );
        watching.execute(sqlx::raw_sql(&sql)).await.expect("a trigger");
        Self { holder, watching: watching.clone(), table }
    }

    /// Waits until a write stands here.
    pub(crate) async fn has_caught_one(&self) {
        eventually("a write to be stopped", async || (!self.caught().await.is_empty()).then_some(())).await;
    }

    async fn caught(&self) -> Vec<i32> {
        sqlx::query_scalar(
            "SELECT pid FROM pg_locks
              WHERE locktype = 'advisory' AND objid = $1::int8::oid AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(KEY)
        .fetch_all(&self.watching)
        .await
        .expect("locks")
    }

    /// What stands here never happened: its connections are cut, as those of a dead process are. Then all is open.
    pub(crate) async fn cut_and_open(mut self) {
        for pid in self.caught().await {
            sqlx::query("SELECT pg_terminate_backend($1, 10000)").bind(pid).execute(&self.watching).await.expect("cut");
        }
        self.holder.execute(sqlx::raw_sql("SELECT pg_advisory_unlock_all()")).await.expect("unlocked");
        let sql = format!("DROP TRIGGER barrier ON {}; DROP FUNCTION public.barrier()", self.table);
        self.watching.execute(sqlx::raw_sql(&sql)).await.expect("no trigger");
        self.holder.close().await.expect("closed");
    }
}
