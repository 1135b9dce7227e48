//! Table versions: creating and upgrading the tables of a store (schema.md section 3).
//!
//! A store is a group of tables with one version number in the table `migrations`. OpenSimulator and this server may work on the
//! same database in turns, so the rules are: create at exactly the final version, run the missing steps of an older one, never
//! lower a number, leave the rows of other stores alone, and trust the real columns more than the number, since OpenSimulator
//! records a version even when its step failed.
//!
//! A service describes its tables as a [`Store`] and calls [`prepare`]. When all is up to date that costs a few small queries.

mod mysql;
mod postgres;
mod sqlite;

use async_trait::async_trait;
use sqlx::Connection;

use super::{Database, DatabaseError, Result};

/// A group of tables with one version number.
#[derive(Debug)]
pub struct Store {
    /// Its name in the table `migrations`.
    pub name: &'static str,
    /// What it looks like in SQLite.
    pub sqlite: Schema,
    /// What it looks like in MariaDB and MySQL.
    pub mysql: Schema,
    /// What it looks like in PostgreSQL.
    pub postgres: Schema,
}

/// The tables of a store in one dialect.
#[derive(Debug)]
pub struct Schema {
    /// The final version (schema.md section 3), at which new tables are created.
    pub version: i32,
    /// The tables in their final form.
    pub tables: &'static [Table],
    /// The upgrade steps (schema.md section 7), ascending.
    pub steps: &'static [Step],
}

/// A table in its final form.
#[derive(Debug)]
pub struct Table {
    /// Its name, as in the catalogue of the database.
    pub name: &'static str,
    /// `CREATE TABLE IF NOT EXISTS ...` and what belongs to it.
    pub create: &'static [&'static str],
    /// All its columns.
    pub columns: &'static [Column],
    /// What failed steps of OpenSimulator leave wrong.
    pub repairs: &'static [Repair],
}

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name, as in the catalogue of the database.
    pub name: &'static str,
    /// The statement that adds it where it is missing, with a default for the rows that exist. `None` for a column without which
    /// the table is useless.
    pub add: Option<&'static str>,
}

/// The statements that lead to a version.
#[derive(Debug)]
pub struct Step {
    /// The version that is reached.
    pub version: i32,
    /// Statements that may be run again without harm.
    pub statements: &'static [&'static str],
}

/// A column with a wrong type, and the statement that puts it right.
#[derive(Debug)]
pub struct Repair {
    /// The name of the column.
    pub column: &'static str,
    /// The type that is wrong, in lower case, as the catalogue of the database tells it.
    pub wrong_type: &'static str,
    /// The statement.
    pub statement: &'static str,
}

/// A column as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealColumn {
    /// Its name.
    pub name: String,
    /// Its type in lower case, as the catalogue of the database tells it.
    pub column_type: String,
}

/// Creates or upgrades the tables of a store. Any number of processes may do this at once. Gives the real columns of its tables,
/// in the order of the description.
///
/// # Errors
/// When the database fails, and `Schema` when a column is missing that cannot be added.
pub async fn prepare(database: &Database, store: &'static Store) -> Result<Vec<Vec<RealColumn>>> {
    match prepare_once(database, store).await {
        // OpenSimulator takes no lock: it may have created the same table in this moment.
        Err(error) if error.is_already_there() => prepare_once(database, store).await,
        result => result,
    }
}

async fn prepare_once(database: &Database, store: &'static Store) -> Result<Vec<Vec<RealColumn>>> {
    match database {
        Database::Sqlite(database) => {
            // A write holds the lock of the file (BEGIN IMMEDIATE) and is all or nothing.
            database
                .write_without_limit(move |connection| {
                    Box::pin(async move { work_through(&mut sqlite::Catalogue(connection), store.name, &store.sqlite).await })
                })
                .await
        }
        Database::MySql(database) => {
            let mut connection = database.connect_without_limit().await?;
            let result = work_through(&mut mysql::Catalogue(&mut connection), store.name, &store.mysql).await;
            // The connection is done with in any case; a failure to say goodbye changes nothing.
            let _ = connection.close().await;
            result
        }
        Database::Postgres(database) => {
            let mut connection = database.connect_without_limit().await?;
            let result = work_through(&mut postgres::Catalogue(&mut connection), store.name, &store.postgres).await;
            let _ = connection.close().await;
            result
        }
    }
}

/// What the rules need from a dialect.
#[async_trait]
trait Catalogue: Send {
    /// Takes the lock that keeps other processes of ours out, and where the dialect can, opens a transaction.
    async fn lock(&mut self) -> Result<()>;

    /// Gives the lock back. With `keep` false the transaction, where there is one, is undone.
    async fn unlock(&mut self, keep: bool) -> Result<()>;

    /// Marks the point to which [`Self::undo_step`] goes back, where the dialect can.
    async fn begin_step(&mut self) -> Result<()>;

    /// Undoes what happened since [`Self::begin_step`], where the dialect can.
    async fn undo_step(&mut self) -> Result<()>;

