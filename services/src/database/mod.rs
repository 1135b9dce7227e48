//! SQL databases: which one, where it is, how to talk to it.
//!
//! A [`Database`] is one opened database of one of three dialects. Services match on it and bring their own statements for each
//! dialect; what is the same for all services is here: connection strings, connections and their limits, time limits, lost
//! connections, the SQLite writer, table versions and error kinds.

mod connection_string;
mod direct;
mod error;
mod group_read;
pub mod migrations;
mod mysql;
mod pool;
mod postgres;
mod sqlite;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use connection_string::ConnectionString;
pub(crate) use direct::BorrowedConnection;
pub(crate) use error::direct;
pub use error::{DatabaseError, Result};
pub use group_read::GroupRead;
pub use mysql::{Isolation, MySqlDatabase};
pub use postgres::PostgresDatabase;
pub use sqlite::SqliteDatabase;
pub use writer::Writer;

/// Which kind of database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One file, no server.
    Sqlite,
    /// MariaDB or MySQL.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Backend {
    /// Reads the .ini value `StorageProvider` (schema.md section 1.1): `OpenSim.Data.MySQL.dll`, `OpenSim.Data.PGSQL.dll`,
    /// `OpenSim.Data.SQLite.dll`, each with or without `:Class`, or one of our own names `mysql`, `postgres`, `sqlite`.
    ///
    /// # Errors
    /// `Configuration` for any other value.
    pub fn from_provider(provider: &str) -> Result<Self> {
        // The class only chooses among the data classes of one file, and one provider serves all services.
        let file = provider.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        let name = file.strip_suffix(".dll").unwrap_or(&file);
        match name {
            "opensim.data.sqlite" | "sqlite" => Ok(Self::Sqlite),
            "opensim.data.mysql" | "mysql" | "mariadb" => Ok(Self::MySql),
            "opensim.data.pgsql" | "postgres" | "postgresql" => Ok(Self::Postgres),
            "" => Err(DatabaseError::Configuration("no StorageProvider configured".to_owned())),
            _ => Err(DatabaseError::Configuration(format!(
                "StorageProvider '{provider}' is unknown; use OpenSim.Data.MySQL.dll, OpenSim.Data.PGSQL.dll or \
                 OpenSim.Data.SQLite.dll"
            ))),
        }
    }
}

/// Limits of a database. What the connection string itself says wins over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// The most connections that are open at once (MySQL, PostgreSQL; `Max Pool Size`).
    pub max_connections: u32,
    /// How long a call waits for a connection, including opening one (`Connection Timeout`).
    pub acquire_timeout: Duration,
    /// How long a statement may take (`Default Command Timeout`). Table upgrades have no limit.
    pub statement_timeout: Duration,
    /// The SQLite file when the connection string names none.
    pub sqlite_file: PathBuf,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            max_connections: 20,
            acquire_timeout: Duration::from_secs(15),
            statement_timeout: Duration::from_secs(30),
            // What an empty connection string means to the asset service (schema.md section 2.4).
            sqlite_file: PathBuf::from("Asset.db"),
        }
    }
}

/// How busy the connections of a database are. On SQLite these are the connections that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections.
    pub size: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Open connections in use.
    pub in_use: u32,
}

/// What a connection string says, before anything is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Where the database is, without user and password.
    pub place: String,
    /// What the operator should know about the string.
    pub warnings: Vec<String>,
}

/// One opened database. Clones share the connections.
#[derive(Clone)]
pub enum Database {
    /// A file.
    Sqlite(SqliteDatabase),
    /// A MariaDB or MySQL server.
    MySql(MySqlDatabase),
    /// A PostgreSQL server.
    Postgres(PostgresDatabase),
}

impl Database {
    /// Reads a connection string without opening anything.
    ///
    /// # Errors
    /// `Configuration` when it cannot be used.
    pub fn check(backend: Backend, connection_string: &str, options: &DatabaseOptions) -> Result<Checked> {
        let string = ConnectionString::parse(connection_string)?;
        string.options(options)?;
        let (place, warnings) = match backend {
            Backend::Sqlite => {
                let settings = sqlite::Settings::read(&string, options)?;
                (settings.place(), settings.warnings)
            }
            Backend::MySql => {
                let settings = mysql::Settings::read(&string)?;
                (settings.place, settings.warnings)
            }
            Backend::Postgres => {
                let settings = postgres::Settings::read(&string, options)?;
                (settings.place, settings.warnings)
            }
        };
        Ok(Checked { place, warnings })
    }

