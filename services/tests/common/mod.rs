//! Databases for tests: SQLite always, MariaDB/MySQL and PostgreSQL when the environment names a server.
//!
//! `GRIDSHELL_TEST_MYSQL` and `GRIDSHELL_TEST_POSTGRES` are connection strings as in an .ini file, without a database, of a user who
//! may create databases. Each test has a database of its own and drops it.

// Every test program uses a part of this module.
#![allow(dead_code)]

pub mod asset_battery;
pub mod inventory_battery;
pub mod name2key_battery;
pub mod proxy;

use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata};
use gridshell_services::database::{Backend, Database, DatabaseError, DatabaseOptions};
use sqlx::{AssertSqlSafe, Executor, Row};
use tempfile::TempDir;
use uuid::Uuid;

/// An empty database for one test.
pub struct TestDatabase {
    /// Its kind.
    pub backend: Backend,
    /// How to reach it.
    pub connection_string: String,
    /// The directory of an SQLite file; the name of a database on a server.
    place: Place,
}

enum Place {
    Directory(TempDir),
    Server { admin: String, name: String },
}

impl TestDatabase {
    /// A file that does not exist yet.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let connection_string = format!("Data Source={}", directory.path().join("test.db").display());
        Self { backend: Backend::Sqlite, connection_string, place: Place::Directory(directory) }
    }

    /// `None`, and a line that says so, without a server.
    pub async fn mysql() -> Option<Self> {
        Self::on_server(Backend::MySql, "GRIDSHELL_TEST_MYSQL", "information_schema").await
    }

    /// `None`, and a line that says so, without a server.
    pub async fn postgres() -> Option<Self> {
        Self::on_server(Backend::Postgres, "GRIDSHELL_TEST_POSTGRES", "postgres").await
    }

    /// One of each kind that there is.
    pub async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        all.extend(Self::mysql().await);
        all.extend(Self::postgres().await);
        all
    }

    async fn on_server(backend: Backend, variable: &str, admin_database: &str) -> Option<Self> {
        let Ok(server) = std::env::var(variable) else {
            eprintln!("LEFT OUT: {backend:?} is not covered by this test, since {variable} is not set");
            return None;
        };
        let name = format!("gridshell_test_{}", Uuid::new_v4().simple());
        let admin = format!("{server};Database={admin_database}");
        let created =
            Self { backend, connection_string: format!("{server};Database={name}"), place: Place::Server { admin, name } };
        created.as_admin("CREATE DATABASE", "").await;
        Some(created)
    }

    async fn as_admin(&self, action: &str, how: &str) {
        let Place::Server { admin, name } = &self.place else { return };
        let database = Database::open(self.backend, admin, &DatabaseOptions::default()).await.expect("test server");
        execute(&database, &format!("{action} {name} {how}")).await;
        database.close().await;
    }

    /// Opens it.
    pub async fn open(&self) -> Database {
        self.open_with(&DatabaseOptions::default()).await
    }

    /// Opens it with limits.
    pub async fn open_with(&self, options: &DatabaseOptions) -> Database {
        Database::open(self.backend, &self.connection_string, options).await.expect("test database")
    }

    /// Removes it, whoever still uses it.
    pub async fn remove(self) {
        self.as_admin("DROP DATABASE", if self.backend == Backend::Postgres { "WITH (FORCE)" } else { "" }).await;
    }
}

/// Runs a statement.
pub async fn execute(database: &Database, sql: &str) {
    try_execute(database, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// Runs a statement.
pub async fn try_execute(database: &Database, sql: &str) -> Result<(), DatabaseError> {
    let sql = sql.to_owned();
    match database {
        Database::Sqlite(database) => {
            let write = database.write(move |connection| {
                Box::pin(async move {
                    connection.execute(AssertSqlSafe(sql)).await?;
                    Ok(())
                })
            });
            write.await
        }
        Database::MySql(database) => {
            let run = database.run(move |connection| {
                let sql = AssertSqlSafe(sql.clone());
                Box::pin(async move { connection.execute(sql).await.map(|_| ()) })
            });
            run.await
        }
        Database::Postgres(database) => {
            let run = database.run(move |connection| {
                let sql = AssertSqlSafe(sql.clone());
                Box::pin(async move { connection.execute(sql).await.map(|_| ()) })
            });
            run.await
        }
    }
}

/// The first column of all rows, which must be text.
pub async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let sql = sql.to_owned();
    let rows = match database {
        Database::Sqlite(database) => {
            let read = database.read(move |connection| {
                let sql = AssertSqlSafe(sql.clone());
                Box::pin(async move { connection.fetch_all(sql).await?.iter().map(|row| row.try_get_unchecked(0)).collect() })
            });
            read.await
        }
        Database::MySql(database) => {
            let run = database.run(move |connection| {
                let sql = AssertSqlSafe(sql.clone());
                Box::pin(async move { connection.fetch_all(sql).await?.iter().map(|row| row.try_get_unchecked(0)).collect() })
            });
            run.await
        }
        Database::Postgres(database) => {
            let run = database.run(move |connection| {
                let sql = AssertSqlSafe(sql.clone());
                Box::pin(async move { connection.fetch_all(sql).await?.iter().map(|row| row.try_get_unchecked(0)).collect() })
            });
            run.await
        }
    };
    rows.expect("rows")
}

/// The rows of the table `migrations`, as `name=version`, in order.
pub async fn versions(database: &Database) -> Vec<String> {
    let sql = match database.backend() {
        Backend::MySql => "SELECT CONCAT(name, '=', version) FROM migrations",
        _ => "SELECT name || '=' || version FROM migrations",
    };
    let mut versions = texts(database, sql).await;
    versions.sort();
    versions
}

/// The final version of the asset store, as in [`versions`].
pub fn asset_store_version(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "AssetStore=6",
        Backend::MySql => "AssetStore=10",
        Backend::Postgres => "AssetStore=9",
    }
}

/// An asset of a new id.
pub fn asset(data: impl Into<Bytes>) -> Asset {
    Asset {
        metadata: AssetMetadata {
            id: Uuid::new_v4(),
            name: "a name".to_owned(),
            description: "a description".to_owned(),
            created: None,
            asset_type: 0,
            local: false,
            temporary: false,
            creator: Some("aaaaaaaa-0000-0000-0000-000000000001".to_owned()),
            flags: AssetFlags::NORMAL,
        },
        data: Some(data.into()),
    }
}