    /// Runs a statement.
    async fn execute(&mut self, sql: &'static str) -> Result<()>;

    /// The columns of a table; none when there is no such table.
    async fn columns(&mut self, table: &str) -> Result<Vec<RealColumn>>;

    /// The highest version recorded for a store. The table `migrations` must exist.
    async fn version(&mut self, store: &str) -> Result<Option<i32>>;

    /// Adds a row to the table `migrations`.
    async fn insert_version(&mut self, store: &str, version: i32) -> Result<()>;

    /// Raises the version of a store.
    async fn raise_version(&mut self, store: &str, version: i32) -> Result<()>;
}

/// The table of versions (schema.md section 3); the same words in all dialects.
const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS migrations (name varchar(100) NULL, version int NULL)";

async fn work_through(catalogue: &mut dyn Catalogue, store: &str, schema: &Schema) -> Result<Vec<Vec<RealColumn>>> {
    if let Some(columns) = up_to_date(catalogue, store, schema).await? {
        tracing::debug!("[MIGRATIONS]: {store} data tables already up to date at revision {}", schema.version);
        return Ok(columns);
    }
    catalogue.lock().await?;
    let result = upgrade(catalogue, store, schema).await;
    let unlocked = catalogue.unlock(result.is_ok()).await;
    let columns = result?;
    unlocked?;
    Ok(columns)
}

/// The real columns when there is nothing to do, which is found out without a lock and without writing.
async fn up_to_date(catalogue: &mut dyn Catalogue, store: &str, schema: &Schema) -> Result<Option<Vec<Vec<RealColumn>>>> {
    if catalogue.columns("migrations").await?.is_empty() || catalogue.version(store).await?.unwrap_or(0) < schema.version {
        return Ok(None);
    }
    let mut all = Vec::new();
    for table in schema.tables {
        let columns = catalogue.columns(table.name).await?;
        if table.columns.iter().any(|column| find(&columns, column.name).is_none())
            || table.repairs.iter().any(|repair| repair.is_needed(&columns))
        {
            return Ok(None);
        }
        all.push(columns);
    }
    Ok(Some(all))
}

async fn upgrade(catalogue: &mut dyn Catalogue, store: &str, schema: &Schema) -> Result<Vec<Vec<RealColumn>>> {
    catalogue.execute(CREATE_MIGRATIONS).await?;
    if catalogue.version("migrations").await?.is_none() {
        catalogue.insert_version("migrations", 1).await?;
    }
    let version = catalogue.version(store).await?;
    if version.unwrap_or(0) < schema.version {
        tracing::info!("[MIGRATIONS]: Upgrading {store} to latest revision {}.", schema.version);
        tracing::info!("[MIGRATIONS]: NOTE - this may take a while, don't interrupt this process!");
    }
    for table in schema.tables {
        for sql in table.create {
            catalogue.execute(sql).await?;
        }
    }
    match version {
        None => {
            tracing::info!("[MIGRATIONS]: Creating {store} at version {}", schema.version);
            catalogue.insert_version(store, schema.version).await?;
        }
        Some(version) if version < schema.version => {
            for step in schema.steps.iter().filter(|step| step.version > version) {
                run_tolerantly(catalogue, store, step.statements).await?;
                tracing::info!("[MIGRATIONS]: Updating {store} to version {}", step.version);
                catalogue.raise_version(store, step.version).await?;
            }
            catalogue.raise_version(store, schema.version).await?;
        }
        Some(_) => {}
    }
    let mut all = Vec::new();
    for table in schema.tables {
        all.push(mend(catalogue, store, table).await?);
    }
    Ok(all)
}

/// Runs the statements of a step. As in the original an error does not stop the upgrade: what the step should have done is
/// looked after by [`mend`] and by the services themselves. Only an unreachable database does.
async fn run_tolerantly(catalogue: &mut dyn Catalogue, store: &str, statements: &'static [&'static str]) -> Result<()> {
    catalogue.begin_step().await?;
    for sql in statements {
        if let Err(error) = catalogue.execute(sql).await {
            if error.kind() == gridshell_interfaces::ErrorKind::Unavailable {
                return Err(error);
            }
            tracing::error!(%error, sql, "[MIGRATIONS]: a statement of the upgrade of {store} failed; going on without it");
            catalogue.undo_step().await?;
            break;
        }
    }
    Ok(())
}

/// Adds missing columns and puts wrong types right; gives the real columns.
async fn mend(catalogue: &mut dyn Catalogue, store: &str, table: &Table) -> Result<Vec<RealColumn>> {
    let mut columns = catalogue.columns(table.name).await?;
    let mut changed = false;
    for column in table.columns.iter().filter(|column| find(&columns, column.name).is_none()) {
        let Some(add) = column.add else {
            return Err(DatabaseError::Schema(format!(
                "the table '{}' of {store} has no column '{}', which cannot be added; is this another program's table?",
                table.name, column.name
            )));
        };
        tracing::warn!("[MIGRATIONS]: adding the column '{}', which is missing in the table '{}'", column.name, table.name);
        catalogue.execute(add).await?;
        changed = true;
    }
    for repair in table.repairs.iter().filter(|repair| repair.is_needed(&columns)) {
        tracing::warn!(
            "[MIGRATIONS]: the column '{}' of the table '{}' is {}, which an upgrade should have changed; changing it",
            repair.column,
            table.name,
            repair.wrong_type
        );
        run_tolerantly(catalogue, store, std::slice::from_ref(&repair.statement)).await?;
        changed = true;
    }
    if changed {
        columns = catalogue.columns(table.name).await?;
    }
    Ok(columns)
}

impl Repair {
    fn is_needed(&self, columns: &[RealColumn]) -> bool {
        find(columns, self.column).is_some_and(|column| column.column_type == self.wrong_type)
    }
}

/// A column by its name, in any letter case: only PostgreSQL tells cases apart, and no table of a grid has two columns of one
/// name there.
pub(crate) fn find<'a>(columns: &'a [RealColumn], name: &str) -> Option<&'a RealColumn> {
    columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}
