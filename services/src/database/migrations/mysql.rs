//! The catalogue of a MariaDB or MySQL database. Statements that change tables commit by themselves there, so nothing is undone.

use async_trait::async_trait;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, Row, query, query_scalar};

use super::RealColumn;
use crate::database::{DatabaseError, Result};

/// How long to wait for another process that upgrades the same database.
const LOCK_SECONDS: i64 = 600;

pub(super) struct Catalogue<'c>(pub(super) &'c mut MySqlConnection);

#[async_trait]
impl super::Catalogue for Catalogue<'_> {
    async fn lock(&mut self) -> Result<()> {
        // Lock names are server-wide and at most 64 characters long; database names can be that long already.
        let taken: Option<i64> = query_scalar("SELECT GET_LOCK(CONCAT('gridshell.migrations.', MD5(DATABASE())), ?)")
            .bind(LOCK_SECONDS)
            .fetch_one(&mut *self.0)
            .await?;
        if taken == Some(1) {
            Ok(())
        } else {
            Err(DatabaseError::Schema(format!(
                "another process has been upgrading this database for {LOCK_SECONDS} s; wait until it is done"
            )))
        }
    }

    async fn unlock(&mut self, _keep: bool) -> Result<()> {
        let _released: Option<i64> =
            query_scalar("SELECT RELEASE_LOCK(CONCAT('gridshell.migrations.', MD5(DATABASE())))").fetch_one(&mut *self.0).await?;
        Ok(())
    }

    async fn begin_step(&mut self) -> Result<()> {
        Ok(())
    }

    async fn undo_step(&mut self) -> Result<()> {
        Ok(())
    }

    async fn execute(&mut self, sql: &'static str) -> Result<()> {
        self.0.execute(sql).await?;
        Ok(())
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<RealColumn>> {
        const NO_SUCH_TABLE: &str = "42S02";
        // Unlike information_schema this finds the table under servers that store names in lower case. Table names come from
        // the descriptions of stores only.
        let shown = query(AssertSqlSafe(format!("SHOW COLUMNS FROM {table}"))).fetch_all(&mut *self.0).await;
        match shown {
            Ok(rows) => {
                rows.iter().map(|row| Ok(RealColumn { name: text(row, 0)?, column_type: text(row, 1)?.to_lowercase() })).collect()
            }
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_TABLE) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn version(&mut self, store: &str) -> Result<Option<i32>> {
        Ok(query_scalar("SELECT MAX(version) FROM migrations WHERE name = ?").bind(store).fetch_one(&mut *self.0).await?)
    }

    async fn insert_version(&mut self, store: &str, version: i32) -> Result<()> {
        let insert = query("INSERT INTO migrations (name, version) VALUES (?, ?)").bind(store).bind(version);
        insert.execute(&mut *self.0).await?;
        Ok(())
    }

    async fn raise_version(&mut self, store: &str, version: i32) -> Result<()> {
        let update = query("UPDATE migrations SET version = ? WHERE name = ? AND version < ?");
        update.bind(version).bind(store).bind(version).execute(&mut *self.0).await?;
        Ok(())
    }
}

/// MySQL tells column types as a blob, MariaDB as text.
fn text(row: &sqlx::mysql::MySqlRow, index: usize) -> Result<String, sqlx::Error> {
    let bytes: &[u8] = row.try_get_unchecked(index)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