    /// Opens the database and makes sure that it answers. Warnings about the connection string are logged. Tasks of the database
    /// run on the Tokio runtime of this call, which must outlive it.
    ///
    /// # Errors
    /// `Configuration` when the connection string cannot be used, `Sql` or `Timeout` when the database cannot be reached.
    pub async fn open(backend: Backend, connection_string: &str, options: &DatabaseOptions) -> Result<Self> {
        let string = ConnectionString::parse(connection_string)?;
        let options = string.options(options)?;
        match backend {
            Backend::Sqlite => {
                let settings = sqlite::Settings::read(&string, &options)?;
                log_warnings(&settings.warnings);
                Ok(Self::Sqlite(SqliteDatabase::open(settings, &options).await?))
            }
            Backend::MySql => {
                let settings = mysql::Settings::read(&string)?;
                log_warnings(&settings.warnings);
                Ok(Self::MySql(MySqlDatabase::open(settings, &options).await?))
            }
            Backend::Postgres => {
                let settings = postgres::Settings::read(&string, &options)?;
                log_warnings(&settings.warnings);
                Ok(Self::Postgres(PostgresDatabase::open(settings, &options).await?))
            }
        }
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::MySql(_) => Backend::MySql,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When it gives none within the time limits.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.ping().await,
            Self::MySql(database) => database.ping().await,
            Self::Postgres(database) => database.ping().await,
        }
    }

    /// How busy the connections are right now.
    pub fn pool_state(&self) -> PoolState {
        match self {
            Self::Sqlite(database) => database.pool_state(),
            Self::MySql(database) => database.pool_state(),
            Self::Postgres(database) => database.pool_state(),
        }
    }

    /// Finishes the writes that are waiting and closes all connections. Later calls fail.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::MySql(database) => database.close().await,
            Self::Postgres(database) => database.close().await,
        }
    }
}

/// Shows where the database is, without user and password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(database) => database.fmt(f),
            Self::MySql(database) => database.fmt(f),
            Self::Postgres(database) => database.fmt(f),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

fn log_warnings(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("[DATABASE]: {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_file_name() {
        for (provider, backend) in [
            ("OpenSim.Data.MySQL.dll", Backend::MySql),
            ("OpenSim.Data.MySQL.dll:MySqlRegionData", Backend::MySql),
            ("OpenSim.Data.PGSQL.dll", Backend::Postgres),
            ("OpenSim.Data.SQLite.dll", Backend::Sqlite),
            ("sqlite", Backend::Sqlite),
            ("mysql", Backend::MySql),
            ("postgres", Backend::Postgres),
        ] {
            assert_eq!(Backend::from_provider(provider).expect(provider), backend);
        }
        for provider in ["", "OpenSim.Data.Null.dll", "OpenSim.Data.MSSQL.dll", "oracle"] {
            assert!(Backend::from_provider(provider).is_err(), "{provider}");
        }
    }

    #[test]
    fn checking_reports_warnings_and_errors_without_a_server() {
        let options = DatabaseOptions::default();
        let check = |backend, text| Database::check(backend, text, &options);
        let shipped = "Data Source=localhost;Database=opensim;User ID=opensim;Password=*****;Old Guids=true;SslMode=None;";
        assert_eq!(check(Backend::MySql, shipped).expect("shipped string").warnings, Vec::<String>::new());
        assert_eq!(check(Backend::MySql, "Server=a;Database=b;Uid=c;Colour=red").expect("usable").warnings.len(), 1);
        assert!(check(Backend::MySql, "Server=a;Database=b;Uid=c;SslMode=Perhaps").is_err());
        assert!(check(Backend::MySql, "Server=a;Uid=c").is_err(), "no database");
        let shipped = "Server=localhost;Database=opensim;User Id=opensim; password=***;SSL Mode = Disable";
        assert_eq!(check(Backend::Postgres, shipped).expect("shipped string").warnings, Vec::<String>::new());
        assert!(check(Backend::Postgres, "Server=a;Database=b").is_err(), "no user");
        for shipped in ["URI=file:OpenSim.db;UseUTF16Encoding=True", "URI=file:Asset.db,version=3", ""] {
            assert_eq!(check(Backend::Sqlite, shipped).expect(shipped).warnings, Vec::<String>::new());
        }
    }
}
