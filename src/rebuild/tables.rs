//! The tables of the next generation: copies of the live ones down to the names of their indexes, so that after the swap
//! nobody can tell the difference, the next migration included.

use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection};

use super::RebuildError;

/// `pg_try_advisory_lock`: of this database, held by the connection.
const CLAIM: i64 = 0x7265_6275_696c_6400;
/// Of `lock_not_available`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// How the rows of a table differ from what the log makes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub table: String,
    pub rows: i64,
    /// Rows that the live table should have and has not…
    pub missing: i64,
    /// …and the other way round. A row that is wrong counts in both.
    pub surplus: i64,
}

impl Difference {
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }
}

pub(super) async fn claim(connection: &mut PgConnection) -> Result<(), RebuildError> {
    let claimed: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(CLAIM).fetch_one(connection).await?;
    if claimed { Ok(()) } else { Err(RebuildError::UnderWay) }
}

pub(super) async fn release(connection: &mut PgConnection) -> Result<(), RebuildError> {
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(CLAIM).execute(connection).await?;
    Ok(())
}

/// Empty tables with primary keys; other indexes come when the rows are there.
pub(super) async fn prepare(connection: &mut PgConnection, names: &[&str]) -> Result<(), RebuildError> {
    let mut tx = connection.begin().await?;
    execute(&mut tx, "DROP SCHEMA IF EXISTS read_next CASCADE; CREATE SCHEMA read_next").await?;
    for name in names.iter().chain(&["checkpoints"]) {
        let like = format!("CREATE TABLE read_next.{name} (LIKE read.{name} INCLUDING ALL EXCLUDING INDEXES)");
        let with = options(&mut tx, name).await?.map(|options| format!(" WITH ({options})")).unwrap_or_default();
        execute(&mut tx, &format!("{like}{with}")).await?;
        for (constraint, definition) in keys(&mut tx, name).await? {
            execute(&mut tx, &format!("ALTER TABLE read_next.{name} ADD CONSTRAINT {constraint} {definition}")).await?;
        }
    }
    execute(
        &mut tx,
        "INSERT INTO read_next.checkpoints (log_part, chain)
         SELECT part, sha256('ledger-genesis-v1'::bytea || int2send(part::int2)) FROM generate_series(0, 255) AS part",
    )
    .await?;
    Ok(tx.commit().await?)
}

/// How full pages are made, and the like; `LIKE` leaves it out.
async fn options(connection: &mut PgConnection, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = ('read.' || $1)::regclass")
        .bind(name)
        .fetch_one(connection)
        .await
}

/// Primary keys and unique constraints, by name.
async fn keys(connection: &mut PgConnection, name: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
          WHERE conrelid = ('read.' || $1)::regclass AND contype IN ('p', 'u') ORDER BY conname",
    )
    .bind(name)
    .fetch_all(connection)
    .await
}

/// The indexes that are no constraints, under the names they have in the live generation.
pub(super) async fn add_indexes(connection: &mut PgConnection, names: &[&str]) -> Result<(), RebuildError> {
    for name in names {
        let definitions: Vec<String> = sqlx::query_scalar(
            "SELECT replace(pg_get_indexdef(indexrelid), ' ON read.', ' ON read_next.') FROM pg_index i
              WHERE indrelid = ('read.' || $1)::regclass
                AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)",
        )
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
        for definition in definitions {
            execute(connection, &definition).await?;
        }
        execute(connection, &format!("ANALYZE read_next.{name}")).await?;
    }
    Ok(())
}

/// Stops every writer of the live tables where it is, until the transaction ends. Ascending, as they do.
pub(super) async fn hold_live(tx: &mut PgConnection) -> Result<(), RebuildError> {
    execute(tx, "SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    execute(tx, "SELECT FROM read.checkpoints ORDER BY log_part FOR UPDATE").await?;
    Ok(())
}

pub(super) async fn compare(tx: &mut PgConnection, names: &[&str]) -> Result<Vec<Difference>, RebuildError> {
    let mut differences = Vec::new();
    for name in names {
        let sql = format!(
            "SELECT (SELECT count(*) FROM read_next.{name}),
                    (SELECT count(*) FROM (TABLE read_next.{name} EXCEPT ALL TABLE read.{name}) AS missing),
                    (SELECT count(*) FROM (TABLE read.{name} EXCEPT ALL TABLE read_next.{name}) AS surplus)"
        );
        let (rows, missing, surplus) = sqlx::query_as(&sql).fetch_one(&mut *tx).await?;
        differences.push(Difference { table: (*name).to_owned(), rows, missing, surplus });
    }
    Ok(differences)
}

/// Puts the new tables in the place of the old ones. `false`: a query holds one of them, and comes first. The transaction
/// is then as it was before, and holds none of them.
pub(super) async fn swap(tx: &mut PgConnection, names: &[&str]) -> Result<bool, RebuildError> {
    let mut locks = tx.begin().await?;
    if !lock(&mut locks, names).await? {
        locks.rollback().await?;
        return Ok(false);
    }
    locks.commit().await?;
    for name in names {
        let grants = grants(tx, name).await?;
        execute(tx, &format!("DROP TABLE read.{name}; ALTER TABLE read_next.{name} SET SCHEMA read")).await?;
        for grant in grants {
            execute(tx, &grant).await?;
        }
    }
    Ok(true)
}

/// Keeps everybody from the live tables. Gives up soon: a query that waits for one table while it holds another must not be
/// the one that the server breaks off.
async fn lock(tx: &mut PgConnection, names: &[&str]) -> Result<bool, RebuildError> {
    execute(tx, "SET LOCAL lock_timeout = '300ms'").await?;
    for name in names {
        match tx.execute(format!("LOCK TABLE read.{name} IN ACCESS EXCLUSIVE MODE").as_str()).await {
            Ok(_) => (),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// What others than the owner may do with a live table, as statements that allow it again.
async fn grants(tx: &mut PgConnection, name: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT format('GRANT %s ON read.%I TO %s', string_agg(a.privilege_type, ', '), c.relname,
                       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
           FROM pg_class c, aclexplode(c.relacl) a
          WHERE c.oid = ('read.' || $1)::regclass AND a.grantee <> c.relowner
          GROUP BY c.relname, a.grantee",
    )
    .bind(name)
    .fetch_all(tx)
    .await
}

pub(super) async fn discard(connection: &mut PgConnection) -> Result<(), RebuildError> {
    execute(connection, "DROP SCHEMA read_next CASCADE").await
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), RebuildError> {
    connection.execute(sql).await?;
    Ok(())
}
