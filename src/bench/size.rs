//! What a charge costs on disk: how much a schema has grown, its indexes, TOAST and maps included.

use anyhow::Context;
use sqlx::PgPool;

/// Ordinary tables and materialised views; `pg_total_relation_size` adds what belongs to them.
const SCHEMA_BYTES: &str = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'm')";

/// A schema as it was before the load.
#[derive(Clone, Debug)]
pub struct Baseline {
    schema: String,
    bytes: i64,
}

impl Baseline {
    /// # Errors
    /// When the database cannot be asked.
    pub async fn take(pool: &PgPool, schema: &str) -> anyhow::Result<Self> {
        let schema = schema.to_owned();
        let bytes = schema_bytes(pool, &schema).await?;
        Ok(Self { schema, bytes })
    }

    /// The growth since, shared among `charges`; `None` without charges.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn bytes_per_charge(&self, pool: &PgPool, charges: u64) -> anyhow::Result<Option<f64>> {
        let grown = schema_bytes(pool, &self.schema).await? - self.bytes;
        Ok((charges > 0).then(|| grown as f64 / charges as f64))
    }
}

async fn schema_bytes(pool: &PgPool, schema: &str) -> anyhow::Result<i64> {
    sqlx::query_scalar(SCHEMA_BYTES)
        .bind(schema)
        .fetch_one(pool)
        .await
        .with_context(|| format!("the size of schema {schema}"))
}
