//! MariaDB and MySQL.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySql};

use super::connection_string::{COMMAND_TIMEOUT, CONNECTION_TIMEOUT, POOL_SIZE};
use super::{ConnectionString, DatabaseError, DatabaseOptions, PoolState, Result, pool};

const HOST: &[&str] = &["datasource", "server", "host", "address", "addr", "networkaddress"];
const PORT: &[&str] = &["port"];
const DATABASE: &[&str] = &["database", "initialcatalog"];
const USER: &[&str] = &["userid", "uid", "username", "user"];
const PASSWORD: &[&str] = &["password", "pwd"];
const SSL_MODE: &[&str] = &["sslmode"];
const SSL_CA: &[&str] = &["sslca", "cacertificatefile"];
const PROTOCOL: &[&str] = &["protocol", "connectionprotocol"];

/// Keys of the original's client library that change nothing here (schema.md section 2.2). The character set is always utf8mb4.
const WITHOUT_EFFECT: &[&str] = &[
    "oldguids",
    "pooling",
    "minpoolsize",
    "minimumpoolsize",
    "connectionlifetime",
    "characterset",
    "charset",
    "allowzerodatetime",
    "convertzerodatetime",
    "treattinyasboolean",
    "useaffectedrows",
    "allowuservariables",
    "allowbatch",
    "compress",
    "usecompression",
    "keepalive",
    "persistsecurityinfo",
    "connectionreset",
    "pipename",
    "allowpublickeyretrieval",
];

/// A connection string, read.
pub(super) struct Settings {
    connect: MySqlConnectOptions,
    /// Where it is, for messages.
    pub(super) place: String,
    /// What the operator should know about the string.
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Reads a connection string by schema.md section 2.2.
    pub(super) fn read(string: &ConnectionString) -> Result<Self> {
        let host = string.value(HOST).unwrap_or("localhost");
        let port = string.number(PORT)?.unwrap_or(3306);
        let database = string.value(DATABASE).ok_or_else(|| missing("Database"))?;
        let user = string.value(USER).ok_or_else(|| missing("User ID"))?;
        let mut connect = MySqlConnectOptions::new()
            .host(host)
            .port(port)
            .username(user)
            .password(string.value(PASSWORD).unwrap_or_default())
            .database(database)
            .ssl_mode(ssl_mode(string)?)
            // Leave the session as the server's administrator set it up, as the original does: its `||`, its engines, and its
            // time zone, with which date columns are written and compared (schema.md section 4).
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        if let Some(path) = string.value(SSL_CA) {
            connect = connect.ssl_ca(path);
        }
        let unix = string.value(PROTOCOL).is_some_and(|value| value.eq_ignore_ascii_case("unix")) || host.starts_with('/');
        if unix {
            connect = connect.socket(host).ssl_mode(MySqlSslMode::Disabled);
        }
        let place = if unix { format!("mysql:{host}/{database}") } else { format!("mysql:{host}:{port}/{database}") };
        let known = [
            HOST,
            PORT,
            DATABASE,
            USER,
            PASSWORD,
            SSL_MODE,
            SSL_CA,
            PROTOCOL,
            POOL_SIZE,
            CONNECTION_TIMEOUT,
            COMMAND_TIMEOUT,
            WITHOUT_EFFECT,
        ];
        Ok(Self { connect, place, warnings: string.unknown_keys(&known) })
    }
}

fn missing(key: &str) -> DatabaseError {
    DatabaseError::Configuration(format!("the connection string has no '{key}'"))
}

fn ssl_mode(string: &ConnectionString) -> Result<MySqlSslMode> {
    let Some(mode) = string.value(SSL_MODE) else { return Ok(MySqlSslMode::Preferred) };
    match mode.to_ascii_lowercase().as_str() {
        "none" | "disabled" => Ok(MySqlSslMode::Disabled),
        "preferred" | "prefered" => Ok(MySqlSslMode::Preferred),
        "required" => Ok(MySqlSslMode::Required),
        "verifyca" => Ok(MySqlSslMode::VerifyCa),
        "verifyfull" => Ok(MySqlSslMode::VerifyIdentity),
        _ => Err(DatabaseError::Configuration(format!(
            "SslMode '{mode}' is unknown; use None, Preferred, Required, VerifyCA or VerifyFull"
        ))),
    }
}

/// What a transaction is kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// It sees nothing that is not committed, and locks no more than the rows that it changes.
    ReadCommitted,
    /// As if it were alone: also what it looked for and did not find is locked.
    Serializable,
}

