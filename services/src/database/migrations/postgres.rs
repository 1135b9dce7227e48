//! The catalogue of a PostgreSQL database. A whole upgrade is one transaction.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Executor, query, query_as, query_scalar};

use super::RealColumn;
use crate::database::Result;

pub(super) struct Catalogue<'c>(pub(super) &'c mut PgConnection);

#[async_trait]
impl super::Catalogue for Catalogue<'_> {
    async fn lock(&mut self) -> Result<()> {
        self.0.execute("BEGIN").await?;
        // Released with the transaction. The number is ours alone: "gridshel" in ASCII.
        self.0.execute("SELECT pg_advisory_xact_lock(7454136213405459820)").await?;
        Ok(())
    }

    async fn unlock(&mut self, keep: bool) -> Result<()> {
        self.0.execute(if keep { "COMMIT" } else { "ROLLBACK" }).await?;
        Ok(())
    }

    async fn begin_step(&mut self) -> Result<()> {
        self.execute("SAVEPOINT step").await
    }

    async fn undo_step(&mut self) -> Result<()> {
        self.execute("ROLLBACK TO step").await
    }

    async fn execute(&mut self, sql: &'static str) -> Result<()> {
        self.0.execute(sql).await?;
        Ok(())
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<RealColumn>> {
        // to_regclass looks along the search path, as the statements of the services do.
        let rows: Vec<(String, String)> = query_as(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        .bind(table)
        .fetch_all(&mut *self.0)
        .await?;
        Ok(rows.into_iter().map(|(name, column_type)| RealColumn { name, column_type }).collect())
    }

    async fn version(&mut self, store: &str) -> Result<Option<i32>> {
        Ok(query_scalar("SELECT max(version) FROM migrations WHERE name = $1").bind(store).fetch_one(&mut *self.0).await?)
    }

    async fn insert_version(&mut self, store: &str, version: i32) -> Result<()> {
        let insert = query("INSERT INTO migrations (name, version) VALUES ($1, $2)").bind(store).bind(version);
        insert.execute(&mut *self.0).await?;
        Ok(())
    }

    async fn raise_version(&mut self, store: &str, version: i32) -> Result<()> {
        let update = query("UPDATE migrations SET version = $1 WHERE name = $2 AND version < $1").bind(version).bind(store);
        update.execute(&mut *self.0).await?;
        Ok(())
    }
}
