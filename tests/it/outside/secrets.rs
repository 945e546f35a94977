//! Looks for secrets where none may be: in every row of the database, and in what servers logged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::PgPool;

use super::harness::Instance;

/// Fails where one of these is in any table, or in a log; as it is, as hex, or as base64.
pub(super) async fn assert_nowhere(ledger: &Instance, secrets: &[String]) {
    let log = ledger.log();
    for secret in secrets {
        assert!(!log.contains(secret.as_str()), "{secret:?} was logged:\n{log}");
    }
    let tables = tables(&ledger.pool).await;
    assert!(tables.iter().any(|table| table == "ledger.events"), "{tables:?}");
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(&format!("SELECT t::text FROM {table} t"))
            .fetch_all(&ledger.pool)
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        for secret in secrets {
            for shape in [secret.clone(), hex::encode(secret), STANDARD.encode(secret)] {
                let found = rows.iter().find(|row| row.contains(&shape));
                assert_eq!(found, None, "{secret:?} is in {table}");
            }
        }
    }
}

async fn tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
          WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'",
    )
    .fetch_all(pool)
    .await
    .expect("tables")
}