/// One database on a MariaDB or MySQL server. Clones share the connections.
#[derive(Clone)]
pub struct MySqlDatabase {
    pool: MySqlPool,
    connect: MySqlConnectOptions,
    statement_timeout: Duration,
    acquire_timeout: Duration,
    /// The server keeps a binary log of statements.
    logs_statements: bool,
    place: String,
}

impl MySqlDatabase {
    pub(super) async fn open(settings: Settings, options: &DatabaseOptions) -> Result<Self> {
        // The first connection is opened without the pool, which would repeat a refused one until its time is over and then
        // not tell why.
        let mut first = pool::connect(&settings.connect, options.acquire_timeout).await?;
        let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut first).await?;
        // Older and newer servers do not have all of these variables.
        let log: Vec<(String, String)> =
            sqlx::query_as("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')")
                .fetch_all(&mut first)
                .await?;
        let is = |name: &str, value: &str| log.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value));
        let logs_statements = is("log_bin", "ON") && is("binlog_format", "STATEMENT");
        first.close().await?;

        let set_up = session_statement(&version, options.statement_timeout);
        let pool = pool::pool_options::<MySql>(options)
            .after_connect(move |connection, _| {
                let set_up = AssertSqlSafe(set_up.clone());
                Box::pin(async move { connection.execute(set_up).await.map(|_| ()) })
            })
            .connect_lazy_with(settings.connect.clone());
        Ok(Self {
            pool,
            connect: settings.connect,
            statement_timeout: options.statement_timeout,
            acquire_timeout: options.acquire_timeout,
            logs_statements,
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
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        pool::run(&self.pool, pool::statement_limit(self.statement_timeout), operation).await
    }

    /// Runs an operation in a transaction, as a whole or not at all. It may run several times, when it meets other transactions or its
    /// connection proves to be dead.
    ///
    /// # Errors
    /// What the operation gives; `Timeout` after several times the statement time limit; `Sql` when there is no connection.
    pub async fn transaction<T, F>(&self, isolation: Isolation, operation: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let begin = match isolation {
            // The server cannot write such a transaction into a log of statements.
            Isolation::ReadCommitted if self.logs_statements => "START TRANSACTION",
            Isolation::ReadCommitted => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
            Isolation::Serializable => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION",
        };
        pool::transaction(&self.pool, pool::transaction_limit(self.statement_timeout), begin, operation).await
    }

    /// A connection outside of the pool, for table upgrades and imports: its statements have no time limit.
    pub(crate) async fn connect_without_limit(&self) -> Result<MySqlConnection> {
        if self.pool.is_closed() {
            return Err(DatabaseError::Closed);
        }
        pool::connect(&self.connect, self.acquire_timeout).await
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

/// What a fresh connection is told. Strict mode is added and nothing removed: without it the server would store `?` for a
/// character that a column cannot hold (schema.md section 8, 7).
fn session_statement(version: &str, statement_timeout: Duration) -> String {
    let time_limit = if version.to_ascii_lowercase().contains("mariadb") {
        format!("max_statement_time = {}", statement_timeout.as_secs_f64())
    } else {
        // Covers SELECT only; MySQL has no limit for others.
        format!("max_execution_time = {}", statement_timeout.as_millis())
    };
    format!("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'), {time_limit}")
}

impl fmt::Display for MySqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for MySqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlDatabase({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        Settings::read(&ConnectionString::parse(text).expect(text)).expect(text)
    }

    #[test]
    fn a_shipped_string_is_read() {
        let settings =
            read("Data Source=db.example;Port=3307;Database=opensim;User ID=grid;Password='a;b';Old Guids=true;SslMode=None;");
        assert_eq!(settings.connect.get_host(), "db.example");
        assert_eq!(settings.connect.get_port(), 3307);
        assert_eq!(settings.connect.get_username(), "grid");
        assert_eq!(settings.connect.get_database(), Some("opensim"));
        assert!(matches!(settings.connect.get_ssl_mode(), MySqlSslMode::Disabled));
        assert_eq!(settings.place, "mysql:db.example:3307/opensim");
        assert_eq!(settings.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_path_is_a_unix_socket() {
        let settings = read("Server=/run/mysqld/mysqld.sock;Protocol=unix;Initial Catalog=a;Uid=b");
        assert_eq!(settings.connect.get_socket().map(|path| path.as_path()), Some("/run/mysqld/mysqld.sock".as_ref()));
    }

    #[test]
    fn time_limits_are_set_in_the_servers_own_words() {
        let limit = Duration::from_millis(1500);
        assert!(session_statement("10.11.6-MariaDB-1", limit).ends_with("max_statement_time = 1.5"));
        assert!(session_statement("8.0.36", limit).ends_with("max_execution_time = 1500"));
    }
}
