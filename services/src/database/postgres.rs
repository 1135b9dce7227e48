//! PostgreSQL.
//!
//! Table names are written without quotes and so are lower case; column names are quoted where they have capitals (schema.md
//! section 2.3).

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor};

use super::connection_string::{COMMAND_TIMEOUT, CONNECTION_TIMEOUT, POOL_SIZE};
use super::{ConnectionString, DatabaseError, DatabaseOptions, PoolState, Result, pool};

const HOST: &[&str] = &["server", "host"];
const PORT: &[&str] = &["port"];
const DATABASE: &[&str] = &["database", "db"];
const USER: &[&str] = &["userid", "username", "uid", "user"];
const PASSWORD: &[&str] = &["password", "pwd", "psw"];
const SSL_MODE: &[&str] = &["sslmode"];
const SSL_CA: &[&str] = &["rootcertificate"];
const SEARCH_PATH: &[&str] = &["searchpath"];
const APPLICATION_NAME: &[&str] = &["applicationname"];

/// Keys of the original's client library that change nothing here (schema.md section 2.3). `Require` never checks the
/// certificate, so that `Trust Server Certificate` has nothing to add.
const WITHOUT_EFFECT: &[&str] = &[
    "trustservercertificate",
    "pooling",
    "minpoolsize",
    "minimumpoolsize",
    "connectionlifetime",
    "encoding",
    "keepalive",
    "integratedsecurity",
    "persistsecurityinfo",
];

/// A connection string, read.
pub(super) struct Settings {
    connect: PgConnectOptions,
    /// Where it is, for messages.
    pub(super) place: String,
    /// What the operator should know about the string.
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Reads a connection string by schema.md section 2.3.
    pub(super) fn read(string: &ConnectionString, options: &DatabaseOptions) -> Result<Self> {
        let user = string.value(USER);
        let user = user.ok_or_else(|| DatabaseError::Configuration("the connection string has no 'User Id'".to_owned()))?;
        let host = string.value(HOST).unwrap_or("localhost");
        let port = string.number(PORT)?.unwrap_or(5432);
        let database = string.value(DATABASE).unwrap_or(user);
        let mut connect = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(port)
            .username(user)
            .database(database)
            .application_name(string.value(APPLICATION_NAME).unwrap_or("gridshell"))
            .options([("statement_timeout", options.statement_timeout.as_millis())])
            // A socket on this machine needs no encryption, and servers offer none there.
            .ssl_mode(if host.starts_with('/') { PgSslMode::Disable } else { ssl_mode(string)? })
            .disable_statement_logging();
        if let Some(password) = string.value(PASSWORD) {
            connect = connect.password(password);
        }
        if let Some(path) = string.value(SSL_CA) {
            connect = connect.ssl_root_cert(path);
        }
        if let Some(path) = string.value(SEARCH_PATH) {
            connect = connect.options([("search_path", path)]);
        }
        let known = [
            HOST,
            PORT,
            DATABASE,
            USER,
            PASSWORD,
            SSL_MODE,
            SSL_CA,
            SEARCH_PATH,
            APPLICATION_NAME,
            POOL_SIZE,
            CONNECTION_TIMEOUT,
            COMMAND_TIMEOUT,
            WITHOUT_EFFECT,
        ];
        Ok(Self { place: format!("postgres:{host}:{port}/{database}"), connect, warnings: string.unknown_keys(&known) })
    }
}

fn ssl_mode(string: &ConnectionString) -> Result<PgSslMode> {
    let Some(mode) = string.value(SSL_MODE) else { return Ok(PgSslMode::Prefer) };
    match mode.to_ascii_lowercase().as_str() {
        "disable" => Ok(PgSslMode::Disable),
        "allow" => Ok(PgSslMode::Allow),
        "prefer" => Ok(PgSslMode::Prefer),
        "require" => Ok(PgSslMode::Require),
        "verifyca" | "verify-ca" => Ok(PgSslMode::VerifyCa),
        "verifyfull" | "verify-full" => Ok(PgSslMode::VerifyFull),
        _ => Err(DatabaseError::Configuration(format!(
            "SSL Mode '{mode}' is unknown; use Disable, Allow, Prefer, Require, VerifyCA or VerifyFull"
        ))),
    }
}

/// One database on a PostgreSQL server. Clones share the connections.
#[derive(Clone)]
pub struct PostgresDatabase {
    pool: PgPool,
    connect: PgConnectOptions,
    statement_timeout: Duration,
    acquire_timeout: Duration,
    place: String,
}

impl PostgresDatabase {
    pub(super) async fn open(settings: Settings, options: &DatabaseOptions) -> Result<Self> {
        // The first connection is opened without the pool, which would repeat a refused one until its time is over and then
        // not tell why.
        pool::connect(&settings.connect, options.acquire_timeout).await?.close().await?;
        Ok(Self {
            pool: pool::pool_options(options).connect_lazy_with(settings.connect.clone()),
            connect: settings.connect,
            statement_timeout: options.statement_timeout,
            acquire_timeout: options.acquire_timeout,
            place: settings.place,
        })
    }

    /// Runs an operation that may be repeated without harm on one of the connections. It is repeated once when its connection
    /// proves to be dead.
    ///
    /// # Errors
    /// What the operation gives; `Timeout` after the statement time limit; `Sql` when there is no connection.
    pub async fn run<T, F>(&self, operation: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        pool::run(&self.pool, pool::statement_limit(self.statement_timeout), operation).await
    }

    /// Runs an operation in a transaction, as a whole or not at all. It may run several times, when it meets other transactions or its
    /// connection proves to be dead.
    ///
    /// # Errors
    /// What the operation gives; `Timeout` after several times the statement time limit; `Sql` when there is no connection.
    pub async fn transaction<T, F>(&self, operation: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
        pool::transaction(&self.pool, pool::transaction_limit(self.statement_timeout), BEGIN, operation).await
    }

    /// A connection outside of the pool, for table upgrades and imports: its statements have no time limit.
    pub(crate) async fn connect_without_limit(&self) -> Result<PgConnection> {
        if self.pool.is_closed() {
            return Err(DatabaseError::Closed);
        }
        let mut connection = pool::connect(&self.connect, self.acquire_timeout).await?;
        connection.execute("SET statement_timeout = 0").await?;
        Ok(connection)
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.run(|connection| Box::pin(connection.ping())).await
    }

    pub(super) fn pool_state(&self) -> PoolState {
        pool::pool_state(&self.pool)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

impl fmt::Display for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresDatabase({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_string_is_read() {
        let text = "Server=db.example;Database=opensim;User Id=grid; password=x;SSL Mode = Disable;Search Path=my schema";
        let string = ConnectionString::parse(text).expect(text);
        let settings = Settings::read(&string, &DatabaseOptions::default()).expect(text);
        assert_eq!(settings.connect.get_host(), "db.example");
        assert_eq!(settings.connect.get_port(), 5432);
        assert_eq!(settings.connect.get_username(), "grid");
        assert_eq!(settings.connect.get_database(), Some("opensim"));
        assert!(matches!(settings.connect.get_ssl_mode(), PgSslMode::Disable));
        let session = settings.connect.get_options().expect("options");
        assert!(session.ends_with(r"-c statement_timeout=30000 -c search_path=my\ schema"), "{session}");
        assert_eq!(settings.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_database_defaults_to_the_user_name() {
        let string = ConnectionString::parse("Host=a;Username=grid").expect("pairs");
        let settings = Settings::read(&string, &DatabaseOptions::default()).expect("usable");
        assert_eq!(settings.connect.get_database(), Some("grid"));
    }
}
