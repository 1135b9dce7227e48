//! The catalogue of an SQLite file. Everything happens inside of one write, so lock and transaction are there already.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, query, query_as, query_scalar};

use super::RealColumn;
use crate::database::Result;

pub(super) struct Catalogue<'c>(pub(super) &'c mut SqliteConnection);

#[async_trait]
impl super::Catalogue for Catalogue<'_> {
    async fn lock(&mut self) -> Result<()> {
        Ok(())
    }

    async fn unlock(&mut self, _keep: bool) -> Result<()> {
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
        let rows: Vec<(String, String)> =
            query_as("SELECT name, lower(type) FROM pragma_table_info(?)").bind(table).fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(|(name, column_type)| RealColumn { name, column_type }).collect())
    }

    async fn version(&mut self, store: &str) -> Result<Option<i32>> {
        Ok(query_scalar("SELECT max(version) FROM migrations WHERE name = ?").bind(store).fetch_one(&mut *self.0).await?)
    }

    async fn insert_version(&mut self, store: &str, version: i32) -> Result<()> {
        let insert = query("INSERT INTO migrations (name, version) VALUES (?, ?)").bind(store).bind(version);
        insert.execute(&mut *self.0).await?;
        Ok(())
    }

    async fn raise_version(&mut self, store: &str, version: i32) -> Result<()> {
        let update = query("UPDATE migrations SET version = ?1 WHERE name = ?2 AND version < ?1").bind(version).bind(store);
        update.execute(&mut *self.0).await?;
        Ok(())
    }
}
